/* The event loop of one thread: timers, wake-ups, signals, descriptors, children.
 *
 * Everything here except hf_loop_stop, hf_loop_post and hf_wake_signal belongs to the
 * thread that runs the loop. Objects are closed with their own verb; their memory is
 * released by the loop a little later, so callbacks may close the object they are for.
 * After a close no further callback of that object runs. libuv stays inside. */
#ifndef HF_IO_LOOP_H
#define HF_IO_LOOP_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"
#include "lib/base/time.h"

struct hf_loop;
struct hf_timer;
struct hf_wake;
struct hf_signal;
struct hf_watch;
struct hf_child;

typedef void (*hf_loop_fn)(void *ctx);

/* Also makes the process ignore SIGPIPE. */
HF_MUST_USE hf_err hf_loop_new(struct hf_loop **out);
/* Closes what is left open, lets it finish, frees the loop. NULL is legal. */
void hf_loop_free(struct hf_loop *loop);
/* Runs until hf_loop_stop, or until nothing is open any more. */
void hf_loop_run(struct hf_loop *loop);
/* Handles what is ready now without waiting (for tests and nested shells). */
void hf_loop_run_ready(struct hf_loop *loop);
/* Makes hf_loop_run return soon. Any thread. */
void hf_loop_stop(struct hf_loop *loop);
/* Calls fn(ctx) once on the loop's thread, in order of posting. Any thread. FULL when
 * 65536 are waiting. */
HF_MUST_USE hf_err hf_loop_post(struct hf_loop *loop, hf_loop_fn fn, void *ctx);
/* fn(ctx) runs at the end of each turn, before the loop waits: flush links here.
 * One per loop; NULL removes it. */
void hf_loop_on_turn_end(struct hf_loop *loop, hf_loop_fn fn, void *ctx);

/* Timers. One timer per purpose: the cores have their own heap. */
HF_MUST_USE hf_err hf_timer_open(struct hf_loop *loop, hf_loop_fn fn, void *ctx,
                                 struct hf_timer **out);
/* Fires once at `due` on hf_clock_now's clock (at once when past); moves it when set;
 * HF_TIME_NEVER stops it. Resolution 1 ms, never early. */
void hf_timer_set(struct hf_timer *timer, hf_time due);
void hf_timer_set_every_ms(struct hf_timer *timer, int64_t every_ms);
void hf_timer_close(struct hf_timer *timer); /* NULL is legal */

/* Wake-ups: signals from any thread run fn once or more on the loop's thread; several
 * signals may become one call. */
HF_MUST_USE hf_err hf_wake_open(struct hf_loop *loop, hf_loop_fn fn, void *ctx,
                                struct hf_wake **out);
void hf_wake_signal(struct hf_wake *wake);
/* No thread may signal it any more. */
void hf_wake_close(struct hf_wake *wake);

HF_MUST_USE hf_err hf_signal_open(struct hf_loop *loop, int signal_number,
                                  hf_loop_fn fn, void *ctx, struct hf_signal **out);
void hf_signal_close(struct hf_signal *signal);

/* Readiness of a descriptor that somebody else owns (curl's sockets). Close the watch
 * before the descriptor. `events` is a mask. */
#define HF_WATCH_READ  1
#define HF_WATCH_WRITE 2

typedef void (*hf_watch_fn)(void *ctx, int events, hf_err err);

HF_MUST_USE hf_err hf_watch_open(struct hf_loop *loop, int fd, hf_watch_fn fn,
                                 void *ctx, struct hf_watch **out);
HF_MUST_USE hf_err hf_watch_set(struct hf_watch *watch, int events); /* 0 = none */
void hf_watch_close(struct hf_watch *watch);

/* Child processes. Descriptor i of the child is fds[i] of ours (-1: /dev/null), all
 * others are closed. The child starts with default signals. */
struct hf_child_config {
    const char *const *argv;        /* argv[0] is looked up in PATH; NULL-terminated */
    const char *const *environment; /* NULL-terminated; NULL = ours */
    const char *directory;          /* NULL = ours */
    const int *fds;
    size_t fds_count;
    bool is_group_leader; /* own session, so that a group kill reaches all of it */
};

/* `signal_number` is 0 when the child exited by itself with exit_status. */
typedef void (*hf_child_fn)(void *ctx, int64_t exit_status, int signal_number);

HF_MUST_USE hf_err hf_child_open(struct hf_loop *loop,
                                 const struct hf_child_config *config, hf_child_fn fn,
                                 void *ctx, struct hf_child **out);
int hf_child_pid(const struct hf_child *child);
/* NOT_FOUND when it has ended. */
HF_MUST_USE hf_err hf_child_kill(struct hf_child *child, int signal_number);
/* Forgets the child (it is not killed). */
void hf_child_close(struct hf_child *child);

#endif
