/* holdfast: the command line. Finds the verb, parses its flags, runs it. */
#include "controller/cli/verbs.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/token/key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_BYTES 64

const struct cli_verb cli_verbs[] = {
    {"up", &cli_up_program, cli_up},
    {"status", &cli_status_program, cli_status},
    {"show", &cli_show_program, cli_show},
    {"audit", &cli_audit_program, cli_audit},
    {"key gen", &cli_key_gen_program, cli_key_gen},
    {"token mint", &cli_token_mint_program, cli_token_mint},
    {"token inspect", &cli_token_inspect_program, cli_token_inspect},
    {"token verify", &cli_token_verify_program, cli_token_verify},
    {"token attenuate", &cli_token_attenuate_program, cli_token_attenuate},
    {"revoke", &cli_revoke_program, cli_revoke},
    {"queue ls", &cli_queue_ls_program, cli_queue_ls},
    {"queue show", &cli_queue_show_program, cli_queue_show},
    {"queue pause", &cli_queue_pause_program, cli_queue_pause},
    {"queue resume", &cli_queue_resume_program, cli_queue_resume},
    {"config check", &cli_config_check_program, cli_config_check},
    {"config reference", &cli_config_reference_program, cli_config_reference},
    {"man", &cli_man_program, cli_man},
};

const size_t cli_verbs_count = sizeof cli_verbs / sizeof cli_verbs[0];

void cli_path(char *out, size_t bytes, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(out, bytes, format, arguments);
    va_end(arguments);
}

int cli_fail(int status, const char *format, ...)
{
    va_list arguments;

    (void)fputs("holdfast: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return status;
}

static void print_usage(FILE *to)
{
    (void)fputs(
        "Holdfast holds HTTP requests fast until a worker has answered them.\n\n", to);
    for (size_t i = 0; i < cli_verbs_count; i++) {
        (void)fprintf(to, "  holdfast %-18s %s\n", cli_verbs[i].words,
                      cli_verbs[i].program->summary);
    }
    (void)fputs("\nEach verb explains itself with --help.\n", to);
}

/* The verb of the first one or two words; *used says how many. */
static const struct cli_verb *find_verb(int argc, char **argv, int *used)
{
    char words[WORDS_BYTES];

    for (int count = 2; count >= 1; count--) {
        if (argc <= count) {
            continue;
        }
        (void)snprintf(words, sizeof words, "%s%s%s", argv[1], count == 2 ? " " : "",
                       count == 2 ? argv[2] : "");
        for (size_t i = 0; i < cli_verbs_count; i++) {
            if (strcmp(cli_verbs[i].words, words) == 0) {
                *used = count;
                return &cli_verbs[i];
            }
        }
    }
    return NULL;
}

static int print_text(const struct hf_program *program, bool is_man)
{
    struct hf_buf text;
    hf_err err = HF_OK;

    hf_buf_init(&text, 1 << 20);
    err = is_man ? hf_flags_render_man(program, &text)
                 : hf_flags_render_help(program, &text);
    if (err == HF_OK) {
        (void)fwrite(hf_buf_slice(&text).data, 1, hf_buf_bytes(&text), stdout);
    }
    hf_buf_fini(&text);
    return err == HF_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct hf_flags flags;
    const struct cli_verb *verb = NULL;
    int used = 0;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    verb = find_verb(argc, argv, &used);
    if (verb == NULL) {
        print_usage(stderr);
        return cli_fail(2, "unknown verb \"%s\"", argv[1]);
    }
    if (hf_flags_parse(verb->program, argc - used, argv + used, &flags) != HF_OK) {
        return cli_fail(2, "%s: %s", verb->words, flags.error);
    }
    if (flags.is_help_wanted || flags.is_man_wanted) {
        return print_text(verb->program, flags.is_man_wanted);
    }
    hf_log_setup("holdfast", HF_LOG_LOGFMT, HF_LOG_WARN);
    hf_log_sink(NULL, NULL, hf_clock_now);
    if (hf_token_init() != HF_OK) {
        return cli_fail(1, "libsodium does not start");
    }
    return verb->run(&flags);
}
