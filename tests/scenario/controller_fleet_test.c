/* What the fleet does when workers start, die, hang, change and are found again. */
#include "tests/scenario/controller_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* A pool of one whose worker runs as pid 7. */
static void run_one(struct ctl *c)
{
    ctl_setup(c);
    ctl_pool(c, "web", 1, 1);
    ctl_spawner(c);
    ctl_launched(c, 1, 7);
    ctl_expect(c, "launch web/0 as 1\ntell web/0 started\n");
}

static void pool_is_launched_once_the_spawner_is_there(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 2, 1);
    ctl_wait(&c, 1000);
    ctl_expect(&c, "");

    ctl_spawner(&c);

    ctl_expect(&c, "launch web/0 as 1\nlaunch web/1 as 2\n");
    ctl_finish(&c);
}

static void worker_that_ran_a_second_is_restarted_at_once(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);

    ctl_exited(&c, 7, 1000, 9);

    ctl_expect(&c, "dead 7\ntell web/0 died\nlaunch web/0 as 1\n");
    ctl_finish(&c);
}

static void worker_that_dies_at_once_waits_longer_each_time(void **state)
{
    static const int64_t waits_ms[] = {250,  500,   1000,  2000, 4000,
                                       8000, 16000, 30000, 30000};
    struct ctl c;

    (void)state;
    run_one(&c);
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        ctl_exited(&c, 7, 999, 6);
        ctl_wait(&c, waits_ms[i] - 1);
        ctl_expect(&c, "dead 7\ntell web/0 died\n");

        ctl_wait(&c, 1);

        ctl_expect(&c, "launch web/0 as 1\n");
        ctl_launched(&c, 1, 7);
        ctl_expect(&c, "tell web/0 started\n");
    }
    ctl_finish(&c);
}

static void steady_run_forgets_the_back_off(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);
    ctl_exited(&c, 7, 0, 6);
    ctl_wait(&c, 250);
    ctl_launched(&c, 1, 7);
    ctl_exited(&c, 7, 5000, 6);
    ctl_launched(&c, 1, 7);
    ctl_expect(&c, "dead 7\ntell web/0 died\nlaunch web/0 as 1\ntell web/0 started\n"
                   "dead 7\ntell web/0 died\nlaunch web/0 as 1\ntell web/0 started\n");

    ctl_exited(&c, 7, 0, 6);
    ctl_wait(&c, 250);

    ctl_expect(&c, "dead 7\ntell web/0 died\nlaunch web/0 as 1\n");
    ctl_finish(&c);
}

static void failed_launch_is_tried_again_after_back_off(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 1, 1);
    ctl_spawner(&c);
    ctl_failed(&c, 1);
    ctl_wait(&c, 249);
    ctl_expect(&c, "launch web/0 as 1\n");

    ctl_wait(&c, 1);

    ctl_expect(&c, "launch web/0 as 1\n");
    ctl_finish(&c);
}

static void launch_without_an_answer_is_given_up(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 1, 1);
    ctl_spawner(&c);
    ctl_expect(&c, "launch web/0 as 1\n");

    ctl_wait(&c, FLEET_LAUNCH_MS + FLEET_BACKOFF_MS);

    ctl_expect(&c, "launch web/0 as 1\n");
    ctl_finish(&c);
}

static void late_launched_for_a_row_that_gave_up_is_ignored(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 1, 1);
    ctl_spawner(&c);
    ctl_wait(&c, FLEET_LAUNCH_MS);
    ctl_expect(&c, "launch web/0 as 1\n");

    ctl_launched(&c, 1, 7);

    ctl_expect(&c, "");
    ctl_finish(&c);
}

static void removed_pool_is_asked_to_end_and_then_killed(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);

    ctl_no_pools(&c);

    ctl_expect(&c, "term web/0 pid 7\n");
    ctl_wait(&c, 19999);
    ctl_expect(&c, "");
    ctl_wait(&c, 1);
    ctl_expect(&c, "kill web/0 pid 7\n");
    ctl_exited(&c, 7, 30000, 9);
    ctl_wait(&c, 100000);
    ctl_expect(&c, "dead 7\ntell web/0 died\n");
    ctl_finish(&c);
}

static void smaller_pool_ends_the_highest_indexes(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 3, 1);
    ctl_spawner(&c);
    ctl_launched(&c, 1, 7);
    ctl_launched(&c, 2, 8);
    ctl_launched(&c, 3, 9);
    c.trace[0] = '\0';
    c.trace_bytes = 0;

    ctl_pool(&c, "web", 1, 1);

    ctl_expect(&c, "term web/1 pid 8\nterm web/2 pid 9\n");
    ctl_exited(&c, 8, 2000, 0);
    ctl_exited(&c, 9, 2000, 0);
    ctl_wait(&c, 60000);
    ctl_expect(&c, "dead 8\ntell web/1 ended\ndead 9\ntell web/2 ended\n");
    ctl_finish(&c);
}

static void changed_pool_restarts_half_of_its_workers_at_a_time(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 2, 1);
    ctl_spawner(&c);
    ctl_launched(&c, 1, 7);
    ctl_launched(&c, 2, 8);
    c.trace[0] = '\0';
    c.trace_bytes = 0;

    ctl_pool(&c, "web", 2, 2);

    ctl_expect(&c, "term web/0 pid 7\n");
    ctl_exited(&c, 7, 500, 0);
    ctl_expect(&c, "dead 7\ntell web/0 ended\nlaunch web/0 as 1\n");
    ctl_launched(&c, 1, 9);
    ctl_expect(&c, "tell web/0 started\nterm web/1 pid 8\n");
    ctl_exited(&c, 8, 500, 0);
    ctl_launched(&c, 2, 10);
    ctl_wait(&c, 10000);
    ctl_expect(&c, "dead 8\ntell web/1 ended\nlaunch web/1 as 2\ntell web/1 started\n");
    ctl_finish(&c);
}

static void unchanged_pool_is_left_alone(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);

    ctl_pool(&c, "web", 1, 1);
    ctl_wait(&c, 60000);

    ctl_expect(&c, "");
    ctl_finish(&c);
}

static void new_controller_adopts_what_runs(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 2, 1);

    ctl_spawner_with(&c, 1, 8, 1);

    ctl_expect(&c, "launch web/0 as 1\n");
    ctl_exited(&c, 8, 9000, 9);
    ctl_expect(&c, "dead 8\ntell web/1 died\nlaunch web/1 as 2\n");
    ctl_finish(&c);
}

static void adopted_worker_of_a_pool_that_is_gone_is_ended(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_no_pools(&c);

    ctl_spawner_with(&c, 0, 8, 1);

    ctl_expect(&c, "term web/0 pid 8\n");
    ctl_exited(&c, 8, 9000, 0);
    ctl_expect(&c, "dead 8\ntell web/0 ended\n");
    ctl_finish(&c);
}

static void adopted_worker_of_an_older_configuration_is_restarted(void **state)
{
    struct ctl c;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 1, 2);

    ctl_spawner_with(&c, 0, 8, 1);

    ctl_expect(&c, "term web/0 pid 8\n");
    ctl_finish(&c);
}

static void spawner_that_lost_its_children_gets_them_again(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);
    ctl_wait(&c, 2000);
    ctl_spawner_down(&c);
    ctl_wait(&c, 5000);
    ctl_expect(&c, "");

    ctl_spawner(&c);

    ctl_expect(&c, "dead 7\ntell web/0 died\nlaunch web/0 as 1\n");
    ctl_finish(&c);
}

static void spawner_that_kept_its_children_is_believed(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);
    ctl_spawner_down(&c);

    ctl_spawner_with(&c, 0, 7, 1);
    ctl_wait(&c, 5000);

    ctl_expect(&c, "");
    ctl_finish(&c);
}

static void exit_of_a_stranger_still_tells_the_brokers(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);

    ctl_exited(&c, 99, 5000, 9);

    ctl_expect(&c, "dead 99\n");
    ctl_finish(&c);
}

static void worker_that_answers_pings_is_left_alone(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);
    ctl_brokers(&c, 1);
    for (int i = 0; i < 10; i++) {
        ctl_wait(&c, 30000);
        ctl_expect(&c, "ping 7\n");
        ctl_pong(&c, 7, true);
    }
    ctl_finish(&c);
}

static void worker_that_is_silent_for_the_limit_is_killed(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);
    ctl_brokers(&c, 1);
    ctl_wait(&c, 30000 + 89999);
    ctl_expect(&c, "ping 7\nping 7\nping 7\n");

    ctl_wait(&c, 1);

    ctl_expect(&c, "tell web/0 unwell\nkill web/0 pid 7\n");
    ctl_exited(&c, 7, 120000, 9);
    ctl_expect(&c, "dead 7\ntell web/0 died\nlaunch web/0 as 1\n");
    ctl_finish(&c);
}

static void unwell_is_as_bad_as_silence(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);
    ctl_brokers(&c, 1);
    for (int i = 0; i < 3; i++) {
        ctl_wait(&c, 30000);
        ctl_pong(&c, 7, false);
    }
    ctl_expect(&c, "ping 7\nping 7\nping 7\n");

    ctl_wait(&c, 30000);

    ctl_expect(&c, "tell web/0 unwell\nkill web/0 pid 7\n");
    ctl_finish(&c);
}

static void nobody_is_judged_while_no_broker_is_there(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);
    ctl_brokers(&c, 1);
    ctl_wait(&c, 30000);
    ctl_expect(&c, "ping 7\n");

    ctl_brokers(&c, 0);
    ctl_wait(&c, 600000);

    ctl_expect(&c, "");
    ctl_finish(&c);
}

static void revoked_worker_is_replaced_a_moment_later(void **state)
{
    struct ctl c;

    (void)state;
    run_one(&c);

    ctl_retire(&c, 7);

    ctl_expect(&c, "term web/0 pid 7\n");
    ctl_exited(&c, 7, 60000, 0);
    ctl_wait(&c, FLEET_RETIRE_WAIT_MS - 1);
    ctl_expect(&c, "dead 7\ntell web/0 ended\n");
    ctl_wait(&c, 1);
    ctl_expect(&c, "launch web/0 as 1\n");
    ctl_finish(&c);
}

static void large_fleet_is_launched_over_several_steps(void **state)
{
    struct ctl c;
    struct fleet_view view;
    uint32_t launching = 0;

    (void)state;
    ctl_setup(&c);
    ctl_pool(&c, "web", 256, 1);
    ctl_spawner(&c);

    ctl_wait(&c, 0);

    for (uint32_t w = 1; w <= 256; w++) {
        assert_true(fleet_view(c.fleet, w, &view));
        launching += view.state == FLEET_LAUNCHING ? 1 : 0;
    }
    assert_int_equal(launching, 256);
    c.trace[0] = '\0';
    c.trace_bytes = 0;
    ctl_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_is_launched_once_the_spawner_is_there),
        cmocka_unit_test(worker_that_ran_a_second_is_restarted_at_once),
        cmocka_unit_test(worker_that_dies_at_once_waits_longer_each_time),
        cmocka_unit_test(steady_run_forgets_the_back_off),
        cmocka_unit_test(failed_launch_is_tried_again_after_back_off),
        cmocka_unit_test(launch_without_an_answer_is_given_up),
        cmocka_unit_test(late_launched_for_a_row_that_gave_up_is_ignored),
        cmocka_unit_test(removed_pool_is_asked_to_end_and_then_killed),
        cmocka_unit_test(smaller_pool_ends_the_highest_indexes),
        cmocka_unit_test(changed_pool_restarts_half_of_its_workers_at_a_time),
        cmocka_unit_test(unchanged_pool_is_left_alone),
        cmocka_unit_test(new_controller_adopts_what_runs),
        cmocka_unit_test(adopted_worker_of_a_pool_that_is_gone_is_ended),
        cmocka_unit_test(adopted_worker_of_an_older_configuration_is_restarted),
        cmocka_unit_test(spawner_that_lost_its_children_gets_them_again),
        cmocka_unit_test(spawner_that_kept_its_children_is_believed),
        cmocka_unit_test(exit_of_a_stranger_still_tells_the_brokers),
        cmocka_unit_test(worker_that_answers_pings_is_left_alone),
        cmocka_unit_test(worker_that_is_silent_for_the_limit_is_killed),
        cmocka_unit_test(unwell_is_as_bad_as_silence),
        cmocka_unit_test(nobody_is_judged_while_no_broker_is_there),
        cmocka_unit_test(revoked_worker_is_replaced_a_moment_later),
        cmocka_unit_test(large_fleet_is_launched_over_several_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
