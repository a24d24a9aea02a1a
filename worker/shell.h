/* The worker's shell: one lock, one core, the requests it holds, and the links they
 * come by. Internal to worker/; the public face is include/holdfast/worker.h.
 *
 * The lock guards the core and every request. Links call in on their own threads: such
 * a call is a `turn`: it steps the core through a batch of records under the lock, runs
 * the callbacks that became due without it, and ends with one flush per link. With
 * threads = 0 a request is so fetched, answered and sent on one thread. Work on the
 * loop is a turn as well; calls from other threads flush by themselves.
 *
 *   fetch.c   records -> core inputs         report.c  core effects -> records
 *   turn.c    callbacks, commits, flushes    uplink.c  links, credentials
 *   serve.c   the public verbs on a request  crew.c    thread pool, hf_receive
 *   commit.c  responses -> core inputs       shell.c   life of the worker, its loop
 *   request.c the request object */
#ifndef HF_WORKER_SHELL_H
#define HF_WORKER_SHELL_H

#include "holdfast/worker.h"

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/io/credentials.h"
#include "lib/io/file.h"
#include "lib/io/link.h"
#include "lib/wire/messages.h"
#include "worker/core/worker.h"

#include <pthread.h>

/* Nothing below leaves the shared library. */
#pragma GCC visibility push(hidden)

#define WK_BROKERS_MAX     16
#define WK_QUEUES_MAX      16
#define WK_WHOLE_BODY_MAX  (32u << 20)
#define WK_RESPONSE_MAX    (1u << 30)
#define WK_NAME_BYTES      128
#define WK_FAREWELL_MS     1000
#define WK_SPARE_REQUESTS  4096
#define WK_BUFFER_KEPT_MAX (128u << 10) /* larger buffers are not kept for reuse */
#define WK_BATCH_MAX       64           /* first callbacks between two lockings */

/* Where callbacks run. */
enum wk_mode {
    WK_INLINE,  /* on the thread that received the request */
    WK_LOOP,    /* on the loop's thread: the bridge */
    WK_POOL,    /* on threads of ours */
    WK_RECEIVE, /* the caller's threads fetch them with hf_receive */
};

/* Events of a request that wait for its callbacks. */
enum wk_event {
    WK_EVENT_START = 1,
    WK_EVENT_BODY = 2,
    WK_EVENT_WRITABLE = 4,
    WK_EVENT_LATER = 8,
    WK_EVENT_CANCEL = 16,
};

#define WK_STAT_TABLE(X)                                                               \
    X(requests, "holdfast_worker_requests_total", COUNTER, "Requests taken.")          \
    X(answered, "holdfast_worker_answered_total", COUNTER, "Responses completed.")     \
    X(failed, "holdfast_worker_failed_total", COUNTER, "Attempts given up.")           \
    X(cancelled, "holdfast_worker_cancelled_total", COUNTER, "Requests cancelled.")    \
    X(released, "holdfast_worker_released_total", COUNTER, "Requests given back.")     \
    X(declared, "holdfast_worker_declared_total", COUNTER, "Leases kept over links.")  \
    X(violations, "holdfast_worker_violations_total", COUNTER, "Broken by a broker.")  \
    X(leases, "holdfast_worker_leases", GAUGE, "Requests held.")                       \
    X(links, "holdfast_worker_links", GAUGE, "Sessions with brokers.")

struct wk_stats {
#define X(member, name, type, help) struct hf_stat member;
    WK_STAT_TABLE(X)
#undef X
};

/* Lock held, as all who write these counters do: no atomic addition is needed. */
static inline void wk_count(struct hf_stat *stat, int64_t n)
{
    hf_stat_set(stat, hf_stat_get(stat) + n);
}

struct wk_broker {
    struct hf_worker *worker;
    uint32_t number; /* 1.. */
    const char *address;
    struct hf_link_dialer *dialer;
    struct hf_link *link; /* a reference while it is up */
    hf_digest transcript;
    uint64_t reauth_counter;
    bool is_condemned;              /* it broke the protocol: the rest is ignored */
    bool is_dirty;                  /* something waits to be flushed */
    bool is_leaving;                /* GOODBYE was said: close after the flush */
    bool is_complained;             /* its absence is in the log */
    uint32_t credit[WK_QUEUES_MAX]; /* gathered until the flush */
};

struct hf_request {
    struct hf_worker *worker;
    uint32_t slot; /* 0 when the core is done with it */
    uint32_t refs; /* the slot's, and each list's */
    hf_id id;
    uint64_t epoch;
    uint32_t attempt;
    hf_time deadline;
    char id_text[HF_ID_TEXT_BYTES + 1]; /* empty until it is asked for */
    struct hf_buf head_in;              /* holds what `head` points to */
    struct hf_request_head head;
    struct hf_buf body; /* arrived and not yet read */
    uint64_t body_bytes;
    bool is_body_streamed;
    bool is_body_whole; /* its end has arrived */
    bool is_bad;        /* its head cannot be read */
    /* callbacks */
    unsigned events;
    bool is_running;
    bool is_taken; /* its handler has begun */
    bool is_cancelled;
    bool is_ended;
    struct hf_list ready_node; /* turn, loop or crew */
    struct hf_list dirty_node; /* turn */
    struct hf_heap_node later;
    void (*later_fn)(void *ctx, struct hf_request *request);
    pthread_cond_t changed;
    void *user; /* the handler's own */
    /* response */
    struct hf_buf head_out;
    struct hf_buf out; /* body from offset out_base on */
    uint64_t out_base;
    uint64_t given;    /* by the handler */
    uint64_t produced; /* of it, told to the core */
    uint64_t allowed;  /* by the core */
    bool is_offered;   /* wk_offer holds its answer; only its turn looks at this */
    bool has_head;     /* the handler has begun to answer */
    bool is_committed; /* the core knows */
    bool is_whole;     /* the handler has given all of it */
    bool is_last_told;
    bool is_bodyless; /* HEAD, 204 and 304 have no body */
};

struct wk_turn {
    struct hf_worker *worker;
    struct wk_turn *outer;
    hf_time now;                /* read once for records that came together; or zero */
    struct hf_request *calling; /* the first callback of this request is running */
    struct hf_list ready;       /* requests with events */
    struct hf_list dirty;       /* requests with uncommitted output */
};

struct hf_worker {
    pthread_mutex_t lock;
    struct worker *core;
    enum wk_mode mode;
    struct hf_handler handler;
    void *ctx;
    uint32_t leases_max;
    uint32_t queues_count;
    struct hf_request **slots;
    struct hf_list spare;
    uint32_t spare_count;
    struct hf_heap laters;
    struct wk_stats stats;
    struct worker_effects *effects;
    struct worker_input *inputs; /* steps that effects asked for */
    size_t inputs_count;
    /* fetching: the record being taken in */
    const struct hf_record *record;
    const struct hf_assign *assign;
    /* links */
    struct wk_broker brokers[WK_BROKERS_MAX];
    uint32_t brokers_count;
    struct hf_link_identity *identity;
    struct hf_credentials credentials;
    char *token_file;
    struct hf_file_watch *token_watch;
    int64_t expires_ms;
    char name[WK_NAME_BYTES];
    int64_t started_ms;
    _Atomic int64_t app_pid;
    _Atomic int health; /* enum hf_health */
    /* loop */
    struct hf_loop *loop;
    struct hf_timer *timer;
    struct hf_wake *wake;
    struct wk_turn loop_turn;
    struct hf_list loop_ready;
    hf_time armed;
    bool is_loop_threaded;
    pthread_t loop_thread;
    void (*on_turn_end)(void *ctx); /* bridge: before commits are made */
    void *on_turn_end_ctx;
    void (*on_drained)(void *ctx); /* on any thread, under the lock */
    void *on_drained_ctx;
    /* crew */
    struct hf_list crew_queue;
    pthread_cond_t crew_changed;
    pthread_cond_t drained_changed;
    pthread_t *crew;
    uint32_t crew_count;
    bool is_draining;
    bool is_drained;
    bool is_stopping;
};

/* Everything wk_new needs; strings are copied. */
struct wk_setup {
    const struct hf_worker_options *options;
    enum wk_mode mode;
    struct hf_credentials *credentials; /* taken: emptied; NULL = from the options */
};

/* shell.c */
enum hf_status wk_new(const struct wk_setup *setup, struct hf_worker **out);
/* Dials; `is_ready` whether work may come at once. */
enum hf_status wk_dial(struct hf_worker *worker, bool is_ready);
/* Runs the loop on this thread until hf_loop_stop. */
void wk_run(struct hf_worker *worker);
void wk_free(struct hf_worker *worker);
void wk_set_ready(struct hf_worker *worker, bool is_ready);
/* Any thread; on_drained is called when nothing is held any more. */
void wk_drain(struct hf_worker *worker);
/* Lock held: the loop's timer must fire at `due` at the latest. */
void wk_arm(struct hf_worker *worker, hf_time due);

/* request.c; the lock is held */
struct hf_request *wk_request_new(struct hf_worker *worker);
void wk_request_unref(struct hf_request *request);
void wk_request_destroy(struct hf_request *request);

/* turn.c */
/* `now` is good for all of a short turn; HF_TIME_ZERO: the clock is read when asked. */
void wk_turn_begin(struct wk_turn *turn, struct hf_worker *worker, hf_time now);
void wk_turn_end(struct wk_turn *turn);
/* Everything due on the loop's turn, which then begins again. */
void wk_turn_loop(struct hf_worker *worker);
/* Lock held: `events` are due for the request's callbacks or threads. */
void wk_notify(struct hf_request *request, unsigned events);
/* Lock held: output of the request is committed at the end of this turn; false outside
 * of any turn. */
bool wk_commit_later(struct hf_request *request);
/* Without the lock: flushes what a call outside of any turn has left. */
void wk_flush(struct hf_worker *worker);
bool wk_in_turn(const struct hf_worker *worker);
/* The time of this thread's turn, or of the clock. */
hf_time wk_now(const struct hf_worker *worker);
/* Without the lock: true when this thread's turn is in the handler's first callback for
 * the request and calls wk_deliver after it, so that an answer may wait for that. */
bool wk_is_calling(const struct hf_request *request);

/* fetch.c, report.c; the lock is held */
void wk_fetch(struct wk_broker *broker, const struct hf_record *records, size_t count);
void wk_step(struct hf_worker *worker, struct worker_input *input);
/* From within effects: the step follows when they are carried out. */
void wk_step_later(struct hf_worker *worker, const struct worker_input *input);
void wk_send_credit(struct wk_broker *broker);

/* commit.c; the lock is held */
/* Gives the core what the handler has given, as far as the window allows. */
void wk_commit(struct hf_request *request);
/* The handler ends it otherwise than by a whole response: FAIL, RELEASE or ABORT. */
void wk_end(struct hf_request *request, enum worker_input_type how, hf_reason reason);
/* The handler has consumed bytes of a streamed request body. */
void wk_took(struct hf_request *request, uint64_t bytes);

/* uplink.c */
enum hf_status wk_uplink_open(struct hf_worker *worker);
void wk_uplink_close(struct hf_worker *worker);
/* Lock held. Sends one record without head and body; `control` counts against the cap.
 */
void wk_send_meta(struct wk_broker *broker, uint16_t type, hf_slice meta);
void wk_condemn(struct wk_broker *broker, hf_reason reason);
void wk_farewell(struct wk_broker *broker);
void wk_introduce(struct hf_worker *worker);
void wk_take_token(struct hf_worker *worker, hf_slice chain);
void wk_on_ping(struct wk_broker *broker, hf_slice meta);

/* serve.c: hf_cancel with the reason a client may get. */
void wk_cancel(struct hf_request *request, hf_reason reason);
/* Lock held: an offered answer becomes the answer. */
void wk_deliver(struct hf_request *request);

/* crew.c */
enum hf_status wk_crew_start(struct hf_worker *worker, uint32_t threads);
void wk_crew_stop(struct hf_worker *worker);
/* Lock held: gives back what no handler has begun. */
void wk_release_unstarted(struct hf_worker *worker);
/* Without the lock, is_taken set: calls the handler, or refuses what it cannot have. */
void wk_handle(struct hf_request *request);

#pragma GCC visibility pop

#endif
