/* What the worker's uplinks, fetch and report do, without a machine. */
#include "tests/sim/world.h"

#include <string.h>

static struct sim_worker *worker_at(struct sim *sim, uint32_t node)
{
    hf_check(node >= SIM_WORKER_0 && node < SIM_WIRE_0);
    return &sim->workers[node - SIM_WORKER_0];
}

static void rearm(struct sim *sim, uint32_t node)
{
    hf_time due = worker_next_deadline(worker_at(sim, node)->core);

    if (due.us != HF_TIME_NEVER.us) {
        due.us = (due.us > sim->now.us ? due.us : sim->now.us) + sim_delay(sim, 1, 300);
    }
    sim->nodes[node].tick_at = due;
}

static void send(struct sim *sim, uint32_t node, uint32_t broker,
                 const struct sim_record *record)
{
    uint32_t conn = sim->nodes[node].conns[broker - 1];

    if (conn != SIM_NO_CONN) {
        sim_net_send(sim, conn, SIM_DIALER, record);
    }
}

static void start(struct sim *sim, uint32_t node, const struct worker_effect *effect,
                  const struct sim_record *record)
{
    struct sim_lease *lease = &worker_at(sim, node)->leases[effect->slot];
    uint32_t instance = lease->instance + 1;

    hf_check(!lease->is_used && record->type == SIM_ASSIGN);
    *lease = (struct sim_lease){
        .is_used = true,
        .instance = instance,
        .id = effect->id,
        .epoch = effect->epoch,
        .tag = record->head.tag,
        .is_whole = (record->flags & SIM_STREAMED) == 0,
        .body_bytes = record->amount,
        .allowed = WORKER_BODY_WINDOW,
    };
    if (lease->is_whole) {
        lease->body_received = record->body.bytes;
    }
    if (lease->is_whole || worker_at(sim, node)->is_streaming) {
        sim_handler_begin(sim, node, effect->slot);
    }
}

static void take_body(struct sim *sim, uint32_t node,
                      const struct worker_effect *effect,
                      const struct sim_record *record)
{
    struct sim_lease *lease = &worker_at(sim, node)->leases[effect->slot];

    if (record->body.tag != lease->tag || record->body.offset != lease->body_received) {
        sim_violated(sim, "a worker gets a request body with a gap, or another's",
                     sim_serial_of(lease->id));
    }
    lease->body_received += record->body.bytes;
    lease->is_whole = effect->is_last;
    if (effect->is_last && !lease->is_started && !lease->is_cancelled) {
        sim_handler_begin(sim, node, effect->slot);
    } else if (!effect->is_last && effect->amount > 0) {
        lease->untaken += effect->amount;
        sim_handler_poke(sim, node, effect->slot, sim_delay(sim, 1, 5000));
    }
}

/* As report.c: head, or head and inline body. */
static void send_respond(struct sim *sim, uint32_t node,
                         const struct worker_effect *effect)
{
    const struct sim_lease *lease = &worker_at(sim, node)->leases[effect->slot];
    bool is_streamed = effect->result != 0;
    const struct sim_record record = {
        .type = SIM_RESPOND,
        .id = effect->id,
        .epoch = effect->epoch,
        .flags = is_streamed ? SIM_STREAMED : 0,
        .head = {lease->execution, 0, lease->head_bytes},
        .body = {lease->execution, 0, is_streamed ? 0 : lease->answer_bytes},
    };

    hf_check(lease->has_head && lease->is_streamed == is_streamed);
    send(sim, node, effect->broker, &record);
}

static void send_body(struct sim *sim, uint32_t node,
                      const struct worker_effect *effect)
{
    const struct sim_lease *lease = &worker_at(sim, node)->leases[effect->slot];
    uint64_t offset = effect->offset;
    uint64_t end = effect->offset + effect->amount;

    if (end > lease->produced || (effect->is_last && end != lease->answer_bytes)) {
        sim_violated(sim, "a worker sends answer bytes that are not there",
                     sim_serial_of(lease->id));
    }
    do {
        uint64_t bytes = end - offset < 262144 ? end - offset : 262144;
        const struct sim_record record = {
            .type = SIM_BODY,
            .id = effect->id,
            .epoch = effect->epoch,
            .body = {lease->execution, offset, bytes},
            .is_last = effect->is_last && offset + bytes == end,
        };

        send(sim, node, effect->broker, &record);
        offset += bytes;
    } while (offset < end);
}

static void send_declare(struct sim *sim, uint32_t node,
                         const struct worker_effect *effect)
{
    struct sim_record record = {.type = SIM_DECLARE,
                                .handle = effect->handle,
                                .id = effect->id,
                                .epoch = effect->epoch,
                                .result = effect->result};

    memcpy(record.receipt.words,
           worker_receipt(worker_at(sim, node)->core, effect->slot),
           sizeof record.receipt.words);
    send(sim, node, effect->broker, &record);
}

static void send_open(struct sim *sim, uint32_t node,
                      const struct worker_effect *effect)
{
    const struct sim_record record = {.type = SIM_OPEN,
                                      .handle = effect->handle,
                                      .queue = effect->queue,
                                      .rights =
                                          BROKER_RIGHT_RECEIVE | BROKER_RIGHT_RESPOND};

    send(sim, node, effect->broker, &record);
}

static void send_plain(struct sim *sim, uint32_t node,
                       const struct worker_effect *effect, enum sim_record_type type)
{
    const struct sim_record record = {.type = type,
                                      .id = effect->id,
                                      .epoch = effect->epoch,
                                      .handle = effect->handle,
                                      .reason = effect->reason,
                                      .amount = effect->amount};

    send(sim, node, effect->broker, &record);
}

static void drained(struct sim *sim, uint32_t node, uint32_t broker)
{
    if (broker != 0) {
        uint32_t conn = sim->nodes[node].conns[broker - 1];

        if (conn != SIM_NO_CONN) { /* GOODBYE, then the link closes */
            sim_net_cut(sim, conn, false);
        }
        return;
    }
    sim_after(sim, sim_delay(sim, 5000, 50000),
              (struct sim_event){.kind = SIM_EV_START,
                                 .node = node,
                                 .instance = sim->nodes[node].instance,
                                 .a = 1});
}

static void cancel(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = &worker_at(sim, node)->leases[slot];

    lease->is_cancelled = true;
    sim_handler_poke(sim, node, slot, sim_delay(sim, 1, 30000));
}

static void release_slot(struct sim *sim, uint32_t node, uint32_t slot)
{
    struct sim_lease *lease = &worker_at(sim, node)->leases[slot];

    hf_check(lease->is_used);
    lease->is_used = false;
}

/* A thief may have claimed what was then given to it: that is its own doing. */
static void put_out(struct sim *sim, uint32_t node, const struct worker_effect *effect)
{
    uint32_t conn = sim->nodes[node].conns[effect->broker - 1];

    if (!worker_at(sim, node)->is_thief) {
        sim_violated(sim, "a worker finds that its broker broke the protocol", 0);
    }
    if (conn != SIM_NO_CONN) {
        sim->facts.losses++;
        sim_net_cut(sim, conn, false);
    }
}

static void carry_out(struct sim *sim, uint32_t node,
                      const struct worker_effect *effect,
                      const struct sim_record *record)
{
    static const enum sim_record_type plain[] = {
        [WORKER_OUT_CREDIT] = SIM_CREDIT,        [WORKER_OUT_SEND_WINDOW] = SIM_WINDOW,
        [WORKER_OUT_SEND_ABORT] = SIM_ABORT,     [WORKER_OUT_SEND_FAIL] = SIM_FAIL,
        [WORKER_OUT_SEND_RELEASE] = SIM_RELEASE, [WORKER_OUT_SEND_DRAIN] = SIM_DRAIN,
    };

    switch (effect->type) {
    case WORKER_OUT_OPEN:
        send_open(sim, node, effect);
        return;
    case WORKER_OUT_CREDIT:
    case WORKER_OUT_SEND_WINDOW:
    case WORKER_OUT_SEND_ABORT:
    case WORKER_OUT_SEND_FAIL:
    case WORKER_OUT_SEND_RELEASE:
    case WORKER_OUT_SEND_DRAIN:
        send_plain(sim, node, effect, plain[effect->type]);
        return;
    case WORKER_OUT_START:
        start(sim, node, effect, record);
        return;
    case WORKER_OUT_BODY:
        take_body(sim, node, effect, record);
        return;
    case WORKER_OUT_SEND_RESPOND:
        send_respond(sim, node, effect);
        return;
    case WORKER_OUT_SEND_BODY:
        send_body(sim, node, effect);
        return;
    case WORKER_OUT_DECLARE:
        send_declare(sim, node, effect);
        return;
    case WORKER_OUT_TAKE:
        worker_at(sim, node)->leases[effect->slot].allowed += effect->amount;
        sim_handler_poke(sim, node, effect->slot, sim_delay(sim, 1, 2000));
        return;
    case WORKER_OUT_CANCEL:
        cancel(sim, node, effect->slot);
        return;
    case WORKER_OUT_FREE:
        release_slot(sim, node, effect->slot);
        return;
    case WORKER_OUT_DRAINED:
        drained(sim, node, effect->broker);
        return;
    case WORKER_OUT_VIOLATION:
        put_out(sim, node, effect);
        return;
    }
}

void sim_worker_step(struct sim *sim, uint32_t node, struct worker_input *input,
                     const struct sim_record *record)
{
    struct worker_effects effects; /* its own: effects may lead to more steps */

    input->now = sim->now;
    worker_step(worker_at(sim, node)->core, input, &effects);
    for (uint32_t i = 0; i < effects.count; i++) {
        carry_out(sim, node, &effects.items[i], record);
    }
    rearm(sim, node);
}

void sim_worker_start(struct sim *sim, uint32_t node)
{
    struct sim_worker *worker = worker_at(sim, node);
    const struct worker_config config = {
        .leases_max = sim->plan.leases_max,
        .queues_max = SIM_QUEUES_MAX,
        .brokers_max = SIM_BROKERS_MAX,
        .concurrency = sim->plan.concurrency,
        .hold_ms = sim->plan.hold_ms,
        .drain_ms = sim->plan.drain_ms,
    };

    hf_check(config.leases_max <= SIM_LEASES_MAX);
    worker->core = worker_new(&config);
    hf_check(worker->core != NULL);
    worker->is_thief = sim_random_chance(&sim->random, sim->plan.thief_percent);
    worker->is_streaming = sim_random_chance(&sim->random, 30);
    worker->is_leaving = false;
    for (uint32_t i = 0; i <= SIM_LEASES_MAX; i++) {
        worker->leases[i].is_used = false;
    }
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        struct worker_input input = {.type = WORKER_IN_QUEUE};

        input.u.queue.name = sim->plan.policy.queues[i].name;
        input.u.queue.broker = sim->plan.queue_broker[i] + 1;
        sim_worker_step(sim, node, &input, NULL);
    }
    struct worker_input ready = {.type = WORKER_IN_READY, .u.amount.bytes = 1};

    sim_worker_step(sim, node, &ready, NULL);
}

void sim_worker_crash(struct sim *sim, uint32_t node)
{
    struct sim_worker *worker = worker_at(sim, node);

    worker_free(worker->core);
    worker->core = NULL;
    for (uint32_t i = 0; i <= SIM_LEASES_MAX; i++) {
        worker->leases[i].is_used = false;
    }
}

void sim_worker_drain(struct sim *sim, uint32_t node)
{
    struct worker_input input = {.type = WORKER_IN_DRAIN};

    if (!worker_at(sim, node)->is_leaving) {
        worker_at(sim, node)->is_leaving = true;
        sim->facts.losses++;
        sim_worker_step(sim, node, &input, NULL);
    }
}

void sim_worker_up(struct sim *sim, uint32_t node, uint32_t conn)
{
    struct worker_input input = {.type = WORKER_IN_LINK_UP,
                                 .broker = sim->net.conns[conn].broker + 1};

    sim_worker_step(sim, node, &input, NULL);
}

void sim_worker_down(struct sim *sim, uint32_t node, uint32_t conn)
{
    struct worker_input input = {.type = WORKER_IN_LINK_DOWN,
                                 .broker = sim->net.conns[conn].broker + 1};

    sim_worker_step(sim, node, &input, NULL);
}

/* A worker that has seen another one's lease, and claims it as its own: with a receipt
 * of its own making, or with the true one, which is not made for its key. */
static void forge(struct sim *sim, uint32_t node, uint32_t conn, uint32_t handle)
{
    uint32_t broker = sim->net.conns[conn].broker;
    uint32_t serial = 1 + (uint32_t)sim_random_below(&sim->random, sim->facts.count);
    const struct sim_fact *fact = sim_fact_at(sim, serial);
    uint32_t count = fact->assignments_count;
    struct sim_record record = {.type = SIM_DECLARE, .handle = handle};

    if (count == 0 || count > SIM_ASSIGNMENTS_MAX || fact->broker != broker ||
        hf_key_equal(fact->assignments[count - 1].holder, sim->nodes[node].key)) {
        return;
    }
    record.id = sim->facts.ids[serial];
    record.epoch = fact->assignments[count - 1].epoch;
    if (sim_random_chance(&sim->random, 30)) {
        record.epoch++; /* one that was never given */
    }
    record.receipt =
        sim_receipt_make(&sim->brokers[broker].disk, record.id, record.epoch,
                         fact->assignments[count - 1].holder);
    if (sim_random_chance(&sim->random, 30)) {
        record.receipt.words[0] = sim_random_next(&sim->random);
    }
    sim->totals.forged++;
    sim_net_send(sim, conn, SIM_DIALER, &record);
}

static void decode_assign(struct worker_input *input, const struct sim_record *record)
{
    input->type = WORKER_IN_ASSIGN;
    input->u.assign.attempt = record->attempt;
    input->u.assign.is_streamed = (record->flags & SIM_STREAMED) != 0;
    input->u.assign.body_bytes = record->amount;
    input->u.assign.deadline = record->deadline;
    memcpy(input->u.assign.receipt, record->receipt.words, WORKER_RECEIPT_BYTES);
}

static void decode(struct sim *sim, struct worker_input *input,
                   const struct sim_record *record)
{
    switch (record->type) {
    case SIM_OPENED:
        input->type = WORKER_IN_OPENED;
        return;
    case SIM_CLOSED:
        input->type = WORKER_IN_CLOSED;
        return;
    case SIM_ASSIGN:
        decode_assign(input, record);
        return;
    case SIM_BODY:
        input->type = WORKER_IN_BODY;
        input->u.body.offset = record->body.offset;
        input->u.body.bytes = (uint32_t)record->body.bytes;
        input->u.body.is_last = record->is_last;
        return;
    case SIM_WINDOW:
        input->type = WORKER_IN_WINDOW;
        input->u.amount.bytes = record->amount;
        return;
    case SIM_RESPOND_ACK:
    case SIM_DECLARED:
        input->type =
            record->type == SIM_DECLARED ? WORKER_IN_DECLARED : WORKER_IN_RESPOND_ACK;
        input->u.verdict.result = record->result;
        return;
    case SIM_CANCEL:
        input->type = WORKER_IN_CANCEL;
        return;
    case SIM_DRAIN:
        input->type = WORKER_IN_DRAIN;
        return;
    default:
        sim_violated(sim, "a worker gets a record that is not for it", 0);
    }
}

void sim_worker_receive(struct sim *sim, uint32_t node, uint32_t conn,
                        const struct sim_record *record)
{
    struct worker_input input = {.broker = sim->net.conns[conn].broker + 1,
                                 .handle = record->handle,
                                 .id = record->id,
                                 .epoch = record->epoch,
                                 .reason = record->reason};

    decode(sim, &input, record);
    sim_worker_step(sim, node, &input, record);
    if (record->type == SIM_OPENED && record->reason == HF_REASON_NONE &&
        worker_at(sim, node)->is_thief && sim->facts.count > 0) {
        for (int i = 0; i < 4; i++) {
            forge(sim, node, conn, record->handle);
        }
    }
}
