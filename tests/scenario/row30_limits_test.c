/* FEATURES row 30: a queue's limits of requests in flight and of leases a second; what
 * is beyond waits, or is refused with 429. */
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

static void setup(const struct broker_queue_rules *rules)
{
    struct broker_queue_policy policy = bench_policy(BROKER_MEMORY);

    bench_init(t, BROKER_MEMORY, NULL);
    policy.rules = *rules;
    bench_policy_step(t, &policy, 1);
    bench_pair(t, 100);
}

static void submit_many(unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bench_submit(t, 1, first + i, REPEATABLE);
    }
}

static unsigned leases(void)
{
    return (unsigned)bench_queue(t).in_flight;
}

static void no_more_than_max_in_flight_are_with_workers(void **state)
{
    (void)state;
    setup(&(struct broker_queue_rules){.max_in_flight = 3});
    submit_many(1, 5);
    assert_int_equal(leases(), 3);
    bench_forget(t);

    bench_result(t, 2, 1, EPOCH(1));
    bench_ack(t, 1, 1, EPOCH(1));

    assert_int_equal(leases(), 3);
    assert_non_null(strstr(t->text, "assign s2 r4 e4 attempt 1\n"));
}

static void rate_gives_a_burst_and_then_one_each_interval(void **state)
{
    (void)state;
    setup(&(struct broker_queue_rules){.rate_milli = 2000, .burst = 3});
    submit_many(1, 6);
    assert_int_equal(leases(), 3);

    bench_run(t, 499);
    assert_int_equal(leases(), 3);
    bench_run(t, 2);
    assert_int_equal(leases(), 4);
    bench_run(t, 500);
    assert_int_equal(leases(), 5);
    bench_run(t, 500);
    assert_int_equal(leases(), 6);
}

static void idle_time_fills_the_burst_and_no_more(void **state)
{
    (void)state;
    setup(&(struct broker_queue_rules){.rate_milli = 2000, .burst = 3});
    submit_many(1, 3);
    bench_run(t, 10000);

    submit_many(11, 6);

    assert_int_equal(leases(), 6);
}

static void without_a_burst_one_second_of_the_rate_may_come_at_once(void **state)
{
    (void)state;
    setup(&(struct broker_queue_rules){.rate_milli = 4000});
    submit_many(1, 10);
    assert_int_equal(leases(), 4);
}

static void refusing_queue_answers_429_with_the_time_to_come_again(void **state)
{
    (void)state;
    setup(&(struct broker_queue_rules){
        .rate_milli = 2000, .burst = 2, .is_refusing = true});
    submit_many(1, 2);
    bench_forget(t);

    submit_many(3, 1);
    assert_non_null(strstr(t->text, "refused s1 r3 TooManyRequests"));
    assert_int_equal(hf_reason_status(HF_REASON_TOO_MANY), 429);

    bench_run(t, 501);
    bench_forget(t);
    submit_many(4, 1);
    assert_non_null(strstr(t->text, "assign s2 r4"));
}

static void refusing_queue_counts_what_is_in_flight(void **state)
{
    (void)state;
    setup(&(struct broker_queue_rules){.max_in_flight = 1, .is_refusing = true});
    submit_many(1, 2);
    assert_non_null(strstr(t->text, "refused s1 r2 TooManyRequests"));
    bench_result(t, 2, 1, EPOCH(1));
    bench_ack(t, 1, 1, EPOCH(1));
    bench_forget(t);

    submit_many(3, 1);
    assert_non_null(strstr(t->text, "assign s2 r3"));
}

static void limits_that_are_lifted_let_go_at_once(void **state)
{
    struct broker_queue_policy policy = bench_policy(BROKER_MEMORY);

    (void)state;
    setup(&(struct broker_queue_rules){.max_in_flight = 1, .rate_milli = 1});
    submit_many(1, 4);
    assert_int_equal(leases(), 1);

    bench_policy_step(t, &policy, 1);

    assert_int_equal(leases(), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(no_more_than_max_in_flight_are_with_workers,
                                  teardown),
        cmocka_unit_test_teardown(rate_gives_a_burst_and_then_one_each_interval,
                                  teardown),
        cmocka_unit_test_teardown(idle_time_fills_the_burst_and_no_more, teardown),
        cmocka_unit_test_teardown(
            without_a_burst_one_second_of_the_rate_may_come_at_once, teardown),
        cmocka_unit_test_teardown(
            refusing_queue_answers_429_with_the_time_to_come_again, teardown),
        cmocka_unit_test_teardown(refusing_queue_counts_what_is_in_flight, teardown),
        cmocka_unit_test_teardown(limits_that_are_lifted_let_go_at_once, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
