#include "broker/core/quota.h"

#include "broker/core/queue.h"

#define US_PER_SECOND 1000000

bool quota_has_bytes(const struct queue *q, uint64_t bytes)
{
    return q->depth_bytes <= q->policy.bytes_max &&
           bytes <= q->policy.bytes_max - q->depth_bytes;
}

static hf_reason quota_queue_state(const struct queue *q)
{
    if (q->is_removed) {
        return HF_REASON_UNBOUND;
    }
    switch (q->policy.state) {
    case BROKER_QUEUE_DRAINING:
        return HF_REASON_APP_SHUTDOWN;
    case BROKER_QUEUE_DISABLED:
        return HF_REASON_DISABLED;
    case BROKER_QUEUE_ENABLED:
    case BROKER_QUEUE_PAUSED:
        break;
    }
    return HF_REASON_NONE;
}

hf_reason quota_admit(const struct broker *b, const struct queue *q,
                      const struct broker_input *in)
{
    bool is_memory = q->policy.durability == BROKER_MEMORY;
    hf_reason reason = quota_queue_state(q);

    if (reason != HF_REASON_NONE) {
        return reason;
    }
    if (is_memory && (in->u.submit.flags & BROKER_SUBMIT_ASYNC)) {
        return HF_REASON_DENIED;
    }
    if (hf_time_reached(in->u.submit.deadline, b->now)) {
        return HF_REASON_DEADLINE;
    }
    if (b->is_full && !is_memory) {
        return HF_REASON_DISK_FULL;
    }
    bool has_bytes =
        in->u.submit.body_bytes <= q->policy.bytes_max &&
        quota_has_bytes(q, in->u.submit.head_bytes + in->u.submit.body_bytes);

    if (queue_depth(q) >= q->policy.length_max || !has_bytes ||
        b->requests.count == b->requests.count_max) {
        return HF_REASON_QUEUE_FULL;
    }
    return HF_REASON_NONE;
}

hf_reason quota_await(const struct queue *q, const struct broker_input *in)
{
    bool is_streamed = (in->u.submit.flags & BROKER_SUBMIT_STREAMED) != 0;
    uint64_t bytes =
        in->u.submit.head_bytes + (is_streamed ? 0 : in->u.submit.body_bytes);

    return q->awaited_bytes <= q->policy.bytes_max &&
                   bytes <= q->policy.bytes_max - q->awaited_bytes
               ? HF_REASON_NONE
               : HF_REASON_QUEUE_FULL;
}

uint32_t quota_retry_after_ms(const struct broker *b, const struct queue *q)
{
    int64_t now_second = b->now.us / US_PER_SECOND;
    uint64_t answered = 0;

    for (int64_t i = 0; i < (int64_t)BROKER_RATE_SECONDS; i++) {
        if (q->rate_second - i > now_second - (int64_t)BROKER_RATE_SECONDS) {
            answered += q->rate[(uint64_t)(q->rate_second - i) % BROKER_RATE_SECONDS];
        }
    }
    if (answered == 0) {
        return QUOTA_RETRY_MAX_MS;
    }
    uint64_t ms = queue_depth(q) * BROKER_RATE_SECONDS * 1000 / answered;

    ms = ms > QUOTA_RETRY_MIN_MS ? ms : QUOTA_RETRY_MIN_MS;
    return (uint32_t)(ms < QUOTA_RETRY_MAX_MS ? ms : QUOTA_RETRY_MAX_MS);
}

void quota_count_answer(struct broker *b, struct queue *q)
{
    int64_t second = b->now.us / US_PER_SECOND;

    if (second - q->rate_second > (int64_t)BROKER_RATE_SECONDS) {
        q->rate_second = second - (int64_t)BROKER_RATE_SECONDS;
    }
    while (q->rate_second < second) {
        q->rate_second++;
        q->rate[(uint64_t)q->rate_second % BROKER_RATE_SECONDS] = 0;
    }
    q->rate[(uint64_t)second % BROKER_RATE_SECONDS]++;
}
