/* BODY: a piece of a streamed request body. It may come for a request that was refused
 * meanwhile; then it is dropped. */
#include "broker/core/batch.h"
#include "broker/core/inputs.h"
#include "broker/core/quota.h"
#include "broker/core/request.h"
#include "broker/core/session.h"

static bool body_is_legal(const struct broker *b, const struct session *s,
                          const struct request *r, const struct broker_input *in)
{
    return r->state == REQUEST_RECEIVING && r->owner_session == session_index(b, s) &&
           in->u.body.offset == r->stream_bytes &&
           (in->u.body.bytes > 0 || in->u.body.is_last) &&
           in->u.body.bytes <= BROKER_BODY_WINDOW - r->ungranted_bytes;
}

/* The declared length is reserved already; more than that must find room. */
static bool body_fits(struct broker *b, struct request *r, uint32_t bytes)
{
    struct queue *q = request_queue(b, r);
    uint64_t total = r->stream_bytes + bytes;

    if (total <= r->body_bytes) {
        return true;
    }
    if (!quota_has_bytes(q, total - r->body_bytes)) {
        return false;
    }
    q->depth_bytes += total - r->body_bytes;
    r->body_bytes = total;
    return true;
}

static void body_is_whole(struct broker *b, struct request *r)
{
    request_leave(b, r);
    r->body_bytes = r->stream_bytes;
    r->stream_bytes = 0;
    batch_plan_whole(b, r);
    request_queue_up(b, r, false);
}

void broker_on_body(struct broker *b, struct session *s, const struct broker_input *in)
{
    struct request *r = request_find(b, in->id);

    if (r == NULL) {
        return;
    }
    if (!body_is_legal(b, s, r, in)) {
        session_violate(b, s, HF_REASON_PROTOCOL);
        return;
    }
    if (r->head_bytes + r->stream_bytes + in->u.body.bytes > s->bytes_max) {
        b->counts.bytes_refused++;
        request_tell_owner(b, r, BROKER_OUT_REFUSED)->reason =
            HF_REASON_ENTITY_TOO_LARGE;
        request_end(b, r, HF_REASON_ENTITY_TOO_LARGE);
        return;
    }
    if (!body_fits(b, r, in->u.body.bytes)) {
        request_tell_owner(b, r, BROKER_OUT_REFUSED)->reason = HF_REASON_QUEUE_FULL;
        b->out->items[b->out->count - 1].result =
            quota_retry_after_ms(b, request_queue(b, r));
        request_end(b, r, HF_REASON_QUEUE_FULL);
        return;
    }
    struct broker_effect *hold = emit(b, BROKER_OUT_HOLD_BODY);

    hold->slot = request_slot(b, r);
    hold->id = r->id;
    hold->amount = in->u.body.offset;
    r->stream_bytes += in->u.body.bytes;
    if (r->disk != DISK_NONE) {
        r->ungranted_bytes += in->u.body.bytes;
        batch_plan_body(b, r, in->u.body.bytes);
    } else if (!in->u.body.is_last && in->u.body.bytes > 0) {
        struct broker_effect *window = request_tell_owner(b, r, BROKER_OUT_WINDOW);

        window->epoch = 0;
        window->amount = in->u.body.bytes;
    }
    if (in->u.body.is_last) {
        body_is_whole(b, r);
    }
}
