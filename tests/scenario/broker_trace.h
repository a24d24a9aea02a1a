/* Drives the broker core by hand and writes what it does as short lines of text, so
 * that a scenario is a list of calls and a literal.
 *
 * Sessions: 1, 2.. with a key made of one letter. Requests: ids made of a number. Time
 * stands still unless a scenario moves it. */
#ifndef HF_TESTS_SCENARIO_BROKER_TRACE_H
#define HF_TESTS_SCENARIO_BROKER_TRACE_H

#include "broker/core/broker.h"

#define TRACE_BYTES_MAX 16384

struct bench {
    struct broker *broker;
    hf_time now;
    struct broker_effects effects;
    struct broker_batch batch;
    char text[TRACE_BYTES_MAX];
    size_t text_bytes;
};

/* A broker with one queue "q" of this durability. `config` may be NULL. */
void bench_init(struct bench *t, enum broker_durability durability,
                const struct broker_config *config);
void bench_fini(struct bench *t);
/* Small limits, defaults of the header for times. */
struct broker_config bench_config(void);
struct broker_queue_policy bench_policy(enum broker_durability durability);

hf_id bench_id(unsigned n);
hf_key bench_key(char letter);
/* Epoch of the n-th lease of incarnation 1. */
#define EPOCH(n) ((uint64_t)1 << 32 | (n))

/* One input; its effects are added to the trace, then broker_check. */
void bench_step(struct bench *t, struct broker_input in);
void bench_tick(struct bench *t, int64_t ms); /* time passes, in one TICK */
/* Time passes, with a TICK at each deadline on the way. */
void bench_run(struct bench *t, int64_t ms);
void bench_policy_step(struct bench *t, const struct broker_queue_policy *policies,
                       unsigned count);

void bench_up(struct bench *t, uint32_t session, char key);
/* With a chain of which one link has limits. */
void bench_up_limited(struct bench *t, uint32_t session, char key,
                      const struct broker_limits *limits);
void bench_down(struct bench *t, uint32_t session);
void bench_open(struct bench *t, uint32_t session, uint32_t handle, uint32_t rights);
void bench_credit(struct bench *t, uint32_t session, uint32_t requests);
void bench_submit(struct bench *t, uint32_t session, unsigned id, uint32_t flags);
void bench_result(struct bench *t, uint32_t session, unsigned id, uint64_t epoch);
void bench_ack(struct bench *t, uint32_t session, unsigned id, uint64_t epoch);
void bench_declare(struct bench *t, uint32_t session, unsigned id, uint64_t epoch);
/* Any other input of a session about (id, epoch). */
void bench_about(struct bench *t, enum broker_input_type type, uint32_t session,
                 unsigned id, uint64_t epoch);

/* Frontend session 1 (key F) and worker session 2 (key W) with handle 1 open and this
 * credit. Leaves the trace empty. */
void bench_pair(struct bench *t, uint32_t credit);

/* Takes a batch and adds its commands to the trace as "write ..."; false: nothing due.
 */
bool bench_take(struct bench *t);
void bench_commit(struct bench *t); /* COMMITTED of the batch taken last */

/* Compares the trace with `expected` (lines end in \n) and empties it. */
void bench_expect(struct bench *t, const char *expected);
void bench_forget(struct bench *t); /* empties the trace */
struct broker_queue_view bench_queue(const struct bench *t);

#define FRONTEND_RIGHTS BROKER_RIGHT_ENQUEUE
#define WORKER_RIGHTS   (BROKER_RIGHT_RECEIVE | BROKER_RIGHT_RESPOND)

#endif
