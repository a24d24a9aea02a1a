#include "broker/core/adaptive.h"

#include "broker/core/request.h"

void adaptive_reset(struct queue *q)
{
    q->slow_since = HF_TIME_NEVER;
    q->is_newest_first = false;
}

struct request *adaptive_next(struct broker *b, struct queue *q)
{
    struct request *oldest = request_list_first(b, &q->ready);

    if (q->policy.rules.order != BROKER_ADAPTIVE) {
        return oldest;
    }
    if (!hf_time_reached(hf_time_add_ms(oldest->enqueued, ADAPTIVE_SLOW_MS), b->now)) {
        adaptive_reset(q);
    } else if (q->slow_since.us == HF_TIME_NEVER.us) {
        q->slow_since = b->now;
    } else if (hf_time_reached(hf_time_add_ms(q->slow_since, ADAPTIVE_AFTER_MS),
                               b->now)) {
        q->is_newest_first = true;
    }
    return q->is_newest_first ? request_list_last(b, &q->ready) : oldest;
}

void adaptive_make_room(struct broker *b, struct queue *q)
{
    struct request *oldest = request_list_first(b, &q->ready);

    if (q->is_newest_first && oldest != NULL && !request_is_async(oldest)) {
        request_refuse(b, oldest, HF_REASON_APP_POOL_TIMER);
    }
}
