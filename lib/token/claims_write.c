/* Owns the canonical spelling of claims: what mint and attenuate sign. */
#include "lib/token/claims.h"
#include "lib/token/instant.h"
#include "lib/token/paserk.h"

/* Texts in claims hold neither quote nor backslash, so they are written as they are. */
static hf_err write_string(struct hf_buf *out, const char *name, hf_slice text)
{
    return hf_buf_printf(out, ",\"%s\":\"%.*s\"", name, (int)text.bytes,
                         (const char *)text.data);
}

static hf_err write_instant(struct hf_buf *out, const char *name, int64_t unix_s)
{
    char text[HF_INSTANT_TEXT_BYTES + 1];

    hf_instant_text(unix_s, text);
    return hf_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

static hf_err write_identity(const struct hf_claims *claims, struct hf_buf *out)
{
    char jti[HF_JTI_TEXT_BYTES + 1];
    hf_err err = hf_buf_append_cstr(out, "{\"v\":1");

    if (err == HF_OK && claims->is_root) {
        err = write_string(out, "iss", hf_claims_issuer(claims));
    }
    if (err == HF_OK && claims->subject_at != 0) {
        err = write_string(out, "sub", hf_claims_subject(claims));
    }
    if (err == HF_OK) {
        err = write_string(out, "aud", hf_claims_audience(claims));
    }
    hf_jti_text(&claims->jti, jti);
    return err != HF_OK ? err : hf_buf_printf(out, ",\"jti\":\"%s\"", jti);
}

static hf_err write_validity(const struct hf_claims *claims, struct hf_buf *out)
{
    char holder[HF_KEY_TEXT_BYTES + 1];
    hf_err err = write_instant(out, "iat", claims->issued_s);

    if (err == HF_OK) {
        err = write_instant(out, "exp", claims->expires_s);
    }
    if (err == HF_OK && claims->not_before_s != 0) {
        err = write_instant(out, "nbf", claims->not_before_s);
    }
    hf_key_text(claims->holder, holder);
    if (err == HF_OK) {
        err = hf_buf_printf(out, ",\"cnf\":\"%s\"", holder);
    }
    if (err == HF_OK && claims->is_root) {
        err = hf_buf_printf(out, ",\"ep\":%llu", (unsigned long long)claims->epoch);
    }
    return err;
}

static hf_err write_grant(const struct hf_claims *claims, const struct hf_grant *grant,
                          struct hf_buf *out)
{
    const char *separator = "";
    hf_err err = hf_buf_append_cstr(out, "{\"q\":[");

    for (size_t i = 0; err == HF_OK && i < grant->patterns_count; i++) {
        hf_slice pattern = hf_grant_pattern(claims, grant, i);

        err = hf_buf_printf(out, "%s\"%.*s\"", i == 0 ? "" : ",", (int)pattern.bytes,
                            (const char *)pattern.data);
    }
    if (err == HF_OK) {
        err = hf_buf_append_cstr(out, "],\"op\":[");
    }
    for (unsigned verb = 0; err == HF_OK && verb < HF_VERBS; verb++) {
        if ((grant->verbs & (1u << verb)) != 0) {
            err = hf_buf_printf(out, "%s\"%s\"", separator,
                                hf_verb_text((enum hf_verb)verb));
            separator = ",";
        }
    }
    return err != HF_OK ? err : hf_buf_append_cstr(out, "]}");
}

static hf_err write_grants(const struct hf_claims *claims, struct hf_buf *out)
{
    hf_err err = hf_buf_append_cstr(out, ",\"g\":[");

    for (size_t i = 0; err == HF_OK && i < claims->grants_count; i++) {
        err = i == 0 ? HF_OK : hf_buf_append_byte(out, ',');
        if (err == HF_OK) {
            err = write_grant(claims, &claims->grants[i], out);
        }
    }
    return err != HF_OK ? err : hf_buf_append_byte(out, ']');
}

static hf_err write_limits(const struct hf_limits *limits, struct hf_buf *out)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {{"inflight", limits->inflight},
                   {"rate", limits->rate},
                   {"burst", limits->burst},
                   {"conns", limits->conns},
                   {"bytes", limits->bytes}};
    const char *separator = ",\"lim\":{";
    hf_err err = HF_OK;

    for (size_t i = 0; err == HF_OK && i < 5; i++) {
        if (members[i].value != 0) {
            err = hf_buf_printf(out, "%s\"%s\":%llu", separator, members[i].name,
                                (unsigned long long)members[i].value);
            separator = ",";
        }
    }
    return err != HF_OK || separator[1] != '\0' ? err : hf_buf_append_byte(out, '}');
}

static hf_err write_networks(const struct hf_claims *claims, struct hf_buf *out)
{
    char text[HF_NETWORK_TEXT_BYTES];
    hf_err err = HF_OK;

    for (size_t i = 0; err == HF_OK && i < claims->networks_count; i++) {
        hf_network_text(&claims->networks[i], text);
        err = hf_buf_printf(out, "%s\"%s\"", i == 0 ? ",\"net\":[" : ",", text);
    }
    return err != HF_OK || claims->networks_count == 0 ? err
                                                       : hf_buf_append_byte(out, ']');
}

static hf_err write_brokers(const struct hf_claims *claims, struct hf_buf *out)
{
    hf_err err = HF_OK;

    for (size_t i = 0; err == HF_OK && i < claims->brokers_count; i++) {
        hf_slice broker = hf_claims_text(claims, claims->brokers_at[i]);

        err = hf_buf_printf(out, "%s\"%.*s\"", i == 0 ? ",\"brk\":[" : ",",
                            (int)broker.bytes, (const char *)broker.data);
    }
    return err != HF_OK || claims->brokers_count == 0 ? err
                                                      : hf_buf_append_byte(out, ']');
}

static bool is_instant(int64_t unix_s)
{
    return unix_s >= 0 && unix_s <= HF_INSTANT_MAX;
}

/* What the readers would refuse, and what would not survive being written. */
static bool is_writable(const struct hf_claims *claims)
{
    const struct hf_limits *limits = &claims->limits;
    uint64_t largest = limits->inflight | limits->rate | limits->burst | limits->conns |
                       limits->bytes | claims->epoch;

    for (size_t i = 0; i < claims->grants_count; i++) {
        if (claims->grants[i].patterns_count == 0) {
            return false;
        }
    }
    if (claims->is_root != (claims->issuer_at != 0) ||
        (claims->is_root && (claims->subject_at == 0 || claims->grants_count == 0)) ||
        claims->has_grants != (claims->grants_count > 0)) {
        return false;
    }
    return claims->audience_at != 0 && claims->depth <= HF_DEPTH_MAX &&
           is_instant(claims->issued_s) && is_instant(claims->expires_s) &&
           is_instant(claims->not_before_s) && claims->issued_s < claims->expires_s &&
           largest <= (uint64_t)HF_INTEGER_MAX && hf_key_is_valid(claims->holder);
}

static hf_err write_all(const struct hf_claims *claims, struct hf_buf *out)
{
    hf_err err;

    if ((err = write_identity(claims, out)) != HF_OK ||
        (err = write_validity(claims, out)) != HF_OK ||
        (claims->has_grants && (err = write_grants(claims, out)) != HF_OK) ||
        (claims->depth > 0 &&
         (err = hf_buf_printf(out, ",\"dep\":%u", claims->depth)) != HF_OK) ||
        (err = write_limits(&claims->limits, out)) != HF_OK ||
        (err = write_networks(claims, out)) != HF_OK ||
        (err = write_brokers(claims, out)) != HF_OK) {
        return err;
    }
    return hf_buf_append_byte(out, '}');
}

hf_err hf_claims_write(const struct hf_claims *claims, struct hf_buf *out)
{
    struct hf_buf json;

    hf_check(claims != NULL);
    hf_check(out != NULL);

    if (!is_writable(claims)) {
        return HF_ERR_INVALID;
    }
    hf_buf_init(&json, HF_CLAIMS_BYTES_MAX);

    hf_err err = write_all(claims, &json);

    if (err == HF_OK) {
        err = hf_buf_append(out, hf_buf_slice(&json));
    }
    hf_buf_fini(&json);
    return err;
}
