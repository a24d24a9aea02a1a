/* Owns carrying out what the fleet decides, and what the fleet is told of the
 * configuration. */
#include "controller/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REVOKED_SLACK_S 60 /* past a token's end: skew on both sides */

static void send_signal(struct ct *ct, const struct fleet_effect *effect)
{
    const struct hf_signal_child message = {
        .pid = effect->pid, .signal = effect->is_kill ? SIGKILL : SIGTERM};
    uint8_t meta[HF_META_SMALL_MAX];

    ct_spawner_send(
        ct, HF_RECORD_SIGNAL,
        hf_slice_of(meta, hf_signal_child_encode(&message, meta, sizeof meta)));
}

static void send_ping(struct ct *ct, const struct fleet_effect *effect)
{
    const struct hf_ping message = {.key = effect->key, .nonce = effect->worker};
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_record record = {
        .type = HF_RECORD_PING,
        .meta = hf_slice_of(meta, hf_ping_encode(&message, meta, sizeof meta))};

    ct_uplinks_send(ct, &record);
}

static struct hf_record dead_record(hf_key key, uint8_t meta[HF_META_SMALL_MAX])
{
    const struct hf_holder_dead message = {.key = key};

    return (struct hf_record){
        .type = HF_RECORD_HOLDER_DEAD,
        .meta = hf_slice_of(meta,
                            hf_holder_dead_encode(&message, meta, HF_META_SMALL_MAX))};
}

void ct_tell_dead(struct ct *ct, struct ct_uplink *uplink)
{
    hf_time now = hf_clock_now();
    uint8_t meta[HF_META_SMALL_MAX];

    for (size_t i = 0; i < CT_DEAD_MAX; i++) {
        if (ct->dead[i].at.us != 0 &&
            hf_time_before(now, hf_time_add_ms(ct->dead[i].at, CT_DEAD_MS))) {
            const struct hf_record record = dead_record(ct->dead[i].key, meta);

            ct_uplink_send(uplink, &record);
        }
    }
}

/* Its key is of no use to anybody any more: brokers end its leases, its token goes on
 * the next revocation list (SECURITY.md 4.5). */
static void bury(struct ct *ct, hf_key key)
{
    const struct identity *identity = identity_find(&ct->identities, key);
    struct ct_revoked revoked = {.kind = CT_REVOKED_JTI};
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_record record = dead_record(key, meta);

    ct_uplinks_send(ct, &record);
    ct->dead[ct->dead_next % CT_DEAD_MAX].key = key;
    ct->dead[ct->dead_next % CT_DEAD_MAX].at = hf_clock_now();
    ct->dead_next++;
    if (identity == NULL) {
        return;
    }
    memcpy(revoked.id, identity->jti, IDENTITY_JTI_BYTES);
    revoked.until_s = identity->expires_s + REVOKED_SLACK_S;
    if (ct_revoke(ct, &revoked, false) != HF_OK) {
        HF_WARN("revocation list is full", hf_log_int("entries", CT_REVOKED_MAX));
    }
    ct_forget(ct, key);
}

static void tell(struct ct *ct, const struct fleet_effect *effect)
{
    char how[64];

    if (effect->signal != 0) {
        (void)snprintf(how, sizeof how, "signal %d", effect->signal);
    } else {
        (void)snprintf(how, sizeof how, "status %d", effect->status);
    }
    switch (effect->news) {
    case FLEET_NEWS_STARTED:
        ct_news(ct, "worker %s/%u started (pid %lld)", effect->pool, effect->index,
                (long long)effect->pid);
        break;
    case FLEET_NEWS_DIED:
        ct_news(ct, "worker %s/%u died (pid %lld, %s, ran %.1f s)", effect->pool,
                effect->index, (long long)effect->pid, how,
                (double)effect->ran_ms / 1000);
        break;
    case FLEET_NEWS_ENDED:
        ct_news(ct, "worker %s/%u ended (pid %lld)", effect->pool, effect->index,
                (long long)effect->pid);
        break;
    case FLEET_NEWS_UNWELL:
        ct_news(ct, "worker %s/%u does not answer pings: killed (pid %lld)",
                effect->pool, effect->index, (long long)effect->pid);
        break;
    }
}

/* True when the launch failed at once: the fleet is told after the other effects. */
static bool carry_out(struct ct *ct, const struct fleet_effect *effect)
{
    switch (effect->type) {
    case FLEET_LAUNCH:
        return !ct_launch(ct, effect);
    case FLEET_SIGNAL:
        send_signal(ct, effect);
        break;
    case FLEET_PING:
        send_ping(ct, effect);
        break;
    case FLEET_HOLDER_DEAD:
        bury(ct, effect->key);
        break;
    case FLEET_TELL:
        tell(ct, effect);
        break;
    }
    return false;
}

void ct_step(struct ct *ct, struct fleet_input *input)
{
    struct fleet_effects effects;
    uint32_t failed[FLEET_EFFECTS_MAX];
    size_t failed_count = 0;

    input->now = hf_clock_now();
    fleet_step(ct->fleet, input, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        if (carry_out(ct, &effects.items[i])) {
            failed[failed_count++] = effects.items[i].worker;
        }
    }
    for (size_t i = 0; i < failed_count; i++) {
        struct fleet_input failure = {.type = FLEET_IN_LAUNCH_FAILED,
                                      .now = hf_clock_now()};

        /* Back-off is in force: this yields no launch of the same worker. Others are
         * due at the next tick. */
        failure.u.launched.worker = failed[i];
        fleet_step(ct->fleet, &failure, &effects);
        for (size_t k = 0; k < effects.count; k++) {
            if (carry_out(ct, &effects.items[k])) {
                HF_WARN("launch waits for the spawner's limit",
                        hf_log_int("worker", effects.items[k].worker));
            }
        }
    }
}

void ct_configure_fleet(struct ct *ct)
{
    struct fleet_input input = {.type = FLEET_IN_CONFIG_BEGIN};

    ct_step(ct, &input);
    for (size_t i = 0; i < ct->config->pools_count; i++) {
        const struct ct_pool_config *pool = &ct->config->pools[i];

        input = (struct fleet_input){.type = FLEET_IN_POOL};
        input.u.pool.name = hf_slice_of_cstr(pool->name);
        input.u.pool.processes = pool->processes;
        input.u.pool.fingerprint = pool->fingerprint;
        input.u.pool.ping_interval_ms = pool->ping_interval_ms;
        input.u.pool.ping_limit_ms = pool->ping_limit_ms;
        input.u.pool.shutdown_limit_ms = pool->shutdown_limit_ms;
        ct_step(ct, &input);
    }
    input = (struct fleet_input){.type = FLEET_IN_CONFIG_END};
    ct_step(ct, &input);
}
