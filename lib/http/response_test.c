#include "lib/http/response.h"

#include "lib/http/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

static hf_err feed(struct hf_http_response *r, hf_slice bytes, size_t piece)
{
    hf_err err = HF_ERR_AGAIN;

    while (bytes.bytes > 0) {
        err = hf_http_response_feed(r, hf_slice_first(bytes, piece));
        bytes = hf_slice_skip(bytes, piece);
        if (err != HF_OK && err != HF_ERR_AGAIN) {
            break;
        }
    }
    return err;
}

/* In one piece and byte by byte. */
static void comes_to(const char *text, bool is_head, hf_err expected, const char *body)
{
    for (size_t piece = 1; piece <= 4096; piece *= 4096) {
        struct hf_http_response *r;

        assert_int_equal(hf_http_response_new(64, is_head, &r), HF_OK);
        assert_int_equal(feed(r, hf_slice_of_cstr(text), piece), expected);
        if (expected == HF_OK) {
            assert_int_equal(hf_http_response_status(r), 200);
            assert_true(
                hf_slice_equal(hf_http_response_body(r), hf_slice_of_cstr(body)));
        }
        hf_http_response_free(r);
    }
}

#define OK "HTTP/1.1 200 OK\r\n"

static void complete_responses_are_read(void **state)
{
    (void)state;
    comes_to(OK "Content-Length: 3\r\n\r\nabc", false, HF_OK, "abc");
    comes_to(OK "Content-Length: 0\r\n\r\n", false, HF_OK, "");
    comes_to(OK "Content-Length: 3\r\n\r\n", true, HF_OK, "");
    comes_to(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
             false, HF_OK, "abc");
    comes_to(OK "Content-Length: 3\r\n\r\nab", false, HF_ERR_AGAIN, "");
}

static void malformed_responses_are_refused(void **state)
{
    (void)state;
    comes_to("HTTP/1.1 100 Continue\r\n\r\n", false, HF_ERR_INVALID, "");
    comes_to("HTTP/2.0 200 OK\r\n\r\n", false, HF_ERR_INVALID, "");
    comes_to("nonsense\r\n", false, HF_ERR_INVALID, "");
    comes_to(OK "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", false, HF_ERR_INVALID, "");
    comes_to(OK ": b\r\nContent-Length: 0\r\n\r\n", false, HF_ERR_INVALID, "");
    comes_to(OK "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", false,
             HF_ERR_INVALID, "");
    comes_to(OK "Content-Length: 3\r\n\r\nabcd", false, HF_ERR_INVALID, "");
}

static void body_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    comes_to(OK
             "Content-Length: 70\r\n\r\n"
             "0123456789012345678901234567890123456789012345678901234567890123456789",
             false, HF_ERR_TOO_BIG, "");
}

static void close_ends_only_a_body_without_length(void **state)
{
    struct hf_http_response *r;

    (void)state;
    assert_int_equal(hf_http_response_new(64, false, &r), HF_OK);
    assert_int_equal(feed(r, HF_SLICE(OK "A: b\r\n\r\nabc"), 7), HF_ERR_AGAIN);
    assert_int_equal(hf_http_response_eof(r), HF_OK);
    assert_true(hf_slice_equal(hf_http_response_body(r), HF_SLICE("abc")));
    assert_true(hf_slice_equal(hf_http_response_fields(r), HF_SLICE("A: b\r\n")));
    hf_http_response_free(r);
    assert_int_equal(hf_http_response_new(64, false, &r), HF_OK);
    assert_int_equal(feed(r, HF_SLICE(OK "Content-Length: 3\r\n\r\nab"), 99),
                     HF_ERR_AGAIN);
    assert_int_equal(hf_http_response_eof(r), HF_ERR_CLOSED);
    hf_http_response_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_responses_are_read),
        cmocka_unit_test(malformed_responses_are_refused),
        cmocka_unit_test(body_beyond_the_limit_is_refused),
        cmocka_unit_test(close_ends_only_a_body_without_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
