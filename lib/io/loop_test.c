#include "lib/io/loop.h"

#include "lib/io/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct hf_loop *loop;
static char order[16];

static int set_up(void **state)
{
    (void)state;
    memset(order, 0, sizeof order);
    return hf_loop_new(&loop) == HF_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    hf_loop_free(loop);
    return 0;
}

static void note(void *ctx)
{
    order[strlen(order)] = *(const char *)ctx;
    if (*(const char *)ctx == '.') {
        hf_loop_stop(loop);
    }
}

static void timers_fire_in_order_of_time_and_never_early(void **state)
{
    struct hf_timer *a;
    struct hf_timer *b;
    hf_time now = hf_clock_now();

    (void)state;
    assert_int_equal(hf_timer_open(loop, note, (void *)(uintptr_t) ".", &a), HF_OK);
    assert_int_equal(hf_timer_open(loop, note, (void *)(uintptr_t) "b", &b), HF_OK);
    hf_timer_set(a, hf_time_add_ms(now, 20));
    hf_timer_set(b, hf_time_add_ms(now, 5));

    hf_loop_run(loop);

    assert_string_equal(order, "b.");
    assert_true(hf_time_diff_ms(now, hf_clock_now()) >= 20);
    hf_timer_close(a);
    hf_timer_close(b);
}

static void timer_set_to_never_does_not_fire(void **state)
{
    struct hf_timer *a;
    struct hf_timer *b;

    (void)state;
    assert_int_equal(hf_timer_open(loop, note, (void *)(uintptr_t) "x", &a), HF_OK);
    assert_int_equal(hf_timer_open(loop, note, (void *)(uintptr_t) ".", &b), HF_OK);
    hf_timer_set(a, HF_TIME_ZERO);
    hf_timer_set(a, HF_TIME_NEVER);
    hf_timer_set(b, hf_time_add_ms(hf_clock_now(), 5));

    hf_loop_run(loop);

    assert_string_equal(order, ".");
    hf_timer_close(a);
    hf_timer_close(b);
}

static void *post_from_thread(void *unused)
{
    (void)unused;
    assert_int_equal(hf_loop_post(loop, note, (void *)(uintptr_t) "1"), HF_OK);
    assert_int_equal(hf_loop_post(loop, note, (void *)(uintptr_t) "2"), HF_OK);
    assert_int_equal(hf_loop_post(loop, note, (void *)(uintptr_t) "."), HF_OK);
    return NULL;
}

static void posts_of_another_thread_run_in_order(void **state)
{
    struct hf_wake *keeps_open;
    pthread_t thread;

    (void)state;
    assert_int_equal(hf_wake_open(loop, note, (void *)(uintptr_t) "w", &keeps_open),
                     HF_OK);
    assert_int_equal(pthread_create(&thread, NULL, post_from_thread, NULL), 0);

    hf_loop_run(loop);

    pthread_join(thread, NULL);
    assert_string_equal(order, "12.");
    hf_wake_close(keeps_open);
}

static void *signal_wake(void *wake)
{
    hf_wake_signal(wake);
    return NULL;
}

static void wake_up_of_another_thread_runs_on_the_loop(void **state)
{
    struct hf_wake *wake;
    pthread_t thread;

    (void)state;
    assert_int_equal(hf_wake_open(loop, note, (void *)(uintptr_t) ".", &wake), HF_OK);
    assert_int_equal(pthread_create(&thread, NULL, signal_wake, wake), 0);

    hf_loop_run(loop);

    pthread_join(thread, NULL);
    hf_wake_close(wake);
}

static void signal_reaches_its_handler(void **state)
{
    struct hf_signal *signal_handle;

    (void)state;
    assert_int_equal(
        hf_signal_open(loop, SIGUSR1, note, (void *)(uintptr_t) ".", &signal_handle),
        HF_OK);
    kill(getpid(), SIGUSR1);

    hf_loop_run(loop);

    assert_string_equal(order, ".");
    hf_signal_close(signal_handle);
}

static void note_exit(void *ctx, int64_t exit_status, int signal_number)
{
    int64_t *seen = ctx;

    seen[0] = exit_status;
    seen[1] = signal_number;
    hf_loop_stop(loop);
}

static void child_gets_its_descriptors_and_its_end_is_reported(void **state)
{
    const char *const argv[] = {"sh", "-c", "echo $WORD >&3; exit 7", NULL};
    const char *const environment[] = {"WORD=hello", "PATH=/bin:/usr/bin", NULL};
    int ends[2];
    int64_t seen[2] = {-1, -1};
    struct hf_child *child;
    char bytes[16] = "";

    (void)state;
    assert_int_equal(pipe(ends), 0);
    const int fds[] = {-1, -1, -1, ends[1]};
    const struct hf_child_config config = {
        .argv = argv, .environment = environment, .fds = fds, .fds_count = 4};
    assert_int_equal(hf_child_open(loop, &config, note_exit, seen, &child), HF_OK);

    hf_loop_run(loop);

    assert_int_equal(seen[0], 7);
    assert_int_equal(seen[1], 0);
    assert_int_equal(read(ends[0], bytes, sizeof bytes - 1), 6);
    assert_string_equal(bytes, "hello\n");
    assert_int_equal(hf_child_kill(child, SIGTERM), HF_ERR_NOT_FOUND);
    hf_child_close(child);
    close(ends[0]);
    close(ends[1]);
}

static void program_that_does_not_exist_is_not_found(void **state)
{
    const char *const argv[] = {"/no/such/program", NULL};
    const struct hf_child_config config = {.argv = argv};
    struct hf_child *child;

    (void)state;
    assert_int_equal(hf_child_open(loop, &config, note_exit, NULL, &child),
                     HF_ERR_NOT_FOUND);
}

static void note_readable(void *ctx, int events, hf_err err)
{
    assert_int_equal(err, HF_OK);
    *(int *)ctx = events;
    hf_loop_stop(loop);
}

static void watch_reports_a_readable_descriptor(void **state)
{
    struct hf_watch *watch;
    int ends[2];
    int events = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(hf_watch_open(loop, ends[0], note_readable, &events, &watch),
                     HF_OK);
    assert_int_equal(hf_watch_set(watch, HF_WATCH_READ), HF_OK);
    assert_int_equal(write(ends[1], "x", 1), 1);

    hf_loop_run(loop);

    assert_int_equal(events, HF_WATCH_READ);
    hf_watch_close(watch);
    hf_loop_run_ready(loop);
    close(ends[0]);
    close(ends[1]);
}

static void clock_never_runs_backwards(void **state)
{
    hf_time before = hf_clock_now();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        hf_time now = hf_clock_now();

        assert_false(hf_time_before(now, before));
        before = now;
    }
    assert_true(llabs(hf_time_ms(before) / 1000 - hf_clock_wall_seconds()) <= 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(timers_fire_in_order_of_time_and_never_early),
        T(timer_set_to_never_does_not_fire),
        T(posts_of_another_thread_run_in_order),
        T(wake_up_of_another_thread_runs_on_the_loop),
        T(signal_reaches_its_handler),
        T(child_gets_its_descriptors_and_its_end_is_reported),
        T(program_that_does_not_exist_is_not_found),
        T(watch_reports_a_readable_descriptor),
        cmocka_unit_test(clock_never_runs_backwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
