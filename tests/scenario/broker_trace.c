#include "tests/scenario/broker_trace.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START_MS 1000000

static const char *const effect_names[] = {
    [BROKER_OUT_HOLD] = "hold",
    [BROKER_OUT_HOLD_BODY] = "hold-body",
    [BROKER_OUT_HOLD_RESPONSE] = "hold-response",
    [BROKER_OUT_FREE] = "free",
    [BROKER_OUT_DROP_RESPONSE] = "drop-response",
    [BROKER_OUT_OPENED] = "opened",
    [BROKER_OUT_CLOSED] = "closed",
    [BROKER_OUT_ADMITTED] = "admitted",
    [BROKER_OUT_ACCEPTED] = "accepted",
    [BROKER_OUT_ASSIGNED] = "assigned",
    [BROKER_OUT_RESPONSE] = "response",
    [BROKER_OUT_RESPONSE_BODY] = "response-body",
    [BROKER_OUT_RESPONSE_KEPT] = "response-kept",
    [BROKER_OUT_REFUSED] = "refused",
    [BROKER_OUT_ABORT] = "abort",
    [BROKER_OUT_ASSIGN] = "assign",
    [BROKER_OUT_CANCEL] = "cancel",
    [BROKER_OUT_RESPOND_ACK] = "respond-ack",
    [BROKER_OUT_DECLARED] = "declared",
    [BROKER_OUT_WINDOW] = "window",
    [BROKER_OUT_VIOLATION] = "violation",
    [BROKER_OUT_POLICY_REFUSED] = "policy-refused",
    [BROKER_OUT_POLICY_ACK] = "policy-ack",
    [BROKER_OUT_OUTCOME] = "outcome",
};

static const char *const command_names[] = {
    [BROKER_CMD_PUT] = "put",           [BROKER_CMD_PUT_BODY] = "put-body",
    [BROKER_CMD_DISPATCH] = "dispatch", [BROKER_CMD_DROP] = "drop",
    [BROKER_CMD_POLICY] = "policy",
};

static void add(struct bench *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct bench *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int bytes = vsnprintf(t->text + t->text_bytes, TRACE_BYTES_MAX - t->text_bytes,
                          format, args);

    va_end(args);
    assert_true(bytes >= 0 && t->text_bytes + (size_t)bytes < TRACE_BYTES_MAX);
    t->text_bytes += (size_t)bytes;
}

static unsigned number_of(hf_id id)
{
    return (unsigned)id.bytes[13] << 16 | (unsigned)id.bytes[14] << 8 | id.bytes[15];
}

static void add_reason(struct bench *t, const struct broker_effect *e)
{
    add(t, " %s", hf_reason_word(e->reason));
}

static bool is_about_request(enum broker_effect_type type)
{
    return type != BROKER_OUT_VIOLATION && type != BROKER_OUT_POLICY_ACK &&
           type != BROKER_OUT_POLICY_REFUSED;
}

/* Its name, and whom and what it is about. */
static void add_subject(struct bench *t, const struct broker_effect *e)
{
    add(t, "%s", effect_names[e->type]);
    if (e->session != 0) {
        add(t, " s%u", e->session);
    }
    if (e->type == BROKER_OUT_OPENED || e->type == BROKER_OUT_CLOSED) {
        add(t, " h%u", e->handle);
        add_reason(t, e);
    } else if (is_about_request(e->type)) {
        add(t, " r%u", number_of(e->id));
    }
}

/* Only what the receiver of an effect looks at. */
static void add_effect(struct bench *t, const struct broker_effect *e)
{
    add_subject(t, e);
    switch (e->type) {
    case BROKER_OUT_ASSIGNED:
    case BROKER_OUT_RESPONSE:
    case BROKER_OUT_RESPONSE_BODY:
    case BROKER_OUT_RESPONSE_KEPT:
        add(t, " e%u", (unsigned)e->epoch);
        break;
    case BROKER_OUT_ASSIGN:
        add(t, " e%u attempt %u", (unsigned)e->epoch, e->attempt);
        break;
    case BROKER_OUT_REFUSED:
        add_reason(t, e);
        if (e->result != 0) {
            add(t, " retry %u", e->result);
        }
        break;
    case BROKER_OUT_CANCEL:
        add(t, " e%u", (unsigned)e->epoch);
        add_reason(t, e);
        break;
    case BROKER_OUT_ABORT:
    case BROKER_OUT_VIOLATION:
    case BROKER_OUT_POLICY_REFUSED:
    case BROKER_OUT_OUTCOME:
        add_reason(t, e);
        break;
    case BROKER_OUT_RESPOND_ACK:
        add(t, " %s", (const char *[]){"done", "stale", "denied"}[e->result]);
        break;
    case BROKER_OUT_DECLARED:
        add(t, " %s", e->result ? "kept" : "not-kept");
        break;
    case BROKER_OUT_WINDOW:
    case BROKER_OUT_POLICY_ACK:
        add(t, " %" PRIu64, e->amount);
        break;
    case BROKER_OUT_HOLD:
    case BROKER_OUT_HOLD_BODY:
    case BROKER_OUT_HOLD_RESPONSE:
    case BROKER_OUT_FREE:
    case BROKER_OUT_DROP_RESPONSE:
    case BROKER_OUT_OPENED:
    case BROKER_OUT_CLOSED:
    case BROKER_OUT_ADMITTED:
    case BROKER_OUT_ACCEPTED:
        break;
    }
    add(t, "\n");
}

struct broker_config bench_config(void)
{
    return (struct broker_config){
        .requests_max = 64,
        .in_flight_max = 32,
        .queues_max = 4,
        .sessions_max = 8,
        .handles_max = 16,
        .principals_max = 16,
        .kept_bytes_max = 1u << 30,
        .kept_each_bytes_max = 1u << 28,
        .lease_ms = 30000,
        .lease_grace_ms = 5000,
        .broker_grace_ms = 30000,
        .drop_delay_ms = 50,
        .incarnation = 1,
        .seed = 1,
    };
}

struct broker_queue_policy bench_policy(enum broker_durability durability)
{
    return (struct broker_queue_policy){
        .name = HF_SLICE("q"),
        .durability = durability,
        .redeliver = BROKER_REDELIVER_SAFE,
        .state = BROKER_QUEUE_ENABLED,
        .length_max = 50,
        .bytes_max = 4 << 20,
        .wait_limit_ms = 120000,
        .lazy_commit_ms = 10,
        .attempts_max = 5,
    };
}

void bench_init(struct bench *t, enum broker_durability durability,
                const struct broker_config *config)
{
    struct broker_config standard = bench_config();
    struct broker_queue_policy policy = bench_policy(durability);

    t->broker = broker_new(config != NULL ? config : &standard);
    assert_non_null(t->broker);
    t->now = hf_time_of_ms(START_MS);
    bench_forget(t);
    bench_policy_step(t, &policy, 1);
    bench_expect(t, "");
}

void bench_fini(struct bench *t)
{
    broker_free(t->broker);
    t->broker = NULL;
}

hf_id bench_id(unsigned n)
{
    hf_id id = {{0}};

    id.bytes[6] = 0x70;
    id.bytes[13] = (uint8_t)(n >> 16);
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

hf_key bench_key(char letter)
{
    hf_key key;

    memset(key.bytes, letter, sizeof key.bytes);
    return key;
}

void bench_step(struct bench *t, struct broker_input in)
{
    in.now = t->now;
    broker_step(t->broker, &in, &t->effects);
    for (uint32_t i = 0; i < t->effects.count; i++) {
        add_effect(t, &t->effects.items[i]);
    }
    broker_check(t->broker);
}

void bench_tick(struct bench *t, int64_t ms)
{
    t->now = hf_time_add_ms(t->now, ms);
    bench_step(t, (struct broker_input){.type = BROKER_IN_TICK});
}

void bench_run(struct bench *t, int64_t ms)
{
    hf_time end = hf_time_add_ms(t->now, ms);
    unsigned steps = 0;

    while (hf_time_reached(broker_next_deadline(t->broker), end)) {
        hf_time due = broker_next_deadline(t->broker);

        t->now = hf_time_before(t->now, due) ? due : t->now;
        bench_tick(t, 0);
        assert_true(++steps < 100000);
    }
    t->now = end;
    bench_tick(t, 0);
}

void bench_policy_step(struct bench *t, const struct broker_queue_policy *policies,
                       unsigned count)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_BEGIN});
    for (unsigned i = 0; i < count; i++) {
        bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_QUEUE,
                                            .u.policy = policies[i]});
    }
    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_END});
}

void bench_up(struct bench *t, uint32_t session, char key)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_SESSION_UP,
                                        .session = session,
                                        .u.holder.key = bench_key(key)});
}

void bench_up_limited(struct bench *t, uint32_t session, char key,
                      const struct broker_limits *limits)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_SESSION_UP,
                                        .session = session,
                                        .u.holder = {.key = bench_key(key),
                                                     .limits = limits,
                                                     .limits_count = 1}});
}

void bench_down(struct bench *t, uint32_t session)
{
    bench_step(
        t, (struct broker_input){.type = BROKER_IN_SESSION_DOWN, .session = session});
}

void bench_open(struct bench *t, uint32_t session, uint32_t handle, uint32_t rights)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_OPEN,
                                        .session = session,
                                        .handle = handle,
                                        .u.open = {HF_SLICE("q"), rights}});
}

void bench_credit(struct bench *t, uint32_t session, uint32_t requests)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_CREDIT,
                                        .session = session,
                                        .handle = 1,
                                        .u.credit.requests = requests});
}

void bench_submit(struct bench *t, uint32_t session, unsigned id, uint32_t flags)
{
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = session,
                      .handle = 1,
                      .id = bench_id(id),
                      .u.submit = {.flags = flags,
                                   .deadline = hf_time_add_ms(t->now, 600000),
                                   .head_bytes = 100}});
}

void bench_result(struct bench *t, uint32_t session, unsigned id, uint64_t epoch)
{
    bench_about(t, BROKER_IN_RESULT, session, id, epoch);
}

void bench_ack(struct bench *t, uint32_t session, unsigned id, uint64_t epoch)
{
    bench_about(t, BROKER_IN_RESPONSE_ACK, session, id, epoch);
}

void bench_declare(struct bench *t, uint32_t session, unsigned id, uint64_t epoch)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_DECLARE,
                                        .session = session,
                                        .handle = 1,
                                        .id = bench_id(id),
                                        .epoch = epoch,
                                        .u.declare.is_receipt_valid = true});
}

void bench_about(struct bench *t, enum broker_input_type type, uint32_t session,
                 unsigned id, uint64_t epoch)
{
    bench_step(
        t, (struct broker_input){
               .type = type, .session = session, .id = bench_id(id), .epoch = epoch});
}

void bench_pair(struct bench *t, uint32_t credit)
{
    bench_up(t, 1, 'F');
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_up(t, 2, 'W');
    bench_open(t, 2, 1, WORKER_RIGHTS);
    bench_credit(t, 2, credit);
    bench_expect(t, "opened s1 h1 none\nopened s2 h1 none\n");
}

bool bench_take(struct bench *t)
{
    if (!broker_take_batch(t->broker, t->now, &t->batch)) {
        return false;
    }
    for (uint32_t i = 0; i < t->batch.count; i++) {
        const struct broker_command *c = &t->batch.items[i];

        add(t, "write %s", command_names[c->type]);
        if (c->type != BROKER_CMD_POLICY) {
            add(t, " #%" PRIu64, c->seq);
        }
        if (c->type == BROKER_CMD_DISPATCH) {
            add(t, " e%u %c", (unsigned)c->epoch, c->key.bytes[0]);
        }
        if (c->type == BROKER_CMD_PUT_BODY) {
            add(t, " %" PRIu64 "+%u", c->offset, c->bytes);
        }
        add(t, "\n");
    }
    broker_check(t->broker);
    return true;
}

void bench_commit(struct bench *t)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_COMMITTED,
                                        .u.commit.index = t->batch.index});
}

void bench_expect(struct bench *t, const char *expected)
{
    assert_string_equal(t->text, expected);
    bench_forget(t);
}

void bench_forget(struct bench *t)
{
    t->text_bytes = 0;
    t->text[0] = 0;
}

struct broker_queue_view bench_queue(const struct bench *t)
{
    struct broker_queue_view view;

    assert_true(broker_queue_at(t->broker, 1, &view));
    return view;
}
