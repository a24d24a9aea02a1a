/* The whole broker as one deterministic machine.
 *
 * broker_step takes one input and appends effects; it neither blocks, allocates, reads
 * a clock, draws entropy, logs nor fails. The shell (broker/shell.c) turns sessions,
 * records, timers and commits into inputs and carries out the effects in their order;
 * the simulator (tests/sim) does the same without a machine under it.
 *
 * Bytes never enter: a request is a `slot`, a small stable number by which the shell
 * keeps what it has of it (head, body, response). The states of a request are drawn in
 * proto/PROTOCOL.md 4; the rules come from ARCHITECTURE.md 5 and 6 and are cited where
 * they are carried out, one file per input (on_submit.c, on_result.c, ...).
 */
#ifndef HF_BROKER_CORE_BROKER_H
#define HF_BROKER_CORE_BROKER_H

#include "broker/core/counts.h"

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/ids.h"
#include "lib/base/reason.h"
#include "lib/base/slice.h"
#include "lib/base/time.h"

#define BROKER_QUEUE_NAME_MAX    255
#define BROKER_BODY_WINDOW       1048576u /* initial, per (id, epoch) and direction */
#define BROKER_RESPONSE_KEPT_MAX 1048576u
#define BROKER_INLINE_MAX        65536u
#define BROKER_LIMITS_MAX        4 /* links of a chain */

/* The body_bytes of a record written while its streamed body was still arriving (PUT,
 * then RECOVERED): it is put again when the body is whole, and dropped when it never
 * was. */
#define BROKER_BODY_INCOMPLETE UINT64_MAX

/* Fixed at start. Every one is a configuration key of the same name (without broker_).
 */
struct broker_config {
    uint32_t requests_max;   /* queued + in flight, all queues; default 2,000,000 */
    uint32_t in_flight_max;  /* leased at once; default 100,000 */
    uint32_t queues_max;     /* default 10,000 */
    uint32_t sessions_max;   /* default 4,096 */
    uint32_t handles_max;    /* open handles in all; default 65,536 */
    uint32_t principals_max; /* distinct holder keys remembered; default 16,384 */
    uint64_t kept_bytes_max; /* responses kept for repetition; default 1 GiB */
    uint64_t kept_each_bytes_max; /* those of one frontend; default 256 MiB */
    int64_t lease_ms;             /* 30,000 */
    int64_t lease_grace_ms;       /* 5,000 */
    int64_t broker_grace_ms;      /* 30,000 */
    int64_t drop_delay_ms;        /* deletes wait this long for company; 50 */
    uint32_t incarnation; /* stored and raised by the shell at each start; >= 1 */
    uint64_t seed;        /* for jitter and hash tables */
    uint32_t planted;     /* BROKER_PLANT_*: faults for the simulator's own test */
};

/* Faults planted behind a test-only switch; each must be found by the simulator. */
enum broker_plant {
    BROKER_PLANT_NONE,
    BROKER_PLANT_ACK_BEFORE_COMMIT, /* ACCEPTED leaves before the batch is on disk */
    BROKER_PLANT_DROP_BEFORE_ACK,   /* the response is forgotten before RESPONSE_ACK */
    BROKER_PLANT_ADOPT_WITHOUT_RECEIPT,
    BROKER_PLANT_DELIVER_UNCLAIMED
};

enum broker_durability { BROKER_LAZY, BROKER_MEMORY, BROKER_STRICT };
enum broker_redeliver { BROKER_REDELIVER_SAFE, BROKER_REDELIVER_ALWAYS };
enum broker_queue_state {
    BROKER_QUEUE_ENABLED,
    BROKER_QUEUE_PAUSED,   /* accept, no delivery */
    BROKER_QUEUE_DRAINING, /* deliver, refuse AppShutdown */
    BROKER_QUEUE_DISABLED  /* neither, refuse Disabled */
};

enum broker_order { BROKER_FIFO, BROKER_ADAPTIVE };

/* What a queue does beyond holding (FEATURES rows 26 to 51); 0 = off, no limit. */
struct broker_queue_rules {
    enum broker_order order;
    uint32_t fair_share; /* percent of length_max that one fair key may take */
    uint32_t max_in_flight;
    uint64_t rate_milli; /* leases per 1,000 seconds */
    uint32_t burst;
    uint32_t key_max_in_flight; /* of each fair key, as the three above */
    uint64_t key_rate_milli;
    uint32_t key_burst;
    bool is_refusing;     /* beyond these limits: 429, instead of waiting */
    bool is_retrying_5xx; /* a response of 500 or more is a failed attempt */
    uint32_t max_crashes;
    int64_t retention_ms; /* of responses to async and keyed requests */
    uint64_t response_max;
    int64_t dead_retention_ms; /* no key sets it: there are no dead letters yet */
};

struct broker_queue_policy {
    hf_slice name;
    enum broker_durability durability;
    enum broker_redeliver redeliver;
    enum broker_queue_state state;
    uint32_t length_max; /* 10..1,000,000; default 1,000 */
    uint64_t bytes_max;  /* default 256 MiB */
    int64_t wait_limit_ms;
    int64_t lazy_commit_ms;
    uint32_t attempts_max; /* failed ones; default 5 */
    struct broker_queue_rules rules;
};

/* What one link of a session's chain limits (`lim`, SECURITY.md 2.3); 0 = no limit. The
 * token is known by its jti and its holder key: whoever attenuates a chain chooses the
 * jti of the new link, but cannot choose another's key. */
struct broker_limits {
    uint8_t token[16 + HF_KEY_BYTES];
    uint64_t inflight; /* requests leased at once */
    uint64_t rate;     /* requests sent a second */
    uint64_t burst;    /* of these at once; 0: as many as in a second */
    uint64_t bytes;    /* of one request or response, head and body */
};

/* Rights of a handle; the shell has checked them against the token (SECURITY.md 2.8).
 */
enum broker_right {
    BROKER_RIGHT_RECEIVE = 1,
    BROKER_RIGHT_RESPOND = 2,
    BROKER_RIGHT_ENQUEUE = 4,
    BROKER_RIGHT_PEEK = 8
};

enum broker_submit_flag { /* PROTOCOL.md 3.3; equal to the wire's numbers */
                          BROKER_SUBMIT_REPEATABLE = 1,
                          BROKER_SUBMIT_ASYNC = 2,
                          BROKER_SUBMIT_STREAMED = 4,
                          BROKER_SUBMIT_REOFFER = 8,
                          BROKER_SUBMIT_ASSIGNED = 16
};

/* What few requests carry (proto Enqueue 7 to 14). Zero = none. */
struct broker_wishes {
    uint32_t urgency;  /* 1 + u of RFC 9218 */
    uint64_t fair_key; /* hashes by the frontend */
    uint64_t serial_key;
    uint64_t affinity_key;
    hf_time not_before;
    hf_id access;       /* digest of the secret that opens its status */
    hf_key idempotency; /* digest of scope and key */
    hf_key fingerprint;
};

enum broker_input_type {
    BROKER_IN_SESSION_UP,
    BROKER_IN_SESSION_DOWN, /* link lost, goodbye, expired or revoked */
    BROKER_IN_LIMITS, /* the session's chain was renewed: its limits from now on */
    BROKER_IN_RENEW,  /* a heartbeat of a worker's session arrived */
    BROKER_IN_OPEN,
    BROKER_IN_CLOSE,
    BROKER_IN_WITHDRAW, /* the session's authority no longer covers this handle: CLOSED
                         */
    BROKER_IN_SUBMIT,
    BROKER_IN_BODY, /* a piece of a streamed request body has arrived */
    BROKER_IN_CANCEL,
    BROKER_IN_ASSIGNED_ACK,
    BROKER_IN_RESPONSE_ACK,
    BROKER_IN_CREDIT,
    BROKER_IN_RESULT,      /* RESPOND: all of it, or the head of a streamed one */
    BROKER_IN_RESULT_BODY, /* a piece of a streamed response */
    BROKER_IN_WINDOW, /* the frontend takes more of a streamed response: pass it to the
                         worker that holds the lease, as OUT_WINDOW */
    BROKER_IN_ABORT,
    BROKER_IN_RELEASE,
    BROKER_IN_FAIL,
    BROKER_IN_DECLARE,
    BROKER_IN_DRAINING, /* this worker takes nothing more */
    BROKER_IN_HOLDER_DEAD,
    BROKER_IN_POLICY_BEGIN, /* then one POLICY_QUEUE each, then POLICY_END: queues */
    BROKER_IN_POLICY_QUEUE, /* not named in between are on their way out */
    BROKER_IN_POLICY_END,
    BROKER_IN_RECOVERED, /* one stored request, in order of seq, before any session */
    BROKER_IN_RECOVERED_END, /* now time runs: broker_grace starts */
    BROKER_IN_SPACE,         /* the store crossed its quota, in either direction */
    BROKER_IN_CALL_OFF,      /* whoever knows its access cancels an async request: id */
    BROKER_IN_INCARNATION,   /* epochs begin anew above all before; the shell has stored
                                it */
    BROKER_IN_COMMITTED,     /* the batch taken last is on disk */
    BROKER_IN_TICK           /* time has passed; nothing else */
};

struct broker_input {
    enum broker_input_type type;
    hf_time now;      /* never before the previous input's */
    uint32_t session; /* 1..sessions_max, chosen by the shell, unique while up */
    uint32_t handle;  /* as in the record */
    hf_id id;
    uint64_t epoch;
    union {
        struct {
            hf_key key;                         /* SESSION_UP, HOLDER_DEAD */
            const struct broker_limits *limits; /* SESSION_UP, LIMITS; borrowed */
            uint32_t limits_count;              /* 0..BROKER_LIMITS_MAX */
        } holder;
        struct {
            hf_slice queue; /* OPEN */
            uint32_t rights;
        } open;
        struct {
            uint32_t flags; /* broker_submit_flag */
            hf_time deadline;
            uint64_t responded_epoch;
            uint32_t head_bytes;
            uint64_t body_bytes; /* inline bytes, or the declared length of a streamed
                                    body */
            const struct broker_wishes *wishes; /* NULL: none; borrowed for the step */
        } submit;
        struct {
            uint64_t offset; /* BODY, RESULT_BODY */
            uint32_t bytes;
            bool is_last;
        } body;
        struct {
            uint32_t bytes; /* RESULT: head + inline body */
            bool is_streamed;
        } result;
        struct {
            hf_reason reason; /* FAIL, ABORT, CANCEL, SESSION_DOWN */
        } cause;
        struct {
            uint32_t requests; /* CREDIT */
        } credit;
        struct {
            bool is_receipt_valid; /* DECLARE; the shell has checked it */
            bool is_answered;
        } declare;
        struct broker_queue_policy policy; /* POLICY_QUEUE */
        struct {
            uint64_t version; /* POLICY_BEGIN, POLICY_END */
        } revision;
        struct {
            uint64_t seq; /* RECOVERED */
            hf_slice queue;
            hf_key owner;
            uint32_t flags;
            uint32_t head_bytes;
            uint64_t body_bytes;
            hf_time enqueued;
            hf_time deadline;
            uint64_t dispatched_epoch; /* 0 = its dispatch was not recorded */
            hf_key dispatched_to;
        } recovered;
        struct {
            bool is_full; /* SPACE: used >= 85 % of the map */
        } space;
        struct {
            uint32_t number; /* INCARNATION: above the present one */
        } incarnation;
        struct {
            uint64_t bytes; /* WINDOW */
        } window;
        struct {
            uint64_t index; /* COMMITTED */
        } commit;
    } u;
};

/* What the shell must do, in this order. */
enum broker_effect_type {
    BROKER_OUT_HOLD, /* keep this input's head and body (or the stream begun) at `slot`
                      */
    BROKER_OUT_HOLD_BODY, /* append this input's body piece to the request at `slot` */
    BROKER_OUT_HOLD_RESPONSE, /* append this input's response bytes to the kept response
                               */
    BROKER_OUT_FREE,          /* the slot ends: let go of everything */
    BROKER_OUT_DROP_RESPONSE, /* let go of a partial response; the request stays */
    BROKER_OUT_OPENED,        /* session, handle, reason */
    BROKER_OUT_CLOSED,        /* session, handle, reason */
    BROKER_OUT_ADMITTED,      /* to the frontend: session, id */
    BROKER_OUT_ACCEPTED,
    BROKER_OUT_ASSIGNED,      /* session, id, epoch */
    BROKER_OUT_RESPONSE,      /* forward this input's RESPOND to `session`: id, epoch */
    BROKER_OUT_RESPONSE_BODY, /* forward this input's piece */
    BROKER_OUT_RESPONSE_KEPT, /* send the response kept at `slot` from its start */
    BROKER_OUT_REFUSED,       /* session, id, reason, retry_after_ms */
    BROKER_OUT_ABORT,         /* to the frontend */
    BROKER_OUT_ASSIGN, /* to the worker: session, handle, slot, id, epoch, attempt */
    BROKER_OUT_CANCEL, /* to the worker: session, id, epoch, reason */
    BROKER_OUT_RESPOND_ACK, /* to the worker: session, id, epoch, result */
    BROKER_OUT_DECLARED,    /* to the worker: session, id, epoch, is_kept in `result` */
    BROKER_OUT_WINDOW,      /* more body bytes for `session`: id, epoch, amount */
    BROKER_OUT_VIOLATION,   /* end `session`: reason */
    BROKER_OUT_POLICY_REFUSED, /* this input's queue is one too many, or has no legal
                                  name: nothing of the policy comes in force */
    BROKER_OUT_POLICY_ACK, /* the policy is on disk and in force: amount = version */
    BROKER_OUT_OUTCOME /* a request ended: slot, id, queue, reason, for log and stat */
};

enum broker_ack_result { BROKER_ACK_DONE, BROKER_ACK_STALE, BROKER_ACK_DENIED };

struct broker_effect {
    enum broker_effect_type type;
    hf_reason reason;
    uint32_t session;
    uint32_t handle;
    uint32_t slot;
    uint32_t attempt;
    uint32_t result; /* broker_ack_result, is_kept, retry_after_ms for REFUSED,
                        whether RESPONSE_KEPT is whole */
    uint32_t queue;  /* index for broker_queue_at */
    hf_id id;
    uint64_t epoch;
    uint64_t amount;
    hf_time enqueued; /* ASSIGN, OUTCOME */
    hf_time deadline; /* ASSIGN */
};

/* Effects of one step: at most BROKER_EFFECTS_MAX; work that would make more stays due
 * (broker_next_deadline returns a time in the past). */
#define BROKER_EFFECTS_MAX 512

struct broker_effects {
    uint32_t count;
    struct broker_effect items[BROKER_EFFECTS_MAX];
};

/* Durable commands of one group commit (ARCHITECTURE.md 6, CLUSTER.md 1). apply() in
 * broker/store.c is a pure function of them and of what the shell keeps at the slots.
 */
enum broker_command_type {
    BROKER_CMD_PUT, /* slot, seq: the request record with its head and inline body */
    BROKER_CMD_PUT_BODY, /* slot, seq, offset, bytes: pieces of a streamed body */
    BROKER_CMD_DISPATCH, /* seq, epoch, key: an unrepeatable strict request starts */
    BROKER_CMD_DROP,     /* seq: record, pieces, dispatch. Of an async request: what
                            became of it (is_answered: with the response at the slot,
                            else the reason) stays for its retention */
    BROKER_CMD_POLICY    /* amount = version; the shell keeps the encoded policy */
};

struct broker_command {
    enum broker_command_type type;
    uint32_t slot;
    uint64_t seq;
    uint64_t epoch;
    uint64_t offset; /* PUT_BODY; version for POLICY */
    uint32_t bytes;
    uint32_t attempt; /* DROP */
    hf_reason reason; /* DROP */
    bool is_answered; /* DROP */
    hf_key key;
};

#define BROKER_BATCH_MAX 4096

struct broker_batch {
    uint64_t index; /* rises by one */
    hf_time now;
    uint32_t count;
    struct broker_command items[BROKER_BATCH_MAX];
};

/* Durable fields of a request, for the store (PUT). Borrowed until the next step. */
struct broker_request_view {
    hf_id id;
    uint64_t seq;
    uint32_t queue;
    uint32_t flags;
    hf_key owner;
    uint32_t head_bytes;
    uint64_t body_bytes;
    hf_time enqueued;
    hf_time deadline;
    bool is_on_disk; /* its record is committed: bytes may be dropped from memory */
    bool is_leased;
    uint32_t lease_session; /* 0 while the holder is away, or not leased */
    uint32_t owner_session; /* 0 while the frontend is away */
    uint64_t lease_epoch;   /* of the latest lease; 0 = never leased */
};

struct broker_queue_view {
    hf_slice name;
    enum broker_queue_state state;
    uint64_t depth; /* queued, not leased */
    uint64_t depth_bytes;
    hf_time oldest; /* HF_TIME_NEVER when empty */
    uint64_t in_flight;
    uint64_t idle_credit;
    uint64_t committed;
    uint64_t elided;
    uint64_t accepted;
    uint64_t answered;
    uint64_t refused;
    uint64_t redelivered;
    int64_t retention_ms; /* of what became of async requests */
};

struct broker;

/* NULL without memory. All tables are reserved here; untouched pages are not resident.
 */
struct broker *broker_new(const struct broker_config *config);
void broker_free(struct broker *broker);
/* Clears `effects` and fills it. */
void broker_step(struct broker *broker, const struct broker_input *input,
                 struct broker_effects *effects);
/* To know about effects: after VIOLATION the session is over for the core at once, and
 * the shell's later SESSION_DOWN (as any input of a session that is not up) is ignored.
 * HOLD_RESPONSE may come before HOLD, and FREE without HOLD: a worker may answer a
 * lease it has declared before a frontend offers that request. A request refused at
 * SUBMIT has OUTCOME with slot 0. POLICY_END from session 0 is the stored policy: no
 * command. */
/* When the next TICK is wanted; the past = at once; HF_TIME_NEVER = not at all. */
hf_time broker_next_deadline(const struct broker *broker);

/* Leases that can still be given before the next INCARNATION must have come. */
uint32_t broker_epochs_left(const struct broker *broker);

/* When the store thread has something to write: the past = at once. While a batch is
 * taken and not yet COMMITTED, nothing more is handed out. */
hf_time broker_batch_due(const struct broker *broker);
/* Moves what is due at `now` (and what rides along) into `batch`. False: nothing is
 * due. The slots named stay valid until COMMITTED{index}. */
bool broker_take_batch(struct broker *broker, hf_time now, struct broker_batch *batch);

/* Reading, for the shell's store, STAT and PEEK. */
struct broker_request_view broker_request_at(const struct broker *broker,
                                             uint32_t slot);
uint32_t broker_slot_of(const struct broker *broker, hf_id id); /* 0 = unknown */
/* Whether the slot still belongs to that request: cheaper than asking for its slot. */
bool broker_slot_has(const struct broker *broker, uint32_t slot, hf_id id);
uint32_t broker_queues_count(const struct broker *broker); /* indexes 1..count */
bool broker_queue_at(const struct broker *broker, uint32_t index,
                     struct broker_queue_view *out); /* false: a free index */
uint32_t broker_queue_find(const struct broker *broker,
                           hf_slice name); /* 0 = unknown */
/* The index-th open handle of a session, from 0: which queue by which rights. False:
 * there are no more. */
struct broker_handle_view {
    uint32_t handle;
    uint32_t rights;
    hf_slice queue;
};
bool broker_handle_at(const struct broker *broker, uint32_t session, uint32_t index,
                      struct broker_handle_view *out);
uint32_t broker_session_leases(const struct broker *broker, uint32_t session);
/* How often each bound was reached. */
const struct broker_counts *broker_counts(const struct broker *broker);
/* Ids queued in `queue`, up to `limit`; returns how many. Each that stays queued is
 * given once, in no particular order. It looks at BROKER_PEEK_SLOTS_MAX slots at most,
 * from behind `*cursor` on (0 = start), and leaves there where it stopped: the slot of
 * the last id when `limit` is reached, BROKER_PEEK_END behind the last slot. */
#define BROKER_PEEK_SLOTS_MAX 8192u
#define BROKER_PEEK_END       UINT64_MAX
uint32_t broker_peek(const struct broker *broker, uint32_t queue, uint64_t *cursor,
                     hf_id *ids, uint32_t limit);
/* Walks everything and checks every invariant (hf_check). Linear; for tests. */
void broker_check(const struct broker *broker);

#endif
