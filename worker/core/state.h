/* The inside of the worker core: leases, seats (a queue at a broker) and links. Only
 * files of worker/core include it; the rules it serves are in worker.h.
 *
 * A lease is in exactly one list of its broker:
 *
 *   held      the link it came by (or was kept on) still stands
 *   stale     that link is gone; a tick decides what is lost with it
 *   waiting   to be declared when its queue is open again, until hold_ms are over
 *   declared  waiting for the broker's verdict */
#ifndef HF_WORKER_CORE_STATE_H
#define HF_WORKER_CORE_STATE_H

#include "worker/core/worker.h"

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/pool.h"

#define WORKER_QUEUES_MAX       16
#define WORKER_BROKERS_MAX      16
#define WORKER_QUEUE_NAME_BYTES 255
#define WORKER_CREDIT_MAX       65535u /* PROTOCOL.md 3.4 */
#define WORKER_SWEEP_LEASES     32     /* judged in one step; keeps effects bounded */
#define WORKER_REOPEN_MS        50     /* a refused queue is asked for again, */
#define WORKER_REOPEN_MS_MAX    1000   /* ever later: twice the time before */
#define WORKER_WINDOW_GIVE      (WORKER_BODY_WINDOW / 4)

enum lease_state {
    LEASE_NONE,
    LEASE_RUNNING,    /* the handler has it and has not begun to answer */
    LEASE_RESPONDING, /* the head of a streamed response was given */
    LEASE_ANSWERED,   /* the response is whole; waits for RESPOND_ACK */
    LEASE_FAILED,     /* FAIL is owed to a broker that is away */
    LEASE_RELEASED,   /* RELEASE is owed to a broker that is away */
    LEASE_CANCELLED,  /* unwanted; waits for its handler to end */
    LEASE_STATES
};

struct lease {
    struct hf_list node;
    struct hf_heap_node hold; /* in `holds` while its broker is away */
    struct lease *chain;      /* table.c */
    hf_id id;
    uint64_t epoch;
    uint32_t slot; /* its place in the pool */
    uint8_t receipt[WORKER_RECEIPT_BYTES];
    enum lease_state state;
    hf_reason fail_reason;
    uint32_t broker;  /* index */
    uint32_t queue;   /* index */
    bool is_linked;   /* in `held`: records about it may be sent */
    bool is_declared; /* in `declared` */
    /* request body */
    bool has_body_whole;
    uint64_t body_bytes;
    uint64_t body_received;
    uint64_t body_granted;
    uint64_t body_took; /* consumed, not yet given back as window */
    /* response */
    uint64_t response_bytes; /* head and body so far */
    uint64_t produced;       /* body bytes of a stream */
    uint64_t sent;           /* on the present link */
    uint64_t granted;        /* by the present link */
    uint64_t told;           /* what the handler may produce in all */
    bool is_streamed;
    bool is_produced_whole;
    bool is_last_sent;
};

enum seat_state { SEAT_CLOSED, SEAT_OPENING, SEAT_OPEN };

/* One queue at one broker. */
struct seat {
    enum seat_state state;
    bool is_credited;     /* its leases are declared: credit may flow */
    uint32_t outstanding; /* credit given and not used */
    uint32_t running;     /* leases whose handler has not ended */
    hf_time reopen;       /* when a refused one is asked for again */
    int64_t reopen_ms;    /* the wait before that; 0 = not refused since it was open */
};

struct queue {
    uint8_t name[WORKER_QUEUE_NAME_BYTES];
    uint32_t name_bytes;
    uint32_t broker; /* 0 = every broker */
};

struct broker {
    bool is_up;
    bool is_draining; /* the broker sends nothing more on this link */
    bool is_drained;  /* told */
    struct hf_list held;
    struct hf_list stale;
    struct hf_list waiting;
    struct hf_list declared;
    struct seat seats[WORKER_QUEUES_MAX];
};

/* What one step works with. */
struct step {
    struct worker *worker;
    const struct worker_input *input;
    struct worker_effects *effects;
};

struct worker {
    struct step step; /* the present one */
    struct worker_config config;
    struct hf_pool pool;
    struct lease **buckets; /* table.c */
    uint32_t buckets_mask;
    struct hf_heap holds;
    struct queue queues[WORKER_QUEUES_MAX];
    uint32_t queues_count;
    struct broker brokers[WORKER_BROKERS_MAX];
    uint32_t outstanding; /* of all seats */
    bool is_ready;
    bool is_short;           /* some seat got less credit than its concurrency */
    bool is_broker_draining; /* some broker is leaving for itself */
    bool is_draining;
    bool is_drained;
    hf_time drain_limit;
};

/* worker.c */
struct worker_effect *effect_add(struct step *step, enum worker_effect_type type,
                                 const struct lease *lease);
void effect_violation(struct step *step);

/* table.c */
HF_MUST_USE hf_err table_init(struct worker *worker, uint32_t leases_max);
void table_put(struct worker *worker, struct lease *lease);
void table_remove(struct worker *worker, struct lease *lease);
struct lease *lease_find(struct worker *worker, const hf_id *id, uint64_t epoch);

/* lease.c */
struct seat *lease_seat(struct worker *worker, const struct lease *lease);
/* NULL when no slot is free. It starts RUNNING in `held`. */
struct lease *lease_new(struct worker *worker, const struct worker_input *assign);
/* Whether the lease survives the loss of its link. */
bool lease_is_kept(const struct lease *lease);
/* The only way a lease changes its state; ending a handler frees its place. */
void lease_move(struct step *step, struct lease *lease, enum lease_state to);
/* OUT_FREE and gone. */
void lease_end(struct step *step, struct lease *lease);
/* The broker does not want it: cancels a running handler, ends everything else. */
void lease_drop(struct step *step, struct lease *lease, hf_reason reason);
/* Sends what is owed on a link that stands: answer, stream, FAIL or RELEASE. */
void lease_send(struct step *step, struct lease *lease);
/* Sends response bytes as far as the window allows and tells the handler of more. */
void lease_pump(struct step *step, struct lease *lease);

/* session.c: opening, declaring, crediting */
void session_open(struct step *step, uint32_t broker);
void session_advance(struct step *step, uint32_t broker);
void session_down(struct step *step, uint32_t broker);
void session_sweep(struct step *step);
bool session_has_work(const struct worker *worker);
void seat_credit(struct step *step, uint32_t broker, uint32_t queue);
void seat_credit_all(struct step *step);

/* drain.c */
void drain_begin(struct step *step);
void drain_advance(struct step *step);

/* on_handler.c and on_record.c: one function per input */
void on_took(struct step *step);
void on_respond(struct step *step);
void on_respond_body(struct step *step);
void on_abort(struct step *step);
void on_fail(struct step *step);
void on_release(struct step *step);
void on_opened(struct step *step);
void on_closed(struct step *step);
void on_assign(struct step *step);
void on_body(struct step *step);
void on_window(struct step *step);
void on_respond_ack(struct step *step);
void on_declared(struct step *step);
void on_cancel(struct step *step);

#endif
