/* The chunked transfer coding (RFC 9112 7.1), both ways.
 *
 * Reading: size [0-9A-Fa-f]{1,16}, directly followed by CRLF or `;`, extensions of at
 * most 256 bytes per message without control bytes, CRLF only; trailers obey the field
 * rules and are thrown away. Trailers that would change framing, routing or credentials
 * (Content-Length, Transfer-Encoding, Host, Authorization, ...) are refused. */
#ifndef HF_HTTP_CHUNK_H
#define HF_HTTP_CHUNK_H

#include "lib/base/buf.h"
#include "lib/http/guard.h"

#define HF_HTTP_CHUNK_EXTENSION_BYTES_MAX 256u
/* Longest line that hf_http_chunk_head makes: 16 digits and CRLF. */
#define HF_HTTP_CHUNK_HEAD_BYTES_MAX 18u

struct hf_http_chunk {
    uint8_t state;
    uint8_t digits;
    uint16_t extension_bytes;
    uint64_t left_bytes;
    uint8_t name_bytes; /* of the trailer name being read; saturates */
    uint8_t name[24];
    struct hf_http_guard guard;
};

enum hf_http_chunk_event {
    HF_HTTP_CHUNK_MORE,
    HF_HTTP_CHUNK_DATA, /* *data is the next piece, borrowed from the input */
    HF_HTTP_CHUNK_END,  /* the final CRLF has been read */
    HF_HTTP_CHUNK_BAD,  /* refuse and close */
};

void hf_http_chunk_init(struct hf_http_chunk *chunk);
enum hf_http_chunk_event hf_http_chunk_read(struct hf_http_chunk *chunk,
                                            const struct hf_http_limits *limits,
                                            hf_slice bytes, size_t *consumed,
                                            hf_slice *data);

/* Writes the line that goes before `bytes` of data (bytes >= 1); returns its length.
 * After the data comes CRLF. */
size_t hf_http_chunk_head(uint64_t bytes, char out[HF_HTTP_CHUNK_HEAD_BYTES_MAX]);
#define HF_HTTP_CHUNK_LAST HF_SLICE("0\r\n\r\n")

#endif
