/* Owns showing a token to a person or a program without judging it. */
#include "lib/token/chain_link.h"
#include "lib/token/instant.h"
#include "lib/token/paserk.h"

/* Payloads pass the strict reader first, so what is printed is printable ASCII. */
static hf_err read_link(const struct hf_link_texts *texts, size_t index,
                        struct hf_link *link, struct hf_claims *claims)
{
    hf_err err = hf_link_decode(texts->links[index], link);

    return err != HF_OK ? err
                        : hf_claims_read(link->paseto.payload, index == 0, claims);
}

hf_err hf_chain_inspect_json(hf_slice token, struct hf_buf *out)
{
    struct hf_link_texts texts;
    struct hf_link link;
    struct hf_claims claims;

    hf_check(out != NULL);

    if (hf_link_split(token, &texts) != HF_OK) {
        return HF_ERR_INVALID;
    }

    hf_err err = hf_buf_append_cstr(out, "{\"verified\":false,\"links\":[");

    for (size_t i = 0; err == HF_OK && i < texts.count; i++) {
        if ((err = read_link(&texts, i, &link, &claims)) == HF_OK &&
            (err = hf_buf_printf(out, "%s{\"kid\":\"%s\",\"claims\":",
                                 i == 0 ? "" : ",", link.kid.text)) == HF_OK &&
            (err = hf_buf_append(out, link.paseto.payload)) == HF_OK) {
            err = hf_buf_append_byte(out, '}');
        }
    }
    return err != HF_OK ? err : hf_buf_append_cstr(out, "]}");
}

static hf_err show_text(struct hf_buf *out, const char *name, hf_slice text)
{
    if (text.bytes == 0) {
        return HF_OK;
    }
    return hf_buf_printf(out, "  %-12s %.*s\n", name, (int)text.bytes,
                         (const char *)text.data);
}

static hf_err show_instant(struct hf_buf *out, const char *name, int64_t unix_s)
{
    char text[HF_INSTANT_TEXT_BYTES + 1];

    hf_instant_text(unix_s, text);
    return unix_s == 0 ? HF_OK : hf_buf_printf(out, "  %-12s %s\n", name, text);
}

static hf_err show_grant(const struct hf_claims *claims, const struct hf_grant *grant,
                         struct hf_buf *out)
{
    hf_err err = hf_buf_printf(out, "  %-12s", "grant");

    for (unsigned verb = 0; err == HF_OK && verb < HF_VERBS; verb++) {
        if ((grant->verbs & (1u << verb)) != 0) {
            err = hf_buf_printf(out, " %s", hf_verb_text((enum hf_verb)verb));
        }
    }
    for (size_t i = 0; err == HF_OK && i < grant->patterns_count; i++) {
        hf_slice pattern = hf_grant_pattern(claims, grant, i);

        err = hf_buf_printf(out, "%s%.*s", i == 0 ? " on " : " ", (int)pattern.bytes,
                            (const char *)pattern.data);
    }
    return err != HF_OK ? err : hf_buf_append_byte(out, '\n');
}

static hf_err show_limit(struct hf_buf *out, const char *name, uint64_t value)
{
    return value == 0 ? HF_OK
                      : hf_buf_printf(out, "  %-12s %s %llu\n", "limit", name,
                                      (unsigned long long)value);
}

static hf_err show_bounds(const struct hf_claims *claims, struct hf_buf *out)
{
    char network[HF_NETWORK_TEXT_BYTES];
    const struct hf_limits *limits = &claims->limits;
    hf_err err = HF_OK;

    for (size_t i = 0; err == HF_OK && i < claims->grants_count; i++) {
        err = show_grant(claims, &claims->grants[i], out);
    }
    for (size_t i = 0; err == HF_OK && i < claims->networks_count; i++) {
        hf_network_text(&claims->networks[i], network);
        err = show_text(out, "network", hf_slice_of_cstr(network));
    }
    for (size_t i = 0; err == HF_OK && i < claims->brokers_count; i++) {
        err = show_text(out, "broker", hf_claims_text(claims, claims->brokers_at[i]));
    }
    if (err != HF_OK ||
        (err = show_limit(out, "inflight", limits->inflight)) != HF_OK ||
        (err = show_limit(out, "rate", limits->rate)) != HF_OK ||
        (err = show_limit(out, "burst", limits->burst)) != HF_OK ||
        (err = show_limit(out, "conns", limits->conns)) != HF_OK) {
        return err;
    }
    return show_limit(out, "bytes", limits->bytes);
}

static hf_err show_link(const struct hf_link *link, const struct hf_claims *claims,
                        struct hf_buf *out)
{
    char jti[HF_JTI_TEXT_BYTES + 1];
    char holder[HF_KEY_TEXT_BYTES + 1];
    hf_err err;

    hf_jti_text(&claims->jti, jti);
    hf_key_text(claims->holder, holder);
    if ((err = show_text(out, "signed by", hf_slice_of_cstr(link->kid.text))) !=
            HF_OK ||
        (err = show_text(out, "issuer", hf_claims_issuer(claims))) != HF_OK ||
        (err = show_text(out, "subject", hf_claims_subject(claims))) != HF_OK ||
        (err = show_text(out, "cluster", hf_claims_audience(claims))) != HF_OK ||
        (err = show_text(out, "id", hf_slice_of_cstr(jti))) != HF_OK ||
        (err = show_text(out, "holder", hf_slice_of_cstr(holder))) != HF_OK ||
        (err = show_instant(out, "issued", claims->issued_s)) != HF_OK ||
        (err = show_instant(out, "not before", claims->not_before_s)) != HF_OK ||
        (err = show_instant(out, "expires", claims->expires_s)) != HF_OK ||
        (err = hf_buf_printf(out, "  %-12s %u\n", "delegations", claims->depth)) !=
            HF_OK) {
        return err;
    }
    return show_bounds(claims, out);
}

hf_err hf_chain_inspect_text(hf_slice token, struct hf_buf *out)
{
    struct hf_link_texts texts;
    struct hf_link link;
    struct hf_claims claims;

    hf_check(out != NULL);

    if (hf_link_split(token, &texts) != HF_OK) {
        return HF_ERR_INVALID;
    }

    hf_err err = hf_buf_append_cstr(out, "not verified\n");

    for (size_t i = 0; err == HF_OK && i < texts.count; i++) {
        if ((err = read_link(&texts, i, &link, &claims)) == HF_OK &&
            (err = hf_buf_printf(out, "link %zu\n", i)) == HF_OK) {
            err = show_link(&link, &claims, out);
        }
    }
    return err;
}
