/* Owns the table of configuration keys: names, types, bounds, defaults and their help.
 */
#include "controller/config.h"

#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)
#define GIB  (INT64_C(1) << 30)

#define TEXT(path, fallback, min, max, help)                                           \
    {                                                                                  \
        path, HF_CONF_TEXT, fallback, min, max, false, NULL, help                      \
    }
#define NEEDED(path, min, max, help)                                                   \
    {                                                                                  \
        path, HF_CONF_TEXT, NULL, min, max, true, NULL, help                           \
    }
#define CHOICE(path, fallback, choices, help)                                          \
    {                                                                                  \
        path, HF_CONF_ENUM, fallback, 0, 0, false, choices, help                       \
    }
#define NUMBER(path, fallback, min, max, help)                                         \
    {                                                                                  \
        path, HF_CONF_INT, fallback, min, max, false, NULL, help                       \
    }
#define SIZE(path, fallback, min, max, help)                                           \
    {                                                                                  \
        path, HF_CONF_BYTES, fallback, min, max, false, NULL, help                     \
    }
#define TIME(path, fallback, min, max, help)                                           \
    {                                                                                  \
        path, HF_CONF_DURATION, fallback, min, max, false, NULL, help                  \
    }
#define LIST(path, min, max, needed, help)                                             \
    {                                                                                  \
        path, HF_CONF_LIST, NULL, min, max, needed, NULL, help                         \
    }
#define MAP(path, help)                                                                \
    {                                                                                  \
        path, HF_CONF_MAP, NULL, 0, 0, false, NULL, help                               \
    }

#define STATES "enabled|paused|draining|disabled"

const struct hf_conf_row ct_config_rows[] = {
    NEEDED(
        "cluster", 1, CT_NAME_BYTES_MAX,
        "Name of the cluster: letters, digits, '-' and '_'. It is the audience of "
        "every "
        "token and names the default state directory ./var/NAME. Fixed while running."),

    MAP("controller", "The controller. Fixed while running."),
    TEXT("controller.admin", NULL, 1, 255,
         "HOST:PORT for /livez, /readyz and /metrics; without it only the unix socket "
         "in "
         "the run directory answers."),

    MAP("log", "The logs of all processes. Fixed while running."),
    CHOICE("log.format", "logfmt", "logfmt|json", "How lines look."),
    CHOICE("log.level", "info", "debug|info|warn", "Lines from this level on."),

    MAP("http", "What all frontends do alike."),
    NUMBER("http.unrouted_status", "404", 400, 599,
           "Status for a URL that no URL group claims."),
    LIST("http.trusted_proxies", 0, 256, false,
         "Networks (CIDR) whose Forwarded and X-Forwarded-For are believed."),
    TEXT("http.trusted_proxies[]", NULL, 1, 64, "A network, such as 10.0.0.0/8."),

    MAP("tokens", "Capability tokens."),
    TIME("tokens.life", "15m", 10000, DAY,
         "Life of the tokens of brokers, frontends and workers; renewed at 2/3."),
    TIME("tokens.grace", "24h", 0, 30 * DAY,
         "Expired tokens are accepted this long while the controller is away."),
    TIME("tokens.max_ttl", "24h", 60000, DAY, "Longest life of any token."),

    LIST("brokers", 1, CT_BROKERS_MAX, true, "The brokers. Fixed while running."),
    MAP("brokers[]", "One broker."),
    NEEDED("brokers[].name", 1, CT_NAME_BYTES_MAX,
           "Its name: letters, digits, '-', '_'."),
    LIST("brokers[].listen", 0, 8, false,
         "Link addresses, tcp://HOST:PORT (sealed) or ipc://PATH. Default: an ipc "
         "socket in "
         "the run directory."),
    TEXT("brokers[].listen[]", NULL, 1, 107, "An address."),
    TEXT("brokers[].admin", NULL, 1, 255,
         "HOST:PORT for /livez, /readyz and /metrics."),
    TEXT("brokers[].store", NULL, 1, 4000,
         "Directory of the LMDB environment. Default: broker-NAME in the state "
         "directory."),
    SIZE("brokers[].map_size", "64GiB", 1 << 20, 16384 * GIB,
         "Hard limit of the store; the file is sparse."),
    SIZE("brokers[].disk_reserve", "64MiB", 0, 1024 * GIB,
         "Durable requests are refused when less disk than this is free."),
    NUMBER("brokers[].requests_max", "2000000", 1, 16000000,
           "Requests queued and in flight, all queues together."),
    NUMBER("brokers[].in_flight_max", "100000", 1, 16000000,
           "Requests leased to workers at once."),
    NUMBER("brokers[].queues_max", "10000", 1, 65535,
           "Queues; a policy of more is refused whole."),
    NUMBER("brokers[].sessions_max", "4096", 1, 32767, "Sessions at once."),
    NUMBER("brokers[].handles_max", "65536", 1, 16000000,
           "Queues that all sessions have open, together."),
    NUMBER("brokers[].principals_max", "16384", 1, 65535,
           "Holder keys that something there is tied to."),
    SIZE(
        "brokers[].kept_bytes", "1GiB", 1, 1024 * GIB,
        "Responses kept until their frontend acknowledges them; more are passed on but "
        "cannot be repeated after a lost link."),
    SIZE("brokers[].kept_each_bytes", "256MiB", 1, 1024 * GIB,
         "The same for each frontend."),
    NUMBER(
        "brokers[].inspect_rate", "200", 1, 1000000,
        "Questions about its state that one session may ask each second, and ten times "
        "as many at once; more end the session."),
    TIME("brokers[].lease", "30s", 3000, HOUR, "Life of a lease without a heartbeat."),
    TIME("brokers[].lease_grace", "5s", 0, HOUR,
         "How long a worker that lost its link may come back for its leases."),
    TIME("brokers[].broker_grace", "30s", 0, HOUR,
         "How long a frontend that lost its link may come back for its requests."),

    LIST("frontends", 1, CT_FRONTENDS_MAX, true,
         "The frontends. Each has one loop and keeps one core busy at most: name "
         "several "
         "to use more. Fixed while running."),
    MAP("frontends[]", "One frontend."),
    NEEDED("frontends[].name", 1, CT_NAME_BYTES_MAX, "Its name."),
    LIST("frontends[].listen", 1, 16, true,
         "Addresses for HTTP clients: HOST:PORT, [V6]:PORT or :PORT for all "
         "interfaces."),
    TEXT("frontends[].listen[]", NULL, 2, 255, "An address."),
    TEXT("frontends[].admin", NULL, 1, 255,
         "HOST:PORT for /livez, /readyz and /metrics."),
    TEXT("frontends[].spool", NULL, 1, 4000,
         "Existing directory for request bodies over 1 MiB, in unlinked files. "
         "Default: spool in "
         "the state directory."),
    NUMBER("frontends[].connections_max", "65536", 1, 1000000,
           "Client connections at once."),
    NUMBER("frontends[].requests_max", "65536", 1, 1000000, "Requests held at once."),
    NUMBER("frontends[].queues_max", "10000", 1, 65535,
           "Queues it routes to; requests for the others get 503 no-routes."),
    TIME("frontends[].header_timeout", "20s", 100, HOUR,
         "How long a client may take for a whole header."),
    TIME("frontends[].idle_timeout", "75s", 100, DAY,
         "How long an idle connection is kept."),
    SIZE("frontends[].min_rate", "500", 0, GIB,
         "Bytes a second below which a transfer is ended; 0: never."),
    TIME("frontends[].deadline_max", "600s", 100, DAY,
         "No URL group's deadline is longer than this."),
    TIME("frontends[].broker_grace", "30s", 0, HOUR,
         "How long a request waits for a broker that is gone."),

    LIST("queues", 1, CT_QUEUES_MAX, true, "The queues."),
    MAP("queues[]", "One queue."),
    NEEDED("queues[].name", 1, 255,
           "1 to 8 segments of [a-z0-9_-]{1,63} joined by dots, at most 255 bytes."),
    CHOICE("queues[].durability", "lazy", "lazy|memory|strict",
           "strict: on disk before anybody is told or served. lazy: a request that is "
           "answered before the next group commit never touches the disk; asynchronous "
           "and "
           "keyed ones are strict. memory: never on disk."),
    NUMBER("queues[].length", "1000", 10, 1000000,
           "Most requests; more get 503 QueueFull."),
    SIZE("queues[].bytes", "256MiB", 65536, 1024 * GIB,
         "Most bytes of queued requests."),
    TIME("queues[].wait_limit", "120s", 100, DAY,
         "A request that no worker took for this long gets 503 AppPoolTimer."),
    CHOICE(
        "queues[].redeliver", "safe", "safe|always",
        "safe: a started POST, PATCH or unknown method without a key is not run again "
        "when its worker dies (502 worker-lost). always: it is."),
    NUMBER("queues[].attempts", "5", 1, 1000, "Failed attempts before 502 attempts."),
    TIME("queues[].lazy_commit", "10ms", 0, 60000,
         "How long a lazy request may stay off the disk; 0 commits at once."),
    CHOICE("queues[].state", "enabled", STATES,
           "paused: requests are taken and wait. draining: none are taken, those there "
           "are "
           "served. disabled: none are taken or served."),
    CHOICE("queues[].order", "fifo", "fifo|adaptive",
           "adaptive: when requests have waited over 500 ms for 1 s, the newest are "
           "served first and the oldest expire."),
    NUMBER("queues[].fair_share", "25", 1, 100,
           "Percent of length that the requests of one fair_key may take; more get 503 "
           "QueueFull."),
    NUMBER("queues[].max_in_flight", "0", 0, 1000000,
           "Most requests with workers at once; 0, no limit. So for the next keys."),
    NUMBER("queues[].rate", "0", 0, 1000000,
           "Most requests given to workers a second."),
    NUMBER("queues[].burst", "0", 0, 1000000,
           "How many of them may come at once; 0: one second's worth."),
    NUMBER("queues[].key_max_in_flight", "0", 0, 1000000,
           "Reserved. As max_in_flight, for each fair_key."),
    NUMBER("queues[].key_rate", "0", 0, 1000000,
           "Reserved. As rate, for each fair_key."),
    NUMBER("queues[].key_burst", "0", 0, 1000000,
           "Reserved. As burst, for each fair_key."),
    CHOICE("queues[].limit_action", "wait", "wait|refuse",
           "What comes of requests beyond these limits: they wait, or get 429 with "
           "RateLimit fields."),
    CHOICE("queues[].retry_on", "none", "none|5xx",
           "Reserved. 5xx: a response of 500 or more is a failed attempt."),
    NUMBER("queues[].max_crashes", "2", 0, 100,
           "Workers that one request may crash, running alone, before it is set aside "
           "(502 poison); 0, no limit."),
    TIME("queues[].retention", "24h", 1000, 30 * DAY,
         "How long responses to asynchronous and keyed requests are kept."),
    SIZE("queues[].response_max", "1MiB", 1024, INT64_C(1) << 20,
         "The largest of them that is kept."),
    TEXT("queues[].broker", NULL, 1, CT_NAME_BYTES_MAX,
         "The broker that holds it. Default: chosen by the queue's name."),

    LIST("url_groups", 0, CT_GROUPS_MAX, false,
         "URL groups: prefixes bound to a queue."),
    MAP("url_groups[]", "One URL group."),
    NEEDED("url_groups[].name", 1, CT_NAME_BYTES_MAX, "Its name."),
    LIST("url_groups[].prefixes", 1, CT_PREFIXES_MAX, true,
         "UrlPrefixes: scheme://host:port/path/. Hosts: + (strong), a name, *.name, an "
         "IP "
         "address, * (weak)."),
    TEXT("url_groups[].prefixes[]", NULL, 1, 8192, "A UrlPrefix."),
    TEXT("url_groups[].queue", NULL, 1, 255,
         "Where its requests go. Without it the group is unbound: 503."),
    SIZE("url_groups[].body_max", "30000000", 0, 5 * GIB,
         "Longest request body; more is 413."),
    TIME("url_groups[].deadline", "600s", 100, DAY,
         "A request that is not answered by then gets 504."),
    CHOICE("url_groups[].state", "enabled", STATES, "As for queues, at the frontend."),
    CHOICE("url_groups[].verbosity", "limited", "limited|full|reset",
           "What a client learns of a 503: a plain reason, the details, or a reset."),
    CHOICE("url_groups[].respond_async", "off", "off|on",
           "on: clients may ask for 202 and a status URL (Prefer: respond-async)."),
    CHOICE("url_groups[].priority", "off", "off|on",
           "Reserved. on: the urgency of a client's Priority field is believed."),
    CHOICE("url_groups[].client_deadline", "off", "off|on",
           "Reserved. on: Holdfast-Deadline of a client is believed."),
    CHOICE("url_groups[].delay", "off", "off|on",
           "Reserved. on: Holdfast-Not-Before and Holdfast-Delay of asynchronous "
           "requests are "
           "honoured."),
    CHOICE("url_groups[].coalesce", "off", "off|on",
           "Reserved. on: identical GET requests in flight share one run."),
    CHOICE("url_groups[].idempotency", "accept", "accept|off|require",
           "Reserved. Whether Idempotency-Key is honoured, ignored, or demanded of "
           "POST and "
           "PATCH."),
    CHOICE("url_groups[].idempotency_wait", "conflict", "conflict|attach",
           "Reserved. A key whose request still runs: 409, or the answer of that run."),
    LIST("url_groups[].idempotency_fields", 0, 16, false,
         "Reserved. Fields whose values belong to the scope of a key. Default: "
         "Authorization and "
         "Cookie."),
    TEXT("url_groups[].idempotency_fields[]", NULL, 1, 255, "A field name."),
    TEXT("url_groups[].fair_key", NULL, 1, 255,
         "Whose share a request takes: client-ip, host, header:NAME or segment:N (of "
         "the path, from 1)."),
    TEXT(
        "url_groups[].serial_key", NULL, 1, 255,
        "Reserved. Requests of one such key run one at a time, in order. As fair_key."),
    TEXT(
        "url_groups[].affinity_key", NULL, 1, 255,
        "Reserved. Requests of one such key go to the worker that had the last one. As "
        "fair_key."),
    LIST("url_groups[].callback_hosts", 0, 64, false,
         "Reserved. Hosts that Holdfast-Callback may name; none: it is refused."),
    TEXT("url_groups[].callback_hosts[]", NULL, 1, 255, "A host, or *.suffix."),
    CHOICE("url_groups[].path_case", "insensitive", "insensitive|sensitive",
           "Whether the letter case of paths matters in matching."),

    LIST("pools", 0, CT_POOLS_MAX, false, "Pools: the workers of a queue."),
    MAP("pools[]", "One pool. Exactly one of module, app, upstream and command."),
    NEEDED("pools[].name", 1, CT_NAME_BYTES_MAX, "Its name."),
    NEEDED("pools[].queue", 1, 255, "The queue its workers serve."),
    NUMBER("pools[].processes", "1", 0, CT_PROCESSES_MAX, "Workers at once."),
    CHOICE("pools[].start", "always", "always", "When workers are started."),
    NUMBER("pools[].concurrency", "1", 1, 65535,
           "Requests that one worker takes at once."),
    TEXT("pools[].module", NULL, 1, 4000,
         "A handler module: a built-in name such as echo, or the path of a shared "
         "object."),
    TEXT("pools[].module_config", NULL, 0, 4000, "Text handed to the module."),
    MAP("pools[].app", "An HTTP app that each worker starts and watches."),
    LIST("pools[].app.command", 1, 64, true,
         "Program and arguments. {port} becomes a free port of the loopback address, "
         "another one for each worker."),
    TEXT("pools[].app.command[]", NULL, 0, 4000, "A word."),
    TEXT("pools[].app.directory", NULL, 1, 4000, "Where it starts."),
    LIST("pools[].app.environment", 0, 128, false, "NAME=value, added for the app."),
    TEXT("pools[].app.environment[]", NULL, 2, 4000, "NAME=value."),
    NEEDED("pools[].app.upstream", 1, 1024,
           "Where it answers: http://HOST:PORT with {port} as in the command, or "
           "unix:PATH."),
    TEXT("pools[].upstream", NULL, 1, 1024,
         "An app that runs by itself: http://HOST:PORT or unix:PATH."),
    LIST(
        "pools[].command", 0, 128, false,
        "An own worker, linked with libholdfast-worker: program and arguments. It gets "
        "its package on descriptor 3 and --broker, --queue and --concurrency "
        "appended."),
    TEXT("pools[].command[]", NULL, 0, 4000, "A word."),
    LIST("pools[].environment", 0, 128, false, "NAME=value, added for that worker."),
    TEXT("pools[].environment[]", NULL, 2, 4000, "NAME=value."),
    TEXT("pools[].user", NULL, 1, 32,
         "The workers' own user; the spawner must be root. Needs a broker with a tcp "
         "address, because the run directory is private."),
    TIME("pools[].shutdown_limit", "90s", 100, HOUR,
         "How long a worker may finish its leases before it is killed."),
    TIME("pools[].ping_interval", "30s", 1000, HOUR,
         "How often a worker is asked if it is "
         "well."),
    TIME("pools[].ping_limit", "90s", 1000, HOUR,
         "A worker that did not say it is well for this long is killed."),
    CHOICE("pools[].rapid_fail", "off", "off",
           "Rapid-fail protection: off. Other values come later."),
};

const size_t ct_config_rows_count = sizeof ct_config_rows / sizeof ct_config_rows[0];
