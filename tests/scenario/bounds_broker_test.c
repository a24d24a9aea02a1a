/* Each bound of the broker's core is reached, and what docs/limits.md says happens. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REPEATABLE   BROKER_SUBMIT_REPEATABLE
#define STEP_WORK    64   /* pieces of deferred work of one step */
#define HANDLES_EACH 1024 /* PROTOCOL.md 3.2 */

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

/* A broker for thousands of requests in one queue. */
static void init_large(enum broker_durability durability, uint32_t requests)
{
    struct broker_config config = bench_config();
    struct broker_queue_policy policy = bench_policy(durability);

    config.requests_max = requests;
    config.in_flight_max = requests;
    bench_init(t, durability, &config);
    policy.length_max = requests;
    policy.bytes_max = 1u << 30;
    bench_policy_step(t, &policy, 1);
}

static void submit_all(unsigned first, unsigned count)
{
    for (unsigned id = first; id < first + count; id++) {
        bench_submit(t, 1, id, REPEATABLE);
        bench_forget(t);
    }
}

static void every_session_number_can_be_up(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);

    for (uint32_t session = 1; session <= bench_config().sessions_max; session++) {
        bench_up(t, session, (char)('A' + (int)session));
    }
    bench_expect(t, "");
    bench_down(t, 8);
    bench_up(t, 8, 'Z');
    bench_expect(t, "");
}

/* A lost session is settled over several steps and keeps its place meanwhile; there are
 * as many places again as sessions, for those. */
static void session_is_refused_while_all_places_are_taken_by_lost_ones(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.sessions_max = 2;
    config.requests_max = config.in_flight_max = 1000;
    bench_init(t, BROKER_LAZY, &config);
    struct broker_queue_policy p = bench_policy(BROKER_LAZY);

    p.length_max = 1000;
    bench_policy_step(t, &p, 1);
    bench_pair(t, 0);
    for (unsigned round = 0; round < 10; round++) {
        submit_all(1 + round * STEP_WORK, STEP_WORK);
    }
    bench_credit(t, 2, 640);
    while (bench_queue(t).in_flight < 640) {
        bench_tick(t, 0);
        bench_forget(t);
    }
    bench_forget(t);

    /* Each step settles 64 leases of the first that is lost, which holds 640. */
    bench_down(t, 2);
    bench_forget(t);
    for (unsigned lost = 2; lost <= 3; lost++) {
        bench_up(t, 2, 'W');
        bench_forget(t);
        bench_down(t, 2);
        bench_forget(t);
    }
    bench_up(t, 2, 'W');
    assert_int_equal(t->effects.items[0].type, BROKER_OUT_VIOLATION);
    assert_int_equal(t->effects.items[0].reason, HF_REASON_LIMIT);
    assert_int_equal(broker_counts(t->broker)->places_refused, 1);
    bench_forget(t);
    while (broker_next_deadline(t->broker).us <= t->now.us) {
        bench_tick(t, 0);
        bench_forget(t);
    }
    bench_up(t, 2, 'W');
    bench_expect(t, "");
}

static void handles_of_all_sessions_are_limited(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.handles_max = 3;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 0);
    bench_open(t, 1, 2, FRONTEND_RIGHTS);
    bench_expect(t, "opened s1 h2 none\n");

    bench_open(t, 2, 2, WORKER_RIGHTS);
    bench_expect(t, "opened s2 h2 limit\n");
    assert_int_equal(broker_counts(t->broker)->handles_refused, 1);

    bench_step(
        t, (struct broker_input){.type = BROKER_IN_CLOSE, .session = 1, .handle = 2});
    bench_open(t, 2, 2, WORKER_RIGHTS);
    bench_expect(t, "opened s2 h2 none\n");
}

static void handles_of_one_session_are_limited(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.handles_max = 2 * HANDLES_EACH;
    bench_init(t, BROKER_LAZY, &config);
    bench_up(t, 1, 'W');
    for (uint32_t handle = 1; handle <= HANDLES_EACH; handle++) {
        bench_open(t, 1, handle, WORKER_RIGHTS);
        assert_int_equal(t->effects.items[0].reason, HF_REASON_NONE);
        bench_forget(t);
    }

    bench_open(t, 1, HANDLES_EACH + 1, WORKER_RIGHTS);

    bench_expect(t, "opened s1 h1025 limit\n");
}

static void frontend_can_open_as_many_queues_as_there_may_be(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.queues_max = HANDLES_EACH + 10;
    config.handles_max = 2 * HANDLES_EACH;
    bench_init(t, BROKER_LAZY, &config);
    bench_up(t, 1, 'F');
    for (uint32_t handle = 1; handle <= HANDLES_EACH + 10; handle++) {
        bench_open(t, 1, handle, FRONTEND_RIGHTS);
        assert_int_equal(t->effects.items[0].reason, HF_REASON_NONE);
        bench_forget(t);
    }

    bench_open(t, 1, HANDLES_EACH + 11, FRONTEND_RIGHTS);

    bench_expect(t, "opened s1 h1035 limit\n");
}

static void holder_keys_are_limited_and_forgotten_when_nothing_is_theirs(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.principals_max = 2;
    bench_init(t, BROKER_LAZY, &config);
    bench_up(t, 1, 'A');
    bench_up(t, 2, 'B');
    bench_expect(t, "");

    bench_up(t, 3, 'C');
    bench_expect(t, "violation s3 limit\n");
    assert_int_equal(broker_counts(t->broker)->holders_refused, 1);
    bench_up(t, 4, 'A');
    bench_expect(t, "");

    bench_down(t, 2);
    bench_up(t, 3, 'C');
    bench_expect(t, "");
}

/* From session 1, with a first queue of this length. */
static void step_policy(const char *const *names, size_t count, uint32_t length_max)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_BEGIN});
    for (size_t i = 0; i < count; i++) {
        struct broker_queue_policy policy = bench_policy(BROKER_LAZY);

        policy.name = hf_slice_of_cstr(names[i]);
        policy.length_max = length_max;
        bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_QUEUE,
                                            .u.policy = policy});
    }
    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_END,
                                        .session = 1,
                                        .u.revision.version = count});
}

/* One queue too many: those before it are not made, those that are missing stay, and
 * what both name keeps its old limits. */
static void policy_of_too_many_queues_is_refused_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"q", "r", "s", "u", "v", "w"};

    bench_init(t, BROKER_LAZY, NULL);
    bench_up(t, 1, 'C');
    step_policy(names, 4, 50);
    bench_expect(t, "");
    step_policy(names, 2, 50);
    bench_run(t, 0);
    bench_expect(t, "");
    assert_int_equal(broker_queue_find(t->broker, HF_SLICE("u")), 0);

    static const char *const other[] = {"q", "s", "u", "v", "w"};

    step_policy(other, 5, 10);
    bench_expect(t, "policy-refused limit\nviolation s1 limit\n");
    assert_int_equal(broker_counts(t->broker)->policies_refused, 1);
    bench_run(t, 0);

    for (size_t i = 2; i < 6; i++) {
        assert_int_equal(broker_queue_find(t->broker, hf_slice_of_cstr(names[i])), 0);
    }
    assert_int_not_equal(broker_queue_find(t->broker, HF_SLICE("r")), 0);
    bench_pair(t, 0);
    submit_all(1, 11);
    assert_int_equal(bench_queue(t).depth, 11); /* its length is still 50 */
    bench_up(t, 3, 'C');
    bench_expect(t, "");
}

static void policy_with_a_nameless_queue_is_refused_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"r", ""};

    bench_init(t, BROKER_LAZY, NULL);
    bench_up(t, 1, 'C');

    step_policy(names, 2, 50);

    bench_expect(t, "policy-refused protocol\nviolation s1 limit\n");
    assert_int_equal(broker_queue_find(t->broker, HF_SLICE("r")), 0);
    assert_int_not_equal(broker_queue_find(t->broker, HF_SLICE("q")), 0);
}

/* A queue on its way out that the next policy names again. */
static void removed_queue_comes_back_with_its_requests(void **state)
{
    (void)state;
    static const char *const other[] = {"r"};
    static const char *const both[] = {"r", "q", "s"};

    bench_init(t, BROKER_LAZY, NULL);
    bench_up(t, 3, 'C');
    bench_pair(t, 0);
    submit_all(1, 1);
    step_policy(other, 1, 50);
    bench_forget(t);

    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_BEGIN});
    struct broker_queue_policy policy = bench_policy(BROKER_LAZY);

    bench_step(
        t, (struct broker_input){.type = BROKER_IN_POLICY_QUEUE, .u.policy = policy});
    bench_about(t, BROKER_IN_CANCEL, 1, 1, 0); /* it is empty now */
    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_END});
    bench_forget(t);
    submit_all(2, 1);
    assert_int_equal(bench_queue(t).depth, 1);
    step_policy(both, 3, 50);
    bench_expect(t, "");
    assert_int_equal(bench_queue(t).depth, 1);
}

static void requests_wait_while_in_flight_is_at_its_limit(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.in_flight_max = 2;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 5);
    for (unsigned id = 1; id <= 3; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\n"
                    "hold r2\nassign s2 r2 e2 attempt 1\n"
                    "hold r3\n");
    bench_result(t, 2, 1, EPOCH(1));
    bench_ack(t, 1, 1, EPOCH(1));

    assert_int_equal(bench_queue(t).in_flight, 2);
    assert_non_null(strstr(t->text, "assign s2 r3"));
}

/* in_flight_max bounds what is given; what a worker runs already is kept above it. */
static void declared_leases_are_kept_while_in_flight_is_at_its_limit(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.in_flight_max = 1;
    config.incarnation = 2; /* EPOCH is of the process before */
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 5);
    bench_declare(t, 2, 8, EPOCH(8));
    bench_declare(t, 2, 9, EPOCH(9));
    bench_submit(t, 1, 8, BROKER_SUBMIT_REOFFER | BROKER_SUBMIT_ASSIGNED);
    bench_submit(t, 1, 9, BROKER_SUBMIT_REOFFER | BROKER_SUBMIT_ASSIGNED);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_expect(t, "declared s2 r8 kept\ndeclared s2 r9 kept\n"
                    "hold r8\nhold r9\nhold r1\n");
    assert_int_equal(bench_queue(t).in_flight, 2);

    bench_result(t, 2, 8, EPOCH(8));
    bench_expect(t, "hold-response r8\nresponse s1 r8 e8\n");
    bench_result(t, 2, 9, EPOCH(9));
    bench_expect(t, "hold-response r9\nresponse s1 r9 e9\n"
                    "assign s2 r1 e1 attempt 1\n");
}

static void submit_bytes(unsigned id, uint64_t bytes)
{
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 1,
                      .handle = 1,
                      .id = bench_id(id),
                      .u.submit = {.flags = REPEATABLE,
                                   .deadline = hf_time_add_ms(t->now, 600000),
                                   .head_bytes = 100,
                                   .body_bytes = bytes}});
}

static void bytes_of_a_queue_are_limited_and_come_back(void **state)
{
    (void)state;
    struct broker_queue_policy policy = bench_policy(BROKER_LAZY);

    bench_init(t, BROKER_LAZY, NULL);
    policy.bytes_max = 100000;
    bench_policy_step(t, &policy, 1);
    bench_pair(t, 0);
    submit_bytes(1, 60000);
    bench_expect(t, "hold r1\n");

    submit_bytes(2, 60000);
    bench_expect(t, "refused s1 r2 QueueFull retry 60000\noutcome r2 QueueFull\n");
    submit_bytes(3, 100001);
    bench_expect(t, "refused s1 r3 QueueFull retry 60000\noutcome r3 QueueFull\n");
    assert_true(bench_queue(t).depth_bytes <= 100000);

    bench_about(t, BROKER_IN_CANCEL, 1, 1, 0);
    bench_forget(t);
    submit_bytes(2, 60000);
    bench_expect(t, "hold r2\n");
}

/* Whatever happens at once is worked off a piece at a time. */
static void assert_bounded(uint32_t effects_of_one)
{
    unsigned steps = 0;

    assert_true(t->effects.count <= STEP_WORK * effects_of_one);
    assert_true(t->effects.count <= BROKER_EFFECTS_MAX);
    while (broker_next_deadline(t->broker).us <= t->now.us) {
        bench_forget(t);
        bench_tick(t, 0);
        assert_true(t->effects.count <= STEP_WORK * effects_of_one);
        assert_true(++steps < 1000);
    }
    bench_forget(t);
}

static void lost_session_is_settled_64_leases_at_a_time(void **state)
{
    (void)state;
    init_large(BROKER_LAZY, 1000);
    bench_pair(t, 0);
    submit_all(1, 500);
    bench_credit(t, 2, 500);
    assert_bounded(2);
    assert_int_equal(bench_queue(t).in_flight, 500);

    bench_down(t, 2);

    assert_int_equal(bench_queue(t).in_flight, 500 - STEP_WORK);
    assert_int_equal(broker_next_deadline(t->broker).us, 0);
    assert_bounded(2);
    assert_int_equal(bench_queue(t).in_flight, 0);
    assert_int_equal(bench_queue(t).depth, 500);
}

static void lost_frontend_is_settled_64_requests_at_a_time(void **state)
{
    (void)state;
    init_large(BROKER_LAZY, 1000);
    bench_pair(t, 0);
    submit_all(1, 500);

    bench_down(t, 1);
    assert_bounded(4);
    bench_tick(t, 31000);
    assert_bounded(4);

    assert_int_equal(bench_queue(t).depth, 0);
}

static void requests_that_end_together_end_64_at_a_time(void **state)
{
    (void)state;
    init_large(BROKER_LAZY, 1000);
    bench_pair(t, 0);
    submit_all(1, 500);

    bench_tick(t, 121000);
    assert_true(t->effects.count > 0);
    assert_bounded(4);

    assert_int_equal(bench_queue(t).depth, 0);
}

static void removed_queue_closes_its_handles_64_at_a_time(void **state)
{
    (void)state;
    struct broker_config config = bench_config();
    struct broker_queue_policy other = bench_policy(BROKER_LAZY);

    config.handles_max = HANDLES_EACH;
    bench_init(t, BROKER_LAZY, &config);
    bench_up(t, 1, 'F');
    for (uint32_t handle = 1; handle <= 300; handle++) {
        bench_open(t, 1, handle, FRONTEND_RIGHTS);
        bench_forget(t);
    }
    other.name = HF_SLICE("other");

    bench_policy_step(t, &other, 1);
    assert_int_equal(t->effects.count, STEP_WORK);
    assert_bounded(1);

    assert_int_equal(broker_queue_find(t->broker, HF_SLICE("q")), 0);
}

static void batch_takes_4096_commands_and_the_rest_next_time(void **state)
{
    (void)state;
    static struct broker_batch batch;
    unsigned left = 5000;

    init_large(BROKER_STRICT, left);
    bench_pair(t, 0);
    submit_all(1, left);

    while (left > 0) {
        assert_true(broker_take_batch(t->broker, t->now, &batch));
        assert_true(batch.count >= 1 && batch.count <= BROKER_BATCH_MAX);
        assert_true(batch.count <= left);
        left -= batch.count;
        bench_step(t, (struct broker_input){.type = BROKER_IN_COMMITTED,
                                            .u.commit.index = batch.index});
        bench_forget(t);
        assert_bounded(8);
    }
    assert_int_equal(bench_queue(t).committed, 5000);
}

/* A page is found in pieces, and none costs more than a look at 8,192 slots, however
 * many requests other queues have. */
static void peek_looks_at_8192_slots_at_most(void **state)
{
    (void)state;
    static hf_id ids[20000];
    struct broker_queue_policy policies[2] = {bench_policy(BROKER_LAZY),
                                              bench_policy(BROKER_LAZY)};
    uint64_t cursor = 0;

    init_large(BROKER_LAZY, 20000);
    policies[0].length_max = 20000;
    policies[1].name = HF_SLICE("other");
    bench_policy_step(t, policies, 2);
    bench_pair(t, 0);
    submit_all(1, 10000);
    bench_step(t,
               (struct broker_input){.type = BROKER_IN_OPEN,
                                     .session = 1,
                                     .handle = 2,
                                     .u.open = {HF_SLICE("other"), FRONTEND_RIGHTS}});
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 1,
                      .handle = 2,
                      .id = bench_id(10001),
                      .u.submit = {.deadline = hf_time_add_ms(t->now, 600000)}});
    uint32_t other = broker_queue_find(t->broker, HF_SLICE("other"));

    assert_int_equal(broker_peek(t->broker, other, &cursor, ids, 10), 0);
    assert_true(cursor == BROKER_PEEK_SLOTS_MAX);
    assert_int_equal(broker_peek(t->broker, other, &cursor, ids, 10), 1);
    assert_true(hf_id_equal(ids[0], bench_id(10001)));
    assert_true(cursor == BROKER_PEEK_END);

    cursor = 0;
    assert_int_equal(broker_peek(t->broker, 1, &cursor, ids, 20000),
                     BROKER_PEEK_SLOTS_MAX);
}

/* Whatever comes and goes between two pages, what stays is given once. */
static void peek_gives_each_request_that_stays_once(void **state)
{
    (void)state;
    bool is_given[301] = {false};
    uint64_t cursor = 0;
    hf_id id;

    init_large(BROKER_LAZY, 1000);
    bench_pair(t, 0);
    submit_all(1, 300);

    for (unsigned page = 0; cursor != BROKER_PEEK_END; page++) {
        if (broker_peek(t->broker, 1, &cursor, &id, 1) == 1) {
            unsigned n = (unsigned)id.bytes[14] << 8 | id.bytes[15];

            assert_true(n > 300 || !is_given[n]);
            is_given[n <= 300 ? n : 0] = true;
        }
        if (page % 2 == 0 && page < 100) { /* even ones are cancelled, others come */
            bench_about(t, BROKER_IN_CANCEL, 1, 200 + page, 0);
            submit_all(1000 + page, 1);
            bench_forget(t);
        }
    }
    for (unsigned n = 1; n <= 300; n++) {
        assert_true(is_given[n] || (n >= 200 && n % 2 == 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_session_number_can_be_up, teardown),
        cmocka_unit_test_teardown(
            session_is_refused_while_all_places_are_taken_by_lost_ones, teardown),
        cmocka_unit_test_teardown(handles_of_all_sessions_are_limited, teardown),
        cmocka_unit_test_teardown(handles_of_one_session_are_limited, teardown),
        cmocka_unit_test_teardown(frontend_can_open_as_many_queues_as_there_may_be,
                                  teardown),
        cmocka_unit_test_teardown(
            holder_keys_are_limited_and_forgotten_when_nothing_is_theirs, teardown),
        cmocka_unit_test_teardown(policy_of_too_many_queues_is_refused_whole, teardown),
        cmocka_unit_test_teardown(policy_with_a_nameless_queue_is_refused_whole,
                                  teardown),
        cmocka_unit_test_teardown(removed_queue_comes_back_with_its_requests, teardown),
        cmocka_unit_test_teardown(
            declared_leases_are_kept_while_in_flight_is_at_its_limit, teardown),
        cmocka_unit_test_teardown(requests_wait_while_in_flight_is_at_its_limit,
                                  teardown),
        cmocka_unit_test_teardown(bytes_of_a_queue_are_limited_and_come_back, teardown),
        cmocka_unit_test_teardown(lost_session_is_settled_64_leases_at_a_time,
                                  teardown),
        cmocka_unit_test_teardown(lost_frontend_is_settled_64_requests_at_a_time,
                                  teardown),
        cmocka_unit_test_teardown(requests_that_end_together_end_64_at_a_time,
                                  teardown),
        cmocka_unit_test_teardown(removed_queue_closes_its_handles_64_at_a_time,
                                  teardown),
        cmocka_unit_test_teardown(batch_takes_4096_commands_and_the_rest_next_time,
                                  teardown),
        cmocka_unit_test_teardown(peek_looks_at_8192_slots_at_most, teardown),
        cmocka_unit_test_teardown(peek_gives_each_request_that_stays_once, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
