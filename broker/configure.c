/* What a controller sends to be kept: queue policies, the routing snapshot, the
 * revocation list, fresh tokens. It arrives in parts, is checked as a whole, stored,
 * put in force and passed on to those who asked. All of it runs on the loop's thread,
 * which may wait for the disk; links only copy records to it. */
#include "broker/configure_parts.h"

#include "lib/base/bytes.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdlib.h>
#include <string.h>

#define POLICY_PARTS_MAX 256
#define POLICY_BYTES_MAX BR_STORE_META_MAX

struct posted {
    struct br *br;
    uint32_t session; /* it came from; may be gone, or another one, meanwhile */
    hf_key key;       /* of that session's holder */
    uint16_t type;
    uint32_t meta_bytes;
    uint32_t body_bytes;
    uint8_t data[];
};

struct hf_document_context br_document_context(struct br *br, struct hf_trust *trust)
{
    hf_credentials_trust(&br->credentials, trust);
    return (struct hf_document_context){
        .trust = trust,
        .cluster = hf_slice_of_cstr(br->credentials.cluster),
        .now_s = hf_clock_wall_seconds(),
        .skew_s = HF_CHAIN_SKEW_S,
    };
}

static struct broker_queue_rules rules_of(const struct hf_queue_rules *rules)
{
    return (struct broker_queue_rules){
        .order = (enum broker_order)rules->order,
        .fair_share = rules->fair_share,
        .max_in_flight = rules->max_in_flight,
        .rate_milli = rules->rate_milli,
        .burst = rules->burst,
        .key_max_in_flight = rules->key_max_in_flight,
        .key_rate_milli = rules->key_rate_milli,
        .key_burst = rules->key_burst,
        .is_refusing = rules->limit_action == HF_LIMIT_REFUSE,
        .is_retrying_5xx = rules->retry_5xx,
        .max_crashes = rules->max_crashes,
        .retention_ms = (int64_t)rules->retention_ms,
        .response_max = rules->response_max,
        .dead_retention_ms = (int64_t)rules->dead_retention_ms,
    };
}

static void submit_queue(struct br *br, const struct hf_queue_policy *queue,
                         const struct hf_queue_rules *rules)
{
    struct broker_input input = {.type = BROKER_IN_POLICY_QUEUE, .now = hf_clock_now()};

    input.u.policy = (struct broker_queue_policy){
        .name = queue->name,
        .durability = (enum broker_durability)queue->durability,
        .redeliver = (enum broker_redeliver)queue->redeliver,
        .state = (enum broker_queue_state)queue->state,
        .length_max = queue->length_max,
        .bytes_max = queue->bytes_max,
        .wait_limit_ms = queue->wait_limit_ms,
        .lazy_commit_ms = queue->lazy_commit_ms,
        .attempts_max = queue->attempts_max,
        .rules = rules_of(rules),
    };
    br_step(br, &input, NULL);
}

/* A stored policy of before there were any. */
static const struct hf_queue_rules no_rules = {.fair_share = 100};

static bool submit_parts(struct br *br, hf_slice all)
{
    while (all.bytes >= 4) {
        struct hf_arena arena;
        struct hf_policy part;
        hf_slice meta = hf_slice_first(hf_slice_skip(all, 4), hf_get_be32(all.data));
        hf_err err = HF_OK;

        hf_arena_init(&arena, (size_t)HF_META_LIST_MAX * HF_LIST_COST + 65536);
        err = hf_policy_decode(meta, &arena, &part);
        for (size_t i = 0; err == HF_OK && i < part.queues_count; i++) {
            submit_queue(br, &part.queues[i],
                         i < part.rules_count ? &part.rules[i] : &no_rules);
        }
        hf_arena_fini(&arena);
        if (err != HF_OK) {
            return false;
        }
        all = hf_slice_skip(all, 4 + meta.bytes);
    }
    return true;
}

/* Under the lock. Session 0: the policy is the stored one, and needs no command. */
static void submit_policy(struct br *br, uint32_t session, hf_slice all)
{
    struct broker_input input = {.type = BROKER_IN_POLICY_BEGIN, .now = hf_clock_now()};
    struct br_blob *blob = br_blob_new(all);

    if (blob == NULL && session == 0) {
        br_fail_stop("no memory for the stored policy");
    }
    if (blob == NULL) {
        br_starve_session(br, session, HF_RECORD_POLICY);
        return;
    }
    br->is_policy_refused = false;
    input.session = session;
    input.u.revision.version = hf_get_be64(all.data);
    br_step(br, &input, NULL);
    (void)submit_parts(br, hf_slice_of(blob->data + 8, blob->bytes - 8));
    input.type = BROKER_IN_POLICY_END;
    br_step(br, &input, NULL);
    if (br->is_policy_refused && session == 0) {
        br_fail_stop("the stored policy has more queues than queues_max");
    }
    /* What waits to be written is still the one before. */
    if (!br->is_policy_refused) {
        struct br_blob *old = br->policy;

        br->policy = blob;
        blob = old;
    }
    br_blob_unref(blob);
}

static void take_policy(struct br *br, uint32_t session, hf_slice meta)
{
    struct br_arriving *a = br->arriving;
    struct hf_arena arena;
    struct hf_policy part;
    hf_err err = HF_OK;

    hf_arena_init(&arena, (size_t)HF_META_LIST_MAX * HF_LIST_COST + 65536);
    err = hf_policy_decode(meta, &arena, &part);
    hf_arena_fini(&arena);
    if (err != HF_OK || part.parts == 0 || part.parts > POLICY_PARTS_MAX) {
        HF_WARN("policy refused", hf_log_cstr("reason", "malformed part"));
        return;
    }
    if (part.part == 0) {
        a->policy_version = part.version;
        a->policy_parts = 0;
        hf_buf_clear(&a->policy);
        err = hf_buf_append_be64(&a->policy, part.version);
    }
    if (part.version != a->policy_version || part.part != a->policy_parts) {
        HF_WARN("policy refused", hf_log_cstr("reason", "part out of order"));
        return;
    }
    if (err != HF_OK || hf_buf_append_be32(&a->policy, (uint32_t)meta.bytes) != HF_OK ||
        hf_buf_append(&a->policy, meta) != HF_OK) {
        HF_WARN("policy refused", hf_log_cstr("reason", "more than 1 MiB"));
        return;
    }
    if (++a->policy_parts < part.parts) {
        return;
    }
    br_lock(br);
    submit_policy(br, session, hf_buf_slice(&a->policy));
    br_unlock(br);
}

/* A fresh chain for this broker: checked like any peer would, then used from now on. */
static void renew_own(struct br *br, hf_slice chain)
{
    struct hf_trust trust;
    struct hf_chain *own = malloc(sizeof *own);
    struct hf_link_identity *identity = NULL;
    const struct hf_chain_context context = {
        .trust = &trust,
        .cluster = hf_slice_of_cstr(br->credentials.cluster),
        .skip_broker = true,
        .skip_network = true,
        .now_s = hf_clock_wall_seconds(),
        .skew_s = HF_CHAIN_SKEW_S,
        .ttl_s_max = HF_CHAIN_TTL_S_MAX,
    };
    hf_err err = HF_ERR_INVALID;

    hf_credentials_trust(&br->credentials, &trust);
    if (own != NULL && hf_chain_verify(chain, &context, own) == HF_TOKEN_OK &&
        hf_key_equal(hf_chain_holder(own), hf_secret_public(br->credentials.secret)) &&
        hf_chain_has_verb(own, HF_VERB_SERVE)) {
        hf_buf_clear(&br->credentials.token);
        err = hf_buf_append(&br->credentials.token, chain);
    }
    free(own);
    if (err == HF_OK) {
        err = br_make_identity(br, &identity);
    }
    if (err != HF_OK) {
        HF_WARN("own token refused", hf_log_cstr("error", hf_err_text(err)));
        return;
    }
    for (size_t i = 0; i < br->listeners_count; i++) {
        hf_link_listener_set_identity(br->listeners[i], identity);
    }
    hf_link_identity_unref(identity);
    HF_DEBUG("own token renewed", hf_log_cstr("broker", br->options.name));
}

static void take_token(struct br *br, hf_slice meta)
{
    struct hf_token_push message;

    if (hf_token_push_decode(meta, &message) != HF_OK) {
        HF_WARN("token refused", hf_log_cstr("reason", "malformed"));
        return;
    }
    if (hf_key_equal(message.key, hf_secret_public(br->credentials.secret))) {
        renew_own(br, message.chain);
        return;
    }
    br_lock(br);
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        if (br->sessions[i].is_up && hf_key_equal(br->sessions[i].key, message.key)) {
            br_send_control(br, i, HF_RECORD_TOKEN, meta);
        }
    }
    br_unlock(br);
}

/* A session that was cut after it had sent this has lost the right, too. */
static bool is_still_entitled(struct br *br, const struct posted *p)
{
    const struct br_session *s = &br->sessions[p->session];
    bool is_entitled = false;

    br_lock(br);
    is_entitled = s->is_up && hf_key_equal(s->key, p->key) &&
                  hf_chain_has_verb(s->chain, HF_VERB_CONFIGURE);
    br_unlock(br);
    return is_entitled;
}

static void carry_out(void *context)
{
    struct posted *p = context;
    hf_slice meta = hf_slice_of(p->data, p->meta_bytes);
    hf_slice body = hf_slice_of(p->data + p->meta_bytes, p->body_bytes);

    if (!is_still_entitled(p->br, p)) {
        HF_WARN("configuration record refused",
                hf_log_cstr("reason", "its session is over"));
        free(p);
        return;
    }
    switch (p->type) {
    case HF_RECORD_POLICY:
        take_policy(p->br, p->session, meta);
        break;
    case HF_RECORD_SNAPSHOT:
        br_snapshot_take(p->br, p->session, meta, body);
        break;
    case HF_RECORD_REVOKE:
        br_revocation_take(p->br, meta, false);
        break;
    default:
        take_token(p->br, meta);
        break;
    }
    free(p);
}

void br_configure(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct posted *p = malloc(sizeof *p + record->meta.bytes + record->body.bytes);

    if (p == NULL) {
        br_lock(br);
        br_starve_session(br, session, record->type);
        br_unlock(br);
        return;
    }
    p->br = br;
    p->session = session;
    p->key = br->sessions[session].key;
    p->type = record->type;
    p->meta_bytes = (uint32_t)record->meta.bytes;
    p->body_bytes = (uint32_t)record->body.bytes;
    memcpy(p->data, record->meta.data, record->meta.bytes);
    if (record->body.bytes > 0) {
        memcpy(p->data + record->meta.bytes, record->body.data, record->body.bytes);
    }
    if (hf_loop_post(br->loop, carry_out, p) != HF_OK) {
        HF_WARN("configuration record refused", hf_log_cstr("reason", "limit"));
        free(p);
        br_lock(br);
        br_end_session(br, session, HF_REASON_LIMIT);
        br_unlock(br);
    }
}

static hf_err restore_policy(struct br *br)
{
    struct hf_buf value;
    hf_err err = HF_OK;

    hf_buf_init(&value, POLICY_BYTES_MAX);
    err = br_store_meta_get(br->store, "policy", &value);
    if (err == HF_OK && hf_buf_bytes(&value) >= 8) {
        submit_policy(br, 0, hf_buf_slice(&value));
        br->policy_version = hf_get_be64(hf_buf_slice(&value).data);
    }
    hf_buf_fini(&value);
    return err == HF_ERR_NOT_FOUND ? HF_OK : err;
}

hf_err br_configure_restore(struct br *br)
{
    hf_err err = HF_OK;

    br->arriving = calloc(1, sizeof *br->arriving);
    if (br->arriving == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_buf_init(&br->arriving->policy, POLICY_BYTES_MAX);
    br->arriving->revocation_seen = hf_clock_now();
    if ((err = br_revocation_restore(br)) != HF_OK ||
        (err = restore_policy(br)) != HF_OK) {
        return err;
    }
    return br_snapshot_restore(br);
}

void br_configure_free(struct br *br)
{
    if (br->arriving != NULL) {
        br_snapshot_clear(&br->arriving->snapshot);
        hf_revocation_free(br->arriving->revocation);
        br_revocation_forget(br->arriving);
        hf_buf_fini(&br->arriving->policy);
        free(br->arriving);
    }
    if (br->snapshot != NULL) {
        br_snapshot_clear(br->snapshot);
        free(br->snapshot);
    }
    hf_revocation_free(br->revocation);
}
