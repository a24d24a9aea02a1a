/* The controller's shell: one loop on which configuration, brokers, spawner, mint and
 * the admin API meet. Links call on threads of their own and only post to the loop.
 *
 *   reload.c   the file -> config       publish.c  config -> policy, routes,
 * revocations issue.c    keys and tokens          revoke.c   what is withdrawn uplink.c
 * links to brokers         report.c   what brokers say of themselves launch.c   the
 * spawner              carry.c    effects of the fleet news.c     lines for people
 * admin*.c   the API */
#ifndef HF_CONTROLLER_SHELL_H
#define HF_CONTROLLER_SHELL_H

#include "controller/config.h"
#include "controller/core/fleet.h"
#include "controller/core/identity.h"
#include "controller/core/publication.h"
#include "controller/local.h"
#include "controller/store.h"
#include "lib/io/admin.h"
#include "lib/io/credentials.h"
#include "lib/io/file.h"
#include "lib/io/link.h"
#include "lib/io/loop.h"
#include "lib/wire/messages.h"

#define CT_TICK_MS         50
#define CT_STAT_MS         100 /* a status is at most this old */
#define CT_STAT_MANY_MS    250
#define CT_STAT_MANY_ROWS  200
#define CT_STAT_SLOW_MS    2000 /* when there are many rows */
#define CT_STAT_SLOW_ROWS  2000
#define CT_MINT_TIMEOUT_MS 2000
#define CT_NEWS_MAX        256
#define CT_NEWS_BYTES      200
#define CT_PROCESSES_ROWS  64
#define CT_DEAD_MAX        64
#define CT_DEAD_MS         60000
#define CT_CHUNK_BYTES     262144
#define CT_POLICY_QUEUES   100 /* of one POLICY record */
#define CT_REVOKED_MAX     40000
#define CT_SIGNED_FRESH_MS 30000
#define CT_ADDRESS_BYTES   160

struct ct;

struct ct_options {
    const char *config; /* the YAML file */
    const char *state;  /* our store is below it */
    const char *run;    /* sockets */
    const char *bin;    /* where holdfast-worker is */
    const char *mint;   /* sockets' paths */
    const char *spawner;
    const char *anchor; /* file with the issuer's public key */
    const char *name;
};

/* What one broker told, as a whole. */
struct ct_stat {
    struct hf_arena arena;
    bool is_there;
    struct hf_broker_stat broker;
    struct hf_queue_stat *queues;
    size_t queues_count;
    size_t queues_room;
    struct hf_session_stat *sessions;
    size_t sessions_count;
    size_t sessions_room;
};

struct ct_uplink {
    struct ct *ct;
    size_t index;
    char address[CT_ADDRESS_BYTES];
    struct hf_link_dialer *dialer;
    struct hf_link *link; /* a reference while it is up */
    hf_digest transcript;
    uint64_t reauth_counter;
    uint64_t stat_nonce;
    bool is_stat_pending;
    _Atomic bool is_complained;
    struct ct_stat stats[2]; /* the whole one, and the one that arrives */
    size_t current;
};

struct ct_process {
    char role[16];
    char name[CT_NAME_BYTES_MAX + 1];
    int64_t pid;
    int64_t since_ms;
};

struct ct_signed {
    hf_slice *parts; /* documents, in the arena */
    size_t count;
    struct hf_arena arena;
    hf_time at;
};

struct ct {
    struct ct_options options;
    struct hf_loop *loop;
    struct hf_timer *ticker;
    struct ct_store *store;
    struct hf_admin *admin;
    struct hf_admin *probes;
    struct hf_file_watch *watch;
    struct ct_config *config;
    struct hf_buf
        config_error; /* why the newest file was refused; empty when it was not */

    struct hf_credentials
        credentials; /* our own key and token, the anchors, the cluster */
    struct hf_link_identity *identity;
    struct identities identities;
    int mint_fd; /* -1: not connected */
    uint64_t mint_nonce;

    struct ct_revoked *revoked;
    size_t revoked_count;
    bool is_revocation_late; /* entries wait for the next repetition */
    struct ct_signed revocation;

    struct publication publication;
    struct hf_buf policy; /* be32 length and meta of each part */
    struct hf_buf routes;
    struct hf_buf manifest;
    hf_time sequence_raise_at;

    struct ct_uplink uplinks[CT_BROKERS_MAX];
    hf_time stat_due;

    struct fleet *fleet;
    int spawner_fd;
    struct hf_watch *spawner_watch;
    hf_time spawner_due;
    hf_key pending[FLEET_WORKERS_MAX + 1]; /* keys of launches on their way */
    bool is_ready_told[FLEET_WORKERS_MAX + 1];
    struct {
        hf_key key;
        hf_time at;
    } dead[CT_DEAD_MAX];
    size_t dead_next;

    uint64_t boot; /* random: tells this run of ours from others */
    uint64_t news_next;
    char news[CT_NEWS_MAX][CT_NEWS_BYTES];
    struct ct_process processes[CT_PROCESSES_ROWS]; /* as `up` reports them */
    size_t processes_count;
    int64_t since_ms;
};

/* main.c */
_Noreturn void ct_stop_now(const char *why); /* the store failed, or memory */
void ct_must(hf_err err, const char *what);  /* ct_stop_now unless OK */

/* reload.c: false when the file was refused (config_error says why). */
bool ct_reload(struct ct *ct);

/* issue.c */
struct ct_issue {
    const char *template_; /* of the mint */
    enum identity_role role;
    const char *subject;
    hf_key key;
    const hf_slice *queues;
    size_t queues_count;
    const hf_slice *rights;
    size_t rights_count;
    int64_t life_s;
    uint32_t depth; /* how often the holder may attenuate it */
    uint64_t fingerprint;
};

/* Asks the mint, judges what it gave, remembers the identity; appends the token. Blocks
 * for CT_MINT_TIMEOUT_MS at most. CLOSED: no mint; DENIED: it refuses. */
HF_MUST_USE hf_err ct_issue(struct ct *ct, const struct ct_issue *request,
                            struct hf_buf *token);
/* Signs a document of the mint's other kinds. */
HF_MUST_USE hf_err ct_sign(struct ct *ct, enum hf_mint_kind kind, hf_slice document,
                           struct hf_buf *out);
/* Our own token: the first one, and every next. */
HF_MUST_USE hf_err ct_issue_own(struct ct *ct);
/* Renews what is due. */
void ct_renew(struct ct *ct);
/* Brings a fresh token to its holder's live sessions, through the brokers. */
void ct_push(struct ct *ct, hf_key key, hf_slice token);
void ct_forget(struct ct *ct, hf_key key);
/* key (unless secret is NULL), token, anchors and cluster as one package. */
HF_MUST_USE hf_err ct_package(struct ct *ct, struct hf_secret *secret, hf_slice token,
                              struct hf_buf *out);

/* revoke.c */
void ct_revocation_restore(struct ct *ct);
/* Adds one and publishes it: at once, or with the next repetition. FULL. */
HF_MUST_USE hf_err ct_revoke(struct ct *ct, const struct ct_revoked *revoked,
                             bool is_urgent);
/* Signed parts that are fresh enough, signing anew when needed. */
HF_MUST_USE hf_err ct_revocation_sign(struct ct *ct);

/* publish.c */
void ct_publish_config(struct ct *ct);
void ct_publish(struct ct *ct); /* sends what is due to whom it is due */
/* A broker holds a later number than ours: our store was lost. */
void ct_publish_raise(struct ct *ct, enum publication_kind kind, uint64_t held);
const char *ct_publication_name(enum publication_kind kind);
/* "ipc://..." or "tcp://..." where a broker is dialled first; `out` has room for
 * CT_ADDRESS_BYTES. */
void ct_broker_address(const struct ct *ct, const struct ct_broker_config *broker,
                       size_t index, char *out);

/* uplink.c */
HF_MUST_USE hf_err ct_uplinks_open(struct ct *ct);
void ct_uplinks_close(struct ct *ct);
void ct_uplink_send(struct ct_uplink *uplink, const struct hf_record *record);
void ct_uplink_flush(struct ct_uplink *uplink);
void ct_uplinks_send(struct ct *ct, const struct hf_record *record);
void ct_uplinks_ask(struct ct *ct); /* STAT to all */
void ct_uplinks_identify(struct ct *ct, struct hf_link_identity *identity);
size_t ct_uplinks_up(const struct ct *ct);

/* report.c */
void ct_report_record(struct ct_uplink *uplink, const struct hf_record *record);
void ct_report_clear(struct ct_uplink *uplink);
const struct ct_stat *ct_report_of(const struct ct_uplink *uplink);

/* launch.c */
void ct_spawner_tick(struct ct *ct);
void ct_spawner_close(struct ct *ct);
void ct_spawner_send(struct ct *ct, uint16_t type, hf_slice meta);
/* False: the launch could not even be asked for. */
bool ct_launch(struct ct *ct, const struct fleet_effect *effect);

/* carry.c */
void ct_step(struct ct *ct, struct fleet_input *input);
void ct_configure_fleet(struct ct *ct);
void ct_tell_dead(struct ct *ct, struct ct_uplink *uplink);

/* news.c */
void ct_news(struct ct *ct, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ct_audit(struct ct *ct, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* admin_queues.c */
const struct ct_queue_config *ct_queue_find(const struct ct *ct, hf_slice name);
/* What the brokers are told: the file's state and the operator's pause. */
enum hf_queue_state ct_queue_state(const struct ct *ct,
                                   const struct ct_queue_config *queue);
/* Since when an operator's pause lasts; 0 without one. */
uint64_t ct_queue_paused_ms(const struct ct *ct, hf_slice queue);

/* admin.c */
HF_MUST_USE hf_err ct_admin_open(struct ct *ct);
void ct_admin_close(struct ct *ct);

#endif
