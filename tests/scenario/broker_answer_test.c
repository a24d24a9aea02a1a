/* The journey of one request through the broker, from SUBMIT to RESPONSE_ACK. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

static void repeatable_lazy_request_is_answered_without_touching_the_disk(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 7, REPEATABLE);
    bench_result(t, 2, 7, EPOCH(1));
    bench_ack(t, 1, 7, EPOCH(1));

    bench_expect(t, "hold r7\n"
                    "assign s2 r7 e1 attempt 1\n"
                    "hold-response r7\n"
                    "response s1 r7 e1\n"
                    "respond-ack s2 r7 done\n"
                    "outcome r7 none\n"
                    "free r7\n");
    t->now = hf_time_add_ms(t->now, 1000);
    assert_false(bench_take(t));
    assert_int_equal(bench_queue(t).elided, 1);
    assert_int_equal(bench_queue(t).committed, 0);
    assert_int_equal(bench_queue(t).answered, 1);
}

static void
unrepeatable_lazy_request_starts_only_after_its_frontend_noted_it(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);

    bench_submit(t, 1, 7, 0);
    bench_expect(t, "hold r7\nassigned s1 r7 e1\n");

    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 7, EPOCH(1));
    bench_expect(t, "assign s2 r7 e1 attempt 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            repeatable_lazy_request_is_answered_without_touching_the_disk, teardown),
        cmocka_unit_test_teardown(
            unrepeatable_lazy_request_starts_only_after_its_frontend_noted_it,
            teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
