/* A broker that starts again on what its store held (ARCHITECTURE.md 6, restart). */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define REPEATABLE BROKER_SUBMIT_REPEATABLE
#define ASYNC      BROKER_SUBMIT_ASYNC
#define REOFFER    BROKER_SUBMIT_REOFFER
#define ASSIGNED   BROKER_SUBMIT_ASSIGNED

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static void recovered(unsigned id, uint32_t flags, uint64_t dispatched_epoch)
{
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_RECOVERED,
                      .id = bench_id(id),
                      .u.recovered = {.seq = id,
                                      .queue = HF_SLICE("q"),
                                      .owner = bench_key('F'),
                                      .flags = flags,
                                      .head_bytes = 100,
                                      .enqueued = t->now,
                                      .deadline = hf_time_add_ms(t->now, 600000),
                                      .dispatched_epoch = dispatched_epoch,
                                      .dispatched_to = bench_key('W')}});
}

static void recovered_end(void)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_RECOVERED_END});
    bench_expect(t, "");
}

static void second_start(enum broker_durability durability)
{
    struct broker_config config = bench_config();

    config.incarnation = 2;
    bench_init(t, durability, &config);
}

static void
recovered_sync_request_is_not_delivered_before_its_frontend_offers_it(void **state)
{
    (void)state;
    second_start(BROKER_LAZY);
    recovered(1, REPEATABLE, 0);
    recovered_end();
    bench_pair(t, 1);

    bench_run(t, 1000);
    bench_expect(t, "");
    bench_submit(t, 1, 1, REPEATABLE | REOFFER);

    bench_expect(t, "assign s2 r1 e1 attempt 1\n");
}

static void recovered_sync_request_is_dropped_after_broker_grace(void **state)
{
    (void)state;
    second_start(BROKER_LAZY);
    recovered(1, REPEATABLE, 0);
    t->now = hf_time_add_ms(t->now, 20000);
    recovered_end();

    bench_run(t, 29900);
    bench_expect(t, "");
    bench_run(t, 200);

    bench_expect(t, "outcome r1 Connection_Dropped\nfree r1\n");
    bench_run(t, 50);
    assert_true(bench_take(t));
    bench_expect(t, "write drop #1\n");
}

static void recovered_async_request_is_delivered_in_its_order(void **state)
{
    (void)state;
    second_start(BROKER_LAZY);
    recovered(1, ASYNC, 0);
    recovered(2, ASYNC, EPOCH(3));
    recovered_end();

    bench_pair(t, 0);
    bench_credit(t, 2, 2);

    bench_expect(t, "assign s2 r1 e1 attempt 1\nassign s2 r2 e2 attempt 1\n");
}

static void dispatched_post_without_a_declaration_ends_as_outcome_unknown(void **state)
{
    (void)state;
    second_start(BROKER_STRICT);
    recovered(1, 0, EPOCH(3));
    recovered_end();
    bench_pair(t, 1);
    bench_run(t, 2000);

    bench_submit(t, 1, 1, REOFFER);
    bench_run(t, 4900);
    bench_expect(t, "");
    bench_run(t, 200);

    bench_expect(
        t, "refused s1 r1 outcome-unknown\noutcome r1 outcome-unknown\nfree r1\n");
}

static void dispatched_post_is_answered_by_the_worker_that_declares_it(void **state)
{
    (void)state;
    second_start(BROKER_STRICT);
    recovered(1, 0, EPOCH(3));
    recovered_end();
    bench_pair(t, 1);

    bench_submit(t, 1, 1, REOFFER);
    bench_declare(t, 2, 1, EPOCH(3));
    bench_result(t, 2, 1, EPOCH(3));

    bench_expect(t, "declared s2 r1 kept\nhold-response r1\nresponse s1 r1 e3\n");
}

static void undispatched_post_of_a_strict_queue_is_simply_run(void **state)
{
    (void)state;
    second_start(BROKER_STRICT);
    recovered(1, 0, 0);
    recovered_end();
    bench_pair(t, 1);

    bench_submit(t, 1, 1, REOFFER);
    assert_true(bench_take(t));
    bench_commit(t);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, (uint64_t)2 << 32 | 1);

    bench_expect(t, "write dispatch #1 e1 W\nassigned s1 r1 e1\n"
                    "assign s2 r1 e1 attempt 1\n");
}

static void stored_post_of_a_lazy_queue_that_was_assigned_is_not_run_again(void **state)
{
    (void)state;
    second_start(BROKER_LAZY);
    recovered(1, 0, 0);
    recovered_end();
    bench_pair(t, 1);

    bench_submit(t, 1, 1, REOFFER | ASSIGNED);
    bench_run(t, 5100);

    bench_expect(
        t, "refused s1 r1 outcome-unknown\noutcome r1 outcome-unknown\nfree r1\n");
}

static void body_that_never_came_whole_is_dropped(void **state)
{
    (void)state;
    second_start(BROKER_LAZY);
    bench_step(
        t, (struct broker_input){.type = BROKER_IN_RECOVERED,
                                 .id = bench_id(1),
                                 .u.recovered = {.seq = 1,
                                                 .queue = HF_SLICE("q"),
                                                 .flags = ASYNC,
                                                 .body_bytes = BROKER_BODY_INCOMPLETE,
                                                 .deadline = HF_TIME_NEVER}});

    bench_expect(t, "outcome r1 Connection_Dropped\nfree r1\n");
    t->now = hf_time_add_ms(t->now, 50);
    assert_true(bench_take(t));
    bench_expect(t, "write drop #1\n");
}

static void record_of_a_queue_that_is_gone_is_kept(void **state)
{
    (void)state;
    struct broker_queue_view view;

    second_start(BROKER_LAZY);
    bench_policy_step(t, NULL, 0);
    recovered(1, ASYNC, 0);
    recovered_end();

    assert_true(
        broker_queue_at(t->broker, broker_queue_find(t->broker, HF_SLICE("q")), &view));
    assert_int_equal(view.depth, 1);
}

static void planted_delivery_of_unclaimed_requests_is_there_to_be_found(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.planted = BROKER_PLANT_DELIVER_UNCLAIMED;
    bench_init(t, BROKER_LAZY, &config);
    recovered(1, REPEATABLE, 0);
    recovered_end();
    bench_pair(t, 0);
    bench_credit(t, 2, 1);

    assert_int_equal(bench_queue(t).in_flight, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            recovered_sync_request_is_not_delivered_before_its_frontend_offers_it,
            teardown),
        cmocka_unit_test_teardown(recovered_sync_request_is_dropped_after_broker_grace,
                                  teardown),
        cmocka_unit_test_teardown(recovered_async_request_is_delivered_in_its_order,
                                  teardown),
        cmocka_unit_test_teardown(
            dispatched_post_without_a_declaration_ends_as_outcome_unknown, teardown),
        cmocka_unit_test_teardown(
            dispatched_post_is_answered_by_the_worker_that_declares_it, teardown),
        cmocka_unit_test_teardown(undispatched_post_of_a_strict_queue_is_simply_run,
                                  teardown),
        cmocka_unit_test_teardown(
            stored_post_of_a_lazy_queue_that_was_assigned_is_not_run_again, teardown),
        cmocka_unit_test_teardown(body_that_never_came_whole_is_dropped, teardown),
        cmocka_unit_test_teardown(record_of_a_queue_that_is_gone_is_kept, teardown),
        cmocka_unit_test_teardown(
            planted_delivery_of_unclaimed_requests_is_there_to_be_found, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
