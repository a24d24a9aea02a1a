/* Private to lib/io/link*.c: the parts of a link and who may touch them.
 *
 *     accept or dial -> GREETING -> HANDSHAKE -> UP -> ended -> torn down -> freed
 *
 * A hub is an epoll set and the one thread that waits on it: a thread of its own, or
 * that of the caller's loop. Receiving, accepting, dialling, watching times and tearing
 * down happen there and nowhere else; any thread may send. A socket is shut down when
 * its link is torn down, and closed when the last reference is gone, so that no sender
 * ever writes to a descriptor that has become somebody else's.
 *
 * Locks, outermost first: output.io > link's lock > hub's. Under the hub's lock nothing
 * is called that takes another. */
#ifndef HF_IO_LINK_PARTS_H
#define HF_IO_LINK_PARTS_H

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/reason.h"
#include "lib/io/gate.h"
#include "lib/io/link_testing.h"
#include "lib/io/socket.h"

#include <pthread.h>
#include <stdatomic.h>

#define LINK_PENDING_BYTES_MAX 16384 /* SECURITY.md 3.3 */
#define LINK_BATCH_MAX         256   /* records per callback */

enum link_state { LINK_GREETING, LINK_HANDSHAKE, LINK_UP };

/* A descriptor in the epoll set of a hub. */
struct hub_source {
    int fd; /* -1 = none */
    void (*on_ready)(struct hub_source *source, uint32_t events);
};

struct link_hub;

/* Output. `fill` collects under the link's lock; `taken` and `cipher` belong to whoever
 * holds is_sending. Messages lie in fill behind their prefix, back to back. */
struct link_output {
    pthread_mutex_t io; /* sealing and writing */
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
    struct hf_buf buf;
    bool is_deaf;         /* nothing more is understood; its end is waited for */
    size_t read_bytes;    /* asked of the next read */
    uint32_t small_reads; /* in a row */
    size_t need_bytes;    /* the message being received is this long with its prefix */
    struct hf_opener opener;
    _Atomic int64_t received_us;
};

struct hf_link {
    struct hub_source source;  /* its socket */
    struct hf_list node;       /* hub's thread: in the owner's links */
    struct hf_list ended_node; /* hub's lock */
    _Atomic uint32_t refs;
    struct link_hub *hub;
    struct link_owner *owner; /* not after on_down */
    const struct hf_link_events *events;
    void *ctx;
    bool is_shared; /* by threads: `lock` and `out.io` count */
    pthread_mutex_t lock;
    _Atomic int state; /* enum link_state; moved by the hub's thread */
    _Atomic int end;   /* -1 while it lives, then enum hf_link_end */
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
    hf_slice gate_key;
    uint8_t gate_key_bytes[HF_GATE_KEY_BYTES];
    bool is_gated;             /* hf_gate_leave is due */
    bool has_failed;           /* the handshake was refused: charge the source */
    int64_t deadline_us;       /* of the handshake */
    _Atomic int64_t finish_us; /* INT64_MAX, or when link_finish gives up */
    _Atomic enum hf_link_end finish_end; /* the last word counts */
    uint32_t retry_after_ms;             /* the peer rejected us */
    const char *detail;                  /* why the handshake failed, for on_failed */
    void *user;
};

/* What listeners and dialers share. The hub's thread's, but for what is marked. */
struct link_owner {
    struct hub_source source; /* listening, or connecting */
    struct link_hub *hub;
    struct hf_list node; /* hub's lock */
    struct hf_list links;
    size_t links_count;
    bool is_listener;
    bool is_raw;                  /* no handshake: framing tests only */
    bool is_closing;              /* hub's lock */
    bool is_gone;                 /* hub's lock: nothing of it is in the hub any more */
    bool is_renewed;              /* hub's lock: a new identity wants an attempt */
    struct hf_link_config config; /* strings copied */
    char address[HF_LINK_ADDRESS_BYTES];
    enum hf_link_transport transport;
    struct hf_link_identity *identity; /* hub's lock */
    struct hf_gate *gate;              /* listener */
    struct hf_socket_address local;    /* listener */
    struct hf_lookup *lookup;          /* dialer: the addresses of its name */
    size_t lookup_next;                /* the one to try next */
    int64_t due_us;                    /* begin the next accept or dial then */
    int64_t connect_due_us;            /* give up the dial then */
    uint32_t backoff_ms;
};

struct hf_link_listener {
    struct link_owner owner;
};

struct hf_link_dialer {
    struct link_owner owner;
};

/* link.c */
/* Takes over the connected socket, also when it fails. */
hf_err link_start(struct link_owner *owner, int fd);
/* Ends the link from any thread; only the first call counts. */
void link_end(struct hf_link *link, enum hf_link_end end);
bool link_has_ended(const struct hf_link *link);
/* Lets what waits go out, then ends with `end` when the peer closes, or after wait_ms.
 */
void link_finish(struct hf_link *link, enum hf_link_end end, int64_t wait_ms);
/* As link_finish without a last flush: the socket takes no more, but what the peer
 * said before it closed is still to be heard. */
void link_linger(struct hf_link *link, enum hf_link_end end, int64_t wait_ms);
/* Appends GOODBYE as the last record, then ends as link_finish; does no I/O. */
void link_say_goodbye(struct hf_link *link, hf_reason reason, enum hf_link_end end);
void link_teardown(struct hf_link *link);

/* link_output.c */
void link_output_init(struct hf_link *link);
void link_output_fini(struct hf_link *link);
/* Appends bytes, or a whole message, that are never sealed here: greeting, handshake.
 */
hf_err link_output_bytes(struct hf_link *link, hf_slice bytes);
hf_err link_output_message(struct hf_link *link, hf_slice content);
/* From now on what is appended is sealed with the handshake's state. */
void link_output_seal(struct hf_link *link);
/* Appends GOODBYE whatever the limits say, but for memory. */
void link_output_goodbye(struct hf_link *link, hf_reason reason);
/* Nothing may be appended after this; what waits ends with the mark of an orderly end.
 */
void link_output_finish(struct hf_link *link);
/* The socket takes more. */
void link_output_ready(struct hf_link *link);

/* link_input.c */
void link_input_init(struct hf_link *link);
void link_input_fini(struct hf_link *link);
/* The socket has something. */
void link_input_ready(struct hf_link *link);
/* Messages may have their full size from now on. */
void link_input_open_up(struct hf_link *link);

/* link_auth.c: drives the handshake. */
hf_err link_auth_begin(struct hf_link *link);
/* The peer's greeting has arrived: without handshake, this brings the link up. */
void link_auth_greeted(struct hf_link *link);
/* One SP message; ends the link itself when it fails. */
void link_auth_message(struct hf_link *link, hf_slice message);

/* link_address.c */
/* "tcp://HOST:PORT" or "ipc://PATH" without its scheme; NULL: neither. */
const char *link_address_of(const char *address, enum hf_link_transport *transport);
void link_address_of_peer(struct hf_link *link);

/* link_hub.c */
/* The hub of a loop, or of the module's own thread (NULL). Each get needs a put, on the
 * loop's thread. */
hf_err hub_get(struct hf_loop *loop, struct link_hub **out);
void hub_put(struct link_hub *hub);
void hub_lock(struct link_hub *hub);
void hub_unlock(struct link_hub *hub);
/* Waits for input on source->fd, or as said; hub_unwatch before it is closed. */
hf_err hub_watch(struct link_hub *hub, struct hub_source *source, uint32_t events);
/* Any thread. */
void hub_rewatch(struct link_hub *hub, struct hub_source *source, uint32_t events);
void hub_unwatch(struct link_hub *hub, struct hub_source *source);
/* The hub looks what is due at `due_us` at the latest; any thread. */
void hub_wake_by(struct link_hub *hub, int64_t due_us);
void hub_wake(struct link_hub *hub); /* now */
/* The link has ended: it is torn down soon. Takes a reference over. Any thread. */
void hub_bury(struct link_hub *hub, struct hf_link *link);
void hub_add_owner(struct link_owner *owner);
/* Ends all links of the owner and waits until they are gone. */
void hub_drop_owner(struct link_owner *owner);

/* link_owner.c: the rest is called on the hub's thread only. */
/* Enters the link into its owner's list, through the gate of a listener. FULL: the gate
 * refuses (counted). */
hf_err link_owner_enter(struct link_owner *owner, struct hf_link *link);
/* The link is up: it leaves the gate. */
void link_owner_link_up(struct link_owner *owner, struct hf_link *link);
/* The link is torn down and its callbacks are over. */
void link_owner_forget(struct link_owner *owner, struct hf_link *link);
struct hf_link_identity *link_owner_identity(struct link_owner *owner); /* a new ref */
/* Does what has become due; moves *next to when something will be. */
void link_owner_examine(struct link_owner *owner, int64_t now, int64_t *next);
/* Stops accepting or dialling. */
void link_owner_stop(struct link_owner *owner);
/* A moment in the future, half of it random: a thousand dialers do not return at once.
 */
void link_owner_retry(struct link_owner *owner);

/* link_listen.c */
hf_err link_listen(struct link_owner *owner);
void link_listen_resume(struct link_owner *owner);

/* link_dial.c */
void link_dial(struct link_owner *owner);
void link_dial_examine(struct link_owner *owner, int64_t now, int64_t *next);
/* The attempt is over, whatever it came to. */
void link_dial_abandon(struct link_owner *owner);

/* Links of a loop belong to its thread alone. */
static inline void link_lock(struct hf_link *link)
{
    if (link->is_shared) {
        pthread_mutex_lock(&link->lock);
    }
}

static inline void link_unlock(struct hf_link *link)
{
    if (link->is_shared) {
        pthread_mutex_unlock(&link->lock);
    }
}

static inline struct hf_link *link_of_node(struct hf_list *node)
{
    return HF_CONTAINER(node, struct hf_link, node);
}

#endif
