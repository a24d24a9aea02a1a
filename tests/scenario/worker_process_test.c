/* What a test leaves running when it ends without cleaning up: nothing. */
#include "tests/scenario/worker_process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

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

/* Runs end_badly in a process of its own: its status, and what it wrote. */
static int run_self(const char *signal_number, char *text, size_t bytes)
{
    const char *argv[] = {self, signal_number, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t child = 0;
    int status = 0;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
    /* The cast is what posix_spawn's old interface asks for; it changes nothing. */
    assert_int_equal(posix_spawn(&child, self, &actions, NULL,
                                 (char *const *)(uintptr_t)argv, environ),
                     0);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    ssize_t got = read(ends[0], text, bytes - 1);

    text[got > 0 ? got : 0] = '\0';
    (void)close(ends[0]);
    return status;
}

static void worker_of_a_test_that_ends_by(const char *signal_number)
{
    char command[128];
    char text[128];
    char directory[64] = "";
    int pid = 0;
    int status = run_self(signal_number, text, sizeof text);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip(); /* the program is not built */
    }

    int count = sscanf(text, "%d %63s", &pid, directory);

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
