/* The fleet's own rows; for the files of the fleet only. */
#ifndef HF_CONTROLLER_FLEET_STATE_H
#define HF_CONTROLLER_FLEET_STATE_H

#include "controller/core/fleet.h"

struct fleet_pool {
    bool is_used;
    bool is_wanted; /* named by the configuration in force */
    char name[FLEET_NAME_BYTES_MAX + 1];
    uint32_t processes;
    uint64_t fingerprint;
    int64_t ping_interval_ms;
    int64_t ping_limit_ms;
    int64_t shutdown_limit_ms;
};

struct fleet_worker {
    enum fleet_state state;
    uint32_t pool; /* index */
    uint32_t index;
    hf_key key; /* of the process, from LAUNCHED to its end */
    int64_t pid;
    uint64_t fingerprint;
    hf_time since;
    hf_time due; /* WAITING: launch; LAUNCHING: give up; STOPPING: kill */
    int64_t backoff_ms;
    uint32_t restarts;
    hf_time ping_due;
    hf_time unwell_since; /* HF_TIME_NEVER: well as far as is known */
    bool is_retired;      /* its successor waits a moment */
    bool is_listed;       /* seen in the adoption that runs */
    bool is_killed;
};

struct fleet {
    bool has_spawner;
    bool is_adopting;
    uint32_t brokers;
    struct fleet_pool pools[FLEET_POOLS_MAX];
    struct fleet_worker workers[FLEET_WORKERS_MAX];
};

/* Where effects go; full means that what remains is due now. */
struct fleet_step {
    struct fleet *fleet;
    hf_time now;
    struct fleet_effects *effects;
};

struct fleet_effect *fleet_emit(struct fleet_step *step, enum fleet_effect_type type,
                                const struct fleet_worker *worker);
/* Room for one handling of a worker: never more than four effects. */
bool fleet_has_room(const struct fleet_step *step);
struct fleet_worker *fleet_find_pid(struct fleet *fleet, int64_t pid);
struct fleet_worker *fleet_find_key(struct fleet *fleet, hf_key key);
struct fleet_worker *fleet_find_index(struct fleet *fleet, uint32_t pool,
                                      uint32_t index);
uint32_t fleet_find_pool(const struct fleet *fleet, hf_slice name);
void fleet_move(struct fleet_worker *worker, enum fleet_state to);
/* A process is gone: the row is free, or waits for its next start. */
void fleet_end(struct fleet_step *step, struct fleet_worker *worker, int64_t ran_ms);
/* Asks a running worker to end. */
void fleet_stop(struct fleet_step *step, struct fleet_worker *worker);
/* fleet_run.c: everything that is due. */
void fleet_run(struct fleet_step *step);
bool fleet_is_wanted(const struct fleet *fleet, const struct fleet_worker *worker);

#endif
