/* Owns the reference documentation made from a table of keys. */
#include "lib/io/conf_parts.h"

static const char *const type_names[] = {
    [HF_CONF_TEXT] = "text",         [HF_CONF_ENUM] = "one of",
    [HF_CONF_DURATION] = "duration", [HF_CONF_BYTES] = "size",
    [HF_CONF_INT] = "number",        [HF_CONF_BOOL] = "true or false",
    [HF_CONF_LIST] = "list",         [HF_CONF_MAP] = "keys and values",
};

/* A choice list inside a Markdown table: the bars would end the cell. */
static hf_err write_choices(const char *choices, struct hf_buf *out)
{
    hf_err err = HF_OK;

    for (const char *at = choices; *at != '\0' && err == HF_OK; at++) {
        err = *at == '|' ? hf_buf_append_cstr(out, ", ")
                         : hf_buf_append_byte(out, (uint8_t)*at);
    }
    return err;
}

static hf_err write_type(const struct hf_conf_row *row, struct hf_buf *out)
{
    hf_err err = hf_buf_append_cstr(out, type_names[row->type]);

    if (err == HF_OK && row->choices != NULL) {
        err = hf_buf_append_byte(out, ' ');
        if (err == HF_OK) {
            err = write_choices(row->choices, out);
        }
    }
    if (err == HF_OK && (row->min != 0 || row->max != 0)) {
        err = hf_buf_printf(out, ", %lld to ", (long long)row->min);
        if (err == HF_OK) {
            err = row->max != 0 ? hf_buf_printf(out, "%lld", (long long)row->max)
                                : hf_buf_append_cstr(out, "any");
        }
    }
    return err;
}

static hf_err write_row(const struct hf_conf_row *row, struct hf_buf *out)
{
    hf_err err = hf_buf_printf(out, "| `%s` | ", row->path);

    if (err == HF_OK) {
        err = write_type(row, out);
    }
    if (err == HF_OK && row->fallback != NULL) {
        err = hf_buf_printf(out, " | `%s` | ", row->fallback);
    } else if (err == HF_OK) {
        err = hf_buf_append_cstr(out, row->is_required ? " | required | " : " | | ");
    }
    if (err == HF_OK) {
        err = hf_buf_printf(out, "%s |\n", row->help != NULL ? row->help : "");
    }
    return err;
}

hf_err hf_conf_render_reference(const struct hf_conf_row *rows, size_t rows_count,
                                struct hf_buf *out)
{
    hf_err err = hf_buf_append_cstr(
        out, "| key | value | default | meaning |\n| --- | --- | --- | --- |\n");

    hf_check(rows != NULL);
    for (size_t i = 0; i < rows_count && err == HF_OK; i++) {
        err = write_row(&rows[i], out);
    }
    return err;
}
