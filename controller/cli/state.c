#include "controller/cli/state.h"

#include "controller/admin.h"
#include "controller/cli/verbs.h"
#include "lib/io/admin.h"
#include "lib/io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESTART_WAIT_MS 10000
#define RESTART_LOOK_MS 50

static bool is_state(const char *path)
{
    char run[CLI_PATH_BYTES + 8];
    struct stat found;

    cli_path(run, sizeof run, "%s/" CLI_RUN_FILE, path);
    return stat(run, &found) == 0 && S_ISREG(found.st_mode);
}

bool cli_state_find(const struct hf_flags *flags, char out[CLI_PATH_BYTES])
{
    const char *given = hf_flags_get(flags, "state");
    DIR *parent = NULL;
    const struct dirent *entry = NULL;
    size_t count = 0;

    if (given != NULL) {
        cli_path(out, CLI_PATH_BYTES, "%s", given);
        if (!is_state(out)) {
            (void)cli_fail(1, "%s is no state directory of a cluster", given);
            return false;
        }
        return true;
    }
    parent = opendir(CLI_STATE_PARENT);
    while (parent != NULL && (entry = readdir(parent)) != NULL) {
        char path[CLI_PATH_BYTES];

        cli_path(path, sizeof path, CLI_STATE_PARENT "/%s", entry->d_name);
        if (entry->d_name[0] != '.' && is_state(path)) {
            memcpy(out, path, sizeof path);
            count++;
        }
    }
    if (parent != NULL) {
        (void)closedir(parent);
    }
    if (count != 1) {
        (void)cli_fail(1, count == 0
                              ? "no cluster below ./" CLI_STATE_PARENT
                                ": start one with holdfast up, or name it with --state"
                              : "several clusters below ./" CLI_STATE_PARENT
                                ": name one with --state");
    }
    return count == 1;
}

static bool find_socket(const char *state, char out[CLI_PATH_BYTES])
{
    char path[CLI_PATH_BYTES + 8];
    struct hf_buf run;
    hf_err err = HF_OK;

    cli_path(path, sizeof path, "%s/" CLI_RUN_FILE, state);
    hf_buf_init(&run, CLI_PATH_BYTES / 2);
    err = hf_file_read(path, &run);
    if (err == HF_OK) {
        hf_slice line = hf_buf_slice(&run);

        line = hf_slice_first(line, hf_slice_find(line, '\n'));
        cli_path(out, CLI_PATH_BYTES, "unix:%.*s/" CT_ADMIN_SOCKET, (int)line.bytes,
                 (const char *)line.data);
    }
    hf_buf_fini(&run);
    return err == HF_OK;
}

/* Whether a living `up` holds the state directory: its lock ends with it. */
static bool has_up(const char *state)
{
    char path[CLI_PATH_BYTES + 8];
    int lock = -1;
    bool is_held = false;

    cli_path(path, sizeof path, "%s/" CLI_LOCK_FILE, state);
    lock = open(path, O_RDONLY | O_CLOEXEC);
    if (lock >= 0) {
        is_held = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        (void)close(lock);
    }
    return is_held;
}

/* A controller that was killed is back within moments. What it may have begun to do can
 * be done twice: a token that nobody got is of no use, and revoking is idempotent. */
static hf_err call_again(const char *state, const struct hf_admin_call *admin,
                         int *status, struct hf_buf *answer)
{
    hf_err err = hf_admin_call(admin, status, answer);
    bool is_told = false;

    for (int waited_ms = 0;
         err == HF_ERR_CLOSED && waited_ms < RESTART_WAIT_MS && has_up(state);
         waited_ms += RESTART_LOOK_MS) {
        if (!is_told) {
            (void)cli_fail(0,
                           "the controller of %s is away; holdfast up lives and "
                           "restarts it: waiting",
                           state);
            is_told = true;
        }
        (void)usleep(RESTART_LOOK_MS * 1000);
        hf_buf_clear(answer);
        err = hf_admin_call(admin, status, answer);
    }
    return err;
}

bool cli_call(const struct hf_flags *flags, const struct cli_call *call,
              struct hf_buf *answer)
{
    char state[CLI_PATH_BYTES];
    char address[CLI_PATH_BYTES];
    const struct hf_admin_call admin = {.address = address,
                                        .method = call->method,
                                        .target = call->target,
                                        .body = call->body,
                                        .timeout_ms = call->timeout_ms};
    int status = 0;
    hf_err err = HF_OK;

    if (!cli_state_find(flags, state)) {
        return false;
    }
    if (!find_socket(state, address)) {
        (void)cli_fail(1, "%s/" CLI_RUN_FILE " cannot be read", state);
        return false;
    }
    err = call_again(state, &admin, &status, answer);
    if (err != HF_OK) {
        (void)cli_fail(1, "the controller of %s does not answer: %s%s", state,
                       hf_err_text(err),
                       has_up(state) ? "" : " (no holdfast up is running there)");
        return false;
    }
    if (status < 200 || status > 299) {
        hf_slice text = hf_buf_slice(answer);

        text = hf_slice_first(text, hf_slice_find(text, '\n'));
        (void)cli_fail(1, "%.*s (%d)", (int)text.bytes,
                       text.bytes > 0 ? (const char *)text.data : "", status);
        return false;
    }
    return true;
}
