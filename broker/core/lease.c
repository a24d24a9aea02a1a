#include "broker/core/lease.h"

#include "broker/core/batch.h"
#include "broker/core/keep.h"
#include "broker/core/poison.h"
#include "broker/core/principal.h"
#include "broker/core/rate.h"
#include "broker/core/request.h"
#include "broker/core/retry.h"
#include "broker/core/session.h"

#define EPOCH_COUNTER_MAX UINT32_MAX

static void lease_hold(struct broker *b, struct request *r, struct session *s)
{
    hf_check(r->holder == 0 && r->holder_session == 0);
    r->holder = s->principal;
    principal_hold(b, r->holder);
    r->holder_session = (uint16_t)session_index(b, s);
}

void lease_reserve(struct broker *b, struct request *r, struct handle *h)
{
    handle_use_credit(b, h);
    rate_take(b, request_queue(b, r));
    lease_hold(b, r, session_at(b, h->key.session));
    r->handle = h->key.number;
    r->bits &= (uint16_t) ~(REQUEST_MAY_RESPOND | REQUEST_IS_LOSS_COUNTED);
    if (h->rights & BROKER_RIGHT_RESPOND) {
        r->bits |= REQUEST_MAY_RESPOND;
    }
    hf_check(b->epoch_counter < EPOCH_COUNTER_MAX);
    r->epoch = (uint64_t)b->config.incarnation << 32 | ++b->epoch_counter;
}

/* The handle a reservation was made for, while it still takes work. */
static struct handle *lease_reserved_handle(const struct broker *b,
                                            const struct request *r)
{
    struct session *s = session_at(b, r->holder_session);

    if (s->is_dying || s->is_draining) {
        return NULL;
    }
    struct handle *h = handle_find(b, s, r->handle);

    return h != NULL && h->queue == r->queue ? h : NULL;
}

void lease_start(struct broker *b, struct request *r)
{
    if (lease_reserved_handle(b, r) == NULL) {
        lease_unreserve(b, r);
        return;
    }
    request_leave(b, r);
    request_enter(b, r, REQUEST_LEASED);
    r->attempts = r->attempts < UINT16_MAX ? (uint16_t)(r->attempts + 1) : UINT16_MAX;
    r->bits &= (uint16_t) ~(REQUEST_IS_RECOVERED | REQUEST_IS_SUSPECT);
    struct broker_effect *effect = request_tell_holder(b, r, BROKER_OUT_ASSIGN);

    effect->attempt = r->attempts;
    effect->enqueued = r->enqueued;
    effect->deadline = r->deadline;
}

void lease_let_go(struct broker *b, struct request *r)
{
    if (r->state == REQUEST_OFFERED || r->state == REQUEST_DISPATCHING) {
        struct handle *h = lease_reserved_handle(b, r);

        if (h != NULL) {
            handle_add_credit(b, h, 1);
        }
    }
    principal_let_go(b, r->holder);
    r->holder = 0;
    r->holder_session = 0;
    r->handle = 0;
    batch_cancel_dispatch(b, r);
}

void lease_unreserve(struct broker *b, struct request *r)
{
    hf_check(r->state == REQUEST_OFFERED || r->state == REQUEST_DISPATCHING);
    request_leave(b, r);
    lease_let_go(b, r);
    request_queue_up(b, r, true);
}

void lease_reset_response(struct broker *b, struct request *r)
{
    if (r->bits & RESPONSE_IS_KEPT) {
        struct broker_effect *effect = emit(b, BROKER_OUT_DROP_RESPONSE);

        effect->slot = request_slot(b, r);
        effect->id = r->id;
        keep_drop(b, r);
    }
    r->bits &= (uint16_t) ~(RESPONSE_IS_STARTED | RESPONSE_IS_KEPT | RESPONSE_IS_WHOLE);
    r->stream_bytes = 0;
}

/* Its holder may come back: into `state`, in the list of that holder's key. */
static void lease_wait_for_holder(struct broker *b, struct request *r,
                                  enum request_state state)
{
    request_leave(b, r);
    r->holder_session = 0;
    request_enter(b, r, state);
}

static void lease_lost_leased(struct broker *b, struct request *r, struct session *s)
{
    bool has_run = !poison_may_repeat(b, r);
    bool is_watched =
        request_queue(b, r)->policy.rules.max_crashes != 0 && !s->is_draining;

    if (!has_run && is_watched) {
        r->until = hf_time_add_ms(s->lost, POISON_WAIT_MS);
        lease_wait_for_holder(b, r, REQUEST_GRACE);
        request_arm(b, r);
    } else if (!has_run) {
        retry_after_loss(b, r, !s->is_draining);
    } else if (s->is_dead) {
        request_refuse(b, r, HF_REASON_WORKER_LOST);
    } else {
        r->until = hf_time_add_ms(s->lost, b->config.lease_grace_ms);
        lease_wait_for_holder(b, r, REQUEST_GRACE);
        request_arm(b, r);
    }
}

void lease_lost(struct broker *b, struct request *r)
{
    struct session *s = session_at(b, r->holder_session);

    hf_check(s->is_dying);
    if (r->state == REQUEST_LEASED) {
        lease_lost_leased(b, r, s);
    } else if (r->state != REQUEST_ORPHAN) {
        lease_unreserve(b, r);
    } else if (s->is_dead) {
        lease_forget_orphan(b, r);
    } else {
        lease_reset_response(b, r);
        lease_wait_for_holder(b, r, REQUEST_ORPHAN);
    }
}

void lease_cancel(struct broker *b, struct request *r, hf_reason reason)
{
    if (r->state == REQUEST_LEASED || r->state == REQUEST_ORPHAN) {
        request_tell_holder(b, r, BROKER_OUT_CANCEL)->reason = reason;
    } else if (r->state == REQUEST_ANSWERED) {
        request_tell_holder(b, r, BROKER_OUT_RESPOND_ACK)->result = BROKER_ACK_DONE;
    }
}

void lease_adopt(struct broker *b, struct request *r, struct session *s,
                 const struct broker_input *in)
{
    enum request_state state = r->state == REQUEST_FREE || r->state == REQUEST_ORPHAN
                                   ? REQUEST_ORPHAN
                                   : REQUEST_LEASED;

    request_leave(b, r);
    lease_let_go(b, r);
    lease_reset_response(b, r);
    lease_hold(b, r, s);
    r->handle = in->handle;
    r->epoch = in->epoch;
    r->suspicion = r->suspicion != SUSPICION_NONE ? SUSPICION_WAITING : SUSPICION_NONE;
    r->attempts = r->attempts == 0 ? 1 : r->attempts;
    if (r->bits & REQUEST_IS_LOSS_COUNTED) {
        r->failed--;
    }
    r->bits &= (uint16_t) ~(REQUEST_IS_LOSS_COUNTED | REQUEST_IS_RECOVERED |
                            REQUEST_IS_SUSPECT | REQUEST_MAY_RESPOND);
    if (handle_find(b, s, in->handle)->rights & BROKER_RIGHT_RESPOND) {
        r->bits |= REQUEST_MAY_RESPOND;
    }
    if (in->epoch >> 32 == b->config.incarnation &&
        (uint32_t)in->epoch > b->epoch_counter) {
        b->epoch_counter = (uint32_t)in->epoch;
    }
    if (s->quarantine != 0) {
        poison_disturb(b, s);
    }
    request_enter(b, r, state);
    request_arm(b, r);
}

void lease_forget_orphan(struct broker *b, struct request *r)
{
    hf_check(r->state == REQUEST_ORPHAN);
    lease_cancel(b, r, HF_REASON_CLIENT_GONE);
    request_end(b, r, HF_REASON_CLIENT_GONE);
}

enum broker_ack_result lease_verdict(const struct broker *b, const struct request *r,
                                     const struct session *s, uint64_t epoch)
{
    if (r == NULL || epoch < r->epoch) {
        return BROKER_ACK_STALE;
    }
    bool is_held = r->state == REQUEST_LEASED || r->state == REQUEST_ORPHAN;

    if (is_held && r->holder_session == session_index(b, s) && epoch == r->epoch) {
        return (r->bits & REQUEST_MAY_RESPOND) ? BROKER_ACK_DONE : BROKER_ACK_DENIED;
    }
    if (epoch > r->epoch || (r->holder != 0 && r->holder != s->principal)) {
        return BROKER_ACK_DENIED;
    }
    return BROKER_ACK_STALE;
}
