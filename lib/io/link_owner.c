/* Owns listeners and dialers: where links come from. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_BYTES_DEFAULT (64u << 20)
#define ACCEPT_RETRY_US      100000 /* after EMFILE and the like */
#define BACKOFF_MS_FIRST     10
#define BACKOFF_MS_MAX       100
#define DENIED_MS_FIRST      100
#define DENIED_MS_MAX        30000
#define IPC_MODE             0660

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value != 0 ? value : fallback;
}

hf_err link_owner_init(struct link_owner *owner, const struct hf_link_config *config)
{
    struct hf_link_config *own = &owner->config;

    hf_check(config->events != NULL && config->events->on_up != NULL);
    hf_check(config->events->on_records != NULL && config->events->on_down != NULL);
    *own = *config;
    own->identity = NULL;
    own->message_bytes_max = (size_t)or_default((int64_t)config->message_bytes_max,
                                                HF_LINK_MESSAGE_BYTES_MAX);
    own->output_bytes_max =
        (size_t)or_default((int64_t)config->output_bytes_max, OUTPUT_BYTES_DEFAULT);
    own->handshake_ms = or_default(config->handshake_ms, 5000);
    own->heartbeat_ms = or_default(config->heartbeat_ms, 1000);
    own->connect_ms = or_default(config->connect_ms, 3000);
    hf_list_init(&owner->links);
    pthread_mutex_init(&owner->gate_lock, NULL);
    owner->due_us = INT64_MAX;
    owner->connect_due_us = INT64_MAX;
    if (strlen(config->address) >= sizeof owner->address) {
        return HF_ERR_INVALID;
    }
    snprintf(owner->address, sizeof owner->address, "%s", config->address);
    own->address = owner->address;
    if (strncmp(config->address, "ipc://", 6) == 0) {
        owner->transport = HF_LINK_IPC;
    } else if (strncmp(config->address, "tcp://", 6) == 0) {
        owner->transport = HF_LINK_TCP;
    } else {
        return HF_ERR_INVALID;
    }
    if (!owner->is_raw) {
        hf_check(config->identity != NULL);
        owner->identity = hf_link_identity_ref(config->identity);
    }
    return keeper_start();
}

void link_owner_fini(struct link_owner *owner)
{
    nng_aio_free(owner->aio);
    if (owner->listener != NULL) {
        nng_stream_listener_free(owner->listener);
    }
    if (owner->dialer != NULL) {
        nng_stream_dialer_free(owner->dialer);
    }
    free(owner->gate);
    hf_link_identity_unref(owner->identity);
    pthread_mutex_destroy(&owner->gate_lock);
}

void link_owner_set_identity(struct link_owner *owner,
                             struct hf_link_identity *identity)
{
    struct hf_link_identity *old;

    hf_link_identity_ref(identity);
    keeper_lock();
    old = owner->identity;
    owner->identity = identity;
    if (!owner->is_listener && owner->due_us != INT64_MAX) {
        owner->due_us = 0; /* the old one may have been refused: try at once */
    }
    keeper_unlock();
    keeper_wake();
    hf_link_identity_unref(old);
}

struct hf_link_identity *link_owner_identity(struct link_owner *owner)
{
    struct hf_link_identity *identity = NULL;

    keeper_lock();
    if (owner->identity != NULL) {
        identity = hf_link_identity_ref(owner->identity);
    }
    keeper_unlock();
    return identity;
}

/* Begins an accept or dial, unless the owner is being closed. */
static void begin(struct link_owner *owner)
{
    pthread_mutex_lock(&owner->gate_lock);
    if (!owner->is_stopped) {
        if (owner->is_listener) {
            nng_stream_listener_accept(owner->listener, owner->aio);
        } else {
            nng_stream_dialer_dial(owner->dialer, owner->aio);
        }
    }
    pthread_mutex_unlock(&owner->gate_lock);
}

void link_owner_due(struct link_owner *owner)
{
    int64_t now = hf_clock_monotonic_us();
    bool is_due;
    bool is_late;

    keeper_lock();
    is_due = owner->due_us <= now;
    is_late = owner->connect_due_us <= now;
    if (is_due) {
        owner->due_us = INT64_MAX;
        if (!owner->is_listener) {
            owner->connect_due_us = now + owner->config.connect_ms * 1000;
        }
    } else if (is_late) {
        owner->connect_due_us = INT64_MAX;
    }
    keeper_unlock();
    if (is_due) {
        begin(owner);
    } else if (is_late) {
        nng_aio_abort(owner->aio, NNG_ETIMEDOUT);
    }
}

/* Lock held. Half of the delay is random, so that a thousand dialers do not return in
 * one instant. */
static void schedule(struct link_owner *owner)
{
    uint32_t random;
    int64_t half = (int64_t)owner->backoff_ms * 500;

    hf_random(&random, sizeof random);
    owner->due_us = hf_clock_monotonic_us() + half + random % (half + 1);
}

static uint32_t next_backoff(uint32_t now_ms, uint32_t first_ms, uint32_t max_ms)
{
    uint32_t next = now_ms == 0 ? first_ms : 2 * now_ms;

    return next > max_ms ? max_ms : next;
}

void link_owner_redial(struct link_owner *owner, const struct hf_link *link)
{
    uint32_t retry = link->retry_after_ms;

    if (atomic_load(&link->has_failed)) {
        owner->backoff_ms =
            next_backoff(owner->backoff_ms, DENIED_MS_FIRST, DENIED_MS_MAX);
        if (retry > owner->backoff_ms) {
            owner->backoff_ms = retry > DENIED_MS_MAX ? DENIED_MS_MAX : retry;
        }
    } else {
        owner->backoff_ms =
            next_backoff(owner->backoff_ms, BACKOFF_MS_FIRST, BACKOFF_MS_MAX);
    }
    schedule(owner);
}

static void again_later(struct link_owner *owner)
{
    keeper_lock();
    owner->connect_due_us = INT64_MAX;
    if (!owner->is_closing) {
        if (owner->is_listener) {
            owner->due_us = hf_clock_monotonic_us() + ACCEPT_RETRY_US;
        } else {
            owner->backoff_ms =
                next_backoff(owner->backoff_ms, BACKOFF_MS_FIRST, BACKOFF_MS_MAX);
            schedule(owner);
        }
    }
    keeper_unlock();
    keeper_wake();
}

static void on_accepted(void *arg)
{
    struct link_owner *owner = arg;
    int result = nng_aio_result(owner->aio);

    if (result == NNG_ECLOSED || result == NNG_ECANCELED) {
        return;
    }
    if (result != 0) {
        again_later(owner);
        return;
    }
    hf_stat_add(&hf_link_stats.accepted_total, 1);
    (void)link_start(owner, nng_aio_get_output(owner->aio, 0));
    begin(owner);
}

static void on_dialled(void *arg)
{
    struct link_owner *owner = arg;
    const struct hf_link_events *events = owner->config.events;
    int result = nng_aio_result(owner->aio);

    if (result == 0) {
        keeper_lock();
        owner->connect_due_us = INT64_MAX;
        keeper_unlock();
        if (link_start(owner, nng_aio_get_output(owner->aio, 0)) != HF_OK) {
            again_later(owner);
        }
        return;
    }
    if (result == NNG_ECLOSED || result == NNG_ECANCELED) {
        return;
    }
    if (events->on_failed != NULL) {
        events->on_failed(owner->config.ctx,
                          result == NNG_ETIMEDOUT ? HF_LINK_END_TIMEOUT
                                                  : HF_LINK_END_CONNECT,
                          owner->address, nng_strerror(result));
    }
    again_later(owner);
}

static void close_owner(struct link_owner *owner)
{
    keeper_lock();
    owner->is_closing = true;
    keeper_unlock();
    pthread_mutex_lock(&owner->gate_lock);
    owner->is_stopped = true;
    pthread_mutex_unlock(&owner->gate_lock);
    if (owner->listener != NULL) {
        nng_stream_listener_close(owner->listener);
    }
    if (owner->dialer != NULL) {
        nng_stream_dialer_close(owner->dialer);
    }
    nng_aio_stop(owner->aio);
    keeper_drop_owner(owner);
    link_owner_fini(owner);
}

static hf_err error_of(int result)
{
    switch (result) {
    case NNG_EADDRINUSE:
        return HF_ERR_EXISTS;
    case NNG_ENOMEM:
        return HF_ERR_NO_MEMORY;
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
    case NNG_ENOTSUP:
        return HF_ERR_INVALID;
    case NNG_EPERM:
        return HF_ERR_DENIED;
    default:
        return HF_ERR_IO;
    }
}

static void bound_address(struct link_owner *owner)
{
    nng_sockaddr addr;
    size_t bytes = sizeof addr;

    if (owner->transport == HF_LINK_TCP &&
        nng_stream_listener_get(owner->listener, NNG_OPT_LOCADDR, &addr, &bytes) == 0) {
        link_address_text(&addr, owner->address);
    }
}

static hf_err listen_on(struct link_owner *owner)
{
    int result = nng_stream_listener_alloc(&owner->listener, owner->address);

    if (result == 0 && owner->transport == HF_LINK_TCP) {
        result =
            nng_stream_listener_set_bool(owner->listener, NNG_OPT_TCP_NODELAY, true);
    } else if (result == 0) {
        result = nng_stream_listener_set_int(owner->listener, NNG_OPT_IPC_PERMISSIONS,
                                             IPC_MODE);
    }
    if (result == 0) {
        result = nng_stream_listener_listen(owner->listener);
    }
    if (result != 0) {
        return error_of(result);
    }
    bound_address(owner);
    return HF_OK;
}

static hf_err listener_start(struct link_owner *owner,
                             const struct hf_link_config *config)
{
    hf_err err;

    owner->is_listener = true;
    err = link_owner_init(owner, config);
    if (err != HF_OK) {
        return err;
    }
    owner->gate = malloc(sizeof *owner->gate);
    if (owner->gate == NULL || nng_aio_alloc(&owner->aio, on_accepted, owner) != 0) {
        return HF_ERR_NO_MEMORY;
    }
    hf_gate_init(owner->gate);
    if (config->pending_max != 0) {
        owner->gate->pending_max = config->pending_max;
    }
    if (config->pending_per_address_max != 0) {
        owner->gate->pending_per_source_max = config->pending_per_address_max;
    }
    if (config->failures_per_second != 0) {
        owner->gate->failures_per_second = config->failures_per_second;
    }
    err = listen_on(owner);
    if (err == HF_OK) {
        keeper_add_owner(owner);
        begin(owner);
    }
    return err;
}

static hf_err listener_open(const struct hf_link_config *config, bool is_raw,
                            struct hf_link_listener **out)
{
    struct hf_link_listener *listener = calloc(1, sizeof *listener);
    hf_err err;

    if (listener == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    listener->owner.is_raw = is_raw;
    err = listener_start(&listener->owner, config);
    if (err != HF_OK) {
        link_owner_fini(&listener->owner);
        free(listener);
        return err;
    }
    *out = listener;
    return HF_OK;
}

hf_err hf_link_listener_open(const struct hf_link_config *config,
                             struct hf_link_listener **out)
{
    hf_check(config != NULL && out != NULL);
    return listener_open(config, false, out);
}

hf_err hf_link_testing_listen_raw(const struct hf_link_config *config,
                                  struct hf_link_listener **out)
{
    return listener_open(config, true, out);
}

void hf_link_listener_address(const struct hf_link_listener *listener,
                              char out[HF_LINK_ADDRESS_BYTES])
{
    snprintf(out, HF_LINK_ADDRESS_BYTES, "%s", listener->owner.address);
}

void hf_link_listener_set_identity(struct hf_link_listener *listener,
                                   struct hf_link_identity *identity)
{
    link_owner_set_identity(&listener->owner, identity);
}

void hf_link_listener_close(struct hf_link_listener *listener)
{
    if (listener != NULL) {
        close_owner(&listener->owner);
        free(listener);
    }
}

static hf_err dialer_start(struct link_owner *owner,
                           const struct hf_link_config *config)
{
    int result;
    hf_err err = link_owner_init(owner, config);

    if (err != HF_OK) {
        return err;
    }
    result = nng_stream_dialer_alloc(&owner->dialer, owner->address);
    if (result == 0 && owner->transport == HF_LINK_TCP) {
        result = nng_stream_dialer_set_bool(owner->dialer, NNG_OPT_TCP_NODELAY, true);
    }
    if (result == 0) {
        result = nng_aio_alloc(&owner->aio, on_dialled, owner);
    }
    if (result != 0) {
        return error_of(result);
    }
    owner->due_us = 0;
    keeper_add_owner(owner);
    return HF_OK;
}

static hf_err dialer_open(const struct hf_link_config *config, bool is_raw,
                          struct hf_link_dialer **out)
{
    struct hf_link_dialer *dialer = calloc(1, sizeof *dialer);
    hf_err err;

    if (dialer == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    dialer->owner.is_raw = is_raw;
    err = dialer_start(&dialer->owner, config);
    if (err != HF_OK) {
        link_owner_fini(&dialer->owner);
        free(dialer);
        return err;
    }
    *out = dialer;
    return HF_OK;
}

hf_err hf_link_dialer_open(const struct hf_link_config *config,
                           struct hf_link_dialer **out)
{
    hf_check(config != NULL && out != NULL);
    return dialer_open(config, false, out);
}

hf_err hf_link_testing_dial_raw(const struct hf_link_config *config,
                                struct hf_link_dialer **out)
{
    return dialer_open(config, true, out);
}

void hf_link_dialer_set_identity(struct hf_link_dialer *dialer,
                                 struct hf_link_identity *identity)
{
    link_owner_set_identity(&dialer->owner, identity);
}

void hf_link_dialer_close(struct hf_link_dialer *dialer)
{
    if (dialer != NULL) {
        close_owner(&dialer->owner);
        free(dialer);
    }
}
