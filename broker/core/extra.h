/* What few requests carry, beside struct request so that the many others stay small:
 * what its frontend wished of it, and its place in structures that only some queues
 * use. One per request at most, from its SUBMIT to its end. It is not stored: a
 * recovered request has none until its frontend offers it again. */
#ifndef HF_BROKER_CORE_EXTRA_H
#define HF_BROKER_CORE_EXTRA_H

#include "broker/core/state.h"

struct request_extra {
    struct broker_wishes wishes;
    uint32_t share;   /* fair.h; 0 = takes nobody's */
    struct link turn; /* neighbours in the order of its share, by slot */
};

/* NULL when the request has none. */
static inline struct request_extra *extra_of(const struct broker *b,
                                             const struct request *r)
{
    return hf_pool_at(&b->extras, r->extra);
}

/* Gives `r`, which is in no list, what this SUBMIT and its queue ask for, if it has
 * none yet. */
void extra_take(struct broker *b, struct request *r,
                const struct broker_wishes *wishes);
void extra_free(struct broker *b, struct request *r);

#endif
