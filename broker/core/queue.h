/* A named queue: its policy, and whether something may be matched or removed. */
#ifndef HF_BROKER_CORE_QUEUE_H
#define HF_BROKER_CORE_QUEUE_H

#include "broker/core/state.h"

hf_slice queue_key(const void *element); /* for queues_by_name */
struct queue *queue_find(const struct broker *b, hf_slice name);
/* NULL at queues_max; without a policy. The name is 1..255 bytes. */
struct queue *queue_new(struct broker *b, hf_slice name);
void queue_set_policy(struct broker *b, struct queue *q,
                      const struct broker_queue_policy *policy);
/* Refuses new requests from now on and goes when it is empty. */
void queue_remove(struct broker *b, struct queue *q);
uint64_t queue_depth(const struct queue *q);
bool queue_delivers(const struct queue *q);
/* A request, credit or permission has come: match in this step. */
void queue_wake(struct broker *b, struct queue *q);
/* Something left it: it may be gone now, if it was removed. */
void queue_check_removed(struct broker *b, struct queue *q);
/* The broker takes a handle back: CLOSED, and its number stays known. */
void queue_close_handle(struct broker *b, struct handle *h, hf_reason reason);
/* Closes the handles of removed, empty queues; false when more is left. */
bool queue_settle_removed(struct broker *b);

#endif
