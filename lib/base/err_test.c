#include "lib/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void each_error_has_its_own_sentence(void **state)
{
    (void)state;
    for (int a = 0; a < HF_ERR_COUNT; a++) {
        assert_true(strlen(hf_err_text((hf_err)a)) > 0);
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(hf_err_text((hf_err)a), hf_err_text((hf_err)b));
        }
    }
}

static void success_is_zero(void **state)
{
    (void)state;
    assert_int_equal(HF_OK, 0);
    assert_string_equal(hf_err_text(HF_OK), "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_own_sentence),
        cmocka_unit_test(success_is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
