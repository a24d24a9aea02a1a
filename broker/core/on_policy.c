/* POLICY_BEGIN, one POLICY_QUEUE each, POLICY_END: all queues at one version. From
 * session 0 it is the stored policy read at start: in force without a command. */
#include "broker/core/inputs.h"
#include "broker/core/queue.h"
#include "broker/core/session.h"

void broker_on_policy_begin(struct broker *b, const struct broker_input *in)
{
    (void)in;
    b->policy_round++;
    b->is_policy_refused = false;
}

void broker_on_policy_queue(struct broker *b, const struct broker_input *in)
{
    const struct broker_queue_policy *policy = &in->u.policy;
    bool is_legal =
        policy->name.bytes >= 1 && policy->name.bytes <= BROKER_QUEUE_NAME_MAX;
    struct queue *q = is_legal ? queue_find(b, policy->name) : NULL;

    if (is_legal && q == NULL) {
        q = queue_new(b, policy->name);
    }
    if (q == NULL) {
        b->is_policy_refused = true;
        return;
    }
    queue_set_policy(b, q, policy);
}

void broker_on_policy_end(struct broker *b, const struct broker_input *in)
{
    for (uint32_t i = 1; i <= b->queues_count; i++) {
        struct queue *q = queue_at(b, i);

        if (q->name_bytes != 0 && q->policy_round != b->policy_round) {
            queue_remove(b, q);
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
