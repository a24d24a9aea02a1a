/* What waits for the disk, and what never goes there (ARCHITECTURE.md 5 and 6). */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define REPEATABLE BROKER_SUBMIT_REPEATABLE
#define ASYNC      BROKER_SUBMIT_ASYNC

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static void strict_request_is_delivered_only_after_its_commit(void **state)
{
    (void)state;
    bench_init(t, BROKER_STRICT, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 1, REPEATABLE);
    assert_true(bench_take(t));
    bench_expect(t, "hold r1\nwrite put #1\n");

    bench_commit(t);
    bench_expect(t, "assign s2 r1 e1 attempt 1\n");
}

static void dispatch_of_an_unrepeatable_strict_request_rides_with_its_put(void **state)
{
    (void)state;
    bench_init(t, BROKER_STRICT, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 1, 0);
    assert_true(bench_take(t));
    bench_expect(t, "hold r1\nwrite put #1\nwrite dispatch #1 e1 W\n");

    bench_commit(t);
    bench_expect(t, "assigned s1 r1 e1\n");

    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    bench_expect(t, "assign s2 r1 e1 attempt 1\n");
}

static void dispatch_without_idle_credit_is_written_when_a_worker_comes(void **state)
{
    (void)state;
    bench_init(t, BROKER_STRICT, NULL);
    bench_pair(t, 0);

    bench_submit(t, 1, 1, 0);
    assert_true(bench_take(t));
    bench_commit(t);
    bench_credit(t, 2, 1);
    assert_true(bench_take(t));
    bench_expect(t, "hold r1\nwrite put #1\nwrite dispatch #1 e1 W\n");

    bench_commit(t);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    bench_expect(t, "assigned s1 r1 e1\nassign s2 r1 e1 attempt 1\n");
}

static void worker_lost_while_its_dispatch_is_written_has_not_started(void **state)
{
    (void)state;
    bench_init(t, BROKER_STRICT, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 1, 0);
    assert_true(bench_take(t));
    bench_down(t, 2);
    bench_commit(t);
    bench_expect(t, "hold r1\nwrite put #1\nwrite dispatch #1 e1 W\n");

    bench_up(t, 3, 'X');
    bench_open(t, 3, 1, WORKER_RIGHTS);
    bench_credit(t, 3, 1);
    assert_true(bench_take(t));
    bench_commit(t);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(2));
    bench_expect(t, "opened s3 h1 none\nwrite dispatch #1 e2 X\n"
                    "assigned s1 r1 e2\nassign s3 r1 e2 attempt 1\n");
}

static void
async_request_is_accepted_after_its_commit_and_dropped_after_its_answer(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 1, ASYNC);
    assert_true(bench_take(t));
    bench_expect(t, "hold r1\nwrite put #1\n");
    bench_commit(t);
    bench_expect(t, "accepted s1 r1\nassign s2 r1 e1 attempt 1\n");

    bench_result(t, 2, 1, EPOCH(1));
    assert_false(bench_take(t));
    bench_tick(t, 50);
    assert_true(bench_take(t));
    bench_expect(t, "hold-response r1\nwrite drop #1\n");
    bench_commit(t);
    bench_expect(t, "respond-ack s2 r1 done\noutcome r1 none\nfree r1\n");
}

static void memory_queue_refuses_async_and_never_writes(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 0);

    bench_submit(t, 1, 1, ASYNC);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_tick(t, 1000);

    bench_expect(t, "refused s1 r1 denied\noutcome r1 denied\nhold r2\n");
    assert_false(bench_take(t));
}

static void
lazy_put_is_due_after_lazy_commit_and_its_drop_waits_for_company(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 1, REPEATABLE);
    assert_false(bench_take(t));
    bench_tick(t, 10);
    assert_true(bench_take(t));
    bench_commit(t);
    bench_result(t, 2, 1, EPOCH(1));
    bench_ack(t, 1, 1, EPOCH(1));
    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\nwrite put #1\n"
                    "hold-response r1\nresponse s1 r1 e1\nrespond-ack s2 r1 done\n"
                    "outcome r1 none\nfree r1\n");

    bench_tick(t, 49);
    assert_false(bench_take(t));
    bench_tick(t, 1);
    assert_true(bench_take(t));
    bench_commit(t);
    bench_expect(t, "write drop #1\n");
    assert_int_equal(bench_queue(t).committed, 1);
    assert_int_equal(bench_queue(t).elided, 0);
}

static void
request_answered_while_its_put_is_written_is_freed_at_the_commit(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 1, REPEATABLE);
    bench_tick(t, 10);
    assert_true(bench_take(t));
    bench_forget(t);
    bench_result(t, 2, 1, EPOCH(1));
    bench_ack(t, 1, 1, EPOCH(1));
    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\nrespond-ack s2 r1 done\n"
                    "outcome r1 none\n");
    assert_false(bench_take(t));

    bench_commit(t);
    bench_expect(t, "free r1\n");
    bench_tick(t, 50);
    assert_true(bench_take(t));
    bench_expect(t, "write drop #1\n");
}

static void
commit_forced_by_a_strict_command_takes_only_lazy_puts_that_are_due(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);

    bench_submit(t, 1, 1, REPEATABLE);
    bench_tick(t, 10);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_submit(t, 1, 3, ASYNC);
    bench_forget(t);
    assert_true(bench_take(t));

    bench_expect(t, "write put #3\nwrite put #1\n");
}

static void nothing_more_is_handed_out_while_a_batch_is_being_written(void **state)
{
    (void)state;
    bench_init(t, BROKER_STRICT, NULL);
    bench_pair(t, 0);

    bench_submit(t, 1, 1, REPEATABLE);
    assert_true(bench_take(t));
    bench_submit(t, 1, 2, REPEATABLE);

    assert_int_equal(broker_batch_due(t->broker).us, HF_TIME_NEVER.us);
    assert_false(bench_take(t));
    bench_commit(t);
    assert_true(bench_take(t));
}

static void
strict_request_cancelled_before_its_put_is_taken_is_never_written(void **state)
{
    (void)state;
    bench_init(t, BROKER_STRICT, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 1, REPEATABLE);
    bench_about(t, BROKER_IN_CANCEL, 1, 1, 0);

    bench_expect(t, "hold r1\noutcome r1 Connection_Dropped\nfree r1\n");
    assert_false(bench_take(t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(strict_request_is_delivered_only_after_its_commit,
                                  teardown),
        cmocka_unit_test_teardown(
            dispatch_of_an_unrepeatable_strict_request_rides_with_its_put, teardown),
        cmocka_unit_test_teardown(
            dispatch_without_idle_credit_is_written_when_a_worker_comes, teardown),
        cmocka_unit_test_teardown(
            worker_lost_while_its_dispatch_is_written_has_not_started, teardown),
        cmocka_unit_test_teardown(
            async_request_is_accepted_after_its_commit_and_dropped_after_its_answer,
            teardown),
        cmocka_unit_test_teardown(memory_queue_refuses_async_and_never_writes,
                                  teardown),
        cmocka_unit_test_teardown(
            lazy_put_is_due_after_lazy_commit_and_its_drop_waits_for_company, teardown),
        cmocka_unit_test_teardown(
            request_answered_while_its_put_is_written_is_freed_at_the_commit, teardown),
        cmocka_unit_test_teardown(
            commit_forced_by_a_strict_command_takes_only_lazy_puts_that_are_due,
            teardown),
        cmocka_unit_test_teardown(
            nothing_more_is_handed_out_while_a_batch_is_being_written, teardown),
        cmocka_unit_test_teardown(
            strict_request_cancelled_before_its_put_is_taken_is_never_written,
            teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
