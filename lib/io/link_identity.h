/* Who a process is in its handshakes, and how it judges peers (SECURITY.md 2.5, 3.1).
 *
 * An identity is immutable and reference counted: to change the token or the trusted
 * keys, make a new one and give it to the listener or dialer. */
#ifndef HF_IO_LINK_IDENTITY_H
#define HF_IO_LINK_IDENTITY_H

#include "lib/token/handshake.h"

struct hf_link_identity;

/* A proven client before it is let in. */
struct hf_link_claim {
    const struct hf_handshake_result *result;
    const struct hf_chain *chain; /* no links when result->is_enrolment */
    const struct hf_address *ip;
    int64_t uid; /* ipc only, else -1 */
    int64_t pid;
};

struct hf_link_identity_config {
    enum hf_role role;
    const struct hf_secret *secret; /* borrowed; must outlive the identity */
    hf_slice chain;                 /* own token; copied; empty: a worker that enrols */
    hf_slice cluster;               /* copied */
    hf_slice broker; /* listener: own id; dialer: the broker wanted, or empty; copied */
    uint32_t tcp_modes; /* 0 = HF_MODE_SEALED; HF_MODE_CLEAR only by explicit opt-in */
    bool is_enrolment;
    struct hf_trust trust; /* issuer keys; copied */
    int64_t skew_s;        /* 0 = 30 */
    int64_t ttl_s_max;     /* 0 = 86400 */
    int64_t grace_s;
    /* Listener: decides about a proven client (revocation, session limits, uid) and
     * fills the welcome, which arrives zeroed but for expires_ms and heartbeat_ms. NULL
     * admits. Called on a thread of the links under no lock; must not wait. */
    bool (*admit)(void *ctx, const struct hf_link_claim *claim,
                  struct hf_welcome *welcome);
    void *ctx;
};

/* INVALID when a text is out of its bounds. */
HF_MUST_USE hf_err hf_link_identity_new(const struct hf_link_identity_config *config,
                                        struct hf_link_identity **out);
struct hf_link_identity *hf_link_identity_ref(struct hf_link_identity *identity);
void hf_link_identity_unref(struct hf_link_identity *identity); /* NULL is legal */

#endif
