/* Addresses of peers and the networks a token may name (`net`, SECURITY.md 2.3). */
#ifndef HF_TOKEN_ADDRESS_H
#define HF_TOKEN_ADDRESS_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#define HF_NETWORK_TEXT_BYTES 64 /* longest text with NUL */

enum hf_address_family {
    HF_ADDRESS_LOCAL, /* a unix socket on this host */
    HF_ADDRESS_IPV4,
    HF_ADDRESS_IPV6
};

/* Network byte order; IPv4 in the first four bytes, the rest zero. */
struct hf_address {
    enum hf_address_family family;
    uint8_t bytes[16];
};

struct hf_network {
    struct hf_address base;
    uint8_t prefix_bits;
};

/* IPv4-mapped IPv6 becomes IPv4 (SECURITY.md 2.3). `bytes` is 4 or 16 bytes of network
 * order, as the socket gave them. */
HF_MUST_USE hf_err hf_address_of_bytes(hf_slice bytes, struct hf_address *out);
/* "local", dotted decimal, or IPv6 text without zone or port. */
HF_MUST_USE hf_err hf_address_parse(hf_slice text, struct hf_address *out);
/* "local" or address "/" prefix length; host bits must be zero. */
HF_MUST_USE hf_err hf_network_parse(hf_slice text, struct hf_network *out);
void hf_network_text(const struct hf_network *network, char out[HF_NETWORK_TEXT_BYTES]);
/* Families never match each other: a unix socket is only in "local". */
bool hf_network_holds(const struct hf_network *network,
                      const struct hf_address *address);

#endif
