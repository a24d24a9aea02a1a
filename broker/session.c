/* Sessions: coming, going, renewed, judged again. The events of links arrive on the
 * links' thread. */
#include "broker/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdlib.h>
#include <string.h>

/* A controller that has just come back needs this long to renew everybody's token;
 * until then expired ones count as if it were still away. */
#define CONTROLLER_SETTLE_MS 60000

bool br_is_in_grace(const struct br *br, hf_time now)
{
    return br->controllers_count == 0 ||
           hf_time_before(now,
                          hf_time_add_ms(br->controller_seen, CONTROLLER_SETTLE_MS));
}

static bool role_is_allowed(const struct hf_link_claim *claim)
{
    switch (claim->result->peer_role) {
    case HF_ROLE_WORKER:
        return hf_chain_has_verb(claim->chain, HF_VERB_RECEIVE);
    case HF_ROLE_FRONTEND:
        return hf_chain_has_verb(claim->chain, HF_VERB_ENQUEUE);
    case HF_ROLE_CONTROLLER:
        return hf_chain_has_verb(claim->chain, HF_VERB_CONFIGURE);
    case HF_ROLE_ADMIN:
        return hf_chain_has_verb(claim->chain, HF_VERB_STAT) ||
               hf_chain_has_verb(claim->chain, HF_VERB_PEEK);
    case HF_ROLE_BROKER:
        break;
    }
    return false;
}

static enum hf_token_error judge(struct br *br, const struct hf_chain *chain)
{
    enum hf_token_error error = HF_TOKEN_OK;

    if (br->revocation != NULL) {
        error = hf_chain_recheck(chain, br->revocation);
    }
    if (error == HF_TOKEN_OK && chain->is_in_grace &&
        !br_is_in_grace(br, hf_clock_now())) {
        error = HF_TOKEN_TIME;
    }
    return error;
}

/* Whoever attenuates a chain chooses the jti of the new link, but not its holder. */
static bool is_named_in(const struct hf_claims *link, const struct hf_chain *chain)
{
    for (size_t i = 0; i < chain->links_count; i++) {
        if (memcmp(link->jti.bytes, chain->links[i].jti.bytes, HF_JTI_BYTES) == 0 &&
            hf_key_equal(link->holder, chain->links[i].holder)) {
            return true;
        }
    }
    return false;
}

/* Under the lock: whether one more session would exceed `conns` of one of its links,
 * which is counted over all sessions whose chain names that link (SECURITY.md 2.3). */
static bool has_all_conns(const struct br *br, const struct hf_chain *chain)
{
    for (size_t link = 0; link < chain->links_count; link++) {
        const struct hf_claims *claims = &chain->links[link];
        uint64_t count = 0;

        for (uint32_t i = 1; claims->limits.conns > 0 && i < br->sessions_fresh; i++) {
            const struct br_session *s = &br->sessions[i];

            count += s->is_up && is_named_in(claims, s->chain) ? 1 : 0;
        }
        if (claims->limits.conns > 0 && count >= claims->limits.conns) {
            return true;
        }
    }
    return false;
}

bool br_admit(void *context, const struct hf_link_claim *claim,
              struct hf_welcome *welcome)
{
    struct br *br = context;
    enum hf_token_error error = HF_TOKEN_OK;

    br_lock(br);
    error = judge(br, claim->chain);
    if (error == HF_TOKEN_OK && has_all_conns(br, claim->chain)) {
        error = HF_TOKEN_DENIED;
    }
    if (error == HF_TOKEN_OK && br->revocation != NULL) {
        welcome->revocation_seq = hf_revocation_head(br->revocation)->seq;
    }
    br_unlock(br);
    if (error == HF_TOKEN_OK && !role_is_allowed(claim)) {
        error = HF_TOKEN_DENIED;
    }
    if (error != HF_TOKEN_OK) {
        hf_stat_add(&br_stats.sessions_refused, 1);
        HF_WARN("session refused", hf_log_cstr("code", hf_token_error_code(error)),
                hf_log_slice("subject", hf_chain_subject(claim->chain)),
                hf_log_key("holder", claim->result->peer_key));
        return false;
    }
    if (claim->chain->is_in_grace) {
        hf_stat_add(&br_stats.grace_accepted, 1);
        HF_WARN("expired token accepted while the controller is away",
                hf_log_slice("subject", hf_chain_subject(claim->chain)));
    }
    return true;
}

bool br_chain_allows(const struct hf_chain *chain, uint32_t rights, hf_slice queue)
{
    static const struct {
        uint32_t right;
        enum hf_verb verb;
    } verbs[] = {{HF_RIGHT_RECEIVE, HF_VERB_RECEIVE},
                 {HF_RIGHT_RESPOND, HF_VERB_RESPOND},
                 {HF_RIGHT_ENQUEUE, HF_VERB_ENQUEUE},
                 {HF_RIGHT_PEEK, HF_VERB_PEEK}};

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if ((rights & verbs[i].right) != 0 &&
            !hf_chain_allows(chain, verbs[i].verb, queue)) {
            return false;
        }
    }
    return true;
}

/* A free index, or 0 when sessions_max are up. */
static uint32_t free_index(struct br *br)
{
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        if (br->sessions[i].link == NULL) {
            return i;
        }
    }
    return br->sessions_fresh <= br->options.core.sessions_max ? br->sessions_fresh++
                                                               : 0;
}

_Static_assert(BROKER_LIMITS_MAX == HF_CHAIN_LINKS_MAX, "one for each link");

/* What the core has to keep to, for each link that limits anything. */
static uint32_t limits_of(const struct hf_chain *chain, struct broker_limits *out)
{
    uint32_t count = 0;

    for (size_t i = 0; i < chain->links_count; i++) {
        const struct hf_claims *link = &chain->links[i];
        const struct hf_limits *limits = &link->limits;

        if ((limits->inflight | limits->rate | limits->bytes) == 0) {
            continue;
        }
        out[count] = (struct broker_limits){.inflight = limits->inflight,
                                            .rate = limits->rate,
                                            .burst = limits->burst,
                                            .bytes = limits->bytes};
        memcpy(out[count].token, link->jti.bytes, HF_JTI_BYTES);
        memcpy(out[count].token + HF_JTI_BYTES, link->holder.bytes, HF_KEY_BYTES);
        count++;
    }
    return count;
}

static void step_limits(struct br *br, uint32_t session)
{
    struct broker_limits limits[BROKER_LIMITS_MAX];
    struct broker_input input = {
        .type = BROKER_IN_LIMITS, .now = hf_clock_now(), .session = session};

    input.u.holder.limits = limits;
    input.u.holder.limits_count = limits_of(br->sessions[session].chain, limits);
    br_step(br, &input, NULL);
}

static void describe(struct br_session *s, struct hf_link *link,
                     const struct hf_link_peer *peer)
{
    s->link = hf_link_ref(link);
    s->role = peer->result->peer_role;
    s->key = hf_chain_holder(peer->chain);
    s->pid = peer->pid;
    s->since_ms = hf_time_ms(hf_clock_now());
    s->reauth.transcript = peer->result->transcript;
    s->reauth.holder = s->key;
    s->is_up = true;
}

static void on_up(void *context, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct br *br = context;
    struct broker_input input = {.type = BROKER_IN_SESSION_UP, .now = hf_clock_now()};
    struct hf_chain *chain = malloc(sizeof *chain);
    struct broker_limits limits[BROKER_LIMITS_MAX];
    uint32_t index = 0;

    br_lock(br);
    index = chain == NULL || has_all_conns(br, peer->chain) ? 0 : free_index(br);
    if (index == 0) {
        br_unlock(br);
        free(chain);
        hf_stat_add(&br_stats.sessions_refused, 1);
        HF_WARN("session refused", hf_log_cstr("code", "limit"),
                hf_log_int("sessions_max", (int64_t)br->options.core.sessions_max));
        hf_link_close(link, HF_LINK_END_LIMIT);
        return;
    }
    *chain = *peer->chain;
    /* The list of dirty indexes may still name this one. */
    br->sessions[index] =
        (struct br_session){.chain = chain, .is_dirty = br->sessions[index].is_dirty};
    describe(&br->sessions[index], link, peer);
    br->sessions[index].lease_key =
        hf_lease_key_of(&br->store_key, br->sessions[index].key);
    hf_link_set_user(link, (void *)(uintptr_t)index);
    if (peer->result->peer_role == HF_ROLE_CONTROLLER && br->controllers_count++ == 0) {
        br->controller_seen = input.now;
    }
    input.session = index;
    input.u.holder.key = br->sessions[index].key;
    input.u.holder.limits = limits;
    input.u.holder.limits_count = limits_of(chain, limits);
    br_step(br, &input, NULL);
    br_unlock(br);
    hf_stat_add(&br_stats.sessions_opened, 1);
    HF_INFO("session up", hf_log_slice("subject", hf_chain_subject(peer->chain)),
            hf_log_key("holder", input.u.holder.key),
            hf_log_cstr("address", peer->address),
            hf_log_int("expires", peer->chain->expires_s));
}

static void on_records(void *context, struct hf_link *link,
                       const struct hf_record *records, size_t count)
{
    uint32_t index = (uint32_t)(uintptr_t)hf_link_user(link);

    if (index != 0) {
        br_receive(context, index, records, count);
    }
}

static void on_heartbeat(void *context, struct hf_link *link)
{
    struct br *br = context;
    struct broker_input input = {.type = BROKER_IN_RENEW, .now = hf_clock_now()};

    input.session = (uint32_t)(uintptr_t)hf_link_user(link);
    if (input.session == 0 || br->sessions[input.session].role != HF_ROLE_WORKER) {
        return;
    }
    br_lock(br);
    if (br->sessions[input.session].is_up) {
        br_step(br, &input, NULL);
    }
    br_unlock(br);
}

static void on_down(void *context, struct hf_link *link, enum hf_link_end end)
{
    struct br *br = context;
    uint32_t index = (uint32_t)(uintptr_t)hf_link_user(link);
    struct broker_input input = {.type = BROKER_IN_SESSION_DOWN, .now = hf_clock_now()};
    struct br_session gone;

    if (index == 0) {
        return;
    }
    br_lock(br);
    if (br->sessions[index].is_up) {
        input.session = index;
        br_step(br, &input, NULL);
    }
    gone = br->sessions[index];
    br->sessions[index].link = NULL;
    br->sessions[index].chain = NULL;
    br->sessions[index].peek = NULL;
    br->sessions[index].is_up = false;
    br->sessions[index].role = 0;
    if (gone.role == HF_ROLE_CONTROLLER) {
        br->controllers_count--;
    }
    br_unlock(br);
    HF_INFO("session down", hf_log_slice("subject", hf_chain_subject(gone.chain)),
            hf_log_key("holder", gone.key), hf_log_cstr("end", hf_link_end_text(end)));
    hf_link_unref(gone.link);
    free(gone.chain);
    free(gone.peek);
}

static void on_failed(void *context, enum hf_link_end end, const char *address,
                      const char *detail)
{
    (void)context;
    hf_stat_add(&br_stats.handshakes_failed, 1);
    HF_WARN("handshake failed", hf_log_cstr("end", hf_link_end_text(end)),
            hf_log_cstr("address", address), hf_log_cstr("code", detail));
}

const struct hf_link_events br_session_events = {
    .on_up = on_up,
    .on_records = on_records,
    .on_heartbeat = on_heartbeat,
    .on_down = on_down,
    .on_failed = on_failed,
};

static enum hf_token_error verify_reauth(struct br *br, struct br_session *s,
                                         const struct hf_reauth *reauth,
                                         struct hf_chain *chain)
{
    struct hf_trust trust;
    struct hf_chain_context context = {
        .trust = &trust,
        .cluster = hf_slice_of_cstr(br->credentials.cluster),
        .broker = hf_slice_of_cstr(br->options.name),
        .peer = hf_link_peer(s->link)->ip,
        .now_s = hf_clock_wall_seconds(),
        .skew_s = HF_CHAIN_SKEW_S,
        .ttl_s_max = HF_CHAIN_TTL_S_MAX,
    };
    enum hf_token_error error = HF_TOKEN_OK;

    hf_credentials_trust(&br->credentials, &trust);
    error = hf_reauth_verify(reauth, &context, &s->reauth, chain);
    if (error == HF_TOKEN_OK) {
        br_lock(br);
        error = judge(br, chain);
        br_unlock(br);
    }
    return error;
}

/* What the new chain does not allow any more is taken back; else a chain that is about
 * to expire or to be revoked could pass its rights on to a narrower one. */
static void withdraw_handles(struct br *br, uint32_t session)
{
    struct br_session *s = &br->sessions[session];
    struct broker_handle_view view;
    uint32_t i = 0;

    while (broker_handle_at(br->core, session, i, &view)) {
        struct broker_input input = {.type = BROKER_IN_WITHDRAW,
                                     .now = hf_clock_now(),
                                     .session = session,
                                     .handle = view.handle};

        if (br_chain_allows(s->chain, view.rights, view.queue)) {
            i++;
            continue;
        }
        if (s->peek != NULL && s->peek->handle == view.handle) {
            free(s->peek);
            s->peek = NULL;
        }
        hf_stat_add(&br_stats.denied, 1);
        br_step(br, &input, NULL);
    }
}

void br_reauth(struct br *br, uint32_t session, const struct hf_record *record)
{
    struct br_session *s = &br->sessions[session];
    struct hf_reauth_offer offer;
    struct hf_reauth reauth = {0};
    struct hf_reauth_result result = {0};
    struct hf_chain *chain = malloc(sizeof *chain);
    uint8_t meta[HF_META_SMALL_MAX];
    enum hf_token_error error = HF_TOKEN_FORMAT;

    if (chain != NULL && hf_reauth_offer_decode(record->meta, &offer) == HF_OK &&
        offer.signature.bytes == HF_SIGNATURE_BYTES) {
        reauth.chain = offer.chain;
        reauth.counter = offer.counter;
        memcpy(reauth.signature.bytes, offer.signature.data, HF_SIGNATURE_BYTES);
        error = verify_reauth(br, s, &reauth, chain);
    }
    br_lock(br);
    if (error == HF_TOKEN_OK && s->chain != NULL) {
        struct hf_chain *old = s->chain;

        s->chain = chain;
        chain = old;
        result.is_accepted = true;
        withdraw_handles(br, session);
        step_limits(br, session);
    }
    result.expires_ms = s->chain == NULL ? 0 : s->chain->expires_s * 1000;
    br_send_control(
        br, session, HF_RECORD_REAUTH_RESULT,
        hf_slice_of(meta, hf_reauth_result_encode(&result, meta, sizeof meta)));
    br_unlock(br);
    free(chain);
    if (!result.is_accepted) {
        HF_WARN("renewal refused", hf_log_cstr("code", hf_token_error_code(error)),
                hf_log_key("holder", s->key));
    }
}

/* Cuts one session: the core lets go of it now, so that its leases are back in the
 * queue before the link is closed; what it says later comes to nobody. */
static void cut(struct br *br, uint32_t index, hf_reason reason)
{
    struct broker_input input = {
        .type = BROKER_IN_SESSION_DOWN, .now = hf_clock_now(), .session = index};

    input.u.cause.reason = reason;
    br_step(br, &input, NULL);
    br->sessions[index].is_up = false;
    HF_WARN("session cut", hf_log_cstr("reason", hf_reason_word(reason)),
            hf_log_slice("subject", hf_chain_subject(br->sessions[index].chain)),
            hf_log_key("holder", br->sessions[index].key));
    br_end_session(br, index, reason);
}

uint32_t br_judge_revocation(struct br *br)
{
    uint32_t count = 0;

    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        const struct br_session *s = &br->sessions[i];

        if (s->is_up && hf_chain_recheck(s->chain, br->revocation) != HF_TOKEN_OK) {
            cut(br, i, HF_REASON_REVOKED);
            hf_stat_add(&br_stats.sessions_revoked, 1);
            count++;
        }
    }
    return count;
}

void br_judge_expiry(struct br *br)
{
    int64_t now_s = hf_clock_wall_seconds();

    br_lock(br);
    int64_t grace_s =
        br_is_in_grace(br, hf_clock_now()) ? br->options.token_grace_s : 0;

    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        const struct br_session *s = &br->sessions[i];

        if (s->is_up && now_s >= s->chain->expires_s + HF_CHAIN_SKEW_S + grace_s) {
            cut(br, i, HF_REASON_EXPIRED);
            hf_stat_add(&br_stats.sessions_expired, 1);
        }
    }
    br_unlock(br);
}
