/* Owns the client's side of the handshake. */
#include <stdlib.h>
#include <string.h>

#include "lib/token/handshake_state.h"

enum hf_handshake_state hf_handshake_start(struct hf_handshake *h)
{
    uint8_t nonce[HF_HELLO_NONCE_BYTES];

    hf_check(h != NULL);
    hf_check(h->is_client);

    hf_ephemeral_new(h->config.random, &h->ephemeral);
    hf_random_from(h->config.random, nonce, sizeof nonce);

    struct hf_client_hello hello = {
        HF_HELLO_VERSION,
        h->config.role,
        h->config.cluster,
        h->config.broker,
        hf_slice_of(h->ephemeral.public, sizeof h->ephemeral.public),
        hf_slice_of(nonce, sizeof nonce),
        h->config.modes,
        h->config.frame_bytes_max};

    h->m1_bytes = hf_client_hello_write(&hello, h->m1, sizeof h->m1);
    hf_check(h->m1_bytes > 0);
    hf_handshake_move(h, HF_STEP_HELLO);
    (void)hf_handshake_send(h, hf_slice_of(h->m1, h->m1_bytes), false);
    return hf_handshake_state(h);
}

/* What M2 offers against what this side allows and wants. */
static enum hf_token_error judge_hello(const struct hf_handshake *h,
                                       const struct hf_server_hello *hello)
{
    uint32_t mode = hello->seal == 1 ? HF_MODE_SEALED : HF_MODE_CLEAR;

    if (hello->version != HF_HELLO_VERSION || hello->broker.bytes == 0 ||
        hello->broker.bytes > HF_BROKER_ID_BYTES_MAX) {
        return HF_TOKEN_PROTOCOL;
    }
    if ((h->config.modes & mode) == 0) {
        return HF_TOKEN_MODE;
    }
    if (h->config.broker.bytes > 0 &&
        !hf_slice_equal(h->config.broker, hello->broker)) {
        return HF_TOKEN_BROKER;
    }
    return HF_TOKEN_OK;
}

static void receive_hello(struct hf_handshake *h, hf_slice message)
{
    struct hf_server_hello hello;

    if (hf_server_hello_read(message, &hello, &h->rejection) != HF_OK) {
        hf_handshake_fail(h, HF_TOKEN_PROTOCOL);
        return;
    }
    if (h->rejection.code != 0) {
        hf_handshake_fail(h, HF_TOKEN_REJECTED);
        return;
    }

    enum hf_token_error error = judge_hello(h, &hello);

    if (error != HF_TOKEN_OK) {
        hf_handshake_fail(h, error);
        return;
    }
    memcpy(h->broker, hello.broker.data, hello.broker.bytes);
    h->config.broker = hf_slice_of(h->broker, hello.broker.bytes);
    memcpy(h->result.session.bytes, hello.session.data, HF_SESSION_ID_BYTES);
    h->result.is_sealed = hello.seal == 1;
    h->result.server_time_ms = (int64_t)(hello.time_ms & INT64_MAX);
    h->result.peer_role = HF_ROLE_BROKER;
    if (hf_handshake_agree(h, message, hello.epk) != HF_OK) {
        hf_handshake_fail(h, HF_TOKEN_PROTOCOL);
        return;
    }
    hf_handshake_move(h, HF_STEP_AUTH);
}

/* The server's chain must make it this very broker, or the controller when enrolling.
 */
static enum hf_token_error judge_server(const struct hf_handshake *h)
{
    hf_slice prefix =
        h->config.is_enrolment ? HF_SLICE("controller:") : HF_SLICE("broker:");
    hf_slice subject = hf_chain_subject(h->peer);

    if (!hf_chain_has_verb(h->peer, HF_VERB_SERVE)) {
        return HF_TOKEN_DENIED;
    }
    if (!hf_slice_starts_with(subject, prefix) ||
        !hf_slice_equal(hf_slice_skip(subject, prefix.bytes), h->config.broker)) {
        return HF_TOKEN_BROKER;
    }
    return HF_TOKEN_OK;
}

static enum hf_token_error judge_auth(struct hf_handshake *h, hf_slice plain,
                                      const struct hf_chain_context *context)
{
    struct hf_auth auth;

    if (hf_auth_read(plain, &auth, &h->rejection) != HF_OK) {
        return HF_TOKEN_PROTOCOL;
    }
    if (h->rejection.code != 0) {
        return HF_TOKEN_REJECTED;
    }
    if (auth.chain.bytes == 0 || auth.key.bytes != 0) {
        return HF_TOKEN_PROTOCOL;
    }

    enum hf_token_error error = hf_handshake_prove(h, &auth, context);

    return error != HF_TOKEN_OK ? error : judge_server(h);
}

static void receive_auth(struct hf_handshake *h, hf_slice message,
                         const struct hf_chain_context *context)
{
    uint8_t *memory = NULL;
    hf_slice plain;
    hf_err err = hf_handshake_open(h, message, &memory, &plain);
    enum hf_token_error error =
        err == HF_ERR_NO_MEMORY ? HF_TOKEN_RESOURCE : HF_TOKEN_PROTOCOL;

    if (err == HF_OK) {
        error = judge_auth(h, plain, context);
    }
    free(memory);
    if (error != HF_TOKEN_OK) {
        hf_handshake_fail(h, error);
        return;
    }
    hf_handshake_move(h, HF_STEP_VERDICT);
    (void)hf_handshake_send_auth(h);
}

static void receive_verdict(struct hf_handshake *h, hf_slice message)
{
    uint8_t *memory = NULL;
    hf_slice plain;
    hf_err err = hf_handshake_open(h, message, &memory, &plain);
    enum hf_token_error error =
        err == HF_ERR_NO_MEMORY ? HF_TOKEN_RESOURCE : HF_TOKEN_PROTOCOL;

    if (err == HF_OK &&
        hf_welcome_read(plain, &h->result.welcome, &h->rejection) == HF_OK) {
        error = h->rejection.code != 0 ? HF_TOKEN_REJECTED : HF_TOKEN_OK;
    }
    free(memory);
    if (error != HF_TOKEN_OK) {
        hf_handshake_fail(h, error);
        return;
    }
    hf_handshake_move(h, HF_STEP_DONE);
}

void hf_handshake_client_receive(struct hf_handshake *h, hf_slice message,
                                 const struct hf_chain_context *context)
{
    switch (h->step) {
    case HF_STEP_HELLO:
        receive_hello(h, message);
        return;
    case HF_STEP_AUTH:
        receive_auth(h, message, context);
        return;
    case HF_STEP_VERDICT:
        receive_verdict(h, message);
        return;
    case HF_STEP_START:
    case HF_STEP_ADMISSION:
    case HF_STEP_DONE:
    case HF_STEP_FAILED:
    case HF_STEPS:
        break;
    }
    hf_check(false);
}
