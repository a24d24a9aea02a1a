/* What is refused, and with which reason; what ends by itself (FEATURES.md 22-25, 32).
 */
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

static void policy(void (*change)(struct broker_queue_policy *))
{
    struct broker_queue_policy p = bench_policy(BROKER_LAZY);

    change(&p);
    bench_policy_step(t, &p, 1);
}

static void paused(struct broker_queue_policy *p)
{
    p->state = BROKER_QUEUE_PAUSED;
}

static void draining(struct broker_queue_policy *p)
{
    p->state = BROKER_QUEUE_DRAINING;
}

static void disabled(struct broker_queue_policy *p)
{
    p->state = BROKER_QUEUE_DISABLED;
}

static void enabled(struct broker_queue_policy *p)
{
    p->state = BROKER_QUEUE_ENABLED;
}

static void short_queue(struct broker_queue_policy *p)
{
    p->length_max = 10;
}

static void full_queue_refuses_and_says_when_to_come_back(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    policy(short_queue);
    bench_pair(t, 0);
    bench_credit(t, 2, 5);
    for (unsigned id = 1; id <= 5; id++) {
        bench_submit(t, 1, id, REPEATABLE);
        bench_result(t, 2, id, EPOCH(id));
        bench_ack(t, 1, id, EPOCH(id));
    }
    for (unsigned id = 11; id <= 20; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_forget(t);

    bench_submit(t, 1, 21, REPEATABLE);
    bench_expect(t, "refused s1 r21 QueueFull retry 20000\noutcome r21 QueueFull\n");

    bench_tick(t, 11000);
    bench_submit(t, 1, 22, REPEATABLE);
    bench_expect(t, "refused s1 r22 QueueFull retry 60000\noutcome r22 QueueFull\n");
    assert_int_equal(bench_queue(t).refused, 2);
}

static void requests_max_refuses_over_all_queues(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.requests_max = 2;
    config.incarnation = 2; /* EPOCH is of the process before */
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_forget(t);

    bench_submit(t, 1, 3, REPEATABLE);
    bench_declare(t, 2, 4, EPOCH(4));
    bench_submit(t, 1, 5, REOFFER | ASSIGNED);

    bench_expect(t, "refused s1 r3 QueueFull retry 60000\noutcome r3 QueueFull\n"
                    "declared s2 r4 not-kept\n"
                    "refused s1 r5 outcome-unknown\noutcome r5 outcome-unknown\n");
}

static void full_store_refuses_what_would_be_written(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_step(t,
               (struct broker_input){.type = BROKER_IN_SPACE, .u.space.is_full = true});
    bench_submit(t, 1, 1, REPEATABLE);
    bench_expect(t, "refused s1 r1 DiskFull\noutcome r1 DiskFull\n");

    bench_step(t, (struct broker_input){.type = BROKER_IN_SPACE});
    bench_submit(t, 1, 1, REPEATABLE);
    bench_expect(t, "hold r1\n");
}

static void memory_queue_goes_on_while_the_store_is_full(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 0);
    bench_step(t,
               (struct broker_input){.type = BROKER_IN_SPACE, .u.space.is_full = true});

    bench_submit(t, 1, 1, REPEATABLE);

    bench_expect(t, "hold r1\n");
}

static void paused_queue_accepts_and_delivers_when_enabled_again(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    policy(paused);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_expect(t, "hold r1\n");

    policy(enabled);

    bench_expect(t, "assign s2 r1 e1 attempt 1\n");
}

static void draining_queue_delivers_and_refuses(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    policy(draining);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_credit(t, 2, 1);

    bench_expect(t, "hold r1\nrefused s1 r2 AppShutdown\noutcome r2 AppShutdown\n"
                    "assign s2 r1 e1 attempt 1\n");
}

static void disabled_queue_neither_accepts_nor_delivers(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    policy(disabled);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_credit(t, 2, 1);

    bench_expect(t, "hold r1\nrefused s1 r2 Disabled\noutcome r2 Disabled\n");
}

static void
removed_queue_refuses_at_once_and_closes_its_handles_when_empty(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_policy_step(t, NULL, 0);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_expect(t, "hold r1\nrefused s1 r2 unbound\noutcome r2 unbound\n");

    bench_about(t, BROKER_IN_CANCEL, 1, 1, 0);
    bench_expect(t, "outcome r1 Connection_Dropped\nfree r1\nclosed s1 h1 unbound\n"
                    "closed s2 h1 unbound\n");

    bench_submit(t, 1, 3, REPEATABLE);
    bench_credit(t, 2, 1);
    bench_open(t, 1, 1, FRONTEND_RIGHTS);
    bench_expect(t, "refused s1 r3 unbound\noutcome r3 unbound\nopened s1 h1 denied\n");
    assert_int_equal(broker_queue_find(t->broker, HF_SLICE("q")), 0);
}

static void policy_is_acknowledged_after_its_commit(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    struct broker_queue_policy p = bench_policy(BROKER_LAZY);

    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_BEGIN, .session = 1});
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_POLICY_QUEUE, .session = 1, .u.policy = p});
    bench_step(t, (struct broker_input){.type = BROKER_IN_POLICY_END,
                                        .session = 1,
                                        .u.revision.version = 7});
    assert_true(bench_take(t));
    bench_expect(t, "write policy\n");
    bench_commit(t);

    bench_expect(t, "policy-ack s1 7\n");
}

static void request_waits_no_longer_than_the_wait_limit(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_run(t, 119900);
    bench_expect(t, "hold r1\n");

    t->now = hf_time_add_ms(t->now, 100);
    bench_credit(t, 2, 1);

    bench_expect(t, "refused s1 r1 AppPoolTimer\noutcome r1 AppPoolTimer\nfree r1\n");
}

static void deadline_ends_a_leased_request_and_tells_its_worker(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 1,
                      .handle = 1,
                      .id = bench_id(1),
                      .u.submit = {.flags = REPEATABLE,
                                   .deadline = hf_time_add_ms(t->now, 500)}});
    bench_forget(t);

    bench_run(t, 510);
    bench_result(t, 2, 1, EPOCH(1));

    bench_expect(t, "cancel s2 r1 e1 deadline\nrefused s1 r1 deadline\n"
                    "outcome r1 deadline\nfree r1\nrespond-ack s2 r1 stale\n");
}

static void request_past_its_deadline_is_not_admitted(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);

    bench_step(t, (struct broker_input){.type = BROKER_IN_SUBMIT,
                                        .session = 1,
                                        .handle = 1,
                                        .id = bench_id(1),
                                        .u.submit = {.deadline = t->now}});

    bench_expect(t, "refused s1 r1 deadline\noutcome r1 deadline\n");
}

static void cancelled_request_is_removed_or_its_worker_told(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_forget(t);

    bench_about(t, BROKER_IN_CANCEL, 1, 2, 0);
    bench_about(t, BROKER_IN_CANCEL, 1, 1, 0);

    bench_expect(t, "outcome r2 Connection_Dropped\nfree r2\n"
                    "cancel s2 r1 e1 Connection_Dropped\n"
                    "outcome r1 Connection_Dropped\nfree r1\n");
}

static void submit_without_the_right_is_a_violation(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);

    bench_submit(t, 2, 1, REPEATABLE);

    bench_expect(t, "violation s2 protocol\n");
}

static void credit_without_the_right_is_a_violation(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);

    bench_credit(t, 1, 1);

    bench_expect(t, "violation s1 protocol\n");
}

static void credit_beyond_its_limit_is_a_violation(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);

    bench_credit(t, 2, 65535);

    bench_expect(t, "violation s2 limit\n");
}

static void response_by_a_worker_without_the_right_is_denied(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_up(t, 3, 'X');
    bench_open(t, 3, 1, BROKER_RIGHT_RECEIVE);
    bench_credit(t, 3, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_forget(t);

    bench_result(t, 3, 1, EPOCH(1));

    bench_expect(t, "respond-ack s3 r1 denied\n");
}

static void open_handle_cannot_be_opened_again(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);

    bench_open(t, 1, 1, FRONTEND_RIGHTS);

    bench_expect(t, "violation s1 protocol\n");
}

static void unknown_queue_cannot_be_opened(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);

    bench_step(t, (struct broker_input){.type = BROKER_IN_OPEN,
                                        .session = 1,
                                        .handle = 2,
                                        .u.open = {HF_SLICE("other"), 4}});

    bench_expect(t, "opened s1 h2 denied\n");
}

static void in_flight_max_holds_back_and_goes_on_when_there_is_room(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.in_flight_max = 1;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 2);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, REPEATABLE);
    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\nhold r2\n");

    bench_result(t, 2, 1, EPOCH(1));

    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\nassign s2 r2 e2 attempt 1\n");
}

static void more_matches_than_one_step_takes_are_due_at_once(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.requests_max = 200;
    config.in_flight_max = 200;
    bench_init(t, BROKER_LAZY, &config);
    struct broker_queue_policy p = bench_policy(BROKER_LAZY);

    p.length_max = 100;
    bench_policy_step(t, &p, 1);
    bench_pair(t, 0);
    for (unsigned id = 1; id <= 100; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    bench_credit(t, 2, 100);
    assert_int_equal(t->effects.count, 64);
    assert_int_equal(broker_next_deadline(t->broker).us, 0);

    bench_tick(t, 0);
    assert_int_equal(t->effects.count, 36);
    assert_true(broker_next_deadline(t->broker).us > t->now.us);
}

static void workers_take_turns(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 2);
    bench_up(t, 3, 'X');
    bench_open(t, 3, 1, WORKER_RIGHTS);
    bench_credit(t, 3, 2);
    bench_forget(t);
    for (unsigned id = 1; id <= 5; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }

    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\n"
                    "hold r2\nassign s3 r2 e2 attempt 1\n"
                    "hold r3\nassign s2 r3 e3 attempt 1\n"
                    "hold r4\nassign s3 r4 e4 attempt 1\nhold r5\n");
}

static void peek_pages_through_queued_ids(void **state)
{
    (void)state;
    uint64_t cursor = 0;
    hf_id ids[2];

    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    for (unsigned id = 1; id <= 3; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }

    assert_int_equal(broker_peek(t->broker, 1, &cursor, ids, 2), 2);
    assert_true(hf_id_equal(ids[1], bench_id(2)));
    assert_int_equal(broker_peek(t->broker, 1, &cursor, ids, 2), 1);
    assert_true(hf_id_equal(ids[0], bench_id(3)));
    assert_true(cursor == BROKER_PEEK_END);
    assert_int_equal(broker_peek(t->broker, 1, &cursor, ids, 2), 0);
}

static void planted_faults_are_there_to_be_found(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.planted = BROKER_PLANT_ACK_BEFORE_COMMIT;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, ASYNC);
    bench_expect(t, "hold r1\naccepted s1 r1\n");
    bench_fini(t);

    config.planted = BROKER_PLANT_DROP_BEFORE_ACK;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_result(t, 2, 1, EPOCH(1));
    bench_expect(
        t, "hold r1\nassign s2 r1 e1 attempt 1\nhold-response r1\n"
           "response s1 r1 e1\nrespond-ack s2 r1 done\noutcome r1 none\nfree r1\n");
    bench_fini(t);

    config.planted = BROKER_PLANT_ADOPT_WITHOUT_RECEIPT;
    config.incarnation = 2;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 0);
    bench_step(t, (struct broker_input){.type = BROKER_IN_DECLARE,
                                        .session = 2,
                                        .handle = 1,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1)});
    bench_expect(t, "declared s2 r1 kept\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(full_queue_refuses_and_says_when_to_come_back,
                                  teardown),
        cmocka_unit_test_teardown(requests_max_refuses_over_all_queues, teardown),
        cmocka_unit_test_teardown(full_store_refuses_what_would_be_written, teardown),
        cmocka_unit_test_teardown(memory_queue_goes_on_while_the_store_is_full,
                                  teardown),
        cmocka_unit_test_teardown(paused_queue_accepts_and_delivers_when_enabled_again,
                                  teardown),
        cmocka_unit_test_teardown(draining_queue_delivers_and_refuses, teardown),
        cmocka_unit_test_teardown(disabled_queue_neither_accepts_nor_delivers,
                                  teardown),
        cmocka_unit_test_teardown(
            removed_queue_refuses_at_once_and_closes_its_handles_when_empty, teardown),
        cmocka_unit_test_teardown(policy_is_acknowledged_after_its_commit, teardown),
        cmocka_unit_test_teardown(request_waits_no_longer_than_the_wait_limit,
                                  teardown),
        cmocka_unit_test_teardown(deadline_ends_a_leased_request_and_tells_its_worker,
                                  teardown),
        cmocka_unit_test_teardown(request_past_its_deadline_is_not_admitted, teardown),
        cmocka_unit_test_teardown(cancelled_request_is_removed_or_its_worker_told,
                                  teardown),
        cmocka_unit_test_teardown(submit_without_the_right_is_a_violation, teardown),
        cmocka_unit_test_teardown(credit_without_the_right_is_a_violation, teardown),
        cmocka_unit_test_teardown(credit_beyond_its_limit_is_a_violation, teardown),
        cmocka_unit_test_teardown(response_by_a_worker_without_the_right_is_denied,
                                  teardown),
        cmocka_unit_test_teardown(open_handle_cannot_be_opened_again, teardown),
        cmocka_unit_test_teardown(unknown_queue_cannot_be_opened, teardown),
        cmocka_unit_test_teardown(
            in_flight_max_holds_back_and_goes_on_when_there_is_room, teardown),
        cmocka_unit_test_teardown(more_matches_than_one_step_takes_are_due_at_once,
                                  teardown),
        cmocka_unit_test_teardown(workers_take_turns, teardown),
        cmocka_unit_test_teardown(peek_pages_through_queued_ids, teardown),
        cmocka_unit_test_teardown(planted_faults_are_there_to_be_found, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
