/* Owns reading command lines against a table, and the two texts made from the table. */
#include "lib/io/flags.h"

#include <stdio.h>
#include <string.h>

static hf_err complain(struct hf_flags *out, const char *text, const char *what)
{
    snprintf(out->error, sizeof out->error, "%s: %.100s (see --help)", text, what);
    return HF_ERR_INVALID;
}

static const struct hf_flag *find(const struct hf_program *program, const char *name,
                                  size_t bytes)
{
    for (size_t i = 0; i < program->flags_count; i++) {
        const struct hf_flag *flag = &program->flags[i];

        if (strlen(flag->name) == bytes && memcmp(flag->name, name, bytes) == 0) {
            return flag;
        }
    }
    return NULL;
}

static hf_err add_value(struct hf_flags *out, const struct hf_flag *flag,
                        const char *value)
{
    if (!flag->is_repeatable && hf_flags_has(out, flag->name)) {
        return complain(out, "given twice", flag->name);
    }
    if (out->values_count == HF_FLAGS_VALUES_MAX) {
        return complain(out, "too many flags", flag->name);
    }
    out->values[out->values_count].flag = flag;
    out->values[out->values_count].value = value;
    out->values_count++;
    return HF_OK;
}

static hf_err add_argument(struct hf_flags *out, const char *argument)
{
    if (out->arguments_count == HF_FLAGS_ARGUMENTS_MAX) {
        return complain(out, "too many arguments", argument);
    }
    out->arguments[out->arguments_count++] = argument;
    return HF_OK;
}

/* `text` follows the two dashes; *next is the word after it, taken (set to NULL) when
 * it is the value. */
static hf_err add_flag(struct hf_flags *out, const char *text, const char **next)
{
    const char *equals = strchr(text, '=');
    size_t bytes = equals != NULL ? (size_t)(equals - text) : strlen(text);
    const struct hf_flag *flag = find(out->program, text, bytes);
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (flag == NULL) {
        return complain(out, "unknown flag", text);
    }
    if (flag->argument == NULL) {
        return value == NULL ? add_value(out, flag, "")
                             : complain(out, "takes no value", flag->name);
    }
    if (value == NULL) {
        value = *next;
        *next = NULL;
    }
    return value == NULL ? complain(out, "needs a value", flag->name)
                         : add_value(out, flag, value);
}

hf_err hf_flags_parse(const struct hf_program *program, int argc, char *const *argv,
                      struct hf_flags *out)
{
    bool is_flags_over = false;
    hf_err err = HF_OK;

    hf_check(argc >= 1 && program != NULL);
    memset(out, 0, sizeof *out);
    out->program = program;
    for (int i = 1; i < argc && err == HF_OK; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool has_next = next != NULL;

        if (is_flags_over || strncmp(argv[i], "--", 2) != 0) {
            err = add_argument(out, argv[i]);
        } else if (argv[i][2] == '\0') {
            is_flags_over = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            out->is_help_wanted = true;
        } else if (strcmp(argv[i], "--man") == 0) {
            out->is_man_wanted = true;
        } else {
            err = add_flag(out, argv[i] + 2, &next);
            i += has_next && next == NULL ? 1 : 0;
        }
    }
    return err;
}

bool hf_flags_has(const struct hf_flags *flags, const char *name)
{
    return hf_flags_at(flags, name, 0) != NULL;
}

const char *hf_flags_at(const struct hf_flags *flags, const char *name, size_t index)
{
    for (size_t i = 0; i < flags->values_count; i++) {
        if (strcmp(flags->values[i].flag->name, name) == 0 && index-- == 0) {
            return flags->values[i].value;
        }
    }
    return NULL;
}

const char *hf_flags_get(const struct hf_flags *flags, const char *name)
{
    const struct hf_flag *flag = find(flags->program, name, strlen(name));

    hf_check(flag != NULL);
    for (size_t i = flags->values_count; i > 0; i--) {
        if (flags->values[i - 1].flag == flag) {
            return flags->values[i - 1].value;
        }
    }
    return flag->fallback;
}

static hf_err help_flag(const struct hf_flag *flag, struct hf_buf *out)
{
    char left[80];
    hf_err err;

    snprintf(left, sizeof left, "  --%s%s%s", flag->name,
             flag->argument != NULL ? " " : "",
             flag->argument != NULL ? flag->argument : "");
    err = hf_buf_printf(out, "%-30s %s", left, flag->help);
    if (err == HF_OK && flag->fallback != NULL) {
        err = hf_buf_printf(out, " Default: %s.", flag->fallback);
    }
    return err == HF_OK ? hf_buf_append_byte(out, '\n') : err;
}

hf_err hf_flags_render_help(const struct hf_program *program, struct hf_buf *out)
{
    static const struct hf_flag own[] = {
        {"help", NULL, NULL, "Print this text.", false},
        {"man", NULL, NULL, "Print the source of the manual page.", false}};
    hf_err err = hf_buf_printf(out, "%s - %s\n\nUsage: %s %s\n\n%s\n\nFlags:\n",
                               program->name, program->summary, program->name,
                               program->usage, program->description);

    for (size_t i = 0; i < program->flags_count && err == HF_OK; i++) {
        err = help_flag(&program->flags[i], out);
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0] && err == HF_OK; i++) {
        err = help_flag(&own[i], out);
    }
    return err;
}

/* Text of ours as roff: dashes and backslashes mean themselves, a blank line starts a
 * paragraph, no line starts with a control character. */
static hf_err man_text(const char *text, struct hf_buf *out)
{
    hf_err err = HF_OK;

    for (const char *at = text; *at != '\0' && err == HF_OK; at++) {
        bool is_line_start = at == text || at[-1] == '\n';

        if (at[0] == '\n' && at[1] == '\n') {
            err = hf_buf_append_cstr(out, "\n.PP");
        } else if (*at == '-') {
            err = hf_buf_append_cstr(out, "\\-");
        } else if (*at == '\\') {
            err = hf_buf_append_cstr(out, "\\e");
        } else if (is_line_start && (*at == '.' || *at == '\'')) {
            err = hf_buf_printf(out, "\\&%c", *at);
        } else {
            err = hf_buf_append_byte(out, (uint8_t)*at);
        }
    }
    return err == HF_OK ? hf_buf_append_byte(out, '\n') : err;
}

static hf_err man_flag(const struct hf_flag *flag, struct hf_buf *out)
{
    hf_err err = hf_buf_append_cstr(out, ".TP\n\\fB\\-\\-");

    for (const char *at = flag->name; *at != '\0' && err == HF_OK; at++) {
        err = *at == '-' ? hf_buf_append_cstr(out, "\\-")
                         : hf_buf_append_byte(out, (uint8_t)*at);
    }
    if (err == HF_OK) {
        err = hf_buf_append_cstr(out, "\\fR");
    }
    if (err == HF_OK && flag->argument != NULL) {
        err = hf_buf_printf(out, " \\fI%s\\fR", flag->argument);
    }
    if (err == HF_OK) {
        err = hf_buf_append_byte(out, '\n');
    }
    if (err == HF_OK) {
        err = man_text(flag->help, out);
    }
    if (err == HF_OK && flag->fallback != NULL) {
        err = hf_buf_append_cstr(out, "Default: ");
        if (err == HF_OK) {
            err = man_text(flag->fallback, out);
        }
    }
    return err;
}

static hf_err man_section(const char *title, const char *text, struct hf_buf *out)
{
    hf_err err = hf_buf_printf(out, ".SH %s\n", title);

    return err == HF_OK ? man_text(text, out) : err;
}

hf_err hf_flags_render_man(const struct hf_program *program, struct hf_buf *out)
{
    char line[512];
    hf_err err = hf_buf_printf(out, ".TH %s %d \"\" \"Holdfast\"\n", program->name,
                               program->section);

    snprintf(line, sizeof line, "%s - %s", program->name, program->summary);
    if (err == HF_OK) {
        err = man_section("NAME", line, out);
    }
    snprintf(line, sizeof line, "%s %s", program->name, program->usage);
    if (err == HF_OK) {
        err = man_section("SYNOPSIS", line, out);
    }
    if (err == HF_OK) {
        err = man_section("DESCRIPTION", program->description, out);
    }
    if (err == HF_OK) {
        err = hf_buf_append_cstr(out, ".SH OPTIONS\n");
    }
    for (size_t i = 0; i < program->flags_count && err == HF_OK; i++) {
        err = man_flag(&program->flags[i], out);
    }
    return err;
}
