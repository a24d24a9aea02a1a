/* config check, config reference, man: what the tables say. */
#include "controller/cli/verbs.h"

#include "controller/config.h"
#include "lib/io/file.h"

#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX (4u << 20)

const struct hf_program cli_config_check_program = {
    .name = "holdfast config check",
    .summary = "read a configuration as `up` would",
    .usage = "FILE",
    .description =
        "Exit status 0, or 2 and one line per mistake: file:line:column: key: "
        "what was expected.",
    .section = 1,
};

const struct hf_program cli_config_reference_program = {
    .name = "holdfast config reference",
    .summary = "print the reference of all configuration keys (Markdown)",
    .usage = "",
    .description = "docs/configuration.md is this text.",
    .section = 1,
};

static const struct hf_flag man_flags[] = {
    {"out", "DIRECTORY", "deploy/man", "Where the pages go.", false},
};

const struct hf_program cli_man_program = {
    .name = "holdfast man",
    .summary = "write the manual pages of all verbs",
    .usage = "[--out DIRECTORY]",
    .description =
        "One page per verb, made from the tables that give --help. The daemons "
        "print theirs with --man.",
    .flags = man_flags,
    .flags_count = sizeof man_flags / sizeof man_flags[0],
    .section = 1,
};

int cli_config_check(const struct hf_flags *flags)
{
    struct ct_config *config = NULL;
    struct hf_buf errors;
    hf_err err = HF_OK;

    if (flags->arguments_count != 1) {
        return cli_fail(2, "config check: expected one FILE");
    }
    hf_buf_init(&errors, 1 << 20);
    err = ct_config_load(flags->arguments[0], &errors, &config);
    if (err != HF_OK) {
        (void)fwrite(hf_buf_slice(&errors).data, 1, hf_buf_bytes(&errors), stderr);
    } else {
        (void)printf("%s: cluster %s, %zu queues, %zu URL groups, %zu pools\n",
                     flags->arguments[0], config->cluster, config->queues_count,
                     config->groups_count, config->pools_count);
    }
    hf_buf_fini(&errors);
    ct_config_free(config);
    return err == HF_OK ? 0 : 2;
}

int cli_config_reference(const struct hf_flags *flags)
{
    static const char head[] =
        "# Configuration\n\n"
        "One YAML file describes a cluster; `holdfast up FILE` runs it, `holdfast "
        "config "
        "check FILE`\njudges it. The controller watches the file: queues, URL groups, "
        "pools "
        "and `http` change\nlive within a second; a file with a mistake is refused "
        "whole and "
        "the old configuration\nstays in force. Durations: `250ms`, `30s`, `20m`, "
        "`24h`, "
        "`14d`. Sizes: `4096`, `64KiB`,\n`256MiB`, `1GiB`. Ranges of durations are in "
        "milliseconds, of texts and sizes in bytes.\n\n"
        "This page is made by `holdfast config reference` from the table that the "
        "parser "
        "uses.\n\n";
    struct hf_buf text;
    hf_err err = HF_OK;

    (void)flags;
    hf_buf_init(&text, TEXT_BYTES_MAX);
    err = hf_buf_append_cstr(&text, head);
    if (err == HF_OK) {
        err = hf_conf_render_reference(ct_config_rows, ct_config_rows_count, &text);
    }
    if (err == HF_OK) {
        (void)fwrite(hf_buf_slice(&text).data, 1, hf_buf_bytes(&text), stdout);
    }
    hf_buf_fini(&text);
    return err == HF_OK ? 0 : cli_fail(1, "%s", hf_err_text(err));
}

/* "holdfast token mint" -> DIRECTORY/holdfast-token-mint.1 */
static hf_err write_page(const char *directory, const struct hf_program *program)
{
    char path[4096];
    struct hf_buf text;
    int bytes = snprintf(path, sizeof path, "%s/%s.%d", directory, program->name,
                         program->section);
    hf_err err = HF_OK;

    if (bytes < 0 || (size_t)bytes >= sizeof path) {
        return HF_ERR_TOO_BIG;
    }
    for (char *at = path + strlen(directory) + 1; *at != '\0'; at++) {
        *at = *at == ' ' ? '-' : *at;
    }
    hf_buf_init(&text, TEXT_BYTES_MAX);
    err = hf_flags_render_man(program, &text);
    if (err == HF_OK) {
        err = hf_file_replace(path, hf_buf_slice(&text), 0644);
    }
    hf_buf_fini(&text);
    return err;
}

int cli_man(const struct hf_flags *flags)
{
    const char *out = hf_flags_get(flags, "out");
    hf_err err = hf_file_make_directory(out, 0755);

    for (size_t i = 0; i < cli_verbs_count && err == HF_OK; i++) {
        err = write_page(out, cli_verbs[i].program);
    }
    return err == HF_OK ? 0 : cli_fail(1, "%s: %s", out, hf_err_text(err));
}
