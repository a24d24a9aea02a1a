/* The fleet: which workers should run, which do, and what to do about the difference. A
 * pure state machine: the shell says what happened, the fleet says what to do.
 *
 *     WAITING --due--> LAUNCHING --ok--> RUNNING --drain, change, ping--> STOPPING
 *        ^                 | failed         | died                          | ended
 *        +-----------------+----------------+-------------------------------+
 *
 * A worker that ran for FLEET_STEADY_MS is started again at once; one that did not
 * waits 0.25 s, doubling to 30 s. Worker processes belong to the spawner: a new
 * controller adopts what it lists. Without a spawner nothing is launched or signalled.
 */
#ifndef HF_CONTROLLER_FLEET_H
#define HF_CONTROLLER_FLEET_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"

#define FLEET_POOLS_MAX      256
#define FLEET_WORKERS_MAX    1024 /* those that leave included */
#define FLEET_NAME_BYTES_MAX 63
#define FLEET_EFFECTS_MAX    64
#define FLEET_STEADY_MS      1000
#define FLEET_BACKOFF_MS     250
#define FLEET_BACKOFF_MS_MAX 30000
#define FLEET_RETIRE_WAIT_MS                                                           \
    2000 /* a revoked holder's successor is issued later than it */
#define FLEET_SHUTDOWN_MS 90000 /* of an adopted worker whose pool is gone */
#define FLEET_LAUNCH_MS   10000 /* no answer of the spawner: it failed */

enum fleet_input_type {
    FLEET_IN_CONFIG_BEGIN, /* the pools follow, then CONFIG_END */
    FLEET_IN_POOL,
    FLEET_IN_CONFIG_END,
    FLEET_IN_SPAWNER_UP, /* its children follow as ADOPT, then ADOPTED */
    FLEET_IN_ADOPT,
    FLEET_IN_ADOPTED, /* those not named are dead */
    FLEET_IN_SPAWNER_DOWN,
    FLEET_IN_LAUNCHED,
    FLEET_IN_LAUNCH_FAILED,
    FLEET_IN_EXITED,
    FLEET_IN_PONG,
    FLEET_IN_BROKERS, /* how many links to brokers are up */
    FLEET_IN_RETIRE,  /* replace the worker with this key */
    FLEET_IN_TICK
};

struct fleet_input {
    enum fleet_input_type type;
    hf_time now;
    union {
        struct {
            hf_slice name;
            uint32_t processes;
            uint64_t fingerprint;
            int64_t ping_interval_ms;
            int64_t ping_limit_ms;
            int64_t shutdown_limit_ms;
        } pool;
        struct {
            hf_slice pool;
            uint32_t index;
            hf_key key;
            int64_t pid;
            hf_time since;
            uint64_t fingerprint;
        } adopt;
        struct {
            uint32_t worker;
            hf_key key;
            int64_t pid;
        } launched; /* LAUNCHED, LAUNCH_FAILED (worker alone) */
        struct {
            int64_t pid;
            hf_key key;
            int64_t ran_ms;
            int signal;
            int status;
        } exited;
        struct {
            hf_key key;
            bool is_well;
        } pong;
        uint32_t brokers;
        hf_key retire;
    } u;
};

enum fleet_effect_type {
    FLEET_LAUNCH,      /* answer with LAUNCHED or LAUNCH_FAILED */
    FLEET_SIGNAL,      /* TERM, or KILL when is_kill */
    FLEET_PING,        /* answer with PONG when one comes */
    FLEET_HOLDER_DEAD, /* tell the brokers; the key is gone for ever */
    FLEET_TELL         /* a person may want to know */
};

enum fleet_news {
    FLEET_NEWS_STARTED,
    FLEET_NEWS_DIED,
    FLEET_NEWS_ENDED,
    FLEET_NEWS_UNWELL
};

struct fleet_effect {
    enum fleet_effect_type type;
    uint32_t worker; /* its number, 1.. */
    uint32_t index;  /* within its pool, 0.. */
    char pool[FLEET_NAME_BYTES_MAX + 1];
    hf_key key;
    int64_t pid;
    bool is_kill;
    enum fleet_news news;
    int64_t ran_ms;
    int signal;
    int status;
};

struct fleet_effects {
    size_t count;
    struct fleet_effect items[FLEET_EFFECTS_MAX];
};

enum fleet_state {
    FLEET_FREE,
    FLEET_WAITING,
    FLEET_LAUNCHING,
    FLEET_RUNNING,
    FLEET_STOPPING,
    FLEET_STATES
};

/* A worker as status shows it. */
struct fleet_view {
    enum fleet_state state;
    const char *pool;
    uint32_t index;
    hf_key key;
    int64_t pid;
    hf_time since;
    uint32_t restarts;
};

struct fleet;

struct fleet *fleet_new(void); /* NULL without memory */
void fleet_free(struct fleet *fleet);
/* At most FLEET_EFFECTS_MAX effects; what remains is due now. An EXITED of a process
 * that is not ours only yields HOLDER_DEAD. */
void fleet_step(struct fleet *fleet, const struct fleet_input *input,
                struct fleet_effects *effects);
/* When the next TICK is wanted. */
hf_time fleet_next_deadline(const struct fleet *fleet);
/* Workers 1..fleet_workers_max(); false for a free number. */
bool fleet_view(const struct fleet *fleet, uint32_t worker, struct fleet_view *out);
const char *fleet_state_name(enum fleet_state state);
/* Walks everything it holds. */
void fleet_check(const struct fleet *fleet);

#endif
