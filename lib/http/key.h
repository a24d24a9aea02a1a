/* What tells the requests of a URL group apart (fair_key of its configuration):
 * "client-ip", "host", "header:NAME" or "segment:N" of the path, from 1. */
#ifndef HF_HTTP_KEY_H
#define HF_HTTP_KEY_H

#include "lib/base/err.h"
#include "lib/base/slice.h"

#define HF_HTTP_KEY_SEGMENTS_MAX 255u

enum hf_http_key_kind {
    HF_HTTP_KEY_NONE,
    HF_HTTP_KEY_CLIENT_IP,
    HF_HTTP_KEY_HOST,
    HF_HTTP_KEY_HEADER,
    HF_HTTP_KEY_SEGMENT
};

struct hf_http_key {
    enum hf_http_key_kind kind;
    uint32_t segment;
    hf_slice name; /* of the field; borrowed from the text */
};

/* An empty text is no key; HF_ERR_INVALID for what is none of the four. */
HF_MUST_USE hf_err hf_http_key_parse(hf_slice text, struct hf_http_key *out);
/* The n-th segment of an absolute path, from 1; empty when it has fewer. */
hf_slice hf_http_key_segment(hf_slice path, uint32_t n);

#endif
