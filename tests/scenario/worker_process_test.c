/* What a test leaves running when it ends without cleaning up: nothing. */
#include "tests/scenario/worker_process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *self;

/* As a test that is killed, or aborts, with a worker of its own. */
static int end_badly(int signal_number)
{
    struct worker_process *p =
        worker_process_new((const char *[]){"--module", "echo", NULL});

    printf("%d %s\n", (int)p->pid, p->directory);
    (void)fflush(stdout);
    (void)raise(signal_number);
    return 1;
}

/* Gone, or only not waited for (then it has no command line any more). */
static bool has_ended(int pid)
{
    char path[64];
    char byte;

    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", pid);

    FILE *file = fopen(path, "re");
    bool is_there = file != NULL && fread(&byte, 1, 1, file) == 1;

    if (file != NULL) {
        (void)fclose(file);
    }
    return !is_there;
}

static void worker_of_a_test_that_ends_by(const char *signal_number)
{
    char command[4200];
    char directory[64] = "";
    int pid = 0;

    (void)snprintf(command, sizeof command, "%s %s", self, signal_number);

    FILE *child = popen(command, "re");

    assert_non_null(child);
    int count = fscanf(child, "%d %63s", &pid, directory);
    int status = pclose(child);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip(); /* the program is not built */
    }
    assert_int_equal(count, 2);
    for (int i = 0; i < 1000 && !has_ended(pid); i++) {
        const struct timespec pause = {.tv_nsec = 5000000};

        (void)nanosleep(&pause, NULL);
    }

    bool is_gone = has_ended(pid);

    if (!is_gone) {
        (void)kill(pid, SIGKILL);
    }
    /* Not before: without its key it would have ended for itself. */
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(worker_process_shell(command), 0);
    assert_true(is_gone);
}

static void worker_dies_with_a_test_that_is_killed(void **state)
{
    (void)state;
    worker_of_a_test_that_ends_by("9");
}

static void worker_dies_with_a_test_that_aborts(void **state)
{
    (void)state;
    worker_of_a_test_that_ends_by("6");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_dies_with_a_test_that_is_killed),
        cmocka_unit_test(worker_dies_with_a_test_that_aborts),
    };

    if (argc == 2) {
        return end_badly(strcmp(argv[1], "9") == 0 ? SIGKILL : SIGABRT);
    }
    self = argv[0];
    return cmocka_run_group_tests_name("worker_process", tests, NULL, NULL);
}
