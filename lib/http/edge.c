#include "lib/http/edge.h"

#include "lib/http/ctype.h"
#include "lib/http/field.h"

#include <string.h>

/* One-hop fields and those that the edge states anew. */
static const char *const stripped[] = {
    "connection", "keep-alive",     "te",     "trailer", "transfer-encoding",
    "upgrade",    "content-length", "expect", "host",    "http2-settings",
};

/* End-to-end fields that Connection must not remove: a request that tries is refused
 * (hop-by-hop abuse). Names that start with `content-` belong here as well. */
static const char *const kept[] = {
    "host",
    "authorization",
    "cookie",
    "accept",
    "cache-control",
    "expect",
    "forwarded",
    "if-match",
    "if-none-match",
    "range",
    "user-agent",
    "via",
    "x-real-ip",
    "idempotency-key",
    "x-forwarded-for",
    "if-range",
    "if-modified-since",
    "if-unmodified-since",
    "x-forwarded-host",
    "x-forwarded-proto",
    "prefer",
    "origin",
    "referer",
};

static const struct {
    const char *name;
    unsigned control;
} controls[] = {
    {"holdfast-not-before", HF_HTTP_CONTROL_NOT_BEFORE},
    {"holdfast-delay", HF_HTTP_CONTROL_DELAY},
    {"holdfast-callback", HF_HTTP_CONTROL_CALLBACK},
    {"holdfast-deadline", HF_HTTP_CONTROL_DEADLINE},
};

static bool is_in(hf_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((name.data[0] | 0x20) == names[i][0] &&
            hf_slice_equal_nocase(name, hf_slice_of_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

#define IS_IN(name, table) is_in((name), (table), sizeof(table) / sizeof(table)[0])

static bool has_prefix(hf_slice name, hf_slice prefix)
{
    return hf_slice_equal_nocase(hf_slice_first(name, prefix.bytes), prefix);
}

static bool is_trusted(const struct hf_http_edge *edge, struct hf_http_address address)
{
    for (size_t i = 0; i < edge->trusted_proxies_count; i++) {
        if (hf_http_network_has(&edge->trusted_proxies[i], address)) {
            return true;
        }
    }
    return false;
}

/* An address as Forwarded and X-Forwarded-For write it: bare, quoted, in brackets, with
 * a port. */
static hf_err node_parse(hf_slice text, struct hf_http_address *out)
{
    size_t colon;

    if (text.bytes >= 2 && text.data[0] == '"' && text.data[text.bytes - 1] == '"') {
        text = hf_slice_of(text.data + 1, text.bytes - 2);
    }
    if (text.bytes > 0 && text.data[0] == '[') {
        size_t end = hf_slice_find(text, ']');
        hf_slice rest = hf_slice_skip(text, end + 1);

        if (end == text.bytes || (rest.bytes > 0 && rest.data[0] != ':')) {
            return HF_ERR_INVALID;
        }
        return hf_http_address_parse(hf_slice_of(text.data + 1, end - 1), out);
    }
    colon = hf_slice_find(text, ':');
    if (hf_slice_find(hf_slice_skip(text, colon + 1), ':') ==
        text.bytes - (colon < text.bytes ? colon + 1 : text.bytes)) {
        text = hf_slice_first(text, colon);
    }
    return hf_http_address_parse(text, out);
}

/* The value of parameter `name` in one Forwarded element (RFC 7239 4), quotes kept. */
static hf_slice element_find(hf_slice element, hf_slice name)
{
    while (element.bytes > 0) {
        size_t end = hf_slice_find(element, ';');
        hf_slice pair = hf_slice_trim(hf_slice_first(element, end));
        size_t equals = hf_slice_find(pair, '=');

        if (hf_slice_equal_nocase(hf_slice_first(pair, equals), name)) {
            return hf_slice_skip(pair, equals + 1);
        }
        element = hf_slice_skip(element, end + 1);
    }
    return HF_SLICE_EMPTY;
}

/* Walks the elements of all fields `name` from the right; the callback-free way is to
 * ask for element number `index` counted from the right. False when there are fewer. */
static bool element_from_right(const struct hf_http_head *head, hf_slice name,
                               size_t index, hf_slice *out)
{
    for (size_t i = head->fields_count; i > 0; i--) {
        hf_slice rest = head->fields[i - 1].value;

        if (!hf_slice_equal_nocase(head->fields[i - 1].name, name)) {
            continue;
        }
        for (;;) {
            size_t at = rest.bytes;

            while (at > 0 && rest.data[at - 1] != ',') {
                at--;
            }
            if (index == 0) {
                *out = hf_slice_trim(hf_slice_skip(rest, at));
                return true;
            }
            index--;
            if (at == 0) {
                break;
            }
            rest = hf_slice_first(rest, at - 1);
        }
    }
    return false;
}

/* X-Forwarded-Proto of a trusted peer; its last member was set by that peer. */
static void proto_take(hf_slice proto, struct hf_http_origin *out)
{
    if (hf_slice_equal_nocase(proto, HF_SLICE("https"))) {
        out->is_https = true;
    } else if (hf_slice_equal_nocase(proto, HF_SLICE("http"))) {
        out->is_https = false;
    }
}

static hf_slice unquoted(hf_slice text)
{
    bool is_quoted =
        text.bytes >= 2 && text.data[0] == '"' && text.data[text.bytes - 1] == '"';

    return is_quoted ? hf_slice_of(text.data + 1, text.bytes - 2) : text;
}

static void host_take(hf_slice host, struct hf_http_origin *out)
{
    struct hf_http_host parsed;

    if (hf_http_host_parse(host, out->is_https, &parsed) == HF_OK) {
        out->host = host;
    }
}

/* Scheme and host as the nearest trusted proxy stated them. */
static void facts_take(const struct hf_http_head *head, bool is_forwarded,
                       struct hf_http_origin *out)
{
    hf_slice element;

    if (is_forwarded) {
        if (element_from_right(head, HF_SLICE("forwarded"), 0, &element)) {
            proto_take(unquoted(element_find(element, HF_SLICE("proto"))), out);
            host_take(unquoted(element_find(element, HF_SLICE("host"))), out);
        }
        return;
    }
    if (element_from_right(head, HF_SLICE("x-forwarded-proto"), 0, &element)) {
        proto_take(element, out);
    }
    if (element_from_right(head, HF_SLICE("x-forwarded-host"), 0, &element)) {
        host_take(element, out);
    }
}

void hf_http_edge_origin(const struct hf_http_edge *edge,
                         const struct hf_http_head *head,
                         const struct hf_http_client *client,
                         struct hf_http_origin *out)
{
    hf_slice name = HF_SLICE("x-forwarded-for");
    hf_slice element;
    struct hf_http_address hop = client->peer;
    bool is_forwarded;

    hf_check(edge != NULL);
    hf_check(out != NULL);

    *out = (struct hf_http_origin){client->peer, client->is_https, client->host};
    if (!is_trusted(edge, client->peer)) {
        return;
    }
    is_forwarded = hf_http_head_find(head, HF_SLICE("forwarded")).data != NULL;
    name = is_forwarded ? HF_SLICE("forwarded") : name;
    facts_take(head, is_forwarded, out);
    for (size_t i = 0; i < HF_HTTP_FORWARDED_HOPS_MAX && is_trusted(edge, hop); i++) {
        if (!element_from_right(head, name, i, &element)) {
            break;
        }
        element = is_forwarded ? element_find(element, HF_SLICE("for")) : element;
        if (node_parse(element, &hop) != HF_OK) {
            out->address = client->peer;
            return;
        }
        out->address = hop;
    }
}

static bool is_control_allowed(const struct hf_http_edge *edge, hf_slice name)
{
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
        if (hf_slice_equal_nocase(name, hf_slice_of_cstr(controls[i].name))) {
            return (edge->controls_allowed & controls[i].control) != 0;
        }
    }
    return false;
}

/* True when the field must not reach a worker, whatever Connection says. */
static bool is_stripped(const struct hf_http_edge *edge, hf_slice name)
{
    switch (name.data[0] | 0x20) {
    case 'h':
        if (has_prefix(name, HF_SLICE("holdfast-"))) {
            return !is_control_allowed(edge, name);
        }
        break;
    case 'x':
        return has_prefix(name, HF_SLICE("x-holdfast-")) ||
               has_prefix(name, HF_SLICE("x-forwarded-")) ||
               hf_slice_equal_nocase(name, HF_SLICE("x-real-ip"));
    case 'p':
        return has_prefix(name, HF_SLICE("proxy-"));
    case 'f':
        return hf_slice_equal_nocase(name, HF_SLICE("forwarded"));
    default:
        break;
    }
    return IS_IN(name, stripped);
}

/* Bound on all Connection values together, so that the search for nominated names stays
 * cheap. */
#define CONNECTION_BYTES_MAX 1024u

/* A nominated name must be a token and no end-to-end field. *has_any becomes true when
 * a field is nominated, beyond the options close and keep-alive. */
static hf_reason nominations_check(const struct hf_http_head *head, bool *has_any)
{
    size_t bytes = 0;

    for (size_t i = 0; i < head->fields_count; i++) {
        hf_slice rest = head->fields[i].value;
        hf_slice member;

        if (!hf_slice_equal_nocase(head->fields[i].name, HF_SLICE("connection"))) {
            continue;
        }
        bytes += rest.bytes;
        if (bytes > CONNECTION_BYTES_MAX) {
            return HF_REASON_HEADER;
        }
        while (hf_http_list_next(&rest, &member)) {
            if (!hf_http_is_token(member) || IS_IN(member, kept) ||
                has_prefix(member, HF_SLICE("content-"))) {
                return HF_REASON_HEADER;
            }
            *has_any |= !hf_slice_equal_nocase(member, HF_SLICE("close")) &&
                        !hf_slice_equal_nocase(member, HF_SLICE("keep-alive"));
        }
    }
    return HF_REASON_NONE;
}

static bool is_nominated(const struct hf_http_head *head, hf_slice name)
{
    for (size_t i = 0; i < head->fields_count; i++) {
        if (hf_slice_equal_nocase(head->fields[i].name, HF_SLICE("connection")) &&
            hf_http_list_has(head->fields[i].value, name)) {
            return true;
        }
    }
    return false;
}

enum passage { PASS, DROP, REFUSE };

static enum passage passage_of(const struct hf_http_edge *edge,
                               const struct hf_http_head *head, hf_slice name,
                               bool has_nominations)
{
    if (edge->underscores != HF_HTTP_UNDERSCORES_ALLOW &&
        hf_slice_find(name, '_') < name.bytes) {
        return edge->underscores == HF_HTTP_UNDERSCORES_REJECT ? REFUSE : DROP;
    }
    if (is_stripped(edge, name) || (has_nominations && is_nominated(head, name))) {
        return DROP;
    }
    return PASS;
}

static hf_err append_member(struct hf_buf *out, hf_slice member)
{
    hf_err err = hf_buf_append(out, member);

    return err == HF_OK ? hf_buf_append_cstr(out, ", ") : err;
}

/* What a trusted peer said about the hops before it: its X-Forwarded-For, or the client
 * that its Forwarded names, since an app that reads only the former must not take the
 * peer for the client. */
static hf_err append_hops(const struct hf_http_head *head, struct hf_http_address peer,
                          struct hf_http_address origin, struct hf_buf *out)
{
    char text[HF_HTTP_ADDRESS_TEXT_BYTES];
    hf_err err = HF_OK;

    if (hf_http_head_find(head, HF_SLICE("forwarded")).data != NULL) {
        hf_http_address_text(origin, text);
        return memcmp(origin.bytes, peer.bytes, sizeof peer.bytes) == 0
                   ? HF_OK
                   : append_member(out, hf_slice_of_cstr(text));
    }
    for (size_t i = 0; err == HF_OK && i < head->fields_count; i++) {
        const struct hf_http_field *f = &head->fields[i];

        if (hf_slice_equal_nocase(f->name, HF_SLICE("x-forwarded-for")) &&
            f->value.bytes > 0) {
            err = append_member(out, f->value);
        }
    }
    return err;
}

/* X-Forwarded-For: the hops before a trusted peer, then the peer itself. */
static hf_err append_forwarded_for(const struct hf_http_edge *edge,
                                   const struct hf_http_head *head,
                                   const struct hf_http_client *client,
                                   const struct hf_http_origin *origin,
                                   struct hf_buf *out)
{
    char text[HF_HTTP_ADDRESS_TEXT_BYTES];
    hf_slice peer = client->peer_text;
    hf_err err = HF_OK;

    if (peer.bytes == 0) {
        hf_http_address_text(client->peer, text);
        peer = hf_slice_of_cstr(text);
    }
    if (is_trusted(edge, client->peer)) {
        err = append_hops(head, client->peer, origin->address, out);
    }
    return err == HF_OK ? hf_buf_append(out, peer) : err;
}

static hf_err append_facts(const struct hf_http_edge *edge,
                           const struct hf_http_head *head,
                           const struct hf_http_client *client, struct hf_buf *out)
{
    struct hf_http_origin origin;
    hf_err err;

    hf_http_edge_origin(edge, head, client, &origin);
    err = hf_buf_append(out, head->version_minor == 0
                                 ? HF_SLICE("Via: 1.0 holdfast\r\nX-Forwarded-For: ")
                                 : HF_SLICE("Via: 1.1 holdfast\r\nX-Forwarded-For: "));
    err = err == HF_OK ? append_forwarded_for(edge, head, client, &origin, out) : err;
    if (err == HF_OK) {
        err = hf_buf_append(out, origin.is_https
                                     ? HF_SLICE("\r\nX-Forwarded-Proto: https\r\n")
                                     : HF_SLICE("\r\nX-Forwarded-Proto: http\r\n"));
    }
    if (err == HF_OK && origin.host.bytes > 0) {
        err = hf_http_field_append(out, HF_SLICE("X-Forwarded-Host"), origin.host);
    }
    return err;
}

hf_reason hf_http_edge_fields(const struct hf_http_edge *edge,
                              const struct hf_http_head *head,
                              const struct hf_http_client *client, struct hf_buf *out,
                              size_t *dropped_count)
{
    bool has_nominations = false;
    hf_err err = HF_OK;
    hf_reason reason;

    hf_check(edge != NULL);
    hf_check(dropped_count != NULL);

    *dropped_count = 0;
    reason = nominations_check(head, &has_nominations);
    if (reason == HF_REASON_NONE && client->host.bytes > 0) {
        err = hf_http_field_append(out, HF_SLICE("Host"), client->host);
    }
    for (size_t i = 0; reason == HF_REASON_NONE && i < head->fields_count; i++) {
        const struct hf_http_field *f = &head->fields[i];
        enum passage passage = passage_of(edge, head, f->name, has_nominations);

        if (passage == PASS) {
            err = hf_http_field_append(out, f->name, f->value);
        } else {
            (*dropped_count)++;
        }
        reason = passage == REFUSE ? HF_REASON_HEADER : HF_REASON_NONE;
        reason = err != HF_OK ? HF_REASON_REQUEST_LENGTH : reason;
    }
    if (reason != HF_REASON_NONE) {
        return reason;
    }
    return append_facts(edge, head, client, out) == HF_OK ? HF_REASON_NONE
                                                          : HF_REASON_REQUEST_LENGTH;
}
