#include "lib/http/host.h"

#include "lib/base/text.h"
#include "lib/http/ctype.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

hf_err hf_http_address_parse(hf_slice text, struct hf_http_address *out)
{
    char copy[HF_HTTP_ADDRESS_TEXT_BYTES];
    struct in_addr four;

    hf_check(out != NULL);

    if (text.bytes == 0 || text.bytes >= sizeof copy ||
        memchr(text.data, 0, text.bytes) != NULL) {
        return HF_ERR_INVALID;
    }
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = 0;
    if (inet_pton(AF_INET, copy, &four) == 1) {
        memcpy(out->bytes, mapped, sizeof mapped);
        memcpy(out->bytes + sizeof mapped, &four, 4);
        return HF_OK;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1 ? HF_OK : HF_ERR_INVALID;
}

static bool is_mapped(struct hf_http_address address)
{
    return memcmp(address.bytes, mapped, sizeof mapped) == 0;
}

void hf_http_address_text(struct hf_http_address address,
                          char out[HF_HTTP_ADDRESS_TEXT_BYTES])
{
    char *at = out;

    if (!is_mapped(address)) {
        hf_check(inet_ntop(AF_INET6, address.bytes, out, HF_HTTP_ADDRESS_TEXT_BYTES) !=
                 NULL);
        return;
    }
    /* Each request has one of these, and inet_ntop calls sprintf. */
    for (size_t i = sizeof mapped; i < sizeof address.bytes; i++) {
        char digits[HF_TEXT_DECIMAL_MAX];
        size_t count = hf_text_decimal(address.bytes[i], digits);

        memcpy(at, digits, count);
        at += count;
        *at++ = '.';
    }
    at[-1] = '\0';
}

/* Plain decimal without leading zeros, 0..max. */
static hf_err number_parse(hf_slice text, unsigned max, unsigned *out)
{
    unsigned value = 0;

    if (text.bytes == 0 || text.bytes > 5 || (text.bytes > 1 && text.data[0] == '0')) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return HF_ERR_INVALID;
        }
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *out = value;
    return value <= max ? HF_OK : HF_ERR_INVALID;
}

hf_err hf_http_network_parse(hf_slice text, struct hf_http_network *out)
{
    size_t slash = hf_slice_find(text, '/');
    hf_err err = hf_http_address_parse(hf_slice_first(text, slash), &out->base);
    bool is_four = err == HF_OK && hf_slice_find(text, ':') == text.bytes;
    unsigned bits = is_four ? 32 : 128;

    if (err == HF_OK && slash < text.bytes) {
        err = number_parse(hf_slice_skip(text, slash + 1), bits, &bits);
    }
    if (err == HF_OK) {
        out->prefix_bits = (uint8_t)(is_four ? bits + 96 : bits);
    }
    return err;
}

bool hf_http_network_has(const struct hf_http_network *network,
                         struct hf_http_address address)
{
    size_t whole = network->prefix_bits / 8u;
    unsigned rest = network->prefix_bits % 8u;

    hf_check(network->prefix_bits <= 128);

    if (memcmp(network->base.bytes, address.bytes, whole) != 0) {
        return false;
    }
    return rest == 0 ||
           (network->base.bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0;
}

/* [v6]: `*used` counts up to and including the bracket. */
static hf_err literal_parse(hf_slice authority, struct hf_http_host *out, size_t *used)
{
    size_t end = hf_slice_find(authority, ']');
    hf_slice inner = hf_slice_first(hf_slice_skip(authority, 1), end - 1);
    struct hf_http_address address;
    char text[HF_HTTP_ADDRESS_TEXT_BYTES + 2];
    size_t bytes;

    if (end == authority.bytes || hf_slice_find(inner, ':') == inner.bytes ||
        hf_http_address_parse(inner, &address) != HF_OK) {
        return HF_ERR_INVALID;
    }
    hf_check(inet_ntop(AF_INET6, address.bytes, text, HF_HTTP_ADDRESS_TEXT_BYTES) !=
             NULL);
    bytes = strlen(text);
    out->text[0] = '[';
    memcpy(out->text + 1, text, bytes);
    out->text[bytes + 1] = ']';
    out->text_bytes = (uint16_t)(bytes + 2);
    *used = end + 1;
    return HF_OK;
}

/* Labels of letters, digits, `-` and `_`, each non-empty, at most 63 bytes. */
static hf_err name_parse(hf_slice name, struct hf_http_host *out)
{
    size_t label = 0;

    if (name.bytes > 0 && name.data[name.bytes - 1] == '.') {
        name.bytes--;
    }
    if (name.bytes == 0 || name.bytes > HF_HTTP_HOST_BYTES_MAX) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < name.bytes; i++) {
        uint8_t c = name.data[i];
        bool is_label = (hf_http_is(c, HF_HTTP_UNRESERVED) && c != '~' && c != '.');

        if (!is_label && (c != '.' || label == 0)) {
            return HF_ERR_INVALID;
        }
        label = is_label ? label + 1 : 0;
        if (label > 63) {
            return HF_ERR_INVALID;
        }
        out->text[i] = hf_http_lower(c);
    }
    out->text_bytes = (uint16_t)name.bytes;
    return label > 0 ? HF_OK : HF_ERR_INVALID;
}

/* An address in dotted quads has one spelling only: what looks like one must be one. */
static bool is_bad_quad(const struct hf_http_host *host)
{
    hf_slice text = hf_http_host_slice(host);
    struct hf_http_address address;
    size_t at = text.bytes;

    while (at > 0 && text.data[at - 1] != '.') {
        at--;
    }
    for (size_t i = at; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return hf_http_address_parse(text, &address) != HF_OK;
}

/* What follows the host: nothing, or `:` and a port; an empty port is the default one
 * (RFC 3986 3.2.3). */
static hf_err port_parse(hf_slice rest, bool is_https, struct hf_http_host *out)
{
    unsigned port = 0;

    out->port = 0;
    if (rest.bytes == 0) {
        return HF_OK;
    }
    if (rest.data[0] != ':') {
        return HF_ERR_INVALID;
    }
    if (rest.bytes > 1 &&
        (number_parse(hf_slice_skip(rest, 1), 65535, &port) != HF_OK || port == 0)) {
        return HF_ERR_INVALID;
    }
    out->port = (uint16_t)(port == (is_https ? 443u : 80u) ? 0 : port);
    return HF_OK;
}

hf_err hf_http_host_parse(hf_slice authority, bool is_https, struct hf_http_host *out)
{
    size_t used;
    hf_err err;

    hf_check(out != NULL);

    if (authority.bytes > 0 && authority.data[0] == '[') {
        err = literal_parse(authority, out, &used);
    } else {
        used = hf_slice_find(authority, ':');
        err = name_parse(hf_slice_first(authority, used), out);
        if (err == HF_OK && is_bad_quad(out)) {
            err = HF_ERR_INVALID;
        }
    }
    if (err != HF_OK) {
        return err;
    }
    return port_parse(hf_slice_skip(authority, used), is_https, out);
}

hf_slice hf_http_host_slice(const struct hf_http_host *host)
{
    hf_check(host != NULL);

    return hf_slice_of(host->text, host->text_bytes);
}
