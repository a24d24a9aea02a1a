/* The bridge: a holdfast-worker process in front of Debian's `python3 -m http.server`
 * and of an app of our own, whose text is here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/scenario/worker_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* HTTP/1.1 with keep-alive on tcp or a unix socket; prints its own requests back. */
static const char app_text[] =
    "import http.server, os, socket, socketserver, sys, time\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    protocol_version = 'HTTP/1.1'\n"
    "    def address_string(self): return 'local'\n"
    "    def log_message(self, *a): pass\n"
    "    def any(self):\n"
    "        n = int(self.headers.get('Content-Length') or 0)\n"
    "        body = self.rfile.read(n)\n"
    "        if self.path.startswith('/echo'): out = body\n"
    "        elif self.path.startswith('/break'):\n"
    "            self.close_connection = True; self.connection.shutdown(2); return\n"
    "        elif self.path.startswith('/short'):\n"
    "            self.wfile.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: "
    "100\\r\\n\\r\\nabc')\n"
    "            self.wfile.flush(); time.sleep(0.3)\n"
    "            self.close_connection = True; self.connection.shutdown(2); return\n"
    "        elif self.path.startswith('/bad'):\n"
    "            self.wfile.write(b'HTTP/1.1 200 OK\\r\\nA b: c\\r\\nContent-Length: "
    "0\\r\\n\\r\\n'); return\n"
    "        elif self.path.startswith('/hint'):\n"
    "            self.wfile.write(b'HTTP/1.1 103 Early Hints\\r\\nLink: "
    "x\\r\\n\\r\\n'\n"
    "              b'HTTP/1.1 200 OK\\r\\nX-B: 1\\r\\nx-a: 2\\r\\nX-B: "
    "3\\r\\nContent-Length: 2\\r\\n\\r\\nok'); return\n"
    "        elif self.path.startswith('/chunked'):\n"
    "            self.wfile.write(b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: "
    "chunked\\r\\n\\r\\n')\n"
    "            for i in range(300):\n"
    "                self.wfile.write(b'2000\\r\\n' + b'x' * 8192 + b'\\r\\n')\n"
    "            self.wfile.write(b'0\\r\\n\\r\\n'); return\n"
    "        elif self.path.startswith('/slow'):\n"
    "            self.wfile.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: "
    "9\\r\\n\\r\\nabc'); self.wfile.flush()\n"
    "            self.connection.settimeout(9)\n"
    "            gone = self.connection.recv(1) == b''\n"
    "            open(os.environ['GONE'], 'w').write('gone' if gone else 'data'); "
    "self.close_connection = True; return\n"
    "        elif self.path.startswith('/die'): os._exit(3)\n"
    "        else: out = (self.requestline + '\\n' + str(self.headers)).encode()\n"
    "        self.send_response_only(200)\n"
    "        self.send_header('Content-Length', str(len(out))); self.end_headers()\n"
    "        if self.command != 'HEAD': self.wfile.write(out)\n"
    "    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = "
    "any\n"
    "class T(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = "
    "True\n"
    "class U(T):\n"
    "    address_family = socket.AF_UNIX\n"
    "    def server_bind(self): socketserver.TCPServer.server_bind(self)\n"
    "    def get_request(self):\n"
    "        c, _ = super().get_request(); return c, ('local', 0)\n"
    "a = sys.argv[1]\n"
    "print('app speaks\\x1b[1m', flush=True)\n"
    "(U(a, H) if a[0] == '/' else T(('127.0.0.1', int(a)), H)).serve_forever()\n";

static struct worker_process *start_app(void)
{
    const char *flags[] = {
        "--concurrency", "4",       "--upstream", "http://127.0.0.1:{port}",
        "--command",     "python3", "-c",         app_text,
        "{port}",        NULL};

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

static void request_reaches_the_app_with_its_fields_in_order(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET",
                                     .path = "/a/%2e",
                                     .query = "q=%20&r",
                                     .fields = "Host: example.com\r\nx-Z: 1\r\n"
                                               "Accept-Encoding: gzip\r\nX-a: 2\r\n"
                                               "x-z: \r\nTE: trailers\r\n",
                                     .attempt = 2});
    const char *text = text_of(&lease->body);

    (void)state;
    assert_int_equal(lease->status, 200);
    assert_memory_equal(text, "GET /a/%2e?q=%20&r HTTP/1.1\n", 28);
    assert_non_null(strstr(text, "\nHost: example.com\nx-Z: 1\nAccept-Encoding: gzip\n"
                                 "X-a: 2\nx-z: \nX-Forwarded-For: 192.0.2.7\n"
                                 "X-Forwarded-Proto: http\n"
                                 "X-Forwarded-Host: example.com\n"));
    assert_non_null(strstr(text, "\nHoldfast-Attempt: 2\n"));
    assert_non_null(strstr(text, "\nHoldfast-Epoch: 42949672"));
    assert_null(strstr(text, "Accept:"));
    assert_null(strstr(text, "User-Agent"));
    assert_null(strstr(text, "Expect"));
    assert_null(strstr(text, "TE:"));
    worker_process_free(p);
}

static void body_travels_both_ways_with_any_method(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "GET", "DELETE"};
    struct worker_process *p = start_app();

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct fake_lease *lease =
            ask(p, (struct fake_request){.method = methods[i],
                                         .path = "/echo",
                                         .fields = "Content-Length: 5\r\n",
                                         .body = HF_SLICE("12345")});

        assert_string_equal(text_of(&lease->body), "12345");
    }
    worker_process_free(p);
}

static void large_upload_is_streamed_both_ways(void **state)
{
    struct worker_process *p = start_app();
    size_t bytes = 6000000;
    uint8_t *data = malloc(bytes);

    (void)state;
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    }

    hf_slice body = hf_slice_of(data, bytes);
    struct fake_request request = {
        .method = "POST", .path = "/echo", .body = body, .is_streamed = true};
    struct fake_lease *lease = fake_assign(p->broker, &request);

    fake_send_body(p->broker, lease, body);
    fake_await(p->broker, lease);

    assert_true(hf_slice_equal(hf_buf_slice(&lease->body), body));
    assert_int_equal(lease->content_length, bytes);
    free(data);
    worker_process_free(p);
}

static void head_keeps_the_apps_length(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "HEAD", .path = "/x"});

    (void)state;
    assert_int_equal(lease->status, 200);
    assert_true(lease->has_length && lease->content_length > 20);
    assert_int_equal(hf_buf_bytes(&lease->body), 0);
    worker_process_free(p);
}

static void interim_answers_are_left_out_and_fields_keep_order_and_case(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET", .path = "/hint"});

    (void)state;
    assert_int_equal(lease->status, 200);
    assert_string_equal(text_of(&lease->fields), "X-B: 1\r\nx-a: 2\r\nX-B: 3\r\n");
    assert_string_equal(text_of(&lease->body), "ok");
    assert_false(lease->was_streamed); /* complete in one turn: one record */
    worker_process_free(p);
}

static void chunked_answer_is_streamed_without_a_length(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET", .path = "/chunked"});

    (void)state;
    assert_false(lease->has_length);
    assert_int_equal(hf_buf_bytes(&lease->body), 300 * 8192);
    worker_process_free(p);
}

static void broken_connection_is_one_failed_attempt(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *get =
        ask(p, (struct fake_request){.method = "GET", .path = "/break"});
    struct fake_lease *post =
        ask(p, (struct fake_request){.method = "POST", .path = "/break"});

    (void)state;
    assert_true(get->has_failed && get->status == 0);
    assert_int_equal(get->reason, HF_REASON_UPSTREAM);
    assert_true(post->has_failed && !post->is_released);
    worker_process_free(p);
}

static void answer_shorter_than_declared_is_broken_off(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET", .path = "/short"});

    (void)state;
    assert_true(lease->has_failed);
    assert_false(lease->is_whole);
    assert_int_equal(lease->reason, HF_REASON_RESPONSE_BROKEN);
    worker_process_free(p);
}

static void answer_with_a_bad_field_is_refused(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease =
        ask(p, (struct fake_request){.method = "GET", .path = "/bad"});

    (void)state;
    assert_true(lease->has_failed);
    assert_int_equal(lease->reason, HF_REASON_BAD_RESPONSE);
    worker_process_free(p);
}

static bool has_begun(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)b;
    return lease->status != 0;
}

static void cancel_closes_the_connection_to_the_app(void **state)
{
    char path[] = "/tmp/worker-bridge-gone-XXXXXX";
    char word[8] = "";
    struct fake_request request = {.method = "GET", .path = "/slow"};

    (void)state;
    assert_true(mkstemp(path) >= 0);
    /* A variable for the app by way of the worker's environment, and one by a flag. */
    assert_int_equal(setenv("HOLDFAST_APP_ENV_GONE", path, 1), 0);

    const char *flags[] = {"--upstream", "http://127.0.0.1:{port}",
                           "--app-env",  "OTHER=1",
                           "--command",  "python3",
                           "-c",         app_text,
                           "{port}",     NULL};
    struct worker_process *p = worker_process_new(flags);
    struct fake_lease *lease = fake_assign(p->broker, &request);

    assert_int_equal(unsetenv("HOLDFAST_APP_ENV_GONE"), 0);
    fake_await_that(p->broker, lease, has_begun);
    fake_cancel(p->broker, lease);
    /* The next request needs the only credit, which comes back when the cancelled one
     * has ended. */
    (void)ask(p, (struct fake_request){.method = "GET", .path = "/x"});
    for (int i = 0; i < 1000 && word[0] == 0; i++) {
        FILE *file = fopen(path, "r");

        assert_non_null(file);
        (void)!fgets(word, sizeof word, file);
        (void)fclose(file);
        (void)usleep(5000);
    }
    assert_string_equal(word, "gone");
    (void)remove(path);
    worker_process_free(p);
}

static bool is_introduced_without_credit(const struct fake_broker *b,
                                         const struct fake_lease *lease)
{
    (void)lease;
    hf_check(b->credit == 0);
    return b->introductions > 0;
}

static bool has_said_goodbye(const struct fake_broker *b,
                             const struct fake_lease *lease)
{
    (void)lease;
    return b->said_goodbye;
}

static bool has_credit(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)lease;
    return b->credit > 0;
}

static bool has_app(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)lease;
    return b->app_pid > 0;
}

static void app_that_dies_is_started_again(void **state)
{
    struct worker_process *p = start_app();
    struct fake_lease *lease;

    (void)state;
    fake_await_that(p->broker, NULL, has_app);

    int64_t first = p->broker->app_pid;

    lease = ask(p, (struct fake_request){.method = "GET", .path = "/die"});
    assert_true(lease->has_failed || lease->is_released);
    do {
        lease = ask(p, (struct fake_request){.method = "GET", .path = "/x"});
    } while (lease->status == 0);

    assert_int_equal(lease->status, 200);
    assert_true(p->broker->app_pid != first);
    worker_process_free(p);
}

static void app_dies_with_a_killed_worker(void **state)
{
    struct worker_process *p = start_app();

    (void)state;
    (void)ask(p, (struct fake_request){.method = "GET", .path = "/x"});

    pid_t app = (pid_t)p->broker->app_pid;

    assert_int_equal(kill(app, 0), 0);
    worker_process_signal(p, SIGKILL);
    (void)worker_process_wait(p);
    for (int i = 0; i < 1000 && kill(app, 0) == 0; i++) {
        char stat_path[64];
        char state_text[256] = "";
        FILE *file;

        (void)snprintf(stat_path, sizeof stat_path, "/proc/%d/stat", (int)app);
        file = fopen(stat_path, "r");
        if (file == NULL || fgets(state_text, sizeof state_text, file) == NULL ||
            strstr(state_text, ") Z ") != NULL) {
            app = 0; /* gone, or a zombie that nobody reaps in this container */
        }
        if (file != NULL) {
            (void)fclose(file);
        }
        if (app == 0) {
            break;
        }
        (void)usleep(5000);
    }
    assert_true(app == 0 || kill(app, 0) != 0);
    worker_process_free(p);
}

static void unix_socket_app_is_served(void **state)
{
    char path[] = "/tmp/worker-bridge-sock-XXXXXX";
    char upstream[64];

    (void)state;
    assert_true(mkstemp(path) >= 0);
    assert_int_equal(remove(path), 0);
    (void)snprintf(upstream, sizeof upstream, "unix:%s", path);

    const char *flags[] = {"--upstream", upstream, "--command", "python3",
                           "-c",         app_text, path,        NULL};
    struct worker_process *p = worker_process_new(flags);

    for (int i = 0; i < 3; i++) {
        struct fake_lease *lease =
            ask(p, (struct fake_request){
                       .method = "PUT", .path = "/echo", .body = HF_SLICE("u")});

        assert_string_equal(text_of(&lease->body), "u");
    }
    worker_process_free(p);
    (void)remove(path);
}

static void plain_http_server_of_debian_is_served(void **state)
{
    char directory[] = "/tmp/worker-bridge-site-XXXXXX";
    char path[128];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/big", directory);
    file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 200000; i++) {
        (void)fprintf(file, "line %09d of a large file\n", i);
    }
    (void)fclose(file);

    const char *flags[] = {"--upstream", "http://127.0.0.1:{port}",
                           "--app-dir",  directory,
                           "--command",  "python3",
                           "-m",         "http.server",
                           "--bind",     "127.0.0.1",
                           "{port}",     NULL};
    struct worker_process *p = worker_process_new(flags);
    struct fake_lease *big =
        ask(p, (struct fake_request){.method = "GET", .path = "/big"});
    struct fake_lease *head =
        ask(p, (struct fake_request){.method = "HEAD", .path = "/big"});
    struct fake_lease *missing =
        ask(p, (struct fake_request){.method = "GET", .path = "/none"});

    assert_int_equal(big->status, 200);
    assert_int_equal(hf_buf_bytes(&big->body), 200000 * 31);
    assert_int_equal(head->content_length, 200000 * 31);
    assert_int_equal(hf_buf_bytes(&head->body), 0);
    assert_int_equal(missing->status, 404);
    worker_process_free(p);
    (void)remove(path);
    (void)rmdir(directory);
}

/* Ranges, keep-alive, and files that nginx sends by itself. */
static void nginx_serves_ranges_over_kept_connections(void **state)
{
    char directory[] = "/tmp/worker-bridge-nginx-XXXXXX";
    char path[128];
    char upstream[160];
    FILE *file;

    (void)state;
    if (access("/usr/sbin/nginx", X_OK) != 0) {
        skip();
    }
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/conf", directory);
    (void)snprintf(upstream, sizeof upstream, "unix:%s/sock", directory);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "daemon off; master_process off; pid %s/pid; error_log stderr;\n"
                  "events {} http { access_log off; client_body_temp_path %s;\n"
                  "proxy_temp_path %s; fastcgi_temp_path %s; uwsgi_temp_path %s;\n"
                  "scgi_temp_path %s; keepalive_requests 3;\n"
                  "server { listen %s; root %s; } }\n",
                  directory, directory, directory, directory, directory, directory,
                  upstream, directory);
    (void)fclose(file);

    const char *flags[] = {"--upstream", upstream,    "--concurrency",
                           "2",          "--command", "/usr/sbin/nginx",
                           "-e",         "stderr",    "-c",
                           path,         NULL};
    struct worker_process *p = worker_process_new(flags);
    struct fake_lease *part = NULL;

    for (int i = 0; i < 10; i++) {
        part = ask(p, (struct fake_request){.method = "GET",
                                            .path = "/conf",
                                            .fields = "Range: bytes=0-5\r\n"});
        assert_int_equal(part->status, 206);
        assert_string_equal(text_of(&part->body), "daemon");
    }
    assert_non_null(strstr(text_of(&part->fields), "Content-Range: bytes 0-5/"));
    assert_int_equal(
        ask(p, (struct fake_request){.method = "GET", .path = "/none"})->status, 404);
    assert_int_equal(
        ask(p, (struct fake_request){.method = "POST", .path = "/conf"})->status, 405);
    worker_process_free(p);
    (void)snprintf(path, sizeof path, "rm -r %s", directory);
    assert_int_equal(worker_process_shell(path), 0);
}

static void app_that_is_not_there_gets_no_work(void **state)
{
    const char *flags[] = {"--upstream", "unix:/nonexistent/app.sock", NULL};
    struct worker_process *p = worker_process_new(flags);

    (void)state;
    fake_await_that(p->broker, NULL, is_introduced_without_credit);
    worker_process_signal(p, SIGTERM);
    assert_int_equal(worker_process_wait(p), 0);
    worker_process_free(p);
}

static void sigterm_ends_the_app_in_its_own_way(void **state)
{
    const char *flags[] = {"--upstream",
                           "http://127.0.0.1:{port}",
                           "--command",
                           "python3",
                           "-c",
                           "import signal, sys, socket\n"
                           "def end(*a): print('farewell', flush=True); sys.exit(0)\n"
                           "signal.signal(signal.SIGTERM, end)\n"
                           "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
                           "while True: s.accept()\n",
                           "{port}",
                           NULL};
    struct worker_process *p = worker_process_new(flags);

    (void)state;
    fake_await_that(p->broker, NULL, has_credit);
    worker_process_signal(p, SIGTERM);
    assert_int_equal(worker_process_wait(p), 0);
    fake_await_that(p->broker, NULL, has_said_goodbye);
    worker_process_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_reaches_the_app_with_its_fields_in_order),
        cmocka_unit_test(body_travels_both_ways_with_any_method),
        cmocka_unit_test(large_upload_is_streamed_both_ways),
        cmocka_unit_test(head_keeps_the_apps_length),
        cmocka_unit_test(interim_answers_are_left_out_and_fields_keep_order_and_case),
        cmocka_unit_test(chunked_answer_is_streamed_without_a_length),
        cmocka_unit_test(broken_connection_is_one_failed_attempt),
        cmocka_unit_test(answer_shorter_than_declared_is_broken_off),
        cmocka_unit_test(answer_with_a_bad_field_is_refused),
        cmocka_unit_test(cancel_closes_the_connection_to_the_app),
        cmocka_unit_test(app_that_dies_is_started_again),
        cmocka_unit_test(app_dies_with_a_killed_worker),
        cmocka_unit_test(unix_socket_app_is_served),
        cmocka_unit_test(plain_http_server_of_debian_is_served),
        cmocka_unit_test(nginx_serves_ranges_over_kept_connections),
        cmocka_unit_test(app_that_is_not_there_gets_no_work),
        cmocka_unit_test(sigterm_ends_the_app_in_its_own_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
