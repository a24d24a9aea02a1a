/* Fake links: ordered, delivered in batches after random delays; lost whole or half,
 * noticed by both ends at different times. A connection is an object of its own: after
 * a half-open loss the broker may see the new one while it still believes in the old.
 */
#ifndef HF_TESTS_SIM_NET_H
#define HF_TESTS_SIM_NET_H

#include "tests/sim/record.h"

#define SIM_CONNS_MAX 256u
#define SIM_NO_CONN   UINT32_MAX

struct sim;

enum sim_end { SIM_DIALER, SIM_LISTENER };

struct sim_packet {
    struct sim_packet *next;
    int64_t arrives;
    struct sim_record record;
};

struct sim_lane { /* towards one end */
    struct sim_packet *first;
    struct sim_packet *last;
    int64_t horizon; /* nothing arrives before what was sent earlier */
    uint64_t batch;  /* the event in which the newest batch was begun */
};

struct sim_conn {
    bool is_used;
    uint32_t instance;
    uint32_t dialer; /* node */
    uint32_t broker; /* node */
    uint32_t session;
    bool is_open[2]; /* the process at that end lives and has not noticed a loss */
    bool is_told[2]; /* its core knows the session */
    bool is_cut;     /* nothing sent from now on arrives */
    struct sim_lane lanes[2];
};

struct sim_net {
    struct sim_conn conns[SIM_CONNS_MAX];
    uint32_t instances;
    int64_t partitioned_until[16][2]; /* node, broker */
    struct sim_packet *spare;
};

/* Tries to connect; tries again later when that is not possible now. */
void sim_net_dial(struct sim *sim, uint32_t dialer, uint32_t broker);
void sim_net_send(struct sim *sim, uint32_t conn, enum sim_end from,
                  const struct sim_record *record);
/* Both ends notice, each in its own time. `is_lossy`: what is under way is lost too. */
void sim_net_cut(struct sim *sim, uint32_t conn, bool is_lossy);
/* The process at that end is gone; the other end notices. */
void sim_net_abandon(struct sim *sim, uint32_t conn, enum sim_end end);
void sim_net_abandon_all(struct sim *sim, uint32_t node);
/* Nothing gets through until then; dialling neither. */
void sim_net_partition(struct sim *sim, uint32_t dialer, uint32_t broker,
                       int64_t until_us);
void sim_net_reset(struct sim *sim);
/* An open connection drawn at random, or SIM_NO_CONN. */
uint32_t sim_net_any(struct sim *sim);

struct sim_event;
void sim_on_connect(struct sim *sim, const struct sim_event *event);
void sim_on_deliver(struct sim *sim, const struct sim_event *event);
void sim_on_down(struct sim *sim, const struct sim_event *event);
void sim_on_dial(struct sim *sim, const struct sim_event *event);
void sim_on_beat(struct sim *sim, const struct sim_event *event);

#endif
