/* The response: to the client as it comes, acknowledged when all of it is here. */
#include "frontend/core/handlers.h"

static void acknowledge(struct frontend *frontend, const struct exchange *exchange,
                        uint64_t epoch)
{
    exchange_effect(frontend, exchange, FRONTEND_OUT_RESPONSE_ACK)->epoch = epoch;
}

/* A response nobody waits for: a whole one is acknowledged, a stream is stopped. */
static void disown(struct frontend *frontend, const struct frontend_input *input)
{
    struct frontend_effect *effect = frontend_effect_add(
        frontend, input->u.response.is_streamed ? FRONTEND_OUT_CANCEL
                                                : FRONTEND_OUT_RESPONSE_ACK);

    effect->broker = input->broker;
    effect->id = input->id;
    effect->epoch = input->epoch;
    effect->reason =
        input->u.response.is_streamed ? HF_REASON_CLIENT_GONE : HF_REASON_NONE;
}

/* The response cannot be used: the broker is to forget it, the client gets `reason`. */
static void reject(struct frontend *frontend, struct exchange *exchange,
                   const struct frontend_input *input, hf_reason reason)
{
    exchange->epoch = input->epoch;
    if (input->type == FRONTEND_IN_RESPONSE && !input->u.response.is_streamed) {
        acknowledge(frontend, exchange, input->epoch);
    } else {
        exchange_cancel(frontend, exchange, reason);
    }
    exchange_end(frontend, exchange, reason, 0);
}

/* Bytes that are gone to the client, or were before this session, make room. */
static void widen_window(struct frontend *frontend, struct exchange *exchange)
{
    uint64_t consumed =
        exchange->received < exchange->taken ? exchange->received : exchange->taken;
    uint64_t target = consumed + FRONTEND_BODY_WINDOW;
    struct frontend_effect *effect;

    if (target < exchange->window + FRONTEND_WINDOW_STEP) {
        return;
    }
    effect = exchange_effect(frontend, exchange, FRONTEND_OUT_WINDOW);
    effect->epoch = exchange->epoch;
    effect->amount = target - exchange->window;
    exchange->window = target;
}

struct piece {
    uint64_t offset;
    uint32_t bytes;
    bool is_last;
};

/* Forwards what the client does not have yet. */
static void take_piece(struct frontend *frontend, struct exchange *exchange,
                       const struct frontend_input *input, struct piece piece)
{
    uint64_t end = piece.offset + piece.bytes;
    uint64_t skip = exchange->forwarded - piece.offset;
    struct frontend_effect *effect;

    if (piece.offset != exchange->received || end > exchange->window ||
        (piece.is_last && end < exchange->forwarded)) {
        reject(frontend, exchange, input, HF_REASON_PROTOCOL);
        return;
    }
    skip = skip > piece.bytes ? piece.bytes : skip;
    exchange->received = end;
    exchange->forwarded += piece.bytes - skip;
    if (skip < piece.bytes || piece.is_last) {
        effect = exchange_effect(frontend, exchange, FRONTEND_OUT_RESPOND_BODY);
        effect->offset = skip;
        effect->amount = piece.bytes - skip;
        effect->is_last = piece.is_last;
        effect->epoch = exchange->epoch;
    }
    if (piece.is_last) {
        acknowledge(frontend, exchange, exchange->epoch);
        exchange_free(frontend, exchange);
        return;
    }
    widen_window(frontend, exchange);
}

static void respond(struct frontend *frontend, struct exchange *exchange,
                    const struct frontend_input *input)
{
    struct frontend_effect *effect =
        exchange_effect(frontend, exchange, FRONTEND_OUT_RESPOND);

    effect->epoch = input->epoch;
    effect->amount = input->u.response.body_bytes;
    effect->is_last = !input->u.response.is_streamed;
    if (effect->is_last) {
        acknowledge(frontend, exchange, input->epoch);
        exchange_free(frontend, exchange);
        return;
    }
    exchange_move(exchange, EXCHANGE_RESPONDING);
    exchange_set_timer(frontend, exchange);
    exchange->epoch = input->epoch;
    exchange->received = input->u.response.body_bytes;
    exchange->forwarded = input->u.response.body_bytes;
}

void frontend_on_response(struct frontend *frontend, const struct frontend_input *input)
{
    struct exchange *exchange = exchange_of(frontend, input->id);
    bool has_responded;

    if (exchange == NULL) {
        disown(frontend, input);
        return;
    }
    if (exchange->broker == 0 || exchange->broker != input->broker ||
        exchange->has_head) {
        return;
    }
    exchange->has_head = true;
    has_responded = exchange->state == EXCHANGE_RESPONDING;
    if (has_responded && exchange->epoch != input->epoch) {
        reject(frontend, exchange, input, HF_REASON_RESPONSE_BROKEN);
    } else if (!input->u.response.is_valid) {
        reject(frontend, exchange, input, HF_REASON_BAD_RESPONSE);
    } else if (has_responded) {
        take_piece(frontend, exchange, input,
                   (struct piece){0, input->u.response.body_bytes,
                                  !input->u.response.is_streamed});
    } else {
        respond(frontend, exchange, input);
    }
}

void frontend_on_response_body(struct frontend *frontend,
                               const struct frontend_input *input)
{
    struct exchange *exchange = exchange_with(frontend, input);

    if (exchange == NULL || !exchange->has_head || exchange->epoch != input->epoch) {
        return;
    }
    take_piece(frontend, exchange, input,
               (struct piece){input->u.body.offset, input->u.body.bytes,
                              input->u.body.is_last});
}

void frontend_on_client_took(struct frontend *frontend,
                             const struct frontend_input *input)
{
    struct exchange *exchange = exchange_at(frontend, input->slot);

    if (exchange == NULL) {
        return;
    }
    hf_check(input->u.amount.bytes <= exchange->forwarded - exchange->taken);
    exchange->taken += input->u.amount.bytes;
    if (exchange->state == EXCHANGE_RESPONDING && exchange->has_head) {
        widen_window(frontend, exchange);
    }
}
