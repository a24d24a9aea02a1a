/* Random inputs from a seed, legal and illegal: the core keeps its invariants, holds
 * every slot exactly once and ends every request exactly once. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS    60
#define STEPS    4000
#define IDS      24
#define SESSIONS 8
#define SLOTS    65

struct model {
    struct bench bench;
    uint64_t random;
    bool is_up[SESSIONS + 1];
    bool is_held[SLOTS];
    bool has_ended[SLOTS]; /* its OUTCOME has come */
    uint32_t flags[IDS];
    uint64_t epoch[IDS]; /* of the latest ASSIGN; 0 = may be assigned */
    uint64_t epoch_last[IDS];
    unsigned answered;
    unsigned committed;
    uint32_t stream_at[IDS];
    bool is_batch_out;
};

static struct model model;

static uint32_t draw(struct model *m, uint32_t below)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->random >> 33) % below;
}

static unsigned index_of(hf_id id)
{
    return id.bytes[15] % IDS;
}

static void watch_assign(struct model *m, const struct broker_effect *e)
{
    unsigned i = index_of(e->id);
    bool is_unrepeatable =
        (m->flags[i] & (BROKER_SUBMIT_REPEATABLE | BROKER_SUBMIT_ASYNC)) == 0;

    assert_true(e->epoch > m->epoch_last[i]);
    assert_true(m->is_held[e->slot]);
    m->epoch_last[i] = e->epoch;
    if (is_unrepeatable) {
        assert_int_equal(m->epoch[i], 0);
    }
    m->epoch[i] = e->epoch;
}

static void watch(struct model *m, const struct broker_effect *e)
{
    if (e->session != 0) {
        assert_true(e->session <= SESSIONS && m->is_up[e->session]);
    }
    switch (e->type) {
    case BROKER_OUT_HOLD:
        /* A declared lease may have held a response at the slot before. */
        m->is_held[e->slot] = true;
        m->has_ended[e->slot] = false;
        m->epoch[index_of(e->id)] = 0;
        break;
    case BROKER_OUT_FREE:
        assert_true(!m->is_held[e->slot] || m->has_ended[e->slot]);
        m->is_held[e->slot] = false;
        break;
    case BROKER_OUT_OUTCOME:
        if (e->slot != 0) {
            assert_true(m->is_held[e->slot]);
            assert_false(m->has_ended[e->slot]);
            m->has_ended[e->slot] = true;
            m->answered += e->reason == HF_REASON_NONE;
        }
        break;
    case BROKER_OUT_ASSIGN:
        watch_assign(m, e);
        break;
    case BROKER_OUT_VIOLATION:
        m->is_up[e->session] = false;
        break;
    default:
        break;
    }
}

static void step(struct model *m, struct broker_input in)
{
    if (in.type == BROKER_IN_SESSION_UP) {
        m->is_up[in.session] = true;
    }
    bench_forget(&m->bench);
    bench_step(&m->bench, in);
    for (uint32_t i = 0; i < m->bench.effects.count; i++) {
        watch(m, &m->bench.effects.items[i]);
    }
    if (in.type == BROKER_IN_SESSION_DOWN) {
        m->is_up[in.session] = false;
    }
}

static void step_queue(struct model *m)
{
    struct broker_queue_policy policy =
        bench_policy((enum broker_durability)draw(m, 3));

    policy.state =
        draw(m, 3) ? BROKER_QUEUE_ENABLED : (enum broker_queue_state)draw(m, 4);
    step(m, (struct broker_input){.type = BROKER_IN_POLICY_BEGIN});
    if (draw(m, 8) != 0) {
        step(m,
             (struct broker_input){.type = BROKER_IN_POLICY_QUEUE, .u.policy = policy});
    }
    step(m, (struct broker_input){.type = BROKER_IN_POLICY_END,
                                  .session = draw(m, SESSIONS),
                                  .u.revision.version = 1});
}

/* Two tokens that several sessions share. */
static struct broker_input limited(struct model *m, struct broker_input in)
{
    static struct broker_limits limits[2];

    for (uint32_t i = 0; i < 2; i++) {
        limits[i] = (struct broker_limits){.token = {(uint8_t)(1 + draw(m, 3))},
                                           .inflight = draw(m, 4),
                                           .rate = draw(m, 2) * 1000,
                                           .bytes = draw(m, 2) * 300000};
    }
    in.u.holder.limits = limits;
    in.u.holder.limits_count = draw(m, 3);
    return in;
}

static void step_session(struct model *m)
{
    uint32_t session = 1 + draw(m, SESSIONS);

    for (uint32_t i = 0; i < SESSIONS && m->is_up[session]; i++) {
        session = session % SESSIONS + 1;
    }
    if (m->is_up[session] && draw(m, 24) == 0) {
        step(m,
             (struct broker_input){.type = BROKER_IN_SESSION_DOWN, .session = session});
    }
    if (m->is_up[session]) {
        step(m, limited(m, (struct broker_input){.type = BROKER_IN_LIMITS,
                                                 .session = session}));
        return;
    }
    struct broker_input up = {.type = BROKER_IN_SESSION_UP, .session = session};

    up.u.holder.key = bench_key((char)('A' + session % 5));
    step(m, limited(m, up));
    step(m, (struct broker_input){.type = BROKER_IN_OPEN,
                                  .session = session,
                                  .handle = 1,
                                  .u.open = {HF_SLICE("q"), 1 | 2 | 4}});
}

static struct broker_input about(struct model *m, enum broker_input_type type)
{
    unsigned i = draw(m, IDS);
    uint32_t slot = broker_slot_of(m->bench.broker, bench_id(i));

    for (unsigned n = 0; n < IDS && slot == 0 && type != BROKER_IN_SUBMIT; n++) {
        i = (i + 1) % IDS;
        slot = broker_slot_of(m->bench.broker, bench_id(i));
    }
    struct broker_input in = {
        .type = type, .session = 1 + draw(m, SESSIONS), .handle = 1, .id = bench_id(i)};

    if (slot != 0) {
        struct broker_request_view view = broker_request_at(m->bench.broker, slot);
        bool is_owner = type == BROKER_IN_RESPONSE_ACK || type == BROKER_IN_CANCEL ||
                        type == BROKER_IN_ASSIGNED_ACK || type == BROKER_IN_WINDOW ||
                        type == BROKER_IN_BODY;
        uint32_t session = is_owner ? view.owner_session : view.lease_session;

        in.epoch = view.lease_epoch;
        in.session = session != 0 && draw(m, 16) != 0 ? session : in.session;
    }
    in.epoch -= draw(m, 24) == 0;
    return in;
}

static void step_submit(struct model *m)
{
    struct broker_input in = about(m, BROKER_IN_SUBMIT);
    unsigned i = index_of(in.id);
    struct broker_wishes wishes = {0};

    if (broker_slot_of(m->bench.broker, in.id) == 0) {
        m->flags[i] = draw(m, 8) & 7;
        m->stream_at[i] = 0;
    }
    in.u.submit.flags = m->flags[i] | (draw(m, 4) == 0 ? BROKER_SUBMIT_REOFFER : 0) |
                        (draw(m, 6) == 0 ? BROKER_SUBMIT_ASSIGNED : 0);
    in.u.submit.responded_epoch = draw(m, 16) == 0 ? in.epoch : 0;
    in.u.submit.deadline = hf_time_add_ms(m->bench.now, 1 + draw(m, 100000));
    in.u.submit.head_bytes = 10;
    in.u.submit.body_bytes = draw(m, 100000);
    if (draw(m, 2) == 0) {
        wishes.fair_key = draw(m, 4);
        in.u.submit.wishes = &wishes;
    }
    step(m, in);
}

static void step_body(struct model *m, enum broker_input_type type)
{
    struct broker_input in = about(m, type);
    unsigned i = index_of(in.id);

    in.u.body.bytes = draw(m, 400000);
    in.u.body.offset = draw(m, 40) == 0 ? draw(m, 3) : m->stream_at[i];
    in.u.body.is_last = draw(m, 3) == 0;
    m->stream_at[i] =
        in.u.body.is_last ? 0 : (uint32_t)in.u.body.offset + in.u.body.bytes;
    step(m, in);
}

static void step_lease(struct model *m)
{
    static const enum broker_input_type types[] = {
        BROKER_IN_RESULT,       BROKER_IN_RESPONSE_ACK, BROKER_IN_ASSIGNED_ACK,
        BROKER_IN_RESULT,       BROKER_IN_RESPONSE_ACK, BROKER_IN_CANCEL,
        BROKER_IN_ASSIGNED_ACK, BROKER_IN_RESPONSE_ACK, BROKER_IN_RESPONSE_ACK,
        BROKER_IN_RESULT,       BROKER_IN_RESULT,       BROKER_IN_WINDOW,
        BROKER_IN_ABORT,        BROKER_IN_RELEASE,      BROKER_IN_FAIL,
        BROKER_IN_DECLARE,      BROKER_IN_ASSIGNED_ACK,
    };
    struct broker_input in = about(m, types[draw(m, sizeof types / sizeof types[0])]);
    unsigned i = index_of(in.id);

    if (in.type == BROKER_IN_RESULT) {
        in.u.result.is_streamed = draw(m, 3) == 0;
        in.u.result.bytes = draw(m, 100000);
        m->stream_at[i] = 0;
    } else if (in.type == BROKER_IN_WINDOW) {
        in.u.window.bytes = draw(m, 500000);
    } else if (in.type == BROKER_IN_DECLARE) {
        in.u.declare.is_receipt_valid = draw(m, 4) != 0 && in.epoch == m->epoch[i];
    } else if (in.type == BROKER_IN_RELEASE && in.epoch == m->epoch[i]) {
        m->epoch[i] = 0;
    }
    step(m, in);
}

static void step_time(struct model *m)
{
    m->bench.now = hf_time_add_ms(m->bench.now, draw(m, draw(m, 10) ? 50 : 8000));
    if (draw(m, 3) == 0) {
        uint32_t session = 1 + draw(m, SESSIONS);

        step(m, (struct broker_input){.type = BROKER_IN_RENEW, .session = session});
    }
    step(m, (struct broker_input){.type = BROKER_IN_TICK});
}

static void step_store(struct model *m)
{
    if (!m->is_batch_out) {
        m->is_batch_out =
            broker_take_batch(m->bench.broker, m->bench.now, &m->bench.batch);
    } else {
        m->is_batch_out = false;
        m->committed++;
        step(m, (struct broker_input){.type = BROKER_IN_COMMITTED,
                                      .u.commit.index = m->bench.batch.index});
    }
}

static void step_rare(struct model *m)
{
    uint32_t session = 1 + draw(m, SESSIONS);

    switch (draw(m, 6)) {
    case 0:
        step_queue(m);
        break;
    case 1:
        step(m, (struct broker_input){.type = BROKER_IN_SPACE,
                                      .u.space.is_full = draw(m, 4) == 0});
        break;
    case 2:
        step(m, (struct broker_input){.type = BROKER_IN_DRAINING, .session = session});
        break;
    case 3:
        step(m, (struct broker_input){.type = BROKER_IN_HOLDER_DEAD,
                                      .u.holder.key =
                                          bench_key((char)('A' + draw(m, 6)))});
        break;
    case 4:
        step(m, (struct broker_input){
                    .type = BROKER_IN_CLOSE, .session = session, .handle = 1});
        break;
    default:
        step(m, (struct broker_input){.type = BROKER_IN_OPEN,
                                      .session = session,
                                      .handle = 1 + draw(m, 3),
                                      .u.open = {HF_SLICE("q"), draw(m, 16)}});
    }
}

static void step_any(struct model *m)
{
    switch (draw(m, 16)) {
    case 0:
    case 1:
    case 2:
        step_submit(m);
        break;
    case 3:
        step(m, (struct broker_input){.type = BROKER_IN_CREDIT,
                                      .session = 1 + draw(m, SESSIONS),
                                      .handle = 1,
                                      .u.credit.requests = draw(m, 4)});
        break;
    case 4:
        step_body(m, BROKER_IN_BODY);
        break;
    case 5:
        step_body(m, BROKER_IN_RESULT_BODY);
        break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        step_lease(m);
        break;
    case 11:
        step_time(m);
        break;
    case 12:
    case 13:
        step_store(m);
        break;
    case 14:
        step_session(m);
        break;
    default:
        if (draw(m, 16) == 0) {
            step_rare(m);
        }
    }
}

/* With nobody there and time passing, nothing may remain. */
static void drain(struct model *m)
{
    struct broker_queue_view view;

    for (uint32_t session = 1; session <= SESSIONS; session++) {
        if (m->is_up[session]) {
            step(m, (struct broker_input){.type = BROKER_IN_SESSION_DOWN,
                                          .session = session});
        }
    }
    for (unsigned i = 0; i < 400; i++) {
        m->bench.now = hf_time_add_ms(m->bench.now, 1000);
        step(m, (struct broker_input){.type = BROKER_IN_TICK});
        step_store(m);
    }
    for (uint32_t slot = 1; slot < SLOTS; slot++) {
        assert_false(m->is_held[slot]);
    }
    if (broker_queue_at(m->bench.broker, 1, &view)) {
        assert_int_equal(view.depth, 0);
        assert_int_equal(view.in_flight, 0);
    }
}

static void random_inputs_break_no_invariant(void **state)
{
    unsigned answered = 0;
    unsigned committed = 0;

    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        memset(&model, 0, sizeof model);
        model.random = seed;
        struct broker_config config = bench_config();

        config.kept_bytes_max = 1000000;
        config.kept_each_bytes_max = 600000;
        bench_init(&model.bench, (enum broker_durability)(seed % 3), &config);
        for (unsigned i = 0; i < STEPS; i++) {
            step_any(&model);
        }
        drain(&model);
        bench_fini(&model.bench);
        answered += model.answered;
        committed += model.committed;
    }
    print_message("answered %u, committed %u\n", answered, committed);
    assert_true(answered > SEEDS * 8);
    assert_true(committed > SEEDS * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_inputs_break_no_invariant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
