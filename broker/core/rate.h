/* A queue's own limits (FEATURES row 30): how many requests are with workers at once,
 * and how many are given to them in a second. What is beyond waits, or is refused. */
#ifndef HF_BROKER_CORE_RATE_H
#define HF_BROKER_CORE_RATE_H

#include "broker/core/state.h"

/* The policy may have changed. */
void rate_configure(struct broker *b, struct queue *q);
/* Whether one more lease may start now. */
bool rate_allows(const struct broker *b, const struct queue *q);
/* A lease starts. */
void rate_take(struct broker *b, struct queue *q);
/* Something waits that rate_allows does not let go: wakes the queue in time. */
void rate_wait(struct broker *b, struct queue *q);
/* Wakes the queues whose time has come. */
void rate_settle(struct broker *b);
/* For limit_action refuse: 0, or after how many ms a new request could start that would
 * have to wait now. */
uint32_t rate_refuse_ms(const struct broker *b, const struct queue *q);

#endif
