/* The bytes of responses that are kept until their frontend acknowledges them, so that
 * they can be repeated when its link is lost. A frontend that never does must not fill
 * the memory: beyond a bound for each and one for all, a response is passed on but not
 * kept, and counted. */
#ifndef HF_BROKER_CORE_KEEP_H
#define HF_BROKER_CORE_KEEP_H

#include "broker/core/state.h"

/* `bytes` more of the response of `r` are kept; false: there is no room for them. */
bool keep_add(struct broker *b, struct request *r, uint32_t bytes);
/* Nothing of it is kept any more. */
void keep_drop(struct broker *b, struct request *r);
/* `r` has just got its owner. */
void keep_own(struct broker *b, const struct request *r);

#endif
