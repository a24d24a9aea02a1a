#include "lib/io/admin.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define BIG_BYTES (6u << 20)

static char directory[64];
static char address[128];
static struct hf_loop *loop;
static struct hf_admin *admin;
static pthread_t thread;

static void echo(void *ctx, const struct hf_admin_request *request,
                 struct hf_admin_response *response)
{
    (void)ctx;
    response->status = 201;
    assert_int_equal(hf_buf_append(&response->body, request->method), HF_OK);
    assert_int_equal(hf_buf_append_cstr(&response->body, " "), HF_OK);
    assert_int_equal(hf_buf_append(&response->body, request->path), HF_OK);
    assert_int_equal(hf_buf_append_cstr(&response->body, " "), HF_OK);
    assert_int_equal(hf_buf_append(&response->body, request->query), HF_OK);
    assert_int_equal(hf_buf_append_cstr(&response->body, " "), HF_OK);
    assert_int_equal(hf_buf_append(&response->body, request->body), HF_OK);
}

static void big(void *ctx, const struct hf_admin_request *request,
                struct hf_admin_response *response)
{
    uint8_t *place;

    (void)ctx;
    (void)request;
    assert_int_equal(hf_buf_reserve(&response->body, BIG_BYTES, &place), HF_OK);
    memset(place, 'x', BIG_BYTES);
    hf_buf_grown(&response->body, BIG_BYTES);
}

static const struct hf_admin_route routes[] = {
    {"GET", "/v1", echo}, {"POST", "/v1/queues", echo}, {"*", "/big", big}};

static void *run(void *unused)
{
    (void)unused;
    hf_loop_run(loop);
    return NULL;
}

static int set_up(void **state)
{
    const struct hf_admin_config config = {
        .address = address, .routes = routes, .routes_count = 3};

    (void)state;
    if (hf_loop_new(&loop) != HF_OK || hf_admin_open(loop, &config, &admin) != HF_OK) {
        return 1;
    }
    return pthread_create(&thread, NULL, run, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    hf_loop_stop(loop);
    pthread_join(thread, NULL);
    hf_admin_close(admin);
    hf_loop_free(loop);
    return 0;
}

struct answer {
    hf_err err;
    int status;
    struct hf_buf body;
};

static struct answer call(const char *method, const char *target, hf_slice body)
{
    const struct hf_admin_call request = {address, method, target, body, 10000};
    struct answer answer = {.status = 0};

    hf_buf_init(&answer.body, 16u << 20);
    answer.err = hf_admin_call(&request, &answer.status, &answer.body);
    return answer;
}

static void expect(struct answer answer, int status, const char *body)
{
    assert_int_equal(answer.err, HF_OK);
    assert_int_equal(answer.status, status);
    if (body != NULL) {
        assert_true(hf_slice_equal(hf_buf_slice(&answer.body), hf_slice_of_cstr(body)));
    }
    hf_buf_fini(&answer.body);
}

static void handler_gets_method_path_query_and_body(void **state)
{
    (void)state;
    expect(call("POST", "/v1/queues/web?x=1&y", HF_SLICE("{\"a\":1}")), 201,
           "POST /v1/queues/web x=1&y {\"a\":1}");
    expect(call("GET", "/v1", HF_SLICE_EMPTY), 201, "GET /v1  ");
}

static void unknown_path_is_404_and_other_method_405(void **state)
{
    (void)state;
    expect(call("GET", "/v2", HF_SLICE_EMPTY), 404, NULL);
    expect(call("GET", "/v11", HF_SLICE_EMPTY), 404, NULL);
    expect(call("PUT", "/v1/x", HF_SLICE("x")), 405, NULL);
    expect(call("GET", "/v1/queues", HF_SLICE_EMPTY), 405, NULL);
}

static void large_response_arrives_whole(void **state)
{
    struct answer answer = call("GET", "/big", HF_SLICE_EMPTY);

    (void)state;
    assert_int_equal(hf_buf_bytes(&answer.body), BIG_BYTES);
    expect(answer, 200, NULL);
}

static void body_of_more_than_a_mebibyte_is_413(void **state)
{
    uint8_t *bytes = calloc(1, (1u << 20) + 1);

    (void)state;
    expect(call("POST", "/v1/queues", (hf_slice){bytes, (1u << 20) + 1}), 413, NULL);
    free(bytes);
}

static void caller_bounds_what_it_takes(void **state)
{
    const struct hf_admin_call request = {address, "GET", "/big", HF_SLICE_EMPTY,
                                          10000};
    struct hf_buf body;
    int status;

    (void)state;
    hf_buf_init(&body, 1000);
    assert_int_equal(hf_admin_call(&request, &status, &body), HF_ERR_TOO_BIG);
    hf_buf_fini(&body);
}

static void nobody_there_is_closed(void **state)
{
    const struct hf_admin_call request = {"unix:/nonexistent/x", "GET", "/",
                                          HF_SLICE_EMPTY, 1000};
    struct hf_buf body;
    int status;

    (void)state;
    hf_buf_init(&body, 1000);
    assert_int_equal(hf_admin_call(&request, &status, &body), HF_ERR_CLOSED);
}

static void malformed_request_is_answered_and_closed(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char bytes[4096];
    size_t got = 0;
    ssize_t now;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(un.sun_path, sizeof un.sun_path, "%s/s", directory);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(write(fd, "GET  / HTTP/1.1\r\n\r\n", 19), 19);
    while (got < sizeof bytes - 1 &&
           (now = read(fd, bytes + got, sizeof bytes - 1 - got)) > 0) {
        got += (size_t)now;
    }
    bytes[got] = '\0';
    assert_int_equal(strncmp(bytes, "HTTP/1.1 400 ", 13), 0);
    close(fd);
}

#define CONNECTIONS 64

/* As many as there may be, and one more that is closed unheard. */
static void connections_are_limited_and_refused_ones_counted(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fds[CONNECTIONS + 1];
    struct hf_buf text;
    char byte;

    (void)state;
    snprintf(un.sun_path, sizeof un.sun_path, "%s/s", directory);
    for (size_t i = 0; i <= CONNECTIONS; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&un, sizeof un), 0);
    }

    assert_int_equal(read(fds[CONNECTIONS], &byte, 1), 0);
    assert_int_equal(write(fds[0], "GET / HTTP/1.1\r\n", 16), 16);

    hf_buf_init(&text, 4096);
    assert_int_equal(hf_admin_stats_render(&text), HF_OK);
    assert_int_equal(hf_buf_append_byte(&text, 0), HF_OK);
    assert_non_null(strstr((const char *)text.data,
                           "holdfast_admin_connections_refused_total 1\n"));
    hf_buf_fini(&text);
    for (size_t i = 0; i <= CONNECTIONS; i++) {
        close(fds[i]);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(handler_gets_method_path_query_and_body),
        T(unknown_path_is_404_and_other_method_405),
        T(large_response_arrives_whole),
        T(body_of_more_than_a_mebibyte_is_413),
        T(caller_bounds_what_it_takes),
        cmocka_unit_test(nobody_there_is_closed),
        T(malformed_request_is_answered_and_closed),
        T(connections_are_limited_and_refused_ones_counted),
    };
    int failed;

    snprintf(directory, sizeof directory, "/tmp/admin_test.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    snprintf(address, sizeof address, "unix:%s/s", directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
