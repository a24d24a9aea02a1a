/* The claims of one hf1 link, as a fixed-size struct (SECURITY.md 2.3), their strict
 * reader and their canonical writer. All text lies in `text`, ends in NUL and is named
 * by its offset, so the struct can be copied.
 *
 * Own bounds where the specification names none: 16 networks, 16 brokers. */
#ifndef HF_TOKEN_CLAIMS_H
#define HF_TOKEN_CLAIMS_H

#include "lib/base/buf.h"
#include "lib/token/address.h"
#include "lib/token/key.h"
#include "lib/token/pattern.h"

#define HF_CLAIMS_BYTES_MAX   2048
#define HF_CLAIMS_TEXT_MAX    2048
#define HF_GRANTS_MAX         16
#define HF_GRANT_PATTERNS_MAX 16
#define HF_NETWORKS_MAX       16
#define HF_BROKERS_MAX        16
#define HF_SUBJECT_BYTES_MAX  128
#define HF_STRING_BYTES_MAX   256
#define HF_DEPTH_MAX          3
#define HF_JTI_BYTES          16
#define HF_JTI_TEXT_BYTES     22
#define HF_INTEGER_MAX        ((INT64_C(1) << 53) - 1)

typedef struct hf_jti {
    uint8_t bytes[HF_JTI_BYTES];
} hf_jti;

/* 0 = no limit. Counted per jti and broker (SECURITY.md 2.3, lim). */
struct hf_limits {
    uint64_t inflight; /* requests leased at once */
    uint64_t rate;     /* messages per second */
    uint64_t burst;    /* messages above the rate at once */
    uint64_t conns;    /* sessions at once */
    uint64_t bytes;    /* of one message */
};

struct hf_grant {
    uint16_t verbs;          /* bit 1 << enum hf_verb */
    uint16_t patterns_count; /* NUL-separated, from patterns_at */
    uint16_t patterns_at;
};

struct hf_claims {
    bool is_root; /* link 0: has issuer, subject, epoch and grants */
    hf_jti jti;
    hf_key holder; /* cnf */
    int64_t issued_s;
    int64_t expires_s;
    int64_t not_before_s; /* 0 when absent */
    uint64_t epoch;       /* of the root link */
    uint8_t depth;
    struct hf_limits limits;
    uint16_t issuer_at; /* offsets into text; 0 = absent */
    uint16_t subject_at;
    uint16_t audience_at;
    uint16_t grants_count;
    struct hf_grant grants[HF_GRANTS_MAX];
    bool has_grants; /* absent: no further limit */
    bool has_networks;
    uint16_t networks_count;
    struct hf_network networks[HF_NETWORKS_MAX];
    uint16_t brokers_count; /* 0 = any broker */
    uint16_t brokers_at[HF_BROKERS_MAX];
    uint16_t patterns_end; /* where the next pattern of the last grant must lie */
    uint16_t text_bytes;   /* used; byte 0 is always NUL */
    char text[HF_CLAIMS_TEXT_MAX];
};

/* An empty set of claims to be filled by hand or with the functions below. */
void hf_claims_init(struct hf_claims *claims, bool is_root);
/* Each copies its text; HF_ERR_INVALID for bad syntax, HF_ERR_FULL past a bound. */
HF_MUST_USE hf_err hf_claims_set_issuer(struct hf_claims *claims, hf_slice issuer);
HF_MUST_USE hf_err hf_claims_set_subject(struct hf_claims *claims, hf_slice subject);
HF_MUST_USE hf_err hf_claims_set_audience(struct hf_claims *claims, hf_slice audience);
/* Starts a grant of these verbs; patterns follow with hf_claims_add_pattern. */
HF_MUST_USE hf_err hf_claims_add_grant(struct hf_claims *claims, uint16_t verbs);
HF_MUST_USE hf_err hf_claims_add_pattern(struct hf_claims *claims, hf_slice pattern);
HF_MUST_USE hf_err hf_claims_add_network(struct hf_claims *claims, hf_slice network);
HF_MUST_USE hf_err hf_claims_add_broker(struct hf_claims *claims, hf_slice broker);

/* [A-Za-z0-9:._/@-]{1,128}: subjects, and ids of brokers. */
bool hf_subject_is_valid(hf_slice text);

/* Borrowed from the claims; empty when absent. */
hf_slice hf_claims_issuer(const struct hf_claims *claims);
hf_slice hf_claims_subject(const struct hf_claims *claims);
hf_slice hf_claims_audience(const struct hf_claims *claims);

/* The text at an offset of the struct, borrowed. */
hf_slice hf_claims_text(const struct hf_claims *claims, uint16_t at);
/* Pattern `index` of a grant of these claims, borrowed. */
hf_slice hf_grant_pattern(const struct hf_claims *claims, const struct hf_grant *grant,
                          size_t index);

/* Whether these claims alone allow the verb on the queue. */
bool hf_claims_allow(const struct hf_claims *claims, enum hf_verb verb, hf_slice queue);

/* Reads a payload by the rules of 2.3 for the root or a later link. HF_ERR_INVALID for
 * any breach, HF_ERR_NO_MEMORY when the JSON reader finds none. */
HF_MUST_USE hf_err hf_claims_read(hf_slice json, bool is_root, struct hf_claims *out);
/* Appends the canonical JSON: no white space, keys in the order of the table in 2.3.
 * HF_ERR_INVALID when a required claim is missing, HF_ERR_TOO_BIG past 2048 bytes. */
HF_MUST_USE hf_err hf_claims_write(const struct hf_claims *claims, struct hf_buf *out);

void hf_jti_text(const hf_jti *jti, char out[HF_JTI_TEXT_BYTES + 1]);
HF_MUST_USE hf_err hf_jti_parse(hf_slice text, hf_jti *out);

#endif
