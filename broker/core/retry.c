#include "broker/core/retry.h"

#include "broker/core/lease.h"
#include "broker/core/queue.h"
#include "broker/core/request.h"

/* splitmix64: a stream that depends on the seed alone. */
static uint64_t retry_random(struct broker *b)
{
    uint64_t z = b->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 for the first redelivery, then 1 s x 2^n, a quarter more or less, at most 5 min. */
static int64_t retry_delay_ms(struct broker *b, uint32_t failed)
{
    if (failed <= 1) {
        return 0;
    }
    uint32_t doublings = failed - 2 < 16 ? failed - 2 : 16;
    int64_t base = (int64_t)RETRY_DELAY_FIRST_MS << doublings;

    base = base < RETRY_DELAY_MAX_MS ? base : RETRY_DELAY_MAX_MS;
    int64_t delay =
        base - base / 4 + (int64_t)(retry_random(b) % (uint64_t)(base / 2 + 1));

    return delay < RETRY_DELAY_MAX_MS ? delay : RETRY_DELAY_MAX_MS;
}

static void retry_requeue(struct broker *b, struct request *r, int64_t delay_ms)
{
    lease_reset_response(b, r);
    request_leave(b, r);
    lease_let_go(b, r);
    request_queue(b, r)->redelivered++;
    if (r->suspicion != SUSPICION_NONE) {
        r->suspicion = SUSPICION_WAITING;
    }
    if (delay_ms == 0 || request_is_unclaimed(r)) {
        request_queue_up(b, r, true);
        return;
    }
    r->until = hf_time_add_ms(b->now, delay_ms);
    request_enter(b, r, REQUEST_DELAYED);
    request_arm(b, r);
}

static void retry_count(struct broker *b, struct request *r)
{
    r->failed++;
    if (r->failed >= request_queue(b, r)->policy.attempts_max) {
        request_refuse(b, r, HF_REASON_ATTEMPTS);
        return;
    }
    retry_requeue(b, r, retry_delay_ms(b, r->failed));
}

void retry_after_loss(struct broker *b, struct request *r, bool is_counted)
{
    if (!is_counted) {
        retry_requeue(b, r, 0);
        return;
    }
    r->bits |= REQUEST_IS_LOSS_COUNTED;
    retry_count(b, r);
}

/* Row 45: a started, unkeyed, synchronous POST is never run again by itself. Nor is
 * what an app answered with something that is not HTTP: it did answer, and SECURITY.md
 * 5 (worker response) makes that a 502. */
void retry_after_failure(struct broker *b, struct request *r, hf_reason reason)
{
    if (r->state == REQUEST_ORPHAN) {
        request_end(b, r, reason);
    } else if ((r->bits & RESPONSE_IS_BEGUN) || request_is_unrepeatable(b, r) ||
               reason == HF_REASON_BAD_RESPONSE) {
        bool is_answer = (uint32_t)reason < HF_REASON_COUNT &&
                         reason != HF_REASON_NONE && hf_reason_status(reason) != 0;

        request_refuse(b, r, is_answer ? reason : HF_REASON_WORKER_LOST);
    } else {
        r->suspicion = SUSPICION_NONE; /* its worker has outlived it */
        retry_count(b, r);
    }
}

void retry_after_release(struct broker *b, struct request *r)
{
    if (r->state == REQUEST_ORPHAN) {
        request_end(b, r, HF_REASON_CLIENT_GONE);
    } else {
        retry_requeue(b, r, 0);
    }
}
