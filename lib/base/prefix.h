/* One UrlPrefix: scheme://host:port/path/ (FEATURES.md 1.1 and row 1).
 *
 * scheme   http | https, lower case
 * host     `+` strong, `*` weak, an IPv4 or [IPv6] address (IP-bound weak), a name, or
 *          `*.name` (every host below it); letters in any case, one trailing dot
 * dropped port     1..65535, no leading zero, no wildcard path     absent (means /) or
 * ends in `/`; must be in canonical form already: what the edge would change (dot
 * segments, `//`, escapes of unreserved characters, lower-case hex) can never match and
 * is refused */
#ifndef HF_BASE_PREFIX_H
#define HF_BASE_PREFIX_H

#include "lib/base/err.h"
#include "lib/base/check.h"
#include "lib/base/slice.h"

#define PREFIX_HOST_BYTES_MAX 253u
#define PREFIX_PATH_BYTES_MAX 8192u

enum prefix_bucket {
    PREFIX_STRONG,   /* + */
    PREFIX_EXPLICIT, /* host name */
    PREFIX_SUFFIX,   /* *.name; same bucket as explicit, after it */
    PREFIX_IP,       /* address of the interface the request came in on */
    PREFIX_WEAK,     /* * */
};

struct prefix {
    bool is_https;
    enum prefix_bucket bucket;
    uint16_t port;
    uint8_t host_bytes; /* EXPLICIT: the name; SUFFIX: the name without `*.` */
    uint8_t host[PREFIX_HOST_BYTES_MAX + 1]; /* lower case; IP: 16 address bytes */
    hf_slice path; /* borrowed from the text given; "/" when absent */
};

enum prefix_part {
    PREFIX_PART_SCHEME,
    PREFIX_PART_HOST,
    PREFIX_PART_PORT,
    PREFIX_PART_PATH
};

struct prefix_error {
    enum prefix_part part;
    size_t position;  /* byte offset in the text where the part goes wrong */
    hf_slice text;    /* the offending part, borrowed from the text given */
    const char *rule; /* a sentence for the operator */
};

const char *prefix_part_name(enum prefix_part part);
/* HF_ERR_INVALID with *error filled; *out only on success. */
HF_MUST_USE hf_err prefix_parse(hf_slice text, struct prefix *out,
                                struct prefix_error *error);

#endif
