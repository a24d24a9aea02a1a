/* What a seed stands for: sizes, times, policies and the mix of faults, drawn once. */
#ifndef HF_TESTS_SIM_PLAN_H
#define HF_TESTS_SIM_PLAN_H

#include "tests/sim/disk.h"
#include "tests/sim/random.h"

enum sim_fault {
    SIM_FAULT_CUT,
    SIM_FAULT_CUT_LOSSY,
    SIM_FAULT_PARTITION,
    SIM_FAULT_WORKER,
    SIM_FAULT_BROKER,
    SIM_FAULT_FRONTEND,
    SIM_FAULT_BOTH, /* a broker and a worker at the same moment */
    SIM_FAULT_DRAIN_WORKER,
    SIM_FAULT_DRAIN_BROKER,
    SIM_FAULT_DRAIN_FRONTEND,
    SIM_FAULT_DISK_FULL,
    SIM_FAULT_POLICY,
    SIM_FAULT_REVOKE,  /* the broker ends a session by itself */
    SIM_FAULT_UNREADY, /* a worker's app is away for a while */
    SIM_FAULTS
};

struct sim_plan {
    uint32_t brokers;
    uint32_t frontends;
    uint32_t workers;
    uint32_t wires;
    uint32_t queues;
    uint32_t queue_broker[SIM_QUEUES_MAX]; /* broker index */
    struct sim_policy policy;
    enum broker_plant plant;
    bool has_faults;
    uint32_t weights[SIM_FAULTS];
    enum sim_fault only; /* SIM_FAULTS: several kinds */
    int64_t fault_us;    /* mean time between two */
    int64_t arrive_us;   /* mean time between two requests at one frontend */
    int64_t traffic_us;  /* how long clients arrive and faults come */
    int64_t link_us;     /* greatest delay of a batch */
    int64_t commit_us;   /* greatest delay of a commit */
    int64_t outage_us;   /* greatest time a process stays away */
    uint32_t big_percent;
    uint32_t stream_percent; /* responses that are streamed */
    uint32_t odd_percent;    /* handlers that release, fail, abort, never answer */
    uint32_t slow_percent;   /* handlers and readers that take their time */
    uint32_t leave_percent;  /* clients that go away */
    uint32_t thief_percent;  /* workers that declare what is not theirs */
    uint32_t uncached_percent;
    bool has_same_keys; /* a restarted worker comes with the key it had */
    int64_t lease_ms;
    int64_t lease_grace_ms;
    int64_t broker_grace_ms;
    int64_t frontend_grace_ms;
    int64_t drop_delay_ms;
    int64_t hold_ms;
    int64_t drain_ms;
    uint32_t concurrency;
    uint32_t leases_max;
    uint32_t in_flight_max;
    uint32_t exchanges_max;
};

void sim_plan_draw(struct sim_plan *plan, struct sim_random *random);

#endif
