/* holdfast-broker: flags, start, drain, stop. */
#include "broker/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/io/program.h"

#include <signal.h>

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
    {"kept-bytes", "BYTES", "1GiB",
     "Responses kept until they are acknowledged; more are not kept.", false},
    {"kept-each-bytes", "BYTES", "256MiB", "The same of each frontend.", false},
    {"inspect-rate", "N", "200", "STAT and PEEK a second of one session.", false},
    {"lease", "DURATION", "30s", "Life of a lease without a heartbeat.", false},
    {"lease-grace", "DURATION", "5s", "How long a lost holder may come back.", false},
    {"broker-grace", "DURATION", "30s", "How long a lost frontend may come back.",
     false},
    {"token-grace", "DURATION", "24h",
     "Accept tokens this long past their expiry while no controller is here.", false},
    {"drain", "DURATION", "2s", "On SIGTERM: time for answers on their way.", false},
    {"log-format", "FORMAT", "logfmt", "logfmt or json.", false},
    {"log-level", "LEVEL", "info", "Lines from this level: debug, info, warn.", false},
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

/* Counts beyond this would not fit into memory anyway. */
#define COUNT_MAX 16000000u
/* The core names these by 16 bits; a session that is lost and one that takes its place
 * are two. */
#define INDEX_MAX     ((uint32_t)UINT16_MAX)
#define SESSIONS_MAX  (INDEX_MAX / 2)
#define DRAIN_LOOK_MS 20

static bool read_bytes(const struct hf_flags *flags, const char *name, uint64_t *out)
{
    if (!hf_program_bytes(flags, name, out)) {
        return false;
    }
    if (*out == 0) {
        (void)hf_program_complain(flags, "expected at least one byte", name);
    }
    return *out != 0;
}

static bool read_limits(const struct hf_flags *flags, struct br_options *o)
{
    struct broker_config *core = &o->core;
    int64_t grace_ms = 0;

    if (!hf_program_count(flags, "requests-max", COUNT_MAX, &core->requests_max) ||
        !hf_program_count(flags, "in-flight-max", COUNT_MAX, &core->in_flight_max) ||
        !hf_program_count(flags, "queues-max", INDEX_MAX, &core->queues_max) ||
        !hf_program_count(flags, "sessions-max", SESSIONS_MAX, &core->sessions_max) ||
        !hf_program_count(flags, "handles-max", COUNT_MAX, &core->handles_max) ||
        !hf_program_count(flags, "principals-max", INDEX_MAX, &core->principals_max) ||
        !hf_program_count(flags, "inspect-rate", 1000000, &o->inspect_rate) ||
        !read_bytes(flags, "kept-bytes", &core->kept_bytes_max) ||
        !read_bytes(flags, "kept-each-bytes", &core->kept_each_bytes_max) ||
        !hf_program_duration(flags, "lease", &core->lease_ms) ||
        !hf_program_duration(flags, "lease-grace", &core->lease_grace_ms) ||
        !hf_program_duration(flags, "broker-grace", &core->broker_grace_ms) ||
        !hf_program_duration(flags, "token-grace", &grace_ms) ||
        !hf_program_duration(flags, "drain", &o->drain_ms) ||
        !hf_program_bytes(flags, "map-size", &o->map_bytes) ||
        !hf_program_bytes(flags, "disk-reserve", &o->disk_reserve_bytes)) {
        return false;
    }
    core->drop_delay_ms = 50;
    o->token_grace_s = grace_ms / 1000;
    return true;
}

static bool read_options(const struct hf_flags *flags, struct br_options *o)
{
    o->name = hf_flags_get(flags, "name");
    o->directory = hf_flags_get(flags, "store");
    o->admin = hf_flags_get(flags, "admin");
    o->is_unsynced = hf_flags_has(flags, "unsynced");
    if (!hf_program_list(flags, "listen", o->listen, BR_LISTENERS_MAX,
                         &o->listen_count)) {
        return false;
    }
    if (o->directory == NULL || o->listen_count == 0) {
        (void)hf_program_complain(flags, "--store and --listen are needed; see --help",
                                  NULL);
        return false;
    }
    return read_limits(flags, o);
}

static bool read_credentials(const struct hf_flags *flags,
                             struct hf_credentials *credentials)
{
    const char *error = "key, token, anchor and cluster are all needed";
    const char *path = NULL;

    hf_credentials_init(credentials);
    if (!hf_program_package(flags, credentials)) {
        return false;
    }
    for (size_t i = 0; (path = hf_flags_at(flags, "credentials", i)) != NULL; i++) {
        if (hf_credentials_read(credentials, path, &error) != HF_OK) {
            (void)hf_program_complain(flags, error, path);
            return false;
        }
    }
    if (!hf_credentials_is_complete(credentials)) {
        (void)hf_program_complain(flags, error, "credentials");
        return false;
    }
    return true;
}

static bool has_sessions(struct br *br)
{
    bool is_found = false;

    br_lock(br);
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        is_found = is_found || br->sessions[i].is_up;
    }
    br_unlock(br);
    return is_found;
}

static void drain(void *context)
{
    struct br *br = context;

    if (hf_time_reached(br->drain_end, hf_clock_now()) || !has_sessions(br)) {
        hf_loop_stop(br->loop);
    }
}

/* Answers that are on their way get a moment, while there is anybody to take them; what
 * is held is on disk or with its frontend, and comes again. */
static void on_terminate(void *context)
{
    static struct hf_timer *timer;
    struct br *br = context;

    if (br->is_draining) {
        return;
    }
    br->is_draining = true;
    br->drain_end = hf_time_add_ms(hf_clock_now(), br->options.drain_ms);
    HF_INFO("draining", hf_log_int("ms", br->options.drain_ms));
    if (hf_timer_open(br->loop, drain, br, &timer) != HF_OK) {
        hf_loop_stop(br->loop);
        return;
    }
    hf_timer_set_every_ms(timer, DRAIN_LOOK_MS);
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
    int status = hf_program_start(&program, argc, argv, &flags);

    if (status != HF_PROGRAM_GOES_ON) {
        return status;
    }
    if (hf_token_init() != HF_OK || !read_options(&flags, &broker.options) ||
        !read_credentials(&flags, &broker.credentials)) {
        return HF_PROGRAM_MISUSED;
    }
    return run(&broker);
}
