/* The ordinary life of an exchange, and every way a request is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/scenario/frontend_trace.h"

static void request_without_body_is_enqueued_at_once_and_answered_once(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .bytes = 13});
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .bytes = 13});

    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n"
                                        "enqueue id=1 broker=1 flags=1\n"
                                        "respond id=1 epoch=7 amount=13 last\n"
                                        "response-ack id=1 epoch=7\n"
                                        "free id=1\n"
                                        "response-ack id=1 epoch=7\n");
    rig_free(rig);
}

static void small_body_is_collected_whole_before_it_is_enqueued(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .length = 1000});
    rig_body(rig, slot, 400, false);
    rig_body(rig, slot, 600, true);

    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n"
                                        "read id=1 amount=1000\n"
                                        "enqueue id=1 broker=1 amount=1000\n");
    rig_free(rig);
}

static void large_body_is_read_only_after_the_queue_admitted_it(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .length = 100000});
    assert_string_equal(rig_trace(rig),
                        "accept id=1 tag=101\n"
                        "enqueue id=1 broker=1 flags=4 amount=100000\n");

    rig_admitted(rig, 1);
    rig_body(rig, slot, 60000, false);
    rig_body(rig, slot, 40000, true);

    assert_string_equal(rig_trace(rig), "read id=1 amount=100000\n"
                                        "body id=1 amount=60000\n"
                                        "body id=1 offset=60000 amount=40000 last\n");
    rig_free(rig);
}

static void expectation_is_met_only_after_admission(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_ask(rig,
            (struct rig_request){.is_post = true, .is_expecting = true, .length = 10});
    rig_admitted(rig, 1);

    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n"
                                        "enqueue id=1 broker=1 flags=4 amount=10\n"
                                        "continue id=1\n"
                                        "read id=1 amount=10\n");
    rig_free(rig);
}

static void refused_expectation_never_uploads_its_body(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_ask(rig,
            (struct rig_request){.is_post = true, .is_expecting = true, .length = 10});
    rig_refused(rig, 1, HF_REASON_QUEUE_FULL);

    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n"
                                        "enqueue id=1 broker=1 flags=4 amount=10\n"
                                        "problem id=1 QueueFull last\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void chunked_body_past_the_inline_limit_becomes_a_stream(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .is_chunked = true});
    rig_body(rig, slot, 65536, false);
    rig_body(rig, slot, 1, false);
    rig_admitted(rig, 1);
    rig_body(rig, slot, 0, true);

    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n"
                                        "read id=1 amount=65537\n"
                                        "enqueue id=1 broker=1 flags=4\n"
                                        "read id=1 amount=1245183\n"
                                        "body id=1 amount=65537\n"
                                        "body id=1 offset=65537 last\n");
    rig_free(rig);
}

static void declared_body_over_the_limit_is_refused_before_reading(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_ask(rig, (struct rig_request){.is_post = true, .length = 11, .body_max = 10});

    assert_string_equal(rig_trace(rig), "problem id=1 tag=101 EntityTooLarge last\n");
    rig_free(rig);
}

static void chunked_body_over_the_limit_is_refused_midway(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){
                            .is_post = true, .is_chunked = true, .body_max = 70000});
    rig_body(rig, slot, 65537, false);
    rig_admitted(rig, 1);
    (void)rig_trace(rig);
    rig_body(rig, slot, 4464, true);

    assert_string_equal(rig_trace(rig), "cancel id=1 EntityTooLarge\n"
                                        "problem id=1 EntityTooLarge last\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void body_is_sent_no_further_than_the_window(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_ask(rig, (struct rig_request){.is_post = true, .length = 2000000});
    rig_admitted(rig, 1);
    rig_body(rig, slot, 1310720, false);
    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n"
                                        "enqueue id=1 broker=1 flags=4 amount=2000000\n"
                                        "read id=1 amount=1310720\n"
                                        "body id=1 amount=262144\n"
                                        "body id=1 offset=262144 amount=262144\n"
                                        "body id=1 offset=524288 amount=262144\n"
                                        "body id=1 offset=786432 amount=262144\n");

    rig_window(rig, 1, 100000);

    assert_string_equal(rig_trace(rig), "read id=1 amount=100000\n"
                                        "body id=1 offset=1048576 amount=100000\n");
    rig_free(rig);
}

static void client_that_leaves_cancels_its_request(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_get(rig);
    rig_gone(rig, slot);
    rig_gone(rig, slot);

    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n"
                                        "enqueue id=1 broker=1 flags=1\n"
                                        "cancel id=1 Connection_Dropped\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void unbound_group_and_unknown_queue_are_refused(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_ask(rig, (struct rig_request){.queue = ""});
    rig_ask(rig, (struct rig_request){.queue = "other"});

    assert_string_equal(rig_trace(rig), "problem id=1 tag=101 unbound\n"
                                        "problem id=2 tag=102 no-routes\n");
    rig_free(rig);
}

static void deadline_ends_the_wait_with_504(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_ask(rig, (struct rig_request){.deadline_ms = 5000});
    rig_wait(rig, 4999);
    (void)rig_trace(rig);
    rig_wait(rig, 1);

    assert_string_equal(rig_trace(rig), "cancel id=1 deadline\n"
                                        "problem id=1 deadline\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void invalid_response_becomes_502_and_is_acknowledged(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    (void)rig_trace(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_bad = true});

    assert_string_equal(rig_trace(rig), "response-ack id=1 epoch=7\n"
                                        "problem id=1 bad-response\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void streamed_response_is_forwarded_under_the_clients_pace(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot;

    (void)state;
    slot = rig_get(rig);
    (void)rig_trace(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_streamed = true});
    rig_piece(rig, 1, (struct rig_piece){7, 0, 262144, false});
    rig_piece(rig, 1, (struct rig_piece){7, 262144, 1000, false});
    rig_took(rig, slot, 262143);
    rig_took(rig, slot, 1);
    rig_piece(rig, 1, (struct rig_piece){7, 263144, 0, true});

    assert_string_equal(rig_trace(rig), "respond id=1 epoch=7\n"
                                        "respond-body id=1 epoch=7 amount=262144\n"
                                        "respond-body id=1 epoch=7 amount=1000\n"
                                        "window id=1 epoch=7 amount=262144\n"
                                        "respond-body id=1 epoch=7 last\n"
                                        "response-ack id=1 epoch=7\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void response_piece_out_of_order_breaks_the_connection(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_streamed = true});
    (void)rig_trace(rig);
    rig_piece(rig, 1, (struct rig_piece){7, 5, 10, true});

    assert_string_equal(rig_trace(rig), "cancel id=1 epoch=7 protocol\n"
                                        "break id=1 response-broken last\n"
                                        "free id=1\n");
    rig_free(rig);
}

static void abort_after_the_head_breaks_and_before_it_answers_502(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .is_streamed = true});
    (void)rig_trace(rig);
    rig_abort(rig, 1, HF_REASON_RESPONSE_BROKEN);
    rig_abort(rig, 2, HF_REASON_RESPONSE_BROKEN);

    assert_string_equal(rig_trace(rig), "break id=1 response-broken last\n"
                                        "free id=1\n"
                                        "problem id=2 worker-lost\n"
                                        "free id=2\n");
    rig_free(rig);
}

static void late_records_about_unknown_ids_start_nothing(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_admitted(rig, 9);
    rig_window(rig, 9, 100);
    rig_refused(rig, 9, HF_REASON_QUEUE_FULL);
    rig_abort(rig, 9, HF_REASON_WORKER_LOST);
    rig_piece(rig, 9, (struct rig_piece){7, 0, 10, true});
    rig_assigned(rig, 9, 3);
    rig_response(rig, 9, (struct rig_response){.epoch = 3, .is_streamed = true});

    assert_string_equal(rig_trace(rig), "cancel id=9 epoch=3 Connection_Dropped\n"
                                        "cancel id=9 epoch=3 Connection_Dropped\n");
    rig_free(rig);
}

static void draining_answers_what_is_held_and_refuses_the_rest(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    rig_get(rig);
    (void)rig_trace(rig);
    rig_drain(rig);
    rig_get(rig);
    rig_response(rig, 1, (struct rig_response){.epoch = 7, .bytes = 1});

    assert_string_equal(rig_trace(rig), "problem id=2 tag=102 AppShutdown last\n"
                                        "respond id=1 epoch=7 amount=1 last\n"
                                        "response-ack id=1 epoch=7\n"
                                        "free id=1\n"
                                        "drained\n");
    rig_free(rig);
}

static void requests_past_the_limit_are_refused_not_dropped(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    for (int i = 0; i < 1024; i++) {
        rig_get(rig);
    }
    (void)rig_trace(rig);
    rig_get(rig);

    assert_string_equal(rig_trace(rig), "problem id=1025 tag=1125 ConnLimit\n");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_without_body_is_enqueued_at_once_and_answered_once),
        cmocka_unit_test(small_body_is_collected_whole_before_it_is_enqueued),
        cmocka_unit_test(large_body_is_read_only_after_the_queue_admitted_it),
        cmocka_unit_test(expectation_is_met_only_after_admission),
        cmocka_unit_test(refused_expectation_never_uploads_its_body),
        cmocka_unit_test(chunked_body_past_the_inline_limit_becomes_a_stream),
        cmocka_unit_test(declared_body_over_the_limit_is_refused_before_reading),
        cmocka_unit_test(chunked_body_over_the_limit_is_refused_midway),
        cmocka_unit_test(body_is_sent_no_further_than_the_window),
        cmocka_unit_test(client_that_leaves_cancels_its_request),
        cmocka_unit_test(unbound_group_and_unknown_queue_are_refused),
        cmocka_unit_test(deadline_ends_the_wait_with_504),
        cmocka_unit_test(invalid_response_becomes_502_and_is_acknowledged),
        cmocka_unit_test(streamed_response_is_forwarded_under_the_clients_pace),
        cmocka_unit_test(response_piece_out_of_order_breaks_the_connection),
        cmocka_unit_test(abort_after_the_head_breaks_and_before_it_answers_502),
        cmocka_unit_test(late_records_about_unknown_ids_start_nothing),
        cmocka_unit_test(draining_answers_what_is_held_and_refuses_the_rest),
        cmocka_unit_test(requests_past_the_limit_are_refused_not_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
