/* DECLARE: a worker that has reconnected still holds a lease (ARCHITECTURE.md 6). */
#include "broker/core/inputs.h"
#include "broker/core/lease.h"
#include "broker/core/request.h"
#include "broker/core/session.h"

static void tell_declared(struct broker *b, const struct session *s,
                          const struct broker_input *in, bool is_kept)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_DECLARED);

    effect->session = s->number;
    effect->handle = in->handle;
    effect->id = in->id;
    effect->epoch = in->epoch;
    effect->result = is_kept ? 1 : 0;
}

/* The receipt proves that this holder was given (id, epoch) once. What is left to ask
 * is whether a newer lease has taken its place. */
static bool declare_is_credible(const struct broker *b, const struct session *s,
                                const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);
    uint64_t incarnation = in->epoch >> 32;
    bool is_receipt_valid = in->u.declare.is_receipt_valid ||
                            b->config.planted == BROKER_PLANT_ADOPT_WITHOUT_RECEIPT;

    return is_receipt_valid && h != NULL && h->queue != 0 &&
           (h->rights & BROKER_RIGHT_RECEIVE) && incarnation >= 1 &&
           incarnation <= b->config.incarnation && in->epoch << 32 != 0;
}

/* Leased: to the same holder, or to one with an older epoch, which loses it. */
static bool declare_wins(const struct request *r, const struct session *s,
                         uint64_t epoch)
{
    if (r->holder == s->principal) {
        return epoch >= r->epoch &&
               (epoch == r->epoch || !(r->bits & RESPONSE_IS_BEGUN));
    }
    return epoch > r->epoch && (r->bits & RESPONSE_IS_BEGUN) == 0;
}

static bool declare_may_adopt(const struct request *r, const struct session *s,
                              uint64_t epoch)
{
    switch ((enum request_state)r->state) {
    case REQUEST_COMMITTING:
    case REQUEST_READY:
    case REQUEST_DELAYED:
    case REQUEST_UNCLAIMED:
    case REQUEST_AWAITED:
        if (request_is_async(r) && r->state == REQUEST_COMMITTING) {
            return false;
        }
        return epoch == r->epoch ||
               (epoch > r->epoch && (r->bits & RESPONSE_IS_BEGUN) == 0);
    case REQUEST_GRACE:
    case REQUEST_LEASED:
    case REQUEST_ORPHAN:
        return declare_wins(r, s, epoch);
    case REQUEST_FREE:
    case REQUEST_RECEIVING:
    case REQUEST_OFFERED:
    case REQUEST_DISPATCHING:
    case REQUEST_ANSWERED:
    case REQUEST_ENDED:
    case REQUEST_STATES:
        break;
    }
    return false;
}

/* A lease without a request: kept until a frontend offers the id. What this process
 * gave and does not know any more was settled (answered and acknowledged, or ended):
 * nobody will offer it. in_flight_max bounds what is given, not what runs already: its
 * answer is awaited, and cancelling it would make room for nothing. requests_max bounds
 * it.
 */
static bool declare_orphan(struct broker *b, struct session *s,
                           const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);

    if (in->epoch >> 32 >= b->first_incarnation) {
        return false;
    }
    struct request *r = request_new(b, in->id, queue_at(b, h->queue));

    if (r == NULL) {
        return false;
    }
    r->until = hf_time_add_ms(b->now, b->config.broker_grace_ms);
    lease_adopt(b, r, s, in);
    return true;
}

/* A handle speaks for its own queue only. The holder of an older epoch is told to stop;
 * the same holder on a new link is not. */
static bool declare_known(struct broker *b, struct session *s, struct request *r,
                          const struct broker_input *in)
{
    if (handle_find(b, s, in->handle)->queue != r->queue ||
        !declare_may_adopt(r, s, in->epoch)) {
        return false;
    }
    if (r->holder != s->principal) {
        lease_cancel(b, r, HF_REASON_DUPLICATE);
    }
    lease_adopt(b, r, s, in);
    return true;
}

void broker_on_declare(struct broker *b, struct session *s,
                       const struct broker_input *in)
{
    struct request *r = request_find(b, in->id);
    bool is_kept = false;

    if (!declare_is_credible(b, s, in)) {
        tell_declared(b, s, in, false);
        return;
    }
    if (r != NULL && r->holder_session != 0 && r->state != REQUEST_ANSWERED &&
        session_at(b, r->holder_session)->is_dying) {
        lease_lost(b, r);
        r = request_find(b, in->id);
        if (r == NULL) {
            /* The loss has just ended it: there is nothing to come back to. */
            tell_declared(b, s, in, false);
            return;
        }
    }
    is_kept = r == NULL ? declare_orphan(b, s, in) : declare_known(b, s, r, in);
    tell_declared(b, s, in, is_kept);
}
