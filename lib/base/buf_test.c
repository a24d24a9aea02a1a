#include "lib/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct hf_buf *buf, const char *text)
{
    assert_int_equal(hf_buf_bytes(buf), strlen(text));
    assert_memory_equal(hf_buf_slice(buf).data, text, strlen(text));
}

static void appended_pieces_join(void **state)
{
    (void)state;
    struct hf_buf buf;

    hf_buf_init(&buf, 100);
    assert_int_equal(hf_buf_append(&buf, HF_SLICE("ab")), HF_OK);
    assert_int_equal(hf_buf_append_cstr(&buf, "cd"), HF_OK);
    assert_int_equal(hf_buf_append_byte(&buf, 'e'), HF_OK);
    assert_int_equal(hf_buf_printf(&buf, "%d", 12), HF_OK);

    expect(&buf, "abcde12");
    hf_buf_fini(&buf);
}

static void append_past_the_maximum_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct hf_buf buf;
    uint8_t *place;

    hf_buf_init(&buf, 4);
    assert_int_equal(hf_buf_append_cstr(&buf, "abc"), HF_OK);

    assert_int_equal(hf_buf_append_cstr(&buf, "de"), HF_ERR_TOO_BIG);
    assert_int_equal(hf_buf_printf(&buf, "%s", "de"), HF_ERR_TOO_BIG);
    assert_int_equal(hf_buf_reserve(&buf, SIZE_MAX, &place), HF_ERR_TOO_BIG);
    expect(&buf, "abc");
    assert_int_equal(hf_buf_append_cstr(&buf, "d"), HF_OK);
    expect(&buf, "abcd");
    hf_buf_fini(&buf);
}

static void consumed_space_is_used_again(void **state)
{
    (void)state;
    struct hf_buf buf;

    hf_buf_init(&buf, 4);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(hf_buf_append_cstr(&buf, "xyz"), HF_OK);
        hf_buf_consume(&buf, 3);
    }

    assert_true(buf.capacity <= 4);
    assert_int_equal(hf_buf_bytes(&buf), 0);
    hf_buf_fini(&buf);
}

static void sliding_buffer_keeps_its_content_and_at_most_twice_the_maximum(void **state)
{
    (void)state;
    struct hf_buf buf;
    uint8_t next_in = 0;
    uint8_t next_out = 0;

    hf_buf_init(&buf, 100);
    for (int i = 0; i < 10000; i++) {
        while (hf_buf_append_byte(&buf, next_in) == HF_OK) {
            next_in++;
        }
        assert_int_equal(hf_buf_bytes(&buf), 100);
        for (int n = 0; n < 1 + i % 7; n++) {
            assert_int_equal(hf_buf_slice(&buf).data[0], next_out++);
            hf_buf_consume(&buf, 1);
        }
    }

    assert_true(buf.capacity <= 200);
    hf_buf_fini(&buf);
}

static void long_printf_is_not_cut(void **state)
{
    (void)state;
    struct hf_buf buf;
    char text[1001];

    memset(text, 'a', 1000);
    text[1000] = '\0';
    hf_buf_init(&buf, 1000);
    assert_int_equal(hf_buf_printf(&buf, "%s", text), HF_OK);

    expect(&buf, text);
    hf_buf_fini(&buf);
}

static void reserved_bytes_count_only_when_grown(void **state)
{
    (void)state;
    struct hf_buf buf;
    uint8_t *place;

    hf_buf_init(&buf, 1000);
    assert_int_equal(hf_buf_reserve(&buf, 500, &place), HF_OK);
    assert_int_equal(hf_buf_bytes(&buf), 0);
    memcpy(place, "abc", 3);
    hf_buf_grown(&buf, 3);

    expect(&buf, "abc");
    hf_buf_fini(&buf);
}

static void integers_are_appended_in_network_order(void **state)
{
    (void)state;
    static const uint8_t expected[] = {1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8};
    struct hf_buf buf;

    hf_buf_init(&buf, 100);
    assert_int_equal(hf_buf_append_be16(&buf, 0x0102), HF_OK);
    assert_int_equal(hf_buf_append_be32(&buf, 0x01020304), HF_OK);
    assert_int_equal(hf_buf_append_be64(&buf, 0x0102030405060708), HF_OK);

    assert_int_equal(hf_buf_bytes(&buf), sizeof expected);
    assert_memory_equal(hf_buf_slice(&buf).data, expected, sizeof expected);
    hf_buf_fini(&buf);
}

static void finished_buffer_can_be_used_again(void **state)
{
    (void)state;
    struct hf_buf buf;

    hf_buf_init(&buf, 10);
    assert_int_equal(hf_buf_append_cstr(&buf, "one"), HF_OK);
    hf_buf_fini(&buf);
    assert_int_equal(hf_buf_append_cstr(&buf, "two"), HF_OK);

    expect(&buf, "two");
    hf_buf_clear(&buf);
    expect(&buf, "");
    hf_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_pieces_join),
        cmocka_unit_test(append_past_the_maximum_is_refused_and_changes_nothing),
        cmocka_unit_test(consumed_space_is_used_again),
        cmocka_unit_test(
            sliding_buffer_keeps_its_content_and_at_most_twice_the_maximum),
        cmocka_unit_test(long_printf_is_not_cut),
        cmocka_unit_test(reserved_bytes_count_only_when_grown),
        cmocka_unit_test(integers_are_appended_in_network_order),
        cmocka_unit_test(finished_buffer_can_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
