#include "frontend/reply.h"

#include "frontend/client.h"
#include "lib/http/chunk.h"
#include "lib/http/field.h"
#include "lib/http/problem.h"

/* What a 304, a 204 or the answer to HEAD declares is about a body that is not sent. */
static bool is_bodyless(const struct fe_hold *hold, uint32_t status)
{
    return hold->asker.method == HF_HTTP_HEAD || status == 204 || status == 304;
}

bool fe_reply_judge(struct fe_shell *shell, const struct fe_hold *hold,
                    const struct hf_record *record, bool is_streamed)
{
    struct hf_response_head *head = &shell->response_head;
    size_t dropped = 0;

    hf_buf_clear(&shell->fields);
    if (hf_response_head_decode(record->head, head) != HF_OK || head->status > 599 ||
        hf_http_response_filter((int)head->status, head->fields, &shell->fields,
                                &dropped) != HF_OK) {
        return false;
    }
    if (dropped > 0) {
        fe_count(&shell->stats, FE_STAT_dropped_fields_total, (int64_t)dropped);
    }
    return is_streamed || !head->has_length || is_bodyless(hold, head->status) ||
           head->content_length == record->body.bytes;
}

static struct hf_http_response_head
describe(struct fe_shell *shell, const struct fe_hold *hold, bool is_streamed)
{
    const struct hf_response_head *from = &shell->response_head;
    struct hf_http_response_head head = {
        .status = (int)from->status,
        .fields = hf_buf_slice(&shell->fields),
        .date = fe_shell_date(shell),
        .length = HF_HTTP_LENGTH_KNOWN,
        .body_bytes = shell->record->body.bytes,
        .has_via = true,
    };

    if (is_bodyless(hold, from->status)) {
        head.length = from->has_length || shell->record->body.bytes > 0
                          ? HF_HTTP_LENGTH_KNOWN
                          : HF_HTTP_LENGTH_NONE;
        head.body_bytes =
            from->has_length ? from->content_length : shell->record->body.bytes;
    } else if (is_streamed) {
        head.length = from->has_length ? HF_HTTP_LENGTH_KNOWN : HF_HTTP_LENGTH_CHUNKED;
        head.body_bytes = from->content_length;
    }
    return head;
}

static hf_err append_piece(struct fe_hold *hold, struct hf_buf *out, hf_slice bytes)
{
    char line[HF_HTTP_CHUNK_HEAD_BYTES_MAX];
    size_t line_bytes;
    hf_err err;

    if (bytes.bytes == 0 || hold->framed.framing == HF_HTTP_FRAMING_NONE) {
        return HF_OK;
    }
    if (hold->framed.framing == HF_HTTP_FRAMING_LENGTH) {
        if (bytes.bytes > hold->due) {
            return HF_ERR_INVALID;
        }
        hold->due -= bytes.bytes;
    }
    if (hold->framed.framing != HF_HTTP_FRAMING_CHUNKED) {
        return hf_buf_append(out, bytes);
    }
    line_bytes = hf_http_chunk_head(bytes.bytes, line);
    err = hf_buf_append(out, hf_slice_of(line, line_bytes));
    err = err == HF_OK ? hf_buf_append(out, bytes) : err;
    return err == HF_OK ? hf_buf_append(out, HF_SLICE("\r\n")) : err;
}

static hf_err append_end(struct fe_hold *hold, struct hf_buf *out)
{
    if (hold->framed.framing == HF_HTTP_FRAMING_CHUNKED) {
        return hf_buf_append(out, HF_HTTP_CHUNK_LAST);
    }
    return hold->framed.framing == HF_HTTP_FRAMING_LENGTH && hold->due > 0
               ? HF_ERR_INVALID
               : HF_OK;
}

/* A piece and maybe the end. What cannot be said cleanly is not: the connection breaks,
 * and with CLIENT_GONE the broker hears of it (declared length != sent). */
static void write_piece(struct fe_shell *shell, struct fe_hold *hold,
                        const struct frontend_effect *effect)
{
    struct hf_buf *out = fe_hold_out(hold);
    hf_slice bytes = hf_slice_skip(shell->record->body, (size_t)effect->offset);
    hf_err err = append_piece(hold, out, bytes);

    hold->untaken += bytes.bytes;
    if (hold->meter != NULL) {
        hf_stat_add_alone(&hold->meter->bytes_out, (int64_t)bytes.bytes);
    }
    if (err == HF_OK && effect->is_last) {
        err = append_end(hold, out);
    }
    if (err != HF_OK) {
        fe_count(&shell->stats, FE_STAT_response_broken_total, 1);
        fe_log_request(shell, hold->id, HF_REASON_RESPONSE_BROKEN);
        fe_hold_finish(hold, true);
    } else if (effect->is_last) {
        fe_hold_finish(hold, false);
    }
}

static void count_answer(struct fe_hold *hold, uint32_t status)
{
    if (hold->meter != NULL) {
        hf_stat_add_alone(&hold->meter->classes[status / 100 % FE_METER_CLASSES], 1);
    }
}

void fe_reply_head(struct fe_shell *shell, struct fe_hold *hold,
                   const struct frontend_effect *effect)
{
    struct hf_http_response_head head;

    if (hold->client == NULL || hold->is_done) {
        return;
    }
    head = describe(shell, hold, !effect->is_last);
    hold->asker.is_keep_alive =
        hold->asker.is_keep_alive && hold->is_whole && !shell->is_stopping;
    hold->has_head = true;
    fe_count(&shell->stats, FE_STAT_responses_total, 1);
    count_answer(hold, shell->response_head.status);
    if (hf_http_write_response(fe_hold_out(hold), &hold->asker, &head, &hold->framed) !=
        HF_OK) {
        fe_hold_finish(hold, true);
        return;
    }
    hold->due = head.length == HF_HTTP_LENGTH_KNOWN ? head.body_bytes : 0;
    write_piece(shell, hold, effect);
}

void fe_reply_body(struct fe_shell *shell, struct fe_hold *hold,
                   const struct frontend_effect *effect)
{
    if (hold->client == NULL || hold->is_done) {
        return;
    }
    write_piece(shell, hold, effect);
}

void fe_reply_continue(struct fe_hold *hold)
{
    if (hold->client == NULL || hold->is_done || hold->asker.version_minor == 0) {
        return;
    }
    if (hf_buf_append(fe_hold_out(hold), HF_HTTP_CONTINUE) != HF_OK) {
        fe_hold_finish(hold, true);
    }
}

void fe_reply_problem(struct fe_shell *shell, struct fe_hold *hold, hf_reason reason,
                      uint32_t retry_after_ms)
{
    struct hf_http_problem problem = {
        .reason = reason,
        .request_id = hold->id,
        .retry_after_s = (retry_after_ms + 999) / 1000,
    };

    fe_log_request(shell, hold->id, reason);
    hf_stat_add_alone(&shell->stats.refused[reason], 1);
    count_answer(hold, (uint32_t)hf_reason_status(reason));
    if (hold->client == NULL || hold->is_done) {
        return;
    }
    if (hold->verbosity == HF_VERBOSITY_FULL && hf_buf_bytes(&hold->queue) > 0) {
        problem.queue = hf_buf_slice(&hold->queue);
    }
    hold->asker.is_keep_alive =
        hold->asker.is_keep_alive && hold->is_whole && !shell->is_stopping;
    hold->has_head = true;
    /* verbosity=reset: overload shows as a reset, as with HTTP.sys's Basic. */
    if (hold->verbosity == HF_VERBOSITY_RESET && hf_reason_status(reason) == 503) {
        fe_hold_finish(hold, true);
        return;
    }
    fe_hold_finish(hold,
                   hf_http_write_problem(fe_hold_out(hold), &hold->asker, &problem,
                                         fe_shell_date(shell), &hold->framed) != HF_OK);
}
