/* Heads as bytes: responses to clients, requests of our own small admin client.
 *
 * Reason phrases are ours. Date comes in as a ready text, so a shell formats it once
 * per second. Everything is appended to a caller's buffer; HF_ERR_TOO_BIG or
 * HF_ERR_NO_MEMORY leaves the buffer with a partial head that must not be sent. */
#ifndef HF_HTTP_WRITE_H
#define HF_HTTP_WRITE_H

#include "lib/base/buf.h"
#include "lib/base/time.h"
#include "lib/http/head.h"

#define HF_HTTP_CONTINUE   HF_SLICE("HTTP/1.1 100 Continue\r\n\r\n")
#define HF_HTTP_DATE_BYTES 29

/* IMF-fixdate (RFC 9110 5.6.7), e.g. "Sat, 21 Nov 2026 06:30:00 GMT", with a NUL. */
void hf_http_date(hf_time now, char out[HF_HTTP_DATE_BYTES + 1]);

/* "OK" for 200; "Status" for a code that has no row. Never NULL. */
const char *hf_http_phrase(int status);

/* Who asked: decides version, framing and persistence of the answer. */
struct hf_http_asker {
    enum hf_http_method method;
    uint8_t version_minor;
    bool is_keep_alive; /* the request's wish, minus our own reasons to close */
};

struct hf_http_response_head {
    int status;      /* 200..599 */
    hf_slice fields; /* a block that passed hf_http_response_filter, or ours */
    hf_slice date;   /* IMF-fixdate */
    enum hf_http_length length;
    uint64_t body_bytes; /* with LENGTH_KNOWN */
    bool has_via;        /* adds `Via: 1.1 holdfast`: a worker's response */
};

/* How the body goes out. */
enum hf_http_framing {
    HF_HTTP_FRAMING_NONE,    /* no body: HEAD, 204, 304 */
    HF_HTTP_FRAMING_LENGTH,  /* exactly body_bytes, else abort the connection */
    HF_HTTP_FRAMING_CHUNKED, /* hf_http_chunk_head ... HF_HTTP_CHUNK_LAST */
    HF_HTTP_FRAMING_CLOSE,   /* until close: HTTP/1.0 and unknown length */
};

struct hf_http_framed {
    enum hf_http_framing framing;
    bool is_close; /* close after this response; `Connection: close` was written */
};

HF_MUST_USE hf_err hf_http_write_response(struct hf_buf *out,
                                          const struct hf_http_asker *asker,
                                          const struct hf_http_response_head *head,
                                          struct hf_http_framed *framed);

/* "METHOD target HTTP/1.1", Host, `fields`, Content-Length when length is KNOWN. */
HF_MUST_USE hf_err hf_http_write_request(struct hf_buf *out, hf_slice method,
                                         hf_slice target, hf_slice host,
                                         const struct hf_http_response_head *rest);

#endif
