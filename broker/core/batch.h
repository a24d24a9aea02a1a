/* The durable side of the core: which commands are due, what the batch being written
 * holds, what its commit sets free, and elision (ARCHITECTURE.md 6). */
#ifndef HF_BROKER_CORE_BATCH_H
#define HF_BROKER_CORE_BATCH_H

#include "broker/core/state.h"

/* `r` is to be on disk: never, lazily or at once, as its queue and flags want. */
void batch_plan_put(struct broker *b, struct request *r);
/* `bytes` more of its streamed body have come (lazy and strict queues). */
void batch_plan_body(struct broker *b, struct request *r, uint32_t bytes);
/* Its body is whole: what was written of it so far did not say so. */
void batch_plan_whole(struct broker *b, struct request *r);
void batch_plan_dispatch(struct broker *b, struct request *r);
/* The reservation is void before its DISPATCH was taken. */
void batch_cancel_dispatch(struct broker *b, struct request *r);
/* An answered asynchronous request: it ends when its DROP is on disk. */
void batch_plan_drop(struct broker *b, struct request *r);
/* All that it has to be on disk for is there. */
bool batch_is_stored(const struct request *r);
/* `r` has ENDED: elides its put, or drops its record; frees the slot when it may. */
void batch_forget(struct broker *b, struct request *r);
/* Carries out what the committed batch allows; false when more is left. */
bool batch_settle(struct broker *b);

#endif
