/* Private to lib/io/link*.c: the parts of a link and who may touch them.
 *
 *     accept or dial -> GREETING -> HANDSHAKE -> UP -> ENDING (reaper) -> freed
 *
 * Locks, outermost first: output.io > lock > keeper's. gate_lock, input.gate and the
 * owner's own lock are leaves apart from the keeper's, under which nothing is taken.
 *
 * The NNG facts that shape this (PERFORMANCE.md 3, NNG 1.5.2): an operation begun on a
 * stopped aio gets no callback; stopping an aio while another thread begins an
 * operation on it is not safe, so every begin happens under a mutex with a "closed"
 * flag that the reaper sets before it stops the aio; an aio without callback completes
 * inline, so a send is first tried with one, and only a full socket costs a callback.
 */
#ifndef HF_IO_LINK_PARTS_H
#define HF_IO_LINK_PARTS_H

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/io/gate.h"
#include "lib/io/link_testing.h"

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>

#define LINK_PENDING_BYTES_MAX 16384 /* SECURITY.md 3.3 */
#define LINK_BATCH_MAX         256   /* records per callback */

enum link_state { LINK_GREETING, LINK_HANDSHAKE, LINK_UP };

/* Output. `fill` collects under the link's lock; `taken` and `cipher` belong to whoever
 * holds is_sending. Messages lie in fill behind their prefix, back to back. */
struct link_output {
    pthread_mutex_t io;     /* begin of a send; sealing */
    bool is_closed;         /* under io: no send may begin any more */
    nng_aio *try_aio;       /* without callback */
    nng_aio *wait_aio;      /* with callback, for a full socket */
    struct hf_buf *waiting; /* what wait_aio sends from */
    struct hf_buf fill;
    size_t clear_fill;    /* so many first bytes of fill are not to be sealed */
    size_t clear_taken;   /* ... of taken */
    bool has_open;        /* the last message in fill may grow */
    size_t open_at;       /* its place in fill */
    size_t control_fill;  /* bytes of control records in fill */
    size_t control_taken; /* ... and in taken */
    bool is_sending;      /* under lock */
    bool is_finishing;    /* nothing may be appended any more */
    struct hf_buf taken;  /* being sealed, or sent as it is */
    struct hf_buf cipher; /* sealed, being sent */
    bool is_last_taken;   /* taken ends with the last message of an orderly close */
    struct hf_sealer sealer;
    _Atomic int64_t sent_us; /* when something was last given to the stream */
    _Atomic int64_t
        soon_us;          /* INT64_MAX, or when fill is to be flushed at the latest */
    _Atomic size_t bytes; /* waiting and in flight */
};

struct link_input {
    pthread_mutex_t gate; /* begin of a receive */
    bool is_closed;       /* under gate */
    nng_aio *aio;
    struct hf_buf buf;
    size_t read_bytes;    /* asked of the next read */
    uint32_t small_reads; /* in a row */
    size_t asked_bytes;   /* of the receive in flight */
    size_t need_bytes;    /* the message being received is this long with its prefix */
    struct hf_opener opener;
    _Atomic int64_t received_us;
};

struct hf_link {
    struct hf_list node;      /* keeper's: in the owner's links */
    struct hf_list reap_node; /* keeper's */
    _Atomic uint32_t refs;
    struct link_owner *owner; /* not after on_down */
    const struct hf_link_events *events;
    void *ctx;
    nng_stream *stream;
    pthread_mutex_t lock;
    _Atomic int state; /* enum link_state; moved by the receiving thread */
    _Atomic int end;   /* -1 while it lives, then enum hf_link_end */
    bool is_ended;     /* reaper: the first phase is done */
    bool was_up;       /* written before UP is announced */
    bool is_sealed;
    enum hf_frame_kind kind;
    size_t output_bytes_max;
    size_t message_bytes_max;      /* what we take */
    size_t peer_message_bytes_max; /* what the peer takes */
    struct link_output out;
    struct link_input in;
    struct hf_handshake *handshake;
    struct hf_link_identity *identity;
    struct hf_link_peer peer;
    hf_slice source; /* key of the gate */
    uint8_t source_bytes[HF_GATE_KEY_BYTES];
    bool is_gated;             /* keeper's lock: hf_gate_leave is due */
    _Atomic bool has_failed;   /* the handshake was refused: charge the source */
    int64_t deadline_us;       /* of the handshake */
    _Atomic int64_t finish_us; /* INT64_MAX, or when link_finish gives up */
    _Atomic enum hf_link_end finish_end; /* the last word counts */
    uint32_t retry_after_ms;             /* the peer rejected us */
    const char *detail;                  /* why the handshake failed, for on_failed */
    void *user;
};

/* What listeners and dialers share. */
struct link_owner {
    struct hf_list node;  /* keeper's */
    struct hf_list links; /* keeper's */
    size_t links_count;   /* keeper's */
    bool is_listener;
    bool is_raw;                  /* no handshake: framing tests only */
    bool is_closing;              /* keeper's lock */
    struct hf_link_config config; /* strings copied */
    char address[HF_LINK_ADDRESS_BYTES];
    enum hf_link_transport transport;
    struct hf_link_identity *identity; /* keeper's lock */
    pthread_mutex_t gate_lock;         /* begin of accept or dial */
    bool is_stopped;                   /* under gate_lock */
    nng_aio *aio;                      /* accept or dial */
    nng_stream_listener *listener;
    nng_stream_dialer *dialer;
    struct hf_gate *gate;   /* listener; keeper's lock */
    bool is_in_use;         /* keeper's: link_owner_due is running */
    int64_t due_us;         /* keeper's: begin the next accept or dial then */
    int64_t connect_due_us; /* keeper's: abort the dial then */
    uint32_t backoff_ms;    /* keeper's */
};

struct hf_link_listener {
    struct link_owner owner;
};

struct hf_link_dialer {
    struct link_owner owner;
};

/* link.c */
hf_err link_start(struct link_owner *owner, nng_stream *stream);
/* Ends the link from any thread; only the first call counts. */
void link_end(struct hf_link *link, enum hf_link_end end);
bool link_has_ended(const struct hf_link *link);
/* Lets what waits go out, then ends with `end` when the peer closes, or after wait_ms.
 */
void link_finish(struct hf_link *link, enum hf_link_end end, int64_t wait_ms);
/* Reaper only. */
void link_teardown(struct hf_link *link);
void link_destroy(struct hf_link *link);

/* link_output.c */
hf_err link_output_init(struct hf_link *link);
void link_output_fini(struct hf_link *link);
/* Appends bytes, or a whole message, that are never sealed here: greeting, handshake.
 */
hf_err link_output_bytes(struct hf_link *link, hf_slice bytes);
hf_err link_output_message(struct hf_link *link, hf_slice content);
/* From now on what is appended is sealed with the handshake's state. */
void link_output_seal(struct hf_link *link);
/* Nothing may be appended after this; what waits ends with the mark of an orderly end.
 */
void link_output_finish(struct hf_link *link);
void link_output_stop(struct hf_link *link); /* reaper */

/* link_input.c */
hf_err link_input_init(struct hf_link *link);
void link_input_fini(struct hf_link *link);
void link_input_begin(struct hf_link *link); /* starts the first receive */
/* Messages may have their full size from now on. */
void link_input_open_up(struct hf_link *link);
void link_input_stop(struct hf_link *link); /* reaper */

/* link_auth.c: drives the handshake. */
hf_err link_auth_begin(struct hf_link *link);
/* The peer's greeting has arrived: without handshake, this brings the link up. */
void link_auth_greeted(struct hf_link *link);
/* One SP message; ends the link itself when it fails. */
void link_auth_message(struct hf_link *link, hf_slice message);

/* link_address.c */
void link_address_of_peer(struct hf_link *link);
void link_address_text(const nng_sockaddr *addr, char out[HF_LINK_ADDRESS_BYTES]);

/* link_keeper.c */
hf_err keeper_start(void); /* idempotent */
void keeper_lock(void);
void keeper_unlock(void);
void keeper_wake(void); /* a due time has come closer; with or without the lock */
void keeper_wake_by(int64_t due_us);    /* wakes it unless it will look by then */
void keeper_reap(struct hf_link *link); /* adds to the reaper's queue; takes the lock */
void keeper_add_owner(struct link_owner *owner);
/* Ends all links of the owner and waits until they are gone. */
void keeper_drop_owner(struct link_owner *owner);
/* Enters the link into its owner's list, through the gate of a listener. CLOSED: the
 * owner is closing; FULL: the gate refuses (counted). */
hf_err keeper_enter(struct hf_link *link);
/* The link is up: it leaves the gate. */
void keeper_link_up(struct hf_link *link);
/* What a Reject to this link's source should say. */
uint32_t keeper_retry_after_ms(struct hf_link *link);
/* Reaper: the link is torn down and its callbacks are over. Takes the lock. */
void keeper_forget(struct hf_link *link);

/* link_owner.c */
hf_err link_owner_init(struct link_owner *owner, const struct hf_link_config *config);
void link_owner_fini(struct link_owner *owner);
void link_owner_set_identity(struct link_owner *owner,
                             struct hf_link_identity *identity);
struct hf_link_identity *link_owner_identity(struct link_owner *owner); /* a new ref */
/* Keeper's thread, no lock held: the owner's due time has come. */
void link_owner_due(struct link_owner *owner);
/* Keeper's lock held: a link of a dialer is gone. */
void link_owner_redial(struct link_owner *owner, const struct hf_link *link);

static inline struct hf_link *link_of_node(struct hf_list *node)
{
    return HF_CONTAINER(node, struct hf_link, node);
}

#endif
