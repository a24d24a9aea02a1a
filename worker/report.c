/* Effects of the core become records, callbacks and the end of requests. */
#include "worker/shell.h"

static struct wk_broker *broker_of(struct hf_worker *worker, uint32_t number)
{
    hf_check(number >= 1 && number <= worker->brokers_count);
    return &worker->brokers[number - 1];
}

static struct hf_request *request_of(struct hf_worker *worker, uint32_t slot)
{
    hf_check(slot >= 1 && slot <= worker->leases_max);
    hf_check(worker->slots[slot] != NULL);
    return worker->slots[slot];
}

static void send_record(struct wk_broker *broker, const struct hf_record *record)
{
    if (broker->link == NULL) {
        return;
    }
    /* A link that is gone says so by itself; sizes are bounded before they get here. */
    hf_err err = hf_link_send(broker->link, record);

    hf_check(err != HF_ERR_TOO_BIG);
    broker->is_dirty = true;
}

static bool take_parts(struct hf_request *request, const struct hf_record *record)
{
    return hf_buf_append(&request->head_in, record->head) == HF_OK &&
           (record->body.bytes == 0 ||
            hf_buf_append(&request->body, record->body) == HF_OK) &&
           hf_request_head_decode(hf_buf_slice(&request->head_in), &request->head) ==
               HF_OK;
}

/* Copies the head and inline body of the present ASSIGN. */
static void start(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_request *request = wk_request_new(worker);

    hf_check(request != NULL); /* leases are bounded; there is no other way out */
    hf_check(worker->slots[effect->slot] == NULL);
    worker->slots[effect->slot] = request;
    request->slot = effect->slot;
    request->id = effect->id;
    request->epoch = effect->epoch;
    request->attempt = worker->assign->attempt;
    request->deadline = hf_time_of_ms(worker->assign->deadline_ms);
    request->is_body_streamed = (worker->assign->flags & HF_ENQUEUE_STREAMED) != 0;
    request->is_body_whole = !request->is_body_streamed;
    request->body_bytes = request->is_body_streamed ? worker->assign->body_bytes
                                                    : worker->record->body.bytes;
    request->is_bad = !take_parts(request, worker->record);
    wk_count(&worker->stats.requests, 1);
    wk_count(&worker->stats.leases, 1);

    bool is_too_big = request->body_bytes > WK_WHOLE_BODY_MAX;

    if (request->is_body_whole || worker->handler.on_body != NULL || is_too_big ||
        request->is_bad || worker->mode == WK_RECEIVE) {
        wk_notify(request, WK_EVENT_START);
    }
}

static void body(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_request *request = request_of(worker, effect->slot);

    if (request->is_ended) {
        return;
    }
    if (hf_buf_append(&request->body, worker->record->body) != HF_OK) {
        request->is_bad = true;
    }
    request->is_body_whole = effect->is_last;
    if (effect->is_last && request->body_bytes == 0) {
        request->body_bytes = effect->offset + effect->amount;
    }

    bool is_gathered = worker->handler.on_body == NULL && worker->mode != WK_RECEIVE;

    if (!is_gathered) {
        wk_notify(request, WK_EVENT_BODY);
    } else if (effect->is_last || request->is_bad) {
        wk_notify(request, WK_EVENT_START);
    } else {
        struct worker_input took = {.type = WORKER_IN_TOOK,
                                    .slot = effect->slot,
                                    .u.amount.bytes = effect->amount};

        wk_step_later(worker, &took);
    }
}

static void send_respond(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_request *request = request_of(worker, effect->slot);
    struct hf_respond respond = {.id = effect->id, .epoch = effect->epoch};
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_record record = {.type = HF_RECORD_RESPOND,
                               .head = hf_buf_slice(&request->head_out)};

    if (effect->result != 0) {
        respond.flags = HF_ENQUEUE_STREAMED;
    } else {
        record.body = hf_buf_slice(&request->out);
    }
    record.meta = hf_slice_of(meta, hf_respond_encode(&respond, meta, sizeof meta));
    send_record(broker_of(worker, effect->broker), &record);
}

static void send_body(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_request *request = request_of(worker, effect->slot);
    struct wk_broker *broker = broker_of(worker, effect->broker);
    hf_slice rest = hf_buf_slice(&request->out);
    uint64_t offset = effect->offset;
    uint64_t end = effect->offset + effect->amount;

    hf_check(offset >= request->out_base && end - request->out_base <= rest.bytes);
    rest = hf_slice_skip(rest, (size_t)(offset - request->out_base));
    do {
        uint8_t meta[HF_META_SMALL_MAX];
        size_t bytes = end - offset < HF_BODY_PIECE_MAX ? (size_t)(end - offset)
                                                        : HF_BODY_PIECE_MAX;
        struct hf_body_piece piece = {.id = effect->id,
                                      .epoch = effect->epoch,
                                      .offset = offset,
                                      .is_last =
                                          effect->is_last && offset + bytes == end};
        struct hf_record record = {.type = HF_RECORD_BODY,
                                   .body = hf_slice_first(rest, bytes)};

        record.meta =
            hf_slice_of(meta, hf_body_piece_encode(&piece, meta, sizeof meta));
        send_record(broker, &record);
        rest = hf_slice_skip(rest, bytes);
        offset += bytes;
    } while (offset < end);
    /* The core's rule: a response that grew past this is never sent again. */
    if (hf_buf_bytes(&request->head_out) + request->produced >
        WORKER_RESPONSE_KEPT_MAX) {
        hf_buf_consume(&request->out, (size_t)(end - request->out_base));
        request->out_base = end;
    }
}

static void send_open(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_queue_open open = {.handle = effect->handle,
                                 .queue =
                                     worker_queue_name(worker->core, effect->queue),
                                 .rights = HF_RIGHT_RECEIVE | HF_RIGHT_RESPOND};
    uint8_t meta[HF_META_MAX];

    wk_send_meta(broker_of(worker, effect->broker), HF_RECORD_OPEN,
                 hf_slice_of(meta, hf_queue_open_encode(&open, meta, sizeof meta)));
}

static void send_window(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_window window = {
        .id = effect->id, .epoch = effect->epoch, .bytes = effect->amount};
    uint8_t meta[HF_META_SMALL_MAX];

    wk_send_meta(broker_of(worker, effect->broker), HF_RECORD_WINDOW,
                 hf_slice_of(meta, hf_window_encode(&window, meta, sizeof meta)));
}

static void send_abort(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_abort abort = {
        .id = effect->id, .epoch = effect->epoch, .reason = effect->reason};
    uint8_t meta[HF_META_SMALL_MAX];

    wk_send_meta(broker_of(worker, effect->broker), HF_RECORD_ABORT,
                 hf_slice_of(meta, hf_abort_encode(&abort, meta, sizeof meta)));
}

static void send_fail(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_fail fail = {
        .id = effect->id, .epoch = effect->epoch, .reason = effect->reason};
    uint8_t meta[HF_META_SMALL_MAX];

    wk_send_meta(broker_of(worker, effect->broker), HF_RECORD_FAIL,
                 hf_slice_of(meta, hf_fail_encode(&fail, meta, sizeof meta)));
}

static void send_release(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_release release = {.id = effect->id, .epoch = effect->epoch};
    uint8_t meta[HF_META_SMALL_MAX];

    wk_count(&worker->stats.released, 1);
    wk_send_meta(broker_of(worker, effect->broker), HF_RECORD_RELEASE,
                 hf_slice_of(meta, hf_release_encode(&release, meta, sizeof meta)));
}

static void send_declare(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_declare declare = {.handle = effect->handle,
                                 .id = effect->id,
                                 .epoch = effect->epoch,
                                 .is_answered = effect->result != 0};
    const uint8_t *receipt = worker_receipt(worker->core, effect->slot);
    uint8_t meta[HF_META_SMALL_MAX];

    for (size_t i = 0; i < sizeof declare.receipt.bytes; i++) {
        declare.receipt.bytes[i] = receipt[i];
    }
    wk_send_meta(broker_of(worker, effect->broker), HF_RECORD_DECLARE,
                 hf_slice_of(meta, hf_declare_encode(&declare, meta, sizeof meta)));
}

void wk_send_credit(struct wk_broker *broker)
{
    for (uint32_t i = 0; i < WK_QUEUES_MAX; i++) {
        struct hf_credit credit = {.handle = i + 1, .requests = broker->credit[i]};
        uint8_t meta[HF_META_SMALL_MAX];

        if (broker->credit[i] == 0) {
            continue;
        }
        broker->credit[i] = 0;
        wk_send_meta(broker, HF_RECORD_CREDIT,
                     hf_slice_of(meta, hf_credit_encode(&credit, meta, sizeof meta)));
    }
}

static void send_drain(struct hf_worker *worker, const struct worker_effect *effect)
{
    wk_send_meta(broker_of(worker, effect->broker), HF_RECORD_DRAIN, HF_SLICE_EMPTY);
}

static void cancel(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_request *request = request_of(worker, effect->slot);

    wk_count(&worker->stats.cancelled, 1);
    request->is_cancelled = true;
    if (request->is_ended) {
        /* The handler has given everything and forgotten it: its end is ours to report.
         */
        struct worker_input end = {.type = WORKER_IN_FAIL, .slot = request->slot};

        wk_step_later(worker, &end);
        return;
    }
    wk_notify(request, WK_EVENT_CANCEL);
}

static void release_slot(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_request *request = request_of(worker, effect->slot);

    worker->slots[effect->slot] = NULL;
    request->slot = 0;
    request->is_ended = true;
    hf_heap_remove(&worker->laters, &request->later);
    wk_count(&worker->stats.leases, -1);
    wk_request_unref(request);
}

static void take(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct hf_request *request = request_of(worker, effect->slot);

    request->allowed += effect->amount;
    if (request->given > request->produced || request->is_whole) {
        /* Outside of a turn it is wk_commit that has led here, and it goes on. */
        (void)wk_commit_later(request);
    }
    if (!request->is_whole) {
        wk_notify(request, WK_EVENT_WRITABLE);
    }
}

static void drained(struct hf_worker *worker, const struct worker_effect *effect)
{
    if (effect->broker != 0) {
        wk_farewell(broker_of(worker, effect->broker));
        return;
    }
    for (uint32_t i = 0; i < worker->brokers_count; i++) {
        wk_farewell(&worker->brokers[i]);
    }
    worker->is_drained = true;
    (void)pthread_cond_broadcast(&worker->drained_changed);
    if (worker->on_drained != NULL) {
        worker->on_drained(worker->on_drained_ctx);
    }
}

static void give_credit(struct hf_worker *worker, const struct worker_effect *effect)
{
    struct wk_broker *broker = broker_of(worker, effect->broker);

    broker->credit[effect->queue] += (uint32_t)effect->amount;
    broker->is_dirty = true;
}

static void condemn(struct hf_worker *worker, const struct worker_effect *effect)
{
    wk_condemn(broker_of(worker, effect->broker), effect->reason);
}

/* A call each, so that the frequent ones do not pay for the stack of the others. */
static void (*const effect_fns[])(struct hf_worker *worker,
                                  const struct worker_effect *effect) = {
    [WORKER_OUT_OPEN] = send_open,
    [WORKER_OUT_CREDIT] = give_credit,
    [WORKER_OUT_START] = start,
    [WORKER_OUT_BODY] = body,
    [WORKER_OUT_SEND_RESPOND] = send_respond,
    [WORKER_OUT_SEND_BODY] = send_body,
    [WORKER_OUT_SEND_WINDOW] = send_window,
    [WORKER_OUT_SEND_ABORT] = send_abort,
    [WORKER_OUT_SEND_FAIL] = send_fail,
    [WORKER_OUT_SEND_RELEASE] = send_release,
    [WORKER_OUT_DECLARE] = send_declare,
    [WORKER_OUT_TAKE] = take,
    [WORKER_OUT_CANCEL] = cancel,
    [WORKER_OUT_FREE] = release_slot,
    [WORKER_OUT_SEND_DRAIN] = send_drain,
    [WORKER_OUT_DRAINED] = drained,
    [WORKER_OUT_VIOLATION] = condemn,
};

void wk_step_later(struct hf_worker *worker, const struct worker_input *input)
{
    hf_check(worker->inputs_count < WORKER_EFFECTS_MAX);
    worker->inputs[worker->inputs_count++] = *input;
}

static void step_once(struct hf_worker *worker, struct worker_input *input, hf_time now)
{
    input->now = now;
    worker_step(worker->core, input, worker->effects);
    for (uint32_t i = 0; i < worker->effects->count; i++) {
        const struct worker_effect *effect = &worker->effects->items[i];

        effect_fns[effect->type](worker, effect);
    }
}

void wk_step(struct hf_worker *worker, struct worker_input *input)
{
    hf_time now = wk_now(worker);

    step_once(worker, input, now);
    /* What these lead to asks for no more, so the list ends. */
    for (size_t i = 0; i < worker->inputs_count; i++) {
        step_once(worker, &worker->inputs[i], now);
    }
    worker->inputs_count = 0;
}
