/* What ends or holds up an exchange without a response. */
#include "frontend/core/handlers.h"

/* An id we have given up is cancelled again: the broker may have been away when it was.
 */
static void disown(struct frontend *frontend, const struct frontend_input *input)
{
    struct frontend_effect *effect = frontend_effect_add(frontend, FRONTEND_OUT_CANCEL);

    effect->broker = input->broker;
    effect->id = input->id;
    effect->epoch = input->epoch;
    effect->reason = HF_REASON_CLIENT_GONE;
}

void frontend_on_assigned(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_with(frontend, input);
    struct frontend_effect *effect;

    if (exchange == NULL) {
        if (exchange_of(frontend, input->id) == NULL) {
            disown(frontend, input);
        }
        return;
    }
    if (exchange->state != EXCHANGE_SUBMITTED) {
        return;
    }
    exchange->was_assigned = true;
    exchange->epoch = input->epoch;
    effect = exchange_effect(frontend, exchange, FRONTEND_OUT_ASSIGNED_ACK);
    effect->epoch = input->epoch;
}

void frontend_on_refused(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_with(frontend, input);

    if (exchange == NULL) {
        return;
    }
    exchange_end(frontend, exchange, input->reason, input->u.refused.retry_after_ms);
}

void frontend_on_abort(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_with(frontend, input);
    hf_reason reason = input->reason;

    if (exchange == NULL) {
        return;
    }
    /* A response that broke off before any client saw it is the worker's failure. */
    if (hf_reason_status(reason) == 0) {
        reason = HF_REASON_WORKER_LOST;
    }
    exchange_end(frontend, exchange, reason, 0);
}

static void expire(struct frontend *frontend, struct exchange *exchange)
{
    hf_reason reason = HF_REASON_DEADLINE;

    if (exchange->state == EXCHANGE_STALLED ||
        (exchange->state == EXCHANGE_WAITING &&
         hf_time_before(exchange->due, exchange->deadline))) {
        /* Nothing unrepeatable starts before its ASSIGNED was acknowledged here. */
        reason = exchange->was_assigned && !exchange->is_repeatable
                     ? HF_REASON_OUTCOME_UNKNOWN
                     : HF_REASON_BROKER_LOST;
    }
    exchange_cancel(frontend, exchange, reason);
    exchange_end(frontend, exchange, reason, 0);
}

static void reopen(struct frontend *frontend, struct frontend_queue *queue)
{
    hf_heap_remove(&frontend->retries, &queue->retry);
    hf_check(queue->state == FRONTEND_QUEUE_REFUSED);
    queue->state = FRONTEND_QUEUE_CLOSED;
    frontend_queue_touch(frontend, queue);
}

void frontend_on_tick(struct frontend *frontend)
{
    struct hf_heap_node *node;

    frontend_age(frontend);
    while (frontend_has_room(frontend) &&
           hf_time_reached(hf_heap_next_due(&frontend->timers), frontend->now)) {
        node = hf_heap_first(&frontend->timers);
        expire(frontend, HF_CONTAINER(node, struct exchange, timer));
    }
    while (hf_time_reached(hf_heap_next_due(&frontend->retries), frontend->now)) {
        node = hf_heap_first(&frontend->retries);
        reopen(frontend, HF_CONTAINER(node, struct frontend_queue, retry));
    }
}
