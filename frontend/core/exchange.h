/* The tables of the frontend core: exchanges, the queues they go to, the brokers that
 * serve those queues. Internal to frontend/core.
 *
 *   BODY       a small body is being collected; no broker knows the request
 *   WAITING    must be offered: in its queue's `waiting`, until broker and handle are
 * there SUBMITTED  offered: in its broker's `offered`, no part of an answer has come
 *   RESPONDING offered, and the head of a streamed response has gone to the client
 *   STALLED    as RESPONDING, but the link is lost: in its queue's `waiting`
 */
#ifndef HF_FRONTEND_CORE_EXCHANGE_H
#define HF_FRONTEND_CORE_EXCHANGE_H

#include "frontend/core/frontend.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/base/pool.h"

#define FRONTEND_PIECE_MAX   262144u /* PROTOCOL.md 3: a BODY record's body */
#define FRONTEND_READ_AHEAD  262144u /* spooled beyond what the broker takes */
#define FRONTEND_READ_STEP   65536u  /* smallest read credit worth an effect */
#define FRONTEND_WINDOW_STEP 262144u /* smallest response window worth a record */
#define FRONTEND_PIECES_MAX  8u      /* body pieces of one exchange per step */
/* An exchange that is due later than this enters the heap of timers only if it lives as
 * long: nearly all are answered before, and a list costs less than a heap. */
#define FRONTEND_YOUNG_MS       1000
#define FRONTEND_AGED_MAX       256  /* in one step; the rest is due at once */
#define FRONTEND_REOPEN_MS      1000 /* a refused handle is tried again */
#define FRONTEND_QUEUE_NAME_MAX 255u
#define FRONTEND_QUEUES_LIMIT   65535u /* a handle's low 16 bits are the queue */
/* What one handler may append; the loops stop this far before the end. */
#define FRONTEND_EFFECTS_RESERVE 16u

/* ENQUEUE.flags, PROTOCOL.md 3.3. */
enum frontend_flag {
    FRONTEND_FLAG_REPEATABLE = 1,
    FRONTEND_FLAG_ASYNC = 2,
    FRONTEND_FLAG_STREAMED = 4,
    FRONTEND_FLAG_REOFFER = 8,
    FRONTEND_FLAG_ASSIGNED = 16
};

enum exchange_state {
    EXCHANGE_FREE,
    EXCHANGE_BODY,
    EXCHANGE_WAITING,
    EXCHANGE_SUBMITTED,
    EXCHANGE_RESPONDING,
    EXCHANGE_STALLED,
    EXCHANGE_STATES
};

struct exchange {
    struct hf_list place;   /* queue.waiting or frontend_broker.offered */
    struct hf_list sending; /* frontend.sending */
    struct hf_list young;   /* frontend.young */
    hf_time young_since;
    struct hf_heap_node timer;
    hf_time due; /* HF_TIME_NEVER: nothing happens by itself */
    uint32_t slot;
    enum exchange_state state;
    hf_id id;
    uint32_t queue;  /* index in frontend.queues; 0 never */
    uint32_t broker; /* in SUBMITTED and RESPONDING, else 0 */
    hf_time deadline;
    hf_time waiting_since;
    uint64_t epoch; /* of the last ASSIGNED or RESPONSE */

    bool is_timed; /* has been among the young */
    bool is_repeatable;
    bool is_async;
    bool is_streamed;  /* the body follows the ENQUEUE */
    bool is_expecting; /* a 100 Continue is owed */
    bool is_whole;     /* all of the body is spooled */
    bool was_offered;  /* some broker may know the id */
    bool was_assigned; /* an ASSIGNED was acknowledged */
    bool is_admitted;  /* in this session: the body may be sent */
    bool is_last_sent; /* in this session */
    bool has_head;     /* in this session: a RESPONSE has come */
    bool is_length_known;
    uint64_t length; /* declared */
    uint64_t body_max;
    uint64_t spooled;  /* bytes in the spool */
    uint64_t credited; /* bytes the client was allowed to send */
    uint64_t sent;     /* in this session */
    uint64_t granted;  /* in this session */

    uint64_t received;  /* response body bytes of this session */
    uint64_t window;    /* of them granted to the broker */
    uint64_t forwarded; /* response body bytes given to the client's connection */
    uint64_t taken;     /* of them gone to the client */
};

enum frontend_queue_state {
    FRONTEND_QUEUE_CLOSED,
    FRONTEND_QUEUE_OPENING,
    FRONTEND_QUEUE_OPEN,
    FRONTEND_QUEUE_REFUSED /* until `retry` */
};

struct frontend_queue {
    struct hf_list all;  /* frontend.queues_all */
    struct hf_list work; /* frontend.work: something can be sent for it */
    struct hf_heap_node retry;
    struct hf_list waiting;
    enum frontend_queue_state state;
    uint32_t broker;
    uint32_t handle; /* generation << 16 | index */
    uint32_t exchanges_count;
    bool is_routed; /* named by the routes in force */
    bool is_named;  /* named since ROUTES_BEGIN */
    uint32_t name_bytes;
    uint8_t name[FRONTEND_QUEUE_NAME_MAX];
};

struct frontend_broker {
    bool is_up;
    struct hf_list offered;
};

struct frontend {
    struct frontend_config config;
    struct hf_pool exchanges;
    struct hf_pool queues;
    struct hf_map by_id;
    struct hf_map by_name;
    struct hf_heap timers;        /* exchanges */
    struct hf_list young;         /* exchanges not in timers yet, oldest first */
    struct exchange *found;       /* by the last look-up; NULL: none */
    struct hf_heap retries;       /* queues */
    struct frontend_queue *named; /* by the last look-up by name; NULL: none */
    struct hf_list queues_all;
    struct hf_list work;
    struct hf_list sending;
    struct frontend_broker *brokers;  /* 0..brokers_max; 0 stands for none */
    struct frontend_effects *effects; /* of the step that runs */
    hf_time now;
    uint32_t handles_count; /* opened so far; the generation of the next one */
    bool is_draining;
    bool is_drained; /* DRAINED has been said */
};

/* The only way an exchange changes its state; the table of moves is checked. */
void exchange_move(struct exchange *exchange, enum exchange_state state);
/* A new effect for the exchange, everything else zero. */
struct frontend_effect *exchange_effect(struct frontend *frontend,
                                        const struct exchange *exchange,
                                        enum frontend_effect_type type);
/* The same for no exchange. */
struct frontend_effect *frontend_effect_add(struct frontend *frontend,
                                            enum frontend_effect_type type);
bool frontend_has_room(const struct frontend *frontend);
/* The live exchange of a slot or id, or NULL. */
struct exchange *exchange_at(const struct frontend *frontend, uint32_t slot);
struct exchange *exchange_of(struct frontend *frontend, hf_id id);
/* The exchange that this record is about, if it is now with that broker, else NULL. */
struct exchange *exchange_with(struct frontend *frontend,
                               const struct frontend_input *input);
/* When something must happen to it although nothing comes in. */
void exchange_set_timer(struct frontend *frontend, struct exchange *exchange);
/* Puts those that are young no more into the heap, as many as a step may. */
void frontend_age(struct frontend *frontend);
/* Lets go of the exchange: FREE, and DRAINED when it was the last. */
void exchange_free(struct frontend *frontend, struct exchange *exchange);
/* Tells its broker, if it is with one, to stop. */
void exchange_cancel(struct frontend *frontend, struct exchange *exchange,
                     hf_reason reason);
/* The outcome without a response: a problem document, or a broken connection when a
 * head has gone out. Frees the exchange. */
void exchange_end(struct frontend *frontend, struct exchange *exchange,
                  hf_reason reason, uint32_t retry_after_ms);

/* submit.c: puts the exchange in line for its queue. */
void exchange_submit(struct frontend *frontend, struct exchange *exchange);
/* Notes that body bytes, or the end, can be sent, and lets the client send on. */
void exchange_send_body(struct frontend *frontend, struct exchange *exchange);
/* Puts the queue on the work list if something can be done for it. */
void frontend_queue_touch(struct frontend *frontend, struct frontend_queue *queue);
/* Opens handles, offers requests, sends bodies, as long as there is room for effects.
 */
void frontend_pump(struct frontend *frontend);
/* routes.c */
struct frontend_queue *frontend_queue_at(const struct frontend *frontend,
                                         uint32_t index);
struct frontend_queue *frontend_queue_named(struct frontend *frontend, hf_slice name);
uint32_t frontend_queue_index(const struct frontend *frontend,
                              const struct frontend_queue *queue);
/* Forgets a queue that is neither routed nor in use. */
void frontend_queue_release(struct frontend *frontend, struct frontend_queue *queue);

#endif
