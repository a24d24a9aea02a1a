/* Handlers of the workers: they answer at once, later, in a stream; or release, fail,
 * break off, or never answer. */
#include "tests/sim/world.h"

static struct sim_lease *lease_at(struct sim *sim, uint32_t node, uint32_t slot)
{
    hf_check(slot >= 1 && slot <= SIM_LEASES_MAX);
    return &sim->workers[node - SIM_WORKER_0].leases[slot];
}

void sim_handler_poke(struct sim *sim, uint32_t node, uint32_t slot, int64_t delay_us)
{
    const struct sim_lease *lease = lease_at(sim, node, slot);

    sim_after(sim, delay_us,
              (struct sim_event){.kind = SIM_EV_HANDLER,
                                 .node = node,
                                 .instance = sim->nodes[node].instance,
                                 .a = slot,
                                 .b = lease->instance});
}

static enum sim_plan_kind draw_plan(struct sim *sim)
{
    static const enum sim_plan_kind odd[] = {SIM_RELEASES, SIM_FAILS, SIM_ABORTS,
                                             SIM_NEVER};

    if (!sim->is_healed && sim_random_chance(&sim->random, sim->plan.odd_percent)) {
        return odd[sim_random_below(&sim->random, 4)];
    }
    return sim_random_chance(&sim->random, sim->plan.stream_percent) ? SIM_ANSWER_STREAM
                                                                     : SIM_ANSWER;
}

static uint64_t draw_answer(struct sim *sim, enum sim_plan_kind plan)
{
    bool is_stream = plan == SIM_ANSWER_STREAM || plan == SIM_ABORTS;
    bool is_long = sim_random_chance(&sim->random, 30);

    if (!is_stream) {
        return sim_random_below(&sim->random, BROKER_INLINE_MAX);
    }
    return is_long ? sim_random_below(&sim->random, 4000000)
                   : sim_random_below(&sim->random, 300000);
}

void sim_handler_begin(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = lease_at(sim, node, slot);
    struct sim_fact *fact = sim_fact_of(sim, lease->id);
    bool is_slow = sim_random_chance(&sim->random, sim->plan.slow_percent);

    if (lease->tag != sim_serial_of(lease->id) ||
        (lease->is_whole && lease->body_received != fact->body_bytes)) {
        sim_violated(sim, "a handler gets another body than the client sent",
                     sim_serial_of(lease->id));
    }
    lease->is_started = true;
    lease->plan = draw_plan(sim);
    if (lease->plan != SIM_RELEASES) {
        lease->execution = sim_fact_started(sim, lease->id, lease->epoch);
        lease->head_bytes = 150;
        lease->answer_bytes = draw_answer(sim, lease->plan);
        sim->facts.executions[lease->execution].body_bytes = lease->answer_bytes;
    }
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                          .what = "handler starts",
                                          .serial = sim_serial_of(lease->id),
                                          .epoch = lease->epoch,
                                          .a = lease->plan,
                                          .b = lease->answer_bytes});
    sim_handler_poke(sim, node, slot,
                     is_slow ? sim_delay(sim, 1000, 800000) : sim_delay(sim, 1, 20000));
}

static void end(struct sim *sim, uint32_t node, uint32_t slot,
                enum worker_input_type type)
{
    struct worker_input input = {
        .type = type, .slot = slot, .reason = HF_REASON_UPSTREAM};
    struct sim_lease *lease = lease_at(sim, node, slot);

    lease->is_ended = true;
    if (lease->is_started && !lease->is_cancelled && type != WORKER_IN_RELEASE) {
        sim_fact_of(sim, lease->id)->failed++;
    }
    sim_worker_step(sim, node, &input, NULL);
}

static void answer_whole(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = lease_at(sim, node, slot);
    struct worker_input input = {.type = WORKER_IN_RESPOND, .slot = slot};

    lease->has_head = true;
    lease->is_ended = true;
    lease->produced = lease->answer_bytes;
    sim_fact_of(sim, lease->id)->finished++;
    input.u.respond.bytes = lease->head_bytes + (uint32_t)lease->answer_bytes;
    sim_worker_step(sim, node, &input, NULL);
}

static void begin_stream(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = lease_at(sim, node, slot);
    struct worker_input input = {.type = WORKER_IN_RESPOND, .slot = slot};

    lease->has_head = true;
    lease->is_streamed = true;
    sim_fact_of(sim, lease->id)->has_streamed_answer = true;
    input.u.respond.bytes = lease->head_bytes;
    input.u.respond.is_streamed = true;
    sim_worker_step(sim, node, &input, NULL);
}

/* As much as it may, and wants to; then again in a while. */
static void go_on(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = lease_at(sim, node, slot);
    uint64_t room = lease->allowed - lease->produced;
    uint64_t some = lease->answer_bytes - lease->produced;
    uint64_t most = 1 + sim_random_below(&sim->random, 400000);
    struct worker_input input = {.type = WORKER_IN_RESPOND_BODY, .slot = slot};

    some = some < room ? some : room;
    some = some < most ? some : most;
    bool is_last = lease->produced + some == lease->answer_bytes;

    if (some == 0 && !is_last) {
        return; /* WORKER_OUT_TAKE wakes it */
    }
    input.u.body.offset = lease->produced;
    input.u.body.bytes = (uint32_t)some;
    input.u.body.is_last = is_last;
    lease->produced += some;
    if (is_last) {
        lease->is_ended = true;
        sim_fact_of(sim, lease->id)->finished++;
    }
    uint32_t instance = lease->instance;

    sim_worker_step(sim, node, &input, NULL);
    if (!is_last && lease->is_used && lease->instance == instance) {
        sim_handler_poke(sim, node, slot, sim_delay(sim, 10, 30000));
    }
}

static void run_stream(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = lease_at(sim, node, slot);

    if (!lease->has_head) {
        begin_stream(sim, node, slot);
        if (lease->is_used) {
            sim_handler_poke(sim, node, slot, sim_delay(sim, 1, 20000));
        }
    } else if (lease->plan == SIM_ABORTS && sim_random_chance(&sim->random, 30)) {
        end(sim, node, slot, WORKER_IN_ABORT);
    } else {
        go_on(sim, node, slot);
    }
}

static void run(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = lease_at(sim, node, slot);

    switch (lease->plan) {
    case SIM_ANSWER:
        answer_whole(sim, node, slot);
        return;
    case SIM_ANSWER_STREAM:
    case SIM_ABORTS:
        run_stream(sim, node, slot);
        return;
    case SIM_RELEASES:
        end(sim, node, slot, WORKER_IN_RELEASE);
        return;
    case SIM_FAILS:
        end(sim, node, slot, WORKER_IN_FAIL);
        return;
    case SIM_NEVER:
        if (sim->is_healed) {
            end(sim, node, slot, WORKER_IN_FAIL);
        } else {
            sim_handler_poke(sim, node, slot, 1000000);
        }
        return;
    }
}

static void take(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = lease_at(sim, node, slot);
    struct worker_input input = {.type = WORKER_IN_TOOK, .slot = slot};

    input.u.amount.bytes = lease->untaken;
    lease->untaken = 0;
    sim_worker_step(sim, node, &input, NULL);
}

void sim_on_handler(struct sim *sim, const struct sim_event *event)
{
    struct sim_lease *lease = lease_at(sim, event->node, event->a);

    if (!sim->nodes[event->node].is_up ||
        sim->nodes[event->node].instance != event->instance || !lease->is_used ||
        lease->instance != event->b) {
        return;
    }
    if (lease->untaken > 0) {
        take(sim, event->node, event->a);
    }
    if (lease->is_cancelled) {
        end(sim, event->node, event->a, WORKER_IN_FAIL);
    } else if (lease->is_started && !lease->is_ended) {
        run(sim, event->node, event->a);
    }
}
