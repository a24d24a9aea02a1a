/* Whoever may enqueue may write a request head. It must not become two requests on the
 * app's connection, nor a request that comes back for ever. */
#include "tests/scenario/worker_process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Answers with what it read: the head's lines, then the body its length announces. */
static const char app_text[] =
    "import http.server, sys\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    protocol_version = 'HTTP/1.1'\n"
    "    def log_message(self, *a): pass\n"
    "    def any(self):\n"
    "        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))\n"
    "        out = (self.requestline + '\\n' + str(self.headers)).encode() + body\n"
    "        self.send_response(200)\n"
    "        self.send_header('Content-Length', str(len(out)))\n"
    "        self.end_headers()\n"
    "        self.wfile.write(out)\n"
    "    do_GET = do_POST = any\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n";

static struct worker_process *start_app(void)
{
    const char *flags[] = {"--upstream", "http://127.0.0.1:{port}",
                           "--command",  "python3",
                           "-c",         app_text,
                           "{port}",     NULL};

    return worker_process_new(flags);
}

static struct fake_lease *ask(struct worker_process *p, struct fake_request request)
{
    struct fake_lease *lease = fake_assign(p->broker, &request);

    fake_await(p->broker, lease);
    return lease;
}

static const char *text_of(const struct hf_buf *buf)
{
    static char text[65536];
    hf_slice slice = hf_buf_slice(buf);

    assert_true(slice.bytes < sizeof text);
    if (slice.bytes > 0) {
        memcpy(text, slice.data, slice.bytes);
    }
    text[slice.bytes] = 0;
    return text;
}

static void head_that_is_more_than_one_request_fails_and_reaches_no_app(void **state)
{
    static const struct fake_request hostile[] = {
        {.method = "GET", .path = "/ HTTP/1.1\r\nHost: x\r\n\r\nGET /second"},
        {.method = "GET", .path = "/", .query = "a b"},
        {.method = "GET", .path = ""},
        {.method = "GET / HTTP/1.1\r\nX:", .path = "/"},
        {.method = "GET", .path = "/", .fields = "A: 1\n\nGET /second HTTP/1.1\r\n"},
        {.method = "GET", .path = "/", .fields = "A b: 1\r\n"},
    };
    struct worker_process *p = start_app();

    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        struct fake_lease *lease = ask(p, hostile[i]);

        assert_true(lease->has_failed);
        assert_false(lease->is_released);
        assert_int_equal(lease->status, 0);
    }
    struct fake_lease *good =
        ask(p, (struct fake_request){.method = "GET", .path = "/good"});

    assert_memory_equal(text_of(&good->body), "GET /good HTTP/1.1\n", 19);
    worker_process_free(p);
}

static void length_that_is_not_the_body_s_is_corrected(void **state)
{
    static const char second[] = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n";
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "POST",
                                     .path = "/first",
                                     .fields = "Content-Length: 0\r\n"
                                               "content-length: 3\r\nX-a: 1\r\n",
                                     .body = hf_slice_of(second, sizeof second - 1)});
    const char *text = text_of(&lease->body);

    (void)state;
    assert_int_equal(lease->status, 200);
    assert_memory_equal(text, "POST /first HTTP/1.1\n", 21);
    assert_non_null(strstr(text, "\nContent-Length: 33\nX-a: 1\n"));
    assert_null(strstr(text, "Content-Length: 0"));
    assert_non_null(strstr(text, second));

    lease = ask(p, (struct fake_request){.method = "GET",
                                         .path = "/third",
                                         .fields = "Content-Length: 9\r\n"});
    assert_memory_equal(text_of(&lease->body), "GET /third HTTP/1.1\n", 20);
    assert_non_null(strstr(text_of(&lease->body), "\nContent-Length: 0\n"));
    worker_process_free(p);
}

static void deadline_beyond_all_clocks_is_no_fault(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){
                   .method = "GET", .path = "/", .deadline_ms = INT64_C(1) << 60});

    (void)state;
    assert_int_equal(lease->status, 200);
    worker_process_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_that_is_more_than_one_request_fails_and_reaches_no_app),
        cmocka_unit_test(length_that_is_not_the_body_s_is_corrected),
        cmocka_unit_test(deadline_beyond_all_clocks_is_no_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
