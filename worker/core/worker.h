/* The worker's rules as one deterministic machine: which leases it holds, what it still
 * owes a broker, how much it will take, how it drains (ARCHITECTURE.md 6, FEATURES rows
 * 31, 40, 41, 46, 79, 81).
 *
 * A lease is a `slot`; the shell keeps its request, its handler's state and its
 * response under that number. The core decides what survives a lost link: leases that
 * are running go on and are declared to the broker with their receipt when it is back;
 * whole responses of
 * <= 1 MiB are kept until the broker acknowledges them.
 *
 *   ASSIGNED -> (body whole, or handler wants it streamed) RUNNING -> ANSWERED -> gone
 *                   CANCELLED --------^                        RESPOND_ACK
 */
#ifndef HF_WORKER_CORE_WORKER_H
#define HF_WORKER_CORE_WORKER_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/ids.h"
#include "lib/base/reason.h"
#include "lib/base/slice.h"
#include "lib/base/time.h"

#define WORKER_RESPONSE_KEPT_MAX 1048576u
#define WORKER_BODY_WINDOW       1048576u
#define WORKER_RECEIPT_BYTES     16

struct worker_config {
    uint32_t leases_max;  /* held at once; default 4,096 */
    uint32_t queues_max;  /* 16 */
    uint32_t brokers_max; /* 16 */
    uint32_t concurrency; /* credit per queue; default 1 */
    int64_t hold_ms;  /* leases and responses without a broker: given up after 60,000 */
    int64_t drain_ms; /* 90,000 (row 63) */
};

enum worker_input_type {
    WORKER_IN_QUEUE,   /* serve this queue (before or after links are up) */
    WORKER_IN_LINK_UP, /* a session to `broker` stands */
    WORKER_IN_LINK_DOWN,
    WORKER_IN_OPENED,
    WORKER_IN_CLOSED,
    WORKER_IN_READY, /* the app is (not) able to take work: amount 1 or 0 */
    WORKER_IN_ASSIGN,
    WORKER_IN_BODY,    /* a piece of the request body */
    WORKER_IN_TOOK,    /* the handler consumed request body bytes: window */
    WORKER_IN_RESPOND, /* the handler answers: all of it, or the head of a stream */
    WORKER_IN_RESPOND_BODY,
    WORKER_IN_ABORT,   /* the handler gives up after the head of a stream */
    WORKER_IN_FAIL,    /* the handler gives up before any answer */
    WORKER_IN_RELEASE, /* the handler never started it */
    WORKER_IN_WINDOW,  /* the client's side takes more response bytes */
    WORKER_IN_RESPOND_ACK,
    WORKER_IN_DECLARED,
    WORKER_IN_CANCEL,
    WORKER_IN_DRAIN, /* by the broker, by SIGTERM, or hf_shutdown */
    WORKER_IN_TICK
};

struct worker_input {
    enum worker_input_type type;
    hf_time now;
    uint32_t slot;   /* from handlers; 0 in records */
    uint32_t broker; /* 1..brokers_max */
    uint32_t handle;
    hf_id id;
    uint64_t epoch;
    hf_reason reason;
    union {
        struct {
            hf_slice name;   /* QUEUE */
            uint32_t broker; /* 0 = every broker */
        } queue;
        struct {
            uint32_t attempt;
            uint8_t receipt[WORKER_RECEIPT_BYTES];
            uint64_t body_bytes;
            bool is_streamed;
            hf_time deadline;
        } assign;
        struct {
            uint64_t offset;
            uint32_t bytes;
            bool is_last;
        } body; /* BODY, RESPOND_BODY */
        struct {
            uint32_t bytes; /* head + inline body */
            bool is_streamed;
        } respond;
        struct {
            uint64_t bytes; /* TOOK, WINDOW; READY */
        } amount;
        struct {
            uint32_t
                result; /* RESPOND_ACK: 0 done 1 stale 2 denied; DECLARED: is_kept */
        } verdict;
    } u;
};

enum worker_effect_type {
    WORKER_OUT_OPEN,   /* to `broker`: handle, queue index for worker_queue_name */
    WORKER_OUT_CREDIT, /* broker, handle, amount */
    WORKER_OUT_START,  /* give the request of this ASSIGN to the handler: slot */
    WORKER_OUT_BODY,   /* give this input's piece to the handler */
    WORKER_OUT_SEND_RESPOND, /* send the response (or the kept one) of `slot`: id,
                                epoch; the shell sends what it has so far, in order */
    WORKER_OUT_SEND_BODY,    /* send response bytes offset..offset+amount; is_last */
    WORKER_OUT_SEND_WINDOW,
    WORKER_OUT_SEND_ABORT,
    WORKER_OUT_SEND_FAIL,
    WORKER_OUT_SEND_RELEASE,
    WORKER_OUT_DECLARE, /* broker, handle, slot, id, epoch, result = is_answered; the
                           receipt by worker_receipt */
    WORKER_OUT_TAKE,    /* the handler may produce `amount` response bytes more */
    WORKER_OUT_CANCEL,  /* tell the handler to stop: reason; its answer is unwanted */
    WORKER_OUT_FREE,    /* the slot ends */
    WORKER_OUT_SEND_DRAIN, /* broker */
    WORKER_OUT_DRAINED,    /* nothing held: say GOODBYE and exit */
    WORKER_OUT_VIOLATION   /* the broker broke the protocol: close `broker` */
};

struct worker_effect {
    enum worker_effect_type type;
    hf_reason reason;
    uint32_t slot;
    uint32_t broker;
    uint32_t handle;
    uint32_t queue;
    uint32_t result;
    bool is_last;
    hf_id id;
    uint64_t epoch;
    uint64_t offset;
    uint64_t amount;
};

#define WORKER_EFFECTS_MAX 512

struct worker_effects {
    uint32_t count;
    struct worker_effect items[WORKER_EFFECTS_MAX];
};

struct worker;

struct worker *worker_new(const struct worker_config *config);
void worker_free(struct worker *worker);
void worker_step(struct worker *worker, const struct worker_input *input,
                 struct worker_effects *effects);
hf_time worker_next_deadline(const struct worker *worker);
hf_slice worker_queue_name(const struct worker *worker, uint32_t queue);
const uint8_t *worker_receipt(const struct worker *worker, uint32_t slot);
uint32_t worker_leases_count(const struct worker *worker);
void worker_check(const struct worker *worker);

#endif
