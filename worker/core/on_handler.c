/* Inputs from handlers, each about a slot that its handler still holds. */
#include "worker/core/state.h"

static struct lease *lease_of(struct step *step)
{
    struct lease *lease = hf_pool_at(&step->worker->pool, step->input->slot);

    hf_check(lease != NULL && lease->state != LEASE_NONE);
    return lease;
}

/* True when the lease was cancelled; then this was the end of its handler. */
static bool end_cancelled(struct step *step, struct lease *lease)
{
    if (lease->state != LEASE_CANCELLED) {
        return false;
    }
    lease_end(step, lease);
    return true;
}

void on_took(struct step *step)
{
    struct lease *lease = lease_of(step);

    lease->body_took += step->input->u.amount.bytes;
    hf_check(lease->body_took <= lease->body_received);
    if (lease->state == LEASE_CANCELLED || !lease->is_linked || lease->has_body_whole ||
        lease->body_took < WORKER_WINDOW_GIVE) {
        return;
    }
    effect_add(step, WORKER_OUT_SEND_WINDOW, lease)->amount = lease->body_took;
    lease->body_granted += lease->body_took;
    lease->body_took = 0;
}

void on_respond(struct step *step)
{
    struct lease *lease = lease_of(step);
    bool is_streamed = step->input->u.respond.is_streamed;

    if (lease->state == LEASE_CANCELLED) {
        if (!is_streamed) {
            lease_end(step, lease);
        }
        return;
    }
    lease->is_streamed = is_streamed;
    lease->response_bytes = step->input->u.respond.bytes;
    lease_move(step, lease, is_streamed ? LEASE_RESPONDING : LEASE_ANSWERED);
    if (lease->is_linked) {
        lease_send(step, lease);
    }
}

/* A stream that grew past what is kept cannot be offered again: without its link it is
 * over. A stream that is not linked but short goes on into the kept copy. */
static bool is_beyond_rescue(const struct lease *lease)
{
    return !lease->is_linked && lease->response_bytes > WORKER_RESPONSE_KEPT_MAX;
}

void on_respond_body(struct step *step)
{
    struct lease *lease = lease_of(step);
    uint32_t bytes = step->input->u.body.bytes;
    bool is_last = step->input->u.body.is_last;

    if (lease->state == LEASE_CANCELLED) {
        if (is_last) {
            lease_end(step, lease);
        }
        return;
    }
    hf_check(lease->state == LEASE_RESPONDING);
    hf_check(step->input->u.body.offset == lease->produced);
    hf_check(bytes <= lease->told - lease->produced);
    lease->produced += bytes;
    lease->response_bytes += bytes;
    lease->is_produced_whole = is_last;
    if (is_last) {
        lease_move(step, lease, LEASE_ANSWERED);
    }
    if (is_beyond_rescue(lease)) {
        lease_drop(step, lease, HF_REASON_RESPONSE_BROKEN);
        return;
    }
    lease_pump(step, lease);
}

void on_abort(struct step *step)
{
    struct lease *lease = lease_of(step);

    if (end_cancelled(step, lease)) {
        return;
    }
    hf_check(lease->state == LEASE_RESPONDING);
    if (lease->is_linked) {
        effect_add(step, WORKER_OUT_SEND_ABORT, lease)->reason = step->input->reason;
    }
    lease_end(step, lease);
}

void on_fail(struct step *step)
{
    struct lease *lease = lease_of(step);

    if (end_cancelled(step, lease)) {
        return;
    }
    hf_check(lease->state == LEASE_RUNNING);
    lease->fail_reason = step->input->reason;
    lease_move(step, lease, LEASE_FAILED);
    if (lease->is_linked) {
        lease_send(step, lease);
    }
}

void on_release(struct step *step)
{
    struct lease *lease = lease_of(step);

    if (end_cancelled(step, lease)) {
        return;
    }
    hf_check(lease->state == LEASE_RUNNING);
    lease_move(step, lease, LEASE_RELEASED);
    if (lease->is_linked) {
        lease_send(step, lease);
    }
}
