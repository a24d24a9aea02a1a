/* What a session may do when its authority is narrower than it was, and what an epoch
 * says of who holds a lease. */
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

static void withdraw(uint32_t session, uint32_t handle)
{
    bench_step(t, (struct broker_input){.type = BROKER_IN_WITHDRAW,
                                        .session = session,
                                        .handle = handle});
}

static void withdrawn_handle_is_closed_and_gets_nothing_more(void **state)
{
    struct broker_handle_view view;

    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 5);
    assert_true(broker_handle_at(t->broker, 2, 0, &view));
    assert_int_equal(view.handle, 1);
    assert_int_equal(view.rights, WORKER_RIGHTS);
    assert_true(hf_slice_equal(view.queue, HF_SLICE("q")));
    assert_false(broker_handle_at(t->broker, 2, 1, &view));

    withdraw(2, 1);
    bench_submit(t, 1, 1, REPEATABLE);

    bench_expect(t, "closed s2 h1 denied\nhold r1\n");
    assert_false(broker_handle_at(t->broker, 2, 0, &view));
}

static void lease_of_a_withdrawn_handle_may_still_be_answered(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, REPEATABLE);
    bench_forget(t);

    withdraw(2, 1);
    bench_credit(t, 2, 1); /* was on its way */
    bench_result(t, 2, 1, EPOCH(1));

    bench_expect(t, "closed s2 h1 denied\nhold-response r1\nresponse s1 r1 e1\n");
}

static void declared_lease_does_not_give_the_right_to_respond(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    bench_submit(t, 1, 1, 0);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    bench_down(t, 2);
    bench_up(t, 2, 'W');
    bench_open(t, 2, 1, BROKER_RIGHT_RECEIVE);
    bench_declare(t, 2, 1, EPOCH(1));
    bench_forget(t);

    bench_result(t, 2, 1, EPOCH(1));

    bench_expect(t, "respond-ack s2 r1 denied\n");
}

static void lease_is_not_declared_through_the_handle_of_another_queue(void **state)
{
    struct broker_queue_policy policies[2];

    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 1);
    policies[0] = policies[1] = bench_policy(BROKER_LAZY);
    policies[1].name = HF_SLICE("other");
    bench_policy_step(t, policies, 2);
    bench_submit(t, 1, 1, 0);
    bench_about(t, BROKER_IN_ASSIGNED_ACK, 1, 1, EPOCH(1));
    bench_down(t, 2);
    bench_up(t, 2, 'W');
    bench_step(t, (struct broker_input){
                      .type = BROKER_IN_OPEN,
                      .session = 2,
                      .handle = 1,
                      .u.open = {.queue = HF_SLICE("other"), .rights = WORKER_RIGHTS}});
    bench_forget(t);

    bench_declare(t, 2, 1, EPOCH(1));

    bench_expect(t, "declared s2 r1 not-kept\n");
}

static void submit_assigned_before(unsigned id)
{
    bench_step(t,
               (struct broker_input){
                   .type = BROKER_IN_SUBMIT,
                   .session = 1,
                   .handle = 1,
                   .id = bench_id(id),
                   .u.submit = {.flags = BROKER_SUBMIT_REOFFER | BROKER_SUBMIT_ASSIGNED,
                                .deadline = hf_time_add_ms(t->now, 600000),
                                .head_bytes = 100,
                                .body_bytes = 1u << 20}});
}

static void
what_a_frontend_says_was_assigned_is_held_up_to_the_bytes_of_its_queue(void **state)
{
    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 0);
    submit_assigned_before(1);
    submit_assigned_before(2);
    submit_assigned_before(3);
    bench_expect(t, "hold r1\nhold r2\nhold r3\n");

    submit_assigned_before(4);
    bench_expect(t, "refused s1 r4 outcome-unknown\noutcome r4 outcome-unknown\n");

    bench_run(t, 6000);
    bench_forget(t);
    submit_assigned_before(5);
    bench_expect(t, "hold r5\n");
}

static void lease_of_a_new_incarnation_is_above_all_before_it(void **state)
{
    uint64_t first = 0;
    uint64_t second = 0;

    (void)state;
    bench_init(t, BROKER_LAZY, NULL);
    bench_pair(t, 2);
    bench_submit(t, 1, 1, REPEATABLE);
    first = broker_request_at(t->broker, 1).lease_epoch;
    assert_int_equal(broker_epochs_left(t->broker), UINT32_MAX - 1);

    bench_step(t, (struct broker_input){.type = BROKER_IN_INCARNATION,
                                        .u.incarnation.number = 2});
    bench_submit(t, 1, 2, REPEATABLE);
    second = broker_request_at(t->broker, 2).lease_epoch;
    bench_forget(t);

    assert_true(second == ((uint64_t)2 << 32 | 1));
    assert_true(second > first);
    bench_result(t, 2, 1, first); /* a lease from before counts as ever */
    bench_expect(t, "hold-response r1\nresponse s1 r1 e1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(withdrawn_handle_is_closed_and_gets_nothing_more,
                                  teardown),
        cmocka_unit_test_teardown(lease_of_a_withdrawn_handle_may_still_be_answered,
                                  teardown),
        cmocka_unit_test_teardown(declared_lease_does_not_give_the_right_to_respond,
                                  teardown),
        cmocka_unit_test_teardown(
            lease_is_not_declared_through_the_handle_of_another_queue, teardown),
        cmocka_unit_test_teardown(
            what_a_frontend_says_was_assigned_is_held_up_to_the_bytes_of_its_queue,
            teardown),
        cmocka_unit_test_teardown(lease_of_a_new_incarnation_is_above_all_before_it,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
