#include "broker/core/queue.h"

#include "broker/core/adaptive.h"
#include "broker/core/poison.h"
#include "broker/core/rate.h"
#include "broker/core/request.h"
#include "broker/core/session.h"

#include <string.h>

hf_slice queue_key(const void *element)
{
    const struct queue *q = element;

    return hf_slice_of(q->name, q->name_bytes);
}

struct queue *queue_find(const struct broker *b, hf_slice name)
{
    return hf_map_get(&b->queues_by_name, name);
}

struct queue *queue_new(struct broker *b, hf_slice name)
{
    hf_check(name.bytes >= 1 && name.bytes <= BROKER_QUEUE_NAME_MAX);
    struct queue *q = hf_pool_get(&b->queues);

    if (q == NULL) {
        return NULL;
    }
    memcpy(q->name, name.data, name.bytes);
    q->name_bytes = (uint8_t)name.bytes;
    request_list_init(&q->ready, LINK_PLACE);
    request_list_init(&q->waiting, LINK_PLACE);
    request_list_init(&q->suspects, LINK_PLACE);
    hf_list_init(&q->quarantined);
    request_list_init(&q->lazy, LINK_BATCH);
    hf_list_init(&q->handles);
    hf_list_init(&q->takers);
    hf_list_init(&q->turns);
    hf_list_init(&q->waiting_match);
    hf_list_init(&q->removed);
    hf_err err = hf_map_put(&b->queues_by_name, q);

    hf_check(err == HF_OK);
    uint32_t index = hf_pool_index(&b->queues, q);

    b->queues_count = index > b->queues_count ? index : b->queues_count;
    return q;
}

void queue_set_policy(struct broker *b, struct queue *q,
                      const struct broker_queue_policy *policy)
{
    q->policy = *policy;
    q->policy.name = hf_slice_of(q->name, q->name_bytes);
    q->is_removed = false;
    adaptive_reset(q);
    rate_configure(b, q);
    hf_list_remove(&q->removed);
    queue_wake(b, q);
}

void queue_remove(struct broker *b, struct queue *q)
{
    q->is_removed = true;
    queue_check_removed(b, q);
}

uint64_t queue_depth(const struct queue *q)
{
    return (uint64_t)q->ready.count + q->waiting.count + q->suspects.count;
}

bool queue_delivers(const struct queue *q)
{
    return q->policy.state == BROKER_QUEUE_ENABLED ||
           q->policy.state == BROKER_QUEUE_DRAINING;
}

void queue_wake(struct broker *b, struct queue *q)
{
    if (q->ready.count == 0 || hf_list_is_empty(&q->takers) || !queue_delivers(q) ||
        hf_list_is_linked(&q->waiting_match)) {
        return;
    }
    if (rate_allows(b, q)) {
        hf_list_push_back(&b->matchable, &q->waiting_match);
    } else {
        rate_wait(b, q);
    }
}

void queue_check_removed(struct broker *b, struct queue *q)
{
    /* One that the arriving policy names may be about to come back. */
    bool is_named = b->is_policy_arriving && q->policy_round == b->policy_round;

    if (q->is_removed && q->requests == 0 && !is_named &&
        !hf_list_is_linked(&q->removed)) {
        hf_list_push_back(&b->removed, &q->removed);
    }
}

void queue_close_handle(struct broker *b, struct handle *h, hf_reason reason)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_CLOSED);

    effect->session = session_at(b, h->key.session)->number;
    effect->handle = h->key.number;
    effect->queue = h->queue;
    effect->reason = reason;
    handle_leave(b, h);
}

static void queue_free(struct broker *b, struct queue *q)
{
    hf_list_remove(&q->removed);
    hf_list_remove(&q->waiting_match);
    poison_forget_queue(b, q);
    hf_heap_remove(&b->rated, &q->rate_due);
    void *removed = hf_map_remove(&b->queues_by_name, queue_key(q));

    hf_check(removed == q);
    q->name_bytes = 0;
    hf_pool_put(&b->queues, q);
}

bool queue_settle_removed(struct broker *b)
{
    uint32_t work = 0;

    while (!hf_list_is_empty(&b->removed)) {
        struct hf_list *node = hf_list_first(&b->removed);
        struct queue *q = HF_CONTAINER(node, struct queue, removed);

        if (work == BROKER_STEP_WORK_MAX || !step_has_room(b)) {
            return false;
        }
        work++;
        if (q->requests > 0) {
            hf_list_remove(&q->removed);
        } else if (hf_list_is_empty(&q->handles)) {
            queue_free(b, q);
        } else {
            struct hf_list *first = hf_list_first(&q->handles);

            queue_close_handle(b, HF_CONTAINER(first, struct handle, in_queue),
                               HF_REASON_UNBOUND);
        }
    }
    return true;
}
