/* A fields block: `Name: value\r\n` lines as they travel on the wire, in order, with
 * case and repetition kept. Reading one, finding in one, and judging a worker's. */
#ifndef HF_HTTP_FIELD_H
#define HF_HTTP_FIELD_H

#include "lib/base/buf.h"
#include "lib/http/head.h"

#define HF_HTTP_RESPONSE_FIELDS_BYTES_MAX 65536u

/* Walks a block: set *rest to the block, call until false. False with rest->bytes > 0
 * means that the block is malformed from there on. Slices borrow from the block. */
bool hf_http_field_next(hf_slice *rest, struct hf_http_field *out);
/* First value of that name (any case) or data NULL. */
hf_slice hf_http_field_find(hf_slice block, hf_slice name);
HF_MUST_USE hf_err hf_http_field_append(struct hf_buf *block, hf_slice name,
                                        hf_slice value);
/* True when the comma list `value` has the member `token` (any case). */
bool hf_http_list_has(hf_slice value, hf_slice token);
/* Next non-empty member of a comma list, trimmed; false at the end. */
bool hf_http_list_next(hf_slice *rest, hf_slice *out);

/* Judges and filters a worker's response (SECURITY.md 5, row `worker response`): status
 * 200..599, names are tokens, values without CR, LF, NUL and controls, total <= 64 KiB,
 * else HF_ERR_INVALID or HF_ERR_TOO_BIG (answer 502 BAD_RESPONSE and count a worker
 * fault). Appends the survivors to `out`; Content-Length, Transfer-Encoding,
 * Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade, Date, Server and what
 * Connection names are dropped. *dropped_count counts them. */
HF_MUST_USE hf_err hf_http_response_filter(int status, hf_slice block,
                                           struct hf_buf *out, size_t *dropped_count);

#endif
