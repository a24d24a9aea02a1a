#include "controller/spawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void running_process_has_a_start_and_no_end(void **state)
{
    (void)state;

    assert_true(ct_spawn_since_ms(getpid()) > 0);
    assert_false(ct_spawn_has_ended(getpid()));
}

static void process_that_nobody_waits_for_has_ended(void **state)
{
    siginfo_t info;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(0);
    }
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);

    assert_true(ct_spawn_has_ended(pid));
    assert_true(ct_spawn_since_ms(pid) > 0);

    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(ct_spawn_has_ended(pid));
    assert_int_equal(ct_spawn_since_ms(pid), 0);
}

static void no_process_has_no_start(void **state)
{
    (void)state;

    assert_int_equal(ct_spawn_since_ms(0), 0);
    assert_int_equal(ct_spawn_since_ms(-1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_process_has_a_start_and_no_end),
        cmocka_unit_test(process_that_nobody_waits_for_has_ended),
        cmocka_unit_test(no_process_has_no_start),
    };

    return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
