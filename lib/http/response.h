/* A small strict parser for responses of our own admin servers (llhttp, strict build).
 *
 * The command line feeds it until done. Interim 1xx responses are refused: our servers
 * send none. */
#ifndef HF_HTTP_RESPONSE_H
#define HF_HTTP_RESPONSE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct hf_http_response;

/* `body_bytes_max` bounds what is kept; fields are bounded by 64 KiB. */
HF_MUST_USE hf_err hf_http_response_new(size_t body_bytes_max, bool is_head,
                                        struct hf_http_response **out);
void hf_http_response_free(struct hf_http_response *response);
/* HF_OK: complete. HF_ERR_AGAIN: feed more. HF_ERR_INVALID, HF_ERR_TOO_BIG. Bytes after
 * a complete message are HF_ERR_INVALID. */
HF_MUST_USE hf_err hf_http_response_feed(struct hf_http_response *response,
                                         hf_slice bytes);
/* The peer closed: HF_OK when that ends the body legally, else HF_ERR_CLOSED. */
HF_MUST_USE hf_err hf_http_response_eof(struct hf_http_response *response);
int hf_http_response_status(const struct hf_http_response *response);
hf_slice hf_http_response_fields(const struct hf_http_response *response); /* block */
hf_slice hf_http_response_body(const struct hf_http_response *response);

#endif
