/* What broker/load.c does: requests whose bytes are on disk only, and streamed bodies,
 * on their way to a worker. One loader, one job after the other. */
#include "tests/sim/world.h"

static void push_job(struct sim *sim, uint32_t node, const struct broker_effect *assign)
{
    struct sim_broker *broker = &sim->brokers[node];
    int64_t at = sim->now.us + sim_delay(sim, 10, 3000);

    hf_check(broker->loads_count < SIM_LOADS_MAX);
    broker->loads[(broker->loads_first + broker->loads_count++) % SIM_LOADS_MAX] =
        *assign;
    broker->load_horizon = broker->load_horizon > at ? broker->load_horizon : at;
    sim_after(sim, broker->load_horizon - sim->now.us,
              (struct sim_event){.kind = SIM_EV_LOAD,
                                 .node = node,
                                 .instance = sim->nodes[node].instance});
}

void sim_broker_load(struct sim *sim, uint32_t node, const struct broker_effect *assign)
{
    struct sim_broker *broker = &sim->brokers[node];
    struct broker_request_view view = broker_request_at(broker->core, assign->slot);

    if ((view.flags & BROKER_SUBMIT_STREAMED) != 0) {
        broker->slots[assign->slot].stream = (struct sim_stream){
            .is_there = true, .assign = *assign, .window = BROKER_BODY_WINDOW};
    }
    push_job(sim, node, assign);
}

void sim_broker_load_window(struct sim *sim, uint32_t node, uint32_t session,
                            const struct sim_record *record)
{
    struct sim_broker *broker = &sim->brokers[node];
    uint32_t slot = broker_slot_of(broker->core, record->id);
    struct sim_stream *stream = slot == 0 ? NULL : &broker->slots[slot].stream;

    if (stream == NULL || !stream->is_there || stream->assign.session != session ||
        stream->assign.epoch != record->epoch || stream->is_done) {
        return;
    }
    stream->window += record->amount;
    push_job(sim, node, &stream->assign);
}

static bool still_stands(struct sim *sim, uint32_t node,
                         const struct broker_effect *assign,
                         struct broker_request_view *view)
{
    const struct broker *core = sim->brokers[node].core;

    if (broker_slot_of(core, assign->id) != assign->slot) {
        return false;
    }
    *view = broker_request_at(core, assign->slot);
    return view->is_leased && view->lease_epoch == assign->epoch &&
           view->lease_session == assign->session;
}

static void load_head(struct sim *sim, uint32_t node,
                      const struct broker_effect *assign,
                      const struct broker_request_view *view)
{
    struct sim_broker *broker = &sim->brokers[node];
    struct sim_slot *slot = &broker->slots[assign->slot];
    const struct sim_stored *stored = sim_disk_find(&broker->disk, view->seq);

    if (stored == NULL || !hf_id_equal(stored->id, assign->id)) {
        sim_violated(sim, "a leased request is neither in memory nor on disk",
                     sim_serial_of(assign->id));
    }
    if (!slot->is_used) {
        slot->is_used = true;
        broker->slots_used++;
    }
    slot->has_held = true;
    slot->head = stored->head;
    slot->body = stored->body;
}

static bool send_next(struct sim *sim, uint32_t node,
                      const struct broker_effect *assign,
                      const struct broker_request_view *view)
{
    struct sim_broker *broker = &sim->brokers[node];
    struct sim_slot *slot = &broker->slots[assign->slot];
    struct sim_stream *stream = &slot->stream;
    const struct sim_stored *stored = sim_disk_find(&broker->disk, view->seq);
    uint64_t rest = view->body_bytes - stream->offset;
    uint64_t want = rest < stream->window ? rest : stream->window;

    want = want < 262144 ? want : 262144;
    if (stream->is_done || (want == 0 && rest != 0)) {
        return false;
    }
    bool is_in_memory = stream->offset >= slot->pieces_first &&
                        stream->offset + want <= slot->pieces_end;
    bool is_on_disk = stored != NULL && stream->offset + want <= stored->pieces_end;

    /* A piece may begin in memory and end there early: the disk's part comes first. */
    if (!is_in_memory && !is_on_disk && stored != NULL &&
        stream->offset < stored->pieces_end) {
        want = stored->pieces_end - stream->offset;
        is_on_disk = true;
    }
    if (!is_in_memory && !is_on_disk) {
        sim_violated(sim, "a leased request's body is neither in memory nor on disk",
                     sim_serial_of(assign->id));
    }
    const struct sim_record piece = {.type = SIM_BODY,
                                     .id = assign->id,
                                     .epoch = assign->epoch,
                                     .body = {slot->head.tag, stream->offset, want},
                                     .is_last = want == rest};

    sim_broker_send(sim, node, assign->session, &piece);
    stream->offset += want;
    stream->window -= want;
    stream->is_done = piece.is_last;
    return true;
}

void sim_on_load(struct sim *sim, const struct sim_event *event)
{
    uint32_t node = event->node;
    struct sim_broker *broker = &sim->brokers[node];
    struct broker_request_view view;
    struct broker_effect assign;

    if (!sim->nodes[node].is_up || sim->nodes[node].instance != event->instance ||
        broker->loads_count == 0) {
        return;
    }
    assign = broker->loads[broker->loads_first];
    broker->loads_first = (broker->loads_first + 1) % SIM_LOADS_MAX;
    broker->loads_count--;
    if (!still_stands(sim, node, &assign, &view)) {
        return;
    }
    struct sim_slot *slot = &broker->slots[assign.slot];
    bool is_streamed = (view.flags & BROKER_SUBMIT_STREAMED) != 0;
    bool is_stream_of =
        slot->stream.is_there && slot->stream.assign.epoch == assign.epoch;

    if (!is_streamed || (is_stream_of && !slot->stream.is_assigned)) {
        struct sim_stream stream = slot->stream;

        if (!slot->has_held) {
            load_head(sim, node, &assign, &view);
        }
        slot->stream = stream;
        slot->stream.is_assigned = true;
        sim_broker_send_assign(sim, node, &assign);
    }
    while (is_streamed && is_stream_of && send_next(sim, node, &assign, &view)) {
    }
}
