/* Owns fork and what lies between it and exec. The child's part calls only functions
 * that are safe after fork. */
#include "controller/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PACKAGE_FD 3
#define SAFE_FD    64 /* where descriptors wait until 0..3 are free */

enum step {
    STEP_SESSION,
    STEP_DIRECTORY,
    STEP_STDIO,
    STEP_USER,
    STEP_LIMITS,
    STEP_PRIVILEGES,
    STEP_DEATH,
    STEP_EXEC
};

static const char *const step_names[] = {
    [STEP_SESSION] = "setsid",     [STEP_DIRECTORY] = "chdir",
    [STEP_STDIO] = "descriptors",  [STEP_USER] = "change of user",
    [STEP_LIMITS] = "limits",      [STEP_PRIVILEGES] = "no new privileges",
    [STEP_DEATH] = "death signal", [STEP_EXEC] = "exec",
};

struct failure {
    int step;
    int number;
};

/* Everything the child needs, made ready before fork. */
struct plan {
    const struct ct_spawn *request;
    pid_t parent;
    int report; /* close-on-exec: gone when the program runs */
    int package;
    int log;
    int null;
    bool changes_user;
    uid_t uid;
    gid_t gid;
};

static bool reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++) {
        if (i != SIGKILL && i != SIGSTOP) {
            (void)signal(i, SIG_DFL);
        }
    }
    (void)sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* 0 from /dev/null, 1 and 2 to the log, 3 the package, nothing else but the report. */
static bool arrange_descriptors(struct plan *plan)
{
    int package = plan->package < 0 ? -1 : fcntl(plan->package, F_DUPFD, SAFE_FD);
    int report = fcntl(plan->report, F_DUPFD_CLOEXEC, SAFE_FD);
    int log = plan->log < 0 ? -1 : fcntl(plan->log, F_DUPFD, SAFE_FD);
    int first = 3;

    if (report < 0 || (plan->package >= 0 && package < 0) ||
        (plan->log >= 0 && log < 0) || dup2(plan->null, 0) < 0) {
        return false;
    }
    if (log >= 0 && (dup2(log, 1) < 0 || dup2(log, 2) < 0)) {
        return false;
    }
    if (package >= 0) {
        if (dup2(package, PACKAGE_FD) < 0) {
            return false;
        }
        first = PACKAGE_FD + 1;
    }
    if (dup3(report, first, O_CLOEXEC) < 0) {
        return false;
    }
    plan->report = first;
    return close_range((unsigned)first + 1, ~0u, 0) == 0;
}

static bool change_user(const struct plan *plan)
{
    if (!plan->changes_user) {
        return true;
    }
    if (setgroups(0, NULL) != 0 || setresgid(plan->gid, plan->gid, plan->gid) != 0 ||
        setresuid(plan->uid, plan->uid, plan->uid) != 0) {
        return false;
    }
    return setuid(0) != 0; /* there must be no way back */
}

static bool limit(void)
{
    const struct rlimit none = {0, 0};

    (void)umask(077);
    return setrlimit(RLIMIT_CORE, &none) == 0;
}

/* The death signal is cleared by a change of user, so it comes after; and the parent
 * may have died before it was asked for. */
static bool bind_to_parent(const struct plan *plan)
{
    return plan->request->death_signal == 0 ||
           (prctl(PR_SET_PDEATHSIG, plan->request->death_signal) == 0 &&
            getppid() == plan->parent);
}

static _Noreturn void fail(const struct plan *plan, enum step step)
{
    const struct failure failure = {(int)step, errno};

    (void)!write(plan->report, &failure, sizeof failure);
    _exit(126);
}

static _Noreturn void run_child(struct plan *plan)
{
    const struct ct_spawn *r = plan->request;

    if (!reset_signals() || setsid() < 0) {
        fail(plan, STEP_SESSION);
    }
    if (r->directory != NULL && chdir(r->directory) != 0) {
        fail(plan, STEP_DIRECTORY);
    }
    if (!arrange_descriptors(plan)) {
        fail(plan, STEP_STDIO);
    }
    if (!change_user(plan)) {
        fail(plan, STEP_USER);
    }
    if (r->is_confined && !limit()) {
        fail(plan, STEP_LIMITS);
    }
    if (r->is_confined && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        fail(plan, STEP_PRIVILEGES);
    }
    if (!bind_to_parent(plan)) {
        fail(plan, STEP_DEATH);
    }
    (void)execve(r->argv[0], (char *const *)(uintptr_t)r->argv,
                 (char *const *)(uintptr_t)r->environment);
    fail(plan, STEP_EXEC);
}

static hf_err complain(char *error, const char *what)
{
    (void)snprintf(error, CT_SPAWN_ERROR_BYTES, "%s: %s", what, strerror(errno));
    return HF_ERR_IO;
}

static hf_err find_user(struct plan *plan, char *error)
{
    const struct passwd *found = NULL;

    if (plan->request->user == NULL) {
        return HF_OK;
    }
    found = getpwnam(plan->request->user);
    if (found == NULL) {
        (void)snprintf(error, CT_SPAWN_ERROR_BYTES, "user \"%.64s\" does not exist",
                       plan->request->user);
        return HF_ERR_NOT_FOUND;
    }
    plan->changes_user = found->pw_uid != geteuid();
    plan->uid = found->pw_uid;
    plan->gid = found->pw_gid;
    return HF_OK;
}

/* A pipe that already holds the whole package: it fits the pipe's own buffer. */
static hf_err open_package(hf_slice package, int *out)
{
    int ends[2];

    *out = -1;
    if (package.bytes == 0) {
        return HF_OK;
    }
    if (package.bytes > CT_SPAWN_PACKAGE_BYTES_MAX) {
        return HF_ERR_TOO_BIG;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return HF_ERR_IO;
    }
    if (write(ends[1], package.data, package.bytes) != (ssize_t)package.bytes) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return HF_ERR_IO;
    }
    (void)close(ends[1]);
    *out = ends[0];
    return HF_OK;
}

static void close_plan(struct plan *plan)
{
    const int fds[] = {plan->report, plan->package, plan->log, plan->null};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

static hf_err open_plan(struct plan *plan, char *error)
{
    const struct ct_spawn *r = plan->request;
    hf_err err = find_user(plan, error);

    if (err != HF_OK) {
        return err;
    }
    if (open_package(r->package, &plan->package) != HF_OK) {
        return complain(error, "package");
    }
    plan->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (plan->null < 0) {
        return complain(error, "/dev/null");
    }
    if (r->log != NULL) {
        plan->log = open(r->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (plan->log < 0) {
            return complain(error, r->log);
        }
    }
    return HF_OK;
}

/* Reads what the child reports; nothing at all means that its program runs. */
static hf_err await_exec(int report, pid_t child, char *error)
{
    struct failure failure = {0};
    ssize_t bytes = 0;

    do {
        bytes = read(report, &failure, sizeof failure);
    } while (bytes < 0 && errno == EINTR);
    if (bytes == 0) {
        return HF_OK;
    }
    (void)waitpid(child, NULL, 0);
    (void)snprintf(error, CT_SPAWN_ERROR_BYTES, "%s: %s",
                   failure.step >= 0 && failure.step <= STEP_EXEC
                       ? step_names[failure.step]
                       : "start",
                   strerror(failure.number));
    return HF_ERR_IO;
}

hf_err ct_spawn(const struct ct_spawn *request, pid_t *out, char *error)
{
    struct plan plan = {.request = request,
                        .parent = getpid(),
                        .report = -1,
                        .package = -1,
                        .log = -1,
                        .null = -1};
    int ends[2] = {-1, -1};
    pid_t child = -1;
    hf_err err = open_plan(&plan, error);

    hf_check(request->argv[0] != NULL && request->environment != NULL);
    if (err == HF_OK && pipe2(ends, O_CLOEXEC) != 0) {
        err = complain(error, "pipe");
    }
    if (err == HF_OK) {
        plan.report = ends[1];
        child = fork();
        if (child == 0) {
            run_child(&plan);
        }
        err = child < 0 ? complain(error, "fork") : HF_OK;
    }
    close_plan(&plan);
    if (err == HF_OK) {
        err = await_exec(ends[0], child, error);
    }
    if (ends[0] >= 0) {
        (void)close(ends[0]);
    }
    if (err == HF_OK) {
        *out = child;
    }
    return err;
}

#define STAT_BYTES 1024

/* The fields of /proc/PID/stat from the third on, in `text`; NULL when there are none.
 * The name in field 2 may hold anything, so counting begins behind its last
 * parenthesis. */
static const char *read_stat(pid_t pid, char text[STAT_BYTES])
{
    char path[64];
    char *end = NULL;
    FILE *file = NULL;
    size_t bytes = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    bytes = fread(text, 1, STAT_BYTES - 1, file);
    (void)fclose(file);
    text[bytes] = '\0';
    end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end + 2 : NULL;
}

/* Field 22: clock ticks since the machine started. */
static bool read_start_ticks(pid_t pid, long long *out)
{
    char text[STAT_BYTES];
    const char *at = read_stat(pid, text);

    for (int field = 3; at != NULL && field < 22; field++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL) {
        return false;
    }
    *out = strtoll(at, NULL, 10);
    return *out > 0;
}

bool ct_spawn_has_ended(pid_t pid)
{
    char text[STAT_BYTES];
    const char *at = read_stat(pid, text);

    return at == NULL || *at == 'Z' || *at == 'X';
}

int64_t ct_spawn_since_ms(pid_t pid)
{
    struct timespec boot;
    struct timespec wall;
    long long ticks = 0;
    long per_second = sysconf(_SC_CLK_TCK);
    int64_t started_ms = 0;

    if (pid <= 0 || per_second <= 0 || !read_start_ticks(pid, &ticks)) {
        return 0;
    }
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    started_ms = ticks * 1000 / per_second;
    return wall.tv_sec * INT64_C(1000) + wall.tv_nsec / 1000000 -
           (boot.tv_sec * INT64_C(1000) + boot.tv_nsec / 1000000) + started_ms;
}

size_t ct_spawn_environment(const char **out, size_t count_max)
{
    static const char *const allowed[] = {
        "PATH=",         "LANG=",          "TZ=",           "TMPDIR=",
        "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS="};
    size_t count = 0;

    for (char **at = environ; *at != NULL; at++) {
        for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
            if (count + 1 < count_max &&
                strncmp(*at, allowed[i], strlen(allowed[i])) == 0) {
                out[count++] = *at;
            }
        }
    }
    out[count] = NULL;
    return count;
}
