/* Fairness between the keys of one queue (FEATURES row 28): who has sent much waits
 * behind itself, not in front of the others.
 *
 * Each key with requests in the queue is a share; those with ready requests take turns,
 * one request each (deficit round robin where every request costs the same), in the
 * order of arrival within a share. Requests without a key share one share (key 0) as
 * long as there are others; those that came before any had a key keep their place at
 * the head of the queue. A queue without keys has no share, and costs one branch. */
#ifndef HF_BROKER_CORE_FAIR_H
#define HF_BROKER_CORE_FAIR_H

#include "broker/core/extra.h"

struct share {
    struct {
        uint64_t fair_key;
        uint64_t queue; /* index */
    } id;
    uint32_t references; /* requests that name it */
    uint32_t queued;     /* of these, as depth of the queue */
    uint32_t ready;
    uint32_t first; /* slots of the ready ones */
    uint32_t last;
    struct hf_list turn; /* in queue.turns while ready > 0 */
};

hf_slice share_key(const void *element); /* for shares_by_key */
/* Whether fair_share leaves room for one more of this key. */
bool fair_admits(const struct broker *b, const struct queue *q,
                 const struct broker_wishes *wishes);
void fair_join(struct broker *b, struct queue *q, struct request_extra *extra);
void fair_quit(struct broker *b, struct queue *q, struct request_extra *extra);
/* Its request has entered or is leaving the depth of its queue. */
void fair_count(struct broker *b, const struct request *r, bool is_entering);
/* Its request has entered or is leaving queue.ready. */
void fair_enter(struct broker *b, struct request *r, bool is_front);
void fair_leave(struct broker *b, struct request *r);
/* The request to serve next of a queue that has turns. */
struct request *fair_next(struct broker *b, struct queue *q);
/* `r` is served: its share goes to the end of the line. */
void fair_pass(struct broker *b, const struct request *r);
void fair_check(const struct broker *b, const struct queue *q);

#endif
