/* holdfast-frontend: the HTTP edge of a cluster. */
#include "frontend/shell.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/io/flags.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct hf_flag flags[] = {
    {"listen", "ADDRESS", NULL, "Serves HTTP at this address, such as 127.0.0.1:8080.",
     true},
    {"broker", "ADDRESS", NULL,
     "Dials this broker first, such as tcp://10.0.0.5:7100 or ipc:///run/b1.sock; "
     "further ones are learnt from the routes.",
     true},
    {"package-fd", "NUMBER", NULL,
     "Reads key, token, trust anchor and cluster from this descriptor.", false},
    {"key", "FILE", NULL, "Reads the holder key from this file of mode 0600.", false},
    {"token", "FILE", NULL, "Reads the token from this file, again when it changes.",
     false},
    {"anchor", "FILE", NULL, "Reads the trusted issuer keys from this file.", false},
    {"cluster", "NAME", NULL, "Names the cluster, unless the credentials do.", false},
    {"name", "NAME", "frontend", "Names this process for people.", false},
    {"admin", "ADDRESS", NULL, "Serves /livez, /readyz and /metrics at this address.",
     false},
    {"spool", "DIRECTORY", "/tmp",
     "Keeps request bodies over 1 MiB here, in unlinked files.", false},
    {"connections", "COUNT", "65536", "Holds at most this many client connections.",
     false},
    {"requests", "COUNT", "65536", "Holds at most this many requests.", false},
    {"queues", "COUNT", "10000", "Routes to at most this many queues.", false},
    {"broker-grace", "TIME", "30s", "Waits this long for a broker that is gone.",
     false},
    {"deadline", "TIME", "600s", "Waits at most this long for an answer.", false},
    {"header-timeout", "TIME", "20s", "Waits this long for a whole header.", false},
    {"idle-timeout", "TIME", "75s", "Keeps an idle connection this long.", false},
    {"min-rate", "BYTES", "500",
     "Ends transfers that are slower, in bytes per second; 0 = never.", false},
    {"drain-delay", "TIME", "0",
     "Goes on accepting this long after SIGTERM; use 5s on Kubernetes.", false},
    {"drain-max", "TIME", "30s", "Ends this long after that, come what may.", false},
    {"insecure-plaintext", NULL, NULL, "Allows tcp links that are not sealed.", false},
    {"log-format", "FORMAT", "logfmt", "Writes log lines as logfmt or json.", false},
    {"log-level", "LEVEL", "info", "Writes lines from this level: debug, info, warn.",
     false},
};

static const struct hf_program program = {
    .name = "holdfast-frontend",
    .summary = "accepts HTTP requests and holds them until a worker has answered",
    .usage = "--listen ADDRESS --broker ADDRESS [flags]",
    .description =
        "Parses HTTP/1.1, finds the URL group of each request in the signed routing "
        "snapshot, and offers the request to the broker of that group's queue. It "
        "keeps "
        "the request until it is answered: when a broker dies, the request is offered "
        "again under the same id.\n\n"
        "On SIGTERM it stops being ready, finishes what it holds, and exits.",
    .flags = flags,
    .flags_count = sizeof flags / sizeof flags[0],
    .section = 8,
};

static int complain(const char *what, const char *value)
{
    (void)fprintf(stderr, "holdfast-frontend: %s%s%s\n", what,
                  value == NULL ? "" : ": ", value == NULL ? "" : value);
    return 2;
}

static bool read_ms(const struct hf_flags *given, const char *name, int64_t *out)
{
    const char *text = hf_flags_get(given, name);

    if (hf_text_parse_duration_ms(hf_slice_of_cstr(text), out) == HF_OK) {
        return true;
    }
    (void)complain("not a duration such as 30s", text);
    return false;
}

static bool read_count(const struct hf_flags *given, const char *name, uint32_t max,
                       uint32_t *out)
{
    const char *text = hf_flags_get(given, name);
    uint64_t value;

    if (hf_text_parse_u64(hf_slice_of_cstr(text), max, &value) == HF_OK && value > 0) {
        *out = (uint32_t)value;
        return true;
    }
    (void)complain("not a count in range", text);
    return false;
}

static bool read_limits(const struct hf_flags *given, struct fe_options *out)
{
    return read_count(given, "connections", 1000000, &out->connections_max) &&
           read_count(given, "requests", 1000000, &out->exchanges_max) &&
           read_count(given, "queues", 65535, &out->handles_max) &&
           read_ms(given, "broker-grace", &out->broker_grace_ms) &&
           read_ms(given, "deadline", &out->deadline_ms) &&
           read_ms(given, "header-timeout", &out->header_ms) &&
           read_ms(given, "idle-timeout", &out->idle_ms) &&
           read_ms(given, "drain-delay", &out->drain_delay_ms) &&
           read_ms(given, "drain-max", &out->drain_max_ms) &&
           hf_text_parse_u64(hf_slice_of_cstr(hf_flags_get(given, "min-rate")),
                             UINT32_MAX, &out->rate_min) == HF_OK;
}

static bool read_addresses(const struct hf_flags *given, struct fe_options *out)
{
    const char *value;

    while ((value = hf_flags_at(given, "listen", out->listen_count)) != NULL) {
        if (out->listen_count == FE_LISTENERS_MAX) {
            return false;
        }
        out->listen[out->listen_count++] = value;
    }
    while ((value = hf_flags_at(given, "broker", out->brokers_count)) != NULL) {
        if (out->brokers_count == FE_BROKERS_MAX) {
            return false;
        }
        out->brokers[out->brokers_count++] = value;
    }
    return out->listen_count > 0 && out->brokers_count > 0;
}

static bool read_file(struct hf_credentials *credentials, const struct hf_flags *given,
                      const char *flag)
{
    const char *path = hf_flags_get(given, flag);
    const char *error = "cannot be read";

    if (path == NULL || hf_credentials_read(credentials, path, &error) == HF_OK) {
        return true;
    }
    (void)fprintf(stderr, "holdfast-frontend: --%s %s: %s\n", flag, path, error);
    return false;
}

static bool read_package(struct hf_credentials *credentials,
                         const struct hf_flags *given)
{
    const char *text = hf_flags_get(given, "package-fd");
    const char *error = "cannot be read";
    uint64_t fd;

    if (text == NULL) {
        return true;
    }
    if (hf_text_parse_u64(hf_slice_of_cstr(text), 1023, &fd) != HF_OK) {
        (void)complain("not a descriptor", text);
        return false;
    }
    if (hf_credentials_read_fd(credentials, (int)fd, &error) != HF_OK) {
        (void)complain("package", error);
        return false;
    }
    (void)close((int)fd);
    return true;
}

static bool read_credentials(struct hf_credentials *credentials,
                             const struct hf_flags *given)
{
    const char *cluster = hf_flags_get(given, "cluster");

    if (!read_package(credentials, given) || !read_file(credentials, given, "key") ||
        !read_file(credentials, given, "token") ||
        !read_file(credentials, given, "anchor")) {
        return false;
    }
    if (cluster != NULL) {
        if (strlen(cluster) >= sizeof credentials->cluster) {
            return false;
        }
        memset(credentials->cluster, 0, sizeof credentials->cluster);
        memcpy(credentials->cluster, cluster, strlen(cluster));
    }
    if (credentials->secret == NULL || hf_buf_bytes(&credentials->token) == 0 ||
        credentials->anchors_count == 0 || credentials->cluster[0] == 0) {
        (void)complain("key, token, anchor and cluster are needed", NULL);
        return false;
    }
    return true;
}

static void set_up_log(const struct hf_flags *given)
{
    const char *level = hf_flags_get(given, "log-level");
    enum hf_log_level level_min = HF_LOG_INFO;

    if (strcmp(level, "debug") == 0) {
        level_min = HF_LOG_DEBUG;
    } else if (strcmp(level, "warn") == 0) {
        level_min = HF_LOG_WARN;
    }
    hf_log_setup("frontend",
                 strcmp(hf_flags_get(given, "log-format"), "json") == 0 ? HF_LOG_JSON
                                                                        : HF_LOG_LOGFMT,
                 level_min);
    hf_log_sink(NULL, NULL, hf_clock_now);
}

static int print(const struct hf_flags *given)
{
    struct hf_buf text;
    hf_err err;

    hf_buf_init(&text, 1u << 20);
    err = given->is_man_wanted ? hf_flags_render_man(&program, &text)
                               : hf_flags_render_help(&program, &text);
    if (err == HF_OK) {
        (void)fwrite(hf_buf_slice(&text).data, 1, hf_buf_bytes(&text), stdout);
    }
    hf_buf_fini(&text);
    return err == HF_OK ? 0 : 1;
}

static int run(const struct hf_flags *given)
{
    struct fe_options options = {
        .admin = hf_flags_get(given, "admin"),
        .token = hf_flags_get(given, "token"),
        .spool = hf_flags_get(given, "spool"),
        .name = hf_flags_get(given, "name"),
        .is_clear_tcp = hf_flags_has(given, "insecure-plaintext"),
    };
    struct hf_credentials credentials;
    struct fe_shell *shell;
    int status = 2;

    if (!read_addresses(given, &options)) {
        return complain("between 1 and 16 --listen and 1 and 64 --broker are needed",
                        NULL);
    }
    if (!read_limits(given, &options) || hf_token_init() != HF_OK) {
        return 2;
    }
    set_up_log(given);
    hf_credentials_init(&credentials);
    if (read_credentials(&credentials, given)) {
        status = 1;
        if (fe_shell_new(&options, &credentials, &shell) == HF_OK) {
            status = fe_shell_run(shell);
            fe_shell_free(shell);
        }
    }
    hf_credentials_fini(&credentials);
    return status;
}

int main(int argc, char **argv)
{
    static struct hf_flags given;

    (void)signal(SIGPIPE, SIG_IGN);
    if (hf_flags_parse(&program, argc, argv, &given) != HF_OK) {
        return complain(given.error, NULL);
    }
    if (given.is_help_wanted || given.is_man_wanted) {
        return print(&given);
    }
    if (given.arguments_count > 0) {
        return complain("unexpected argument", given.arguments[0]);
    }
    return run(&given);
}
