#include "controller/core/publication.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct publication p;
static struct publication_effect effects[PUBLICATION_EFFECTS_MAX];

static size_t step_at(int64_t ms)
{
    return publication_step(&p, hf_time_of_ms(ms), effects);
}

static int setup(void **state)
{
    (void)state;
    publication_init(&p, 2);
    publication_offer(&p, PUBLICATION_REVOCATION, 3);
    publication_offer(&p, PUBLICATION_POLICY, 5);
    publication_offer(&p, PUBLICATION_SNAPSHOT, 7);
    return 0;
}

static void know(size_t broker, uint64_t revocation, uint64_t policy, uint64_t snapshot)
{
    publication_held(&p, broker, PUBLICATION_REVOCATION, revocation);
    publication_held(&p, broker, PUBLICATION_POLICY, policy);
    publication_held(&p, broker, PUBLICATION_SNAPSHOT, snapshot);
    publication_known(&p, broker);
}

static void list_goes_out_before_anything_is_known_of_the_broker(void **state)
{
    (void)state;

    publication_up(&p, 1);

    assert_int_equal(step_at(1000), 1);
    assert_int_equal(effects[0].broker, 1);
    assert_int_equal(effects[0].kind, PUBLICATION_REVOCATION);
    assert_int_equal(step_at(1000), 0);
}

static void only_what_is_missing_is_sent(void **state)
{
    (void)state;
    publication_up(&p, 0);
    (void)step_at(1000);

    know(0, 3, 5, 6);

    assert_int_equal(step_at(1000), 1);
    assert_int_equal(effects[0].kind, PUBLICATION_SNAPSHOT);
    assert_false(publication_is_held(&p, 0, PUBLICATION_SNAPSHOT));
    publication_held(&p, 0, PUBLICATION_SNAPSHOT, 7);
    assert_true(publication_is_held(&p, 0, PUBLICATION_SNAPSHOT));
}

static void what_is_not_acknowledged_is_sent_again(void **state)
{
    (void)state;
    publication_up(&p, 0);
    (void)step_at(1000);
    know(0, 3, 4, 7);
    assert_int_equal(step_at(1000), 1);

    assert_int_equal(step_at(1000 + PUBLICATION_RETRY_MS - 1), 0);
    assert_int_equal(step_at(1000 + PUBLICATION_RETRY_MS), 1);
    assert_int_equal(effects[0].kind, PUBLICATION_POLICY);
}

static void list_is_repeated_as_a_sign_of_life(void **state)
{
    (void)state;
    publication_up(&p, 0);
    (void)step_at(1000);
    know(0, 3, 5, 7);

    assert_int_equal(step_at(1000 + PUBLICATION_REPEAT_MS - 1), 0);
    assert_int_equal(step_at(1000 + PUBLICATION_REPEAT_MS), 1);
    assert_int_equal(effects[0].kind, PUBLICATION_REVOCATION);
}

static void newer_offer_goes_to_all_that_are_up(void **state)
{
    (void)state;
    publication_up(&p, 0);
    publication_up(&p, 1);
    (void)step_at(1000);
    know(0, 3, 5, 7);
    know(1, 3, 5, 7);

    publication_offer(&p, PUBLICATION_POLICY, 6);

    assert_int_equal(step_at(1001), 2);
    publication_down(&p, 1);
    publication_offer(&p, PUBLICATION_POLICY, 8);
    assert_int_equal(step_at(1002), 1);
}

static void broker_that_comes_back_is_asked_anew(void **state)
{
    (void)state;
    publication_up(&p, 0);
    (void)step_at(1000);
    know(0, 3, 5, 7);
    publication_down(&p, 0);
    assert_int_equal(step_at(90000), 0);

    publication_up(&p, 0);

    assert_false(publication_is_held(&p, 0, PUBLICATION_POLICY));
    assert_int_equal(step_at(90000), 1);
    know(0, 3, 0, 0);
    assert_int_equal(step_at(90000), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(list_goes_out_before_anything_is_known_of_the_broker,
                               setup),
        cmocka_unit_test_setup(only_what_is_missing_is_sent, setup),
        cmocka_unit_test_setup(what_is_not_acknowledged_is_sent_again, setup),
        cmocka_unit_test_setup(list_is_repeated_as_a_sign_of_life, setup),
        cmocka_unit_test_setup(newer_offer_goes_to_all_that_are_up, setup),
        cmocka_unit_test_setup(broker_that_comes_back_is_asked_anew, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
