#include "broker/core/allowance.h"

#include "broker/core/queue.h"

#include <string.h>

#define US_PER_SECOND 1000000u
#define PER_MESSAGE   US_PER_SECOND /* units of `level` */
#define RATE_MAX      UINT32_MAX    /* more is no limit, and fits the sums here */

static struct allowance *allowance_at(const struct broker *b, uint32_t index)
{
    return hf_pool_at(&b->allowances, index);
}

hf_slice allowance_key(const void *element)
{
    const struct allowance *a = element;

    return hf_slice_of(a->token, sizeof a->token);
}

static uint64_t level_max(const struct allowance *a)
{
    return a->burst * PER_MESSAGE;
}

/* `rate` units flow in each microsecond, up to `burst` messages. */
static void refill(struct broker *b, struct allowance *a)
{
    uint64_t us = (uint64_t)(b->now.us - a->filled.us);
    uint64_t missing = level_max(a) - a->level;

    a->filled = b->now;
    a->level = us > missing / a->rate ? level_max(a) : a->level + us * a->rate;
}

static void allowance_free(struct broker *b, struct allowance *a)
{
    hf_check(a->references == 0 && a->leases == 0 && hf_list_is_empty(&a->parked));
    hf_list_remove(&a->idle);
    hf_list_remove(&a->eased);
    void *removed = hf_map_remove(&b->allowances_by_token, allowance_key(a));

    hf_check(removed == a);
    hf_pool_put(&b->allowances, a);
}

static struct allowance *allowance_new(struct broker *b,
                                       const struct broker_limits *limits)
{
    struct hf_list *oldest = hf_list_first(&b->idle_allowances);

    if (b->allowances.count == b->allowances.count_max) {
        /* There are as many as all sessions can use: one of them must be idle. */
        hf_check(oldest != NULL);
        allowance_free(b, HF_CONTAINER(oldest, struct allowance, idle));
    }
    struct allowance *a = hf_pool_get(&b->allowances);

    hf_check(a != NULL);
    memcpy(a->token, limits->token, sizeof a->token);
    hf_list_init(&a->parked);
    hf_list_init(&a->eased);
    hf_list_init(&a->idle);
    hf_err err = hf_map_put(&b->allowances_by_token, a);

    hf_check(err == HF_OK);
    return a;
}

static uint64_t least(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

/* A token says the same in every chain, so only the first has to set it. */
static struct allowance *allowance_take(struct broker *b,
                                        const struct broker_limits *limits)
{
    struct allowance *a = hf_map_get(&b->allowances_by_token,
                                     hf_slice_of(limits->token, sizeof limits->token));

    if (a == NULL) {
        a = allowance_new(b, limits);
        a->inflight = least(limits->inflight, UINT32_MAX);
        a->rate = limits->rate < RATE_MAX ? limits->rate : 0;
        a->burst = least(limits->burst != 0 ? limits->burst : a->rate, RATE_MAX);
        a->level = level_max(a);
        a->filled = b->now;
    }
    hf_list_remove(&a->idle);
    a->references++;
    return a;
}

/* Where they stood: each session's handles return to their queues, and what is spent
 * parks them again. */
static void unpark_all(struct broker *b, struct session *s)
{
    HF_LIST_FOR(node, &s->handles)
    {
        struct handle *h = HF_CONTAINER(node, struct handle, in_session);

        if (h->queue != 0 && h->credit > 0) {
            struct queue *q = queue_at(b, h->queue);

            hf_list_remove(&h->takers);
            hf_list_push_back(&q->takers, &h->takers);
            queue_wake(b, q);
        }
    }
}

static void ease(struct broker *b, struct allowance *a)
{
    if (!hf_list_is_empty(&a->parked) && a->leases < a->inflight &&
        !hf_list_is_linked(&a->eased)) {
        hf_list_push_back(&b->eased, &a->eased);
    }
}

void allowance_join(struct broker *b, struct session *s,
                    const struct broker_limits *limits, uint32_t count)
{
    struct session old = *s;

    hf_check(count <= BROKER_LIMITS_MAX);
    s->allowances_count = 0;
    s->bytes_max = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct allowance *a = allowance_take(b, &limits[i]);

        a->leases += s->leases.count;
        s->allowances[s->allowances_count++] = hf_pool_index(&b->allowances, a);
        if (limits[i].bytes != 0) {
            s->bytes_max = least(s->bytes_max, limits[i].bytes);
        }
    }
    if (old.allowances_count > 0) {
        unpark_all(b, s);
    }
    allowance_leave(b, &old);
}

void allowance_leave(struct broker *b, struct session *s)
{
    for (uint32_t i = 0; i < s->allowances_count; i++) {
        struct allowance *a = allowance_at(b, s->allowances[i]);

        hf_check(a->references > 0 && a->leases >= s->leases.count);
        a->references--;
        a->leases -= s->leases.count;
        ease(b, a);
        if (a->references == 0) {
            hf_list_push_back(&b->idle_allowances, &a->idle);
        }
    }
    s->allowances_count = 0;
}

void allowance_count_lease(struct broker *b, struct session *s, int32_t leases)
{
    for (uint32_t i = 0; i < s->allowances_count; i++) {
        struct allowance *a = allowance_at(b, s->allowances[i]);

        hf_check(leases > 0 || a->leases > 0);
        a->leases += (uint32_t)leases;
        ease(b, a);
    }
}

struct allowance *allowance_spent(const struct broker *b, const struct session *s)
{
    for (uint32_t i = 0; i < s->allowances_count; i++) {
        struct allowance *a = allowance_at(b, s->allowances[i]);

        if (a->inflight != 0 && a->leases >= a->inflight) {
            return a;
        }
    }
    return NULL;
}

void allowance_park(struct broker *b, struct allowance *a, struct handle *h)
{
    b->counts.inflight_waits++;
    hf_list_remove(&h->takers);
    hf_list_push_back(&a->parked, &h->takers);
}

/* No more of them than leases are free, as far as their queues have something: the
 * others would only come back. False: more may go when those have been matched. */
static bool ease_some(struct broker *b, struct allowance *a, uint32_t *work)
{
    uint64_t free = a->inflight > a->leases ? a->inflight - a->leases : 0;

    while (free > 0 && !hf_list_is_empty(&a->parked)) {
        struct hf_list *node = hf_list_first(&a->parked);
        struct handle *h = HF_CONTAINER(node, struct handle, takers);
        struct queue *q = queue_at(b, h->queue);

        if (*work == BROKER_STEP_WORK_MAX) {
            return false;
        }
        (*work)++;
        hf_list_remove(&h->takers);
        hf_list_push_back(&q->takers, &h->takers);
        queue_wake(b, q);
        free -= hf_list_is_linked(&q->waiting_match) ? 1 : 0;
    }
    return hf_list_is_empty(&a->parked);
}

bool allowance_settle(struct broker *b)
{
    uint32_t work = 0;
    bool is_done = true;

    HF_LIST_FOR(node, &b->eased)
    {
        struct allowance *a = HF_CONTAINER(node, struct allowance, eased);
        bool is_settled = ease_some(b, a, &work);

        if (is_settled || a->leases >= a->inflight) {
            hf_list_remove(&a->eased);
        } else {
            is_done = false;
        }
        if (work == BROKER_STEP_WORK_MAX) {
            return hf_list_is_empty(&b->eased);
        }
    }
    return is_done;
}

uint32_t allowance_wait_ms(struct broker *b, const struct session *s)
{
    uint64_t wait_us = 0;

    for (uint32_t i = 0; i < s->allowances_count; i++) {
        struct allowance *a = allowance_at(b, s->allowances[i]);

        if (a->rate == 0) {
            continue;
        }
        refill(b, a);
        uint64_t missing = a->level < PER_MESSAGE ? PER_MESSAGE - a->level : 0;
        uint64_t us = (missing + a->rate - 1) / a->rate;

        wait_us = us > wait_us ? us : wait_us;
    }
    return (uint32_t)((wait_us + 999) / 1000);
}

void allowance_charge(struct broker *b, const struct session *s)
{
    for (uint32_t i = 0; i < s->allowances_count; i++) {
        struct allowance *a = allowance_at(b, s->allowances[i]);

        hf_check(a->rate == 0 || a->level >= PER_MESSAGE);
        a->level -= a->rate != 0 ? PER_MESSAGE : 0;
    }
}
