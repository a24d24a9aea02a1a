#include "broker/core/poison.h"

#include "broker/core/allowance.h"
#include "broker/core/match.h"
#include "broker/core/queue.h"
#include "broker/core/request.h"
#include "broker/core/retry.h"
#include "broker/core/session.h"

bool poison_may_repeat(const struct broker *b, const struct request *r)
{
    return (r->bits & RESPONSE_IS_BEGUN) == 0 && !request_is_unrepeatable(b, r);
}

void poison_accuse(struct broker *b, struct request *r, bool is_lone)
{
    const struct broker_queue_policy *policy = &request_queue(b, r)->policy;

    if (policy->rules.max_crashes == 0) {
        retry_after_loss(b, r, true);
        return;
    }
    if (is_lone || r->suspicion == SUSPICION_ALONE) {
        r->crashes++;
        r->failed++;
        if (r->crashes >= policy->rules.max_crashes) {
            b->counts.poisoned++;
            request_refuse(b, r, HF_REASON_POISON);
            return;
        }
        if (r->failed >= policy->attempts_max) {
            request_refuse(b, r, HF_REASON_ATTEMPTS);
            return;
        }
    }
    r->suspicion = SUSPICION_WAITING;
    retry_after_loss(b, r, false);
}

void poison_wake(struct broker *b, struct queue *q)
{
    if (!hf_list_is_linked(&q->quarantined)) {
        hf_list_push_back(&b->quarantines, &q->quarantined);
    }
}

void poison_park(struct broker *b, struct handle *h)
{
    hf_list_remove(&h->takers);
    hf_list_push_back(&session_at(b, h->key.session)->parked, &h->takers);
}

void poison_release(struct broker *b, struct session *s)
{
    queue_at(b, s->quarantine)->quarantine = 0;
    s->quarantine = 0;
    while (!hf_list_is_empty(&s->parked)) {
        struct hf_list *node = hf_list_pop_front(&s->parked);
        struct handle *h = HF_CONTAINER(node, struct handle, takers);
        struct queue *q = queue_at(b, h->queue);

        hf_list_push_back(&q->takers, &h->takers);
        queue_wake(b, q);
    }
}

void poison_forget_queue(struct broker *b, struct queue *q)
{
    if (q->quarantine != 0) {
        poison_release(b, session_at(b, q->quarantine));
    }
    hf_list_remove(&q->quarantined);
}

void poison_disturb(struct broker *b, struct session *s)
{
    struct request *r = request_list_first(b, &s->leases);

    if (r != NULL && r->suspicion == SUSPICION_ALONE) {
        r->suspicion = SUSPICION_WAITING;
    }
}

static bool is_spent(const struct broker *b, const struct handle *h)
{
    return session_is_limited(b, h->key.session) &&
           allowance_spent(b, session_at(b, h->key.session)) != NULL;
}

/* The worker with the fewest leases: it is free soonest. */
static struct session *poison_choose(const struct broker *b, const struct queue *q)
{
    struct session *best = NULL;
    uint32_t looked = 0;

    HF_LIST_FOR(node, &q->takers)
    {
        const struct handle *h = HF_CONTAINER(node, struct handle, takers);
        struct session *s = session_at(b, h->key.session);

        if (looked++ == POISON_CHOICES_MAX) {
            break;
        }
        if (s->quarantine == 0 && !is_spent(b, h) &&
            (best == NULL || s->leases.count < best->leases.count)) {
            best = s;
        }
    }
    return best;
}

static void poison_set_apart(struct broker *b, struct queue *q)
{
    struct session *s = poison_choose(b, q);

    if (s != NULL) {
        s->quarantine = (uint16_t)hf_pool_index(&b->queues, q);
        q->quarantine = (uint16_t)session_index(b, s);
    }
}

/* Of the worker set apart: NULL when it takes nothing from this queue any more. */
static struct handle *poison_handle(const struct queue *q, const struct session *s)
{
    HF_LIST_FOR(node, &s->handles)
    {
        struct handle *h = HF_CONTAINER(node, struct handle, in_session);

        if (h->queue == s->quarantine && (h->rights & BROKER_RIGHT_RECEIVE) &&
            !s->is_draining && queue_delivers(q)) {
            return h;
        }
    }
    return NULL;
}

/* False when the worker set apart has nothing to do with this queue any more. */
static bool poison_feed(struct broker *b, struct queue *q, struct session *s)
{
    while (s->leases.count == 0 && step_has_room(b)) {
        struct request *r = request_list_first(b, &q->suspects);
        struct handle *h = poison_handle(q, s);

        if (r == NULL || h == NULL) {
            return false;
        }
        if (h->credit == 0 || b->in_flight >= b->config.in_flight_max) {
            return true;
        }
        r->suspicion = SUSPICION_ALONE;
        match_serve(b, r, h);
        if (h->credit > 0) {
            poison_park(b, h); /* using credit has put it back among the takers */
        }
    }
    return true;
}

/* The worker set apart is still busy with what it had, and another is idle. */
static bool poison_has_better(const struct broker *b, const struct queue *q)
{
    const struct session *s = session_at(b, q->quarantine);
    const struct request *r = request_list_first(b, &s->leases);

    if (r == NULL || r->suspicion == SUSPICION_ALONE) {
        return false;
    }
    s = poison_choose(b, q);
    return s != NULL && s->leases.count == 0;
}

static void poison_run_queue(struct broker *b, struct queue *q)
{
    if (q->quarantine != 0 && poison_has_better(b, q)) {
        poison_release(b, session_at(b, q->quarantine));
    }
    if (q->quarantine != 0 && !poison_feed(b, q, session_at(b, q->quarantine))) {
        poison_release(b, session_at(b, q->quarantine));
    }
    if (q->quarantine == 0 && q->suspects.count > 0 && queue_delivers(q)) {
        poison_set_apart(b, q);
        if (q->quarantine != 0) {
            (void)poison_feed(b, q, session_at(b, q->quarantine));
        }
    }
    if (q->quarantine == 0 && q->suspects.count == 0) {
        hf_list_remove(&q->quarantined);
    }
}

/* Looks at each queue that has suspects: they are few, and each is cheap. */
bool poison_run(struct broker *b)
{
    struct hf_list *node = b->quarantines.next;

    while (node != &b->quarantines) {
        struct queue *q = HF_CONTAINER(node, struct queue, quarantined);

        node = node->next;
        if (!step_has_room(b)) {
            return false;
        }
        poison_run_queue(b, q);
    }
    return true;
}

void poison_check(const struct broker *b, const struct queue *q)
{
    bool is_known = hf_list_is_linked(&q->quarantined);

    hf_check(q->suspects.count == 0 || is_known);
    if (q->quarantine == 0) {
        return;
    }
    const struct session *s = session_at(b, q->quarantine);

    hf_check(is_known && !s->is_dying);
    hf_check(queue_at(b, s->quarantine) == q);
    for (const struct request *r = request_list_first(b, &s->leases); r != NULL;
         r = request_list_next(b, &s->leases, r)) {
        hf_check(r->suspicion != SUSPICION_ALONE || s->leases.count == 1);
    }
}
