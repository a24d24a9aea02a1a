/* OPEN, CLOSE, WITHDRAW, CREDIT. */
#include "broker/core/inputs.h"
#include "broker/core/queue.h"
#include "broker/core/session.h"

#define RIGHTS_ALL                                                                     \
    ((uint32_t)BROKER_RIGHT_RECEIVE | BROKER_RIGHT_RESPOND | BROKER_RIGHT_ENQUEUE |    \
     BROKER_RIGHT_PEEK)

static void tell_opened(struct broker *b, struct session *s,
                        const struct broker_input *in, hf_reason reason)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_OPENED);

    effect->session = s->number;
    effect->handle = in->handle;
    effect->reason = reason;
}

/* A frontend opens every queue it routes to, all others a few (PROTOCOL.md 3.2). */
static bool has_handle_left(const struct broker *b, const struct session *s,
                            uint32_t rights)
{
    return s->handles_count < BROKER_SESSION_HANDLES_MAX ||
           ((rights & BROKER_RIGHT_ENQUEUE) != 0 &&
            s->handles_count < b->config.queues_max);
}

/* A handle the broker has closed may be opened anew; one that is open may not
 * (PROTOCOL.md 3.2). */
void broker_on_open(struct broker *b, struct session *s, const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);
    struct queue *q = queue_find(b, in->u.open.queue);
    uint32_t rights = in->u.open.rights;

    if (in->handle == 0 || (h != NULL && h->queue != 0)) {
        session_violate(b, s, HF_REASON_PROTOCOL);
        return;
    }
    if (q == NULL || q->is_removed || rights == 0 || (rights & ~RIGHTS_ALL) != 0) {
        tell_opened(b, s, in, HF_REASON_DENIED);
        return;
    }
    if (h == NULL && has_handle_left(b, s, rights)) {
        h = handle_new(b, s, in->handle);
    }
    if (h == NULL) {
        b->counts.handles_refused++;
        tell_opened(b, s, in, HF_REASON_LIMIT);
        return;
    }
    h->rights = rights;
    handle_join(b, h, q);
    tell_opened(b, s, in, HF_REASON_NONE);
    b->out->items[b->out->count - 1].queue = h->queue;
}

void broker_on_close(struct broker *b, struct session *s, const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);

    if (h != NULL) {
        handle_free(b, h);
    }
}

/* As when its queue is removed, the number stays known: the peer may still give credit
 * for it. Leases that run go on (PROTOCOL.md 3.2). */
void broker_on_withdraw(struct broker *b, struct session *s,
                        const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);

    if (h != NULL && h->queue != 0) {
        queue_close_handle(b, h, HF_REASON_DENIED);
    }
}

/* Credit for a handle that the broker closed meanwhile is no fault of the worker's. */
void broker_on_credit(struct broker *b, struct session *s,
                      const struct broker_input *in)
{
    struct handle *h = handle_find(b, s, in->handle);
    uint32_t requests = in->u.credit.requests;

    if (h == NULL || (h->queue != 0 && (h->rights & BROKER_RIGHT_RECEIVE) == 0)) {
        session_violate(b, s, HF_REASON_PROTOCOL);
    } else if (requests > BROKER_CREDIT_MAX ||
               h->credit > BROKER_CREDIT_MAX - requests) {
        session_violate(b, s, HF_REASON_LIMIT);
    } else if (h->queue != 0 && !s->is_draining) {
        handle_add_credit(b, h, requests);
    }
}
