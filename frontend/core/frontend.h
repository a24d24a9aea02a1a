/* The frontend's rules as one deterministic machine: the life of every HTTP exchange
 * from its complete header to the last byte of its answer (ARCHITECTURE.md 5 and 6).
 *
 * frontend_step takes one input and appends effects. It does not block, allocate, read
 * a clock, draw entropy, log or fail. The shell owns connections, links and bytes; an
 * exchange is a `slot`, the small stable number under which the shell keeps its head,
 * its spooled body and its client. What a client sees when something goes wrong is
 * decided here, with one hf_reason.
 *
 *   NEW -> BODY -> SUBMITTED <-> WAITING -> RESPONDING -> gone
 *           |         ^  link lost: re-offered when a broker is back (row 41)
 *           +-> refused (a problem document, then gone)
 */
#ifndef HF_FRONTEND_CORE_FRONTEND_H
#define HF_FRONTEND_CORE_FRONTEND_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/ids.h"
#include "lib/base/reason.h"
#include "lib/base/slice.h"
#include "lib/base/time.h"

#define FRONTEND_INLINE_MAX  65536u
#define FRONTEND_BODY_WINDOW 1048576u

struct frontend_config {
    uint32_t exchanges_max;  /* requests held at once; default 65,536 */
    uint32_t queues_max;     /* 10,000 */
    uint32_t brokers_max;    /* 64 */
    int64_t broker_grace_ms; /* without a broker for this long: broker-lost; 30,000 */
    int64_t deadline_ms;     /* cap and default; 600,000 */
    uint64_t seed;
};

enum frontend_input_type {
    FRONTEND_IN_REQUEST, /* a complete header, routed by the shell (core/route) */
    FRONTEND_IN_BODY,    /* this many body bytes were added to the exchange's spool */
    FRONTEND_IN_CLIENT_GONE, /* the client closed, or its connection broke */
    FRONTEND_IN_CLIENT_TOOK, /* response bytes have left for the client */
    FRONTEND_IN_BROKER_UP,   /* a session stands; handles must be opened */
    FRONTEND_IN_BROKER_DOWN,
    FRONTEND_IN_OPENED, /* handle usable, or refused with a reason */
    FRONTEND_IN_CLOSED,
    FRONTEND_IN_ADMITTED,
    FRONTEND_IN_ACCEPTED, /* an asynchronous request is on disk */
    FRONTEND_IN_WINDOW,
    FRONTEND_IN_ASSIGNED,
    FRONTEND_IN_RESPONSE, /* head valid, with all of its body or the start of a stream
                           */
    FRONTEND_IN_RESPONSE_BODY, /* one piece */
    FRONTEND_IN_ABORT,
    FRONTEND_IN_REFUSED,
    FRONTEND_IN_ROUTES_BEGIN, /* then ROUTES_QUEUE each, then ROUTES_END */
    FRONTEND_IN_ROUTES_QUEUE, /* queue index -> broker */
    FRONTEND_IN_ROUTES_END,
    FRONTEND_IN_DRAIN, /* SIGTERM: answer what is held, take nothing new */
    FRONTEND_IN_TICK
};

struct frontend_input {
    enum frontend_input_type type;
    hf_time now;
    uint32_t slot;   /* chosen by the core in OUT_ACCEPT; 0 in REQUEST */
    uint32_t broker; /* 1..brokers_max */
    hf_id id;        /* of records from a broker; in REQUEST: the fresh id */
    uint64_t epoch;
    hf_reason reason; /* REFUSED, ABORT, OPENED, CLOSED */
    union {
        struct {
            uint32_t tag; /* the shell's own name for the exchange, echoed in ACCEPT */
            hf_slice queue;     /* empty: unbound group */
            bool is_repeatable; /* GET HEAD PUT DELETE OPTIONS */
            bool is_async;      /* the client wants 202 */
            bool is_expecting;  /* Expect: 100-continue */
            bool has_length;
            uint64_t length; /* declared body length */
            bool is_chunked;
            uint64_t body_max;
            int64_t deadline_ms; /* of the group; 0 = the config's */
            hf_time deadline;    /* a trusted client's own, or HF_TIME_NEVER */
        } request;
        struct {
            uint64_t offset;
            uint32_t bytes;
            bool is_last;
        } body; /* BODY, RESPONSE_BODY */
        struct {
            uint64_t bytes; /* CLIENT_TOOK, WINDOW */
        } amount;
        struct {
            uint32_t handle; /* OPENED, CLOSED */
        } opened;
        struct {
            uint32_t body_bytes; /* inline */
            bool is_streamed;
            bool is_valid; /* false: the head breaks SECURITY.md 5 */
        } response;
        struct {
            uint32_t retry_after_ms;
        } refused;
        struct {
            hf_slice name;
            uint32_t broker; /* ROUTES_QUEUE */
        } queue;
    } u;
};

enum frontend_effect_type {
    FRONTEND_OUT_ACCEPT,   /* slot and id given to the exchange `tag` of this REQUEST */
    FRONTEND_OUT_CONTINUE, /* send 100 Continue, then read the body */
    FRONTEND_OUT_READ, /* let the client send on (amount bytes more); 0: stop reading */
    FRONTEND_OUT_OPEN, /* OPEN{handle, queue} to `broker`; queue in `queue` */
    FRONTEND_OUT_ENQUEUE,   /* to `broker`: handle, flags, deadline, epoch = responded;
                               inline   body from the spool when not streamed */
    FRONTEND_OUT_SEND_BODY, /* offset, amount, is_last: from the spool to `broker` */
    FRONTEND_OUT_ASSIGNED_ACK,
    FRONTEND_OUT_CANCEL,
    FRONTEND_OUT_RESPOND, /* send this input's response head and body to the client;
                             `offset` = bytes of the body to skip */
    FRONTEND_OUT_RESPOND_BODY, /* send this input's piece, skipping `offset` bytes of
                                  it; is_last ends the response */
    FRONTEND_OUT_ACCEPTED,     /* answer 202 */
    FRONTEND_OUT_PROBLEM, /* answer with a problem document: reason, retry_after_ms;
                             is_last: and close the connection */
    FRONTEND_OUT_BREAK,   /* close the client's connection without a clean end */
    FRONTEND_OUT_RESPONSE_ACK,
    FRONTEND_OUT_WINDOW, /* amount bytes more of the response may come */
    FRONTEND_OUT_FREE,   /* the slot ends; let go of spool and client */
    FRONTEND_OUT_DRAINED /* nothing is held any more: the process may exit */
};

struct frontend_effect {
    enum frontend_effect_type type;
    hf_reason reason;
    uint32_t slot;
    uint32_t tag; /* ACCEPT, and PROBLEM for a request that got no slot (slot 0) */
    uint32_t broker;
    uint32_t handle;
    uint32_t flags; /* ENQUEUE: as on the wire */
    uint32_t queue; /* OPEN: index for frontend_queue_name */
    uint32_t retry_after_ms;
    bool is_last;
    hf_id id;
    uint64_t epoch;
    uint64_t offset;
    uint64_t amount;
    hf_time deadline;
};

#define FRONTEND_EFFECTS_MAX 512

struct frontend_effects {
    uint32_t count;
    struct frontend_effect items[FRONTEND_EFFECTS_MAX];
};

struct frontend;

struct frontend *frontend_new(const struct frontend_config *config);
void frontend_free(struct frontend *frontend);
void frontend_step(struct frontend *frontend, const struct frontend_input *input,
                   struct frontend_effects *effects);
hf_time frontend_next_deadline(const struct frontend *frontend);
hf_slice frontend_queue_name(const struct frontend *frontend, uint32_t queue);
uint32_t frontend_slot_of(struct frontend *frontend, hf_id id); /* 0 = unknown */
uint32_t frontend_held_count(const struct frontend *frontend);
void frontend_check(const struct frontend *frontend);

#endif
