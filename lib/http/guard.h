/* The shape of field lines, judged one byte at a time.
 *
 * Accepts exactly *( token ":" value CRLF ) CRLF with values of HTAB, SP, VCHAR and
 * obs-text. So it refuses what llhttp's strict build lets pass (PERFORMANCE.md 4): line
 * folding, empty names, and everything else that starts a line but is no name. It is
 * used for heads and for trailers and keeps no bytes. */
#ifndef HF_HTTP_GUARD_H
#define HF_HTTP_GUARD_H

#include "lib/http/head.h"

struct hf_http_guard {
    uint8_t state;
    size_t line_bytes;
    size_t total_bytes;
    size_t count;
};

enum hf_http_verdict { HF_HTTP_GUARD_MORE, HF_HTTP_GUARD_END, HF_HTTP_GUARD_BAD };

void hf_http_guard_init(struct hf_http_guard *guard);
/* Reads `bytes` up to and including the empty line. *consumed counts what was accepted.
 * BAD: *reason is HEADER, FIELD_LENGTH or REQUEST_LENGTH. */
enum hf_http_verdict hf_http_guard_read(struct hf_http_guard *guard,
                                        const struct hf_http_limits *limits,
                                        hf_slice bytes, size_t *consumed,
                                        hf_reason *reason);

#endif
