/* How the chunks of a snapshot are put together; that a whole one is verified is tested
 * over a link (tests/frontend). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "frontend/table.h"

static hf_err add(struct fe_snapshot *snapshot, uint64_t sequence, uint32_t index,
                  uint32_t count)
{
    const struct hf_snapshot chunk = {.sequence = sequence,
                                      .index = index,
                                      .count = count,
                                      .manifest = HF_SLICE("signed")};

    return fe_snapshot_add(snapshot, &chunk, HF_SLICE("piece"));
}

static void chunks_in_order_make_a_snapshot(void **state)
{
    struct fe_snapshot snapshot;

    (void)state;
    fe_snapshot_init(&snapshot);

    assert_int_equal(add(&snapshot, 7, 0, 3), HF_ERR_AGAIN);
    assert_int_equal(add(&snapshot, 7, 1, 3), HF_ERR_AGAIN);
    assert_int_equal(add(&snapshot, 7, 2, 3), HF_OK);
    assert_int_equal(hf_buf_bytes(&snapshot.bytes), 15);
    assert_int_equal(hf_buf_bytes(&snapshot.manifest), 6);
    fe_snapshot_fini(&snapshot);
}

static void first_chunk_of_a_newer_snapshot_replaces_what_was_begun(void **state)
{
    struct fe_snapshot snapshot;

    (void)state;
    fe_snapshot_init(&snapshot);

    assert_int_equal(add(&snapshot, 7, 0, 2), HF_ERR_AGAIN);
    assert_int_equal(add(&snapshot, 8, 0, 1), HF_OK);
    assert_int_equal(snapshot.sequence, 8);
    fe_snapshot_fini(&snapshot);
}

static void chunk_out_of_order_is_refused(void **state)
{
    struct fe_snapshot snapshot;

    (void)state;
    fe_snapshot_init(&snapshot);

    assert_int_equal(add(&snapshot, 7, 1, 3), HF_ERR_INVALID);
    assert_int_equal(add(&snapshot, 7, 0, 3), HF_ERR_AGAIN);
    assert_int_equal(add(&snapshot, 7, 2, 3), HF_ERR_INVALID);
    assert_int_equal(hf_buf_bytes(&snapshot.bytes), 0);
    fe_snapshot_fini(&snapshot);
}

static void chunk_of_another_snapshot_is_refused(void **state)
{
    struct fe_snapshot snapshot;

    (void)state;
    fe_snapshot_init(&snapshot);

    assert_int_equal(add(&snapshot, 7, 0, 2), HF_ERR_AGAIN);
    assert_int_equal(add(&snapshot, 8, 1, 2), HF_ERR_INVALID);
    assert_int_equal(add(&snapshot, 7, 0, 2), HF_ERR_AGAIN);
    assert_int_equal(add(&snapshot, 7, 1, 4), HF_ERR_INVALID);
    assert_int_equal(add(&snapshot, 0, 0, 1), HF_ERR_INVALID);
    assert_int_equal(add(&snapshot, 7, 0, 0), HF_ERR_INVALID);
    fe_snapshot_fini(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_in_order_make_a_snapshot),
        cmocka_unit_test(first_chunk_of_a_newer_snapshot_replaces_what_was_begun),
        cmocka_unit_test(chunk_out_of_order_is_refused),
        cmocka_unit_test(chunk_of_another_snapshot_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
