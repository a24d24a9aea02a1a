/* What one record may be, cost and hold: limits by type, junk fields, unknown fields,
 * and the edges of encoding. */
#include "tests/unit/wire_reflect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t zeros[HF_BODY_PIECE_MAX + 1];

static hf_err check(enum hf_record_type type, size_t meta, size_t head, size_t body)
{
    const struct hf_record_rule *rule = hf_record_rule((uint16_t)type);
    const struct hf_record record = {(uint16_t)type, hf_slice_of(zeros, meta),
                                     hf_slice_of(zeros, head),
                                     hf_slice_of(zeros, body)};
    const enum hf_end sender =
        (rule->from & HF_END_BROKER) != 0 ? HF_END_BROKER : HF_END_FRONTEND;
    const enum hf_end receiver = sender != HF_END_BROKER             ? HF_END_BROKER
                                 : (rule->to & HF_END_FRONTEND) != 0 ? HF_END_FRONTEND
                                 : (rule->to & HF_END_CONTROLLER) != 0
                                     ? HF_END_CONTROLLER
                                     : HF_END_WORKER;

    return hf_record_check(&record, sender, receiver);
}

static void every_part_is_accepted_at_its_limit_and_refused_above(void **state)
{
    (void)state;
    assert_int_equal(check(HF_RECORD_ENQUEUE, 4096, 65536, 65536), HF_OK);
    assert_int_equal(check(HF_RECORD_ENQUEUE, 4097, 0, 0), HF_ERR_TOO_BIG);
    assert_int_equal(check(HF_RECORD_ENQUEUE, 0, 65537, 0), HF_ERR_TOO_BIG);
    assert_int_equal(check(HF_RECORD_ENQUEUE, 0, 0, 65537), HF_ERR_TOO_BIG);
    assert_int_equal(check(HF_RECORD_BODY, 4096, 0, 262144), HF_OK);
    assert_int_equal(check(HF_RECORD_BODY, 0, 0, 262145), HF_ERR_TOO_BIG);
    assert_int_equal(check(HF_RECORD_BODY, 0, 1, 0), HF_ERR_TOO_BIG);
    assert_int_equal(check(HF_RECORD_SNAPSHOT, 0, 0, 262144), HF_OK);
    assert_int_equal(check(HF_RECORD_REAUTH, 10240, 0, 0), HF_OK);
    assert_int_equal(check(HF_RECORD_REAUTH, 10241, 0, 0), HF_ERR_TOO_BIG);
    assert_int_equal(check(HF_RECORD_STAT_RESULT, 65535, 0, 0), HF_OK);
    assert_int_equal(check(HF_RECORD_WINDOW, 4096, 0, 1), HF_ERR_TOO_BIG);
}

static void rules_are_found_by_number_and_only_those(void **state)
{
    size_t count = 0;

    (void)state;
    for (uint32_t type = 0; type <= UINT16_MAX; type++) {
        const struct hf_record_rule *rule = hf_record_rule((uint16_t)type);

        if (rule != NULL) {
            assert_int_equal(rule->number, type);
            assert_true(rule->from != 0 && rule->to != 0);
            count++;
        }
    }

#define X(name, number, from, to, meta, head, body) +1
    assert_int_equal(count, 0 HF_RECORD_TABLE(X));
#undef X
}

/* `count` copies of a field nobody knows, before an id. */
static hf_slice with_junk(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = 0x78; /* field 15, varint */
        bytes[2 * i + 1] = 0x01;
    }
    bytes[2 * count] = 0x0a;
    bytes[2 * count + 1] = HF_ID_BYTES;
    memset(bytes + 2 * count + 2, 7, HF_ID_BYTES);
    return hf_slice_of(bytes, 2 * count + 2 + HF_ID_BYTES);
}

static void unknown_fields_are_ignored(void **state)
{
    uint8_t bytes[64];
    struct hf_admitted out;

    (void)state;
    assert_int_equal(hf_admitted_decode(with_junk(bytes, 5), &out), HF_OK);

    assert_int_equal(out.id.bytes[15], 7);
}

static void message_of_junk_fields_is_refused_without_taking_memory_for_it(void **state)
{
    static uint8_t bytes[HF_HEAD_MAX];
    struct hf_admitted out;
    struct hf_request_head head;

    (void)state;
    assert_int_equal(hf_admitted_decode(with_junk(bytes, 400), &out), HF_ERR_INVALID);
    assert_int_equal(hf_admitted_decode(with_junk(bytes, 2000), &out), HF_ERR_INVALID);
    assert_int_equal(hf_request_head_decode(with_junk(bytes, 30000), &head),
                     HF_ERR_INVALID);
}

static void junk_fields_are_refused_above_their_limit(void **state)
{
    uint8_t bytes[2 * HF_JUNK_FIELDS_MAX + 64];
    struct hf_admitted out;

    (void)state;
    assert_int_equal(hf_admitted_decode(with_junk(bytes, HF_JUNK_FIELDS_MAX), &out),
                     HF_OK);
    assert_int_equal(hf_admitted_decode(with_junk(bytes, HF_JUNK_FIELDS_MAX + 1), &out),
                     HF_ERR_INVALID);
}

static void copies_of_a_field_are_refused_above_their_limit(void **state)
{
    uint8_t bytes[2 * HF_JUNK_FIELDS_MAX + 4];
    struct hf_credit out;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = i % 2 == 0 ? 0x08 : 0x07; /* handle 7 */
    }
    assert_int_equal(hf_credit_decode(hf_slice_of(bytes, sizeof bytes - 2), &out),
                     HF_OK);
    assert_int_equal(hf_credit_decode(hf_slice_of(bytes, sizeof bytes), &out),
                     HF_ERR_INVALID);
}

/* Protobuf-c lets these pass. */
static void odd_bytes_are_refused(void **state)
{
    static const struct {
        uint8_t bytes[16];
        size_t count;
    } odd[] = {
        {{0x08, 0x07, 0x80, 0x00, 0x00}, 5},                   /* field 0 */
        {{0x08, 0x07, 0xf8, 0xff, 0xff, 0xff, 0x7f, 0x00}, 8}, /* field 2^32 - 1 */
        {{0x08, 0x00, 0x08, 0x07}, 4},                         /* handle 0, then 7 */
        {{0x08, 0x07, 0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02},
         13}, /* 65 bits */
    };
    struct hf_credit out;

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        assert_int_equal(
            hf_credit_decode(hf_slice_of(odd[i].bytes, odd[i].count), &out),
            HF_ERR_INVALID);
    }
}

static void a_later_copy_of_a_field_replaces_the_earlier(void **state)
{
    const uint8_t bytes[] = {0x12, 2, '/', 'a', 0x0a, 3, 'G', 'E', 'T', 0x12, 1, '/'};
    struct hf_request_head head;

    (void)state;
    assert_int_equal(hf_request_head_decode(hf_slice_of(bytes, sizeof bytes), &head),
                     HF_OK);

    assert_true(hf_slice_equal(head.path, HF_SLICE("/")));
    assert_ptr_equal(head.path.data, bytes + 11);
}

static void largest_head_is_decoded_and_one_byte_more_is_not(void **state)
{
    uint8_t *bytes = malloc(HF_HEAD_MAX + 1);
    struct hf_request_head in = {.method = HF_SLICE("GET")}, out;
    size_t used;

    (void)state;
    assert_non_null(bytes);
    in.fields = hf_slice_of(zeros, HF_HEAD_MAX - 5 - 4);
    used = hf_request_head_encode(&in, bytes, HF_HEAD_MAX);
    assert_int_equal(used, HF_HEAD_MAX);

    assert_int_equal(hf_request_head_decode(hf_slice_of(bytes, used), &out), HF_OK);
    assert_int_equal(out.fields.bytes, in.fields.bytes);
    assert_int_equal(hf_request_head_decode(hf_slice_of(bytes, used + 1), &out),
                     HF_ERR_TOO_BIG);
    free(bytes);
}

static void encoding_never_passes_the_end_of_its_buffer(void **state)
{
    const struct hf_assigned in = {.id = {"0123456789abcde"}, .epoch = UINT64_MAX};
    uint8_t bytes[28];

    (void)state;
    memset(bytes, 0xee, sizeof bytes);
    assert_int_equal(hf_assigned_encode(&in, bytes, 26), 0);
    assert_int_equal(bytes[0], 0xee);
    assert_int_equal(hf_assigned_encode(&in, bytes, 27), 27);
    assert_int_equal(bytes[27], 0xee);
}

static void largest_values_of_every_fixed_message_fit_in_the_small_meta(void **state)
{
    struct reflect_message messages[REFLECT_MESSAGES];
    uint8_t plain[REFLECT_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    uint8_t bytes[HF_META_SMALL_MAX];

    (void)state;
    reflect_messages(messages);
    for (size_t i = 0; i < REFLECT_FIXED; i++) {
        memset(plain, 0xff, sizeof plain);
        for (const struct reflect_field *f = messages[i].fields; f->name != NULL; f++) {
            if (f->kind == REFLECT_BOOL) {
                plain[f->at] = true;
            }
        }
        assert_in_range(messages[i].encode(plain, bytes, sizeof bytes), 1,
                        sizeof bytes);
    }
}

static void refused_message_leaves_the_result_untouched(void **state)
{
    const uint8_t bytes[] = {0x08, 0x07, 0x10, 0xff, 0x7f}; /* handle 7, reason 16383 */
    struct hf_queue_closed out = {.handle = 1, .reason = HF_REASON_DENIED};

    (void)state;
    assert_int_equal(hf_queue_closed_decode(hf_slice_of(bytes, sizeof bytes), &out),
                     HF_ERR_INVALID);

    assert_int_equal(out.handle, 1);
    assert_int_equal(out.reason, HF_REASON_DENIED);
}

static void append_adds_behind_what_is_there_and_refuses_what_does_not_fit(void **state)
{
    const struct hf_queue_open in = {
        .handle = 1, .queue = HF_SLICE("web"), .rights = 4};
    struct hf_buf out;

    (void)state;
    hf_buf_init(&out, 12);
    assert_int_equal(hf_buf_append_byte(&out, 'x'), HF_OK);

    assert_int_equal(hf_queue_open_append(&in, &out), HF_OK);
    assert_int_equal(hf_buf_bytes(&out), 10);
    assert_int_equal(hf_queue_open_append(&in, &out), HF_ERR_TOO_BIG);
    assert_int_equal(hf_buf_bytes(&out), 10);
    hf_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_accepted_at_its_limit_and_refused_above),
        cmocka_unit_test(rules_are_found_by_number_and_only_those),
        cmocka_unit_test(unknown_fields_are_ignored),
        cmocka_unit_test(
            message_of_junk_fields_is_refused_without_taking_memory_for_it),
        cmocka_unit_test(junk_fields_are_refused_above_their_limit),
        cmocka_unit_test(copies_of_a_field_are_refused_above_their_limit),
        cmocka_unit_test(odd_bytes_are_refused),
        cmocka_unit_test(a_later_copy_of_a_field_replaces_the_earlier),
        cmocka_unit_test(largest_head_is_decoded_and_one_byte_more_is_not),
        cmocka_unit_test(encoding_never_passes_the_end_of_its_buffer),
        cmocka_unit_test(largest_values_of_every_fixed_message_fit_in_the_small_meta),
        cmocka_unit_test(refused_message_leaves_the_result_untouched),
        cmocka_unit_test(
            append_adds_behind_what_is_there_and_refuses_what_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
