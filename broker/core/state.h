/* What the broker core holds: its tables and the fields of each noun. Private to
 * broker/core. Objects name each other by pool index (0 = none), so a request stays
 * small and no effect can depend on a pointer.
 *
 * Durable fields of a request are those of struct broker_request_view; all others are
 * rebuilt at start. */
#ifndef HF_BROKER_CORE_STATE_H
#define HF_BROKER_CORE_STATE_H

#include "broker/core/broker.h"
#include "broker/core/wheel.h"

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/base/pool.h"

/* PROTOCOL.md 3.2 and 3.4; then units of deferred work of one kind in one step. */
#define BROKER_SESSION_HANDLES_MAX 1024u
#define BROKER_CREDIT_MAX          65535u
#define BROKER_STEP_WORK_MAX       64u
#define BROKER_RATE_SECONDS        10u
#define BROKER_TURN_SHARE          16u /* of its credit a worker gets in one turn */

enum request_state {
    REQUEST_FREE,
    REQUEST_RECEIVING,   /* its streamed body is not whole */
    REQUEST_COMMITTING,  /* whole; not deliverable before it is on disk */
    REQUEST_READY,       /* in its queue */
    REQUEST_DELAYED,     /* waits for its next attempt */
    REQUEST_UNCLAIMED,   /* queued, but no frontend waits for it */
    REQUEST_OFFERED,     /* a worker is reserved; the frontend has not noted it yet */
    REQUEST_DISPATCHING, /* a worker is reserved; the dispatch is not on disk yet */
    REQUEST_LEASED,
    REQUEST_GRACE,   /* leased; waits for its holder to come back */
    REQUEST_AWAITED, /* may run at a worker not heard of: waits for a declaration */
    REQUEST_ORPHAN,  /* a declared lease; no frontend has offered the request yet */
    REQUEST_ANSWERED,
    REQUEST_ENDED, /* over; its slot is named by a batch, or its record is not dropped
                    */
    REQUEST_STATES
};

enum request_disk {
    DISK_NONE,  /* no record, none coming */
    DISK_LAZY,  /* its put waits in its queue's lazy list */
    DISK_DUE,   /* its put waits in the list of due commands */
    DISK_TAKEN, /* its put is in the batch being written */
    DISK_STORED
};

enum request_bit {
    REQUEST_IS_DUE = 1,         /* in the list of due commands */
    REQUEST_IS_TAKEN = 2,       /* named by the batch being written */
    REQUEST_IS_DROPPING = 4,    /* in the list of drops */
    REQUEST_WANTS_DISPATCH = 8, /* its DISPATCH is to be written */
    REQUEST_WANTS_PUT = 16,     /* its record changed after it was written */
    REQUEST_IS_RECOVERED = 32,  /* from disk, and no lease known since */
    REQUEST_IS_SUSPECT = 64,    /* may have been started under an earlier broker */
    REQUEST_IS_BODILESS = 128,  /* re-offered; its streamed body was never sent again */
    REQUEST_IS_LOSS_COUNTED = 256, /* its last failed attempt was a lost link */
    REQUEST_MAY_RESPOND = 512,     /* its holder has the right */
    RESPONSE_IS_STARTED = 1024,    /* RESULT has come on the present lease */
    RESPONSE_IS_BEGUN = 2048,      /* some of it has gone to the frontend */
    RESPONSE_IS_KEPT = 4096,       /* all that came so far is held at the slot */
    RESPONSE_IS_WHOLE = 8192,
    REQUEST_IS_TIMED = 16384 /* in the wheel */
};

/* See poison.h. */
enum request_suspicion {
    SUSPICION_NONE,
    SUSPICION_WAITING, /* its worker died: it is to run alone, or to be cleared */
    SUSPICION_ALONE    /* leased, and nothing else is at that worker */
};

struct request {
    hf_id id;
    uint64_t seq;
    uint64_t epoch; /* of the latest lease */
    hf_time enqueued;
    hf_time deadline;
    hf_time until;      /* end of DELAYED, GRACE, AWAITED and ORPHAN */
    hf_time away_until; /* its frontend is away: when it is given up */
    uint64_t body_bytes;
    uint64_t
        stream_bytes; /* of the request body while RECEIVING, then of the response */
    struct link links[LINK_KINDS];
    uint32_t head_bytes;
    uint32_t handle;          /* the holder's number for it */
    uint32_t unput_bytes;     /* body received, in no batch yet */
    uint32_t ungranted_bytes; /* body received, not granted again */
    uint32_t response_room;   /* response bytes the worker may still send */
    uint32_t kept_bytes;      /* of its response, held at the slot */
    uint32_t extra;           /* extra.h; 0 = none */
    uint16_t timer_slot;
    uint16_t queue;
    uint16_t owner; /* principal; 0 = unknown */
    uint16_t holder;
    uint16_t owner_session; /* 0 = away */
    uint16_t holder_session;
    uint16_t attempts; /* assignments */
    uint16_t bits;     /* request_bit */
    uint8_t failed;    /* failed attempts */
    uint8_t flags;     /* broker_submit_flag; only the first three are kept */
    uint8_t state;
    uint8_t disk;
    uint8_t suspicion;  /* request_suspicion */
    uint8_t crashes;    /* that are proven to be its own */
    uint8_t end_reason; /* once ENDED */
};

struct principal {
    hf_key key;
    uint32_t references;
    uint64_t kept_bytes;      /* of responses to its requests */
    struct request_list away; /* GRACE, and ORPHAN without a session */
    struct hf_list sessions;
    struct hf_list dead;  /* in broker.dead: its leases end without grace */
    uint32_t dead_leases; /* how many it had, while they are being settled; 0 = none */
};

/* See allowance.h. */
struct allowance {
    uint8_t token[16 + HF_KEY_BYTES];
    uint32_t references; /* sessions */
    uint32_t leases;     /* that these hold */
    uint64_t inflight;   /* 0 = no limit, as rate */
    uint64_t rate;
    uint64_t burst;
    uint64_t level;        /* what may be sent now, in millionths of a request */
    hf_time filled;        /* as of when */
    struct hf_list parked; /* handles that have credit and may not use it */
    struct hf_list eased;  /* in broker.eased: some of them may */
    struct hf_list idle;   /* in broker.idle_allowances */
};

struct session {
    uint32_t number; /* the shell's; 0 = free */
    uint16_t principal;
    bool is_dying; /* lost; what it held is being settled */
    bool is_draining;
    bool is_dead;          /* its process has ended: no grace */
    uint16_t quarantine;   /* queue whose suspects it runs, one at a time; 0 = none */
    struct hf_list parked; /* handles with credit withheld meanwhile */
    hf_time renewed;
    hf_time lost;
    uint32_t handles_count;
    uint32_t allowances_count;
    uint32_t allowances[BROKER_LIMITS_MAX];
    uint64_t bytes_max; /* of one request or response */
    struct hf_list handles;
    struct hf_list peers; /* in principal.sessions */
    struct hf_list dying; /* in broker.dying */
    struct hf_heap_node expiry;
    struct request_list leases;   /* OFFERED, DISPATCHING, LEASED, ORPHAN */
    struct request_list answered; /* ANSWERED: the holder waits for RESPOND_ACK */
    struct request_list owned;    /* what this frontend waits for */
};

struct handle {
    struct {
        uint32_t session; /* index */
        uint32_t number;
    } key;
    uint16_t queue; /* 0 = closed by the broker; the peer may not know yet */
    uint32_t rights;
    uint32_t credit;
    uint32_t turn; /* requests it still gets before the next taker's turn */
    struct hf_list in_session;
    struct hf_list in_queue;
    struct hf_list takers; /* in queue.takers while it has credit, or parked */
};

struct queue {
    uint8_t name[BROKER_QUEUE_NAME_MAX];
    uint8_t name_bytes;                /* 0 = free */
    bool is_removed;                   /* refuses, and goes when it is empty */
    struct broker_queue_policy policy; /* policy.name points to `name` */
    struct broker_queue_policy next;   /* of the policy that is arriving */
    uint64_t policy_round;
    struct request_list ready;
    struct request_list waiting;  /* RECEIVING, COMMITTING, DELAYED, UNCLAIMED */
    struct request_list suspects; /* READY, to be run alone: poison.h */
    uint16_t quarantine;          /* session that runs them; 0 = none yet */
    struct hf_list quarantined;   /* in broker.quarantines */
    struct request_list lazy;     /* puts that are not due */
    struct hf_heap_node lazy_due;
    struct hf_list handles;
    struct hf_list takers; /* round robin */
    struct hf_list turns;  /* of shares: fair.h */
    uint32_t shares;
    struct hf_list waiting_match; /* in broker.matchable */
    hf_time slow_since;           /* adaptive.c */
    bool is_newest_first;
    bool is_limited;          /* rate.c, from here on */
    int64_t rate_interval_us; /* 0 = no limit */
    int64_t rate_burst_us;
    int64_t rate_rest; /* of the division that gave the interval */
    hf_time rate_at;
    struct hf_heap_node rate_due; /* in broker.rated while its rate holds it back */
    struct hf_list removed;       /* in broker.removed */
    uint32_t requests;            /* all that name it */
    uint64_t depth_bytes;
    uint64_t awaited_bytes; /* held for AWAITED requests */
    uint64_t in_flight;
    uint64_t idle_credit;
    uint64_t committed;
    uint64_t elided;
    uint64_t accepted;
    uint64_t answered;
    uint64_t refused;
    uint64_t redelivered;
    int64_t rate_second; /* of the newest bucket */
    uint32_t rate[BROKER_RATE_SECONDS];
};

/* What the batch being written does to one request. */
struct taken {
    uint32_t slot;
    uint32_t bytes;
    uint64_t epoch; /* of its DISPATCH; 0 = none */
    bool is_put;
};

struct policy_change {
    uint64_t version;
    uint32_t session; /* the number to tell; 0 once that session is lost */
    bool is_wanted;
};

struct broker {
    struct broker_config config;
    hf_time now;
    struct broker_effects *out;  /* of the step under way */
    struct broker_effect nobody; /* takes what nobody is there to read */
    struct hf_pool requests;
    struct hf_pool sessions;
    struct hf_pool handles;
    struct hf_pool principals;
    struct hf_pool queues;
    struct hf_pool allowances;
    struct hf_pool extras; /* of requests */
    struct hf_pool shares;
    struct hf_map requests_by_id;
    struct hf_map handles_by_key;
    struct hf_map principals_by_key;
    struct hf_map queues_by_name;
    struct hf_map allowances_by_token;
    struct hf_map shares_by_key;
    uint16_t *sessions_by_number;
    uint32_t queues_count; /* highest index in use so far */
    struct hf_list matchable;
    struct hf_list dying;
    struct hf_list dead;
    struct hf_list removed;
    struct hf_list quarantines; /* queues with suspects, or with a worker set apart */
    struct hf_list eased;       /* allowances */
    struct hf_list idle_allowances;
    struct broker_counts counts;
    struct hf_heap expiries; /* sessions */
    struct wheel wheel;      /* requests */
    uint64_t in_flight;
    uint64_t kept_bytes; /* of responses, all together */
    uint64_t epoch_counter;
    uint32_t first_incarnation; /* config.incarnation when this process began */
    uint64_t seq_last;
    uint64_t random;
    hf_time recovered; /* when broker_grace of recovered requests began */
    bool is_recovering;
    bool is_behind; /* the last step left work */
    bool is_full;

    struct request_list due;
    struct request_list drops;
    hf_time drops_since;
    struct hf_heap lazy_queues;
    struct hf_heap rated; /* queues */
    struct taken taken[BROKER_BATCH_MAX];
    uint32_t taken_count;
    uint32_t taken_settled;
    bool is_batch_out;       /* taken, not yet settled */
    bool is_batch_committed; /* on disk; being settled */
    uint64_t batch_index;

    uint64_t policy_round;
    bool is_policy_arriving; /* between POLICY_BEGIN and POLICY_END */
    bool is_policy_refused;
    struct policy_change policy;
    struct policy_change policy_taken;
};

static inline struct request *request_at(const struct broker *b, uint32_t slot)
{
    hf_check(slot >= 1 && slot <= b->requests.fresh);
    return &((struct request *)(void *)b->requests.storage)[slot - 1];
}

static inline uint32_t request_slot(const struct broker *b, const struct request *r)
{
    return (uint32_t)(r - (const struct request *)(const void *)b->requests.storage) +
           1;
}

static inline struct session *session_at(const struct broker *b, uint32_t index)
{
    return hf_pool_at(&b->sessions, index);
}

static inline struct principal *principal_at(const struct broker *b, uint32_t index)
{
    return hf_pool_at(&b->principals, index);
}

static inline struct queue *queue_at(const struct broker *b, uint32_t index)
{
    return hf_pool_at(&b->queues, index);
}

/* Of a session. Where no token has limits, it costs one compare, and no look at the
 * session. */
static inline bool session_is_limited(const struct broker *b, uint32_t index)
{
    return b->allowances.count != 0 && session_at(b, index)->allowances_count != 0;
}

/* Appends an effect with nothing but its type. The step keeps room: see step_has_room.
 */
static inline struct broker_effect *emit(struct broker *b, enum broker_effect_type type)
{
    hf_check(b->out->count < BROKER_EFFECTS_MAX);
    struct broker_effect *effect = &b->out->items[b->out->count++];

    *effect = (struct broker_effect){.type = type};
    return effect;
}

/* Deferred work goes on only while the largest unit of it fits. */
static inline bool step_has_room(const struct broker *b)
{
    return b->out->count + 32 <= BROKER_EFFECTS_MAX;
}

#endif
