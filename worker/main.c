/* holdfast-worker: serves queues by a handler module or by a bridge to an HTTP app. */
#include "worker/app.h"
#include "worker/app_credentials.h"
#include "worker/bridge.h"
#include "worker/module.h"
#include "worker/shell.h"

#include "lib/io/admin.h"
#include "lib/io/program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

static const struct hf_flag flags_table[] = {
    {"broker", "ADDRESS", NULL,
     "A broker to dial, tcp://HOST:PORT or ipc:///path; up to 16 times.", true},
    {"queue", "NAME", NULL, "A queue to serve; up to 16 times.", true},
    {"key", "FILE", NULL, "The holder's key, as `holdfast key gen` writes it.", false},
    {"token", "FILE", NULL, "The token for that key; read again when the file changes.",
     false},
    {"anchor", "FILE", NULL,
     "The cluster's public key, if no other file has an anchor= line.", false},
    {"cluster", "NAME", NULL, "The cluster, if no file has a cluster= line.", false},
    {"package-fd", "N", NULL,
     "Read key=, token=, anchor= and cluster= lines from this descriptor.", false},
    {"module", "NAME", NULL, "A handler module: a path, or `echo`.", false},
    {"module-config", "TEXT", "", "Handed to the module.", false},
    {"upstream", "URL", NULL,
     "Bridge to the app at http://ADDRESS:PORT or unix:/path. `{port}` stands for a "
     "free port, here and in the command.",
     false},
    {"upstream-timeout", "DURATION", "0",
     "How long the app may take for an answer; 0 leaves it to the deadline.", false},
    {"app-dir", "DIRECTORY", NULL, "Where the command runs.", false},
    {"app-env", "NAME=VALUE", NULL,
     "Added to the command's environment. All users of the machine can read a command "
     "line: for a secret set HOLDFAST_APP_ENV_NAME=VALUE in the environment instead.",
     true},
    {"concurrency", "N", "1", "Requests at once for each queue.", false},
    {"name", "NAME", "worker", "Shown in status.", false},
    {"admin", "ADDRESS", NULL,
     "Serve /livez, /readyz and /metrics at IP:PORT or unix:/path.", false},
    {"log-format", "FORMAT", "logfmt", "logfmt or json.", false},
    {"log-level", "LEVEL", "info", "Lines from this level: debug, info, warn.", false},
};

static const struct hf_program program = {
    .name = "holdfast-worker",
    .summary = "answers HTTP requests held by Holdfast",
    .usage = "--broker ADDRESS --queue NAME --key FILE --token FILE "
             "(--module NAME | --upstream URL) [flags] [--command ARGV...]",
    .description =
        "Dials brokers, takes requests from its queues and answers them: with a "
        "handler "
        "module (a shared object, see holdfast/worker.h), or by asking any HTTP/1.1 "
        "app.\n"
        "\n"
        "Everything after --command (or --) is the app's own command. It is started, "
        "watched, restarted when it ends, and ended with this program. Requests are "
        "taken only while the app accepts connections.\n"
        "\n"
        "On SIGTERM or SIGINT it takes nothing new, finishes what it holds within 90 "
        "s, "
        "and leaves.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 8,
    .takes_arguments = true, /* the app's command */
};

#define ENVIRONMENT_MAX 64

struct daemon {
    struct hf_flags flags;
    struct hf_credentials credentials;
    struct hf_worker *worker;
    struct wk_module module;
    struct wk_bridge *bridge;
    struct wk_app *app;
    struct wk_app_config app_config;
    struct hf_admin *admin;
    struct hf_signal *signals[2];
    uint32_t concurrency;
    int64_t upstream_timeout_ms;
    const char *brokers[WK_BROKERS_MAX];
    size_t brokers_count;
    char upstream[WK_UPSTREAM_BYTES];
    char address[WK_UPSTREAM_BYTES];
    const char *command[WK_APP_ARGUMENTS_MAX + 1];
    const char *environment[ENVIRONMENT_MAX + 1];
    char *texts[WK_APP_ARGUMENTS_MAX]; /* of command, where {port} was replaced */
    bool is_app_ready;
    bool is_app_ending;
    bool is_leaving; /* asked to end */
};

static int complain(const char *text)
{
    fprintf(stderr, "holdfast-worker: %s\n", text);
    return 2;
}

/* "--command" is the last flag: what follows is the app's. */
static void split_command(int argc, char **argv)
{
    static char separator[] = "--";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--command") == 0) {
            argv[i] = separator;
        }
        if (strcmp(argv[i], "--") == 0) {
            return;
        }
    }
}

/* A port that was free a moment ago; the app binds it. */
static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned port = 0;

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &bytes) == 0) {
        port = ntohs(address.sin_port);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return port;
}

/* A copy with every "{port}" replaced; NULL without memory. */
static char *with_port(const char *text, unsigned port)
{
    size_t room = strlen(text) + 1;
    char *out = calloc(1, room);
    size_t at = 0;

    while (out != NULL && *text != '\0') {
        if (strncmp(text, "{port}", 6) == 0) {
            /* Five digits at most take the place of six characters. */
            at += (size_t)snprintf(out + at, room - at, "%u", port);
            text += 6;
        } else {
            out[at++] = *text++;
        }
    }
    return out;
}

static bool prepare_app(struct daemon *d)
{
    const char *upstream = hf_flags_get(&d->flags, "upstream");
    unsigned port = free_port();
    char *text = with_port(upstream, port);
    bool is_good = text != NULL && strlen(text) < sizeof d->upstream;

    if (is_good) {
        (void)snprintf(d->upstream, sizeof d->upstream, "%s", text);
        is_good = wk_bridge_address(d->upstream, d->address);
    }
    free(text);
    if (!is_good) {
        (void)complain("--upstream: expected http://ADDRESS:PORT or unix:/path");
        return false;
    }
    for (size_t i = 0; i < d->flags.arguments_count; i++) {
        d->texts[i] = with_port(d->flags.arguments[i], port);
        d->command[i] = d->texts[i];
    }
    for (size_t i = 0; i < ENVIRONMENT_MAX; i++) {
        d->environment[i] = hf_flags_at(&d->flags, "app-env", i);
    }
    return true;
}

static bool read_flags(struct daemon *d)
{
    bool has_module = hf_flags_has(&d->flags, "module");

    if (has_module == hf_flags_has(&d->flags, "upstream")) {
        (void)complain("give either --module NAME or --upstream URL (see --help)");
        return false;
    }
    if (has_module && d->flags.arguments_count > 0) {
        (void)complain("--command goes with --upstream, not with --module");
        return false;
    }
    if (!hf_program_list(&d->flags, "broker", d->brokers, WK_BROKERS_MAX,
                         &d->brokers_count)) {
        return false;
    }
    if (d->brokers_count == 0 || !hf_flags_has(&d->flags, "queue")) {
        (void)complain("give --broker ADDRESS and --queue NAME (see --help)");
        return false;
    }
    return hf_program_count(&d->flags, "concurrency", 65535, &d->concurrency) &&
           hf_program_duration(&d->flags, "upstream-timeout",
                               &d->upstream_timeout_ms) &&
           (has_module || prepare_app(d));
}

static void on_refused(void *ctx)
{
    struct daemon *d = ctx;

    if (d->app != NULL) {
        wk_app_suspect(d->app);
    }
}

static void on_app_ready(void *ctx, bool is_ready)
{
    struct daemon *d = ctx;

    d->is_app_ready = is_ready;
    d->worker->health = is_ready ? HF_HEALTH_WELL : HF_HEALTH_UNWELL;
    wk_set_ready(d->worker, is_ready);
}

static void on_app_pid(void *ctx, pid_t pid)
{
    struct daemon *d = ctx;

    d->worker->app_pid = pid;
    if (d->is_app_ending && pid == 0) {
        hf_loop_stop(d->worker->loop);
        return;
    }
    (void)pthread_mutex_lock(&d->worker->lock);
    wk_introduce(d->worker);
    (void)pthread_mutex_unlock(&d->worker->lock);
    wk_flush(d->worker);
}

static bool open_handler(struct daemon *d, struct hf_worker_options *options,
                         struct wk_setup *setup)
{
    struct wk_bridge_config config = {.upstream = d->upstream,
                                      .concurrency = d->concurrency,
                                      .timeout_ms = d->upstream_timeout_ms,
                                      .on_refused = on_refused,
                                      .ctx = d};

    if (hf_flags_has(&d->flags, "upstream")) {
        if (wk_bridge_open(&config, &d->bridge) != HF_OK) {
            return false;
        }
        setup->mode = WK_LOOP;
        options->handler = &wk_bridge_handler;
        options->ctx = d->bridge;
        return true;
    }
    if (!wk_module_open(hf_flags_get(&d->flags, "module"),
                        hf_flags_get(&d->flags, "module-config"), &d->module)) {
        return false;
    }
    setup->mode = d->module.table->threads > 0 ? WK_POOL : WK_INLINE;
    options->threads = d->module.table->threads;
    options->handler = &d->module.table->handler;
    options->ctx = d->module.ctx;
    return true;
}

static enum hf_status open_worker(struct daemon *d)
{
    struct hf_worker_options options = {
        .brokers = d->brokers,
        .brokers_count = d->brokers_count,
        .token_file = hf_flags_get(&d->flags, "token"),
        .name = hf_flags_get(&d->flags, "name"),
        .concurrency = d->concurrency,
    };
    struct wk_setup setup = {.options = &options, .credentials = &d->credentials};
    const char *queue;

    if (!open_handler(d, &options, &setup)) {
        return HF_STATUS_INVALID;
    }

    enum hf_status status = wk_new(&setup, &d->worker);

    for (size_t i = 0;
         status == HF_STATUS_OK && (queue = hf_flags_at(&d->flags, "queue", i)) != NULL;
         i++) {
        status = hf_open_queue(d->worker, queue);
    }
    if (status == HF_STATUS_OK && setup.mode == WK_POOL) {
        status = wk_crew_start(d->worker, options.threads);
    }
    return status;
}

/* Asked again, it leaves at once: what it holds goes to other workers. */
static void on_signal(void *ctx)
{
    struct daemon *d = ctx;

    if (d->is_leaving) {
        hf_loop_stop(d->worker->loop);
        return;
    }
    d->is_leaving = true;
    HF_INFO("draining", hf_log_int("leases", hf_stat_get(&d->worker->stats.leases)));
    wk_drain(d->worker);
}

/* Nothing is held any more. The app gets its time to end, too. */
static void leave(void *ctx)
{
    struct daemon *d = ctx;

    if (d->app == NULL || d->worker->app_pid == 0) {
        hf_loop_stop(d->worker->loop);
        return;
    }
    wk_app_stop(d->app);
    d->is_app_ending = true;
}

static void on_drained(void *ctx)
{
    struct daemon *d = ctx;

    if (hf_loop_post(d->worker->loop, leave, d) != HF_OK) {
        hf_loop_stop(d->worker->loop);
    }
}

static void answer_text(struct hf_admin_response *response, int status,
                        const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    (void)!hf_buf_append_cstr(&response->body, text);
}

static void on_livez(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response)
{
    (void)ctx;
    (void)request;
    answer_text(response, 200, "ok\n");
}

static void on_readyz(void *ctx, const struct hf_admin_request *request,
                      struct hf_admin_response *response)
{
    const struct daemon *d = ctx;
    bool has_link = hf_stat_get(&d->worker->stats.links) > 0;
    bool is_ready =
        has_link && !d->is_leaving && (d->bridge == NULL || d->is_app_ready);

    (void)request;
    answer_text(response, is_ready ? 200 : 503, is_ready ? "ok\n" : "not ready\n");
}

static void on_metrics(void *ctx, const struct hf_admin_request *request,
                       struct hf_admin_response *response)
{
    const struct daemon *d = ctx;

    (void)request;
    response->content_type = "text/plain; version=0.0.4";
#define X(member, name, type, help)                                                    \
    (void)!hf_stat_render(&response->body, &d->worker->stats.member, "");
    WK_STAT_TABLE(X)
#undef X
}

static const struct hf_admin_route routes[] = {
    {"GET", "/livez", on_livez},
    {"GET", "/readyz", on_readyz},
    {"GET", "/metrics", on_metrics},
};

static bool open_admin(struct daemon *d)
{
    struct hf_admin_config config = {.address = hf_flags_get(&d->flags, "admin"),
                                     .routes = routes,
                                     .routes_count = sizeof routes / sizeof routes[0],
                                     .ctx = d};

    if (config.address == NULL ||
        hf_admin_open(d->worker->loop, &config, &d->admin) == HF_OK) {
        return true;
    }
    (void)complain("--admin: the address cannot be used");
    return false;
}

static bool open_signals(struct daemon *d)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < 2; i++) {
        if (hf_signal_open(d->worker->loop, numbers[i], on_signal, d, &d->signals[i]) !=
            HF_OK) {
            return false;
        }
    }
    return true;
}

static bool open_app(struct daemon *d)
{
    if (d->bridge == NULL) {
        return true;
    }
    d->app_config = (struct wk_app_config){
        .command = d->command[0] == NULL ? NULL : d->command,
        .environment = d->environment,
        .directory = hf_flags_get(&d->flags, "app-dir"),
        .address = wk_bridge_is_name(d->address) ? NULL : d->address,
        .on_ready = on_app_ready,
        .on_pid = on_app_pid,
        .ctx = d,
    };
    return wk_bridge_attach(d->bridge, d->worker) == HF_OK &&
           wk_app_open(d->worker->loop, &d->app_config, &d->app) == HF_OK;
}

static void close_all(struct daemon *d)
{
    wk_app_close(d->app);
    hf_signal_close(d->signals[0]);
    hf_signal_close(d->signals[1]);
    if (d->admin != NULL) {
        hf_admin_close(d->admin);
    }
    /* Its connections are watched by the worker's loop, its requests owned by it. */
    wk_bridge_close(d->bridge);
    wk_free(d->worker);
    wk_module_close(&d->module);
    for (size_t i = 0; i < WK_APP_ARGUMENTS_MAX; i++) {
        free(d->texts[i]);
    }
    hf_credentials_fini(&d->credentials);
}

static int serve(struct daemon *d)
{
    enum hf_status status = open_worker(d);

    if (status != HF_STATUS_OK) {
        return complain(hf_status_text(status));
    }
    d->worker->on_drained = on_drained;
    d->worker->on_drained_ctx = d;
    if (!open_signals(d) || !open_admin(d) || !open_app(d)) {
        return 1;
    }
    status = wk_dial(d->worker, d->bridge == NULL);
    if (status != HF_STATUS_OK) {
        return complain("--broker: expected tcp://HOST:PORT or ipc:///path");
    }
    HF_INFO("worker started", hf_log_int("pid", getpid()));
    wk_run(d->worker);
    HF_INFO("worker ended", hf_log_int("pid", getpid()));
    return 0;
}

int main(int argc, char **argv)
{
    static struct daemon d;
    int code = HF_PROGRAM_GOES_ON;

    if (argc > 1 && strcmp(argv[1], WK_APP_EXEC) == 0) {
        return wk_app_exec(argc, argv);
    }
    split_command(argc, argv);
    code = hf_program_start(&program, argc, argv, &d.flags);
    if (code != HF_PROGRAM_GOES_ON) {
        return code;
    }
    code = HF_PROGRAM_MISUSED;
    hf_credentials_init(&d.credentials);
    if (hf_token_init() == HF_OK && read_flags(&d) &&
        wk_credentials_read(&d.flags, &d.credentials)) {
        code = serve(&d);
        if (d.worker != NULL) {
            close_all(&d);
        }
    }
    return code;
}
