#include "frontend/uplink.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_up(void *ctx, struct hf_link *link, const struct hf_link_peer *peer);
static void on_records(void *ctx, struct hf_link *link, const struct hf_record *records,
                       size_t count);
static void on_down(void *ctx, struct hf_link *link, enum hf_link_end end);

/* Nobody listening is ordinary while a broker restarts; a refusal never is. */
static void on_failed(void *ctx, enum hf_link_end end, const char *address,
                      const char *detail)
{
    struct fe_uplink *uplink = ctx;

    HF_LOG_AT(end == HF_LINK_END_CONNECT ? HF_LOG_DEBUG : HF_LOG_WARN,
              "broker not reached", hf_log_cstr("address", address),
              hf_log_cstr("why", hf_link_end_text(end)),
              hf_log_cstr("detail", detail == NULL ? "" : detail));
    uplink->has_failed = true;
}

static const struct hf_link_events uplink_events = {
    .on_up = on_up,
    .on_records = on_records,
    .on_down = on_down,
    .on_failed = on_failed,
};

static hf_err dial(struct fe_uplink *uplink)
{
    const struct hf_link_config config = {
        .address = uplink->addresses[uplink->address_next],
        .events = &uplink_events,
        .ctx = uplink,
        .loop = uplink->shell->loop,
        .identity = uplink->shell->identity,
    };

    return hf_link_dialer_open(&config, &uplink->dialer);
}

static bool has_address(const struct fe_uplink *uplink, hf_slice address)
{
    for (uint32_t i = 0; i < uplink->addresses_count; i++) {
        if (hf_slice_equal(hf_slice_of_cstr(uplink->addresses[i]), address)) {
            return true;
        }
    }
    return false;
}

static void add_address(struct fe_uplink *uplink, hf_slice address)
{
    if (address.bytes >= HF_LINK_ADDRESS_BYTES || has_address(uplink, address) ||
        uplink->addresses_count == FE_UPLINK_ADDRESSES_MAX) {
        return;
    }
    memcpy(uplink->addresses[uplink->addresses_count++], address.data, address.bytes);
}

/* NULL: as many as the core can number are there, or no memory. */
static struct fe_uplink *new_uplink(struct fe_shell *shell)
{
    struct fe_uplink *uplink;

    if (shell->uplinks_count == FE_BROKERS_MAX) {
        return NULL;
    }
    uplink = calloc(1, sizeof *uplink);
    if (uplink == NULL) {
        return NULL;
    }
    uplink->shell = shell;
    uplink->index = ++shell->uplinks_count;
    fe_snapshot_init(&uplink->snapshot);
    shell->uplinks[uplink->index] = uplink;
    return uplink;
}

hf_err fe_uplinks_open(struct fe_shell *shell)
{
    for (size_t i = 0; i < shell->options->brokers_count; i++) {
        struct fe_uplink *uplink = new_uplink(shell);
        hf_err err;

        if (uplink == NULL) {
            return HF_ERR_NO_MEMORY;
        }
        add_address(uplink, hf_slice_of_cstr(shell->options->brokers[i]));
        err = uplink->addresses_count == 0 ? HF_ERR_INVALID : dial(uplink);
        if (err != HF_OK) {
            HF_ERROR("broker address refused",
                     hf_log_cstr("address", shell->options->brokers[i]),
                     hf_log_cstr("why", hf_err_text(err)));
            return err;
        }
    }
    return HF_OK;
}

/* The uplink that is this broker: by name, or by an address it was given. */
static struct fe_uplink *find(const struct fe_shell *shell,
                              const struct hf_route_broker *broker)
{
    uint32_t index = fe_uplink_named(shell, broker->name);

    if (index != 0) {
        return shell->uplinks[index];
    }
    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        for (size_t j = 0; j < broker->addresses_count; j++) {
            if (has_address(shell->uplinks[i], broker->addresses[j])) {
                return shell->uplinks[i];
            }
        }
    }
    return NULL;
}

static void dial_broker(struct fe_shell *shell, const struct hf_route_broker *broker)
{
    struct fe_uplink *uplink = find(shell, broker);
    bool is_new = uplink == NULL;

    if (is_new) {
        uplink = new_uplink(shell);
    }
    if (uplink == NULL || broker->name.bytes > HF_BROKER_ID_BYTES_MAX) {
        HF_ERROR("broker left out", hf_log_slice("broker", broker->name));
        return;
    }
    if (uplink->name[0] == 0) {
        memcpy(uplink->name, broker->name.data, broker->name.bytes);
    }
    for (size_t i = 0; i < broker->addresses_count; i++) {
        add_address(uplink, broker->addresses[i]);
    }
    if (is_new && (uplink->addresses_count == 0 || dial(uplink) != HF_OK)) {
        HF_ERROR("broker cannot be dialled", hf_log_slice("broker", broker->name));
    }
}

void fe_uplinks_dial(struct fe_shell *shell)
{
    const struct hf_routes *routes = &shell->table->routes;

    for (size_t i = 0; i < routes->brokers_count; i++) {
        dial_broker(shell, &routes->brokers[i]);
    }
}

/* A dialer that is taken away says no more about its links. */
static void close_dialer(struct fe_uplink *uplink)
{
    struct hf_link_dialer *dialer = uplink->dialer;

    uplink->dialer = NULL;
    hf_link_dialer_close(dialer);
}

void fe_uplinks_close(struct fe_shell *shell)
{
    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        fe_uplink_end(shell->uplinks[i], HF_REASON_NONE);
    }
    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        close_dialer(shell->uplinks[i]);
        hf_link_unref(shell->uplinks[i]->link);
        fe_snapshot_fini(&shell->uplinks[i]->snapshot);
        free(shell->uplinks[i]);
    }
    shell->uplinks_count = 0;
}

uint32_t fe_uplink_named(const struct fe_shell *shell, hf_slice name)
{
    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        if (name.bytes > 0 &&
            hf_slice_equal(hf_slice_of_cstr(shell->uplinks[i]->name), name)) {
            return i;
        }
    }
    return 0;
}

uint32_t fe_uplinks_up_count(const struct fe_shell *shell)
{
    uint32_t count = 0;

    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        count += shell->uplinks[i]->link != NULL ? 1 : 0;
    }
    return count;
}

void fe_uplink_send(struct fe_shell *shell, uint32_t index,
                    const struct hf_record *record)
{
    struct fe_uplink *uplink;
    hf_err err;

    hf_check(index >= 1);
    hf_check(index <= shell->uplinks_count);
    uplink = shell->uplinks[index];
    if (uplink->link == NULL) {
        return;
    }
    err = hf_link_send(uplink->link, record);
    if (err == HF_OK) {
        uplink->has_output = true;
        /* The client has its answer: the broker may learn of it with the next request.
         */
        uplink->is_urgent = uplink->is_urgent || record->type != HF_RECORD_RESPONSE_ACK;
    } else if (err != HF_ERR_CLOSED) {
        /* The session is of no use when a record is missing from it. */
        HF_ERROR("record not sent", hf_log_cstr("broker", uplink->name),
                 hf_log_int("type", record->type),
                 hf_log_cstr("why", hf_err_text(err)));
        hf_link_close(uplink->link, HF_LINK_END_MEMORY);
    }
}

/* A broker with several addresses is tried at each in turn. */
static void try_next(struct fe_uplink *uplink)
{
    uplink->has_failed = false;
    if (uplink->addresses_count < 2 || uplink->link != NULL) {
        return;
    }
    close_dialer(uplink);
    uplink->address_next = (uplink->address_next + 1) % uplink->addresses_count;
    if (dial(uplink) != HF_OK) {
        HF_ERROR("broker cannot be dialled", hf_log_cstr("broker", uplink->name));
    }
}

void fe_uplinks_turn(struct fe_shell *shell)
{
    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        struct fe_uplink *uplink = shell->uplinks[i];

        if (uplink->is_urgent && uplink->link != NULL) {
            hf_link_flush(uplink->link);
        } else if (uplink->has_output && uplink->link != NULL) {
            hf_link_flush_soon(uplink->link);
        }
        uplink->has_output = false;
        uplink->is_urgent = false;
        if (uplink->has_failed) {
            try_next(uplink);
        }
    }
}

void fe_uplink_end(struct fe_uplink *uplink, hf_reason reason)
{
    const struct hf_goodbye goodbye = {.reason = reason};
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_record record = {.type = HF_RECORD_GOODBYE};

    if (uplink->link == NULL || uplink->is_ending) {
        return;
    }
    uplink->is_ending = true; /* what the broker still says is not heard */
    record.meta = hf_slice_of(meta, hf_goodbye_encode(&goodbye, meta, sizeof meta));
    fe_uplink_send(uplink->shell, uplink->index, &record);
    hf_link_finish(uplink->link, FE_GOODBYE_MS);
}

static void send_reauth(struct fe_uplink *uplink, hf_slice chain)
{
    const struct hf_link_peer *peer = hf_link_peer(uplink->link);
    struct hf_reauth reauth = {.chain = chain, .counter = ++uplink->reauth_counter};
    struct hf_reauth_offer offer = {.chain = chain, .counter = reauth.counter};
    struct hf_buf meta;
    struct hf_record record = {.type = HF_RECORD_REAUTH};

    if (peer->result == NULL) {
        return;
    }
    hf_reauth_sign(uplink->shell->credentials->secret, &peer->result->transcript,
                   &reauth);
    offer.signature =
        hf_slice_of(reauth.signature.bytes, sizeof reauth.signature.bytes);
    hf_buf_init(&meta, HF_META_CHAIN_MAX);
    if (hf_reauth_offer_append(&offer, &meta) == HF_OK) {
        record.meta = hf_buf_slice(&meta);
        fe_uplink_send(uplink->shell, uplink->index, &record);
    }
    hf_buf_fini(&meta);
}

void fe_uplinks_reauth(struct fe_shell *shell, hf_slice chain)
{
    struct hf_link_identity_config config = {.role = HF_ROLE_FRONTEND};
    struct hf_link_identity *identity;

    hf_buf_clear(&shell->credentials->token);
    if (hf_buf_append(&shell->credentials->token, chain) != HF_OK) {
        return;
    }
    hf_credentials_identify(shell->credentials, &config);
    config.role = HF_ROLE_FRONTEND;
    config.tcp_modes =
        shell->options->is_clear_tcp ? HF_MODE_CLEAR | HF_MODE_SEALED : 0;
    if (hf_link_identity_new(&config, &identity) != HF_OK) {
        HF_ERROR("new token refused", hf_log_cstr("why", "identity"));
        return;
    }
    hf_link_identity_unref(shell->identity);
    shell->identity = identity;
    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        hf_link_dialer_set_identity(shell->uplinks[i]->dialer, identity);
        if (shell->uplinks[i]->link != NULL) {
            send_reauth(shell->uplinks[i], chain);
        }
    }
}

/* The broker's name is in the subject of its chain: "broker:NAME". */
static void learn_name(struct fe_uplink *uplink, const struct hf_link_peer *peer)
{
    hf_slice subject;
    const hf_slice prefix = HF_SLICE("broker:");

    if (peer->chain == NULL) {
        return;
    }
    subject = hf_chain_subject(peer->chain);
    if (!hf_slice_starts_with(subject, prefix)) {
        return;
    }
    subject =
        hf_slice_first(hf_slice_skip(subject, prefix.bytes), HF_BROKER_ID_BYTES_MAX);
    memset(uplink->name, 0, sizeof uplink->name);
    memcpy(uplink->name, subject.data, subject.bytes);
}

static void greet(struct fe_uplink *uplink)
{
    struct fe_shell *shell = uplink->shell;
    const struct hf_introduce introduce = {
        .pid = getpid(),
        .app_pid = 0,
        .name = hf_slice_of_cstr(shell->options->name),
        .since_ms = hf_time_ms(shell->now),
    };
    const struct hf_snapshot_get get = {.have_sequence = shell->table_sequence};
    uint8_t meta[512];
    struct hf_record record = {.type = HF_RECORD_INTRODUCE};

    record.meta = hf_slice_of(meta, hf_introduce_encode(&introduce, meta, sizeof meta));
    fe_uplink_send(shell, uplink->index, &record);
    record.type = HF_RECORD_SNAPSHOT_GET;
    record.meta = hf_slice_of(meta, hf_snapshot_get_encode(&get, meta, sizeof meta));
    fe_uplink_send(shell, uplink->index, &record);
}

static void on_up(void *ctx, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct fe_uplink *uplink = ctx;
    struct fe_shell *shell = uplink->shell;

    hf_check(uplink->link == NULL);
    fe_shell_look(shell);
    uplink->link = hf_link_ref(link);
    uplink->is_ending = false;
    uplink->reauth_counter = 0;
    fe_snapshot_fini(&uplink->snapshot);
    learn_name(uplink, peer);
    HF_INFO("broker up", hf_log_cstr("broker", uplink->name),
            hf_log_cstr("address", peer->address));
    hf_stat_add(&shell->stats.rows[FE_STAT_brokers_up], 1);
    greet(uplink);
    fe_step(shell, &(struct frontend_input){.type = FRONTEND_IN_BROKER_UP,
                                            .broker = uplink->index});
    if (shell->table != NULL) {
        fe_table_map(shell); /* its name may be new */
    }
}

static void on_records(void *ctx, struct hf_link *link, const struct hf_record *records,
                       size_t count)
{
    struct fe_uplink *uplink = ctx;

    (void)link;
    fe_shell_look(uplink->shell);
    fe_records_handle(uplink, records, count);
}

static void on_down(void *ctx, struct hf_link *link, enum hf_link_end end)
{
    struct fe_uplink *uplink = ctx;

    if (uplink->dialer == NULL || uplink->link != link) {
        return;
    }
    HF_WARN("broker lost", hf_log_cstr("broker", uplink->name),
            hf_log_cstr("why", hf_link_end_text(end)));
    hf_stat_add(&uplink->shell->stats.rows[FE_STAT_brokers_up], -1);
    hf_link_unref(uplink->link);
    uplink->link = NULL;
    fe_shell_look(uplink->shell);
    fe_step(uplink->shell, &(struct frontend_input){.type = FRONTEND_IN_BROKER_DOWN,
                                                    .broker = uplink->index});
}
