#include "broker/core/batch.h"

#include "broker/core/lease.h"
#include "broker/core/keep.h"
#include "broker/core/match.h"
#include "broker/core/principal.h"
#include "broker/core/request.h"

#define BATCH_SETTLE_MAX     256u
#define COMMANDS_PER_REQUEST 3u /* PUT, PUT_BODY, DISPATCH */

/* ---- planning */
static hf_time batch_lazy_due(const struct queue *q, const struct request *r)
{
    return hf_time_add_ms(r->enqueued, q->policy.lazy_commit_ms);
}

/* The head of the lazy list has changed. */
static void batch_rearm_lazy(struct broker *b, struct queue *q)
{
    struct request *first = request_list_first(b, &q->lazy);

    if (first == NULL) {
        hf_heap_remove(&b->lazy_queues, &q->lazy_due);
    } else {
        hf_heap_set(&b->lazy_queues, &q->lazy_due, batch_lazy_due(q, first));
    }
}

static void batch_leave_lazy(struct broker *b, struct request *r)
{
    struct queue *q = request_queue(b, r);
    bool is_first = q->lazy.first == request_slot(b, r);

    request_list_remove(b, &q->lazy, r);
    r->disk = DISK_NONE;
    if (is_first) {
        batch_rearm_lazy(b, q);
    }
}

static void batch_plan(struct broker *b, struct request *r)
{
    if ((r->bits & REQUEST_IS_DUE) == 0) {
        request_list_push_back(b, &b->due, r);
        r->bits |= REQUEST_IS_DUE;
    }
}

void batch_plan_put(struct broker *b, struct request *r)
{
    struct queue *q = request_queue(b, r);
    bool is_streamed = (r->flags & BROKER_SUBMIT_STREAMED) != 0;

    if (r->disk != DISK_NONE) {
        return;
    }
    if (request_is_strict(b, r) ||
        (is_streamed && q->policy.durability != BROKER_MEMORY)) {
        r->disk = DISK_DUE;
        batch_plan(b, r);
    } else if (q->policy.durability == BROKER_LAZY) {
        r->disk = DISK_LAZY;
        request_list_push_back(b, &q->lazy, r);
        if (q->lazy.count == 1) {
            batch_rearm_lazy(b, q);
        }
    }
}

void batch_plan_body(struct broker *b, struct request *r, uint32_t bytes)
{
    r->unput_bytes += bytes;
    if (bytes > 0) {
        batch_plan(b, r);
    }
}

void batch_plan_whole(struct broker *b, struct request *r)
{
    if (r->disk == DISK_TAKEN || r->disk == DISK_STORED) {
        r->bits |= REQUEST_WANTS_PUT;
        batch_plan(b, r);
    }
}

void batch_plan_dispatch(struct broker *b, struct request *r)
{
    if (r->disk == DISK_LAZY) {
        batch_leave_lazy(b, r);
        r->disk = DISK_DUE;
    }
    r->bits |= REQUEST_WANTS_DISPATCH;
    batch_plan(b, r);
}

void batch_cancel_dispatch(struct broker *b, struct request *r)
{
    r->bits &= (uint16_t)~REQUEST_WANTS_DISPATCH;
    bool is_idle = r->disk != DISK_DUE && r->unput_bytes == 0 &&
                   (r->bits & REQUEST_WANTS_PUT) == 0;

    if (is_idle && (r->bits & REQUEST_IS_DUE)) {
        request_list_remove(b, &b->due, r);
        r->bits &= (uint16_t)~REQUEST_IS_DUE;
    }
}

static void batch_push_drop(struct broker *b, struct request *r)
{
    if (b->drops.count == 0) {
        b->drops_since = b->now;
    }
    request_list_push_back(b, &b->drops, r);
    r->bits |= REQUEST_IS_DROPPING;
}

void batch_plan_drop(struct broker *b, struct request *r)
{
    hf_check(r->disk == DISK_STORED && (r->bits & REQUEST_IS_DUE) == 0);
    batch_push_drop(b, r);
}

bool batch_is_stored(const struct request *r)
{
    return r->disk == DISK_STORED && r->ungranted_bytes == 0 &&
           (r->bits & REQUEST_WANTS_PUT) == 0;
}

static void batch_emit_free(struct broker *b, struct request *r)
{
    struct broker_effect *effect = emit(b, BROKER_OUT_FREE);

    effect->slot = request_slot(b, r);
    effect->id = r->id;
    if (r->kept_bytes != 0) {
        keep_drop(b, r);
    }
}

void batch_forget(struct broker *b, struct request *r)
{
    hf_check(r->state == REQUEST_ENDED);
    if (r->disk == DISK_LAZY) {
        batch_leave_lazy(b, r);
        request_queue(b, r)->elided++;
    }
    if (r->bits & REQUEST_IS_DUE) {
        request_list_remove(b, &b->due, r);
        r->bits &= (uint16_t)~REQUEST_IS_DUE;
    }
    if (r->disk == DISK_DUE) {
        r->disk = DISK_NONE;
    }
    if (r->bits & REQUEST_IS_TAKEN) {
        return;
    }
    batch_emit_free(b, r);
    if (r->disk == DISK_STORED) {
        batch_push_drop(b, r);
    } else {
        request_free(b, r);
    }
}

/* ---- taking */
static struct broker_command *batch_command(struct broker_batch *batch,
                                            enum broker_command_type type)
{
    hf_check(batch->count < BROKER_BATCH_MAX);
    struct broker_command *command = &batch->items[batch->count++];

    *command = (struct broker_command){.type = type};
    return command;
}

static struct broker_command *batch_command_for(struct broker *b,
                                                struct broker_batch *batch,
                                                const struct request *r,
                                                enum broker_command_type type)
{
    struct broker_command *command = batch_command(batch, type);

    command->slot = request_slot(b, r);
    command->seq = r->seq;
    return command;
}

static struct taken *batch_take_request(struct broker *b, struct request *r)
{
    hf_check(b->taken_count < BROKER_BATCH_MAX);
    hf_check((r->bits & REQUEST_IS_TAKEN) == 0);
    struct taken *taken = &b->taken[b->taken_count++];

    *taken = (struct taken){.slot = request_slot(b, r)};
    r->bits |= REQUEST_IS_TAKEN;
    return taken;
}

static void batch_take_body(struct broker *b, struct broker_batch *batch,
                            struct request *r, struct taken *taken)
{
    struct broker_command *command =
        batch_command_for(b, batch, r, BROKER_CMD_PUT_BODY);
    uint64_t arrived = r->state == REQUEST_RECEIVING ? r->stream_bytes : r->body_bytes;

    command->offset = arrived - r->unput_bytes;
    command->bytes = r->unput_bytes;
    taken->bytes = r->unput_bytes;
    r->unput_bytes = 0;
}

static void batch_take_due(struct broker *b, struct broker_batch *batch,
                           struct request *r)
{
    struct taken *taken = batch_take_request(b, r);

    request_list_remove(b, &b->due, r);
    r->bits &= (uint16_t)~REQUEST_IS_DUE;
    if (r->disk == DISK_DUE || (r->bits & REQUEST_WANTS_PUT)) {
        batch_command_for(b, batch, r, BROKER_CMD_PUT);
        r->bits &= (uint16_t)~REQUEST_WANTS_PUT;
    }
    if (r->disk == DISK_DUE) {
        r->disk = DISK_TAKEN;
        taken->is_put = true;
    }
    if (r->unput_bytes > 0) {
        batch_take_body(b, batch, r, taken);
    }
    if ((r->bits & REQUEST_WANTS_DISPATCH) || match_ride(b, r)) {
        struct broker_command *command =
            batch_command_for(b, batch, r, BROKER_CMD_DISPATCH);

        command->epoch = r->epoch;
        command->key = principal_key_of(b, r->holder);
        taken->epoch = r->epoch;
        r->bits &= (uint16_t)~REQUEST_WANTS_DISPATCH;
    }
}

static void batch_take_lazy(struct broker *b, struct broker_batch *batch, hf_time now)
{
    while (hf_time_reached(hf_heap_next_due(&b->lazy_queues), now) &&
           batch->count < BROKER_BATCH_MAX) {
        struct queue *q =
            HF_CONTAINER(hf_heap_first(&b->lazy_queues), struct queue, lazy_due);
        struct request *r = request_list_first(b, &q->lazy);

        batch_leave_lazy(b, r);
        batch_command_for(b, batch, r, BROKER_CMD_PUT);
        batch_take_request(b, r)->is_put = true;
        r->disk = DISK_TAKEN;
    }
}

/* Why nothing but its end is kept of it. */
static hf_reason batch_drop_reason(const struct request *r)
{
    if (r->state == REQUEST_ANSWERED) {
        return r->bits & RESPONSE_IS_KEPT ? HF_REASON_NONE : HF_REASON_LIMIT;
    }
    return (hf_reason)r->end_reason;
}

/* A request that has ended needs its slot no longer; an asynchronous one waits for the
 * commit. */
static void batch_take_drops(struct broker *b, struct broker_batch *batch)
{
    while (b->drops.count > 0 && batch->count < BROKER_BATCH_MAX) {
        struct request *r = request_list_first(b, &b->drops);

        request_list_remove(b, &b->drops, r);
        r->bits &= (uint16_t)~REQUEST_IS_DROPPING;
        struct broker_command *command =
            batch_command_for(b, batch, r, BROKER_CMD_DROP);

        command->attempt = r->attempts;
        command->reason = batch_drop_reason(r);
        command->is_answered =
            r->state == REQUEST_ANSWERED && command->reason == HF_REASON_NONE;
        if (r->state == REQUEST_ENDED) {
            command->slot = 0;
            request_free(b, r);
        } else {
            batch_take_request(b, r);
        }
    }
}

hf_time broker_batch_due(const struct broker *b)
{
    hf_time due = hf_heap_next_due(&b->lazy_queues);

    if (b->is_batch_out) {
        return HF_TIME_NEVER;
    }
    if (b->due.count > 0 || b->policy.is_wanted) {
        return HF_TIME_ZERO;
    }
    if (b->drops.count > 0) {
        due = hf_time_min(due, hf_time_add_ms(b->drops_since, b->config.drop_delay_ms));
    }
    return due;
}

bool broker_take_batch(struct broker *b, hf_time now, struct broker_batch *batch)
{
    if (!hf_time_reached(broker_batch_due(b), now)) {
        return false;
    }
    batch->count = 0;
    batch->index = ++b->batch_index;
    batch->now = now;
    b->taken_count = 0;
    b->taken_settled = 0;
    b->is_batch_out = true;
    if (b->policy.is_wanted) {
        batch_command(batch, BROKER_CMD_POLICY)->offset = b->policy.version;
        b->policy_taken = b->policy;
        b->policy.is_wanted = false;
    }
    while (b->due.count > 0 &&
           batch->count + COMMANDS_PER_REQUEST <= BROKER_BATCH_MAX) {
        batch_take_due(b, batch, request_list_first(b, &b->due));
    }
    batch_take_lazy(b, batch, now);
    batch_take_drops(b, batch);
    return true;
}

/* ---- settling */
static void batch_settle_async_drop(struct broker *b, struct request *r)
{
    lease_cancel(b, r, HF_REASON_NONE);
    r->disk = DISK_NONE; /* its record is gone already */
    request_end(b, r, HF_REASON_NONE);
}

/* An asynchronous request is told once it is on disk; its frontend forgets it then. */
static void batch_accept(struct broker *b, struct request *r)
{
    if (b->config.planted != BROKER_PLANT_ACK_BEFORE_COMMIT) {
        request_tell_owner(b, r, BROKER_OUT_ACCEPTED);
    }
    request_detach(b, r);
}

static void batch_settle_ended(struct broker *b, struct request *r)
{
    batch_emit_free(b, r);
    if (r->disk == DISK_STORED) {
        batch_push_drop(b, r);
    } else {
        request_free(b, r);
    }
}

/* Its dispatch is on disk; it starts when its frontend has noted that. Otherwise, were
 * its end lost on the way to the frontend, the next offer would look like a first one.
 */
static void batch_settle_dispatch(struct broker *b, struct request *r)
{
    if (request_is_unclaimed(r)) {
        lease_unreserve(b, r);
        return;
    }
    request_move(b, r, REQUEST_OFFERED);
    request_tell_owner(b, r, BROKER_OUT_ASSIGNED);
}

static void batch_settle_live(struct broker *b, struct request *r,
                              const struct taken *taken)
{
    if (taken->bytes > 0) {
        r->ungranted_bytes -= taken->bytes;
    }
    if (taken->bytes > 0 && r->state == REQUEST_RECEIVING) {
        struct broker_effect *effect = request_tell_owner(b, r, BROKER_OUT_WINDOW);

        effect->epoch = 0;
        effect->amount = taken->bytes;
    }
    bool is_stored = batch_is_stored(r) && r->state != REQUEST_RECEIVING;

    if (is_stored && request_is_async(r) && r->owner_session != 0) {
        batch_accept(b, r);
    }
    if (is_stored && r->state == REQUEST_COMMITTING) {
        request_leave(b, r);
        request_queue_up(b, r, false);
    } else if (r->state == REQUEST_DISPATCHING && taken->epoch == r->epoch) {
        batch_settle_dispatch(b, r);
    }
}

static void batch_settle_one(struct broker *b, const struct taken *taken)
{
    struct request *r = request_at(b, taken->slot);

    r->bits &= (uint16_t)~REQUEST_IS_TAKEN;
    if (taken->is_put) {
        r->disk = DISK_STORED;
        request_queue(b, r)->committed++;
    }
    if (r->state == REQUEST_ENDED) {
        batch_settle_ended(b, r);
    } else if (r->state == REQUEST_ANSWERED && request_is_async(r)) {
        batch_settle_async_drop(b, r);
    } else {
        batch_settle_live(b, r, taken);
    }
}

static void batch_settle_policy(struct broker *b)
{
    if (b->policy_taken.is_wanted && b->policy_taken.session != 0) {
        struct broker_effect *effect = emit(b, BROKER_OUT_POLICY_ACK);

        effect->session = b->policy_taken.session;
        effect->amount = b->policy_taken.version;
    }
    b->policy_taken.is_wanted = false;
}

bool batch_settle(struct broker *b)
{
    uint32_t work = 0;

    if (!b->is_batch_committed) {
        return true;
    }
    batch_settle_policy(b);
    while (b->taken_settled < b->taken_count) {
        if (work == BATCH_SETTLE_MAX || !step_has_room(b)) {
            return false;
        }
        work++;
        batch_settle_one(b, &b->taken[b->taken_settled++]);
    }
    b->is_batch_committed = false;
    b->is_batch_out = false;
    return true;
}
