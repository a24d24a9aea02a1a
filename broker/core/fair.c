#include "broker/core/fair.h"

#include "broker/core/request.h"

hf_slice share_key(const void *element)
{
    const struct share *share = element;

    return hf_slice_of(&share->id, sizeof share->id);
}

static struct share *share_at(const struct broker *b, uint32_t index)
{
    return hf_pool_at(&b->shares, index);
}

static struct share *share_of(const struct broker *b, const struct request *r)
{
    return r->extra == 0 ? NULL : share_at(b, extra_of(b, r)->share);
}

static struct share *share_find(const struct broker *b, const struct queue *q,
                                uint64_t fair_key)
{
    struct share wanted = {.id = {fair_key, hf_pool_index(&b->queues, q)}};

    return hf_map_get(&b->shares_by_key, share_key(&wanted));
}

static struct share *share_new(struct broker *b, struct queue *q, uint64_t fair_key)
{
    struct share *share = hf_pool_get(&b->shares);

    hf_check(share != NULL); /* as many as requests */
    share->id.fair_key = fair_key;
    share->id.queue = hf_pool_index(&b->queues, q);
    hf_list_init(&share->turn);
    hf_err err = hf_map_put(&b->shares_by_key, share);

    hf_check(err == HF_OK);
    q->shares++;
    return share;
}

bool fair_admits(const struct broker *b, const struct queue *q,
                 const struct broker_wishes *wishes)
{
    uint64_t percent = q->policy.rules.fair_share;

    if (wishes == NULL || wishes->fair_key == 0 || percent == 0) {
        return true;
    }
    const struct share *share = share_find(b, q, wishes->fair_key);
    uint64_t most = q->policy.length_max * percent / 100;

    return share == NULL || share->queued < (most > 1 ? most : 1);
}

void fair_join(struct broker *b, struct queue *q, struct request_extra *extra)
{
    uint64_t fair_key = extra->wishes.fair_key;

    if (fair_key == 0 && q->shares == 0) {
        return;
    }
    struct share *share = share_find(b, q, fair_key);

    share = share != NULL ? share : share_new(b, q, fair_key);
    share->references++;
    extra->share = hf_pool_index(&b->shares, share);
}

void fair_quit(struct broker *b, struct queue *q, struct request_extra *extra)
{
    struct share *share = share_at(b, extra->share);

    extra->share = 0;
    if (share == NULL || --share->references > 0) {
        return;
    }
    hf_check(share->queued == 0 && share->ready == 0);
    void *removed = hf_map_remove(&b->shares_by_key, share_key(share));

    hf_check(removed == share);
    hf_pool_put(&b->shares, share);
    q->shares--;
}

void fair_count(struct broker *b, const struct request *r, bool is_entering)
{
    struct share *share = share_of(b, r);

    if (share != NULL && is_entering) {
        share->queued++;
    } else if (share != NULL) {
        hf_check(share->queued > 0);
        share->queued--;
    }
}

static struct link *turn_of(const struct broker *b, uint32_t slot)
{
    return &extra_of(b, request_at(b, slot))->turn;
}

void fair_enter(struct broker *b, struct request *r, bool is_front)
{
    struct share *share = share_of(b, r);
    uint32_t slot = request_slot(b, r);

    if (share == NULL) {
        return;
    }
    *turn_of(b, slot) = is_front ? (struct link){.next = share->first}
                                 : (struct link){.prev = share->last};
    if (share->ready++ == 0) {
        share->first = share->last = slot;
        hf_list_push_back(&queue_at(b, r->queue)->turns, &share->turn);
    } else if (is_front) {
        turn_of(b, share->first)->prev = slot;
        share->first = slot;
    } else {
        turn_of(b, share->last)->next = slot;
        share->last = slot;
    }
}

void fair_leave(struct broker *b, struct request *r)
{
    struct share *share = share_of(b, r);

    if (share == NULL) {
        return;
    }
    struct link turn = *turn_of(b, request_slot(b, r));

    *(turn.prev ? &turn_of(b, turn.prev)->next : &share->first) = turn.next;
    *(turn.next ? &turn_of(b, turn.next)->prev : &share->last) = turn.prev;
    hf_check(share->ready > 0);
    if (--share->ready == 0) {
        hf_list_remove(&share->turn);
    }
}

struct request *fair_next(struct broker *b, struct queue *q)
{
    struct request *oldest = request_list_first(b, &q->ready);

    if (share_of(b, oldest) == NULL) {
        return oldest;
    }
    return request_at(
        b, HF_CONTAINER(hf_list_first(&q->turns), struct share, turn)->first);
}

void fair_pass(struct broker *b, const struct request *r)
{
    struct share *share = share_of(b, r);

    if (share != NULL) {
        hf_list_remove(&share->turn);
        hf_list_push_back(&queue_at(b, r->queue)->turns, &share->turn);
    }
}

void fair_check(const struct broker *b, const struct queue *q)
{
    uint32_t in_shares = 0;
    uint32_t in_ready = 0;

    HF_LIST_FOR(node, &q->turns)
    {
        const struct share *share = HF_CONTAINER(node, struct share, turn);
        uint32_t previous = 0;

        hf_check(share->ready > 0 && share->ready <= share->queued);
        hf_check(share->queued <= share->references);
        hf_check(queue_at(b, (uint32_t)share->id.queue) == q);
        for (uint32_t slot = share->first; slot != 0; slot = turn_of(b, slot)->next) {
            hf_check(share_of(b, request_at(b, slot)) == share);
            hf_check(turn_of(b, slot)->prev == previous);
            previous = slot;
            in_shares++;
        }
        hf_check(share->last == previous);
    }
    for (const struct request *r = request_list_first(b, &q->ready); r != NULL;
         r = request_list_next(b, &q->ready, r)) {
        in_ready += share_of(b, r) != NULL ? 1 : 0;
    }
    hf_check(in_shares == in_ready);
}
