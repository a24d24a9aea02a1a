#include "frontend/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define BODY_BYTES 262144u

static void woken(void *ctx)
{
    (void)ctx;
}

static void flood_of_records_leaves_room_to_say_that_its_link_is_down(void **state)
{
    struct hf_loop *loop = NULL;
    struct fe_inbox inbox = {0};
    uint8_t *bytes = calloc(1, BODY_BYTES);
    const struct hf_record record = {.type = 0x21,
                                     .body = hf_slice_of(bytes, BODY_BYTES)};
    struct fe_inbox_entry entry = {.kind = FE_INBOX_RECORDS, .uplink = 1};
    size_t taken = 0;

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(hf_loop_new(&loop), HF_OK);
    assert_int_equal(fe_inbox_init(&inbox, loop, woken, NULL), HF_OK);

    while (fe_inbox_put(&inbox, &entry, &record, 1) == HF_OK) {
        taken++;
    }

    assert_in_range(taken, 900, FE_INBOX_BYTES_MAX / BODY_BYTES);
    entry.kind = FE_INBOX_DOWN;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(fe_inbox_put(&inbox, &entry, NULL, 0), HF_OK);
    }
    entry.kind = FE_INBOX_RECORDS;
    assert_int_equal(fe_inbox_put(&inbox, &entry, &record, 1), HF_ERR_FULL);
    fe_inbox_fini(&inbox);
    hf_loop_free(loop);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flood_of_records_leaves_room_to_say_that_its_link_is_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
