#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/scenario/worker_bench.h"

#include <string.h>

static const char *const effect_names[] = {
    [WORKER_OUT_OPEN] = "open",
    [WORKER_OUT_CREDIT] = "credit",
    [WORKER_OUT_START] = "start",
    [WORKER_OUT_BODY] = "body",
    [WORKER_OUT_SEND_RESPOND] = "respond",
    [WORKER_OUT_SEND_BODY] = "send-body",
    [WORKER_OUT_SEND_WINDOW] = "window",
    [WORKER_OUT_SEND_ABORT] = "abort",
    [WORKER_OUT_SEND_FAIL] = "fail",
    [WORKER_OUT_SEND_RELEASE] = "release",
    [WORKER_OUT_DECLARE] = "declare",
    [WORKER_OUT_TAKE] = "take",
    [WORKER_OUT_CANCEL] = "cancel",
    [WORKER_OUT_FREE] = "free",
    [WORKER_OUT_SEND_DRAIN] = "drain",
    [WORKER_OUT_DRAINED] = "drained",
    [WORKER_OUT_VIOLATION] = "violation",
};

static void trace(struct worker_bench *b, const struct worker_effect *e)
{
    hf_err err = hf_buf_printf(&b->trace, "%s", effect_names[e->type]);

    if (e->broker != 0) {
        err = hf_buf_printf(&b->trace, " b%u", e->broker);
    }
    if (e->type == WORKER_OUT_OPEN || e->type == WORKER_OUT_CREDIT) {
        err = hf_buf_printf(&b->trace, " q%u", e->handle);
    }
    if (e->id.bytes[0] != 0) {
        err = hf_buf_printf(&b->trace, " #%u", e->id.bytes[0]);
    }
    if (e->type == WORKER_OUT_SEND_BODY || e->type == WORKER_OUT_BODY) {
        err = hf_buf_printf(&b->trace, " %llu+", (unsigned long long)e->offset);
    }
    if (e->amount != 0 || e->type == WORKER_OUT_SEND_BODY) {
        err = hf_buf_printf(&b->trace, " %llu", (unsigned long long)e->amount);
    }
    if (e->is_last) {
        err = hf_buf_append_cstr(&b->trace, " last");
    }
    if (e->type == WORKER_OUT_DECLARE) {
        err = hf_buf_append_cstr(&b->trace, e->result != 0 ? " answered" : " running");
    }
    if (e->type == WORKER_OUT_CANCEL || e->type == WORKER_OUT_SEND_FAIL ||
        e->type == WORKER_OUT_SEND_ABORT) {
        err = hf_buf_printf(&b->trace, " %s", hf_reason_word(e->reason));
    }
    err = hf_buf_append_cstr(&b->trace, "\n");
    assert_int_equal(err, HF_OK);
}

void wb_step(struct worker_bench *b, struct worker_input input)
{
    input.now = b->now;
    worker_step(b->worker, &input, &b->effects);
    worker_check(b->worker);
    for (uint32_t i = 0; i < b->effects.count; i++) {
        const struct worker_effect *e = &b->effects.items[i];

        trace(b, e);
        if (e->type == WORKER_OUT_START) {
            b->slot = e->slot;
        }
        if (e->type == WORKER_OUT_TAKE) {
            b->taken += e->amount;
        }
    }
}

/* Ticks until nothing is due at the present time. */
void wb_settle(struct worker_bench *b)
{
    for (int i = 0; i < 1000; i++) {
        if (!hf_time_reached(worker_next_deadline(b->worker), b->now)) {
            return;
        }
        wb_step(b, (struct worker_input){.type = WORKER_IN_TICK});
    }
    fail_msg("something stays due");
}

void wb_expect(struct worker_bench *b, const char *wanted)
{
    char got[16384];
    hf_slice slice = hf_buf_slice(&b->trace);

    assert_true(slice.bytes < sizeof got);
    if (slice.bytes > 0) {
        memcpy(got, slice.data, slice.bytes);
    }
    got[slice.bytes] = 0;
    assert_string_equal(got, wanted);
    hf_buf_clear(&b->trace);
}

static hf_id id_of(uint8_t n)
{
    hf_id id;

    memset(id.bytes, n, sizeof id.bytes);
    return id;
}

void wb_quiet(struct worker_bench *b)
{
    hf_buf_clear(&b->trace);
}

void wb_queue(struct worker_bench *b, const char *name)
{
    wb_step(b, (struct worker_input){.type = WORKER_IN_QUEUE,
                                     .u.queue.name = hf_slice_of_cstr(name)});
}

void wb_link_up(struct worker_bench *b, uint32_t broker)
{
    wb_step(b, (struct worker_input){.type = WORKER_IN_LINK_UP, .broker = broker});
}

void wb_link_down(struct worker_bench *b, uint32_t broker)
{
    wb_step(b, (struct worker_input){.type = WORKER_IN_LINK_DOWN, .broker = broker});
    wb_settle(b);
}

void wb_opened(struct worker_bench *b, uint32_t broker, uint32_t handle,
               hf_reason reason)
{
    wb_step(b, (struct worker_input){.type = WORKER_IN_OPENED,
                                     .broker = broker,
                                     .handle = handle,
                                     .reason = reason});
    wb_settle(b);
}

void wb_ready(struct worker_bench *b, bool is_ready)
{
    wb_step(b,
            (struct worker_input){.type = WORKER_IN_READY, .u.amount.bytes = is_ready});
}

static struct worker_input assignment(uint8_t n)
{
    return (struct worker_input){.type = WORKER_IN_ASSIGN,
                                 .broker = 1,
                                 .handle = 1,
                                 .id = id_of(n),
                                 .epoch = n,
                                 .u.assign = {.attempt = 1, .receipt = {n}}};
}

uint32_t wb_assign(struct worker_bench *b, uint8_t n)
{
    wb_step(b, assignment(n));
    return b->slot;
}

uint32_t wb_assign_streamed(struct worker_bench *b, uint8_t n, uint64_t bytes)
{
    struct worker_input input = assignment(n);

    input.u.assign.is_streamed = true;
    input.u.assign.body_bytes = bytes;
    wb_step(b, input);
    return b->slot;
}

void wb_record(struct worker_bench *b, enum worker_input_type type, uint8_t n,
               uint32_t result)
{
    wb_step(b, (struct worker_input){.type = type,
                                     .broker = 1,
                                     .id = id_of(n),
                                     .epoch = n,
                                     .reason = HF_REASON_CLIENT_GONE,
                                     .u.verdict.result = result});
}

void wb_window(struct worker_bench *b, uint8_t n, uint64_t bytes)
{
    wb_step(b, (struct worker_input){.type = WORKER_IN_WINDOW,
                                     .broker = 1,
                                     .id = id_of(n),
                                     .epoch = n,
                                     .u.amount.bytes = bytes});
}

void wb_body(struct worker_bench *b, uint8_t n, uint64_t offset, uint32_t bytes,
             bool last)
{
    wb_step(b, (struct worker_input){
                   .type = WORKER_IN_BODY,
                   .broker = 1,
                   .id = id_of(n),
                   .epoch = n,
                   .u.body = {.offset = offset, .bytes = bytes, .is_last = last}});
}

void wb_respond(struct worker_bench *b, uint32_t slot, uint32_t bytes, bool is_streamed)
{
    wb_step(b, (struct worker_input){
                   .type = WORKER_IN_RESPOND,
                   .slot = slot,
                   .u.respond = {.bytes = bytes, .is_streamed = is_streamed}});
}

void wb_produce(struct worker_bench *b, uint32_t slot, uint64_t offset, uint32_t bytes,
                bool last)
{
    wb_step(b, (struct worker_input){
                   .type = WORKER_IN_RESPOND_BODY,
                   .slot = slot,
                   .u.body = {.offset = offset, .bytes = bytes, .is_last = last}});
}

void wb_handler(struct worker_bench *b, enum worker_input_type type, uint32_t slot)
{
    wb_step(b, (struct worker_input){
                   .type = type, .slot = slot, .reason = HF_REASON_UPSTREAM});
}

void wb_drain(struct worker_bench *b, uint32_t broker)
{
    wb_step(b, (struct worker_input){.type = WORKER_IN_DRAIN, .broker = broker});
}

void wb_setup_with(struct worker_bench *b, struct worker_config config)
{
    memset(b, 0, sizeof *b);
    hf_buf_init(&b->trace, 1u << 20);
    b->now = hf_time_of_ms(1000);
    b->worker = worker_new(&config);
    assert_non_null(b->worker);
}

/* One broker, one open queue, ready, two credits. */
void wb_setup(struct worker_bench *b)
{
    wb_setup_with(b, (struct worker_config){.concurrency = 2});
    wb_queue(b, "web");
    wb_ready(b, true);
    wb_link_up(b, 1);
    wb_opened(b, 1, 1, HF_REASON_NONE);
    wb_expect(b, "open b1 q1\ncredit b1 q1 2\n");
}

/* The same again after the link was lost. */
void wb_relink(struct worker_bench *b)
{
    wb_link_up(b, 1);
    wb_opened(b, 1, 1, HF_REASON_NONE);
}

void wb_finish(struct worker_bench *b)
{
    worker_free(b->worker);
    hf_buf_fini(&b->trace);
}
