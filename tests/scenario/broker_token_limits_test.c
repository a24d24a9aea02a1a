/* `lim` of a token (SECURITY.md 2.3): counted over all sessions whose chain holds that
 * token. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define REPEATABLE BROKER_SUBMIT_REPEATABLE

static struct bench bench;
static struct bench *const t = &bench;

static int setup(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static struct broker_limits token(char letter)
{
    struct broker_limits limits = {.inflight = 0};

    memset(limits.token, letter, sizeof limits.token);
    return limits;
}

/* Frontend session 1, and worker sessions from 2 on whose chains hold one token. */
static void init_workers(uint32_t last, uint64_t inflight)
{
    struct broker_limits limits = token('x');

    limits.inflight = inflight;
    bench_up(t, 1, 'F');
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    for (uint32_t session = 2; session <= last; session++) {
        bench_up_limited(t, session, (char)('U' + (int)session), &limits);
        bench_open(t, session, 1, WORKER_RIGHTS);
        bench_credit(t, session, 9);
    }
    bench_forget(t);
}

static void answer(uint32_t session, unsigned id)
{
    bench_result(t, session, id, EPOCH(id));
    bench_ack(t, 1, id, EPOCH(id));
}

static void worker_gets_no_more_leases_than_inflight(void **state)
{
    (void)state;
    init_workers(2, 2);

    for (unsigned id = 1; id <= 4; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\n"
                    "hold r2\nassign s2 r2 e2 attempt 1\n"
                    "hold r3\nhold r4\n");
    assert_int_equal(broker_counts(t->broker)->inflight_waits, 1);

    bench_result(t, 2, 1, EPOCH(1));
    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\n"
                    "assign s2 r3 e3 attempt 1\n");
    bench_down(t, 2);
    bench_forget(t);
    assert_int_equal(bench_queue(t).depth, 3);
}

static void inflight_is_counted_over_all_sessions_of_the_token(void **state)
{
    (void)state;
    init_workers(4, 2);

    for (unsigned id = 1; id <= 4; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\n"
                    "hold r2\nassign s3 r2 e2 attempt 1\n"
                    "hold r3\nhold r4\n");
    bench_down(t, 3);
    /* Its lease is back in the queue; another session of that token takes it. */
    bench_expect(t, "assign s4 r2 e3 attempt 2\n");
    answer(2, 1);
    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\nassign s2 r3 e4 attempt 1\n"
                    "respond-ack s2 r1 done\noutcome r1 none\nfree r1\n");
}

static void spent_token_leaves_the_queue_to_others(void **state)
{
    (void)state;
    init_workers(2, 1);
    bench_up(t, 5, 'O');
    bench_open(t, 5, 1, WORKER_RIGHTS);
    bench_credit(t, 5, 2);
    bench_forget(t);

    for (unsigned id = 1; id <= 3; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\n"
                    "hold r2\nassign s5 r2 e2 attempt 1\n"
                    "hold r3\nassign s5 r3 e3 attempt 1\n");
}

/* A handle that waits gives way to one whose queue has something. */
static void free_lease_goes_to_a_queue_that_has_something(void **state)
{
    (void)state;
    struct broker_queue_policy policies[2] = {bench_policy(BROKER_LAZY),
                                              bench_policy(BROKER_LAZY)};

    policies[1].name = HF_SLICE("other");
    bench_policy_step(t, policies, 2);
    init_workers(2, 1);
    for (uint32_t session = 1; session <= 2; session++) {
        bench_step(t, (struct broker_input){
                          .type = BROKER_IN_OPEN,
                          .session = session,
                          .handle = 2,
                          .u.open = {HF_SLICE("other"),
                                     session == 1 ? FRONTEND_RIGHTS : WORKER_RIGHTS}});
    }
    bench_step(t, (struct broker_input){.type = BROKER_IN_CREDIT,
                                        .session = 2,
                                        .handle = 2,
                                        .u.credit.requests = 5});
    bench_submit(t, 1, 1, REPEATABLE);
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 1,
                      .handle = 2,
                      .id = bench_id(2),
                      .u.submit = {.flags = REPEATABLE,
                                   .deadline = hf_time_add_ms(t->now, 600000)}});
    bench_submit(t, 1, 3, REPEATABLE);
    bench_about(t, BROKER_IN_CANCEL, 1, 2, 0); /* nothing is left in "other" */
    bench_forget(t);

    bench_result(t, 2, 1, EPOCH(1));

    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\n"
                    "assign s2 r3 e2 attempt 1\n");
}

static void declared_leases_count_and_are_never_refused(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.incarnation = 2; /* EPOCH is of the process before */
    bench_fini(t);
    bench_init(t, BROKER_LAZY, &config);
    init_workers(2, 1);

    bench_declare(t, 2, 7, EPOCH(7));
    bench_declare(t, 2, 8, EPOCH(8));
    bench_submit(t, 1, 9, REPEATABLE);

    bench_expect(t, "declared s2 r7 kept\ndeclared s2 r8 kept\nhold r9\n");
}

static void renewed_token_has_its_own_limits(void **state)
{
    (void)state;
    struct broker_limits wider = token('y');

    init_workers(2, 1);
    for (unsigned id = 1; id <= 3; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_forget(t);

    wider.inflight = 2;
    bench_step(
        t, (struct broker_input){.type = BROKER_IN_LIMITS,
                                 .session = 2,
                                 .u.holder = {.limits = &wider, .limits_count = 1}});
    bench_expect(t, "assign s2 r2 e2 attempt 1\n");

    bench_step(t, (struct broker_input){.type = BROKER_IN_LIMITS, .session = 2});
    bench_expect(t, "assign s2 r3 e3 attempt 1\n");
}

static void init_sender(struct broker_limits limits)
{
    bench_up_limited(t, 1, 'F', &limits);
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_forget(t);
}

static void requests_beyond_rate_are_refused_until_there_is_room(void **state)
{
    (void)state;
    struct broker_limits limits = token('x');

    limits.rate = 10;
    limits.burst = 2;
    init_sender(limits);

    for (unsigned id = 1; id <= 3; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_expect(t, "hold r1\nhold r2\n"
                    "refused s1 r3 RateLimit retry 100\noutcome r3 RateLimit\n");
    assert_int_equal(broker_counts(t->broker)->rate_refused, 1);

    t->now = hf_time_add_ms(t->now, 99);
    bench_submit(t, 1, 3, REPEATABLE);
    bench_expect(t, "refused s1 r3 RateLimit retry 1\noutcome r3 RateLimit\n");
    t->now = hf_time_add_ms(t->now, 1);
    bench_submit(t, 1, 3, REPEATABLE);
    bench_expect(t, "hold r3\n");
    t->now = hf_time_add_ms(t->now, 3600000);
    bench_tick(t, 0);
    bench_forget(t);
    for (unsigned id = 4; id <= 6; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_expect(t, "hold r4\nhold r5\n"
                    "refused s1 r6 RateLimit retry 100\noutcome r6 RateLimit\n");
}

static void new_session_of_a_token_has_no_new_burst(void **state)
{
    (void)state;
    struct broker_limits limits = token('x');

    limits.rate = 1;
    init_sender(limits);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_expect(t, "hold r1\n");

    bench_down(t, 1);
    bench_forget(t);
    init_sender(limits);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_expect(t, "refused s1 r2 RateLimit retry 1000\noutcome r2 RateLimit\n");

    limits = token('y');
    limits.rate = 1;
    bench_up_limited(t, 2, 'G', &limits);
    bench_open(t, 2, 1, FRONTEND_RIGHTS);
    bench_forget(t);
    bench_submit(t, 2, 2, REPEATABLE);
    bench_expect(t, "hold r2\n");
}

/* There is room for those of all sessions; the one unused for longest goes first. */
static void tokens_are_remembered_while_there_is_room(void **state)
{
    (void)state;
    struct broker_config config = bench_config();
    struct broker_limits limits = token(0);

    config.sessions_max = 1;
    bench_fini(t);
    bench_init(t, BROKER_LAZY, &config);
    limits.rate = 1;
    for (unsigned id = 1; id <= BROKER_LIMITS_MAX * 3 + 1; id++) {
        limits.token[0] = (uint8_t)id;
        init_sender(limits);
        bench_submit(t, 1, id, REPEATABLE);
        assert_non_null(strstr(t->text, "hold"));
        bench_down(t, 1);
        bench_forget(t);
    }

    limits.token[0] = 2;
    init_sender(limits);
    bench_submit(t, 1, 50, REPEATABLE);
    bench_expect(t, "refused s1 r50 RateLimit retry 1000\noutcome r50 RateLimit\n");
    bench_down(t, 1);
    bench_forget(t);
    limits.token[0] = 1;
    init_sender(limits);
    bench_submit(t, 1, 50, REPEATABLE);
    bench_expect(t, "hold r50\n");
}

/* What a frontend holds while the broker restarts comes back all at once. */
static void requests_offered_again_after_a_restart_are_not_refused(void **state)
{
    (void)state;
    struct broker_limits limits = token('x');

    limits.rate = 1;
    bench_step(t, (struct broker_input){.type = BROKER_IN_RECOVERED_END});
    init_sender(limits);
    for (unsigned id = 1; id <= 3; id++) {
        bench_submit(t, 1, id, REPEATABLE | BROKER_SUBMIT_REOFFER);
    }
    bench_expect(t, "hold r1\nhold r2\nhold r3\n");

    t->now = hf_time_add_ms(t->now, 30000);
    for (unsigned id = 4; id <= 5; id++) {
        bench_submit(t, 1, id, REPEATABLE | BROKER_SUBMIT_REOFFER);
    }
    bench_submit(t, 1, 1, REPEATABLE | BROKER_SUBMIT_REOFFER); /* known: free */
    bench_expect(t, "hold r4\n"
                    "refused s1 r5 RateLimit retry 1000\noutcome r5 RateLimit\n");
}

static void submit_bytes(unsigned id, uint32_t flags, uint64_t body_bytes)
{
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 1,
                      .handle = 1,
                      .id = bench_id(id),
                      .u.submit = {.flags = flags,
                                   .deadline = hf_time_add_ms(t->now, 600000),
                                   .head_bytes = 100,
                                   .body_bytes = body_bytes}});
}

static void requests_beyond_bytes_are_refused(void **state)
{
    (void)state;
    struct broker_limits limits = token('x');

    limits.bytes = 1000;
    init_sender(limits);

    submit_bytes(1, REPEATABLE, 900);
    submit_bytes(2, REPEATABLE, 901);
    submit_bytes(3, REPEATABLE | BROKER_SUBMIT_STREAMED, UINT64_MAX);
    bench_expect(t, "hold r1\n"
                    "refused s1 r2 EntityTooLarge\noutcome r2 EntityTooLarge\n"
                    "refused s1 r3 EntityTooLarge\noutcome r3 EntityTooLarge\n");

    /* A body of unknown length is judged as it comes. */
    submit_bytes(4, REPEATABLE | BROKER_SUBMIT_STREAMED, 0);
    bench_forget(t);
    bench_step(t, (struct broker_input){.type = BROKER_IN_BODY,
                                        .session = 1,
                                        .id = bench_id(4),
                                        .u.body = {.bytes = 901}});
    assert_non_null(strstr(t->text, "refused s1 r4 EntityTooLarge\n"));
    assert_int_equal(broker_counts(t->broker)->bytes_refused, 3);
}

static void init_answers(void)
{
    struct broker_limits limits = token('x');

    limits.bytes = 1000;
    bench_up(t, 1, 'F');
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_up_limited(t, 2, 'W', &limits);
    bench_open(t, 2, 1, WORKER_RIGHTS);
    bench_credit(t, 2, 5);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_forget(t);
}

static void result(uint32_t bytes, bool is_streamed)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_RESULT,
                                        .session = 2,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1),
                                        .u.result = {bytes, is_streamed}});
}

static void response_beyond_bytes_is_a_bad_response(void **state)
{
    (void)state;
    init_answers();

    result(1001, false);

    bench_expect(t, "respond-ack s2 r1 denied\ncancel s2 r1 e1 limit\n"
                    "refused s1 r1 bad-response\noutcome r1 bad-response\nfree r1\n");
    assert_int_equal(broker_counts(t->broker)->bytes_refused, 1);
}

static void streamed_response_beyond_bytes_breaks_off(void **state)
{
    (void)state;
    init_answers();

    result(1000, true);
    for (uint64_t offset = 0; offset <= 600; offset += 600) {
        bench_step(t, (struct broker_input){.type = BROKER_IN_RESULT_BODY,
                                            .session = 2,
                                            .id = bench_id(1),
                                            .epoch = EPOCH(1),
                                            .u.body = {offset, 600, false}});
    }
    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\n"
                    "hold-response r1\nresponse-body s1 r1 e1\n"
                    "cancel s2 r1 e1 limit\nabort s1 r1 response-broken\n"
                    "outcome r1 response-broken\nfree r1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(worker_gets_no_more_leases_than_inflight),
        TEST(inflight_is_counted_over_all_sessions_of_the_token),
        TEST(spent_token_leaves_the_queue_to_others),
        TEST(free_lease_goes_to_a_queue_that_has_something),
        TEST(declared_leases_count_and_are_never_refused),
        TEST(renewed_token_has_its_own_limits),
        TEST(requests_beyond_rate_are_refused_until_there_is_room),
        TEST(new_session_of_a_token_has_no_new_burst),
        TEST(tokens_are_remembered_while_there_is_room),
        TEST(requests_offered_again_after_a_restart_are_not_refused),
        TEST(requests_beyond_bytes_are_refused),
        TEST(response_beyond_bytes_is_a_bad_response),
        TEST(streamed_response_beyond_bytes_breaks_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
