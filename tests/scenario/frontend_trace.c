#include "tests/scenario/frontend_trace.h"

#include "lib/base/bytes.h"

#include <stdlib.h>
#include <string.h>

static const char *const effect_names[] = {
    [FRONTEND_OUT_ACCEPT] = "accept",
    [FRONTEND_OUT_CONTINUE] = "continue",
    [FRONTEND_OUT_READ] = "read",
    [FRONTEND_OUT_OPEN] = "open",
    [FRONTEND_OUT_ENQUEUE] = "enqueue",
    [FRONTEND_OUT_SEND_BODY] = "body",
    [FRONTEND_OUT_ASSIGNED_ACK] = "assigned-ack",
    [FRONTEND_OUT_CANCEL] = "cancel",
    [FRONTEND_OUT_RESPOND] = "respond",
    [FRONTEND_OUT_RESPOND_BODY] = "respond-body",
    [FRONTEND_OUT_ACCEPTED] = "accepted",
    [FRONTEND_OUT_PROBLEM] = "problem",
    [FRONTEND_OUT_BREAK] = "break",
    [FRONTEND_OUT_RESPONSE_ACK] = "response-ack",
    [FRONTEND_OUT_WINDOW] = "window",
    [FRONTEND_OUT_FREE] = "free",
    [FRONTEND_OUT_DRAINED] = "drained",
};

static hf_id id_of(uint32_t number)
{
    hf_id id = {{0}};

    hf_put_be32(id.bytes + 12, number);
    return id;
}

static void put(struct rig *rig, const char *name, uint64_t value)
{
    if (value != 0) {
        hf_check(hf_buf_printf(&rig->trace, " %s=%llu", name,
                               (unsigned long long)value) == HF_OK);
    }
}

/* Zero members are left out, so a line shows what matters. */
static void write_effect(struct rig *rig, const struct frontend_effect *effect)
{
    hf_check(hf_buf_append_cstr(&rig->trace, effect_names[effect->type]) == HF_OK);
    put(rig, "id", hf_get_be32(effect->id.bytes + 12));
    put(rig, "tag", effect->tag);
    put(rig, "broker",
        effect->type == FRONTEND_OUT_OPEN || effect->type == FRONTEND_OUT_ENQUEUE
            ? effect->broker
            : 0);
    put(rig, "flags", effect->flags);
    put(rig, "epoch", effect->epoch);
    put(rig, "offset", effect->offset);
    put(rig, "amount", effect->amount);
    if (effect->reason != HF_REASON_NONE) {
        hf_check(hf_buf_printf(&rig->trace, " %s", hf_reason_word(effect->reason)) ==
                 HF_OK);
    }
    hf_check(hf_buf_append_cstr(&rig->trace, effect->is_last ? " last\n" : "\n") ==
             HF_OK);
    if (effect->type == FRONTEND_OUT_OPEN) {
        rig->handle = effect->handle;
    }
}

static void step(struct rig *rig, struct frontend_input input)
{
    input.now = hf_time_of_ms(rig->now_ms);
    rig->effects.count = 0;
    frontend_step(rig->core, &input, &rig->effects);
    frontend_check(rig->core);
    for (uint32_t i = 0; i < rig->effects.count; i++) {
        write_effect(rig, &rig->effects.items[i]);
    }
    while (frontend_next_deadline(rig->core).us == 0) {
        struct frontend_input tick = {.type = FRONTEND_IN_TICK, .now = input.now};

        rig->effects.count = 0;
        frontend_step(rig->core, &tick, &rig->effects);
        for (uint32_t i = 0; i < rig->effects.count; i++) {
            write_effect(rig, &rig->effects.items[i]);
        }
    }
}

struct rig *rig_new(void)
{
    const struct frontend_config config = {
        .exchanges_max = 1024,
        .queues_max = 8,
        .brokers_max = 4,
        .broker_grace_ms = 30000,
        .deadline_ms = 600000,
        .seed = 1,
    };
    struct rig *rig = calloc(1, sizeof *rig);

    hf_check(rig != NULL);
    rig->core = frontend_new(&config);
    hf_check(rig->core != NULL);
    rig->now_ms = 1000000;
    hf_buf_init(&rig->trace, 1u << 20);
    rig_routes(rig, "web", 1);
    return rig;
}

struct rig *rig_new_open(void)
{
    struct rig *rig = rig_new();

    rig_up(rig, 1);
    rig_opened(rig, 1, HF_REASON_NONE);
    (void)rig_trace(rig);
    return rig;
}

void rig_free(struct rig *rig)
{
    frontend_free(rig->core);
    hf_buf_fini(&rig->trace);
    free(rig);
}

const char *rig_trace(struct rig *rig)
{
    const char *text;

    hf_check(hf_buf_append_byte(&rig->trace, 0) == HF_OK);
    text = (const char *)hf_buf_slice(&rig->trace).data;
    hf_buf_clear(&rig->trace);
    return text;
}

void rig_wait(struct rig *rig, int64_t ms)
{
    rig->now_ms += ms;
    step(rig, (struct frontend_input){.type = FRONTEND_IN_TICK});
}

uint32_t rig_ask(struct rig *rig, struct rig_request request)
{
    struct frontend_input input = {.type = FRONTEND_IN_REQUEST};

    input.id = id_of(++rig->requests_count);
    input.u.request.tag = 100 + rig->requests_count;
    input.u.request.queue =
        hf_slice_of_cstr(request.queue == NULL ? "web" : request.queue);
    input.u.request.is_repeatable = !request.is_post;
    input.u.request.is_expecting = request.is_expecting;
    input.u.request.is_chunked = request.is_chunked;
    input.u.request.has_length = request.length > 0;
    input.u.request.length = request.length;
    input.u.request.body_max = request.body_max == 0 ? 30000000 : request.body_max;
    input.u.request.deadline_ms = request.deadline_ms;
    input.u.request.deadline = HF_TIME_NEVER;
    step(rig, input);
    return frontend_slot_of(rig->core, input.id);
}

uint32_t rig_get(struct rig *rig)
{
    return rig_ask(rig, (struct rig_request){0});
}

void rig_body(struct rig *rig, uint32_t slot, uint32_t bytes, bool is_last)
{
    struct frontend_input input = {.type = FRONTEND_IN_BODY, .slot = slot};

    input.u.body.bytes = bytes;
    input.u.body.is_last = is_last;
    step(rig, input);
}

void rig_gone(struct rig *rig, uint32_t slot)
{
    step(rig, (struct frontend_input){.type = FRONTEND_IN_CLIENT_GONE, .slot = slot});
}

void rig_took(struct rig *rig, uint32_t slot, uint64_t bytes)
{
    struct frontend_input input = {.type = FRONTEND_IN_CLIENT_TOOK, .slot = slot};

    input.u.amount.bytes = bytes;
    step(rig, input);
}

void rig_up(struct rig *rig, uint32_t broker)
{
    step(rig, (struct frontend_input){.type = FRONTEND_IN_BROKER_UP, .broker = broker});
}

void rig_down(struct rig *rig, uint32_t broker)
{
    step(rig,
         (struct frontend_input){.type = FRONTEND_IN_BROKER_DOWN, .broker = broker});
}

void rig_opened(struct rig *rig, uint32_t broker, hf_reason reason)
{
    struct frontend_input input = {
        .type = FRONTEND_IN_OPENED, .broker = broker, .reason = reason};

    input.u.opened.handle = rig->handle;
    step(rig, input);
}

static struct frontend_input record(enum frontend_input_type type, uint32_t id)
{
    return (struct frontend_input){.type = type, .broker = 1, .id = id_of(id)};
}

void rig_admitted(struct rig *rig, uint32_t id)
{
    step(rig, record(FRONTEND_IN_ADMITTED, id));
}

void rig_window(struct rig *rig, uint32_t id, uint64_t bytes)
{
    struct frontend_input input = record(FRONTEND_IN_WINDOW, id);

    input.u.amount.bytes = bytes;
    step(rig, input);
}

void rig_assigned(struct rig *rig, uint32_t id, uint64_t epoch)
{
    struct frontend_input input = record(FRONTEND_IN_ASSIGNED, id);

    input.epoch = epoch;
    step(rig, input);
}

void rig_refused(struct rig *rig, uint32_t id, hf_reason reason)
{
    struct frontend_input input = record(FRONTEND_IN_REFUSED, id);

    input.reason = reason;
    step(rig, input);
}

void rig_abort(struct rig *rig, uint32_t id, hf_reason reason)
{
    struct frontend_input input = record(FRONTEND_IN_ABORT, id);

    input.reason = reason;
    step(rig, input);
}

void rig_response(struct rig *rig, uint32_t id, struct rig_response response)
{
    struct frontend_input input = record(FRONTEND_IN_RESPONSE, id);

    input.epoch = response.epoch;
    input.u.response.body_bytes = response.bytes;
    input.u.response.is_streamed = response.is_streamed;
    input.u.response.is_valid = !response.is_bad;
    step(rig, input);
}

void rig_piece(struct rig *rig, uint32_t id, struct rig_piece piece)
{
    struct frontend_input input = record(FRONTEND_IN_RESPONSE_BODY, id);

    input.epoch = piece.epoch;
    input.u.body.offset = piece.offset;
    input.u.body.bytes = piece.bytes;
    input.u.body.is_last = piece.is_last;
    step(rig, input);
}

void rig_routes(struct rig *rig, const char *queue, uint32_t broker)
{
    struct frontend_input input = {.type = FRONTEND_IN_ROUTES_QUEUE};

    input.u.queue.name = hf_slice_of_cstr(queue);
    input.u.queue.broker = broker;
    step(rig, (struct frontend_input){.type = FRONTEND_IN_ROUTES_BEGIN});
    if (queue[0] != 0) {
        step(rig, input);
    }
    step(rig, (struct frontend_input){.type = FRONTEND_IN_ROUTES_END});
}

void rig_drain(struct rig *rig)
{
    step(rig, (struct frontend_input){.type = FRONTEND_IN_DRAIN});
}
