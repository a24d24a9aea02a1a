/* holdfast-spawner: the parent of a host's workers. One thread, no network, no keys of
 * its own: a package only passes through on its way to a child. */
#include "controller/children.h"
#include "controller/log_file.h"
#include "controller/orphans.h"
#include "controller/peers.h"
#include "controller/spawn.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/io/program.h"
#include "lib/wire/messages.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 256
#define FORCED_END_MS 2000
#define USER_VARIABLE "HOLDFAST_USER="
#define LOOK_EVERY_MS 1000
#define PATH_BYTES    4096

static const struct hf_flag flags_table[] = {
    {"listen", "PATH", NULL, "Unix socket for the controller, mode 0600.", false},
    {"logs", "DIRECTORY", NULL,
     "Standard output and error of workers go to files here.", false},
    {"shutdown-limit", "DURATION", "90s",
     "On SIGTERM workers have this long to finish before they are killed.", false},
    {"log-format", "FORMAT", "logfmt", "logfmt or json.", false},
    {"log-level", "LEVEL", "info", "Lines from this level: debug, info, warn.", false},
};

static const struct hf_program program = {
    .name = "holdfast-spawner",
    .summary = "start and watch the workers of a host",
    .usage = "--listen PATH --logs DIRECTORY [flags]",
    .description =
        "The parent of all workers, so that they outlive the controller. It starts "
        "what the\n"
        "controller asks for, reports what ended, and hands its table to each new\n"
        "controller. Workers die with it.\n\n"
        "SIGTERM ends all workers (SIGTERM, then SIGKILL after the shutdown limit); "
        "SIGINT\n"
        "does so within two seconds.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 8,
};

struct spawner {
    struct hf_loop *loop;
    struct ct_peers *peers;
    struct hf_timer *timer;
    struct hf_timer *look;
    struct ct_children children;
    const char *logs;
    int64_t shutdown_ms;
    uint64_t launches_count;
    bool is_stopping;
};

static void set_timer(struct spawner *s)
{
    hf_time due = HF_TIME_NEVER;

    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        if (s->children.rows[i].pid != 0) {
            due = hf_time_min(due, s->children.rows[i].kill_at);
        }
    }
    hf_timer_set(s->timer, due);
}

static void on_timer(void *ctx)
{
    struct spawner *s = ctx;
    hf_time now = hf_clock_now();

    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        struct ct_child *row = &s->children.rows[i];

        if (row->pid != 0 && hf_time_reached(row->kill_at, now)) {
            HF_WARN("worker killed", hf_log_cstr("name", row->name),
                    hf_log_cstr("reason", "did not end in time"));
            (void)kill(row->pid, SIGKILL);
            row->kill_at = HF_TIME_NEVER;
        }
    }
    set_timer(s);
}

static void report_exit(struct spawner *s, const struct ct_child *row, int status)
{
    struct hf_buf meta;
    const struct hf_exited exited = {
        .pid = row->pid,
        .name = hf_slice_of_cstr(row->name),
        .label = hf_slice_of(row->label, row->label_bytes),
        .status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .ran_ms = hf_time_ms(hf_clock_now()) - row->since_ms,
    };

    HF_INFO("worker ended", hf_log_cstr("name", row->name), hf_log_int("pid", row->pid),
            hf_log_int("status", exited.status), hf_log_int("signal", exited.signal),
            hf_log_int("ran_ms", exited.ran_ms));
    hf_buf_init(&meta, HF_META_MAX);
    if (hf_exited_append(&exited, &meta) == HF_OK) {
        const struct hf_record record = {.type = HF_RECORD_EXITED,
                                         .meta = hf_buf_slice(&meta)};

        ct_peers_send_all(s->peers, &record);
    }
    hf_buf_fini(&meta);
}

static void on_child(void *ctx)
{
    struct spawner *s = ctx;
    int status = 0;
    pid_t pid = 0;
    bool has_ended = false;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct ct_child *row = ct_children_find(&s->children, pid);

        if (row == NULL) {
            continue; /* an orphan that came to us */
        }
        (void)kill(-pid, SIGKILL); /* what is left of its process group */
        report_exit(s, row, status);
        ct_children_remove(&s->children, row);
        has_ended = true;
    }
    if (has_ended) {
        ct_orphans_end(&s->children);
    }
    if (s->is_stopping && s->children.count == 0) {
        hf_loop_stop(s->loop);
    }
}

static void log_path(const struct spawner *s, hf_slice name, char out[PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, "%s/worker-%.*s.log", s->logs, (int)name.bytes,
                   (const char *)name.data);
    for (char *at = out + strlen(s->logs) + 1; *at != '\0'; at++) {
        *at = *at == '/' ? '-' : *at;
    }
}

static void bound_logs(const struct spawner *s)
{
    char path[PATH_BYTES];

    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        const struct ct_child *row = &s->children.rows[i];

        if (row->pid == 0) {
            continue;
        }
        log_path(s, hf_slice_of_cstr(row->name), path);
        if (ct_log_bound(path)) {
            HF_INFO("log set aside", hf_log_cstr("name", row->name));
        }
    }
}

static void on_look(void *ctx)
{
    struct spawner *s = ctx;

    ct_orphans_end(&s->children);
    bound_logs(s);
}

static void end_all(struct spawner *s, int64_t limit_ms)
{
    hf_time kill_at = hf_time_add_ms(hf_clock_now(), limit_ms);

    s->is_stopping = true;
    for (size_t i = 0; i < CT_CHILDREN_MAX; i++) {
        struct ct_child *row = &s->children.rows[i];

        if (row->pid != 0) {
            (void)kill(row->pid, SIGTERM);
            row->kill_at = hf_time_min(row->kill_at, kill_at);
        }
    }
    set_timer(s);
    if (s->children.count == 0) {
        hf_loop_stop(s->loop);
    }
}

static void on_terminate(void *ctx)
{
    struct spawner *s = ctx;

    HF_INFO("spawner stopping", hf_log_int("workers", (int64_t)s->children.count));
    end_all(s, s->shutdown_ms);
}

static void on_interrupt(void *ctx)
{
    end_all(ctx, FORCED_END_MS);
}

static void answer_launch(struct spawner *s, size_t peer,
                          const struct hf_launched *answer)
{
    struct hf_buf meta;

    hf_buf_init(&meta, HF_META_MAX);
    if (hf_launched_append(answer, &meta) == HF_OK) {
        const struct hf_record record = {.type = HF_RECORD_LAUNCHED,
                                         .meta = hf_buf_slice(&meta)};

        ct_peers_send(s->peers, peer, &record);
    }
    hf_buf_fini(&meta);
}

/* A NUL-terminated copy in the arena, or NULL. */
static const char *copy_text(struct hf_arena *arena, hf_slice text)
{
    char *copy = hf_arena_get(arena, text.bytes + 1);

    if (copy == NULL || hf_slice_find(text, 0) != text.bytes) {
        return NULL;
    }
    if (text.bytes > 0) {
        memcpy(copy, text.data, text.bytes);
    }
    copy[text.bytes] = '\0';
    return copy;
}

struct plan {
    const char *argv[ARGUMENTS_MAX + 1];
    const char *environment[ARGUMENTS_MAX + 1];
    char mark[CT_CHILD_MARK_BYTES];
    char variable[sizeof CT_ORPHAN_VARIABLE + CT_CHILD_MARK_BYTES];
    char log[PATH_BYTES];
    struct ct_spawn spawn;
};

static bool copy_environment(struct spawner *s, const struct hf_launch *launch,
                             struct hf_arena *arena, struct plan *plan)
{
    size_t count = ct_spawn_environment(plan->environment, ARGUMENTS_MAX / 2);

    (void)snprintf(plan->mark, sizeof plan->mark, "%d.%llu", (int)getpid(),
                   (unsigned long long)++s->launches_count);
    (void)snprintf(plan->variable, sizeof plan->variable, CT_ORPHAN_VARIABLE "%s",
                   plan->mark);
    plan->environment[count++] = plan->variable;
    for (size_t i = 0; i < launch->environment_count; i++) {
        const char *text = copy_text(arena, launch->environment[i]);

        if (text == NULL || count == ARGUMENTS_MAX) {
            return false;
        }
        if (strncmp(text, USER_VARIABLE, strlen(USER_VARIABLE)) == 0) {
            plan->spawn.user = text + strlen(USER_VARIABLE);
        } else {
            plan->environment[count++] = text;
        }
    }
    plan->environment[count] = NULL;
    return true;
}

static bool make_plan(struct spawner *s, const struct hf_launch *launch,
                      struct hf_arena *arena, struct plan *plan)
{
    memset(plan, 0, sizeof *plan);
    if (launch->argv_count == 0 || launch->argv_count > ARGUMENTS_MAX ||
        !copy_environment(s, launch, arena, plan)) {
        return false;
    }
    for (size_t i = 0; i < launch->argv_count; i++) {
        plan->argv[i] = copy_text(arena, launch->argv[i]);
        if (plan->argv[i] == NULL) {
            return false;
        }
    }
    log_path(s, launch->name, plan->log);
    (void)ct_log_bound(plan->log);
    plan->spawn.argv = plan->argv;
    plan->spawn.environment = plan->environment;
    plan->spawn.log = plan->log;
    plan->spawn.package = launch->package;
    plan->spawn.death_signal = SIGKILL;
    plan->spawn.is_confined = true;
    if (launch->directory.bytes > 0) {
        plan->spawn.directory = copy_text(arena, launch->directory);
    }
    return true;
}

static void launch(struct spawner *s, size_t peer, hf_slice meta)
{
    static struct plan plan;
    struct hf_launched answer = {0};
    struct hf_launch request;
    struct hf_arena arena;
    struct ct_child *row = NULL;
    char error[CT_SPAWN_ERROR_BYTES] = "malformed request";
    pid_t pid = 0;
    hf_err err = HF_OK;

    hf_arena_init(&arena, (size_t)HF_META_LIST_MAX * HF_LIST_COST + 65536);
    err = hf_launch_decode(meta, &arena, &request);
    if (err == HF_OK) {
        answer.nonce = request.nonce;
        err = ct_children_check(&s->children, request.name, request.label);
        (void)snprintf(error, sizeof error, "name or label: %s", hf_err_text(err));
    }
    if (err == HF_OK && (s->is_stopping || !make_plan(s, &request, &arena, &plan))) {
        (void)snprintf(error, sizeof error, "%s",
                       s->is_stopping ? "stopping" : "malformed request");
        err = HF_ERR_INVALID;
    }
    if (err == HF_OK) {
        err = ct_spawn(&plan.spawn, &pid, error);
    }
    if (err == HF_OK) {
        answer.pid = pid;
        row = ct_children_add(&s->children, pid, request.name, request.label);
        memcpy(row->mark, plan.mark, sizeof row->mark);
        HF_INFO("worker started", hf_log_slice("name", request.name),
                hf_log_int("pid", pid));
    } else {
        answer.error = hf_slice_of_cstr(error);
        HF_WARN("worker not started", hf_log_cstr("error", error));
    }
    answer_launch(s, peer, &answer);
    hf_arena_fini(&arena);
}

static void list(struct spawner *s, size_t peer, hf_slice meta)
{
    static struct hf_child rows[CT_CHILDREN_MAX];
    struct hf_list_children query;
    struct hf_listed listed = {0};
    struct hf_buf out;

    if (hf_list_children_decode(meta, &query) != HF_OK) {
        return;
    }
    hf_buf_init(&out, HF_META_LIST_MAX);
    listed.nonce = query.nonce;
    listed.children_count = ct_children_list(&s->children, rows);
    listed.children = rows;
    if (hf_listed_append(&listed, &out) == HF_OK) {
        const struct hf_record record = {.type = HF_RECORD_LISTED,
                                         .meta = hf_buf_slice(&out)};

        ct_peers_send(s->peers, peer, &record);
    }
    hf_buf_fini(&out);
}

static void send_signal(struct spawner *s, hf_slice meta)
{
    struct hf_signal_child request;
    struct ct_child *row = NULL;

    if (hf_signal_child_decode(meta, &request) != HF_OK || request.signal == 0 ||
        request.signal >= NSIG) {
        return;
    }
    row = ct_children_find(&s->children, (pid_t)request.pid);
    if (row != NULL) {
        (void)kill(row->pid, (int)request.signal);
    }
}

static void on_record(void *ctx, size_t peer, const struct hf_record *record)
{
    struct spawner *s = ctx;

    if (hf_record_check(record, HF_END_CONTROLLER, HF_END_SPAWNER) != HF_OK) {
        HF_WARN("record refused", hf_log_int("type", record->type));
    } else if (record->type == HF_RECORD_LAUNCH) {
        launch(s, peer, record->meta);
    } else if (record->type == HF_RECORD_LIST) {
        list(s, peer, record->meta);
    } else {
        send_signal(s, record->meta);
    }
}

static hf_err open_all(struct spawner *s, const char *path)
{
    const struct ct_peers_config config = {
        .path = path, .on_record = on_record, .ctx = s};
    static const struct {
        int number;
        hf_loop_fn fn;
    } signals[] = {
        {SIGCHLD, on_child}, {SIGTERM, on_terminate}, {SIGINT, on_interrupt}};
    struct hf_signal *ignored = NULL; /* the loop closes it */
    hf_err err = hf_loop_new(&s->loop);

    for (size_t i = 0; err == HF_OK && i < sizeof signals / sizeof signals[0]; i++) {
        err = hf_signal_open(s->loop, signals[i].number, signals[i].fn, s, &ignored);
    }
    if (err == HF_OK) {
        err = hf_timer_open(s->loop, on_timer, s, &s->timer);
    }
    if (err == HF_OK) {
        err = hf_timer_open(s->loop, on_look, s, &s->look);
    }
    if (err == HF_OK) {
        hf_timer_set_every_ms(s->look, LOOK_EVERY_MS);
        err = ct_peers_open(s->loop, &config, &s->peers);
    }
    return err;
}

static int run(const struct hf_flags *flags)
{
    static struct spawner spawner;
    const char *listen = hf_flags_get(flags, "listen");
    hf_err err = HF_OK;

    spawner.logs = hf_flags_get(flags, "logs");
    if (listen == NULL || spawner.logs == NULL) {
        return hf_program_complain(flags, "--listen and --logs are needed; see --help",
                                   NULL);
    }
    if (!hf_program_duration(flags, "shutdown-limit", &spawner.shutdown_ms)) {
        return HF_PROGRAM_MISUSED;
    }
    ct_orphans_adopt();
    err = open_all(&spawner, listen);
    if (err == HF_OK) {
        HF_INFO("spawner ready", hf_log_cstr("socket", listen));
        hf_loop_run(spawner.loop);
        ct_orphans_end(&spawner.children);
        HF_INFO("spawner stopped", hf_log_cstr("socket", listen));
    } else {
        HF_ERROR("spawner cannot serve", hf_log_cstr("error", hf_err_text(err)));
    }
    ct_peers_close(spawner.peers);
    hf_loop_free(spawner.loop);
    return err == HF_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct hf_flags flags;
    int status = hf_program_start(&program, argc, argv, &flags);

    if (status != HF_PROGRAM_GOES_ON) {
        return status;
    }
    (void)umask(077);
    return run(&flags);
}
