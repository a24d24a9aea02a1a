/* FEATURES row 28: the keys of a queue take turns, and none takes more than its share.
 */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define REPEATABLE BROKER_SUBMIT_REPEATABLE
#define FLOOD      7u
#define OTHER      8u
#define NO_KEY     0u

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static void setup(uint32_t length, uint32_t fair_share)
{
    struct broker_queue_policy policy = bench_policy(BROKER_MEMORY);

    bench_init(t, BROKER_MEMORY, NULL);
    policy.rules.fair_share = fair_share;
    policy.length_max = length;
    bench_policy_step(t, &policy, 1);
    bench_pair(t, 0);
}

static void submit(unsigned id, uint64_t fair_key)
{
    struct broker_wishes wishes = {.fair_key = fair_key};

    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_SUBMIT,
                      .session = 1,
                      .handle = 1,
                      .id = bench_id(id),
                      .u.submit = {.flags = REPEATABLE,
                                   .deadline = hf_time_add_ms(t->now, 600000),
                                   .head_bytes = 100,
                                   .wishes = fair_key != 0 ? &wishes : NULL}});
}

static void submit_many(unsigned first, unsigned count, uint64_t fair_key)
{
    for (unsigned i = 0; i < count; i++) {
        submit(first + i, fair_key);
    }
}

static void key_that_floods_waits_behind_itself(void **state)
{
    (void)state;
    setup(100, 100);
    submit_many(1, 20, FLOOD);
    submit_many(31, 2, OTHER);
    bench_forget(t);

    bench_credit(t, 2, 5);

    bench_expect(t, "assign s2 r1 e1 attempt 1\n"
                    "assign s2 r31 e2 attempt 1\n"
                    "assign s2 r2 e3 attempt 1\n"
                    "assign s2 r32 e4 attempt 1\n"
                    "assign s2 r3 e5 attempt 1\n");
}

static void requests_without_a_key_are_served_in_order(void **state)
{
    (void)state;
    setup(100, 25);
    submit_many(1, 4, NO_KEY);
    bench_forget(t);

    bench_credit(t, 2, 4);

    bench_expect(t, "assign s2 r1 e1 attempt 1\n"
                    "assign s2 r2 e2 attempt 1\n"
                    "assign s2 r3 e3 attempt 1\n"
                    "assign s2 r4 e4 attempt 1\n");
}

static void those_without_a_key_take_turns_as_one(void **state)
{
    (void)state;
    setup(100, 100);
    submit_many(1, 3, FLOOD);
    submit_many(11, 2, NO_KEY);
    bench_forget(t);

    bench_credit(t, 2, 4);

    bench_expect(t, "assign s2 r1 e1 attempt 1\n"
                    "assign s2 r11 e2 attempt 1\n"
                    "assign s2 r2 e3 attempt 1\n"
                    "assign s2 r12 e4 attempt 1\n");
}

static void what_came_before_any_key_keeps_its_place(void **state)
{
    (void)state;
    setup(100, 100);
    submit_many(1, 2, NO_KEY);
    submit_many(11, 2, FLOOD);
    bench_forget(t);

    bench_credit(t, 2, 3);

    bench_expect(t, "assign s2 r1 e1 attempt 1\n"
                    "assign s2 r2 e2 attempt 1\n"
                    "assign s2 r11 e3 attempt 1\n");
}

static void key_beyond_its_share_is_refused_and_others_are_not(void **state)
{
    (void)state;
    setup(20, 25);
    submit_many(1, 5, FLOOD);
    bench_forget(t);

    submit(6, FLOOD);
    submit(7, OTHER);

    bench_expect(t, "refused s1 r6 QueueFull retry 60000\n"
                    "outcome r6 QueueFull\n"
                    "hold r7\n");
    assert_int_equal(broker_counts(t->broker)->fair_refused, 1);
}

static void share_is_free_again_when_its_requests_are_leased(void **state)
{
    (void)state;
    setup(20, 25);
    submit_many(1, 5, FLOOD);
    bench_credit(t, 2, 1);
    bench_forget(t);

    submit(6, FLOOD);

    bench_expect(t, "hold r6\n");
}

static void requests_of_a_lost_worker_are_first_of_their_share(void **state)
{
    (void)state;
    setup(100, 100);
    submit_many(1, 3, FLOOD);
    submit_many(11, 2, OTHER);
    bench_credit(t, 2, 2);
    bench_about(t, BROKER_IN_RELEASE, 2, 1, EPOCH(1));
    bench_forget(t);

    bench_credit(t, 2, 4);

    assert_non_null(strstr(t->text, "assign s2 r1 "));
    assert_true(strstr(t->text, "assign s2 r1 ") < strstr(t->text, "assign s2 r2 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(key_that_floods_waits_behind_itself, teardown),
        cmocka_unit_test_teardown(requests_without_a_key_are_served_in_order, teardown),
        cmocka_unit_test_teardown(those_without_a_key_take_turns_as_one, teardown),
        cmocka_unit_test_teardown(what_came_before_any_key_keeps_its_place, teardown),
        cmocka_unit_test_teardown(key_beyond_its_share_is_refused_and_others_are_not,
                                  teardown),
        cmocka_unit_test_teardown(share_is_free_again_when_its_requests_are_leased,
                                  teardown),
        cmocka_unit_test_teardown(requests_of_a_lost_worker_are_first_of_their_share,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
