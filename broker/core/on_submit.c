/* SUBMIT: a request arrives, or comes again. */
#include "broker/core/adaptive.h"
#include "broker/core/allowance.h"
#include "broker/core/batch.h"
#include "broker/core/fair.h"
#include "broker/core/inputs.h"
#include "broker/core/lease.h"
#include "broker/core/queue.h"
#include "broker/core/quota.h"
#include "broker/core/rate.h"
#include "broker/core/request.h"
#include "broker/core/session.h"

#define FLAGS_KEPT                                                                     \
    ((uint32_t)BROKER_SUBMIT_REPEATABLE | BROKER_SUBMIT_ASYNC | BROKER_SUBMIT_STREAMED)
#define FLAGS_ALL (FLAGS_KEPT | BROKER_SUBMIT_REOFFER | BROKER_SUBMIT_ASSIGNED)

/* Refuses an id that is not known here. Once a response has reached the client there is
 * nothing left to refuse: it broke off. */
static void submit_refuse(struct broker *b, struct session *s,
                          const struct broker_input *in, hf_reason reason)
{
    bool is_begun = in->u.submit.responded_epoch != 0;
    struct broker_effect *effect =
        emit(b, is_begun ? BROKER_OUT_ABORT : BROKER_OUT_REFUSED);

    effect->session = s->number;
    effect->id = in->id;
    effect->epoch = in->u.submit.responded_epoch;
    effect->reason = is_begun ? HF_REASON_RESPONSE_BROKEN : reason;
}

/* What may have run is not told to come again. */
static void submit_refuse_queue(struct broker *b, struct session *s,
                                const struct broker_input *in, hf_reason reason)
{
    struct handle *h = handle_find(b, s, in->handle);
    uint32_t flags = in->u.submit.flags;
    bool may_have_run =
        (flags & BROKER_SUBMIT_ASSIGNED) && (flags & BROKER_SUBMIT_REPEATABLE) == 0;

    submit_refuse(b, s, in, may_have_run ? HF_REASON_OUTCOME_UNKNOWN : reason);
    struct broker_effect *refused = &b->out->items[b->out->count - 1];
    struct broker_effect *outcome = emit(b, BROKER_OUT_OUTCOME);

    outcome->id = in->id;
    outcome->reason = refused->reason;
    outcome->enqueued = b->now;
    if (h->queue == 0) {
        return;
    }
    struct queue *q = queue_at(b, h->queue);

    outcome->queue = h->queue;
    refused->queue = h->queue;
    q->refused++;
    if (refused->reason == HF_REASON_QUEUE_FULL) {
        refused->result = quota_retry_after_ms(b, q);
    } else if (refused->reason == HF_REASON_RATE_LIMIT) {
        refused->result = allowance_wait_ms(b, s);
    } else if (refused->reason == HF_REASON_TOO_MANY) {
        refused->result = rate_refuse_ms(b, q);
    }
}

static struct request *submit_new(struct broker *b, struct session *s, struct queue *q,
                                  const struct broker_input *in)
{
    struct request *r = request_new(b, in->id, q);

    if (r == NULL) {
        return NULL;
    }
    r->seq = ++b->seq_last;
    r->deadline = in->u.submit.deadline;
    r->flags = (uint8_t)(in->u.submit.flags & FLAGS_KEPT);
    r->head_bytes = in->u.submit.head_bytes;
    r->body_bytes = in->u.submit.body_bytes;
    if (in->u.submit.wishes != NULL || q->shares != 0) {
        extra_take(b, r, in->u.submit.wishes);
    }
    request_attach(b, r, s);
    struct broker_effect *effect = emit(b, BROKER_OUT_HOLD);

    effect->slot = request_slot(b, r);
    effect->id = r->id;
    effect->queue = r->queue;
    q->accepted++;
    return r;
}

static void submit_enqueue(struct broker *b, struct request *r)
{
    if (r->flags & BROKER_SUBMIT_STREAMED) {
        request_enter(b, r, REQUEST_RECEIVING);
        request_tell_owner(b, r, BROKER_OUT_ADMITTED);
    } else if (request_is_strict(b, r)) {
        request_enter(b, r, REQUEST_COMMITTING);
    } else {
        request_enter(b, r, REQUEST_READY);
    }
    batch_plan_put(b, r);
    request_arm(b, r);
    if (b->config.planted == BROKER_PLANT_ACK_BEFORE_COMMIT && request_is_async(r)) {
        request_tell_owner(b, r, BROKER_OUT_ACCEPTED);
    }
}

/* It may have been started under an earlier broker: a slot is held for lease_grace, in
 * which its worker may declare it. */
static void submit_await(struct broker *b, struct request *r,
                         const struct broker_input *in)
{
    r->bits |= REQUEST_IS_SUSPECT;
    if (in->u.submit.responded_epoch != 0) {
        r->epoch = in->u.submit.responded_epoch;
        r->bits |= RESPONSE_IS_BEGUN;
    }
    if (r->flags & BROKER_SUBMIT_STREAMED) {
        r->bits |= REQUEST_IS_BODILESS;
    }
    r->until = hf_time_add_ms(b->now, b->config.lease_grace_ms);
    request_enter(b, r, REQUEST_AWAITED);
    request_arm(b, r);
}

static bool submit_may_run_already(const struct queue *q, const struct broker_input *in)
{
    uint32_t flags = in->u.submit.flags;
    bool is_unrepeatable =
        (flags & (BROKER_SUBMIT_REPEATABLE | BROKER_SUBMIT_ASYNC)) == 0 &&
        q->policy.redeliver == BROKER_REDELIVER_SAFE;

    return in->u.submit.responded_epoch != 0 ||
           ((flags & BROKER_SUBMIT_ASSIGNED) && is_unrepeatable);
}

/* After a restart a frontend offers at once all that it holds, and has been charged for
 * it before. */
static bool submit_comes_back(const struct broker *b, const struct broker_input *in)
{
    return (in->u.submit.flags & BROKER_SUBMIT_REOFFER) != 0 &&
           hf_time_before(b->now,
                          hf_time_add_ms(b->recovered, b->config.broker_grace_ms));
}

static hf_reason submit_judge(struct broker *b, struct session *s, struct queue *q,
                              const struct broker_input *in)
{
    hf_reason reason = quota_admit(b, q, in);

    if (reason == HF_REASON_QUEUE_FULL && q->is_newest_first) {
        adaptive_make_room(b, q);
        reason = quota_admit(b, q, in);
    }
    if (reason != HF_REASON_NONE || submit_comes_back(b, in)) {
        return reason;
    }
    if (!fair_admits(b, q, in->u.submit.wishes)) {
        b->counts.fair_refused++;
        return HF_REASON_QUEUE_FULL;
    }
    if (rate_refuse_ms(b, q) != 0) {
        return HF_REASON_TOO_MANY;
    }
    if (s->allowances_count == 0) {
        return HF_REASON_NONE;
    }
    if (allowance_wait_ms(b, s) != 0) {
        b->counts.rate_refused++;
        return HF_REASON_RATE_LIMIT;
    }
    allowance_charge(b, s);
    return HF_REASON_NONE;
}

static void submit_unknown(struct broker *b, struct session *s, struct queue *q,
                           const struct broker_input *in)
{
    bool is_awaited = submit_may_run_already(q, in);
    hf_reason reason = is_awaited ? quota_await(q, in) : submit_judge(b, s, q, in);
    struct request *r = reason == HF_REASON_NONE ? submit_new(b, s, q, in) : NULL;

    if (r == NULL) {
        reason = reason == HF_REASON_NONE ? HF_REASON_QUEUE_FULL : reason;
        submit_refuse_queue(b, s, in, reason);
    } else if (is_awaited) {
        submit_await(b, r, in);
    } else {
        submit_enqueue(b, r);
    }
}

/* Only the key that has enqueued a request may offer it again. A declared lease has no
 * owner until its request is offered. */
static bool submit_is_foreign(const struct session *s, const struct request *r)
{
    return r->state != REQUEST_ORPHAN && r->owner != s->principal;
}

/* Not even a held slot takes a body that its queue could never hold. */
static bool submit_is_too_big(const struct queue *q, const struct request *r,
                              const struct broker_input *in)
{
    bool is_new = r == NULL || r->state == REQUEST_ORPHAN;

    return is_new && in->u.submit.body_bytes > q->policy.bytes_max;
}

/* What was taken before stays: the sender's token may have been renewed. */
static bool submit_exceeds_token(const struct session *s, const struct request *r,
                                 const struct broker_input *in)
{
    return r == NULL &&
           (in->u.submit.body_bytes > s->bytes_max ||
            in->u.submit.head_bytes > s->bytes_max - in->u.submit.body_bytes);
}

void broker_on_submit(struct broker *b, struct session *s,
                      const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);
    struct request *r = request_find(b, in->id);
    bool is_open = h != NULL && h->queue != 0;

    if (h == NULL || (is_open && (h->rights & BROKER_RIGHT_ENQUEUE) == 0) ||
        (in->u.submit.flags & ~FLAGS_ALL) != 0) {
        session_violate(b, s, HF_REASON_PROTOCOL);
        return;
    }
    if (r != NULL && submit_is_foreign(s, r)) {
        submit_refuse(b, s, in, HF_REASON_DENIED);
        return;
    }
    if (r != NULL && r->state == REQUEST_RECEIVING) {
        /* Offered again before its body was whole: from the start. */
        request_end(b, r, HF_REASON_DUPLICATE);
        r = NULL;
    }
    if (r != NULL && r->state == REQUEST_ORPHAN &&
        (in->u.submit.flags & BROKER_SUBMIT_ASYNC)) {
        /* What was promised is on disk, so this was not: run it from the start. */
        lease_forget_orphan(b, r);
        r = NULL;
    }
    if (submit_exceeds_token(s, r, in)) {
        b->counts.bytes_refused++;
        submit_refuse_queue(b, s, in, HF_REASON_ENTITY_TOO_LARGE);
    } else if (is_open && submit_is_too_big(queue_at(b, h->queue), r, in)) {
        submit_refuse_queue(b, s, in, HF_REASON_QUEUE_FULL);
    } else if (r != NULL) {
        broker_on_reoffer(b, s, r, in);
    } else if (is_open) {
        submit_unknown(b, s, queue_at(b, h->queue), in);
    } else {
        submit_refuse_queue(b, s, in, HF_REASON_UNBOUND);
    }
}
