/* The frontend as its clients and its broker see it: real sockets, a real link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/frontend/front.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void request_is_answered_over_the_link(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    const char *text;

    (void)state;
    front_send(fd, GET("/"));
    text = front_read_until(fd, "hello\n");

    assert_non_null(text);
    assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "Content-Length: 6\r\n"));
    assert_non_null(strstr(text, "Via: 1.1 holdfast\r\n"));
    assert_true(
        echo_broker_await(front->broker, &front->broker->counts.acknowledged, 1));
    close(fd);
    front_free(front);
}

static void head_gets_the_length_and_no_body(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    const char *text;

    (void)state;
    front_send(fd, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/refuse"));
    text = front_read_until(fd, "HTTP/1.1 503");

    assert_non_null(text);
    assert_non_null(strstr(text, "Content-Length: 6\r\n"));
    assert_null(strstr(text, "hello"));
    close(fd);
    front_free(front);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    const char *text;

    (void)state;
    front_send(fd, GET("/stream/30000") GET("/refuse") "POST / HTTP/1.1\r\nHost: a\r\n"
                                                       "Content-Length: 3\r\n\r\nabc"
                                                       "GET / HTTP/1.0\r\n\r\n");
    text = front_read_until(fd, "\r\n0\r\n\r\n");
    assert_non_null(text);
    assert_non_null(strstr(text, "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(text, "503"));
    text = front_read_until(fd, "abc");
    assert_non_null(text);
    assert_non_null(strstr(text, "HTTP/1.1 503 Service Unavailable\r\n"));
    text = front_read_until(fd, "hello\n");

    assert_non_null(text);
    assert_non_null(strstr(text, "Connection: close\r\n"));
    close(fd);
    front_free(front);
}

static void hundred_pipelined_requests_are_all_answered(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);

    (void)state;
    for (int i = 0; i < 100; i++) {
        front_send(fd, GET("/"));
    }

    for (int i = 0; i < 100; i++) {
        assert_non_null(front_read_until(fd, "hello\n"));
    }
    close(fd);
    front_free(front);
}

static void malformed_request_is_answered_and_closed(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    struct hf_buf all;

    (void)state;
    hf_buf_init(&all, 65536);
    front_send(fd, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" GET("/"));
    assert_true(front_read_all(fd, &all));
    assert_int_equal(hf_buf_append_byte(&all, 0), HF_OK);

    assert_non_null(
        strstr((const char *)hf_buf_slice(&all).data, "HTTP/1.1 400 Bad Request\r\n"));
    assert_non_null(
        strstr((const char *)hf_buf_slice(&all).data, "\"reason\":\"Hostname\""));
    assert_null(strstr((const char *)hf_buf_slice(&all).data, "hello"));
    hf_buf_fini(&all);
    close(fd);
    front_free(front);
}

static void malformed_chunk_ends_a_request_that_was_begun(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nabcX");

    assert_non_null(front_read_until(fd, "HTTP/1.1 400 Bad Request\r\n"));
    assert_int_equal(front->broker->counts.enqueued, 0);
    close(fd);
    front_free(front);
}

static void unknown_url_is_refused_by_the_frontend_itself(void **state)
{
    struct front *front = front_new();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, GET("/"));

    assert_non_null(front_read_until(fd, "\"reason\":\"no-routes\""));
    close(fd);
    front_free(front);
}

static void expectation_that_is_refused_uploads_nothing(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    const char *text;

    (void)state;
    front_send(fd, "PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                   "Expect: 100-continue\r\n\r\n");
    text = front_read_until(fd, "\"QueueFull\"");

    assert_non_null(text);
    assert_null(strstr(text, "100 Continue"));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    close(fd);
    front_free(front);
}

static void expectation_that_is_admitted_is_met(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                   "Expect: 100-continue\r\n\r\n");
    assert_non_null(front_read_until(fd, "HTTP/1.1 100 Continue\r\n\r\n"));
    front_send(fd, "12345");

    assert_non_null(front_read_until(fd, "\r\n\r\n5\n"));
    close(fd);
    front_free(front);
}

static void large_body_passes_through_the_spool(void **state)
{
    static char body[4000000];
    struct front *front = front_new_ready();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    front_send_bytes(fd, body, sizeof body);

    assert_non_null(front_read_until(fd, "\r\n\r\n4000000\n"));
    assert_int_equal(hf_stat_get(&front->shell->stats.rows[FE_STAT_held]), 0);
    close(fd);
    front_free(front);
}

static void long_stream_arrives_whole(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    struct hf_buf all;
    size_t filler = 0;

    (void)state;
    hf_buf_init(&all, 8000000);
    front_send(fd, "GET /stream/5000000 HTTP/1.0\r\n\r\n");
    assert_true(front_read_all(fd, &all));

    for (size_t i = 0; i < hf_buf_bytes(&all); i++) {
        filler += hf_buf_slice(&all).data[i] == 'x' ? 1 : 0;
    }
    assert_int_equal(filler, 5000001); /* text/plain has one */
    hf_buf_fini(&all);
    close(fd);
    front_free(front);
}

static void stream_shorter_than_declared_resets_the_connection(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    struct hf_buf all;

    (void)state;
    hf_buf_init(&all, 65536);
    front_send(fd, GET("/short"));

    assert_false(front_read_all(fd, &all));
    hf_buf_fini(&all);
    close(fd);
    front_free(front);
}

static void broken_response_of_a_worker_becomes_502(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, GET("/bad"));

    assert_non_null(front_read_until(fd, "\"reason\":\"bad-response\""));
    close(fd);
    front_free(front);
}

static void held_request_survives_the_death_of_its_broker(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, GET("/hold"));
    assert_true(echo_broker_await(front->broker, &front->broker->counts.enqueued, 1));
    echo_broker_kill(front->broker);
    echo_broker_listen(front->broker);

    assert_non_null(front_read_until(fd, "hello\n"));
    assert_int_equal(front->broker->counts.reoffered, 1);
    close(fd);
    front_free(front);
}

static void client_that_leaves_is_cancelled_at_the_broker(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, GET("/never"));
    assert_true(echo_broker_await(front->broker, &front->broker->counts.enqueued, 1));
    close(fd);

    assert_true(echo_broker_await(front->broker, &front->broker->counts.cancelled, 1));
    front_free(front);
}

static void header_that_takes_too_long_gets_408(void **state)
{
    struct front *front = front_new_hasty();
    int fd = front_connect(front);

    (void)state;
    front_send(fd, "GET / HTTP/1.1\r\n");

    assert_non_null(front_read_until(fd, "\"reason\":\"Timer_HeaderWait\""));
    close(fd);
    front_free(front);
}

static void probes_tell_readiness_and_counters(void **state)
{
    struct front *early = front_new();
    struct front *front = front_new_ready();
    struct hf_buf body;
    int fd = front_connect(front);

    (void)state;
    hf_buf_init(&body, 1u << 20);
    front_send(fd, GET("/"));
    assert_non_null(front_read_until(fd, "hello\n"));

    assert_int_equal(front_probe(early, "/livez", &body), 200);
    assert_int_equal(front_probe(early, "/readyz", &body), 503);
    assert_int_equal(front_probe(front, "/readyz", &body), 200);
    hf_buf_clear(&body);
    assert_int_equal(front_probe(front, "/metrics", &body), 200);
    assert_int_equal(hf_buf_append_byte(&body, 0), HF_OK);
    assert_non_null(strstr((const char *)hf_buf_slice(&body).data,
                           "holdfast_group_requests_total{group=\"site\"} 1\n"));
    hf_buf_fini(&body);
    close(fd);
    front_free(front);
    front_free(early);
}

static void forged_routes_are_refused_and_counted(void **state)
{
    struct front *front = front_new();
    const struct hf_stat *refused =
        &front->shell->stats.rows[FE_STAT_snapshots_refused_total];
    struct hf_buf body;
    int fd = front_connect(front);

    (void)state;
    hf_buf_init(&body, 65536);
    front->broker->routes.data[front->broker->routes.start + 3] ^= 1;
    echo_broker_listen(front->broker);
    for (int i = 0; i < 100000 && hf_stat_get(refused) == 0; i++) {
        assert_int_equal(front_probe(front, "/livez", &body), 200);
        hf_buf_clear(&body);
    }
    front_send(fd, GET("/"));

    assert_non_null(front_read_until(fd, "\"reason\":\"no-routes\""));
    assert_int_equal(front_probe(front, "/readyz", &body), 503);
    hf_buf_fini(&body);
    close(fd);
    front_free(front);
}

static void held_request_is_answered_while_draining(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    const char *text;

    (void)state;
    front_send(fd, GET("/hold"));
    assert_true(echo_broker_await(front->broker, &front->broker->counts.enqueued, 1));
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    echo_broker_kill(front->broker);
    echo_broker_listen(front->broker);
    text = front_read_until(fd, "hello\n");

    assert_non_null(text);
    assert_non_null(strstr(text, "Connection: close\r\n"));
    close(fd);
    front_free(front);
}

static void draining_lets_idle_clients_go_and_ends(void **state)
{
    struct front *front = front_new_ready();
    int fd = front_connect(front);
    struct hf_buf all;

    (void)state;
    hf_buf_init(&all, 65536);
    front_send(fd, GET("/"));
    assert_non_null(front_read_until(fd, "hello\n"));
    assert_int_equal(kill(getpid(), SIGTERM), 0);

    assert_true(front_read_all(fd, &all));
    assert_int_equal(hf_buf_bytes(&all), 0);
    hf_buf_fini(&all);
    close(fd);
    front_free(front);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_answered_over_the_link),
        cmocka_unit_test(head_gets_the_length_and_no_body),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(hundred_pipelined_requests_are_all_answered),
        cmocka_unit_test(malformed_request_is_answered_and_closed),
        cmocka_unit_test(malformed_chunk_ends_a_request_that_was_begun),
        cmocka_unit_test(unknown_url_is_refused_by_the_frontend_itself),
        cmocka_unit_test(expectation_that_is_refused_uploads_nothing),
        cmocka_unit_test(expectation_that_is_admitted_is_met),
        cmocka_unit_test(large_body_passes_through_the_spool),
        cmocka_unit_test(long_stream_arrives_whole),
        cmocka_unit_test(stream_shorter_than_declared_resets_the_connection),
        cmocka_unit_test(broken_response_of_a_worker_becomes_502),
        cmocka_unit_test(held_request_survives_the_death_of_its_broker),
        cmocka_unit_test(client_that_leaves_is_cancelled_at_the_broker),
        cmocka_unit_test(header_that_takes_too_long_gets_408),
        cmocka_unit_test(probes_tell_readiness_and_counters),
        cmocka_unit_test(forged_routes_are_refused_and_counted),
        cmocka_unit_test(held_request_is_answered_while_draining),
        cmocka_unit_test(draining_lets_idle_clients_go_and_ends),
    };

    return cmocka_run_group_tests(tests, front_set_up, NULL);
}
