/* Owns the way from the greeting to "up": drives lib/token's handshake over the link
 * and lets the program decide about a proven client. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"
#include "lib/io/link_identity_parts.h"

#define REJECT_WAIT_MS 200 /* for the Reject to reach the peer */

static void go_up(struct hf_link *link)
{
    link_input_open_up(link);
    link->was_up = true;
    atomic_store(&link->state, LINK_UP);
    hf_stat_add(&hf_link_stats.up, 1);
    link_owner_link_up(link->owner, link);
    link->events->on_up(link->ctx, link, &link->peer);
}

/* The handshake is over: from here on records flow. The sizes: a client learns ours
 * from limits.bytes of the welcome, we learned the client's from its hello. */
static void finish(struct hf_link *link)
{
    const struct hf_handshake_result *result = hf_handshake_result(link->handshake);
    uint64_t limit = link->peer.is_accepted ? result->peer_frame_bytes_max
                                            : result->welcome.limits.bytes;

    if (limit > LINK_PENDING_BYTES_MAX && limit < link->peer_message_bytes_max) {
        link->peer_message_bytes_max = (size_t)limit;
    }
    if (result->is_sealed) {
        link_output_seal(link);
    }
    link->peer.result = result;
    link->peer.chain = hf_handshake_peer(link->handshake);
    go_up(link);
}

static hf_err send_waiting(struct hf_link *link)
{
    hf_slice message;
    hf_err err = HF_OK;

    while (err == HF_OK && hf_handshake_next(link->handshake, &message)) {
        err = link_output_message(link, message);
    }
    return err;
}

static void fail(struct hf_link *link)
{
    enum hf_token_error error = hf_handshake_error(link->handshake);

    link->detail = hf_token_error_code(error);
    (void)hf_handshake_rejected(link->handshake, &link->retry_after_ms);
    link->has_failed = true;
    link_finish(link,
                error == HF_TOKEN_PROTOCOL ? HF_LINK_END_PROTOCOL : HF_LINK_END_DENIED,
                error == HF_TOKEN_REJECTED ? 0 : REJECT_WAIT_MS);
}

/* What a Reject to this peer should say. */
static uint32_t retry_after_ms(const struct hf_link *link)
{
    return hf_gate_retry_after_ms(link->owner->gate, link->gate_key);
}

static enum hf_handshake_state admit(struct hf_link *link)
{
    const struct hf_link_identity_config *config = &link->identity->config;
    struct hf_welcome welcome = {.expires_ms = INT64_MAX, .heartbeat_ms = 1000};
    struct hf_link_claim claim = {hf_handshake_result(link->handshake),
                                  hf_handshake_peer(link->handshake), &link->peer.ip,
                                  link->peer.uid, link->peer.pid};

    if (claim.chain != NULL && claim.chain->links_count > 0) {
        welcome.expires_ms = claim.chain->expires_s * 1000;
    }
    welcome.limits.bytes = link->message_bytes_max;
    if (config->admit != NULL && !config->admit(config->ctx, &claim, &welcome)) {
        return hf_handshake_refuse(link->handshake, HF_REJECT_REFUSED,
                                   retry_after_ms(link));
    }
    return hf_handshake_admit(link->handshake, &welcome);
}

static enum hf_transport transport_of(const struct hf_link *link)
{
    return link->kind == HF_FRAME_IPC ? HF_TRANSPORT_IPC : HF_TRANSPORT_TCP;
}

static uint32_t modes_of(const struct hf_link *link)
{
    uint32_t modes = hf_handshake_modes(transport_of(link));

    if (link->kind == HF_FRAME_TCP && link->identity->config.tcp_modes != 0) {
        modes = link->identity->config.tcp_modes;
    }
    return modes;
}

static hf_err handshake_new(struct hf_link *link)
{
    const struct hf_link_identity_config *own = &link->identity->config;
    const struct hf_handshake_config config = {
        .role = own->role,
        .transport = transport_of(link),
        .modes = modes_of(link),
        .secret = own->secret,
        .chain = own->chain,
        .cluster = own->cluster,
        .broker = own->broker,
        .is_enrolment = own->is_enrolment,
        .frame_bytes_max = (uint32_t)link->message_bytes_max,
        .now_ms = hf_clock_wall_seconds() * 1000,
        .retry_after_ms = link->peer.is_accepted ? retry_after_ms(link) : 0,
    };

    if (link->peer.is_accepted) {
        return hf_handshake_server_new(&config, &link->handshake);
    }
    return hf_handshake_client_new(&config, &link->handshake);
}

hf_err link_auth_begin(struct hf_link *link)
{
    hf_err err;

    if (link->owner->is_raw) {
        return HF_OK;
    }
    err = handshake_new(link);
    if (err != HF_OK) {
        return err;
    }
    if (!link->peer.is_accepted) {
        (void)hf_handshake_start(link->handshake);
    }
    return send_waiting(link);
}

void link_auth_greeted(struct hf_link *link)
{
    if (link->handshake == NULL) {
        go_up(link);
    }
}

void link_auth_message(struct hf_link *link, hf_slice message)
{
    const struct hf_link_identity_config *own = &link->identity->config;
    const struct hf_chain_context context = {
        .trust = &own->trust,
        .skip_broker = !link->peer.is_accepted,
        .skip_network = !link->peer.is_accepted,
        .peer = link->peer.ip,
        .now_s = hf_clock_wall_seconds(),
        .skew_s = own->skew_s,
        .ttl_s_max = own->ttl_s_max,
        .grace_s = own->grace_s,
    };
    enum hf_handshake_state state =
        hf_handshake_receive(link->handshake, message, &context);

    if (state == HF_HANDSHAKE_ADMIT) {
        state = admit(link);
    }
    if (send_waiting(link) != HF_OK) {
        link_end(link, HF_LINK_END_MEMORY);
        return;
    }
    switch (state) {
    case HF_HANDSHAKE_DONE:
        hf_link_flush(link);
        finish(link);
        break;
    case HF_HANDSHAKE_FAILED:
        fail(link);
        break;
    case HF_HANDSHAKE_CONTINUE:
    case HF_HANDSHAKE_ADMIT:
        hf_link_flush(link);
        break;
    }
}
