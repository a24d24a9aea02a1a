/* Links: authenticated, batched sessions between two processes over tcp:// or ipc://.
 * On the wire they are NNG's streams (SP framing), whatever a peer is made of.
 *
 * A link is one session: it comes up (handshake done, SECURITY.md 3), carries batches
 * of records in order both ways, and goes down once. A listener makes a link for each
 * peer that proves itself; a dialer keeps making one until closed. Batching is
 * adaptive: what is appended while a send is in flight leaves with the next one,
 * without a timer.
 *
 * Threads. Callbacks come on one thread: the module's, or that of `config.loop`. They
 * must not wait: no other link is heard meanwhile. hf_link_send, _flush, _close and the
 * getters may be called by any thread, inside callbacks too. Locks of the caller may be
 * held around hf_link_send (it does no I/O); not around hf_link_flush, which seals and
 * writes.
 *
 * Lifetime. A link pointer is valid from on_up until on_down returns; hold it longer
 * with hf_link_ref. After on_down, sends on a held link fail with HF_ERR_CLOSED.
 *
 * An ipc socket gets its mode only after bind, so its directory must be 0700. */
#ifndef HF_IO_LINK_H
#define HF_IO_LINK_H

#include "lib/base/stat.h"
#include "lib/io/link_identity.h"
#include "lib/wire/frame.h"

struct hf_loop;
struct hf_link;
struct hf_link_listener;
struct hf_link_dialer;

#define HF_LINK_MESSAGE_BYTES_MAX 1179648 /* PROTOCOL.md 1 */
#define HF_LINK_CONTROL_BYTES_MAX (1u << 20)
#define HF_LINK_ADDRESS_BYTES     128
#define HF_LINK_SOON_MS           2
#define HF_LINK_HEARTBEAT_TYPE    0x0001
#define HF_LINK_GOODBYE_TYPE      0x0002 /* ends the link after it was handed up */

enum hf_link_transport { HF_LINK_TCP, HF_LINK_IPC };

/* Why a link ended or an attempt failed. */
enum hf_link_end {
    HF_LINK_END_LOCAL,    /* hf_link_close, or the owner was closed */
    HF_LINK_END_PEER,     /* the connection closed or broke */
    HF_LINK_END_TIMEOUT,  /* nothing heard for 3 heartbeats, or handshake too slow */
    HF_LINK_END_PROTOCOL, /* framing, greeting, sealing or handshake bytes are wrong */
    HF_LINK_END_LIMIT,    /* message too big, output or pre-auth limits exceeded */
    HF_LINK_END_DENIED,   /* our check of the peer failed, or the peer rejected us */
    HF_LINK_END_CONNECT,  /* nobody listens at the address */
    HF_LINK_END_MEMORY
};

const char *hf_link_end_text(enum hf_link_end end);

/* What is known of the peer; lives as long as the link. */
struct hf_link_peer {
    enum hf_link_transport transport;
    bool is_accepted; /* we listen, the peer dialled */
    /* Role, key, session id, transcript, welcome; NULL without handshake (tests). */
    const struct hf_handshake_result *result;
    const struct hf_chain *chain; /* verified; NULL without handshake */
    struct hf_address ip;         /* what `net` claims are judged by */
    char
        address[HF_LINK_ADDRESS_BYTES]; /* "tcp://10.0.0.1:999", "ipc://uid=0,pid=12" */
    int64_t pid;                        /* ipc only, else -1; for audit, it is reused */
    int64_t uid;                        /* ipc only, else -1 */
};

struct hf_link_events {
    void (*on_up)(void *ctx, struct hf_link *link, const struct hf_link_peer *peer);
    /* All records of one read, in order; borrowed for the call. Heartbeats are not
     * shown. */
    void (*on_records)(void *ctx, struct hf_link *link, const struct hf_record *records,
                       size_t count);
    /* A heartbeat came (for lease renewal). May be NULL. */
    void (*on_heartbeat)(void *ctx, struct hf_link *link);
    /* The link was up and is not any more. */
    void (*on_down)(void *ctx, struct hf_link *link, enum hf_link_end end);
    /* An attempt ended before the link was up; `detail` is for the log. May be NULL. */
    void (*on_failed)(void *ctx, enum hf_link_end end, const char *address,
                      const char *detail);
};

struct hf_link_config {
    const char *address; /* "tcp://127.0.0.1:0", "ipc:///run/holdfast/x.sock" */
    const struct hf_link_events *events; /* must outlive the owner */
    void *ctx;
    /* Callbacks come on this loop's thread, which alone may then use the owner and its
     * links. NULL: on the module's own thread, and any thread may. */
    struct hf_loop *loop;
    /* Who we are and whom we trust; borrowed for the call (a reference is taken). */
    struct hf_link_identity *identity;
    size_t message_bytes_max; /* 0 = HF_LINK_MESSAGE_BYTES_MAX; refuses larger ones */
    size_t output_bytes_max;  /* 0 = 64 MiB: more waiting output closes the link */
    int64_t handshake_ms;     /* 0 = 5000 */
    int64_t heartbeat_ms;     /* 0 = 1000; dead after 3 */
    /* listener, 0 = the defaults of SECURITY.md 3.3 */
    size_t pending_max;             /* unauthenticated connections: 256 */
    size_t pending_per_address_max; /* 16 */
    uint32_t failures_per_second;   /* failed handshakes per address: 20 */
    /* dialer */
    int64_t connect_ms; /* 0 = 3000 */
};

/* Counters of the whole process, for /metrics. */
struct hf_link_stats {
    struct hf_stat up;
    struct hf_stat accepted_total;
    struct hf_stat refused_pending_total; /* too many unauthenticated */
    struct hf_stat refused_address_total; /* too many of one address */
    struct hf_stat refused_bucket_total;  /* too many failures of one address */
    struct hf_stat handshakes_failed_total;
    struct hf_stat limit_control_total; /* closed for 1 MiB of control output */
    struct hf_stat limit_output_total;
    struct hf_stat limit_message_total;
    struct hf_stat timeouts_total;
    struct hf_stat protocol_violations_total;
    struct hf_stat messages_in_total;
    struct hf_stat records_out_total;
    struct hf_stat records_in_total;
    struct hf_stat bytes_out_total;
    struct hf_stat bytes_in_total;
    struct hf_stat sends_blocked_total; /* writes the socket did not take at once */
};

extern struct hf_link_stats hf_link_stats;
HF_MUST_USE hf_err hf_link_stats_render(struct hf_buf *out);

/* EXISTS: the address is in use. INVALID: not an address. */
HF_MUST_USE hf_err hf_link_listener_open(const struct hf_link_config *config,
                                         struct hf_link_listener **out);
/* The bound address, with the real port when 0 was asked for. */
void hf_link_listener_address(const struct hf_link_listener *listener,
                              char out[HF_LINK_ADDRESS_BYTES]);
/* New sessions use the new identity; running ones keep theirs. */
void hf_link_listener_set_identity(struct hf_link_listener *listener,
                                   struct hf_link_identity *identity);
/* Stops listening, closes all links of the listener and waits until the last callback
 * has returned: not from a callback. NULL is legal. */
void hf_link_listener_close(struct hf_link_listener *listener);

/* Dials at once and again 10 to 100 ms after each loss; a rejected handshake backs off
 * to the peer's retry_after. Never fails for an absent peer. */
HF_MUST_USE hf_err hf_link_dialer_open(const struct hf_link_config *config,
                                       struct hf_link_dialer **out);
void hf_link_dialer_set_identity(struct hf_link_dialer *dialer,
                                 struct hf_link_identity *identity);
/* As hf_link_listener_close. */
void hf_link_dialer_close(struct hf_link_dialer *dialer);

/* Appends one record to the output; nothing leaves before hf_link_flush. Order of calls
 * is order of arrival. CLOSED: the link is down. TOO_BIG: the record exceeds what the
 * peer takes (nothing was appended). LIMIT is not an error of the caller: the link goes
 * down with HF_LINK_END_LIMIT and CLOSED is returned. */
HF_MUST_USE hf_err hf_link_send(struct hf_link *link, const struct hf_record *record);
/* The same for control records: at most HF_LINK_CONTROL_BYTES_MAX of them may wait. */
HF_MUST_USE hf_err hf_link_send_control(struct hf_link *link,
                                        const struct hf_record *record);
/* Starts sending what waits, unless a send is in flight (which will take it along). */
void hf_link_flush(struct hf_link *link);
/* For output nobody waits for: it leaves with the next hf_link_flush, at the latest
 * after HF_LINK_SOON_MS. Sparse traffic thus wakes the peer once, not twice, for a
 * request. */
void hf_link_flush_soon(struct hf_link *link);
/* Takes the link down now; on_down follows, after this returned. Any thread, any time.
 */
void hf_link_close(struct hf_link *link, enum hf_link_end end);
/* Flushes what waits, then closes; at the latest after `wait_ms`. Append GOODBYE first.
 */
void hf_link_finish(struct hf_link *link, int64_t wait_ms);

struct hf_link *hf_link_ref(struct hf_link *link);
void hf_link_unref(struct hf_link *link); /* NULL is legal */

const struct hf_link_peer *hf_link_peer(const struct hf_link *link);
/* A pointer of the owner's; set it in on_up. */
void hf_link_set_user(struct hf_link *link, void *user);
void *hf_link_user(const struct hf_link *link);
/* Bytes waiting and in flight. */
size_t hf_link_output_bytes(struct hf_link *link);
/* Microseconds of CLOCK_MONOTONIC when something last arrived. */
int64_t hf_link_last_received_us(const struct hf_link *link);

#endif
