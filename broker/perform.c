/* Effects of the core -> records on links, in the core's order. Runs under the core
 * lock: records are appended, never flushed here. */
#include "broker/shell.h"

#include "lib/base/log.h"

#include <string.h>

/* A worker has done its part when it hears that its response has arrived: that may wait
 * for the next assignment. */
static void mark_dirty(struct br *br, uint32_t session, const struct hf_record *record)
{
    if (record->type != HF_RECORD_RESPOND_ACK) {
        br->sessions[session].is_urgent = true;
    }
    if (!br->sessions[session].is_dirty) {
        br->sessions[session].is_dirty = true;
        br->dirty[br->dirty_count++] = session;
    }
}

static bool send_with(struct br *br, uint32_t session, const struct hf_record *record,
                      hf_err (*send)(struct hf_link *, const struct hf_record *))
{
    struct br_session *s = &br->sessions[session];

    if (session == 0 || s->link == NULL || s->is_ending ||
        send(s->link, record) != HF_OK) {
        return false;
    }
    mark_dirty(br, session, record);
    return true;
}

bool br_send(struct br *br, uint32_t session, const struct hf_record *record)
{
    return send_with(br, session, record, hf_link_send);
}

void br_send_control(struct br *br, uint32_t session, enum hf_record_type type,
                     hf_slice meta)
{
    const struct hf_record record = {.type = (uint16_t)type, .meta = meta};

    (void)send_with(br, session, &record, hf_link_send_control);
}

/* Encodes a fixed message and sends it. */
#define SEND(br, session, TYPE, name, ...)                                             \
    do {                                                                               \
        uint8_t meta_[HF_META_SMALL_MAX];                                              \
        const struct hf_##name message_ = {__VA_ARGS__};                               \
        size_t bytes_ = hf_##name##_encode(&message_, meta_, sizeof meta_);            \
        br_send_control((br), (session), HF_RECORD_##TYPE,                             \
                        hf_slice_of(meta_, bytes_));                                   \
    } while (0)

void br_end_session(struct br *br, uint32_t session, hf_reason reason)
{
    SEND(br, session, GOODBYE, goodbye, .reason = reason);
    br->sessions[session].is_ending = true;
}

void br_send_assign(struct br *br, const struct broker_effect *assign, hf_slice head,
                    hf_slice body)
{
    const struct broker_request_view view = broker_request_at(br->core, assign->slot);
    struct hf_assign message = {
        .id = assign->id,
        .epoch = assign->epoch,
        .handle = assign->handle,
        .attempt = assign->attempt,
        .deadline_ms = hf_time_ms(assign->deadline),
        .enqueued_ms = hf_time_ms(assign->enqueued),
        .body_bytes = view.body_bytes,
        .flags = view.flags &
                 (HF_ENQUEUE_REPEATABLE | HF_ENQUEUE_ASYNC | HF_ENQUEUE_STREAMED),
    };
    uint8_t meta[HF_META_SMALL_MAX];
    hf_receipt receipt;
    size_t bytes = 0;

    receipt = hf_receipt_make(&br->sessions[assign->session].lease_key, assign->id,
                              assign->epoch);
    memcpy(message.receipt.bytes, receipt.bytes, sizeof message.receipt.bytes);
    bytes = hf_assign_encode(&message, meta, sizeof meta);
    hf_check(bytes > 0);
    const struct hf_record record = {
        .type = HF_RECORD_ASSIGN,
        .meta = hf_slice_of(meta, bytes),
        .head = head,
        .body = body,
    };

    (void)br_send(br, assign->session, &record);
}

static void perform_assign(struct br *br, const struct broker_effect *effect)
{
    const struct br_held *held = br->slots[effect->slot].held;
    const struct broker_request_view view = broker_request_at(br->core, effect->slot);

    hf_stat_add(&br_stats.leases, 1);
    if (effect->attempt > 1) {
        hf_stat_add(&br_stats.redelivered, 1);
        HF_INFO("request redelivered", hf_log_id("id", effect->id),
                hf_log_int("attempt", effect->attempt));
    }
    if (held == NULL || (view.flags & BROKER_SUBMIT_STREAMED) != 0) {
        br_load(br, effect);
        return;
    }
    br_send_assign(br, effect, br_held_head(held), br_held_body(held));
}

static void forward_response(struct br *br, const struct broker_effect *effect,
                             const struct broker_input *input,
                             const struct hf_record *in)
{
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_response message = {
        .id = effect->id,
        .epoch = effect->epoch,
        .flags = input->u.result.is_streamed ? HF_ENQUEUE_STREAMED : 0,
    };
    const struct hf_record record = {
        .type = HF_RECORD_RESPONSE,
        .meta = hf_slice_of(meta, hf_response_encode(&message, meta, sizeof meta)),
        .head = in->head,
        .body = in->body,
    };

    (void)br_send(br, effect->session, &record);
}

static void send_piece(struct br *br, const struct broker_effect *effect,
                       const struct hf_body_piece *piece, hf_slice body)
{
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_record record = {
        .type = HF_RECORD_BODY,
        .meta = hf_slice_of(meta, hf_body_piece_encode(piece, meta, sizeof meta)),
        .body = body,
    };

    (void)br_send(br, effect->session, &record);
}

static void forward_piece(struct br *br, const struct broker_effect *effect,
                          const struct broker_input *input, const struct hf_record *in)
{
    const struct hf_body_piece piece = {.id = effect->id,
                                        .epoch = effect->epoch,
                                        .offset = input->u.body.offset,
                                        .is_last = input->u.body.is_last};

    send_piece(br, effect, &piece, in->body);
}

/* A kept response is at most 1 MiB: it fits in the window every stream starts with. The
 * effect's `result` says whether it is whole. */
static void send_kept(struct br *br, const struct broker_effect *effect)
{
    uint8_t meta[HF_META_SMALL_MAX];
    hf_slice head = HF_SLICE_EMPTY;
    hf_slice body = HF_SLICE_EMPTY;
    struct hf_response message = {.id = effect->id, .epoch = effect->epoch};
    struct hf_record record = {.type = HF_RECORD_RESPONSE};
    uint64_t offset = 0;
    bool is_whole = effect->result != 0;

    if (!br_reply_parts(br, effect->slot, &head, &body)) {
        return;
    }
    bool is_streamed = br_reply_is_streamed(br, effect->slot) || !is_whole ||
                       body.bytes > HF_BODY_INLINE_MAX;

    message.flags = is_streamed ? HF_ENQUEUE_STREAMED : 0;
    record.meta = hf_slice_of(meta, hf_response_encode(&message, meta, sizeof meta));
    record.head = head;
    record.body = is_streamed ? HF_SLICE_EMPTY : body;
    (void)br_send(br, effect->session, &record);
    while (is_streamed && (body.bytes > 0 || is_whole)) {
        hf_slice part = hf_slice_first(body, HF_BODY_PIECE_MAX);
        const struct hf_body_piece piece = {
            .id = effect->id,
            .epoch = effect->epoch,
            .offset = offset,
            .is_last = is_whole && part.bytes == body.bytes,
        };

        send_piece(br, effect, &piece, part);
        offset += part.bytes;
        body = hf_slice_skip(body, part.bytes);
        is_streamed = !piece.is_last;
    }
}

static void perform_opened(struct br *br, const struct broker_effect *effect)
{
    if (effect->reason == HF_REASON_DENIED) {
        hf_stat_add(&br_stats.denied, 1);
        HF_WARN("queue not opened", hf_log_cstr("code", "E_DENIED"),
                hf_log_key("holder", br->sessions[effect->session].key));
    }
    SEND(br, effect->session, OPENED, queue_opened, .handle = effect->handle,
         .reason = effect->reason, .incarnation = br->incarnation);
}

static void perform_respond_ack(struct br *br, const struct broker_effect *effect)
{
    if (effect->result != BROKER_ACK_DONE) {
        hf_stat_add(effect->result == BROKER_ACK_DENIED ? &br_stats.denied
                                                        : &br_stats.late_results,
                    1);
    }
    if (effect->result == BROKER_ACK_DENIED) {
        HF_WARN("result refused", hf_log_cstr("code", "E_DENIED"),
                hf_log_id("id", effect->id),
                hf_log_key("holder", br->sessions[effect->session].key));
    }
    SEND(br, effect->session, RESPOND_ACK, respond_ack, .id = effect->id,
         .epoch = effect->epoch, .result = (enum hf_respond_result)effect->result);
}

static void perform_violation(struct br *br, const struct broker_effect *effect)
{
    hf_stat_add(&br_stats.protocol_violations, 1);
    HF_WARN("session broke the protocol",
            hf_log_cstr("reason", hf_reason_word(effect->reason)),
            hf_log_key("holder", br->sessions[effect->session].key));
    br_end_session(br, effect->session, effect->reason);
}

static void perform_outcome(const struct broker_effect *effect)
{
    if (effect->reason == HF_REASON_NONE) {
        hf_stat_add(&br_stats.outcomes_answered, 1);
        return;
    }
    hf_stat_add(&br_stats.outcomes_refused, 1);
    HF_INFO("request ended", hf_log_id("id", effect->id),
            hf_log_cstr("reason", hf_reason_word(effect->reason)));
}

static void perform_policy_ack(struct br *br, const struct broker_effect *effect)
{
    br->policy_version = effect->amount;
    SEND(br, effect->session, POLICY_ACK, policy_ack, .version = effect->amount);
    HF_INFO("policy in force", hf_log_int("version", (int64_t)effect->amount));
}

static void perform_policy_refused(struct br *br, const struct broker_effect *effect,
                                   const struct broker_input *input)
{
    br->is_policy_refused = true;
    HF_WARN("policy refused", hf_log_cstr("reason", hf_reason_word(effect->reason)),
            hf_log_slice("queue", input->u.policy.name),
            hf_log_int("queues_max", (int64_t)br->options.core.queues_max));
}

static void perform_policy(struct br *br, const struct broker_effect *effect,
                           const struct broker_input *input)
{
    if (effect->type == BROKER_OUT_POLICY_ACK) {
        perform_policy_ack(br, effect);
    } else {
        perform_policy_refused(br, effect, input);
    }
}

static void perform_cancel(struct br *br, const struct broker_effect *effect)
{
    SEND(br, effect->session, CANCEL, cancel, .id = effect->id, .epoch = effect->epoch,
         .reason = effect->reason);
}

static void perform_abort(struct br *br, const struct broker_effect *effect)
{
    hf_stat_add(&br_stats.responses_broken, 1);
    SEND(br, effect->session, ABORT, abort, .id = effect->id, .epoch = effect->epoch,
         .reason = effect->reason);
}

/* Effects that concern the slot's bytes, or a response's. */
static bool perform_payload(struct br *br, const struct broker_effect *effect,
                            const struct broker_input *input,
                            const struct hf_record *record)
{
    switch (effect->type) {
    case BROKER_OUT_HOLD:
        br_hold(br, effect->slot, record, input->u.submit.wishes);
        return true;
    case BROKER_OUT_HOLD_BODY:
        br_hold_body(br, effect->slot, input->u.body.offset, record->body);
        return true;
    case BROKER_OUT_HOLD_RESPONSE:
        br_hold_reply(br, effect->slot, record, input->type == BROKER_IN_RESULT);
        return true;
    case BROKER_OUT_FREE:
        br_free_slot(br, effect->slot);
        return true;
    case BROKER_OUT_DROP_RESPONSE:
        br_drop_reply(br, effect->slot);
        return true;
    case BROKER_OUT_RESPONSE:
        forward_response(br, effect, input, record);
        return true;
    case BROKER_OUT_RESPONSE_BODY:
        forward_piece(br, effect, input, record);
        return true;
    case BROKER_OUT_RESPONSE_KEPT:
        send_kept(br, effect);
        return true;
    case BROKER_OUT_ASSIGN:
        perform_assign(br, effect);
        return true;
    default:
        return false;
    }
}

void br_perform(struct br *br, const struct broker_effect *effect,
                const struct broker_input *input, const struct hf_record *record)
{
    uint32_t to = effect->session;

    if (perform_payload(br, effect, input, record)) {
        return;
    }
    switch (effect->type) {
    case BROKER_OUT_OPENED:
        perform_opened(br, effect);
        break;
    case BROKER_OUT_CLOSED:
        SEND(br, to, CLOSED, queue_closed, .handle = effect->handle,
             .reason = effect->reason);
        break;
    case BROKER_OUT_ADMITTED:
        SEND(br, to, ADMITTED, admitted, .id = effect->id);
        break;
    case BROKER_OUT_ACCEPTED:
        SEND(br, to, ACCEPTED, accepted, .id = effect->id);
        break;
    case BROKER_OUT_ASSIGNED:
        SEND(br, to, ASSIGNED, assigned, .id = effect->id, .epoch = effect->epoch);
        break;
    case BROKER_OUT_REFUSED:
        SEND(br, to, REFUSED, refused, .id = effect->id, .reason = effect->reason,
             .retry_after_ms = effect->result);
        break;
    case BROKER_OUT_ABORT:
        perform_abort(br, effect);
        break;
    case BROKER_OUT_CANCEL:
        perform_cancel(br, effect);
        break;
    case BROKER_OUT_RESPOND_ACK:
        perform_respond_ack(br, effect);
        break;
    case BROKER_OUT_DECLARED:
        SEND(br, to, DECLARED, declared, .id = effect->id, .epoch = effect->epoch,
             .is_kept = effect->result != 0);
        break;
    case BROKER_OUT_WINDOW:
        SEND(br, to, WINDOW, window, .id = effect->id, .epoch = effect->epoch,
             .bytes = effect->amount);
        break;
    case BROKER_OUT_VIOLATION:
        perform_violation(br, effect);
        break;
    case BROKER_OUT_POLICY_REFUSED:
    case BROKER_OUT_POLICY_ACK:
        perform_policy(br, effect, input);
        break;
    case BROKER_OUT_OUTCOME:
        perform_outcome(effect);
        break;
    default: /* performed above */
        break;
    }
}
