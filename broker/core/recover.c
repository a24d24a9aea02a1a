/* RECOVERED, RECOVERED_END: what the store held at start (ARCHITECTURE.md 6, restart).
 */
#include "broker/core/batch.h"
#include "broker/core/inputs.h"
#include "broker/core/principal.h"
#include "broker/core/queue.h"
#include "broker/core/request.h"

/* A record whose queue the stored policy does not name: a queue on its way out, that
 * delivers what it has. */
static struct queue *recover_queue(struct broker *b, hf_slice name)
{
    struct queue *q = queue_find(b, name);

    if (q != NULL) {
        return q;
    }
    q = queue_new(b, name);
    hf_check(q != NULL);
    const struct broker_queue_policy policy = {
        .name = name,
        .durability = BROKER_LAZY,
        .redeliver = BROKER_REDELIVER_SAFE,
        .state = BROKER_QUEUE_DRAINING,
        .length_max = 1000,
        .bytes_max = 256u << 20,
        .wait_limit_ms = 120000,
        .lazy_commit_ms = 10,
        .attempts_max = 5,
    };

    queue_set_policy(b, q, &policy);
    q->is_removed = true;
    return q;
}

/* Its body never came whole, so nobody was promised anything: its record is dropped. */
static void recover_incomplete(struct broker *b, struct request *r)
{
    r->body_bytes = 0;
    request_enter(b, r, REQUEST_UNCLAIMED);
    request_end(b, r, HF_REASON_CLIENT_GONE);
}

void broker_on_recovered(struct broker *b, const struct broker_input *in)
{
    struct queue *q = recover_queue(b, in->u.recovered.queue);
    struct request *r = request_new(b, in->id, q);

    /* More records than requests_max: an operator has lowered it. Nothing on disk is
     * given up for that. */
    hf_check(r != NULL);
    hf_check(in->u.recovered.seq > b->seq_last);
    b->is_recovering = true;
    b->seq_last = in->u.recovered.seq;
    r->seq = in->u.recovered.seq;
    r->owner = principal_take(b, in->u.recovered.owner);
    r->flags = (uint8_t)(in->u.recovered.flags &
                         (BROKER_SUBMIT_REPEATABLE | BROKER_SUBMIT_ASYNC |
                          BROKER_SUBMIT_STREAMED));
    r->head_bytes = in->u.recovered.head_bytes;
    r->body_bytes = in->u.recovered.body_bytes;
    r->enqueued = in->u.recovered.enqueued;
    r->deadline = in->u.recovered.deadline;
    r->epoch = in->u.recovered.dispatched_epoch;
    r->disk = DISK_STORED;
    r->bits |= REQUEST_IS_RECOVERED;
    if (r->epoch != 0) {
        r->bits |= REQUEST_IS_SUSPECT;
    }
    if (r->body_bytes == BROKER_BODY_INCOMPLETE) {
        recover_incomplete(b, r);
        return;
    }
    if (request_is_async(r) || b->config.planted == BROKER_PLANT_DELIVER_UNCLAIMED) {
        request_enter(b, r, REQUEST_READY);
    } else {
        r->away_until = hf_time_add_ms(b->now, b->config.broker_grace_ms);
        request_enter(b, r, REQUEST_UNCLAIMED);
    }
    request_arm(b, r);
}

void broker_on_recovered_end(struct broker *b, const struct broker_input *in)
{
    (void)in;
    b->is_recovering = false;
    b->recovered = b->now;
}
