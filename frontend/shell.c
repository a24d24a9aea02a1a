#include "frontend/client.h"
#include "frontend/status.h"
#include "frontend/uplink.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LINES_PER_S 100u
#define TOKEN_LOOK_MS   1000
#define TICKS_PER_TURN  64 /* steps of the core that are due at once */
#define ROUNDS_PER_TURN                                                                \
    16 /* what is left waits for the next turn, FE_TICK_MS at most */

void fe_shell_look(struct fe_shell *shell)
{
    int64_t seconds;

    if (shell->has_looked) {
        return;
    }
    shell->has_looked = true;
    shell->now = hf_clock_now();
    seconds = shell->now.us / 1000000;
    if (seconds != shell->date_s) {
        shell->date_s = seconds;
        hf_http_date(shell->now, shell->date);
        shell->log_tokens = LOG_LINES_PER_S;
    }
}

hf_slice fe_shell_date(const struct fe_shell *shell)
{
    hf_check(shell->date_s != 0);
    return hf_slice_of(shell->date, HF_HTTP_DATE_BYTES);
}

hf_id fe_shell_new_id(struct fe_shell *shell)
{
    uint64_t random;

    if (shell->random_used + sizeof random > sizeof shell->random) {
        hf_random(shell->random, sizeof shell->random);
        shell->random_used = 0;
    }
    memcpy(&random, shell->random + shell->random_used, sizeof random);
    shell->random_used += sizeof random;
    return hf_id_next(&shell->ids, shell->now, random);
}

void fe_log_request(struct fe_shell *shell, hf_id id, hf_reason reason)
{
    if (shell->log_tokens == 0) {
        fe_count(&shell->stats, FE_STAT_log_suppressed_total, 1);
        return;
    }
    shell->log_tokens--;
    if (hf_id_is_zero(id)) {
        HF_INFO("connection ended", hf_log_cstr("reason", hf_reason_word(reason)));
        return;
    }
    HF_INFO("request failed", hf_log_id("id", id),
            hf_log_cstr("reason", hf_reason_word(reason)),
            hf_log_int("status", hf_reason_status(reason)));
}

void fe_step(struct fe_shell *shell, struct frontend_input *input)
{
    hf_check(!shell->is_stepping);

    shell->is_stepping = true;
    input->now = shell->now;
    shell->effects.count = 0;
    frontend_step(shell->core, input, &shell->effects);
    for (uint32_t i = 0; i < shell->effects.count; i++) {
        fe_carry_out(shell, &shell->effects.items[i]);
    }
    shell->is_stepping = false;
}

/* Holds whose answer could not be written: the core learns that nobody waits. */
static void disown(struct fe_shell *shell)
{
    struct hf_list *node;

    while ((node = hf_list_first(&shell->orphans)) != NULL) {
        const struct fe_hold *hold = HF_CONTAINER(node, struct fe_hold, place);

        fe_step(shell, &(struct frontend_input){.type = FRONTEND_IN_CLIENT_GONE,
                                                .slot = hold->slot});
    }
}

static void tick_core(struct fe_shell *shell)
{
    for (int i = 0; i < TICKS_PER_TURN; i++) {
        if (!hf_time_reached(frontend_next_deadline(shell->core), shell->now)) {
            return;
        }
        fe_step(shell, &(struct frontend_input){.type = FRONTEND_IN_TICK});
    }
}

static void flush_clients(struct fe_shell *shell)
{
    struct hf_list *node;

    while ((node = hf_list_pop_front(&shell->dirty)) != NULL) {
        fe_client_flush(HF_CONTAINER(node, struct fe_client, dirty));
    }
}

static void resume_clients(struct fe_shell *shell)
{
    struct hf_list *node;

    while ((node = hf_list_pop_front(&shell->resumed)) != NULL) {
        fe_client_work(HF_CONTAINER(node, struct fe_client, resumed));
    }
}

/* Work that an effect made possible, then everything gathered leaves at once. */
static void on_turn_end(void *ctx)
{
    struct fe_shell *shell = ctx;
    int rounds = 0;

    do {
        resume_clients(shell);
        disown(shell);
        tick_core(shell);
        flush_clients(shell);
    } while (!hf_list_is_empty(&shell->resumed) && ++rounds < ROUNDS_PER_TURN);
    fe_uplinks_turn(shell);
    shell->has_looked = false; /* next, the loop waits */
}

static void each_client(struct fe_shell *shell, void (*fn)(struct fe_client *client))
{
    for (size_t i = 0; i < FE_CLIENT_LISTS; i++) {
        HF_LIST_FOR(node, &shell->clients[i])
        {
            fn(HF_CONTAINER(node, struct fe_client, all));
        }
    }
}

/* From here on nothing new is taken: clients between requests are let go, the others
 * get their answer and `Connection: close`. */
static void begin_drain(struct fe_shell *shell)
{
    shell->is_closing = true;
    fe_accept_close(shell);
    fe_step(shell, &(struct frontend_input){.type = FRONTEND_IN_DRAIN});
}

static void drain(struct fe_shell *shell)
{
    const struct fe_options *options = shell->options;
    int64_t ms;

    if (!shell->is_stopping) {
        return;
    }
    ms = hf_time_diff_ms(shell->stop_since, shell->now);
    if (!shell->is_closing && ms >= options->drain_delay_ms) {
        begin_drain(shell);
    }
    if (!shell->is_closing) {
        return;
    }
    each_client(shell, fe_client_drain);
    if ((shell->is_drained && shell->clients_count == 0) ||
        ms >= options->drain_delay_ms + options->drain_max_ms) {
        hf_loop_stop(shell->loop);
    }
}

static void on_tick(void *ctx)
{
    struct fe_shell *shell = ctx;
    struct hf_list *clients = &shell->clients[shell->ticks_count++ % FE_CLIENT_LISTS];

    fe_shell_look(shell);
    fe_status_tick(shell);
    HF_LIST_FOR(node, clients)
    {
        fe_client_look(HF_CONTAINER(node, struct fe_client, all));
    }
    drain(shell);
}

static void on_signal(void *ctx)
{
    struct fe_shell *shell = ctx;

    fe_shell_look(shell);
    if (shell->is_stopping) {
        HF_WARN("stopping at once",
                hf_log_int("held", frontend_held_count(shell->core)));
        hf_loop_stop(shell->loop);
        return;
    }
    HF_INFO("draining", hf_log_int("held", frontend_held_count(shell->core)));
    shell->is_stopping = true;
    shell->stop_since = shell->now;
    drain(shell);
}

/* The file holds a newer token: the sessions get it by REAUTH. One that cannot be read
 * is left alone; it may be half written. */
static void on_token(void *ctx)
{
    struct fe_shell *shell = ctx;
    struct hf_credentials fresh;
    const char *error = NULL;

    fe_shell_look(shell);
    hf_credentials_init(&fresh);
    if (hf_credentials_read(&fresh, shell->options->token, &error) == HF_OK &&
        hf_buf_bytes(&fresh.token) > 0) {
        fe_uplinks_reauth(shell, hf_buf_slice(&fresh.token));
        HF_INFO("token read again", hf_log_cstr("file", shell->options->token));
    } else {
        HF_WARN("token not read", hf_log_cstr("file", shell->options->token),
                hf_log_cstr("why", error == NULL ? "no token in it" : error));
    }
    hf_credentials_fini(&fresh);
}

static hf_err watch_token(struct fe_shell *shell)
{
    const struct hf_file_watch_config config = {
        .path = shell->options->token,
        .every_ms = TOKEN_LOOK_MS,
        .fn = on_token,
        .ctx = shell,
    };

    if (shell->options->token == NULL) {
        return HF_OK;
    }
    return hf_file_watch_open(shell->loop, &config, &shell->token_watch);
}

static hf_err make_identity(struct fe_shell *shell)
{
    struct hf_link_identity_config config = {0};

    hf_credentials_identify(shell->credentials, &config);
    hf_credentials_trust(shell->credentials, &shell->trust);
    config.role = HF_ROLE_FRONTEND;
    if (shell->options->is_clear_tcp) {
        config.tcp_modes = HF_MODE_CLEAR | HF_MODE_SEALED;
    }
    return hf_link_identity_new(&config, &shell->identity);
}

static hf_err make_core(struct fe_shell *shell)
{
    const struct fe_options *options = shell->options;
    struct frontend_config config = {
        .exchanges_max = options->exchanges_max,
        .queues_max = options->handles_max,
        .brokers_max = FE_BROKERS_MAX,
        .broker_grace_ms = options->broker_grace_ms,
        .deadline_ms = options->deadline_ms,
    };

    hf_random(&config.seed, sizeof config.seed);
    shell->core = frontend_new(&config);
    shell->by_slot =
        calloc((size_t)options->exchanges_max + 1, sizeof(struct fe_hold *));
    shell->piece = malloc(HF_BODY_PIECE_MAX);
    shell->lookups = calloc(FE_LOOKUPS_MAX, sizeof(struct fe_lookup *));
    return shell->core == NULL || shell->by_slot == NULL || shell->piece == NULL ||
                   shell->lookups == NULL
               ? HF_ERR_NO_MEMORY
               : HF_OK;
}

static hf_err open_loop(struct fe_shell *shell)
{
    hf_err err = hf_loop_new(&shell->loop);

    if (err == HF_OK) {
        hf_loop_on_turn_end(shell->loop, on_turn_end, shell);
        err = hf_timer_open(shell->loop, on_tick, shell, &shell->ticker);
    }
    if (err == HF_OK) {
        hf_timer_set_every_ms(shell->ticker, FE_TICK_MS);
        err =
            hf_signal_open(shell->loop, SIGTERM, on_signal, shell, &shell->signals[0]);
    }
    if (err == HF_OK) {
        err = hf_signal_open(shell->loop, SIGINT, on_signal, shell, &shell->signals[1]);
    }
    return err;
}

static hf_err open_all(struct fe_shell *shell)
{
    hf_err err = make_core(shell);

    err = err == HF_OK ? fe_stats_init(&shell->stats) : err;
    err = err == HF_OK ? make_identity(shell) : err;
    err = err == HF_OK ? open_loop(shell) : err;
    err = err == HF_OK ? fe_accept_open(shell) : err;
    err = err == HF_OK ? fe_probe_open(shell) : err;
    err = err == HF_OK ? watch_token(shell) : err;
    return err == HF_OK ? fe_uplinks_open(shell) : err;
}

hf_err fe_shell_new(const struct fe_options *options,
                    struct hf_credentials *credentials, struct fe_shell **out)
{
    struct fe_shell *shell = calloc(1, sizeof *shell);
    hf_err err;

    hf_check(options->listen_count <= FE_LISTENERS_MAX);
    if (shell == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    shell->options = options;
    shell->credentials = credentials;
    shell->random_used = sizeof shell->random;
    hf_list_init(&shell->holds_free);
    hf_list_init(&shell->dirty);
    hf_list_init(&shell->resumed);
    hf_list_init(&shell->orphans);
    for (size_t i = 0; i < FE_CLIENT_LISTS; i++) {
        hf_list_init(&shell->clients[i]);
    }
    hf_buf_init(&shell->path, HF_HEAD_MAX);
    hf_buf_init(&shell->fields, HF_HEAD_MAX);
    fe_shell_look(shell);
    err = open_all(shell);
    if (err != HF_OK) {
        HF_ERROR("cannot start", hf_log_cstr("why", hf_err_text(err)));
        fe_shell_free(shell);
        return err;
    }
    *out = shell;
    return HF_OK;
}

int fe_shell_run(struct fe_shell *shell)
{
    hf_check(shell->loop != NULL);

    hf_loop_run(shell->loop);
    HF_INFO("stopped", hf_log_int("held", frontend_held_count(shell->core)));
    return shell->exit_status;
}

void fe_shell_free(struct fe_shell *shell)
{
    if (shell == NULL) {
        return;
    }
    if (shell->loop != NULL) {
        fe_accept_close(shell);
        each_client(shell, fe_client_drop);
        fe_uplinks_turn(shell);
        fe_uplinks_close(shell);
        hf_admin_close(shell->admin);
        hf_file_watch_close(shell->token_watch);
        hf_signal_close(shell->signals[0]);
        hf_signal_close(shell->signals[1]);
        hf_timer_close(shell->ticker);
        hf_loop_on_turn_end(shell->loop, NULL, NULL);
        hf_loop_free(shell->loop);
    }
    fe_holds_fini(shell);
    fe_stash_fini(&shell->stash);
    fe_table_free(shell->table);
    hf_link_identity_unref(shell->identity);
    hf_buf_fini(&shell->path);
    hf_buf_fini(&shell->fields);
    fe_stats_fini(&shell->stats);
    frontend_free(shell->core);
    free(shell->lookups);
    free(shell->by_slot);
    free(shell->piece);
    free(shell);
}
