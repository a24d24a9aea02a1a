/* holdfast up: starts, shows, ends. */
#include "controller/cli/up.h"

#include "controller/admin.h"
#include "lib/base/text.h"
#include "lib/io/admin.h"
#include "lib/io/clock.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEWS_BYTES_MAX (1u << 20)
#define HUNG_MS        2000 /* a controller that does not answer is asked less often */

static const struct hf_flag flags_table[] = {
    {"state", "DIRECTORY", NULL,
     "Where the cluster keeps its state. Default: ./var/NAME.", false},
    {"verbose", NULL, NULL, "Copies the daemons' logs to standard error.", false},
};

const struct hf_program cli_up_program = {
    .name = "holdfast up",
    .summary = "run a whole cluster from one YAML file, in the foreground",
    .usage = "FILE [--state DIR] [--verbose]",
    .description =
        "Starts spawner, mint, controller, brokers, frontends and the pools' workers, "
        "restarts\nwhat dies and prints one line per change. Logs are in STATE/log.\n\n"
        "SIGINT or SIGTERM drains: frontends finish what they hold, then workers, "
        "brokers "
        "and\nthe rest end. A second one ends everything at once. Nothing is left "
        "running.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 1,
};

void up_say(const char *format, ...)
{
    time_t now = time(NULL);
    struct tm parts;
    va_list arguments;

    (void)localtime_r(&now, &parts);
    (void)printf("%02d:%02d:%02d ", parts.tm_hour, parts.tm_min, parts.tm_sec);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
    (void)fflush(stdout);
}

static bool all_ready(const struct up *up)
{
    uint32_t workers = 0;

    for (size_t i = 0; i < up->config->pools_count; i++) {
        workers += up->config->pools[i].processes;
    }
    for (size_t i = 0; i < up->children_count; i++) {
        if (up->children[i].role == UP_FRONTEND && !up->children[i].is_ready) {
            return false;
        }
    }
    return up->workers_ready >= workers;
}

static void tell_ready(struct up *up)
{
    const char *address = up->config->frontends[0].listen.items[0];

    if (up->is_ready_told || !all_ready(up)) {
        return;
    }
    up->is_ready_told = true;
    up_say("ready: http://%s%s/", address[0] == ':' ? "127.0.0.1" : "", address);
    up_say("try:   curl -i http://%s%s/", address[0] == ':' ? "127.0.0.1" : "",
           address);
}

/* "frontend NAME ready ..." and "worker POOL/N ready ..." count; all lines are shown.
 */
static void take_news(struct up *up, hf_slice line)
{
    bool is_ready = false;

    for (size_t i = 0; i + 7 <= line.bytes; i++) {
        is_ready = is_ready || memcmp(line.data + i, " ready ", 7) == 0;
    }
    for (size_t i = 0; is_ready && i < up->children_count; i++) {
        struct up_child *child = &up->children[i];
        char start[128];

        (void)snprintf(start, sizeof start, "frontend %s ", child->name);
        if (child->role == UP_FRONTEND &&
            hf_slice_starts_with(line, hf_slice_of_cstr(start))) {
            child->is_ready = true;
        }
    }
    if (is_ready && hf_slice_starts_with(line, HF_SLICE("worker "))) {
        up->workers_ready++;
    }
    up_say("%.*s", (int)line.bytes, (const char *)line.data);
}

static void take_answer(struct up *up, hf_slice text)
{
    hf_slice head = hf_slice_first(text, hf_slice_find(text, '\n'));
    size_t blank = hf_slice_find(head, ' ');
    uint64_t next = 0;

    if (blank == 0 || blank >= sizeof up->boot ||
        hf_text_parse_u64(hf_slice_skip(head, blank + 1), INT64_MAX, &next) != HF_OK) {
        return;
    }
    memcpy(up->boot, head.data, blank);
    up->boot[blank] = '\0';
    up->news_next = next;
    text = hf_slice_skip(text, head.bytes + 1);
    while (text.bytes > 0) {
        hf_slice line = hf_slice_first(text, hf_slice_find(text, '\n'));

        take_news(up, line);
        text = hf_slice_skip(text, line.bytes + 1);
    }
    tell_ready(up);
}

static hf_err write_processes(const struct up *up, struct hf_buf *out)
{
    hf_err err = HF_OK;

    for (size_t i = 0; i < up->children_count && err == HF_OK; i++) {
        const struct up_child *child = &up->children[i];

        if (child->pid != 0 && child->role != UP_CONTROLLER) {
            err =
                hf_buf_printf(out, "%s %s %d %lld\n", up_role_name(child->role),
                              child->name, (int)child->pid, (long long)child->since_ms);
        }
    }
    return err;
}

static void watch(struct up *up)
{
    char address[CLI_PATH_BYTES + 32];
    char target[128];
    struct hf_admin_call call = {.address = address,
                                 .method = "POST",
                                 .target = target,
                                 .timeout_ms = UP_CALL_MS};
    struct hf_buf body;
    struct hf_buf answer;
    int status = 0;
    hf_err err = HF_OK;

    cli_path(address, sizeof address, "unix:%s/" CT_ADMIN_SOCKET, up->run);
    cli_path(target, sizeof target, "/v1/watch?after=%llu&boot=%s",
             (unsigned long long)up->news_next, up->boot);
    hf_buf_init(&body, 16384);
    hf_buf_init(&answer, NEWS_BYTES_MAX);
    err = write_processes(up, &body);
    call.body = hf_buf_slice(&body);
    if (err == HF_OK) {
        err = hf_admin_call(&call, &status, &answer);
    }
    if (err == HF_OK && status == 200) {
        take_answer(up, hf_buf_slice(&answer));
        up_identity_refresh(up);
    }
    up->watch_due =
        hf_time_add_ms(hf_clock_now(), err == HF_ERR_TIMEOUT ? HUNG_MS : UP_WATCH_MS);
    hf_buf_fini(&body);
    hf_buf_fini(&answer);
}

static void on_tick(void *context)
{
    struct up *up = context;

    up_children_reap(up);
    up_children_run(up);
    up_drain_run(up);
    if (hf_time_reached(up->watch_due, hf_clock_now())) {
        up_children_bound_logs(up);
        watch(up);
    }
    if (up->is_verbose) {
        up_mirror_run(up);
    }
}

static void on_child(void *context)
{
    struct up *up = context;

    up_children_reap(up);
    up_children_run(up);
    up_drain_run(up);
}

static void on_end(void *context)
{
    struct up *up = context;

    if (up->signals_count++ == 0) {
        up_drain_begin(up);
    } else {
        up_drain_force(up);
    }
}

static hf_err open_loop(struct up *up)
{
    static const struct {
        int number;
        hf_loop_fn fn;
    } signals[] = {
        {SIGCHLD, on_child}, {SIGTERM, on_end}, {SIGINT, on_end}, {SIGHUP, on_end}};
    struct hf_signal *ignored = NULL; /* the loop closes them */
    hf_err err = hf_loop_new(&up->loop);

    for (size_t i = 0; err == HF_OK && i < sizeof signals / sizeof signals[0]; i++) {
        err = hf_signal_open(up->loop, signals[i].number, signals[i].fn, up, &ignored);
    }
    if (err == HF_OK) {
        err = hf_timer_open(up->loop, on_tick, up, &up->ticker);
    }
    return err;
}

static bool read_paths(struct up *up, const char *config)
{
    char *real = realpath(config, NULL);
    ssize_t bytes = readlink("/proc/self/exe", up->bin, sizeof up->bin - 1);

    if (real == NULL || bytes <= 0 || strlen(real) >= sizeof up->config_path) {
        free(real);
        (void)cli_fail(1, "%s: cannot be resolved", config);
        return false;
    }
    cli_path(up->config_path, sizeof up->config_path, "%s", real);
    free(real);
    up->bin[bytes] = '\0';
    *strrchr(up->bin, '/') = '\0';
    return true;
}

static bool load(struct up *up, const char *file)
{
    struct hf_buf errors;
    hf_err err = HF_OK;

    hf_buf_init(&errors, 1 << 20);
    err = ct_config_load(file, &errors, &up->config);
    if (err != HF_OK) {
        (void)fwrite(hf_buf_slice(&errors).data, 1, hf_buf_bytes(&errors), stderr);
    }
    hf_buf_fini(&errors);
    return err == HF_OK;
}

static void finish(struct up *up)
{
    for (size_t i = 0; i < up->children_count; i++) {
        hf_credentials_fini(&up->children[i].credentials);
    }
    hf_loop_free(up->loop);
    up_state_close(up);
    ct_config_free(up->config);
}

int cli_up(const struct hf_flags *flags)
{
    static struct up up;

    if (flags->arguments_count != 1) {
        return cli_fail(2, "up: expected one FILE; see holdfast up --help");
    }
    if (!load(&up, flags->arguments[0])) {
        return 2;
    }
    (void)umask(077);
    /* It keeps the keys of brokers and frontends, which workers of the same user must
     * not read from its memory (SECURITY.md 4.2). */
    (void)prctl(PR_SET_DUMPABLE, 0);
    if (!read_paths(&up, flags->arguments[0]) ||
        !up_state_open(&up, hf_flags_get(flags, "state"))) {
        return 1;
    }
    up.is_verbose = hf_flags_has(flags, "verbose");
    if (open_loop(&up) != HF_OK) {
        return cli_fail(1, "the loop cannot be made");
    }
    up_say("cluster %s, state in %s", up.config->cluster, up.state);
    up_children_make(&up);
    hf_timer_set_every_ms(up.ticker, UP_TICK_MS);
    on_tick(&up);
    hf_loop_run(up.loop);
    finish(&up);
    up_say("ended");
    return 0;
}
