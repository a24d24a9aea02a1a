#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "frontend/spool.h"

#include <string.h>

static uint8_t piece[262144];
static uint8_t scratch[262144];

static void small_body_stays_in_memory(void **state)
{
    struct fe_spool spool;
    hf_slice bytes;

    (void)state;
    fe_spool_init(&spool);
    assert_int_equal(fe_spool_append(&spool, HF_SLICE("hello"), "/nowhere"), HF_OK);

    assert_null(spool.file);
    assert_int_equal(fe_spool_read(&spool, 1, 3, scratch, &bytes), HF_OK);
    assert_memory_equal(bytes.data, "ell", 3);
    fe_spool_fini(&spool);
}

static void body_past_one_mebibyte_goes_to_a_file_and_reads_back(void **state)
{
    struct fe_spool spool;
    hf_slice bytes;

    (void)state;
    fe_spool_init(&spool);
    for (int i = 0; i < 6; i++) {
        memset(piece, 'a' + i, sizeof piece);
        assert_int_equal(
            fe_spool_append(&spool, hf_slice_of(piece, sizeof piece), "/tmp"), HF_OK);
    }

    assert_non_null(spool.file);
    assert_int_equal(spool.bytes, 6 * sizeof piece);
    assert_int_equal(
        fe_spool_read(&spool, sizeof piece - 1, sizeof piece, scratch, &bytes), HF_OK);
    assert_int_equal(bytes.data[0], 'a');
    assert_int_equal(bytes.data[1], 'b');
    assert_int_equal(bytes.data[sizeof piece - 1], 'b');
    fe_spool_fini(&spool);
}

static void
spool_without_a_place_for_its_file_refuses_and_keeps_what_it_has(void **state)
{
    struct fe_spool spool;

    (void)state;
    fe_spool_init(&spool);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            fe_spool_append(&spool, hf_slice_of(piece, sizeof piece), "/nowhere"),
            HF_OK);
    }

    assert_int_not_equal(fe_spool_append(&spool, HF_SLICE("x"), "/nowhere"), HF_OK);
    assert_int_equal(spool.bytes, FE_SPOOL_RAM_MAX);
    fe_spool_fini(&spool);
}

static void cleared_spool_starts_again_in_memory(void **state)
{
    struct fe_spool spool;
    hf_slice bytes;

    (void)state;
    fe_spool_init(&spool);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(
            fe_spool_append(&spool, hf_slice_of(piece, sizeof piece), "/tmp"), HF_OK);
    }
    fe_spool_clear(&spool);
    assert_int_equal(fe_spool_append(&spool, HF_SLICE("new"), "/nowhere"), HF_OK);

    assert_int_equal(fe_spool_read(&spool, 0, 3, scratch, &bytes), HF_OK);
    assert_memory_equal(bytes.data, "new", 3);
    fe_spool_fini(&spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_body_stays_in_memory),
        cmocka_unit_test(body_past_one_mebibyte_goes_to_a_file_and_reads_back),
        cmocka_unit_test(
            spool_without_a_place_for_its_file_refuses_and_keeps_what_it_has),
        cmocka_unit_test(cleared_spool_starts_again_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
