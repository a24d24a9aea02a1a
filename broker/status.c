/* LOOKUP: what has become of an asynchronous request. Whoever knows its access may ask,
 * through any frontend; for everybody else it does not exist. Under the lock. */
#include "broker/shell.h"

#include "lib/io/clock.h"

#include <string.h>

#define RESPONSE_BYTES_MAX (BROKER_RESPONSE_KEPT_MAX + 2u * HF_HEAD_MAX)

/* Constant time: how much of a guess is right must not show. */
static bool is_same(hf_id a, hf_id b)
{
    unsigned difference = 0;

    for (size_t i = 0; i < HF_ID_BYTES; i++) {
        difference |= (unsigned)(a.bytes[i] ^ b.bytes[i]);
    }
    return difference == 0;
}

static enum hf_async_state state_of(struct br *br, hf_id id,
                                    const struct br_store_answer *answer)
{
    uint32_t slot = broker_slot_of(br->core, id);

    if (answer->state == BR_ANSWER_NONE) {
        return slot != 0 && !broker_request_at(br->core, slot).is_leased
                   ? HF_ASYNC_QUEUED
                   : HF_ASYNC_RUNNING;
    }
    if (hf_time_reached(answer->expires, hf_clock_now())) {
        return HF_ASYNC_GONE;
    }
    if (answer->state == BR_ANSWER_KEPT) {
        return HF_ASYNC_ANSWERED;
    }
    return answer->reason == HF_REASON_CANCELLED ||
                   answer->reason == HF_REASON_CLIENT_GONE
               ? HF_ASYNC_CANCELLED
               : HF_ASYNC_FAILED;
}

static void send_status(struct br *br, uint32_t session,
                        const struct hf_looked_up *status)
{
    uint8_t meta[HF_META_SMALL_MAX];

    br_send_control(br, session, HF_RECORD_STATUS,
                    hf_slice_of(meta, hf_looked_up_encode(status, meta, sizeof meta)));
}

/* No more than the first window of a response holds (PROTOCOL.md 3.3): it goes at once.
 */
static void send_response(struct br *br, uint32_t session, hf_id query, hf_slice head,
                          hf_slice body)
{
    bool is_streamed = body.bytes > HF_BODY_INLINE_MAX;
    const struct hf_response message = {
        .id = query, .epoch = 1, .flags = is_streamed ? HF_ENQUEUE_STREAMED : 0};
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_record record = {.type = HF_RECORD_RESPONSE, .head = head};
    struct hf_body_piece piece = {.id = query, .epoch = 1};

    record.meta = hf_slice_of(meta, hf_response_encode(&message, meta, sizeof meta));
    record.body = is_streamed ? HF_SLICE_EMPTY : body;
    bool is_sent = br_send(br, session, &record);

    record = (struct hf_record){.type = HF_RECORD_BODY};
    while (is_streamed && is_sent && !piece.is_last) {
        record.body = hf_slice_first(body, HF_BODY_PIECE_MAX);
        body = hf_slice_skip(body, record.body.bytes);
        piece.is_last = body.bytes == 0;
        record.meta =
            hf_slice_of(meta, hf_body_piece_encode(&piece, meta, sizeof meta));
        piece.offset += record.body.bytes;
        is_sent = br_send(br, session, &record);
    }
}

static void call_off(struct br *br, hf_id id)
{
    struct broker_input input = {.type = BROKER_IN_CALL_OFF, .id = id};

    input.now = hf_clock_now();
    br_step(br, &input, NULL);
}

static void answer(struct br *br, uint32_t session, const struct hf_lookup *lookup,
                   struct hf_buf *response)
{
    struct hf_looked_up status = {.query = lookup->query};
    struct br_store_answer found = {0};
    bool wants_response = lookup->what == HF_LOOKUP_RESPONSE;
    hf_err err = br_store_answer_get(br->store, lookup->id, &found, NULL);

    if (!is_same(found.access, lookup->access) || err != HF_OK) {
        send_status(br, session, &status);
        return;
    }
    status.state = state_of(br, lookup->id, &found);
    status.reason = found.reason;
    status.attempt = found.attempt;
    status.enqueued_ms = hf_time_ms(found.enqueued);
    status.ended_ms = hf_time_ms(found.ended);
    if (lookup->what == HF_LOOKUP_CANCEL &&
        (status.state == HF_ASYNC_QUEUED || status.state == HF_ASYNC_RUNNING)) {
        call_off(br, lookup->id);
    }
    wants_response = wants_response && status.state == HF_ASYNC_ANSWERED;
    if (wants_response &&
        br_store_answer_get(br->store, lookup->id, &found, response) != HF_OK) {
        status.state = HF_ASYNC_UNKNOWN;
        wants_response = false;
    }
    send_status(br, session, &status);
    if (wants_response) {
        hf_slice all = hf_buf_slice(response);

        send_response(br, session, lookup->query, hf_slice_first(all, found.head_bytes),
                      hf_slice_skip(all, found.head_bytes));
    }
}

void br_lookup(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct hf_lookup lookup;
    struct hf_buf response;

    if (hf_lookup_decode(record->meta, &lookup) != HF_OK) {
        br_end_session(br, session, HF_REASON_PROTOCOL);
        return;
    }
    hf_buf_init(&response, RESPONSE_BYTES_MAX);
    answer(br, session, &lookup, &response);
    hf_buf_fini(&response);
}

bool br_is_accepted(struct br *br, const struct broker_input *input)
{
    const uint32_t both = BROKER_SUBMIT_ASYNC | BROKER_SUBMIT_REOFFER;
    struct br_store_answer found;
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_accepted accepted = {.id = input->id};

    if (input->type != BROKER_IN_SUBMIT || (input->u.submit.flags & both) != both ||
        input->u.submit.wishes == NULL || broker_slot_of(br->core, input->id) != 0 ||
        br_store_answer_get(br->store, input->id, &found, NULL) != HF_OK ||
        !is_same(found.access, input->u.submit.wishes->access)) {
        return false;
    }
    br_send_control(
        br, input->session, HF_RECORD_ACCEPTED,
        hf_slice_of(meta, hf_accepted_encode(&accepted, meta, sizeof meta)));
    return true;
}
