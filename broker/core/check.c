/* Walks all that the core holds and checks what must be true of it. Linear; for tests.
 */
#include "broker/core/fair.h"
#include "broker/core/poison.h"
#include "broker/core/queue.h"
#include "broker/core/rate.h"
#include "broker/core/request.h"
#include "broker/core/session.h"

struct tally {
    uint64_t in_flight;
    uint64_t requests; /* that name a queue of the walk */
    uint64_t timed;
    uint64_t due;
    uint64_t drops;
    uint64_t taken;
    uint64_t lazy;
};

static void check_list(const struct broker *b, const struct request_list *list)
{
    const struct request *r = request_list_first(b, list);
    uint32_t count = 0;
    uint32_t previous = 0;

    while (r != NULL) {
        hf_check(r->state != REQUEST_FREE);
        hf_check(r->links[list->kind].prev == previous);
        previous = request_slot(b, r);
        count++;
        r = request_list_next(b, list, r);
    }
    hf_check(list->last == previous);
    hf_check(list->count == count);
}

static bool is_in(const struct broker *b, const struct request_list *list,
                  const struct request *r)
{
    const struct link *link = &r->links[list->kind];

    return link->prev != 0 || link->next != 0 || list->first == request_slot(b, r);
}

static void check_place(const struct broker *b, const struct request *r)
{
    const struct queue *q = queue_at(b, r->queue);
    const struct session *s = session_at(b, r->holder_session);

    switch ((enum request_state)r->state) {
    case REQUEST_READY:
        hf_check(is_in(b, r->suspicion ? &q->suspects : &q->ready, r));
        break;
    case REQUEST_RECEIVING:
    case REQUEST_COMMITTING:
    case REQUEST_DELAYED:
    case REQUEST_UNCLAIMED:
        hf_check(is_in(b, &q->waiting, r));
        break;
    case REQUEST_OFFERED:
    case REQUEST_DISPATCHING:
    case REQUEST_LEASED:
        hf_check(s != NULL && is_in(b, &s->leases, r));
        break;
    case REQUEST_GRACE:
        hf_check(s == NULL && is_in(b, &principal_at(b, r->holder)->away, r));
        break;
    case REQUEST_ORPHAN:
        hf_check(
            is_in(b, s != NULL ? &s->leases : &principal_at(b, r->holder)->away, r));
        break;
    case REQUEST_ANSWERED:
        hf_check(s == NULL || is_in(b, &s->answered, r));
        break;
    case REQUEST_AWAITED:
        hf_check(s == NULL && r->holder == 0);
        break;
    case REQUEST_ENDED:
        hf_check((r->bits & (REQUEST_IS_DROPPING | REQUEST_IS_TAKEN)) != 0);
        break;
    case REQUEST_FREE:
    case REQUEST_STATES:
        hf_check(r->state == REQUEST_ENDED);
    }
}

static void check_request(const struct broker *b, const struct request *r,
                          struct tally *tally)
{
    bool is_planted = b->config.planted == BROKER_PLANT_DELIVER_UNCLAIMED;

    check_place(b, r);
    tally->in_flight += request_states[r->state].is_flight ? 1 : 0;
    tally->timed += (r->bits & REQUEST_IS_TIMED) ? 1 : 0;
    tally->due += (r->bits & REQUEST_IS_DUE) ? 1 : 0;
    tally->lazy += r->disk == DISK_LAZY ? 1 : 0;
    hf_check(r->unput_bytes <= r->ungranted_bytes);
    hf_check(r->ungranted_bytes <= BROKER_BODY_WINDOW);
    hf_check(r->owner_session == 0 || r->away_until.us == HF_TIME_NEVER.us);
    hf_check(r->holder_session == 0 || r->holder != 0);
    hf_check((r->bits & REQUEST_IS_DUE) != 0 || r->disk != DISK_DUE);
    /* Sooner or later something happens to it: it waits for a session, or a timer. */
    hf_check(r->owner_session != 0 || (r->bits & (REQUEST_IS_TIMED | REQUEST_IS_DUE)) ||
             request_is_async(r) || r->away_until.us == HF_TIME_NEVER.us);
    hf_check(r->state != REQUEST_READY || !request_is_unclaimed(r) || is_planted);
    /* A policy may change what sync requests need, never what was promised. */
    hf_check(r->state != REQUEST_READY || !request_is_async(r) ||
             r->disk == DISK_STORED);
}

static void check_requests(const struct broker *b, struct tally *tally)
{
    size_t cursor = 0;
    const struct request *r;

    while ((r = hf_map_next(&b->requests_by_id, &cursor)) != NULL) {
        hf_check(r->state != REQUEST_ENDED);
        check_request(b, r, tally);
        tally->requests++;
    }
    check_list(b, &b->due);
    check_list(b, &b->drops);
    hf_check(tally->due == b->due.count);
    hf_check(tally->timed == b->wheel.count);
    hf_check(tally->in_flight == b->in_flight);
    for (r = request_list_first(b, &b->drops); r != NULL;
         r = request_list_next(b, &b->drops, r)) {
        tally->drops += r->state == REQUEST_ENDED ? 1 : 0;
    }
    for (uint32_t i = b->taken_settled; b->is_batch_out && i < b->taken_count; i++) {
        r = request_at(b, b->taken[i].slot);
        hf_check(r->bits & REQUEST_IS_TAKEN);
        tally->taken += r->state == REQUEST_ENDED ? 1 : 0;
    }
    hf_check(tally->requests + tally->drops + tally->taken == b->requests.count);
}

static uint64_t check_handles(const struct broker *b, const struct queue *q)
{
    uint64_t credit = 0;

    HF_LIST_FOR(node, &q->handles)
    {
        const struct handle *h = HF_CONTAINER(node, struct handle, in_queue);

        hf_check(h->credit <= BROKER_CREDIT_MAX + b->config.in_flight_max);
        hf_check(hf_list_is_linked(&h->takers) == (h->credit > 0));
        hf_check(!session_at(b, h->key.session)->is_dying);
        credit += h->credit;
    }
    return credit;
}

static void check_queues(const struct broker *b, struct tally *tally)
{
    uint64_t in_flight = 0;
    uint64_t requests = 0;
    uint64_t lazy = 0;

    for (uint32_t i = 1; i <= b->queues_count; i++) {
        const struct queue *q = queue_at(b, i);

        if (q->name_bytes == 0) {
            continue;
        }
        check_list(b, &q->ready);
        check_list(b, &q->waiting);
        check_list(b, &q->lazy);
        check_list(b, &q->suspects);
        poison_check(b, q);
        fair_check(b, q);
        hf_check(check_handles(b, q) == q->idle_credit);
        hf_check(queue_depth(q) > 0 || q->depth_bytes == 0);
        hf_check(q->in_flight > 0 || q->awaited_bytes == 0);
        in_flight += q->in_flight;
        requests += q->requests;
        lazy += q->lazy.count;
        hf_check(!q->is_newest_first || q->policy.rules.order == BROKER_ADAPTIVE);
        bool could_match =
            q->ready.count > 0 && queue_delivers(q) && !hf_list_is_empty(&q->takers);
        bool is_held_back = could_match && !rate_allows(b, q);

        hf_check(!could_match || is_held_back || hf_list_is_linked(&q->waiting_match));
        hf_check(!is_held_back || hf_list_is_linked(&q->waiting_match) ||
                 q->rate_due.index != 0 ||
                 q->in_flight >= q->policy.rules.max_in_flight);
    }
    hf_check(in_flight == b->in_flight);
    hf_check(requests == b->requests.count);
    hf_check(lazy == tally->lazy);
}

static void check_allowances(const struct broker *b)
{
    size_t cursor = 0;
    const struct allowance *a;

    while ((a = hf_map_next(&b->allowances_by_token, &cursor)) != NULL) {
        hf_check(hf_list_is_linked(&a->idle) == (a->references == 0));
        hf_check(a->references > 0 || a->leases == 0);
        hf_check(a->level <= a->burst * 1000000);
        /* Whoever is parked is woken when a lease ends, or is about to be. */
        hf_check(hf_list_is_empty(&a->parked) || hf_list_is_linked(&a->eased) ||
                 (a->inflight != 0 && a->leases >= a->inflight));
        HF_LIST_FOR(node, &a->parked)
        {
            const struct handle *h = HF_CONTAINER(node, struct handle, takers);

            hf_check(h->credit > 0 && h->queue != 0);
            hf_check(session_at(b, h->key.session)->allowances_count > 0);
        }
    }
}

/* Of a slot that is named by a batch nothing is kept any more, or not let go yet. */
static void check_kept(const struct broker *b)
{
    size_t cursor = 0;
    uint64_t of_all = 0;
    uint64_t of_each = 0;
    const struct principal *p;

    for (uint32_t slot = 1; slot <= b->requests.fresh; slot++) {
        const struct request *r = request_at(b, slot);

        if (r->state != REQUEST_FREE) {
            of_all += r->kept_bytes;
            of_each += r->owner != 0 ? r->kept_bytes : 0;
            hf_check(r->kept_bytes == 0 || (r->bits & RESPONSE_IS_KEPT));
        }
    }
    hf_check(of_all == b->kept_bytes && of_all <= b->config.kept_bytes_max);
    while ((p = hf_map_next(&b->principals_by_key, &cursor)) != NULL) {
        of_each -= p->kept_bytes;
    }
    hf_check(of_each == 0);
}

static void check_sessions(const struct broker *b)
{
    for (uint32_t number = 1; number <= b->config.sessions_max; number++) {
        const struct session *s = session_find(b, number);

        if (s == NULL) {
            continue;
        }
        hf_check(s->number == number);
        hf_check(!s->is_dying);
        hf_check(s->principal != 0);
        check_list(b, &s->leases);
        check_list(b, &s->answered);
        check_list(b, &s->owned);
    }
}

void broker_check(const struct broker *b)
{
    struct tally tally = {0};

    check_requests(b, &tally);
    check_queues(b, &tally);
    check_sessions(b);
    check_allowances(b);
    check_kept(b);
    hf_check(b->in_flight <=
             (uint64_t)b->config.in_flight_max + b->config.requests_max);
    hf_check(!b->is_batch_committed || b->is_batch_out);
}
