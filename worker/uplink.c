/* The links to brokers and what a worker says for itself on them: who it is, that it is
 * well, a fresh token, goodbye. */
#include "worker/shell.h"

#include "lib/io/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wk_send_meta(struct wk_broker *broker, uint16_t type, hf_slice meta)
{
    struct hf_record record = {.type = type, .meta = meta};

    if (broker->link == NULL) {
        return;
    }
    /* A link that is gone says so by itself. */
    (void)!hf_link_send_control(broker->link, &record);
    broker->is_dirty = true;
}

static void say_goodbye(struct wk_broker *broker, hf_reason reason)
{
    struct hf_goodbye goodbye = {.reason = reason};
    uint8_t meta[HF_META_SMALL_MAX];

    wk_send_meta(broker, HF_RECORD_GOODBYE,
                 hf_slice_of(meta, hf_goodbye_encode(&goodbye, meta, sizeof meta)));
    broker->is_leaving = true;
}

void wk_condemn(struct wk_broker *broker, hf_reason reason)
{
    if (broker->is_condemned) {
        return;
    }
    wk_count(&broker->worker->stats.violations, 1);
    HF_ERROR("broker broke the protocol", hf_log_cstr("broker", broker->address),
             hf_log_cstr("reason", hf_reason_word(reason)));
    broker->is_condemned = true;
    say_goodbye(broker, reason);
}

void wk_farewell(struct wk_broker *broker)
{
    say_goodbye(broker, HF_REASON_NONE);
}

static void introduce(struct wk_broker *broker)
{
    struct hf_worker *worker = broker->worker;
    struct hf_introduce introduction = {
        .pid = getpid(),
        .app_pid = worker->app_pid,
        .name = hf_slice_of_cstr(worker->name),
        .since_ms = worker->started_ms,
    };
    uint8_t meta[HF_META_MAX];

    wk_send_meta(
        broker, HF_RECORD_INTRODUCE,
        hf_slice_of(meta, hf_introduce_encode(&introduction, meta, sizeof meta)));
}

void wk_introduce(struct hf_worker *worker)
{
    for (uint32_t i = 0; i < worker->brokers_count; i++) {
        introduce(&worker->brokers[i]);
    }
}

void wk_on_ping(struct wk_broker *broker, hf_slice meta)
{
    struct hf_ping ping;
    struct hf_pong pong;
    uint8_t out[HF_META_SMALL_MAX];

    if (hf_ping_decode(meta, &ping) != HF_OK) {
        wk_condemn(broker, HF_REASON_PROTOCOL);
        return;
    }
    pong = (struct hf_pong){.key = ping.key,
                            .nonce = ping.nonce,
                            .health = (enum hf_health)broker->worker->health};
    wk_send_meta(broker, HF_RECORD_PONG,
                 hf_slice_of(out, hf_pong_encode(&pong, out, sizeof out)));
}

/* SECURITY.md 3.2: bound to the transcript of this session, with a rising counter. */
static void reauthenticate(struct wk_broker *broker)
{
    struct hf_worker *worker = broker->worker;
    struct hf_reauth reauth = {.chain = hf_buf_slice(&worker->credentials.token),
                               .counter = ++broker->reauth_counter};
    uint8_t meta[HF_META_CHAIN_MAX];

    hf_reauth_sign(worker->credentials.secret, &broker->transcript, &reauth);

    struct hf_reauth_offer offer = {
        .chain = reauth.chain,
        .counter = reauth.counter,
        .signature =
            hf_slice_of(reauth.signature.bytes, sizeof reauth.signature.bytes)};

    wk_send_meta(broker, HF_RECORD_REAUTH,
                 hf_slice_of(meta, hf_reauth_offer_encode(&offer, meta, sizeof meta)));
}

static hf_err identity_of(struct hf_worker *worker, struct hf_link_identity **out)
{
    struct hf_link_identity_config config = {0};

    hf_credentials_identify(&worker->credentials, &config);
    config.role = HF_ROLE_WORKER;
    return hf_link_identity_new(&config, out);
}

void wk_take_token(struct hf_worker *worker, hf_slice chain)
{
    struct hf_buf *token = &worker->credentials.token;
    struct hf_link_identity *identity = NULL;

    if (hf_slice_equal(hf_buf_slice(token), chain)) {
        return;
    }
    hf_buf_clear(token);
    if (hf_buf_append(token, chain) != HF_OK ||
        identity_of(worker, &identity) != HF_OK) {
        HF_WARN("new token cannot be used", hf_log_int("bytes", (int64_t)chain.bytes));
        return;
    }
    hf_link_identity_unref(worker->identity);
    worker->identity = identity;
    for (uint32_t i = 0; i < worker->brokers_count; i++) {
        if (worker->brokers[i].dialer != NULL) {
            hf_link_dialer_set_identity(worker->brokers[i].dialer, identity);
        }
        if (worker->brokers[i].link != NULL) {
            reauthenticate(&worker->brokers[i]);
        }
    }
}

static void step_link(struct wk_broker *broker, enum worker_input_type type)
{
    struct worker_input input = {.type = type, .broker = broker->number};

    wk_step(broker->worker, &input);
}

/* Lock held. */
static void forget_link(struct wk_broker *broker)
{
    struct hf_link *link = broker->link;

    step_link(broker, WORKER_IN_LINK_DOWN);
    broker->link = NULL;
    broker->is_dirty = false;
    memset(broker->credit, 0, sizeof broker->credit);
    wk_count(&broker->worker->stats.links, -1);
    hf_link_unref(link);
    (void)pthread_cond_broadcast(&broker->worker->drained_changed);
}

static void on_up(void *ctx, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct wk_broker *broker = ctx;
    struct hf_worker *worker = broker->worker;
    struct wk_turn turn;

    wk_turn_begin(&turn, worker, hf_clock_now());
    (void)pthread_mutex_lock(&worker->lock);
    if (broker->link != NULL) {
        forget_link(broker);
    }
    broker->link = hf_link_ref(link);
    broker->is_condemned = false;
    broker->is_leaving = false;
    broker->is_complained = false;
    broker->reauth_counter = 0;
    if (peer->result != NULL) {
        broker->transcript = peer->result->transcript;
        worker->expires_ms = peer->result->welcome.expires_ms;
    }
    wk_count(&worker->stats.links, 1);
    introduce(broker);
    step_link(broker, WORKER_IN_LINK_UP);
    if (worker->is_drained) {
        wk_farewell(broker);
    }

    int64_t expires_ms = worker->expires_ms;

    (void)pthread_mutex_unlock(&worker->lock);
    HF_INFO("broker connected", hf_log_cstr("broker", broker->address),
            hf_log_int("expires_ms", expires_ms));
    wk_turn_end(&turn);
}

static void on_records(void *ctx, struct hf_link *link, const struct hf_record *records,
                       size_t count)
{
    struct wk_broker *broker = ctx;
    struct hf_worker *worker = broker->worker;
    struct wk_turn turn;

    wk_turn_begin(&turn, worker, hf_clock_now());
    (void)pthread_mutex_lock(&worker->lock);
    if (broker->link == link) {
        wk_fetch(broker, records, count);
    }
    (void)pthread_mutex_unlock(&worker->lock);
    wk_turn_end(&turn);
}

static void on_down(void *ctx, struct hf_link *link, enum hf_link_end end)
{
    struct wk_broker *broker = ctx;
    struct hf_worker *worker = broker->worker;
    struct wk_turn turn;

    wk_turn_begin(&turn, worker, hf_clock_now());
    (void)pthread_mutex_lock(&worker->lock);
    if (broker->link == link) {
        forget_link(broker);
    }
    (void)pthread_mutex_unlock(&worker->lock);
    HF_INFO("broker lost", hf_log_cstr("broker", broker->address),
            hf_log_cstr("why", hf_link_end_text(end)));
    wk_turn_end(&turn);
}

/* Said once per outage: the dialer tries several times a second. */
static void on_failed(void *ctx, enum hf_link_end end, const char *address,
                      const char *detail)
{
    struct wk_broker *broker = ctx;
    struct hf_worker *worker = broker->worker;

    (void)pthread_mutex_lock(&worker->lock);

    bool is_first = !broker->is_complained;

    broker->is_complained = true;
    (void)pthread_mutex_unlock(&worker->lock);
    if (is_first) {
        HF_WARN("broker cannot be reached, trying on", hf_log_cstr("broker", address),
                hf_log_cstr("why", hf_link_end_text(end)),
                hf_log_cstr("detail", detail == NULL ? "" : detail));
    }
}

static const struct hf_link_events link_events = {
    .on_up = on_up,
    .on_records = on_records,
    .on_down = on_down,
    .on_failed = on_failed,
};

/* The token file was replaced. A worker started by hand is renewed this way. */
static void on_token_file(void *ctx)
{
    struct hf_worker *worker = ctx;
    struct hf_credentials fresh;
    const char *error = NULL;

    hf_credentials_init(&fresh);
    if (hf_credentials_read(&fresh, worker->token_file, &error) != HF_OK ||
        hf_buf_bytes(&fresh.token) == 0) {
        HF_WARN("token file cannot be used", hf_log_cstr("file", worker->token_file),
                hf_log_cstr("error", error == NULL ? "it has no token" : error));
    } else {
        (void)pthread_mutex_lock(&worker->lock);
        wk_take_token(worker, hf_buf_slice(&fresh.token));
        (void)pthread_mutex_unlock(&worker->lock);
    }
    hf_credentials_fini(&fresh);
}

enum hf_status wk_uplink_open(struct hf_worker *worker)
{
    const struct hf_file_watch_config watch = {.path = worker->token_file,
                                               .every_ms = 1000,
                                               .fn = on_token_file,
                                               .ctx = worker};

    if (identity_of(worker, &worker->identity) != HF_OK) {
        return HF_STATUS_INVALID;
    }
    if (worker->token_file != NULL &&
        hf_file_watch_open(worker->loop, &watch, &worker->token_watch) != HF_OK) {
        return HF_STATUS_IO;
    }
    for (uint32_t i = 0; i < worker->brokers_count; i++) {
        struct wk_broker *broker = &worker->brokers[i];
        struct hf_link_dialer *dialer = NULL;
        struct hf_link_config config = {
            .address = broker->address,
            .events = &link_events,
            .ctx = broker,
            .identity = worker->identity,
            /* Windows bound what each response can have waiting. */
            .output_bytes_max = ((size_t)worker->leases_max + 64) * 1310720,
        };

        if (hf_link_dialer_open(&config, &dialer) != HF_OK) {
            return HF_STATUS_INVALID;
        }
        (void)pthread_mutex_lock(&worker->lock);
        broker->dialer = dialer;
        (void)pthread_mutex_unlock(&worker->lock);
    }
    return HF_STATUS_OK;
}

/* GOODBYE is on its way: lets it leave before the dialers are closed. */
static void await_farewell(struct hf_worker *worker)
{
    int64_t end_us = hf_clock_monotonic_us() + WK_FAREWELL_MS * 1000;

    while (hf_stat_get(&worker->stats.links) > 0 && hf_clock_monotonic_us() < end_us) {
        struct timespec t;

        (void)clock_gettime(CLOCK_REALTIME, &t);
        t.tv_sec++;
        (void)pthread_cond_timedwait(&worker->drained_changed, &worker->lock, &t);
    }
}

void wk_uplink_close(struct hf_worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    if (worker->is_drained) {
        await_farewell(worker);
    }
    (void)pthread_mutex_unlock(&worker->lock);
    for (uint32_t i = 0; i < worker->brokers_count; i++) {
        hf_link_dialer_close(worker->brokers[i].dialer);
        worker->brokers[i].dialer = NULL;
    }
    hf_link_identity_unref(worker->identity);
    worker->identity = NULL;
}
