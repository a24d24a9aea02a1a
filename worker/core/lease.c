/* The life of one lease: its states, what is kept of it, what is sent for it. */
#include "worker/core/state.h"

#include <string.h>

#define TO(state) (1u << LEASE_##state)

static const uint32_t lease_moves[LEASE_STATES] = {
    [LEASE_NONE] = TO(RUNNING),
    [LEASE_RUNNING] = TO(RESPONDING) | TO(ANSWERED) | TO(FAILED) | TO(RELEASED) |
                      TO(CANCELLED) | TO(NONE),
    [LEASE_RESPONDING] = TO(ANSWERED) | TO(CANCELLED) | TO(NONE),
    [LEASE_ANSWERED] = TO(NONE),
    [LEASE_FAILED] = TO(NONE),
    [LEASE_RELEASED] = TO(NONE),
    [LEASE_CANCELLED] = TO(NONE),
};

static bool has_handler(enum lease_state state)
{
    return state == LEASE_RUNNING || state == LEASE_RESPONDING ||
           state == LEASE_CANCELLED;
}

struct seat *lease_seat(struct worker *worker, const struct lease *lease)
{
    return &worker->brokers[lease->broker].seats[lease->queue];
}

struct lease *lease_new(struct worker *worker, const struct worker_input *assign)
{
    struct lease *lease = hf_pool_get(&worker->pool);

    if (lease == NULL) {
        return NULL;
    }
    lease->slot = hf_pool_index(&worker->pool, lease);
    lease->id = assign->id;
    lease->epoch = assign->epoch;
    memcpy(lease->receipt, assign->u.assign.receipt, sizeof lease->receipt);
    lease->broker = assign->broker - 1;
    lease->queue = assign->handle - 1;
    lease->state = LEASE_RUNNING;
    lease->is_linked = true;
    lease->has_body_whole = !assign->u.assign.is_streamed;
    lease->body_bytes = assign->u.assign.body_bytes;
    lease->body_granted = WORKER_BODY_WINDOW;
    lease->granted = WORKER_BODY_WINDOW;
    lease->told = WORKER_BODY_WINDOW;
    hf_list_push_back(&worker->brokers[lease->broker].held, &lease->node);
    lease_seat(worker, lease)->running++;
    table_put(worker, lease);
    return lease;
}

bool lease_is_kept(const struct lease *lease)
{
    switch (lease->state) {
    case LEASE_RUNNING:
        return lease->has_body_whole;
    case LEASE_RESPONDING:
        return lease->has_body_whole &&
               lease->response_bytes <= WORKER_RESPONSE_KEPT_MAX;
    case LEASE_ANSWERED:
        return lease->response_bytes <= WORKER_RESPONSE_KEPT_MAX;
    case LEASE_FAILED:
    case LEASE_RELEASED:
        return true;
    case LEASE_CANCELLED:
    case LEASE_NONE:
    case LEASE_STATES:
        return false;
    }
    return false;
}

void lease_move(struct step *step, struct lease *lease, enum lease_state to)
{
    hf_check((lease_moves[lease->state] & (1u << to)) != 0);

    bool has_ended = has_handler(lease->state) && !has_handler(to);

    lease->state = to;
    if (has_ended) {
        struct seat *seat = lease_seat(step->worker, lease);

        hf_check(seat->running > 0);
        seat->running--;
        seat_credit(step, lease->broker, lease->queue);
    }
}

void lease_end(struct step *step, struct lease *lease)
{
    struct worker *worker = step->worker;
    bool was_short = worker->is_short;

    (void)effect_add(step, WORKER_OUT_FREE, lease);
    hf_list_remove(&lease->node);
    hf_heap_remove(&worker->holds, &lease->hold);
    table_remove(worker, lease);

    bool had_handler = has_handler(lease->state);
    uint32_t broker = lease->broker;
    uint32_t queue = lease->queue;

    hf_check((lease_moves[lease->state] & TO(NONE)) != 0);
    hf_pool_put(&worker->pool, lease);
    if (had_handler) {
        hf_check(worker->brokers[broker].seats[queue].running > 0);
        worker->brokers[broker].seats[queue].running--;
        seat_credit(step, broker, queue);
    }
    if (was_short) {
        seat_credit_all(step);
    }
}

void lease_drop(struct step *step, struct lease *lease, hf_reason reason)
{
    if (lease->state == LEASE_CANCELLED) {
        return;
    }
    if (!has_handler(lease->state)) {
        lease_end(step, lease);
        return;
    }
    effect_add(step, WORKER_OUT_CANCEL, lease)->reason = reason;
    hf_heap_remove(&step->worker->holds, &lease->hold);
    lease_move(step, lease, LEASE_CANCELLED);
}

void lease_pump(struct step *step, struct lease *lease)
{
    uint64_t limit =
        lease->produced < lease->granted ? lease->produced : lease->granted;
    uint64_t amount = limit - lease->sent;
    bool is_last = lease->is_produced_whole && limit == lease->produced;

    if (lease->is_linked && lease->is_streamed && !lease->is_last_sent &&
        (amount > 0 || is_last)) {
        struct worker_effect *effect = effect_add(step, WORKER_OUT_SEND_BODY, lease);

        effect->offset = lease->sent;
        effect->amount = amount;
        effect->is_last = is_last;
        lease->sent = limit;
        lease->is_last_sent = is_last;
    }
    if (lease->state == LEASE_RESPONDING && lease->granted > lease->told) {
        effect_add(step, WORKER_OUT_TAKE, lease)->amount = lease->granted - lease->told;
        lease->told = lease->granted;
    }
}

void lease_send(struct step *step, struct lease *lease)
{
    struct worker_effect *effect;

    hf_check(lease->is_linked);
    switch (lease->state) {
    case LEASE_RUNNING:
        return;
    case LEASE_RESPONDING:
    case LEASE_ANSWERED:
        effect = effect_add(step, WORKER_OUT_SEND_RESPOND, lease);
        effect->result = lease->is_streamed;
        lease->sent = 0;
        lease->is_last_sent = false;
        lease_pump(step, lease);
        return;
    case LEASE_FAILED:
        effect_add(step, WORKER_OUT_SEND_FAIL, lease)->reason = lease->fail_reason;
        lease_end(step, lease);
        return;
    case LEASE_RELEASED:
        (void)effect_add(step, WORKER_OUT_SEND_RELEASE, lease);
        lease_end(step, lease);
        return;
    case LEASE_CANCELLED:
    case LEASE_NONE:
    case LEASE_STATES:
        return;
    }
}
