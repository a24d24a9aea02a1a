/* The application behind the bridge: its process, if we start it, and whether it takes
 * connections. Everything runs on the loop's thread. */
#ifndef HF_WORKER_APP_H
#define HF_WORKER_APP_H

#include "lib/io/loop.h"

#include <sys/types.h>

#pragma GCC visibility push(hidden)

#define WK_APP_ARGUMENTS_MAX 64
#define WK_APP_ADDRESS_BYTES 128

/* A variable of ours that begins so is the app's, without this: other users can read a
 * command line, but not an environment. */
#define WK_APP_VARIABLE "HOLDFAST_APP_ENV_"

struct wk_app;

struct wk_app_config {
    const char *const *command;     /* NULL-terminated; NULL = somebody else runs it */
    const char *const *environment; /* NAME=value added to ours; NULL-terminated */
    const char *directory;          /* NULL = ours */
    const char *address; /* "127.0.0.1:PORT" or "unix:/path"; NULL = not probed: always
                            ready, and again a moment after a refusal */
    /* Called when the app begins, or stops, to accept connections. */
    void (*on_ready)(void *ctx, bool is_ready);
    void (*on_pid)(void *ctx, pid_t pid); /* 0 when it has ended */
    void *ctx;
};

/* Starts the app, and again whenever it ends: at once if it ran for a second, else
 * after 250 ms, doubling to 30 s. Its output goes to our log, line by line. The
 * configuration and what it points to must outlive the app. */
HF_MUST_USE hf_err wk_app_open(struct hf_loop *loop, const struct wk_app_config *config,
                               struct wk_app **out);
/* A connection was refused: not ready until it accepts again. */
void wk_app_suspect(struct wk_app *app);
/* Ends the process group: TERM now, KILL after 5 s or when closed. */
void wk_app_stop(struct wk_app *app);
void wk_app_close(struct wk_app *app); /* NULL is legal */

/* For the child, which is this program again: dies with its parent, becomes argv. Does
 * not return if it succeeds. */
int wk_app_exec(int argc, char **argv);
#define WK_APP_EXEC "--exec-app"

#pragma GCC visibility pop

#endif
