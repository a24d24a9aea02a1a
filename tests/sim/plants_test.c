/* The simulator bites: each fault planted in the broker core is found within some
 * hundred seeds, and the same seeds pass without it. Each run is a child process,
 * because a broken invariant ends it. */
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SEEDS 300

static struct sim sim;

/* The exit status of a run over all seeds: 0 = nothing found, 1 = found; -1 = it
 * crashed. */
static int run(enum broker_plant plant)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (plant != BROKER_PLANT_NONE && freopen("/dev/null", "w", stderr) == NULL) {
            _exit(2);
        }
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            sim_run(&sim, seed, plant);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void accepting_before_the_commit_is_found(void **state)
{
    (void)state;
    assert_int_equal(run(BROKER_PLANT_ACK_BEFORE_COMMIT), 1);
}

static void dropping_a_response_before_its_acknowledgement_is_found(void **state)
{
    (void)state;
    assert_int_equal(run(BROKER_PLANT_DROP_BEFORE_ACK), 1);
}

static void adopting_a_lease_without_its_receipt_is_found(void **state)
{
    (void)state;
    assert_int_equal(run(BROKER_PLANT_ADOPT_WITHOUT_RECEIPT), 1);
}

static void delivering_an_unclaimed_request_is_found(void **state)
{
    (void)state;
    assert_int_equal(run(BROKER_PLANT_DELIVER_UNCLAIMED), 1);
}

static void without_a_plant_the_same_seeds_pass(void **state)
{
    (void)state;
    assert_int_equal(run(BROKER_PLANT_NONE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepting_before_the_commit_is_found),
        cmocka_unit_test(dropping_a_response_before_its_acknowledgement_is_found),
        cmocka_unit_test(adopting_a_lease_without_its_receipt_is_found),
        cmocka_unit_test(delivering_an_unclaimed_request_is_found),
        cmocka_unit_test(without_a_plant_the_same_seeds_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
