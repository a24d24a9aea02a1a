/* Whether a queue takes one more request, and when to come back if not. */
#ifndef HF_BROKER_CORE_QUOTA_H
#define HF_BROKER_CORE_QUOTA_H

#include "broker/core/state.h"

#define QUOTA_RETRY_MIN_MS 1000u
#define QUOTA_RETRY_MAX_MS 60000u

/* HF_REASON_NONE, or why the SUBMIT `in` is refused (FEATURES.md 22, 32, 37). */
hf_reason quota_admit(const struct broker *b, const struct queue *q,
                      const struct broker_input *in);
/* The same for one that may have run already and is held for a declaration: it passes
 * all limits of the queue, but what is held so is bounded. */
hf_reason quota_await(const struct queue *q, const struct broker_input *in);
/* Room for `bytes` more of a body that is arriving. */
bool quota_has_bytes(const struct queue *q, uint64_t bytes);
/* Depth / drain rate of the last 10 s, 1..60 s. */
uint32_t quota_retry_after_ms(const struct broker *b, const struct queue *q);
void quota_count_answer(struct broker *b, struct queue *q);

#endif
