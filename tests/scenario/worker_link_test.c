/* What the worker core keeps when links come and go, and how it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/scenario/worker_bench.h"

/* A broken off answer is not told to a broker that is away; if the lease is kept then,
 * nobody else would end it. */
static void
lease_given_up_while_it_is_declared_is_given_back_when_it_is_kept(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_respond(&b, slot, 10, true);
    wb_link_down(&b, 1);
    wb_relink(&b);
    wb_handler(&b, WORKER_IN_ABORT, slot);
    wb_quiet(&b);
    wb_record(&b, WORKER_IN_DECLARED, 1, 1);

    wb_expect(&b, "fail b1 #1 response-broken\n");
    wb_finish(&b);
}

static void no_credit_flows_before_the_app_is_ready(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup_with(&b, (struct worker_config){.concurrency = 3});
    wb_queue(&b, "web");
    wb_link_up(&b, 1);
    wb_opened(&b, 1, 1, HF_REASON_NONE);
    wb_expect(&b, "open b1 q1\n");

    wb_ready(&b, true);

    wb_expect(&b, "credit b1 q1 3\n");
    wb_finish(&b);
}

static void running_lease_survives_its_link_and_is_declared_before_credit(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_link_down(&b, 1);
    wb_quiet(&b);
    wb_relink(&b);
    wb_expect(&b, "open b1 q1\ndeclare b1 #1 running\ncredit b1 q1 1\n");
    assert_int_equal(worker_receipt(b.worker, slot)[0], 1);

    wb_record(&b, WORKER_IN_DECLARED, 1, 1);
    wb_respond(&b, slot, 10, false);

    wb_expect(&b, "credit b1 q1 1\nrespond b1 #1\n");
    wb_finish(&b);
}

static void
answer_given_while_the_broker_is_away_is_declared_and_then_sent(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_link_down(&b, 1);
    wb_respond(&b, slot, 10, false);
    wb_quiet(&b);
    wb_relink(&b);
    wb_expect(&b, "open b1 q1\ndeclare b1 #1 answered\ncredit b1 q1 2\n");

    wb_record(&b, WORKER_IN_DECLARED, 1, 1);

    wb_expect(&b, "respond b1 #1\n");
    wb_finish(&b);
}

static void unacknowledged_answer_is_sent_again_after_a_reconnect(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_respond(&b, wb_assign(&b, 1), 10, false);
    wb_link_down(&b, 1);
    wb_relink(&b);
    wb_quiet(&b);

    wb_record(&b, WORKER_IN_DECLARED, 1, 1);
    wb_record(&b, WORKER_IN_RESPOND_ACK, 1, 0);

    wb_expect(&b, "respond b1 #1\nfree b1 #1\n");
    wb_finish(&b);
}

static void refused_declaration_cancels_the_handler(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_link_down(&b, 1);
    wb_relink(&b);
    wb_quiet(&b);
    wb_record(&b, WORKER_IN_DECLARED, 1, 0);
    wb_expect(&b, "cancel b1 #1 cancelled\n");

    wb_handler(&b, WORKER_IN_FAIL, slot);

    wb_expect(&b, "free b1 #1\ncredit b1 q1 1\n");
    wb_finish(&b);
}

static void failure_while_the_broker_is_away_is_reported_when_it_is_back(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_link_down(&b, 1);
    wb_handler(&b, WORKER_IN_FAIL, slot);
    wb_relink(&b);
    wb_quiet(&b);

    wb_record(&b, WORKER_IN_DECLARED, 1, 1);

    wb_expect(&b, "fail b1 #1 upstream\nfree b1 #1\n");
    wb_finish(&b);
}

static void lease_is_given_up_when_the_broker_stays_away_for_hold_ms(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t running = wb_assign(&b, 1);

    wb_respond(&b, wb_assign(&b, 2), 10, false);
    wb_link_down(&b, 1);
    wb_quiet(&b);
    b.now = hf_time_add_ms(b.now, 59999);
    wb_settle(&b);
    wb_expect(&b, "");

    b.now = hf_time_add_ms(b.now, 1);
    wb_settle(&b);
    wb_expect(&b, "cancel b1 #1 broker-lost\nfree b1 #2\n");

    wb_handler(&b, WORKER_IN_FAIL, running);
    wb_expect(&b, "free b1 #1\n");
    wb_finish(&b);
}

static void request_whose_body_was_cut_by_the_link_is_not_kept(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign_streamed(&b, 1, 100000);
    wb_body(&b, 1, 0, 50000, false);
    wb_quiet(&b);

    wb_link_down(&b, 1);

    wb_expect(&b, "cancel b1 #1 broker-lost\n");
    wb_finish(&b);
}

static void short_stream_is_sent_again_from_its_beginning(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_respond(&b, slot, 50, true);
    wb_produce(&b, slot, 0, 1000, false);
    wb_link_down(&b, 1);
    wb_produce(&b, slot, 1000, 500, false);
    wb_relink(&b);
    wb_quiet(&b);

    wb_record(&b, WORKER_IN_DECLARED, 1, 1);
    wb_produce(&b, slot, 1500, 1, true);

    wb_expect(&b, "respond b1 #1\nsend-body b1 #1 0+ 1500\ncredit b1 q1 1\n"
                  "send-body b1 #1 1500+ 1 last\n");
    wb_finish(&b);
}

static void resent_stream_waits_for_the_new_window(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_respond(&b, slot, 50, true);
    wb_produce(&b, slot, 0, 500000, false);
    wb_window(&b, 1, 500000);
    wb_link_down(&b, 1);
    wb_relink(&b);
    wb_record(&b, WORKER_IN_DECLARED, 1, 1);
    wb_quiet(&b);

    wb_produce(&b, slot, 500000, 1048576, true);
    wb_expect(&b, "credit b1 q1 1\nsend-body b1 #1 500000+ 548576\n");

    wb_window(&b, 1, 1048576);
    wb_expect(&b, "send-body b1 #1 1048576+ 500000 last\n");
    wb_finish(&b);
}

static void stream_too_long_to_keep_breaks_with_its_link(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_respond(&b, slot, 50, true);
    wb_produce(&b, slot, 0, 1048576, false);
    wb_quiet(&b);

    wb_link_down(&b, 1);

    wb_expect(&b, "cancel b1 #1 broker-lost\n");
    wb_finish(&b);
}

static void drain_releases_what_comes_late_and_ends_after_the_last_ack(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_quiet(&b);
    wb_drain(&b, 0);
    wb_assign(&b, 2);
    wb_respond(&b, slot, 10, false);
    wb_expect(&b, "drain b1\nrelease b1 #2\nrespond b1 #1\n");

    wb_record(&b, WORKER_IN_RESPOND_ACK, 1, 0);

    wb_expect(&b, "free b1 #1\ndrained\n");
    wb_finish(&b);
}

static void drain_ends_at_its_limit_whatever_runs(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_assign(&b, 1);
    wb_drain(&b, 0);
    wb_quiet(&b);
    b.now = hf_time_add_ms(b.now, 89999);
    wb_settle(&b);
    wb_expect(&b, "");

    b.now = hf_time_add_ms(b.now, 1);
    wb_settle(&b);

    wb_expect(&b, "drained\n");
    wb_finish(&b);
}

static void draining_broker_gets_no_credit_and_its_own_farewell(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);

    uint32_t slot = wb_assign(&b, 1);

    wb_drain(&b, 1);
    wb_quiet(&b);
    wb_respond(&b, slot, 10, false);
    wb_record(&b, WORKER_IN_RESPOND_ACK, 1, 0);
    wb_expect(&b, "respond b1 #1\nfree b1 #1\ndrained b1\n");

    wb_link_down(&b, 1);
    wb_relink(&b);

    wb_expect(&b, "open b1 q1\ncredit b1 q1 2\n");
    wb_finish(&b);
}

static void refused_queue_is_asked_for_again_after_a_second(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup_with(&b, (struct worker_config){.concurrency = 1});
    wb_ready(&b, true);
    wb_queue(&b, "web");
    wb_link_up(&b, 1);
    wb_quiet(&b);
    wb_opened(&b, 1, 1, HF_REASON_DENIED);
    wb_expect(&b, "");

    b.now = hf_time_add_ms(b.now, 1000);
    wb_settle(&b);
    wb_opened(&b, 1, 1, HF_REASON_NONE);

    wb_expect(&b, "open b1 q1\ncredit b1 q1 1\n");
    wb_finish(&b);
}

static void no_credit_precedes_a_declaration_of_any_queue(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup(&b);
    wb_queue(&b, "mail");
    wb_opened(&b, 1, 2, HF_REASON_NONE);
    wb_assign(&b, 1);
    wb_link_down(&b, 1);
    wb_quiet(&b);
    wb_link_up(&b, 1);
    wb_opened(&b, 1, 2, HF_REASON_NONE);
    wb_expect(&b, "open b1 q1\nopen b1 q2\n");

    wb_opened(&b, 1, 1, HF_REASON_NONE);

    wb_expect(&b, "declare b1 #1 running\ncredit b1 q1 1\ncredit b1 q2 2\n");
    wb_finish(&b);
}

static void many_leases_are_declared_in_bounded_steps(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup_with(&b, (struct worker_config){.concurrency = 200});
    wb_ready(&b, true);
    wb_queue(&b, "web");
    wb_link_up(&b, 1);
    wb_opened(&b, 1, 1, HF_REASON_NONE);
    for (uint8_t n = 1; n <= 200; n++) {
        wb_assign(&b, n);
    }
    wb_link_down(&b, 1);
    wb_link_up(&b, 1);
    wb_quiet(&b);
    wb_step(&b,
            (struct worker_input){.type = WORKER_IN_OPENED, .broker = 1, .handle = 1});
    assert_true(b.effects.count <= 32);

    wb_settle(&b);

    uint32_t declared = 0;
    hf_slice lines = hf_buf_slice(&b.trace);

    while (lines.bytes > 0) {
        declared += hf_slice_starts_with(lines, HF_SLICE("declare"));
        lines = hf_slice_skip(lines, hf_slice_find(lines, '\n') + 1);
    }
    assert_int_equal(declared, 200);
    wb_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            lease_given_up_while_it_is_declared_is_given_back_when_it_is_kept),
        cmocka_unit_test(no_credit_flows_before_the_app_is_ready),
        cmocka_unit_test(running_lease_survives_its_link_and_is_declared_before_credit),
        cmocka_unit_test(
            answer_given_while_the_broker_is_away_is_declared_and_then_sent),
        cmocka_unit_test(unacknowledged_answer_is_sent_again_after_a_reconnect),
        cmocka_unit_test(refused_declaration_cancels_the_handler),
        cmocka_unit_test(failure_while_the_broker_is_away_is_reported_when_it_is_back),
        cmocka_unit_test(lease_is_given_up_when_the_broker_stays_away_for_hold_ms),
        cmocka_unit_test(request_whose_body_was_cut_by_the_link_is_not_kept),
        cmocka_unit_test(short_stream_is_sent_again_from_its_beginning),
        cmocka_unit_test(resent_stream_waits_for_the_new_window),
        cmocka_unit_test(stream_too_long_to_keep_breaks_with_its_link),
        cmocka_unit_test(drain_releases_what_comes_late_and_ends_after_the_last_ack),
        cmocka_unit_test(drain_ends_at_its_limit_whatever_runs),
        cmocka_unit_test(draining_broker_gets_no_credit_and_its_own_farewell),
        cmocka_unit_test(refused_queue_is_asked_for_again_after_a_second),
        cmocka_unit_test(no_credit_precedes_a_declaration_of_any_queue),
        cmocka_unit_test(many_leases_are_declared_in_bounded_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
