/* Reading the core: for the store, STAT and PEEK. Changes nothing. */
#include "broker/core/batch.h"
#include "broker/core/principal.h"
#include "broker/core/queue.h"
#include "broker/core/request.h"
#include "broker/core/session.h"

static uint32_t view_session_number(const struct broker *b, uint32_t index)
{
    const struct session *s = session_at(b, index);

    return s == NULL || s->is_dying ? 0 : s->number;
}

/* Of an ENDED request the durable fields stay readable until its slot is freed. */
struct broker_request_view broker_request_at(const struct broker *b, uint32_t slot)
{
    const struct request *r = request_at(b, slot);

    hf_check(r->state != REQUEST_FREE);
    bool is_receiving = r->state == REQUEST_RECEIVING;

    return (struct broker_request_view){
        .id = r->id,
        .seq = r->seq,
        .queue = r->queue,
        .flags = r->flags,
        .owner = principal_key_of(b, r->owner),
        .head_bytes = r->head_bytes,
        .body_bytes = is_receiving ? BROKER_BODY_INCOMPLETE : r->body_bytes,
        .enqueued = r->enqueued,
        .deadline = r->deadline,
        .is_on_disk = batch_is_stored(r) && !is_receiving,
        .is_leased = r->state == REQUEST_LEASED || r->state == REQUEST_GRACE ||
                     r->state == REQUEST_ORPHAN,
        .lease_session = view_session_number(b, r->holder_session),
        .owner_session = view_session_number(b, r->owner_session),
        .lease_epoch = r->epoch,
    };
}

uint32_t broker_slot_of(const struct broker *b, hf_id id)
{
    const struct request *r = request_find(b, id);

    return r == NULL ? 0 : request_slot(b, r);
}

bool broker_slot_has(const struct broker *b, uint32_t slot, hf_id id)
{
    const struct request *r = request_at(b, slot);

    return r->state != REQUEST_FREE && hf_id_equal(r->id, id);
}

uint32_t broker_queues_count(const struct broker *b)
{
    hf_check(b->queues_count <= b->config.queues_max);
    return b->queues_count;
}

bool broker_queue_at(const struct broker *b, uint32_t index,
                     struct broker_queue_view *out)
{
    if (index == 0 || index > b->queues_count || queue_at(b, index)->name_bytes == 0) {
        return false;
    }
    const struct queue *q = queue_at(b, index);
    const struct request *ready = request_list_first(b, &q->ready);
    const struct request *waiting = request_list_first(b, &q->waiting);

    *out = (struct broker_queue_view){
        .name = hf_slice_of(q->name, q->name_bytes),
        .state = q->policy.state,
        .depth = queue_depth(q),
        .depth_bytes = q->depth_bytes,
        .oldest = hf_time_min(ready != NULL ? ready->enqueued : HF_TIME_NEVER,
                              waiting != NULL ? waiting->enqueued : HF_TIME_NEVER),
        .in_flight = q->in_flight,
        .idle_credit = q->idle_credit,
        .committed = q->committed,
        .elided = q->elided,
        .accepted = q->accepted,
        .answered = q->answered,
        .refused = q->refused,
        .redelivered = q->redelivered,
        .retention_ms = q->policy.rules.retention_ms,
    };
    return true;
}

uint32_t broker_queue_find(const struct broker *b, hf_slice name)
{
    return hf_pool_index(&b->queues, queue_find(b, name));
}

bool broker_handle_at(const struct broker *b, uint32_t session, uint32_t index,
                      struct broker_handle_view *out)
{
    const struct session *s = session_find(b, session);

    if (s == NULL) {
        return false;
    }
    HF_LIST_FOR(node, &s->handles)
    {
        const struct handle *h = HF_CONTAINER(node, struct handle, in_session);

        if (h->queue != 0 && index-- == 0) {
            const struct queue *q = queue_at(b, h->queue);

            *out = (struct broker_handle_view){h->key.number, h->rights,
                                               hf_slice_of(q->name, q->name_bytes)};
            return true;
        }
    }
    return false;
}

uint32_t broker_session_leases(const struct broker *b, uint32_t session)
{
    const struct session *s = session_find(b, session);

    return s == NULL ? 0 : s->leases.count;
}

const struct broker_counts *broker_counts(const struct broker *b)
{
    hf_check(b != NULL);
    return &b->counts;
}

/* Over slots, not along the queue's lists: those change between two pages, a request
 * never leaves its slot. */
uint32_t broker_peek(const struct broker *b, uint32_t queue, uint64_t *cursor,
                     hf_id *ids, uint32_t limit)
{
    uint64_t end = b->requests.fresh;
    uint32_t count = 0;

    for (uint32_t work = 0; work < BROKER_PEEK_SLOTS_MAX && count < limit; work++) {
        if (*cursor >= end) {
            *cursor = BROKER_PEEK_END;
            break;
        }
        const struct request *r = request_at(b, (uint32_t)++ * cursor);

        if (r->queue == queue && request_states[r->state].is_queued) {
            ids[count++] = r->id;
        }
    }
    return count;
}
