/* Links against real SP sockets of NNG, which do the greeting and the framing
 * themselves: PAIR0 fits, every other protocol is refused. */
#include "tests/link/link_pair.h"
#include "tests/link/sp_peer.h"

#include <errno.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/req.h>

#define WAIT_MS (WAIT_SECONDS * 1000)

/* Messages of a PAIR0 socket as a stream of bytes: sp_peer writes one message with each
 * call; what is read gets its prefix back. */
struct pair0_side {
    nng_socket socket;
    uint8_t *in;
    size_t start;
    size_t end;
};

static bool pair0_write(void *handle, const uint8_t *data, size_t bytes)
{
    struct pair0_side *side = handle;

    return nng_send(side->socket, (void *)(uintptr_t)(data + 8), bytes - 8, 0) == 0;
}

static bool pair0_read(void *handle, uint8_t *out, size_t bytes)
{
    struct pair0_side *side = handle;

    if (side->start == side->end) {
        size_t length = HF_LINK_MESSAGE_BYTES_MAX;
        int failure = nng_recv(side->socket, side->in + 8, &length, 0);

        if (failure != 0) {
            errno = failure == NNG_ETIMEDOUT ? EAGAIN : ECONNRESET;
            return false;
        }
        hf_frame_put_prefix(HF_FRAME_TCP, length, side->in);
        side->start = 0;
        side->end = length + 8;
    }
    hf_check(bytes <= side->end - side->start);
    memcpy(out, side->in + side->start, bytes);
    side->start += bytes;
    return true;
}

static void pair0_session_with(const char *address, struct sp_peer *peer,
                               struct end *end)
{
    uint8_t body[1000];
    struct hf_record record;

    memset(body, 0x33, sizeof body);
    assert_true(sp_shake_as_client(peer));
    assert_int_equal(peer->is_sealed, strncmp(address, "tcp:", 4) == 0);
    assert_true(wait_for(end, &end->ups, 1));
    for (int i = 0; i < 100; i++) {
        assert_true(sp_send_record(peer, 0x33, (hf_slice){body, sizeof body}, false));
        assert_true(sp_next(peer, &record));
        assert_int_equal(record.body.bytes, sizeof body);
    }
}

static void real_pair0_socket_can_hold_a_whole_session(void **state)
{
    (void)state;
    for (size_t w = 1; w < 4; w += 2) {
        struct pair0_side side = {.in = malloc(HF_LINK_MESSAGE_BYTES_MAX + 8)};
        struct pair pair;
        struct sp_peer peer;

        assert_non_null(side.in);
        pair_init(&pair, &ways[w]);
        pair.server.echoes = true;
        pair_listen(&pair);
        assert_int_equal(nng_pair0_open(&side.socket), 0);
        nng_socket_set_ms(side.socket, NNG_OPT_RECVTIMEO, WAIT_MS);
        nng_socket_set_ms(side.socket, NNG_OPT_SENDTIMEO, WAIT_MS);
        assert_int_equal(nng_dial(side.socket, pair.address, NULL, 0), 0);
        /* NNG adds the byte of ipc itself: towards sp_peer it is always as on tcp. */
        sp_init(&peer, (struct sp_stream){&side, pair0_read, pair0_write},
                ways[w].is_ipc ? HF_FRAME_IPC : HF_FRAME_TCP);
        peer.prefix_kind = HF_FRAME_TCP;

        pair0_session_with(pair.address, &peer, &pair.server);

        nng_close(side.socket);
        sp_fini(&peer);
        pair_close(&pair);
        free(side.in);
    }
}

typedef int (*socket_opener)(nng_socket *);

static const struct protocol {
    socket_opener open;
    bool fits;
} protocols[] = {
    {nng_pair0_open, true}, {nng_pair1_open, false}, {nng_req0_open, false}};
#define PROTOCOLS 3

static void listener_takes_only_the_greeting_of_pair0(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * PROTOCOLS; i++) {
        const struct protocol *protocol = &protocols[i / 2];
        struct pair pair;
        nng_socket socket;

        pair_init(&pair, &ways[i % 2 * 2]);
        pair_listen(&pair);
        assert_int_equal(protocol->open(&socket), 0);

        (void)!nng_dial(socket, pair.address, NULL, 0);

        if (protocol->fits) {
            assert_true(wait_for(&pair.server, &pair.server.ups, 1));
        } else {
            assert_true(wait_for(&pair.server, &pair.server.failures, 1));
            assert_int_equal(pair.server.last_end, HF_LINK_END_PROTOCOL);
            assert_int_equal(pair.server.ups, 0);
        }
        nng_close(socket);
        pair_close(&pair);
    }
}

static void socket_listen(nng_socket socket, bool is_ipc,
                          char address[HF_LINK_ADDRESS_BYTES])
{
    nng_listener listener;
    nng_sockaddr bound;

    if (is_ipc) {
        fresh_ipc(address);
        assert_int_equal(nng_listen(socket, address, NULL, 0), 0);
        return;
    }
    assert_int_equal(nng_listen(socket, "tcp://127.0.0.1:0", &listener, 0), 0);
    assert_int_equal(nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &bound), 0);
    snprintf(address, HF_LINK_ADDRESS_BYTES, "tcp://127.0.0.1:%u",
             (unsigned)(uint16_t)(bound.s_in.sa_port << 8 | bound.s_in.sa_port >> 8));
}

static void dialer_takes_only_the_greeting_of_pair0(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * PROTOCOLS; i++) {
        const struct protocol *protocol = &protocols[i / 2];
        struct hf_link_dialer *dialer;
        struct end client;
        char address[HF_LINK_ADDRESS_BYTES];
        struct hf_link_config config = {
            .address = address, .events = &events, .ctx = &client};
        nng_socket socket;

        end_init(&client);
        assert_int_equal(protocol->open(&socket), 0);
        socket_listen(socket, i % 2 == 0, address);

        assert_int_equal(hf_link_testing_dial_raw(&config, &dialer), HF_OK);

        if (protocol->fits) {
            assert_true(wait_for(&client, &client.ups, 1));
        } else {
            assert_true(wait_for(&client, &client.failures, 2)); /* it comes again */
            assert_int_equal(client.last_end, HF_LINK_END_PROTOCOL);
            assert_int_equal(client.ups, 0);
        }
        hf_link_dialer_close(dialer);
        nng_close(socket);
        end_fini(&client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_pair0_socket_can_hold_a_whole_session),
        cmocka_unit_test(listener_takes_only_the_greeting_of_pair0),
        cmocka_unit_test(dialer_takes_only_the_greeting_of_pair0),
    };

    return link_tests_run("link with nng sockets", tests,
                          sizeof tests / sizeof tests[0]);
}
