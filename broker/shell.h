/* The broker's shell: the one place where its core meets links, disk and time.
 *
 *   receive.c   records of a session -> inputs        (the links' thread)
 *   perform.c   effects -> records on links           (under the core lock)
 *   payload.c   the bytes of each slot: head, body, response
 *   commit.c    the store thread: batches -> disk -> COMMITTED
 *   load.c      the loader thread: payloads that are only on disk -> links
 *   session.c   sessions coming, going, judged again
 *   control.c   what is no request: introductions, pings, dead holders
 *   configure.c policy, routing snapshot, revocation list, tokens (the loop's thread)
 *   inspect.c   statistics, queued ids
 *
 * Locking. `lock` guards the core, the slots and the session table. Under it nothing
 * waits and nothing does I/O: records are appended to links, which are flushed after
 * unlocking (br_unlock). Everything marked "loop" belongs to the loop's thread alone.
 */
#ifndef HF_BROKER_SHELL_H
#define HF_BROKER_SHELL_H

#include "broker/core/broker.h"
#include "broker/stat.h"
#include "broker/store.h"
#include "lib/io/admin.h"
#include "lib/io/credentials.h"
#include "lib/io/link.h"
#include "lib/io/loop.h"
#include "lib/token/revocation.h"
#include "lib/wire/lists.h"
#include "lib/wire/messages.h"

#include <pthread.h>

#define BR_LISTENERS_MAX 8
#define BR_NAME_MAX      64
#define BR_PEEK_MAX      1000 /* ids of one PEEKED; PROTOCOL.md 3.5 */
#define BR_INSPECT_S     10   /* STAT and PEEK: so much of their rate at once */
#define BR_RETENTION_MS  INT64_C(86400000) /* of a queue whose policy names none */
#define BR_FLUSH_MAX     64 /* links flushed between two looks at the list */
/* Payloads stay in memory after their commit as long as all of them take less than
 * this; the oldest are kept, because a FIFO queue delivers them first. */
#define BR_CACHE_BYTES (16u << 20)

struct br_options {
    const char *name;      /* "b1" */
    const char *directory; /* of the store */
    const char *listen[BR_LISTENERS_MAX];
    size_t listen_count;
    const char *admin; /* NULL: none */
    uint64_t map_bytes;
    uint64_t disk_reserve_bytes;
    int64_t token_grace_s;
    int64_t drain_ms;
    uint32_t inspect_rate; /* STAT and PEEK a session may send each second */
    struct broker_config core;
    bool is_unsynced;
};

struct br_session {
    struct hf_link *link;   /* a reference; NULL = a free index */
    struct hf_chain *chain; /* authority in force */
    struct hf_reauth_session reauth;
    enum hf_role role;
    hf_key key;
    hf_lease_key lease_key; /* makes and checks the receipts of its leases */
    bool is_up;             /* the core knows it */
    bool is_dirty;          /* has output that waits for a flush */
    bool is_urgent;         /* somebody waits for that output */
    bool is_ending;         /* GOODBYE is its last record; the flush closes the link */
    bool is_subscribed;     /* to routing snapshots and revocations */
    uint64_t snapshot;      /* sequence acknowledged */
    int64_t pid;
    int64_t app_pid;
    int64_t since_ms;
    char name[BR_NAME_MAX + 1];
    char queue[BROKER_QUEUE_NAME_MAX + 1]; /* of its first handle */
    hf_time inspected;    /* when what it has asked is paid off; see inspect.c */
    struct br_peek *peek; /* the handle opened for peeking, where it stands; or NULL */
};

/* Where a session stands in reading the ids of one queue. */
struct br_peek {
    uint32_t handle;
    char queue[BROKER_QUEUE_NAME_MAX + 1];
    hf_id last; /* the id returned last, and the core's cursor behind it */
    uint64_t cursor;
    uint32_t count; /* of the page that is being filled */
    hf_id ids[BR_PEEK_MAX];
};

/* The bytes of one slot; payload.c. */
struct br_held;
struct br_piece;
struct br_reply;
struct br_stream;

/* Memory taken before the core decides; what it does not use serves the next time. */
struct br_spare {
    void *data;
    size_t bytes;
};

struct br_slot {
    struct br_held *held;     /* head and inline body; NULL once only on disk */
    struct br_piece *pieces;  /* of a streamed body, not yet committed, in order */
    struct br_reply *reply;   /* the response, until it is acknowledged */
    struct br_stream *stream; /* a body on its way to a worker */
};

struct br_loads; /* load.c */

struct br {
    struct br_options options;
    struct hf_credentials credentials; /* loop, but for secret and anchors */
    hf_store_key store_key;
    uint32_t incarnation;
    int64_t started_ms;

    struct hf_loop *loop;
    struct hf_admin *admin;
    struct hf_timer *housekeeping;
    struct hf_link_listener *listeners[BR_LISTENERS_MAX];
    size_t listeners_count;
    struct br_store *store;

    pthread_mutex_t lock;
    struct broker *core;
    hf_time now;                   /* of the step made last */
    struct broker_effects effects; /* of the step just made */
    struct br_slot *slots;         /* requests_max + 1 */
    struct br_session *sessions;   /* sessions_max + 1 */
    uint32_t sessions_fresh;       /* indexes from here on were never used */
    uint32_t *dirty; /* sessions with output that waits; sessions_max + 1 */
    uint32_t dirty_count;
    uint32_t slots_used;         /* highest slot that ever had bytes */
    bool is_full;                /* as the core was told last */
    struct br_store_space space; /* as read last */
    uint64_t policy_version;
    bool is_policy_refused; /* the one that is arriving */
    uint64_t held_bytes;
    struct br_spare spare_held; /* for the input that is about to be stepped */
    struct br_spare spare_piece;
    struct br_spare spare_reply;
    struct br_blob *policy; /* as stored; replaced whole */

    pthread_t commit_thread;
    pthread_cond_t commit_wake;
    hf_time commit_at; /* when the store thread will look by itself */
    pthread_t tick_thread;
    pthread_cond_t tick_wake;
    hf_time tick_at;
    pthread_t load_thread;
    struct br_loads *loads;
    bool is_stopping;

    struct hf_revocation *revocation; /* in force; under lock */
    struct br_snapshot *snapshot;     /* the routing snapshot in force; under lock */
    struct br_arriving *arriving;     /* loop: parts of what is not complete yet */
    hf_time controller_seen;          /* under lock: when a controller's session came */
    uint32_t controllers_count;       /* under lock */
    bool is_draining;                 /* loop */
    hf_time drain_end;                /* loop */
};

/* An immutable run of bytes with a reference count. */
struct br_blob {
    _Atomic uint32_t references;
    uint32_t bytes;
    uint8_t data[];
};
struct br_blob *br_blob_new(hf_slice bytes); /* NULL without memory */
struct br_blob *br_blob_ref(struct br_blob *blob);
void br_blob_unref(struct br_blob *blob); /* NULL is legal */

/* Ends the process at once: nothing untrue may leave after this (ARCHITECTURE.md 5). */
_Noreturn void br_fail_stop(const char *why);

/* Takes the lock. */
void br_lock(struct br *br);
/* Wakes the store and tick threads if they are due earlier than they know, releases the
 * lock and flushes the links that have new output. */
void br_unlock(struct br *br);
/* Steps the core and carries out the effects; `record` is the input's, or NULL. Under
 * the lock. Raises input->now where another thread's input has come in between: the
 * core's time never runs backwards. */
void br_step(struct br *br, struct broker_input *input, const struct hf_record *record);

/* perform.c: one effect of the step just made. */
void br_perform(struct br *br, const struct broker_effect *effect,
                const struct broker_input *input, const struct hf_record *record);
/* Appends a record to a session's link; false when it is gone. Under the lock. */
bool br_send(struct br *br, uint32_t session, const struct hf_record *record);
/* An uncredited record with this metadata. */
void br_send_control(struct br *br, uint32_t session, enum hf_record_type type,
                     hf_slice meta);
/* Ends a session: GOODBYE{reason}, then the link closes (in br_unlock, because that is
 * I/O). Nothing is sent after it. Under the lock. */
void br_end_session(struct br *br, uint32_t session, hf_reason reason);
/* There is no memory for what a session sent: counts and logs it, and ends that
 * session, which may say it again. Under the lock. */
void br_starve_session(struct br *br, uint32_t session, uint16_t record_type);
/* Whether what a session says still counts: it is up and not being ended. Under the
 * lock. */
static inline bool br_is_heard(const struct br *br, uint32_t session)
{
    return br->sessions[session].is_up && !br->sessions[session].is_ending;
}

/* payload.c, all under the lock. */
/* Takes the memory that the bytes of this input's record may need, before it is
 * stepped: afterwards there is no way back. False: there is none. */
HF_MUST_USE bool br_reserve(struct br *br, const struct broker_input *input,
                            const struct hf_record *record);
void br_reserve_free(struct br *br);
void br_hold(struct br *br, uint32_t slot, const struct hf_record *record,
             const struct broker_wishes *wishes);
void br_hold_body(struct br *br, uint32_t slot, uint64_t offset, hf_slice bytes);
void br_hold_reply(struct br *br, uint32_t slot, const struct hf_record *record,
                   bool is_start);
void br_drop_reply(struct br *br, uint32_t slot);
void br_drop_held(struct br *br, uint32_t slot);
void br_free_slot(struct br *br, uint32_t slot);
/* Pieces below `end` are on disk now. */
void br_drop_pieces(struct br *br, uint32_t slot, uint64_t end);
/* Held bytes with a reference of the caller's, for the store thread. */
struct br_held *br_held_ref(struct br_held *held);
void br_held_unref(struct br_held *held); /* any thread; NULL is legal */
hf_slice br_held_head(const struct br_held *held);
hf_slice br_held_body(const struct br_held *held);
hf_id br_held_access(const struct br_held *held);
/* The piece that holds `offset`, from there on; with a reference. NULL: not in memory.
 */
struct br_piece *br_piece_at(struct br *br, uint32_t slot, uint64_t offset,
                             hf_slice *bytes);
void br_piece_unref(struct br_piece *piece);
/* How many of `bytes` from `offset` on are on disk only: up to the first piece that is
 * still in memory, and perhaps not committed yet. */
uint64_t br_on_disk(struct br *br, uint32_t slot, uint64_t offset, uint64_t bytes);
/* The kept response: head, body so far. False: there is none. */
bool br_reply_parts(struct br *br, uint32_t slot, hf_slice *head, hf_slice *body);
bool br_reply_is_streamed(struct br *br, uint32_t slot);

/* commit.c, load.c */
void *br_commit_main(void *br);
void *br_tick_main(void *br);
void *br_load_main(void *br);
/* The request at the effect's slot must be sent to its worker, but (part of) it is on
 * disk only, or it is streamed. Under the lock. */
void br_load(struct br *br, const struct broker_effect *assign);
/* A worker takes `bytes` more of a request body. Under the lock. */
void br_load_window(struct br *br, uint32_t session, const struct hf_window *window);
HF_MUST_USE hf_err br_loads_new(struct br *br);
/* After the loader has ended. */
void br_loads_stop(struct br *br);
/* Under the lock: wakes the loader, to see that the process stops. */
void br_loads_wake(struct br *br);
/* Sends ASSIGN with these bytes; a streamed request's body is empty here and follows.
 * Under the lock. */
void br_send_assign(struct br *br, const struct broker_effect *assign, hf_slice head,
                    hf_slice body);

/* session.c: the events of links, and judging sessions again. */
extern const struct hf_link_events br_session_events;
bool br_admit(void *br, const struct hf_link_claim *claim, struct hf_welcome *welcome);
void br_receive(struct br *br, uint32_t session, const struct hf_record *records,
                size_t count);
/* Whether expired tokens are accepted now: no controller has been here for a while. */
bool br_is_in_grace(const struct br *br, hf_time now);
/* Whether a chain allows all of these HF_RIGHT_* on a queue. */
bool br_chain_allows(const struct hf_chain *chain, uint32_t rights, hf_slice queue);
void br_reauth(struct br *br, uint32_t session, const struct hf_record *record);
/* Ends sessions whose authority is over. Loop. */
void br_judge_expiry(struct br *br);
/* Ends sessions the list names; returns how many. Under the lock. */
uint32_t br_judge_revocation(struct br *br);

/* control.c: everything that is no request. */
void br_control(struct br *br, uint32_t session, const struct hf_record *record);
/* Counts and logs a missing right, ends the session. Under the lock. */
void br_deny(struct br *br, uint32_t session, uint16_t record_type);

/* configure.c: policy, routing snapshot, revocation list and tokens, as they arrive
 * from a controller, are stored, put in force and passed on. */
HF_MUST_USE hf_err br_configure_restore(struct br *br);
void br_configure_free(struct br *br);
/* Copies the record to the loop's thread, which carries it out. */
void br_configure(struct br *br, uint32_t session, const struct hf_record *record);
/* Sends the snapshot in force to a session, and all of the revocation list. Under the
 * lock. */
void br_send_snapshot(struct br *br, uint32_t session);
uint64_t br_snapshot_sequence(const struct br *br);
/* Warns when no fresh revocation list has come for 5 minutes. Loop. */
void br_configure_stale(struct br *br);

/* inspect.c: STAT and PEEK. Under the lock. */
void br_stat(struct br *br, uint32_t session, const struct hf_record *record);
void br_peek(struct br *br, uint32_t session, const struct hf_record *record);

/* status.c: what frontends ask of async requests. Under the lock. */
void br_lookup(struct br *br, uint32_t session, const struct hf_record *record);
/* A re-offer of an async request that has been accepted and has ended meanwhile: it is
 * accepted, again. False: the core is to judge it. */
bool br_is_accepted(struct br *br, const struct broker_input *input);

/* main.c's pieces */
HF_MUST_USE hf_err br_make_identity(struct br *br, struct hf_link_identity **out);
HF_MUST_USE hf_err br_start(struct br *br);
void br_stop(struct br *br);
HF_MUST_USE hf_err br_admin_start(struct br *br);

#endif
