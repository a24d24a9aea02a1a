#include "broker/core/extra.h"

#include "broker/core/fair.h"

void extra_take(struct broker *b, struct request *r, const struct broker_wishes *wishes)
{
    struct queue *q = queue_at(b, r->queue);

    if (r->extra != 0 || (wishes == NULL && q->shares == 0)) {
        return;
    }
    /* As many as requests: it cannot run out. */
    struct request_extra *extra = hf_pool_get(&b->extras);

    hf_check(extra != NULL);
    r->extra = hf_pool_index(&b->extras, extra);
    if (wishes != NULL) {
        extra->wishes = *wishes;
    }
    fair_join(b, q, extra);
}

void extra_free(struct broker *b, struct request *r)
{
    struct request_extra *extra = extra_of(b, r);

    fair_quit(b, queue_at(b, r->queue), extra);
    hf_pool_put(&b->extras, extra);
    r->extra = 0;
}
