/* Owns the first steps of a daemon's main. */
#include "lib/io/program.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (1u << 20)
#define FD_MAX         1023

int hf_program_complain(const struct hf_flags *flags, const char *text,
                        const char *what)
{
    (void)fprintf(stderr, "%s: %s%s%s\n", flags->program->name,
                  what == NULL ? "" : what, what == NULL ? "" : ": ", text);
    return HF_PROGRAM_MISUSED;
}

static bool refuse(const struct hf_flags *flags, const char *name, const char *text)
{
    (void)fprintf(stderr, "%s: --%s: %s\n", flags->program->name, name, text);
    return false;
}

static int print(const struct hf_flags *flags)
{
    struct hf_buf text;
    hf_err err;

    hf_buf_init(&text, TEXT_BYTES_MAX);
    err = flags->is_man_wanted ? hf_flags_render_man(flags->program, &text)
                               : hf_flags_render_help(flags->program, &text);
    if (err == HF_OK) {
        (void)fwrite(hf_buf_slice(&text).data, 1, hf_buf_bytes(&text), stdout);
    }
    hf_buf_fini(&text);
    return err == HF_OK ? 0 : 1;
}

static const char *value_of(const struct hf_flags *flags, const char *name)
{
    for (size_t i = 0; i < flags->program->flags_count; i++) {
        if (strcmp(flags->program->flags[i].name, name) == 0) {
            return hf_flags_get(flags, name);
        }
    }
    return NULL;
}

/* The row of `words` that a flag names; the first one where the table has no such flag.
 */
static bool choose(const struct hf_flags *flags, const char *name,
                   const char *const words[3], size_t *out)
{
    const char *value = value_of(flags, name);

    *out = 0;
    if (value == NULL) {
        return true;
    }
    for (size_t i = 0; i < 3 && words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return refuse(flags, name, "no such choice (see --help)");
}

static bool open_log(const struct hf_flags *flags)
{
    static const char prefix[] = "holdfast-";
    static const char *const formats[3] = {"logfmt", "json", NULL};
    static const char *const levels[3] = {"info", "debug", "warn"};
    static const enum hf_log_level level_of[3] = {HF_LOG_INFO, HF_LOG_DEBUG,
                                                  HF_LOG_WARN};
    const char *name = flags->program->name;
    size_t format = 0;
    size_t level = 0;

    if (!choose(flags, "log-format", formats, &format) ||
        !choose(flags, "log-level", levels, &level)) {
        return false;
    }
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
        name += sizeof prefix - 1;
    }
    hf_log_setup(name, format == 1 ? HF_LOG_JSON : HF_LOG_LOGFMT, level_of[level]);
    hf_log_sink(NULL, NULL, hf_clock_now);
    HF_DEBUG("starting", hf_log_int("pid", getpid()));
    return true;
}

int hf_program_start(const struct hf_program *program, int argc, char *const *argv,
                     struct hf_flags *out)
{
    hf_check(program != NULL && out != NULL);
    if (hf_flags_parse(program, argc, argv, out) != HF_OK) {
        return hf_program_complain(out, out->error, NULL);
    }
    if (out->is_help_wanted || out->is_man_wanted) {
        return print(out);
    }
    if (out->arguments_count > 0 && !program->takes_arguments) {
        return hf_program_complain(out, "unexpected argument", out->arguments[0]);
    }
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    return open_log(out) ? HF_PROGRAM_GOES_ON : HF_PROGRAM_MISUSED;
}

static hf_slice text_of(const struct hf_flags *flags, const char *name)
{
    const char *text = hf_flags_get(flags, name);

    hf_check(text != NULL);
    return hf_slice_of_cstr(text);
}

bool hf_program_count(const struct hf_flags *flags, const char *name, uint32_t max,
                      uint32_t *out)
{
    uint64_t value = 0;
    char text[64];

    if (hf_text_parse_u64(text_of(flags, name), max, &value) == HF_OK && value > 0) {
        *out = (uint32_t)value;
        return true;
    }
    (void)snprintf(text, sizeof text, "expected a number from 1 to %u", max);
    return refuse(flags, name, text);
}

bool hf_program_duration(const struct hf_flags *flags, const char *name,
                         int64_t *out_ms)
{
    if (hf_text_parse_duration_ms(text_of(flags, name), out_ms) == HF_OK) {
        return true;
    }
    return refuse(flags, name, "expected a duration such as 30s");
}

bool hf_program_bytes(const struct hf_flags *flags, const char *name, uint64_t *out)
{
    if (hf_text_parse_bytes(text_of(flags, name), out) == HF_OK) {
        return true;
    }
    return refuse(flags, name, "expected bytes such as 64MiB");
}

bool hf_program_list(const struct hf_flags *flags, const char *name, const char **out,
                     size_t max, size_t *count)
{
    const char *value;
    char text[64];

    *count = 0;
    while ((value = hf_flags_at(flags, name, *count)) != NULL) {
        if (*count == max) {
            (void)snprintf(text, sizeof text, "at most %zu times", max);
            return refuse(flags, name, text);
        }
        out[(*count)++] = value;
    }
    return true;
}

bool hf_program_package(const struct hf_flags *flags,
                        struct hf_credentials *credentials)
{
    const char *number = hf_flags_get(flags, "package-fd");
    const char *error = "not a descriptor";
    uint64_t fd = 0;

    if (number == NULL) {
        return true;
    }
    if (hf_text_parse_u64(hf_slice_of_cstr(number), FD_MAX, &fd) == HF_OK &&
        hf_credentials_read_fd(credentials, (int)fd, &error) == HF_OK) {
        (void)close((int)fd);
        return true;
    }
    return refuse(flags, "package-fd", error);
}
