/* FEATURES row 26: under overload an adaptive queue serves the newest first and lets
 * its oldest go. */
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

static void setup(enum broker_order order, uint32_t length)
{
    struct broker_queue_policy policy = bench_policy(BROKER_MEMORY);

    bench_init(t, BROKER_MEMORY, NULL);
    policy.rules.order = order;
    policy.length_max = length;
    bench_policy_step(t, &policy, 1);
    bench_pair(t, 0);
}

/* Serves one request every 600 ms, so that each has waited too long when its turn
 * comes; returns when overload has been noticed. */
static void overload(unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bench_submit(t, 1, first + i, REPEATABLE);
    }
    bench_tick(t, 600);
    bench_credit(t, 2, 1); /* the oldest: noticed to be late */
    bench_tick(t, 1100);
}

static void newest_is_served_first_once_requests_waited_too_long(void **state)
{
    (void)state;
    setup(BROKER_ADAPTIVE, 100);
    overload(1, 4);
    bench_submit(t, 1, 9, REPEATABLE);
    bench_expect(t, "hold r1\nhold r2\nhold r3\nhold r4\n"
                    "assign s2 r1 e1 attempt 1\n"
                    "hold r9\n");

    bench_credit(t, 2, 2);

    bench_expect(t, "assign s2 r9 e2 attempt 1\n"
                    "assign s2 r4 e3 attempt 1\n");
}

static void fifo_queue_keeps_its_order_however_long_they_waited(void **state)
{
    (void)state;
    setup(BROKER_FIFO, 100);
    overload(1, 4);
    bench_submit(t, 1, 9, REPEATABLE);
    bench_forget(t);

    bench_credit(t, 2, 2);

    bench_expect(t, "assign s2 r2 e2 attempt 1\n"
                    "assign s2 r3 e3 attempt 1\n");
}

static void
half_a_second_of_waiting_for_less_than_a_second_changes_nothing(void **state)
{
    (void)state;
    setup(BROKER_ADAPTIVE, 100);
    for (unsigned i = 1; i <= 4; i++) {
        bench_submit(t, 1, i, REPEATABLE);
    }
    bench_tick(t, 600);
    bench_credit(t, 2, 1);
    bench_tick(t, 900);
    bench_forget(t);

    bench_credit(t, 2, 1);

    bench_expect(t, "assign s2 r2 e2 attempt 1\n");
}

static void full_queue_lets_its_oldest_go_for_the_newest(void **state)
{
    (void)state;
    setup(BROKER_ADAPTIVE, 10);
    overload(1, 10);
    bench_credit(t, 2, 1); /* overload is on: r10 goes */
    for (unsigned i = 11; i <= 12; i++) {
        bench_submit(t, 1, i, REPEATABLE);
    }
    bench_forget(t);

    bench_submit(t, 1, 13, REPEATABLE);

    bench_expect(t, "refused s1 r2 AppPoolTimer\n"
                    "outcome r2 AppPoolTimer\n"
                    "free r2\n"
                    "hold r13\n");
}

static void order_returns_when_the_oldest_is_young_again(void **state)
{
    (void)state;
    setup(BROKER_ADAPTIVE, 100);
    overload(1, 2);
    bench_credit(t, 2, 5); /* all are served */
    for (unsigned i = 5; i <= 7; i++) {
        bench_submit(t, 1, i, REPEATABLE);
    }
    bench_down(t, 2);
    bench_forget(t);
    bench_up(t, 3, 'X');
    bench_open(t, 3, 1, BROKER_RIGHT_RECEIVE | BROKER_RIGHT_RESPOND);
    for (unsigned i = 15; i <= 16; i++) {
        bench_submit(t, 1, i, REPEATABLE);
    }
    bench_forget(t);

    bench_credit(t, 3, 1);

    assert_non_null(strstr(t->text, "assign s3 r"));
    assert_null(strstr(t->text, "assign s3 r16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(newest_is_served_first_once_requests_waited_too_long,
                                  teardown),
        cmocka_unit_test_teardown(fifo_queue_keeps_its_order_however_long_they_waited,
                                  teardown),
        cmocka_unit_test_teardown(
            half_a_second_of_waiting_for_less_than_a_second_changes_nothing, teardown),
        cmocka_unit_test_teardown(full_queue_lets_its_oldest_go_for_the_newest,
                                  teardown),
        cmocka_unit_test_teardown(order_returns_when_the_oldest_is_young_again,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
