#include "lib/http/parser.h"
#include "lib/http/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

#define BODY_MAX 4096

/* What a whole stream came to. */
struct verdict {
    enum hf_http_event last;
    hf_reason reason;
    unsigned messages;
    size_t consumed;
    size_t body_bytes;
    uint8_t body[BODY_MAX];
};

/* Feeds `bytes` in pieces of `first` and then `piece` bytes. */
static void run(struct hf_http_parser *p, hf_slice bytes, size_t first, size_t piece,
                struct verdict *v)
{
    size_t room = first;

    memset(v, 0, sizeof *v);
    while (v->last != HF_HTTP_AT_ERROR) {
        struct hf_http_step step;
        hf_slice part = hf_slice_first(hf_slice_skip(bytes, v->consumed), room);

        hf_http_parser_feed(p, part, &step);
        v->consumed += step.consumed;
        room -= step.consumed;
        v->last = step.event;
        v->reason = step.reason;
        if (step.event == HF_HTTP_AT_BODY) {
            assert_true(v->body_bytes + step.body.bytes <= BODY_MAX);
            memcpy(v->body + v->body_bytes, step.body.data, step.body.bytes);
            v->body_bytes += step.body.bytes;
        }
        if (step.event == HF_HTTP_AT_DONE) {
            v->messages++;
            hf_http_parser_next(p);
        }
        if (step.event == HF_HTTP_AT_END || step.event == HF_HTTP_AT_DONE) {
            if (v->consumed == bytes.bytes) {
                return;
            }
            room = room == 0 ? piece : room;
        }
    }
}

static void judge(const char *text, size_t bytes, struct verdict *v)
{
    struct hf_http_parser *p;
    struct verdict cut;

    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    run(p, hf_slice_of(text, bytes), bytes, 1, v);
    hf_http_parser_free(p);
    for (size_t first = 0; first <= bytes; first++) {
        assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
        run(p, hf_slice_of(text, bytes), first == 0 ? 1 : first, first == 0 ? 1 : bytes,
            &cut);
        hf_http_parser_free(p);
        assert_int_equal(cut.reason, v->reason);
        assert_int_equal(cut.messages, v->messages);
        assert_int_equal(cut.body_bytes, v->body_bytes);
        assert_memory_equal(cut.body, v->body, v->body_bytes);
    }
}

#define REFUSED(text, why) refused((text), sizeof(text) - 1, (why))
#define ACCEPTED(text, count, content)                                                 \
    accepted((text), sizeof(text) - 1, (count), (content))

static void refused(const char *text, size_t bytes, hf_reason reason)
{
    struct verdict v;

    judge(text, bytes, &v);
    if (v.last != HF_HTTP_AT_ERROR || v.reason != reason) {
        print_message("%s: event %d, reason %s\n", text, (int)v.last,
                      hf_reason_word(v.reason));
    }
    assert_int_equal(v.last, HF_HTTP_AT_ERROR);
    assert_string_equal(hf_reason_word(v.reason), hf_reason_word(reason));
}

static void accepted(const char *text, size_t bytes, unsigned count, const char *body)
{
    struct verdict v;

    judge(text, bytes, &v);
    assert_string_equal(hf_reason_word(v.reason), "none");
    assert_int_equal(v.messages, count);
    assert_int_equal(v.consumed, bytes);
    assert_int_equal(v.body_bytes, strlen(body));
    assert_memory_equal(v.body, body, v.body_bytes);
}

#define HOST "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST

static void plain_requests_are_read(void **state)
{
    (void)state;
    ACCEPTED("GET / HTTP/1.1\r\n" HOST "\r\n", 1, "");
    ACCEPTED("\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 1, "");
    ACCEPTED("GET / HTTP/1.0\r\n\r\n", 1, "");
    ACCEPTED("BREW /pot HTTP/1.1\r\n" HOST "\r\n", 1, "");
    ACCEPTED("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 1, "");
    ACCEPTED("GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: x\r\n\r\n", 1,
             "");
    ACCEPTED("GET / HTTP/1.1\r\n" HOST "X:\r\nY:  \t \r\n\r\n", 1, "");
}

static void bodies_are_framed_by_length_or_chunks(void **state)
{
    (void)state;
    ACCEPTED(POST "Content-Length: 3\r\n\r\nabc", 1, "abc");
    ACCEPTED(POST "Content-Length: 0\r\n\r\n", 1, "");
    ACCEPTED("GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 1, "abc");
    ACCEPTED(POST "Transfer-Encoding:\tCHUNKED \r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n"
                  "0\r\n\r\n",
             1, "abc0123456789");
    ACCEPTED(POST "Transfer-Encoding: chunked\r\n\r\n1;a=b;c=\"d\\\"\"\r\nx\r\n"
                  "0\r\nX-Sum: 1\r\n\r\n",
             1, "x");
}

static void pipelined_requests_are_separate_messages(void **state)
{
    (void)state;
    ACCEPTED(POST "Content-Length: 1\r\n\r\naGET / HTTP/1.1\r\n" HOST "\r\n" POST
                  "Transfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n",
             3, "ab");
}

static void malformed_request_lines_are_refused(void **state)
{
    (void)state;
    REFUSED("GET / HTTP/1.1\n" HOST "\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET  / HTTP/1.1\r\n" HOST "\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET /  HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET / HTTP/1.1 \r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET\t/ HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(" GET / HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("get / HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET /\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET / HTTP/0.9\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET / HTTP/01.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET / http/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET / HTTP/2.0\r\n", HF_REASON_VERSION);
    REFUSED("GET /\xc3\xa9 HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET /\0 HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET / HTTP/1.1\rX", HF_REASON_BAD_REQUEST);
    REFUSED("\r\n\r\nGET / HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("\nGET / HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
    REFUSED("GET * HTTP/1.1\r\n", HF_REASON_URL);
    REFUSED("CONNECT a:443 HTTP/1.1\r\n", HF_REASON_VERB);
    REFUSED("TRACE / HTTP/1.1\r\n", HF_REASON_VERB);
    REFUSED("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", HF_REASON_BAD_REQUEST);
}

static void malformed_fields_are_refused(void **state)
{
    (void)state;
    REFUSED(POST "X : 1\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST " X: 1\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X: 1\r\n 2\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST ": 1\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X: 1\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X:\rContent-Length: 3\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X: a\0b\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X: a\x7f\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X\x80: a\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "X: 1\r\n\n", HF_REASON_HEADER);
    REFUSED(POST "X: 1\r\n\rG", HF_REASON_HEADER);
}

static void bad_hosts_are_refused(void **state)
{
    (void)state;
    REFUSED("GET / HTTP/1.1\r\n\r\n", HF_REASON_HOSTNAME);
    REFUSED("GET / HTTP/1.1\r\n" HOST HOST "\r\n", HF_REASON_HOSTNAME);
    REFUSED("GET / HTTP/1.0\r\n" HOST HOST "\r\n", HF_REASON_HOSTNAME);
    REFUSED("GET / HTTP/1.1\r\nHost:\r\n\r\n", HF_REASON_HOSTNAME);
    REFUSED("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HF_REASON_HOSTNAME);
    REFUSED("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HF_REASON_HOSTNAME);
    REFUSED("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", HF_REASON_HOSTNAME);
    REFUSED("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", HF_REASON_HOSTNAME);
}

static void ambiguous_lengths_are_refused(void **state)
{
    (void)state;
    REFUSED(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            HF_REASON_NUMBER);
    REFUSED(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: +3\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: -3\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: 3,3\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: 0x3\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: 1 2\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length:\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: 03\r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: 3 \r\n\r\n", HF_REASON_NUMBER);
    REFUSED(POST "Content-Length: 1234567890123456789\r\n\r\n", HF_REASON_NUMBER);
    REFUSED("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", HF_REASON_TRANSFER_CODING);
    REFUSED(POST "Transfer-Encoding: xchunked\r\n\r\n", HF_REASON_TRANSFER_CODING);
    REFUSED(POST "Transfer-Encoding: chunked, gzip\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "Transfer-Encoding: chunked, chunked\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "Transfer-Encoding:\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "Transfer-Encoding:\r\n chunked\r\n\r\n", HF_REASON_HEADER);
    REFUSED(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            HF_REASON_HEADER);
}

#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void malformed_chunks_are_refused(void **state)
{
    (void)state;
    REFUSED(CHUNKED "3\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "3 \r\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED " 3\r\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "+3\r\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "0x3\r\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED ";a\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "3;\r\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "3;a\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "3;a=\"\1\"\r\nabc\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "3\r\nabcX\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "3\r\nabc0\r\n\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "ffffffffffffffff\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "00000000000000001\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "0\r\nX : 1\r\n\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "0\r\nX: 1\r\n 2\r\n\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "0\r\nContent-Length: 1\r\n\r\n", HF_REASON_BAD_REQUEST);
    REFUSED(CHUNKED "0\r\n\nG", HF_REASON_BAD_REQUEST);
}

static void chunk_extensions_are_limited_per_message(void **state)
{
    char text[8192];
    struct verdict v;
    size_t n = (size_t)snprintf(text, sizeof text, "%s", CHUNKED);

    (void)state;
    for (int i = 0; i < 9; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "1;%030d\r\nx\r\n", i);
    }
    judge(text, n, &v);

    assert_int_equal(v.last, HF_HTTP_AT_ERROR);
    assert_int_equal(v.body_bytes, 8);
}

static void only_100_continue_can_be_expected(void **state)
{
    (void)state;
    REFUSED(POST "Expect: 200-ok\r\n\r\n", HF_REASON_EXPECTATION);
    REFUSED(POST "Expect: 100-continue, x\r\n\r\n", HF_REASON_EXPECTATION);
    REFUSED(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n",
            HF_REASON_EXPECTATION);
    ACCEPTED(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", 1, "x");
    ACCEPTED("POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\nx", 1, "x");
}

/* `head`, then `count` times `fill`, then `tail`. */
static hf_reason filled(const char *head, const char *fill, size_t count,
                        const char *tail)
{
    size_t bytes = strlen(head) + count * strlen(fill) + strlen(tail);
    char *text = malloc(bytes + 1);
    struct hf_http_parser *p;
    struct verdict v;
    struct verdict slow;
    size_t n;

    assert_non_null(text);
    n = (size_t)snprintf(text, bytes + 1, "%s", head);
    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(text + n, bytes + 1 - n, "%s", fill);
    }
    (void)snprintf(text + n, bytes + 1 - n, "%s", tail);
    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    run(p, hf_slice_of(text, bytes), bytes, 1, &v);
    hf_http_parser_free(p);
    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    run(p, hf_slice_of(text, bytes), 1, 1, &slow);
    hf_http_parser_free(p);
    free(text);
    assert_int_equal(v.reason, slow.reason);
    assert_int_equal(v.messages, slow.messages);
    return v.reason;
}

static void sizes_are_limited(void **state)
{
    (void)state;
    /* "GET " and " HTTP/1.1" are 13 bytes of 8192. */
    assert_int_equal(filled("GET /", "a", 8178, " HTTP/1.1\r\n" HOST "\r\n"),
                     HF_REASON_NONE);
    assert_int_equal(filled("GET /", "a", 8179, " HTTP/1.1\r\n" HOST "\r\n"),
                     HF_REASON_URL_LENGTH);
    assert_int_equal(filled(POST "X: ", "a", 16381, "\r\n\r\n"), HF_REASON_NONE);
    assert_int_equal(filled(POST "X: ", "a", 16382, "\r\n\r\n"),
                     HF_REASON_FIELD_LENGTH);
    assert_int_equal(filled(POST, "X: a\r\n", 99, "\r\n"), HF_REASON_NONE);
    assert_int_equal(filled(POST, "X: a\r\n", 100, "\r\n"), HF_REASON_REQUEST_LENGTH);
    assert_int_equal(filled(POST "X: ", "a", 16000, "\r\n" HOST "X: "), HF_REASON_NONE);
}

static void all_fields_together_are_limited(void **state)
{
    char line[1024];

    (void)state;
    (void)snprintf(line, sizeof line, "X: %0*d\r\n", 1018, 0);
    assert_int_equal(filled(POST, line, 32, "\r\n"), HF_REASON_NONE);
    assert_int_equal(filled(POST, line, 33, "\r\n"), HF_REASON_REQUEST_LENGTH);
}

static void body_limit_refuses_declared_length_before_reading(void **state)
{
    static const char text[] = POST "Content-Length: 5\r\n\r\n";
    struct hf_http_parser *p;
    struct hf_http_step step;

    (void)state;
    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    hf_http_parser_feed(p, hf_slice_of(text, sizeof text - 1), &step);
    assert_int_equal(step.event, HF_HTTP_AT_HEAD);

    assert_false(hf_http_parser_limit_body(p, 4));
    hf_http_parser_feed(p, HF_SLICE_EMPTY, &step);

    assert_int_equal(step.event, HF_HTTP_AT_ERROR);
    assert_int_equal(step.reason, HF_REASON_ENTITY_TOO_LARGE);
    hf_http_parser_free(p);
}

static void body_limit_stops_a_chunked_body(void **state)
{
    static const char text[] = CHUNKED "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    hf_slice rest = hf_slice_of(text, sizeof text - 1);
    struct hf_http_parser *p;
    struct hf_http_step step;

    (void)state;
    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    hf_http_parser_feed(p, rest, &step);
    assert_true(hf_http_parser_limit_body(p, 5));
    do {
        rest = hf_slice_skip(rest, step.consumed);
        hf_http_parser_feed(p, rest, &step);
    } while (step.event == HF_HTTP_AT_BODY);

    assert_int_equal(step.event, HF_HTTP_AT_ERROR);
    assert_int_equal(step.reason, HF_REASON_ENTITY_TOO_LARGE);
    hf_http_parser_free(p);
}

static void head_is_reported_field_by_field(void **state)
{
    static const char text[] = "PATCH /a?b HTTP/1.1\r\nhost: A\r\nX-B:  c d \r\n"
                               "x-b:\r\nConnection: x, Close\r\n\r\n";
    struct hf_http_parser *p;
    struct hf_http_step step;
    const struct hf_http_head *head;

    (void)state;
    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    hf_http_parser_feed(p, hf_slice_of(text, sizeof text - 1), &step);
    assert_int_equal(step.event, HF_HTTP_AT_HEAD);
    head = hf_http_parser_head(p);

    assert_int_equal(head->method, HF_HTTP_PATCH);
    assert_true(hf_slice_equal(head->target, HF_SLICE("/a?b")));
    assert_true(hf_slice_equal(head->host, HF_SLICE("A")));
    assert_int_equal(head->fields_count, 4);
    assert_true(hf_slice_equal(head->fields[1].name, HF_SLICE("X-B")));
    assert_true(hf_slice_equal(head->fields[1].value, HF_SLICE("c d")));
    assert_int_equal(head->fields[2].value.bytes, 0);
    assert_false(head->is_keep_alive);
    hf_http_parser_free(p);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        const char *text;
        bool is_keep_alive;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hf_http_parser *p;
        struct hf_http_step step;

        assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
        hf_http_parser_feed(p, hf_slice_of_cstr(rows[i].text), &step);
        assert_int_equal(hf_http_parser_head(p)->is_keep_alive, rows[i].is_keep_alive);
        hf_http_parser_free(p);
    }
}

static void last_bytes_of_a_declared_length_say_so(void **state)
{
    static const char start[] = POST "Content-Length: 4\r\n\r\n";
    struct hf_http_parser *p;
    struct hf_http_step step;

    (void)state;
    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    hf_http_parser_feed(p, HF_SLICE(POST "Content-Length: 4\r\n\r\n"), &step);
    assert_int_equal(step.event, HF_HTTP_AT_HEAD);
    assert_int_equal(step.consumed, sizeof start - 1);

    hf_http_parser_feed(p, HF_SLICE("ab"), &step);
    assert_int_equal(step.event, HF_HTTP_AT_BODY);
    assert_false(step.is_body_end);
    hf_http_parser_feed(p, HF_SLICE("cd"), &step);
    assert_int_equal(step.event, HF_HTTP_AT_BODY);
    assert_true(step.is_body_end);
    hf_http_parser_feed(p, HF_SLICE_EMPTY, &step);
    assert_int_equal(step.event, HF_HTTP_AT_DONE);
    hf_http_parser_free(p);
}

/* The parser keeps what the last Host meant; another one is read, a bad one refused. */
static void host_of_each_request_is_its_own(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
    } requests[] = {
        {"GET / HTTP/1.1\r\nHost: A.example:81\r\n\r\n", "a.example", 81},
        {"GET / HTTP/1.1\r\nHost: A.example:81\r\n\r\n", "a.example", 81},
        {"GET / HTTP/1.1\r\nHost: A.example:82\r\n\r\n", "a.example", 82},
        {"GET / HTTP/1.1\r\nHost: b\r\n\r\n", "b", 0},
    };
    struct hf_http_parser *p;
    struct hf_http_step step;

    (void)state;
    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        const struct hf_http_host *host;

        hf_http_parser_feed(p, hf_slice_of_cstr(requests[i].text), &step);
        assert_int_equal(step.event, HF_HTTP_AT_HEAD);
        host = hf_http_parser_head(p)->host_read;
        assert_true(hf_slice_equal(hf_http_host_slice(host),
                                   hf_slice_of_cstr(requests[i].host)));
        assert_int_equal(host->port, requests[i].port);
        hf_http_parser_feed(p, HF_SLICE_EMPTY, &step);
        hf_http_parser_next(p);
    }
    hf_http_parser_feed(p, HF_SLICE("GET / HTTP/1.1\r\nHost: b,c\r\n\r\n"), &step);
    assert_int_equal(step.event, HF_HTTP_AT_ERROR);
    assert_int_equal(step.reason, HF_REASON_HOSTNAME);
    hf_http_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_bytes_of_a_declared_length_say_so),
        cmocka_unit_test(host_of_each_request_is_its_own),
        cmocka_unit_test(plain_requests_are_read),
        cmocka_unit_test(bodies_are_framed_by_length_or_chunks),
        cmocka_unit_test(pipelined_requests_are_separate_messages),
        cmocka_unit_test(malformed_request_lines_are_refused),
        cmocka_unit_test(malformed_fields_are_refused),
        cmocka_unit_test(bad_hosts_are_refused),
        cmocka_unit_test(ambiguous_lengths_are_refused),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(chunk_extensions_are_limited_per_message),
        cmocka_unit_test(only_100_continue_can_be_expected),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(all_fields_together_are_limited),
        cmocka_unit_test(body_limit_refuses_declared_length_before_reading),
        cmocka_unit_test(body_limit_stops_a_chunked_body),
        cmocka_unit_test(head_is_reported_field_by_field),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
