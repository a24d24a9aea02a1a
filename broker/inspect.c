/* What an operator asks: the state of queues and sessions, the ids that are queued.
 * Runs under the core lock, and never long at once. */
#include "broker/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <string.h>
#include <unistd.h>

#define PER_RECORD 96 /* rows of a STAT_RESULT: fits 64 KiB with the longest names */

/* An answer costs time under the core lock, so each session has a rate for asking, and
 * is ended beyond it: each question moves `inspected` on by its share of a second. */
static bool may_inspect(struct br *br, uint32_t session)
{
    struct br_session *s = &br->sessions[session];
    hf_time now = hf_clock_now();
    hf_time latest = hf_time_add_ms(now, BR_INSPECT_S * 1000);

    if (hf_time_before(s->inspected, now)) {
        s->inspected = now;
    }
    if (hf_time_before(latest, s->inspected)) {
        hf_stat_add(&br_stats.inspections_refused, 1);
        HF_WARN("session asks too often", hf_log_key("holder", s->key),
                hf_log_int("inspect_rate", (int64_t)br->options.inspect_rate));
        br_end_session(br, session, HF_REASON_LIMIT);
        return false;
    }
    s->inspected.us += 1000000 / (int64_t)br->options.inspect_rate;
    return true;
}

struct answer {
    struct br *br;
    uint32_t session;
    struct hf_stat_result result;
    struct hf_queue_stat queues[PER_RECORD];
    struct hf_session_stat sessions[PER_RECORD];
};

static void send_answer(struct answer *a)
{
    struct hf_buf meta;

    hf_buf_init(&meta, HF_META_LIST_MAX);
    if (hf_stat_result_append(&a->result, &meta) == HF_OK) {
        /* Ten thousand queues are more than the control records that may wait. */
        const struct hf_record record = {.type = HF_RECORD_STAT_RESULT,
                                         .meta = hf_buf_slice(&meta)};

        (void)br_send(a->br, a->session, &record);
    }
    hf_buf_fini(&meta);
    a->result.queues_count = 0;
    a->result.sessions_count = 0;
}

/* Sends what is full, and lets go of the lock for others. False: the session was ended
 * meanwhile. */
static bool make_room(struct answer *a)
{
    if (a->result.queues_count < PER_RECORD && a->result.sessions_count < PER_RECORD) {
        return true;
    }
    send_answer(a);
    br_unlock(a->br);
    br_lock(a->br);
    return br_is_heard(a->br, a->session);
}

static void add_queue(struct answer *a, const struct broker_queue_view *view,
                      hf_time now)
{
    a->queues[a->result.queues_count++] = (struct hf_queue_stat){
        .name = view->name,
        .depth = view->depth,
        .depth_bytes = view->depth_bytes,
        .oldest_age_ms = view->oldest.us == HF_TIME_NEVER.us
                             ? 0
                             : hf_time_diff_ms(view->oldest, now),
        .in_flight = view->in_flight,
        .committed = view->committed,
        .elided = view->elided,
        .accepted = view->accepted,
        .answered = view->answered,
        .refused = view->refused,
        .redelivered = view->redelivered,
        .idle_credit = view->idle_credit,
        .state = (enum hf_queue_state)view->state,
    };
}

static void add_session(struct answer *a, uint32_t index)
{
    const struct br_session *s = &a->br->sessions[index];

    a->sessions[a->result.sessions_count++] = (struct hf_session_stat){
        .key = s->key,
        .role = s->role,
        .subject = hf_chain_subject(s->chain),
        .pid = s->pid,
        .app_pid = s->app_pid,
        .name = hf_slice_of_cstr(s->name),
        .since_ms = s->since_ms,
        .leases = broker_session_leases(a->br->core, index),
        .snapshot = s->snapshot,
        .queue = hf_slice_of_cstr(s->queue),
    };
}

/* All queues and sessions but for the last rows, which leave with the broker's own. */
static bool add_all(struct answer *a)
{
    struct br *br = a->br;
    hf_time now = hf_clock_now();

    for (uint32_t i = 1; i <= broker_queues_count(br->core); i++) {
        struct broker_queue_view view;

        if (!make_room(a)) {
            return false;
        }
        if (broker_queue_at(br->core, i, &view)) {
            add_queue(a, &view, now);
        }
    }
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        if (!make_room(a)) {
            return false;
        }
        if (br->sessions[i].is_up) {
            add_session(a, i);
        }
    }
    return true;
}

void br_stat(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct answer a;
    struct hf_stat_query query;
    struct br_store_space space = {0};

    if (hf_stat_query_decode(record->meta, &query) != HF_OK) {
        br_end_session(br, session, HF_REASON_PROTOCOL);
        return;
    }
    if (!may_inspect(br, session)) {
        return;
    }
    memset(&a, 0, sizeof a);
    a.br = br;
    a.session = session;
    a.result.nonce = query.nonce;
    a.result.queues = a.queues;
    a.result.sessions = a.sessions;
    if (!add_all(&a)) {
        return;
    }
    space = br->space;
    const struct hf_broker_stat self = {
        .name = hf_slice_of_cstr(br->options.name),
        .pid = getpid(),
        .since_ms = br->started_ms,
        .snapshot = br_snapshot_sequence(br),
        .revocation =
            br->revocation == NULL ? 0 : hf_revocation_head(br->revocation)->seq,
        .policy = br->policy_version,
        .store_used_bytes = space.used_bytes,
        .store_quota_bytes = space.quota_bytes,
    };

    a.result.broker = &self;
    a.result.is_last = true;
    send_answer(&a);
}

/* Puts the core's cursor behind `after`: where the last page ended, or at that request.
 * BROKER_PEEK_END: it is not queued here any more, so nobody can say what came after
 * it.
 */
static uint64_t find_cursor(struct br *br, uint32_t queue, const struct br_peek *peek,
                            hf_id after)
{
    uint32_t slot = broker_slot_of(br->core, after);

    if (hf_id_is_zero(after)) {
        return 0;
    }
    if (hf_id_equal(after, peek->last)) {
        return peek->cursor;
    }
    if (slot == 0 || broker_request_at(br->core, slot).queue != queue) {
        return BROKER_PEEK_END;
    }
    return slot;
}

/* A page, with the lock let go of for others after each piece of the search. False: the
 * session was ended meanwhile, or the queue removed. */
static bool fill_page(struct br *br, uint32_t session, struct br_peek *peek,
                      uint32_t limit)
{
    uint32_t queue = broker_queue_find(br->core, hf_slice_of_cstr(peek->queue));

    peek->count = 0;
    while (queue != 0 && peek->count < limit && peek->cursor != BROKER_PEEK_END) {
        peek->count += broker_peek(br->core, queue, &peek->cursor,
                                   peek->ids + peek->count, limit - peek->count);
        br_unlock(br);
        br_lock(br);
        if (!br_is_heard(br, session)) {
            return false;
        }
        queue = broker_queue_find(br->core, hf_slice_of_cstr(peek->queue));
    }
    if (peek->count > 0) {
        peek->last = peek->ids[peek->count - 1];
    }
    return queue != 0;
}

static void send_page(struct br *br, uint32_t session, const struct br_peek *peek)
{
    const struct hf_peeked answer = {
        .handle = peek->handle,
        .ids = hf_slice_of(peek->ids, (size_t)peek->count * HF_ID_BYTES),
        .is_last = peek->cursor == BROKER_PEEK_END,
    };
    struct hf_buf meta;

    hf_buf_init(&meta, HF_META_LIST_MAX);
    if (hf_peeked_append(&answer, &meta) == HF_OK) {
        br_send_control(br, session, HF_RECORD_PEEKED, hf_buf_slice(&meta));
    }
    hf_buf_fini(&meta);
}

void br_peek(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct br_peek *peek = br->sessions[session].peek;
    struct hf_peek message;
    uint32_t queue = 0;

    if (hf_peek_decode(record->meta, &message) != HF_OK || message.limit == 0 ||
        message.limit > BR_PEEK_MAX) {
        br_end_session(br, session, HF_REASON_PROTOCOL);
        return;
    }
    if (!may_inspect(br, session)) {
        return;
    }
    queue = peek == NULL || peek->handle != message.handle
                ? 0
                : broker_queue_find(br->core, hf_slice_of_cstr(peek->queue));
    if (queue == 0) {
        br_deny(br, session, record->type);
        return;
    }
    peek->cursor = find_cursor(br, queue, peek, message.after_id);
    if (fill_page(br, session, peek, message.limit)) {
        send_page(br, session, peek);
    } else if (br_is_heard(br, session)) {
        br_deny(br, session, record->type);
    }
}
