/* A bench for scenarios of the worker core: what it does becomes a trace that is
 * compared with a literal. A trace line is one effect. Time is a variable; brokers,
 * queues and requests are small numbers: request n has the id n repeated and epoch n.
 */
#ifndef HF_TESTS_SCENARIO_WORKER_BENCH_H
#define HF_TESTS_SCENARIO_WORKER_BENCH_H

#include "worker/core/worker.h"

#include "lib/base/buf.h"

struct worker_bench {
    struct worker *worker;
    struct worker_effects effects;
    struct hf_buf trace;
    hf_time now;
    uint32_t slot; /* of the last START */
    uint64_t taken;
};

void wb_step(struct worker_bench *b, struct worker_input input);
/* Ticks until nothing is due at the present time. */
void wb_settle(struct worker_bench *b);
/* Compares the trace since the last call with `wanted` and clears it. */
void wb_expect(struct worker_bench *b, const char *wanted);
void wb_quiet(struct worker_bench *b);
void wb_queue(struct worker_bench *b, const char *name);
void wb_link_up(struct worker_bench *b, uint32_t broker);
void wb_link_down(struct worker_bench *b, uint32_t broker);
void wb_opened(struct worker_bench *b, uint32_t broker, uint32_t handle,
               hf_reason reason);
void wb_ready(struct worker_bench *b, bool is_ready);
uint32_t wb_assign(struct worker_bench *b, uint8_t n);
uint32_t wb_assign_streamed(struct worker_bench *b, uint8_t n, uint64_t bytes);
void wb_record(struct worker_bench *b, enum worker_input_type type, uint8_t n,
               uint32_t result);
void wb_window(struct worker_bench *b, uint8_t n, uint64_t bytes);
void wb_body(struct worker_bench *b, uint8_t n, uint64_t offset, uint32_t bytes,
             bool last);
void wb_respond(struct worker_bench *b, uint32_t slot, uint32_t bytes,
                bool is_streamed);
void wb_produce(struct worker_bench *b, uint32_t slot, uint64_t offset, uint32_t bytes,
                bool last);
void wb_handler(struct worker_bench *b, enum worker_input_type type, uint32_t slot);
void wb_drain(struct worker_bench *b, uint32_t broker);
void wb_setup_with(struct worker_bench *b, struct worker_config config);
/* One broker, one open queue, ready, two credits. */
void wb_setup(struct worker_bench *b);
/* The same again after the link was lost. */
void wb_relink(struct worker_bench *b);
void wb_finish(struct worker_bench *b);

#endif
