/* RESULT and RESULT_BODY: a response arrives from the holder of the lease. */
#include "broker/core/batch.h"
#include "broker/core/inputs.h"
#include "broker/core/keep.h"
#include "broker/core/lease.h"
#include "broker/core/request.h"
#include "broker/core/retry.h"
#include "broker/core/session.h"

static void result_refuse(struct broker *b, struct session *s,
                          const struct broker_input *in, enum broker_ack_result result)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_RESPOND_ACK);

    effect->session = s->number;
    effect->id = in->id;
    effect->epoch = in->epoch;
    effect->result = result;
}

static void result_is_whole(struct broker *b, struct request *r)
{
    r->bits |= RESPONSE_IS_WHOLE;
    if (r->state == REQUEST_ORPHAN) {
        return;
    }
    if (b->config.planted == BROKER_PLANT_DROP_BEFORE_ACK && !request_is_async(r)) {
        request_tell_holder(b, r, BROKER_OUT_RESPOND_ACK)->result = BROKER_ACK_DONE;
        request_end(b, r, HF_REASON_NONE);
        return;
    }
    request_move(b, r, REQUEST_ANSWERED);
    if (request_is_async(r)) {
        wheel_disarm(b, r);
        batch_plan_drop(b, r);
    } else {
        request_arm(b, r);
    }
}

static void result_hold(struct broker *b, const struct request *r)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_HOLD_RESPONSE);

    effect->slot = request_slot(b, r);
    effect->id = r->id;
    effect->epoch = r->epoch;
    effect->amount = r->stream_bytes;
}

static void result_forward(struct broker *b, struct request *r,
                           enum broker_effect_type type)
{
    if (request_tell_owner(b, r, type) != &b->nobody) {
        r->bits |= RESPONSE_IS_BEGUN;
    }
}

/* Beyond the `bytes` of its worker's token: as a response that breaks HTTP. */
static void result_is_too_big(struct broker *b, struct request *r)
{
    b->counts.bytes_refused++;
    lease_cancel(b, r, HF_REASON_LIMIT);
    retry_after_failure(b, r, HF_REASON_BAD_RESPONSE);
}

void broker_on_result(struct broker *b, struct session *s,
                      const struct broker_input *in)
{
    struct request *r = request_find(b, in->id);
    enum broker_ack_result verdict = lease_verdict(b, r, s, in->epoch);

    if (verdict != BROKER_ACK_DONE) {
        result_refuse(b, s, in, verdict);
        return;
    }
    if (r->bits & (RESPONSE_IS_STARTED | RESPONSE_IS_WHOLE)) {
        session_violate(b, s, HF_REASON_PROTOCOL);
        return;
    }
    if (in->u.result.bytes > s->bytes_max) {
        result_refuse(b, s, in, BROKER_ACK_DENIED);
        result_is_too_big(b, r);
        return;
    }
    r->bits |= RESPONSE_IS_STARTED;
    r->stream_bytes = 0;
    r->response_room = BROKER_BODY_WINDOW;
    if (keep_add(b, r, in->u.result.bytes)) {
        r->bits |= RESPONSE_IS_KEPT;
        result_hold(b, r);
    }
    if (!request_is_async(r)) {
        result_forward(b, r, BROKER_OUT_RESPONSE);
    }
    if (!in->u.result.is_streamed) {
        result_is_whole(b, r);
    }
}

/* Of an async request all is kept, or nothing but that it was too long. */
static bool result_may_keep(const struct broker *b, const struct request *r,
                            uint32_t bytes)
{
    uint64_t max = request_queue(b, r)->policy.rules.response_max;

    if (!request_is_async(r)) {
        return true;
    }
    max = max == 0 || max > BROKER_RESPONSE_KEPT_MAX ? BROKER_RESPONSE_KEPT_MAX : max;
    return r->kept_bytes + bytes <= max + BROKER_INLINE_MAX; /* a head beside it */
}

static void result_keep_body(struct broker *b, struct request *r, uint32_t bytes)
{
    bool is_kept = (r->bits & RESPONSE_IS_KEPT) != 0;

    if (is_kept && r->stream_bytes <= BROKER_RESPONSE_KEPT_MAX &&
        result_may_keep(b, r, bytes) && keep_add(b, r, bytes)) {
        result_hold(b, r);
    } else if (is_kept) {
        struct broker_effect *effect = emit(b, BROKER_OUT_DROP_RESPONSE);

        effect->slot = request_slot(b, r);
        effect->id = r->id;
        r->bits &= (uint16_t)~RESPONSE_IS_KEPT;
        keep_drop(b, r);
    }
}

/* No frontend reads an async one as it comes: the worker may go on at once. */
static void result_body(struct broker *b, struct request *r, uint32_t bytes)
{
    result_keep_body(b, r, bytes);
    if (request_is_async(r)) {
        r->response_room += bytes;
        request_tell_holder(b, r, BROKER_OUT_WINDOW)->amount = bytes;
    } else {
        result_forward(b, r, BROKER_OUT_RESPONSE_BODY);
    }
}

/* A piece on a lease that is over is late, not wrong: its RESULT was refused, or CANCEL
 * is on its way. The window does not bound empty pieces, so only the last may be one.
 */
void broker_on_result_body(struct broker *b, struct session *s,
                           const struct broker_input *in)
{
    struct request *r = request_find(b, in->id);
    uint32_t bytes = in->u.body.bytes;

    if (lease_verdict(b, r, s, in->epoch) != BROKER_ACK_DONE) {
        return;
    }
    if ((r->bits & RESPONSE_IS_STARTED) == 0 || (r->bits & RESPONSE_IS_WHOLE) ||
        in->u.body.offset != r->stream_bytes || bytes > r->response_room ||
        (bytes == 0 && !in->u.body.is_last)) {
        session_violate(b, s, HF_REASON_PROTOCOL);
        return;
    }
    if (r->stream_bytes + bytes > s->bytes_max) {
        result_is_too_big(b, r);
        return;
    }
    r->stream_bytes += bytes;
    r->response_room -= bytes;
    result_body(b, r, bytes);
    if (in->u.body.is_last) {
        result_is_whole(b, r);
    }
}
