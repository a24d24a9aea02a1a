/* Links whose peer is slow, stops reading, or moves a few bytes at a time: nothing is
 * lost, nothing grows past its cap, and hf_link_finish ends all the same. */
#include "tests/link/link_pair.h"
#include "tests/link/sp_peer.h"

#define CAP_BYTES   (4u << 20)
#define PIECE_BYTES 60000u

/* A link of ours and a plain socket that dialled it. On the heap: a failed assertion
 * jumps away from links that still call back. */
struct slow {
    struct pair pair;
    struct sp_socket socket;
    struct sp_peer peer;
};

static struct slow *slow_new(size_t way)
{
    struct slow *slow = calloc(1, sizeof *slow);

    hf_check(slow != NULL);
    pair_init(&slow->pair, &ways[way]);
    slow->pair.server_config.heartbeat_ms = 60000; /* a peer that stops may do so */
    return slow;
}

static void slow_join(struct slow *slow, bool dribbles, int buffer_bytes)
{
    pair_listen(&slow->pair);
    slow->socket.fd = sp_connect(slow->pair.address, buffer_bytes);
    assert_true(slow->socket.fd >= 0);
    slow->socket.dribbles = dribbles;
    sp_init(&slow->peer, sp_socket_stream(&slow->socket),
            strncmp(slow->pair.address, "ipc:", 4) == 0 ? HF_FRAME_IPC : HF_FRAME_TCP);
    assert_true(sp_greet(&slow->peer));
    assert_true(slow->pair.is_raw || sp_shake_as_client(&slow->peer));
    assert_true(wait_for(&slow->pair.server, &slow->pair.server.ups, 1));
}

static void slow_free(struct slow *slow)
{
    close(slow->socket.fd);
    sp_fini(&slow->peer);
    pair_close(&slow->pair);
    free(slow);
}

static void pass(int64_t ms)
{
    const struct timespec moment = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&moment, NULL);
}

/* Sends numbered records while two more fit below the cap. */
static unsigned fill(struct hf_link *link, size_t cap)
{
    unsigned sent = 0;

    while (hf_link_output_bytes(link) + 2 * PIECE_BYTES < cap) {
        assert_int_equal(send_body(link, (uint16_t)(100 + sent), PIECE_BYTES), HF_OK);
        hf_link_flush(link);
        sent++;
    }
    return sent;
}

static void expect_numbered(struct slow *slow, unsigned first, unsigned count)
{
    uint8_t *body = malloc(PIECE_BYTES);
    struct hf_record record;

    assert_non_null(body);
    for (unsigned i = first; i < first + count; i++) {
        assert_true(sp_next(&slow->peer, &record));
        assert_int_equal(record.type, 100 + i);
        assert_int_equal(record.body.bytes, PIECE_BYTES);
        memset(body, (uint8_t)record.type, PIECE_BYTES);
        assert_memory_equal(record.body.data, body, PIECE_BYTES);
    }
    free(body);
}

static void output_below_the_cap_arrives_and_more_ends_the_link(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct slow *slow = slow_new(w);
        struct hf_link *link;
        hf_err err = HF_OK;
        unsigned sent;

        slow->pair.server_config.output_bytes_max = CAP_BYTES;
        slow_join(slow, false, 0);
        link = slow->pair.server.link;
        sent = fill(link, CAP_BYTES);
        pass(500); /* the peer does not read */

        expect_numbered(slow, 0, sent);
        assert_int_equal(hf_link_output_bytes(link), 0);
        assert_int_equal(end_read(&slow->pair.server, &slow->pair.server.downs), 0);
        fill(link, CAP_BYTES);
        for (int i = 0; i < 1000 && err == HF_OK; i++) {
            err = send_body(link, 5, PIECE_BYTES);
            hf_link_flush(link);
        }
        assert_int_equal(err, HF_ERR_CLOSED);
        assert_true(wait_for(&slow->pair.server, &slow->pair.server.downs, 1));
        assert_int_equal(slow->pair.server.last_end, HF_LINK_END_LIMIT);
        slow_free(slow);
    }
}

/* Each byte its own write, at most seven a read, the smallest buffers there are. */
static void greeting_handshake_and_records_may_come_byte_by_byte(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct slow *slow = slow_new(w);
        uint8_t *body = filled(0x21, 2000);
        struct hf_record record;

        slow->pair.server.echoes = true;
        slow_join(slow, true, 1);
        for (int i = 0; i < 3; i++) {
            size_t bytes = i == 0 ? 1 : i == 1 ? 300 : 2000;

            assert_true(
                sp_send_record(&slow->peer, 0x21, (hf_slice){body, bytes}, false));
            assert_true(sp_next(&slow->peer, &record));
            assert_int_equal(record.body.bytes, bytes);
            assert_memory_equal(record.body.data, body, bytes);
        }
        free(body);
        slow_free(slow);
    }
}

static void large_output_passes_through_small_buffers(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct slow *slow = slow_new(w);

        slow_join(slow, false, 2048);
        for (unsigned i = 0; i < 10; i++) {
            assert_int_equal(
                send_body(slow->pair.server.link, (uint16_t)(100 + i), PIECE_BYTES),
                HF_OK);
            hf_link_flush(slow->pair.server.link);
        }

        expect_numbered(slow, 0, 10);
        assert_int_equal(end_read(&slow->pair.server, &slow->pair.server.downs), 0);
        slow_free(slow);
    }
}

static void finish_ends_after_its_time_when_the_peer_does_not_read(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct slow *slow = slow_new(w);
        int64_t start_us;

        slow_join(slow, false, 0);
        fill(slow->pair.server.link, CAP_BYTES);
        start_us = hf_clock_monotonic_us();

        hf_link_finish(slow->pair.server.link, 300);

        assert_int_equal(send_body(slow->pair.server.link, 5, 10), HF_ERR_CLOSED);
        assert_true(wait_for(&slow->pair.server, &slow->pair.server.downs, 1));
        assert_true(hf_clock_monotonic_us() - start_us >= 250000);
        assert_true(hf_clock_monotonic_us() - start_us < 5000000);
        slow_free(slow);
    }
}

static void finish_waits_for_a_peer_that_reads_late(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++) {
        struct slow *slow = slow_new(w);
        unsigned sent;

        slow_join(slow, false, 0);
        sent = fill(slow->pair.server.link, CAP_BYTES);

        hf_link_finish(slow->pair.server.link, WAIT_SECONDS * 1000);
        pass(300);

        expect_numbered(slow, 0, sent);
        close(slow->socket.fd); /* it may wait for this */
        slow->socket.fd = -1;
        assert_true(wait_for(&slow->pair.server, &slow->pair.server.downs, 1));
        slow_free(slow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_below_the_cap_arrives_and_more_ends_the_link),
        cmocka_unit_test(greeting_handshake_and_records_may_come_byte_by_byte),
        cmocka_unit_test(large_output_passes_through_small_buffers),
        cmocka_unit_test(finish_ends_after_its_time_when_the_peer_does_not_read),
        cmocka_unit_test(finish_waits_for_a_peer_that_reads_late),
    };

    return link_tests_run("slow links", tests, sizeof tests / sizeof tests[0]);
}
