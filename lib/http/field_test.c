#include "lib/http/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

static hf_err filter(int status, hf_slice block, struct hf_buf *out, size_t *dropped)
{
    hf_buf_clear(out);
    return hf_http_response_filter(status, block, out, dropped);
}

static void worker_fields_lose_what_the_frontend_states(void **state)
{
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    size_t dropped;

    (void)state;
    hf_buf_init(&out, 65536);
    assert_int_equal(
        filter(200,
               HF_SLICE(
                   "A: 1\r\ncontent-length: 5\r\nTransfer-Encoding: chunked\r\n"
                   "Connection: X-Hop\r\nConnection: content-type\r\nKeep-Alive: 1\r\n"
                   "Upgrade: x\r\nDate: d\r\nServer: s\r\nX-Hop: 1\r\n"
                   "Content-Type: t\r\nSet-Cookie: a\r\nSet-Cookie:  b \r\n"),
               &out, &dropped),
        HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&out),
                               HF_SLICE("A: 1\r\nContent-Type: t\r\nSet-Cookie: a\r\n"
                                        "Set-Cookie: b\r\n")));
    assert_int_equal(dropped, 9);
}

static void malformed_worker_fields_are_refused(void **state)
{
    static const char *const blocks[] = {
        "A 1\r\n",     "A: 1\n",
        "A: 1",        "A: \x01\r\n",
        ": 1\r\n",     "A : 1\r\n",
        "\r\n",        "A: 1\r\n b\r\n",
        "A: b\rc\r\n", "A: 1\r\n\r\nGET / HTTP/1.1\r\n"};
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    size_t dropped;

    (void)state;
    hf_buf_init(&out, 65536);
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        assert_int_equal(filter(200, hf_slice_of_cstr(blocks[i]), &out, &dropped),
                         HF_ERR_INVALID);
    }
    assert_int_equal(filter(200, HF_SLICE("A: a\0b\r\n"), &out, &dropped),
                     HF_ERR_INVALID);
}

static void worker_status_is_200_to_599(void **state)
{
    static const int refused[] = {-1, 0, 100, 101, 199, 600, 1000};
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    size_t dropped;

    (void)state;
    hf_buf_init(&out, 65536);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(filter(refused[i], HF_SLICE_EMPTY, &out, &dropped),
                         HF_ERR_INVALID);
    }
    assert_int_equal(filter(200, HF_SLICE_EMPTY, &out, &dropped), HF_OK);
    assert_int_equal(filter(599, HF_SLICE_EMPTY, &out, &dropped), HF_OK);
}

static void oversized_worker_fields_are_refused(void **state)
{
    static uint8_t block[HF_HTTP_RESPONSE_FIELDS_BYTES_MAX + 1];
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    size_t dropped;

    (void)state;
    hf_buf_init(&out, 2 * sizeof block);
    memset(block, 'a', sizeof block);
    block[1] = ':';
    memcpy(block + sizeof block - 2, "\r\n", 2);
    assert_int_equal(filter(200, hf_slice_of(block, sizeof block), &out, &dropped),
                     HF_ERR_TOO_BIG);
    memcpy(block + sizeof block - 3, "\r\n", 2);
    assert_int_equal(filter(200, hf_slice_of(block, sizeof block - 1), &out, &dropped),
                     HF_OK);
}

static void find_returns_the_first_value_of_any_case(void **state)
{
    hf_slice block = HF_SLICE("A: 1\r\nb: 2\r\nB: 3\r\nC:\r\n");

    (void)state;
    assert_true(
        hf_slice_equal(hf_http_field_find(block, HF_SLICE("B")), HF_SLICE("2")));
    assert_non_null(hf_http_field_find(block, HF_SLICE("c")).data);
    assert_null(hf_http_field_find(block, HF_SLICE("d")).data);
}

static void lists_have_whole_members_only(void **state)
{
    (void)state;
    assert_true(hf_http_list_has(HF_SLICE(" a ,, Close"), HF_SLICE("close")));
    assert_false(hf_http_list_has(HF_SLICE("closed, not-close"), HF_SLICE("close")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_fields_lose_what_the_frontend_states),
        cmocka_unit_test(malformed_worker_fields_are_refused),
        cmocka_unit_test(worker_status_is_200_to_599),
        cmocka_unit_test(oversized_worker_fields_are_refused),
        cmocka_unit_test(find_returns_the_first_value_of_any_case),
        cmocka_unit_test(lists_have_whole_members_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
