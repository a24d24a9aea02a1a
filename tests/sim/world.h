/* One simulated cluster: real cores, fake clock, links, disks and processes, everything
 * drawn from one seed. The scheduler carries out one event at a time; each ends with
 * the invariants (fact.h, invariant.c). */
#ifndef HF_TESTS_SIM_WORLD_H
#define HF_TESTS_SIM_WORLD_H

#include "tests/sim/disk.h"
#include "tests/sim/fact.h"
#include "tests/sim/net.h"
#include "tests/sim/node.h"
#include "tests/sim/plan.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"

#define SIM_EVENTS_MAX 65536u
#define SIM_START_US   INT64_C(1700000000000000)

enum sim_event_kind {
    SIM_EV_CONNECT,   /* conn, end: the handshake is done there */
    SIM_EV_DELIVER,   /* conn, end: what has arrived is read */
    SIM_EV_DOWN,      /* conn, end: it notices that the connection is gone */
    SIM_EV_DIAL,      /* node, broker */
    SIM_EV_BEAT,      /* conn: a worker's heartbeat */
    SIM_EV_START,     /* node: the process starts again */
    SIM_EV_COMMITTED, /* node: the batch under way is on disk */
    SIM_EV_LOAD,      /* node: the loader's next job */
    SIM_EV_ARRIVE,    /* node: a client, or an asynchronous request, arrives */
    SIM_EV_CLIENT,    /* client */
    SIM_EV_HANDLER,   /* node, slot */
    SIM_EV_DEAD,      /* broker: the controller reports a holder's key */
    SIM_EV_POLICY,    /* broker: the controller pushes a policy */
    SIM_EV_SPACE,     /* broker: the store crosses its quota */
    SIM_EV_READY,     /* node: its app is back */
    SIM_EV_FAULT,
    SIM_EV_HEAL,
    SIM_EV_PROBE,
    SIM_EVENT_KINDS
};

struct sim_event {
    int64_t at;
    uint64_t order;
    enum sim_event_kind kind;
    uint32_t node;
    uint32_t instance; /* of the node or conn; an older one's events come to nothing */
    uint32_t a;
    uint64_t b;
};

struct sim {
    uint64_t seed;
    struct sim_random random;
    struct sim_plan plan;
    struct sim_trace trace;
    hf_time now;
    uint64_t events_count;
    uint64_t order_next;
    uint32_t heap_count;
    bool is_healed;
    bool is_quiet;       /* everything has ended as it should */
    uint32_t unfinished; /* whom sim_unfinished is about; 0 = nobody */
    struct sim_totals totals;
    struct sim_node nodes[SIM_NODES];
    struct sim_net net;
    struct sim_broker brokers[SIM_BROKERS_MAX];
    struct sim_frontend frontends[SIM_FRONTENDS_MAX];
    struct sim_worker workers[SIM_WORKERS_MAX];
    struct sim_wire wires[SIM_WIRES_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_facts facts;
    struct sim_event heap[SIM_EVENTS_MAX];
};

/* Runs one seed to its end; does not return when an invariant breaks. */
void sim_run(struct sim *sim, uint64_t seed, enum broker_plant plant);
/* `delay_us` from now. `event->at` and `order` are set here. */
void sim_after(struct sim *sim, int64_t delay_us, struct sim_event event);
/* A delay within [low, high] microseconds. */
int64_t sim_delay(struct sim *sim, int64_t low, int64_t high);

/* fault.c */
void sim_on_fault(struct sim *sim, const struct sim_event *event);
void sim_on_heal(struct sim *sim, const struct sim_event *event);
void sim_on_ready(struct sim *sim, const struct sim_event *event);
void sim_on_policy(struct sim *sim, const struct sim_event *event);

/* invariant.c. Prints the seed, what broke and the last events, and ends the process
 * with status 1. */
_Noreturn void sim_violated(struct sim *sim, const char *invariant, uint32_t serial);
/* What must hold between events; `is_deep` walks the cores as well. */
void sim_check(struct sim *sim, bool is_deep);
/* What must hold when everybody is done. NULL, or what is still there. */
const char *sim_unfinished(struct sim *sim);
void sim_check_end(struct sim *sim);

/* Writes one line of the trace. */
void sim_note(struct sim *sim, struct sim_trace_line line);

#endif
