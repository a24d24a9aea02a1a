#include "tests/scenario/worker_process.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 48

/* OUT/tests/tests/scenario/X lies beside OUT/bin/holdfast-worker. */
static void program_path(char *out, size_t bytes)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    hf_check(length > 0);
    self[length] = '\0';
    for (int i = 0; i < 4; i++) {
        char *slash = strrchr(self, '/');

        hf_check(slash != NULL);
        *slash = '\0';
    }
    hf_check((size_t)snprintf(out, bytes, "%s/bin/holdfast-worker", self) < bytes);
    if (access(out, X_OK) != 0) {
        fprintf(stderr, "SKIP: %s is not built\n", out);
        exit(77);
    }
}

/* The child dies with us, however we end: a failed test must not leave it running. */
static pid_t start(const char *const *argv)
{
    pid_t parent = getpid();
    pid_t child = fork();

    hf_check(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            /* The cast is what execv's old interface asks for; it changes nothing. */
            (void)execv(argv[0], (char *const *)(uintptr_t)argv);
        }
        _exit(127);
    }
    return child;
}

struct worker_process *worker_process_new(const char *const *flags)
{
    struct worker_process *p = calloc(1, sizeof *p);
    char program[PATH_MAX];
    const char *argv[ARGUMENTS_MAX] = {program, "--queue", "web", "--broker"};
    size_t count = 4;

    hf_check(p != NULL);
    program_path(program, sizeof program);
    (void)snprintf(p->directory, sizeof p->directory, "/tmp/hf-worker-XXXXXX");
    hf_check(mkdtemp(p->directory) != NULL);
    p->broker = fake_broker_new(p->directory);
    argv[count++] = p->broker->address;
    argv[count++] = "--key";
    argv[count++] = p->broker->credentials;
    argv[count++] = "--token";
    argv[count++] = p->broker->credentials;
    while (*flags != NULL) {
        hf_check(count < ARGUMENTS_MAX - 1);
        argv[count++] = *flags++;
    }
    argv[count] = NULL;
    p->pid = start(argv);
    return p;
}

void worker_process_signal(struct worker_process *p, int signal_number)
{
    hf_check(kill(p->pid, signal_number) == 0);
}

int worker_process_wait(struct worker_process *p)
{
    for (int i = 0; i < 2000 && !p->is_reaped; i++) {
        struct timespec pause = {.tv_nsec = 5000000};

        if (waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
            p->is_reaped = true;
        } else {
            (void)nanosleep(&pause, NULL);
        }
    }
    hf_check(p->is_reaped);
    return WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status);
}

void worker_process_free(struct worker_process *p)
{
    char path[128];

    if (!p->is_reaped) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, &p->status, 0);
    }
    fake_broker_free(p->broker);
    (void)snprintf(path, sizeof path, "%s/worker.key", p->directory);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/b.sock", p->directory);
    (void)unlink(path);
    (void)rmdir(p->directory);
    free(p);
}

int worker_process_shell(const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    pid_t pid = start(argv);
    int status = 0;

    hf_check(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
