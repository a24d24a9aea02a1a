/* Links against a foreign peer on the byte streams of real NNG: the same bytes
 * as every earlier version put on the wire, on both transports, dialling and dialled.
 */
#include "tests/link/link_pair.h"
#include "tests/link/sp_peer.h"

#include <errno.h>

#include <nng/nng.h>

#define LARGEST                                                                        \
    (HF_LINK_MESSAGE_BYTES_MAX - HF_FRAME_RECORD_BYTES - 8 - HF_SEAL_OVERHEAD)
#define WAIT_MS (WAIT_SECONDS * 1000)

/* ---- NNG's streams as streams of bytes */
struct nng_side {
    nng_stream_dialer *dialer;
    nng_stream_listener *listener;
    nng_stream *stream;
    nng_aio *aio;
};

static bool side_move(struct nng_side *side, void *data, size_t bytes,
                      void (*start)(nng_stream *, nng_aio *))
{
    uint8_t *at = data;

    while (bytes > 0) {
        nng_iov iov = {at, bytes};
        int failure;

        hf_check(nng_aio_set_iov(side->aio, 1, &iov) == 0);
        start(side->stream, side->aio);
        nng_aio_wait(side->aio);
        failure = nng_aio_result(side->aio);
        if (failure != 0) {
            errno = failure == NNG_ETIMEDOUT ? EAGAIN : ECONNRESET;
            return false;
        }
        at += nng_aio_count(side->aio);
        bytes -= nng_aio_count(side->aio);
    }
    return true;
}

static bool side_read(void *handle, uint8_t *out, size_t bytes)
{
    return side_move(handle, out, bytes, nng_stream_recv);
}

static bool side_write(void *handle, const uint8_t *data, size_t bytes)
{
    return side_move(handle, (void *)(uintptr_t)data, bytes, nng_stream_send);
}

static void side_init(struct nng_side *side)
{
    memset(side, 0, sizeof *side);
    assert_int_equal(nng_aio_alloc(&side->aio, NULL, NULL), 0);
    nng_aio_set_timeout(side->aio, WAIT_MS);
}

static void side_dial(struct nng_side *side, const char *address)
{
    assert_int_equal(nng_stream_dialer_alloc(&side->dialer, address), 0);
    nng_stream_dialer_dial(side->dialer, side->aio);
    nng_aio_wait(side->aio);
    assert_int_equal(nng_aio_result(side->aio), 0);
    side->stream = nng_aio_get_output(side->aio, 0);
}

static void side_listen(struct nng_side *side, char address[HF_LINK_ADDRESS_BYTES])
{
    int port;

    assert_int_equal(nng_stream_listener_alloc(&side->listener, address), 0);
    assert_int_equal(nng_stream_listener_listen(side->listener), 0);
    if (strncmp(address, "tcp:", 4) == 0) {
        assert_int_equal(
            nng_stream_listener_get_int(side->listener, NNG_OPT_TCP_BOUND_PORT, &port),
            0);
        snprintf(address, HF_LINK_ADDRESS_BYTES, "tcp://127.0.0.1:%d", port);
    }
}

static void side_accept(struct nng_side *side)
{
    nng_stream_listener_accept(side->listener, side->aio);
    nng_aio_wait(side->aio);
    assert_int_equal(nng_aio_result(side->aio), 0);
    side->stream = nng_aio_get_output(side->aio, 0);
}

static void side_fini(struct nng_side *side)
{
    if (side->stream != NULL) {
        nng_stream_close(side->stream);
        nng_stream_free(side->stream);
    }
    nng_stream_dialer_free(side->dialer);
    if (side->listener != NULL) {
        nng_stream_listener_free(side->listener);
    }
    nng_aio_free(side->aio);
}

/* ---- a link and its foreign peer */
struct kind {
    bool is_ipc;
    bool dials; /* the foreign peer dials our listener; else our dialer dials it */
};

static const struct kind kinds[] = {
    {true, true}, {true, false}, {false, true}, {false, false}};
#define KINDS 4

struct foreign {
    struct end end; /* our side */
    struct hf_link_config config;
    struct hf_link_listener *listener;
    struct hf_link_dialer *dialer;
    char address[HF_LINK_ADDRESS_BYTES];
    struct nng_side side;
    struct sp_peer peer;
    bool dials;
};

/* On the heap and freed only by foreign_free: a failed assertion jumps away from a link
 * that still calls back. */
static struct foreign *foreign_new(const struct kind *kind)
{
    struct foreign *foreign = calloc(1, sizeof *foreign);

    hf_check(foreign != NULL);
    end_init(&foreign->end);
    side_init(&foreign->side);
    sp_init(&foreign->peer, (struct sp_stream){&foreign->side, side_read, side_write},
            kind->is_ipc ? HF_FRAME_IPC : HF_FRAME_TCP);
    foreign->dials = kind->dials;
    snprintf(foreign->address, sizeof foreign->address, "tcp://127.0.0.1:0");
    if (kind->is_ipc) {
        fresh_ipc(foreign->address);
    }
    foreign->config = (struct hf_link_config){
        .address = foreign->address, .events = &events, .ctx = &foreign->end};
    return foreign;
}

/* Both joined, nothing said yet. */
static void foreign_join(struct foreign *foreign)
{
    if (foreign->dials) {
        assert_int_equal(fixture_listen(&foreign->config, false, &foreign->listener),
                         HF_OK);
        hf_link_listener_address(foreign->listener, foreign->address);
        side_dial(&foreign->side, foreign->address);
        return;
    }
    side_listen(&foreign->side, foreign->address);
    assert_int_equal(fixture_dial(&foreign->config, false, &foreign->dialer), HF_OK);
    side_accept(&foreign->side);
}

static bool foreign_shake(struct foreign *foreign)
{
    return sp_greet(&foreign->peer) &&
           (foreign->dials ? sp_shake_as_client(&foreign->peer)
                           : sp_shake_as_server(&foreign->peer));
}

static void foreign_up(struct foreign *foreign)
{
    foreign_join(foreign);
    assert_true(foreign_shake(foreign));
    assert_true(wait_for(&foreign->end, &foreign->end.ups, 1));
}

static void foreign_free(struct foreign *foreign)
{
    hf_link_dialer_close(foreign->dialer);
    hf_link_listener_close(foreign->listener);
    sp_fini(&foreign->peer);
    side_fini(&foreign->side);
    end_fini(&foreign->end);
    if (strncmp(foreign->address, "ipc://", 6) == 0) {
        unlink(foreign->address + 6);
    }
    free(foreign);
}

static void session_is_sealed_on_tcp_and_clear_on_ipc(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        const struct hf_handshake_result *ours;
        const struct hf_handshake_result *theirs;
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign_up(foreign);

        ours = hf_link_peer(foreign->end.link)->result;
        theirs = hf_handshake_result(foreign->peer.handshake);
        assert_int_equal(foreign->peer.is_sealed, !kinds[k].is_ipc);
        assert_int_equal(ours->is_sealed, !kinds[k].is_ipc);
        assert_int_equal(hf_link_peer(foreign->end.link)->is_accepted, kinds[k].dials);
        assert_memory_equal(ours->session.bytes, theirs->session.bytes,
                            HF_SESSION_ID_BYTES);
        assert_memory_equal(&ours->transcript, &theirs->transcript,
                            sizeof ours->transcript);
        foreign_free(foreign);
    }
}

static void expect_echo(struct foreign *foreign, size_t bytes)
{
    uint8_t *body = filled(0x21, bytes);
    struct hf_record record;

    assert_true(sp_send_record(&foreign->peer, 0x21, (hf_slice){body, bytes}, false));
    assert_true(sp_next(&foreign->peer, &record));
    assert_int_equal(record.type, 0x21);
    assert_int_equal(record.body.bytes, bytes);
    assert_memory_equal(record.body.data, body, bytes);
    free(body);
}

static void records_of_every_size_pass_both_ways(void **state)
{
    const size_t sizes[] = {1, 7, 65536, LARGEST - 1, LARGEST};

    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign->end.echoes = true;
        foreign_up(foreign);

        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            expect_echo(foreign, sizes[i]);
        }

        assert_true(wait_for_count(&foreign->end, sizeof sizes / sizeof sizes[0]));
        assert_false(foreign->end.has_body_mismatch);
        foreign_free(foreign);
    }
}

#define SMALL_RECORDS 10000
#define SMALL_BATCH   100
#define SMALL_BYTES   20

static void send_small_batch(struct foreign *foreign, unsigned first)
{
    struct hf_buf batch;

    hf_buf_init(&batch, 1u << 20);
    for (unsigned i = first; i < first + SMALL_BATCH; i++) {
        uint8_t body[SMALL_BYTES];
        struct hf_record record = {.type = (uint16_t)(100 + i),
                                   .body = {body, sizeof body}};

        memset(body, (uint8_t)record.type, sizeof body);
        assert_int_equal(hf_record_append(&batch, &record), HF_OK);
    }
    assert_true(sp_send(&foreign->peer, hf_buf_slice(&batch), false));
    hf_buf_fini(&batch);
}

static void expect_small(struct foreign *foreign, unsigned count, size_t bytes)
{
    struct hf_record record;

    for (unsigned i = 0; i < count; i++) {
        assert_true(sp_next(&foreign->peer, &record));
        assert_int_equal(record.type, 100 + i);
        assert_int_equal(record.body.bytes, bytes);
    }
}

static void ten_thousand_small_records_keep_order_and_travel_in_batches(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign->end.echoes = true;
        foreign_up(foreign);

        for (unsigned i = 0; i < SMALL_RECORDS; i += SMALL_BATCH) {
            send_small_batch(foreign, i);
        }
        expect_small(foreign, SMALL_RECORDS, SMALL_BYTES);
        assert_true(foreign->peer.messages_in <= SMALL_RECORDS / SMALL_BATCH + 10);

        for (unsigned i = 0; i < SMALL_RECORDS; i++) {
            assert_int_equal(
                send_body(foreign->end.link, (uint16_t)(100 + i), SMALL_BYTES), HF_OK);
        }
        hf_link_flush(foreign->end.link);
        expect_small(foreign, SMALL_RECORDS, SMALL_BYTES);
        assert_true(wait_for_count(&foreign->end, SMALL_RECORDS));
        assert_false(foreign->end.has_body_mismatch);
        foreign_free(foreign);
    }
}

static void heartbeats_go_both_ways_and_are_not_shown(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign->config.heartbeat_ms = 200;
        foreign_up(foreign);

        for (int i = 0; i < 3; i++) {
            struct hf_record record;

            assert_true(sp_send_record(&foreign->peer, HF_LINK_HEARTBEAT_TYPE,
                                       HF_SLICE_EMPTY, false));
            assert_true(sp_receive(&foreign->peer)); /* idle: a heartbeat and no more */
            assert_int_equal(hf_record_next(&foreign->peer.unread, &record), HF_OK);
            assert_int_equal(record.type, HF_LINK_HEARTBEAT_TYPE);
            assert_int_equal(foreign->peer.unread.bytes, 0);
        }

        assert_true(wait_for(&foreign->end, &foreign->end.heartbeats, 3));
        assert_int_equal(foreign->end.calls + foreign->end.downs, 0);
        foreign_free(foreign);
    }
}

/* PROTOCOL.md 1: an empty message counts as a sign of life. */
static void empty_messages_keep_a_link_up(void **state)
{
    const struct timespec moment = {0, 100000000};

    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign->config.heartbeat_ms = 200;
        foreign_up(foreign);

        for (int i = 0; i < 9; i++) { /* 0.9 s, dead after 0.6 */
            assert_true(sp_send(&foreign->peer, HF_SLICE_EMPTY, false));
            nanosleep(&moment, NULL);
        }

        foreign->end.echoes = true;
        expect_echo(foreign, 10);
        assert_int_equal(end_read(&foreign->end, &foreign->end.downs), 0);
        foreign_free(foreign);
    }
}

static void silent_peer_is_closed_after_three_heartbeats(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        int64_t start_us = hf_clock_monotonic_us();
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign->config.heartbeat_ms = 100;
        foreign_up(foreign);

        assert_true(wait_for(&foreign->end, &foreign->end.downs, 1));
        assert_int_equal(foreign->end.last_end, HF_LINK_END_TIMEOUT);
        assert_true(hf_clock_monotonic_us() - start_us >= 200000);
        assert_true(sp_is_closed(&foreign->peer));
        foreign_free(foreign);
    }
}

static void goodbye_leaves_last_and_marks_the_end(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct hf_record goodbye = {.type = HF_LINK_GOODBYE_TYPE};
        struct hf_record record;
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign_up(foreign);
        for (unsigned i = 0; i < 100; i++) {
            assert_int_equal(send_body(foreign->end.link, (uint16_t)(100 + i), 5000),
                             HF_OK);
        }
        assert_int_equal(hf_link_send_control(foreign->end.link, &goodbye), HF_OK);

        hf_link_finish(foreign->end.link, 500);

        expect_small(foreign, 100, 5000);
        assert_true(sp_next(&foreign->peer, &record));
        assert_int_equal(record.type, HF_LINK_GOODBYE_TYPE);
        assert_true(sp_is_closed(&foreign->peer));
        assert_int_equal(foreign->peer.is_last, foreign->peer.is_sealed);
        assert_true(wait_for(&foreign->end, &foreign->end.downs, 1));
        foreign_free(foreign);
    }
}

static void goodbye_of_the_peer_is_handed_up_and_ends_the_link(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign_up(foreign);
        assert_true(sp_send_record(&foreign->peer, 0x21, HF_SLICE("!!!"), false));

        assert_true(sp_send_record(&foreign->peer, HF_LINK_GOODBYE_TYPE, HF_SLICE_EMPTY,
                                   true)); /* and we do not close */

        assert_true(wait_for(&foreign->end, &foreign->end.downs, 1));
        assert_int_equal(foreign->end.last_end, HF_LINK_END_PEER);
        assert_int_equal(foreign->end.count, 2);
        assert_int_equal(foreign->end.types[1], HF_LINK_GOODBYE_TYPE);
        foreign_free(foreign);
    }
}

static void message_after_the_final_one_is_not_read(void **state)
{
    (void)state;
    for (size_t k = 2; k < KINDS; k++) {
        uint8_t garbage[100] = {0};
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign_up(foreign);

        assert_true(sp_send_record(&foreign->peer, 0x21, HF_SLICE("!!!"), true));
        sp_put_message(&foreign->peer, (hf_slice){garbage, sizeof garbage});

        assert_true(wait_for(&foreign->end, &foreign->end.downs, 1));
        assert_int_equal(foreign->end.count, 1);
        foreign_free(foreign);
    }
}

/* Sends the same sealed record twice, or once with a bit turned. */
static void send_badly(struct foreign *foreign, bool is_replay)
{
    struct hf_record record = {.type = 0x21, .body = HF_SLICE("!!!")};
    uint8_t plain[HF_FRAME_RECORD_BYTES + 3];
    uint8_t frame[sizeof plain + HF_SEAL_OVERHEAD];

    hf_record_put(&record, plain);
    hf_seal(&foreign->peer.sealer, (hf_slice){plain, sizeof plain}, false, frame);
    if (is_replay) {
        assert_true(sp_put_message(&foreign->peer, (hf_slice){frame, sizeof frame}));
    } else {
        frame[20] ^= 1;
    }
    sp_put_message(&foreign->peer, (hf_slice){frame, sizeof frame});
}

static void message_that_does_not_open_ends_the_link(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool is_replay = i % 2 != 0;
        struct foreign *foreign = foreign_new(&kinds[2 + i / 2]);

        foreign_up(foreign);

        send_badly(foreign, is_replay);

        assert_true(wait_for(&foreign->end, &foreign->end.downs, 1));
        assert_int_equal(foreign->end.last_end, HF_LINK_END_PROTOCOL);
        assert_int_equal(foreign->end.count, is_replay);
        assert_true(sp_is_closed(&foreign->peer));
        foreign_free(foreign);
    }
}

/* Says how long a message is, without it. */
static void announce(struct foreign *foreign, uint64_t bytes)
{
    uint8_t prefix[HF_FRAME_PREFIX_BYTES_MAX];

    hf_frame_put_prefix(foreign->peer.kind, bytes, prefix);
    assert_true(
        side_write(&foreign->side, prefix, hf_frame_prefix_bytes(foreign->peer.kind)));
}

static void
message_above_the_maximum_ends_the_link_and_the_maximum_does_not(void **state)
{
    uint8_t *zeros = calloc(1, HF_LINK_MESSAGE_BYTES_MAX + 1);
    struct hf_record record = {.type = 0x100};

    (void)state;
    assert_non_null(zeros);
    for (size_t k = 0; k < KINDS; k++) {
        size_t overhead = kinds[k].is_ipc ? 0 : HF_SEAL_OVERHEAD;
        struct foreign *foreign = foreign_new(&kinds[k]);

        record.body = (hf_slice){zeros, HF_LINK_MESSAGE_BYTES_MAX - overhead -
                                            HF_FRAME_RECORD_BYTES};
        foreign_up(foreign);

        assert_true(sp_send_record(&foreign->peer, record.type, record.body, false));
        assert_true(wait_for_count(&foreign->end, 1));
        assert_int_equal(foreign->end.body_bytes, record.body.bytes);
        announce(foreign, HF_LINK_MESSAGE_BYTES_MAX + 1);

        assert_true(wait_for(&foreign->end, &foreign->end.downs, 1));
        assert_int_equal(foreign->end.last_end, HF_LINK_END_LIMIT);
        assert_true(sp_is_closed(&foreign->peer));
        foreign_free(foreign);
    }
    free(zeros);
}

static void chain_of_a_foreign_issuer_is_refused_either_way(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct foreign *foreign = foreign_new(&kinds[k]);

        foreign->peer.issuer = 9;
        foreign_join(foreign);

        assert_false(foreign_shake(foreign));

        if (kinds[k].dials) {
            assert_string_equal(foreign->peer.wrong, "E_REJECTED");
        }
        assert_true(wait_for(&foreign->end, &foreign->end.failures, 1));
        assert_int_equal(foreign->end.last_end, HF_LINK_END_DENIED);
        assert_int_equal(foreign->end.ups, 0);
        foreign_free(foreign);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_is_sealed_on_tcp_and_clear_on_ipc),
        cmocka_unit_test(records_of_every_size_pass_both_ways),
        cmocka_unit_test(ten_thousand_small_records_keep_order_and_travel_in_batches),
        cmocka_unit_test(heartbeats_go_both_ways_and_are_not_shown),
        cmocka_unit_test(empty_messages_keep_a_link_up),
        cmocka_unit_test(silent_peer_is_closed_after_three_heartbeats),
        cmocka_unit_test(goodbye_leaves_last_and_marks_the_end),
        cmocka_unit_test(goodbye_of_the_peer_is_handed_up_and_ends_the_link),
        cmocka_unit_test(message_after_the_final_one_is_not_read),
        cmocka_unit_test(message_that_does_not_open_ends_the_link),
        cmocka_unit_test(
            message_above_the_maximum_ends_the_link_and_the_maximum_does_not),
        cmocka_unit_test(chain_of_a_foreign_issuer_is_refused_either_way),
    };

    return link_tests_run("link with nng peers", tests, sizeof tests / sizeof tests[0]);
}
