/* Owns the claims of a link as a struct; knows neither JSON nor signatures. */
#include "lib/token/claims.h"

#include <string.h>

#include "lib/token/b64u.h"

void hf_claims_init(struct hf_claims *claims, bool is_root)
{
    hf_check(claims != NULL);

    memset(claims, 0, sizeof *claims);
    claims->is_root = is_root;
    claims->has_grants = is_root;
    claims->text_bytes = 1;
}

static bool is_printable(hf_slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = text.data[i];

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            return false;
        }
    }
    return text.bytes >= 1 && text.bytes <= HF_STRING_BYTES_MAX;
}

bool hf_subject_is_valid(hf_slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = text.data[i];
        bool is_alnum =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!is_alnum && hf_slice_find(HF_SLICE(":._/@-"), c) == 6) {
            return false;
        }
    }
    return text.bytes >= 1 && text.bytes <= HF_SUBJECT_BYTES_MAX;
}

static hf_err add_text(struct hf_claims *claims, hf_slice text, uint16_t *at)
{
    if (text.bytes + 1 > (size_t)HF_CLAIMS_TEXT_MAX - claims->text_bytes) {
        return HF_ERR_FULL;
    }
    memcpy(claims->text + claims->text_bytes, text.data, text.bytes);
    *at = claims->text_bytes;
    claims->text_bytes = (uint16_t)(claims->text_bytes + text.bytes + 1);
    claims->text[claims->text_bytes - 1] = '\0';
    return HF_OK;
}

hf_err hf_claims_set_issuer(struct hf_claims *claims, hf_slice issuer)
{
    hf_check(claims != NULL);

    return is_printable(issuer) ? add_text(claims, issuer, &claims->issuer_at)
                                : HF_ERR_INVALID;
}

hf_err hf_claims_set_subject(struct hf_claims *claims, hf_slice subject)
{
    hf_check(claims != NULL);

    return hf_subject_is_valid(subject) ? add_text(claims, subject, &claims->subject_at)
                                        : HF_ERR_INVALID;
}

hf_err hf_claims_set_audience(struct hf_claims *claims, hf_slice audience)
{
    hf_check(claims != NULL);

    return is_printable(audience) ? add_text(claims, audience, &claims->audience_at)
                                  : HF_ERR_INVALID;
}

hf_err hf_claims_add_grant(struct hf_claims *claims, uint16_t verbs)
{
    hf_check(claims != NULL);

    if (verbs == 0 || verbs >= 1u << HF_VERBS) {
        return HF_ERR_INVALID;
    }
    if (claims->grants_count == HF_GRANTS_MAX) {
        return HF_ERR_FULL;
    }
    claims->has_grants = true;
    claims->grants[claims->grants_count++] = (struct hf_grant){.verbs = verbs};
    return HF_OK;
}

hf_err hf_claims_add_pattern(struct hf_claims *claims, hf_slice pattern)
{
    uint16_t at = 0;

    hf_check(claims != NULL);
    hf_check(claims->grants_count > 0);

    struct hf_grant *grant = &claims->grants[claims->grants_count - 1];

    if (hf_pattern_check(pattern) != HF_OK) {
        return HF_ERR_INVALID;
    }
    if (grant->patterns_count == HF_GRANT_PATTERNS_MAX ||
        add_text(claims, pattern, &at) != HF_OK) {
        return HF_ERR_FULL;
    }
    /* The patterns of a grant lie one behind the other: nothing else may come between.
     */
    hf_check(grant->patterns_count == 0 || claims->patterns_end == at);
    grant->patterns_at = grant->patterns_count == 0 ? at : grant->patterns_at;
    grant->patterns_count++;
    claims->patterns_end = claims->text_bytes;
    return HF_OK;
}

hf_err hf_claims_add_network(struct hf_claims *claims, hf_slice network)
{
    hf_check(claims != NULL);

    if (claims->networks_count == HF_NETWORKS_MAX) {
        return HF_ERR_FULL;
    }

    hf_err err = hf_network_parse(network, &claims->networks[claims->networks_count]);

    if (err == HF_OK) {
        claims->has_networks = true;
        claims->networks_count++;
    }
    return err;
}

hf_err hf_claims_add_broker(struct hf_claims *claims, hf_slice broker)
{
    hf_check(claims != NULL);

    if (!hf_subject_is_valid(broker)) {
        return HF_ERR_INVALID;
    }
    if (claims->brokers_count == HF_BROKERS_MAX) {
        return HF_ERR_FULL;
    }

    hf_err err = add_text(claims, broker, &claims->brokers_at[claims->brokers_count]);

    claims->brokers_count = (uint16_t)(claims->brokers_count + (err == HF_OK ? 1 : 0));
    return err;
}

hf_slice hf_claims_issuer(const struct hf_claims *claims)
{
    return hf_claims_text(claims, claims->issuer_at);
}

hf_slice hf_claims_subject(const struct hf_claims *claims)
{
    return hf_claims_text(claims, claims->subject_at);
}

hf_slice hf_claims_audience(const struct hf_claims *claims)
{
    return hf_claims_text(claims, claims->audience_at);
}

hf_slice hf_claims_text(const struct hf_claims *claims, uint16_t at)
{
    hf_check(claims != NULL);
    hf_check(at < claims->text_bytes);

    return hf_slice_of_cstr(claims->text + at);
}

hf_slice hf_grant_pattern(const struct hf_claims *claims, const struct hf_grant *grant,
                          size_t index)
{
    hf_check(grant != NULL);
    hf_check(index < grant->patterns_count);

    hf_slice pattern = hf_claims_text(claims, grant->patterns_at);

    for (size_t i = 0; i < index; i++) {
        size_t next = (size_t)((const char *)pattern.data - claims->text) + 1;

        pattern = hf_claims_text(claims, (uint16_t)(next + pattern.bytes));
    }
    return pattern;
}

static bool grant_allows(const struct hf_claims *claims, const struct hf_grant *grant,
                         hf_slice queue)
{
    for (size_t i = 0; i < grant->patterns_count; i++) {
        if (hf_pattern_match(hf_grant_pattern(claims, grant, i), queue)) {
            return true;
        }
    }
    return false;
}

bool hf_claims_allow(const struct hf_claims *claims, enum hf_verb verb, hf_slice queue)
{
    hf_check(claims != NULL);
    hf_check(verb < HF_VERBS);

    if (!claims->has_grants) {
        return hf_queue_name_check(queue) == HF_OK;
    }
    for (size_t i = 0; i < claims->grants_count; i++) {
        if ((claims->grants[i].verbs & (1u << verb)) != 0 &&
            grant_allows(claims, &claims->grants[i], queue)) {
            return true;
        }
    }
    return false;
}

void hf_jti_text(const hf_jti *jti, char out[HF_JTI_TEXT_BYTES + 1])
{
    hf_check(jti != NULL);

    hf_b64u_encode(hf_slice_of(jti->bytes, sizeof jti->bytes), out);
    out[HF_JTI_TEXT_BYTES] = '\0';
}

hf_err hf_jti_parse(hf_slice text, hf_jti *out)
{
    hf_check(out != NULL);

    return hf_b64u_decode(text, out->bytes, sizeof out->bytes);
}
