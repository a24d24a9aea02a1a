/* Configuration from any bytes, against a table with every type and shape. */
#include "lib/io/conf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct hf_conf_row rows[] = {
    {"cluster", HF_CONF_TEXT, NULL, 1, 64, true, NULL, "Name."},
    {"size", HF_CONF_BYTES, "64KiB", 0, 1 << 30, false, NULL, "Size."},
    {"time", HF_CONF_DURATION, "10ms", 0, 60000, false, NULL, "Time."},
    {"map", HF_CONF_MAP, NULL, 0, 10, false, NULL, "Map."},
    {"map.*", HF_CONF_MAP, NULL, 0, 0, false, NULL, "Entry."},
    {"map.*.kind", HF_CONF_ENUM, "a", 0, 0, false, "a|b|c", "Kind."},
    {"map.*.on", HF_CONF_BOOL, "true", 0, 0, false, NULL, "Switch."},
    {"list", HF_CONF_LIST, NULL, 0, 9, false, NULL, "List."},
    {"list[]", HF_CONF_MAP, NULL, 0, 0, false, NULL, "Element."},
    {"list[].n", HF_CONF_INT, NULL, -5, 5, true, NULL, "Number."},
    {"words", HF_CONF_LIST, NULL, 0, 0, false, NULL, "Words."},
    {"words[]", HF_CONF_TEXT, NULL, 0, 0, false, NULL, "Word."},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct hf_conf conf;
    struct hf_buf out;
    hf_err err;

    memset(&conf, 0, sizeof conf);
    conf.file = "fuzz";
    conf.rows = rows;
    conf.rows_count = sizeof rows / sizeof rows[0];
    hf_buf_init(&out, 1 << 20);
    err = hf_conf_parse(&conf, hf_slice_of(data, bytes));
    hf_check((err == HF_OK) == (conf.errors_count == 0) || err == HF_ERR_NO_MEMORY);
    if (err == HF_OK) {
        hf_check(hf_conf_get(conf.root, "cluster") != NULL);
        hf_check(hf_conf_number(conf.root, "size") >= 0);
        hf_check(hf_conf_get(conf.root, "map") != NULL);
    }
    hf_check(hf_conf_render_errors(&conf, &out) == HF_OK);
    hf_buf_fini(&out);
    hf_conf_fini(&conf);
    return 0;
}
