/* What the core decided, done: one function per effect. */
#include "frontend/client.h"
#include "frontend/reply.h"
#include "frontend/status.h"
#include "frontend/uplink.h"

static struct fe_hold *hold_of(const struct fe_shell *shell,
                               const struct frontend_effect *effect)
{
    hf_check(effect->slot <= shell->options->exchanges_max);
    return shell->by_slot[effect->slot];
}

static void do_accept(struct fe_shell *shell, const struct frontend_effect *effect)
{
    hf_check(shell->admitting != NULL);
    hf_check(shell->by_slot[effect->slot] == NULL);

    shell->admitting->slot = effect->slot;
    shell->by_slot[effect->slot] = shell->admitting;
    fe_count(&shell->stats, FE_STAT_held, 1);
}

static void do_free(struct fe_shell *shell, const struct frontend_effect *effect)
{
    struct fe_hold *hold = hold_of(shell, effect);

    shell->by_slot[effect->slot] = NULL;
    hold->slot = 0;
    fe_count(&shell->stats, FE_STAT_held, -1);
    if (hold->client == NULL) {
        hf_list_remove(&hold->place); /* from the orphans */
    }
    fe_hold_release(shell, hold);
}

static void do_read(struct fe_shell *shell, const struct frontend_effect *effect)
{
    struct fe_hold *hold = hold_of(shell, effect);

    hold->credit += effect->amount;
    if (hold->client != NULL) {
        fe_client_resume(hold->client);
    }
}

static void send_meta(struct fe_shell *shell, const struct frontend_effect *effect,
                      uint16_t type, hf_slice meta)
{
    const struct hf_record record = {.type = type, .meta = meta};

    fe_uplink_send(shell, effect->broker, &record);
}

static void do_open(struct fe_shell *shell, const struct frontend_effect *effect)
{
    const struct hf_queue_open open = {
        .handle = effect->handle,
        .queue = frontend_queue_name(shell->core, effect->queue),
        .rights = HF_RIGHT_ENQUEUE,
    };
    uint8_t meta[512];

    send_meta(shell, effect, HF_RECORD_OPEN,
              hf_slice_of(meta, hf_queue_open_encode(&open, meta, sizeof meta)));
}

static void do_enqueue(struct fe_shell *shell, const struct frontend_effect *effect)
{
    const struct fe_hold *hold = hold_of(shell, effect);
    bool is_streamed = (effect->flags & HF_ENQUEUE_STREAMED) != 0;
    const struct hf_enqueue enqueue = {
        .id = effect->id,
        .handle = effect->handle,
        .flags = effect->flags,
        .deadline_ms = hf_time_ms(effect->deadline),
        .body_bytes = is_streamed ? effect->amount : 0,
        .responded_epoch = effect->epoch,
        .fair_key = hold->fair_key,
        .access = hold->is_async ? fe_status_access(hold) : (hf_id){{0}},
    };
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_record record = {.type = HF_RECORD_ENQUEUE};

    record.meta = hf_slice_of(meta, hf_enqueue_encode(&enqueue, meta, sizeof meta));
    record.head = hf_buf_slice(&hold->head);
    if (!is_streamed) {
        record.body = hf_buf_slice(&hold->spool.ram);
    }
    if ((effect->flags & HF_ENQUEUE_REOFFER) != 0) {
        fe_count(&shell->stats, FE_STAT_reoffered_total, 1);
    }
    fe_uplink_send(shell, effect->broker, &record);
}

/* A spool that cannot be read back is a request that cannot be kept: its session ends,
 * and with it nothing is answered wrongly. */
static void do_send_body(struct fe_shell *shell, const struct frontend_effect *effect)
{
    const struct fe_hold *hold = hold_of(shell, effect);
    const struct hf_body_piece piece = {
        .id = effect->id, .offset = effect->offset, .is_last = effect->is_last};
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_record record = {.type = HF_RECORD_BODY};

    hf_check(effect->amount <= HF_BODY_PIECE_MAX);
    if (fe_spool_read(&hold->spool, effect->offset, (size_t)effect->amount,
                      shell->piece, &record.body) != HF_OK) {
        fe_count(&shell->stats, FE_STAT_spool_full_total, 1);
        fe_uplink_end(shell->uplinks[effect->broker], HF_REASON_INTERNAL);
        return;
    }
    record.meta = hf_slice_of(meta, hf_body_piece_encode(&piece, meta, sizeof meta));
    fe_uplink_send(shell, effect->broker, &record);
}

static void do_assigned_ack(struct fe_shell *shell,
                            const struct frontend_effect *effect)
{
    const struct hf_assigned_ack ack = {.id = effect->id, .epoch = effect->epoch};
    uint8_t meta[HF_META_SMALL_MAX];

    send_meta(shell, effect, HF_RECORD_ASSIGNED_ACK,
              hf_slice_of(meta, hf_assigned_ack_encode(&ack, meta, sizeof meta)));
}

static void do_response_ack(struct fe_shell *shell,
                            const struct frontend_effect *effect)
{
    const struct hf_response_ack ack = {.id = effect->id, .epoch = effect->epoch};
    uint8_t meta[HF_META_SMALL_MAX];

    send_meta(shell, effect, HF_RECORD_RESPONSE_ACK,
              hf_slice_of(meta, hf_response_ack_encode(&ack, meta, sizeof meta)));
}

static void do_cancel(struct fe_shell *shell, const struct frontend_effect *effect)
{
    const struct hf_cancel cancel = {
        .id = effect->id, .epoch = effect->epoch, .reason = effect->reason};
    uint8_t meta[HF_META_SMALL_MAX];

    fe_count(&shell->stats, FE_STAT_cancelled_total, 1);
    send_meta(shell, effect, HF_RECORD_CANCEL,
              hf_slice_of(meta, hf_cancel_encode(&cancel, meta, sizeof meta)));
}

static void do_window(struct fe_shell *shell, const struct frontend_effect *effect)
{
    const struct hf_window window = {
        .id = effect->id, .epoch = effect->epoch, .bytes = effect->amount};
    uint8_t meta[HF_META_SMALL_MAX];

    send_meta(shell, effect, HF_RECORD_WINDOW,
              hf_slice_of(meta, hf_window_encode(&window, meta, sizeof meta)));
}

/* is_last says that the rest of the request will not be read; a hold knows that too. */
static void do_problem(struct fe_shell *shell, const struct frontend_effect *effect)
{
    struct fe_hold *hold =
        effect->slot == 0 ? shell->admitting : hold_of(shell, effect);

    hf_check(hold != NULL);
    fe_reply_problem(shell, hold, effect->reason, effect->retry_after_ms);
}

static void do_break(struct fe_shell *shell, const struct frontend_effect *effect)
{
    struct fe_hold *hold = hold_of(shell, effect);

    fe_count(&shell->stats, FE_STAT_response_broken_total, 1);
    fe_log_request(shell, effect->id, effect->reason);
    if (hold->client != NULL && !hold->is_done) {
        fe_hold_finish(hold, true);
    }
}

void fe_carry_out(struct fe_shell *shell, const struct frontend_effect *effect)
{
    switch (effect->type) {
    case FRONTEND_OUT_ACCEPT:
        do_accept(shell, effect);
        return;
    case FRONTEND_OUT_CONTINUE:
        fe_reply_continue(hold_of(shell, effect));
        return;
    case FRONTEND_OUT_READ:
        do_read(shell, effect);
        return;
    case FRONTEND_OUT_OPEN:
        do_open(shell, effect);
        return;
    case FRONTEND_OUT_ENQUEUE:
        do_enqueue(shell, effect);
        return;
    case FRONTEND_OUT_SEND_BODY:
        do_send_body(shell, effect);
        return;
    case FRONTEND_OUT_ASSIGNED_ACK:
        do_assigned_ack(shell, effect);
        return;
    case FRONTEND_OUT_CANCEL:
        do_cancel(shell, effect);
        return;
    case FRONTEND_OUT_RESPOND:
        fe_reply_head(shell, hold_of(shell, effect), effect);
        return;
    case FRONTEND_OUT_RESPOND_BODY:
        fe_reply_body(shell, hold_of(shell, effect), effect);
        return;
    case FRONTEND_OUT_ACCEPTED:
        fe_status_accepted(shell, hold_of(shell, effect));
        return;
    case FRONTEND_OUT_PROBLEM:
        do_problem(shell, effect);
        return;
    case FRONTEND_OUT_BREAK:
        do_break(shell, effect);
        return;
    case FRONTEND_OUT_RESPONSE_ACK:
        do_response_ack(shell, effect);
        return;
    case FRONTEND_OUT_WINDOW:
        do_window(shell, effect);
        return;
    case FRONTEND_OUT_FREE:
        do_free(shell, effect);
        return;
    case FRONTEND_OUT_DRAINED:
        shell->is_drained = true;
        return;
    }
}
