/* token mint, inspect, verify. */
#include "controller/admin_view.h"
#include "controller/cli/state.h"
#include "controller/cli/token_file.h"
#include "controller/cli/verbs.h"

#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/io/file.h"
#include "lib/token/handshake.h"

#include <stdio.h>
#include <string.h>

#define MINT_TIMEOUT_MS 10000
#define LIST_BYTES      4096

static const struct hf_flag mint_flags[] = {
    {"state", "DIRECTORY", NULL,
     "State directory of the cluster. Default: the only one below ./var.", false},
    {"for", "KEY", NULL, "The holder: k4.public...., as `holdfast key gen` prints it.",
     false},
    {"queue", "PATTERN", NULL,
     "A queue or pattern: * is one segment, a final > one or more; up to 16 times.",
     true},
    {"op", "VERBS", "receive,respond", "Verbs, separated by commas.", false},
    {"expires", "DURATION", "24h", "Life of the token, at most 24h.", false},
    {"dep", "N", "0", "How often its holder may attenuate it, 0 to 3.", false},
    {"subject", "NAME", "operator", "Names the holder in logs and status.", false},
    {"out", "FILE", NULL, "Write here (mode 0600) instead of standard output.", false},
};

const struct hf_program cli_token_mint_program = {
    .name = "holdfast token mint",
    .summary = "get a token for a key",
    .usage = "--for KEY --queue Q [--op VERBS] [--expires D] [--out FILE]",
    .description = "Writes token=, anchor= and cluster= lines: with its key file a "
                   "worker on any host\n"
                   "needs nothing else. The token is useless without the key.",
    .flags = mint_flags,
    .flags_count = sizeof mint_flags / sizeof mint_flags[0],
    .section = 1,
};

static const struct hf_flag inspect_flags[] = {
    {"json", NULL, NULL, "Print one JSON object.", false},
};

const struct hf_program cli_token_inspect_program = {
    .name = "holdfast token inspect",
    .summary = "show what a token says",
    .usage = "[FILE|-] [--json]",
    .description = "Nothing is verified: see holdfast token verify.",
    .flags = inspect_flags,
    .flags_count = sizeof inspect_flags / sizeof inspect_flags[0],
    .section = 1,
};

static const struct hf_flag verify_flags[] = {
    {"anchor", "KEY", NULL,
     "Trusted issuer key, k4.public...., unless the file has one.", true},
    {"cluster", "NAME", NULL, "Expected audience, unless the file names it.", false},
};

const struct hf_program cli_token_verify_program = {
    .name = "holdfast token verify",
    .summary = "judge a token as a broker would",
    .usage = "[FILE|-] [--anchor KEY] [--cluster NAME]",
    .description =
        "Exit status 0 and OK, or 1 and the code of the first rule that fails.",
    .flags = verify_flags,
    .flags_count = sizeof verify_flags / sizeof verify_flags[0],
    .section = 1,
};

static bool join_queues(const struct hf_flags *flags, char out[LIST_BYTES])
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; hf_flags_at(flags, "queue", i) != NULL; i++) {
        int bytes = snprintf(out + used, LIST_BYTES - used, "%s%s", i == 0 ? "" : ",",
                             hf_flags_at(flags, "queue", i));

        if (bytes < 0 || (size_t)bytes >= LIST_BYTES - used) {
            return false;
        }
        used += (size_t)bytes;
    }
    return used > 0;
}

int cli_token_mint(const struct hf_flags *flags)
{
    char queues[LIST_BYTES];
    char life[32];
    const char *key = hf_flags_get(flags, "for");
    int64_t life_ms = 0;
    uint64_t depth = 0;
    struct cli_call call = {"POST", "/v1/tokens", HF_SLICE_EMPTY, MINT_TIMEOUT_MS};
    struct hf_buf body;
    struct hf_buf answer;
    bool is_done = false;

    if (key == NULL || !join_queues(flags, queues)) {
        return cli_fail(2, "token mint: --for and --queue are needed");
    }
    if (hf_text_parse_duration_ms(hf_slice_of_cstr(hf_flags_get(flags, "expires")),
                                  &life_ms) != HF_OK) {
        return cli_fail(2, "--expires: expected a duration such as 90s, 20m or 12h");
    }
    if (hf_text_parse_u64(hf_slice_of_cstr(hf_flags_get(flags, "dep")), HF_DEPTH_MAX,
                          &depth) != HF_OK) {
        return cli_fail(2, "--dep: expected 0 to %d", HF_DEPTH_MAX);
    }
    (void)snprintf(life, sizeof life, "%lld", (long long)life_ms / 1000);
    const char *const pairs[] = {"key",      key,
                                 "queues[]", queues,
                                 "op[]",     hf_flags_get(flags, "op"),
                                 "#life_s",  life,
                                 "#depth",   hf_flags_get(flags, "dep"),
                                 "subject",  hf_flags_get(flags, "subject"),
                                 NULL};

    hf_buf_init(&body, 65536);
    hf_buf_init(&answer, HF_CREDENTIALS_BYTES_MAX);
    if (ct_view_object(&body, pairs) == HF_OK) {
        call.body = hf_buf_slice(&body);
        is_done = cli_call(flags, &call, &answer) &&
                  cli_token_write(flags, hf_buf_slice(&answer));
    }
    hf_buf_fini(&body);
    hf_buf_fini(&answer);
    return is_done ? 0 : 1;
}

int cli_token_inspect(const struct hf_flags *flags)
{
    struct hf_credentials credentials;
    struct hf_buf text;
    int status = 1;
    hf_err err = HF_OK;

    hf_buf_init(&text, 1 << 20);
    if (cli_token_read(flags->arguments_count > 0 ? flags->arguments[0] : NULL,
                       &credentials)) {
        err = hf_flags_has(flags, "json")
                  ? hf_chain_inspect_json(hf_buf_slice(&credentials.token), &text)
                  : hf_chain_inspect_text(hf_buf_slice(&credentials.token), &text);
        if (err == HF_OK) {
            (void)fwrite(hf_buf_slice(&text).data, 1, hf_buf_bytes(&text), stdout);
            status = 0;
        } else {
            (void)cli_fail(1, "this is no hf1 token");
        }
    }
    hf_buf_fini(&text);
    hf_credentials_fini(&credentials);
    return status;
}

static bool add_anchors(const struct hf_flags *flags,
                        struct hf_credentials *credentials)
{
    for (size_t i = 0; hf_flags_at(flags, "anchor", i) != NULL; i++) {
        if (credentials->anchors_count == HF_CREDENTIALS_ANCHORS ||
            hf_key_parse(hf_slice_of_cstr(hf_flags_at(flags, "anchor", i)),
                         &credentials->anchors[credentials->anchors_count]) != HF_OK) {
            (void)cli_fail(2, "--anchor: expected k4.public...., at most %d of them",
                           HF_CREDENTIALS_ANCHORS);
            return false;
        }
        credentials->anchors_count++;
    }
    return true;
}

static int verify(const struct hf_flags *flags, struct hf_credentials *credentials)
{
    static struct hf_chain chain;
    const char *cluster = hf_flags_get(flags, "cluster");
    struct hf_trust trust;
    struct hf_chain_context context = {
        .trust = &trust,
        .skip_broker = true,
        .skip_network = true,
        .now_s = hf_clock_wall_seconds(),
        .skew_s = HF_CHAIN_SKEW_S,
        .ttl_s_max = HF_CHAIN_TTL_S_MAX,
    };
    enum hf_token_error error = HF_TOKEN_OK;

    if (!add_anchors(flags, credentials)) {
        return 2;
    }
    context.cluster =
        hf_slice_of_cstr(cluster != NULL ? cluster : credentials->cluster);
    if (credentials->anchors_count == 0 || context.cluster.bytes == 0) {
        return cli_fail(2, "token verify: --anchor and --cluster are needed");
    }
    hf_credentials_trust(credentials, &trust);
    error = hf_chain_verify(hf_buf_slice(&credentials->token), &context, &chain);
    (void)printf("%s %s\n", hf_token_error_code(error), hf_token_error_text(error));
    return error == HF_TOKEN_OK ? 0 : 1;
}

int cli_token_verify(const struct hf_flags *flags)
{
    struct hf_credentials credentials;
    int status = 1;

    if (cli_token_read(flags->arguments_count > 0 ? flags->arguments[0] : NULL,
                       &credentials)) {
        status = verify(flags, &credentials);
    }
    hf_credentials_fini(&credentials);
    return status;
}
