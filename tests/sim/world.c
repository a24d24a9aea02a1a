#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_EVERY  64u
#define PROBE_US     500000
#define SETTLE_US    INT64_C(240000000)
#define EVENTS_LIMIT 3000000u

static const char *const names[SIM_NODES] = {"b1", "b2", "f1", "f2", "f3", "w1",
                                             "w2", "w3", "w4", "a1", "a2"};

/* ---- the queue of events: by time, then by order of their making */
static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event t = *a;

    *a = *b;
    *b = t;
}

int64_t sim_delay(struct sim *sim, int64_t low, int64_t high)
{
    return sim_random_between(&sim->random, low, high > low ? high : low);
}

void sim_after(struct sim *sim, int64_t delay_us, struct sim_event event)
{
    uint32_t i = sim->heap_count;

    hf_check(sim->heap_count < SIM_EVENTS_MAX);
    event.at = sim->now.us + delay_us;
    event.order = sim->order_next++;
    sim->heap[sim->heap_count++] = event;
    while (i > 0 && is_before(&sim->heap[i], &sim->heap[(i - 1) / 2])) {
        swap(&sim->heap[i], &sim->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static struct sim_event pop(struct sim *sim)
{
    struct sim_event first = sim->heap[0];
    uint32_t i = 0;

    sim->heap[0] = sim->heap[--sim->heap_count];
    for (;;) {
        uint32_t least = i;

        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
            if (child < sim->heap_count &&
                is_before(&sim->heap[child], &sim->heap[least])) {
                least = child;
            }
        }
        if (least == i) {
            return first;
        }
        swap(&sim->heap[i], &sim->heap[least]);
        i = least;
    }
}

/* ---- processes */
static void new_key(struct sim *sim, uint32_t node)
{
    struct sim_node *n = &sim->nodes[node];
    uint64_t word = node + 1;

    if (!sim->plan.has_same_keys) {
        word |= (uint64_t)n->instance << 8;
    }
    memset(&n->key, 0, sizeof n->key);
    memcpy(n->key.bytes, &word, sizeof word);
}

static void start(struct sim *sim, uint32_t node)
{
    struct sim_node *n = &sim->nodes[node];

    n->is_up = true;
    n->instance++;
    n->tick_at = HF_TIME_NEVER;
    n->commit_at = HF_TIME_NEVER;
    new_key(sim, node);
    if (node < SIM_FRONTEND_0) {
        sim_broker_start(sim, node);
        return;
    }
    if (node < SIM_WORKER_0) {
        sim_frontend_start(sim, node);
    } else if (node < SIM_WIRE_0) {
        sim_worker_start(sim, node);
    } else {
        sim_wire_start(sim, node);
    }
    for (uint32_t i = 0; i < SIM_BROKERS_MAX; i++) {
        n->conns[i] = SIM_NO_CONN;
        if (i < sim->plan.brokers) {
            sim_net_dial(sim, node, i);
        }
    }
}

static void stop(struct sim *sim, uint32_t node)
{
    sim->facts.losses++;
    sim->nodes[node].is_up = false;
    if (node < SIM_FRONTEND_0) {
        sim_broker_crash(sim, node);
    } else if (node < SIM_WORKER_0) {
        sim_frontend_crash(sim, node);
    } else {
        sim_worker_crash(sim, node);
    }
    sim_net_abandon_all(sim, node);
}

/* a = 1: a drained process ends first. */
static void on_start(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *n = &sim->nodes[event->node];

    if (n->instance != event->instance) {
        return;
    }
    if (n->is_up && event->a == 1) {
        stop(sim, event->node);
    }
    if (!n->is_up) {
        start(sim, event->node);
    }
}

static void on_arrive(struct sim *sim, const struct sim_event *event)
{
    if (sim->is_healed) {
        return;
    }
    if (sim->nodes[event->node].is_up && event->node < SIM_WORKER_0) {
        sim_frontend_arrive(sim, event->node);
    } else if (sim->nodes[event->node].is_up) {
        sim_wire_arrive(sim, event->node);
    }
    sim_after(sim, sim_delay(sim, 1, 2 * sim->plan.arrive_us), *event);
}

static void on_probe(struct sim *sim, const struct sim_event *event)
{
    const char *what = sim->is_healed ? sim_unfinished(sim) : "";

    sim->is_quiet = what == NULL;
    if (what != NULL && sim->now.us - SIM_START_US > sim->plan.traffic_us + SETTLE_US) {
        sim_violated(sim, what, sim->unfinished);
    }
    sim_after(sim, PROBE_US, *event);
}

static void tick(struct sim *sim, uint32_t node)
{
    struct broker_input to_broker = {.type = BROKER_IN_TICK};
    struct frontend_input to_frontend = {.type = FRONTEND_IN_TICK};
    struct worker_input to_worker = {.type = WORKER_IN_TICK};

    if (node < SIM_FRONTEND_0) {
        sim_broker_step(sim, node, &to_broker, NULL);
    } else if (node < SIM_WORKER_0) {
        sim_frontend_step(sim, node, &to_frontend, NULL);
    } else if (node < SIM_WIRE_0) {
        sim_worker_step(sim, node, &to_worker, NULL);
    } else {
        sim_wire_tick(sim, node);
    }
}

/* ---- the scheduler */
typedef void (*event_fn)(struct sim *sim, const struct sim_event *event);

static const event_fn event_handlers[SIM_EVENT_KINDS] = {
    [SIM_EV_CONNECT] = sim_on_connect,     [SIM_EV_DELIVER] = sim_on_deliver,
    [SIM_EV_DOWN] = sim_on_down,           [SIM_EV_DIAL] = sim_on_dial,
    [SIM_EV_BEAT] = sim_on_beat,           [SIM_EV_START] = on_start,
    [SIM_EV_COMMITTED] = sim_on_committed, [SIM_EV_LOAD] = sim_on_load,
    [SIM_EV_ARRIVE] = on_arrive,           [SIM_EV_CLIENT] = sim_on_client,
    [SIM_EV_HANDLER] = sim_on_handler,     [SIM_EV_DEAD] = sim_on_dead,
    [SIM_EV_POLICY] = sim_on_policy,       [SIM_EV_SPACE] = sim_on_space,
    [SIM_EV_FAULT] = sim_on_fault,         [SIM_EV_HEAL] = sim_on_heal,
    [SIM_EV_READY] = sim_on_ready,         [SIM_EV_PROBE] = on_probe,
};

/* The node whose core or store wants to be woken first, before `limit`. */
static uint32_t earliest_wake(const struct sim *sim, hf_time limit, bool *is_commit)
{
    uint32_t found = SIM_NODES;

    for (uint32_t i = 0; i < SIM_NODES; i++) {
        const struct sim_node *node = &sim->nodes[i];

        if (!node->is_up) {
            continue;
        }
        if (hf_time_before(node->tick_at, limit)) {
            limit = node->tick_at;
            found = i;
            *is_commit = false;
        }
        if (hf_time_before(node->commit_at, limit)) {
            limit = node->commit_at;
            found = i;
            *is_commit = true;
        }
    }
    return found;
}

static void wake(struct sim *sim, uint32_t node, bool is_commit)
{
    struct sim_node *n = &sim->nodes[node];

    if (is_commit) {
        sim->now = n->commit_at;
        n->commit_at = HF_TIME_NEVER;
        sim_broker_commit(sim, node);
    } else {
        sim->now = n->tick_at;
        n->tick_at = HF_TIME_NEVER;
        tick(sim, node);
    }
}

static void step(struct sim *sim)
{
    bool is_commit = false;
    uint32_t node = earliest_wake(sim, (hf_time){sim->heap[0].at}, &is_commit);

    hf_check(sim->heap_count > 0);
    sim->events_count++;
    if (node < SIM_NODES) {
        wake(sim, node, is_commit);
    } else {
        struct sim_event event = pop(sim);

        sim->now.us = event.at;
        event_handlers[event.kind](sim, &event);
    }
    sim_check(sim, sim->events_count % CHECK_EVERY == 0);
    if (sim->events_count > EVENTS_LIMIT) {
        sim_violated(sim, "the cluster spins", 0);
    }
}

static void reset(struct sim *sim, uint64_t seed, enum broker_plant plant)
{
    sim->seed = seed;
    sim_random_init(&sim->random, seed);
    sim_plan_draw(&sim->plan, &sim->random);
    sim->plan.plant = plant;
    sim->now = (hf_time){SIM_START_US};
    sim->events_count = 1;
    sim->order_next = 0;
    sim->heap_count = 0;
    sim->is_healed = false;
    sim->is_quiet = false;
    sim->trace.count = 0;
    sim->totals = (struct sim_totals){0};
    sim->facts.count = 0;
    sim->facts.executions_count = 0;
    sim->facts.losses = 0;
    sim_net_reset(sim);
    memset(sim->nodes, 0, sizeof sim->nodes);
    memset(sim->clients, 0, sizeof sim->clients);
    memset(sim->wires, 0, sizeof sim->wires);
}

static void use(struct sim *sim, uint32_t first, uint32_t count, bool has_arrivals)
{
    for (uint32_t i = first; i < first + count; i++) {
        sim->nodes[i].is_used = true;
        start(sim, i);
        if (has_arrivals) {
            sim_after(sim, sim_delay(sim, 0, 200000),
                      (struct sim_event){.kind = SIM_EV_ARRIVE, .node = i});
        }
    }
}

static void shut_down(struct sim *sim)
{
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        if (sim->nodes[i].is_up && i < SIM_FRONTEND_0) {
            sim->totals.committed += sim->brokers[i].disk.puts_new;
            broker_free(sim->brokers[i].core);
        } else if (sim->nodes[i].is_up && i < SIM_WORKER_0) {
            frontend_free(sim->frontends[i - SIM_FRONTEND_0].core);
        } else if (sim->nodes[i].is_up && i < SIM_WIRE_0) {
            worker_free(sim->workers[i - SIM_WORKER_0].core);
        }
        sim->nodes[i].is_up = false;
    }
}

void sim_run(struct sim *sim, uint64_t seed, enum broker_plant plant)
{
    reset(sim, seed, plant);
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        sim->nodes[i].name = names[i];
    }
    for (uint32_t i = 0; i < SIM_BROKERS_MAX; i++) {
        sim_disk_init(&sim->brokers[i].disk, sim_random_next(&sim->random));
    }
    use(sim, 0, sim->plan.brokers, false);
    use(sim, SIM_FRONTEND_0, sim->plan.frontends, true);
    use(sim, SIM_WORKER_0, sim->plan.workers, false);
    use(sim, SIM_WIRE_0, sim->plan.wires, true);
    sim_after(sim, sim_delay(sim, 100000, 600000),
              (struct sim_event){.kind = SIM_EV_FAULT});
    sim_after(sim, sim->plan.traffic_us, (struct sim_event){.kind = SIM_EV_HEAL});
    sim_after(sim, PROBE_US, (struct sim_event){.kind = SIM_EV_PROBE});
    while (!sim->is_quiet) {
        step(sim);
    }
    sim_check(sim, true);
    sim_check_end(sim);
    shut_down(sim);
}
