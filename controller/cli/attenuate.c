/* token attenuate: offline, with the holder's own key (SECURITY.md 2.4). */
#include "controller/cli/token_file.h"
#include "controller/cli/verbs.h"

#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/token/paserk.h"

#include <stdio.h>
#include <string.h>

static const struct hf_flag flags_table[] = {
    {"in", "FILE", NULL, "The token to narrow; - is standard input.", false},
    {"key", "FILE", NULL, "The key file of its holder.", false},
    {"for", "KEY", NULL, "The new holder, k4.public..... Default: the same one.",
     false},
    {"queue", "PATTERN", NULL, "Only these queues; up to 16 times.", true},
    {"op", "VERBS", NULL, "Only these verbs, separated by commas.", false},
    {"expires", "DURATION", "1h", "Life of the new link.", false},
    {"net", "CIDR", NULL, "Only from these networks, or `local`.", true},
    {"inflight", "N", NULL, "At most this many requests at once.", false},
    {"dep", "N", "0", "How often it may be narrowed further, 0 to 3.", false},
    {"out", "FILE", NULL, "Write here (mode 0600) instead of standard output.", false},
};

const struct hf_program cli_token_attenuate_program = {
    .name = "holdfast token attenuate",
    .summary = "narrow a token, offline",
    .usage = "--in FILE --key FILE [--for KEY] [--queue Q] [--op VERBS] [--expires D]",
    .description =
        "Appends a link that the holder signs. The longer token allows what every link "
        "allows:\na wider link gains nothing, and a warning says so.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 1,
};

static bool read_verbs(const char *text, uint16_t *out)
{
    hf_slice rest = hf_slice_of_cstr(text);
    uint16_t verbs = 0;
    enum hf_verb verb;

    while (rest.bytes > 0) {
        hf_slice word = hf_slice_first(rest, hf_slice_find(rest, ','));

        if (hf_verb_parse(word, &verb) != HF_OK) {
            return false;
        }
        verbs = (uint16_t)(verbs | 1u << verb);
        rest = hf_slice_skip(rest, word.bytes + 1);
    }
    *out = verbs;
    return verbs != 0;
}

/* Queues without verbs mean all verbs, verbs without queues all queues. */
static bool add_grant(const struct hf_flags *flags, struct hf_claims *claims)
{
    const char *op = hf_flags_get(flags, "op");
    uint16_t verbs = (uint16_t)((1u << HF_VERBS) - 1);

    if (op == NULL && !hf_flags_has(flags, "queue")) {
        return true;
    }
    if ((op != NULL && !read_verbs(op, &verbs)) ||
        hf_claims_add_grant(claims, verbs) != HF_OK) {
        return false;
    }
    claims->has_grants = true;
    if (!hf_flags_has(flags, "queue")) {
        return hf_claims_add_pattern(claims, HF_SLICE(">")) == HF_OK;
    }
    for (size_t i = 0; hf_flags_at(flags, "queue", i) != NULL; i++) {
        if (hf_claims_add_pattern(
                claims, hf_slice_of_cstr(hf_flags_at(flags, "queue", i))) != HF_OK) {
            return false;
        }
    }
    return true;
}

static bool add_limits(const struct hf_flags *flags, struct hf_claims *claims)
{
    const char *inflight = hf_flags_get(flags, "inflight");
    uint64_t depth = 0;

    if (hf_text_parse_u64(hf_slice_of_cstr(hf_flags_get(flags, "dep")), HF_DEPTH_MAX,
                          &depth) != HF_OK ||
        (inflight != NULL &&
         hf_text_parse_u64(hf_slice_of_cstr(inflight), HF_INTEGER_MAX,
                           &claims->limits.inflight) != HF_OK)) {
        return false;
    }
    claims->depth = (uint8_t)depth;
    for (size_t i = 0; hf_flags_at(flags, "net", i) != NULL; i++) {
        if (hf_claims_add_network(
                claims, hf_slice_of_cstr(hf_flags_at(flags, "net", i))) != HF_OK) {
            return false;
        }
        claims->has_networks = true;
    }
    return true;
}

static int fill(const struct hf_flags *flags, const struct hf_secret *holder,
                struct hf_claims *claims)
{
    const char *key = hf_flags_get(flags, "for");
    int64_t life_ms = 0;

    hf_claims_init(claims, false);
    claims->holder = hf_secret_public(holder);
    if (key != NULL && hf_key_parse(hf_slice_of_cstr(key), &claims->holder) != HF_OK) {
        return cli_fail(2, "--for: expected k4.public....");
    }
    if (hf_text_parse_duration_ms(hf_slice_of_cstr(hf_flags_get(flags, "expires")),
                                  &life_ms) != HF_OK) {
        return cli_fail(2, "--expires: expected a duration such as 90s, 20m or 12h");
    }
    if (!add_grant(flags, claims)) {
        return cli_fail(2, "--queue or --op: not a pattern or verb");
    }
    if (!add_limits(flags, claims)) {
        return cli_fail(2, "--net, --inflight or --dep: out of bounds");
    }
    hf_random(claims->jti.bytes, sizeof claims->jti.bytes);
    claims->issued_s = hf_clock_wall_seconds();
    claims->expires_s = claims->issued_s + life_ms / 1000;
    return 0;
}

static void warn(const struct hf_attenuation_notice *notice)
{
    if (notice->widens_grants) {
        (void)cli_fail(
            0, "warning: the parent does not allow all of this; it gains nothing");
    }
    if (notice->outlives) {
        (void)cli_fail(0, "warning: the parent expires earlier");
    }
    if (notice->too_deep) {
        (void)cli_fail(0, "warning: the parent's dep forbids this link: E_DEPTH");
    }
}

static int attenuate(const struct hf_flags *flags, struct hf_credentials *parent,
                     const struct hf_secret *holder)
{
    static struct hf_claims claims;
    const struct hf_attenuation request = {hf_buf_slice(&parent->token), holder,
                                           &claims};
    struct hf_attenuation_notice notice = {0};
    struct hf_buf token;
    struct hf_buf text;
    int status = fill(flags, holder, &claims);
    hf_err err = HF_OK;

    if (status != 0) {
        return status;
    }
    hf_buf_init(&token, HF_CHAIN_BYTES_MAX);
    hf_buf_init(&text, HF_CREDENTIALS_BYTES_MAX);
    err = hf_claims_set_audience(&claims, hf_slice_of_cstr(parent->cluster));
    if (err == HF_OK) {
        err = hf_chain_attenuate(&request, &token, &notice);
    }
    if (err == HF_OK) {
        hf_buf_clear(&parent->token);
        err = hf_buf_append(&parent->token, hf_buf_slice(&token));
    }
    if (err == HF_OK) {
        err = hf_credentials_append(parent, &text);
    }
    if (err != HF_OK) {
        status = cli_fail(1, "token attenuate: %s", hf_err_text(err));
    } else {
        warn(&notice);
        status = cli_token_write(flags, hf_buf_slice(&text)) ? 0 : 1;
    }
    hf_buf_fini(&token);
    hf_buf_fini(&text);
    return status;
}

int cli_token_attenuate(const struct hf_flags *flags)
{
    struct hf_credentials parent;
    struct hf_credentials own;
    const char *key = hf_flags_get(flags, "key");
    const char *error = "";
    int status = 1;

    if (hf_flags_get(flags, "in") == NULL || key == NULL) {
        return cli_fail(2, "token attenuate: --in and --key are needed");
    }
    hf_credentials_init(&own);
    if (cli_token_read(hf_flags_get(flags, "in"), &parent)) {
        if (parent.cluster[0] == '\0') {
            status = cli_fail(1, "the token file needs its cluster= line");
        } else if (hf_credentials_read(&own, key, &error) != HF_OK ||
                   own.secret == NULL) {
            status = cli_fail(1, "%s: %s", key, error);
        } else {
            status = attenuate(flags, &parent, own.secret);
        }
    }
    hf_credentials_fini(&own);
    hf_credentials_fini(&parent);
    return status;
}
