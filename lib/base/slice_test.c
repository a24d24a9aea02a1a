#include "lib/base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void equality_needs_same_length_and_bytes(void **state)
{
    (void)state;
    assert_true(hf_slice_equal(HF_SLICE("abc"), hf_slice_of_cstr("abc")));
    assert_false(hf_slice_equal(HF_SLICE("abc"), HF_SLICE("abd")));
    assert_false(hf_slice_equal(HF_SLICE("abc"), HF_SLICE("ab")));
    assert_true(hf_slice_equal(HF_SLICE_EMPTY, HF_SLICE("")));
}

static void case_is_folded_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(
        hf_slice_equal_nocase(HF_SLICE("Content-LENGTH"), HF_SLICE("content-length")));
    assert_false(hf_slice_equal_nocase(HF_SLICE("["), HF_SLICE("{")));
    assert_false(hf_slice_equal_nocase(HF_SLICE("@"), HF_SLICE("`")));
    assert_false(hf_slice_equal_nocase(HF_SLICE("\xc4"), HF_SLICE("\xe4")));
    assert_false(hf_slice_equal_nocase(HF_SLICE("a"), HF_SLICE("ab")));
}

static void prefix_and_suffix_may_be_the_whole_but_not_longer(void **state)
{
    (void)state;
    assert_true(hf_slice_starts_with(HF_SLICE("abc"), HF_SLICE("ab")));
    assert_true(hf_slice_starts_with(HF_SLICE("abc"), HF_SLICE("abc")));
    assert_false(hf_slice_starts_with(HF_SLICE("abc"), HF_SLICE("abcd")));
    assert_true(hf_slice_starts_with(HF_SLICE("abc"), HF_SLICE_EMPTY));
    assert_true(hf_slice_ends_with(HF_SLICE("abc"), HF_SLICE("bc")));
    assert_false(hf_slice_ends_with(HF_SLICE("abc"), HF_SLICE("ab")));
    assert_false(hf_slice_ends_with(HF_SLICE("c"), HF_SLICE("bc")));
}

static void order_is_bytes_then_length(void **state)
{
    (void)state;
    assert_true(hf_slice_compare(HF_SLICE("a"), HF_SLICE("b")) < 0);
    assert_true(hf_slice_compare(HF_SLICE("\xff"), HF_SLICE("a")) > 0);
    assert_true(hf_slice_compare(HF_SLICE("a"), HF_SLICE("aa")) < 0);
    assert_true(hf_slice_compare(HF_SLICE_EMPTY, HF_SLICE("")) == 0);
}

static void missing_byte_is_found_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(hf_slice_find(HF_SLICE("a:b:c"), ':'), 1);
    assert_int_equal(hf_slice_find(HF_SLICE("abc"), ':'), 3);
    assert_int_equal(hf_slice_find(HF_SLICE_EMPTY, ':'), 0);
}

static void parts_are_clamped_to_the_end(void **state)
{
    (void)state;
    assert_true(hf_slice_equal(hf_slice_first(HF_SLICE("abc"), 2), HF_SLICE("ab")));
    assert_true(hf_slice_equal(hf_slice_first(HF_SLICE("abc"), 9), HF_SLICE("abc")));
    assert_true(hf_slice_equal(hf_slice_skip(HF_SLICE("abc"), 1), HF_SLICE("bc")));
    assert_true(hf_slice_equal(hf_slice_skip(HF_SLICE("abc"), 9), HF_SLICE_EMPTY));
    assert_int_equal(hf_slice_skip(HF_SLICE_EMPTY, 1).bytes, 0);
}

static void trim_removes_spaces_and_tabs_but_no_other_blank(void **state)
{
    (void)state;
    assert_true(hf_slice_equal(hf_slice_trim(HF_SLICE(" \ta b\t ")), HF_SLICE("a b")));
    assert_true(hf_slice_equal(hf_slice_trim(HF_SLICE("\ra\n")), HF_SLICE("\ra\n")));
    assert_true(hf_slice_equal(hf_slice_trim(HF_SLICE(" \t ")), HF_SLICE_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_needs_same_length_and_bytes),
        cmocka_unit_test(case_is_folded_for_ascii_letters_only),
        cmocka_unit_test(prefix_and_suffix_may_be_the_whole_but_not_longer),
        cmocka_unit_test(order_is_bytes_then_length),
        cmocka_unit_test(missing_byte_is_found_at_the_end),
        cmocka_unit_test(parts_are_clamped_to_the_end),
        cmocka_unit_test(trim_removes_spaces_and_tabs_but_no_other_blank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
