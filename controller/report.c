/* Owns what brokers tell: acknowledgements, answers to pings, their state in pieces. */
#include "controller/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <string.h>

#define STAT_MEMORY   (64u << 20)
#define DECODE_MEMORY ((size_t)HF_META_LIST_MAX * HF_LIST_COST + 65536)

const struct ct_stat *ct_report_of(const struct ct_uplink *uplink)
{
    return &uplink->stats[uplink->current];
}

static void reset(struct ct_stat *stat)
{
    struct hf_arena arena = stat->arena;

    if (arena.bytes_max == 0) {
        hf_arena_init(&arena, STAT_MEMORY);
    }
    hf_arena_reset(&arena);
    memset(stat, 0, sizeof *stat);
    stat->arena = arena;
}

void ct_report_clear(struct ct_uplink *uplink)
{
    reset(&uplink->stats[0]);
    reset(&uplink->stats[1]);
    uplink->is_stat_pending = false;
}

/* Room for `count` more rows, doubling; old rows stay behind in the arena. */
static void *grow(struct hf_arena *arena, void *rows, size_t used, size_t *room,
                  size_t bytes)
{
    size_t wanted = *room == 0 ? 128 : *room * 2;
    void *larger = hf_arena_get(arena, wanted * bytes);

    if (larger == NULL) {
        ct_stop_now("no memory for the state of a broker");
    }
    if (used > 0) {
        memcpy(larger, rows, used * bytes);
    }
    *room = wanted;
    return larger;
}

static void add_queue(struct ct_stat *stat, const struct hf_queue_stat *queue)
{
    struct hf_queue_stat copy = *queue;

    if (stat->queues_count == stat->queues_room) {
        stat->queues = grow(&stat->arena, stat->queues, stat->queues_count,
                            &stat->queues_room, sizeof copy);
    }
    copy.name = hf_arena_copy(&stat->arena, queue->name);
    stat->queues[stat->queues_count++] = copy;
}

static void add_session(struct ct_stat *stat, const struct hf_session_stat *session)
{
    struct hf_session_stat copy = *session;

    if (stat->sessions_count == stat->sessions_room) {
        stat->sessions = grow(&stat->arena, stat->sessions, stat->sessions_count,
                              &stat->sessions_room, sizeof copy);
    }
    copy.subject = hf_arena_copy(&stat->arena, session->subject);
    copy.name = hf_arena_copy(&stat->arena, session->name);
    copy.queue = hf_arena_copy(&stat->arena, session->queue);
    stat->sessions[stat->sessions_count++] = copy;
}

static const struct hf_queue_stat *find_queue(const struct ct_stat *stat, hf_slice name)
{
    for (size_t i = 0; i < stat->queues_count; i++) {
        if (hf_slice_equal(stat->queues[i].name, name)) {
            return &stat->queues[i];
        }
    }
    return NULL;
}

/* Queues keep their order from one answer to the next, so the place is tried first. */
static void tell_redelivered(struct ct_uplink *uplink, const struct ct_stat *before,
                             const struct ct_stat *now)
{
    for (size_t i = 0; i < now->queues_count; i++) {
        const struct hf_queue_stat *queue = &now->queues[i];
        const struct hf_queue_stat *old =
            i < before->queues_count &&
                    hf_slice_equal(before->queues[i].name, queue->name)
                ? &before->queues[i]
                : find_queue(before, queue->name);
        uint64_t known = old == NULL ? 0 : old->redelivered;

        if (queue->redelivered > known) {
            ct_news(uplink->ct, "redelivered: %llu request%s of queue %.*s",
                    (unsigned long long)(queue->redelivered - known),
                    queue->redelivered - known == 1 ? "" : "s", (int)queue->name.bytes,
                    (const char *)queue->name.data);
        }
    }
}

static bool had_session(const struct ct_stat *stat, hf_key key, uint64_t snapshot)
{
    for (size_t i = 0; i < stat->sessions_count; i++) {
        if (hf_key_equal(stat->sessions[i].key, key)) {
            return snapshot == 0 || stat->sessions[i].snapshot >= snapshot;
        }
    }
    return false;
}

static void tell_worker(struct ct *ct, hf_key key)
{
    struct fleet_view view;

    for (uint32_t w = 1; w <= FLEET_WORKERS_MAX; w++) {
        if (!ct->is_ready_told[w] && fleet_view(ct->fleet, w, &view) &&
            view.state == FLEET_RUNNING && hf_key_equal(view.key, key)) {
            ct->is_ready_told[w] = true;
            ct_news(ct, "worker %s/%u ready (pid %lld)", view.pool, view.index,
                    (long long)view.pid);
            return;
        }
    }
}

static void tell_sessions(struct ct_uplink *uplink, const struct ct_stat *before,
                          const struct ct_stat *now)
{
    struct ct *ct = uplink->ct;
    uint64_t snapshot = ct->publication.current[PUBLICATION_SNAPSHOT];

    for (size_t i = 0; i < now->sessions_count; i++) {
        const struct hf_session_stat *session = &now->sessions[i];

        if (session->role == HF_ROLE_WORKER && !had_session(before, session->key, 0)) {
            tell_worker(ct, session->key);
        }
        if (session->role == HF_ROLE_FRONTEND && session->snapshot >= snapshot &&
            snapshot > 0 && !had_session(before, session->key, 1)) {
            ct_news(ct, "frontend %.*s ready (pid %lld)", (int)session->name.bytes,
                    (const char *)session->name.data, (long long)session->pid);
        }
    }
}

static void judge_broker(struct ct_uplink *uplink, const struct hf_broker_stat *broker)
{
    struct ct *ct = uplink->ct;
    struct publication *p = &ct->publication;
    const uint64_t held[PUBLICATION_KINDS] = {
        [PUBLICATION_REVOCATION] = broker->revocation,
        [PUBLICATION_POLICY] = broker->policy,
        [PUBLICATION_SNAPSHOT] = broker->snapshot,
    };

    for (size_t kind = 0; kind < PUBLICATION_KINDS; kind++) {
        publication_held(p, uplink->index, (enum publication_kind)kind, held[kind]);
        if (held[kind] > p->current[kind] && p->current[kind] > 0) {
            ct_publish_raise(ct, (enum publication_kind)kind, held[kind]);
        }
    }
    publication_known(p, uplink->index);
    ct_publish(ct);
}

static void take_stat(struct ct_uplink *uplink, hf_slice meta)
{
    struct ct_stat *next = &uplink->stats[1 - uplink->current];
    struct hf_stat_result result;
    struct hf_arena arena;

    hf_arena_init(&arena, DECODE_MEMORY);
    if (hf_stat_result_decode(meta, &arena, &result) != HF_OK ||
        result.nonce != uplink->stat_nonce) {
        hf_arena_fini(&arena);
        return;
    }
    for (size_t i = 0; i < result.queues_count; i++) {
        add_queue(next, &result.queues[i]);
    }
    for (size_t i = 0; i < result.sessions_count; i++) {
        add_session(next, &result.sessions[i]);
    }
    if (result.is_last && result.broker != NULL) {
        const struct ct_stat *before = ct_report_of(uplink);

        next->broker = *result.broker;
        next->broker.name = hf_arena_copy(&next->arena, result.broker->name);
        next->is_there = true;
        tell_redelivered(uplink, before, next);
        tell_sessions(uplink, before, next);
        uplink->current = 1 - uplink->current;
        uplink->is_stat_pending = false;
        reset(&uplink->stats[1 - uplink->current]);
        judge_broker(uplink, &ct_report_of(uplink)->broker);
    }
    hf_arena_fini(&arena);
}

static void take_pong(struct ct *ct, hf_slice meta)
{
    struct fleet_input input = {.type = FLEET_IN_PONG};
    struct hf_pong pong;

    if (hf_pong_decode(meta, &pong) == HF_OK && pong.health != HF_HEALTH_GONE) {
        input.u.pong.key = pong.key;
        input.u.pong.is_well = pong.health != HF_HEALTH_UNWELL;
        ct_step(ct, &input);
    }
}

static void take_goodbye(struct ct_uplink *uplink, hf_slice meta)
{
    struct hf_goodbye goodbye;

    if (hf_goodbye_decode(meta, &goodbye) == HF_OK) {
        HF_INFO("broker says goodbye", hf_log_cstr("address", uplink->address),
                hf_log_cstr("reason", hf_reason_word(goodbye.reason)));
    }
}

void ct_report_record(struct ct_uplink *uplink, const struct hf_record *record)
{
    struct publication *p = &uplink->ct->publication;
    struct hf_policy_ack policy;
    struct hf_snapshot_ack snapshot;
    struct hf_revoke_ack revoke;
    struct hf_reauth_result reauth;

    switch (record->type) {
    case HF_RECORD_STAT_RESULT:
        take_stat(uplink, record->meta);
        break;
    case HF_RECORD_PONG:
        take_pong(uplink->ct, record->meta);
        break;
    case HF_RECORD_POLICY_ACK:
        if (hf_policy_ack_decode(record->meta, &policy) == HF_OK) {
            publication_held(p, uplink->index, PUBLICATION_POLICY, policy.version);
        }
        break;
    case HF_RECORD_SNAPSHOT_ACK:
        if (hf_snapshot_ack_decode(record->meta, &snapshot) == HF_OK) {
            publication_held(p, uplink->index, PUBLICATION_SNAPSHOT, snapshot.sequence);
        }
        break;
    case HF_RECORD_REVOKE_ACK:
        if (hf_revoke_ack_decode(record->meta, &revoke) == HF_OK) {
            publication_held(p, uplink->index, PUBLICATION_REVOCATION, revoke.sequence);
        }
        break;
    case HF_RECORD_REAUTH_RESULT:
        if (hf_reauth_result_decode(record->meta, &reauth) == HF_OK &&
            !reauth.is_accepted) {
            HF_WARN("renewal refused", hf_log_cstr("address", uplink->address));
        }
        break;
    case HF_RECORD_GOODBYE:
        take_goodbye(uplink, record->meta);
        break;
    default: /* nothing else was asked for */
        break;
    }
}
