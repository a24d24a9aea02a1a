/* Owns the rules of each claim (SECURITY.md 2.3): one reader per claim, one table of
 * what a root link and a later link must, may and must not have. */
#include "lib/token/claims.h"
#include "lib/token/claims_json.h"
#include "lib/token/paserk.h"

static hf_err read_issuer(json_t *value, void *out)
{
    hf_slice text;

    return hf_json_string(value, &text) == HF_OK ? hf_claims_set_issuer(out, text)
                                                 : HF_ERR_INVALID;
}

static hf_err read_subject(json_t *value, void *out)
{
    hf_slice text;

    return hf_json_string(value, &text) == HF_OK ? hf_claims_set_subject(out, text)
                                                 : HF_ERR_INVALID;
}

static hf_err read_audience(json_t *value, void *out)
{
    hf_slice text;

    return hf_json_string(value, &text) == HF_OK ? hf_claims_set_audience(out, text)
                                                 : HF_ERR_INVALID;
}

static hf_err read_jti(json_t *value, void *out)
{
    struct hf_claims *claims = out;
    hf_slice text;

    return hf_json_string(value, &text) == HF_OK ? hf_jti_parse(text, &claims->jti)
                                                 : HF_ERR_INVALID;
}

static hf_err read_issued(json_t *value, void *out)
{
    struct hf_claims *claims = out;

    return hf_json_instant(value, &claims->issued_s);
}

static hf_err read_expires(json_t *value, void *out)
{
    struct hf_claims *claims = out;

    return hf_json_instant(value, &claims->expires_s);
}

static hf_err read_not_before(json_t *value, void *out)
{
    struct hf_claims *claims = out;

    return hf_json_instant(value, &claims->not_before_s);
}

static hf_err read_holder(json_t *value, void *out)
{
    struct hf_claims *claims = out;
    hf_slice text;

    if (hf_json_string(value, &text) != HF_OK ||
        hf_key_parse(text, &claims->holder) != HF_OK ||
        !hf_key_is_valid(claims->holder)) {
        return HF_ERR_INVALID;
    }
    return HF_OK;
}

static hf_err read_epoch(json_t *value, void *out)
{
    struct hf_claims *claims = out;

    return hf_json_integer(value, 0, &claims->epoch);
}

static hf_err read_depth(json_t *value, void *out)
{
    struct hf_claims *claims = out;
    uint64_t depth = 0;

    if (hf_json_integer(value, 0, &depth) != HF_OK || depth > HF_DEPTH_MAX) {
        return HF_ERR_INVALID;
    }
    claims->depth = (uint8_t)depth;
    return HF_OK;
}

static hf_err read_patterns(json_t *value, void *out)
{
    hf_slice text;

    if (hf_json_array(value, 1, HF_GRANT_PATTERNS_MAX) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (hf_json_string(json_array_get(value, i), &text) != HF_OK ||
            hf_claims_add_pattern(out, text) != HF_OK) {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

/* Opens the grant: its rule stands before that of the patterns. */
static hf_err read_verbs(json_t *value, void *out)
{
    uint16_t verbs = 0;
    enum hf_verb verb;
    hf_slice word;

    if (hf_json_array(value, 1, 16) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (hf_json_string(json_array_get(value, i), &word) != HF_OK ||
            hf_verb_parse(word, &verb) != HF_OK) {
            return HF_ERR_INVALID;
        }
        verbs = (uint16_t)(verbs | 1u << verb);
    }
    return hf_claims_add_grant(out, verbs);
}

static hf_err read_grants(json_t *value, void *out)
{
    static const struct hf_json_rule members[] = {
        {"op", HF_JSON_REQUIRED, read_verbs},
        {"q", HF_JSON_REQUIRED, read_patterns},
    };
    static const struct hf_json_rules rules = {members, 2, false};

    if (hf_json_array(value, 1, HF_GRANTS_MAX) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (hf_json_read(json_array_get(value, i), &rules, out) != HF_OK) {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

static hf_err read_inflight(json_t *value, void *out)
{
    struct hf_limits *limits = out;

    return hf_json_integer(value, 1, &limits->inflight);
}

static hf_err read_rate(json_t *value, void *out)
{
    struct hf_limits *limits = out;

    return hf_json_integer(value, 1, &limits->rate);
}

static hf_err read_burst(json_t *value, void *out)
{
    struct hf_limits *limits = out;

    return hf_json_integer(value, 1, &limits->burst);
}

static hf_err read_conns(json_t *value, void *out)
{
    struct hf_limits *limits = out;

    return hf_json_integer(value, 1, &limits->conns);
}

static hf_err read_bytes(json_t *value, void *out)
{
    struct hf_limits *limits = out;

    return hf_json_integer(value, 1, &limits->bytes);
}

static hf_err read_limits(json_t *value, void *out)
{
    static const struct hf_json_rule members[] = {
        {"inflight", HF_JSON_OPTIONAL, read_inflight},
        {"rate", HF_JSON_OPTIONAL, read_rate},
        {"burst", HF_JSON_OPTIONAL, read_burst},
        {"conns", HF_JSON_OPTIONAL, read_conns},
        {"bytes", HF_JSON_OPTIONAL, read_bytes},
    };
    static const struct hf_json_rules rules = {members, 5, false};
    struct hf_claims *claims = out;

    return hf_json_read(value, &rules, &claims->limits);
}

static hf_err read_networks(json_t *value, void *out)
{
    hf_slice text;

    if (hf_json_array(value, 1, HF_NETWORKS_MAX) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (hf_json_string(json_array_get(value, i), &text) != HF_OK ||
            hf_claims_add_network(out, text) != HF_OK) {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

static hf_err read_brokers(json_t *value, void *out)
{
    hf_slice text;

    if (hf_json_array(value, 1, HF_BROKERS_MAX) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (hf_json_string(json_array_get(value, i), &text) != HF_OK ||
            hf_claims_add_broker(out, text) != HF_OK) {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

/* name, reader, in the root link, in a later link */
#define CLAIM_TABLE(X)                                                                 \
    X("v", hf_json_read_version, REQUIRED, REQUIRED)                                   \
    X("iss", read_issuer, REQUIRED, FORBIDDEN)                                         \
    X("sub", read_subject, REQUIRED, OPTIONAL)                                         \
    X("aud", read_audience, REQUIRED, REQUIRED)                                        \
    X("jti", read_jti, REQUIRED, REQUIRED)                                             \
    X("iat", read_issued, REQUIRED, REQUIRED)                                          \
    X("exp", read_expires, REQUIRED, REQUIRED)                                         \
    X("nbf", read_not_before, OPTIONAL, OPTIONAL)                                      \
    X("cnf", read_holder, REQUIRED, REQUIRED)                                          \
    X("ep", read_epoch, REQUIRED, FORBIDDEN)                                           \
    X("g", read_grants, REQUIRED, OPTIONAL)                                            \
    X("dep", read_depth, OPTIONAL, OPTIONAL)                                           \
    X("lim", read_limits, OPTIONAL, OPTIONAL)                                          \
    X("net", read_networks, OPTIONAL, OPTIONAL)                                        \
    X("brk", read_brokers, OPTIONAL, OPTIONAL)

static const struct hf_json_rule root_members[] = {
#define X(name, read, root, link) {name, HF_JSON_##root, read},
    CLAIM_TABLE(X)
#undef X
};

static const struct hf_json_rule link_members[] = {
#define X(name, read, root, link) {name, HF_JSON_##link, read},
    CLAIM_TABLE(X)
#undef X
};

#define CLAIMS_COUNT (sizeof root_members / sizeof root_members[0])

hf_err hf_claims_read(hf_slice json, bool is_root, struct hf_claims *out)
{
    static const struct hf_json_rules root_rules = {root_members, CLAIMS_COUNT, true};
    static const struct hf_json_rules link_rules = {link_members, CLAIMS_COUNT, true};
    json_t *object = NULL;

    hf_check(out != NULL);

    if (json.bytes > HF_CLAIMS_BYTES_MAX) {
        return HF_ERR_INVALID;
    }

    hf_err err = hf_json_parse(json, &object);

    if (err != HF_OK) {
        return err;
    }
    hf_claims_init(out, is_root);
    err = hf_json_read(object, is_root ? &root_rules : &link_rules, out);
    json_decref(object);
    if (err != HF_OK || out->expires_s <= out->issued_s) {
        return HF_ERR_INVALID;
    }
    return HF_OK;
}
