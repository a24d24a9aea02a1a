#include "frontend/core/exchange.h"

#include "frontend/core/handlers.h"

#include <stdlib.h>
#include <string.h>

#define TO(state) (1u << EXCHANGE_##state)

static const struct {
    const char *name;
    unsigned moves;
} exchange_states[EXCHANGE_STATES] = {
    [EXCHANGE_FREE] = {"free", TO(BODY) | TO(WAITING)},
    [EXCHANGE_BODY] = {"body", TO(WAITING) | TO(FREE)},
    [EXCHANGE_WAITING] = {"waiting", TO(SUBMITTED) | TO(FREE)},
    [EXCHANGE_SUBMITTED] = {"submitted", TO(WAITING) | TO(RESPONDING) | TO(FREE)},
    [EXCHANGE_RESPONDING] = {"responding", TO(STALLED) | TO(FREE)},
    [EXCHANGE_STALLED] = {"stalled", TO(RESPONDING) | TO(FREE)},
};

void exchange_move(struct exchange *exchange, enum exchange_state state)
{
    hf_check(exchange->state < EXCHANGE_STATES);
    hf_check((exchange_states[exchange->state].moves & (1u << state)) != 0);

    exchange->state = state;
}

struct frontend_effect *frontend_effect_add(struct frontend *frontend,
                                            enum frontend_effect_type type)
{
    struct frontend_effects *effects = frontend->effects;
    struct frontend_effect *effect;

    hf_check(effects->count < FRONTEND_EFFECTS_MAX);
    effect = &effects->items[effects->count++];
    *effect = (struct frontend_effect){.type = type};
    return effect;
}

struct frontend_effect *exchange_effect(struct frontend *frontend,
                                        const struct exchange *exchange,
                                        enum frontend_effect_type type)
{
    struct frontend_effect *effect = frontend_effect_add(frontend, type);

    effect->slot = exchange->slot;
    effect->id = exchange->id;
    effect->broker = exchange->broker;
    return effect;
}

bool frontend_has_room(const struct frontend *frontend)
{
    return frontend->effects->count + FRONTEND_EFFECTS_RESERVE <= FRONTEND_EFFECTS_MAX;
}

struct exchange *exchange_at(const struct frontend *frontend, uint32_t slot)
{
    struct exchange *exchange;

    if (slot == 0 || slot > frontend->exchanges.fresh) {
        return NULL;
    }
    exchange = hf_pool_at(&frontend->exchanges, slot);
    return exchange->state == EXCHANGE_FREE ? NULL : exchange;
}

/* The shell asks for the slot of a response, then the core for its exchange. */
struct exchange *exchange_of(struct frontend *frontend, hf_id id)
{
    if (frontend->found == NULL || !hf_id_equal(frontend->found->id, id)) {
        frontend->found =
            hf_map_get(&frontend->by_id, hf_slice_of(id.bytes, sizeof id.bytes));
    }
    return frontend->found;
}

struct exchange *exchange_with(struct frontend *frontend,
                               const struct frontend_input *input)
{
    struct exchange *exchange = exchange_of(frontend, input->id);

    if (exchange == NULL || input->broker == 0 || exchange->broker != input->broker) {
        return NULL;
    }
    return exchange;
}

/* The deadline ends with the head of the response: what streams after it may take as
 * long as it moves (row 24 limits the wait for an answer). */
static hf_time exchange_due(const struct frontend *frontend,
                            const struct exchange *exchange)
{
    hf_time lost =
        hf_time_add_ms(exchange->waiting_since, frontend->config.broker_grace_ms);

    switch (exchange->state) {
    case EXCHANGE_BODY:
    case EXCHANGE_SUBMITTED:
        return exchange->deadline;
    case EXCHANGE_WAITING:
        return hf_time_min(exchange->deadline, lost);
    case EXCHANGE_STALLED:
        return lost;
    case EXCHANGE_RESPONDING:
    case EXCHANGE_FREE:
    case EXCHANGE_STATES:
        break;
    }
    return HF_TIME_NEVER;
}

static hf_time young_end(const struct exchange *exchange)
{
    return hf_time_add_ms(exchange->young_since, FRONTEND_YOUNG_MS);
}

static void stop_timer(struct frontend *frontend, struct exchange *exchange)
{
    hf_list_remove(&exchange->young);
    hf_heap_remove(&frontend->timers, &exchange->timer);
}

/* Only a fresh exchange becomes young, so that the list is in order of young_since. */
void exchange_set_timer(struct frontend *frontend, struct exchange *exchange)
{
    hf_time due = exchange_due(frontend, exchange);

    if (exchange->due.us == due.us) {
        return;
    }
    exchange->due = due;
    if (due.us == HF_TIME_NEVER.us) {
        stop_timer(frontend, exchange);
        return;
    }
    if (!exchange->is_timed) {
        exchange->is_timed = true;
        exchange->young_since = frontend->now;
        hf_list_push_back(&frontend->young, &exchange->young);
    }
    if (hf_list_is_linked(&exchange->young) &&
        !hf_time_before(due, young_end(exchange))) {
        return;
    }
    hf_list_remove(&exchange->young);
    hf_heap_set(&frontend->timers, &exchange->timer, due);
}

void frontend_age(struct frontend *frontend)
{
    struct hf_list *node;

    for (int i = 0; i < FRONTEND_AGED_MAX; i++) {
        struct exchange *exchange;

        node = hf_list_first(&frontend->young);
        if (node == NULL) {
            return;
        }
        exchange = HF_CONTAINER(node, struct exchange, young);
        if (!hf_time_reached(young_end(exchange), frontend->now)) {
            return;
        }
        hf_list_remove(&exchange->young);
        hf_heap_set(&frontend->timers, &exchange->timer, exchange->due);
    }
}

static void say_drained(struct frontend *frontend)
{
    if (!frontend->is_draining || frontend->is_drained ||
        frontend->exchanges.count > 0) {
        return;
    }
    frontend->is_drained = true;
    (void)frontend_effect_add(frontend, FRONTEND_OUT_DRAINED);
}

void exchange_free(struct frontend *frontend, struct exchange *exchange)
{
    struct frontend_queue *queue = frontend_queue_at(frontend, exchange->queue);

    (void)exchange_effect(frontend, exchange, FRONTEND_OUT_FREE);
    hf_list_remove(&exchange->place);
    hf_list_remove(&exchange->sending);
    stop_timer(frontend, exchange);
    frontend->found = NULL;
    hf_check(hf_map_remove(&frontend->by_id, hf_slice_of(exchange->id.bytes,
                                                         sizeof exchange->id.bytes)) ==
             exchange);
    exchange_move(exchange, EXCHANGE_FREE);
    hf_pool_put(&frontend->exchanges, exchange);
    hf_check(queue->exchanges_count > 0);
    queue->exchanges_count--;
    frontend_queue_touch(frontend, queue);
    frontend_queue_release(frontend, queue);
    say_drained(frontend);
}

void exchange_cancel(struct frontend *frontend, struct exchange *exchange,
                     hf_reason reason)
{
    struct frontend_effect *effect;

    if (exchange->broker == 0) {
        return;
    }
    effect = exchange_effect(frontend, exchange, FRONTEND_OUT_CANCEL);
    effect->epoch = exchange->epoch;
    effect->reason = reason;
}

void exchange_end(struct frontend *frontend, struct exchange *exchange,
                  hf_reason reason, uint32_t retry_after_ms)
{
    bool has_head =
        exchange->state == EXCHANGE_RESPONDING || exchange->state == EXCHANGE_STALLED;
    struct frontend_effect *effect;

    effect = exchange_effect(frontend, exchange,
                             has_head ? FRONTEND_OUT_BREAK : FRONTEND_OUT_PROBLEM);
    effect->reason = reason;
    if (has_head) {
        effect->reason = HF_REASON_RESPONSE_BROKEN;
    } else if (hf_reason_status(reason) == 0) {
        effect->reason = HF_REASON_INTERNAL;
    }
    effect->retry_after_ms = has_head ? 0 : retry_after_ms;
    effect->is_last = has_head || !exchange->is_whole;
    exchange_free(frontend, exchange);
}

void frontend_on_drain(struct frontend *frontend)
{
    frontend->is_draining = true;
    say_drained(frontend);
}

static hf_slice key_of_exchange(const void *element)
{
    const struct exchange *exchange = element;

    return hf_slice_of(exchange->id.bytes, sizeof exchange->id.bytes);
}

static hf_slice key_of_queue(const void *element)
{
    const struct frontend_queue *queue = element;

    return hf_slice_of(queue->name, queue->name_bytes);
}

static hf_err init_tables(struct frontend *frontend)
{
    const struct frontend_config *config = &frontend->config;
    hf_err err = hf_pool_init(&frontend->exchanges, sizeof(struct exchange),
                              config->exchanges_max);

    if (err == HF_OK) {
        err = hf_pool_init(&frontend->queues, sizeof(struct frontend_queue),
                           config->queues_max);
    }
    if (err == HF_OK) {
        err = hf_map_init(&frontend->by_id, config->exchanges_max, config->seed,
                          key_of_exchange);
    }
    if (err == HF_OK) {
        err = hf_map_init(&frontend->by_name, config->queues_max, config->seed,
                          key_of_queue);
    }
    if (err == HF_OK) {
        err = hf_heap_init(&frontend->timers, config->exchanges_max);
    }
    if (err == HF_OK) {
        err = hf_heap_init(&frontend->retries, config->queues_max);
    }
    return err;
}

struct frontend *frontend_new(const struct frontend_config *config)
{
    struct frontend *frontend = calloc(1, sizeof *frontend);

    hf_check(config->exchanges_max > 0);
    hf_check(config->queues_max > 0);
    hf_check(config->queues_max <= FRONTEND_QUEUES_LIMIT);
    hf_check(config->brokers_max > 0);
    if (frontend == NULL) {
        return NULL;
    }
    frontend->config = *config;
    hf_list_init(&frontend->queues_all);
    hf_list_init(&frontend->young);
    hf_list_init(&frontend->work);
    hf_list_init(&frontend->sending);
    frontend->brokers = calloc(config->brokers_max + 1, sizeof *frontend->brokers);
    if (frontend->brokers == NULL || init_tables(frontend) != HF_OK) {
        frontend_free(frontend);
        return NULL;
    }
    for (uint32_t i = 0; i <= config->brokers_max; i++) {
        hf_list_init(&frontend->brokers[i].offered);
    }
    return frontend;
}

void frontend_free(struct frontend *frontend)
{
    if (frontend == NULL) {
        return;
    }
    hf_heap_fini(&frontend->retries);
    hf_heap_fini(&frontend->timers);
    hf_map_fini(&frontend->by_name);
    hf_map_fini(&frontend->by_id);
    hf_pool_fini(&frontend->queues);
    hf_pool_fini(&frontend->exchanges);
    free(frontend->brokers);
    free(frontend);
}

static void dispatch_client(struct frontend *frontend,
                            const struct frontend_input *input)
{
    if (input->type == FRONTEND_IN_REQUEST) {
        frontend_on_request(frontend, input);
    } else if (input->type == FRONTEND_IN_BODY) {
        frontend_on_body(frontend, input);
    } else if (input->type == FRONTEND_IN_CLIENT_GONE) {
        frontend_on_client_gone(frontend, input);
    } else {
        frontend_on_client_took(frontend, input);
    }
}

static void dispatch_session(struct frontend *frontend,
                             const struct frontend_input *input)
{
    if (input->type == FRONTEND_IN_BROKER_UP) {
        frontend_on_broker_up(frontend, input);
    } else if (input->type == FRONTEND_IN_BROKER_DOWN) {
        frontend_on_broker_down(frontend, input);
    } else if (input->type == FRONTEND_IN_OPENED) {
        frontend_on_opened(frontend, input);
    } else {
        frontend_on_closed(frontend, input);
    }
}

static void dispatch(struct frontend *frontend, const struct frontend_input *input)
{
    switch (input->type) {
    case FRONTEND_IN_REQUEST:
    case FRONTEND_IN_BODY:
    case FRONTEND_IN_CLIENT_GONE:
    case FRONTEND_IN_CLIENT_TOOK:
        dispatch_client(frontend, input);
        return;
    case FRONTEND_IN_BROKER_UP:
    case FRONTEND_IN_BROKER_DOWN:
    case FRONTEND_IN_OPENED:
    case FRONTEND_IN_CLOSED:
        dispatch_session(frontend, input);
        return;
    case FRONTEND_IN_ADMITTED:
        frontend_on_admitted(frontend, input);
        return;
    case FRONTEND_IN_ACCEPTED:
        frontend_on_accepted(frontend, input);
        return;
    case FRONTEND_IN_WINDOW:
        frontend_on_window(frontend, input);
        return;
    case FRONTEND_IN_ASSIGNED:
        frontend_on_assigned(frontend, input);
        return;
    case FRONTEND_IN_RESPONSE:
        frontend_on_response(frontend, input);
        return;
    case FRONTEND_IN_RESPONSE_BODY:
        frontend_on_response_body(frontend, input);
        return;
    case FRONTEND_IN_ABORT:
        frontend_on_abort(frontend, input);
        return;
    case FRONTEND_IN_REFUSED:
        frontend_on_refused(frontend, input);
        return;
    case FRONTEND_IN_ROUTES_BEGIN:
        frontend_on_routes_begin(frontend);
        return;
    case FRONTEND_IN_ROUTES_QUEUE:
        frontend_on_routes_queue(frontend, input);
        return;
    case FRONTEND_IN_ROUTES_END:
        frontend_on_routes_end(frontend);
        return;
    case FRONTEND_IN_DRAIN:
        frontend_on_drain(frontend);
        return;
    case FRONTEND_IN_TICK:
        frontend_on_tick(frontend);
        return;
    }
}

void frontend_step(struct frontend *frontend, const struct frontend_input *input,
                   struct frontend_effects *effects)
{
    hf_check(effects->count + 2 * FRONTEND_EFFECTS_RESERVE <= FRONTEND_EFFECTS_MAX);
    hf_check(input->broker <= frontend->config.brokers_max);

    frontend->effects = effects;
    frontend->now = input->now;
    dispatch(frontend, input);
    frontend_pump(frontend);
    frontend->effects = NULL;
}

hf_time frontend_next_deadline(const struct frontend *frontend)
{
    const struct hf_list *young = frontend->young.next;
    hf_time due = hf_time_min(hf_heap_next_due(&frontend->timers),
                              hf_heap_next_due(&frontend->retries));

    hf_check(frontend->effects == NULL);

    if (!hf_list_is_empty(&frontend->work) || !hf_list_is_empty(&frontend->sending)) {
        return HF_TIME_ZERO;
    }
    if (young == &frontend->young) {
        return due;
    }
    return hf_time_min(due, young_end(HF_CONTAINER(young, struct exchange, young)));
}

uint32_t frontend_slot_of(struct frontend *frontend, hf_id id)
{
    const struct exchange *exchange = exchange_of(frontend, id);

    hf_check(!hf_id_is_zero(id));

    return exchange == NULL ? 0 : exchange->slot;
}

uint32_t frontend_held_count(const struct frontend *frontend)
{
    hf_check(frontend->exchanges.count == frontend->by_id.count);

    return frontend->exchanges.count;
}
