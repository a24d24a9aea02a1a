#include "broker/core/match.h"

#include "broker/core/adaptive.h"
#include "broker/core/allowance.h"
#include "broker/core/batch.h"
#include "broker/core/fair.h"
#include "broker/core/lease.h"
#include "broker/core/poison.h"
#include "broker/core/queue.h"
#include "broker/core/rate.h"
#include "broker/core/request.h"

static bool match_needs_dispatch(const struct broker *b, const struct request *r)
{
    return request_is_unrepeatable(b, r) && r->disk != DISK_NONE &&
           request_queue(b, r)->policy.durability == BROKER_STRICT;
}

static bool match_is_unclaimed(const struct broker *b, const struct request *r)
{
    return request_is_unclaimed(r) &&
           b->config.planted != BROKER_PLANT_DELIVER_UNCLAIMED;
}

static struct allowance *match_spent(const struct broker *b, const struct handle *h)
{
    return session_is_limited(b, h->key.session)
               ? allowance_spent(b, session_at(b, h->key.session))
               : NULL;
}

static void match_give(struct broker *b, struct request *r, struct handle *h)
{
    request_leave(b, r);
    lease_reserve(b, r, h);
    if (match_needs_dispatch(b, r)) {
        request_enter(b, r, REQUEST_DISPATCHING);
        batch_plan_dispatch(b, r);
    } else if (request_is_unrepeatable(b, r) && r->owner_session != 0) {
        request_enter(b, r, REQUEST_OFFERED);
        request_tell_owner(b, r, BROKER_OUT_ASSIGNED);
    } else {
        request_enter(b, r, REQUEST_OFFERED);
        lease_start(b, r);
    }
}

void match_serve(struct broker *b, struct request *r, struct handle *h)
{
    if (r->owner_session != 0 && session_at(b, r->owner_session)->is_dying) {
        request_owner_lost(b, r);
    } else if (match_is_unclaimed(b, r)) {
        request_move(b, r, REQUEST_UNCLAIMED);
        request_arm(b, r);
    } else if (request_is_overdue(b, r)) {
        request_timeout(b, r);
    } else {
        match_give(b, r, h);
    }
}

/* The first request of `q` moves on: to a worker, or out of the way. */
static void match_one(struct broker *b, struct queue *q)
{
    bool is_fair = q->shares != 0 && !hf_list_is_empty(&q->turns);
    struct request *r = is_fair ? fair_next(b, q) : adaptive_next(b, q);
    struct handle *h = HF_CONTAINER(hf_list_first(&q->takers), struct handle, takers);
    struct allowance *spent = match_spent(b, h);

    if (poison_withholds(b, h)) {
        poison_park(b, h);
    } else if (spent != NULL) {
        allowance_park(b, spent, h);
    } else {
        if (is_fair) {
            adaptive_reset(q); /* one order at a time */
            fair_pass(b, r);
        }
        match_serve(b, r, h);
    }
}

bool match_run(struct broker *b)
{
    uint32_t work = 0;

    while (!hf_list_is_empty(&b->matchable) && b->in_flight < b->config.in_flight_max) {
        struct hf_list *node = hf_list_first(&b->matchable);
        struct queue *q = HF_CONTAINER(node, struct queue, waiting_match);

        if (work == BROKER_STEP_WORK_MAX || !step_has_room(b)) {
            return false;
        }
        work++;
        hf_list_remove(&q->waiting_match);
        if (q->ready.count > 0 && !hf_list_is_empty(&q->takers) && queue_delivers(q) &&
            rate_allows(b, q)) {
            match_one(b, q);
            queue_wake(b, q);
        }
    }
    return true;
}

bool match_ride(struct broker *b, struct request *r)
{
    struct queue *q = request_queue(b, r);

    if (r->state != REQUEST_COMMITTING || !match_needs_dispatch(b, r) ||
        match_is_unclaimed(b, r) || !queue_delivers(q) || !rate_allows(b, q) ||
        q->ready.count > 0 || hf_list_is_empty(&q->takers) ||
        b->in_flight >= b->config.in_flight_max) {
        return false;
    }
    struct handle *h = HF_CONTAINER(hf_list_first(&q->takers), struct handle, takers);

    if (match_spent(b, h) != NULL || poison_withholds(b, h)) {
        return false;
    }
    request_leave(b, r);
    lease_reserve(b, r, h);
    request_enter(b, r, REQUEST_DISPATCHING);
    return true;
}
