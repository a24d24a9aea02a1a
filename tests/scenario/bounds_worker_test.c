/* Each bound of the worker's core is reached, and what docs/limits.md says happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/scenario/worker_bench.h"

#define QUEUES_MAX  16
#define BROKERS_MAX 16
#define CREDIT_MAX  65535u /* PROTOCOL.md 3.4 */

static uint64_t credit_in(const struct worker_bench *b)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < b->effects.count; i++) {
        sum += b->effects.items[i].type == WORKER_OUT_CREDIT
                   ? b->effects.items[i].amount
                   : 0;
    }
    return sum;
}

static void credit_of_a_queue_is_what_the_protocol_allows(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup_with(&b,
                  (struct worker_config){.concurrency = 100000, .leases_max = 70000});
    wb_queue(&b, "web");
    wb_ready(&b, true);
    wb_link_up(&b, 1);

    wb_opened(&b, 1, 1, HF_REASON_NONE);

    assert_int_equal(credit_in(&b), CREDIT_MAX);
    wb_finish(&b);
}

static void credit_of_all_brokers_together_is_no_more_than_the_leases(void **state)
{
    struct worker_bench b;
    uint64_t sum = 0;

    (void)state;
    wb_setup_with(&b, (struct worker_config){.concurrency = 10, .leases_max = 25});
    wb_queue(&b, "web");
    wb_ready(&b, true);
    for (uint32_t broker = 1; broker <= 4; broker++) {
        wb_link_up(&b, broker);
        wb_opened(&b, broker, 1, HF_REASON_NONE);
        sum += credit_in(&b);
    }

    assert_int_equal(sum, 25);
    wb_finish(&b);
}

static void concurrency_is_that_of_each_queue(void **state)
{
    struct worker_bench b;

    (void)state;
    wb_setup_with(&b, (struct worker_config){.concurrency = 1});
    wb_queue(&b, "a");
    wb_queue(&b, "b");
    wb_ready(&b, true);
    wb_link_up(&b, 1);
    wb_opened(&b, 1, 1, HF_REASON_NONE);
    wb_opened(&b, 1, 2, HF_REASON_NONE);
    wb_expect(&b, "open b1 q1\nopen b1 q2\ncredit b1 q1 1\ncredit b1 q2 1\n");

    wb_assign(&b, 1);
    wb_expect(&b, "start b1 #1\n");
    wb_assign(&b, 2);

    wb_expect(&b, "violation b1\n");
    wb_finish(&b);
}

static void all_queues_of_all_brokers_are_served(void **state)
{
    struct worker_bench b;
    uint64_t sum = 0;

    (void)state;
    wb_setup_with(&b, (struct worker_config){.concurrency = 1});
    for (unsigned i = 0; i < QUEUES_MAX; i++) {
        char name[8];

        (void)snprintf(name, sizeof name, "q%u", i);
        wb_queue(&b, name);
    }
    wb_ready(&b, true);
    for (uint32_t broker = 1; broker <= BROKERS_MAX; broker++) {
        wb_link_up(&b, broker);
        for (uint32_t handle = 1; handle <= QUEUES_MAX; handle++) {
            wb_opened(&b, broker, handle, HF_REASON_NONE);
            sum += credit_in(&b);
        }
    }

    assert_int_equal(sum, QUEUES_MAX * BROKERS_MAX);
    wb_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credit_of_a_queue_is_what_the_protocol_allows),
        cmocka_unit_test(credit_of_all_brokers_together_is_no_more_than_the_leases),
        cmocka_unit_test(concurrency_is_that_of_each_queue),
        cmocka_unit_test(all_queues_of_all_brokers_are_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
