/* holdfast-broker: flags, start, drain, stop. */
#include "broker/shell.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/io/flags.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static const struct hf_flag flags_table[] = {
    {"listen", "ADDRESS", NULL, "Link address: tcp://HOST:PORT or ipc://PATH.", true},
    {"store", "DIRECTORY", NULL, "Where the LMDB environment lives (mode 0700).",
     false},
    {"name", "NAME", "b1", "Broker id; the token's subject is broker:NAME.", false},
    {"package-fd", "FD", NULL, "Read key, token, anchor and cluster from here.", false},
    {"credentials", "FILE", NULL, "The same lines from a file of mode 0600.", true},
    {"admin", "ADDRESS", NULL, "Serve /livez, /readyz and /metrics here.", false},
    {"map-size", "BYTES", "64GiB", "Hard limit of the store; the file is sparse.",
     false},
    {"disk-reserve", "BYTES", "64MiB", "Refuse durable requests below this free space.",
     false},
    {"requests-max", "N", "2000000", "Requests queued and in flight, all queues.",
     false},
    {"in-flight-max", "N", "100000", "Requests leased to workers at once.", false},
    {"queues-max", "N", "10000", "Queues of this broker.", false},
    {"sessions-max", "N", "4096", "Sessions at once.", false},
    {"handles-max", "N", "65536", "Open handles of all sessions.", false},
    {"principals-max", "N", "16384", "Holder keys remembered.", false},
    {"lease", "DURATION", "30s", "Life of a lease without a heartbeat.", false},
    {"lease-grace", "DURATION", "5s", "How long a lost holder may come back.", false},
    {"broker-grace", "DURATION", "30s", "How long a lost frontend may come back.",
     false},
    {"token-grace", "DURATION", "24h",
     "Accept tokens this long past their expiry while no controller is here.", false},
    {"drain", "DURATION", "2s", "On SIGTERM: time for answers on their way.", false},
    {"log-format", "FORMAT", "logfmt", "logfmt or json.", false},
    {"unsynced", NULL, NULL,
     "TEST ONLY: no fsync; a power cut loses what was accepted.", false},
};

static const struct hf_program program = {
    .name = "holdfast-broker",
    .summary = "hold queues of HTTP requests in LMDB",
    .usage = "[flags]",
    .description = "Keeps named queues, their requests and the revocation list on "
                   "disk, leases and\n"
                   "credit in memory. Frontends, workers and controllers dial it.\n\n"
                   "Any error of the store ends the process with status 70: a restart "
                   "rebuilds from\n"
                   "what is on disk.",
    .flags = flags_table,
    .flags_count = sizeof flags_table / sizeof flags_table[0],
    .section = 8,
};

static struct br broker;

static bool number(const struct hf_flags *flags, const char *name, uint32_t *out)
{
    uint64_t value = 0;

    if (hf_text_parse_u64(hf_slice_of_cstr(hf_flags_get(flags, name)), 16000000,
                          &value) != HF_OK ||
        value == 0) {
        (void)fprintf(stderr, "holdfast-broker: --%s: expected 1 to 16000000\n", name);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool duration(const struct hf_flags *flags, const char *name, int64_t *out)
{
    if (hf_text_parse_duration_ms(hf_slice_of_cstr(hf_flags_get(flags, name)), out) !=
        HF_OK) {
        (void)fprintf(stderr,
                      "holdfast-broker: --%s: expected a duration such as 30s\n", name);
        return false;
    }
    return true;
}

static bool size(const struct hf_flags *flags, const char *name, uint64_t *out)
{
    if (hf_text_parse_bytes(hf_slice_of_cstr(hf_flags_get(flags, name)), out) !=
        HF_OK) {
        (void)fprintf(stderr, "holdfast-broker: --%s: expected bytes such as 64MiB\n",
                      name);
        return false;
    }
    return true;
}

static bool read_limits(const struct hf_flags *flags, struct br_options *o)
{
    int64_t grace_ms = 0;

    if (!number(flags, "requests-max", &o->core.requests_max) ||
        !number(flags, "in-flight-max", &o->core.in_flight_max) ||
        !number(flags, "queues-max", &o->core.queues_max) ||
        !number(flags, "sessions-max", &o->core.sessions_max) ||
        !number(flags, "handles-max", &o->core.handles_max) ||
        !number(flags, "principals-max", &o->core.principals_max) ||
        !duration(flags, "lease", &o->core.lease_ms) ||
        !duration(flags, "lease-grace", &o->core.lease_grace_ms) ||
        !duration(flags, "broker-grace", &o->core.broker_grace_ms) ||
        !duration(flags, "token-grace", &grace_ms) ||
        !duration(flags, "drain", &o->drain_ms) ||
        !size(flags, "map-size", &o->map_bytes) ||
        !size(flags, "disk-reserve", &o->disk_reserve_bytes)) {
        return false;
    }
    o->core.drop_delay_ms = 50;
    o->token_grace_s = grace_ms / 1000;
    return true;
}

static bool read_options(const struct hf_flags *flags, struct br_options *o)
{
    o->name = hf_flags_get(flags, "name");
    o->directory = hf_flags_get(flags, "store");
    o->admin = hf_flags_get(flags, "admin");
    o->is_unsynced = hf_flags_has(flags, "unsynced");
    while (o->listen_count < BR_LISTENERS_MAX &&
           hf_flags_at(flags, "listen", o->listen_count) != NULL) {
        o->listen[o->listen_count] = hf_flags_at(flags, "listen", o->listen_count);
        o->listen_count++;
    }
    if (o->directory == NULL || o->listen_count == 0) {
        (void)fprintf(stderr, "holdfast-broker: --store and --listen are needed; "
                              "see holdfast-broker --help\n");
        return false;
    }
    return read_limits(flags, o);
}

static bool read_credentials(const struct hf_flags *flags,
                             struct hf_credentials *credentials)
{
    const char *fd = hf_flags_get(flags, "package-fd");
    const char *error = "";
    uint64_t number_of = 0;
    hf_err err = HF_OK;

    hf_credentials_init(credentials);
    if (fd != NULL) {
        err = hf_text_parse_u64(hf_slice_of_cstr(fd), 1023, &number_of);
        if (err == HF_OK) {
            err = hf_credentials_read_fd(credentials, (int)number_of, &error);
        }
    }
    for (size_t i = 0; err == HF_OK && hf_flags_at(flags, "credentials", i) != NULL;
         i++) {
        err = hf_credentials_read(credentials, hf_flags_at(flags, "credentials", i),
                                  &error);
    }
    if (err == HF_OK &&
        (credentials->secret == NULL || hf_buf_bytes(&credentials->token) == 0 ||
         credentials->anchors_count == 0 || credentials->cluster[0] == '\0')) {
        error = "key, token, anchor and cluster are all needed";
        err = HF_ERR_INVALID;
    }
    if (err != HF_OK) {
        (void)fprintf(stderr, "holdfast-broker: credentials: %s\n", error);
    }
    return err == HF_OK;
}

static void stop_now(void *context)
{
    struct br *br = context;

    hf_loop_stop(br->loop);
}

/* Answers that are on their way get a moment; what is held is on disk or with its
 * frontend, and comes again. */
static void on_terminate(void *context)
{
    static struct hf_timer *timer;
    struct br *br = context;

    if (br->is_draining) {
        return;
    }
    br->is_draining = true;
    HF_INFO("draining", hf_log_int("ms", br->options.drain_ms));
    if (hf_timer_open(br->loop, stop_now, br, &timer) != HF_OK) {
        hf_loop_stop(br->loop);
        return;
    }
    hf_timer_set(timer, hf_time_add_ms(hf_clock_now(), br->options.drain_ms));
}

static int run(struct br *br)
{
    struct hf_signal *terminate = NULL;
    struct hf_signal *interrupt = NULL;

    if (hf_loop_new(&br->loop) != HF_OK ||
        hf_signal_open(br->loop, SIGTERM, on_terminate, br, &terminate) != HF_OK ||
        hf_signal_open(br->loop, SIGINT, on_terminate, br, &interrupt) != HF_OK) {
        br_fail_stop("the loop cannot be made");
    }
    if (br_start(br) != HF_OK) {
        br_fail_stop("start failed");
    }
    HF_INFO("broker ready", hf_log_cstr("name", br->options.name),
            hf_log_cstr("store", br->options.directory));
    hf_loop_run(br->loop);
    br_stop(br);
    hf_signal_close(terminate);
    hf_signal_close(interrupt);
    hf_loop_free(br->loop);
    hf_credentials_fini(&br->credentials);
    HF_INFO("broker stopped", hf_log_cstr("name", br->options.name));
    return 0;
}

int main(int argc, char **argv)
{
    static struct hf_flags flags;
    struct hf_buf text;

    if (hf_flags_parse(&program, argc, argv, &flags) != HF_OK) {
        (void)fprintf(stderr, "holdfast-broker: %s\n", flags.error);
        return 2;
    }
    if (flags.is_help_wanted || flags.is_man_wanted) {
        hf_buf_init(&text, 1 << 20);
        if ((flags.is_help_wanted ? hf_flags_render_help(&program, &text)
                                  : hf_flags_render_man(&program, &text)) == HF_OK) {
            (void)fwrite(hf_buf_slice(&text).data, 1, hf_buf_bytes(&text), stdout);
        }
        hf_buf_fini(&text);
        return 0;
    }
    (void)prctl(PR_SET_DUMPABLE, 0); /* SECURITY.md 4.4: the key must not be read out */
    hf_log_setup("broker",
                 strcmp(hf_flags_get(&flags, "log-format"), "json") == 0
                     ? HF_LOG_JSON
                     : HF_LOG_LOGFMT,
                 HF_LOG_INFO);
    hf_log_sink(NULL, NULL, hf_clock_now);
    if (hf_token_init() != HF_OK || !read_options(&flags, &broker.options) ||
        !read_credentials(&flags, &broker.credentials)) {
        return 2;
    }
    return run(&broker);
}
