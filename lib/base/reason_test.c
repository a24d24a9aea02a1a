#include "lib/base/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void each_reason_has_its_own_word(void **state)
{
    (void)state;
    for (int a = 0; a < HF_REASON_COUNT; a++) {
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(hf_reason_word((hf_reason)a),
                                    hf_reason_word((hf_reason)b));
        }
    }
}

static void words_need_no_quotes_in_logs_labels_or_json(void **state)
{
    (void)state;
    for (int i = 0; i < HF_REASON_COUNT; i++) {
        assert_null(strpbrk(hf_reason_word((hf_reason)i), " \"\\\n={}"));
        assert_true(strlen(hf_reason_text((hf_reason)i)) > 0);
    }
}

static void status_is_a_client_or_server_error_or_none(void **state)
{
    (void)state;
    for (int i = 0; i < HF_REASON_COUNT; i++) {
        int status = hf_reason_status((hf_reason)i);

        assert_true(status == 0 || (status >= 400 && status <= 599));
    }
}

static void lost_worker_is_a_502(void **state)
{
    (void)state;
    assert_string_equal(hf_reason_word(HF_REASON_WORKER_LOST), "worker-lost");
    assert_int_equal(hf_reason_status(HF_REASON_WORKER_LOST), 502);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason_has_its_own_word),
        cmocka_unit_test(words_need_no_quotes_in_logs_labels_or_json),
        cmocka_unit_test(status_is_a_client_or_server_error_or_none),
        cmocka_unit_test(lost_worker_is_a_502),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
