/* SESSION_UP, SESSION_DOWN, DRAINING. */
#include "broker/core/allowance.h"
#include "broker/core/inputs.h"
#include "broker/core/principal.h"
#include "broker/core/session.h"

void broker_on_session_up(struct broker *b, const struct broker_input *in)
{
    hf_check(session_find(b, in->session) == NULL);
    struct session *s = session_new(b, in->session, in->u.holder.key);

    if (s == NULL) {
        struct broker_effect *effect = emit(b, BROKER_OUT_VIOLATION);

        effect->session = in->session;
        effect->reason = HF_REASON_LIMIT;
        return;
    }
    allowance_join(b, s, in->u.holder.limits, in->u.holder.limits_count);
}

void broker_on_session_down(struct broker *b, struct session *s,
                            const struct broker_input *in)
{
    (void)in;
    session_lose(b, s);
}

/* Outstanding credit is void (PROTOCOL.md 3.4); leases that run go on. A reservation
 * that is not started yet falls back when its moment comes (lease_start). */
void broker_on_draining(struct broker *b, struct session *s,
                        const struct broker_input *in)
{
    (void)in;
    s->is_draining = true;
    HF_LIST_FOR(node, &s->handles)
    {
        struct handle *h = HF_CONTAINER(node, struct handle, in_session);

        if (h->queue != 0) {
            queue_at(b, h->queue)->idle_credit -= h->credit;
        }
        h->credit = 0;
        hf_list_remove(&h->takers);
    }
}
