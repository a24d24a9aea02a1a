/* One request: its states and the one function that moves it, its owner (the frontend's
 * session that waits for it), its timers and its end. */
#ifndef HF_BROKER_CORE_REQUEST_H
#define HF_BROKER_CORE_REQUEST_H

#include "broker/core/state.h"

struct request_state_row {
    const char *name;
    uint32_t moves; /* bit per state that may follow */
    bool is_queued; /* counts as depth of its queue */
    bool is_flight; /* counts as in flight */
};

extern const struct request_state_row request_states[REQUEST_STATES];

hf_slice request_key(const void *element); /* for requests_by_id */
struct request *request_find(const struct broker *b, hf_id id);
/* A fresh request, in no list and in state FREE; NULL at requests_max. */
struct request *request_new(struct broker *b, hf_id id, struct queue *q);

/* Out of the list and the counts of its state, before its holder or queue changes. */
void request_leave(struct broker *b, struct request *r);
/* Into those of `state`; READY goes to the back of its queue. */
void request_enter(struct broker *b, struct request *r, enum request_state state);
/* Leave and enter. */
void request_move(struct broker *b, struct request *r, enum request_state state);

struct queue *request_queue(const struct broker *b, const struct request *r);
uint64_t request_bytes(const struct request *r);
bool request_is_unrepeatable(const struct broker *b, const struct request *r);
/* It must be on disk before a worker sees it or a client is told. */
bool request_is_strict(const struct broker *b, const struct request *r);
bool request_is_async(const struct request *r);
/* Nobody waits for it: not to be delivered. */
bool request_is_unclaimed(const struct request *r);

/* `s` is the session that waits for `r` from now on; the request may have had another.
 */
void request_attach(struct broker *b, struct request *r, struct session *s);
void request_detach(struct broker *b, struct request *r);
/* Its frontend's session is lost (ARCHITECTURE.md 6, restart and link loss). */
void request_owner_lost(struct broker *b, struct request *r);

/* Queued from now on (it has left its place): READY (at the front when `is_front` or
 * older than what is there), or UNCLAIMED, or RECEIVING when its body must be sent
 * first. */
void request_queue_up(struct broker *b, struct request *r, bool is_front);
/* Sees to it that the earliest of its timers wakes it. */
void request_arm(struct broker *b, struct request *r);
/* Past its deadline or its wait limit: not to be handed to a worker. */
bool request_is_overdue(const struct broker *b, const struct request *r);
/* Its timer came up. */
void request_timeout(struct broker *b, struct request *r);

/* Effects to the two ends; to nobody when that end is away. */
struct broker_effect *request_tell_owner(struct broker *b, const struct request *r,
                                         enum broker_effect_type type);
struct broker_effect *request_tell_holder(struct broker *b, const struct request *r,
                                          enum broker_effect_type type);

/* Ends it: outcome, counters, bytes, record. Tells neither end. */
void request_end(struct broker *b, struct request *r, hf_reason reason);
/* Ends it without a response: REFUSED, or ABORT once a response has begun. The worker
 * is not told: see lease_cancel. */
void request_refuse(struct broker *b, struct request *r, hf_reason reason);
/* Gives the object back; it is in no list any more. */
void request_free(struct broker *b, struct request *r);

#endif
