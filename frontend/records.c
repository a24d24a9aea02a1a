/* Records of a broker -> inputs of the core, one row per type. A record that a broker
 * may not send, or that cannot be read, ends the session (PROTOCOL.md 3). */
#include "frontend/hold.h"
#include "frontend/reply.h"
#include "frontend/status.h"
#include "frontend/uplink.h"
#include "lib/base/log.h"

#include <string.h>

struct arrival {
    struct fe_uplink *uplink;
    const struct hf_record *record;
    struct frontend_input input; /* broker and type are set */
};

/* Decodes the meta into *out, which the macro declares. */
#define DECODE(message, out)                                                           \
    struct hf_##message out;                                                           \
    hf_err err = hf_##message##_decode(arrival->record->meta, &(out))

static hf_err on_response(struct arrival *arrival)
{
    struct fe_shell *shell = arrival->uplink->shell;
    uint32_t slot;

    DECODE(response, response);
    if (err != HF_OK) {
        return err;
    }
    if (fe_status_is_query(response.id)) {
        fe_status_response(shell, response.id, arrival->record,
                           (response.flags & HF_ENQUEUE_STREAMED) == 0);
        return HF_OK;
    }
    slot = frontend_slot_of(shell->core, response.id);
    arrival->input.id = response.id;
    arrival->input.epoch = response.epoch;
    arrival->input.u.response.body_bytes = (uint32_t)arrival->record->body.bytes;
    arrival->input.u.response.is_streamed = (response.flags & HF_ENQUEUE_STREAMED) != 0;
    if (slot == 0) {
        fe_count(&shell->stats, FE_STAT_foreign_records_total, 1);
    } else {
        arrival->input.u.response.is_valid =
            fe_reply_judge(shell, shell->by_slot[slot], arrival->record,
                           arrival->input.u.response.is_streamed);
        fe_count(&shell->stats, FE_STAT_worker_faults_total,
                 arrival->input.u.response.is_valid ? 0 : 1);
    }
    shell->record = arrival->record;
    fe_step(shell, &arrival->input);
    shell->record = NULL;
    return HF_OK;
}

static hf_err on_body(struct arrival *arrival)
{
    struct fe_shell *shell = arrival->uplink->shell;

    DECODE(body_piece, piece);
    if (err != HF_OK) {
        return err;
    }
    if (fe_status_is_query(piece.id)) {
        fe_status_response(shell, piece.id, arrival->record, piece.is_last);
        return HF_OK;
    }
    arrival->input.id = piece.id;
    arrival->input.epoch = piece.epoch;
    arrival->input.u.body.offset = piece.offset;
    arrival->input.u.body.bytes = (uint32_t)arrival->record->body.bytes;
    arrival->input.u.body.is_last = piece.is_last;
    shell->record = arrival->record;
    fe_step(shell, &arrival->input);
    shell->record = NULL;
    return HF_OK;
}

static hf_err on_window(struct arrival *arrival)
{
    DECODE(window, window);
    if (err == HF_OK) {
        arrival->input.id = window.id;
        arrival->input.u.amount.bytes = window.bytes;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_admitted(struct arrival *arrival)
{
    DECODE(admitted, admitted);
    if (err == HF_OK) {
        arrival->input.id = admitted.id;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_accepted(struct arrival *arrival)
{
    DECODE(accepted, accepted);
    if (err == HF_OK) {
        arrival->input.id = accepted.id;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_status(struct arrival *arrival)
{
    DECODE(looked_up, status);
    if (err == HF_OK) {
        fe_status_told(arrival->uplink, &status);
    }
    return err;
}

static hf_err on_assigned(struct arrival *arrival)
{
    DECODE(assigned, assigned);
    if (err == HF_OK) {
        arrival->input.id = assigned.id;
        arrival->input.epoch = assigned.epoch;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_refused(struct arrival *arrival)
{
    DECODE(refused, refused);
    if (err == HF_OK) {
        arrival->input.id = refused.id;
        arrival->input.reason = refused.reason;
        arrival->input.u.refused.retry_after_ms = refused.retry_after_ms;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_abort(struct arrival *arrival)
{
    DECODE(abort, aborted);
    if (err == HF_OK) {
        arrival->input.id = aborted.id;
        arrival->input.epoch = aborted.epoch;
        arrival->input.reason = aborted.reason;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_opened(struct arrival *arrival)
{
    DECODE(queue_opened, opened);
    if (err == HF_OK) {
        arrival->input.reason = opened.reason;
        arrival->input.u.opened.handle = opened.handle;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_closed(struct arrival *arrival)
{
    DECODE(queue_closed, closed);
    if (err == HF_OK) {
        arrival->input.reason = closed.reason;
        arrival->input.u.opened.handle = closed.handle;
        fe_step(arrival->uplink->shell, &arrival->input);
    }
    return err;
}

static hf_err on_goodbye(struct arrival *arrival)
{
    DECODE(goodbye, goodbye);
    if (err == HF_OK) {
        HF_INFO("broker says goodbye", hf_log_cstr("broker", arrival->uplink->name),
                hf_log_cstr("reason", hf_reason_word(goodbye.reason)));
    }
    return err;
}

static hf_err on_reauth_result(struct arrival *arrival)
{
    DECODE(reauth_result, result);
    if (err == HF_OK && !result.is_accepted) {
        HF_WARN("reauth refused", hf_log_cstr("broker", arrival->uplink->name));
    }
    return err;
}

static hf_err on_token(struct arrival *arrival)
{
    struct fe_shell *shell = arrival->uplink->shell;

    DECODE(token_push, token);
    if (err == HF_OK &&
        hf_key_equal(token.key, hf_secret_public(shell->credentials->secret)) &&
        !hf_slice_equal(token.chain, hf_buf_slice(&shell->credentials->token))) {
        fe_uplinks_reauth(shell, token.chain);
    }
    return err;
}

static void acknowledge(struct fe_uplink *uplink)
{
    const struct hf_snapshot_ack ack = {.sequence = uplink->shell->table_sequence};
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_record record = {.type = HF_RECORD_SNAPSHOT_ACK};

    record.meta = hf_slice_of(meta, hf_snapshot_ack_encode(&ack, meta, sizeof meta));
    fe_uplink_send(uplink->shell, uplink->index, &record);
}

static hf_err on_snapshot(struct arrival *arrival)
{
    struct fe_uplink *uplink = arrival->uplink;

    DECODE(snapshot, chunk);
    if (err != HF_OK) {
        return err;
    }
    err = fe_snapshot_add(&uplink->snapshot, &chunk, arrival->record->body);
    if (err == HF_ERR_AGAIN) {
        return HF_OK;
    }
    if (err == HF_OK) {
        if (fe_table_adopt(uplink->shell, &uplink->snapshot) ||
            uplink->snapshot.sequence == uplink->shell->table_sequence) {
            acknowledge(uplink);
        }
        fe_snapshot_fini(&uplink->snapshot);
    }
    return err;
}

/* The brokers judge revoked tokens; a frontend holds no sessions of its own to cut. */
static hf_err on_ignored(struct arrival *arrival)
{
    (void)arrival;
    return HF_OK;
}

static const struct {
    uint16_t type;
    enum frontend_input_type input;
    hf_err (*handle)(struct arrival *arrival);
} handlers[] = {
    {HF_RECORD_RESPONSE, FRONTEND_IN_RESPONSE, on_response},
    {HF_RECORD_BODY, FRONTEND_IN_RESPONSE_BODY, on_body},
    {HF_RECORD_ASSIGNED, FRONTEND_IN_ASSIGNED, on_assigned},
    {HF_RECORD_WINDOW, FRONTEND_IN_WINDOW, on_window},
    {HF_RECORD_ACCEPTED, FRONTEND_IN_ACCEPTED, on_accepted},
    {HF_RECORD_STATUS, FRONTEND_IN_TICK, on_status},
    {HF_RECORD_ADMITTED, FRONTEND_IN_ADMITTED, on_admitted},
    {HF_RECORD_REFUSED, FRONTEND_IN_REFUSED, on_refused},
    {HF_RECORD_ABORT, FRONTEND_IN_ABORT, on_abort},
    {HF_RECORD_OPENED, FRONTEND_IN_OPENED, on_opened},
    {HF_RECORD_CLOSED, FRONTEND_IN_CLOSED, on_closed},
    {HF_RECORD_GOODBYE, FRONTEND_IN_TICK, on_goodbye},
    {HF_RECORD_REAUTH_RESULT, FRONTEND_IN_TICK, on_reauth_result},
    {HF_RECORD_TOKEN, FRONTEND_IN_TICK, on_token},
    {HF_RECORD_SNAPSHOT, FRONTEND_IN_TICK, on_snapshot},
    {HF_RECORD_REVOKE, FRONTEND_IN_TICK, on_ignored},
};

static hf_err handle(struct fe_uplink *uplink, const struct hf_record *record)
{
    hf_err err = hf_record_check(record, HF_END_BROKER, HF_END_FRONTEND);

    if (err != HF_OK) {
        return err;
    }
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].type == record->type) {
            struct arrival arrival = {.uplink = uplink, .record = record};

            arrival.input.type = handlers[i].input;
            arrival.input.broker = uplink->index;
            return handlers[i].handle(&arrival);
        }
    }
    /* PEEKED answers what this frontend does not ask. */
    return HF_ERR_INVALID;
}

static void violate(struct fe_uplink *uplink, const struct hf_record *record,
                    hf_err err)
{
    fe_count(&uplink->shell->stats, FE_STAT_protocol_violations_total, 1);
    HF_ERROR("broker broke the protocol", hf_log_cstr("broker", uplink->name),
             hf_log_int("type", record->type), hf_log_cstr("why", hf_err_text(err)));
    fe_uplink_end(uplink, HF_REASON_PROTOCOL);
}

void fe_records_handle(struct fe_uplink *uplink, const struct hf_record *records,
                       size_t count)
{
    for (size_t i = 0; i < count && !uplink->is_ending; i++) {
        hf_err err = handle(uplink, &records[i]);

        if (err != HF_OK) {
            violate(uplink, &records[i], err);
        }
    }
}
