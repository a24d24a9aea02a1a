#include "broker/core/session.h"

#include "broker/core/allowance.h"
#include "broker/core/lease.h"
#include "broker/core/poison.h"
#include "broker/core/principal.h"
#include "broker/core/queue.h"
#include "broker/core/request.h"

struct session *session_find(const struct broker *b, uint32_t number)
{
    hf_check(number >= 1 && number <= b->config.sessions_max);
    return session_at(b, b->sessions_by_number[number]);
}

uint32_t session_index(const struct broker *b, const struct session *s)
{
    return hf_pool_index(&b->sessions, s);
}

struct session *session_new(struct broker *b, uint32_t number, hf_key key)
{
    uint16_t principal = principal_take(b, key);
    struct session *s = principal == 0 ? NULL : hf_pool_get(&b->sessions);

    if (s == NULL) {
        b->counts.holders_refused += principal == 0 ? 1 : 0;
        b->counts.places_refused += principal == 0 ? 0 : 1;
        principal_let_go(b, principal);
        return NULL;
    }
    s->number = number;
    s->principal = principal;
    s->renewed = b->now;
    s->bytes_max = UINT64_MAX;
    hf_list_init(&s->handles);
    hf_list_init(&s->dying);
    hf_list_init(&s->parked);
    request_list_init(&s->leases, LINK_PLACE);
    request_list_init(&s->answered, LINK_PLACE);
    request_list_init(&s->owned, LINK_OWNER);
    hf_list_push_back(&principal_at(b, principal)->sessions, &s->peers);
    hf_heap_set(&b->expiries, &s->expiry, hf_time_add_ms(b->now, b->config.lease_ms));
    b->sessions_by_number[number] = (uint16_t)session_index(b, s);
    return s;
}

void session_lose(struct broker *b, struct session *s)
{
    hf_check(!s->is_dying);
    s->is_dying = true;
    s->lost = b->now;
    b->sessions_by_number[s->number] = 0;
    if (b->policy.session == s->number) {
        b->policy.session = 0;
    }
    if (b->policy_taken.session == s->number) {
        b->policy_taken.session = 0;
    }
    hf_heap_remove(&b->expiries, &s->expiry);
    if (s->quarantine != 0) {
        poison_release(b, s);
    }
    hf_list_remove(&s->peers);
    while (!hf_list_is_empty(&s->handles)) {
        struct hf_list *node = hf_list_first(&s->handles);

        handle_free(b, HF_CONTAINER(node, struct handle, in_session));
    }
    hf_list_push_back(&b->dying, &s->dying);
}

void session_violate(struct broker *b, struct session *s, hf_reason reason)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_VIOLATION);

    effect->session = s->number;
    effect->reason = reason;
    session_lose(b, s);
}

/* One unit of what a lost session held; false when nothing is left. Leases go from the
 * newest to the oldest, each to the front of its queue, so they keep their order. */
static bool session_settle_one(struct broker *b, struct session *s)
{
    struct request *r = request_list_last(b, &s->leases);

    if (r != NULL) {
        lease_lost(b, r);
        return true;
    }
    r = request_list_first(b, &s->answered);
    if (r != NULL) {
        request_leave(b, r);
        lease_let_go(b, r);
        return true;
    }
    r = request_list_first(b, &s->owned);
    if (r != NULL) {
        request_owner_lost(b, r);
        return true;
    }
    return false;
}

bool session_settle(struct broker *b)
{
    uint32_t work = 0;

    while (!hf_list_is_empty(&b->dying)) {
        struct session *s =
            HF_CONTAINER(hf_list_first(&b->dying), struct session, dying);

        if (work == BROKER_STEP_WORK_MAX || !step_has_room(b)) {
            return false;
        }
        work++;
        if (!session_settle_one(b, s)) {
            hf_list_remove(&s->dying);
            allowance_leave(b, s);
            principal_let_go(b, s->principal);
            hf_pool_put(&b->sessions, s);
        }
    }
    return true;
}

void session_expire(struct broker *b)
{
    while (hf_time_reached(hf_heap_next_due(&b->expiries), b->now) &&
           step_has_room(b)) {
        struct session *s =
            HF_CONTAINER(hf_heap_first(&b->expiries), struct session, expiry);
        hf_time due = hf_time_add_ms(s->renewed, b->config.lease_ms);

        if (s->leases.count == 0) {
            due = hf_time_add_ms(b->now, b->config.lease_ms);
        }
        if (hf_time_reached(due, b->now)) {
            session_violate(b, s, HF_REASON_WORKER_LOST);
        } else {
            hf_heap_set(&b->expiries, &s->expiry, due);
        }
    }
}

hf_slice handle_key(const void *element)
{
    const struct handle *h = element;

    return hf_slice_of(&h->key, sizeof h->key);
}

struct handle *handle_find(const struct broker *b, const struct session *s,
                           uint32_t number)
{
    const struct handle probe = {.key = {session_index(b, s), number}};

    return hf_map_get(&b->handles_by_key, handle_key(&probe));
}

struct handle *handle_new(struct broker *b, struct session *s, uint32_t number)
{
    struct handle *h = hf_pool_get(&b->handles);

    if (h == NULL) {
        return NULL;
    }
    h->key.session = session_index(b, s);
    h->key.number = number;
    hf_list_init(&h->in_queue);
    hf_list_init(&h->takers);
    hf_list_push_back(&s->handles, &h->in_session);
    s->handles_count++;
    hf_err err = hf_map_put(&b->handles_by_key, h);

    hf_check(err == HF_OK);
    return h;
}

void handle_join(struct broker *b, struct handle *h, struct queue *q)
{
    hf_check(h->queue == 0);
    h->queue = (uint16_t)hf_pool_index(&b->queues, q);
    hf_list_push_back(&q->handles, &h->in_queue);
}

void handle_leave(struct broker *b, struct handle *h)
{
    if (h->queue == 0) {
        return;
    }
    struct queue *q = queue_at(b, h->queue);

    q->idle_credit -= h->credit;
    h->credit = 0;
    h->queue = 0;
    hf_list_remove(&h->takers);
    hf_list_remove(&h->in_queue);
    queue_check_removed(b, q);
}

void handle_free(struct broker *b, struct handle *h)
{
    handle_leave(b, h);
    hf_list_remove(&h->in_session);
    session_at(b, h->key.session)->handles_count--;
    void *removed = hf_map_remove(&b->handles_by_key, handle_key(h));

    hf_check(removed == h);
    hf_pool_put(&b->handles, h);
}

void handle_add_credit(struct broker *b, struct handle *h, uint32_t requests)
{
    struct queue *q = queue_at(b, h->queue);

    if (requests == 0) {
        return;
    }
    if (h->credit == 0) {
        hf_list_push_back(&q->takers, &h->takers);
    }
    h->credit += requests;
    q->idle_credit += requests;
    queue_wake(b, q);
}

/* Round robin, but a worker with much credit gets a few in a row: they travel in one
 * message and wake it once. One that takes few at a time gets one and waits its turn.
 */
void handle_use_credit(struct broker *b, struct handle *h)
{
    struct queue *q = queue_at(b, h->queue);

    hf_check(h->credit > 0);
    if (h->turn == 0) {
        h->turn = 1 + h->credit / BROKER_TURN_SHARE;
    }
    h->credit--;
    h->turn--;
    q->idle_credit--;
    if (h->credit > 0 && h->turn > 0) {
        return;
    }
    h->turn = 0;
    hf_list_remove(&h->takers);
    if (h->credit > 0) {
        hf_list_push_back(&q->takers, &h->takers);
    }
}
