/* Owns the server's side of the handshake. */
#include <stdlib.h>
#include <string.h>

#include "lib/token/handshake_state.h"

/* Queues a Reject. Without memory for it the link closes without one. */
static void send_rejection(struct hf_handshake *h, enum hf_reject code,
                           uint32_t retry_after_ms)
{
    uint8_t bytes[HF_HANDSHAKE_REJECT_BYTES];
    size_t count = hf_handshake_reject(code, retry_after_ms, bytes);

    (void)hf_handshake_send(h, hf_slice_of(bytes, count), h->has_sealed);
}

static void refuse(struct hf_handshake *h, enum hf_token_error error)
{
    enum hf_reject code = HF_REJECT_REFUSED;

    if (error == HF_TOKEN_MODE) {
        code = HF_REJECT_VERSION;
    } else if (error == HF_TOKEN_RESOURCE) {
        code = HF_REJECT_BUSY;
    }
    send_rejection(h, code, h->config.retry_after_ms);
    hf_handshake_fail(h, error);
}

/* 0 = clear, 1 = sealed; false when nothing is common. */
static bool choose_seal(uint64_t client_modes, uint32_t own_modes, uint64_t *seal)
{
    uint64_t common = client_modes & own_modes;

    *seal = (common & HF_MODE_CLEAR) != 0 ? 0 : 1;
    return (common & (HF_MODE_CLEAR | HF_MODE_SEALED)) != 0;
}

static enum hf_token_error judge_hello(const struct hf_handshake *h,
                                       const struct hf_client_hello *hello,
                                       uint64_t *seal)
{
    if (hello->role < HF_ROLE_WORKER || hello->role > HF_ROLE_BROKER) {
        return HF_TOKEN_PROTOCOL;
    }
    if (hello->version != HF_HELLO_VERSION ||
        !choose_seal(hello->modes, h->config.modes, seal)) {
        return HF_TOKEN_MODE;
    }
    if (!hf_slice_equal(hello->cluster, h->config.cluster)) {
        return HF_TOKEN_AUD;
    }
    if (hello->broker.bytes > 0 && !hf_slice_equal(hello->broker, h->config.broker)) {
        return HF_TOKEN_BROKER;
    }
    return HF_TOKEN_OK;
}

/* M2, then M3 without waiting. */
static void answer_hello(struct hf_handshake *h, const struct hf_client_hello *hello,
                         uint64_t seal)
{
    uint8_t nonce[HF_HELLO_NONCE_BYTES];
    uint8_t m2[HF_HANDSHAKE_HELLO_BYTES_MAX];

    hf_ephemeral_new(h->config.random, &h->ephemeral);
    hf_random_from(h->config.random, nonce, sizeof nonce);
    hf_random_from(h->config.random, h->result.session.bytes, HF_SESSION_ID_BYTES);

    struct hf_server_hello answer = {
        HF_HELLO_VERSION,
        h->config.broker,
        hf_slice_of(h->result.session.bytes, HF_SESSION_ID_BYTES),
        hf_slice_of(h->ephemeral.public, sizeof h->ephemeral.public),
        hf_slice_of(nonce, sizeof nonce),
        seal,
        (uint64_t)h->config.now_ms};
    size_t bytes = hf_server_hello_write(&answer, m2, sizeof m2);

    hf_check(bytes > 0);
    h->result.is_sealed = seal == 1;
    h->result.peer_role = (enum hf_role)hello->role;
    h->result.peer_frame_bytes_max = hello->frame_bytes_max > UINT32_MAX
                                         ? UINT32_MAX
                                         : (uint32_t)hello->frame_bytes_max;
    h->result.server_time_ms = h->config.now_ms;
    if (hf_handshake_agree(h, hf_slice_of(m2, bytes), hello->epk) != HF_OK) {
        refuse(h, HF_TOKEN_PROTOCOL);
        return;
    }
    hf_handshake_move(h, HF_STEP_AUTH);
    if (hf_handshake_send(h, hf_slice_of(m2, bytes), false)) {
        (void)hf_handshake_send_auth(h);
    }
}

static void receive_hello(struct hf_handshake *h, hf_slice message)
{
    struct hf_client_hello hello;
    uint64_t seal = 1;

    if (hf_client_hello_read(message, &hello) != HF_OK) {
        refuse(h, HF_TOKEN_PROTOCOL);
        return;
    }

    enum hf_token_error error = judge_hello(h, &hello, &seal);

    if (error != HF_TOKEN_OK) {
        refuse(h, error);
        return;
    }
    memcpy(h->m1, message.data, message.bytes);
    h->m1_bytes = message.bytes;
    answer_hello(h, &hello, seal);
}

static enum hf_token_error judge_auth(struct hf_handshake *h, hf_slice plain,
                                      const struct hf_chain_context *context)
{
    struct hf_auth auth;
    struct hf_rejection rejection;

    if (hf_auth_read(plain, &auth, &rejection) != HF_OK || rejection.code != 0) {
        return HF_TOKEN_PROTOCOL;
    }
    if (auth.chain.bytes > 0 && auth.key.bytes != 0) {
        return HF_TOKEN_PROTOCOL;
    }
    if (auth.chain.bytes == 0 && (!h->config.is_enrolment || auth.key.bytes == 0)) {
        return HF_TOKEN_FORMAT;
    }
    return hf_handshake_prove(h, &auth, context);
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
        refuse(h, error);
        return;
    }
    hf_handshake_move(h, HF_STEP_ADMISSION);
}

void hf_handshake_server_receive(struct hf_handshake *h, hf_slice message,
                                 const struct hf_chain_context *context)
{
    switch (h->step) {
    case HF_STEP_HELLO:
        receive_hello(h, message);
        return;
    case HF_STEP_AUTH:
        receive_auth(h, message, context);
        return;
    case HF_STEP_ADMISSION: /* it spoke before it was let in */
        refuse(h, HF_TOKEN_PROTOCOL);
        return;
    case HF_STEP_START:
    case HF_STEP_VERDICT:
    case HF_STEP_DONE:
    case HF_STEP_FAILED:
    case HF_STEPS:
        break;
    }
    hf_check(false);
}

enum hf_handshake_state hf_handshake_admit(struct hf_handshake *h,
                                           const struct hf_welcome *welcome)
{
    uint8_t bytes[HF_HANDSHAKE_HELLO_BYTES_MAX];

    hf_check(h != NULL);
    hf_check(h->step == HF_STEP_ADMISSION);

    size_t count = hf_welcome_write(welcome, bytes, sizeof bytes);

    hf_check(count > 0);
    if (hf_handshake_send(h, hf_slice_of(bytes, count), true)) {
        h->result.welcome = *welcome;
        hf_handshake_move(h, HF_STEP_DONE);
    }
    return hf_handshake_state(h);
}

enum hf_handshake_state hf_handshake_refuse(struct hf_handshake *h, enum hf_reject code,
                                            uint32_t retry_after_ms)
{
    hf_check(h != NULL);
    hf_check(h->step == HF_STEP_ADMISSION);

    send_rejection(h, code, retry_after_ms);
    hf_handshake_fail(h, HF_TOKEN_DENIED);
    return hf_handshake_state(h);
}

size_t hf_handshake_reject(enum hf_reject code, uint32_t retry_after_ms, uint8_t *out)
{
    struct hf_rejection rejection = {code, retry_after_ms};
    size_t bytes = hf_rejection_write(&rejection, out, HF_HANDSHAKE_REJECT_BYTES);

    hf_check(bytes > 0);
    return bytes;
}
