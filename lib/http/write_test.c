#include "lib/http/write.h"

#include "lib/http/chunk.h"
#include "lib/http/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

#define DATE  "Sat, 21 Nov 2026 06:30:00 GMT"
#define FIXED "Date: " DATE "\r\nServer: holdfast\r\n"

static const struct hf_http_asker get = {HF_HTTP_GET, 1, true};
static const struct hf_http_asker head_11 = {HF_HTTP_HEAD, 1, true};
static const struct hf_http_asker get_closing = {HF_HTTP_GET, 1, false};
static const struct hf_http_asker get_10 = {HF_HTTP_GET, 0, false};
static const struct hf_http_asker get_10_kept = {HF_HTTP_GET, 0, true};

static struct hf_http_framed writes(const struct hf_http_asker *asker,
                                    struct hf_http_response_head head,
                                    const char *expected)
{
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_framed framed;

    hf_buf_init(&out, 65536);
    head.date = HF_SLICE(DATE);
    assert_int_equal(hf_http_write_response(&out, asker, &head, &framed), HF_OK);
    assert_int_equal(hf_buf_bytes(&out), strlen(expected));
    assert_memory_equal(out.data + out.start, expected, strlen(expected));
    return framed;
}

static void known_length_is_stated(void **state)
{
    struct hf_http_response_head head = {.status = 200,
                                         .fields = HF_SLICE("A: b\r\n"),
                                         .length = HF_HTTP_LENGTH_KNOWN,
                                         .body_bytes = 12,
                                         .has_via = true};
    struct hf_http_framed framed;

    (void)state;
    framed = writes(&get, head,
                    "HTTP/1.1 200 OK\r\n" FIXED
                    "A: b\r\nVia: 1.1 holdfast\r\nContent-Length: 12\r\n\r\n");
    assert_int_equal(framed.framing, HF_HTTP_FRAMING_LENGTH);
    assert_false(framed.is_close);
    framed = writes(&get_10_kept, head,
                    "HTTP/1.1 200 OK\r\n" FIXED
                    "A: b\r\nVia: 1.1 holdfast\r\nContent-Length: 12\r\n"
                    "Connection: keep-alive\r\n\r\n");
    assert_false(framed.is_close);
}

static void unknown_length_is_chunked_or_ends_with_the_connection(void **state)
{
    struct hf_http_response_head head = {.status = 299,
                                         .length = HF_HTTP_LENGTH_CHUNKED};
    struct hf_http_framed framed;

    (void)state;
    framed =
        writes(&get, head,
               "HTTP/1.1 299 Status\r\n" FIXED "Transfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(framed.framing, HF_HTTP_FRAMING_CHUNKED);
    framed = writes(&get_10_kept, head,
                    "HTTP/1.1 299 Status\r\n" FIXED "Connection: close\r\n\r\n");
    assert_int_equal(framed.framing, HF_HTTP_FRAMING_CLOSE);
    assert_true(framed.is_close);
}

static void head_204_and_304_have_no_body(void **state)
{
    struct hf_http_response_head known = {
        .status = 200, .length = HF_HTTP_LENGTH_KNOWN, .body_bytes = 12};
    struct hf_http_response_head stream = {.status = 200,
                                           .length = HF_HTTP_LENGTH_CHUNKED};
    struct hf_http_framed framed;

    (void)state;
    framed = writes(&head_11, known,
                    "HTTP/1.1 200 OK\r\n" FIXED "Content-Length: 12\r\n\r\n");
    assert_int_equal(framed.framing, HF_HTTP_FRAMING_NONE);
    framed = writes(&head_11, stream, "HTTP/1.1 200 OK\r\n" FIXED "\r\n");
    assert_int_equal(framed.framing, HF_HTTP_FRAMING_NONE);
    known.status = 204;
    framed = writes(&get_closing, known,
                    "HTTP/1.1 204 No Content\r\n" FIXED "Connection: close\r\n\r\n");
    assert_int_equal(framed.framing, HF_HTTP_FRAMING_NONE);
    stream.status = 304;
    framed = writes(&get_10, stream,
                    "HTTP/1.1 304 Not Modified\r\n" FIXED "Connection: close\r\n\r\n");
    assert_int_equal(framed.framing, HF_HTTP_FRAMING_NONE);
}

static void full_buffer_is_an_error(void **state)
{
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_response_head head = {.status = 200, .date = HF_SLICE(DATE)};
    struct hf_http_framed framed;

    (void)state;
    hf_buf_init(&out, 40);
    assert_int_equal(hf_http_write_response(&out, &get, &head, &framed),
                     HF_ERR_TOO_BIG);
}

static void dates_are_imf_fixdates(void **state)
{
    char text[HF_HTTP_DATE_BYTES + 1];

    (void)state;
    hf_http_date(HF_TIME_ZERO, text);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    hf_http_date(hf_time_of_ms(784111777999), text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    hf_http_date(hf_time_of_ms(1709164800000), text);
    assert_string_equal(text, "Thu, 29 Feb 2024 00:00:00 GMT");
    hf_http_date(hf_time_of_ms(4107542399000), text);
    assert_string_equal(text, "Sun, 28 Feb 2100 23:59:59 GMT");
    hf_http_date(hf_time_of_ms(4107542400000), text);
    assert_string_equal(text, "Mon, 01 Mar 2100 00:00:00 GMT");
}

static void chunk_heads_are_hex_without_leading_zeros(void **state)
{
    char out[HF_HTTP_CHUNK_HEAD_BYTES_MAX];

    (void)state;
    assert_int_equal(hf_http_chunk_head(1, out), 3);
    assert_memory_equal(out, "1\r\n", 3);
    assert_int_equal(hf_http_chunk_head(0x1a0, out), 5);
    assert_memory_equal(out, "1a0\r\n", 5);
    assert_int_equal(hf_http_chunk_head(UINT64_MAX, out), 18);
    assert_memory_equal(out, "ffffffffffffffff\r\n", 18);
}

static void problem_is_a_whole_response(void **state)
{
    static const char body[] =
        "{\"type\":\"/.holdfast/problem/QueueFull\",\"title\":\"the queue is at its "
        "limit\","
        "\"status\":503,\"reason\":\"QueueFull\",\"detail\":\"a\\u0022\\ufffd\"}\n";
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_problem problem = {.reason = HF_REASON_QUEUE_FULL,
                                      .detail = HF_SLICE("a\"\xff"),
                                      .retry_after_s = 2};
    struct hf_http_framed framed;
    hf_slice text;

    (void)state;
    hf_buf_init(&out, 65536);
    assert_int_equal(
        hf_http_write_problem(&out, &get, &problem, HF_SLICE(DATE), &framed), HF_OK);
    text = hf_buf_slice(&out);
    assert_true(hf_slice_starts_with(
        text,
        HF_SLICE("HTTP/1.1 503 Service Unavailable\r\n" FIXED
                 "Content-Type: application/problem+json\r\n"
                 "Cache-Control: no-store\r\nRetry-After: 2\r\nContent-Length: ")));
    assert_true(hf_slice_ends_with(text, hf_slice_of_cstr(body)));
    assert_non_null(memmem(text.data, text.bytes, "\r\n\r\n{", 5));
}

static void too_many_requests_tell_when_to_come_again(void **state)
{
    static const char fields[] =
        "\r\nRetry-After: 7\r\nRateLimit: \"queue\";r=0;t=7\r\n";
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_problem problem = {.reason = HF_REASON_TOO_MANY, .retry_after_s = 7};
    struct hf_http_framed framed;
    hf_slice text;

    (void)state;
    hf_buf_init(&out, 65536);
    assert_int_equal(
        hf_http_write_problem(&out, &get, &problem, HF_SLICE(DATE), &framed), HF_OK);
    text = hf_buf_slice(&out);
    assert_true(
        hf_slice_starts_with(text, HF_SLICE("HTTP/1.1 429 Too Many Requests\r\n")));
    assert_non_null(memmem(text.data, text.bytes, fields, sizeof fields - 1));
}

static void problem_answer_to_head_has_no_body(void **state)
{
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_problem problem = {.reason = HF_REASON_VERB};
    struct hf_http_framed framed;
    hf_slice text;

    (void)state;
    hf_buf_init(&out, 65536);
    assert_int_equal(
        hf_http_write_problem(&out, &head_11, &problem, HF_SLICE(DATE), &framed),
        HF_OK);
    text = hf_buf_slice(&out);
    assert_true(hf_slice_ends_with(text, HF_SLICE("\r\n\r\n")));
    assert_non_null(memmem(text.data, text.bytes, "\r\nAllow: GET", 12));
}

static void requests_of_our_own_are_written(void **state)
{
    static const char expected[] = "PUT /x HTTP/1.1\r\nHost: a\r\nB: c\r\n"
                                   "Content-Length: 3\r\n\r\n";
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_response_head rest = {.fields = HF_SLICE("B: c\r\n"),
                                         .length = HF_HTTP_LENGTH_KNOWN,
                                         .body_bytes = 3};

    (void)state;
    hf_buf_init(&out, 65536);
    assert_int_equal(hf_http_write_request(&out, HF_SLICE("PUT"), HF_SLICE("/x"),
                                           HF_SLICE("a"), &rest),
                     HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&out), hf_slice_of_cstr(expected)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_length_is_stated),
        cmocka_unit_test(unknown_length_is_chunked_or_ends_with_the_connection),
        cmocka_unit_test(head_204_and_304_have_no_body),
        cmocka_unit_test(full_buffer_is_an_error),
        cmocka_unit_test(dates_are_imf_fixdates),
        cmocka_unit_test(chunk_heads_are_hex_without_leading_zeros),
        cmocka_unit_test(problem_is_a_whole_response),
        cmocka_unit_test(too_many_requests_tell_when_to_come_again),
        cmocka_unit_test(problem_answer_to_head_has_no_body),
        cmocka_unit_test(requests_of_our_own_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
