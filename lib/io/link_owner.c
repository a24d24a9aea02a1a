/* Owns listeners and dialers: where links come from, and the list of theirs. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define OUTPUT_BYTES_DEFAULT (64u << 20)
#define BACKOFF_MS_FIRST     10
#define BACKOFF_MS_MAX       100
#define DENIED_MS_FIRST      100
#define DENIED_MS_MAX        30000

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value != 0 ? value : fallback;
}

static hf_err owner_init(struct link_owner *owner, const struct hf_link_config *config)
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
    owner->source.fd = -1;
    owner->due_us = INT64_MAX;
    owner->connect_due_us = INT64_MAX;
    if (strlen(config->address) >= sizeof owner->address ||
        link_address_of(config->address, &owner->transport) == NULL) {
        return HF_ERR_INVALID;
    }
    snprintf(owner->address, sizeof owner->address, "%s", config->address);
    own->address = owner->address;
    if (!owner->is_raw) {
        hf_check(config->identity != NULL);
        owner->identity = hf_link_identity_ref(config->identity);
    }
    return hub_get(config->loop, &owner->hub);
}

/* Nothing of the owner is in the hub (any more). */
static void owner_fini(struct link_owner *owner)
{
    if (owner->source.fd >= 0) {
        close(owner->source.fd);
    }
    hf_lookup_free(owner->lookup);
    free(owner->gate);
    hf_link_identity_unref(owner->identity);
    hub_put(owner->hub);
}

static void set_identity(struct link_owner *owner, struct hf_link_identity *identity)
{
    struct hf_link_identity *old;

    hf_link_identity_ref(identity);
    hub_lock(owner->hub);
    old = owner->identity;
    owner->identity = identity;
    owner->is_renewed = true;
    hub_unlock(owner->hub);
    hub_wake(owner->hub);
    hf_link_identity_unref(old);
}

struct hf_link_identity *link_owner_identity(struct link_owner *owner)
{
    struct hf_link_identity *identity = NULL;

    hub_lock(owner->hub);
    if (owner->identity != NULL) {
        identity = hf_link_identity_ref(owner->identity);
    }
    hub_unlock(owner->hub);
    return identity;
}

static uint32_t next_backoff(uint32_t now_ms, uint32_t first_ms, uint32_t max_ms)
{
    uint32_t next = now_ms == 0 ? first_ms : 2 * now_ms;

    return next > max_ms ? max_ms : next;
}

static void schedule(struct link_owner *owner)
{
    uint32_t random;
    int64_t half = (int64_t)owner->backoff_ms * 500;

    hf_random(&random, sizeof random);
    owner->due_us = hf_clock_monotonic_us() + half + random % (half + 1);
    hub_wake_by(owner->hub, owner->due_us);
}

void link_owner_retry(struct link_owner *owner)
{
    owner->backoff_ms =
        next_backoff(owner->backoff_ms, BACKOFF_MS_FIRST, BACKOFF_MS_MAX);
    schedule(owner);
}

/* The dialer's link is gone: a refused handshake waits longer than a lost peer. */
static void redial(struct link_owner *owner, const struct hf_link *link)
{
    uint32_t retry = link->retry_after_ms;

    if (!link->has_failed) {
        link_owner_retry(owner);
        return;
    }
    owner->backoff_ms = next_backoff(owner->backoff_ms, DENIED_MS_FIRST, DENIED_MS_MAX);
    if (retry > owner->backoff_ms) {
        owner->backoff_ms = retry > DENIED_MS_MAX ? DENIED_MS_MAX : retry;
    }
    schedule(owner);
}

void link_owner_examine(struct link_owner *owner, int64_t now, int64_t *next)
{
    bool is_closing;
    bool is_renewed;

    hub_lock(owner->hub);
    is_closing = owner->is_closing;
    is_renewed = owner->is_renewed;
    owner->is_renewed = false;
    hub_unlock(owner->hub);
    if (is_closing) {
        return;
    }
    if (is_renewed && !owner->is_listener && owner->due_us != INT64_MAX) {
        owner->due_us = 0; /* the old one may have been refused: try at once */
    }
    if (owner->due_us <= now) {
        owner->due_us = INT64_MAX;
        if (owner->is_listener) {
            link_listen_resume(owner);
        } else {
            link_dial(owner);
        }
    }
    if (!owner->is_listener) {
        link_dial_examine(owner, now, next);
    }
    if (owner->due_us < *next) {
        *next = owner->due_us;
    }
}

void link_owner_stop(struct link_owner *owner)
{
    if (owner->is_listener) {
        hub_unwatch(owner->hub, &owner->source);
        close(owner->source.fd);
        owner->source.fd = -1;
        hf_socket_unbind(&owner->local);
    } else {
        link_dial_abandon(owner);
    }
}

static hf_err enter_gate(struct link_owner *owner, struct hf_link *link)
{
    struct hf_link_stats *stats = &hf_link_stats;

    switch (hf_gate_enter(owner->gate, link->gate_key, hf_clock_monotonic_us())) {
    case HF_GATE_ENTER:
        link->is_gated = true;
        return HF_OK;
    case HF_GATE_TOTAL:
        hf_stat_add(&stats->refused_pending_total, 1);
        break;
    case HF_GATE_SOURCE:
        hf_stat_add(&stats->refused_address_total, 1);
        break;
    case HF_GATE_BUCKET:
        hf_stat_add(&stats->refused_bucket_total, 1);
        break;
    }
    return HF_ERR_FULL;
}

static void leave_gate(struct link_owner *owner, struct hf_link *link)
{
    if (link->is_gated) {
        link->is_gated = false;
        hf_gate_leave(owner->gate, link->gate_key, link->has_failed,
                      hf_clock_monotonic_us());
    }
}

hf_err link_owner_enter(struct link_owner *owner, struct hf_link *link)
{
    hf_err err = owner->gate != NULL ? enter_gate(owner, link) : HF_OK;

    if (err == HF_OK) {
        hf_list_push_back(&owner->links, &link->node);
        owner->links_count++;
    }
    return err;
}

void link_owner_link_up(struct link_owner *owner, struct hf_link *link)
{
    leave_gate(owner, link);
    owner->backoff_ms = 0;
    hub_wake(owner->hub); /* its heartbeats have to be watched from now on */
}

void link_owner_forget(struct link_owner *owner, struct hf_link *link)
{
    leave_gate(owner, link);
    hf_list_remove(&link->node);
    owner->links_count--;
    if (!owner->is_listener) {
        redial(owner, link);
    }
}

static void close_owner(struct link_owner *owner)
{
    hub_drop_owner(owner);
    owner_fini(owner);
}

static hf_err listener_start(struct link_owner *owner,
                             const struct hf_link_config *config)
{
    hf_err err;

    owner->is_listener = true;
    err = owner_init(owner, config);
    if (err != HF_OK) {
        return err;
    }
    owner->gate = malloc(sizeof *owner->gate);
    if (owner->gate == NULL) {
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
    err = link_listen(owner);
    if (err == HF_OK) {
        hub_add_owner(owner);
        err = hub_watch(owner->hub, &owner->source, EPOLLIN);
        if (err != HF_OK) {
            hub_drop_owner(owner);
        }
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
        owner_fini(&listener->owner);
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
    set_identity(&listener->owner, identity);
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
    hf_err err = owner_init(owner, config);

    if (err == HF_OK) {
        owner->due_us = 0;
        hub_add_owner(owner);
    }
    return err;
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
        owner_fini(&dialer->owner);
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
    set_identity(&dialer->owner, identity);
}

void hf_link_dialer_close(struct hf_link_dialer *dialer)
{
    if (dialer != NULL) {
        close_owner(&dialer->owner);
        free(dialer);
    }
}
