/* What a frontend says of a request it waits for: CANCEL, ASSIGNED_ACK, RESPONSE_ACK,
 * WINDOW. Each may cross what the broker has just told it; then it means nothing. */
#include "broker/core/inputs.h"
#include "broker/core/lease.h"
#include "broker/core/request.h"
#include "broker/core/session.h"

/* NULL unless this session waits for the request. */
static struct request *owned_request(const struct broker *b, const struct session *s,
                                     hf_id id)
{
    struct request *r = request_find(b, id);

    return r != NULL && r->owner_session == session_index(b, s) ? r : NULL;
}

/* An accepted asynchronous request is in no session; the key that enqueued it may still
 * cancel it, until it is answered. */
void broker_on_cancel(struct broker *b, struct session *s,
                      const struct broker_input *in)
{
    struct request *r = request_find(b, in->id);

    if (r == NULL || r->owner != s->principal || r->state == REQUEST_ORPHAN ||
        (r->state == REQUEST_ANSWERED && request_is_async(r))) {
        return;
    }
    lease_cancel(b, r, HF_REASON_CLIENT_GONE);
    request_end(b, r, HF_REASON_CLIENT_GONE);
}

/* By any frontend; the shell has compared the access. */
void broker_on_call_off(struct broker *b, const struct broker_input *in)
{
    struct request *r = request_find(b, in->id);

    if (r == NULL || !request_is_async(r) || r->state == REQUEST_ORPHAN ||
        r->state == REQUEST_ANSWERED) {
        return;
    }
    lease_cancel(b, r, HF_REASON_CANCELLED);
    request_end(b, r, HF_REASON_CANCELLED);
}

void broker_on_assigned_ack(struct broker *b, struct session *s,
                            const struct broker_input *in)
{
    struct request *r = owned_request(b, s, in->id);

    if (r == NULL || r->state != REQUEST_OFFERED || r->epoch != in->epoch) {
        return;
    }
    if (request_is_overdue(b, r)) {
        request_timeout(b, r); /* its timer may be a tick late; row 23 is not */
    } else {
        lease_start(b, r);
    }
}

void broker_on_response_ack(struct broker *b, struct session *s,
                            const struct broker_input *in)
{
    struct request *r = owned_request(b, s, in->id);

    if (r != NULL && r->state == REQUEST_ANSWERED && r->epoch == in->epoch) {
        lease_cancel(b, r, HF_REASON_NONE);
        request_end(b, r, HF_REASON_NONE);
    }
}

void broker_on_window(struct broker *b, struct session *s,
                      const struct broker_input *in)
{
    struct request *r = owned_request(b, s, in->id);
    uint64_t bytes = in->u.window.bytes;

    if (r == NULL || r->state != REQUEST_LEASED || r->epoch != in->epoch) {
        return;
    }
    if (bytes > UINT32_MAX - r->response_room) {
        session_violate(b, s, HF_REASON_PROTOCOL);
        return;
    }
    r->response_room += (uint32_t)bytes;
    request_tell_holder(b, r, BROKER_OUT_WINDOW)->amount = bytes;
}
