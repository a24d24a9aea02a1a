/* What crosses the edge: a client's field list -> the fields block a worker gets, and
 * who the client is (SECURITY.md 5, rows hop-by-hop, proxies, fields). */
#ifndef HF_HTTP_EDGE_H
#define HF_HTTP_EDGE_H

#include "lib/base/buf.h"
#include "lib/http/host.h"

#define HF_HTTP_FORWARDED_HOPS_MAX 32u

enum hf_http_underscores {
    HF_HTTP_UNDERSCORES_DROP, /* the default, as nginx */
    HF_HTTP_UNDERSCORES_REJECT,
    HF_HTTP_UNDERSCORES_ALLOW,
};

/* Holdfast-* fields that a URL group lets clients send; all others are stripped. */
enum hf_http_control {
    HF_HTTP_CONTROL_NOT_BEFORE = 1,
    HF_HTTP_CONTROL_DELAY = 2,
    HF_HTTP_CONTROL_CALLBACK = 4,
    HF_HTTP_CONTROL_DEADLINE = 8,
};

struct hf_http_edge {
    enum hf_http_underscores underscores;
    unsigned controls_allowed; /* bits of hf_http_control */
    const struct hf_http_network *trusted_proxies;
    size_t trusted_proxies_count;
};

/* Facts of the connection and the result for this request. */
struct hf_http_client {
    struct hf_http_address peer; /* TCP peer (or PROXY v2 source) */
    bool is_https;               /* of the listener */
    hf_slice host;               /* canonical host[:port] as the client named it */
    hf_slice peer_text;          /* of `peer`; empty: made for each request */
};

struct hf_http_origin {
    struct hf_http_address address; /* the client's, after trusted proxies */
    bool is_https;                  /* scheme the client used */
    hf_slice host; /* X-Forwarded-Host of a trusted proxy (raw), else client->host */
};

/* Who sent it: the TCP peer, unless that is a trusted proxy; then Forwarded or
 * X-Forwarded-For is walked from the right past trusted hops, at most 32. Malformed:
 * the peer. Never fails. */
void hf_http_edge_origin(const struct hf_http_edge *edge,
                         const struct hf_http_head *head,
                         const struct hf_http_client *client,
                         struct hf_http_origin *out);

/* Appends to `out` Host (canonical), the fields that go on in their order, then Via,
 * X-Forwarded-For, -Proto and -Host made anew. *dropped_count counts the client's
 * fields that were not passed on, Host among them. HF_REASON_NONE; HEADER when
 * Connection nominates a field that must not be removed, is longer than 1 KiB, or a
 * name has `_` and underscores=reject; REQUEST_LENGTH when `out` is full. */
HF_MUST_USE hf_reason hf_http_edge_fields(const struct hf_http_edge *edge,
                                          const struct hf_http_head *head,
                                          const struct hf_http_client *client,
                                          struct hf_buf *out, size_t *dropped_count);

#endif
