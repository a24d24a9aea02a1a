/* Each bound of the frontend's core is reached, and what docs/limits.md says happens.
 * The limit of requests held at once is in frontend_answer_test. */
#include "tests/scenario/frontend_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define QUEUES_MAX 8
#define PIECE_MAX  262144u /* PROTOCOL.md 3 */
#define INLINE_MAX 65536u

/* One step without the rig's own ticks; how many effects it made. */
static uint32_t one_step(struct rig *rig, struct frontend_input input)
{
    input.now = hf_time_of_ms(rig->now_ms);
    rig->effects.count = 0;
    frontend_step(rig->core, &input, &rig->effects);
    frontend_check(rig->core);
    return rig->effects.count;
}

static void route_queues(struct rig *rig, unsigned first, unsigned count)
{
    (void)one_step(rig, (struct frontend_input){.type = FRONTEND_IN_ROUTES_BEGIN});
    for (unsigned i = first; i < first + count; i++) {
        char name[8];
        struct frontend_input input = {.type = FRONTEND_IN_ROUTES_QUEUE};

        (void)snprintf(name, sizeof name, "q%u", i);
        input.u.queue.name = hf_slice_of_cstr(name);
        input.u.queue.broker = 1;
        (void)one_step(rig, input);
    }
    (void)one_step(rig, (struct frontend_input){.type = FRONTEND_IN_ROUTES_END});
}

/* Without a broker, so that no open handle keeps a queue that has left the routes. */
static void queue_past_the_limit_has_no_routes_until_another_goes(void **state)
{
    struct rig *rig = rig_new();

    (void)state;
    rig_routes(rig, "", 0);
    route_queues(rig, 1, QUEUES_MAX + 1);
    (void)rig_trace(rig);

    assert_int_not_equal(rig_ask(rig, (struct rig_request){.queue = "q8"}), 0);
    assert_string_equal(rig_trace(rig), "accept id=1 tag=101\n");
    assert_int_equal(rig_ask(rig, (struct rig_request){.queue = "q9"}), 0);
    assert_string_equal(rig_trace(rig), "problem id=2 tag=102 no-routes\n");

    route_queues(rig, 2, QUEUES_MAX - 1);
    route_queues(rig, 2, QUEUES_MAX);
    (void)rig_trace(rig);
    assert_int_not_equal(rig_ask(rig, (struct rig_request){.queue = "q9"}), 0);
    rig_free(rig);
}

static void name_past_the_limit_is_no_queue(void **state)
{
    char name[257];
    struct rig *rig = rig_new();

    (void)state;
    memset(name, 'a', 256);
    name[256] = 0;
    rig_routes(rig, name, 1);
    (void)rig_trace(rig);

    assert_int_equal(rig_ask(rig, (struct rig_request){.queue = name}), 0);
    assert_string_equal(rig_trace(rig), "problem id=1 tag=101 no-routes\n");
    name[255] = 0;
    rig_routes(rig, name, 1);
    assert_int_not_equal(rig_ask(rig, (struct rig_request){.queue = name}), 0);
    rig_free(rig);
}

/* What a thousand requests want at once is done over several steps. */
static void effects_of_one_step_are_limited(void **state)
{
    struct rig *rig = rig_new();
    struct frontend_input opened = {.type = FRONTEND_IN_OPENED, .broker = 1};
    uint32_t enqueued = 0;
    unsigned steps = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_not_equal(rig_get(rig), 0);
    }
    rig_up(rig, 1);
    opened.u.opened.handle = rig->handle;
    (void)one_step(rig, opened);
    do {
        assert_true(rig->effects.count <= FRONTEND_EFFECTS_MAX);
        for (uint32_t i = 0; i < rig->effects.count; i++) {
            enqueued += rig->effects.items[i].type == FRONTEND_OUT_ENQUEUE;
        }
        assert_true(++steps < 1000);
        (void)one_step(rig, (struct frontend_input){.type = FRONTEND_IN_TICK});
    } while (rig->effects.count > 0);

    assert_int_equal(enqueued, 1000);
    assert_true(steps > 1);
    rig_free(rig);
}

static void deadlines_of_a_thousand_requests_end_over_several_steps(void **state)
{
    struct rig *rig = rig_new_open();
    unsigned steps = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        rig_get(rig);
    }
    rig->now_ms += 601000;
    do {
        (void)one_step(rig, (struct frontend_input){.type = FRONTEND_IN_TICK});
        assert_true(rig->effects.count <= FRONTEND_EFFECTS_MAX);
        assert_true(++steps < 1000);
    } while (
        hf_time_reached(frontend_next_deadline(rig->core), hf_time_of_ms(rig->now_ms)));

    assert_int_equal(frontend_held_count(rig->core), 0);
    assert_true(steps > 1);
    rig_free(rig);
}

/* Timers of those that live longer than a moment: FRONTEND_AGED_MAX in a step. */
static void timers_of_three_hundred_requests_start_over_two_steps(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        rig_get(rig);
    }
    assert_int_equal(frontend_next_deadline(rig->core).us, (rig->now_ms + 1000) * 1000);
    rig->now_ms += 1000;

    (void)one_step(rig, (struct frontend_input){.type = FRONTEND_IN_TICK});
    assert_true(
        hf_time_reached(frontend_next_deadline(rig->core), hf_time_of_ms(rig->now_ms)));
    (void)one_step(rig, (struct frontend_input){.type = FRONTEND_IN_TICK});
    assert_int_equal(frontend_next_deadline(rig->core).us,
                     (rig->now_ms + 599000) * 1000);
    assert_int_equal(frontend_held_count(rig->core), 300);
    rig_free(rig);
}

/* A broker may give any window; no piece and no step grows with it. */
static void pieces_are_limited_in_size_and_number(void **state)
{
    struct rig *rig = rig_new_open();
    uint32_t slot = rig_ask(rig, (struct rig_request){.length = 20000000});
    uint64_t sent = 0;

    (void)state;
    rig_admitted(rig, 1);
    for (unsigned i = 0; i < 20; i++) {
        rig_body(rig, slot, 1000000, i == 19);
    }
    (void)rig_trace(rig);
    rig_window(rig, 1, 19000000);

    for (const char *at = rig_trace(rig); (at = strstr(at, "amount=")) != NULL; at++) {
        unsigned amount = 0;

        assert_int_equal(sscanf(at, "amount=%u", &amount), 1);
        assert_true(amount <= PIECE_MAX);
        sent += amount;
    }
    assert_int_equal(sent, 20000000 - FRONTEND_BODY_WINDOW);
    rig_free(rig);
}

static void body_of_the_inline_limit_is_inline_and_one_byte_more_a_stream(void **state)
{
    struct rig *rig = rig_new_open();

    (void)state;
    for (uint32_t more = 0; more < 2; more++) {
        uint32_t slot = rig_ask(rig, (struct rig_request){.length = INLINE_MAX + more});
        const char *trace;

        if (more == 0) {
            rig_body(rig, slot, INLINE_MAX, true);
        }
        trace = strstr(rig_trace(rig), "enqueue");
        assert_non_null(trace);
        /* Flag 4: the body follows in BODY records (PROTOCOL.md 3.3). */
        assert_int_equal(strstr(trace, "flags=5") != NULL, more == 1);
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_past_the_limit_has_no_routes_until_another_goes),
        cmocka_unit_test(name_past_the_limit_is_no_queue),
        cmocka_unit_test(effects_of_one_step_are_limited),
        cmocka_unit_test(timers_of_three_hundred_requests_start_over_two_steps),
        cmocka_unit_test(deadlines_of_a_thousand_requests_end_over_several_steps),
        cmocka_unit_test(pieces_are_limited_in_size_and_number),
        cmocka_unit_test(body_of_the_inline_limit_is_inline_and_one_byte_more_a_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
