/* One link that stands: assignments, bodies, answers, cancellation, violations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/scenario/worker_bench.h"

static void answered_request_gives_its_credit_back_and_waits_for_its_ack(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_respond(&b, slot, 100, false);
    wb_expect(&b, "start b1 #1\ncredit b1 q1 1\nrespond b1 #1\n");
    assert_int_equal(worker_leases_count(b.worker), 1);

    wb_record(&b, WORKER_IN_RESPOND_ACK, 1, 0);

    wb_expect(&b, "free b1 #1\n");
    assert_int_equal(worker_leases_count(b.worker), 0);
    wb_finish(&b);
}

static void assignment_beyond_the_credit_is_a_violation(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign(&b, 1);
    wb_assign(&b, 2);
    wb_quiet(&b);

    wb_assign(&b, 3);

    wb_expect(&b, "violation b1\n");
    wb_finish(&b);
}

static void same_lease_twice_is_a_violation(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign(&b, 1);
    wb_quiet(&b);

    wb_assign(&b, 1);

    wb_expect(&b, "violation b1\n");
    wb_finish(&b);
}

static void request_body_is_passed_on_and_window_returned_in_quarters(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign_streamed(&b, 1, 1000000);

    wb_quiet(&b);
    wb_body(&b, 1, 0, 262144, false);
    wb_step(&b, (struct worker_input){
                    .type = WORKER_IN_TOOK, .slot = slot, .u.amount.bytes = 262143});
    wb_expect(&b, "body b1 #1 0+ 262144\n");

    wb_step(&b, (struct worker_input){
                    .type = WORKER_IN_TOOK, .slot = slot, .u.amount.bytes = 1});

    wb_expect(&b, "window b1 #1 262144\n");
    wb_finish(&b);
}

static void request_body_beyond_its_window_is_a_violation(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign_streamed(&b, 1, 0);
    for (uint32_t i = 0; i < 4; i++) {
        wb_body(&b, 1, i * 262144ul, 262144, false);
    }
    wb_quiet(&b);

    wb_body(&b, 1, 1048576, 1, false);

    wb_expect(&b, "violation b1\n");
    wb_finish(&b);
}

static void gap_in_a_request_body_is_a_violation(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign_streamed(&b, 1, 0);
    wb_quiet(&b);

    wb_body(&b, 1, 1, 10, false);

    wb_expect(&b, "violation b1\n");
    wb_finish(&b);
}

static void request_body_that_ends_early_is_a_violation(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign_streamed(&b, 1, 100);
    wb_quiet(&b);

    wb_body(&b, 1, 0, 99, true);

    wb_expect(&b, "violation b1\n");
    wb_finish(&b);
}

static void response_stream_stops_at_its_window(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_respond(&b, slot, 50, true);
    wb_quiet(&b);
    wb_produce(&b, slot, 0, 1048576, false);
    wb_expect(&b, "send-body b1 #1 0+ 1048576\n");

    wb_window(&b, 1, 5000);
    wb_produce(&b, slot, 1048576, 5000, true);

    wb_expect(&b,
              "take b1 #1 5000\ncredit b1 q1 1\nsend-body b1 #1 1048576+ 5000 last\n");
    wb_finish(&b);
}

static void cancelled_request_frees_its_credit_only_when_its_handler_ends(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_quiet(&b);
    wb_record(&b, WORKER_IN_CANCEL, 1, 0);
    wb_record(&b, WORKER_IN_CANCEL, 1, 0);
    wb_expect(&b, "cancel b1 #1 Connection_Dropped\n");

    wb_respond(&b, slot, 10, false);

    wb_expect(&b, "free b1 #1\ncredit b1 q1 1\n");
    wb_finish(&b);
}

static void stale_acknowledgement_of_a_running_request_cancels_it(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign(&b, 1);
    wb_quiet(&b);

    wb_record(&b, WORKER_IN_RESPOND_ACK, 1, 1);

    wb_expect(&b, "cancel b1 #1 cancelled\n");
    wb_finish(&b);
}

static void done_for_a_request_not_answered_is_a_violation(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign(&b, 1);
    wb_quiet(&b);

    wb_record(&b, WORKER_IN_RESPOND_ACK, 1, 0);

    wb_expect(&b, "violation b1\n");
    wb_finish(&b);
}

static void records_about_unknown_leases_are_ignored(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    wb_record(&b, WORKER_IN_CANCEL, 9, 0);
    wb_record(&b, WORKER_IN_RESPOND_ACK, 9, 0);
    wb_record(&b, WORKER_IN_DECLARED, 9, 0);
    wb_window(&b, 9, 100);
    wb_body(&b, 9, 0, 10, true);

    wb_expect(&b, "");
    wb_finish(&b);
}

static void app_that_stops_being_ready_gives_assignments_back_unstarted(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_ready(&b, false);

    wb_assign(&b, 1);
    wb_expect(&b, "release b1 #1\n");

    wb_ready(&b, true);

    wb_expect(&b, "credit b1 q1 1\n");
    wb_finish(&b);
}

static void credit_never_exceeds_the_slots_that_are_free(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup_with(&b, (struct worker_config){.concurrency = 2, .leases_max = 3});
    wb_ready(&b, true);
    wb_queue(&b, "web");
    wb_link_up(&b, 1);
    wb_opened(&b, 1, 1, HF_REASON_NONE);
    wb_respond(&b, wb_assign(&b, 1), 10, false);
    wb_respond(&b, wb_assign(&b, 2), 10, false);
    wb_quiet(&b);
    wb_respond(&b, wb_assign(&b, 3), 10, false);
    wb_expect(&b, "start b1 #3\nrespond b1 #3\n");

    wb_record(&b, WORKER_IN_RESPOND_ACK, 1, 0);

    wb_expect(&b, "free b1 #1\ncredit b1 q1 1\n");
    wb_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered_request_gives_its_credit_back_and_waits_for_its_ack),
        cmocka_unit_test(assignment_beyond_the_credit_is_a_violation),
        cmocka_unit_test(same_lease_twice_is_a_violation),
        cmocka_unit_test(request_body_is_passed_on_and_window_returned_in_quarters),
        cmocka_unit_test(request_body_beyond_its_window_is_a_violation),
        cmocka_unit_test(gap_in_a_request_body_is_a_violation),
        cmocka_unit_test(request_body_that_ends_early_is_a_violation),
        cmocka_unit_test(response_stream_stops_at_its_window),
        cmocka_unit_test(cancelled_request_frees_its_credit_only_when_its_handler_ends),
        cmocka_unit_test(stale_acknowledgement_of_a_running_request_cancels_it),
        cmocka_unit_test(done_for_a_request_not_answered_is_a_violation),
        cmocka_unit_test(records_about_unknown_leases_are_ignored),
        cmocka_unit_test(app_that_stops_being_ready_gives_assignments_back_unstarted),
        cmocka_unit_test(credit_never_exceeds_the_slots_that_are_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
