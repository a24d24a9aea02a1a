/* Lost workers: what is run again, what waits, what gets an honest 502 (FEATURES.md 40,
 * 45-47). */
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

static void start_unrepeatable(void)
{
    bench_pair(t, 1);
    bench_submit(t, 1, 1, 0);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    bench_expect(t, "hold r1\nassigned s1 r1 e1\nassign s2 r1 e1 attempt 1\n");
}

/* Session 3, key X: another worker with the only credit. */
static void other_worker(uint32_t credit)
{
    bench_up(t, 3, 'X');
    bench_open(t, 3, 1, WORKER_RIGHTS);
    bench_credit(t, 3, credit);
}

static void repeatable_lease_returns_to_the_front_at_once(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, REPEATABLE);

    bench_down(t, 2);
    bench_forget(t);
    other_worker(2);

    bench_expect(t, "opened s3 h1 none\nassign s3 r1 e2 attempt 2\n"
                    "assign s3 r2 e3 attempt 1\n");
}

static void several_leases_of_a_lost_worker_keep_their_order(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 3);
    for (unsigned id = 1; id <= 4; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }

    bench_down(t, 2);
    bench_forget(t);
    other_worker(4);

    bench_expect(t, "opened s3 h1 none\nassign s3 r1 e4 attempt 2\n"
                    "assign s3 r2 e5 attempt 2\nassign s3 r3 e6 attempt 2\n"
                    "assign s3 r4 e7 attempt 1\n");
}

static void offered_request_goes_to_another_worker_when_its_own_is_lost(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, 0);
    bench_down(t, 2);
    other_worker(1);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(2));

    bench_expect(t, "hold r1\nassigned s1 r1 e1\nopened s3 h1 none\n"
                    "assigned s1 r1 e2\nassign s3 r1 e2 attempt 1\n");
}

static void started_unrepeatable_request_is_never_given_to_another(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();

    bench_down(t, 2);
    other_worker(1);
    bench_run(t, 4990);
    bench_expect(t, "opened s3 h1 none\n");

    bench_run(t, 20);
    bench_expect(t, "refused s1 r1 worker-lost\noutcome r1 worker-lost\nfree r1\n");
}

static void same_holder_takes_its_lease_up_again_within_the_grace(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();

    bench_down(t, 2);
    bench_run(t, 4000);
    bench_up(t, 4, 'W');
    bench_open(t, 4, 1, WORKER_RIGHTS);
    bench_declare(t, 4, 1, EPOCH(1));
    bench_run(t, 4000);
    bench_result(t, 4, 1, EPOCH(1));

    bench_expect(t, "opened s4 h1 none\ndeclared s4 r1 kept\nhold-response r1\n"
                    "response s1 r1 e1\n");
}

static void dead_holder_ends_the_grace_at_once(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();

    bench_down(t, 2);
    bench_step(t, (struct broker_input){.type = BROKER_IN_HOLDER_DEAD,
                                        .u.holder.key = bench_key('W')});

    bench_expect(t, "refused s1 r1 worker-lost\noutcome r1 worker-lost\nfree r1\n");
}

static void dead_holder_with_a_session_still_up_loses_it_and_gets_no_grace(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();

    bench_step(t, (struct broker_input){.type = BROKER_IN_HOLDER_DEAD,
                                        .u.holder.key = bench_key('W')});

    bench_expect(t, "violation s2 worker-lost\nrefused s1 r1 worker-lost\n"
                    "outcome r1 worker-lost\nfree r1\n");
}

static void leases_not_renewed_are_lost(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_forget(t);

    bench_run(t, 20000);
    bench_about(t, BROKER_IN_RENEW, 2, 0, 0);
    bench_run(t, 29000);
    bench_expect(t, "");
    bench_run(t, 1000);
    bench_expect(t, "violation s2 worker-lost\n");

    bench_result(t, 2, 1, EPOCH(1));
    bench_expect(t, "");
}

static void whatever_a_worker_sends_renews_its_leases(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 3);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_forget(t);

    bench_run(t, 20000);
    bench_credit(t, 2, 1);
    bench_run(t, 29000);

    bench_expect(t, "");
    bench_run(t, 1000);
    bench_expect(t, "violation s2 worker-lost\n");
}

static void five_failed_attempts_end_a_request_and_later_ones_back_off(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 9);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_about(t, BROKER_IN_FAIL, 2, 1, EPOCH(1));
    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\nassign s2 r1 e2 attempt 2\n");

    bench_about(t, BROKER_IN_FAIL, 2, 1, EPOCH(2));
    bench_run(t, 749);
    bench_expect(t, "");
    bench_run(t, 507);
    bench_expect(t, "assign s2 r1 e3 attempt 3\n");

    for (unsigned n = 3; n <= 5; n++) {
        bench_about(t, BROKER_IN_RENEW, 2, 0, 0);
        bench_about(t, BROKER_IN_FAIL, 2, 1, EPOCH(n));
        bench_run(t, 10100);
    }
    bench_expect(t, "assign s2 r1 e4 attempt 4\nassign s2 r1 e5 attempt 5\n"
                    "refused s1 r1 attempts\noutcome r1 attempts\nfree r1\n");
}

static void failed_unrepeatable_request_is_refused_with_the_reason_given(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();

    bench_step(t, (struct broker_input){.type = BROKER_IN_FAIL,
                                        .session = 2,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1),
                                        .u.cause.reason = HF_REASON_UPSTREAM});

    bench_expect(t, "refused s1 r1 upstream\noutcome r1 upstream\nfree r1\n");
}

static void queue_that_always_redelivers_runs_a_lost_post_again(void **state)
{
    (void)state;
    struct broker_queue_policy policy = bench_policy(BROKER_LAZY);

    bench_init(t, BROKER_LAZY, NULL);
    policy.redeliver = BROKER_REDELIVER_ALWAYS;
    bench_policy_step(t, &policy, 1);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, 0);
    bench_down(t, 2);
    other_worker(1);

    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\nopened s3 h1 none\n"
                    "assign s3 r1 e2 attempt 2\n");
}

static void released_request_goes_to_another_and_is_not_charged(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();
    other_worker(1);

    bench_about(t, BROKER_IN_RELEASE, 2, 1, EPOCH(1));
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(2));

    bench_expect(t, "opened s3 h1 none\nassigned s1 r1 e2\n"
                    "assign s3 r1 e2 attempt 2\n");
}

static void draining_worker_gets_nothing_more_and_finishes_what_it_has(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 2);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, 0);
    bench_forget(t);

    bench_about(t, BROKER_IN_DRAINING, 2, 0, 0);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 2, EPOCH(2));
    bench_credit(t, 2, 5);
    bench_submit(t, 1, 3, REPEATABLE);
    bench_result(t, 2, 1, EPOCH(1));

    bench_expect(t, "hold r3\nhold-response r1\nresponse s1 r1 e1\n");
    assert_int_equal(bench_queue(t).depth, 2);
    assert_int_equal(bench_queue(t).idle_credit, 0);
}

static void
late_response_of_a_lost_lease_is_stale_and_a_foreign_one_denied(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 2);
    other_worker(1);
    bench_up(t, 4, 'W');
    bench_forget(t);

    bench_result(t, 4, 1, EPOCH(1));
    bench_result(t, 4, 1, EPOCH(2));
    bench_result(t, 4, 9, EPOCH(1));

    bench_expect(t, "respond-ack s4 r1 stale\nrespond-ack s4 r1 denied\n"
                    "respond-ack s4 r9 stale\n");
}

static void answer_survives_the_loss_of_its_worker(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_result(t, 2, 1, EPOCH(1));
    bench_down(t, 2);
    bench_forget(t);

    bench_ack(t, 1, 1, EPOCH(1));

    bench_expect(t, "outcome r1 none\nfree r1\n");
}

static void
reconnected_worker_moves_its_lease_from_a_session_not_yet_noticed_dead(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();
    bench_up(t, 4, 'W');
    bench_open(t, 4, 1, WORKER_RIGHTS);
    bench_declare(t, 4, 1, EPOCH(1));
    bench_down(t, 2);
    bench_result(t, 4, 1, EPOCH(1));

    bench_expect(t, "opened s4 h1 none\n"
                    "declared s4 r1 kept\nhold-response r1\nresponse s1 r1 e1\n");
}

static void declaration_without_a_valid_receipt_is_not_kept(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    start_unrepeatable();
    bench_down(t, 2);
    bench_up(t, 4, 'W');
    bench_open(t, 4, 1, WORKER_RIGHTS);
    bench_step(t, (struct broker_input){.type = BROKER_IN_DECLARE,
                                        .session = 4,
                                        .handle = 1,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1)});

    bench_expect(t, "opened s4 h1 none\ndeclared s4 r1 not-kept\n");
}

static void lease_given_to_another_meanwhile_is_not_kept(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 2);
    other_worker(1);
    bench_up(t, 4, 'W');
    bench_open(t, 4, 1, WORKER_RIGHTS);
    bench_forget(t);

    bench_declare(t, 4, 1, EPOCH(1));

    bench_expect(t, "declared s4 r1 not-kept\n");
}

static void lease_back_in_the_queue_is_taken_up_again_without_a_second_run(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 2);
    bench_up(t, 4, 'W');
    bench_open(t, 4, 1, WORKER_RIGHTS);
    bench_declare(t, 4, 1, EPOCH(1));
    bench_credit(t, 4, 1);

    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\nopened s4 h1 none\n"
                    "declared s4 r1 kept\n");
    assert_int_equal(bench_queue(t).idle_credit, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(repeatable_lease_returns_to_the_front_at_once,
                                  teardown),
        cmocka_unit_test_teardown(several_leases_of_a_lost_worker_keep_their_order,
                                  teardown),
        cmocka_unit_test_teardown(
            offered_request_goes_to_another_worker_when_its_own_is_lost, teardown),
        cmocka_unit_test_teardown(
            started_unrepeatable_request_is_never_given_to_another, teardown),
        cmocka_unit_test_teardown(same_holder_takes_its_lease_up_again_within_the_grace,
                                  teardown),
        cmocka_unit_test_teardown(dead_holder_ends_the_grace_at_once, teardown),
        cmocka_unit_test_teardown(
            dead_holder_with_a_session_still_up_loses_it_and_gets_no_grace, teardown),
        cmocka_unit_test_teardown(leases_not_renewed_are_lost, teardown),
        cmocka_unit_test_teardown(whatever_a_worker_sends_renews_its_leases, teardown),
        cmocka_unit_test_teardown(
            five_failed_attempts_end_a_request_and_later_ones_back_off, teardown),
        cmocka_unit_test_teardown(
            failed_unrepeatable_request_is_refused_with_the_reason_given, teardown),
        cmocka_unit_test_teardown(queue_that_always_redelivers_runs_a_lost_post_again,
                                  teardown),
        cmocka_unit_test_teardown(released_request_goes_to_another_and_is_not_charged,
                                  teardown),
        cmocka_unit_test_teardown(
            draining_worker_gets_nothing_more_and_finishes_what_it_has, teardown),
        cmocka_unit_test_teardown(
            late_response_of_a_lost_lease_is_stale_and_a_foreign_one_denied, teardown),
        cmocka_unit_test_teardown(answer_survives_the_loss_of_its_worker, teardown),
        cmocka_unit_test_teardown(
            reconnected_worker_moves_its_lease_from_a_session_not_yet_noticed_dead,
            teardown),
        cmocka_unit_test_teardown(declaration_without_a_valid_receipt_is_not_kept,
                                  teardown),
        cmocka_unit_test_teardown(lease_given_to_another_meanwhile_is_not_kept,
                                  teardown),
        cmocka_unit_test_teardown(
            lease_back_in_the_queue_is_taken_up_again_without_a_second_run, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
