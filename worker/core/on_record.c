/* Inputs that are records of a broker. What it may not send is a violation; what merely
 * crossed something of ours on the way is ignored. */
#include "worker/core/state.h"

static struct broker *broker_of(struct step *step)
{
    return &step->worker->brokers[step->input->broker - 1];
}

/* The lease a record names, if it is held on that broker's present link. */
static struct lease *linked_lease(struct step *step)
{
    struct lease *lease =
        lease_find(step->worker, &step->input->id, step->input->epoch);

    return lease != NULL && lease->is_linked && lease->broker == step->input->broker - 1
               ? lease
               : NULL;
}

static struct seat *seat_of(struct step *step)
{
    uint32_t handle = step->input->handle;

    return handle >= 1 && handle <= step->worker->queues_count
               ? &broker_of(step)->seats[handle - 1]
               : NULL;
}

static void seat_close(struct step *step, struct seat *seat)
{
    step->worker->outstanding -= seat->outstanding;
    seat->outstanding = 0;
    seat->is_credited = false;
    seat->state = SEAT_CLOSED;
    seat->reopen_ms = seat->reopen_ms == 0 ? WORKER_REOPEN_MS : 2 * seat->reopen_ms;
    if (seat->reopen_ms > WORKER_REOPEN_MS_MAX) {
        seat->reopen_ms = WORKER_REOPEN_MS_MAX;
    }
    seat->reopen = hf_time_add_ms(step->input->now, seat->reopen_ms);
}

void on_opened(struct step *step)
{
    struct seat *seat = seat_of(step);

    if (seat == NULL || seat->state != SEAT_OPENING) {
        effect_violation(step);
        return;
    }
    if (step->input->reason == HF_REASON_NONE) {
        seat->state = SEAT_OPEN;
        seat->reopen_ms = 0;
    } else {
        seat_close(step, seat);
    }
    session_advance(step, step->input->broker - 1);
}

void on_closed(struct step *step)
{
    struct seat *seat = seat_of(step);

    if (seat == NULL || seat->state != SEAT_OPEN) {
        effect_violation(step);
        return;
    }
    seat_close(step, seat);
}

void on_assign(struct step *step)
{
    struct worker *worker = step->worker;
    struct seat *seat = seat_of(step);
    bool is_leaving = worker->is_draining || broker_of(step)->is_draining;

    if (seat == NULL || seat->state != SEAT_OPEN ||
        (seat->outstanding == 0 && !is_leaving) ||
        lease_find(worker, &step->input->id, step->input->epoch) != NULL) {
        effect_violation(step);
        return;
    }
    if (seat->outstanding > 0) {
        seat->outstanding--;
        worker->outstanding--;
    }

    struct lease *lease =
        is_leaving || !worker->is_ready ? NULL : lease_new(worker, step->input);

    if (lease == NULL) {
        struct worker_effect *effect = effect_add(step, WORKER_OUT_SEND_RELEASE, NULL);

        effect->broker = step->input->broker;
        effect->id = step->input->id;
        effect->epoch = step->input->epoch;
        return;
    }
    (void)effect_add(step, WORKER_OUT_START, lease);
}

void on_body(struct step *step)
{
    struct lease *lease = linked_lease(step);
    uint32_t bytes = step->input->u.body.bytes;

    if (lease == NULL) {
        return;
    }
    if (lease->has_body_whole || step->input->u.body.offset != lease->body_received ||
        bytes > lease->body_granted - lease->body_received ||
        (step->input->u.body.is_last && lease->body_bytes != 0 &&
         lease->body_received + bytes != lease->body_bytes)) {
        effect_violation(step);
        return;
    }
    lease->body_received += bytes;
    lease->has_body_whole = step->input->u.body.is_last;
    if (lease->state == LEASE_CANCELLED) {
        return;
    }

    struct worker_effect *effect = effect_add(step, WORKER_OUT_BODY, lease);

    effect->offset = step->input->u.body.offset;
    effect->amount = bytes;
    effect->is_last = step->input->u.body.is_last;
}

void on_window(struct step *step)
{
    struct lease *lease = linked_lease(step);
    uint64_t bytes = step->input->u.amount.bytes;

    if (lease == NULL) {
        return;
    }
    if (bytes > UINT64_MAX / 2 || lease->granted > UINT64_MAX / 2) {
        effect_violation(step);
        return;
    }
    lease->granted += bytes;
    lease_pump(step, lease);
}

void on_respond_ack(struct step *step)
{
    struct lease *lease = linked_lease(step);

    if (lease == NULL) {
        return;
    }
    if (lease->state == LEASE_ANSWERED) {
        lease_end(step, lease);
        return;
    }
    if (step->input->u.verdict.result == 0 && lease->state != LEASE_CANCELLED) {
        effect_violation(step);
        return;
    }
    lease_drop(step, lease, HF_REASON_CANCELLED);
}

/* Given up while the question was on its way: the broker, which now counts on us, would
 * wait for ever. */
static void give_back(struct step *step)
{
    struct worker_effect *effect = effect_add(step, WORKER_OUT_SEND_FAIL, NULL);

    effect->broker = step->input->broker;
    effect->id = step->input->id;
    effect->epoch = step->input->epoch;
    effect->reason = HF_REASON_RESPONSE_BROKEN;
}

void on_declared(struct step *step)
{
    struct lease *lease =
        lease_find(step->worker, &step->input->id, step->input->epoch);

    bool is_kept = step->input->u.verdict.result != 0;

    if (lease == NULL) {
        if (is_kept) {
            give_back(step);
        }
        return;
    }
    if (lease->broker != step->input->broker - 1 || !lease->is_declared) {
        effect_violation(step);
        return;
    }
    lease->is_declared = false;
    lease->is_linked = true;
    hf_list_remove(&lease->node);
    hf_list_push_back(&broker_of(step)->held, &lease->node);
    if (!is_kept) {
        lease_drop(step, lease, HF_REASON_CANCELLED);
        return;
    }
    if (lease->state == LEASE_CANCELLED) {
        give_back(step);
        return;
    }
    lease->granted = WORKER_BODY_WINDOW;
    lease_send(step, lease);
}

void on_cancel(struct step *step)
{
    struct lease *lease =
        lease_find(step->worker, &step->input->id, step->input->epoch);

    if (lease != NULL && lease->broker == step->input->broker - 1) {
        lease_drop(step, lease, step->input->reason);
    }
}
