/* The frontend's shell: one loop thread on which clients, links and the core meet.
 *
 * Input comes from client.c (what a connection says) and records.c (what a broker
 * says), goes through fe_step, and effects.c carries out what the core decided. Bytes
 * for clients and links are gathered and leave once, at the end of the loop's turn. */
#ifndef HF_FRONTEND_SHELL_H
#define HF_FRONTEND_SHELL_H

#include "frontend/core/frontend.h"
#include "frontend/stash.h"
#include "frontend/stats.h"
#include "lib/base/list.h"
#include "lib/http/host.h"
#include "lib/http/write.h"
#include "lib/io/admin.h"
#include "lib/io/conn.h"
#include "lib/io/credentials.h"
#include "lib/io/link.h"
#include "lib/io/loop.h"
#include "lib/wire/messages.h"

#define FE_LISTENERS_MAX 16
#define FE_BROKERS_MAX   64
#define FE_TICK_MS       100
#define FE_CLIENT_LISTS  10 /* a client is looked at once in this many ticks */
#define FE_RANDOM_BYTES  4096

struct fe_hold;
struct fe_table;
struct fe_uplink;

struct fe_options {
    const char *listen[FE_LISTENERS_MAX];
    size_t listen_count;
    const char *brokers[FE_BROKERS_MAX];
    size_t brokers_count;
    const char *admin; /* NULL: none */
    const char *token; /* file, looked at for a newer token; NULL: none */
    const char *spool; /* directory for large bodies */
    const char *name;
    uint32_t connections_max;
    uint32_t exchanges_max;
    uint32_t handles_max;
    int64_t broker_grace_ms;
    int64_t deadline_ms;
    int64_t header_ms; /* SECURITY.md 5, slow clients */
    int64_t idle_ms;
    uint64_t rate_min;      /* bytes per second, both ways */
    int64_t drain_delay_ms; /* from SIGTERM to closing the listeners */
    int64_t drain_max_ms;   /* from there to the end, come what may */
    bool is_clear_tcp;      /* insecure_plaintext */
};

struct fe_shell {
    const struct fe_options *options;
    struct hf_credentials *credentials;
    struct hf_link_identity *identity;
    struct hf_trust trust;
    struct hf_loop *loop;
    struct hf_timer *ticker;
    struct hf_signal *signals[2];
    struct hf_admin *admin;
    struct hf_file_watch *token_watch;
    struct hf_listener *listeners[FE_LISTENERS_MAX];
    size_t listeners_count;
    bool is_paused; /* the listeners, at connections_max */

    struct frontend *core;
    struct frontend_effects effects;
    bool is_stepping;
    bool has_looked; /* at the clock, in this turn of the loop */
    hf_time now;
    int64_t date_s;
    char date[HF_HTTP_DATE_BYTES + 1];
    struct hf_id_source ids;
    uint8_t random[FE_RANDOM_BYTES]; /* drawn in bulk: an id costs 8 of them */
    size_t random_used;
    uint64_t ticks_count;

    /* The input of the running step. */
    struct fe_hold *admitting;
    const struct hf_record *record;
    struct hf_response_head response_head;

    struct fe_hold **by_slot; /* exchanges_max + 1 */
    struct hf_list holds_free;
    uint32_t holds_free_count;
    struct hf_list clients[FE_CLIENT_LISTS];
    struct hf_list dirty;   /* clients with bytes to write */
    struct hf_list resumed; /* clients that may go on reading */
    struct hf_list
        orphans; /* holds whose answer we broke: the core does not know yet */
    uint32_t clients_count;

    struct fe_stash stash;
    struct fe_lookup **lookups; /* FE_LOOKUPS_MAX; see status.h */
    uint32_t lookups_count;     /* so far */

    struct fe_uplink *uplinks[FE_BROKERS_MAX + 1]; /* 1.. */
    uint32_t uplinks_count;
    struct fe_table *table; /* NULL: no routes yet */
    uint64_t table_sequence;

    struct hf_buf path;   /* scratch: canonical path */
    struct hf_buf fields; /* scratch: a fields block */
    uint8_t *piece;       /* scratch: one body piece */

    struct fe_stats stats;
    uint32_t log_tokens; /* lines about requests this second may still see */

    bool is_stopping; /* SIGTERM came: every answer closes its connection */
    bool is_drained;  /* the core holds nothing any more */
    bool is_closing;  /* the listeners are closed */
    hf_time stop_since;
    int exit_status;
};

/* Opens everything: listeners, admin server, links. The options and credentials are
 * borrowed until fe_shell_free. On failure a line has been logged. */
HF_MUST_USE hf_err fe_shell_new(const struct fe_options *options,
                                struct hf_credentials *credentials,
                                struct fe_shell **out);
/* Runs until drained; returns the exit status. */
int fe_shell_run(struct fe_shell *shell);
void fe_shell_free(struct fe_shell *shell);

/* Reads the clock for the inputs that follow, once in a turn of the loop. */
void fe_shell_look(struct fe_shell *shell);
hf_slice fe_shell_date(const struct fe_shell *shell);
hf_id fe_shell_new_id(struct fe_shell *shell);
/* Gives one input to the core and carries out its effects. Never from an effect. */
void fe_step(struct fe_shell *shell, struct frontend_input *input);
/* effects.c */
void fe_carry_out(struct fe_shell *shell, const struct frontend_effect *effect);
/* accept.c: opens the configured listeners; pauses at the cap, resumes below it. */
HF_MUST_USE hf_err fe_accept_open(struct fe_shell *shell);
void fe_accept_balance(struct fe_shell *shell);
void fe_accept_close(struct fe_shell *shell);
/* probe.c: /livez, /readyz, /metrics. */
HF_MUST_USE hf_err fe_probe_open(struct fe_shell *shell);
/* One line about a request that was refused or failed; at most 100 a second. */
void fe_log_request(struct fe_shell *shell, hf_id id, hf_reason reason);

#endif
