/* FEATURES row 48: a request that kills its workers is found and set aside, and costs
 * the others nothing. */
#include "tests/scenario/broker_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define REPEATABLE BROKER_SUBMIT_REPEATABLE

static struct bench bench;
static struct bench *const t = &bench;

static int teardown(void **state)
{
    (void)state;
    bench_fini(t);
    return 0;
}

static void start(uint32_t max_crashes, uint32_t attempts_max)
{
    struct broker_queue_policy policy = bench_policy(BROKER_LAZY);

    bench_init(t, BROKER_LAZY, NULL);
    policy.rules.max_crashes = max_crashes;
    policy.attempts_max = attempts_max;
    bench_policy_step(t, &policy, 1);
    bench_forget(t);
}

static void worker(uint32_t session, char key, uint32_t credit)
{
    bench_up(t, session, key);
    bench_open(t, session, 1, WORKER_RIGHTS);
    bench_credit(t, session, credit);
}

static void dead(char key)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_HOLDER_DEAD,
                                        .u.holder.key = bench_key(key)});
}

/* As it comes from a process that ends: first its link, then the controller's word. */
static void crash(uint32_t session, char key)
{
    bench_down(t, session);
    dead(key);
}

static void answer(uint32_t session, unsigned id, uint64_t epoch)
{
    bench_result(t, session, id, epoch);
    bench_ack(t, 1, id, epoch);
}

static void lone_suspect_is_proven_at_once_and_ends_at_max_crashes(void **state)
{
    (void)state;
    start(2, 5);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    crash(2, 'W');
    bench_forget(t);

    worker(3, 'X', 4);
    bench_expect(t, "opened s3 h1 none\nassign s3 r1 e2 attempt 2\n");
    crash(3, 'X');
    bench_expect(t, "refused s1 r1 poison\noutcome r1 poison\nfree r1\n");
    assert_int_equal(broker_counts(t->broker)->poisoned, 1);
}

static void death_told_before_the_link_is_lost_is_the_same(void **state)
{
    (void)state;
    start(1, 5);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_forget(t);

    dead('W');
    bench_expect(t, "violation s2 worker-lost\nrefused s1 r1 poison\n"
                    "outcome r1 poison\nfree r1\n");
}

/* Requests 1 to 3 at the worker that dies; 2 is the killer. */
static void three_suspects(void)
{
    start(2, 5);
    bench_pair(t, 3);
    for (unsigned id = 1; id <= 3; id++) {
        bench_submit(t, 1, id, REPEATABLE);
    }
    crash(2, 'W');
    bench_forget(t);
}

static void suspects_run_one_at_a_time_and_others_go_on(void **state)
{
    (void)state;
    three_suspects();
    worker(3, 'X', 4);
    bench_expect(t, "opened s3 h1 none\nassign s3 r1 e4 attempt 2\n");

    /* 4 waits although the worker set apart has credit, until another comes. */
    bench_submit(t, 1, 4, REPEATABLE);
    bench_expect(t, "hold r4\n");
    worker(4, 'Y', 2);
    bench_expect(t, "opened s4 h1 none\nassign s4 r4 e5 attempt 1\n");

    bench_result(t, 3, 1, EPOCH(4));
    bench_expect(t, "hold-response r1\nresponse s1 r1 e4\nassign s3 r2 e6 attempt 2\n");
}

static void killer_is_proven_and_bystanders_are_not_charged(void **state)
{
    (void)state;
    three_suspects();
    worker(3, 'X', 4);
    answer(3, 1, EPOCH(4));
    crash(3, 'X'); /* under 2, alone: proven once */
    bench_forget(t);

    worker(4, 'Y', 4);
    bench_expect(t, "opened s4 h1 none\nassign s4 r2 e6 attempt 3\n");
    crash(4, 'Y');
    bench_expect(t, "refused s1 r2 poison\noutcome r2 poison\nfree r2\n");

    worker(5, 'Z', 4);
    bench_expect(t, "opened s5 h1 none\nassign s5 r3 e7 attempt 2\n");
    answer(5, 3, EPOCH(7));
    bench_forget(t);
    assert_int_equal(broker_counts(t->broker)->poisoned, 1);

    /* Nobody is a suspect any more: the worker takes anything again. */
    bench_submit(t, 1, 5, REPEATABLE);
    bench_submit(t, 1, 6, REPEATABLE);
    bench_expect(t, "hold r5\nassign s5 r5 e8 attempt 1\nhold r6\n"
                    "assign s5 r6 e9 attempt 1\n");
}

static void worker_set_apart_first_finishes_what_it_has(void **state)
{
    (void)state;
    start(2, 5);
    bench_pair(t, 2);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, REPEATABLE);
    worker(3, 'X', 4);
    bench_submit(t, 1, 3, REPEATABLE);
    bench_forget(t);

    crash(2, 'W');
    bench_expect(t, "");
    bench_submit(t, 1, 4, REPEATABLE);
    bench_expect(t, "hold r4\n");
    bench_result(t, 3, 3, EPOCH(3));
    bench_expect(t, "hold-response r3\nresponse s1 r3 e3\nassign s3 r1 e4 attempt 2\n");
    bench_result(t, 3, 1, EPOCH(4));
    bench_expect(t, "hold-response r1\nresponse s1 r1 e4\nassign s3 r2 e5 attempt 2\n");
    bench_credit(t, 3, 3);
    bench_expect(t, "");
    bench_result(t, 3, 2, EPOCH(5));
    bench_expect(t, "hold-response r2\nresponse s1 r2 e5\nassign s3 r4 e6 attempt 1\n");
}

static void idle_worker_takes_the_place_of_a_busy_one_set_apart(void **state)
{
    (void)state;
    start(2, 5);
    bench_pair(t, 2);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, REPEATABLE);
    worker(3, 'X', 4);
    bench_submit(t, 1, 3, REPEATABLE);
    crash(2, 'W');
    bench_forget(t);

    worker(4, 'Y', 4);
    bench_expect(t, "opened s4 h1 none\nassign s4 r1 e4 attempt 2\n");
    bench_submit(t, 1, 4, REPEATABLE);
    bench_expect(t, "hold r4\nassign s3 r4 e5 attempt 1\n");
}

/* Two attempts: with the crash beside the killer charged, one failure would be the end.
 */
static void crash_beside_the_killer_is_no_attempt(void **state)
{
    (void)state;
    start(2, 2);
    bench_pair(t, 2);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_submit(t, 1, 2, 0);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 2, EPOCH(2));
    crash(2, 'W');
    worker(3, 'X', 4);
    bench_forget(t);

    bench_about(t, BROKER_IN_FAIL, 3, 1, EPOCH(3));
    bench_expect(t, "assign s3 r1 e4 attempt 3\n");
    bench_about(t, BROKER_IN_FAIL, 3, 1, EPOCH(4));
    bench_expect(t, "refused s1 r1 attempts\noutcome r1 attempts\nfree r1\n");
}

static void another_worker_is_set_apart_when_the_first_drains(void **state)
{
    (void)state;
    three_suspects();
    worker(3, 'X', 4);
    bench_about(t, BROKER_IN_DRAINING, 3, 0, 0);
    answer(3, 1, EPOCH(4));
    bench_forget(t);

    worker(4, 'Y', 4);
    bench_expect(t, "opened s4 h1 none\nassign s4 r2 e5 attempt 2\n");
}

static void lost_link_is_no_death(void **state)
{
    (void)state;
    start(1, 5);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 2);
    bench_forget(t);

    worker(3, 'X', 1);
    bench_run(t, 990);
    bench_expect(t, "opened s3 h1 none\n");
    bench_run(t, 20);
    bench_expect(t, "assign s3 r1 e2 attempt 2\n");
    dead('W');
    bench_expect(t, "");
}

static void holder_that_comes_back_keeps_its_lease(void **state)
{
    (void)state;
    start(1, 5);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_down(t, 2);
    bench_forget(t);

    bench_up(t, 4, 'W');
    bench_open(t, 4, 1, WORKER_RIGHTS);
    bench_declare(t, 4, 1, EPOCH(1));
    bench_run(t, 4000);
    bench_result(t, 4, 1, EPOCH(1));
    bench_expect(t, "opened s4 h1 none\ndeclared s4 r1 kept\nhold-response r1\n"
                    "response s1 r1 e1\n");
}

static void unrepeatable_request_is_no_suspect(void **state)
{
    (void)state;
    start(1, 5);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, 0);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    bench_forget(t);

    crash(2, 'W');
    bench_expect(t, "refused s1 r1 worker-lost\noutcome r1 worker-lost\nfree r1\n");
}

static void without_max_crashes_it_is_retried_as_after_any_loss(void **state)
{
    (void)state;
    start(0, 2);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    crash(2, 'W');
    worker(3, 'X', 1);
    bench_forget(t);

    crash(3, 'X');
    bench_expect(t, "refused s1 r1 attempts\noutcome r1 attempts\nfree r1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            lone_suspect_is_proven_at_once_and_ends_at_max_crashes, teardown),
        cmocka_unit_test_teardown(death_told_before_the_link_is_lost_is_the_same,
                                  teardown),
        cmocka_unit_test_teardown(suspects_run_one_at_a_time_and_others_go_on,
                                  teardown),
        cmocka_unit_test_teardown(killer_is_proven_and_bystanders_are_not_charged,
                                  teardown),
        cmocka_unit_test_teardown(worker_set_apart_first_finishes_what_it_has,
                                  teardown),
        cmocka_unit_test_teardown(idle_worker_takes_the_place_of_a_busy_one_set_apart,
                                  teardown),
        cmocka_unit_test_teardown(crash_beside_the_killer_is_no_attempt, teardown),
        cmocka_unit_test_teardown(another_worker_is_set_apart_when_the_first_drains,
                                  teardown),
        cmocka_unit_test_teardown(lost_link_is_no_death, teardown),
        cmocka_unit_test_teardown(holder_that_comes_back_keeps_its_lease, teardown),
        cmocka_unit_test_teardown(unrepeatable_request_is_no_suspect, teardown),
        cmocka_unit_test_teardown(without_max_crashes_it_is_retried_as_after_any_loss,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
