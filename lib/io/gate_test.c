#include "lib/io/gate.h"

#include "lib/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct hf_gate gate;

static const hf_slice a = {(const uint8_t *)"aaaa", 4};
static const hf_slice b = {(const uint8_t *)"bbbb", 4};

static int set_up(void **state)
{
    (void)state;
    hf_gate_init(&gate);
    return 0;
}

static int check(void **state)
{
    (void)state;
    hf_gate_check(&gate);
    return 0;
}

static void one_source_may_have_sixteen_pending(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        assert_int_equal(hf_gate_enter(&gate, a, 0), HF_GATE_ENTER);
    }

    assert_int_equal(hf_gate_enter(&gate, a, 0), HF_GATE_SOURCE);
    assert_int_equal(hf_gate_enter(&gate, b, 0), HF_GATE_ENTER);
    hf_gate_leave(&gate, a, false, 0);
    assert_int_equal(hf_gate_enter(&gate, a, 0), HF_GATE_ENTER);
}

static void all_sources_together_may_have_256_pending(void **state)
{
    uint8_t source[4];

    (void)state;
    for (uint32_t i = 0; i < 256; i++) {
        hf_put_be32(source, i);
        assert_int_equal(hf_gate_enter(&gate, hf_slice_of(source, 4), 0),
                         HF_GATE_ENTER);
    }
    assert_int_equal(hf_gate_enter(&gate, a, 0), HF_GATE_TOTAL);
}

static void
twentyfirst_failure_in_a_second_is_refused_and_a_twentieth_later_let_in(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(hf_gate_enter(&gate, a, 1000), HF_GATE_ENTER);
        hf_gate_leave(&gate, a, true, 1000);
    }

    assert_int_equal(hf_gate_enter(&gate, a, 1000), HF_GATE_BUCKET);
    assert_int_equal(hf_gate_enter(&gate, b, 1000), HF_GATE_ENTER);
    assert_int_equal(hf_gate_enter(&gate, a, 1000 + 49999), HF_GATE_BUCKET);
    assert_int_equal(hf_gate_enter(&gate, a, 1000 + 50000), HF_GATE_ENTER);
}

static void successes_are_not_charged(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(hf_gate_enter(&gate, a, 5), HF_GATE_ENTER);
        hf_gate_leave(&gate, a, false, 5);
    }
}

static void retry_after_doubles_with_each_failure_and_starts_over(void **state)
{
    (void)state;
    assert_int_equal(hf_gate_retry_after_ms(&gate, a), 100);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(hf_gate_enter(&gate, a, i * 1000000), HF_GATE_ENTER);
        hf_gate_leave(&gate, a, true, i * 1000000);
        assert_int_equal(hf_gate_retry_after_ms(&gate, a),
                         100 << (i + 1) > 30000 ? 30000 : 100 << (i + 1));
    }
    assert_int_equal(hf_gate_enter(&gate, a, 99000000), HF_GATE_ENTER);
    hf_gate_leave(&gate, a, false, 99000000);
    assert_int_equal(hf_gate_retry_after_ms(&gate, a), 100);
}

static void idle_sources_are_forgotten_when_the_table_is_full(void **state)
{
    uint8_t source[4];

    (void)state;
    for (uint32_t i = 0; i < 3 * HF_GATE_SOURCES_MAX; i++) {
        hf_put_be32(source, i);
        assert_int_equal(hf_gate_enter(&gate, hf_slice_of(source, 4), 7),
                         HF_GATE_ENTER);
        hf_gate_leave(&gate, hf_slice_of(source, 4), false, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_source_may_have_sixteen_pending, set_up,
                                        check),
        cmocka_unit_test_setup_teardown(all_sources_together_may_have_256_pending,
                                        set_up, check),
        cmocka_unit_test_setup_teardown(
            twentyfirst_failure_in_a_second_is_refused_and_a_twentieth_later_let_in,
            set_up, check),
        cmocka_unit_test_setup_teardown(successes_are_not_charged, set_up, check),
        cmocka_unit_test_setup_teardown(
            retry_after_doubles_with_each_failure_and_starts_over, set_up, check),
        cmocka_unit_test_setup_teardown(
            idle_sources_are_forgotten_when_the_table_is_full, set_up, check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
