#include "controller/core/identity.h"
#include "controller/core/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct identities all;

static int setup(void **state)
{
    (void)state;
    memset(&all, 0, sizeof all);
    return 0;
}

static void put(uint8_t number, enum identity_role role, int64_t issued_s,
                int64_t life_s)
{
    struct identity identity = {
        .role = role, .issued_s = issued_s, .expires_s = issued_s + life_s};

    identity.key.bytes[0] = number;
    assert_int_equal(identity_put(&all, &identity), HF_OK);
}

static void token_is_due_at_two_thirds_of_its_life(void **state)
{
    (void)state;
    put(1, IDENTITY_WORKER, 1000, 600);

    assert_null(identity_take_due(&all, 1399));
    assert_non_null(identity_take_due(&all, 1400));
    assert_int_equal(identity_next_due_s(&all), 1400 + IDENTITY_RETRY_S);
}

static void renewal_that_failed_is_tried_again(void **state)
{
    (void)state;
    put(1, IDENTITY_WORKER, 1000, 600);
    assert_non_null(identity_take_due(&all, 1400));

    assert_null(identity_take_due(&all, 1400 + IDENTITY_RETRY_S - 1));
    assert_non_null(identity_take_due(&all, 1400 + IDENTITY_RETRY_S));
}

static void renewed_token_replaces_the_old_one(void **state)
{
    (void)state;
    put(1, IDENTITY_WORKER, 1000, 600);

    put(1, IDENTITY_WORKER, 1300, 600);

    assert_int_equal(all.count, 1);
    assert_int_equal(identity_next_due_s(&all), 1700);
}

static void token_minted_by_hand_is_never_renewed(void **state)
{
    (void)state;
    put(1, IDENTITY_OPERATOR, 1000, 600);

    assert_null(identity_take_due(&all, 999999));
    assert_int_equal(identity_next_due_s(&all), INT64_MAX);
}

static void most_overdue_comes_first(void **state)
{
    (void)state;
    put(1, IDENTITY_WORKER, 1000, 600);
    put(2, IDENTITY_WORKER, 900, 600);

    assert_int_equal(identity_take_due(&all, 5000)->key.bytes[0], 2);
    assert_int_equal(identity_take_due(&all, 5000)->key.bytes[0], 1);
    assert_null(identity_take_due(&all, 5000));
}

static void dropped_identity_is_gone_and_the_rest_stay(void **state)
{
    hf_key key = {{1}};
    hf_key other = {{2}};

    (void)state;
    put(1, IDENTITY_WORKER, 1000, 600);
    put(2, IDENTITY_BROKER, 1000, 600);

    identity_drop(&all, key);
    identity_drop(&all, key);

    assert_null(identity_find(&all, key));
    assert_non_null(identity_find(&all, other));
}

static void table_that_is_full_refuses(void **state)
{
    struct identity identity = {.role = IDENTITY_WORKER};

    (void)state;
    for (uint32_t i = 0; i < IDENTITIES_MAX; i++) {
        identity.key.bytes[0] = (uint8_t)i;
        identity.key.bytes[1] = (uint8_t)(i >> 8);
        assert_int_equal(identity_put(&all, &identity), HF_OK);
    }
    identity.key.bytes[2] = 1;

    assert_int_equal(identity_put(&all, &identity), HF_ERR_FULL);
}

static void another_broker_takes_only_the_queues_that_go_to_it(void **state)
{
    const hf_slice brokers[] = {HF_SLICE("b1"), HF_SLICE("b2"), HF_SLICE("b3")};
    size_t moved = 0;

    (void)state;
    for (uint32_t i = 0; i < 300; i++) {
        uint8_t name[2] = {(uint8_t)('a' + i % 26), (uint8_t)('a' + i / 26)};
        hf_slice queue = hf_slice_of(name, 2);
        size_t before = placement_of(queue, brokers, 2);
        size_t after = placement_of(queue, brokers, 3);

        assert_true(after == before || after == 2);
        moved += after == 2 ? 1 : 0;
    }
    assert_in_range(moved, 50, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(token_is_due_at_two_thirds_of_its_life, setup),
        cmocka_unit_test_setup(renewal_that_failed_is_tried_again, setup),
        cmocka_unit_test_setup(renewed_token_replaces_the_old_one, setup),
        cmocka_unit_test_setup(token_minted_by_hand_is_never_renewed, setup),
        cmocka_unit_test_setup(most_overdue_comes_first, setup),
        cmocka_unit_test_setup(dropped_identity_is_gone_and_the_rest_stay, setup),
        cmocka_unit_test_setup(table_that_is_full_refuses, setup),
        cmocka_unit_test(another_broker_takes_only_the_queues_that_go_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
