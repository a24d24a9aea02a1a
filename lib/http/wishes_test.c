/* What clients wish by standard fields: Prefer, Priority, Idempotency-Key. */
#include "lib/http/idempotency.h"
#include "lib/http/prefer.h"
#include "lib/http/priority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BLOCK(text) HF_SLICE(text)

static void respond_async_and_wait_are_read(void **state)
{
    struct hf_http_prefer p = hf_http_prefer_of(
        BLOCK("Host: a\r\nprefer: foo; bar, Respond-Async , wait=10;x=1\r\n"));

    (void)state;
    assert_true(p.is_async);
    assert_true(p.has_wait);
    assert_int_equal(p.wait_s, 10);

    p = hf_http_prefer_of(BLOCK("Prefer: wait=\"7\"\r\nPrefer: respond-async\r\n"));
    assert_true(p.is_async);
    assert_int_equal(p.wait_s, 7);
}

static void first_wait_counts_and_nonsense_is_no_preference(void **state)
{
    struct hf_http_prefer p =
        hf_http_prefer_of(BLOCK("Prefer: wait=1, wait=2\r\nPrefer: wait=3\r\n"));

    (void)state;
    assert_int_equal(p.wait_s, 1);
    assert_false(p.is_async);

    p = hf_http_prefer_of(BLOCK("Prefer: wait=soon, wait=5, respond-asyncs\r\n"));
    assert_false(p.has_wait);
    assert_false(p.is_async);

    p = hf_http_prefer_of(BLOCK("Prefer: wait=-1\r\n"));
    assert_false(p.has_wait);
    p = hf_http_prefer_of(BLOCK("Prefer: wait\r\n"));
    assert_false(p.has_wait);
    p = hf_http_prefer_of(BLOCK("Prefer: wait=99999999999999999999\r\n"));
    assert_int_equal(p.wait_s, HF_HTTP_PREFER_WAIT_MAX);
    p = hf_http_prefer_of(BLOCK("X-Prefer: respond-async\r\n"));
    assert_false(p.is_async);
}

static void urgency_is_read_and_bounded(void **state)
{
    (void)state;
    assert_int_equal(hf_http_urgency_of(BLOCK("Host: a\r\n")), 3);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: u=0\r\n")), 0);
    assert_int_equal(hf_http_urgency_of(BLOCK("priority: i, u=7\r\n")), 7);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: u=5;p=1, i=?0\r\n")), 5);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: u=8\r\n")), 3);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: u=12\r\n")), 3);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: u=\r\n")), 3);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: uu=1\r\n")), 3);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: u=1, u=6\r\n")), 6);
    assert_int_equal(hf_http_urgency_of(BLOCK("Priority: u=1\r\nPriority: u=2\r\n")),
                     2);
}

static void key_is_quoted_or_bare(void **state)
{
    hf_slice key;

    (void)state;
    assert_int_equal(
        hf_http_idempotency_of(BLOCK("Idempotency-Key: \"a b,c\"\r\n"), &key), HF_OK);
    assert_true(hf_slice_equal(key, HF_SLICE("a b,c")));
    assert_int_equal(
        hf_http_idempotency_of(BLOCK("idempotency-key: 8e03-97\r\n"), &key), HF_OK);
    assert_true(hf_slice_equal(key, HF_SLICE("8e03-97")));
    assert_int_equal(hf_http_idempotency_of(BLOCK("Host: a\r\n"), &key),
                     HF_ERR_NOT_FOUND);
}

static void doubtful_keys_are_refused(void **state)
{
    static const char *const bad[] = {
        "Idempotency-Key: \r\n",
        "Idempotency-Key: \"\"\r\n",
        "Idempotency-Key: a, b\r\n",
        "Idempotency-Key: a b\r\n",
        "Idempotency-Key: \"a\\\"b\"\r\n",
        "Idempotency-Key: \"a\r\n",
        "Idempotency-Key: \xC3\xA9\r\n",
        "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
    };
    char longest[320] = "Idempotency-Key: ";
    hf_slice key;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(hf_http_idempotency_of(hf_slice_of_cstr(bad[i]), &key),
                         HF_ERR_INVALID);
    }
    for (size_t i = 0; i < 256; i++) {
        longest[17 + i] = 'k';
    }
    longest[17 + 255] = '\r';
    longest[17 + 256] = '\n';
    assert_int_equal(hf_http_idempotency_of(hf_slice_of_cstr(longest), &key), HF_OK);
    assert_int_equal(key.bytes, HF_HTTP_IDEMPOTENCY_BYTES_MAX);
    longest[17 + 255] = 'k';
    longest[17 + 256] = '\r';
    longest[17 + 257] = '\n';
    assert_int_equal(hf_http_idempotency_of(hf_slice_of_cstr(longest), &key),
                     HF_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(respond_async_and_wait_are_read),
        cmocka_unit_test(first_wait_counts_and_nonsense_is_no_preference),
        cmocka_unit_test(urgency_is_read_and_bounded),
        cmocka_unit_test(key_is_quoted_or_bare),
        cmocka_unit_test(doubtful_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
