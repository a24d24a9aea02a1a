#include "lib/base/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void ids_of_one_generator_rise_strictly(void **state)
{
    (void)state;
    struct hf_id_source source = {0};
    hf_id last = {{0}};

    for (int i = 0; i < 20000; i++) {
        hf_id id = hf_id_next(&source, hf_time_of_ms(1000 + i / 9000),
                              UINT64_MAX - (uint64_t)i);

        assert_true(memcmp(last.bytes, id.bytes, sizeof id.bytes) < 0);
        last = id;
    }
}

static void clock_that_steps_back_does_not_lower_ids(void **state)
{
    (void)state;
    struct hf_id_source source = {0};
    hf_id early = hf_id_next(&source, hf_time_of_ms(5000), UINT64_MAX);
    hf_id late = hf_id_next(&source, hf_time_of_ms(4000), 0);

    assert_true(memcmp(early.bytes, late.bytes, sizeof early.bytes) < 0);
}

static void layout_is_that_of_version_7(void **state)
{
    (void)state;
    struct hf_id_source source = {0};
    hf_id id = hf_id_next(&source, hf_time_of_ms(0x0123456789ab), UINT64_MAX);
    char text[HF_ID_TEXT_BYTES + 1];

    hf_id_text(id, text);

    assert_string_equal(text, "01234567-89ab-7000-bfff-ffffffffffff");
    assert_int_equal(hf_id_ms(id), 0x0123456789ab);
}

static void text_is_read_back(void **state)
{
    (void)state;
    struct hf_id_source source = {0};
    hf_id id = hf_id_next(&source, hf_time_of_ms(1700000000000), 0x123456789abcdef0);
    hf_id back;
    char text[HF_ID_TEXT_BYTES + 1];

    hf_id_text(id, text);
    assert_int_equal(hf_id_parse(hf_slice_of_cstr(text), &back), HF_OK);

    assert_true(hf_id_equal(id, back));
    assert_int_equal(hf_id_hash(id), hf_id_hash(back));
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "01234567-89ab-7000-bfff-fffffffffff",
        "01234567-89ab-7000-bfff-fffffffffffff",
        "01234567-89AB-7000-bfff-ffffffffffff",
        "01234567089ab-7000-bfff-ffffffffffff",
        "0123456-789ab-7000-bfff-ffffffffffff",
        "{1234567-89ab-7000-bfff-fffffffffff}",
    };
    hf_id id;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hf_id_parse(hf_slice_of_cstr(bad[i]), &id), HF_ERR_INVALID);
    }
}

static void zero_id_and_different_keys_are_told_apart(void **state)
{
    (void)state;
    hf_key a = {{1}};
    hf_key b = {{2}};

    assert_true(hf_id_is_zero((hf_id){{0}}));
    assert_false(hf_id_is_zero((hf_id){{[15] = 1}}));
    assert_true(hf_key_equal(a, a));
    assert_false(hf_key_equal(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_one_generator_rise_strictly),
        cmocka_unit_test(clock_that_steps_back_does_not_lower_ids),
        cmocka_unit_test(layout_is_that_of_version_7),
        cmocka_unit_test(text_is_read_back),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(zero_id_and_different_keys_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
