/* A lost frontend, and what a re-offer finds (PROTOCOL.md 3.3, table Re-offer). */
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

/* The frontend's key on a new link. */
/* A broker that began again: leases of EPOCH(n) are of the process before it. */
static void init_again(void)
{
    struct broker_config config = bench_config();

    config.incarnation = 2;
    bench_init(t, BROKER_LAZY, &config);
}

static void frontend_returns(void)
{
    bench_up(t, 5, 'F');
    bench_open(t, 5, 1, FRONTEND_RIGHTS);
    bench_forget(t);
}

static void responded(unsigned id, uint64_t epoch)
{
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 5,
                      .handle = 1,
                      .id = bench_id(id),
                      .u.submit = {.flags = REPEATABLE | REOFFER,
                                   .responded_epoch = epoch,
                                   .deadline = hf_time_add_ms(t->now, 600000)}});
}

static void kept_response_says_whether_it_is_whole(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_result(t, 2, 1, EPOCH(1));
    bench_down(t, 1);
    frontend_returns();

    bench_submit(t, 5, 1, REPEATABLE | REOFFER);

    bench_expect(t, "response-kept s5 r1 e1\n");
    assert_int_equal(t->effects.items[0].type, BROKER_OUT_RESPONSE_KEPT);
    assert_int_equal(t->effects.items[0].result, 1);
}

static void
repeatable_request_offered_into_the_lease_of_an_absent_worker_is_queued(void **state)
{
    (void)state;
    init_again();
    bench_pair(t, 0);
    bench_declare(t, 2, 1, EPOCH(7));
    bench_down(t, 2);
    bench_up(t, 3, 'X');
    bench_open(t, 3, 1, WORKER_RIGHTS);
    bench_credit(t, 3, 1);
    bench_forget(t);

    bench_submit(t, 1, 1, REPEATABLE | REOFFER);

    bench_expect(t, "hold r1\nassign s3 r1 e1 attempt 2\n");
}

static void response_that_has_begun_outlives_the_deadline(void **state)
{
    struct broker_input head = {.type = BROKER_IN_RESULT,
                                .session = 2,
                                .id = bench_id(1),
                                .epoch = EPOCH(1),
                                .u.result = {.bytes = 100, .is_streamed = true}};

    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_step(t, head);
    bench_forget(t);

    for (int i = 0; i < 61; i++) {
        bench_run(t, 10000);
        bench_about(t, BROKER_IN_RENEW, 2, 0, 0);
    }

    bench_expect(t, "");
}

static void
queued_request_of_a_lost_frontend_is_not_delivered_until_claimed(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 1);
    bench_forget(t);

    bench_credit(t, 2, 1);
    bench_run(t, 1000);
    bench_expect(t, "");

    frontend_returns();
    bench_submit(t, 5, 1, REPEATABLE | REOFFER);
    bench_result(t, 2, 1, EPOCH(1));
    bench_expect(t, "assign s2 r1 e1 attempt 1\nhold-response r1\nresponse s5 r1 e1\n");
}

static void request_nobody_claims_within_broker_grace_is_dropped(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 1);
    bench_forget(t);

    bench_run(t, 29900);
    bench_expect(t, "");
    bench_run(t, 200);

    bench_expect(t, "outcome r1 Connection_Dropped\nfree r1\n");
}

static void worker_of_an_abandoned_request_is_told_to_stop(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 1);
    bench_forget(t);

    bench_run(t, 20000);
    bench_about(t, BROKER_IN_RENEW, 2, 0, 0);
    bench_run(t, 10100);

    bench_expect(t, "cancel s2 r1 e1 Connection_Dropped\n"
                    "outcome r1 Connection_Dropped\nfree r1\n");
}

static void
offer_falls_back_when_its_frontend_is_lost_and_the_credit_is_given_back(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, 0);
    assert_int_equal(bench_queue(t).idle_credit, 0);

    bench_down(t, 1);

    bench_expect(t, "hold r1\nassigned s1 r1 e1\n");
    assert_int_equal(bench_queue(t).idle_credit, 1);
    assert_int_equal(bench_queue(t).depth, 1);
}

static void async_request_does_not_need_its_frontend(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, ASYNC);
    assert_true(bench_take(t));
    bench_down(t, 1);
    bench_commit(t);
    bench_run(t, 31000);
    bench_forget(t);

    bench_credit(t, 2, 1);
    bench_expect(t, "assign s2 r1 e1 attempt 1\n");

    frontend_returns();
    bench_submit(t, 5, 1, ASYNC | REOFFER);
    bench_expect(t, "accepted s5 r1\n");
}

static void response_that_came_while_the_frontend_was_away_is_kept_for_it(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 1);
    bench_forget(t);

    bench_result(t, 2, 1, EPOCH(1));
    bench_expect(t, "hold-response r1\n");

    frontend_returns();
    bench_submit(t, 5, 1, REPEATABLE | REOFFER);
    bench_ack(t, 5, 1, EPOCH(1));
    bench_expect(t, "response-kept s5 r1 e1\nrespond-ack s2 r1 done\noutcome r1 none\n"
                    "free r1\n");
}

static void answered_request_offered_again_gets_the_same_response_again(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_result(t, 2, 1, EPOCH(1));
    bench_down(t, 1);
    frontend_returns();

    responded(1, EPOCH(1));

    bench_expect(t, "response-kept s5 r1 e1\n");
}

static void response_of_another_epoch_than_the_client_saw_is_broken(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_result(t, 2, 1, EPOCH(1));
    bench_down(t, 1);
    frontend_returns();

    responded(1, EPOCH(7));

    bench_expect(t, "respond-ack s2 r1 done\nabort s5 r1 response-broken\n"
                    "outcome r1 response-broken\nfree r1\n");
}

static void
begun_response_of_an_unknown_request_waits_for_its_worker_and_then_breaks(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    frontend_returns();

    responded(1, EPOCH(7));
    bench_run(t, 4900);
    bench_expect(t, "hold r1\n");
    bench_run(t, 200);

    bench_expect(t,
                 "abort s5 r1 response-broken\noutcome r1 response-broken\nfree r1\n");
}

static void
unknown_assigned_post_waits_for_a_declaration_and_is_not_run_again(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REOFFER | ASSIGNED);
    bench_run(t, 4900);
    bench_expect(t, "hold r1\n");

    bench_run(t, 200);

    bench_expect(
        t, "refused s1 r1 outcome-unknown\noutcome r1 outcome-unknown\nfree r1\n");
}

static void unknown_assigned_post_goes_on_when_its_worker_declares_it(void **state)
{
    (void)state;
    init_again();
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REOFFER | ASSIGNED);
    bench_declare(t, 2, 1, EPOCH(9));
    bench_run(t, 6000);
    bench_result(t, 2, 1, EPOCH(9));

    bench_expect(t, "hold r1\ndeclared s2 r1 kept\nhold-response r1\n"
                    "response s1 r1 e9\n");
    assert_int_equal(bench_queue(t).idle_credit, 1);
}

static void lease_declared_before_its_request_is_offered_runs_once(void **state)
{
    (void)state;
    init_again();
    bench_pair(t, 1);
    bench_declare(t, 2, 1, EPOCH(9));
    bench_submit(t, 1, 1, REOFFER | ASSIGNED);
    bench_result(t, 2, 1, EPOCH(9));
    bench_ack(t, 1, 1, EPOCH(9));

    bench_expect(
        t, "declared s2 r1 kept\nhold r1\nhold-response r1\n"
           "response s1 r1 e9\nrespond-ack s2 r1 done\noutcome r1 none\nfree r1\n");
}

static void response_declared_and_sent_before_the_offer_is_kept_for_it(void **state)
{
    (void)state;
    init_again();
    bench_pair(t, 1);
    bench_declare(t, 2, 1, EPOCH(9));
    bench_result(t, 2, 1, EPOCH(9));
    bench_submit(t, 1, 1, REOFFER | ASSIGNED);
    bench_ack(t, 1, 1, EPOCH(9));

    bench_expect(t, "declared s2 r1 kept\nhold-response r1\nhold r1\n"
                    "response-kept s1 r1 e9\nrespond-ack s2 r1 done\noutcome r1 none\n"
                    "free r1\n");
}

static void declared_lease_nobody_offers_is_cancelled_after_broker_grace(void **state)
{
    (void)state;
    init_again();
    bench_pair(t, 1);
    bench_declare(t, 2, 1, EPOCH(9));
    bench_run(t, 20000);
    bench_about(t, BROKER_IN_RENEW, 2, 0, 0);
    bench_run(t, 10100);

    bench_expect(t,
                 "declared s2 r1 kept\ncancel s2 r1 e9 Connection_Dropped\nfree r1\n");
}

static void higher_epoch_of_two_declared_leases_wins(void **state)
{
    (void)state;
    init_again();
    bench_pair(t, 1);
    bench_up(t, 3, 'X');
    bench_open(t, 3, 1, WORKER_RIGHTS);
    bench_forget(t);

    bench_declare(t, 2, 1, EPOCH(8));
    bench_declare(t, 3, 1, EPOCH(9));
    bench_declare(t, 2, 1, EPOCH(8));

    bench_expect(t, "declared s2 r1 kept\ncancel s2 r1 e8 duplicate\n"
                    "declared s3 r1 kept\ndeclared s2 r1 not-kept\n");
}

static void epochs_stay_above_an_adopted_one(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_declare(t, 2, 1, EPOCH(9));
    bench_credit(t, 2, 1);
    bench_submit(t, 1, 2, REPEATABLE);

    bench_expect(t, "hold r1\ndeclared s2 r1 kept\n"
                    "hold r2\nassign s2 r2 e10 attempt 1\n");
}

/* Answered by another worker while this one's link was cut: its lease is over, and its
 * drain must not wait for a frontend that has its answer. */
static void lease_settled_by_this_process_is_no_orphan(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_result(t, 2, 1, EPOCH(1));
    bench_down(t, 2);
    bench_ack(t, 1, 1, EPOCH(1));
    bench_up(t, 4, 'W');
    bench_open(t, 4, 1, WORKER_RIGHTS);
    bench_forget(t);

    bench_declare(t, 4, 1, EPOCH(1));
    bench_step(t, (struct broker_input){.type = BROKER_IN_INCARNATION,
                                        .u.incarnation.number = 2});
    bench_declare(t, 4, 1, EPOCH(1));

    bench_expect(t, "declared s4 r1 not-kept\ndeclared s4 r1 not-kept\n");
    assert_int_equal(bench_queue(t).in_flight, 0);
}

static void held_slot_takes_no_body_larger_than_its_queue(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);

    bench_step(t,
               (struct broker_input){.type = BROKER_IN_SUBMIT,
                                     .session = 1,
                                     .handle = 1,
                                     .id = bench_id(1),
                                     .u.submit = {.flags = REOFFER | ASSIGNED,
                                                  .deadline = (hf_time){INT64_MAX - 1},
                                                  .body_bytes = UINT64_MAX - 1}});
    bench_expect(t, "refused s1 r1 outcome-unknown\noutcome r1 outcome-unknown\n");

    bench_step(
        t, (struct broker_input){.type = BROKER_IN_SUBMIT,
                                 .session = 1,
                                 .handle = 1,
                                 .id = bench_id(1),
                                 .u.submit = {.flags = REPEATABLE,
                                              .deadline = (hf_time){INT64_MAX - 1}}});
    bench_expect(t, "hold r1\n");
}

static void id_of_another_frontend_is_denied(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_up(t, 5, 'G');
    bench_open(t, 5, 1, FRONTEND_RIGHTS);
    bench_forget(t);

    bench_submit(t, 5, 1, REPEATABLE | REOFFER);

    bench_expect(t, "refused s5 r1 denied\n");
    assert_int_equal(bench_queue(t).depth, 1);
}

static void request_belongs_to_the_session_that_offered_it_last(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    bench_submit(t, 1, 1, REPEATABLE);
    frontend_returns();
    bench_submit(t, 5, 1, REPEATABLE | REOFFER);

    bench_down(t, 1);
    bench_credit(t, 2, 1);
    bench_result(t, 2, 1, EPOCH(1));

    bench_expect(t, "assign s2 r1 e1 attempt 1\nhold-response r1\nresponse s5 r1 e1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(kept_response_says_whether_it_is_whole, teardown),
        cmocka_unit_test_teardown(
            repeatable_request_offered_into_the_lease_of_an_absent_worker_is_queued,
            teardown),
        cmocka_unit_test_teardown(response_that_has_begun_outlives_the_deadline,
                                  teardown),
        cmocka_unit_test_teardown(
            queued_request_of_a_lost_frontend_is_not_delivered_until_claimed, teardown),
        cmocka_unit_test_teardown(request_nobody_claims_within_broker_grace_is_dropped,
                                  teardown),
        cmocka_unit_test_teardown(worker_of_an_abandoned_request_is_told_to_stop,
                                  teardown),
        cmocka_unit_test_teardown(
            offer_falls_back_when_its_frontend_is_lost_and_the_credit_is_given_back,
            teardown),
        cmocka_unit_test_teardown(async_request_does_not_need_its_frontend, teardown),
        cmocka_unit_test_teardown(
            response_that_came_while_the_frontend_was_away_is_kept_for_it, teardown),
        cmocka_unit_test_teardown(
            answered_request_offered_again_gets_the_same_response_again, teardown),
        cmocka_unit_test_teardown(
            response_of_another_epoch_than_the_client_saw_is_broken, teardown),
        cmocka_unit_test_teardown(
            begun_response_of_an_unknown_request_waits_for_its_worker_and_then_breaks,
            teardown),
        cmocka_unit_test_teardown(
            unknown_assigned_post_waits_for_a_declaration_and_is_not_run_again,
            teardown),
        cmocka_unit_test_teardown(
            unknown_assigned_post_goes_on_when_its_worker_declares_it, teardown),
        cmocka_unit_test_teardown(
            lease_declared_before_its_request_is_offered_runs_once, teardown),
        cmocka_unit_test_teardown(
            response_declared_and_sent_before_the_offer_is_kept_for_it, teardown),
        cmocka_unit_test_teardown(
            declared_lease_nobody_offers_is_cancelled_after_broker_grace, teardown),
        cmocka_unit_test_teardown(higher_epoch_of_two_declared_leases_wins, teardown),
        cmocka_unit_test_teardown(lease_settled_by_this_process_is_no_orphan, teardown),
        cmocka_unit_test_teardown(epochs_stay_above_an_adopted_one, teardown),
        cmocka_unit_test_teardown(held_slot_takes_no_body_larger_than_its_queue,
                                  teardown),
        cmocka_unit_test_teardown(id_of_another_frontend_is_denied, teardown),
        cmocka_unit_test_teardown(request_belongs_to_the_session_that_offered_it_last,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
