/* What a worker says of a lease it holds, apart from its response: RELEASE, FAIL,
 * ABORT; and HOLDER_DEAD, what the controller says of a worker. */
#include "broker/core/inputs.h"
#include "broker/core/lease.h"
#include "broker/core/poison.h"
#include "broker/core/principal.h"
#include "broker/core/request.h"
#include "broker/core/retry.h"
#include "broker/core/session.h"

/* NULL unless this session holds the lease with this epoch. */
static struct request *held_request(const struct broker *b, const struct session *s,
                                    const struct broker_input *in)
{
    struct request *r = request_find(b, in->id);

    if (r == NULL || (r->state != REQUEST_LEASED && r->state != REQUEST_ORPHAN) ||
        r->holder_session != session_index(b, s) || r->epoch != in->epoch) {
        return NULL;
    }
    return r;
}

/* A response that has started proves that the request had: nothing to release. */
void broker_on_release(struct broker *b, struct session *s,
                       const struct broker_input *in)
{
    struct request *r = held_request(b, s, in);

    if (r == NULL) {
        return;
    }
    if (r->bits & (RESPONSE_IS_STARTED | RESPONSE_IS_BEGUN)) {
        session_violate(b, s, HF_REASON_PROTOCOL);
        return;
    }
    retry_after_release(b, r);
}

void broker_on_fail(struct broker *b, struct session *s, const struct broker_input *in)
{
    struct request *r = held_request(b, s, in);

    if (r != NULL) {
        retry_after_failure(b, r, in->u.cause.reason);
    }
}

/* ABORT of a response of which the frontend has seen nothing is a failed attempt. */
void broker_on_abort(struct broker *b, struct session *s, const struct broker_input *in)
{
    broker_on_fail(b, s, in);
}

/* Its process has ended: sessions that have not noticed yet end here, and what waits
 * for its return need not wait. */
void broker_on_holder_dead(struct broker *b, const struct broker_input *in)
{
    struct principal *p = principal_find(b, in->u.holder.key);

    if (p == NULL) {
        return;
    }
    while (!hf_list_is_empty(&p->sessions) && step_has_room(b)) {
        struct hf_list *node = hf_list_first(&p->sessions);
        struct session *s = HF_CONTAINER(node, struct session, peers);

        s->is_dead = true;
        session_violate(b, s, HF_REASON_WORKER_LOST);
    }
    if (!hf_list_is_linked(&p->dead)) {
        hf_list_push_back(&b->dead, &p->dead);
    }
}

static void settle_dead_one(struct broker *b, struct principal *p)
{
    struct request *r = request_list_first(b, &p->away);

    p->dead_leases = p->dead_leases == 0 ? p->away.count : p->dead_leases;
    if (r->state == REQUEST_ORPHAN) {
        lease_forget_orphan(b, r);
    } else if (poison_may_repeat(b, r)) {
        poison_accuse(b, r, p->dead_leases == 1);
    } else {
        request_refuse(b, r, HF_REASON_WORKER_LOST);
    }
}

bool broker_settle_dead(struct broker *b)
{
    uint32_t work = 0;

    while (!hf_list_is_empty(&b->dead)) {
        struct hf_list *node = hf_list_first(&b->dead);
        struct principal *p = HF_CONTAINER(node, struct principal, dead);

        if (work == BROKER_STEP_WORK_MAX || !step_has_room(b)) {
            return false;
        }
        work++;
        if (p->away.count == 0) {
            p->dead_leases = 0;
            hf_list_remove(&p->dead);
        } else {
            settle_dead_one(b, p); /* the last one may free p, and unlinks it */
        }
    }
    return true;
}
