/* What broker/shell.c, session.c, receive.c, commit.c do, without a machine. */
#include "tests/sim/world.h"

static struct sim_broker *broker_at(struct sim *sim, uint32_t node)
{
    hf_check(node < SIM_BROKERS_MAX);
    return &sim->brokers[node];
}

struct sim_receipt sim_receipt_make(const struct sim_disk *disk, hf_id id,
                                    uint64_t epoch, hf_key holder)
{
    struct sim_receipt receipt = {{disk->store_key, ~disk->store_key}};

    for (int i = 0; i < 2; i++) {
        uint64_t word = sim_mix(receipt.words[i], epoch);

        for (size_t j = 0; j < sizeof id.bytes; j++) {
            word = sim_mix(word, id.bytes[j]);
        }
        for (size_t j = 0; j < sizeof holder.bytes; j++) {
            word = sim_mix(word, holder.bytes[j]);
        }
        receipt.words[i] = word;
    }
    return receipt;
}

static void rearm(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = broker_at(sim, node);
    hf_time tick = broker_next_deadline(broker->core);
    hf_time commit = broker->disk.writing.is_under_way ? HF_TIME_NEVER
                                                       : broker_batch_due(broker->core);

    /* Another thread wakes up for each: a little late. */
    if (tick.us != HF_TIME_NEVER.us) {
        tick.us =
            (tick.us > sim->now.us ? tick.us : sim->now.us) + sim_delay(sim, 1, 300);
    }
    if (commit.us != HF_TIME_NEVER.us) {
        commit.us = (commit.us > sim->now.us ? commit.us : sim->now.us) +
                    sim_delay(sim, 1, 300);
    }
    sim->nodes[node].tick_at = tick;
    sim->nodes[node].commit_at = commit;
}

void sim_broker_step(struct sim *sim, uint32_t node, struct broker_input *input,
                     const struct sim_record *record)
{
    struct sim_broker *broker = broker_at(sim, node);

    input->now = sim->now;
    broker_step(broker->core, input, &broker->effects);
    for (uint32_t i = 0; i < broker->effects.count; i++) {
        sim_broker_perform(sim, node, &broker->effects.items[i], input, record);
    }
    rearm(sim, node);
}

/* ---- policy */
static void put_policy(struct sim *sim, uint32_t node, uint32_t session)
{
    struct sim_broker *broker = broker_at(sim, node);
    struct broker_input input = {.type = BROKER_IN_POLICY_BEGIN, .session = session};

    input.u.revision.version = broker->policy.version;
    sim_broker_step(sim, node, &input, NULL);
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        if (broker->policy.is_named[i] && sim->plan.queue_broker[i] == node) {
            input = (struct broker_input){.type = BROKER_IN_POLICY_QUEUE,
                                          .session = session,
                                          .u.policy = broker->policy.queues[i]};
            sim_broker_step(sim, node, &input, NULL);
        }
    }
    input = (struct broker_input){.type = BROKER_IN_POLICY_END, .session = session};
    input.u.revision.version = broker->policy.version;
    sim_broker_step(sim, node, &input, NULL);
}

void sim_broker_push_policy(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = broker_at(sim, node);

    if (!sim->nodes[node].is_up || broker->policy.version == sim->plan.policy.version) {
        return;
    }
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        broker->has_lost_queues |= !sim->plan.policy.is_named[i];
    }
    broker->policy = sim->plan.policy;
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                          .what = "policy pushed",
                                          .a = broker->policy.version});
    put_policy(sim, node, SIM_CONTROLLER);
}

/* ---- start and end of the process */
static void recover_one(struct sim *sim, uint32_t node, const struct sim_stored *stored)
{
    struct broker_input input = {.type = BROKER_IN_RECOVERED, .id = stored->id};

    input.u.recovered.seq = stored->seq;
    input.u.recovered.queue = sim->plan.policy.queues[stored->queue].name;
    input.u.recovered.owner = stored->owner;
    input.u.recovered.flags = stored->flags;
    input.u.recovered.head_bytes = (uint32_t)stored->head.bytes;
    input.u.recovered.body_bytes = stored->body_bytes;
    input.u.recovered.enqueued = stored->enqueued;
    input.u.recovered.deadline = stored->deadline;
    input.u.recovered.dispatched_epoch = stored->dispatched_epoch;
    input.u.recovered.dispatched_to = stored->dispatched_to;
    sim_broker_step(sim, node, &input, NULL);
}

static void recover(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = broker_at(sim, node);
    struct broker_input end = {.type = BROKER_IN_RECOVERED_END};

    sim_disk_sort(&broker->disk);
    for (uint32_t i = 0; i < broker->disk.count; i++) {
        recover_one(sim, node, &broker->disk.stored[i]);
    }
    sim_broker_step(sim, node, &end, NULL);
}

/* What a client was told is on disk, or has ended: no crash changes that. */
static void check_promises(struct sim *sim, uint32_t node)
{
    for (uint32_t serial = 1; serial <= sim->facts.count; serial++) {
        const struct sim_fact *fact = sim_fact_at(sim, serial);
        struct sim_disk *disk = &broker_at(sim, node)->disk;
        bool is_there = false;

        if (!fact->is_accepted || fact->outcomes > 0 || fact->broker != node ||
            fact->finished > 0) { /* its drop may be on disk, its outcome not told */
            continue;
        }
        for (uint32_t i = 0; i < disk->count && !is_there; i++) {
            is_there = sim_serial_of(disk->stored[i].id) == serial &&
                       sim_disk_has_whole(disk, disk->stored[i].id);
        }
        if (!is_there) {
            sim_violated(sim, "an accepted request is not on disk after a restart",
                         serial);
        }
    }
}

static void controller_up(struct sim *sim, uint32_t node)
{
    struct broker_input up = {.type = BROKER_IN_SESSION_UP, .session = SIM_CONTROLLER};

    up.u.holder.key.bytes[0] = 0xc0;
    sim_broker_step(sim, node, &up, NULL);
}

void sim_broker_start(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = broker_at(sim, node);
    const struct broker_config config = {
        .requests_max = SIM_REQUESTS_MAX,
        .in_flight_max = sim->plan.in_flight_max,
        .queues_max = 16,
        .sessions_max = SIM_SESSIONS_MAX,
        .handles_max = 1024,
        .principals_max = 1024,
        .kept_bytes_max = 1u << 30,
        .kept_each_bytes_max = 1u << 28,
        .lease_ms = sim->plan.lease_ms,
        .lease_grace_ms = sim->plan.lease_grace_ms,
        .broker_grace_ms = sim->plan.broker_grace_ms,
        .drop_delay_ms = sim->plan.drop_delay_ms,
        .incarnation = ++broker->disk.incarnation,
        .seed = sim->seed ^ broker->disk.incarnation,
        .planted = sim->plan.plant,
    };

    check_promises(sim, node);
    broker->core = broker_new(&config);
    hf_check(broker->core != NULL);
    broker->disk.puts_new = 0;
    broker->disk.writing.is_under_way = false;
    broker->has_lost_queues = false;
    broker->freed_unput = 0;
    broker->adopted = 0;
    broker->slots_used = 0;
    broker->loads_count = 0;
    broker->load_horizon = 0;
    for (uint32_t i = 0; i <= SIM_REQUESTS_MAX; i++) {
        broker->slots[i] = (struct sim_slot){0};
    }
    for (uint32_t i = 0; i <= SIM_SESSIONS_MAX; i++) {
        broker->sessions[i] = (struct sim_session){.conn = SIM_NO_CONN};
    }
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                          .what = "process starts",
                                          .a = broker->disk.incarnation,
                                          .b = broker->disk.count});
    broker->policy = broker->disk.policy;
    if (broker->policy.version != 0) {
        put_policy(sim, node, 0);
    }
    recover(sim, node);
    controller_up(sim, node);
    sim_after(sim, sim_delay(sim, 0, 200000),
              (struct sim_event){.kind = SIM_EV_POLICY,
                                 .node = node,
                                 .instance = sim->nodes[node].instance});
    if (broker->disk.is_full) {
        struct broker_input space = {.type = BROKER_IN_SPACE, .u.space.is_full = true};

        sim_broker_step(sim, node, &space, NULL);
    }
}

void sim_broker_crash(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = broker_at(sim, node);

    /* The last batch may have become durable although nobody was told. */
    if (broker->disk.writing.is_under_way && sim_random_chance(&sim->random, 50)) {
        const char *fault = sim_disk_apply(&broker->disk);

        if (fault != NULL) {
            sim_violated(sim, fault, 0);
        }
    }
    broker->disk.writing.is_under_way = false;
    sim->totals.committed += broker->disk.puts_new;
    broker_free(broker->core);
    broker->core = NULL;
}

/* ---- commits */
static void pin(struct sim *sim, uint32_t node, uint32_t index)
{
    struct sim_broker *broker = broker_at(sim, node);
    struct sim_writing *writing = &broker->disk.writing;
    const struct broker_command *command = &writing->batch.items[index];
    struct sim_put *put = &writing->puts[index];
    const struct sim_slot *slot = &broker->slots[command->slot];
    struct broker_queue_view queue;

    if (command->type == BROKER_CMD_POLICY) {
        writing->policy = broker->policy;
        return;
    }
    if (command->type != BROKER_CMD_PUT && command->type != BROKER_CMD_PUT_BODY) {
        return;
    }
    broker->slots[command->slot].was_put = true;
    put->view = broker_request_at(broker->core, command->slot);
    if (command->type == BROKER_CMD_PUT_BODY) {
        if (command->bytes > 0 &&
            (command->offset < slot->pieces_first ||
             command->offset + command->bytes > slot->pieces_end)) {
            sim_violated(sim, "a body piece to be written is not in memory",
                         sim_serial_of(put->view.id));
        }
        return;
    }
    if (!slot->has_held) {
        sim_violated(sim, "a record to be written is not in memory",
                     sim_serial_of(put->view.id));
    }
    hf_check(broker_queue_at(broker->core, put->view.queue, &queue));
    put->queue = (uint32_t)(queue.name.data[1] - '0');
    put->head = slot->head;
    put->body = slot->body;
}

void sim_broker_commit(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = broker_at(sim, node);
    struct sim_writing *writing = &broker->disk.writing;

    if (!writing->is_under_way &&
        broker_take_batch(broker->core, sim->now, &writing->batch)) {
        hf_check(writing->batch.count <= SIM_COMMANDS_MAX);
        writing->is_under_way = true;
        for (uint32_t i = 0; i < writing->batch.count; i++) {
            pin(sim, node, i);
        }
        sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                              .what = "batch taken",
                                              .a = writing->batch.index,
                                              .b = writing->batch.count});
        sim_after(sim, sim_delay(sim, 100, sim->plan.commit_us),
                  (struct sim_event){.kind = SIM_EV_COMMITTED,
                                     .node = node,
                                     .instance = sim->nodes[node].instance,
                                     .b = writing->batch.index});
    }
    rearm(sim, node);
}

/* Bytes that are on disk may leave memory (commit.c, let_go). */
static void let_go(struct sim *sim, uint32_t node)
{
    struct sim_broker *broker = broker_at(sim, node);

    for (uint32_t i = 0; i < broker->disk.writing.batch.count; i++) {
        const struct broker_command *command = &broker->disk.writing.batch.items[i];
        struct sim_slot *slot = &broker->slots[command->slot];
        struct broker_request_view view;

        if (command->slot == 0 ||
            (command->type != BROKER_CMD_PUT && command->type != BROKER_CMD_PUT_BODY)) {
            continue;
        }
        view = broker_request_at(broker->core, command->slot);
        if (view.seq != command->seq || !view.is_on_disk) {
            continue;
        }
        if (command->type == BROKER_CMD_PUT_BODY) {
            uint64_t end = command->offset + command->bytes;

            slot->pieces_first = slot->pieces_first > end ? slot->pieces_first : end;
        } else if (!view.is_leased &&
                   sim_random_chance(&sim->random, sim->plan.uncached_percent)) {
            slot->has_held = false;
        }
    }
}

void sim_on_committed(struct sim *sim, const struct sim_event *event)
{
    struct sim_broker *broker = broker_at(sim, event->node);
    struct broker_input input = {.type = BROKER_IN_COMMITTED};
    const char *fault = NULL;

    if (!sim->nodes[event->node].is_up ||
        sim->nodes[event->node].instance != event->instance) {
        return;
    }
    fault = sim_disk_apply(&broker->disk);
    if (fault != NULL) {
        sim_violated(sim, fault, 0);
    }
    input.u.commit.index = event->b;
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[event->node].name,
                                          .what = "batch committed",
                                          .a = event->b});
    sim_broker_step(sim, event->node, &input, NULL);
    let_go(sim, event->node);
}

/* ---- what the world says */
void sim_on_dead(struct sim *sim, const struct sim_event *event)
{
    struct broker_input input = {.type = BROKER_IN_HOLDER_DEAD};

    if (!sim->nodes[event->node].is_up) {
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        input.u.holder.key.bytes[i] = (uint8_t)(event->b >> (8 * i));
    }
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[event->node].name,
                                          .what = "holder reported dead",
                                          .a = event->a});
    sim_broker_step(sim, event->node, &input, NULL);
}

void sim_on_space(struct sim *sim, const struct sim_event *event)
{
    struct broker_input input = {.type = BROKER_IN_SPACE};

    broker_at(sim, event->node)->disk.is_full = event->a != 0;
    if (!sim->nodes[event->node].is_up) {
        return;
    }
    input.u.space.is_full = event->a != 0;
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[event->node].name,
                                          .what = "store full",
                                          .a = event->a});
    sim_broker_step(sim, event->node, &input, NULL);
}

/* ---- sessions and their records */
void sim_broker_up(struct sim *sim, uint32_t node, uint32_t conn)
{
    struct sim_broker *broker = broker_at(sim, node);
    struct sim_conn *c = &sim->net.conns[conn];
    struct broker_input input = {.type = BROKER_IN_SESSION_UP};
    uint32_t number = 1;

    while (number < SIM_CONTROLLER && broker->sessions[number].conn != SIM_NO_CONN) {
        number++;
    }
    hf_check(number < SIM_CONTROLLER);
    c->session = number;
    broker->sessions[number] = (struct sim_session){.is_up = true,
                                                    .conn = conn,
                                                    .node = c->dialer,
                                                    .key = sim->nodes[c->dialer].key};
    input.session = number;
    input.u.holder.key = sim->nodes[c->dialer].key;
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                          .what = "session up",
                                          .word = sim->nodes[c->dialer].name,
                                          .a = number});
    sim_broker_step(sim, node, &input, NULL);
}

void sim_broker_down(struct sim *sim, uint32_t node, uint32_t conn)
{
    struct sim_broker *broker = broker_at(sim, node);
    uint32_t number = sim->net.conns[conn].session;
    struct broker_input input = {.type = BROKER_IN_SESSION_DOWN, .session = number};

    broker->sessions[number].is_up = false;
    sim_broker_step(sim, node, &input, NULL);
    broker->sessions[number].conn = SIM_NO_CONN;
}

/* Three of four requests have one of three keys, always the same. */
static const struct broker_wishes *wishes_of(hf_id id)
{
    static const struct broker_wishes wishes[] = {
        {.fair_key = 1}, {.fair_key = 2}, {.fair_key = 3}};
    uint32_t choice = id.bytes[HF_ID_BYTES - 1] % 4;

    return choice == 3 ? NULL : &wishes[choice];
}

static void decode_submit(struct sim *sim, uint32_t node, struct broker_input *input,
                          const struct sim_record *record)
{
    input->type = BROKER_IN_SUBMIT;
    input->u.submit.flags = record->flags;
    input->u.submit.deadline = record->deadline;
    input->u.submit.responded_epoch = record->responded_epoch;
    input->u.submit.wishes = wishes_of(record->id);
    input->u.submit.head_bytes = (uint32_t)record->head.bytes;
    input->u.submit.body_bytes =
        (record->flags & SIM_STREAMED) != 0 ? record->amount : record->body.bytes;
    sim_fact_offered(sim, record, node, input->session);
}

static void decode_declare(struct sim *sim, uint32_t node, struct broker_input *input,
                           const struct sim_record *record)
{
    struct sim_broker *broker = broker_at(sim, node);
    struct sim_receipt receipt = sim_receipt_make(
        &broker->disk, record->id, record->epoch, broker->sessions[input->session].key);

    input->type = BROKER_IN_DECLARE;
    input->u.declare.is_answered = record->result != 0;
    input->u.declare.is_receipt_valid = receipt.words[0] == record->receipt.words[0] &&
                                        receipt.words[1] == record->receipt.words[1];
}

static void decode_body(struct broker_input *input, const struct sim_record *record,
                        bool is_worker)
{
    input->type = is_worker ? BROKER_IN_RESULT_BODY : BROKER_IN_BODY;
    input->u.body.offset = record->body.offset;
    input->u.body.bytes = (uint32_t)record->body.bytes;
    input->u.body.is_last = record->is_last;
}

static bool decode_worker(struct sim *sim, uint32_t node, struct broker_input *input,
                          const struct sim_record *record)
{
    struct sim_broker *broker = broker_at(sim, node);

    switch (record->type) {
    case SIM_HEARTBEAT:
        input->type = BROKER_IN_RENEW;
        return true;
    case SIM_CREDIT:
        input->type = BROKER_IN_CREDIT;
        input->u.credit.requests = (uint32_t)record->amount;
        broker->sessions[input->session].credit[record->handle] +=
            (uint32_t)record->amount;
        return true;
    case SIM_RESPOND:
        input->type = BROKER_IN_RESULT;
        input->u.result.bytes = (uint32_t)(record->head.bytes + record->body.bytes);
        input->u.result.is_streamed = (record->flags & SIM_STREAMED) != 0;
        return true;
    case SIM_RELEASE:
        input->type = BROKER_IN_RELEASE;
        return true;
    case SIM_FAIL:
        input->type = BROKER_IN_FAIL;
        input->u.cause.reason = record->reason;
        return true;
    case SIM_ABORT:
        input->type = BROKER_IN_ABORT;
        input->u.cause.reason = record->reason;
        return true;
    case SIM_DECLARE:
        decode_declare(sim, node, input, record);
        return true;
    case SIM_DRAIN:
        input->type = BROKER_IN_DRAINING;
        return true;
    case SIM_WINDOW:
        sim_broker_load_window(sim, node, input->session, record);
        return false;
    default:
        hf_check(!"a record of a worker");
        return false;
    }
}

static void decode_frontend(struct sim *sim, uint32_t node, struct broker_input *input,
                            const struct sim_record *record)
{
    struct sim_fact *fact = NULL;

    switch (record->type) {
    case SIM_ENQUEUE:
        decode_submit(sim, node, input, record);
        return;
    case SIM_ASSIGNED_ACK:
        input->type = BROKER_IN_ASSIGNED_ACK;
        return;
    case SIM_RESPONSE_ACK:
        input->type = BROKER_IN_RESPONSE_ACK;
        fact = sim_fact_of(sim, record->id);
        fact->acknowledged = record->epoch;
        fact->acknowledged_instance = sim->nodes[node].instance;
        return;
    case SIM_CANCEL:
        input->type = BROKER_IN_CANCEL;
        input->u.cause.reason = record->reason;
        sim_fact_of(sim, record->id)->is_cancelled = true;
        return;
    case SIM_WINDOW:
        input->type = BROKER_IN_WINDOW;
        input->u.window.bytes = record->amount;
        return;
    default:
        hf_check(!"a record of a frontend");
    }
}

void sim_broker_receive(struct sim *sim, uint32_t node, uint32_t conn,
                        const struct sim_record *record)
{
    uint32_t dialer = sim->net.conns[conn].dialer;
    bool is_worker = dialer >= SIM_WORKER_0 && dialer < SIM_WIRE_0;
    struct broker_input input = {.session = sim->net.conns[conn].session,
                                 .handle = record->handle,
                                 .id = record->id,
                                 .epoch = record->epoch};

    if (!sim->brokers[node].sessions[input.session].is_up) {
        return; /* cut; the link does not know it yet */
    }
    if (record->type == SIM_OPEN) {
        input.type = BROKER_IN_OPEN;
        input.u.open.queue = sim->plan.policy.queues[record->queue].name;
        input.u.open.rights = record->rights;
    } else if (record->type == SIM_BODY) {
        decode_body(&input, record, is_worker);
    } else if (!is_worker) {
        decode_frontend(sim, node, &input, record);
    } else if (!decode_worker(sim, node, &input, record)) {
        return;
    }
    sim_broker_step(sim, node, &input, record);
}
