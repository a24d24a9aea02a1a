/* Brokers that come and go. What was with one that is lost goes back in line and is
 * offered again, under its id, when the handle of its queue is open again (row 41). */
#include "frontend/core/handlers.h"

void frontend_on_broker_up(struct frontend *frontend,
                           const struct frontend_input *input)
{
    hf_check(input->broker != 0);
    hf_check(!frontend->brokers[input->broker].is_up);

    frontend->brokers[input->broker].is_up = true;
    HF_LIST_FOR(node, &frontend->queues_all)
    {
        frontend_queue_touch(frontend, HF_CONTAINER(node, struct frontend_queue, all));
    }
}

static void take_back(struct frontend *frontend, struct exchange *exchange)
{
    struct frontend_queue *queue = frontend_queue_at(frontend, exchange->queue);

    hf_list_remove(&exchange->sending);
    hf_list_remove(&exchange->place);
    hf_list_push_back(&queue->waiting, &exchange->place);
    exchange_move(exchange, exchange->state == EXCHANGE_RESPONDING ? EXCHANGE_STALLED
                                                                   : EXCHANGE_WAITING);
    exchange->broker = 0;
    exchange->sent = 0;
    exchange->is_admitted = false;
    exchange->waiting_since = frontend->now;
    exchange_set_timer(frontend, exchange);
    frontend_queue_touch(frontend, queue);
}

/* Bounded by exchanges_max and queues_max; no effect comes of it. */
void frontend_on_broker_down(struct frontend *frontend,
                             const struct frontend_input *input)
{
    struct frontend_broker *broker = &frontend->brokers[input->broker];
    struct hf_list *first;

    hf_check(input->broker != 0);
    hf_check(broker->is_up);
    broker->is_up = false;
    HF_LIST_FOR(node, &frontend->queues_all)
    {
        struct frontend_queue *queue = HF_CONTAINER(node, struct frontend_queue, all);

        if (queue->broker == input->broker) {
            queue->state = FRONTEND_QUEUE_CLOSED;
            hf_heap_remove(&frontend->retries, &queue->retry);
            frontend_queue_touch(frontend, queue);
            frontend_queue_release(frontend, queue);
        }
    }
    while ((first = hf_list_first(&broker->offered)) != NULL) {
        take_back(frontend, HF_CONTAINER(first, struct exchange, place));
    }
}

static struct frontend_queue *queue_of_handle(const struct frontend *frontend,
                                              const struct frontend_input *input)
{
    struct frontend_queue *queue =
        frontend_queue_at(frontend, input->u.opened.handle & 0xffffu);

    if (queue == NULL || queue->handle != input->u.opened.handle ||
        queue->broker != input->broker) {
        return NULL;
    }
    return queue;
}

/* A refusal is often a broker that has not heard of the queue yet. */
static void retry_later(struct frontend *frontend, struct frontend_queue *queue)
{
    queue->state = FRONTEND_QUEUE_REFUSED;
    hf_heap_set(&frontend->retries, &queue->retry,
                hf_time_add_ms(frontend->now, FRONTEND_REOPEN_MS));
    frontend_queue_touch(frontend, queue);
    frontend_queue_release(frontend, queue);
}

void frontend_on_opened(struct frontend *frontend, const struct frontend_input *input)
{
    struct frontend_queue *queue = queue_of_handle(frontend, input);

    if (queue == NULL || queue->state != FRONTEND_QUEUE_OPENING) {
        return;
    }
    if (input->reason != HF_REASON_NONE) {
        retry_later(frontend, queue);
        return;
    }
    queue->state = FRONTEND_QUEUE_OPEN;
    frontend_queue_touch(frontend, queue);
}

void frontend_on_closed(struct frontend *frontend, const struct frontend_input *input)
{
    struct frontend_queue *queue = queue_of_handle(frontend, input);

    if (queue == NULL || queue->state == FRONTEND_QUEUE_REFUSED ||
        queue->state == FRONTEND_QUEUE_CLOSED) {
        return;
    }
    retry_later(frontend, queue);
}
