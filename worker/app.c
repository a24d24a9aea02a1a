/* The process of the app. It runs as its own group, so that a kill reaches what it has
 * started, and dies with us even when we are killed (PR_SET_PDEATHSIG). */
#include "worker/app.h"

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/io/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define APP_LINE_BYTES    1024
#define APP_PROBE_MS      50
#define APP_BACKOFF_MS    250
#define APP_BACKOFF_MAX   30000
#define APP_STEADY_MS     1000
#define APP_KILL_AFTER_MS 5000

extern char **environ;

/* One of the app's output streams. */
struct app_stream {
    const char *name;
    int fd;
    struct hf_watch *watch;
    char line[APP_LINE_BYTES];
    size_t line_bytes; /* the rest of an overlong line is dropped */
};

struct wk_app {
    const struct wk_app_config *config;
    struct hf_loop *loop;
    struct hf_child *child;
    pid_t pid;
    int64_t started_ms;
    int64_t backoff_ms;
    struct hf_timer *restart;
    struct hf_timer *probe_timer;
    struct hf_timer *kill_timer;
    struct hf_conn *probe;
    struct app_stream streams[2];
    bool is_ready;
    bool is_stopping;
    bool is_closed; /* freed with its last connection */
};

/* Untrusted text: the log escapes it (SECURITY.md 4.5). */
static void line_end(struct app_stream *stream)
{
    if (stream->line_bytes > 0) {
        HF_INFO("app output", hf_log_cstr("stream", stream->name),
                hf_log_slice("line", hf_slice_of(stream->line, stream->line_bytes)));
    }
    stream->line_bytes = 0;
}

static void line_add(struct app_stream *stream, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            line_end(stream);
        } else if (stream->line_bytes < APP_LINE_BYTES) {
            stream->line[stream->line_bytes++] = bytes[i];
        }
    }
}

static void stream_close(struct app_stream *stream)
{
    if (stream->watch != NULL) {
        hf_watch_close(stream->watch);
        stream->watch = NULL;
    }
    if (stream->fd >= 0) {
        (void)close(stream->fd);
        stream->fd = -1;
    }
    line_end(stream);
}

static void on_output(void *ctx, int events, hf_err err)
{
    struct app_stream *stream = ctx;
    char bytes[4096];
    ssize_t got = read(stream->fd, bytes, sizeof bytes);

    (void)events;
    (void)err;
    if (got > 0) {
        line_add(stream, bytes, (size_t)got);
    } else if (got == 0 || errno != EAGAIN) {
        stream_close(stream);
    }
}

static void set_ready(struct wk_app *app, bool is_ready)
{
    if (app->is_ready != is_ready) {
        app->is_ready = is_ready;
        HF_INFO(is_ready ? "app ready" : "app not ready",
                hf_log_cstr("address", app->config->address == NULL
                                           ? "unprobed"
                                           : app->config->address));
        app->config->on_ready(app->config->ctx, is_ready);
    }
}

static void probe_later(struct wk_app *app)
{
    if (!app->is_stopping) {
        hf_timer_set(app->probe_timer, hf_time_add_ms(hf_clock_now(), APP_PROBE_MS));
    }
}

static void probe_ignore(void *ctx, struct hf_conn *conn, hf_slice bytes)
{
    (void)ctx;
    (void)conn;
    (void)bytes;
}

static void probe_closed(void *ctx, struct hf_conn *conn, hf_err why)
{
    struct wk_app *app = ctx;

    (void)why;
    hf_check(app->probe == conn);
    app->probe = NULL;
    if (app->is_closed) {
        free(app);
    } else if (!app->is_ready) {
        probe_later(app);
    }
}

static const struct hf_conn_events probe_events = {.on_data = probe_ignore,
                                                   .on_closed = probe_closed};

/* It accepted: that is all we want to know. */
static void probe_up(void *ctx, struct hf_conn *conn)
{
    struct wk_app *app = ctx;

    if (!app->is_stopping) {
        set_ready(app, true);
    }
    hf_conn_close(conn);
}

static void probe(void *ctx)
{
    struct wk_app *app = ctx;
    bool is_expected = app->config->command == NULL || app->child != NULL;

    if (app->probe != NULL || app->is_ready || app->is_stopping) {
        return;
    }
    if (app->config->address == NULL && is_expected) {
        set_ready(app, true);
        return;
    }
    if (!is_expected ||
        hf_conn_dial(app->loop, app->config->address, probe_up, &app->probe) != HF_OK) {
        app->probe = NULL;
        probe_later(app);
        return;
    }
    hf_conn_attach(app->probe, &probe_events, app);
}

static void on_exit_of_app(void *ctx, int64_t exit_status, int signal_number)
{
    struct wk_app *app = ctx;
    int64_t ran_ms = hf_time_ms(hf_clock_now()) - app->started_ms;

    HF_WARN("app ended", hf_log_int("pid", app->pid), hf_log_int("status", exit_status),
            hf_log_int("signal", signal_number), hf_log_int("ran_ms", ran_ms));
    (void)kill(-app->pid, SIGKILL); /* what it has left behind */
    hf_child_close(app->child);
    app->child = NULL;
    app->pid = 0;
    app->config->on_pid(app->config->ctx, 0);
    set_ready(app, false);
    if (app->is_stopping) {
        return;
    }
    if (ran_ms >= APP_STEADY_MS) {
        app->backoff_ms = 0;
    }
    hf_timer_set(app->restart, hf_time_add_ms(hf_clock_now(), app->backoff_ms));
    app->backoff_ms = app->backoff_ms == 0 ? APP_BACKOFF_MS : app->backoff_ms * 2;
    if (app->backoff_ms > APP_BACKOFF_MAX) {
        app->backoff_ms = APP_BACKOFF_MAX;
    }
}

/* Ours and what is added for the app; later ones win in most programs, so they come
 * last. The array is the caller's to free. */
static const char **environment_of(const struct wk_app_config *config)
{
    const size_t prefix = strlen(WK_APP_VARIABLE);
    size_t ours = 0;
    size_t added = 0;
    size_t count = 0;

    while (environ[ours] != NULL) {
        ours++;
    }
    while (config->environment != NULL && config->environment[added] != NULL) {
        added++;
    }

    const char **all = calloc(ours + added + 1, sizeof *all);

    for (size_t i = 0; all != NULL && i < ours; i++) {
        if (strncmp(environ[i], WK_APP_VARIABLE, prefix) != 0) {
            all[count++] = environ[i];
        }
    }
    for (size_t i = 0; all != NULL && i < ours; i++) {
        if (strncmp(environ[i], WK_APP_VARIABLE, prefix) == 0) {
            all[count++] = environ[i] + prefix;
        }
    }
    for (size_t i = 0; all != NULL && i < added; i++) {
        all[count++] = config->environment[i];
    }
    return all;
}

/* argv of the child: this program, which becomes the app (wk_app_exec). */
static bool argv_of(const struct wk_app_config *config, char *parent, const char **argv)
{
    size_t count = 0;

    argv[count++] = "/proc/self/exe";
    argv[count++] = WK_APP_EXEC;
    argv[count++] = parent;
    for (size_t i = 0; config->command[i] != NULL; i++) {
        if (count == WK_APP_ARGUMENTS_MAX + 3) {
            return false;
        }
        argv[count++] = config->command[i];
    }
    argv[count] = NULL;
    return true;
}

static bool open_streams(struct wk_app *app, int *write_fds)
{
    static const char *const names[] = {"stdout", "stderr"};

    for (int i = 0; i < 2; i++) {
        struct app_stream *stream = &app->streams[i];
        int ends[2];

        stream_close(stream);
        stream->name = names[i];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            return false;
        }
        stream->fd = ends[0];
        write_fds[i] = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ||
            hf_watch_open(app->loop, stream->fd, on_output, stream, &stream->watch) !=
                HF_OK ||
            hf_watch_set(stream->watch, HF_WATCH_READ) != HF_OK) {
            return false;
        }
    }
    return true;
}

static hf_err launch(struct wk_app *app, const int *fds)
{
    const char *argv[WK_APP_ARGUMENTS_MAX + 4];
    const char **environment = environment_of(app->config);
    char parent[16];
    struct hf_child_config config = {.argv = argv,
                                     .environment = environment,
                                     .directory = app->config->directory,
                                     .fds = fds,
                                     .fds_count = 3,
                                     .is_group_leader = true};
    hf_err err = HF_ERR_NO_MEMORY;

    (void)snprintf(parent, sizeof parent, "%d", (int)getpid());
    if (environment != NULL) {
        err = argv_of(app->config, parent, argv)
                  ? hf_child_open(app->loop, &config, on_exit_of_app, app, &app->child)
                  : HF_ERR_TOO_BIG;
    }
    free((void *)environment);
    return err;
}

static void start(void *ctx)
{
    struct wk_app *app = ctx;
    int fds[3] = {-1, -1, -1};
    hf_err err = HF_ERR_IO;

    app->started_ms = hf_time_ms(hf_clock_now());
    if (open_streams(app, fds + 1)) {
        err = launch(app, fds);
    }
    for (int i = 1; i < 3; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    if (err != HF_OK) {
        HF_ERROR("app cannot be started", hf_log_cstr("why", hf_err_text(err)));
        hf_timer_set(app->restart, hf_time_add_ms(hf_clock_now(), APP_BACKOFF_MAX));
        return;
    }
    app->pid = hf_child_pid(app->child);
    HF_INFO("app started", hf_log_cstr("command", app->config->command[0]),
            hf_log_int("pid", app->pid));
    app->config->on_pid(app->config->ctx, app->pid);
    probe_later(app);
}

static void kill_now(void *ctx)
{
    struct wk_app *app = ctx;

    if (app->pid > 0) {
        (void)kill(-app->pid, SIGKILL);
    }
}

hf_err wk_app_open(struct hf_loop *loop, const struct wk_app_config *config,
                   struct wk_app **out)
{
    struct wk_app *app = calloc(1, sizeof *app);

    if (app == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    app->loop = loop;
    app->config = config;
    app->streams[0].fd = app->streams[1].fd = -1;
    if (hf_timer_open(loop, start, app, &app->restart) != HF_OK ||
        hf_timer_open(loop, probe, app, &app->probe_timer) != HF_OK ||
        hf_timer_open(loop, kill_now, app, &app->kill_timer) != HF_OK) {
        wk_app_close(app);
        return HF_ERR_NO_MEMORY;
    }
    if (config->command != NULL) {
        start(app);
    } else {
        probe(app);
    }
    *out = app;
    return HF_OK;
}

void wk_app_suspect(struct wk_app *app)
{
    if (app->is_ready) {
        set_ready(app, false);
        probe_later(app);
    }
}

void wk_app_stop(struct wk_app *app)
{
    app->is_stopping = true;
    if (app->pid > 0) {
        (void)kill(-app->pid, SIGTERM);
        hf_timer_set(app->kill_timer,
                     hf_time_add_ms(hf_clock_now(), APP_KILL_AFTER_MS));
    }
}

void wk_app_close(struct wk_app *app)
{
    if (app == NULL) {
        return;
    }
    app->is_stopping = true;
    kill_now(app);
    if (app->child != NULL) {
        hf_child_close(app->child);
    }
    for (int i = 0; i < 2; i++) {
        stream_close(&app->streams[i]);
    }
    hf_timer_close(app->restart);
    hf_timer_close(app->probe_timer);
    hf_timer_close(app->kill_timer);
    app->is_closed = true;
    if (app->probe != NULL) {
        hf_conn_close(app->probe); /* its last callback frees */
        return;
    }
    free(app);
}

int wk_app_exec(int argc, char **argv)
{
    if (argc < 4) {
        return 2;
    }
    /* The parent may have died before the signal was asked for. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        getppid() != (pid_t)strtol(argv[2], NULL, 10)) {
        return 126;
    }
    /* libcurl and the loop's library open some descriptors without close-on-exec. */
    (void)close_range(3, ~0u, 0);
    (void)execvp(argv[3], argv + 3);
    fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
    return 127;
}
