#include "tests/sim/world.h"

#include <stdlib.h>

static struct sim_conn *conn_at(struct sim *sim, uint32_t conn)
{
    hf_check(conn < SIM_CONNS_MAX);
    return &sim->net.conns[conn];
}

/* The connection an event is about, unless another one has taken its place. */
static struct sim_conn *conn_of(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = conn_at(sim, event->a);

    return conn->is_used && conn->instance == event->instance ? conn : NULL;
}

static void drop_packets(struct sim *sim, struct sim_lane *lane)
{
    while (lane->first != NULL) {
        struct sim_packet *packet = lane->first;

        lane->first = packet->next;
        packet->next = sim->net.spare;
        sim->net.spare = packet;
    }
    lane->last = NULL;
}

static void free_if_over(struct sim *sim, struct sim_conn *conn)
{
    if (!conn->is_open[SIM_DIALER] && !conn->is_open[SIM_LISTENER]) {
        drop_packets(sim, &conn->lanes[SIM_DIALER]);
        drop_packets(sim, &conn->lanes[SIM_LISTENER]);
        conn->is_used = false;
    }
}

static uint32_t index_of(struct sim *sim, const struct sim_conn *conn)
{
    return (uint32_t)(conn - sim->net.conns);
}

static struct sim_event event_for(struct sim *sim, const struct sim_conn *conn,
                                  enum sim_event_kind kind, enum sim_end end)
{
    return (struct sim_event){
        .kind = kind, .instance = conn->instance, .a = index_of(sim, conn), .b = end};
}

static bool is_partitioned(const struct sim *sim, uint32_t dialer, uint32_t broker)
{
    return sim->net.partitioned_until[dialer][broker] > sim->now.us;
}

static void dial_later(struct sim *sim, uint32_t dialer, uint32_t broker)
{
    sim_after(sim, sim_delay(sim, 5000, 100000),
              (struct sim_event){.kind = SIM_EV_DIAL,
                                 .node = dialer,
                                 .instance = sim->nodes[dialer].instance,
                                 .a = broker});
}

static struct sim_conn *spare_conn(struct sim *sim)
{
    for (uint32_t i = 0; i < SIM_CONNS_MAX; i++) {
        if (!sim->net.conns[i].is_used) {
            return &sim->net.conns[i];
        }
    }
    return NULL;
}

void sim_net_dial(struct sim *sim, uint32_t dialer, uint32_t broker)
{
    struct sim_node *node = &sim->nodes[dialer];
    struct sim_conn *conn = spare_conn(sim);

    if (!node->is_up || node->conns[broker] != SIM_NO_CONN) {
        return;
    }
    if (conn == NULL || !sim->nodes[broker].is_up ||
        is_partitioned(sim, dialer, broker)) {
        dial_later(sim, dialer, broker);
        return;
    }
    *conn = (struct sim_conn){
        .is_used = true,
        .instance = ++sim->net.instances,
        .dialer = dialer,
        .broker = broker,
        .is_open = {true, true},
    };
    node->conns[broker] = index_of(sim, conn);
    sim_after(sim, sim_delay(sim, 100, sim->plan.link_us),
              event_for(sim, conn, SIM_EV_CONNECT, SIM_LISTENER));
}

void sim_on_dial(struct sim *sim, const struct sim_event *event)
{
    if (sim->nodes[event->node].instance == event->instance) {
        sim_net_dial(sim, event->node, event->a);
    }
}

static void tell_up(struct sim *sim, struct sim_conn *conn, enum sim_end end)
{
    uint32_t index = index_of(sim, conn);

    conn->is_told[end] = true;
    if (end == SIM_LISTENER) {
        sim_broker_up(sim, conn->broker, index);
    } else if (conn->dialer < SIM_WORKER_0) {
        sim_frontend_up(sim, conn->dialer, index);
    } else if (conn->dialer < SIM_WIRE_0) {
        sim_worker_up(sim, conn->dialer, index);
    } else {
        sim_wire_up(sim, conn->dialer, index);
    }
}

static void tell_down(struct sim *sim, struct sim_conn *conn, enum sim_end end)
{
    uint32_t index = index_of(sim, conn);

    conn->is_told[end] = false;
    if (end == SIM_LISTENER) {
        sim_broker_down(sim, conn->broker, index);
    } else if (conn->dialer < SIM_WORKER_0) {
        sim_frontend_down(sim, conn->dialer, index);
    } else if (conn->dialer < SIM_WIRE_0) {
        sim_worker_down(sim, conn->dialer, index);
    } else {
        sim_wire_down(sim, conn->dialer, index);
    }
}

/* The broker's end first: its Welcome ends the handshake. */
void sim_on_connect(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = conn_of(sim, event);
    enum sim_end end = (enum sim_end)event->b;

    if (conn == NULL || !conn->is_open[end] || conn->is_cut) {
        return;
    }
    tell_up(sim, conn, end);
    sim_after(sim, 1, event_for(sim, conn, SIM_EV_DELIVER, end));
    if (end == SIM_LISTENER && conn->is_open[SIM_DIALER]) {
        sim_after(sim, sim_delay(sim, 100, sim->plan.link_us),
                  event_for(sim, conn, SIM_EV_CONNECT, SIM_DIALER));
    } else if (end == SIM_DIALER && conn->dialer >= SIM_WORKER_0 &&
               conn->dialer < SIM_WIRE_0) {
        sim_after(sim, 1000000, event_for(sim, conn, SIM_EV_BEAT, SIM_DIALER));
    }
}

void sim_on_beat(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = conn_of(sim, event);
    const struct sim_record beat = {.type = SIM_HEARTBEAT};

    if (conn == NULL || !conn->is_open[SIM_DIALER]) {
        return;
    }
    sim_net_send(sim, event->a, SIM_DIALER, &beat);
    sim_after(sim, 1000000, *event);
}

static struct sim_packet *packet_new(struct sim *sim)
{
    struct sim_packet *packet = sim->net.spare;

    if (packet != NULL) {
        sim->net.spare = packet->next;
        return packet;
    }
    packet = malloc(sizeof *packet);
    hf_check(packet != NULL);
    return packet;
}

/* What is sent within one event leaves as one batch. */
void sim_net_send(struct sim *sim, uint32_t index, enum sim_end from,
                  const struct sim_record *record)
{
    struct sim_conn *conn = conn_at(sim, index);
    enum sim_end to = from == SIM_DIALER ? SIM_LISTENER : SIM_DIALER;
    struct sim_lane *lane = &conn->lanes[to];
    struct sim_packet *packet = NULL;

    if (!conn->is_open[from] || conn->is_cut || !conn->is_open[to]) {
        return;
    }
    if (lane->batch != sim->events_count) {
        int64_t arrives = sim->now.us + sim_delay(sim, 20, sim->plan.link_us);

        lane->batch = sim->events_count;
        lane->horizon = lane->horizon > arrives ? lane->horizon : arrives;
        sim_after(sim, lane->horizon - sim->now.us,
                  event_for(sim, conn, SIM_EV_DELIVER, to));
    }
    packet = packet_new(sim);
    packet->next = NULL;
    packet->arrives = lane->horizon;
    packet->record = *record;
    if (lane->last == NULL) {
        lane->first = packet;
    } else {
        lane->last->next = packet;
    }
    lane->last = packet;
}

static void receive(struct sim *sim, struct sim_conn *conn, enum sim_end end,
                    const struct sim_record *record)
{
    uint32_t index = index_of(sim, conn);

    if (end == SIM_LISTENER) {
        sim_broker_receive(sim, conn->broker, index, record);
    } else if (conn->dialer < SIM_WORKER_0) {
        sim_frontend_receive(sim, conn->dialer, index, record);
    } else if (conn->dialer < SIM_WIRE_0) {
        sim_worker_receive(sim, conn->dialer, index, record);
    } else {
        sim_wire_receive(sim, conn->dialer, index, record);
    }
}

static const char *who_of_end(struct sim *sim, const struct sim_conn *conn,
                              enum sim_end end)
{
    return sim->nodes[end == SIM_LISTENER ? conn->broker : conn->dialer].name;
}

static void note_record(struct sim *sim, const struct sim_conn *conn, enum sim_end end,
                        const struct sim_record *record)
{
    bool has_id = !hf_id_is_zero(record->id);

    if (record->type == SIM_HEARTBEAT) {
        return;
    }
    sim_note(sim, (struct sim_trace_line){
                      .who = who_of_end(sim, conn, end),
                      .what = sim_record_name(record->type),
                      .word = record->reason == HF_REASON_NONE
                                  ? NULL
                                  : hf_reason_word(record->reason),
                      .serial = has_id ? sim_serial_of(record->id) : 0,
                      .epoch = record->epoch,
                      .a = has_id ? record->flags | record->result : record->handle,
                      .b = record->body.bytes + record->amount,
                  });
}

void sim_on_deliver(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = conn_of(sim, event);
    enum sim_end end = (enum sim_end)event->b;
    struct sim_lane *lane = conn == NULL ? NULL : &conn->lanes[end];

    while (conn != NULL && conn->is_open[end] && lane->first != NULL &&
           lane->first->arrives <= sim->now.us) {
        struct sim_packet *packet = lane->first;

        if (!conn->is_told[end]) {
            return; /* the handshake is not done there; SIM_EV_CONNECT looks again */
        }
        lane->first = packet->next;
        lane->last = lane->first == NULL ? NULL : lane->last;
        note_record(sim, conn, end, &packet->record);
        receive(sim, conn, end, &packet->record);
        packet->next = sim->net.spare;
        sim->net.spare = packet;
        conn = conn_of(sim, event);
    }
}

void sim_on_down(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = conn_of(sim, event);
    enum sim_end end = (enum sim_end)event->b;

    if (conn == NULL || !conn->is_open[end]) {
        return;
    }
    conn->is_open[end] = false;
    conn->is_cut = true;
    if (end == SIM_DIALER) {
        sim->nodes[conn->dialer].conns[conn->broker] = SIM_NO_CONN;
    }
    if (conn->is_told[end]) {
        sim_note(sim, (struct sim_trace_line){.who = who_of_end(sim, conn, end),
                                              .what = "session down",
                                              .a = conn->session});
        tell_down(sim, conn, end);
    }
    if (end == SIM_DIALER) {
        dial_later(sim, conn->dialer, conn->broker);
    }
    free_if_over(sim, conn);
}

/* Mostly at once, sometimes only by missing heartbeats; never before what still
 * arrives has been read. */
static void notice_later(struct sim *sim, struct sim_conn *conn, enum sim_end end)
{
    int64_t delay = sim_random_chance(&sim->random, 75)
                        ? sim_delay(sim, 50, 20000)
                        : sim_delay(sim, 100000, 3200000);
    int64_t rest =
        conn->lanes[end].first == NULL ? 0 : conn->lanes[end].horizon - sim->now.us + 1;

    if (conn->is_open[end]) {
        sim_after(sim, delay > rest ? delay : rest,
                  event_for(sim, conn, SIM_EV_DOWN, end));
    }
}

void sim_net_cut(struct sim *sim, uint32_t index, bool is_lossy)
{
    struct sim_conn *conn = conn_at(sim, index);

    if (!conn->is_used || conn->is_cut) {
        return;
    }
    conn->is_cut = true;
    if (is_lossy) {
        drop_packets(sim, &conn->lanes[SIM_DIALER]);
        drop_packets(sim, &conn->lanes[SIM_LISTENER]);
    }
    notice_later(sim, conn, SIM_DIALER);
    notice_later(sim, conn, SIM_LISTENER);
}

void sim_net_abandon(struct sim *sim, uint32_t index, enum sim_end end)
{
    struct sim_conn *conn = conn_at(sim, index);
    enum sim_end other = end == SIM_DIALER ? SIM_LISTENER : SIM_DIALER;

    if (!conn->is_used || !conn->is_open[end]) {
        return;
    }
    conn->is_open[end] = false;
    conn->is_told[end] = false;
    conn->is_cut = true;
    drop_packets(sim, &conn->lanes[end]);
    if (sim_random_chance(&sim->random, 40)) {
        drop_packets(sim, &conn->lanes[other]);
    }
    if (end == SIM_DIALER) {
        sim->nodes[conn->dialer].conns[conn->broker] = SIM_NO_CONN;
    }
    notice_later(sim, conn, other);
    free_if_over(sim, conn);
}

void sim_net_abandon_all(struct sim *sim, uint32_t node)
{
    for (uint32_t i = 0; i < SIM_CONNS_MAX; i++) {
        struct sim_conn *conn = &sim->net.conns[i];

        if (conn->is_used && node < SIM_BROKERS_MAX && conn->broker == node) {
            sim_net_abandon(sim, i, SIM_LISTENER);
        } else if (conn->is_used && conn->dialer == node) {
            sim_net_abandon(sim, i, SIM_DIALER);
        }
    }
}

void sim_net_partition(struct sim *sim, uint32_t dialer, uint32_t broker,
                       int64_t until_us)
{
    uint32_t conn = sim->nodes[dialer].conns[broker];

    sim->net.partitioned_until[dialer][broker] = until_us;
    if (conn != SIM_NO_CONN) {
        sim_net_cut(sim, conn, true);
    }
}

void sim_net_reset(struct sim *sim)
{
    for (uint32_t i = 0; i < SIM_CONNS_MAX; i++) {
        drop_packets(sim, &sim->net.conns[i].lanes[SIM_DIALER]);
        drop_packets(sim, &sim->net.conns[i].lanes[SIM_LISTENER]);
        sim->net.conns[i] = (struct sim_conn){0};
    }
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        sim->net.partitioned_until[i][0] = 0;
        sim->net.partitioned_until[i][1] = 0;
    }
    sim->net.instances = 0;
}

uint32_t sim_net_any(struct sim *sim)
{
    uint32_t start = (uint32_t)sim_random_below(&sim->random, SIM_CONNS_MAX);

    for (uint32_t i = 0; i < SIM_CONNS_MAX; i++) {
        uint32_t index = (start + i) % SIM_CONNS_MAX;
        const struct sim_conn *conn = &sim->net.conns[index];

        if (conn->is_used && !conn->is_cut) {
            return index;
        }
    }
    return SIM_NO_CONN;
}
