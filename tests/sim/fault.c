/* Faults, and how they end. */
#include "tests/sim/world.h"

#include <string.h>

static void after_start(struct sim *sim, uint32_t node, int64_t delay_us)
{
    sim_after(sim, delay_us,
              (struct sim_event){.kind = SIM_EV_START,
                                 .node = node,
                                 .instance = sim->nodes[node].instance});
}

static int64_t outage(struct sim *sim)
{
    return sim_delay(sim, 5000, sim->plan.outage_us);
}

/* The controller may report the death to the brokers; never of a key that comes back.
 */
static void report_dead(struct sim *sim, uint32_t node)
{
    uint64_t word = 0;

    if (sim->plan.has_same_keys || !sim_random_chance(&sim->random, 50)) {
        return;
    }
    memcpy(&word, sim->nodes[node].key.bytes, sizeof word);
    for (uint32_t i = 0; i < sim->plan.brokers; i++) {
        sim_after(
            sim, sim_delay(sim, 500, 200000),
            (struct sim_event){.kind = SIM_EV_DEAD, .node = i, .a = node, .b = word});
    }
}

static void kill_node(struct sim *sim, uint32_t node)
{
    if (!sim->nodes[node].is_up) {
        return;
    }
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                          .what = "process killed"});
    sim->facts.losses++;
    sim->totals.kills++;
    sim->nodes[node].is_up = false;
    sim->nodes[node].tick_at = HF_TIME_NEVER;
    sim->nodes[node].commit_at = HF_TIME_NEVER;
    if (node < SIM_FRONTEND_0) {
        sim_broker_crash(sim, node);
    } else if (node < SIM_WORKER_0) {
        sim_frontend_crash(sim, node);
    } else {
        sim_worker_crash(sim, node);
        report_dead(sim, node);
    }
    sim_net_abandon_all(sim, node);
    after_start(sim, node, outage(sim));
}

/* Its token is over: the core is told first, then the link closes (session.c, cut). */
static void revoke(struct sim *sim)
{
    uint32_t index = sim_net_any(sim);
    struct sim_conn *conn = index == SIM_NO_CONN ? NULL : &sim->net.conns[index];

    if (conn == NULL || !conn->is_told[SIM_LISTENER]) {
        return;
    }
    struct broker_input input = {.type = BROKER_IN_SESSION_DOWN,
                                 .session = conn->session};

    input.u.cause.reason = HF_REASON_REVOKED;
    sim->facts.losses++;
    sim->totals.cuts++;
    sim->brokers[conn->broker].sessions[conn->session].is_up = false;
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[conn->broker].name,
                                          .what = "session cut",
                                          .a = conn->session});
    sim_broker_step(sim, conn->broker, &input, NULL);
    sim_net_cut(sim, index, false);
}

static void set_ready(struct sim *sim, uint32_t node, bool is_ready)
{
    struct worker_input input = {.type = WORKER_IN_READY,
                                 .u.amount.bytes = is_ready ? 1 : 0};

    if (sim->nodes[node].is_up) {
        sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                              .what = "app is ready",
                                              .a = is_ready});
        sim_worker_step(sim, node, &input, NULL);
    }
}

void sim_on_ready(struct sim *sim, const struct sim_event *event)
{
    if (sim->nodes[event->node].instance == event->instance) {
        set_ready(sim, event->node, true);
    }
}

static void unready(struct sim *sim, uint32_t node)
{
    set_ready(sim, node, false);
    sim_after(sim, outage(sim),
              (struct sim_event){.kind = SIM_EV_READY,
                                 .node = node,
                                 .instance = sim->nodes[node].instance});
}

static uint32_t any_of(struct sim *sim, uint32_t first, uint32_t count)
{
    return first + (uint32_t)sim_random_below(&sim->random, count);
}

static uint32_t any_dialer(struct sim *sim)
{
    uint32_t node = any_of(sim, SIM_FRONTEND_0, SIM_NODES - SIM_FRONTEND_0);

    return sim->nodes[node].is_used ? node : SIM_FRONTEND_0;
}

static void cut(struct sim *sim, bool is_lossy)
{
    uint32_t conn = sim_net_any(sim);

    if (conn != SIM_NO_CONN) {
        sim_note(sim, (struct sim_trace_line){
                          .who = sim->nodes[sim->net.conns[conn].dialer].name,
                          .what = "link cut",
                          .a = sim->net.conns[conn].session,
                          .b = is_lossy});
        sim->facts.losses++;
        sim->totals.cuts++;
        sim_net_cut(sim, conn, is_lossy);
    }
}

static void partition(struct sim *sim)
{
    uint32_t node = any_dialer(sim);
    uint32_t broker = any_of(sim, 0, sim->plan.brokers);

    sim->facts.losses++;
    sim->totals.cuts++;
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                          .what = "partitioned"});
    sim_net_partition(sim, node, broker, sim->now.us + outage(sim));
}

static void fill_disk(struct sim *sim)
{
    uint32_t node = any_of(sim, 0, sim->plan.brokers);

    sim_after(sim, 0, (struct sim_event){.kind = SIM_EV_SPACE, .node = node, .a = 1});
    sim_after(sim, sim_delay(sim, 1000, 1000000),
              (struct sim_event){.kind = SIM_EV_SPACE, .node = node, .a = 0});
}

static void change_policy(struct sim *sim)
{
    struct sim_policy *policy = &sim->plan.policy;
    uint32_t queue = (uint32_t)sim_random_below(&sim->random, sim->plan.queues);
    struct broker_queue_policy *q = &policy->queues[queue];

    policy->version++;
    policy->is_named[queue] = !sim_random_chance(&sim->random, 15);
    q->state = sim_random_chance(&sim->random, 40)
                   ? BROKER_QUEUE_ENABLED
                   : (enum broker_queue_state)sim_random_below(&sim->random, 4);
    q->length_max = sim_random_chance(&sim->random, 30) ? 10 : 1000;
    q->attempts_max = (uint32_t)sim_random_between(&sim->random, 2, 5);
    if (sim_random_chance(&sim->random, 20)) {
        q->durability = (enum broker_durability)sim_random_below(&sim->random, 3);
    }
    sim_broker_push_policy(sim, sim->plan.queue_broker[queue]);
}

static void drain_broker(struct sim *sim)
{
    const struct sim_record drain = {.type = SIM_DRAIN};
    uint32_t node = any_of(sim, 0, sim->plan.brokers);

    if (!sim->nodes[node].is_up) {
        return;
    }
    sim->facts.losses++;
    for (uint32_t i = 1; i < SIM_CONTROLLER; i++) {
        if (sim->brokers[node].sessions[i].is_up) {
            sim_broker_send(sim, node, i, &drain);
        }
    }
    sim_after(sim, sim_delay(sim, 100000, 2000000),
              (struct sim_event){.kind = SIM_EV_START,
                                 .node = node,
                                 .instance = sim->nodes[node].instance,
                                 .a = 1});
}

static void carry_out(struct sim *sim, enum sim_fault fault)
{
    uint32_t worker = any_of(sim, SIM_WORKER_0, sim->plan.workers);
    uint32_t broker = any_of(sim, 0, sim->plan.brokers);
    uint32_t frontend = any_of(sim, SIM_FRONTEND_0, sim->plan.frontends);

    switch (fault) {
    case SIM_FAULT_CUT:
        cut(sim, false);
        return;
    case SIM_FAULT_CUT_LOSSY:
        cut(sim, true);
        return;
    case SIM_FAULT_PARTITION:
        partition(sim);
        return;
    case SIM_FAULT_WORKER:
        kill_node(sim, worker);
        return;
    case SIM_FAULT_BROKER:
        kill_node(sim, broker);
        return;
    case SIM_FAULT_FRONTEND:
        kill_node(sim, frontend);
        return;
    case SIM_FAULT_BOTH:
        kill_node(sim, broker);
        kill_node(sim, worker);
        return;
    case SIM_FAULT_DRAIN_WORKER:
        if (sim->nodes[worker].is_up) {
            sim_worker_drain(sim, worker);
        }
        return;
    case SIM_FAULT_DRAIN_BROKER:
        drain_broker(sim);
        return;
    case SIM_FAULT_DRAIN_FRONTEND:
        if (sim->nodes[frontend].is_up) {
            sim_frontend_drain(sim, frontend);
        }
        return;
    case SIM_FAULT_DISK_FULL:
        fill_disk(sim);
        return;
    case SIM_FAULT_POLICY:
        change_policy(sim);
        return;
    case SIM_FAULT_REVOKE:
        revoke(sim);
        return;
    case SIM_FAULT_UNREADY:
        unready(sim, worker);
        return;
    case SIM_FAULTS:
        return;
    }
}

static enum sim_fault draw(struct sim *sim)
{
    uint32_t sum = 0;

    for (int i = 0; i < SIM_FAULTS; i++) {
        sum += sim->plan.weights[i];
    }
    uint32_t at = (uint32_t)sim_random_below(&sim->random, sum);

    for (int i = 0; i < SIM_FAULTS; i++) {
        if (at < sim->plan.weights[i]) {
            return (enum sim_fault)i;
        }
        at -= sim->plan.weights[i];
    }
    return SIM_FAULTS;
}

void sim_on_fault(struct sim *sim, const struct sim_event *event)
{
    if (sim->is_healed || !sim->plan.has_faults) {
        return;
    }
    carry_out(sim, draw(sim));
    sim_after(sim, sim_delay(sim, 1, 2 * sim->plan.fault_us), *event);
}

static void heal_policy(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        sim->plan.policy.is_named[i] = true;
        sim->plan.policy.queues[i].state = BROKER_QUEUE_ENABLED;
    }
    sim->plan.policy.version++;
    for (uint32_t i = 0; i < sim->plan.brokers; i++) {
        sim_broker_push_policy(sim, i);
    }
}

void sim_on_heal(struct sim *sim, const struct sim_event *event)
{
    (void)event;
    sim->is_healed = true;
    sim_note(sim, (struct sim_trace_line){.who = "-", .what = "all faults end"});
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        sim->net.partitioned_until[i][0] = 0;
        sim->net.partitioned_until[i][1] = 0;
    }
    heal_policy(sim);
}

void sim_on_policy(struct sim *sim, const struct sim_event *event)
{
    if (sim->nodes[event->node].instance == event->instance) {
        sim_broker_push_policy(sim, event->node);
    }
}
