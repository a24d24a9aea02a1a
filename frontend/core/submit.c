/* Towards the broker: handles, offers, and the bodies that follow them. */
#include "frontend/core/handlers.h"

void frontend_queue_touch(struct frontend *frontend, struct frontend_queue *queue)
{
    bool is_wanted = queue->is_routed || !hf_list_is_empty(&queue->waiting);
    bool is_due =
        queue->state == FRONTEND_QUEUE_CLOSED
            ? is_wanted
            : queue->state == FRONTEND_QUEUE_OPEN && !hf_list_is_empty(&queue->waiting);

    if (!is_due || !frontend->brokers[queue->broker].is_up) {
        hf_list_remove(&queue->work);
    } else if (!hf_list_is_linked(&queue->work)) {
        hf_list_push_back(&frontend->work, &queue->work);
    }
}

void exchange_submit(struct frontend *frontend, struct exchange *exchange)
{
    struct frontend_queue *queue = frontend_queue_at(frontend, exchange->queue);

    exchange_move(exchange, EXCHANGE_WAITING);
    exchange->waiting_since = frontend->now;
    exchange_set_timer(frontend, exchange);
    hf_list_push_back(&queue->waiting, &exchange->place);
    frontend_queue_touch(frontend, queue);
}

static void open_handle(struct frontend *frontend, struct frontend_queue *queue)
{
    struct frontend_effect *effect = frontend_effect_add(frontend, FRONTEND_OUT_OPEN);

    /* A handle number is not used twice: a broker may still know it. */
    frontend->handles_count++;
    queue->handle =
        frontend->handles_count << 16 | frontend_queue_index(frontend, queue);
    queue->state = FRONTEND_QUEUE_OPENING;
    effect->broker = queue->broker;
    effect->handle = queue->handle;
    effect->queue = frontend_queue_index(frontend, queue);
}

static uint32_t flags_of(const struct exchange *exchange)
{
    uint32_t flags = 0;

    flags |= exchange->is_repeatable ? FRONTEND_FLAG_REPEATABLE : 0u;
    flags |= exchange->is_async ? FRONTEND_FLAG_ASYNC : 0u;
    flags |= exchange->is_streamed ? FRONTEND_FLAG_STREAMED : 0u;
    flags |= exchange->was_offered ? FRONTEND_FLAG_REOFFER : 0u;
    flags |= exchange->was_assigned ? FRONTEND_FLAG_ASSIGNED : 0u;
    return flags;
}

static uint64_t length_of(const struct exchange *exchange)
{
    if (exchange->is_whole) {
        return exchange->spooled;
    }
    return exchange->is_length_known ? exchange->length : 0;
}

/* A session knows nothing of the one before it: both bodies start again. */
static void offer(struct frontend *frontend, struct frontend_queue *queue,
                  struct exchange *exchange)
{
    bool has_responded = exchange->state == EXCHANGE_STALLED;
    struct frontend_effect *effect;

    hf_list_remove(&exchange->place);
    hf_list_push_back(&frontend->brokers[queue->broker].offered, &exchange->place);
    exchange->broker = queue->broker;
    exchange_move(exchange, has_responded ? EXCHANGE_RESPONDING : EXCHANGE_SUBMITTED);
    exchange_set_timer(frontend, exchange);
    exchange->is_admitted = false;
    exchange->is_last_sent = false;
    exchange->has_head = false;
    exchange->sent = 0;
    exchange->granted = FRONTEND_BODY_WINDOW;
    exchange->received = 0;
    exchange->window = FRONTEND_BODY_WINDOW;

    effect = exchange_effect(frontend, exchange, FRONTEND_OUT_ENQUEUE);
    effect->handle = queue->handle;
    effect->flags = flags_of(exchange);
    effect->deadline = exchange->deadline;
    effect->epoch = has_responded ? exchange->epoch : 0;
    effect->amount = length_of(exchange);
    exchange->was_offered = true;
}

static bool has_body_to_send(const struct exchange *exchange)
{
    if (!exchange->is_admitted || exchange->is_last_sent || exchange->broker == 0) {
        return false;
    }
    if (exchange->sent == exchange->spooled) {
        return exchange->is_whole;
    }
    return exchange->sent < exchange->granted;
}

/* The client may run ahead of the broker by FRONTEND_READ_AHEAD; its bytes wait in the
 * spool, where they are kept for a re-offer anyway. */
static void read_ahead(struct frontend *frontend, struct exchange *exchange)
{
    uint64_t allowed = exchange->granted + FRONTEND_READ_AHEAD;

    if (!exchange->is_admitted || exchange->is_whole) {
        return;
    }
    if (exchange->is_length_known && allowed > exchange->length) {
        allowed = exchange->length;
    }
    if (allowed <= exchange->credited) {
        return;
    }
    if (allowed - exchange->credited < FRONTEND_READ_STEP &&
        allowed != exchange->length) {
        return;
    }
    exchange_effect(frontend, exchange, FRONTEND_OUT_READ)->amount =
        allowed - exchange->credited;
    exchange->credited = allowed;
}

void exchange_send_body(struct frontend *frontend, struct exchange *exchange)
{
    if (has_body_to_send(exchange) && !hf_list_is_linked(&exchange->sending)) {
        hf_list_push_back(&frontend->sending, &exchange->sending);
    }
    read_ahead(frontend, exchange);
}

static void send_pieces(struct frontend *frontend, struct exchange *exchange)
{
    uint32_t pieces = 0;

    while (has_body_to_send(exchange) && pieces++ < FRONTEND_PIECES_MAX) {
        struct frontend_effect *effect =
            exchange_effect(frontend, exchange, FRONTEND_OUT_SEND_BODY);
        uint64_t amount = exchange->spooled - exchange->sent;

        if (amount > exchange->granted - exchange->sent) {
            amount = exchange->granted - exchange->sent;
        }
        if (amount > FRONTEND_PIECE_MAX) {
            amount = FRONTEND_PIECE_MAX;
        }
        effect->offset = exchange->sent;
        effect->amount = amount;
        exchange->sent += amount;
        effect->is_last = exchange->is_whole && exchange->sent == exchange->spooled;
        exchange->is_last_sent = effect->is_last;
    }
    hf_list_remove(&exchange->sending);
    exchange_send_body(frontend, exchange);
}

static void serve_queue(struct frontend *frontend, struct frontend_queue *queue)
{
    if (queue->state == FRONTEND_QUEUE_CLOSED) {
        open_handle(frontend, queue);
    } else {
        offer(frontend, queue,
              HF_CONTAINER(hf_list_first(&queue->waiting), struct exchange, place));
    }
    frontend_queue_touch(frontend, queue);
}

void frontend_pump(struct frontend *frontend)
{
    struct hf_list *node;

    while (frontend_has_room(frontend) &&
           (node = hf_list_first(&frontend->work)) != NULL) {
        serve_queue(frontend, HF_CONTAINER(node, struct frontend_queue, work));
    }
    while (frontend_has_room(frontend) &&
           (node = hf_list_first(&frontend->sending)) != NULL) {
        send_pieces(frontend, HF_CONTAINER(node, struct exchange, sending));
    }
}

void frontend_on_admitted(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_with(frontend, input);

    if (exchange == NULL || !exchange->is_streamed || exchange->is_admitted) {
        return;
    }
    exchange->is_admitted = true;
    if (exchange->is_expecting) {
        exchange->is_expecting = false;
        (void)exchange_effect(frontend, exchange, FRONTEND_OUT_CONTINUE);
    }
    exchange_send_body(frontend, exchange);
}

void frontend_on_window(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_with(frontend, input);

    if (exchange == NULL || exchange->is_last_sent ||
        input->u.amount.bytes > UINT64_MAX / 2 - exchange->granted) {
        return;
    }
    exchange->granted += input->u.amount.bytes;
    exchange_send_body(frontend, exchange);
}
