/* libholdfast-worker as a program sees it, and the module of docs/worker-guide.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "holdfast/worker.h"
#include "tests/scenario/worker_process.h"
#include "worker/shell.h" /* links the library; nothing of it is used */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench {
    char directory[64];
    struct fake_broker *broker;
    struct hf_worker *worker;
    const char *addresses[1];
};

static void setup(struct bench *b, struct hf_worker_options options)
{
    (void)snprintf(b->directory, sizeof b->directory, "/tmp/hf-library-XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    b->broker = fake_broker_new(b->directory);
    b->addresses[0] = b->broker->address;
    options.brokers = b->addresses;
    options.brokers_count = 1;
    options.key_file = b->broker->credentials;
    assert_int_equal(hf_worker_open(&options, &b->worker), HF_STATUS_OK);
    assert_int_equal(hf_open_queue(b->worker, "web"), HF_STATUS_OK);
}

static void finish(struct bench *b)
{
    hf_worker_close(b->worker);
    assert_int_equal(unlink(b->broker->credentials), 0);
    fake_broker_free(b->broker);
    (void)rmdir(b->directory);
}

static void assert_body(const struct fake_lease *lease, const char *text)
{
    hf_slice body = hf_buf_slice(&lease->body);

    assert_int_equal(body.bytes, strlen(text));
    assert_memory_equal(body.data, text, body.bytes);
}

static struct hf_answer text_answer(const char *text)
{
    return (struct hf_answer){.status = 200, .body = text, .body_bytes = strlen(text)};
}

static void blocking_form_receives_and_answers(void **state)
{
    struct bench b;
    struct hf_request *request = NULL;
    struct hf_answer answer = text_answer("yes");
    struct fake_request ask = {.method = "POST", .path = "/a", .body = HF_SLICE("in")};

    (void)state;
    setup(&b, (struct hf_worker_options){.concurrency = 1});

    struct fake_lease *lease = fake_assign(b.broker, &ask);

    assert_int_equal(hf_receive(b.worker, HF_RECEIVE_BODY, 10000, &request), 0);
    assert_int_equal(hf_request_body(request).bytes, 2);
    assert_int_equal(hf_request_path(request).bytes, 2);
    assert_null(hf_request_query(request).data);
    assert_true(hf_time_left_ms(request) > 10000);
    assert_int_equal(hf_send_response(request, &answer, 0), HF_STATUS_OK);
    fake_await(b.broker, lease);

    assert_body(lease, "yes");
    finish(&b);
}

static void receive_gives_up_after_its_time(void **state)
{
    struct bench b;
    struct hf_request *request = NULL;

    (void)state;
    setup(&b, (struct hf_worker_options){.concurrency = 1});
    assert_int_equal(hf_receive(b.worker, HF_RECEIVE_HEADERS, 10, &request),
                     HF_STATUS_TIMEOUT);
    finish(&b);
}

static void *feed(void *ctx)
{
    struct bench *b = ctx;
    static uint8_t data[3000000];
    struct fake_request ask = {
        .method = "PUT", .path = "/", .body = {data, sizeof data}, .is_streamed = true};
    struct fake_lease *lease = fake_assign(b->broker, &ask);

    fake_send_body(b->broker, lease, ask.body);
    fake_await(b->broker, lease);
    return lease;
}

static void body_is_read_and_written_in_pieces_under_windows(void **state)
{
    struct bench b;
    struct hf_request *request = NULL;
    struct hf_answer answer = {.status = 200};
    pthread_t feeder;
    char piece[10000];
    size_t got = 0;
    size_t all = 0;
    void *lease;

    (void)state;
    setup(&b, (struct hf_worker_options){.concurrency = 1});
    assert_int_equal(pthread_create(&feeder, NULL, feed, &b), 0);
    assert_int_equal(hf_receive(b.worker, HF_RECEIVE_HEADERS, 10000, &request), 0);
    assert_int_equal(hf_send_response(request, &answer, HF_SEND_MORE), HF_STATUS_OK);
    while (hf_read_body(request, piece, sizeof piece, &got) == HF_STATUS_OK) {
        assert_int_equal(hf_send_body(request, piece, got, HF_SEND_MORE, NULL), 0);
        all += got;
    }
    assert_int_equal(all, 3000000);
    assert_int_equal(hf_send_body(request, "end", 3, 0, NULL), HF_STATUS_OK);
    assert_int_equal(pthread_join(feeder, &lease), 0);

    assert_int_equal(hf_buf_bytes(&((struct fake_lease *)lease)->body), 3000003);
    finish(&b);
}

static void bad_answers_are_refused_and_leave_the_request(void **state)
{
    struct bench b;
    struct hf_request *request = NULL;
    struct fake_request ask = {.method = "GET", .path = "/"};
    struct hf_answer bad_status = {.status = 99};
    struct hf_answer bad_field = {
        .status = 200, .fields = "A b: c\r\n", .fields_bytes = 8};
    struct hf_answer bad_end = {.status = 200, .fields = "A: b", .fields_bytes = 4};

    (void)state;
    setup(&b, (struct hf_worker_options){.concurrency = 1});

    struct fake_lease *lease = fake_assign(b.broker, &ask);

    assert_int_equal(hf_receive(b.worker, HF_RECEIVE_BODY, 10000, &request), 0);
    assert_int_equal(hf_send_response(request, &bad_status, 0), HF_STATUS_INVALID);
    assert_int_equal(hf_send_response(request, &bad_field, 0), HF_STATUS_INVALID);
    assert_int_equal(hf_send_response(request, &bad_end, 0), HF_STATUS_INVALID);
    assert_int_equal(hf_send_body(request, "x", 1, 0, NULL), HF_STATUS_INVALID);
    hf_cancel(request);
    fake_await(b.broker, lease);

    assert_true(lease->has_failed);
    assert_int_equal(lease->status, 0);
    finish(&b);
}

static void cancelled_client_wakes_the_one_who_waits_for_it(void **state)
{
    struct bench b;
    struct hf_request *request = NULL;
    struct fake_request ask = {.method = "GET", .path = "/"};

    (void)state;
    setup(&b, (struct hf_worker_options){.concurrency = 1});

    struct fake_lease *lease = fake_assign(b.broker, &ask);

    assert_int_equal(hf_receive(b.worker, HF_RECEIVE_BODY, 10000, &request), 0);
    assert_int_equal(hf_wait_disconnect(request, 1), HF_STATUS_TIMEOUT);
    fake_cancel(b.broker, lease);
    assert_int_equal(hf_wait_disconnect(request, 10000), HF_STATUS_CANCELLED);
    assert_true(hf_is_cancelled(request));
    hf_cancel(request);
    /* The only credit is back. */
    lease = fake_assign(b.broker, &ask);
    assert_int_equal(hf_receive(b.worker, HF_RECEIVE_BODY, 10000, &request), 0);
    assert_int_equal(hf_release(request), HF_STATUS_OK);
    fake_await(b.broker, lease);
    assert_true(lease->is_released);
    finish(&b);
}

static void on_request(void *ctx, struct hf_request *request)
{
    struct hf_answer answer = text_answer("called");

    (void)ctx;
    (void)hf_send_response(request, &answer, 0);
}

static void callback_form_answers_on_threads_or_without(void **state)
{
    struct hf_handler handler = {.handle = on_request};
    struct fake_request ask = {.method = "GET", .path = "/"};

    (void)state;
    for (uint32_t threads = 0; threads <= 2; threads++) {
        struct bench b;

        setup(&b, (struct hf_worker_options){
                      .concurrency = 4, .threads = threads, .handler = &handler});
        for (int i = 0; i < 20; i++) {
            struct fake_lease *lease = fake_assign(b.broker, &ask);

            fake_await(b.broker, lease);
            assert_body(lease, "called");
        }
        assert_int_equal(hf_shutdown(b.worker, 10000), HF_STATUS_OK);
        finish(&b);
    }
}

/* As many as WK_BATCH_MAX and some more, which come together while the first waits. */
#define TOGETHER (WK_BATCH_MAX + 40)

static _Atomic int statuses[4]; /* of what on_mixed's calls have returned */

/* By turns a whole answer, one after a refused one, and one in two pieces. */
static void on_mixed(void *ctx, struct hf_request *request)
{
    static _Atomic unsigned number;
    struct hf_answer answer = text_answer("called");
    unsigned turn = atomic_fetch_add(&number, 1);

    (void)ctx;
    answer.fields = "Some-Name: x\r\n";
    answer.fields_bytes = 14;
    if (turn == 0) {
        (void)usleep(100000);
    } else if (turn % 3 == 1) {
        answer.fields = "Some Name: x\r\n"; /* no token, as long as the good one */
        statuses[hf_send_response(request, &answer, 0) == HF_STATUS_INVALID]++;
        answer.fields = "Some-Name: x\r\n";
    } else if (turn % 3 == 2) {
        (void)hf_send_response(request, &answer, HF_SEND_MORE);
        (void)hf_send_body(request, " twice", 6, 0, NULL);
        return;
    }
    statuses[2 + (hf_send_response(request, &answer, 0) == HF_STATUS_OK)]++;
}

static void requests_that_come_together_are_answered_each(void **state)
{
    struct hf_handler handler = {.handle = on_mixed};
    struct fake_request ask = {.method = "GET", .path = "/"};
    struct fake_lease *leases[TOGETHER];
    struct bench b;
    size_t twice = 0;

    (void)state;
    setup(&b, (struct hf_worker_options){.concurrency = TOGETHER, .handler = &handler});
    for (size_t i = 0; i < TOGETHER; i++) {
        leases[i] = fake_assign(b.broker, &ask);
    }
    for (size_t i = 0; i < TOGETHER; i++) {
        fake_await(b.broker, leases[i]);
        assert_int_equal(leases[i]->status, 200);
        twice += hf_buf_bytes(&leases[i]->body) == 12;
        assert_true(hf_buf_bytes(&leases[i]->body) == 12 ||
                    hf_buf_bytes(&leases[i]->body) == 6);
    }
    assert_int_equal(twice, TOGETHER / 3);
    assert_int_equal(statuses[0], 0);
    assert_int_equal(statuses[1], (TOGETHER + 1) / 3);
    assert_int_equal(statuses[2], 0);
    assert_int_equal(statuses[3], TOGETHER - TOGETHER / 3);
    assert_int_equal(hf_shutdown(b.worker, 10000), HF_STATUS_OK);
    finish(&b);
}

static void shutdown_gives_back_what_was_not_begun(void **state)
{
    struct bench b;
    struct hf_request *request = NULL;
    struct fake_request ask = {.method = "POST", .path = "/"};

    (void)state;
    setup(&b, (struct hf_worker_options){.concurrency = 2});

    struct fake_lease *taken = fake_assign(b.broker, &ask);

    assert_int_equal(hf_receive(b.worker, HF_RECEIVE_HEADERS, 10000, &request), 0);

    struct fake_lease *queued = fake_assign(b.broker, &ask);

    assert_int_equal(hf_shutdown(b.worker, 1), HF_STATUS_TIMEOUT);
    fake_await(b.broker, queued);
    assert_true(queued->is_released);
    hf_cancel(request);
    fake_await(b.broker, taken);
    assert_int_equal(hf_shutdown(b.worker, 10000), HF_STATUS_OK);
    assert_int_equal(hf_receive(b.worker, 0, 10000, &request), HF_STATUS_STOPPED);
    finish(&b);
}

static void options_that_break_a_rule_are_refused(void **state)
{
    const char *addresses[] = {"tcp://127.0.0.1:1"};
    struct hf_worker *worker = NULL;
    struct hf_worker_options none = {.brokers = addresses};
    struct hf_worker_options file = {
        .brokers = addresses, .brokers_count = 1, .key_file = "/nonexistent"};
    struct hf_worker_options no_key = {.brokers = addresses, .brokers_count = 1};

    (void)state;
    assert_int_equal(hf_worker_open(&none, &worker), HF_STATUS_INVALID);
    assert_int_equal(hf_worker_open(&file, &worker), HF_STATUS_IO);
    assert_int_equal(hf_worker_open(&no_key, &worker), HF_STATUS_INVALID);
}

/* Compiles the C block of the guide as a reader would. */
static void build_guide_module(const char *path)
{
    char command[512];

    (void)snprintf(command, sizeof command,
                   "awk '/^```c$/{on=1;next} /^```$/{on=0} on' docs/worker-guide.md "
                   "> %s.c && test $(wc -l < %s.c) -lt 40 && "
                   "cc -Wall -Wextra -Werror -Iworker/include -shared -fPIC -o %s %s.c",
                   path, path, path, path);
    assert_int_equal(worker_process_shell(command), 0);
}

static void handler_of_the_guide_works_as_printed(void **state)
{
    char directory[] = "/tmp/hf-guide-XXXXXX";
    char module[64];
    char source[80];
    struct fake_request ask = {
        .method = "POST", .path = "/", .body = HF_SLICE("one two  three\n")};

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(module, sizeof module, "%s/words.so", directory);
    (void)snprintf(source, sizeof source, "%s.c", module);
    build_guide_module(module);

    const char *flags[] = {"--module", module, "--concurrency", "4", NULL};
    struct worker_process *p = worker_process_new(flags);
    struct fake_lease *lease = fake_assign(p->broker, &ask);

    fake_await(p->broker, lease);

    assert_body(lease, "3 words\n");
    worker_process_free(p);
    (void)unlink(module);
    (void)unlink(source);
    (void)rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking_form_receives_and_answers),
        cmocka_unit_test(receive_gives_up_after_its_time),
        cmocka_unit_test(body_is_read_and_written_in_pieces_under_windows),
        cmocka_unit_test(bad_answers_are_refused_and_leave_the_request),
        cmocka_unit_test(cancelled_client_wakes_the_one_who_waits_for_it),
        cmocka_unit_test(callback_form_answers_on_threads_or_without),
        cmocka_unit_test(requests_that_come_together_are_answered_each),
        cmocka_unit_test(shutdown_gives_back_what_was_not_begun),
        cmocka_unit_test(options_that_break_a_rule_are_refused),
        cmocka_unit_test(handler_of_the_guide_works_as_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
