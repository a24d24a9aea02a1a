#include "lib/http/idempotency.h"

#include "lib/http/field.h"

static hf_err read_key(hf_slice value, hf_slice *key)
{
    bool is_quoted =
        value.bytes >= 2 && value.data[0] == '"' && value.data[value.bytes - 1] == '"';

    if (is_quoted) {
        value = hf_slice_first(hf_slice_skip(value, 1), value.bytes - 2);
    }
    if (value.bytes == 0 || value.bytes > HF_HTTP_IDEMPOTENCY_BYTES_MAX) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < value.bytes; i++) {
        uint8_t c = value.data[i];
        bool is_allowed = c > ' ' && c < 0x7F && c != '"' && c != '\\';

        /* A comma or a space can only be meant inside quotes. */
        if (!(is_quoted ? is_allowed || c == ' ' : is_allowed && c != ',')) {
            return HF_ERR_INVALID;
        }
    }
    *key = value;
    return HF_OK;
}

hf_err hf_http_idempotency_of(hf_slice block, hf_slice *key)
{
    hf_err err = HF_ERR_NOT_FOUND;
    struct hf_http_field field;

    while (hf_http_field_next(&block, &field)) {
        if (!hf_slice_equal_nocase(field.name, HF_SLICE("idempotency-key"))) {
            continue;
        }
        if (err != HF_ERR_NOT_FOUND) {
            return HF_ERR_INVALID;
        }
        err = read_key(field.value, key);
    }
    return err;
}
