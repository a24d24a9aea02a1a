/* The issuer keys a process accepts, each with what it may sign and when, and the codes
 * a token is refused with. */
#ifndef HF_TOKEN_TRUST_H
#define HF_TOKEN_TRUST_H

#include "lib/token/paserk.h"

#define HF_TRUST_KEYS_MAX 16

/* SECURITY.md 2.5, then what only a handshake can meet. The log gets these; a peer only
 * ever learns the generic one. */
#define HF_TOKEN_ERROR_TABLE(X)                                                        \
    X(OK, "OK", "accepted")                                                            \
    X(FORMAT, "E_FORMAT", "not an hf1 token: length, characters, header or footer")    \
    X(KID, "E_KID", "not signed by a key that is trusted for this now")                \
    X(SIG, "E_SIG", "the signature is wrong")                                          \
    X(CLAIMS, "E_CLAIMS", "a claim is missing, unknown or malformed")                  \
    X(AUD, "E_AUD", "made for another cluster")                                        \
    X(DEPTH, "E_DEPTH", "delegated deeper than a link allows")                         \
    X(TIME, "E_TIME", "expired or not valid yet")                                      \
    X(TTL, "E_TTL", "lives longer than this cluster allows")                           \
    X(EPOCH, "E_EPOCH", "issued before the epoch floor")                               \
    X(REVOKED, "E_REVOKED", "revoked")                                                 \
    X(NET, "E_NET", "used from a network it does not name")                            \
    X(BROKER, "E_BROKER", "not made for this broker")                                  \
    X(POP, "E_POP", "the peer does not hold the key of its token")                     \
    X(DENIED, "E_DENIED", "no right to do this")                                       \
    X(PROTOCOL, "E_PROTOCOL", "a handshake message is malformed or out of order")      \
    X(MODE, "E_MODE", "no transport mode that both sides allow")                       \
    X(REJECTED, "E_REJECTED", "the peer refused us")                                   \
    X(STALE, "E_STALE", "older than what is in force")                                 \
    X(RESOURCE, "E_RESOURCE", "no memory to judge it")

enum hf_token_error {
#define X(name, code, text) HF_TOKEN_##name,
    HF_TOKEN_ERROR_TABLE(X)
#undef X
        HF_TOKEN_ERRORS
};

/* "E_KID" and the sentence of the table; never NULL. */
const char *hf_token_error_code(enum hf_token_error error);
const char *hf_token_error_text(enum hf_token_error error);

/* What an issuer key may sign; a bit set. */
enum hf_key_use {
    HF_KEY_USE_CAP = 1,   /* capability chains */
    HF_KEY_USE_REV = 2,   /* revocation lists */
    HF_KEY_USE_ROUTE = 4, /* routing snapshots */
    HF_KEY_USE_KEYS = 8   /* keysets: the anchor */
};

struct hf_trust_key {
    hf_key key;
    hf_kid kid;
    uint32_t uses;        /* of enum hf_key_use */
    int64_t not_before_s; /* Unix seconds; 0 for always */
    int64_t expires_s;    /* INT64_MAX for never */
};

struct hf_trust {
    struct hf_trust_key keys[HF_TRUST_KEYS_MAX];
    size_t keys_count;
};

void hf_trust_init(struct hf_trust *trust);
/* Copies; computes `kid` itself, whatever `key->kid` says. HF_ERR_INVALID for a key
 * that is no valid point or for no use, HF_ERR_FULL after HF_TRUST_KEYS_MAX. A key that
 * is there already is replaced. */
HF_MUST_USE hf_err hf_trust_add(struct hf_trust *trust, const struct hf_trust_key *key);
/* The key of that id if it may be used so at `now_s`, else NULL. */
const struct hf_trust_key *hf_trust_find(const struct hf_trust *trust,
                                         const hf_kid *kid, enum hf_key_use use,
                                         int64_t now_s);

#endif
