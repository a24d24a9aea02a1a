/* Owns a handshake's life, memory and order; the two roles are handshake_client.c and
 * handshake_server.c, the cryptography is transcript.c, the messages are hello.c. */
#include "lib/token/handshake.h"

#include <stdlib.h>
#include <string.h>

#include "lib/token/handshake_state.h"

#define TO(step) (1u << HF_STEP_##step)

static const unsigned allowed_moves[HF_STEPS] = {
    [HF_STEP_START] = TO(HELLO) | TO(FAILED),
    [HF_STEP_HELLO] = TO(AUTH) | TO(FAILED),
    [HF_STEP_AUTH] = TO(VERDICT) | TO(ADMISSION) | TO(FAILED),
    [HF_STEP_VERDICT] = TO(DONE) | TO(FAILED),
    [HF_STEP_ADMISSION] = TO(DONE) | TO(FAILED),
    [HF_STEP_DONE] = 0,
    [HF_STEP_FAILED] = 0,
};

void hf_handshake_move(struct hf_handshake *h, enum hf_handshake_step to)
{
    hf_check((allowed_moves[h->step] & (1u << to)) != 0);

    h->step = to;
    if (to == HF_STEP_DONE || to == HF_STEP_FAILED) {
        hf_wipe(&h->ephemeral, sizeof h->ephemeral);
        hf_wipe(&h->keys, sizeof h->keys);
    }
}

void hf_handshake_fail(struct hf_handshake *h, enum hf_token_error error)
{
    hf_check(error != HF_TOKEN_OK);

    if (h->step == HF_STEP_FAILED) { /* the first reason counts */
        return;
    }
    h->error = error;
    free(h->peer);
    h->peer = NULL;
    hf_handshake_move(h, HF_STEP_FAILED);
}

static void drop_outgoing(struct hf_handshake *h)
{
    for (size_t i = 0; i < h->outgoing_count; i++) {
        free(h->outgoing[i].data);
    }
    h->outgoing_count = 0;
    h->outgoing_next = 0;
}

/* Seals into `out`, behind the header when this is the first of the direction. */
static void seal_message(struct hf_handshake *h, hf_slice plain, uint8_t *out)
{
    const hf_seal_key *key =
        h->is_client ? &h->keys.client_to_server : &h->keys.server_to_client;

    if (!h->has_sealed) {
        hf_sealer_init(&h->sealer, key, h->config.random, out);
        out += HF_SEAL_HEADER_BYTES;
        h->has_sealed = true;
    }
    hf_seal(&h->sealer, plain, false, out);
}

bool hf_handshake_send(struct hf_handshake *h, hf_slice plain, bool is_secret)
{
    bool is_sealed = is_secret && h->result.is_sealed;
    size_t header_bytes = is_sealed && !h->has_sealed ? HF_SEAL_HEADER_BYTES : 0;
    size_t bytes = is_sealed ? hf_seal_bytes(plain.bytes) + header_bytes : plain.bytes;

    hf_check(h->outgoing_count < HF_HANDSHAKE_OUTGOING_MAX);

    uint8_t *data = malloc(bytes);

    if (data == NULL) {
        hf_handshake_fail(h, HF_TOKEN_RESOURCE);
        return false;
    }
    if (is_sealed) {
        seal_message(h, plain, data);
    } else {
        memcpy(data, plain.data, plain.bytes);
    }
    h->outgoing[h->outgoing_count++] = (struct hf_outgoing){data, bytes};
    return true;
}

hf_err hf_handshake_open(struct hf_handshake *h, hf_slice message, uint8_t **memory,
                         hf_slice *plain)
{
    const hf_seal_key *key =
        h->is_client ? &h->keys.server_to_client : &h->keys.client_to_server;
    struct hf_opened opened;

    if (!h->result.is_sealed) {
        *plain = message;
        return HF_OK;
    }
    if (!h->has_seal) {
        if (message.bytes < HF_SEAL_HEADER_BYTES) {
            return HF_ERR_INVALID;
        }
        hf_opener_init(&h->opener, key, message.data);
        message = hf_slice_skip(message, HF_SEAL_HEADER_BYTES);
        h->has_seal = true;
    }
    if ((*memory = malloc(message.bytes + 1)) == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    if (hf_open(&h->opener, message, *memory, &opened) != HF_OK || opened.is_last) {
        return HF_ERR_INVALID;
    }
    *plain = hf_slice_of(*memory, opened.bytes);
    return HF_OK;
}

hf_err hf_handshake_agree(struct hf_handshake *h, hf_slice m2, hf_slice peer_epk)
{
    h->result.transcript =
        hf_transcript(hf_slice_of(h->m1, h->m1_bytes), m2, h->config.transport);
    return hf_session_keys_derive(&h->ephemeral, peer_epk, h->is_client,
                                  &h->result.transcript, &h->keys);
}

bool hf_handshake_send_auth(struct hf_handshake *h)
{
    hf_key key = hf_secret_public(h->config.secret);
    hf_signature signature;
    size_t room = HF_CHAIN_BYTES_MAX + 256;
    uint8_t *plain = malloc(room);

    if (plain == NULL) {
        hf_handshake_fail(h, HF_TOKEN_RESOURCE);
        return false;
    }
    hf_transcript_sign(h->config.secret, h->is_client, &h->result.transcript,
                       h->config.chain, &signature);

    struct hf_auth auth = {
        h->config.chain, hf_slice_of(signature.bytes, sizeof signature.bytes),
        h->config.chain.bytes == 0 ? hf_slice_of(key.bytes, sizeof key.bytes)
                                   : HF_SLICE_EMPTY};
    size_t bytes = hf_auth_write(&auth, plain, room);

    hf_check(bytes > 0);

    bool is_sent = hf_handshake_send(h, hf_slice_of(plain, bytes), true);

    free(plain);
    return is_sent;
}

/* The key that must have signed: the chain's holder, or the one a new worker shows. */
static enum hf_token_error find_key(struct hf_handshake *h, const struct hf_auth *auth,
                                    const struct hf_chain_context *context)
{
    struct hf_chain_context own = *context;

    if (auth->chain.bytes == 0) {
        memcpy(h->result.peer_key.bytes, auth->key.data, HF_KEY_BYTES);
        h->peer->links_count = 0;
        h->result.is_enrolment = true;
        return hf_key_is_valid(h->result.peer_key) ? HF_TOKEN_OK : HF_TOKEN_POP;
    }
    own.cluster = h->config.cluster;
    own.broker = h->config.broker;
    own.skip_broker = h->config.is_enrolment;

    enum hf_token_error error = hf_chain_verify(auth->chain, &own, h->peer);

    if (error == HF_TOKEN_OK) {
        h->result.peer_key = hf_chain_holder(h->peer);
    }
    return error;
}

enum hf_token_error hf_handshake_prove(struct hf_handshake *h,
                                       const struct hf_auth *auth,
                                       const struct hf_chain_context *context)
{
    hf_check(h->peer == NULL);

    if ((h->peer = malloc(sizeof *h->peer)) == NULL) {
        return HF_TOKEN_RESOURCE;
    }

    enum hf_token_error error = find_key(h, auth, context);

    if (error != HF_TOKEN_OK) {
        return error;
    }

    struct hf_transcript_proof proof = {!h->is_client, h->result.transcript,
                                        auth->chain, auth->signature};

    return hf_transcript_verify(h->result.peer_key, &proof) ? HF_TOKEN_OK
                                                            : HF_TOKEN_POP;
}

uint32_t hf_handshake_modes(enum hf_transport transport)
{
    return transport == HF_TRANSPORT_TCP ? HF_MODE_SEALED
                                         : HF_MODE_CLEAR | HF_MODE_SEALED;
}

static bool is_config_valid(const struct hf_handshake_config *config, bool is_client)
{
    size_t broker_min = is_client ? 0 : 1;

    return config->secret != NULL && config->cluster.bytes >= 1 &&
           config->cluster.bytes <= HF_CLUSTER_BYTES_MAX &&
           config->broker.bytes >= broker_min &&
           config->broker.bytes <= HF_BROKER_ID_BYTES_MAX &&
           config->chain.bytes <= HF_CHAIN_BYTES_MAX &&
           (config->chain.bytes > 0 || (is_client && config->is_enrolment)) &&
           (config->modes & ~(HF_MODE_CLEAR | HF_MODE_SEALED)) == 0 &&
           config->modes != 0 && config->now_ms >= 0 &&
           (!is_client ||
            (config->role >= HF_ROLE_WORKER && config->role <= HF_ROLE_BROKER));
}

static hf_slice keep(char *to, hf_slice text)
{
    if (text.bytes > 0) {
        memcpy(to, text.data, text.bytes);
    }
    return hf_slice_of(to, text.bytes);
}

static hf_err handshake_new(const struct hf_handshake_config *config, bool is_client,
                            struct hf_handshake **out)
{
    hf_check(config != NULL);
    hf_check(out != NULL);

    if (!is_config_valid(config, is_client)) {
        return HF_ERR_INVALID;
    }

    struct hf_handshake *h = calloc(1, sizeof *h);

    if (h == NULL || (h->chain = malloc(config->chain.bytes + 1)) == NULL) {
        hf_handshake_free(h);
        return HF_ERR_NO_MEMORY;
    }
    h->is_client = is_client;
    h->config = *config;
    h->config.chain = keep((char *)h->chain, config->chain);
    h->config.cluster = keep(h->cluster, config->cluster);
    h->config.broker = keep(h->broker, config->broker);
    h->step = is_client ? HF_STEP_START : HF_STEP_HELLO;
    *out = h;
    return HF_OK;
}

hf_err hf_handshake_client_new(const struct hf_handshake_config *config,
                               struct hf_handshake **out)
{
    return handshake_new(config, true, out);
}

hf_err hf_handshake_server_new(const struct hf_handshake_config *config,
                               struct hf_handshake **out)
{
    return handshake_new(config, false, out);
}

void hf_handshake_free(struct hf_handshake *h)
{
    if (h == NULL) {
        return;
    }
    drop_outgoing(h);
    free(h->chain);
    free(h->peer);
    hf_wipe(h, sizeof *h);
    free(h);
}

enum hf_handshake_state hf_handshake_receive(struct hf_handshake *h, hf_slice message,
                                             const struct hf_chain_context *context)
{
    hf_check(h != NULL);
    hf_check(context != NULL);
    hf_check(h->step != HF_STEP_START);

    if (h->step == HF_STEP_DONE || h->step == HF_STEP_FAILED) {
        return hf_handshake_state(h);
    }
    drop_outgoing(h);
    if (message.bytes > HF_HANDSHAKE_MESSAGE_BYTES_MAX) {
        hf_handshake_fail(h, HF_TOKEN_PROTOCOL);
    } else if (h->is_client) {
        hf_handshake_client_receive(h, message, context);
    } else {
        hf_handshake_server_receive(h, message, context);
    }
    return hf_handshake_state(h);
}

bool hf_handshake_next(struct hf_handshake *h, hf_slice *message)
{
    hf_check(h != NULL);
    hf_check(message != NULL);

    if (h->outgoing_next == h->outgoing_count) {
        return false;
    }

    const struct hf_outgoing *outgoing = &h->outgoing[h->outgoing_next++];

    *message = hf_slice_of(outgoing->data, outgoing->bytes);
    return true;
}

enum hf_handshake_state hf_handshake_state(const struct hf_handshake *h)
{
    hf_check(h != NULL);

    switch (h->step) {
    case HF_STEP_ADMISSION:
        return HF_HANDSHAKE_ADMIT;
    case HF_STEP_DONE:
        return HF_HANDSHAKE_DONE;
    case HF_STEP_FAILED:
        return HF_HANDSHAKE_FAILED;
    case HF_STEP_START:
    case HF_STEP_HELLO:
    case HF_STEP_AUTH:
    case HF_STEP_VERDICT:
    case HF_STEPS:
        break;
    }
    return HF_HANDSHAKE_CONTINUE;
}

enum hf_token_error hf_handshake_error(const struct hf_handshake *h)
{
    hf_check(h != NULL);

    return h->error;
}

uint32_t hf_handshake_rejected(const struct hf_handshake *h, uint32_t *retry_after_ms)
{
    hf_check(h != NULL);
    hf_check(retry_after_ms != NULL);

    bool is_rejected = h->error == HF_TOKEN_REJECTED;
    uint64_t retry = is_rejected ? h->rejection.retry_after_ms : 0;
    uint64_t code = is_rejected ? h->rejection.code : 0;

    *retry_after_ms = retry > UINT32_MAX ? UINT32_MAX : (uint32_t)retry;
    return code > UINT32_MAX ? UINT32_MAX : (uint32_t)code;
}

const struct hf_handshake_result *hf_handshake_result(const struct hf_handshake *h)
{
    hf_check(h != NULL);
    hf_check(h->step == HF_STEP_ADMISSION || h->step == HF_STEP_DONE);

    return &h->result;
}

const struct hf_chain *hf_handshake_peer(const struct hf_handshake *h)
{
    hf_check(h != NULL);
    hf_check(h->step == HF_STEP_ADMISSION || h->step == HF_STEP_DONE);

    return h->peer;
}

void hf_handshake_take_seal(struct hf_handshake *h, struct hf_sealer *sealer,
                            struct hf_opener *opener)
{
    hf_check(h != NULL);
    hf_check(h->step == HF_STEP_DONE);
    hf_check(h->has_seal && h->has_sealed);

    *sealer = h->sealer;
    *opener = h->opener;
    hf_sealer_fini(&h->sealer);
    hf_opener_fini(&h->opener);
    h->has_seal = false;
}
