#include "broker/core/request.h"

#include "broker/core/allowance.h"
#include "broker/core/batch.h"
#include "broker/core/fair.h"
#include "broker/core/keep.h"
#include "broker/core/lease.h"
#include "broker/core/poison.h"
#include "broker/core/principal.h"
#include "broker/core/queue.h"
#include "broker/core/quota.h"
#include "broker/core/retry.h"
#include "broker/core/session.h"

#define TO(state) (1u << REQUEST_##state)

const struct request_state_row request_states[REQUEST_STATES] = {
    [REQUEST_FREE] = {"free",
                      TO(RECEIVING) | TO(COMMITTING) | TO(READY) | TO(UNCLAIMED) |
                          TO(AWAITED) | TO(ORPHAN),
                      false, false},
    [REQUEST_RECEIVING] = {"receiving", TO(COMMITTING) | TO(READY) | TO(ENDED), true,
                           false},
    [REQUEST_COMMITTING] = {"committing",
                            TO(READY) | TO(UNCLAIMED) | TO(DISPATCHING) | TO(LEASED) |
                                TO(ENDED),
                            true, false},
    [REQUEST_READY] = {"ready",
                       TO(OFFERED) | TO(DISPATCHING) | TO(LEASED) | TO(UNCLAIMED) |
                           TO(ENDED),
                       true, false},
    [REQUEST_DELAYED] = {"delayed",
                         TO(READY) | TO(UNCLAIMED) | TO(RECEIVING) | TO(COMMITTING) |
                             TO(LEASED) | TO(ENDED),
                         true, false},
    [REQUEST_UNCLAIMED] = {"unclaimed",
                           TO(READY) | TO(RECEIVING) | TO(COMMITTING) | TO(AWAITED) |
                               TO(LEASED) | TO(ENDED),
                           true, false},
    [REQUEST_OFFERED] = {"offered",
                         TO(READY) | TO(UNCLAIMED) | TO(COMMITTING) | TO(LEASED) |
                             TO(ENDED),
                         false, true},
    [REQUEST_DISPATCHING] = {"dispatching",
                             TO(READY) | TO(UNCLAIMED) | TO(COMMITTING) | TO(OFFERED) |
                                 TO(ENDED),
                             false, true},
    [REQUEST_LEASED] = {"leased",
                        TO(READY) | TO(DELAYED) | TO(UNCLAIMED) | TO(RECEIVING) |
                            TO(COMMITTING) | TO(LEASED) | TO(GRACE) | TO(ANSWERED) |
                            TO(ENDED),
                        false, true},
    [REQUEST_GRACE] = {"grace",
                       TO(READY) | TO(DELAYED) | TO(UNCLAIMED) | TO(RECEIVING) |
                           TO(COMMITTING) | TO(LEASED) | TO(ENDED),
                       false, true},
    [REQUEST_AWAITED] = {"awaited", TO(LEASED) | TO(UNCLAIMED) | TO(ENDED), false,
                         true},
    [REQUEST_ORPHAN] = {"orphan",
                        TO(LEASED) | TO(GRACE) | TO(ANSWERED) | TO(ORPHAN) | TO(ENDED),
                        false, true},
    [REQUEST_ANSWERED] = {"answered", TO(ENDED), false, false},
    [REQUEST_ENDED] = {"ended", 0, false, false},
};

#undef TO

hf_slice request_key(const void *element)
{
    const struct request *r = element;

    return hf_slice_of(r->id.bytes, HF_ID_BYTES);
}

struct request *request_find(const struct broker *b, hf_id id)
{
    return hf_map_get(&b->requests_by_id, hf_slice_of(id.bytes, HF_ID_BYTES));
}

struct queue *request_queue(const struct broker *b, const struct request *r)
{
    return queue_at(b, r->queue);
}

uint64_t request_bytes(const struct request *r)
{
    return r->head_bytes + r->body_bytes;
}

/* What the shell keeps in memory of a request that waits for a declaration. */
static uint64_t request_awaited_bytes(const struct request *r)
{
    return r->head_bytes + ((r->flags & BROKER_SUBMIT_STREAMED) ? 0 : r->body_bytes);
}

bool request_is_async(const struct request *r)
{
    return (r->flags & BROKER_SUBMIT_ASYNC) != 0;
}

bool request_is_unrepeatable(const struct broker *b, const struct request *r)
{
    return (r->flags & (BROKER_SUBMIT_REPEATABLE | BROKER_SUBMIT_ASYNC)) == 0 &&
           request_queue(b, r)->policy.redeliver == BROKER_REDELIVER_SAFE;
}

bool request_is_strict(const struct broker *b, const struct request *r)
{
    return request_is_async(r) ||
           request_queue(b, r)->policy.durability == BROKER_STRICT;
}

bool request_is_unclaimed(const struct request *r)
{
    return r->owner_session == 0 && !request_is_async(r);
}

struct request *request_new(struct broker *b, hf_id id, struct queue *q)
{
    struct request *r = hf_pool_get(&b->requests);

    if (r == NULL) {
        return NULL;
    }
    r->id = id;
    r->queue = (uint16_t)hf_pool_index(&b->queues, q);
    r->enqueued = b->now;
    r->deadline = HF_TIME_NEVER;
    r->until = HF_TIME_NEVER;
    r->away_until = HF_TIME_NEVER;
    q->requests++;
    hf_err err = hf_map_put(&b->requests_by_id, r);

    hf_check(err == HF_OK);
    return r;
}

void request_free(struct broker *b, struct request *r)
{
    struct queue *q = request_queue(b, r);

    hf_check((r->bits & (REQUEST_IS_DUE | REQUEST_IS_DROPPING | REQUEST_IS_TIMED)) ==
             0);
    principal_let_go(b, r->owner);
    if (r->extra != 0) {
        extra_free(b, r);
    }
    hf_pool_put(&b->requests, r);
    q->requests--;
    queue_check_removed(b, q);
}

static void request_count_flight(struct broker *b, const struct request *r,
                                 int32_t leases)
{
    request_queue(b, r)->in_flight += (uint64_t)(int64_t)leases;
    b->in_flight += (uint64_t)(int64_t)leases;
    if (leases < 0 && request_queue(b, r)->is_limited) {
        queue_wake(b, request_queue(b, r));
    }
    if (r->holder_session != 0 && session_is_limited(b, r->holder_session)) {
        allowance_count_lease(b, session_at(b, r->holder_session), leases);
    }
}

/* The list that holds requests of its state, or NULL. */
static struct request_list *request_place(struct broker *b, const struct request *r)
{
    struct session *s = r->holder_session ? session_at(b, r->holder_session) : NULL;

    switch ((enum request_state)r->state) {
    case REQUEST_READY:
        return r->suspicion ? &request_queue(b, r)->suspects
                            : &request_queue(b, r)->ready;
    case REQUEST_RECEIVING:
    case REQUEST_COMMITTING:
    case REQUEST_DELAYED:
    case REQUEST_UNCLAIMED:
        return &request_queue(b, r)->waiting;
    case REQUEST_OFFERED:
    case REQUEST_DISPATCHING:
    case REQUEST_LEASED:
        return &s->leases;
    case REQUEST_ORPHAN:
        return s != NULL ? &s->leases : &principal_at(b, r->holder)->away;
    case REQUEST_GRACE:
        return &principal_at(b, r->holder)->away;
    case REQUEST_ANSWERED:
        return s != NULL ? &s->answered : NULL;
    case REQUEST_AWAITED:
    case REQUEST_ENDED:
    case REQUEST_FREE:
    case REQUEST_STATES:
        break;
    }
    return NULL;
}

static void request_leave_share(struct broker *b, struct request *r,
                                const struct request_list *place)
{
    fair_count(b, r, false);
    if (place == &request_queue(b, r)->ready) {
        fair_leave(b, r);
    }
}

void request_leave(struct broker *b, struct request *r)
{
    const struct request_state_row *row = &request_states[r->state];
    struct request_list *place = request_place(b, r);

    if (r->extra != 0 && row->is_queued) {
        request_leave_share(b, r, place);
    }
    if (place != NULL) {
        request_list_remove(b, place, r);
    }
    if (row->is_queued) {
        request_queue(b, r)->depth_bytes -= request_bytes(r);
    }
    if (r->state == REQUEST_AWAITED) {
        request_queue(b, r)->awaited_bytes -= request_awaited_bytes(r);
    }
    if (row->is_flight) {
        request_count_flight(b, r, -1);
    }
}

static void request_enter_at(struct broker *b, struct request *r,
                             enum request_state state, bool is_front)
{
    hf_check((request_states[r->state].moves & 1u << state) != 0);
    r->state = (uint8_t)state;
    struct request_list *place = request_place(b, r);

    if (place != NULL && is_front) {
        request_list_push_front(b, place, r);
    } else if (place != NULL) {
        request_list_push_back(b, place, r);
    }
    if (r->extra != 0 && request_states[state].is_queued) {
        fair_count(b, r, true);
        if (place == &request_queue(b, r)->ready) {
            fair_enter(b, r, is_front);
        }
    }
    if (request_states[state].is_queued) {
        request_queue(b, r)->depth_bytes += request_bytes(r);
    }
    if (state == REQUEST_AWAITED) {
        request_queue(b, r)->awaited_bytes += request_awaited_bytes(r);
    }
    if (request_states[state].is_flight) {
        request_count_flight(b, r, 1);
    }
    if (state == REQUEST_READY && r->suspicion != SUSPICION_NONE) {
        poison_wake(b, request_queue(b, r));
    } else if (state == REQUEST_READY) {
        queue_wake(b, request_queue(b, r));
    }
}

void request_enter(struct broker *b, struct request *r, enum request_state state)
{
    request_enter_at(b, r, state, false);
}

void request_move(struct broker *b, struct request *r, enum request_state state)
{
    request_leave(b, r);
    request_enter(b, r, state);
}

void request_detach(struct broker *b, struct request *r)
{
    if (r->owner_session != 0) {
        request_list_remove(b, &session_at(b, r->owner_session)->owned, r);
        r->owner_session = 0;
    }
}

void request_attach(struct broker *b, struct request *r, struct session *s)
{
    request_detach(b, r);
    r->owner_session = (uint16_t)session_index(b, s);
    r->away_until = HF_TIME_NEVER;
    if (r->owner == 0) {
        r->owner = s->principal;
        principal_hold(b, r->owner);
        if (r->kept_bytes != 0) {
            keep_own(b, r);
        }
    }
    request_list_push_back(b, &s->owned, r);
}

void request_owner_lost(struct broker *b, struct request *r)
{
    struct session *s = session_at(b, r->owner_session);

    request_detach(b, r);
    if (request_is_async(r) && r->state != REQUEST_RECEIVING) {
        return;
    }
    r->away_until = hf_time_add_ms(s->lost, b->config.broker_grace_ms);
    if (r->state == REQUEST_RECEIVING) {
        request_end(b, r, HF_REASON_CLIENT_GONE);
        return;
    }
    if (r->state == REQUEST_OFFERED ||
        (r->state == REQUEST_DISPATCHING && (r->bits & REQUEST_WANTS_DISPATCH))) {
        lease_unreserve(b, r);
    }
    bool is_delivered_anyway = b->config.planted == BROKER_PLANT_DELIVER_UNCLAIMED &&
                               r->state == REQUEST_READY;

    if ((r->state == REQUEST_READY && !is_delivered_anyway) ||
        r->state == REQUEST_DELAYED || r->state == REQUEST_AWAITED) {
        request_move(b, r, REQUEST_UNCLAIMED);
    }
    request_arm(b, r);
}

/* The body of a request re-offered into a declared lease was never sent here. */
static void request_ask_body(struct broker *b, struct request *r)
{
    r->bits &= (uint16_t)~REQUEST_IS_BODILESS;
    r->stream_bytes = 0;
    request_enter(b, r, REQUEST_RECEIVING);
    request_tell_owner(b, r, BROKER_OUT_ADMITTED);
    batch_plan_put(b, r);
}

void request_queue_up(struct broker *b, struct request *r, bool is_front)
{
    struct request *first = request_list_first(b, &request_queue(b, r)->ready);

    r->until = HF_TIME_NEVER;
    if (request_is_unclaimed(r) &&
        b->config.planted != BROKER_PLANT_DELIVER_UNCLAIMED) {
        request_enter(b, r, REQUEST_UNCLAIMED);
    } else if (r->bits & REQUEST_IS_BODILESS) {
        request_ask_body(b, r);
    } else if (request_is_strict(b, r) && r->disk != DISK_NONE && !batch_is_stored(r)) {
        request_enter(b, r, REQUEST_COMMITTING);
    } else {
        request_enter_at(b, r, REQUEST_READY,
                         is_front || (first != NULL && r->seq < first->seq));
    }
    request_arm(b, r);
}

struct broker_effect *request_tell_owner(struct broker *b, const struct request *r,
                                         enum broker_effect_type type)
{
    if (r->owner_session == 0 || session_at(b, r->owner_session)->is_dying) {
        return &b->nobody;
    }
    struct broker_effect *effect = emit(b, type);

    effect->session = session_at(b, r->owner_session)->number;
    effect->slot = request_slot(b, r);
    effect->id = r->id;
    effect->epoch = r->epoch;
    effect->queue = r->queue;
    return effect;
}

struct broker_effect *request_tell_holder(struct broker *b, const struct request *r,
                                          enum broker_effect_type type)
{
    if (r->holder_session == 0 || session_at(b, r->holder_session)->is_dying) {
        return &b->nobody;
    }
    struct broker_effect *effect = emit(b, type);

    effect->session = session_at(b, r->holder_session)->number;
    effect->handle = r->handle;
    effect->slot = request_slot(b, r);
    effect->id = r->id;
    effect->epoch = r->epoch;
    effect->queue = r->queue;
    return effect;
}

static void request_tell_outcome(struct broker *b, struct request *r, hf_reason reason)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_OUTCOME);
    struct queue *q = request_queue(b, r);

    effect->slot = request_slot(b, r);
    effect->id = r->id;
    effect->epoch = r->epoch;
    effect->queue = r->queue;
    effect->reason = reason;
    effect->attempt = r->attempts;
    effect->enqueued = r->enqueued;
    if (reason == HF_REASON_NONE) {
        q->answered++;
        quota_count_answer(b, q);
    } else {
        q->refused++;
    }
}

void request_end(struct broker *b, struct request *r, hf_reason reason)
{
    bool is_orphan = r->state == REQUEST_ORPHAN;

    hf_check(r->state != REQUEST_ENDED && r->state != REQUEST_FREE);
    if (!is_orphan) {
        request_tell_outcome(b, r, reason);
    }
    request_leave(b, r);
    lease_let_go(b, r);
    if (r->state == REQUEST_RECEIVING) {
        r->body_bytes = BROKER_BODY_INCOMPLETE;
    }
    request_enter(b, r, REQUEST_ENDED);
    r->end_reason = (uint8_t)reason;
    request_detach(b, r);
    wheel_disarm(b, r);
    void *removed = hf_map_remove(&b->requests_by_id, request_key(r));

    hf_check(removed == r);
    batch_forget(b, r);
}

void request_refuse(struct broker *b, struct request *r, hf_reason reason)
{
    if (r->bits & RESPONSE_IS_BEGUN) {
        reason = HF_REASON_RESPONSE_BROKEN;
        request_tell_owner(b, r, BROKER_OUT_ABORT)->reason = reason;
    } else {
        request_tell_owner(b, r, BROKER_OUT_REFUSED)->reason = reason;
    }
    request_end(b, r, reason);
}

/* A queued request that no worker has been given yet has a limit to its patience; an
 * asynchronous one was promised, and has only its deadline (FEATURES.md 23). */
static hf_time request_wait_end(const struct broker *b, const struct request *r)
{
    if (!request_states[r->state].is_queued || r->attempts > 0 || request_is_async(r)) {
        return HF_TIME_NEVER;
    }
    return hf_time_add_ms(r->enqueued, request_queue(b, r)->policy.wait_limit_ms);
}

bool request_is_overdue(const struct broker *b, const struct request *r)
{
    return hf_time_reached(hf_time_min(r->deadline, request_wait_end(b, r)), b->now);
}

static hf_time request_until(const struct request *r)
{
    bool has_until = r->state == REQUEST_DELAYED || r->state == REQUEST_GRACE ||
                     r->state == REQUEST_AWAITED || r->state == REQUEST_ORPHAN;

    return has_until ? r->until : HF_TIME_NEVER;
}

/* The deadline limits the wait for an answer: it ends with the answer's head (FEATURES
 * row 24; the frontend does the same). */
static bool request_has_deadline(const struct request *r)
{
    return r->state != REQUEST_ANSWERED && r->state != REQUEST_ORPHAN &&
           r->state != REQUEST_ENDED && (r->bits & RESPONSE_IS_BEGUN) == 0;
}

void request_arm(struct broker *b, struct request *r)
{
    hf_time due = hf_time_min(request_until(r), r->away_until);

    if (request_has_deadline(r)) {
        due = hf_time_min(due, r->deadline);
    }
    if (r->state != REQUEST_ENDED) {
        wheel_arm(b, r, hf_time_min(due, request_wait_end(b, r)));
    }
}

/* The end of DELAYED, GRACE, AWAITED and ORPHAN. */
static void request_until_reached(struct broker *b, struct request *r)
{
    if (r->state == REQUEST_DELAYED) {
        request_leave(b, r);
        request_queue_up(b, r, false);
    } else if (r->state == REQUEST_GRACE && poison_may_repeat(b, r)) {
        retry_after_loss(b, r, true);
    } else if (r->state == REQUEST_GRACE) {
        request_refuse(b, r, HF_REASON_WORKER_LOST);
    } else if (r->state == REQUEST_AWAITED) {
        request_refuse(b, r, HF_REASON_OUTCOME_UNKNOWN);
    } else {
        lease_forget_orphan(b, r);
    }
}

/* Nobody claimed it within broker_grace. */
static void request_abandon(struct broker *b, struct request *r)
{
    hf_time recovered = hf_time_add_ms(b->recovered, b->config.broker_grace_ms);

    if ((r->bits & REQUEST_IS_RECOVERED) && hf_time_before(b->now, recovered)) {
        r->away_until = recovered;
        request_arm(b, r);
        return;
    }
    lease_cancel(b, r, HF_REASON_CLIENT_GONE);
    request_end(b, r, HF_REASON_CLIENT_GONE);
}

void request_timeout(struct broker *b, struct request *r)
{
    if (request_has_deadline(r) && hf_time_reached(r->deadline, b->now)) {
        lease_cancel(b, r, HF_REASON_DEADLINE);
        request_refuse(b, r, HF_REASON_DEADLINE);
    } else if (hf_time_reached(r->away_until, b->now)) {
        request_abandon(b, r);
    } else if (hf_time_reached(request_wait_end(b, r), b->now)) {
        request_refuse(b, r, HF_REASON_APP_POOL_TIMER);
    } else if (hf_time_reached(request_until(r), b->now)) {
        request_until_reached(b, r);
    } else {
        request_arm(b, r);
    }
}
