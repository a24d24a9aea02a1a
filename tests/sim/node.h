/* The processes of a simulated cluster: each is a real core and what its shell would
 * keep, without the I/O. */
#ifndef HF_TESTS_SIM_NODE_H
#define HF_TESTS_SIM_NODE_H

#include "broker/core/broker.h"
#include "frontend/core/frontend.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "worker/core/worker.h"

#define SIM_BROKERS_MAX   2u
#define SIM_FRONTENDS_MAX 3u
#define SIM_WORKERS_MAX   4u
#define SIM_WIRES_MAX     2u
#define SIM_FRONTEND_0    SIM_BROKERS_MAX
#define SIM_WORKER_0      (SIM_FRONTEND_0 + SIM_FRONTENDS_MAX)
#define SIM_WIRE_0        (SIM_WORKER_0 + SIM_WORKERS_MAX)
#define SIM_NODES         (SIM_WIRE_0 + SIM_WIRES_MAX)

#define SIM_CLIENTS_MAX  96u
#define SIM_SESSIONS_MAX 64u
#define SIM_REQUESTS_MAX 512u
#define SIM_LEASES_MAX   128u
#define SIM_LOADS_MAX    256u
#define SIM_WIRE_MAX     48u
#define SIM_CONTROLLER   SIM_SESSIONS_MAX /* its session number */

struct sim;
struct sim_event;

struct sim_node {
    const char *name;
    uint32_t instance; /* rises with each process */
    bool is_used;
    bool is_up;
    hf_key key;
    hf_time tick_at;
    hf_time commit_at;               /* brokers */
    uint32_t conns[SIM_BROKERS_MAX]; /* dialers: the connection to each, or none */
};

/* ---- broker */
struct sim_session {
    bool is_up; /* the core knows it */
    uint32_t conn;
    uint32_t node; /* the dialer */
    hf_key key;
    uint32_t credit[SIM_QUEUES_MAX + 1]; /* by handle; of workers */
};

struct sim_reply {
    bool is_there;
    bool is_streamed;
    struct sim_bytes head;
    struct sim_bytes body; /* as far as it has come */
};

struct sim_stream { /* a body on its way to a worker */
    bool is_there;
    bool is_assigned;
    bool is_done;
    struct broker_effect assign;
    uint64_t offset;
    uint64_t window;
};

struct sim_slot {
    bool is_used;
    bool has_held;
    bool was_put;  /* its record was in a batch */
    bool is_plain; /* synchronous, inline, in a lazy queue: written or elided */
    struct sim_bytes head;
    struct sim_bytes body; /* inline */
    uint64_t pieces_first; /* of a streamed body: what is in memory */
    uint64_t pieces_end;
    struct sim_reply reply;
    struct sim_stream stream;
};

struct sim_broker {
    struct broker *core;
    struct sim_disk disk;
    struct broker_effects effects;
    uint32_t slots_used;
    struct sim_slot slots[SIM_REQUESTS_MAX + 1];
    struct sim_session sessions[SIM_SESSIONS_MAX + 1];
    struct sim_policy policy; /* in force, or on its way to disk */
    uint32_t loads_first;
    uint32_t loads_count;
    struct broker_effect loads[SIM_LOADS_MAX];
    int64_t load_horizon;
    uint64_t freed_unput; /* plain requests that ended without a record */
    uint64_t adopted;     /* leases, by this process */
    bool has_lost_queues; /* a removed queue takes its counters along */
};

void sim_broker_start(struct sim *sim, uint32_t node);
void sim_broker_crash(struct sim *sim, uint32_t node);
/* Steps the core; `record` is the input's, or NULL. */
void sim_broker_step(struct sim *sim, uint32_t node, struct broker_input *input,
                     const struct sim_record *record);
void sim_broker_up(struct sim *sim, uint32_t node, uint32_t conn);
void sim_broker_down(struct sim *sim, uint32_t node, uint32_t conn);
void sim_broker_receive(struct sim *sim, uint32_t node, uint32_t conn,
                        const struct sim_record *record);
void sim_broker_commit(struct sim *sim, uint32_t node);
void sim_on_committed(struct sim *sim, const struct sim_event *event);
void sim_on_load(struct sim *sim, const struct sim_event *event);
void sim_on_dead(struct sim *sim, const struct sim_event *event);
void sim_on_space(struct sim *sim, const struct sim_event *event);
void sim_broker_push_policy(struct sim *sim, uint32_t node);
struct sim_receipt sim_receipt_make(const struct sim_disk *disk, hf_id id,
                                    uint64_t epoch, hf_key holder);
/* broker_perform.c, broker_load.c */
void sim_broker_perform(struct sim *sim, uint32_t node,
                        const struct broker_effect *effect,
                        const struct broker_input *input,
                        const struct sim_record *record);
void sim_broker_send(struct sim *sim, uint32_t node, uint32_t session,
                     const struct sim_record *record);
void sim_broker_send_assign(struct sim *sim, uint32_t node,
                            const struct broker_effect *assign);
void sim_broker_load(struct sim *sim, uint32_t node,
                     const struct broker_effect *assign);
void sim_broker_load_window(struct sim *sim, uint32_t node, uint32_t session,
                            const struct sim_record *record);

/* ---- frontend and its clients */
struct sim_client {
    bool is_used;
    uint32_t instance;
    uint32_t node; /* frontend */
    uint32_t node_instance;
    uint32_t serial;
    hf_id id;
    uint32_t slot; /* 0: none yet, or no more */
    bool is_slow;
    bool has_length;
    bool is_body_whole;
    bool is_step_due;
    uint64_t body_bytes;
    uint64_t sent;
    uint64_t credit;
    uint64_t untaken; /* response bytes it has not read yet */
    int64_t leaves_at;
    bool has_head;
    uint64_t execution; /* whose answer it gets */
    uint64_t received;
};

struct sim_frontend {
    struct frontend *core;
    struct frontend_effects effects;
    bool is_draining;
    uint32_t clients[SIM_REQUESTS_MAX + 1]; /* by slot: index + 1 */
};

void sim_frontend_start(struct sim *sim, uint32_t node);
void sim_frontend_crash(struct sim *sim, uint32_t node);
void sim_frontend_step(struct sim *sim, uint32_t node, struct frontend_input *input,
                       const struct sim_record *record);
void sim_frontend_up(struct sim *sim, uint32_t node, uint32_t conn);
void sim_frontend_down(struct sim *sim, uint32_t node, uint32_t conn);
void sim_frontend_receive(struct sim *sim, uint32_t node, uint32_t conn,
                          const struct sim_record *record);
void sim_frontend_arrive(struct sim *sim, uint32_t node);
void sim_frontend_drain(struct sim *sim, uint32_t node);
/* client.c */
void sim_client_effect(struct sim *sim, uint32_t node,
                       const struct frontend_effect *effect,
                       const struct sim_record *record);
void sim_on_client(struct sim *sim, const struct sim_event *event);

/* ---- worker and its handlers */
enum sim_plan_kind {
    SIM_ANSWER,
    SIM_ANSWER_STREAM,
    SIM_RELEASES,
    SIM_FAILS,
    SIM_ABORTS,
    SIM_NEVER
};

struct sim_lease {
    bool is_used;
    uint32_t instance;
    hf_id id;
    uint64_t epoch;
    bool is_whole; /* its request body */
    bool is_started;
    bool is_cancelled;
    bool is_ended; /* its handler has said its last word */
    bool is_step_due;
    uint64_t tag; /* of its request's bytes */
    uint64_t body_bytes;
    uint64_t body_received;
    uint64_t untaken; /* of it, by the handler */
    enum sim_plan_kind plan;
    uint32_t execution;
    uint32_t head_bytes;
    uint64_t answer_bytes;
    bool has_head;
    bool is_streamed;
    uint64_t produced;
    uint64_t allowed;
};

struct sim_worker {
    struct worker *core;
    bool is_thief;
    bool is_streaming; /* handlers start before the body is whole */
    bool is_leaving;
    struct sim_lease leases[SIM_LEASES_MAX + 1];
};

void sim_worker_start(struct sim *sim, uint32_t node);
void sim_worker_crash(struct sim *sim, uint32_t node);
void sim_worker_step(struct sim *sim, uint32_t node, struct worker_input *input,
                     const struct sim_record *record);
void sim_worker_up(struct sim *sim, uint32_t node, uint32_t conn);
void sim_worker_down(struct sim *sim, uint32_t node, uint32_t conn);
void sim_worker_receive(struct sim *sim, uint32_t node, uint32_t conn,
                        const struct sim_record *record);
void sim_worker_drain(struct sim *sim, uint32_t node);
/* handler.c */
void sim_handler_begin(struct sim *sim, uint32_t node, uint32_t slot);
void sim_handler_poke(struct sim *sim, uint32_t node, uint32_t slot, int64_t delay_us);
void sim_on_handler(struct sim *sim, const struct sim_event *event);

/* ---- a client of the wire that enqueues asynchronous requests */
struct sim_promise {
    bool is_used;
    bool is_offered; /* on some session */
    bool is_sent;    /* on this session */
    bool is_streamed;
    hf_id id;
    uint32_t queue;
    uint64_t body_bytes;
    uint64_t sent;
    uint64_t granted;
};

struct sim_wire {
    bool is_open[SIM_QUEUES_MAX];
    hf_time reopen[SIM_QUEUES_MAX];
    struct sim_promise promises[SIM_WIRE_MAX];
};

void sim_wire_start(struct sim *sim, uint32_t node);
void sim_wire_up(struct sim *sim, uint32_t node, uint32_t conn);
void sim_wire_down(struct sim *sim, uint32_t node, uint32_t conn);
void sim_wire_receive(struct sim *sim, uint32_t node, uint32_t conn,
                      const struct sim_record *record);
void sim_wire_arrive(struct sim *sim, uint32_t node);
void sim_wire_tick(struct sim *sim, uint32_t node);

#endif
