/* Owns the templates. A request names one and can only narrow it. */
#include "controller/mint.h"

#include <string.h>

#define BIT(verb) ((uint16_t)(1u << HF_VERB_##verb))

struct template
{
    const char *name;
    const char *subject_prefix; /* subjects must start so; NULL: any */
    uint16_t verbs;
    bool takes_verbs;  /* the request says which of them */
    bool takes_queues; /* the request says which queues; else all */
    bool takes_depth;  /* it may allow its holder to attenuate it */
};

static const struct template templates[] = {
    {"broker", "broker:", BIT(SERVE), false, false, false},
    {"frontend", "frontend:", BIT(ENQUEUE) | BIT(ROUTE), false, false, false},
    {"worker", "local:", BIT(RECEIVE) | BIT(RESPOND), false, true, false},
    {"controller", "controller:",
     BIT(CONFIGURE) | BIT(ROUTE) | BIT(STAT) | BIT(LAUNCH) | BIT(PEEK) | BIT(PURGE),
     false, false, false},
    {"operator", NULL,
     BIT(RECEIVE) | BIT(RESPOND) | BIT(ENQUEUE) | BIT(PEEK) | BIT(PEEK_BODY) |
         BIT(PURGE) | BIT(CONFIGURE) | BIT(LAUNCH) | BIT(ROUTE) | BIT(STAT),
     true, true, true},
};

static const struct template *find_template(hf_slice name)
{
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        if (hf_slice_equal(name, hf_slice_of_cstr(templates[i].name))) {
            return &templates[i];
        }
    }
    return NULL;
}

static bool read_verbs(const struct template *t, const struct hf_mint *request,
                       uint16_t *out)
{
    uint16_t verbs = 0;
    enum hf_verb verb;

    if (!t->takes_verbs) {
        *out = t->verbs;
        return request->rights_count == 0;
    }
    for (size_t i = 0; i < request->rights_count; i++) {
        if (hf_verb_parse(request->rights[i], &verb) != HF_OK ||
            (t->verbs & (1u << verb)) == 0) {
            return false;
        }
        verbs = (uint16_t)(verbs | 1u << verb);
    }
    *out = verbs;
    return verbs != 0;
}

static bool add_queues(const struct template *t, const struct hf_mint *request,
                       struct hf_claims *claims)
{
    if (!t->takes_queues) {
        return request->queues_count == 0 &&
               hf_claims_add_pattern(claims, HF_SLICE(">")) == HF_OK;
    }
    for (size_t i = 0; i < request->queues_count; i++) {
        if (hf_claims_add_pattern(claims, request->queues[i]) != HF_OK) {
            return false;
        }
    }
    return request->queues_count > 0;
}

static bool subject_fits(const struct template *t, hf_slice subject)
{
    hf_slice prefix = t->subject_prefix == NULL ? HF_SLICE_EMPTY
                                                : hf_slice_of_cstr(t->subject_prefix);

    if (t->subject_prefix != NULL) {
        return hf_slice_starts_with(subject, prefix) && subject.bytes > prefix.bytes;
    }
    /* An operator's token must not pass for one of ours. */
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        const char *taken = templates[i].subject_prefix;

        if (taken != NULL && hf_slice_starts_with(subject, hf_slice_of_cstr(taken))) {
            return false;
        }
    }
    return true;
}

static hf_err fill(const struct ct_mint *mint, const struct template *t,
                   const struct hf_mint *request, struct hf_claims *claims,
                   const char **error)
{
    uint16_t verbs = 0;

    hf_claims_init(claims, true);
    *error = "the rights are not those of the template";
    if (!read_verbs(t, request, &verbs)) {
        return HF_ERR_DENIED;
    }
    *error = "the subject is not one of the template";
    if (!subject_fits(t, request->subject) ||
        hf_claims_set_subject(claims, request->subject) != HF_OK) {
        return HF_ERR_DENIED;
    }
    *error = "the holder key is no Ed25519 public key";
    if (request->key.bytes != HF_KEY_BYTES) {
        return HF_ERR_INVALID;
    }
    memcpy(claims->holder.bytes, request->key.data, HF_KEY_BYTES);
    if (!hf_key_is_valid(claims->holder)) {
        return HF_ERR_INVALID;
    }
    *error = "a queue pattern is malformed or missing";
    if (hf_claims_set_issuer(claims, HF_SLICE(CT_MINT_ISSUER)) != HF_OK ||
        hf_claims_set_audience(claims, mint->cluster) != HF_OK ||
        hf_claims_add_grant(claims, verbs) != HF_OK ||
        !add_queues(t, request, claims)) {
        return HF_ERR_INVALID;
    }
    *error = "the depth is 0 to 3, for an operator's token alone";
    if (request->depth > (t->takes_depth ? HF_DEPTH_MAX : 0)) {
        return HF_ERR_DENIED;
    }
    claims->depth = (uint8_t)request->depth;
    claims->has_grants = true;
    return HF_OK;
}

static hf_err sign_token(const struct ct_mint *mint, const struct hf_mint *request,
                         int64_t now_s, struct hf_buf *out, const char **error)
{
    static struct hf_claims claims; /* 5 KiB; the mint has one thread */
    const struct template *t = find_template(request->template_);
    hf_err err = HF_ERR_INVALID;

    *error = "no such template";
    if (t == NULL) {
        return HF_ERR_INVALID;
    }
    *error = "the life is 1 s to the longest allowed";
    if (request->life_s == 0 || request->life_s > (uint64_t)mint->life_s_max ||
        request->life_s > CT_MINT_OPERATOR_LIFE_S_MAX) {
        return HF_ERR_DENIED;
    }
    err = fill(mint, t, request, &claims, error);
    if (err != HF_OK) {
        return err;
    }
    hf_random(claims.jti.bytes, sizeof claims.jti.bytes);
    claims.issued_s = now_s;
    claims.expires_s = now_s + (int64_t)request->life_s;
    *error = "the claims do not fit a token";
    return hf_chain_mint(mint->issuer, &claims, out);
}

hf_err ct_mint_sign(const struct ct_mint *mint, const struct hf_mint *request,
                    int64_t now_s, struct hf_buf *out, const char **error)
{
    hf_check(mint->issuer != NULL);
    switch (request->kind) {
    case HF_MINT_TOKEN:
        return sign_token(mint, request, now_s, out, error);
    case HF_MINT_REVOCATION:
        *error = "not a revocation list";
        return hf_document_sign(HF_DOCUMENT_REVOCATION, mint->issuer, request->document,
                                out);
    case HF_MINT_ROUTES:
        *error = "not a routing manifest";
        return hf_document_sign(HF_DOCUMENT_ROUTE, mint->issuer, request->document,
                                out);
    }
    *error = "no such kind";
    return HF_ERR_INVALID;
}
