#include "lib/base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
milliseconds_that_do_not_fit_are_never_and_negative_ones_the_epoch(void **state)
{
    (void)state;
    assert_int_equal(hf_time_of_ms(1500).us, 1500000);
    assert_true(hf_time_of_ms(INT64_MAX).us == INT64_MAX);
    assert_true(hf_time_of_ms(INT64_MAX / 1000).us < INT64_MAX);
    assert_int_equal(hf_time_of_ms(INT64_MIN).us, 0);
}

static void adding_past_the_end_is_never(void **state)
{
    (void)state;
    assert_int_equal(hf_time_add_ms(HF_TIME_NEVER, 1).us, INT64_MAX);
    assert_int_equal(hf_time_add_ms(hf_time_of_ms(5), INT64_MAX).us, INT64_MAX);
    assert_int_equal(hf_time_add_ms(hf_time_of_ms(5), 7).us, 12000);
    assert_int_equal(hf_time_add_ms(hf_time_of_ms(5), -2).us, 3000);
}

static void deadline_is_reached_at_its_own_moment(void **state)
{
    (void)state;
    hf_time t = hf_time_of_ms(10);

    assert_true(hf_time_reached(t, t));
    assert_false(hf_time_reached(t, (hf_time){t.us - 1}));
    assert_false(hf_time_before(t, t));
    assert_false(hf_time_reached(HF_TIME_NEVER, t));
}

static void difference_is_rounded_towards_zero(void **state)
{
    (void)state;
    assert_int_equal(hf_time_diff_ms(HF_TIME_ZERO, (hf_time){1999}), 1);
    assert_int_equal(hf_time_diff_ms((hf_time){1999}, HF_TIME_ZERO), -1);
    assert_int_equal(hf_time_min((hf_time){3}, (hf_time){2}).us, 2);
    assert_int_equal(hf_time_ms((hf_time){1999}), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            milliseconds_that_do_not_fit_are_never_and_negative_ones_the_epoch),
        cmocka_unit_test(adding_past_the_end_is_never),
        cmocka_unit_test(deadline_is_reached_at_its_own_moment),
        cmocka_unit_test(difference_is_rounded_towards_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
