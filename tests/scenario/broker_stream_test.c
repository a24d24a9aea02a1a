/* Bodies that come in pieces, in both directions, under a window. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define REPEATABLE BROKER_SUBMIT_REPEATABLE
#define ASYNC      BROKER_SUBMIT_ASYNC
#define STREAMED   BROKER_SUBMIT_STREAMED
#define REOFFER    BROKER_SUBMIT_REOFFER

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static void submit_streamed(unsigned id, uint32_t flags, uint64_t bytes)
{
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 1,
                      .handle = 1,
                      .id = bench_id(id),
                      .u.submit = {.flags = flags | STREAMED,
                                   .deadline = hf_time_add_ms(t->now, 600000),
                                   .head_bytes = 100,
                                   .body_bytes = bytes}});
}

static void piece(enum broker_input_type type, uint64_t offset, uint32_t bytes,
                  bool is_last)
{
    bench_step(t, (struct broker_input){.type = type,
                                        .session = type == BROKER_IN_BODY ? 1 : 2,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1),
                                        .u.body = {offset, bytes, is_last}});
}

static void begin_response(void)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_RESULT,
                                        .session = 2,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1),
                                        .u.result.is_streamed = true});
}

/* Worker 2 has begun to stream its response to request 1. */
static void streaming_response(uint32_t flags)
{
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, flags);
    if ((flags & REPEATABLE) == 0) {
        bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    }
    begin_response();
    piece(BROKER_IN_RESULT_BODY, 0, 1000, false);
    bench_forget(t);
}

static void
streamed_body_in_a_memory_queue_is_granted_at_once_and_assigned_when_whole(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 1);
    submit_streamed(1, REPEATABLE, 300);
    piece(BROKER_IN_BODY, 0, 200, false);
    bench_expect(t, "hold r1\nadmitted s1 r1\nhold-body r1\nwindow s1 r1 200\n");

    piece(BROKER_IN_BODY, 200, 100, true);

    bench_expect(t, "hold-body r1\nassign s2 r1 e1 attempt 1\n");
}

static void
streamed_body_in_a_lazy_queue_is_written_as_it_arrives_then_granted(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    submit_streamed(1, REPEATABLE, 300);
    piece(BROKER_IN_BODY, 0, 100, false);
    piece(BROKER_IN_BODY, 100, 100, false);
    assert_true(bench_take(t));
    bench_expect(t, "hold r1\nadmitted s1 r1\nhold-body r1\nhold-body r1\n"
                    "write put #1\nwrite put-body #1 0+200\n");
    assert_true(broker_request_at(t->broker, 1).body_bytes == BROKER_BODY_INCOMPLETE);

    bench_commit(t);
    bench_expect(t, "window s1 r1 200\n");
    piece(BROKER_IN_BODY, 200, 100, true);
    bench_expect(t, "hold-body r1\nassign s2 r1 e1 attempt 1\n");
    assert_true(bench_take(t));
    bench_expect(t, "write put #1\nwrite put-body #1 200+100\n");
    assert_int_equal(broker_request_at(t->broker, 1).body_bytes, 300);
}

static void streamed_strict_request_is_ready_when_all_of_it_is_on_disk(void **state)
{
    (void)state;
    bench_init(t, BROKER_STRICT, NULL);
    bench_pair(t, 1);
    submit_streamed(1, REPEATABLE, 300);
    assert_true(bench_take(t));
    piece(BROKER_IN_BODY, 0, 300, true);
    bench_commit(t);
    assert_true(bench_take(t));
    bench_expect(t,
                 "hold r1\nadmitted s1 r1\nwrite put #1\nhold-body r1\nwrite put #1\n"
                 "write put-body #1 0+300\n");
    bench_commit(t);

    bench_expect(t, "assign s2 r1 e1 attempt 1\n");
}

static void
empty_piece_of_a_request_body_that_is_not_the_last_is_a_violation(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 0);
    submit_streamed(1, REPEATABLE, 0);
    piece(BROKER_IN_BODY, 0, 10, false);
    bench_forget(t);

    piece(BROKER_IN_BODY, 10, 0, false);

    bench_expect(t, "violation s1 protocol\noutcome r1 Connection_Dropped\nfree r1\n");
}

static void empty_piece_of_a_response_that_is_not_the_last_is_a_violation(void **state)
{
    (void)state;
    streaming_response(REPEATABLE);

    piece(BROKER_IN_RESULT_BODY, 1000, 0, false);

    bench_expect(t, "violation s2 protocol\n");
}

static void more_body_than_the_window_is_a_violation(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    submit_streamed(1, REPEATABLE, 0);
    piece(BROKER_IN_BODY, 0, BROKER_BODY_WINDOW, false);
    bench_forget(t);

    piece(BROKER_IN_BODY, BROKER_BODY_WINDOW, 1, false);

    bench_expect(t, "violation s1 protocol\noutcome r1 Connection_Dropped\nfree r1\n");
}

static void gap_in_a_body_is_a_violation(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 0);
    submit_streamed(1, REPEATABLE, 10);
    bench_forget(t);

    piece(BROKER_IN_BODY, 5, 5, true);

    bench_expect(t, "violation s1 protocol\noutcome r1 Connection_Dropped\nfree r1\n");
}

static void body_that_outgrows_the_queue_is_refused(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 0);
    submit_streamed(1, REPEATABLE, 4000000);
    submit_streamed(2, REPEATABLE, 190000);
    bench_forget(t);
    bench_step(t, (struct broker_input){.type = BROKER_IN_BODY,
                                        .session = 1,
                                        .id = bench_id(2),
                                        .u.body = {0, 200000, false}});

    bench_expect(
        t, "refused s1 r2 QueueFull retry 60000\noutcome r2 QueueFull\nfree r2\n");
    assert_int_equal(bench_queue(t).depth_bytes, 4000100);
}

static void body_of_a_refused_request_is_dropped_without_blame(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 0);

    piece(BROKER_IN_BODY, 0, 10, false);

    bench_expect(t, "");
}

static void half_a_body_ends_with_its_frontend(void **state)
{
    (void)state;
    bench_init(t, BROKER_MEMORY, NULL);
    bench_pair(t, 0);
    submit_streamed(1, REPEATABLE, 10);
    bench_forget(t);

    bench_down(t, 1);

    bench_expect(t, "outcome r1 Connection_Dropped\nfree r1\n");
}

static void streamed_response_is_forwarded_piece_by_piece_and_held(void **state)
{
    (void)state;
    streaming_response(REPEATABLE);

    piece(BROKER_IN_RESULT_BODY, 1000, 500, true);
    bench_ack(t, 1, 1, EPOCH(1));

    bench_expect(t, "hold-response r1\nresponse-body s1 r1 e1\nrespond-ack s2 r1 done\n"
                    "outcome r1 none\nfree r1\n");
}

static void response_beyond_one_mebibyte_is_not_kept(void **state)
{
    (void)state;
    streaming_response(REPEATABLE);
    bench_step(t, (struct broker_input){.type = BROKER_IN_WINDOW,
                                        .session = 1,
                                        .id = bench_id(1),
                                        .epoch = EPOCH(1),
                                        .u.window.bytes = 1000});
    piece(BROKER_IN_RESULT_BODY, 1000, BROKER_RESPONSE_KEPT_MAX, false);
    bench_expect(t, "window s2 r1 1000\ndrop-response r1\nresponse-body s1 r1 e1\n");

    bench_down(t, 1);
    bench_up(t, 5, 'F');
    bench_open(t, 5, 1, FRONTEND_RIGHTS);
    bench_submit(t, 5, 1, REPEATABLE | REOFFER);

    bench_expect(t,
                 "opened s5 h1 none\ncancel s2 r1 e1 response-broken\n"
                 "abort s5 r1 response-broken\noutcome r1 response-broken\nfree r1\n");
}

static void worker_that_exceeds_its_response_window_is_cut(void **state)
{
    (void)state;
    streaming_response(REPEATABLE);

    piece(BROKER_IN_RESULT_BODY, 1000, BROKER_BODY_WINDOW, false);

    bench_expect(t, "violation s2 protocol\n");
}

static void
begun_response_waits_for_its_worker_and_is_sent_again_from_the_start(void **state)
{
    (void)state;
    streaming_response(REPEATABLE);
    bench_down(t, 2);
    bench_run(t, 1000);
    bench_expect(t, "");

    bench_up(t, 2, 'W');
    bench_open(t, 2, 1, WORKER_RIGHTS);
    bench_declare(t, 2, 1, EPOCH(1));
    begin_response();
    piece(BROKER_IN_RESULT_BODY, 0, 1500, true);

    bench_expect(t, "opened s2 h1 none\ndrop-response r1\ndeclared s2 r1 kept\n"
                    "hold-response r1\nresponse s1 r1 e1\nhold-response r1\n"
                    "response-body s1 r1 e1\n");
}

static void begun_response_whose_worker_stays_away_is_aborted(void **state)
{
    (void)state;
    streaming_response(REPEATABLE);
    bench_down(t, 2);

    bench_run(t, 5100);

    bench_expect(t,
                 "abort s1 r1 response-broken\noutcome r1 response-broken\nfree r1\n");
}

static void abort_of_a_begun_response_reaches_the_frontend(void **state)
{
    (void)state;
    streaming_response(0);

    bench_about(t, BROKER_IN_ABORT, 2, 1, EPOCH(1));

    bench_expect(t,
                 "abort s1 r1 response-broken\noutcome r1 response-broken\nfree r1\n");
}

static void abort_before_anything_was_forwarded_is_a_failed_attempt(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 2);
    bench_submit(t, 1, 1, REPEATABLE);

    bench_about(t, BROKER_IN_ABORT, 2, 1, EPOCH(1));

    bench_expect(t, "hold r1\nassign s2 r1 e1 attempt 1\nassign s2 r1 e2 attempt 2\n");
}

static void async_response_is_read_by_nobody_and_not_held_back(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, ASYNC);
    assert_true(bench_take(t));
    bench_commit(t);
    bench_forget(t);

    begin_response();
    piece(BROKER_IN_RESULT_BODY, 0, 1000000, false);
    piece(BROKER_IN_RESULT_BODY, 1000000, 1000000, true);
    bench_tick(t, 50);
    assert_true(bench_take(t));
    bench_commit(t);

    bench_expect(t, "hold-response r1\nhold-response r1\nwindow s2 r1 1000000\n"
                    "drop-response r1\nwindow s2 r1 1000000\nwrite drop #1\n"
                    "respond-ack s2 r1 done\noutcome r1 none\nfree r1\n");
}

static void
reoffered_streamed_request_sends_its_body_only_when_it_must_run_again(void **state)
{
    (void)state;
    struct broker_config config = bench_config();

    config.incarnation = 2;
    bench_init(t, BROKER_LAZY, &config);
    bench_pair(t, 0);
    bench_declare(t, 2, 1, EPOCH(1));
    submit_streamed(1, REPEATABLE | REOFFER, 10);
    bench_expect(t, "declared s2 r1 kept\nhold r1\n");

    bench_down(t, 2);
    bench_expect(t, "admitted s1 r1\n");
    piece(BROKER_IN_BODY, 0, 10, true);

    bench_expect(t, "hold-body r1\n");
    assert_int_equal(bench_queue(t).depth, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            streamed_body_in_a_memory_queue_is_granted_at_once_and_assigned_when_whole,
            teardown),
        cmocka_unit_test_teardown(
            streamed_body_in_a_lazy_queue_is_written_as_it_arrives_then_granted,
            teardown),
        cmocka_unit_test_teardown(
            streamed_strict_request_is_ready_when_all_of_it_is_on_disk, teardown),
        cmocka_unit_test_teardown(
            empty_piece_of_a_request_body_that_is_not_the_last_is_a_violation,
            teardown),
        cmocka_unit_test_teardown(
            empty_piece_of_a_response_that_is_not_the_last_is_a_violation, teardown),
        cmocka_unit_test_teardown(more_body_than_the_window_is_a_violation, teardown),
        cmocka_unit_test_teardown(gap_in_a_body_is_a_violation, teardown),
        cmocka_unit_test_teardown(body_that_outgrows_the_queue_is_refused, teardown),
        cmocka_unit_test_teardown(body_of_a_refused_request_is_dropped_without_blame,
                                  teardown),
        cmocka_unit_test_teardown(half_a_body_ends_with_its_frontend, teardown),
        cmocka_unit_test_teardown(
            streamed_response_is_forwarded_piece_by_piece_and_held, teardown),
        cmocka_unit_test_teardown(response_beyond_one_mebibyte_is_not_kept, teardown),
        cmocka_unit_test_teardown(worker_that_exceeds_its_response_window_is_cut,
                                  teardown),
        cmocka_unit_test_teardown(
            begun_response_waits_for_its_worker_and_is_sent_again_from_the_start,
            teardown),
        cmocka_unit_test_teardown(begun_response_whose_worker_stays_away_is_aborted,
                                  teardown),
        cmocka_unit_test_teardown(abort_of_a_begun_response_reaches_the_frontend,
                                  teardown),
        cmocka_unit_test_teardown(
            abort_before_anything_was_forwarded_is_a_failed_attempt, teardown),
        cmocka_unit_test_teardown(async_response_is_read_by_nobody_and_not_held_back,
                                  teardown),
        cmocka_unit_test_teardown(
            reoffered_streamed_request_sends_its_body_only_when_it_must_run_again,
            teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
