/* holdfast-worker with the echo module, as a process, against a broker of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/scenario/worker_fake_broker.h"
#include "tests/scenario/worker_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct worker_process *start(const char *concurrency, const char *config)
{
    const char *flags[] = {
        "--module", "echo", "--concurrency", concurrency, "--module-config",
        config,     NULL};

    return worker_process_new(flags);
}

static void assert_body(const struct fake_lease *lease, const char *text)
{
    hf_slice body = hf_buf_slice(&lease->body);

    assert_int_equal(body.bytes, strlen(text));
    assert_memory_equal(body.data, text, body.bytes);
}

static struct fake_lease *ask(struct worker_process *p, struct fake_request request)
{
    struct fake_lease *lease = fake_assign(p->broker, &request);

    fake_await(p->broker, lease);
    return lease;
}

static void request_without_body_is_greeted(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET", .path = "/"});

    (void)state;
    assert_int_equal(lease->status, 200);
    assert_body(lease, "hello\n");
    assert_false(lease->was_streamed);
    assert_true(lease->has_length);
    worker_process_free(p);
}

static void body_comes_back(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_lease *lease =
        ask(p, (struct fake_request){
                   .method = "PUT", .path = "/x", .body = HF_SLICE("some bytes")});

    (void)state;
    assert_body(lease, "some bytes");
    worker_process_free(p);
}

static void large_streamed_body_comes_back_as_a_stream(void **state)
{
    struct worker_process *p = start("1", "");
    size_t bytes = 5000000;
    uint8_t *data = malloc(bytes);

    (void)state;
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    }

    hf_slice body = hf_slice_of(data, bytes);
    struct fake_request request = {
        .method = "PUT", .path = "/", .body = body, .is_streamed = true};
    struct fake_lease *lease = fake_assign(p->broker, &request);

    fake_send_body(p->broker, lease, body);
    fake_await(p->broker, lease);

    assert_true(lease->was_streamed);
    assert_int_equal(lease->content_length, bytes);
    assert_true(hf_slice_equal(hf_buf_slice(&lease->body), body));
    free(data);
    worker_process_free(p);
}

static void bytes_are_streamed_under_the_window(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET", .path = "/bytes/3000001"});

    (void)state;
    assert_int_equal(hf_buf_bytes(&lease->body), 3000001);
    assert_true(lease->was_streamed);
    worker_process_free(p);
}

static void head_declares_the_length_without_a_body(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_lease *small =
        ask(p, (struct fake_request){.method = "HEAD", .path = "/"});
    struct fake_lease *large =
        ask(p, (struct fake_request){.method = "HEAD", .path = "/bytes/3000000"});

    (void)state;
    assert_int_equal(hf_buf_bytes(&small->body), 0);
    assert_int_equal(small->content_length, 6);
    assert_int_equal(hf_buf_bytes(&large->body), 0);
    assert_int_equal(large->content_length, 3000000);
    worker_process_free(p);
}

static void delays_overlap_and_answer_in_their_time(void **state)
{
    struct worker_process *p = start("2", "");
    struct fake_request slow_request = {.method = "GET", .path = "/delay/400"};
    struct fake_request fast_request = {.method = "GET", .path = "/delay/50"};
    struct fake_lease *slow = fake_assign(p->broker, &slow_request);
    struct fake_lease *fast = fake_assign(p->broker, &fast_request);

    (void)state;
    fake_await(p->broker, fast);
    assert_false(slow->is_whole);
    fake_await(p->broker, slow);
    assert_body(slow, "hello\n");
    worker_process_free(p);
}

static void headers_show_what_the_worker_received(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET",
                                     .path = "/headers",
                                     .query = "a=1",
                                     .fields = "X-A: 1\r\nx-a: 2\r\n",
                                     .attempt = 3});
    char text[4096];
    hf_slice body = hf_buf_slice(&lease->body);

    (void)state;
    assert_true(body.bytes < sizeof text);
    memcpy(text, body.data, body.bytes);
    text[body.bytes] = 0;
    assert_non_null(strstr(text, "method GET\npath /headers\nquery a=1\n"));
    assert_non_null(strstr(text, "client_ip 192.0.2.7\n"));
    assert_non_null(strstr(text, "attempt 3\n\nX-A: 1\r\nx-a: 2\r\n"));
    worker_process_free(p);
}

static void status_is_the_one_asked_for(void **state)
{
    struct worker_process *p = start("1", "");

    (void)state;
    assert_int_equal(
        ask(p, (struct fake_request){.method = "GET", .path = "/status/503"})->status,
        503);
    assert_int_equal(hf_buf_bytes(&ask(p, (struct fake_request){.method = "GET",
                                                                .path = "/status/204"})
                                       ->body),
                     0);
    worker_process_free(p);
}

static bool is_declared(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)b;
    return lease->is_declared;
}

static void running_request_survives_its_link_with_its_receipt(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_request request = {.method = "GET", .path = "/delay/600"};
    struct fake_lease *lease = fake_assign(p->broker, &request);

    (void)state;
    fake_cut(p->broker);
    fake_await_that(p->broker, lease, is_declared);
    assert_false(lease->is_declared_answered);

    fake_declared(p->broker, lease, true);
    fake_await(p->broker, lease);

    assert_body(lease, "hello\n");
    worker_process_free(p);
}

static void unacknowledged_response_is_offered_again(void **state)
{
    struct worker_process *p = start("1", "");

    (void)state;
    p->broker->is_ack_held = true;

    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET", .path = "/bytes/300000"});

    fake_cut(p->broker);
    fake_await_that(p->broker, lease, is_declared);
    assert_true(lease->is_declared_answered);
    fake_declared(p->broker, lease, true);
    fake_await(p->broker, lease);

    assert_int_equal(hf_buf_bytes(&lease->body), 300000);
    worker_process_free(p);
}

static void crash_ends_the_process_on_the_first_attempt_only(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_request request = {.method = "GET", .path = "/crash", .attempt = 2};

    (void)state;
    assert_int_equal(ask(p, request)->status, 200);

    request.attempt = 1;
    (void)fake_assign(p->broker, &request);

    assert_int_equal(worker_process_wait(p), SIGABRT);
    worker_process_free(p);
}

static bool has_drained(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)lease;
    return b->was_drained;
}

static bool has_said_goodbye(const struct fake_broker *b,
                             const struct fake_lease *lease)
{
    (void)lease;
    return b->said_goodbye;
}

static bool has_begun(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)b;
    return lease->status != 0;
}

static void sigterm_finishes_what_is_held_and_says_goodbye(void **state)
{
    struct worker_process *p = start("1", "");
    struct fake_request request = {.method = "GET", .path = "/bytes/1500000"};

    (void)state;
    p->broker->is_window_held = true;

    struct fake_lease *lease = fake_assign(p->broker, &request);

    fake_await_that(p->broker, lease, has_begun);
    worker_process_signal(p, SIGTERM);
    fake_await_that(p->broker, lease, has_drained);
    assert_false(lease->is_whole);
    fake_grant(p->broker, lease, 1000000);

    fake_await(p->broker, lease);
    assert_int_equal(worker_process_wait(p), 0);
    assert_int_equal(hf_buf_bytes(&lease->body), 1500000);
    fake_await_that(p->broker, NULL, has_said_goodbye);
    worker_process_free(p);
}

static void each_execution_is_logged_once(void **state)
{
    char path[] = "/tmp/worker-echo-log-XXXXXX";
    char config[64];
    char line[256] = "";
    FILE *file;

    (void)state;
    assert_true(mkstemp(path) >= 0);
    (void)snprintf(config, sizeof config, "log=%s", path);

    struct worker_process *p = start("1", config);

    (void)ask(p, (struct fake_request){.method = "GET", .path = "/a", .query = "n=1"});
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_memory_equal(line, "/a?n=1 ", 7);
    assert_string_equal(line + strlen(line) - 3, " 1\n");
    assert_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    (void)remove(path);
    worker_process_free(p);
}

static bool has_pong(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)lease;
    return b->pongs > 0;
}

static void ping_is_answered_with_health(void **state)
{
    struct worker_process *p = start("1", "");
    struct hf_ping ping = {.nonce = 7};
    uint8_t meta[HF_META_SMALL_MAX];

    (void)state;
    (void)ask(p, (struct fake_request){.method = "GET", .path = "/"});
    memcpy(ping.key.bytes, p->broker->key, sizeof ping.key.bytes);
    fake_send(p->broker, HF_RECORD_PING,
              hf_slice_of(meta, hf_ping_encode(&ping, meta, sizeof meta)));
    fake_await_that(p->broker, NULL, has_pong);

    assert_int_equal(p->broker->health, HF_HEALTH_WELL);
    worker_process_free(p);
}

static bool has_come_back(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)lease;
    return b->ups >= 2 && b->said_goodbye;
}

static void record_a_broker_may_not_send_ends_the_session(void **state)
{
    struct worker_process *p = start("1", "");

    (void)state;
    (void)ask(p, (struct fake_request){.method = "GET", .path = "/"});

    fake_send(p->broker, HF_RECORD_ENQUEUE, HF_SLICE_EMPTY);

    fake_await_that(p->broker, NULL, has_come_back);
    worker_process_free(p);
}

static bool has_reauthenticated(const struct fake_broker *b,
                                const struct fake_lease *lease)
{
    (void)lease;
    return b->reauths > 0;
}

static void replaced_token_file_renews_the_session(void **state)
{
    struct worker_process *p = start("1", "");

    (void)state;
    (void)ask(p, (struct fake_request){.method = "GET", .path = "/"});
    fake_renew_file(p->broker);
    fake_await_that(p->broker, NULL, has_reauthenticated);

    assert_int_equal(p->broker->ups, 1);
    worker_process_free(p);
}

static void pushed_token_renews_the_session(void **state)
{
    struct worker_process *p = start("1", "");

    (void)state;
    (void)ask(p, (struct fake_request){.method = "GET", .path = "/"});
    fake_push_token(p->broker);
    fake_await_that(p->broker, NULL, has_reauthenticated);

    assert_int_equal(p->broker->ups, 1);
    worker_process_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_without_body_is_greeted),
        cmocka_unit_test(body_comes_back),
        cmocka_unit_test(large_streamed_body_comes_back_as_a_stream),
        cmocka_unit_test(bytes_are_streamed_under_the_window),
        cmocka_unit_test(head_declares_the_length_without_a_body),
        cmocka_unit_test(delays_overlap_and_answer_in_their_time),
        cmocka_unit_test(headers_show_what_the_worker_received),
        cmocka_unit_test(status_is_the_one_asked_for),
        cmocka_unit_test(running_request_survives_its_link_with_its_receipt),
        cmocka_unit_test(unacknowledged_response_is_offered_again),
        cmocka_unit_test(crash_ends_the_process_on_the_first_attempt_only),
        cmocka_unit_test(sigterm_finishes_what_is_held_and_says_goodbye),
        cmocka_unit_test(each_execution_is_logged_once),
        cmocka_unit_test(ping_is_answered_with_health),
        cmocka_unit_test(replaced_token_file_renews_the_session),
        cmocka_unit_test(pushed_token_renews_the_session),
        cmocka_unit_test(record_a_broker_may_not_send_ends_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
