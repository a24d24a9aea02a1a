/* The routing table: which URL group a request belongs to.
 *
 * Built once per routing snapshot and never changed after. A lookup allocates nothing,
 * does not recurse, and costs O(length of host and path) however many prefixes there
 * are: a hash table of sites (bucket, scheme, port, host) and a hash table of path
 * nodes keyed by (parent node, segment).
 *
 * Order (HTTP.sys): strong `+`; explicit host, exact before the longest `*.suffix`; the
 * local address; weak `*`. The first bucket in which any prefix matches decides. Inside
 * a site the longest prefix wins, on whole segments: /app/ matches /app and /app/x,
 * never /apple. Whether the case of a path matters is a property of each prefix; of two
 * that match alike, the one whose case matters wins. */
#ifndef HF_FRONTEND_ROUTE_H
#define HF_FRONTEND_ROUTE_H

#include "lib/base/prefix.h"

#define ROUTE_PREFIXES_MAX 100000u
#define ROUTE_SEGMENTS_MAX 255u
#define ROUTE_NONE         UINT32_MAX

struct route_entry {
    hf_slice text;          /* a UrlPrefix; borrowed during the build only */
    uint32_t group;         /* what lookup returns; not ROUTE_NONE */
    bool is_case_sensitive; /* path_case=sensitive of its group; hosts are never */
};

struct route_options {
    uint64_t seed; /* of the hash; any value */
};

enum route_fault {
    ROUTE_BAD_PREFIX,   /* error.prefix tells */
    ROUTE_DUPLICATE,    /* the same prefix at `index` and `other_index` */
    ROUTE_MIXED_SCHEME, /* http and https on one port */
    ROUTE_TOO_MANY,     /* more than ROUTE_PREFIXES_MAX, or a path of > 255 segments */
};

struct route_error {
    enum route_fault fault;
    uint32_t index;       /* of the entry that is refused */
    uint32_t other_index; /* of the entry it collides with */
    struct prefix_error prefix;
};

struct route_query {
    hf_slice host; /* canonical: lower case, no port, no trailing dot; may be empty */
    bool is_https; /* scheme of the listener */
    uint16_t port; /* local port of the connection; the Host field's port is not used */
    uint8_t local_address[16]; /* IPv4 mapped; what the client connected to */
    hf_slice path;             /* canonical, starts with `/` */
};

struct route_table;

/* HF_ERR_INVALID or HF_ERR_TOO_BIG with *error filled (nothing is built), NO_MEMORY.
 * count may be 0. */
HF_MUST_USE hf_err route_build(const struct route_entry *entries, size_t count,
                               struct route_options options, struct route_table **out,
                               struct route_error *error);
void route_free(struct route_table *table);
/* The group, or ROUTE_NONE. Thread-safe: the table is immutable. */
uint32_t route_lookup(const struct route_table *table, const struct route_query *query);
size_t route_bytes(const struct route_table *table); /* memory held */

#endif
