/* Brokers that die and come back under waiting clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/scenario/frontend_trace.h"

static void restart(struct rig *rig)
{
    rig_down(rig, 1);
    rig_wait(rig, 1000);
    rig_up(rig, 1);
    rig_opened(rig, 1, HF_REASON_NONE);
}

static void unanswered_request_is_offered_again_under_its_id(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    (void)rig_trace(rig);
    restart(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 9, .bytes = 1});

    assert_string_equal(rig_trace(rig), "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=9\n"
                                        "respond id=1 epoch=9 amount=1 last\n"
                                        "response-ack id=1 epoch=9\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void acknowledged_assignment_is_told_when_offered_again(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .length = 5});
    rig_body(rig, slot, 5, true);
    (void)rig_trace(rig);
    rig_assigned(rig, 1, 3);
    restart(rig);

    assert_string_equal(rig_trace(rig), "assigned-ack id=1 epoch=3\n"
                                        "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=24 amount=5\n");
    rig_free(rig);
}

static void unassigned_post_is_offered_again_without_the_assigned_flag(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .length = 5});
    rig_body(rig, slot, 5, true);
    (void)rig_trace(rig);
    restart(rig);

    assert_string_equal(rig_trace(rig), "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=8 amount=5\n");
    rig_free(rig);
}

static void request_waits_for_a_broker_that_is_not_there_yet(void **state)
{
    struct rig *rig = rig_new();

    (void)state;
    rig_get(rig);
    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n");

    rig_up(rig, 1);
    rig_opened(rig, 1, HF_REASON_NONE);

    assert_string_equal(rig_trace(rig), "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=1\n");
    rig_free(rig);
}

static void broker_that_stays_away_ends_in_503(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_down(rig, 1);
    (void)rig_trace(rig);
    rig_wait(rig, 29999);
    assert_string_equal(rig_trace(rig), "");
    rig_wait(rig, 1);

    assert_string_equal(rig_trace(rig), "problem id=1 broker-lost\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void started_post_without_a_broker_ends_in_outcome_unknown(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .length = 5});
    rig_body(rig, slot, 5, true);
    rig_assigned(rig, 1, 3);
    rig_down(rig, 1);
    (void)rig_trace(rig);
    rig_wait(rig, 30000);

    assert_string_equal(rig_trace(rig), "problem id=1 outcome-unknown\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void deadline_holds_while_there_is_no_broker(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_ask(rig, (struct rig_request){.deadline_ms = 2000});
    rig_down(rig, 1);
    (void)rig_trace(rig);
    rig_wait(rig, 2000);

    assert_string_equal(rig_trace(rig), "problem id=1 deadline\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void streamed_body_is_sent_again_from_its_start(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .length = 100000});
    rig_admitted(rig, 1);
    rig_body(rig, slot, 60000, false);
    (void)rig_trace(rig);
    restart(rig);
    rig_admitted(rig, 1);
    rig_body(rig, slot, 40000, true);

    assert_string_equal(rig_trace(rig), "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=12 amount=100000\n"
                                        "body id=1 amount=60000\n"
                                        "body id=1 offset=60000 amount=40000 last\n");
    rig_free(rig);
}

static void continue_is_sent_once_although_admitted_twice(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_ask(rig,
            (struct rig_request){.is_post = true, .is_expecting = true, .length = 10});
    rig_admitted(rig, 1);
    (void)rig_trace(rig);
    restart(rig);
    rig_admitted(rig, 1);

    assert_string_equal(rig_trace(rig), "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=12 amount=10\n");
    rig_free(rig);
}

static void resent_stream_skips_what_the_client_has(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_streamed = true});
    rig_piece(rig, 1, (struct rig_piece){7, 0, 1000, false});
    (void)rig_trace(rig);
    restart(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_streamed = true});
    rig_piece(rig, 1, (struct rig_piece){7, 0, 600, false});
    rig_piece(rig, 1, (struct rig_piece){7, 600, 600, true});

    assert_string_equal(rig_trace(rig), "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=9 epoch=7\n"
                                        "respond-body id=1 epoch=7 offset=400 "
                                        "amount=200 last\n"
                                        "response-ack id=1 epoch=7\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void kept_stream_may_come_back_inline(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_response(rig, 1,
                 (struct rig_response){.epoch = 7, .bytes = 10, .is_streamed = true});
    restart(rig);
    (void)rig_trace(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .bytes = 30});

    assert_string_equal(rig_trace(rig),
                        "respond-body id=1 epoch=7 offset=10 amount=20 last\n"
                        "response-ack id=1 epoch=7\n"
                        "free id=1\n");
    rig_free(rig);
}

static void other_epoch_after_the_head_breaks_the_response(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_streamed = true});
    restart(rig);
    (void)rig_trace(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 8, .bytes = 5});

    assert_string_equal(rig_trace(rig), "response-ack id=1 epoch=8\n"
                                        "break id=1 response-broken last\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void stalled_stream_is_broken_after_broker_grace(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_streamed = true});
    rig_down(rig, 1);
    (void)rig_trace(rig);
    rig_wait(rig, 30000);

    assert_string_equal(rig_trace(rig), "break id=1 response-broken last\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void records_of_another_broker_are_ignored(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_routes(rig, "web", 2);
    rig_up(rig, 2);
    rig_opened(rig, 2, HF_REASON_NONE);
    rig_get(rig);
    (void)rig_trace(rig);
    rig_refused(rig, 1, HF_REASON_QUEUE_FULL);
    rig_response(rig, 1, (struct rig_response){.epoch = 3, .bytes = 5});

    assert_string_equal(rig_trace(rig), "");
    rig_free(rig);
}

static void rerouted_queue_sends_new_requests_to_its_new_broker(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_up(rig, 2);
    (void)rig_trace(rig);
    rig_routes(rig, "web", 2);
    rig_opened(rig, 2, HF_REASON_NONE);
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 3, .bytes = 5});

    assert_string_equal(rig_trace(rig), "open broker=2\n"
                                        "accept id=2 tag=102\n"
                                        "enqueue id=2 broker=2 flags=1\n"
                                        "respond id=1 epoch=3 amount=5 last\n"
                                        "response-ack id=1 epoch=3\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void refused_handle_is_tried_again(void **state)
{
    struct rig *rig = rig_new();

    (void)state;
    rig_get(rig);
    rig_up(rig, 1);
    rig_opened(rig, 1, HF_REASON_DENIED);
    (void)rig_trace(rig);
    rig_wait(rig, 1000);
    rig_opened(rig, 1, HF_REASON_NONE);

    assert_string_equal(rig_trace(rig), "open broker=1\n"
                                        "enqueue id=1 broker=1 flags=1\n");
    rig_free(rig);
}

static void queue_that_left_the_routes_is_forgotten_when_its_requests_end(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_routes(rig, "", 0);
    rig_get(rig);
    (void)rig_trace(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 3, .bytes = 5});
    rig_down(rig, 1);
    rig_up(rig, 1);

    assert_string_equal(rig_trace(rig), "respond id=1 epoch=3 amount=5 last\n"
                                        "response-ack id=1 epoch=3\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void client_that_leaves_while_waiting_is_not_offered_again(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_get(rig);
    rig_down(rig, 1);
    (void)rig_trace(rig);
    rig_gone(rig, slot);
    rig_up(rig, 1);
    rig_opened(rig, 1, HF_REASON_NONE);

    assert_string_equal(rig_trace(rig), "free id=1\n"
                                        "open broker=1\n");
    rig_free(rig);
}

static void thousand_requests_are_all_offered_again(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t enqueued = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        rig_get(rig);
    }
    (void)rig_trace(rig);
    restart(rig);

    for (const char *text = rig_trace(rig); *text != 0; text++) {
        enqueued += *text == '\n' ? 1 : 0;
    }
    assert_int_equal(enqueued, 1001); /* with the OPEN */
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unanswered_request_is_offered_again_under_its_id),
        cmocka_unit_test(acknowledged_assignment_is_told_when_offered_again),
        cmocka_unit_test(unassigned_post_is_offered_again_without_the_assigned_flag),
        cmocka_unit_test(request_waits_for_a_broker_that_is_not_there_yet),
        cmocka_unit_test(broker_that_stays_away_ends_in_503),
        cmocka_unit_test(started_post_without_a_broker_ends_in_outcome_unknown),
        cmocka_unit_test(deadline_holds_while_there_is_no_broker),
        cmocka_unit_test(streamed_body_is_sent_again_from_its_start),
        cmocka_unit_test(continue_is_sent_once_although_admitted_twice),
        cmocka_unit_test(resent_stream_skips_what_the_client_has),
        cmocka_unit_test(kept_stream_may_come_back_inline),
        cmocka_unit_test(other_epoch_after_the_head_breaks_the_response),
        cmocka_unit_test(stalled_stream_is_broken_after_broker_grace),
        cmocka_unit_test(records_of_another_broker_are_ignored),
        cmocka_unit_test(rerouted_queue_sends_new_requests_to_its_new_broker),
        cmocka_unit_test(refused_handle_is_tried_again),
        cmocka_unit_test(queue_that_left_the_routes_is_forgotten_when_its_requests_end),
        cmocka_unit_test(client_that_leaves_while_waiting_is_not_offered_again),
        cmocka_unit_test(thousand_requests_are_all_offered_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
