/* Owns tokens: asking the mint, judging and remembering what it gave, renewing in time.
 */
#include "controller/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/token/handshake.h"
#include "lib/wire/lists.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RENEW_PER_TICK 8

static void drop_mint(struct ct *ct)
{
    if (ct->mint_fd >= 0) {
        (void)close(ct->mint_fd);
        ct->mint_fd = -1;
    }
}

static hf_err exchange(struct ct *ct, const struct hf_mint *request,
                       struct hf_buf *packet, struct hf_minted *answer)
{
    struct hf_buf meta;
    struct hf_record record = {.type = HF_RECORD_MINT};
    hf_err err = HF_OK;

    if (ct->mint_fd < 0) {
        err = ct_local_connect(ct->options.mint, CT_MINT_TIMEOUT_MS, &ct->mint_fd);
        if (err != HF_OK) {
            ct->mint_fd = -1;
            return HF_ERR_CLOSED;
        }
    }
    hf_buf_init(&meta, HF_META_LIST_MAX);
    err = hf_mint_append(request, &meta);
    record.meta = hf_buf_slice(&meta);
    if (err == HF_OK) {
        err = ct_local_send(ct->mint_fd, &record);
    }
    hf_buf_fini(&meta);
    if (err == HF_OK) {
        err = ct_local_receive(ct->mint_fd, packet, &record);
    }
    if (err == HF_OK && (record.type != HF_RECORD_MINTED ||
                         hf_minted_decode(record.meta, answer) != HF_OK ||
                         answer->nonce != request->nonce)) {
        err = HF_ERR_INVALID;
    }
    return err;
}

/* One question to the mint; once more when the connection was an old one. */
static hf_err ask(struct ct *ct, struct hf_mint *request, struct hf_buf *out)
{
    struct hf_buf packet;
    struct hf_minted answer = {0};
    bool was_connected = ct->mint_fd >= 0;
    hf_err err = HF_OK;

    hf_buf_init(&packet, CT_LOCAL_PACKET_BYTES_MAX);
    request->nonce = ++ct->mint_nonce;
    err = exchange(ct, request, &packet, &answer);
    if (err != HF_OK) {
        drop_mint(ct);
    }
    if (err != HF_OK && was_connected) {
        err = exchange(ct, request, &packet, &answer);
    }
    if (err != HF_OK) {
        drop_mint(ct);
        HF_WARN("mint does not answer", hf_log_cstr("error", hf_err_text(err)));
    } else if (answer.token.bytes == 0) {
        HF_WARN("mint refused", hf_log_slice("error", answer.error));
        err = HF_ERR_DENIED;
    } else {
        err = hf_buf_append(out, answer.token);
    }
    hf_buf_fini(&packet);
    return err;
}

hf_err ct_sign(struct ct *ct, enum hf_mint_kind kind, hf_slice document,
               struct hf_buf *out)
{
    struct hf_mint request = {.kind = kind, .document = document};

    return ask(ct, &request, out);
}

static hf_err judge(struct ct *ct, hf_slice token, const struct ct_issue *request,
                    struct identity *out)
{
    static struct hf_chain chain; /* 12 KiB; the loop's thread alone comes here */
    struct hf_trust trust;
    const struct hf_chain_context context = {
        .trust = &trust,
        .cluster = hf_slice_of_cstr(ct->credentials.cluster),
        .skip_broker = true,
        .skip_network = true,
        .now_s = hf_clock_wall_seconds(),
        .skew_s = HF_CHAIN_SKEW_S,
        .ttl_s_max = HF_CHAIN_TTL_S_MAX,
    };
    enum hf_token_error error = HF_TOKEN_OK;

    hf_credentials_trust(&ct->credentials, &trust);
    error = hf_chain_verify(token, &context, &chain);
    if (error != HF_TOKEN_OK || !hf_key_equal(hf_chain_holder(&chain), request->key)) {
        HF_ERROR("minted token refused",
                 hf_log_cstr("code", hf_token_error_code(error)));
        return HF_ERR_INVALID;
    }
    memset(out, 0, sizeof *out);
    out->key = request->key;
    out->role = request->role;
    (void)snprintf(out->name, sizeof out->name, "%s", request->subject);
    if (request->queues_count > 0) {
        (void)snprintf(out->queue, sizeof out->queue, "%.*s",
                       (int)request->queues[0].bytes,
                       (const char *)request->queues[0].data);
    }
    memcpy(out->jti, chain.links[0].jti.bytes, IDENTITY_JTI_BYTES);
    out->issued_s = chain.links[0].issued_s;
    out->expires_s = chain.expires_s;
    out->fingerprint = request->fingerprint;
    return HF_OK;
}

hf_err ct_issue(struct ct *ct, const struct ct_issue *request, struct hf_buf *token)
{
    struct identity identity;
    struct hf_mint mint = {
        .kind = HF_MINT_TOKEN,
        .template_ = hf_slice_of_cstr(request->template_),
        .subject = hf_slice_of_cstr(request->subject),
        .key = hf_slice_of(request->key.bytes, HF_KEY_BYTES),
        .queues = request->queues,
        .queues_count = request->queues_count,
        .rights = request->rights,
        .rights_count = request->rights_count,
        .life_s = (uint64_t)request->life_s,
        .depth = request->depth,
    };
    size_t before = hf_buf_bytes(token);
    hf_err err = ask(ct, &mint, token);

    if (err != HF_OK) {
        return err;
    }
    err = judge(ct, hf_slice_skip(hf_buf_slice(token), before), request, &identity);
    if (err != HF_OK || request->role == IDENTITY_CONTROLLER) {
        return err; /* ours is made anew at each start */
    }
    err = identity_put(&ct->identities, &identity);
    if (err == HF_OK) {
        ct_must(ct_store_put_identity(ct->store, &identity), "identity");
    }
    return err;
}

hf_err ct_package(struct ct *ct, struct hf_secret *secret, hf_slice token,
                  struct hf_buf *out)
{
    struct hf_credentials package;
    hf_err err = HF_OK;

    hf_credentials_init(&package);
    memcpy(package.anchors, ct->credentials.anchors, sizeof package.anchors);
    package.anchors_count = ct->credentials.anchors_count;
    memcpy(package.cluster, ct->credentials.cluster, sizeof package.cluster);
    err = hf_buf_append(&package.token, token);
    package.secret = secret;
    if (err == HF_OK) {
        err = hf_credentials_append(&package, out);
    }
    package.secret = NULL; /* the caller's */
    hf_credentials_fini(&package);
    return err;
}

void ct_forget(struct ct *ct, hf_key key)
{
    identity_drop(&ct->identities, key);
    ct_must(ct_store_drop_identity(ct->store, key), "identity");
}

/* Live sessions get the new chain; later ones are made with it. */
static void reauthenticate(struct ct *ct)
{
    struct hf_buf meta;

    hf_buf_init(&meta, HF_META_CHAIN_MAX);
    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        struct ct_uplink *uplink = &ct->uplinks[i];
        struct hf_reauth reauth = {.chain = hf_buf_slice(&ct->credentials.token)};
        struct hf_reauth_offer offer = {0};

        if (uplink->link == NULL) {
            continue;
        }
        reauth.counter = ++uplink->reauth_counter;
        hf_reauth_sign(ct->credentials.secret, &uplink->transcript, &reauth);
        offer.chain = reauth.chain;
        offer.counter = reauth.counter;
        offer.signature = hf_slice_of(reauth.signature.bytes, HF_SIGNATURE_BYTES);
        hf_buf_clear(&meta);
        if (hf_reauth_offer_append(&offer, &meta) == HF_OK) {
            const struct hf_record record = {.type = HF_RECORD_REAUTH,
                                             .meta = hf_buf_slice(&meta)};

            ct_uplink_send(uplink, &record);
        }
    }
    hf_buf_fini(&meta);
}

static hf_err make_identity(struct ct *ct, struct hf_link_identity **out)
{
    struct hf_link_identity_config config = {.role = HF_ROLE_CONTROLLER};

    hf_credentials_identify(&ct->credentials, &config);
    config.role = HF_ROLE_CONTROLLER;
    config.broker = HF_SLICE_EMPTY;
    config.grace_s = ct->config->token_grace_ms / 1000;
    return hf_link_identity_new(&config, out);
}

hf_err ct_issue_own(struct ct *ct)
{
    struct hf_link_identity *identity = NULL;
    struct hf_buf token;
    char subject[128];
    struct ct_issue request = {
        .template_ = "controller",
        .role = IDENTITY_CONTROLLER,
        .subject = subject,
        .key = hf_secret_public(ct->credentials.secret),
        .life_s = ct->config->token_life_ms / 1000,
    };
    struct identity own = {.role = IDENTITY_CONTROLLER, .key = request.key};
    hf_err err = HF_OK;

    (void)snprintf(subject, sizeof subject, "controller:%s", ct->options.name);
    hf_buf_init(&token, HF_CHAIN_BYTES_MAX);
    err = ct_issue(ct, &request, &token);
    if (err == HF_OK) {
        hf_buf_clear(&ct->credentials.token);
        err = hf_buf_append(&ct->credentials.token, hf_buf_slice(&token));
    }
    hf_buf_fini(&token);
    if (err == HF_OK) {
        err = make_identity(ct, &identity);
    }
    if (err != HF_OK) {
        return err;
    }
    hf_link_identity_unref(ct->identity);
    ct->identity = identity;
    ct_uplinks_identify(ct, identity);
    reauthenticate(ct);
    own.issued_s = hf_clock_wall_seconds();
    own.expires_s = own.issued_s + request.life_s;
    return identity_put(&ct->identities, &own);
}

void ct_push(struct ct *ct, hf_key key, hf_slice token)
{
    const struct hf_token_push message = {.key = key, .chain = token};
    struct hf_buf meta;

    hf_buf_init(&meta, HF_META_CHAIN_MAX);
    if (hf_token_push_append(&message, &meta) == HF_OK) {
        const struct hf_record record = {.type = HF_RECORD_TOKEN,
                                         .meta = hf_buf_slice(&meta)};

        ct_uplinks_send(ct, &record);
    }
    hf_buf_fini(&meta);
}

static void renew(struct ct *ct, const struct identity *old)
{
    static const char *const templates[] = {[IDENTITY_BROKER] = "broker",
                                            [IDENTITY_FRONTEND] = "frontend",
                                            [IDENTITY_WORKER] = "worker"};
    const struct identity copy = *old;
    const hf_slice queue = hf_slice_of_cstr(copy.queue);
    const struct ct_issue request = {
        .template_ = templates[copy.role],
        .role = copy.role,
        .subject = copy.name,
        .key = copy.key,
        .queues = copy.queue[0] == '\0' ? NULL : &queue,
        .queues_count = copy.queue[0] == '\0' ? 0 : 1,
        .life_s = ct->config->token_life_ms / 1000,
        .fingerprint = copy.fingerprint,
    };
    struct hf_buf token;

    hf_buf_init(&token, HF_CHAIN_BYTES_MAX);
    if (ct_issue(ct, &request, &token) == HF_OK) {
        ct_push(ct, copy.key, hf_buf_slice(&token));
        HF_DEBUG("token renewed", hf_log_cstr("subject", copy.name));
    }
    hf_buf_fini(&token);
}

void ct_renew(struct ct *ct)
{
    int64_t now_s = hf_clock_wall_seconds();

    for (size_t i = 0; i < RENEW_PER_TICK; i++) {
        const struct identity *due = identity_take_due(&ct->identities, now_s);

        if (due == NULL) {
            return;
        }
        if (due->role == IDENTITY_CONTROLLER) {
            if (ct_issue_own(ct) != HF_OK) {
                HF_WARN("own token not renewed", hf_log_cstr("reason", "mint"));
            }
        } else if (ct_uplinks_up(ct) > 0) { /* else nobody could carry it */
            renew(ct, due);
        }
    }
}
