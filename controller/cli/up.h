/* `holdfast up`: a whole cluster as children of one foreground process.
 *
 *   up.c          the loop, signals, news       up_state.c    lock, directories,
 * leftovers up_child.c    one child's life              up_command.c  command lines
 *   up_identity.c packages of brokers and frontends
 *   up_drain.c    the orderly end               up_mirror.c   --verbose */
#ifndef HF_CONTROLLER_CLI_UP_H
#define HF_CONTROLLER_CLI_UP_H

#include "controller/cli/state.h"
#include "controller/cli/verbs.h"
#include "controller/config.h"
#include "lib/io/credentials.h"
#include "lib/io/loop.h"

#include <sys/types.h>

#define UP_CHILDREN_MAX   (3 + CT_BROKERS_MAX + CT_FRONTENDS_MAX)
#define UP_WORDS_MAX      96
#define UP_WORD_BYTES     4096
#define UP_TICK_MS        20
#define UP_WATCH_MS       250
#define UP_BACKOFF_MS     50
#define UP_BACKOFF_MS_MAX 5000
#define UP_STEADY_MS      1000
#define UP_CALL_MS        500

/* In the order of starting. */
enum up_role { UP_SPAWNER, UP_MINT, UP_CONTROLLER, UP_BROKER, UP_FRONTEND };

/* In the order of ending. */
enum up_stage {
    UP_RUNS,
    UP_ENDS_FRONTENDS,
    UP_ENDS_WORKERS,
    UP_ENDS_BROKERS,
    UP_ENDS_MINT
};

struct up_child {
    enum up_role role;
    const char *name;
    const struct ct_broker_config *broker;
    const struct ct_frontend_config *frontend;
    pid_t pid; /* 0: does not run */
    int64_t since_ms;
    hf_time started;
    hf_time due; /* of the next start */
    int64_t backoff_ms;
    off_t log_from;                    /* where its log stood when it was started */
    bool is_ready;                     /* as the controller told */
    struct hf_credentials credentials; /* brokers and frontends */
    hf_time issued;                    /* of the token in them; 0: none yet */
};

struct up {
    struct ct_config *config;
    char config_path[CLI_PATH_BYTES];
    char state[CLI_PATH_BYTES];
    char run[CLI_PATH_BYTES];
    char bin[CLI_PATH_BYTES];
    int lock;
    bool is_verbose;
    struct hf_loop *loop;
    struct hf_timer *ticker;
    struct up_child children[UP_CHILDREN_MAX];
    size_t children_count;
    char boot[40];
    uint64_t news_next;
    hf_time watch_due;
    uint32_t workers_ready;
    bool is_ready_told;
    enum up_stage stage;
    hf_time stage_end;
    int signals_count;
};

/* One status line on standard output. */
void up_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *up_role_name(enum up_role role);

/* up_state.c: fills state and run; false after a message. */
bool up_state_open(struct up *up, const char *given);
void up_state_close(struct up *up);
/* Writes down who runs, for an `up` that comes after a kill of this one. */
void up_state_note(const struct up *up);

/* up_command.c: NULL-terminated words that live until the next call. */
const char *const *up_command(const struct up *up, const struct up_child *child);

/* up_child.c */
void up_children_make(struct up *up);
void up_children_bound_logs(const struct up *up);
/* Starts whoever is due. */
void up_children_run(struct up *up);
/* Takes in whoever has ended. */
void up_children_reap(struct up *up);
void up_child_signal(const struct up_child *child, int signal_number);

/* up_identity.c: makes the credentials usable; false: not yet. */
bool up_identity_ensure(struct up *up, struct up_child *child);
/* Keeps tokens in hand fresh, so that a restart needs nobody. */
void up_identity_refresh(struct up *up);

/* up_drain.c */
void up_drain_begin(struct up *up);
void up_drain_force(struct up *up);
void up_drain_run(struct up *up);
/* Whether a child of this role is still to run. */
bool up_is_kept(const struct up *up, enum up_role role);

/* up_mirror.c: copies what the log files gained to standard error. */
void up_mirror_run(struct up *up);

#endif
