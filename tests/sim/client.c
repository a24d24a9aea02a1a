/* Clients of the frontends: what they send, how fast they read, when they leave, and
 * whether what they get is one answer to what they asked. */
#include "tests/sim/world.h"

static struct sim_frontend *frontend_at(struct sim *sim, uint32_t node)
{
    return &sim->frontends[node - SIM_FRONTEND_0];
}

static void poke(struct sim *sim, struct sim_client *client, int64_t delay_us)
{
    if (client->is_step_due) {
        return;
    }
    client->is_step_due = true;
    sim_after(sim, delay_us,
              (struct sim_event){.kind = SIM_EV_CLIENT,
                                 .node = client->node,
                                 .instance = client->instance,
                                 .a = (uint32_t)(client - sim->clients)});
}

/* ---- what it asks */
static struct sim_client *client_new(struct sim *sim, uint32_t node)
{
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        struct sim_client *client = &sim->clients[i];

        if (!client->is_used) {
            uint32_t instance = client->instance + 1;

            *client = (struct sim_client){.is_used = true,
                                          .instance = instance,
                                          .node = node,
                                          .node_instance = sim->nodes[node].instance,
                                          .leaves_at = INT64_MAX};
            return client;
        }
    }
    return NULL;
}

static uint64_t draw_body(struct sim *sim, bool has_body)
{
    struct sim_random *random = &sim->random;

    if (!has_body) {
        return 0;
    }
    if (sim_random_chance(random, sim->plan.big_percent)) {
        return (uint64_t)sim_random_between(random, 65000, 3000000);
    }
    return sim_random_below(random, 20000);
}

static void describe(struct sim *sim, struct sim_client *client, struct sim_fact *fact)
{
    struct sim_random *random = &sim->random;
    uint32_t method = (uint32_t)sim_random_below(random, 10); /* 0-4 GET, 5-6 PUT */
    const struct broker_queue_policy *policy = NULL;

    fact->queue = (uint32_t)sim_random_below(random, sim->plan.queues);
    policy = &sim->plan.policy.queues[fact->queue];
    fact->is_repeatable = method < 7;
    fact->is_unrepeatable =
        !fact->is_repeatable && policy->redeliver == BROKER_REDELIVER_SAFE;
    fact->broker = sim->plan.queue_broker[fact->queue];
    fact->body_bytes = draw_body(sim, method >= 5);
    fact->deadline =
        hf_time_add_ms(sim->now, sim_random_chance(random, 10)
                                     ? sim_random_between(random, 100, 3000)
                                     : sim_random_between(random, 20000, 60000));
    client->body_bytes = fact->body_bytes;
    client->is_slow = sim_random_chance(random, sim->plan.slow_percent);
    client->has_length = !sim_random_chance(random, 30);
    if (sim_random_chance(random, sim->plan.leave_percent)) {
        client->leaves_at = sim->now.us + sim_delay(sim, 1000, 2000000);
    }
}

void sim_frontend_arrive(struct sim *sim, uint32_t node)
{
    struct sim_client *client = client_new(sim, node);
    struct frontend_input input = {.type = FRONTEND_IN_REQUEST};
    struct sim_fact *fact = client == NULL ? NULL : sim_fact_new(sim, &client->id);

    if (fact == NULL) {
        if (client != NULL) {
            client->is_used = false;
        }
        return;
    }
    client->serial = sim_serial_of(client->id);
    describe(sim, client, fact);
    client->is_body_whole = client->has_length && client->body_bytes == 0;
    if (client->body_bytes == 0 && fact->is_repeatable) {
        client->has_length = true;
        client->is_body_whole = true;
    }
    input.id = client->id;
    input.u.request.tag = (uint32_t)(client - sim->clients);
    input.u.request.queue = sim->plan.policy.queues[fact->queue].name;
    input.u.request.is_repeatable = fact->is_repeatable;
    input.u.request.is_expecting =
        !client->is_body_whole && sim_random_chance(&sim->random, 15);
    input.u.request.has_length = client->has_length;
    input.u.request.length = client->has_length ? client->body_bytes : 0;
    input.u.request.is_chunked = !client->has_length;
    input.u.request.body_max = 30000000;
    input.u.request.deadline = fact->deadline;
    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                          .what = fact->is_repeatable ? "GET or PUT"
                                                                      : "POST",
                                          .serial = client->serial,
                                          .a = fact->queue,
                                          .b = client->body_bytes});
    sim_frontend_step(sim, node, &input, NULL);
    if (client->is_used && client->leaves_at != INT64_MAX) {
        sim_after(sim, client->leaves_at - sim->now.us,
                  (struct sim_event){.kind = SIM_EV_CLIENT,
                                     .node = client->node,
                                     .instance = client->instance,
                                     .a = (uint32_t)(client - sim->clients)});
    }
}

/* ---- what it gets */
static void take_bytes(struct sim *sim, struct sim_client *client,
                       const struct frontend_effect *effect,
                       const struct sim_record *record, bool is_head)
{
    const struct sim_execution *execution = NULL;
    uint64_t first = (is_head ? 0 : record->body.offset) + effect->offset;
    uint64_t tag = is_head ? record->head.tag : record->body.tag;

    if (is_head) {
        if (client->has_head) {
            sim_violated(sim, "a client gets two heads", client->serial);
        }
        client->has_head = true;
        client->execution = tag;
    }
    hf_check(client->execution >= 1 &&
             client->execution <= sim->facts.executions_count);
    execution = &sim->facts.executions[client->execution];
    if (execution->serial != client->serial) {
        sim_violated(sim, "a client gets the answer to another request",
                     client->serial);
    }
    if (!client->has_head || (effect->amount > 0 && tag != client->execution)) {
        sim_violated(sim, "an answer is spliced of two executions", client->serial);
    }
    if (effect->amount > 0 && first != client->received) {
        sim_violated(sim, "an answer has a gap or repeats itself", client->serial);
    }
    client->received += effect->amount;
    client->untaken += effect->amount;
    if (effect->is_last) {
        if (client->received != execution->body_bytes) {
            sim_violated(sim, "an answer ends too early", client->serial);
        }
        sim_fact_answered(sim, client->serial);
        client->is_used = false;
        return;
    }
    poke(sim, client,
         client->is_slow ? sim_delay(sim, 1000, 400000) : sim_delay(sim, 10, 2000));
}

static struct sim_client *client_of(struct sim *sim, uint32_t node,
                                    const struct frontend_effect *effect)
{
    uint32_t index = effect->slot == 0 ? effect->tag + 1
                                       : frontend_at(sim, node)->clients[effect->slot];

    hf_check(index >= 1 && index <= SIM_CLIENTS_MAX);
    return &sim->clients[index - 1];
}

static void accept(struct sim *sim, uint32_t node, const struct frontend_effect *effect)
{
    hf_check(effect->tag < SIM_CLIENTS_MAX && effect->slot <= SIM_REQUESTS_MAX);
    if (frontend_at(sim, node)->clients[effect->slot] != 0) {
        sim_violated(sim, "a frontend's slot is given twice", 0);
    }
    frontend_at(sim, node)->clients[effect->slot] = effect->tag + 1;
    sim->clients[effect->tag].slot = effect->slot;
}

static void refuse(struct sim *sim, struct sim_client *client, hf_reason reason)
{
    if (!client->is_used) {
        return; /* it has left */
    }
    if (client->has_head && reason != HF_REASON_RESPONSE_BROKEN) {
        sim_violated(sim, "a client is refused after a head", client->serial);
    }
    sim_fact_refused(sim, client->serial, reason);
    client->is_used = false;
}

void sim_client_effect(struct sim *sim, uint32_t node,
                       const struct frontend_effect *effect,
                       const struct sim_record *record)
{
    struct sim_client *client = NULL;

    if (effect->type == FRONTEND_OUT_ACCEPT) {
        accept(sim, node, effect);
        return;
    }
    client = client_of(sim, node, effect);
    if (effect->type == FRONTEND_OUT_FREE) {
        frontend_at(sim, node)->clients[effect->slot] = 0;
        if (client->is_used) {
            sim_violated(sim, "an exchange ends without an outcome", client->serial);
        }
        client->slot = 0;
    } else if (effect->type == FRONTEND_OUT_READ) {
        client->credit += effect->amount;
        poke(sim, client, sim_delay(sim, 20, client->is_slow ? 100000 : 1000));
    } else if (effect->type == FRONTEND_OUT_RESPOND ||
               effect->type == FRONTEND_OUT_RESPOND_BODY) {
        take_bytes(sim, client, effect, record, effect->type == FRONTEND_OUT_RESPOND);
    } else if (effect->type == FRONTEND_OUT_PROBLEM ||
               effect->type == FRONTEND_OUT_BREAK) {
        sim_note(sim, (struct sim_trace_line){.who = sim->nodes[node].name,
                                              .what = "to client: refused",
                                              .word = hf_reason_word(effect->reason),
                                              .serial = client->serial});
        refuse(sim, client, effect->reason);
    }
}

/* ---- what it does by itself */
static void leave(struct sim *sim, struct sim_client *client)
{
    struct frontend_input input = {.type = FRONTEND_IN_CLIENT_GONE,
                                   .slot = client->slot};

    sim_note(sim, (struct sim_trace_line){.who = sim->nodes[client->node].name,
                                          .what = "client leaves",
                                          .serial = client->serial});
    sim_fact_abandoned(sim, client->serial);
    client->is_used = false;
    sim_frontend_step(sim, client->node, &input, NULL);
}

static void send_some(struct sim *sim, struct sim_client *client)
{
    uint64_t allowed =
        client->credit < client->body_bytes ? client->credit : client->body_bytes;
    uint64_t some = allowed - client->sent;
    uint64_t most = 1 + sim_random_below(&sim->random, 262144);
    struct frontend_input input = {.type = FRONTEND_IN_BODY, .slot = client->slot};

    some = some < most ? some : most;
    client->sent += some;
    client->is_body_whole =
        client->sent == client->body_bytes &&
        (client->has_length || some == 0 || sim_random_chance(&sim->random, 50));
    if (some == 0 && !client->is_body_whole) {
        return;
    }
    input.u.body.bytes = (uint32_t)some;
    input.u.body.is_last = client->is_body_whole;
    sim_frontend_step(sim, client->node, &input, NULL);
}

static void take_some(struct sim *sim, struct sim_client *client)
{
    struct frontend_input input = {.type = FRONTEND_IN_CLIENT_TOOK,
                                   .slot = client->slot};
    uint64_t some = 1 + sim_random_below(&sim->random, 600000);

    some = some < client->untaken ? some : client->untaken;
    client->untaken -= some;
    input.u.amount.bytes = some;
    sim_frontend_step(sim, client->node, &input, NULL);
}

void sim_on_client(struct sim *sim, const struct sim_event *event)
{
    struct sim_client *client = &sim->clients[event->a];
    int64_t pause = 0;

    if (!client->is_used || client->instance != event->instance) {
        return;
    }
    client->is_step_due = false;
    if (client->slot != 0 && client->leaves_at <= sim->now.us) {
        leave(sim, client);
        return;
    }
    if (client->slot != 0 && !client->is_body_whole && client->credit > 0 &&
        (client->credit > client->sent || client->sent == client->body_bytes)) {
        send_some(sim, client);
    }
    if (client->is_used && client->slot != 0 && client->untaken > 0) {
        take_some(sim, client);
    }
    pause = client->is_slow && !sim->is_healed ? sim_delay(sim, 1000, 300000)
                                               : sim_delay(sim, 10, 3000);
    if (client->is_used && client->slot != 0 &&
        (client->untaken > 0 ||
         (!client->is_body_whole && client->credit > 0 &&
          (client->credit > client->sent || client->sent == client->body_bytes)))) {
        poke(sim, client, pause);
    }
}
