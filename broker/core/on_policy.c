/* POLICY_BEGIN, one POLICY_QUEUE each, POLICY_END: all queues at one version, which
 * comes in force whole, at the end, or not at all. From session 0 it is the stored
 * policy read at start: in force without a command. */
#include "broker/core/inputs.h"
#include "broker/core/queue.h"
#include "broker/core/session.h"

void broker_on_policy_begin(struct broker *b, const struct broker_input *in)
{
    (void)in;
    b->policy_round++;
    b->is_policy_arriving = true;
    b->is_policy_refused = false;
}

static void policy_refuse(struct broker *b, bool is_legal)
{
    if (!b->is_policy_refused) {
        emit(b, BROKER_OUT_POLICY_REFUSED)->reason =
            is_legal ? HF_REASON_LIMIT : HF_REASON_PROTOCOL;
        b->counts.policies_refused++;
    }
    b->is_policy_refused = true;
}

/* A queue that is new takes its place now, and refuses everything until the end. */
void broker_on_policy_queue(struct broker *b, const struct broker_input *in)
{
    const struct broker_queue_policy *policy = &in->u.policy;
    bool is_legal =
        policy->name.bytes >= 1 && policy->name.bytes <= BROKER_QUEUE_NAME_MAX;
    struct queue *q = is_legal ? queue_find(b, policy->name) : NULL;

    if (is_legal && q == NULL && !b->is_policy_refused) {
        q = queue_new(b, policy->name);
        if (q != NULL) {
            q->is_removed = true;
        }
    }
    if (q == NULL) {
        policy_refuse(b, is_legal);
        return;
    }
    q->next = *policy;
    q->policy_round = b->policy_round;
    hf_list_remove(&q->removed);
}

static void policy_settle(struct broker *b, struct queue *q)
{
    if (b->is_policy_refused) {
        queue_check_removed(b, q);
    } else if (q->policy_round == b->policy_round) {
        queue_set_policy(b, q, &q->next);
    } else {
        queue_remove(b, q);
    }
}

void broker_on_policy_end(struct broker *b, const struct broker_input *in)
{
    b->is_policy_arriving = false;
    for (uint32_t i = 1; i <= b->queues_count; i++) {
        struct queue *q = queue_at(b, i);

        if (q->name_bytes != 0) {
            policy_settle(b, q);
        }
    }
    if (in->session == 0) {
        return;
    }
    struct session *s = session_find(b, in->session);

    if (b->is_policy_refused) {
        if (s != NULL) {
            session_violate(b, s, HF_REASON_LIMIT);
        }
        return;
    }
    b->policy = (struct policy_change){
        .version = in->u.revision.version,
        .session = s != NULL ? in->session : 0,
        .is_wanted = true,
    };
}
