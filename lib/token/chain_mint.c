/* Owns making chains longer: link 0 by the issuer, later ones by holders, offline. */
#include "lib/token/chain_link.h"

hf_err hf_chain_mint(const struct hf_secret *issuer, const struct hf_claims *claims,
                     struct hf_buf *out)
{
    hf_check(issuer != NULL);
    hf_check(claims != NULL);
    hf_check(out != NULL);

    if (!claims->is_root) {
        return HF_ERR_INVALID;
    }
    return hf_link_sign(issuer, claims, HF_SLICE_EMPTY, out);
}

static hf_slice take_segment(hf_slice *rest)
{
    size_t dot = hf_slice_find(*rest, '.');
    hf_slice segment = hf_slice_first(*rest, dot);

    *rest = hf_slice_skip(*rest, dot + 1);
    return segment;
}

/* Whether every name `inner` matches is matched by `outer`. Only a warning hangs on it:
 * authority is the conjunction of the links, whatever this says. */
static bool pattern_covers(hf_slice outer, hf_slice inner)
{
    bool is_system = hf_slice_starts_with(outer, HF_SLICE("$"));

    if (is_system != hf_slice_starts_with(inner, HF_SLICE("$"))) {
        return false;
    }
    outer = hf_slice_skip(outer, is_system ? 1 : 0);
    inner = hf_slice_skip(inner, is_system ? 1 : 0);
    while (outer.bytes > 0 && inner.bytes > 0) {
        hf_slice a = take_segment(&outer);
        hf_slice b = take_segment(&inner);

        if (hf_slice_equal(a, HF_SLICE(">"))) {
            return true;
        }
        if (hf_slice_equal(b, HF_SLICE(">")) ||
            (!hf_slice_equal(a, HF_SLICE("*")) && !hf_slice_equal(a, b))) {
            return false;
        }
    }
    return outer.bytes == inner.bytes;
}

static bool grant_covers(const struct hf_claims *claims, const struct hf_grant *grant,
                         hf_slice pattern)
{
    for (size_t i = 0; i < grant->patterns_count; i++) {
        if (pattern_covers(hf_grant_pattern(claims, grant, i), pattern)) {
            return true;
        }
    }
    return false;
}

static bool claims_cover(const struct hf_claims *parent, unsigned verb,
                         hf_slice pattern)
{
    for (size_t i = 0; i < parent->grants_count; i++) {
        const struct hf_grant *grant = &parent->grants[i];

        if ((grant->verbs & (1u << verb)) != 0 &&
            grant_covers(parent, grant, pattern)) {
            return true;
        }
    }
    return !parent->has_grants;
}

static bool verbs_covered(const struct hf_claims *parent, uint16_t verbs,
                          hf_slice pattern)
{
    for (unsigned verb = 0; verb < HF_VERBS; verb++) {
        if ((verbs & (1u << verb)) != 0 && !claims_cover(parent, verb, pattern)) {
            return false;
        }
    }
    return true;
}

static bool widens_grants(const struct hf_claims *parent, const struct hf_claims *child)
{
    for (size_t i = 0; i < child->grants_count; i++) {
        const struct hf_grant *grant = &child->grants[i];

        for (size_t j = 0; j < grant->patterns_count; j++) {
            if (!verbs_covered(parent, grant->verbs,
                               hf_grant_pattern(child, grant, j))) {
                return true;
            }
        }
    }
    return false;
}

/* Reads every link of the parent, notes what the child cannot get from it, and leaves
 * the last one's claims in `last`. */
static hf_err compare(const struct hf_link_texts *texts, const struct hf_claims *child,
                      struct hf_claims *last, struct hf_attenuation_notice *notice)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct hf_link link;

        if (hf_link_decode(texts->links[i], &link) != HF_OK) {
            return HF_ERR_INVALID;
        }

        hf_err err = hf_claims_read(link.paseto.payload, i == 0, last);

        if (err != HF_OK) {
            return err;
        }
        notice->widens_grants = notice->widens_grants || widens_grants(last, child);
        notice->outlives = notice->outlives || child->expires_s > last->expires_s;
        notice->too_deep = notice->too_deep || last->depth < texts->count - i;
    }
    return HF_OK;
}

hf_err hf_chain_attenuate(const struct hf_attenuation *request, struct hf_buf *out,
                          struct hf_attenuation_notice *notice)
{
    struct hf_attenuation_notice found = {0};
    struct hf_link_texts texts;
    struct hf_claims last;
    struct hf_buf longer;

    hf_check(request != NULL);
    hf_check(notice != NULL);

    if (request->child->is_root || hf_link_split(request->parent, &texts) != HF_OK) {
        return HF_ERR_INVALID;
    }

    hf_err err = compare(&texts, request->child, &last, &found);

    if (err != HF_OK) {
        return err;
    }
    if (texts.count == HF_CHAIN_LINKS_MAX) {
        return HF_ERR_FULL;
    }
    if (!hf_key_equal(hf_secret_public(request->holder), last.holder)) {
        return HF_ERR_DENIED;
    }
    hf_buf_init(&longer, HF_CHAIN_BYTES_MAX);
    if ((err = hf_buf_append(&longer, request->parent)) == HF_OK &&
        (err = hf_buf_append_byte(&longer, '~')) == HF_OK &&
        (err = hf_link_sign(request->holder, request->child,
                            texts.links[texts.count - 1], &longer)) == HF_OK &&
        (err = hf_buf_append(out, hf_buf_slice(&longer))) == HF_OK) {
        *notice = found;
    }
    hf_buf_fini(&longer);
    return err;
}
