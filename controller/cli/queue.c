/* queue ls, show, pause, resume. */
#include "controller/admin_view.h"
#include "controller/cli/state.h"
#include "controller/cli/verbs.h"

#include "lib/io/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define CALL_MS          5000
#define WAIT_MS          5000
#define POLL_US          20000

#define STATE_FLAG                                                                     \
    {                                                                                  \
        "state", "DIRECTORY", NULL,                                                    \
            "State directory of the cluster. Default: the only one below ./var.",      \
            false                                                                      \
    }

static const struct hf_flag look_flags[] = {
    STATE_FLAG,
    {"json", NULL, NULL, "Print JSON: a list of queues.", false},
};
static const struct hf_flag change_flags[] = {STATE_FLAG};

#define LOOK(verb, what, arguments, text)                                              \
    {                                                                                  \
        .name = "holdfast queue " verb, .summary = what,                               \
        .usage = arguments "[--state DIR] [--json]", .description = text,              \
        .flags = look_flags, .flags_count = sizeof look_flags / sizeof look_flags[0],  \
        .section = 1                                                                   \
    }
#define CHANGE(verb, what, text)                                                       \
    {                                                                                  \
        .name = "holdfast queue " verb, .summary = what,                               \
        .usage = "NAME [--state DIR]", .description = text, .flags = change_flags,     \
        .flags_count = sizeof change_flags / sizeof change_flags[0], .section = 1      \
    }

const struct hf_program cli_queue_ls_program = LOOK(
    "ls", "list the queues: state, depth, age, counters", "",
    "Sums over the brokers. A state of paused may come from the file or from "
    "holdfast queue pause.\nIn JSON configured_state is the file's, and "
    "paused_since (Unix milliseconds) is there\nwhile the pause is an operator's.");
const struct hf_program cli_queue_show_program =
    LOOK("show", "show one queue", "NAME ", "As holdfast queue ls, for one queue.");
const struct hf_program cli_queue_pause_program =
    CHANGE("pause", "deliver nothing of a queue; requests are taken and wait",
           "Lasts until holdfast queue resume, over restarts and changes of the file. "
           "What workers\nhave already is answered. Returns when every broker obeys.");
const struct hf_program cli_queue_resume_program =
    CHANGE("resume", "end a pause: the queue is again what the file says",
           "A queue that the file pauses stays paused: change the file.");

static bool is_name(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || strchr("&#?%\"", *at) != NULL) {
            return false;
        }
    }
    return text[0] != '\0' && strlen(text) <= 64;
}

static bool fetch(const struct hf_flags *flags, const char *name, struct hf_buf *answer)
{
    char target[128] = "/v1/queues";
    const struct cli_call call = {"GET", target, HF_SLICE_EMPTY, CALL_MS};

    if (name != NULL) {
        cli_path(target, sizeof target, "/v1/queues?name=%s", name);
    }
    hf_buf_clear(answer);
    return cli_call(flags, &call, answer);
}

static int look(const struct hf_flags *flags, const char *name)
{
    struct hf_buf answer;
    struct hf_buf text;
    hf_err err = HF_OK;
    int status = 1;

    hf_buf_init(&answer, ANSWER_BYTES_MAX);
    hf_buf_init(&text, ANSWER_BYTES_MAX);
    if (fetch(flags, name, &answer)) {
        hf_slice json = hf_buf_slice(&answer);

        err = hf_flags_has(flags, "json")
                  ? ct_view_json(json, CT_VIEW_QUEUE, &text)
                  : ct_view_render(json, CT_VIEW_QUEUE, hf_time_ms(hf_clock_now()),
                                   &text);
        if (err == HF_OK) {
            (void)fwrite(hf_buf_slice(&text).data, 1, hf_buf_bytes(&text), stdout);
            status = 0;
        } else {
            status = cli_fail(1, "the controller's answer cannot be read");
        }
    }
    hf_buf_fini(&answer);
    hf_buf_fini(&text);
    return status;
}

static int await(const struct hf_flags *flags, const char *verb, const char *name)
{
    hf_time end = hf_time_add_ms(hf_clock_now(), WAIT_MS);
    struct hf_buf answer;
    uint64_t pending = 1;
    int status = 1;

    hf_buf_init(&answer, ANSWER_BYTES_MAX);
    while (fetch(flags, name, &answer) &&
           ct_view_number(hf_buf_slice(&answer), "brokers_pending", &pending) ==
               HF_OK) {
        if (pending == 0) {
            status = 0;
            break;
        }
        if (hf_time_reached(end, hf_clock_now())) {
            (void)cli_fail(1,
                           "queue %s %s: kept, but %llu brokers have not confirmed it: "
                           "they get it when they are reached (holdfast status)",
                           verb, name, (unsigned long long)pending);
            break;
        }
        (void)usleep(POLL_US);
    }
    hf_buf_fini(&answer);
    return status;
}

static int change(const struct hf_flags *flags, const char *verb)
{
    char target[64];
    struct cli_call call = {"POST", target, HF_SLICE_EMPTY, CALL_MS};
    struct hf_buf body;
    struct hf_buf answer;
    bool is_done = false;

    if (flags->arguments_count != 1 || !is_name(flags->arguments[0])) {
        return cli_fail(2, "queue %s: expected the NAME of one queue", verb);
    }
    const char *const pairs[] = {"queue", flags->arguments[0], NULL};

    cli_path(target, sizeof target, "/v1/queues/%s", verb);
    hf_buf_init(&body, 4096);
    hf_buf_init(&answer, 65536);
    if (ct_view_object(&body, pairs) == HF_OK) {
        call.body = hf_buf_slice(&body);
        is_done = cli_call(flags, &call, &answer);
    }
    hf_buf_fini(&body);
    hf_buf_fini(&answer);
    return is_done ? await(flags, verb, flags->arguments[0]) : 1;
}

int cli_queue_ls(const struct hf_flags *flags)
{
    return flags->arguments_count == 0 ? look(flags, NULL)
                                       : cli_fail(2, "queue ls: expected no argument");
}

int cli_queue_show(const struct hf_flags *flags)
{
    if (flags->arguments_count != 1 || !is_name(flags->arguments[0])) {
        return cli_fail(2, "queue show: expected the NAME of one queue");
    }
    return look(flags, flags->arguments[0]);
}

int cli_queue_pause(const struct hf_flags *flags)
{
    return change(flags, "pause");
}

int cli_queue_resume(const struct hf_flags *flags)
{
    return change(flags, "resume");
}
