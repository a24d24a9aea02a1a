/* Brings requests that are ready and workers that have credit together. */
#ifndef HF_BROKER_CORE_MATCH_H
#define HF_BROKER_CORE_MATCH_H

#include "broker/core/state.h"

/* Matches up to BROKER_STEP_WORK_MAX; false when more could be matched. */
bool match_run(struct broker *b);
/* `r`, READY, goes to `h`, or out of the way when nobody waits for it. */
void match_serve(struct broker *b, struct request *r, struct handle *h);
/* A strict, unrepeatable request whose put is being taken: when a worker is idle,
 * reserves it, so that the DISPATCH rides in the same batch. False if not. */
bool match_ride(struct broker *b, struct request *r);

#endif
