/* Records of a broker become inputs of the core, and requests get their bytes. */
#include "worker/shell.h"

#include <string.h>

/* Reads one kind of record into an input; HF_ERR_INVALID is a violation. */
typedef hf_err (*fetch_fn)(struct wk_broker *broker, const struct hf_record *record,
                           struct worker_input *input);

static hf_err fetch_opened(struct wk_broker *broker, const struct hf_record *record,
                           struct worker_input *input)
{
    struct hf_queue_opened opened;
    hf_err err = hf_queue_opened_decode(record->meta, &opened);

    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_OPENED;
    input->handle = opened.handle;
    input->reason = opened.reason;
    if (opened.reason != HF_REASON_NONE) {
        HF_WARN("queue refused", hf_log_cstr("broker", broker->address),
                hf_log_int("handle", opened.handle),
                hf_log_cstr("reason", hf_reason_word(opened.reason)));
    }
    return HF_OK;
}

static hf_err fetch_closed(struct wk_broker *broker, const struct hf_record *record,
                           struct worker_input *input)
{
    struct hf_queue_closed closed;
    hf_err err = hf_queue_closed_decode(record->meta, &closed);

    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_CLOSED;
    input->handle = closed.handle;
    input->reason = closed.reason;
    HF_WARN("queue closed by its broker", hf_log_cstr("broker", broker->address),
            hf_log_cstr("reason", hf_reason_word(closed.reason)));
    return HF_OK;
}

static hf_err fetch_assign(struct wk_broker *broker, const struct hf_record *record,
                           struct worker_input *input)
{
    static _Thread_local struct hf_assign assign;
    hf_err err = hf_assign_decode(record->meta, &assign);

    if (err != HF_OK) {
        return err;
    }

    bool is_streamed = (assign.flags & HF_ENQUEUE_STREAMED) != 0;

    if (is_streamed && record->body.bytes != 0) {
        return HF_ERR_INVALID;
    }
    broker->worker->assign = &assign;
    input->type = WORKER_IN_ASSIGN;
    input->handle = assign.handle;
    input->id = assign.id;
    input->epoch = assign.epoch;
    input->u.assign.attempt = assign.attempt;
    input->u.assign.is_streamed = is_streamed;
    input->u.assign.body_bytes = is_streamed ? assign.body_bytes : record->body.bytes;
    input->u.assign.deadline = hf_time_of_ms(assign.deadline_ms);
    memcpy(input->u.assign.receipt, assign.receipt.bytes, WORKER_RECEIPT_BYTES);
    return HF_OK;
}

static hf_err fetch_body(struct wk_broker *broker, const struct hf_record *record,
                         struct worker_input *input)
{
    struct hf_body_piece piece;
    hf_err err = hf_body_piece_decode(record->meta, &piece);

    (void)broker;
    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_BODY;
    input->id = piece.id;
    input->epoch = piece.epoch;
    input->u.body.offset = piece.offset;
    input->u.body.bytes = (uint32_t)record->body.bytes;
    input->u.body.is_last = piece.is_last;
    return HF_OK;
}

static hf_err fetch_window(struct wk_broker *broker, const struct hf_record *record,
                           struct worker_input *input)
{
    struct hf_window window;
    hf_err err = hf_window_decode(record->meta, &window);

    (void)broker;
    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_WINDOW;
    input->id = window.id;
    input->epoch = window.epoch;
    input->u.amount.bytes = window.bytes;
    return HF_OK;
}

static hf_err fetch_respond_ack(struct wk_broker *broker,
                                const struct hf_record *record,
                                struct worker_input *input)
{
    struct hf_respond_ack ack;
    hf_err err = hf_respond_ack_decode(record->meta, &ack);

    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_RESPOND_ACK;
    input->id = ack.id;
    input->epoch = ack.epoch;
    input->u.verdict.result = ack.result;
    if (ack.result != HF_RESPOND_DONE) {
        HF_WARN("response refused", hf_log_cstr("broker", broker->address),
                hf_log_id("request", ack.id), hf_log_int("result", ack.result));
    }
    return HF_OK;
}

static hf_err fetch_declared(struct wk_broker *broker, const struct hf_record *record,
                             struct worker_input *input)
{
    struct hf_declared declared;
    hf_err err = hf_declared_decode(record->meta, &declared);

    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_DECLARED;
    input->id = declared.id;
    input->epoch = declared.epoch;
    input->u.verdict.result = declared.is_kept;
    if (declared.is_kept) {
        wk_count(&broker->worker->stats.declared, 1);
    }
    return HF_OK;
}

static hf_err fetch_cancel(struct wk_broker *broker, const struct hf_record *record,
                           struct worker_input *input)
{
    struct hf_cancel cancel;
    hf_err err = hf_cancel_decode(record->meta, &cancel);

    (void)broker;
    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_CANCEL;
    input->id = cancel.id;
    input->epoch = cancel.epoch;
    input->reason = cancel.reason;
    return HF_OK;
}

static hf_err fetch_drain(struct wk_broker *broker, const struct hf_record *record,
                          struct worker_input *input)
{
    struct hf_drain drain;
    hf_err err = hf_drain_decode(record->meta, &drain);

    if (err != HF_OK) {
        return err;
    }
    input->type = WORKER_IN_DRAIN;
    input->reason = drain.reason;
    HF_INFO("broker is draining", hf_log_cstr("broker", broker->address));
    return HF_OK;
}

/* NULL for records that the core does not know. */
static fetch_fn fetch_fn_of(uint16_t type)
{
    switch (type) {
    case HF_RECORD_ASSIGN:
        return fetch_assign;
    case HF_RECORD_RESPOND_ACK:
        return fetch_respond_ack;
    case HF_RECORD_BODY:
        return fetch_body;
    case HF_RECORD_WINDOW:
        return fetch_window;
    case HF_RECORD_CANCEL:
        return fetch_cancel;
    case HF_RECORD_OPENED:
        return fetch_opened;
    case HF_RECORD_CLOSED:
        return fetch_closed;
    case HF_RECORD_DECLARED:
        return fetch_declared;
    case HF_RECORD_DRAIN:
        return fetch_drain;
    default:
        return NULL;
    }
}

static void on_goodbye(struct wk_broker *broker, hf_slice meta)
{
    struct hf_goodbye goodbye;

    if (hf_goodbye_decode(meta, &goodbye) == HF_OK) {
        HF_INFO("broker says goodbye", hf_log_cstr("broker", broker->address),
                hf_log_cstr("reason", hf_reason_word(goodbye.reason)));
    }
}

static void on_reauth_result(struct wk_broker *broker, hf_slice meta)
{
    struct hf_reauth_result result;

    if (hf_reauth_result_decode(meta, &result) != HF_OK) {
        return;
    }
    if (result.is_accepted) {
        broker->worker->expires_ms = result.expires_ms;
        return;
    }
    HF_WARN("new token refused", hf_log_cstr("broker", broker->address));
}

static void on_token(struct wk_broker *broker, hf_slice meta)
{
    struct hf_token_push push;
    struct hf_worker *worker = broker->worker;

    if (hf_token_push_decode(meta, &push) != HF_OK ||
        !hf_key_equal(push.key, hf_secret_public(worker->credentials.secret))) {
        HF_WARN("token for somebody else", hf_log_cstr("broker", broker->address));
        return;
    }
    wk_take_token(worker, push.chain);
}

/* Session records, which the core does not know; false for any other. */
static bool fetch_session(struct wk_broker *broker, const struct hf_record *record)
{
    switch (record->type) {
    case HF_RECORD_GOODBYE:
        on_goodbye(broker, record->meta);
        return true;
    case HF_RECORD_REAUTH_RESULT:
        on_reauth_result(broker, record->meta);
        return true;
    case HF_RECORD_TOKEN:
        on_token(broker, record->meta);
        return true;
    case HF_RECORD_PING:
        wk_on_ping(broker, record->meta);
        return true;
    default:
        return false;
    }
}

static hf_err fetch_one(struct wk_broker *broker, const struct hf_record *record)
{
    struct hf_worker *worker = broker->worker;
    struct worker_input input = {.broker = broker->number};

    if (hf_record_check(record, HF_END_BROKER, HF_END_WORKER) != HF_OK) {
        return HF_ERR_INVALID;
    }

    fetch_fn fetch = fetch_fn_of(record->type);

    if (fetch == NULL) {
        return fetch_session(broker, record) ? HF_OK : HF_ERR_INVALID;
    }
    if (fetch(broker, record, &input) != HF_OK) {
        return HF_ERR_INVALID;
    }
    worker->record = record;
    wk_step(worker, &input);
    worker->record = NULL;
    return HF_OK;
}

void wk_fetch(struct wk_broker *broker, const struct hf_record *records, size_t count)
{
    for (size_t i = 0; i < count && !broker->is_condemned; i++) {
        if (fetch_one(broker, &records[i]) != HF_OK) {
            wk_condemn(broker, HF_REASON_PROTOCOL);
        }
    }
}
