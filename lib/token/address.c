/* Owns addresses and networks as tokens name them; opens no socket, asks no resolver.
 */
#include "lib/token/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static unsigned family_bits(enum hf_address_family family)
{
    switch (family) {
    case HF_ADDRESS_LOCAL:
        return 0;
    case HF_ADDRESS_IPV4:
        return 32;
    case HF_ADDRESS_IPV6:
        return 128;
    }
    hf_check(false);
    return 0;
}

hf_err hf_address_of_bytes(hf_slice bytes, struct hf_address *out)
{
    struct hf_address address = {0};

    hf_check(out != NULL);

    if (bytes.bytes == 16 &&
        memcmp(bytes.data, mapped_prefix, sizeof mapped_prefix) == 0) {
        bytes = hf_slice_skip(bytes, sizeof mapped_prefix);
    }
    if (bytes.bytes != 4 && bytes.bytes != 16) {
        return HF_ERR_INVALID;
    }
    address.family = bytes.bytes == 4 ? HF_ADDRESS_IPV4 : HF_ADDRESS_IPV6;
    memcpy(address.bytes, bytes.data, bytes.bytes);
    *out = address;
    return HF_OK;
}

hf_err hf_address_parse(hf_slice text, struct hf_address *out)
{
    char copy[HF_NETWORK_TEXT_BYTES] = {0};
    uint8_t bytes[16];

    hf_check(out != NULL);

    if (hf_slice_equal(text, HF_SLICE("local"))) {
        *out = (struct hf_address){.family = HF_ADDRESS_LOCAL};
        return HF_OK;
    }
    if (text.bytes == 0 || text.bytes >= sizeof copy ||
        hf_slice_find(text, 0) != text.bytes) {
        return HF_ERR_INVALID;
    }
    memcpy(copy, text.data, text.bytes);
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        return hf_address_of_bytes(hf_slice_of(bytes, 4), out);
    }
    if (inet_pton(AF_INET6, copy, bytes) == 1) {
        return hf_address_of_bytes(hf_slice_of(bytes, 16), out);
    }
    return HF_ERR_INVALID;
}

static bool has_host_bits(const struct hf_network *network)
{
    unsigned bits = family_bits(network->base.family);

    for (unsigned i = network->prefix_bits; i < bits; i++) {
        if ((network->base.bytes[i / 8] & (0x80u >> (i % 8))) != 0) {
            return true;
        }
    }
    return false;
}

hf_err hf_network_parse(hf_slice text, struct hf_network *out)
{
    struct hf_network network = {0};
    uint64_t prefix = 0;
    size_t slash = hf_slice_find(text, '/');
    hf_slice digits = hf_slice_skip(text, slash + 1);

    hf_check(out != NULL);

    if (hf_address_parse(hf_slice_first(text, slash), &network.base) != HF_OK) {
        return HF_ERR_INVALID;
    }

    bool is_local = network.base.family == HF_ADDRESS_LOCAL;
    bool is_v6_text = hf_slice_find(text, ':') != text.bytes;

    if (is_local != (slash == text.bytes)) {
        return HF_ERR_INVALID;
    }
    if (is_local) {
        *out = network;
        return HF_OK;
    }
    /* A network written as IPv4-mapped IPv6 would be the same rule under two spellings.
     */
    if (is_v6_text != (network.base.family == HF_ADDRESS_IPV6) ||
        (digits.bytes > 1 && digits.data[0] == '0') ||
        hf_text_parse_u64(digits, family_bits(network.base.family), &prefix) != HF_OK) {
        return HF_ERR_INVALID;
    }
    network.prefix_bits = (uint8_t)prefix;
    if (has_host_bits(&network)) {
        return HF_ERR_INVALID;
    }
    *out = network;
    return HF_OK;
}

void hf_network_text(const struct hf_network *network, char out[HF_NETWORK_TEXT_BYTES])
{
    char text[INET6_ADDRSTRLEN] = {0};

    hf_check(network != NULL);

    if (network->base.family == HF_ADDRESS_LOCAL) {
        (void)snprintf(out, HF_NETWORK_TEXT_BYTES, "local");
        return;
    }

    int family = network->base.family == HF_ADDRESS_IPV4 ? AF_INET : AF_INET6;

    hf_check(inet_ntop(family, network->base.bytes, text, sizeof text) != NULL);
    (void)snprintf(out, HF_NETWORK_TEXT_BYTES, "%s/%u", text, network->prefix_bits);
}

bool hf_network_holds(const struct hf_network *network,
                      const struct hf_address *address)
{
    hf_check(network != NULL);
    hf_check(address != NULL);

    unsigned whole = network->prefix_bits / 8u;
    unsigned rest = network->prefix_bits % 8u;

    if (network->base.family != address->family ||
        memcmp(network->base.bytes, address->bytes, whole) != 0) {
        return false;
    }
    if (rest == 0) {
        return true;
    }

    unsigned mask = 0xffu << (8 - rest) & 0xffu;

    return ((network->base.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}
