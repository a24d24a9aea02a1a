/* What broker/perform.c and payload.c do: effects -> records, and the bytes of slots.
 */
#include "tests/sim/world.h"

static struct sim_slot *slot_at(struct sim *sim, uint32_t node, uint32_t slot)
{
    hf_check(slot >= 1 && slot <= SIM_REQUESTS_MAX);
    return &sim->brokers[node].slots[slot];
}

void sim_broker_send(struct sim *sim, uint32_t node, uint32_t session,
                     const struct sim_record *record)
{
    const struct sim_session *s = &sim->brokers[node].sessions[session];

    if (session != 0 && session != SIM_CONTROLLER && s->conn != SIM_NO_CONN) {
        sim_net_send(sim, s->conn, SIM_LISTENER, record);
    }
}

static void require(struct sim *sim, bool is_kept, const char *invariant, hf_id id)
{
    if (!is_kept) {
        sim_violated(sim, invariant, hf_id_is_zero(id) ? 0 : sim_serial_of(id));
    }
}

/* ---- bytes of a slot */
static bool is_plain(struct sim *sim, uint32_t node, const struct broker_effect *effect,
                     const struct sim_record *record)
{
    uint32_t queue = sim_fact_of(sim, effect->id)->queue;
    uint32_t other = BROKER_SUBMIT_ASYNC | BROKER_SUBMIT_STREAMED |
                     BROKER_SUBMIT_ASSIGNED; /* the last may only be waited for */

    return (record->flags & other) == 0 && record->responded_epoch == 0 &&
           sim->brokers[node].policy.queues[queue].durability == BROKER_LAZY;
}

static void hold(struct sim *sim, uint32_t node, const struct broker_effect *effect,
                 const struct sim_record *record)
{
    struct sim_slot *slot = slot_at(sim, node, effect->slot);
    struct sim_reply reply = slot->reply;

    /* An adopted lease may have kept a response before its request was offered. */
    require(sim, record != NULL && !slot->has_held, "a slot is held twice", effect->id);
    require(sim, record->head.tag == sim_serial_of(effect->id),
            "a slot holds another request's bytes", effect->id);
    if (!slot->is_used) {
        sim->brokers[node].slots_used++;
    }
    *slot = (struct sim_slot){.is_used = true,
                              .has_held = true,
                              .is_plain = is_plain(sim, node, effect, record),
                              .head = record->head,
                              .body = record->body,
                              .reply = reply};
}

static void hold_body(struct sim *sim, uint32_t node,
                      const struct broker_effect *effect,
                      const struct sim_record *record)
{
    struct sim_slot *slot = slot_at(sim, node, effect->slot);

    require(sim, record->body.tag == slot->head.tag, "a body of another request",
            effect->id);
    require(sim, record->body.offset == slot->pieces_end,
            "a request body with a gap or twice", effect->id);
    slot->pieces_end += record->body.bytes;
}

static void hold_response(struct sim *sim, uint32_t node,
                          const struct broker_effect *effect,
                          const struct broker_input *input,
                          const struct sim_record *record)
{
    struct sim_slot *slot = slot_at(sim, node, effect->slot);
    struct sim_reply *reply = &slot->reply;

    if (!slot->is_used) { /* a declared lease whose request was not offered yet */
        slot->is_used = true;
        sim->brokers[node].slots_used++;
    }
    if (input->type == BROKER_IN_RESULT) {
        *reply = (struct sim_reply){
            .is_there = true, .head = record->head, .body = record->body};
        return;
    }
    if (!reply->is_there) {
        return;
    }
    require(sim, reply->head.tag == record->body.tag,
            "a kept response of two executions", effect->id);
    require(sim, reply->body.bytes == record->body.offset,
            "a kept response with a gap or twice", effect->id);
    reply->is_streamed = true;
    reply->body.tag = record->body.tag;
    reply->body.bytes += record->body.bytes;
}

static void free_slot(struct sim *sim, uint32_t node, uint32_t index)
{
    struct sim_slot *slot = slot_at(sim, node, index);

    if (slot->is_used) {
        sim->brokers[node].slots_used--;
        sim->brokers[node].freed_unput += slot->is_plain && !slot->was_put;
    }
    *slot = (struct sim_slot){0};
}

/* ---- to workers */
static void check_on_disk(struct sim *sim, uint32_t node,
                          const struct broker_effect *effect,
                          const struct sim_fact *fact)
{
    struct sim_disk *disk = &sim->brokers[node].disk;
    const struct sim_stored *stored = sim_disk_find_id(disk, effect->id);
    /* Under changing policies one may have matched it and another be in force now. */
    bool has_policies = sim->plan.weights[SIM_FAULT_POLICY] > 0;
    bool is_strict = fact->is_async || (fact->is_strict && !has_policies);

    if (!is_strict) {
        return;
    }
    require(sim, sim_disk_has_whole(disk, effect->id),
            "a strict request is given to a worker before it is on disk", effect->id);
    require(sim,
            fact->is_async || !fact->is_unrepeatable ||
                stored->dispatched_epoch == effect->epoch,
            "an unrepeatable strict request starts before its dispatch is on disk",
            effect->id);
}

static void perform_assign(struct sim *sim, uint32_t node,
                           const struct broker_effect *effect)
{
    struct sim_broker *broker = &sim->brokers[node];
    struct sim_session *session = &broker->sessions[effect->session];
    struct broker_request_view view = broker_request_at(broker->core, effect->slot);
    struct sim_fact *fact = sim_fact_of(sim, effect->id);

    require(sim, session->credit[effect->handle] > 0, "more is assigned than credited",
            effect->id);
    session->credit[effect->handle]--;
    require(sim, fact->is_async || sim_fact_is_claimed(sim, effect->id, node),
            "an unclaimed request is delivered", effect->id);
    require(sim, hf_time_before(sim->now, view.deadline),
            "a request is given to a worker after its deadline", effect->id);
    check_on_disk(sim, node, effect, fact);
    sim_fact_assigned(sim, effect->id, effect->epoch, session->key);
    sim->totals.redelivered += effect->attempt > 1;
    if (!slot_at(sim, node, effect->slot)->has_held ||
        (view.flags & BROKER_SUBMIT_STREAMED) != 0) {
        sim_broker_load(sim, node, effect);
    } else {
        sim_broker_send_assign(sim, node, effect);
    }
}

void sim_broker_send_assign(struct sim *sim, uint32_t node,
                            const struct broker_effect *assign)
{
    struct sim_broker *broker = &sim->brokers[node];
    const struct sim_slot *slot = slot_at(sim, node, assign->slot);
    struct broker_request_view view = broker_request_at(broker->core, assign->slot);
    bool is_streamed = (view.flags & BROKER_SUBMIT_STREAMED) != 0;

    require(sim, slot->head.tag == sim_serial_of(assign->id),
            "another request's bytes are assigned", assign->id);
    const struct sim_record record = {
        .type = SIM_ASSIGN,
        .id = assign->id,
        .epoch = assign->epoch,
        .handle = assign->handle,
        .attempt = assign->attempt,
        .deadline = assign->deadline,
        .amount = view.body_bytes,
        .flags = is_streamed ? SIM_STREAMED : 0,
        .receipt = sim_receipt_make(&broker->disk, assign->id, assign->epoch,
                                    broker->sessions[assign->session].key),
        .head = slot->head,
        .body = is_streamed ? (struct sim_bytes){0} : slot->body,
    };

    sim_broker_send(sim, node, assign->session, &record);
}

/* Only its holder may keep a lease: to that key it was given under that epoch. */
static void perform_declared(struct sim *sim, uint32_t node,
                             const struct broker_effect *effect)
{
    const struct sim_record record = {.type = SIM_DECLARED,
                                      .id = effect->id,
                                      .epoch = effect->epoch,
                                      .result = effect->result};

    if (effect->result != 0) {
        require(sim,
                sim_fact_was_assigned(sim, effect->id, effect->epoch,
                                      sim->brokers[node].sessions[effect->session].key),
                "a lease is adopted that was never given", effect->id);
        sim->totals.adopted++;
        sim->brokers[node].adopted++;
    }
    sim_broker_send(sim, node, effect->session, &record);
}

static void perform_respond_ack(struct sim *sim, uint32_t node,
                                const struct broker_effect *effect)
{
    const struct sim_fact *fact = sim_fact_of(sim, effect->id);
    const struct sim_record record = {.type = SIM_RESPOND_ACK,
                                      .id = effect->id,
                                      .epoch = effect->epoch,
                                      .result = effect->result};
    bool is_waited_for = sim_fact_is_claimed(sim, effect->id, node);

    require(sim,
            effect->result != BROKER_ACK_DONE || fact->is_async || fact->is_cancelled ||
                fact->is_over || !is_waited_for ||
                fact->acknowledged == effect->epoch || fact->has_streamed_answer,
            "a worker's copy is dropped before the frontend has the response",
            effect->id);
    sim_broker_send(sim, node, effect->session, &record);
}

/* ---- to frontends */
static void forward(struct sim *sim, uint32_t node, const struct broker_effect *effect,
                    const struct sim_record *in, enum sim_record_type type)
{
    struct sim_record record = *in;

    record.type = type;
    record.handle = 0;
    sim_broker_send(sim, node, effect->session, &record);
}

static void send_kept(struct sim *sim, uint32_t node,
                      const struct broker_effect *effect)
{
    const struct sim_reply *reply = &slot_at(sim, node, effect->slot)->reply;
    bool is_whole = effect->result != 0;
    bool is_streamed =
        reply->is_streamed || !is_whole || reply->body.bytes > BROKER_INLINE_MAX;
    struct sim_record record = {.type = SIM_RESPONSE,
                                .id = effect->id,
                                .epoch = effect->epoch,
                                .flags = is_streamed ? SIM_STREAMED : 0,
                                .head = reply->head};
    uint64_t offset = 0;

    require(sim, reply->is_there, "a kept response is not there", effect->id);
    record.body = is_streamed ? (struct sim_bytes){0} : reply->body;
    sim_broker_send(sim, node, effect->session, &record);
    while (is_streamed && (offset < reply->body.bytes || is_whole)) {
        uint64_t rest = reply->body.bytes - offset;
        struct sim_record piece = {.type = SIM_BODY,
                                   .id = effect->id,
                                   .epoch = effect->epoch,
                                   .body = {reply->head.tag, offset, rest}};

        piece.body.bytes = rest < 262144 ? rest : 262144;
        piece.is_last = is_whole && piece.body.bytes == rest;
        sim_broker_send(sim, node, effect->session, &piece);
        offset += piece.body.bytes;
        is_streamed = !piece.is_last;
    }
}

static void perform_accepted(struct sim *sim, uint32_t node,
                             const struct broker_effect *effect)
{
    const struct sim_record record = {.type = SIM_ACCEPTED, .id = effect->id};
    const struct sim_fact *fact = sim_fact_of(sim, effect->id);

    require(sim,
            sim_disk_has_whole(&sim->brokers[node].disk, effect->id) ||
                fact->outcomes > 0,
            "ACCEPTED is said before the request is on disk", effect->id);
    sim_broker_send(sim, node, effect->session, &record);
}

/* ---- sessions */
static void perform_violation(struct sim *sim, uint32_t node,
                              const struct broker_effect *effect)
{
    uint32_t conn = sim->brokers[node].sessions[effect->session].conn;

    /* Everybody here keeps to the protocol: only a holder that is silent or reported
     * dead may be put out. */
    require(sim, effect->reason == HF_REASON_WORKER_LOST,
            "the broker puts out a session that broke nothing", (hf_id){{0}});
    if (conn != SIM_NO_CONN) {
        sim->brokers[node].sessions[effect->session].is_up = false;
        sim->facts.losses++;
        sim_net_cut(sim, conn, false);
    }
}

static void perform_session(struct sim *sim, uint32_t node,
                            const struct broker_effect *effect)
{
    struct sim_record record = {.handle = effect->handle, .reason = effect->reason};

    record.type = effect->type == BROKER_OUT_OPENED ? SIM_OPENED : SIM_CLOSED;
    if (effect->type == BROKER_OUT_CLOSED &&
        sim->brokers[node].sessions[effect->session].is_up &&
        effect->handle <= SIM_QUEUES_MAX) {
        sim->brokers[node].sessions[effect->session].credit[effect->handle] = 0;
    }
    sim_broker_send(sim, node, effect->session, &record);
}

static void perform_policy_ack(struct sim *sim, uint32_t node,
                               const struct broker_effect *effect)
{
    if (sim->brokers[node].disk.policy.version < effect->amount) {
        sim_violated(sim, "a policy is acknowledged before it is on disk", 0);
    }
}

static void send_plain(struct sim *sim, uint32_t node,
                       const struct broker_effect *effect, enum sim_record_type type)
{
    const struct sim_record record = {.type = type,
                                      .id = effect->id,
                                      .epoch = effect->epoch,
                                      .reason = effect->reason,
                                      .result = effect->result,
                                      .amount = effect->amount};

    sim_broker_send(sim, node, effect->session, &record);
}

static bool perform_payload(struct sim *sim, uint32_t node,
                            const struct broker_effect *effect,
                            const struct broker_input *input,
                            const struct sim_record *record)
{
    switch (effect->type) {
    case BROKER_OUT_HOLD:
        hold(sim, node, effect, record);
        return true;
    case BROKER_OUT_HOLD_BODY:
        hold_body(sim, node, effect, record);
        return true;
    case BROKER_OUT_HOLD_RESPONSE:
        hold_response(sim, node, effect, input, record);
        return true;
    case BROKER_OUT_FREE:
        free_slot(sim, node, effect->slot);
        return true;
    case BROKER_OUT_DROP_RESPONSE:
        slot_at(sim, node, effect->slot)->reply = (struct sim_reply){0};
        return true;
    case BROKER_OUT_RESPONSE:
        forward(sim, node, effect, record, SIM_RESPONSE);
        return true;
    case BROKER_OUT_RESPONSE_BODY:
        forward(sim, node, effect, record, SIM_BODY);
        return true;
    case BROKER_OUT_RESPONSE_KEPT:
        send_kept(sim, node, effect);
        return true;
    case BROKER_OUT_ASSIGN:
        perform_assign(sim, node, effect);
        return true;
    default:
        return false;
    }
}

static bool perform_control(struct sim *sim, uint32_t node,
                            const struct broker_effect *effect)
{
    static const struct {
        enum broker_effect_type effect;
        enum sim_record_type record;
    } plain[] = {
        {BROKER_OUT_ADMITTED, SIM_ADMITTED}, {BROKER_OUT_ASSIGNED, SIM_ASSIGNED},
        {BROKER_OUT_REFUSED, SIM_REFUSED},   {BROKER_OUT_ABORT, SIM_ABORT},
        {BROKER_OUT_CANCEL, SIM_CANCEL},     {BROKER_OUT_WINDOW, SIM_WINDOW},
    };

    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (plain[i].effect == effect->type) {
            send_plain(sim, node, effect, plain[i].record);
            return true;
        }
    }
    return false;
}

void sim_broker_perform(struct sim *sim, uint32_t node,
                        const struct broker_effect *effect,
                        const struct broker_input *input,
                        const struct sim_record *record)
{
    if (perform_payload(sim, node, effect, input, record) ||
        perform_control(sim, node, effect)) {
        return;
    }
    switch (effect->type) {
    case BROKER_OUT_OPENED:
    case BROKER_OUT_CLOSED:
        perform_session(sim, node, effect);
        break;
    case BROKER_OUT_ACCEPTED:
        perform_accepted(sim, node, effect);
        break;
    case BROKER_OUT_RESPOND_ACK:
        perform_respond_ack(sim, node, effect);
        break;
    case BROKER_OUT_DECLARED:
        perform_declared(sim, node, effect);
        break;
    case BROKER_OUT_VIOLATION:
        perform_violation(sim, node, effect);
        break;
    case BROKER_OUT_POLICY_ACK:
        perform_policy_ack(sim, node, effect);
        break;
    case BROKER_OUT_OUTCOME:
        sim_fact_outcome(sim, effect->id, effect->reason, node);
        break;
    default: /* performed above */
        break;
    }
}
