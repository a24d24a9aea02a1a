/* The configuration of a cluster: one YAML file, read against one table of keys
 * (docs/configuration.md is rendered from it), checked whole, references included. */
#ifndef HF_CONTROLLER_CONFIG_H
#define HF_CONTROLLER_CONFIG_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/map.h"
#include "lib/io/conf.h"
#include "lib/wire/lists.h"

#define CT_BROKERS_MAX    16
#define CT_FRONTENDS_MAX  16
#define CT_QUEUES_MAX     10000
#define CT_GROUPS_MAX     10000
#define CT_PREFIXES_MAX   100000
#define CT_POOLS_MAX      256
#define CT_PROCESSES_MAX  256 /* of one pool */
#define CT_WORKERS_MAX    512 /* of all pools: the spawner's table */
#define CT_NAME_BYTES_MAX 63
#define CT_CONFIG_MEMORY  (64u << 20)

struct ct_texts {
    const char *const *items;
    size_t count;
};

/* Keys that are handed on as a flag of the daemon, as written: key, flag. */
#define CT_BROKER_FLAGS(X)                                                             \
    X(map_size, "map-size")                                                            \
    X(disk_reserve, "disk-reserve")                                                    \
    X(requests_max, "requests-max")                                                    \
    X(in_flight_max, "in-flight-max")                                                  \
    X(queues_max, "queues-max")                                                        \
    X(sessions_max, "sessions-max")                                                    \
    X(handles_max, "handles-max")                                                      \
    X(principals_max, "principals-max")                                                \
    X(kept_bytes, "kept-bytes")                                                        \
    X(kept_each_bytes, "kept-each-bytes")                                              \
    X(inspect_rate, "inspect-rate")                                                    \
    X(lease, "lease")                                                                  \
    X(lease_grace, "lease-grace")                                                      \
    X(broker_grace, "broker-grace")
#define CT_FRONTEND_FLAGS(X)                                                           \
    X(connections_max, "connections")                                                  \
    X(requests_max, "requests")                                                        \
    X(queues_max, "queues")                                                            \
    X(header_timeout, "header-timeout")                                                \
    X(idle_timeout, "idle-timeout")                                                    \
    X(min_rate, "min-rate")                                                            \
    X(deadline_max, "deadline")                                                        \
    X(broker_grace, "broker-grace")

struct ct_broker_config {
    const char *name;
    struct ct_texts listen; /* empty: ipc in the run directory */
    const char *admin;      /* NULL: none */
    const char *store;      /* NULL: STATE/broker-NAME */
#define X(key, flag) const char *key;
    CT_BROKER_FLAGS(X)
#undef X
};

struct ct_frontend_config {
    const char *name;
    struct ct_texts listen;
    const char *admin;
    const char *spool; /* NULL: STATE/spool */
#define X(key, flag) const char *key;
    CT_FRONTEND_FLAGS(X)
#undef X
};

struct ct_queue_config {
    const char *name;
    const char *broker; /* NULL: placed by name */
    struct hf_queue_policy policy;
    struct hf_queue_rules rules;
};

struct ct_group_config {
    const char *name;
    const char *queue; /* NULL: unbound */
    struct ct_texts prefixes;
    uint64_t body_max;
    uint32_t deadline_ms;
    enum hf_queue_state state;
    enum hf_verbosity verbosity;
    bool is_case_sensitive;
    uint32_t wishes; /* enum hf_wish */
    enum hf_idempotency idempotency;
    struct ct_texts idempotency_fields;
    const char *fair_key; /* NULL: none; so for the next two */
    const char *serial_key;
    const char *affinity_key;
    struct ct_texts callback_hosts;
};

enum ct_pool_kind { CT_POOL_MODULE, CT_POOL_APP, CT_POOL_UPSTREAM, CT_POOL_COMMAND };

struct ct_pool_config {
    const char *name;
    const char *queue;
    uint32_t processes;
    uint32_t concurrency;
    enum ct_pool_kind kind;
    const char *module;
    const char *module_config; /* NULL: none */
    const char *upstream;
    struct ct_texts command;     /* of the app, or of an own worker */
    struct ct_texts environment; /* the same */
    const char *directory;       /* NULL: that of `up` */
    const char *user;            /* NULL: ours */
    int64_t shutdown_limit_ms;
    int64_t ping_interval_ms;
    int64_t ping_limit_ms;
    uint64_t fingerprint; /* of what a running worker must be restarted for */
};

struct ct_config {
    struct hf_arena arena;
    const char *cluster;
    const char *controller_admin; /* NULL: only the unix socket */
    const char *log_format;       /* flags of each process */
    const char *log_level;
    uint32_t unrouted_status;
    struct ct_texts trusted_proxies;
    int64_t token_life_ms;
    int64_t token_grace_ms;
    int64_t token_ttl_max_ms;
    const struct ct_broker_config *brokers;
    size_t brokers_count;
    const struct ct_frontend_config *frontends;
    size_t frontends_count;
    const struct ct_queue_config *queues;
    size_t queues_count;
    const struct ct_group_config *groups;
    size_t groups_count;
    const struct ct_pool_config *pools;
    size_t pools_count;
    uint64_t fixed; /* of what cannot change while the cluster runs */
};

extern const struct hf_conf_row ct_config_rows[];
extern const size_t ct_config_rows_count;

/* Reads and checks. INVALID: `errors` has one "file:line:column: key: what" line for
 * each mistake and *out is NULL. `file` is only the name in messages. */
HF_MUST_USE hf_err ct_config_read(const char *file, hf_slice yaml,
                                  struct hf_buf *errors, struct ct_config **out);
/* The same from the file; one that cannot be read is INVALID with a line in `errors`.
 */
HF_MUST_USE hf_err ct_config_load(const char *file, struct hf_buf *errors,
                                  struct ct_config **out);
void ct_config_free(struct ct_config *config); /* NULL is legal */
const struct ct_pool_config *ct_config_pool(const struct ct_config *config,
                                            hf_slice name);

#endif
