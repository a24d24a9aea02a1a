/* status, show, audit: what the controller tells, as tables or JSON. */
#include "controller/cli/state.h"
#include "controller/cli/verbs.h"

#include "controller/admin_view.h"
#include "lib/io/clock.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define TIMEOUT_MS       5000

#define STATE_FLAG                                                                     \
    {                                                                                  \
        "state", "DIRECTORY", NULL,                                                    \
            "State directory of the cluster. Default: the only one below ./var.",      \
            false                                                                      \
    }

static const struct hf_flag status_flags[] = {
    STATE_FLAG,
    {"json", NULL, NULL, "Print JSON: processes, queues, workers, snapshot.", false},
};

const struct hf_program cli_status_program = {
    .name = "holdfast status",
    .summary = "show processes, queues and workers",
    .usage = "[--state DIR] [--json]",
    .description = "Asks the controller. In JSON times are Unix milliseconds.",
    .flags = status_flags,
    .flags_count = sizeof status_flags / sizeof status_flags[0],
    .section = 1,
};

static const struct hf_flag show_flags[] = {
    STATE_FLAG,
    {"view", "VIEW", "session", "queue, worker or session.", false},
    {"json", NULL, NULL, "Print JSON.", false},
};

const struct hf_program cli_show_program = {
    .name = "holdfast show",
    .summary = "show one kind of state: queue, worker or session",
    .usage = "[state] [--view VIEW] [--state DIR] [--json]",
    .description =
        "Sessions are what the brokers see: who is connected, with which token.",
    .flags = show_flags,
    .flags_count = sizeof show_flags / sizeof show_flags[0],
    .section = 1,
};

static const struct hf_flag audit_flags[] = {STATE_FLAG};

const struct hf_program cli_audit_program = {
    .name = "holdfast audit",
    .summary = "print the audit log: who configured, minted and revoked what",
    .usage = "[--state DIR]",
    .description = "The newest 1000 entries as JSON, oldest first.",
    .flags = audit_flags,
    .flags_count = sizeof audit_flags / sizeof audit_flags[0],
    .section = 1,
};

static void print(const struct hf_buf *text)
{
    (void)fwrite(hf_buf_slice(text).data, 1, hf_buf_bytes(text), stdout);
}

static int print_view(const struct hf_flags *flags, enum ct_view view)
{
    const struct cli_call call = {"GET", "/v1/status", HF_SLICE_EMPTY, TIMEOUT_MS};
    struct hf_buf answer;
    struct hf_buf text;
    int status = 1;
    hf_err err = HF_OK;

    hf_buf_init(&answer, ANSWER_BYTES_MAX);
    hf_buf_init(&text, ANSWER_BYTES_MAX);
    if (cli_call(flags, &call, &answer)) {
        err = hf_flags_has(flags, "json")
                  ? ct_view_json(hf_buf_slice(&answer), view, &text)
                  : ct_view_render(hf_buf_slice(&answer), view,
                                   hf_time_ms(hf_clock_now()), &text);
        if (err == HF_OK) {
            print(&text);
            status = 0;
        } else {
            status = cli_fail(1, "the controller's answer cannot be read");
        }
    }
    hf_buf_fini(&answer);
    hf_buf_fini(&text);
    return status;
}

int cli_status(const struct hf_flags *flags)
{
    return print_view(flags, CT_VIEW_STATUS);
}

int cli_show(const struct hf_flags *flags)
{
    static const struct {
        const char *word;
        enum ct_view view;
    } views[] = {{"queue", CT_VIEW_QUEUE},
                 {"worker", CT_VIEW_WORKER},
                 {"session", CT_VIEW_SESSION}};
    const char *wanted = hf_flags_get(flags, "view");

    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        if (strcmp(views[i].word, wanted) == 0) {
            return print_view(flags, views[i].view);
        }
    }
    return cli_fail(2, "--view: expected queue, worker or session");
}

int cli_audit(const struct hf_flags *flags)
{
    const struct cli_call call = {"GET", "/v1/audit", HF_SLICE_EMPTY, TIMEOUT_MS};
    struct hf_buf answer;
    int status = 1;

    hf_buf_init(&answer, ANSWER_BYTES_MAX);
    if (cli_call(flags, &call, &answer)) {
        print(&answer);
        status = 0;
    }
    hf_buf_fini(&answer);
    return status;
}
