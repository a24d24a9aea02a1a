/* Owns the judgement over a chain, in the order of SECURITY.md 2.5. */
#include "lib/token/chain.h"

#include <string.h>

#include "lib/token/chain_link.h"
#include "lib/token/revocation.h"

/* Step 3: the key that must have signed link `index`. */
static enum hf_token_error find_signer(const struct hf_chain_context *context,
                                       const struct hf_link *link, size_t index,
                                       struct hf_chain *out, hf_key *signer)
{
    if (index == 0) {
        const struct hf_trust_key *key =
            hf_trust_find(context->trust, &link->kid, HF_KEY_USE_CAP, context->now_s);

        if (key == NULL) {
            return HF_TOKEN_KID;
        }
        *signer = key->key;
        out->kid = key->kid;
        return HF_TOKEN_OK;
    }

    hf_key holder = out->links[index - 1].holder;
    hf_kid expected = hf_kid_of(holder);

    if (!hf_kid_equal(&expected, &link->kid)) {
        return HF_TOKEN_KID;
    }
    *signer = holder;
    return HF_TOKEN_OK;
}

/* Steps 2 to 5 for one link. */
static enum hf_token_error verify_link(const struct hf_link_texts *texts, size_t index,
                                       const struct hf_chain_context *context,
                                       struct hf_chain *out)
{
    char room[HF_LINK_ASSERTION_BYTES];
    struct hf_link link;
    hf_key signer;
    hf_slice parent = index == 0 ? HF_SLICE_EMPTY : texts->links[index - 1];

    if (hf_link_decode(texts->links[index], &link) != HF_OK) {
        return HF_TOKEN_FORMAT;
    }

    enum hf_token_error error = find_signer(context, &link, index, out, &signer);

    if (error != HF_TOKEN_OK) {
        return error;
    }
    if (hf_paseto_verify(&link.paseto, signer, hf_link_assertion(parent, room)) !=
        HF_OK) {
        return HF_TOKEN_SIG;
    }
    switch (hf_claims_read(link.paseto.payload, index == 0, &out->links[index])) {
    case HF_OK:
        return HF_TOKEN_OK;
    case HF_ERR_NO_MEMORY:
        return HF_TOKEN_RESOURCE;
    default:
        return HF_TOKEN_CLAIMS;
    }
}

static enum hf_token_error check_audience(const struct hf_chain *chain,
                                          hf_slice cluster)
{
    for (size_t i = 0; i < chain->links_count; i++) {
        if (!hf_slice_equal(hf_claims_audience(&chain->links[i]), cluster)) {
            return HF_TOKEN_AUD;
        }
    }
    return HF_TOKEN_OK;
}

/* Link i is admissible only if every link j before it allows i - j generations. */
static enum hf_token_error check_depth(const struct hf_chain *chain)
{
    for (size_t j = 0; j < chain->links_count; j++) {
        if (chain->links[j].depth < chain->links_count - 1 - j) {
            return HF_TOKEN_DEPTH;
        }
    }
    return HF_TOKEN_OK;
}

static enum hf_token_error check_time(struct hf_chain *chain,
                                      const struct hf_chain_context *context)
{
    int64_t now = context->now_s;
    int64_t skew = context->skew_s;

    for (size_t i = 0; i < chain->links_count; i++) {
        const struct hf_claims *link = &chain->links[i];

        if (now + skew < link->not_before_s || now + skew < link->issued_s ||
            now >= link->expires_s + skew + context->grace_s) {
            return HF_TOKEN_TIME;
        }
        chain->is_in_grace = chain->is_in_grace || now >= link->expires_s + skew;
    }
    return HF_TOKEN_OK;
}

enum hf_token_error hf_chain_recheck(const struct hf_chain *chain,
                                     const struct hf_revocation *revocation)
{
    hf_check(chain != NULL);

    if (revocation == NULL) {
        return HF_TOKEN_OK;
    }
    if (chain->links[0].epoch < hf_revocation_epoch(revocation)) {
        return HF_TOKEN_EPOCH;
    }
    if (hf_revocation_has_kid(revocation, &chain->kid)) {
        return HF_TOKEN_REVOKED;
    }
    for (size_t i = 0; i < chain->links_count; i++) {
        const struct hf_claims *link = &chain->links[i];

        if (hf_revocation_has_jti(revocation, &link->jti) ||
            hf_revocation_has_holder(revocation, link->holder) ||
            hf_revocation_has_subject(revocation, hf_claims_subject(link),
                                      link->issued_s)) {
            return HF_TOKEN_REVOKED;
        }
    }
    return HF_TOKEN_OK;
}

static bool is_in_networks(const struct hf_claims *link, const struct hf_address *peer)
{
    for (size_t i = 0; i < link->networks_count; i++) {
        if (hf_network_holds(&link->networks[i], peer)) {
            return true;
        }
    }
    return !link->has_networks;
}

static bool is_for_broker(const struct hf_claims *link, hf_slice broker)
{
    for (size_t i = 0; i < link->brokers_count; i++) {
        if (hf_slice_equal(hf_claims_text(link, link->brokers_at[i]), broker)) {
            return true;
        }
    }
    return link->brokers_count == 0;
}

static enum hf_token_error check_place(const struct hf_chain *chain,
                                       const struct hf_chain_context *context)
{
    for (size_t i = 0; !context->skip_network && i < chain->links_count; i++) {
        if (!is_in_networks(&chain->links[i], &context->peer)) {
            return HF_TOKEN_NET;
        }
    }
    for (size_t i = 0; !context->skip_broker && i < chain->links_count; i++) {
        if (!is_for_broker(&chain->links[i], context->broker)) {
            return HF_TOKEN_BROKER;
        }
    }
    return HF_TOKEN_OK;
}

static uint64_t smaller_limit(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void compile(struct hf_chain *chain)
{
    struct hf_limits *limits = &chain->limits;

    chain->expires_s = chain->links[0].expires_s;
    for (size_t i = 0; i < chain->links_count; i++) {
        const struct hf_claims *link = &chain->links[i];

        if (link->expires_s < chain->expires_s) {
            chain->expires_s = link->expires_s;
        }
        if (link->not_before_s > chain->not_before_s) {
            chain->not_before_s = link->not_before_s;
        }
        limits->inflight = smaller_limit(limits->inflight, link->limits.inflight);
        limits->rate = smaller_limit(limits->rate, link->limits.rate);
        limits->burst = smaller_limit(limits->burst, link->limits.burst);
        limits->conns = smaller_limit(limits->conns, link->limits.conns);
        limits->bytes = smaller_limit(limits->bytes, link->limits.bytes);
    }
}

/* Steps 6 to 12. */
static enum hf_token_error verify_whole(struct hf_chain *chain,
                                        const struct hf_chain_context *context)
{
    const struct hf_claims *root = &chain->links[0];
    enum hf_token_error error;

    if ((error = check_audience(chain, context->cluster)) != HF_TOKEN_OK ||
        (error = check_depth(chain)) != HF_TOKEN_OK ||
        (error = check_time(chain, context)) != HF_TOKEN_OK) {
        return error;
    }
    if (root->expires_s - root->issued_s > context->ttl_s_max) {
        return HF_TOKEN_TTL;
    }
    error = hf_chain_recheck(chain, context->revocation);
    return error != HF_TOKEN_OK ? error : check_place(chain, context);
}

enum hf_token_error hf_chain_verify(hf_slice token,
                                    const struct hf_chain_context *context,
                                    struct hf_chain *out)
{
    struct hf_link_texts texts;

    hf_check(context != NULL);
    hf_check(context->trust != NULL);
    hf_check(context->skew_s >= 0 && context->skew_s <= HF_CHAIN_SKEW_S_MAX);
    hf_check(context->grace_s >= 0);
    hf_check(out != NULL);

    if (hf_link_split(token, &texts) != HF_OK) {
        return HF_TOKEN_FORMAT;
    }
    out->links_count = 0;
    out->not_before_s = 0;
    out->limits = (struct hf_limits){0};
    out->is_in_grace = false;
    for (size_t i = 0; i < texts.count; i++) {
        enum hf_token_error error = verify_link(&texts, i, context, out);

        if (error != HF_TOKEN_OK) {
            return error;
        }
        out->links_count = i + 1;
    }
    compile(out);
    return verify_whole(out, context);
}

bool hf_chain_allows(const struct hf_chain *chain, enum hf_verb verb, hf_slice queue)
{
    hf_check(chain != NULL);

    for (size_t i = 0; i < chain->links_count; i++) {
        if (!hf_claims_allow(&chain->links[i], verb, queue)) {
            return false;
        }
    }
    return chain->links_count > 0;
}

static bool link_has_verb(const struct hf_claims *link, enum hf_verb verb)
{
    for (size_t i = 0; i < link->grants_count; i++) {
        if ((link->grants[i].verbs & (1u << verb)) != 0) {
            return true;
        }
    }
    return !link->has_grants;
}

bool hf_chain_has_verb(const struct hf_chain *chain, enum hf_verb verb)
{
    hf_check(chain != NULL);
    hf_check(verb < HF_VERBS);

    for (size_t i = 0; i < chain->links_count; i++) {
        if (!link_has_verb(&chain->links[i], verb)) {
            return false;
        }
    }
    return chain->links_count > 0;
}

hf_key hf_chain_holder(const struct hf_chain *chain)
{
    hf_check(chain != NULL);
    hf_check(chain->links_count > 0);

    return chain->links[chain->links_count - 1].holder;
}

hf_slice hf_chain_subject(const struct hf_chain *chain)
{
    hf_check(chain != NULL);
    hf_check(chain->links_count > 0);

    return hf_claims_subject(&chain->links[0]);
}

void hf_chain_subjects(const struct hf_chain *chain, char out[HF_CHAIN_SUBJECTS_BYTES])
{
    size_t at = 0;

    hf_check(chain != NULL);

    for (size_t i = 0; i < chain->links_count; i++) {
        hf_slice subject = hf_claims_subject(&chain->links[i]);

        if (subject.bytes > 0 && at > 0) {
            out[at++] = '>';
        }
        memcpy(out + at, subject.data, subject.bytes);
        at += subject.bytes;
    }
    hf_check(at < HF_CHAIN_SUBJECTS_BYTES);
    out[at] = '\0';
}
