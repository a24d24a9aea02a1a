#include "lib/wire/frame.h"

#include "lib/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void greeting_is_that_of_pair0(void **state)
{
    const uint8_t expected[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};
    uint8_t greeting[HF_FRAME_GREETING_BYTES];

    (void)state;
    hf_frame_greeting(greeting);
    assert_memory_equal(greeting, expected, 8);
    assert_int_equal(hf_frame_check_greeting(hf_slice_of(expected, 8)), HF_OK);
    greeting[5] = 0x11;
    assert_int_equal(hf_frame_check_greeting(hf_slice_of(greeting, 8)), HF_ERR_INVALID);
    assert_int_equal(hf_frame_check_greeting(hf_slice_of(expected, 7)), HF_ERR_INVALID);
}

static void prefix_is_read_back_on_both_transports(void **state)
{
    (void)state;
    for (int kind = HF_FRAME_TCP; kind <= HF_FRAME_IPC; kind++) {
        uint8_t prefix[HF_FRAME_PREFIX_BYTES_MAX];
        size_t bytes = hf_frame_prefix_bytes((enum hf_frame_kind)kind);
        size_t content;

        hf_frame_put_prefix((enum hf_frame_kind)kind, 12345, prefix);
        assert_int_equal(hf_frame_get_prefix((enum hf_frame_kind)kind,
                                             hf_slice_of(prefix, bytes), 12345,
                                             &content),
                         HF_OK);
        assert_int_equal(content, 12345);
        assert_int_equal(hf_frame_get_prefix((enum hf_frame_kind)kind,
                                             hf_slice_of(prefix, bytes), 12344,
                                             &content),
                         HF_ERR_TOO_BIG);
        assert_int_equal(hf_frame_get_prefix((enum hf_frame_kind)kind,
                                             hf_slice_of(prefix, bytes - 1), 12345,
                                             &content),
                         HF_ERR_AGAIN);
    }
}

static void ipc_prefix_with_another_first_byte_is_refused_at_once(void **state)
{
    size_t content;

    (void)state;
    assert_int_equal(hf_frame_get_prefix(HF_FRAME_IPC, HF_SLICE("\x02"), 100, &content),
                     HF_ERR_INVALID);
}

static void length_that_overflows_is_too_big(void **state)
{
    const uint8_t prefix[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    size_t content;

    (void)state;
    assert_int_equal(
        hf_frame_get_prefix(HF_FRAME_TCP, hf_slice_of(prefix, 8), 1 << 20, &content),
        HF_ERR_TOO_BIG);
}

static void records_are_read_back_in_order(void **state)
{
    const struct hf_record first = {0x20, HF_SLICE("m"), HF_SLICE("head"),
                                    HF_SLICE("body!")};
    const struct hf_record second = {.type = 0xFFFF};
    struct hf_record read;
    struct hf_buf buf;
    hf_slice content;

    (void)state;
    hf_buf_init(&buf, 1000);
    assert_int_equal(hf_record_append(&buf, &first), HF_OK);
    assert_int_equal(hf_record_append(&buf, &second), HF_OK);
    assert_int_equal(hf_buf_bytes(&buf), 12 + 10 + 12);
    content = hf_buf_slice(&buf);

    assert_int_equal(hf_record_next(&content, &read), HF_OK);
    assert_int_equal(read.type, 0x20);
    assert_true(hf_slice_equal(read.meta, first.meta));
    assert_true(hf_slice_equal(read.head, first.head));
    assert_true(hf_slice_equal(read.body, first.body));
    assert_int_equal(hf_record_next(&content, &read), HF_OK);
    assert_int_equal(read.type, 0xFFFF);
    assert_int_equal(read.body.bytes, 0);
    assert_int_equal(hf_record_next(&content, &read), HF_ERR_NOT_FOUND);
    hf_buf_fini(&buf);
}

/* A record of 4 + 8 + 6 bytes with the three lengths given. */
static hf_err read_with(uint32_t rest, uint16_t meta, uint32_t head)
{
    uint8_t bytes[18] = {0};
    hf_slice content = {bytes, sizeof bytes};
    struct hf_record read;

    hf_put_be32(bytes, rest);
    hf_put_be16(bytes + 6, meta);
    hf_put_be32(bytes + 8, head);
    return hf_record_next(&content, &read);
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    assert_int_equal(read_with(14, 2, 4), HF_OK);
    assert_int_equal(read_with(15, 0, 0), HF_ERR_INVALID);
    assert_int_equal(read_with(7, 0, 0), HF_ERR_INVALID);
    assert_int_equal(read_with(0, 0, 0), HF_ERR_INVALID);
    assert_int_equal(read_with(UINT32_MAX, 0, 0), HF_ERR_INVALID);
    assert_int_equal(read_with(14, 7, 0), HF_ERR_INVALID);
    assert_int_equal(read_with(14, 2, 5), HF_ERR_INVALID);
    assert_int_equal(read_with(14, 2, UINT32_MAX), HF_ERR_INVALID);
}

static void record_with_too_much_meta_cannot_be_written(void **state)
{
    static uint8_t meta[65536];
    struct hf_record record = {.type = 1, .meta = {meta, sizeof meta}};
    struct hf_buf buf;

    (void)state;
    hf_buf_init(&buf, 1 << 20);
    assert_int_equal(hf_record_bytes(&record), 0);
    assert_int_equal(hf_record_append(&buf, &record), HF_ERR_TOO_BIG);
    record.meta.bytes = 65535;
    assert_int_equal(hf_record_append(&buf, &record), HF_OK);
    hf_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greeting_is_that_of_pair0),
        cmocka_unit_test(prefix_is_read_back_on_both_transports),
        cmocka_unit_test(ipc_prefix_with_another_first_byte_is_refused_at_once),
        cmocka_unit_test(length_that_overflows_is_too_big),
        cmocka_unit_test(records_are_read_back_in_order),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
        cmocka_unit_test(record_with_too_much_meta_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
