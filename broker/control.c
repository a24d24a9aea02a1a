/* Records that are no request: who a session says it is, pings on their way between
 * controller and workers, processes reported dead. */
#include "broker/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <string.h>

void br_deny(struct br *br, uint32_t session, uint16_t record_type)
{
    const struct hf_record_rule *rule = hf_record_rule(record_type);

    hf_stat_add(&br_stats.denied, 1);
    HF_WARN("operation denied", hf_log_cstr("code", "E_DENIED"),
            hf_log_cstr("record", rule == NULL ? "unknown" : rule->name),
            hf_log_key("holder", br->sessions[session].key));
    br_end_session(br, session, HF_REASON_DENIED);
}

void br_starve_session(struct br *br, uint32_t session, uint16_t record_type)
{
    const struct hf_record_rule *rule = hf_record_rule(record_type);

    hf_stat_add(&br_stats.no_memory, 1);
    HF_ERROR("no memory for a record",
             hf_log_cstr("record", rule == NULL ? "unknown" : rule->name),
             hf_log_key("holder", br->sessions[session].key));
    br_end_session(br, session, HF_REASON_INTERNAL);
}

static void introduce(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct br_session *s = &br->sessions[session];
    struct hf_introduce message;

    if (hf_introduce_decode(record->meta, &message) != HF_OK) {
        br_end_session(br, session, HF_REASON_PROTOCOL);
        return;
    }
    s->pid = message.pid;
    s->app_pid = message.app_pid;
    if (message.since_ms > 0) {
        s->since_ms = message.since_ms;
    }
    message.name = hf_slice_first(message.name, BR_NAME_MAX);
    memcpy(s->name, message.name.data, message.name.bytes);
    s->name[message.name.bytes] = '\0';
}

static void send_pong(struct br *br, const struct hf_pong *pong)
{
    uint8_t meta[HF_META_SMALL_MAX];
    size_t bytes = hf_pong_encode(pong, meta, sizeof meta);

    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        if (br->sessions[i].is_up && br->sessions[i].role == HF_ROLE_CONTROLLER) {
            br_send_control(br, i, HF_RECORD_PONG, hf_slice_of(meta, bytes));
        }
    }
}

static void relay_ping(struct br *br, const struct hf_record *record)
{
    struct hf_ping ping;
    struct hf_pong gone = {.health = HF_HEALTH_GONE};

    if (hf_ping_decode(record->meta, &ping) != HF_OK) {
        return;
    }
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        const struct br_session *s = &br->sessions[i];

        if (s->is_up && s->role == HF_ROLE_WORKER && hf_key_equal(s->key, ping.key)) {
            br_send_control(br, i, HF_RECORD_PING, record->meta);
            return;
        }
    }
    gone.key = ping.key;
    gone.nonce = ping.nonce;
    send_pong(br, &gone);
}

static void relay_pong(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct hf_pong pong;

    if (hf_pong_decode(record->meta, &pong) != HF_OK) {
        br_end_session(br, session, HF_REASON_PROTOCOL);
        return;
    }
    pong.key = br->sessions[session].key; /* nobody answers for another */
    send_pong(br, &pong);
}

static void holder_dead(struct br *br, const struct hf_record *record)
{
    struct hf_holder_dead message;
    struct broker_input input = {.type = BROKER_IN_HOLDER_DEAD, .now = hf_clock_now()};

    if (hf_holder_dead_decode(record->meta, &message) == HF_OK) {
        input.u.holder.key = message.key;
        br_step(br, &input, NULL);
    }
}

static void worker_window(struct br *br, uint32_t session,
                          const struct hf_record *record)
{
    struct hf_window window;

    if (hf_window_decode(record->meta, &window) == HF_OK) {
        br_load_window(br, session, &window);
    }
}

static void subscribe(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct hf_snapshot_get message;

    if (hf_snapshot_get_decode(record->meta, &message) != HF_OK) {
        br_end_session(br, session, HF_REASON_PROTOCOL);
        return;
    }
    br->sessions[session].is_subscribed = true;
    br->sessions[session].snapshot = message.have_sequence;
    br->sessions[session].snapshot = message.have_sequence; /* in force since before */
    if (br_snapshot_sequence(br) > message.have_sequence) {
        br_send_snapshot(br, session);
    }
}

static void acknowledge(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct hf_snapshot_ack message;

    if (hf_snapshot_ack_decode(record->meta, &message) == HF_OK) {
        br->sessions[session].snapshot = message.sequence;
    }
}

static void control(struct br *br, uint32_t session, const struct hf_record *record)
{
    switch (record->type) {
    case HF_RECORD_INTRODUCE:
        introduce(br, session, record);
        break;
    case HF_RECORD_WINDOW:
        worker_window(br, session, record);
        break;
    case HF_RECORD_PING:
        relay_ping(br, record);
        break;
    case HF_RECORD_PONG:
        relay_pong(br, session, record);
        break;
    case HF_RECORD_HOLDER_DEAD:
        holder_dead(br, record);
        break;
    case HF_RECORD_SNAPSHOT_GET:
        subscribe(br, session, record);
        break;
    case HF_RECORD_SNAPSHOT_ACK:
        acknowledge(br, session, record);
        break;
    case HF_RECORD_STAT:
        br_stat(br, session, record);
        break;
    case HF_RECORD_LOOKUP:
        br_lookup(br, session, record);
        break;
    case HF_RECORD_PEEK:
        br_peek(br, session, record);
        break;
    default: /* GOODBYE: the link closes by itself */
        break;
    }
}

/* The verb a record needs beyond its role; 0 with is_free for none. */
static bool needs_verb(uint16_t type, enum hf_verb *verb)
{
    switch (type) {
    case HF_RECORD_POLICY:
    case HF_RECORD_SNAPSHOT:
    case HF_RECORD_REVOKE:
    case HF_RECORD_TOKEN:
    case HF_RECORD_HOLDER_DEAD:
    case HF_RECORD_PING:
        *verb = HF_VERB_CONFIGURE;
        return true;
    case HF_RECORD_SNAPSHOT_GET:
        *verb = HF_VERB_ROUTE;
        return true;
    case HF_RECORD_STAT:
        *verb = HF_VERB_STAT;
        return true;
    default:
        return false;
    }
}

void br_control(struct br *br, uint32_t session, const struct hf_record *record)
{
    enum hf_verb verb;

    if (record->type == HF_RECORD_REAUTH) {
        br_reauth(br, session, record);
        return;
    }
    br_lock(br);
    if (!br_is_heard(br, session)) {
        br_unlock(br);
        return;
    }
    if (needs_verb(record->type, &verb) &&
        !hf_chain_has_verb(br->sessions[session].chain, verb)) {
        br_deny(br, session, record->type);
        br_unlock(br);
        return;
    }
    if (record->type == HF_RECORD_POLICY || record->type == HF_RECORD_SNAPSHOT ||
        record->type == HF_RECORD_REVOKE || record->type == HF_RECORD_TOKEN) {
        br_unlock(br);
        br_configure(br, session, record);
        return;
    }
    control(br, session, record);
    br_unlock(br);
}
