/* SUBMIT of an id that is known: the table "Re-offer" of PROTOCOL.md 3.3. */
#include "broker/core/batch.h"
#include "broker/core/extra.h"
#include "broker/core/inputs.h"
#include "broker/core/lease.h"
#include "broker/core/queue.h"
#include "broker/core/request.h"
#include "broker/core/retry.h"
#include "broker/core/session.h"

/* The client has seen part of a response that cannot go on. */
static void reoffer_break(struct broker *b, struct request *r)
{
    lease_cancel(b, r, HF_REASON_RESPONSE_BROKEN);
    r->bits |= RESPONSE_IS_BEGUN;
    request_refuse(b, r, HF_REASON_RESPONSE_BROKEN);
}

/* The response from its start, whole or as far as it has come. */
static void reoffer_response(struct broker *b, struct request *r)
{
    if ((r->bits & RESPONSE_IS_KEPT) == 0) {
        reoffer_break(b, r);
        return;
    }
    request_tell_owner(b, r, BROKER_OUT_RESPONSE_KEPT)->result =
        (r->bits & RESPONSE_IS_WHOLE) != 0;
    r->bits |= RESPONSE_IS_BEGUN;
}

static void reoffer_await(struct broker *b, struct request *r,
                          const struct broker_input *in)
{
    if (in->u.submit.responded_epoch != 0) {
        r->epoch = in->u.submit.responded_epoch;
        r->bits |= RESPONSE_IS_BEGUN;
    }
    r->until = hf_time_add_ms(b->now, b->config.lease_grace_ms);
    request_move(b, r, REQUEST_AWAITED);
    request_arm(b, r);
}

static void reoffer_unclaimed(struct broker *b, struct request *r,
                              const struct broker_input *in)
{
    bool is_held = request_is_unrepeatable(b, r) && (r->bits & REQUEST_IS_SUSPECT);

    if (is_held || in->u.submit.responded_epoch != 0) {
        reoffer_await(b, r, in);
    } else {
        request_leave(b, r);
        extra_take(b, r, in->u.submit.wishes);
        request_queue_up(b, r, false);
    }
}

/* A declared lease and its request have found each other: no second run. */
static void reoffer_orphan(struct broker *b, struct request *r, struct queue *q,
                           const struct broker_input *in)
{
    bool is_whole = (r->bits & RESPONSE_IS_WHOLE) != 0;

    request_leave(b, r);
    request_queue(b, r)->requests--;
    queue_check_removed(b, request_queue(b, r));
    r->queue = (uint16_t)hf_pool_index(&b->queues, q);
    q->requests++;
    q->accepted++;
    r->seq = ++b->seq_last;
    r->enqueued = b->now;
    r->deadline = in->u.submit.deadline;
    r->flags = (uint8_t)(in->u.submit.flags &
                         (BROKER_SUBMIT_REPEATABLE | BROKER_SUBMIT_STREAMED));
    r->head_bytes = in->u.submit.head_bytes;
    r->body_bytes = in->u.submit.body_bytes;
    r->until = hf_time_add_ms(b->now, b->config.lease_grace_ms);
    if (is_whole) {
        request_enter(b, r, REQUEST_ANSWERED);
    } else {
        request_enter(b, r, r->holder_session != 0 ? REQUEST_LEASED : REQUEST_GRACE);
    }
    struct broker_effect *effect = emit(b, BROKER_OUT_HOLD);

    effect->slot = request_slot(b, r);
    effect->id = r->id;
    effect->queue = r->queue;
    if (r->flags & BROKER_SUBMIT_STREAMED) {
        r->bits |= REQUEST_IS_BODILESS;
    } else if (!is_whole) {
        batch_plan_put(b, r);
    }
    request_arm(b, r);
    if (r->state == REQUEST_GRACE && !request_is_unrepeatable(b, r) &&
        in->u.submit.responded_epoch == 0) {
        retry_after_loss(b, r, false); /* it need not wait for its holder */
    }
}

/* Already accepted: say so again. Its frontend need not wait. */
static bool reoffer_async(struct broker *b, struct request *r)
{
    if (!request_is_async(r)) {
        return false;
    }
    if (r->state != REQUEST_COMMITTING) {
        request_tell_owner(b, r, BROKER_OUT_ACCEPTED);
        request_detach(b, r);
    }
    return true;
}

static void reoffer_leased(struct broker *b, struct request *r,
                           const struct broker_input *in)
{
    if (in->u.submit.responded_epoch != 0) {
        r->bits |= RESPONSE_IS_BEGUN;
    }
    if (r->bits & (RESPONSE_IS_STARTED | RESPONSE_IS_WHOLE)) {
        reoffer_response(b, r);
    }
}

static bool reoffer_can_continue(const struct request *r, uint64_t responded_epoch)
{
    switch ((enum request_state)r->state) {
    case REQUEST_LEASED:
    case REQUEST_GRACE:
    case REQUEST_ANSWERED:
    case REQUEST_AWAITED:
        return r->epoch == responded_epoch;
    case REQUEST_UNCLAIMED:
        return r->epoch <= responded_epoch && (r->bits & REQUEST_IS_RECOVERED);
    case REQUEST_FREE:
    case REQUEST_RECEIVING:
    case REQUEST_COMMITTING:
    case REQUEST_READY:
    case REQUEST_DELAYED:
    case REQUEST_OFFERED:
    case REQUEST_DISPATCHING:
    case REQUEST_ORPHAN:
    case REQUEST_ENDED:
    case REQUEST_STATES:
        break;
    }
    return false;
}

static void reoffer_by_state(struct broker *b, struct request *r,
                             const struct broker_input *in)
{
    switch ((enum request_state)r->state) {
    case REQUEST_UNCLAIMED:
        reoffer_unclaimed(b, r, in);
        break;
    case REQUEST_OFFERED:
        request_tell_owner(b, r, BROKER_OUT_ASSIGNED);
        break;
    case REQUEST_LEASED:
    case REQUEST_GRACE:
    case REQUEST_ANSWERED:
        reoffer_leased(b, r, in);
        break;
    case REQUEST_COMMITTING:
    case REQUEST_READY:
    case REQUEST_DELAYED:
    case REQUEST_DISPATCHING:
    case REQUEST_AWAITED:
    case REQUEST_ORPHAN:
    case REQUEST_FREE:
    case REQUEST_RECEIVING:
    case REQUEST_ENDED:
    case REQUEST_STATES:
        break;
    }
}

void broker_on_reoffer(struct broker *b, struct session *s, struct request *r,
                       const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);
    uint64_t responded = in->u.submit.responded_epoch;

    request_attach(b, r, s);
    if (r->state == REQUEST_ORPHAN) {
        struct queue *q = h->queue != 0 ? queue_at(b, h->queue) : request_queue(b, r);

        reoffer_orphan(b, r, q, in);
    }
    if (r->holder_session != 0 && session_at(b, r->holder_session)->is_dying &&
        r->state != REQUEST_ANSWERED) {
        lease_lost(b, r);
        if (request_find(b, in->id) != r) {
            return;
        }
    }
    if ((in->u.submit.flags & BROKER_SUBMIT_ASSIGNED) &&
        (r->bits & REQUEST_IS_RECOVERED)) {
        r->bits |= REQUEST_IS_SUSPECT;
    }
    if (reoffer_async(b, r)) {
        return;
    }
    if (responded != 0 && !reoffer_can_continue(r, responded)) {
        reoffer_break(b, r);
    } else {
        reoffer_by_state(b, r, in);
    }
}
