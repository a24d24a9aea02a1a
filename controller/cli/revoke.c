/* revoke: publishes, then waits for the brokers. */
#include "controller/admin_view.h"
#include "controller/cli/state.h"
#include "controller/cli/verbs.h"

#include "lib/base/text.h"
#include "lib/io/clock.h"

#include <stdio.h>
#include <unistd.h>

#define CALL_MS 5000
#define POLL_US 20000

static const struct hf_flag flags_table[] = {
    {"state", "DIRECTORY", NULL,
     "State directory of the cluster. Default: the only one below ./var.", false},
    {"wait", "SECONDS", "5", "How long brokers have to acknowledge.", false},
};

const struct hf_program cli_revoke_program = {
    .name = "holdfast revoke",
    .summary = "withdraw a token, a key or all tokens of a subject",
    .usage = "JTI|KEY|SUBJECT [--wait SECONDS]",
    .description = "Returns when every broker has the new list on disk and has cut the "
                   "sessions it "
                   "names.\nBrokers that did not acknowledge are listed, and the exit "
                   "status is 1: "
                   "they get the\nlist when they come back.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 1,
};

static bool publish(const struct hf_flags *flags, uint64_t *seq)
{
    const char *const pairs[] = {"what", flags->arguments[0], NULL};
    struct cli_call call = {"POST", "/v1/revocations", HF_SLICE_EMPTY, CALL_MS};
    struct hf_buf body;
    struct hf_buf answer;
    bool is_done = false;

    hf_buf_init(&body, 4096);
    hf_buf_init(&answer, 65536);
    if (ct_view_object(&body, pairs) == HF_OK) {
        call.body = hf_buf_slice(&body);
        is_done = cli_call(flags, &call, &answer) &&
                  ct_view_number(hf_buf_slice(&answer), "seq", seq) == HF_OK;
    }
    hf_buf_fini(&body);
    hf_buf_fini(&answer);
    return is_done;
}

/* Appends the names of brokers that miss the list; false when nobody can be asked. */
static bool ask(const struct hf_flags *flags, uint64_t seq, struct hf_buf *missing,
                size_t *count)
{
    char target[64];
    const struct cli_call call = {"GET", target, HF_SLICE_EMPTY, CALL_MS};
    struct hf_buf answer;
    bool is_done = false;

    cli_path(target, sizeof target, "/v1/revocations?seq=%llu",
             (unsigned long long)seq);
    hf_buf_init(&answer, 65536);
    is_done = cli_call(flags, &call, &answer) &&
              ct_view_names(hf_buf_slice(&answer), "missing", missing, count) == HF_OK;
    hf_buf_fini(&answer);
    return is_done;
}

static int await(const struct hf_flags *flags, uint64_t seq, hf_time end)
{
    struct hf_buf missing;
    size_t count = 0;
    int status = 1;

    hf_buf_init(&missing, 65536);
    for (;;) {
        hf_buf_clear(&missing);
        if (!ask(flags, seq, &missing, &count)) {
            break;
        }
        if (count == 0) {
            (void)printf("revoked: list %llu is in force at all brokers\n",
                         (unsigned long long)seq);
            status = 0;
            break;
        }
        if (hf_time_reached(end, hf_clock_now())) {
            (void)cli_fail(1, "list %llu is not acknowledged by: %.*s",
                           (unsigned long long)seq, (int)hf_buf_bytes(&missing),
                           (const char *)hf_buf_slice(&missing).data);
            break;
        }
        (void)usleep(POLL_US);
    }
    hf_buf_fini(&missing);
    return status;
}

int cli_revoke(const struct hf_flags *flags)
{
    uint64_t seconds = 0;
    uint64_t seq = 0;

    if (flags->arguments_count != 1) {
        return cli_fail(2, "revoke: expected one token id, key or subject");
    }
    if (hf_text_parse_u64(hf_slice_of_cstr(hf_flags_get(flags, "wait")), 3600,
                          &seconds) != HF_OK) {
        return cli_fail(2, "--wait: expected seconds, at most 3600");
    }
    if (!publish(flags, &seq)) {
        return 1;
    }
    return await(flags, seq, hf_time_add_ms(hf_clock_now(), (int64_t)seconds * 1000));
}
