/* What the frontend's uplinks and effects do, without a machine. */
#include "tests/sim/world.h"

static struct sim_frontend *frontend_at(struct sim *sim, uint32_t node)
{
    hf_check(node >= SIM_FRONTEND_0 && node < SIM_WORKER_0);
    return &sim->frontends[node - SIM_FRONTEND_0];
}

static void rearm(struct sim *sim, uint32_t node)
{
    hf_time due = frontend_next_deadline(frontend_at(sim, node)->core);

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

static const struct sim_client *client_of(struct sim *sim, uint32_t node, uint32_t slot)
{
    uint32_t index = frontend_at(sim, node)->clients[slot];

    hf_check(index != 0);
    return &sim->clients[index - 1];
}

static void send_enqueue(struct sim *sim, uint32_t node,
                         const struct frontend_effect *effect)
{
    const struct sim_client *client = client_of(sim, node, effect->slot);
    bool is_streamed = (effect->flags & SIM_STREAMED) != 0;
    const struct sim_record record = {
        .type = SIM_ENQUEUE,
        .id = effect->id,
        .handle = effect->handle,
        .flags = effect->flags,
        .deadline = hf_time_of_ms(hf_time_ms(effect->deadline)),
        .responded_epoch = effect->epoch,
        .amount = is_streamed ? effect->amount : 0,
        .head = {client->serial, 0, 200},
        .body = {client->serial, 0, is_streamed ? 0 : client->sent},
    };

    send(sim, node, effect->broker, &record);
}

static void send_body(struct sim *sim, uint32_t node,
                      const struct frontend_effect *effect)
{
    const struct sim_client *client = client_of(sim, node, effect->slot);
    const struct sim_record record = {
        .type = SIM_BODY,
        .id = effect->id,
        .is_last = effect->is_last,
        .body = {client->serial, effect->offset, effect->amount},
    };

    if (effect->offset + effect->amount > client->sent ||
        (effect->is_last && effect->offset + effect->amount != client->body_bytes)) {
        sim_violated(sim, "the frontend sends body bytes that are not there",
                     client->serial);
    }
    send(sim, node, effect->broker, &record);
}

static void send_open(struct sim *sim, uint32_t node,
                      const struct frontend_effect *effect)
{
    hf_slice name = frontend_queue_name(frontend_at(sim, node)->core, effect->queue);
    const struct sim_record record = {.type = SIM_OPEN,
                                      .handle = effect->handle,
                                      .queue = (uint32_t)(name.data[1] - '0'),
                                      .rights = BROKER_RIGHT_ENQUEUE};

    send(sim, node, effect->broker, &record);
}

static void send_plain(struct sim *sim, uint32_t node,
                       const struct frontend_effect *effect, enum sim_record_type type)
{
    const struct sim_record record = {.type = type,
                                      .id = effect->id,
                                      .epoch = effect->epoch,
                                      .reason = effect->reason,
                                      .amount = effect->amount};

    send(sim, node, effect->broker, &record);
}

static void drained(struct sim *sim, uint32_t node)
{
    /* Its loop ends, what it said still leaves, another one takes its place. */
    sim_note(sim,
             (struct sim_trace_line){.who = sim->nodes[node].name, .what = "drained"});
    frontend_at(sim, node)->is_draining = false;
    sim_after(sim, sim_delay(sim, 5000, 50000),
              (struct sim_event){.kind = SIM_EV_START,
                                 .node = node,
                                 .instance = sim->nodes[node].instance,
                                 .a = 1});
}

static void carry_out(struct sim *sim, uint32_t node,
                      const struct frontend_effect *effect,
                      const struct sim_record *record)
{
    switch (effect->type) {
    case FRONTEND_OUT_OPEN:
        send_open(sim, node, effect);
        return;
    case FRONTEND_OUT_ENQUEUE:
        send_enqueue(sim, node, effect);
        return;
    case FRONTEND_OUT_SEND_BODY:
        send_body(sim, node, effect);
        return;
    case FRONTEND_OUT_ASSIGNED_ACK:
        send_plain(sim, node, effect, SIM_ASSIGNED_ACK);
        return;
    case FRONTEND_OUT_CANCEL:
        send_plain(sim, node, effect, SIM_CANCEL);
        return;
    case FRONTEND_OUT_RESPONSE_ACK:
        send_plain(sim, node, effect, SIM_RESPONSE_ACK);
        return;
    case FRONTEND_OUT_WINDOW:
        send_plain(sim, node, effect, SIM_WINDOW);
        return;
    case FRONTEND_OUT_DRAINED:
        drained(sim, node);
        return;
    case FRONTEND_OUT_ACCEPT:
    case FRONTEND_OUT_CONTINUE:
    case FRONTEND_OUT_READ:
    case FRONTEND_OUT_RESPOND:
    case FRONTEND_OUT_RESPOND_BODY:
    case FRONTEND_OUT_ACCEPTED: /* the sim has no async clients of frontends */
    case FRONTEND_OUT_PROBLEM:
    case FRONTEND_OUT_BREAK:
    case FRONTEND_OUT_FREE:
        sim_client_effect(sim, node, effect, record);
        return;
    }
}

void sim_frontend_step(struct sim *sim, uint32_t node, struct frontend_input *input,
                       const struct sim_record *record)
{
    struct sim_frontend *frontend = frontend_at(sim, node);

    input->now = sim->now;
    frontend->effects.count = 0;
    frontend_step(frontend->core, input, &frontend->effects);
    for (uint32_t i = 0; i < frontend->effects.count; i++) {
        carry_out(sim, node, &frontend->effects.items[i], record);
    }
    rearm(sim, node);
}

void sim_frontend_start(struct sim *sim, uint32_t node)
{
    struct sim_frontend *frontend = frontend_at(sim, node);
    const struct frontend_config config = {
        .exchanges_max = sim->plan.exchanges_max,
        .queues_max = 16,
        .brokers_max = SIM_BROKERS_MAX,
        .broker_grace_ms = sim->plan.frontend_grace_ms,
        .deadline_ms = 600000,
        .seed = sim->seed,
    };
    struct frontend_input input = {.type = FRONTEND_IN_ROUTES_BEGIN};

    frontend->core = frontend_new(&config);
    hf_check(frontend->core != NULL);
    frontend->is_draining = false;
    for (uint32_t i = 0; i <= SIM_REQUESTS_MAX; i++) {
        frontend->clients[i] = 0;
    }
    sim_frontend_step(sim, node, &input, NULL);
    for (uint32_t i = 0; i < sim->plan.queues; i++) {
        input = (struct frontend_input){.type = FRONTEND_IN_ROUTES_QUEUE};
        input.u.queue.name = sim->plan.policy.queues[i].name;
        input.u.queue.broker = sim->plan.queue_broker[i] + 1;
        sim_frontend_step(sim, node, &input, NULL);
    }
    input = (struct frontend_input){.type = FRONTEND_IN_ROUTES_END};
    sim_frontend_step(sim, node, &input, NULL);
}

void sim_frontend_crash(struct sim *sim, uint32_t node)
{
    struct sim_frontend *frontend = frontend_at(sim, node);

    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        struct sim_client *client = &sim->clients[i];

        if (client->is_used && client->node == node) {
            sim_fact_abandoned(sim, client->serial);
            client->is_used = false;
        }
    }
    frontend_free(frontend->core);
    frontend->core = NULL;
}

void sim_frontend_drain(struct sim *sim, uint32_t node)
{
    struct frontend_input input = {.type = FRONTEND_IN_DRAIN};

    if (!frontend_at(sim, node)->is_draining) {
        frontend_at(sim, node)->is_draining = true;
        sim_frontend_step(sim, node, &input, NULL);
    }
}

void sim_frontend_up(struct sim *sim, uint32_t node, uint32_t conn)
{
    struct frontend_input input = {.type = FRONTEND_IN_BROKER_UP,
                                   .broker = sim->net.conns[conn].broker + 1};

    sim_frontend_step(sim, node, &input, NULL);
}

void sim_frontend_down(struct sim *sim, uint32_t node, uint32_t conn)
{
    struct frontend_input input = {.type = FRONTEND_IN_BROKER_DOWN,
                                   .broker = sim->net.conns[conn].broker + 1};

    sim_frontend_step(sim, node, &input, NULL);
}

static void decode_response(struct sim *sim, struct frontend_input *input,
                            const struct sim_record *record)
{
    (void)sim;
    input->type = FRONTEND_IN_RESPONSE;
    input->u.response.body_bytes = (uint32_t)record->body.bytes;
    input->u.response.is_streamed = (record->flags & SIM_STREAMED) != 0;
    input->u.response.is_valid = true;
}

static void decode(struct sim *sim, struct frontend_input *input,
                   const struct sim_record *record)
{
    switch (record->type) {
    case SIM_RESPONSE:
        decode_response(sim, input, record);
        return;
    case SIM_BODY:
        input->type = FRONTEND_IN_RESPONSE_BODY;
        input->u.body.offset = record->body.offset;
        input->u.body.bytes = (uint32_t)record->body.bytes;
        input->u.body.is_last = record->is_last;
        return;
    case SIM_WINDOW:
        input->type = FRONTEND_IN_WINDOW;
        input->u.amount.bytes = record->amount;
        return;
    case SIM_ADMITTED:
        input->type = FRONTEND_IN_ADMITTED;
        return;
    case SIM_ASSIGNED:
        input->type = FRONTEND_IN_ASSIGNED;
        return;
    case SIM_REFUSED:
        input->type = FRONTEND_IN_REFUSED;
        input->u.refused.retry_after_ms = record->result;
        return;
    case SIM_ABORT:
        input->type = FRONTEND_IN_ABORT;
        return;
    case SIM_OPENED:
    case SIM_CLOSED:
        input->type =
            record->type == SIM_OPENED ? FRONTEND_IN_OPENED : FRONTEND_IN_CLOSED;
        input->u.opened.handle = record->handle;
        return;
    default:
        sim_violated(sim, "a frontend gets a record that is not for it", 0);
    }
}

void sim_frontend_receive(struct sim *sim, uint32_t node, uint32_t conn,
                          const struct sim_record *record)
{
    struct frontend_input input = {.broker = sim->net.conns[conn].broker + 1,
                                   .id = record->id,
                                   .epoch = record->epoch,
                                   .reason = record->reason};

    if (record->type == SIM_DRAIN) {
        return;
    }
    decode(sim, &input, record);
    sim_frontend_step(sim, node, &input, record);
}
