/* Responses that wait for their frontend's acknowledgement: how many bytes of them are
 * kept, and what becomes of the others. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define REPEATABLE BROKER_SUBMIT_REPEATABLE

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static void init(uint64_t all_bytes, uint64_t each_bytes)
{
    struct broker_config config = bench_config();

    config.kept_bytes_max = all_bytes;
    config.kept_each_bytes_max = each_bytes;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 20);
}

/* Request and lease number `id` of frontend session `session`. */
static void answer(uint32_t session, unsigned id, uint32_t bytes, bool is_streamed)
{
    bench_submit(t, session, id, REPEATABLE);
    bench_forget(t);
    bench_step(t, (struct broker_input){.type = BROKER_IN_RESULT,
                                        .session = 2,
                                        .id = bench_id(id),
                                        .epoch = EPOCH(id),
                                        .u.result = {bytes, is_streamed}});
}

static uint64_t unkept(void)
{
    return broker_counts(t->broker)->responses_unkept;
}

static void frontend_that_acknowledges_nothing_has_its_bytes_bounded(void **state)
{
    (void)state;
    init(10000, 1000);

    answer(1, 1, 600, false);
    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\n");
    answer(1, 2, 401, false);
    bench_expect(t, "response s1 r2 e2\n");
    assert_int_equal(unkept(), 1);
    answer(1, 3, 400, false);
    bench_expect(t, "hold-response r3\nresponse s1 r3 e3\n");

    bench_ack(t, 1, 1, EPOCH(1));
    bench_forget(t);
    answer(1, 4, 600, false);
    bench_expect(t, "hold-response r4\nresponse s1 r4 e4\n");
    assert_int_equal(unkept(), 1);
}

/* It was passed on once; a second time it cannot be, and that is told. */
static void response_that_is_not_kept_is_not_repeated(void **state)
{
    (void)state;
    init(10000, 1000);
    answer(1, 1, 1000, false);
    answer(1, 2, 1000, false);
    bench_down(t, 1);
    bench_up(t, 1, 'F');
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_forget(t);

    bench_submit(t, 1, 1, REPEATABLE | BROKER_SUBMIT_REOFFER);
    bench_expect(t, "response-kept s1 r1 e1\n");
    bench_submit(t, 1, 2, REPEATABLE | BROKER_SUBMIT_REOFFER);
    bench_expect(t, "respond-ack s2 r2 done\nabort s1 r2 response-broken\n"
                    "outcome r2 response-broken\nfree r2\n");
}

static void frontends_do_not_share_what_each_may_keep(void **state)
{
    (void)state;
    init(10000, 1000);
    bench_up(t, 3, 'G');
    bench_open(t, 3, 1, FRONTEND_RIGHTS);
    answer(1, 1, 1000, false);
    answer(1, 2, 1000, false);
    bench_forget(t);

    answer(3, 3, 1000, false);

    bench_expect(t, "hold-response r3\nresponse s3 r3 e3\n");
}

static void new_session_of_a_frontend_does_not_keep_more(void **state)
{
    (void)state;
    init(10000, 1000);
    answer(1, 1, 1000, false);
    bench_down(t, 1);
    bench_up(t, 1, 'F');
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_forget(t);

    answer(1, 2, 1, false);

    bench_expect(t, "response s1 r2 e2\n");
}

static void responses_of_all_frontends_are_bounded(void **state)
{
    (void)state;
    init(1500, 1000);
    bench_up(t, 3, 'G');
    bench_open(t, 3, 1, FRONTEND_RIGHTS);
    answer(1, 1, 1000, false);

    answer(3, 2, 501, false);
    bench_expect(t, "response s3 r2 e2\n");
    answer(3, 3, 500, false);
    bench_expect(t, "hold-response r3\nresponse s3 r3 e3\n");

    /* Both are given up when their frontends do not come back. */
    bench_down(t, 1);
    bench_down(t, 3);
    bench_run(t, 31000);
    bench_forget(t);
    bench_up(t, 1, 'F');
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_forget(t);
    answer(1, 4, 1000, false);
    bench_expect(t, "hold-response r4\nresponse s1 r4 e4\n");
}

static void response_is_kept_for_a_frontend_that_is_away(void **state)
{
    (void)state;
    init(10000, 1000);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 1);
    bench_forget(t);
    bench_step(t, (struct broker_input){.type = BROKER_IN_RESULT,
                                        .session = 2,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1),
                                        .u.result = {5000, false}});
    bench_expect(t, "hold-response r1\n");

    bench_up(t, 1, 'F');
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_submit(t, 1, 1, REPEATABLE | BROKER_SUBMIT_REOFFER);
    bench_expect(t, "opened s1 h1 none\nresponse-kept s1 r1 e1\n");
}

static void piece(uint64_t offset, uint32_t bytes, bool is_last)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_RESULT_BODY,
                                        .session = 2,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1),
                                        .u.body = {offset, bytes, is_last}});
}

static void stream_that_grows_beyond_is_let_go_of_and_goes_on(void **state)
{
    (void)state;
    init(10000, 1000);
    answer(1, 1, 500, true);
    piece(0, 500, false);
    bench_forget(t);

    piece(500, 1, false);
    piece(501, 10, true);

    bench_expect(t, "drop-response r1\nresponse-body s1 r1 e1\n"
                    "response-body s1 r1 e1\n");
    assert_int_equal(unkept(), 1);
    answer(1, 2, 1000, false);
    bench_expect(t, "hold-response r2\nresponse s1 r2 e2\n");
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frontend_that_acknowledges_nothing_has_its_bytes_bounded),
        TEST(response_that_is_not_kept_is_not_repeated),
        TEST(frontends_do_not_share_what_each_may_keep),
        TEST(new_session_of_a_frontend_does_not_keep_more),
        TEST(responses_of_all_frontends_are_bounded),
        TEST(response_is_kept_for_a_frontend_that_is_away),
        TEST(stream_that_grows_beyond_is_let_go_of_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
