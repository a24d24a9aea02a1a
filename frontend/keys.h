/* Whose share of its queue a request takes (FEATURES row 28): the number by which the
 * broker knows the client, host, field value or path segment. */
#ifndef HF_FRONTEND_KEYS_H
#define HF_FRONTEND_KEYS_H

#include "lib/http/head.h"
#include "lib/http/key.h"

struct fe_key_source {
    hf_slice group; /* equal values of two groups are two keys */
    hf_slice client_ip;
    hf_slice host;
    hf_slice path;
    const struct hf_http_head *head;
};

/* Never 0; the same in every frontend and after a restart. A field or segment that is
 * not there counts as empty. */
uint64_t fe_key_of(const struct hf_http_key *key, const struct fe_key_source *source);

#endif
