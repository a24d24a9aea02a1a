/* What must hold between steps, walked over everything the core holds. */
#include "frontend/core/exchange.h"

static void check_exchange(const struct frontend *frontend,
                           const struct exchange *exchange)
{
    bool is_offered =
        exchange->state == EXCHANGE_SUBMITTED || exchange->state == EXCHANGE_RESPONDING;
    bool is_in_line =
        exchange->state == EXCHANGE_WAITING || exchange->state == EXCHANGE_STALLED;

    hf_check(exchange->state != EXCHANGE_FREE);
    hf_check(exchange->queue != 0);
    hf_check((exchange->broker != 0) == is_offered);
    hf_check(hf_list_is_linked(&exchange->place) == (is_offered || is_in_line));
    hf_check(!is_offered || frontend->brokers[exchange->broker].is_up);
    hf_check(exchange->is_streamed || exchange->is_whole ||
             exchange->state == EXCHANGE_BODY);
    hf_check(exchange->sent <= exchange->spooled);
    hf_check(exchange->taken <= exchange->forwarded);
    hf_check(exchange->timer.index == 0 || !hf_list_is_linked(&exchange->young));
    hf_check((exchange->timer.index == 0 && !hf_list_is_linked(&exchange->young)) ==
             (exchange->state == EXCHANGE_RESPONDING));
}

static uint32_t check_line(const struct frontend_queue *queue, uint32_t index)
{
    uint32_t count = 0;

    HF_LIST_FOR(node, &queue->waiting)
    {
        const struct exchange *exchange = HF_CONTAINER(node, struct exchange, place);

        hf_check(exchange->queue == index);
        hf_check(exchange->broker == 0);
        count++;
    }
    return count;
}

static uint32_t check_broker(const struct frontend_broker *broker, uint32_t index)
{
    uint32_t count = 0;

    HF_LIST_FOR(node, &broker->offered)
    {
        const struct exchange *exchange = HF_CONTAINER(node, struct exchange, place);

        hf_check(exchange->broker == index);
        count++;
    }
    hf_check(broker->is_up || count == 0);
    return count;
}

void frontend_check(const struct frontend *frontend)
{
    uint32_t placed = 0;
    uint32_t bodies = 0;
    uint32_t counted = 0;
    size_t cursor = 0;
    const struct exchange *exchange;

    while ((exchange = hf_map_next(&frontend->by_id, &cursor)) != NULL) {
        check_exchange(frontend, exchange);
        bodies += exchange->state == EXCHANGE_BODY ? 1 : 0;
    }
    HF_LIST_FOR(node, &frontend->queues_all)
    {
        struct frontend_queue *queue = HF_CONTAINER(node, struct frontend_queue, all);

        placed += check_line(queue, frontend_queue_index(frontend, queue));
        counted += queue->exchanges_count;
    }
    for (uint32_t i = 1; i <= frontend->config.brokers_max; i++) {
        placed += check_broker(&frontend->brokers[i], i);
    }
    hf_check(counted == frontend->exchanges.count);
    hf_check(placed + bodies == frontend->exchanges.count);
    hf_check(frontend->by_id.count == frontend->exchanges.count);
    hf_check(frontend->by_name.count == frontend->queues.count);
}
