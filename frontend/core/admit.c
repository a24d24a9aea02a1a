/* From the client: a new request, its body, its end. */
#include "frontend/core/handlers.h"

static bool has_body(const struct frontend_input *input)
{
    return input->u.request.is_chunked ||
           (input->u.request.has_length && input->u.request.length > 0);
}

/* min(the group's maximum or the default, what a trusted client asks for); row 24. */
static hf_time deadline_of(const struct frontend *frontend,
                           const struct frontend_input *input)
{
    int64_t limit_ms = frontend->config.deadline_ms;
    int64_t group_ms = input->u.request.deadline_ms;

    if (group_ms > 0 && group_ms < limit_ms) {
        limit_ms = group_ms;
    }
    return hf_time_min(hf_time_add_ms(frontend->now, limit_ms),
                       input->u.request.deadline);
}

static hf_reason judge(const struct frontend *frontend,
                       const struct frontend_input *input,
                       const struct frontend_queue *queue)
{
    if (frontend->is_draining) {
        return HF_REASON_APP_SHUTDOWN;
    }
    if (input->u.request.queue.bytes == 0) {
        return HF_REASON_UNBOUND;
    }
    if (queue == NULL || !queue->is_routed) {
        return HF_REASON_NO_ROUTES;
    }
    if (input->u.request.has_length &&
        input->u.request.length > input->u.request.body_max) {
        return HF_REASON_ENTITY_TOO_LARGE;
    }
    if (hf_time_reached(deadline_of(frontend, input), frontend->now)) {
        return HF_REASON_DEADLINE;
    }
    return frontend->exchanges.count == frontend->exchanges.count_max
               ? HF_REASON_CONN_LIMIT
               : HF_REASON_NONE;
}

static void refuse(struct frontend *frontend, const struct frontend_input *input,
                   hf_reason reason)
{
    struct frontend_effect *effect =
        frontend_effect_add(frontend, FRONTEND_OUT_PROBLEM);

    effect->tag = input->u.request.tag;
    effect->id = input->id;
    effect->reason = reason;
    effect->retry_after_ms = hf_reason_status(reason) == 503 ? 1000 : 0;
    effect->is_last = has_body(input) || frontend->is_draining;
}

static void read_on(struct frontend *frontend, struct exchange *exchange,
                    uint64_t bytes)
{
    exchange->credited += bytes;
    exchange_effect(frontend, exchange, FRONTEND_OUT_READ)->amount = bytes;
}

/* A body goes in one piece with its request when it surely is small, and the client
 * does not wait for permission to send it (rows 9 and 10). */
static void begin(struct frontend *frontend, struct exchange *exchange,
                  const struct frontend_input *input)
{
    if (!has_body(input)) {
        exchange->is_whole = true;
        exchange_submit(frontend, exchange);
        return;
    }
    exchange->is_expecting = input->u.request.is_expecting;
    exchange->is_streamed =
        exchange->is_expecting ||
        (input->u.request.has_length && input->u.request.length > FRONTEND_INLINE_MAX);
    if (exchange->is_streamed) {
        exchange_submit(frontend, exchange);
        return;
    }
    exchange_move(exchange, EXCHANGE_BODY);
    exchange_set_timer(frontend, exchange);
    /* One byte more than fits tells a chunked body that is too long from one that is
     * about to end. */
    read_on(frontend, exchange,
            input->u.request.has_length ? input->u.request.length
                                        : FRONTEND_INLINE_MAX + 1);
}

void frontend_on_request(struct frontend *frontend, const struct frontend_input *input)
{
    struct frontend_queue *queue =
        frontend_queue_named(frontend, input->u.request.queue);
    hf_reason reason = judge(frontend, input, queue);
    struct exchange *exchange;

    hf_check(!hf_id_is_zero(input->id));
    if (reason != HF_REASON_NONE) {
        refuse(frontend, input, reason);
        return;
    }
    exchange = hf_pool_get(&frontend->exchanges);
    hf_check(exchange != NULL);
    exchange->id = input->id;
    if (hf_map_put(&frontend->by_id, exchange) != HF_OK) {
        hf_pool_put(&frontend->exchanges, exchange); /* that id is held already */
        refuse(frontend, input, HF_REASON_INTERNAL);
        return;
    }
    exchange->slot = hf_pool_index(&frontend->exchanges, exchange);
    exchange->due = HF_TIME_NEVER;
    exchange->queue = frontend_queue_index(frontend, queue);
    exchange->deadline = deadline_of(frontend, input);
    exchange->is_repeatable = input->u.request.is_repeatable;
    exchange->is_async = input->u.request.is_async;
    exchange->is_length_known = input->u.request.has_length;
    exchange->length = input->u.request.length;
    exchange->body_max = input->u.request.body_max;
    queue->exchanges_count++;
    exchange_effect(frontend, exchange, FRONTEND_OUT_ACCEPT)->tag =
        input->u.request.tag;
    begin(frontend, exchange, input);
}

void frontend_on_body(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_at(frontend, input->slot);

    if (exchange == NULL || exchange->is_whole) {
        return;
    }
    exchange->spooled += input->u.body.bytes;
    exchange->is_whole = input->u.body.is_last;
    if (exchange->spooled > exchange->body_max) {
        exchange->is_whole = false; /* what follows is not read: close */
        exchange_cancel(frontend, exchange, HF_REASON_ENTITY_TOO_LARGE);
        exchange_end(frontend, exchange, HF_REASON_ENTITY_TOO_LARGE, 0);
        return;
    }
    if (exchange->state != EXCHANGE_BODY) {
        exchange_send_body(frontend, exchange);
        return;
    }
    if (exchange->spooled > FRONTEND_INLINE_MAX) {
        exchange->is_streamed = true;
    }
    if (exchange->is_whole || exchange->is_streamed) {
        exchange_submit(frontend, exchange);
    }
}

void frontend_on_client_gone(struct frontend *frontend,
                             const struct frontend_input *input)
{
    struct exchange *exchange = exchange_at(frontend, input->slot);

    if (exchange == NULL) {
        return;
    }
    exchange_cancel(frontend, exchange, HF_REASON_CLIENT_GONE);
    exchange_free(frontend, exchange);
}
