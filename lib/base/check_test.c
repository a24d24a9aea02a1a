#include "lib/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void fail_in_child(void)
{
    int one = 1;

    (void)close(STDERR_FILENO);
    hf_check(one == 2);
    _exit(0);
}

static void failed_check_aborts_the_process(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        fail_in_child();
    }
    assert_int_equal(waitpid(child, &status, 0), child);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void release(int **place)
{
    ++**place;
}

static void scoped_variable_is_released_at_the_end_of_its_scope(void **state)
{
    (void)state;
    int seen = 0;

    {
        HF_AUTO(release) int *place = &seen;

        assert_int_equal(*place, 0);
    }

    assert_int_equal(seen, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_check_aborts_the_process),
        cmocka_unit_test(scoped_variable_is_released_at_the_end_of_its_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
