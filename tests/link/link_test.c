/* Links end to end in one process: framing against a real NNG PAIR0 socket, batching,
 * handshake, reconnecting, orderly ends. */
#include "tests/link/link_pair.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

static void records_arrive_whole_and_in_order_on_every_transport(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct pair pair;

        pair_init(&pair, &ways[w]);
        pair.server.echoes = true;
        pair_open(&pair);

        for (uint16_t i = 0; i < 1000; i++) {
            assert_int_equal(send_body(pair.client.link, (uint16_t)(100 + i), i * 7u),
                             HF_OK);
            if (i % 10 == 0) {
                hf_link_flush(pair.client.link);
            }
        }
        hf_link_flush(pair.client.link);

        assert_true(wait_for_count(&pair.client, 1000));
        for (uint16_t i = 0; i < 1000; i++) {
            assert_int_equal(pair.client.types[i], 100 + i);
        }
        assert_false(pair.client.has_body_mismatch);
        assert_int_equal(pair.client.body_bytes, 7u * 999 * 1000 / 2);
        assert_int_equal(hf_link_output_bytes(pair.client.link), 0);
        pair_close(&pair);
        assert_int_equal(pair.client.downs, 1);
        assert_int_equal(pair.server.downs, 1);
    }
}

static void output_nobody_waits_for_leaves_by_itself_and_in_order(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct pair pair;

        pair_init(&pair, &ways[w]);
        pair_open(&pair);

        assert_int_equal(send_body(pair.client.link, 100, 10), HF_OK);
        hf_link_flush_soon(pair.client.link);
        assert_true(wait_for_count(&pair.server, 1));

        for (uint16_t i = 101; i < 1001; i++) {
            assert_int_equal(send_body(pair.client.link, i, 10), HF_OK);
            if (i % 2 == 0) {
                hf_link_flush_soon(pair.client.link);
            } else if (i % 7 == 0) {
                hf_link_flush(pair.client.link);
            }
        }
        assert_true(wait_for_count(&pair.server, 901));
        for (uint16_t i = 0; i < 901; i++) {
            assert_int_equal(pair.server.types[i], 100 + i);
        }
        pair_close(&pair);
    }
}

static void largest_records_pass_and_larger_ones_are_refused(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct pair pair;
        size_t largest =
            HF_LINK_MESSAGE_BYTES_MAX - HF_FRAME_RECORD_BYTES - 8 - HF_SEAL_OVERHEAD;

        pair_init(&pair, &ways[w]);
        pair.server.echoes = true;
        pair_open(&pair);

        assert_int_equal(send_body(pair.client.link, 7, HF_LINK_MESSAGE_BYTES_MAX),
                         HF_ERR_TOO_BIG);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(send_body(pair.client.link, 7, largest), HF_OK);
            hf_link_flush(pair.client.link);
        }

        assert_true(wait_for_count(&pair.client, 20));
        assert_int_equal(pair.client.body_bytes, 20 * largest);
        assert_false(pair.client.has_body_mismatch);
        pair_close(&pair);
    }
}

static void handshake_tells_each_side_who_the_other_is(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[3]);
    pair_open(&pair);

    assert_int_equal(pair.server.peer_role, HF_ROLE_WORKER);
    assert_int_equal(pair.client.peer_role, HF_ROLE_BROKER);
    assert_true(hf_link_peer(pair.client.link)->result->is_sealed);
    assert_memory_equal(hf_link_peer(pair.client.link)->result->session.bytes,
                        hf_link_peer(pair.server.link)->result->session.bytes,
                        HF_SESSION_ID_BYTES);
    assert_true(hf_slice_equal(hf_chain_subject(hf_link_peer(pair.server.link)->chain),
                               HF_SLICE("worker:one")));
    pair_close(&pair);
}

static void ipc_peer_is_described_by_uid_and_pid(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[1]);
    pair_open(&pair);

    assert_int_equal(hf_link_peer(pair.server.link)->uid, getuid());
    assert_int_equal(hf_link_peer(pair.server.link)->pid, getpid());
    pair_close(&pair);
}

static void token_of_a_foreign_issuer_is_rejected_and_never_comes_up(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[3]);
    pair_listen(&pair);
    pair.client_config.identity = fixture_identity(HF_ROLE_WORKER, 9);
    assert_int_equal(fixture_dial(&pair.client_config, false, &pair.dialer), HF_OK);

    assert_true(wait_for(&pair.client, &pair.client.failures, 2));
    assert_int_equal(pair.client.last_end, HF_LINK_END_DENIED);
    assert_true(wait_for(&pair.server, &pair.server.failures, 1));
    assert_int_equal(pair.server.ups + pair.client.ups, 0);
    pair_close(&pair);
    hf_link_identity_unref(pair.client_config.identity);
}

static void new_identity_is_used_at_the_next_attempt(void **state)
{
    struct hf_link_identity *good = fixture_identity(HF_ROLE_WORKER, 1);
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[3]);
    pair_listen(&pair);
    pair.client_config.identity = fixture_identity(HF_ROLE_WORKER, 9);
    assert_int_equal(fixture_dial(&pair.client_config, false, &pair.dialer), HF_OK);
    assert_true(wait_for(&pair.client, &pair.client.failures, 1));

    hf_link_dialer_set_identity(pair.dialer, good);

    assert_true(wait_for(&pair.client, &pair.client.ups, 1));
    pair_close(&pair);
    hf_link_identity_unref(good);
    hf_link_identity_unref(pair.client_config.identity);
}

static bool refuse_all(void *ctx, const struct hf_link_claim *claim,
                       struct hf_welcome *welcome)
{
    (void)ctx;
    (void)claim;
    (void)welcome;
    return false;
}

static void program_can_refuse_a_proven_client(void **state)
{
    struct hf_secret *trusted = fixture_secret(1);
    struct hf_link_identity_config config = {.role = HF_ROLE_BROKER,
                                             .secret = fixture_secret(2),
                                             .cluster = HF_SLICE(FIXTURE_CLUSTER),
                                             .broker = HF_SLICE(FIXTURE_BROKER),
                                             .admit = refuse_all};
    struct hf_trust_key key = {.key = hf_secret_public(trusted),
                               .uses = HF_KEY_USE_CAP,
                               .expires_s = INT64_MAX};
    struct hf_buf chain;
    struct pair pair;

    (void)state;
    hf_trust_init(&config.trust);
    assert_int_equal(hf_trust_add(&config.trust, &key), HF_OK);
    fixture_mint(1, config.secret, "broker:" FIXTURE_BROKER, 1u << HF_VERB_SERVE,
                 &chain);
    config.chain = hf_buf_slice(&chain);
    pair_init(&pair, &ways[1]);
    assert_int_equal(hf_link_identity_new(&config, &pair.server_config.identity),
                     HF_OK);
    pair_listen(&pair);
    assert_int_equal(fixture_dial(&pair.client_config, false, &pair.dialer), HF_OK);

    assert_true(wait_for(&pair.client, &pair.client.failures, 1));
    assert_int_equal(pair.client.last_end, HF_LINK_END_DENIED);
    assert_int_equal(pair.server.ups, 0);
    pair_close(&pair);
    hf_link_identity_unref(pair.server_config.identity);
    hf_buf_fini(&chain);
    hf_secret_free(trusted);
}

static void dialer_comes_back_when_its_peer_does(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct pair pair;
        int64_t back_us;

        pair_init(&pair, &ways[w]);
        pair_open(&pair);
        pair.server_config.address = pair.address;

        hf_link_listener_close(pair.listener);
        assert_true(wait_for(&pair.client, &pair.client.downs, 1));
        assert_true(wait_for(&pair.client, &pair.client.failures, 2));
        pair_listen(&pair);
        back_us = hf_clock_monotonic_us();

        assert_true(wait_for(&pair.client, &pair.client.ups, 2));
        /* 100 ms by ARCHITECTURE.md 7; the rest is for a busy machine. */
        assert_true(hf_clock_monotonic_us() - back_us < 2000000);
        pair_close(&pair);
    }
}

static void heartbeats_keep_an_idle_link_up(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[3]);
    pair.server_config.heartbeat_ms = 100;
    pair.client_config.heartbeat_ms = 100;
    pair_open(&pair);

    assert_true(wait_for(&pair.server, &pair.server.heartbeats, 5));
    assert_true(wait_for(&pair.client, &pair.client.heartbeats, 5));
    assert_int_equal(pair.server.downs + pair.client.downs, 0);
    assert_int_equal(pair.server.count, 0);
    pair_close(&pair);
}

static void goodbye_arrives_before_the_link_ends(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct hf_record goodbye = {.type = HF_LINK_GOODBYE_TYPE};
        struct pair pair;

        pair_init(&pair, &ways[w]);
        pair_open(&pair);
        for (int i = 0; i < 100; i++) {
            assert_int_equal(send_body(pair.server.link, 9, 1000), HF_OK);
        }
        assert_int_equal(hf_link_send_control(pair.server.link, &goodbye), HF_OK);
        hf_link_finish(pair.server.link, 5000);

        assert_int_equal(send_body(pair.server.link, 9, 1), HF_ERR_CLOSED);
        assert_true(wait_for(&pair.client, &pair.client.downs, 1));
        assert_true(wait_for(&pair.server, &pair.server.downs, 1));
        assert_int_equal(pair.client.count, 101);
        assert_int_equal(pair.client.types[100], HF_LINK_GOODBYE_TYPE);
        pair_close(&pair);
    }
}

static void send_on_a_link_that_is_down_is_refused(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, &ways[0]);
    pair_open(&pair);
    hf_link_close(pair.server.link, HF_LINK_END_LOCAL);
    assert_true(wait_for(&pair.server, &pair.server.downs, 1));

    assert_int_equal(send_body(pair.server.link, 1, 10), HF_ERR_CLOSED);
    hf_link_flush(pair.server.link);
    pair_close(&pair);
}

static void nng_message(nng_socket socket, uint16_t type)
{
    struct hf_record record = {.type = type, .body = HF_SLICE("")};
    uint8_t bytes[HF_FRAME_RECORD_BYTES];

    hf_record_put(&record, bytes);
    assert_int_equal(nng_send(socket, bytes, sizeof bytes, 0), 0);
}

static void real_pair0_socket_can_be_the_peer(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w += 2) {
        nng_socket socket;
        struct pair pair;
        struct hf_record record;
        uint8_t received[256];
        size_t bytes = sizeof received;
        hf_slice content;

        pair_init(&pair, &ways[w]);
        pair.server.echoes = true;
        pair_listen(&pair);
        assert_int_equal(nng_pair0_open(&socket), 0);
        nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, WAIT_SECONDS * 1000);
        assert_int_equal(nng_dial(socket, pair.address, NULL, 0), 0);
        assert_true(wait_for(&pair.server, &pair.server.ups, 1));
        nng_message(socket, 0x77);

        assert_int_equal(nng_recv(socket, received, &bytes, 0), 0);
        content = (hf_slice){received, bytes};
        assert_int_equal(hf_record_next(&content, &record), HF_OK);
        assert_int_equal(record.type, 0x77);
        nng_close(socket);
        pair_close(&pair);
    }
}

static void real_pair0_socket_can_listen_for_a_dialer(void **state)
{
    struct end client;
    struct hf_link_config config = {.events = &events, .ctx = &client};
    struct hf_link_dialer *dialer;
    char address[HF_LINK_ADDRESS_BYTES];
    nng_socket socket;

    (void)state;
    end_init(&client);
    fresh_ipc(address);
    config.address = address;
    assert_int_equal(nng_pair0_open(&socket), 0);
    assert_int_equal(nng_listen(socket, address, NULL, 0), 0);
    assert_int_equal(hf_link_testing_dial_raw(&config, &dialer), HF_OK);
    assert_true(wait_for(&client, &client.ups, 1));
    nng_message(socket, 0x55);

    assert_true(wait_for_count(&client, 1));
    assert_int_equal(client.types[0], 0x55);
    hf_link_dialer_close(dialer);
    nng_close(socket);
    end_fini(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_arrive_whole_and_in_order_on_every_transport),
        cmocka_unit_test(output_nobody_waits_for_leaves_by_itself_and_in_order),
        cmocka_unit_test(largest_records_pass_and_larger_ones_are_refused),
        cmocka_unit_test(handshake_tells_each_side_who_the_other_is),
        cmocka_unit_test(ipc_peer_is_described_by_uid_and_pid),
        cmocka_unit_test(token_of_a_foreign_issuer_is_rejected_and_never_comes_up),
        cmocka_unit_test(new_identity_is_used_at_the_next_attempt),
        cmocka_unit_test(program_can_refuse_a_proven_client),
        cmocka_unit_test(dialer_comes_back_when_its_peer_does),
        cmocka_unit_test(heartbeats_keep_an_idle_link_up),
        cmocka_unit_test(goodbye_arrives_before_the_link_ends),
        cmocka_unit_test(send_on_a_link_that_is_down_is_refused),
        cmocka_unit_test(real_pair0_socket_can_be_the_peer),
        cmocka_unit_test(real_pair0_socket_can_listen_for_a_dialer),
    };

    return link_tests_run("link", tests, sizeof tests / sizeof tests[0]);
}
