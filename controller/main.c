/* holdfast-controller: start, the tick, stop. */
#include "controller/shell.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/io/program.h"
#include "lib/token/key.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCH_MS      200
#define MINT_WAIT_MS  10000
#define MINT_RETRY_MS 20

static const struct hf_flag flags_table[] = {
    {"config", "FILE", NULL, "The cluster's YAML file; watched for changes.", false},
    {"state", "DIRECTORY", NULL, "The controller's store is DIRECTORY/controller.",
     false},
    {"run", "DIRECTORY", NULL, "Private directory (mode 0700) of all sockets.", false},
    {"mint", "PATH", NULL, "Socket of the mint.", false},
    {"spawner", "PATH", NULL, "Socket of the spawner.", false},
    {"anchor", "FILE", NULL, "The issuer's public key, as the mint writes it.", false},
    {"name", "NAME", "c1", "Names this controller.", false},
    {"log-format", "FORMAT", "logfmt", "logfmt or json.", false},
    {"log-level", "LEVEL", "info", "Lines from this level: debug, info, warn.", false},
};

static const struct hf_program program = {
    .name = "holdfast-controller",
    .summary = "configure brokers, issue tokens, run pools of workers",
    .usage =
        "--config FILE --state DIR --run DIR --mint PATH --spawner PATH --anchor FILE",
    .description = "Reads and watches the configuration, gives brokers their queues, "
                   "frontends their\n"
                   "routes, every process its token, and keeps the pools of workers "
                   "running through\n"
                   "the spawner. It is not in the path of requests: everything goes on "
                   "without it.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 8,
};

_Noreturn void ct_stop_now(const char *why)
{
    HF_ERROR("stopped", hf_log_cstr("reason", why));
    _exit(70);
}

void ct_must(hf_err err, const char *what)
{
    if (err != HF_OK) {
        HF_ERROR("cannot go on", hf_log_cstr("error", hf_err_text(err)));
        ct_stop_now(what);
    }
}

static void poll_state(struct ct *ct)
{
    hf_time now = hf_clock_now();
    size_t rows = 0;

    if (hf_time_before(now, ct->stat_due)) {
        return;
    }
    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        const struct ct_stat *stat = ct_report_of(&ct->uplinks[i]);

        rows += stat->queues_count + stat->sessions_count;
    }
    ct->stat_due = hf_time_add_ms(now, rows > CT_STAT_SLOW_ROWS   ? CT_STAT_SLOW_MS
                                       : rows > CT_STAT_MANY_ROWS ? CT_STAT_MANY_MS
                                                                  : CT_STAT_MS);
    ct_uplinks_ask(ct);
}

static void on_tick(void *context)
{
    struct ct *ct = context;
    struct fleet_input input = {.type = FLEET_IN_TICK};

    ct_spawner_tick(ct);
    for (size_t i = 0; i < 16; i++) { /* a step does a bounded part */
        if (!hf_time_reached(fleet_next_deadline(ct->fleet), hf_clock_now())) {
            break;
        }
        ct_step(ct, &input);
    }
    ct_publish(ct);
    ct_renew(ct);
    poll_state(ct);
}

static void on_file(void *context)
{
    (void)ct_reload(context);
}

static void on_stop(void *context)
{
    hf_loop_stop(((struct ct *)context)->loop);
}

static hf_err read_anchor(struct ct *ct)
{
    struct hf_buf text;
    hf_slice line;
    hf_key key;
    hf_err err = HF_OK;

    hf_buf_init(&text, 4096);
    err = hf_file_read(ct->options.anchor, &text);
    line = hf_buf_slice(&text);
    if (err == HF_OK) {
        err = hf_key_parse(hf_slice_first(line, hf_slice_find(line, '\n')), &key);
    }
    if (err == HF_OK) {
        ct->credentials.anchors[0] = key;
        ct->credentials.anchors_count = 1;
    }
    hf_buf_fini(&text);
    return err;
}

/* The mint may start at the same time as we do. */
static hf_err await_mint(struct ct *ct)
{
    hf_time end = hf_time_add_ms(hf_clock_now(), MINT_WAIT_MS);
    hf_err err = HF_OK;

    do {
        err = read_anchor(ct);
        if (err == HF_OK) {
            err = ct_issue_own(ct);
        }
        if (err != HF_OK) {
            (void)usleep(MINT_RETRY_MS * 1000);
        }
    } while (err != HF_OK && hf_time_before(hf_clock_now(), end));
    return err;
}

static void drop_foreign(struct ct *ct)
{
    int64_t now_s = hf_clock_wall_seconds();
    int64_t grace_s = ct->config->token_grace_ms / 1000;

    for (size_t i = ct->identities.count; i > 0; i--) {
        const struct identity *row = &ct->identities.rows[i - 1];

        if (row->expires_s + grace_s < now_s) {
            ct_forget(ct, row->key);
        }
    }
}

static hf_err open_store(struct ct *ct)
{
    char path[4096];
    hf_err err = HF_OK;

    if (snprintf(path, sizeof path, "%s/controller", ct->options.state) >=
        (int)sizeof path) {
        return HF_ERR_TOO_BIG;
    }
    err = ct_store_open(path, &ct->store);
    if (err == HF_OK) {
        err = ct_store_identities(ct->store, &ct->identities);
    }
    return err;
}

static hf_err open_credentials(struct ct *ct)
{
    hf_credentials_init(&ct->credentials);
    (void)snprintf(ct->credentials.cluster, sizeof ct->credentials.cluster, "%s",
                   ct->config->cluster);
    hf_random(&ct->boot, sizeof ct->boot);
    ct->since_ms = hf_time_ms(hf_clock_now());
    return hf_secret_generate(NULL, &ct->credentials.secret);
}

static hf_err open_loop(struct ct *ct)
{
    const struct hf_file_watch_config watch = {
        .path = ct->options.config, .every_ms = WATCH_MS, .fn = on_file, .ctx = ct};
    struct hf_signal *ignored = NULL; /* the loop closes them */
    hf_err err = hf_loop_new(&ct->loop);

    if (err == HF_OK) {
        err = hf_signal_open(ct->loop, SIGTERM, on_stop, ct, &ignored);
    }
    if (err == HF_OK) {
        err = hf_signal_open(ct->loop, SIGINT, on_stop, ct, &ignored);
    }
    if (err == HF_OK) {
        err = hf_timer_open(ct->loop, on_tick, ct, &ct->ticker);
    }
    if (err == HF_OK) {
        err = hf_file_watch_open(ct->loop, &watch, &ct->watch);
    }
    return err;
}

static hf_err start(struct ct *ct)
{
    hf_err err = open_store(ct);

    if (err != HF_OK || (err = open_credentials(ct)) != HF_OK) {
        return err;
    }
    drop_foreign(ct);
    publication_init(&ct->publication, ct->config->brokers_count);
    ct_revocation_restore(ct);
    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        ct_report_clear(&ct->uplinks[i]);
    }
    if ((err = await_mint(ct)) != HF_OK || (err = open_loop(ct)) != HF_OK) {
        return err;
    }
    ct_publish_config(ct);
    ct_configure_fleet(ct);
    if ((err = ct_admin_open(ct)) != HF_OK) {
        return err;
    }
    return ct_uplinks_open(ct);
}

static void stop(struct ct *ct)
{
    ct_admin_close(ct);
    ct_uplinks_close(ct);
    ct_spawner_close(ct);
    hf_file_watch_close(ct->watch);
    hf_loop_free(ct->loop);
    if (ct->mint_fd >= 0) {
        (void)close(ct->mint_fd);
    }
    hf_link_identity_unref(ct->identity);
    hf_credentials_fini(&ct->credentials);
    hf_arena_fini(&ct->revocation.arena);
    hf_buf_fini(&ct->policy);
    hf_buf_fini(&ct->routes);
    hf_buf_fini(&ct->manifest);
    hf_buf_fini(&ct->config_error);
    fleet_free(ct->fleet);
    ct_config_free(ct->config);
    ct_store_close(ct->store);
    free(ct->revoked);
    free(ct);
}

static int run(const struct ct_options *options)
{
    struct ct *ct = calloc(1, sizeof *ct);
    hf_err err = HF_OK;

    if (ct == NULL || (ct->fleet = fleet_new()) == NULL) {
        ct_stop_now("no memory");
    }
    ct->options = *options;
    ct->mint_fd = -1;
    ct->spawner_fd = -1;
    hf_buf_init(&ct->config_error, 65536);
    if (!ct_reload(ct)) {
        (void)fwrite(hf_buf_slice(&ct->config_error).data, 1,
                     hf_buf_bytes(&ct->config_error), stderr);
        return 2;
    }
    err = start(ct);
    ct_must(err, "start failed");
    hf_timer_set_every_ms(ct->ticker, CT_TICK_MS);
    on_tick(ct);
    HF_INFO("controller ready", hf_log_cstr("cluster", ct->config->cluster));
    hf_loop_run(ct->loop);
    stop(ct);
    HF_INFO("controller stopped", hf_log_cstr("name", options->name));
    return 0;
}

static bool read_options(const struct hf_flags *flags, struct ct_options *out)
{
    static char bin[4096];
    ssize_t bytes = readlink("/proc/self/exe", bin, sizeof bin - 1);

    bin[bytes < 0 ? 0 : bytes] = '\0';
    if (strrchr(bin, '/') != NULL) {
        *strrchr(bin, '/') = '\0';
    }
    *out = (struct ct_options){
        .config = hf_flags_get(flags, "config"),
        .state = hf_flags_get(flags, "state"),
        .run = hf_flags_get(flags, "run"),
        .bin = bin,
        .mint = hf_flags_get(flags, "mint"),
        .spawner = hf_flags_get(flags, "spawner"),
        .anchor = hf_flags_get(flags, "anchor"),
        .name = hf_flags_get(flags, "name"),
    };
    return out->config != NULL && out->state != NULL && out->run != NULL &&
           out->mint != NULL && out->spawner != NULL && out->anchor != NULL;
}

int main(int argc, char **argv)
{
    static struct hf_flags flags;
    struct ct_options options;
    int status = hf_program_start(&program, argc, argv, &flags);

    if (status != HF_PROGRAM_GOES_ON) {
        return status;
    }
    (void)umask(077);
    if (!read_options(&flags, &options)) {
        return hf_program_complain(&flags,
                                   "--config, --state, --run, --mint, --spawner and "
                                   "--anchor are needed; see --help",
                                   NULL);
    }
    return hf_token_init() == HF_OK ? run(&options) : 1;
}
