#include "lib/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static hf_err number(const char *text, uint64_t max, uint64_t *out)
{
    return hf_text_parse_u64(hf_slice_of_cstr(text), max, out);
}

static hf_err duration(const char *text, int64_t *out)
{
    return hf_text_parse_duration_ms(hf_slice_of_cstr(text), out);
}

static hf_err bytes(const char *text, uint64_t *out)
{
    return hf_text_parse_bytes(hf_slice_of_cstr(text), out);
}

static void number_up_to_the_maximum_is_read(void **state)
{
    (void)state;
    uint64_t value = 0;

    assert_int_equal(number("0", 10, &value), HF_OK);
    assert_int_equal(number("10", 10, &value), HF_OK);
    assert_int_equal(value, 10);
    assert_int_equal(number("18446744073709551615", UINT64_MAX, &value), HF_OK);
    assert_true(value == UINT64_MAX);
}

static void number_with_anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "+3", "-1", " 3", "3 ", "0x3", "3a", "1.0"};
    uint64_t value = 77;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(number(bad[i], UINT64_MAX, &value), HF_ERR_INVALID);
    }
    assert_int_equal(value, 77);
}

static void number_above_the_maximum_is_too_big(void **state)
{
    (void)state;
    uint64_t value = 77;

    assert_int_equal(number("11", 10, &value), HF_ERR_TOO_BIG);
    assert_int_equal(number("100", 9, &value), HF_ERR_TOO_BIG);
    assert_int_equal(number("18446744073709551616", UINT64_MAX, &value),
                     HF_ERR_TOO_BIG);
    assert_int_equal(value, 77);
}

static void durations_have_a_unit(void **state)
{
    (void)state;
    int64_t ms = -1;

    assert_int_equal(duration("250ms", &ms), HF_OK);
    assert_int_equal(ms, 250);
    assert_int_equal(duration("30s", &ms), HF_OK);
    assert_int_equal(ms, 30000);
    assert_int_equal(duration("20m", &ms), HF_OK);
    assert_int_equal(ms, 1200000);
    assert_int_equal(duration("24h", &ms), HF_OK);
    assert_int_equal(ms, 86400000);
    assert_int_equal(duration("14d", &ms), HF_OK);
    assert_int_equal(ms, 14 * 86400000LL);
    assert_int_equal(duration("0", &ms), HF_OK);
    assert_int_equal(ms, 0);
}

static void duration_without_unit_or_with_a_wrong_one_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"30",   "s",   "",      "-1s",
                                      "30 s", "30S", "1h30m", "00"};
    int64_t ms = 77;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(duration(bad[i], &ms), HF_ERR_INVALID);
    }
    assert_int_equal(duration("99999999999999999999d", &ms), HF_ERR_TOO_BIG);
    assert_int_equal(ms, 77);
}

static void sizes_are_powers_of_1024(void **state)
{
    (void)state;
    uint64_t value = 0;

    assert_int_equal(bytes("4096", &value), HF_OK);
    assert_int_equal(value, 4096);
    assert_int_equal(bytes("64KiB", &value), HF_OK);
    assert_int_equal(value, 65536);
    assert_int_equal(bytes("1TiB", &value), HF_OK);
    assert_int_equal(value, 1ULL << 40);
    assert_int_equal(bytes("64KB", &value), HF_ERR_INVALID);
    assert_int_equal(bytes("KiB", &value), HF_ERR_INVALID);
    assert_int_equal(bytes("9999999999TiB", &value), HF_ERR_TOO_BIG);
}

static void decimal_has_the_digits_that_are_read_back(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 9, 10, 65535, 99999, 100000, UINT64_MAX};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[HF_TEXT_DECIMAL_MAX];
        uint64_t back;
        size_t count = hf_text_decimal(numbers[i], text);

        assert_true(count == 1 || text[0] != '0');
        assert_int_equal(hf_text_parse_u64(hf_slice_of(text, count), UINT64_MAX, &back),
                         HF_OK);
        assert_true(back == numbers[i]);
    }
}

static void hex_is_read_back(void **state)
{
    (void)state;
    static const uint8_t raw[] = {0x00, 0x9f, 0xff};
    char text[7];
    uint8_t back[3];

    hf_text_hex(hf_slice_of(raw, 3), text);
    assert_string_equal(text, "009fff");
    assert_int_equal(hf_text_parse_hex(hf_slice_of_cstr(text), back, 3), HF_OK);

    assert_memory_equal(back, raw, 3);
}

static void hex_of_wrong_length_case_or_alphabet_is_refused(void **state)
{
    (void)state;
    uint8_t back[2] = {7, 7};

    assert_int_equal(hf_text_parse_hex(HF_SLICE("00f"), back, 2), HF_ERR_INVALID);
    assert_int_equal(hf_text_parse_hex(HF_SLICE("00ff00"), back, 2), HF_ERR_INVALID);
    assert_int_equal(hf_text_parse_hex(HF_SLICE("00FF"), back, 2), HF_ERR_INVALID);
    assert_int_equal(hf_text_parse_hex(HF_SLICE("00fg"), back, 2), HF_ERR_INVALID);
    assert_int_equal(back[0], 7);
}

static void control_bytes_quotes_and_high_bytes_are_escaped(void **state)
{
    (void)state;
    char out[64];

    hf_text_escape(HF_SLICE("a\n\"\\\x1b\x7f\xc2\x9b~"), out, sizeof out);

    assert_string_equal(out, "a\\x0a\\x22\\x5c\\x1b\\x7f\\xc2\\x9b~");
}

static void escape_never_cuts_inside_a_sequence(void **state)
{
    (void)state;
    char out[6];

    hf_text_escape(HF_SLICE("ab\n"), out, sizeof out);
    assert_string_equal(out, "ab");
    hf_text_escape(HF_SLICE("a\nb"), out, sizeof out);
    assert_string_equal(out, "a\\x0a");
    hf_text_escape(HF_SLICE("abc"), out, 1);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_up_to_the_maximum_is_read),
        cmocka_unit_test(number_with_anything_else_is_refused),
        cmocka_unit_test(number_above_the_maximum_is_too_big),
        cmocka_unit_test(decimal_has_the_digits_that_are_read_back),
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(duration_without_unit_or_with_a_wrong_one_is_refused),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(hex_is_read_back),
        cmocka_unit_test(hex_of_wrong_length_case_or_alphabet_is_refused),
        cmocka_unit_test(control_bytes_quotes_and_high_bytes_are_escaped),
        cmocka_unit_test(escape_never_cuts_inside_a_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
