/* A client of the wire protocol that enqueues asynchronous requests and believes only
 * ACCEPTED: what was not accepted is offered again under its id. */
#include "tests/sim/world.h"

static struct sim_wire *wire_at(struct sim *sim, uint32_t node)
{
    hf_check(node >= SIM_WIRE_0 && node < SIM_NODES);
    return &sim->wires[node - SIM_WIRE_0];
}

static void send(struct sim *sim, uint32_t node, uint32_t broker,
                 const struct sim_record *record)
{
    uint32_t conn = sim->nodes[node].conns[broker];

    if (conn != SIM_NO_CONN) {
        sim_net_send(sim, conn, SIM_DIALER, record);
    }
}

static void offer(struct sim *sim, uint32_t node, struct sim_promise *promise)
{
    const struct sim_fact *fact = sim_fact_of(sim, promise->id);
    uint32_t serial = sim_serial_of(promise->id);
    struct sim_record record = {
        .type = SIM_ENQUEUE,
        .id = promise->id,
        .handle = promise->queue + 1,
        .flags = BROKER_SUBMIT_ASYNC,
        .deadline = hf_time_of_ms(hf_time_ms(fact->deadline)),
        .head = {serial, 0, 120},
        .body = {serial, 0, promise->is_streamed ? 0 : promise->body_bytes},
    };

    if (promise->is_streamed) {
        record.flags |= BROKER_SUBMIT_STREAMED;
        record.amount = promise->body_bytes;
    }
    record.flags |= promise->is_offered ? BROKER_SUBMIT_REOFFER : 0u;
    promise->is_offered = true;
    promise->is_sent = true;
    promise->sent = 0;
    promise->granted = BROKER_BODY_WINDOW;
    send(sim, node, fact->broker, &record);
}

static void offer_all(struct sim *sim, uint32_t node)
{
    struct sim_wire *wire = wire_at(sim, node);

    for (uint32_t i = 0; i < SIM_WIRE_MAX; i++) {
        struct sim_promise *promise = &wire->promises[i];

        if (promise->is_used && !promise->is_sent && wire->is_open[promise->queue]) {
            offer(sim, node, promise);
        }
    }
}

void sim_wire_arrive(struct sim *sim, uint32_t node)
{
    struct sim_wire *wire = wire_at(sim, node);
    struct sim_random *random = &sim->random;

    for (uint32_t i = 0; i < SIM_WIRE_MAX; i++) {
        struct sim_promise *promise = &wire->promises[i];
        struct sim_fact *fact = NULL;

        if (promise->is_used) {
            continue;
        }
        *promise = (struct sim_promise){0};
        fact = sim_fact_new(sim, &promise->id);
        if (fact == NULL) {
            return;
        }
        promise->is_used = true;
        promise->is_streamed = sim_random_chance(random, sim->plan.big_percent);
        promise->queue = (uint32_t)sim_random_below(random, sim->plan.queues);
        promise->body_bytes = promise->is_streamed
                                  ? 1 + sim_random_below(random, 2000000)
                                  : sim_random_below(random, 30000);
        fact->is_async = true;
        fact->queue = promise->queue;
        fact->broker = sim->plan.queue_broker[promise->queue];
        fact->body_bytes = promise->body_bytes;
        offer_all(sim, node);
        return;
    }
}

void sim_wire_start(struct sim *sim, uint32_t node)
{
    struct sim_wire *wire = wire_at(sim, node);

    *wire = (struct sim_wire){0};
    for (uint32_t i = 0; i < SIM_QUEUES_MAX; i++) {
        wire->reopen[i] = HF_TIME_NEVER;
    }
}

static void open_queue(struct sim *sim, uint32_t node, uint32_t queue)
{
    const struct sim_record record = {.type = SIM_OPEN,
                                      .handle = queue + 1,
                                      .queue = queue,
                                      .rights = BROKER_RIGHT_ENQUEUE};

    wire_at(sim, node)->reopen[queue] = HF_TIME_NEVER;
    send(sim, node, sim->plan.queue_broker[queue], &record);
}

static void rearm(struct sim *sim, uint32_t node)
{
    sim->nodes[node].tick_at = HF_TIME_NEVER;
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        sim->nodes[node].tick_at =
            hf_time_min(sim->nodes[node].tick_at, wire_at(sim, node)->reopen[i]);
    }
}

void sim_wire_tick(struct sim *sim, uint32_t node)
{
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        if (hf_time_reached(wire_at(sim, node)->reopen[i], sim->now)) {
            open_queue(sim, node, i);
        }
    }
    rearm(sim, node);
}

void sim_wire_up(struct sim *sim, uint32_t node, uint32_t conn)
{
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        if (sim->plan.queue_broker[i] == sim->net.conns[conn].broker) {
            open_queue(sim, node, i);
        }
    }
    rearm(sim, node);
}

void sim_wire_down(struct sim *sim, uint32_t node, uint32_t conn)
{
    struct sim_wire *wire = wire_at(sim, node);
    uint32_t broker = sim->net.conns[conn].broker;

    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        if (sim->plan.queue_broker[i] == broker) {
            wire->is_open[i] = false;
            wire->reopen[i] = HF_TIME_NEVER;
        }
    }
    for (uint32_t i = 0; i < SIM_WIRE_MAX; i++) {
        struct sim_promise *promise = &wire->promises[i];

        if (promise->is_used && sim->plan.queue_broker[promise->queue] == broker) {
            promise->is_sent = false;
        }
    }
    rearm(sim, node);
}

static void send_body(struct sim *sim, uint32_t node, struct sim_promise *promise)
{
    while (promise->sent < promise->body_bytes && promise->sent < promise->granted) {
        uint64_t some = promise->body_bytes - promise->sent;

        some = some < promise->granted - promise->sent
                   ? some
                   : promise->granted - promise->sent;
        some = some < 262144 ? some : 262144;
        const struct sim_record record = {
            .type = SIM_BODY,
            .id = promise->id,
            .is_last = promise->sent + some == promise->body_bytes,
            .body = {sim_serial_of(promise->id), promise->sent, some},
        };

        send(sim, node, sim->plan.queue_broker[promise->queue], &record);
        promise->sent += some;
    }
}

static struct sim_promise *promise_of(struct sim *sim, uint32_t node, hf_id id)
{
    struct sim_wire *wire = wire_at(sim, node);

    for (uint32_t i = 0; i < SIM_WIRE_MAX; i++) {
        if (wire->promises[i].is_used && hf_id_equal(wire->promises[i].id, id)) {
            return &wire->promises[i];
        }
    }
    return NULL;
}

static void on_opened(struct sim *sim, uint32_t node, const struct sim_record *record)
{
    struct sim_wire *wire = wire_at(sim, node);
    uint32_t queue = record->handle - 1;
    bool is_open = record->type == SIM_OPENED && record->reason == HF_REASON_NONE;

    hf_check(queue < sim->plan.queues);
    wire->is_open[queue] = is_open;
    wire->reopen[queue] = is_open ? HF_TIME_NEVER : hf_time_add_ms(sim->now, 1000);
    offer_all(sim, node);
    rearm(sim, node);
}

static void on_promise(struct sim *sim, uint32_t node, const struct sim_record *record)
{
    struct sim_promise *promise = promise_of(sim, node, record->id);

    if (promise == NULL) {
        return;
    }
    if (record->type == SIM_ACCEPTED) {
        sim_fact_accepted(sim, record->id);
        sim_fact_abandoned(sim, sim_serial_of(record->id));
        promise->is_used = false;
    } else if (record->type == SIM_REFUSED) {
        sim_fact_refused_async(sim, sim_serial_of(record->id), record->reason);
        promise->is_used = false;
    } else if (record->type == SIM_ADMITTED) {
        promise->sent = 0;
        promise->granted = BROKER_BODY_WINDOW;
        send_body(sim, node, promise);
    } else if (record->type == SIM_WINDOW) {
        promise->granted += record->amount;
        send_body(sim, node, promise);
    } else {
        sim_violated(sim, "an asynchronous client gets what it has not asked for",
                     sim_serial_of(record->id));
    }
}

void sim_wire_receive(struct sim *sim, uint32_t node, uint32_t conn,
                      const struct sim_record *record)
{
    (void)conn;
    if (record->type == SIM_OPENED || record->type == SIM_CLOSED) {
        on_opened(sim, node, record);
    } else if (record->type != SIM_DRAIN) {
        on_promise(sim, node, record);
    }
}
