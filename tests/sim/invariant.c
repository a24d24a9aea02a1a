#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TRACE_SHOWN 80

void sim_note(struct sim *sim, struct sim_trace_line line)
{
    line.at = (hf_time){sim->now.us - SIM_START_US};
    sim_trace_add(&sim->trace, &line);
}

static const char *const plants[] = {"none", "ack-before-commit", "drop-before-ack",
                                     "adopt-without-receipt", "deliver-unclaimed"};

void sim_violated(struct sim *sim, const char *invariant, uint32_t serial)
{
    sim_trace_dump(&sim->trace, TRACE_SHOWN);
    fprintf(stderr,
            "seed %" PRIu64 ": VIOLATED after %" PRIu64 " events (plant: %s): %s",
            sim->seed, sim->events_count, plants[sim->plan.plant], invariant);
    if (serial != 0) {
        const struct sim_fact *fact = sim_fact_at(sim, serial);

        fprintf(stderr,
                "\n  r%" PRIu32 ": %s, queue %" PRIu32 ", %" PRIu64
                " B; offers %" PRIu32 ", starts %" PRIu32 ", finished %" PRIu32
                ", failed %" PRIu32 ", outcomes %" PRIu32 " (%s), deadline %.6f",
                serial,
                fact->is_async          ? "async"
                : fact->is_repeatable   ? "repeatable"
                : fact->is_unrepeatable ? "unrepeatable"
                                        : "POST, redeliver always",
                fact->queue, fact->body_bytes, fact->offers, fact->starts,
                fact->finished, fact->failed, fact->outcomes,
                hf_reason_word(fact->outcome),
                (double)(fact->deadline.us - SIM_START_US) / 1e6);
    }
    fprintf(stderr, "\n");
    exit(1);
}

static void check_counters(struct sim *sim, uint32_t node)
{
    const struct sim_broker *broker = &sim->brokers[node];
    uint64_t committed = 0;
    uint64_t elided = 0;
    uint64_t accepted = 0;

    if (broker->has_lost_queues) {
        return;
    }
    for (uint32_t i = 1; i <= broker_queues_count(broker->core); i++) {
        struct broker_queue_view view;

        if (broker_queue_at(broker->core, i, &view)) {
            committed += view.committed;
            elided += view.elided;
            accepted += view.accepted;
        }
    }
    if (committed != broker->disk.puts_new &&
        !(broker->disk.writing.is_under_way || committed > broker->disk.puts_new)) {
        /* A long batch is settled over several steps: then the core is behind. */
        if (!hf_time_reached(broker_next_deadline(broker->core), sim->now)) {
            sim_violated(sim, "the counter `committed` is not what the disk saw", 0);
        }
    }
    /* Adopted leases may have their whole answer before their request: nothing to put.
     */
    if (elided > broker->freed_unput + broker->adopted ||
        (elided + broker->adopted < broker->freed_unput &&
         sim->plan.weights[SIM_FAULT_POLICY] == 0)) {
        sim_violated(sim, "the counter `elided` is not what the disk did not see", 0);
    }
    if (committed + elided > accepted) {
        sim_violated(sim, "more is committed and elided than was accepted", 0);
    }
    if (committed > broker->disk.puts_new) {
        sim_violated(sim, "the counter `committed` is ahead of the disk", 0);
    }
}

void sim_check(struct sim *sim, bool is_deep)
{
    for (uint32_t i = 0; is_deep && i < SIM_NODES; i++) {
        if (!sim->nodes[i].is_up) {
            continue;
        }
        if (i < SIM_FRONTEND_0) {
            broker_check(sim->brokers[i].core);
            check_counters(sim, i);
        } else if (i < SIM_WORKER_0) {
            frontend_check(sim->frontends[i - SIM_FRONTEND_0].core);
        } else if (i < SIM_WIRE_0) {
            worker_check(sim->workers[i - SIM_WORKER_0].core);
        }
    }
}

static const char *unfinished_broker(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = &sim->brokers[node];

    if (!sim->nodes[node].is_up) {
        return "a broker is down";
    }
    for (uint32_t i = 1; i <= sim->facts.count; i++) {
        if (broker_slot_of(broker->core, sim->facts.ids[i]) != 0) {
            sim->unfinished = i;
        }
    }
    for (uint32_t i = 1; i <= broker_queues_count(broker->core); i++) {
        struct broker_queue_view view;

        if (broker_queue_at(broker->core, i, &view) &&
            view.depth + view.in_flight + view.depth_bytes > 0) {
            sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                                  .what = "depth, in flight",
                                                  .a = view.depth,
                                                  .b = view.in_flight});
            return "a broker holds requests";
        }
    }
    if (broker->slots_used > 0) {
        return "a broker's slots are not free";
    }
    if (broker->disk.count > 0) {
        sim->unfinished = sim_serial_of(broker->disk.stored[0].id);
        return "records are left on disk";
    }
    return NULL;
}

static const char *unfinished_node(struct sim *sim, uint32_t node)
{
    if (!sim->nodes[node].is_used) {
        return NULL;
    }
    if (node < SIM_FRONTEND_0) {
        return unfinished_broker(sim, node);
    }
    if (!sim->nodes[node].is_up) {
        return "a process is down";
    }
    if (node < SIM_WORKER_0 &&
        frontend_held_count(sim->frontends[node - SIM_FRONTEND_0].core) > 0) {
        return "a frontend holds exchanges";
    }
    if (node >= SIM_WORKER_0 && node < SIM_WIRE_0 &&
        worker_leases_count(sim->workers[node - SIM_WORKER_0].core) > 0) {
        return "a worker holds leases";
    }
    return NULL;
}

const char *sim_unfinished(struct sim *sim)
{
    sim->unfinished = 0;
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        if (sim->clients[i].is_used) {
            sim->unfinished = sim->clients[i].serial;
            return "a client still waits";
        }
    }
    for (uint32_t i = 0; i < SIM_WIRES_MAX; i++) {
        for (uint32_t j = 0; j < SIM_WIRE_MAX; j++) {
            if (sim->wires[i].promises[j].is_used) {
                sim->unfinished = sim_serial_of(sim->wires[i].promises[j].id);
                return "an asynchronous client still waits";
            }
        }
    }
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        const char *what = unfinished_node(sim, i);

        if (what != NULL) {
            return what;
        }
    }
    return NULL;
}

void sim_check_end(struct sim *sim)
{
    for (uint32_t serial = 1; serial <= sim->facts.count; serial++) {
        const struct sim_fact *fact = sim_fact_at(sim, serial);

        if (!fact->is_over) {
            sim_violated(sim, "a client was never told what became of its request",
                         serial);
        }
        if (fact->is_accepted && fact->outcomes == 0 && fact->finished == 0) {
            sim_violated(sim, "an accepted request has no outcome", serial);
        }
        if (fact->is_answered && fact->finished == 0) {
            sim_violated(sim, "an answer without an execution", serial);
        }
    }
}
