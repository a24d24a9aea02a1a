/* The fleet on a fake clock: inputs by verb, effects as lines of a trace. */
#ifndef HF_TESTS_SCENARIO_CONTROLLER_TRACE_H
#define HF_TESTS_SCENARIO_CONTROLLER_TRACE_H

#include "controller/core/fleet.h"

#define TRACE_BYTES 8192

struct ctl {
    struct fleet *fleet;
    int64_t now_ms;
    char trace[TRACE_BYTES];
    size_t trace_bytes;
};

void ctl_setup(struct ctl *c);
void ctl_finish(struct ctl *c);
/* Compares and empties the trace. */
void ctl_expect(struct ctl *c, const char *trace);

/* One pool of `processes`; print 0 removes all pools. */
void ctl_pool(struct ctl *c, const char *name, uint32_t processes, uint64_t print);
void ctl_no_pools(struct ctl *c);
void ctl_spawner(struct ctl *c); /* a spawner without children */
void ctl_spawner_down(struct ctl *c);
/* A spawner whose list has one child: web/index with pid and print. */
void ctl_spawner_with(struct ctl *c, uint32_t index, int64_t pid, uint64_t print);
/* The key of a launched worker is its pid in the first byte. */
void ctl_launched(struct ctl *c, uint32_t worker, int64_t pid);
void ctl_failed(struct ctl *c, uint32_t worker);
void ctl_exited(struct ctl *c, int64_t pid, int64_t ran_ms, int signal);
void ctl_brokers(struct ctl *c, uint32_t count);
void ctl_pong(struct ctl *c, int64_t pid, bool is_well);
void ctl_retire(struct ctl *c, int64_t pid);
/* Time passes; every deadline on the way is met. */
void ctl_wait(struct ctl *c, int64_t ms);

#endif
