/* The rate is a leaky bucket kept as one time (GCRA): `rate_at` is when the bucket is
 * full again; a lease moves it on by one interval, and may start while it is less than
 * the burst away. */
#include "broker/core/rate.h"

#include "broker/core/queue.h"
#include "broker/core/quota.h"

#define US_PER_KILOSECOND INT64_C(1000000000)

void rate_configure(struct broker *b, struct queue *q)
{
    const struct broker_queue_rules *rules = &q->policy.rules;
    int64_t burst =
        rules->burst != 0 ? rules->burst : (int64_t)rules->rate_milli / 1000;

    q->is_limited = rules->max_in_flight != 0 || rules->rate_milli != 0;
    q->rate_interval_us = 0;
    q->rate_burst_us = 0;
    q->rate_rest = 0;
    if (rules->rate_milli != 0) {
        int64_t interval = US_PER_KILOSECOND / (int64_t)rules->rate_milli;

        q->rate_interval_us = interval > 0 ? interval : 1;
        q->rate_burst_us = (burst > 1 ? burst - 1 : 0) * q->rate_interval_us;
    }
    hf_heap_remove(&b->rated, &q->rate_due);
}

/* When the next lease may start, as far as the rate goes. */
static hf_time next_start(const struct queue *q)
{
    return (hf_time){q->rate_at.us - q->rate_burst_us};
}

static bool has_room(const struct queue *q)
{
    uint32_t most = q->policy.rules.max_in_flight;

    return most == 0 || q->in_flight < most;
}

bool rate_allows(const struct broker *b, const struct queue *q)
{
    return !q->is_limited || (has_room(q) && hf_time_reached(next_start(q), b->now));
}

void rate_take(struct broker *b, struct queue *q)
{
    if (q->rate_interval_us == 0) {
        return;
    }
    if (hf_time_before(q->rate_at, b->now)) {
        q->rate_at = b->now;
    }
    q->rate_at.us += q->rate_interval_us;
    q->rate_rest += US_PER_KILOSECOND % (int64_t)q->policy.rules.rate_milli;
    if (q->rate_rest >= (int64_t)q->policy.rules.rate_milli) {
        q->rate_rest -= (int64_t)q->policy.rules.rate_milli;
        q->rate_at.us++;
    }
}

void rate_wait(struct broker *b, struct queue *q)
{
    if (has_room(q)) { /* else the end of a lease wakes it */
        hf_heap_set(&b->rated, &q->rate_due, next_start(q));
    }
}

void rate_settle(struct broker *b)
{
    while (hf_time_reached(hf_heap_next_due(&b->rated), b->now)) {
        struct hf_heap_node *node = hf_heap_first(&b->rated);

        hf_heap_remove(&b->rated, node);
        queue_wake(b, HF_CONTAINER(node, struct queue, rate_due));
    }
}

uint32_t rate_refuse_ms(const struct broker *b, const struct queue *q)
{
    const struct broker_queue_rules *rules = &q->policy.rules;
    int64_t waiting = (int64_t)queue_depth(q);
    hf_time start = {next_start(q).us + waiting * q->rate_interval_us};

    if (!q->is_limited || !rules->is_refusing) {
        return 0;
    }
    if (rules->max_in_flight != 0 &&
        q->in_flight + (uint64_t)waiting >= rules->max_in_flight) {
        return quota_retry_after_ms(b, q);
    }
    if (q->rate_interval_us == 0 || hf_time_reached(start, b->now)) {
        return 0;
    }
    int64_t ms = (start.us - b->now.us) / 1000 + 1;

    return (uint32_t)(ms < QUOTA_RETRY_MAX_MS ? ms : QUOTA_RETRY_MAX_MS);
}
