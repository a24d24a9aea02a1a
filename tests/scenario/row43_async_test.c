/* FEATURES rows 43, 44 and 51 in the core: the response of an asynchronous request is
 * held until its answer is on disk, and its worker is told after that. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ASYNC BROKER_SUBMIT_ASYNC

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static const struct broker_command *last_drop(void)
{
    const struct broker_command *last = &t->batch.items[t->batch.count - 1];

    assert_int_equal(last->type, BROKER_CMD_DROP);
    return last;
}

static void accept_one(void)
{
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, ASYNC);
    assert_true(bench_take(t));
    bench_commit(t);
}

static void called_off_request_ends_with_its_reason_on_disk(void **state)
{
    (void)state;
    accept_one();
    bench_about(t, BROKER_IN_CALL_OFF, 0, 1, 0);
    bench_run(t, 1000);
    assert_true(bench_take(t));
    assert_int_equal(last_drop()->reason, HF_REASON_CANCELLED);
    assert_false(last_drop()->is_answered);
    bench_commit(t);
}

static void answered_request_is_dropped_with_its_response(void **state)
{
    (void)state;
    accept_one();
    bench_result(t, 2, 1, EPOCH(1));
    bench_run(t, 1000);
    assert_true(bench_take(t));
    assert_true(last_drop()->is_answered);
    assert_int_not_equal(last_drop()->slot, 0);
    bench_commit(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(called_off_request_ends_with_its_reason_on_disk,
                                  teardown),
        cmocka_unit_test_teardown(answered_request_is_dropped_with_its_response,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
