/* holdfast-frontend: the HTTP edge of a cluster. */
#include "frontend/shell.h"
#include "lib/io/program.h"

#include <string.h>

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

static bool read_limits(const struct hf_flags *given, struct fe_options *out)
{
    return hf_program_count(given, "connections", 1000000, &out->connections_max) &&
           hf_program_count(given, "requests", 1000000, &out->exchanges_max) &&
           hf_program_count(given, "queues", 65535, &out->handles_max) &&
           hf_program_duration(given, "broker-grace", &out->broker_grace_ms) &&
           hf_program_duration(given, "deadline", &out->deadline_ms) &&
           hf_program_duration(given, "header-timeout", &out->header_ms) &&
           hf_program_duration(given, "idle-timeout", &out->idle_ms) &&
           hf_program_duration(given, "drain-delay", &out->drain_delay_ms) &&
           hf_program_duration(given, "drain-max", &out->drain_max_ms) &&
           hf_program_bytes(given, "min-rate", &out->rate_min);
}

static bool read_addresses(const struct hf_flags *given, struct fe_options *out)
{
    if (!hf_program_list(given, "listen", out->listen, FE_LISTENERS_MAX,
                         &out->listen_count) ||
        !hf_program_list(given, "broker", out->brokers, FE_BROKERS_MAX,
                         &out->brokers_count)) {
        return false;
    }
    if (out->listen_count == 0 || out->brokers_count == 0) {
        (void)hf_program_complain(given, "--listen and --broker are needed; see --help",
                                  NULL);
        return false;
    }
    return true;
}

static bool read_file(struct hf_credentials *credentials, const struct hf_flags *given,
                      const char *flag)
{
    const char *path = hf_flags_get(given, flag);
    const char *error = NULL;

    if (path == NULL || hf_credentials_read(credentials, path, &error) == HF_OK) {
        return true;
    }
    (void)hf_program_complain(given, error, path);
    return false;
}

static bool read_credentials(struct hf_credentials *credentials,
                             const struct hf_flags *given)
{
    const char *cluster = hf_flags_get(given, "cluster");

    if (!hf_program_package(given, credentials) ||
        !read_file(credentials, given, "key") ||
        !read_file(credentials, given, "token") ||
        !read_file(credentials, given, "anchor")) {
        return false;
    }
    if (cluster != NULL) {
        if (strlen(cluster) >= sizeof credentials->cluster) {
            (void)hf_program_complain(given, "too long", "cluster");
            return false;
        }
        memset(credentials->cluster, 0, sizeof credentials->cluster);
        memcpy(credentials->cluster, cluster, strlen(cluster));
    }
    if (!hf_credentials_is_complete(credentials)) {
        (void)hf_program_complain(given, "key, token, anchor and cluster are needed",
                                  NULL);
        return false;
    }
    return true;
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
    int status = HF_PROGRAM_MISUSED;

    if (!read_addresses(given, &options) || !read_limits(given, &options) ||
        hf_token_init() != HF_OK) {
        return HF_PROGRAM_MISUSED;
    }
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
    int status = hf_program_start(&program, argc, argv, &given);

    return status == HF_PROGRAM_GOES_ON ? run(&given) : status;
}
