/* Handshakes between two machines of ours, honest and attacked (SECURITY.md T-TOK-1 and
 * 2, T-BRK-1 and 2, T-NET-1 to 3). */
#include "lib/token/claims_vectors.h"
#include "lib/token/handshake.h"

#define NOW       1767225900
#define TRACE_MAX 8

enum side { CLIENT, SERVER };

struct link {
    struct hf_secret *issuer, *keys[2];
    struct hf_buf chains[2];
    struct hf_trust trust;
    struct hf_chain_context context;
    struct hf_handshake_config config[2];
    struct hf_handshake *peers[2];
};

static void mint(struct link *l, enum side side, const char *subject, uint16_t verbs)
{
    struct hf_claims claims;

    hf_claims_init(&claims, true);
    assert_int_equal(hf_claims_set_issuer(&claims, HF_SLICE("controller")), HF_OK);
    assert_int_equal(hf_claims_set_subject(&claims, hf_slice_of_cstr(subject)), HF_OK);
    assert_int_equal(hf_claims_set_audience(&claims, HF_SLICE("prod")), HF_OK);
    assert_int_equal(hf_claims_add_grant(&claims, verbs), HF_OK);
    assert_int_equal(hf_claims_add_pattern(&claims, HF_SLICE(">")), HF_OK);
    claims.jti.bytes[0] = (uint8_t)(side + 1);
    claims.issued_s = NOW - 60;
    claims.expires_s = NOW + 900;
    claims.holder = hf_secret_public(l->keys[side]);
    hf_buf_clear(&l->chains[side]);
    assert_int_equal(hf_chain_mint(l->issuer, &claims, &l->chains[side]), HF_OK);
    l->config[side].chain = hf_buf_slice(&l->chains[side]);
}

/* A cluster "prod", broker b1 and a worker that may receive, over sealed tcp. */
static int link_setup(void **state)
{
    struct link *l = calloc(1, sizeof *l);

    if (l == NULL || hf_token_init() != HF_OK) {
        free(l);
        return -1;
    }
    l->issuer = secret_of(1);
    hf_trust_init(&l->trust);
    trust_secret(&l->trust, l->issuer, HF_KEY_USE_CAP);
    for (enum side side = CLIENT; side <= SERVER; side++) {
        l->keys[side] = secret_of((uint8_t)(0x11 + 0x10 * (int)side));
        hf_buf_init(&l->chains[side], HF_CHAIN_BYTES_MAX);
        l->config[side] = (struct hf_handshake_config){.role = HF_ROLE_WORKER,
                                                       .transport = HF_TRANSPORT_TCP,
                                                       .modes = HF_MODE_SEALED,
                                                       .secret = l->keys[side],
                                                       .cluster = HF_SLICE("prod"),
                                                       .frame_bytes_max = 1 << 20};
    }
    l->config[SERVER].broker = HF_SLICE("b1");
    l->config[SERVER].now_ms = NOW * INT64_C(1000);
    mint(l, CLIENT, "local:pool/1", 1u << HF_VERB_RECEIVE);
    mint(l, SERVER, "broker:b1", 1u << HF_VERB_SERVE);
    l->context = (struct hf_chain_context){.trust = &l->trust,
                                           .peer = {.family = HF_ADDRESS_IPV4},
                                           .now_s = NOW,
                                           .skew_s = 30,
                                           .ttl_s_max = HF_CHAIN_TTL_S_MAX};
    *state = l;
    return 0;
}

static int link_teardown(void **state)
{
    struct link *l = *state;

    for (enum side side = CLIENT; side <= SERVER; side++) {
        hf_handshake_free(l->peers[side]);
        hf_buf_fini(&l->chains[side]);
        hf_secret_free(l->keys[side]);
    }
    hf_secret_free(l->issuer);
    free(l);
    return 0;
}

static void open_link(struct link *l)
{
    for (enum side side = CLIENT; side <= SERVER; side++) {
        hf_handshake_free(l->peers[side]);
        l->peers[side] = NULL;
    }
    assert_int_equal(hf_handshake_client_new(&l->config[CLIENT], &l->peers[CLIENT]),
                     HF_OK);
    assert_int_equal(hf_handshake_server_new(&l->config[SERVER], &l->peers[SERVER]),
                     HF_OK);
    assert_int_equal(hf_handshake_start(l->peers[CLIENT]), HF_HANDSHAKE_CONTINUE);
}

/* What happens to message `number` (0 = M1) on the wire: one byte is flipped. */
struct attack {
    int number;
    size_t at;
};
static const struct attack none = {-1, 0};

struct wire {
    struct link *link;
    struct attack attack;
    int number;
    uint8_t bytes[HF_HANDSHAKE_MESSAGE_BYTES_MAX];
};

/* Carries everything `from` has to say; false when it had nothing. */
static bool carry(struct wire *w, enum side from)
{
    struct link *l = w->link;
    enum side to = from == CLIENT ? SERVER : CLIENT;
    hf_slice message;
    bool any = false;

    while (hf_handshake_next(l->peers[from], &message)) {
        assert_true(message.bytes <= sizeof w->bytes);
        memcpy(w->bytes, message.data, message.bytes);
        if (w->number++ == w->attack.number) {
            w->bytes[w->attack.at % message.bytes] ^= 0x10;
        }
        any = true;
        if (hf_handshake_receive(l->peers[to], hf_slice_of(w->bytes, message.bytes),
                                 &l->context) == HF_HANDSHAKE_ADMIT) {
            struct hf_welcome welcome = {.expires_ms = NOW * INT64_C(1000) + 900000,
                                         .limits.inflight = 4,
                                         .heartbeat_ms = 1000};
            (void)hf_handshake_admit(l->peers[to], &welcome);
        }
    }
    return any;
}

static void run(struct link *l, struct attack attack)
{
    struct wire *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->link = l;
    w->attack = attack;
    open_link(l);
    for (int turn = 0; turn < TRACE_MAX; turn++) {
        bool client_spoke = carry(w, CLIENT);
        if (!carry(w, SERVER) && !client_spoke) {
            break;
        }
    }
    free(w);
}

static void expect_states(struct link *l, enum hf_handshake_state client,
                          enum hf_handshake_state server)
{
    assert_int_equal(hf_handshake_state(l->peers[CLIENT]), client);
    assert_int_equal(hf_handshake_state(l->peers[SERVER]), server);
}

static void expect_errors(struct link *l, enum hf_token_error client,
                          enum hf_token_error server)
{
    assert_string_equal(hf_token_error_code(hf_handshake_error(l->peers[CLIENT])),
                        hf_token_error_code(client));
    assert_string_equal(hf_token_error_code(hf_handshake_error(l->peers[SERVER])),
                        hf_token_error_code(server));
}

static void honest_peers_agree_on_everything(void **state)
{
    struct link *l = *state;

    run(l, none);

    expect_states(l, HF_HANDSHAKE_DONE, HF_HANDSHAKE_DONE);
    const struct hf_handshake_result *c = hf_handshake_result(l->peers[CLIENT]);
    const struct hf_handshake_result *s = hf_handshake_result(l->peers[SERVER]);
    assert_true(hf_digest_equal(&c->transcript, &s->transcript));
    assert_memory_equal(&c->session, &s->session, sizeof c->session);
    assert_true(c->is_sealed && s->is_sealed);
    assert_int_equal(c->welcome.limits.inflight, 4);
    assert_int_equal(s->peer_role, HF_ROLE_WORKER);
    assert_true(hf_key_equal(s->peer_key, hf_secret_public(l->keys[CLIENT])));
    assert_true(hf_chain_allows(hf_handshake_peer(l->peers[SERVER]), HF_VERB_RECEIVE,
                                HF_SLICE("orders")));
}

static void sealed_streams_of_both_sides_meet(void **state)
{
    struct link *l = *state;
    struct hf_sealer sealers[2];
    struct hf_opener openers[2];
    struct hf_opened opened;
    uint8_t frame[64], plain[64];

    run(l, none);
    for (enum side side = CLIENT; side <= SERVER; side++) {
        hf_handshake_take_seal(l->peers[side], &sealers[side], &openers[side]);
    }
    for (enum side side = CLIENT; side <= SERVER; side++) {
        hf_seal(&sealers[side], HF_SLICE("hello"), false, frame);
        assert_int_equal(hf_open(&openers[1 - side],
                                 hf_slice_of(frame, hf_seal_bytes(5)), plain, &opened),
                         HF_OK);
        assert_int_equal(opened.bytes, 5);
        assert_memory_equal(plain, "hello", 5);
    }
}

static void ipc_is_clear_by_default(void **state)
{
    struct link *l = *state;

    for (enum side side = CLIENT; side <= SERVER; side++) {
        l->config[side].transport = HF_TRANSPORT_IPC;
        l->config[side].modes = hf_handshake_modes(HF_TRANSPORT_IPC);
    }
    l->context.peer.family = HF_ADDRESS_LOCAL;
    run(l, none);

    expect_states(l, HF_HANDSHAKE_DONE, HF_HANDSHAKE_DONE);
    assert_false(hf_handshake_result(l->peers[CLIENT])->is_sealed);
}

static void one_side_that_insists_on_sealing_gets_it(void **state)
{
    struct link *l = *state;

    l->config[CLIENT].modes = HF_MODE_CLEAR | HF_MODE_SEALED;
    run(l, none);

    assert_true(hf_handshake_result(l->peers[CLIENT])->is_sealed);
}

static void no_common_mode_is_refused(void **state)
{
    struct link *l = *state;

    l->config[CLIENT].modes = HF_MODE_CLEAR;
    run(l, none);

    expect_errors(l, HF_TOKEN_REJECTED, HF_TOKEN_MODE);
}

/* T-NET-3: whatever bit of M1 or M2 is changed on the way, modes included, nobody gets
 * in: a parse error, a policy, or the transcript's signatures stop it. */
static void any_changed_byte_of_any_message_ends_the_handshake(void **state)
{
    struct link *l = *state;

    for (int sealed = 0; sealed < 2; sealed++) {
        for (enum side side = CLIENT; side <= SERVER; side++) {
            l->config[side].modes = sealed == 1 ? HF_MODE_SEALED : HF_MODE_CLEAR;
        }
        for (int number = 0; number < 4; number++) {
            for (size_t at = 0; at < 1024; at += number < 2 ? 1 : 13) {
                run(l, (struct attack){number, at});
                assert_int_not_equal(hf_handshake_state(l->peers[SERVER]),
                                     HF_HANDSHAKE_DONE);
                assert_int_not_equal(hf_handshake_state(l->peers[CLIENT]),
                                     HF_HANDSHAKE_DONE);
            }
        }
    }
}

/* The attacker rewrites `modes` of M1 from `offered` to `forged`; returns why the
 * client gives up. */
static enum hf_token_error forge_modes(struct link *l, uint32_t offered,
                                       uint32_t forged)
{
    uint8_t m1[HF_HANDSHAKE_HELLO_BYTES_MAX];
    const uint8_t field[] = {7 << 3, (uint8_t)offered};
    hf_slice message;

    l->config[CLIENT].modes = offered;
    l->config[SERVER].modes = HF_MODE_CLEAR | HF_MODE_SEALED;
    open_link(l);
    assert_true(hf_handshake_next(l->peers[CLIENT], &message));
    memcpy(m1, message.data, message.bytes);
    uint8_t *modes = memmem(m1, message.bytes, field, sizeof field);
    assert_non_null(modes);
    modes[1] = (uint8_t)forged;
    assert_int_equal(hf_handshake_receive(l->peers[SERVER],
                                          hf_slice_of(m1, message.bytes), &l->context),
                     HF_HANDSHAKE_CONTINUE);
    while (hf_handshake_next(l->peers[SERVER], &message)) {
        (void)hf_handshake_receive(l->peers[CLIENT], message, &l->context);
    }
    assert_int_equal(hf_handshake_state(l->peers[CLIENT]), HF_HANDSHAKE_FAILED);
    return hf_handshake_error(l->peers[CLIENT]);
}

static void forged_modes_meet_the_policy_the_key_or_the_signature(void **state)
{
    struct link *l = *state;

    assert_int_equal(forge_modes(l, HF_MODE_SEALED, HF_MODE_CLEAR), HF_TOKEN_MODE);
    assert_int_equal(forge_modes(l, HF_MODE_CLEAR | HF_MODE_SEALED, HF_MODE_SEALED),
                     HF_TOKEN_PROTOCOL);
    assert_int_equal(forge_modes(l, HF_MODE_CLEAR | HF_MODE_SEALED, HF_MODE_CLEAR),
                     HF_TOKEN_POP);
}

static void clear_offer_to_a_sealing_client_is_refused(void **state)
{
    struct link *l = *state;
    hf_slice message;

    l->config[CLIENT].modes = HF_MODE_CLEAR | HF_MODE_SEALED;
    l->config[SERVER].modes = HF_MODE_CLEAR;
    open_link(l);
    assert_true(hf_handshake_next(l->peers[CLIENT], &message));
    (void)hf_handshake_receive(l->peers[SERVER], message, &l->context);
    struct hf_handshake *strict = NULL;
    l->config[CLIENT].modes = HF_MODE_SEALED;
    assert_int_equal(hf_handshake_client_new(&l->config[CLIENT], &strict), HF_OK);
    (void)hf_handshake_start(strict);
    assert_true(hf_handshake_next(l->peers[SERVER], &message));
    (void)hf_handshake_receive(strict, message, &l->context);

    assert_int_equal(hf_handshake_error(strict), HF_TOKEN_MODE);
    hf_handshake_free(strict);
}

/* T-NET-2: an attacker between the two speaks with its own keys to each of them. */
static void man_in_the_middle_with_own_keys_is_found_out(void **state)
{
    struct link *l = *state;
    struct hf_secret *attacker = secret_of(0x66);
    struct hf_handshake *fake = NULL;
    struct hf_handshake_config config = l->config[SERVER];
    hf_slice message;

    open_link(l);
    config.secret = attacker; /* the broker's chain is public, its key is not */
    assert_int_equal(hf_handshake_server_new(&config, &fake), HF_OK);
    assert_true(hf_handshake_next(l->peers[CLIENT], &message));
    assert_int_equal(hf_handshake_receive(fake, message, &l->context),
                     HF_HANDSHAKE_CONTINUE);
    while (hf_handshake_next(fake, &message)) {
        (void)hf_handshake_receive(l->peers[CLIENT], message, &l->context);
    }

    assert_int_equal(hf_handshake_error(l->peers[CLIENT]), HF_TOKEN_POP);
    hf_handshake_free(fake);
    hf_secret_free(attacker);
}

static void stolen_token_without_its_key_is_useless(void **state)
{
    struct link *l = *state;
    struct hf_secret *thief = secret_of(0x66);

    l->config[CLIENT].secret = thief;
    run(l, none);

    expect_errors(l, HF_TOKEN_REJECTED, HF_TOKEN_POP);
    uint32_t retry = 1;
    assert_int_equal(hf_handshake_rejected(l->peers[CLIENT], &retry),
                     HF_REJECT_REFUSED);
    hf_secret_free(thief);
}

/* T-TOK-2: the bytes of a whole handshake, played again to the same broker. */
static void recorded_handshake_does_not_open_a_second_session(void **state)
{
    struct link *l = *state;
    struct hf_handshake *second = NULL;
    uint8_t m1[HF_HANDSHAKE_HELLO_BYTES_MAX];
    uint8_t m4[HF_HANDSHAKE_MESSAGE_BYTES_MAX];
    size_t m1_bytes, m4_bytes = 0;
    hf_slice message;

    l->config[CLIENT].modes = l->config[SERVER].modes = HF_MODE_CLEAR;
    open_link(l);
    assert_true(hf_handshake_next(l->peers[CLIENT], &message));
    m1_bytes = message.bytes;
    memcpy(m1, message.data, m1_bytes);
    (void)hf_handshake_receive(l->peers[SERVER], message, &l->context);
    while (hf_handshake_next(l->peers[SERVER], &message)) {
        (void)hf_handshake_receive(l->peers[CLIENT], message, &l->context);
    }
    assert_true(hf_handshake_next(l->peers[CLIENT], &message));
    m4_bytes = message.bytes;
    memcpy(m4, message.data, m4_bytes);
    assert_int_equal(hf_handshake_receive(l->peers[SERVER], message, &l->context),
                     HF_HANDSHAKE_ADMIT);

    assert_int_equal(hf_handshake_server_new(&l->config[SERVER], &second), HF_OK);
    (void)hf_handshake_receive(second, hf_slice_of(m1, m1_bytes), &l->context);
    assert_int_equal(
        hf_handshake_receive(second, hf_slice_of(m4, m4_bytes), &l->context),
        HF_HANDSHAKE_FAILED);
    assert_int_equal(hf_handshake_error(second), HF_TOKEN_POP);
    hf_handshake_free(second);
}

static void broker_without_serve_is_left(void **state)
{
    struct link *l = *state;

    mint(l, SERVER, "broker:b1", 1u << HF_VERB_ENQUEUE);
    run(l, none);

    expect_errors(l, HF_TOKEN_DENIED, HF_TOKEN_OK);
}

static void broker_with_anothers_subject_is_left(void **state)
{
    struct link *l = *state;

    mint(l, SERVER, "broker:b2", 1u << HF_VERB_SERVE);
    run(l, none);

    expect_errors(l, HF_TOKEN_BROKER, HF_TOKEN_OK);
}

static void wrong_broker_or_cluster_is_refused_before_any_proof(void **state)
{
    struct link *l = *state;

    l->config[CLIENT].broker = HF_SLICE("b2");
    run(l, none);
    expect_errors(l, HF_TOKEN_REJECTED, HF_TOKEN_BROKER);

    l->config[CLIENT].broker = HF_SLICE("b1");
    l->config[CLIENT].cluster = HF_SLICE("test");
    run(l, none);
    expect_errors(l, HF_TOKEN_REJECTED, HF_TOKEN_AUD);
}

static void late_serve_token_needs_the_grace(void **state)
{
    struct link *l = *state;

    l->context.now_s = NOW + 3600;
    run(l, none);
    expect_errors(l, HF_TOKEN_TIME, HF_TOKEN_OK);

    l->context.grace_s = 86400;
    run(l, none);
    expect_states(l, HF_HANDSHAKE_DONE, HF_HANDSHAKE_DONE);
    assert_true(hf_handshake_peer(l->peers[CLIENT])->is_in_grace);
}

static void empty_chain_is_for_the_enrol_listener_alone(void **state)
{
    struct link *l = *state;

    l->config[CLIENT].is_enrolment = true;
    l->config[CLIENT].chain = HF_SLICE_EMPTY;
    mint(l, SERVER, "controller:b1", 1u << HF_VERB_SERVE);
    run(l, none);
    expect_errors(l, HF_TOKEN_REJECTED, HF_TOKEN_FORMAT);

    l->config[SERVER].is_enrolment = true;
    run(l, none);
    expect_states(l, HF_HANDSHAKE_DONE, HF_HANDSHAKE_DONE);
    assert_true(hf_handshake_result(l->peers[SERVER])->is_enrolment);
    assert_true(hf_key_equal(hf_handshake_result(l->peers[SERVER])->peer_key,
                             hf_secret_public(l->keys[CLIENT])));
    assert_int_equal(hf_handshake_peer(l->peers[SERVER])->links_count, 0);
}

static void refused_client_learns_the_wait_and_nothing_else(void **state)
{
    struct link *l = *state;
    hf_slice message;
    uint32_t retry = 0;

    open_link(l);
    assert_true(hf_handshake_next(l->peers[CLIENT], &message));
    (void)hf_handshake_receive(l->peers[SERVER], message, &l->context);
    while (hf_handshake_next(l->peers[SERVER], &message)) {
        (void)hf_handshake_receive(l->peers[CLIENT], message, &l->context);
    }
    assert_true(hf_handshake_next(l->peers[CLIENT], &message));
    assert_int_equal(hf_handshake_receive(l->peers[SERVER], message, &l->context),
                     HF_HANDSHAKE_ADMIT);
    assert_int_equal(hf_handshake_refuse(l->peers[SERVER], HF_REJECT_BUSY, 250),
                     HF_HANDSHAKE_FAILED);
    assert_true(hf_handshake_next(l->peers[SERVER], &message));
    (void)hf_handshake_receive(l->peers[CLIENT], message, &l->context);

    assert_int_equal(hf_handshake_rejected(l->peers[CLIENT], &retry), HF_REJECT_BUSY);
    assert_int_equal(retry, 250);
}

static void reauth_takes_rising_counters_of_the_same_holder(void **state)
{
    struct link *l = *state;
    struct hf_chain *chain = calloc(1, sizeof *chain);
    struct hf_chain_context context = l->context;
    struct hf_reauth reauth = {.chain = l->config[CLIENT].chain, .counter = 1};

    assert_non_null(chain);
    run(l, none);
    const struct hf_handshake_result *s = hf_handshake_result(l->peers[SERVER]);
    struct hf_reauth_session session = {s->transcript, s->peer_key, 0};
    context.cluster = HF_SLICE("prod");
    context.broker = HF_SLICE("b1");
    hf_reauth_sign(l->keys[CLIENT], &s->transcript, &reauth);
    assert_int_equal(hf_reauth_verify(&reauth, &context, &session, chain), HF_TOKEN_OK);
    assert_int_equal(session.counter_last, 1);

    assert_int_equal(hf_reauth_verify(&reauth, &context, &session, chain),
                     HF_TOKEN_POP);
    reauth.counter = 2;
    assert_int_equal(hf_reauth_verify(&reauth, &context, &session, chain),
                     HF_TOKEN_POP);
    hf_reauth_sign(l->keys[SERVER], &s->transcript, &reauth);
    assert_int_equal(hf_reauth_verify(&reauth, &context, &session, chain),
                     HF_TOKEN_POP);
    assert_int_equal(session.counter_last, 1);
    free(chain);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, link_setup, link_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(honest_peers_agree_on_everything),
        CASE(sealed_streams_of_both_sides_meet),
        CASE(ipc_is_clear_by_default),
        CASE(one_side_that_insists_on_sealing_gets_it),
        CASE(no_common_mode_is_refused),
        CASE(any_changed_byte_of_any_message_ends_the_handshake),
        CASE(forged_modes_meet_the_policy_the_key_or_the_signature),
        CASE(clear_offer_to_a_sealing_client_is_refused),
        CASE(man_in_the_middle_with_own_keys_is_found_out),
        CASE(stolen_token_without_its_key_is_useless),
        CASE(recorded_handshake_does_not_open_a_second_session),
        CASE(broker_without_serve_is_left),
        CASE(broker_with_anothers_subject_is_left),
        CASE(wrong_broker_or_cluster_is_refused_before_any_proof),
        CASE(late_serve_token_needs_the_grace),
        CASE(empty_chain_is_for_the_enrol_listener_alone),
        CASE(refused_client_learns_the_wait_and_nothing_else),
        CASE(reauth_takes_rising_counters_of_the_same_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
