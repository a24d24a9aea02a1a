/* Owns starting, watching and restarting the daemons. */
#include "controller/cli/up.h"

#include "controller/log_file.h"
#include "controller/spawn.h"
#include "lib/io/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ENVIRONMENT_MAX 32
#define LINE_BYTES      1024

const char *up_role_name(enum up_role role)
{
    static const char *const names[] = {"spawner", "mint", "controller", "broker",
                                        "frontend"};

    return names[role];
}

static struct up_child *add(struct up *up, enum up_role role, const char *name)
{
    struct up_child *child = &up->children[up->children_count++];

    hf_check(up->children_count <= UP_CHILDREN_MAX);
    *child = (struct up_child){.role = role, .name = name, .due = HF_TIME_ZERO};
    hf_credentials_init(&child->credentials);
    return child;
}

void up_children_make(struct up *up)
{
    (void)add(up, UP_SPAWNER, "spawner");
    (void)add(up, UP_MINT, "mint");
    (void)add(up, UP_CONTROLLER, "c1");
    for (size_t i = 0; i < up->config->brokers_count; i++) {
        add(up, UP_BROKER, up->config->brokers[i].name)->broker =
            &up->config->brokers[i];
    }
    for (size_t i = 0; i < up->config->frontends_count; i++) {
        add(up, UP_FRONTEND, up->config->frontends[i].name)->frontend =
            &up->config->frontends[i];
    }
}

static void log_path(const struct up *up, const struct up_child *child,
                     char out[CLI_PATH_BYTES])
{
    if (child->role < UP_BROKER) {
        cli_path(out, CLI_PATH_BYTES, "%s/log/%s.log", up->state,
                 up_role_name(child->role));
    } else {
        cli_path(out, CLI_PATH_BYTES, "%s/log/%s-%s.log", up->state,
                 up_role_name(child->role), child->name);
    }
}

static void back_off(struct up_child *child, int64_t ran_ms)
{
    if (ran_ms >= UP_STEADY_MS) {
        child->backoff_ms = 0;
    } else {
        child->backoff_ms =
            child->backoff_ms == 0 ? UP_BACKOFF_MS : child->backoff_ms * 2;
        if (child->backoff_ms > UP_BACKOFF_MS_MAX) {
            child->backoff_ms = UP_BACKOFF_MS_MAX;
        }
    }
    child->due = hf_time_add_ms(hf_clock_now(), child->backoff_ms);
}

static void wipe(struct hf_buf *buf)
{
    hf_slice bytes = hf_buf_slice(buf);

    if (bytes.bytes > 0) {
        hf_wipe((void *)(uintptr_t)bytes.data, bytes.bytes);
    }
    hf_buf_fini(buf);
}

static void start(struct up *up, struct up_child *child)
{
    const char *environment[ENVIRONMENT_MAX];
    char log[CLI_PATH_BYTES];
    char error[CT_SPAWN_ERROR_BYTES] = "";
    struct stat before;
    struct hf_buf package;
    struct ct_spawn spawn = {
        .environment = environment, .log = log, .death_signal = SIGTERM};
    hf_err err = HF_OK;

    hf_buf_init(&package, HF_CREDENTIALS_BYTES_MAX);
    if (child->role == UP_BROKER || child->role == UP_FRONTEND) {
        err = hf_credentials_append(&child->credentials, &package);
        spawn.package = hf_buf_slice(&package);
    }
    (void)ct_spawn_environment(environment, ENVIRONMENT_MAX);
    log_path(up, child, log);
    child->log_from = stat(log, &before) == 0 ? before.st_size : 0;
    spawn.argv = up_command(up, child);
    if (err == HF_OK) {
        err = ct_spawn(&spawn, &child->pid, error);
    }
    wipe(&package);
    if (err != HF_OK) {
        child->pid = 0;
        up_say("%s %s not started: %s", up_role_name(child->role), child->name, error);
        back_off(child, 0);
        return;
    }
    child->started = hf_clock_now();
    child->since_ms = ct_spawn_since_ms(child->pid);
    child->is_ready = false;
    up_say("%s %s started (pid %d)", up_role_name(child->role), child->name,
           (int)child->pid);
    up_state_note(up);
}

void up_children_bound_logs(const struct up *up)
{
    char log[CLI_PATH_BYTES];

    for (size_t i = 0; i < up->children_count; i++) {
        log_path(up, &up->children[i], log);
        (void)ct_log_bound(log);
    }
}

void up_children_run(struct up *up)
{
    hf_time now = hf_clock_now();

    for (size_t i = 0; i < up->children_count; i++) {
        struct up_child *child = &up->children[i];
        bool needs_package = child->role == UP_BROKER || child->role == UP_FRONTEND;

        if (child->pid != 0 || !up_is_kept(up, child->role) ||
            !hf_time_reached(child->due, now)) {
            continue;
        }
        if (needs_package && !up_identity_ensure(up, child)) {
            return; /* the controller is not there yet; the next tick asks again */
        }
        start(up, child);
    }
}

static bool is_error(const char *line)
{
    return strstr(line, "level=error ") != NULL ||
           strstr(line, "\"level\":\"error\"") != NULL;
}

/* A log says more than a status: the first error of the run that ended, else its last
 * line. What a terminal could take for more than text is left out. */
static void say_why(const struct up *up, const struct up_child *child)
{
    char path[CLI_PATH_BYTES];
    char line[LINE_BYTES];
    char said[LINE_BYTES] = "";
    FILE *file = NULL;

    log_path(up, child, path);
    file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    if (fseeko(file, 0, SEEK_END) == 0 && ftello(file) >= child->log_from) {
        (void)fseeko(file, child->log_from, SEEK_SET);
    } else {
        rewind(file); /* set aside meanwhile */
    }
    while (!is_error(said) && fgets(line, sizeof line, file) != NULL) {
        (void)snprintf(said, sizeof said, "%s", line);
    }
    (void)fclose(file);
    said[strcspn(said, "\n")] = '\0';
    for (char *at = said; *at != '\0'; at++) {
        *at = *at < ' ' || *at > '~' ? '?' : *at;
    }
    if (said[0] != '\0') {
        up_say("  %s", said);
    }
}

static void take_end(struct up *up, struct up_child *child, int status)
{
    int64_t ran_ms = hf_time_diff_ms(child->started, hf_clock_now());
    bool is_wanted = up_is_kept(up, child->role);

    if (!is_wanted) {
        up_say("%s %s ended", up_role_name(child->role), child->name);
    } else if (WIFSIGNALED(status)) {
        up_say("%s %s died (pid %d, signal %d, ran %.1f s)", up_role_name(child->role),
               child->name, (int)child->pid, WTERMSIG(status), (double)ran_ms / 1000);
    } else {
        up_say("%s %s died (pid %d, status %d, ran %.1f s)", up_role_name(child->role),
               child->name, (int)child->pid, WEXITSTATUS(status),
               (double)ran_ms / 1000);
        if (ran_ms < UP_STEADY_MS) {
            say_why(up, child);
        }
    }
    child->pid = 0;
    child->is_ready = false;
    back_off(child, ran_ms);
}

void up_children_reap(struct up *up)
{
    int status = 0;
    pid_t pid = 0;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < up->children_count; i++) {
            if (up->children[i].pid == pid) {
                take_end(up, &up->children[i], status);
            }
        }
    }
}

void up_child_signal(const struct up_child *child, int signal_number)
{
    if (child->pid > 0) {
        (void)kill(child->pid, signal_number);
    }
}
