/* uri-host [ ":" port ] of a Host field or an absolute-form target, made canonical.
 *
 * Lower case, one trailing dot removed, IPv6 literals in RFC 5952 form within brackets,
 * default port dropped. Refused: userinfo, path, comma, percent-encoding, empty labels,
 * anything but letters, digits, `-`, `_` and `.` in a name, IPvFuture, zones. */
#ifndef HF_HTTP_HOST_H
#define HF_HTTP_HOST_H

#include "lib/base/err.h"
#include "lib/http/head.h"

#define HF_HTTP_HOST_BYTES_MAX 255u

struct hf_http_host {
    uint8_t text[HF_HTTP_HOST_BYTES_MAX + 1];
    uint16_t text_bytes;
    uint16_t port; /* 0: none given, or the scheme's default */
};

/* HF_ERR_INVALID for anything malformed or empty. */
HF_MUST_USE hf_err hf_http_host_parse(hf_slice authority, bool is_https,
                                      struct hf_http_host *out);
hf_slice hf_http_host_slice(const struct hf_http_host *host); /* borrowed */

/* An address of 16 bytes; IPv4 is mapped (::ffff:a.b.c.d). */
struct hf_http_address {
    uint8_t bytes[16];
};

/* "192.0.2.1", "2001:db8::1" (no brackets, no zone). */
HF_MUST_USE hf_err hf_http_address_parse(hf_slice text, struct hf_http_address *out);
/* RFC 5952 text, mapped addresses as dotted quad; `out` gets a NUL. */
#define HF_HTTP_ADDRESS_TEXT_BYTES 46
void hf_http_address_text(struct hf_http_address address,
                          char out[HF_HTTP_ADDRESS_TEXT_BYTES]);

/* "10.0.0.0/8", "::1", "192.0.2.7". */
struct hf_http_network {
    struct hf_http_address base;
    uint8_t prefix_bits; /* 0..128, of the mapped form */
};
HF_MUST_USE hf_err hf_http_network_parse(hf_slice text, struct hf_http_network *out);
bool hf_http_network_has(const struct hf_http_network *network,
                         struct hf_http_address address);

#endif
