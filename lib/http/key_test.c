#include "lib/http/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_kind(const char *text, enum hf_http_key_kind kind)
{
    struct hf_http_key key;

    assert_int_equal(hf_http_key_parse(hf_slice_of_cstr(text), &key), HF_OK);
    assert_int_equal(key.kind, kind);
}

static void four_forms_are_known(void **state)
{
    struct hf_http_key key;

    (void)state;
    assert_kind("", HF_HTTP_KEY_NONE);
    assert_kind("client-ip", HF_HTTP_KEY_CLIENT_IP);
    assert_kind("host", HF_HTTP_KEY_HOST);
    assert_kind("header:X-Tenant", HF_HTTP_KEY_HEADER);
    assert_int_equal(hf_http_key_parse(HF_SLICE("segment:255"), &key), HF_OK);
    assert_int_equal(key.segment, 255);
}

static void all_else_is_refused(void **state)
{
    static const char *const texts[] = {"ip",        "header:",   "header:a b",
                                        "segment:",  "segment:0", "segment:256",
                                        "segment:x", "Client-Ip", "host "};
    struct hf_http_key key;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(hf_http_key_parse(hf_slice_of_cstr(texts[i]), &key),
                         HF_ERR_INVALID);
    }
}

static void segments_are_counted_from_one(void **state)
{
    hf_slice path = HF_SLICE("/a/bc//d");

    (void)state;
    assert_true(hf_slice_equal(hf_http_key_segment(path, 1), HF_SLICE("a")));
    assert_true(hf_slice_equal(hf_http_key_segment(path, 2), HF_SLICE("bc")));
    assert_int_equal(hf_http_key_segment(path, 9).bytes, 0);
    assert_int_equal(hf_http_key_segment(HF_SLICE("/"), 1).bytes, 0);
    assert_int_equal(hf_http_key_segment(HF_SLICE("*"), 1).bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_forms_are_known),
        cmocka_unit_test(all_else_is_refused),
        cmocka_unit_test(segments_are_counted_from_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
