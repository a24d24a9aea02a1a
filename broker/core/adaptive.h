/* Order under overload (FEATURES row 26), after CoDel and adaptive LIFO: once the
 * oldest request of a queue has waited over ADAPTIVE_SLOW_MS at each delivery for
 * ADAPTIVE_AFTER_MS, waiting in line only makes answers that nobody waits for any more.
 * From then on the newest is served first, and a full queue lets its oldest go instead
 * of refusing the newest, until the oldest is young again. */
#ifndef HF_BROKER_CORE_ADAPTIVE_H
#define HF_BROKER_CORE_ADAPTIVE_H

#include "broker/core/state.h"

#define ADAPTIVE_SLOW_MS  500
#define ADAPTIVE_AFTER_MS 1000

void adaptive_reset(struct queue *q);
/* The request to serve next; the queue has one that is ready. */
struct request *adaptive_next(struct broker *b, struct queue *q);
/* In overload: gives up the oldest request that was promised nothing (AppPoolTimer). */
void adaptive_make_room(struct broker *b, struct queue *q);

#endif
