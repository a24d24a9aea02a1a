#include "tests/sim/plan.h"

static const char *const queue_names[SIM_QUEUES_MAX] = {"q0", "q1", "q2", "q3"};

static void draw_queue(struct sim_plan *plan, struct sim_random *random, uint32_t index)
{
    struct broker_queue_policy *policy = &plan->policy.queues[index];
    static const enum broker_durability durabilities[] = {BROKER_LAZY, BROKER_LAZY,
                                                          BROKER_STRICT, BROKER_MEMORY};

    plan->policy.is_named[index] = true;
    plan->queue_broker[index] = (uint32_t)sim_random_below(random, plan->brokers);
    *policy = (struct broker_queue_policy){
        .name = hf_slice_of_cstr(queue_names[index]),
        .durability = durabilities[sim_random_below(random, 4)],
        .redeliver = sim_random_chance(random, 25) ? BROKER_REDELIVER_ALWAYS
                                                   : BROKER_REDELIVER_SAFE,
        .state = BROKER_QUEUE_ENABLED,
        .length_max = sim_random_chance(random, 20) ? 10 : 1000,
        .bytes_max = sim_random_chance(random, 10) ? 4u << 20 : 256u << 20,
        .wait_limit_ms = sim_random_chance(random, 20)
                             ? sim_random_between(random, 200, 3000)
                             : 120000,
        .lazy_commit_ms = sim_random_between(random, 0, 30),
        .attempts_max = (uint32_t)sim_random_between(random, 2, 5),
        .rules = {.max_crashes = (uint32_t)sim_random_below(random, 4),
                  .order =
                      sim_random_below(random, 4) == 0 ? BROKER_ADAPTIVE : BROKER_FIFO,
                  .max_in_flight = sim_random_chance(random, 15)
                                       ? (uint32_t)sim_random_between(random, 1, 20)
                                       : 0,
                  .rate_milli =
                      sim_random_chance(random, 15)
                          ? (uint64_t)sim_random_between(random, 20000, 500000)
                          : 0},
    };
}

static void draw_faults(struct sim_plan *plan, struct sim_random *random)
{
    plan->has_faults = !sim_random_chance(random, 8);
    for (int i = 0; i < SIM_FAULTS; i++) {
        plan->weights[i] = sim_random_chance(random, 50)
                               ? 1 + (uint32_t)sim_random_below(random, 10)
                               : 0;
    }
    /* Some seeds have one kind of fault alone: then less may be refused (fact.c). */
    if (sim_random_chance(random, 15)) {
        uint32_t only = (uint32_t)sim_random_below(random, SIM_FAULTS);

        plan->only =
            sim_random_chance(random, 40) ? SIM_FAULT_BROKER : (enum sim_fault)only;
        for (int i = 0; i < SIM_FAULTS; i++) {
            plan->weights[i] = (enum sim_fault)i == plan->only ? 1 : 0;
        }
    }
    plan->fault_us = sim_random_between(random, 30000, 800000);
    plan->outage_us = sim_random_chance(random, 70) ? 300000 : 8000000;
}

static void draw_times(struct sim_plan *plan, struct sim_random *random)
{
    bool is_short = sim_random_chance(random, 60);

    plan->link_us = sim_random_chance(random, 70) ? 2000 : 80000;
    plan->commit_us = sim_random_chance(random, 70) ? 8000 : 60000;
    plan->traffic_us = sim_random_between(random, 1000000, 8000000);
    plan->arrive_us = sim_random_between(random, 8000, 100000);
    plan->lease_ms = is_short ? 4000 : 30000;
    plan->lease_grace_ms = is_short ? sim_random_between(random, 300, 5000) : 5000;
    plan->broker_grace_ms = is_short ? sim_random_between(random, 1000, 10000) : 30000;
    plan->frontend_grace_ms =
        is_short ? sim_random_between(random, 2500, 12000) : 30000;
    plan->drop_delay_ms = sim_random_between(random, 0, 50);
    plan->hold_ms = is_short ? sim_random_between(random, 1000, 20000) : 60000;
    plan->drain_ms = sim_random_between(random, 500, 20000);
}

void sim_plan_draw(struct sim_plan *plan, struct sim_random *random)
{
    *plan = (struct sim_plan){
        .brokers = (uint32_t)sim_random_between(random, 1, 2),
        .frontends = (uint32_t)sim_random_between(random, 1, 3),
        .workers = (uint32_t)sim_random_between(random, 1, 4),
        .wires = (uint32_t)sim_random_between(random, 0, 2),
        .queues = (uint32_t)sim_random_between(random, 1, 3),
        .only = SIM_FAULTS,
    };
    for (uint32_t i = 0; i < plan->queues; i++) {
        draw_queue(plan, random, i);
    }
    plan->policy.version = 1;
    draw_faults(plan, random);
    draw_times(plan, random);
    plan->big_percent = sim_random_chance(random, 50) ? 10 : 0;
    plan->stream_percent = sim_random_chance(random, 60) ? 20 : 2;
    plan->odd_percent = sim_random_chance(random, 50) ? 15 : 0;
    plan->slow_percent = (uint32_t)sim_random_between(random, 0, 25);
    plan->leave_percent = sim_random_chance(random, 50) ? 10 : 0;
    plan->thief_percent = sim_random_chance(random, 50) ? 60 : 0;
    plan->uncached_percent = sim_random_chance(random, 50) ? 50 : 0;
    plan->has_same_keys = sim_random_chance(random, 20);
    plan->concurrency = (uint32_t)sim_random_between(random, 1, 6);
    /* Less than this starves a queue: credit given to idle ones is not taken back. */
    plan->leases_max =
        plan->concurrency * plan->queues + (uint32_t)sim_random_between(random, 0, 16);
    plan->in_flight_max = sim_random_chance(random, 15)
                              ? (uint32_t)sim_random_between(random, 2, 8)
                              : 256;
    plan->exchanges_max = sim_random_chance(random, 15) ? 8 : 64;
}
