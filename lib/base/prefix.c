#include "lib/base/prefix.h"

#include <arpa/inet.h>
#include <string.h>

/* The text still to be read, with what is needed to name the offending part. */
struct cursor {
    hf_slice text;
    struct prefix_error *error;
};

const char *prefix_part_name(enum prefix_part part)
{
    switch (part) {
    case PREFIX_PART_SCHEME:
        return "scheme";
    case PREFIX_PART_HOST:
        return "host";
    case PREFIX_PART_PORT:
        return "port";
    case PREFIX_PART_PATH:
        return "path";
    }
    return "unknown";
}

static hf_err refuse(const struct cursor *c, enum prefix_part part, hf_slice text,
                     const char *rule)
{
    *c->error = (struct prefix_error){
        .part = part,
        .position = (size_t)(text.data - c->text.data),
        .text = text,
        .rule = rule,
    };
    return HF_ERR_INVALID;
}

/* The part at which reading goes on, `bytes` long. */
static hf_slice part_of(hf_slice text, size_t at, size_t bytes)
{
    return hf_slice_of(text.data + at, bytes);
}

static hf_err scheme_parse(const struct cursor *c, struct prefix *out, size_t *at)
{
    size_t end = hf_slice_find(c->text, ':');

    if (hf_slice_starts_with(c->text, HF_SLICE("http://"))) {
        out->is_https = false;
        *at = 7;
        return HF_OK;
    }
    if (hf_slice_starts_with(c->text, HF_SLICE("https://"))) {
        out->is_https = true;
        *at = 8;
        return HF_OK;
    }
    return refuse(c, PREFIX_PART_SCHEME, hf_slice_first(c->text, end),
                  "begins with http:// or https://, in lower case");
}

static bool is_label_byte(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
           b == '-' || b == '_';
}

/* Copies a host name in lower case; false when it is none. */
static bool name_copy(hf_slice name, struct prefix *out)
{
    size_t label = 0;

    if (name.bytes > 1 && name.data[name.bytes - 1] == '.') {
        name.bytes--;
    }
    if (name.bytes == 0 || name.bytes > PREFIX_HOST_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.bytes; i++) {
        uint8_t b = name.data[i];

        if (!is_label_byte(b) && (b != '.' || label == 0)) {
            return false;
        }
        label = b == '.' ? 0 : label + 1;
        if (label > 63) {
            return false;
        }
        out->host[i] = b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b;
    }
    out->host_bytes = (uint8_t)name.bytes;
    return label > 0;
}

/* True when the last label is all digits: then the host is an address or a mistake. */
static bool is_quad_like(hf_slice name)
{
    size_t at = name.bytes;

    while (at > 0 && name.data[at - 1] >= '0' && name.data[at - 1] <= '9') {
        at--;
    }
    return at < name.bytes && (at == 0 || name.data[at - 1] == '.');
}

static bool address_copy(hf_slice text, int family, struct prefix *out)
{
    char copy[INET6_ADDRSTRLEN];
    bool is_four = family == AF_INET;

    if (text.bytes == 0 || text.bytes >= sizeof copy ||
        memchr(text.data, 0, text.bytes) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = 0;
    memset(out->host, 0, 16);
    if (is_four) {
        out->host[10] = out->host[11] = 0xff;
    }
    out->host_bytes = 16;
    return inet_pton(family, copy, out->host + (is_four ? 12 : 0)) == 1;
}

static hf_err named_host_parse(const struct cursor *c, hf_slice host,
                               struct prefix *out)
{
    bool is_suffix = hf_slice_starts_with(host, HF_SLICE("*."));
    hf_slice name = is_suffix ? hf_slice_skip(host, 2) : host;

    if (is_quad_like(name)) {
        out->bucket = PREFIX_IP;
        return !is_suffix && address_copy(name, AF_INET, out)
                   ? HF_OK
                   : refuse(c, PREFIX_PART_HOST, host, "is not an IPv4 address");
    }
    out->bucket = is_suffix ? PREFIX_SUFFIX : PREFIX_EXPLICIT;
    return name_copy(name, out) ? HF_OK
                                : refuse(c, PREFIX_PART_HOST, host,
                                         "is +, *, a host name, *.name, an IPv4 or a "
                                         "bracketed IPv6 address");
}

/* Reads up to the colon before the port. */
static hf_err host_parse(const struct cursor *c, struct prefix *out, size_t *at)
{
    hf_slice rest = hf_slice_skip(c->text, *at);
    size_t slash = hf_slice_find(rest, '/');
    size_t end = hf_slice_find(hf_slice_first(rest, slash), ':');
    hf_slice host;

    if (rest.bytes > 0 && rest.data[0] == '[') {
        end = hf_slice_find(rest, ']');
        host = part_of(rest, 0, end + (end < rest.bytes));
        *at += host.bytes;
        out->bucket = PREFIX_IP;
        return end < rest.bytes &&
                       address_copy(part_of(host, 1, end - 1), AF_INET6, out)
                   ? HF_OK
                   : refuse(c, PREFIX_PART_HOST, host, "is not an IPv6 address");
    }
    host = part_of(rest, 0, end);
    *at += end;
    if (host.bytes == 1 && (host.data[0] == '+' || host.data[0] == '*')) {
        out->bucket = host.data[0] == '+' ? PREFIX_STRONG : PREFIX_WEAK;
        out->host_bytes = 0;
        return HF_OK;
    }
    return named_host_parse(c, host, out);
}

static hf_err port_parse(const struct cursor *c, struct prefix *out, size_t *at)
{
    hf_slice rest = hf_slice_skip(c->text, *at);
    hf_slice port;
    uint32_t value = 0;

    if (rest.bytes == 0 || rest.data[0] != ':') {
        return refuse(c, PREFIX_PART_PORT, part_of(c->text, *at, 0),
                      "a port is required: `:` and a number");
    }
    rest = hf_slice_skip(rest, 1);
    port = part_of(c->text, *at + 1, hf_slice_find(rest, '/'));
    if (port.bytes == 0 || port.bytes > 5 || port.data[0] == '0') {
        return refuse(c, PREFIX_PART_PORT, port,
                      "is a number from 1 to 65535 without leading zeros");
    }
    for (size_t i = 0; i < port.bytes; i++) {
        if (port.data[i] < '0' || port.data[i] > '9') {
            return refuse(c, PREFIX_PART_PORT, port, "holds digits only, no wildcard");
        }
        value = value * 10 + (uint32_t)(port.data[i] - '0');
    }
    if (value > 65535) {
        return refuse(c, PREFIX_PART_PORT, port, "is at most 65535");
    }
    out->port = (uint16_t)value;
    *at += 1 + port.bytes;
    return HF_OK;
}

static bool is_unreserved(uint8_t b)
{
    return is_label_byte(b) || b == '.' || b == '~';
}

static bool is_hex(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'F');
}

/* An escape that the edge leaves alone: upper case, of no unreserved character. */
static bool is_canonical_escape(hf_slice s)
{
    uint8_t value;

    if (s.bytes < 3 || !is_hex(s.data[1]) || !is_hex(s.data[2])) {
        return false;
    }
    value = (uint8_t)((s.data[1] <= '9' ? s.data[1] - '0' : s.data[1] - 'A' + 10) << 4 |
                      (s.data[2] <= '9' ? s.data[2] - '0' : s.data[2] - 'A' + 10));
    return value >= 0x20 && value != 0x7f && !is_unreserved(value);
}

static const char *segment_fault(hf_slice s)
{
    if (s.bytes == 0) {
        return "has an empty segment (`//`)";
    }
    if (hf_slice_equal(s, HF_SLICE(".")) || hf_slice_equal(s, HF_SLICE(".."))) {
        return "has a dot segment";
    }
    for (size_t i = 0; i < s.bytes; i++) {
        uint8_t b = s.data[i];

        if (b == '%' && !is_canonical_escape(hf_slice_skip(s, i))) {
            return "has an escape that is not in canonical form";
        }
        if (b != '%' && !is_unreserved(b) &&
            (b == 0 || strchr("!$&'()*+,;=:@", b) == NULL)) {
            return "has a character that must be escaped";
        }
    }
    return NULL;
}

static hf_err path_parse(const struct cursor *c, struct prefix *out, size_t at)
{
    hf_slice path = part_of(c->text, at, c->text.bytes - at);
    size_t from = 1;

    if (path.bytes == 0) {
        out->path = HF_SLICE("/");
        return HF_OK;
    }
    if (path.bytes > PREFIX_PATH_BYTES_MAX) {
        return refuse(c, PREFIX_PART_PATH, path, "is at most 8192 bytes");
    }
    if (path.data[path.bytes - 1] != '/') {
        return refuse(c, PREFIX_PART_PATH, path, "ends in `/`");
    }
    while (from < path.bytes) {
        hf_slice rest = hf_slice_skip(path, from);
        hf_slice segment = hf_slice_first(rest, hf_slice_find(rest, '/'));
        const char *fault = segment_fault(segment);

        if (fault != NULL) {
            return refuse(c, PREFIX_PART_PATH, segment, fault);
        }
        from += segment.bytes + 1;
    }
    out->path = path;
    return HF_OK;
}

hf_err prefix_parse(hf_slice text, struct prefix *out, struct prefix_error *error)
{
    struct cursor c = {text, error};
    struct prefix parsed;
    size_t at = 0;
    hf_err err;

    hf_check(out != NULL);
    hf_check(error != NULL);

    err = scheme_parse(&c, &parsed, &at);
    err = err == HF_OK ? host_parse(&c, &parsed, &at) : err;
    err = err == HF_OK ? port_parse(&c, &parsed, &at) : err;
    err = err == HF_OK ? path_parse(&c, &parsed, at) : err;
    if (err == HF_OK) {
        *out = parsed;
    }
    return err;
}
