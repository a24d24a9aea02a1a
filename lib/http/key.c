#include "lib/http/key.h"

#include "lib/base/text.h"
#include "lib/http/ctype.h"

static bool is_field_name(hf_slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        if (!hf_http_is(name.data[i], HF_HTTP_TCHAR)) {
            return false;
        }
    }
    return name.bytes > 0;
}

hf_err hf_http_key_parse(hf_slice text, struct hf_http_key *out)
{
    uint64_t segment = 0;

    *out = (struct hf_http_key){0};
    if (hf_slice_equal(text, HF_SLICE("client-ip"))) {
        out->kind = HF_HTTP_KEY_CLIENT_IP;
    } else if (hf_slice_equal(text, HF_SLICE("host"))) {
        out->kind = HF_HTTP_KEY_HOST;
    } else if (hf_slice_starts_with(text, HF_SLICE("header:"))) {
        out->kind = HF_HTTP_KEY_HEADER;
        out->name = hf_slice_skip(text, 7);
        return is_field_name(out->name) ? HF_OK : HF_ERR_INVALID;
    } else if (hf_slice_starts_with(text, HF_SLICE("segment:"))) {
        out->kind = HF_HTTP_KEY_SEGMENT;
        if (hf_text_parse_u64(hf_slice_skip(text, 8), HF_HTTP_KEY_SEGMENTS_MAX,
                              &segment) != HF_OK ||
            segment == 0) {
            return HF_ERR_INVALID;
        }
        out->segment = (uint32_t)segment;
    } else if (text.bytes != 0) {
        return HF_ERR_INVALID;
    }
    return HF_OK;
}

hf_slice hf_http_key_segment(hf_slice path, uint32_t n)
{
    while (path.bytes > 0 && path.data[0] == '/') {
        path = hf_slice_skip(path, 1);
        hf_slice segment = hf_slice_first(path, hf_slice_find(path, '/'));

        if (--n == 0) {
            return segment;
        }
        path = hf_slice_skip(path, segment.bytes);
    }
    return HF_SLICE_EMPTY;
}
