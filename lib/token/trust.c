/* Owns the table of issuer keys and the words for refusals; decides nothing about
 * chains. */
#include "lib/token/trust.h"

static const struct {
    const char *code;
    const char *text;
} errors[HF_TOKEN_ERRORS] = {
#define X(name, code, text) [HF_TOKEN_##name] = {code, text},
    HF_TOKEN_ERROR_TABLE(X)
#undef X
};

const char *hf_token_error_code(enum hf_token_error error)
{
    hf_check(error < HF_TOKEN_ERRORS);

    return errors[error].code;
}

const char *hf_token_error_text(enum hf_token_error error)
{
    hf_check(error < HF_TOKEN_ERRORS);

    return errors[error].text;
}

void hf_trust_init(struct hf_trust *trust)
{
    hf_check(trust != NULL);

    trust->keys_count = 0;
}

/* The place of the key of that id, or the first free one. */
static size_t find_place(const struct hf_trust *trust, const hf_kid *kid)
{
    size_t at = 0;

    while (at < trust->keys_count && !hf_kid_equal(&trust->keys[at].kid, kid)) {
        at++;
    }
    return at;
}

hf_err hf_trust_add(struct hf_trust *trust, const struct hf_trust_key *key)
{
    hf_check(trust != NULL);
    hf_check(key != NULL);

    hf_kid kid = hf_kid_of(key->key);
    size_t at = find_place(trust, &kid);

    if (!hf_key_is_valid(key->key) || key->uses == 0) {
        return HF_ERR_INVALID;
    }
    if (at == HF_TRUST_KEYS_MAX) {
        return HF_ERR_FULL;
    }
    trust->keys[at] = *key;
    trust->keys[at].kid = kid;
    trust->keys_count += at == trust->keys_count ? 1 : 0;
    return HF_OK;
}

const struct hf_trust_key *hf_trust_find(const struct hf_trust *trust,
                                         const hf_kid *kid, enum hf_key_use use,
                                         int64_t now_s)
{
    hf_check(trust != NULL);
    hf_check(kid != NULL);

    size_t at = find_place(trust, kid);

    if (at == trust->keys_count) {
        return NULL;
    }

    const struct hf_trust_key *key = &trust->keys[at];

    if ((key->uses & (uint32_t)use) == 0 || now_s < key->not_before_s ||
        now_s >= key->expires_s) {
        return NULL;
    }
    return key;
}
