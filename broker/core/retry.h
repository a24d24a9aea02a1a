/* What happens to a request whose attempt did not end in a response: FEATURES.md
 * 45, 47. */
#ifndef HF_BROKER_CORE_RETRY_H
#define HF_BROKER_CORE_RETRY_H

#include "broker/core/state.h"

#define RETRY_DELAY_FIRST_MS 1000
#define RETRY_DELAY_MAX_MS   300000

/* The link to its holder is lost; it may be run again. */
void retry_after_loss(struct broker *b, struct request *r, bool is_counted);
/* Its holder says that it failed. An unrepeatable one ends with `reason`. */
void retry_after_failure(struct broker *b, struct request *r, hf_reason reason);
/* Its holder has not started it. */
void retry_after_release(struct broker *b, struct request *r);

#endif
