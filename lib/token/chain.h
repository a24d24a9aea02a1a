/* The hf1 capability chain: 1..4 PASETO v4.public links joined by '~' (SECURITY.md 2).
 * Link 0 is signed by an issuer key, each later one by the holder of the link before
 * it. What a chain allows is what every one of its links allows. */
#ifndef HF_TOKEN_CHAIN_H
#define HF_TOKEN_CHAIN_H

#include "lib/token/claims.h"
#include "lib/token/trust.h"

#define HF_CHAIN_BYTES_MAX  8192
#define HF_CHAIN_LINKS_MAX  4
#define HF_CHAIN_TTL_S_MAX  86400 /* default of max_ttl_s */
#define HF_CHAIN_SKEW_S     30    /* default; 120 at most */
#define HF_CHAIN_SKEW_S_MAX 120
/* Subjects joined by '>', with NUL. */
#define HF_CHAIN_SUBJECTS_BYTES (HF_CHAIN_LINKS_MAX * (HF_SUBJECT_BYTES_MAX + 1))

struct hf_revocation;

/* What a chain is judged against; borrowed for the call. */
struct hf_chain_context {
    const struct hf_trust *trust;
    const struct hf_revocation *revocation; /* NULL: no list yet; else finished */
    hf_slice cluster;                       /* expected audience */
    hf_slice broker;                        /* this broker's id, for `brk`; see below */
    bool
        skip_broker; /* not a broker: `brk` is not judged (clients, the command line) */
    bool skip_network; /* the peer's address is unknown or irrelevant (inspection) */
    struct hf_address peer; /* where the chain comes from */
    int64_t now_s;          /* Unix seconds */
    int64_t skew_s;         /* 0..HF_CHAIN_SKEW_S_MAX */
    int64_t ttl_s_max;      /* longest exp - iat of link 0 */
    int64_t grace_s;        /* token_grace: accepted this long past expiry; 0 = not */
};

/* A verified chain, copied freely; about 12 KiB. */
struct hf_chain {
    size_t links_count;
    struct hf_claims links[HF_CHAIN_LINKS_MAX];
    hf_kid kid;              /* the issuer key */
    int64_t not_before_s;    /* maximum over the links */
    int64_t expires_s;       /* minimum over the links */
    struct hf_limits limits; /* minimum over the links */
    bool is_in_grace;        /* expired, accepted by grace_s: the caller logs it */
};

/* All of 2.5 up to step 12. Returns HF_TOKEN_OK and fills `out`, or the code of the
 * first rule that fails and leaves `out` unspecified. */
HF_MUST_USE enum hf_token_error hf_chain_verify(hf_slice token,
                                                const struct hf_chain_context *context,
                                                struct hf_chain *out);
/* Steps 10 and 11 again, for a live session when a new list has come. */
HF_MUST_USE enum hf_token_error
hf_chain_recheck(const struct hf_chain *chain, const struct hf_revocation *revocation);
/* Step 14: whether every link allows the verb on the queue. Queue watermarks are judged
 * by hf_revocation_allows_queue. */
bool hf_chain_allows(const struct hf_chain *chain, enum hf_verb verb, hf_slice queue);
/* Whether some queue exists for which it would: for a verb without a queue, such as
 * serve. */
bool hf_chain_has_verb(const struct hf_chain *chain, enum hf_verb verb);
/* cnf of the last link. */
hf_key hf_chain_holder(const struct hf_chain *chain);
/* sub of link 0, borrowed from the chain. */
hf_slice hf_chain_subject(const struct hf_chain *chain);
/* "a>b" for audit: the subjects of all links that have one; NUL-terminated. */
void hf_chain_subjects(const struct hf_chain *chain, char out[HF_CHAIN_SUBJECTS_BYTES]);

/* Signs link 0 and appends the token to `out`. HF_ERR_INVALID for claims that
 * break 2.3. */
HF_MUST_USE hf_err hf_chain_mint(const struct hf_secret *issuer,
                                 const struct hf_claims *claims, struct hf_buf *out);

struct hf_attenuation {
    hf_slice parent;                /* token text; its signatures are not judged here */
    const struct hf_secret *holder; /* of the parent's last cnf */
    const struct hf_claims *child;  /* is_root = false */
};

/* What the child asks for and cannot get, because a parent does not allow it (2.4: such
 * a chain verifies but gains nothing; the command line warns). */
struct hf_attenuation_notice {
    bool widens_grants; /* no parent grant covers one of the child's patterns and verbs
                         */
    bool outlives;      /* the parent expires earlier */
    bool too_deep;      /* `dep` forbids it: the chain will be refused with E_DEPTH */
};

/* Appends the longer token to `out`. HF_ERR_INVALID for a parent that cannot be read or
 * claims that break 2.3, HF_ERR_DENIED when `holder` is not the parent's cnf,
 * HF_ERR_FULL after four links, HF_ERR_TOO_BIG past 8192 bytes. */
HF_MUST_USE hf_err hf_chain_attenuate(const struct hf_attenuation *request,
                                      struct hf_buf *out,
                                      struct hf_attenuation_notice *notice);

/* Appends what a token says, for a person or as one JSON object. Nothing is verified;
 * all text is escaped. HF_ERR_INVALID when it is no hf1 token; `out` may then hold a
 * part. */
HF_MUST_USE hf_err hf_chain_inspect_text(hf_slice token, struct hf_buf *out);
HF_MUST_USE hf_err hf_chain_inspect_json(hf_slice token, struct hf_buf *out);

#endif
