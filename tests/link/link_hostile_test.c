/* Links against peers that are silent, slow, greedy or wrong. */
#include "lib/base/bytes.h"
#include "lib/wire/messages.h"
#include "tests/link/link_pair.h"

static void silence_ends_a_link(void **state)
{
    struct pair pair;
    uint8_t greeting[HF_FRAME_GREETING_BYTES];
    int fd;

    (void)state;
    pair_init(&pair, &ways[0]);
    pair.server_config.heartbeat_ms = 50;
    pair_listen(&pair);
    fd = pair_connect(&pair);
    hf_frame_greeting(greeting);
    assert_int_equal(write(fd, greeting, sizeof greeting), sizeof greeting);

    assert_true(wait_for(&pair.server, &pair.server.ups, 1));
    assert_true(wait_for(&pair.server, &pair.server.downs, 1));
    assert_int_equal(pair.server.last_end, HF_LINK_END_TIMEOUT);
    close(fd);
    pair_close(&pair);
}

static void peer_without_greeting_is_closed_at_the_deadline(void **state)
{
    struct pair pair;
    char byte;
    int fd;

    (void)state;
    pair_init(&pair, &ways[1]);
    pair.server_config.handshake_ms = 100;
    pair_listen(&pair);
    fd = pair_connect(&pair);

    assert_true(wait_for(&pair.server, &pair.server.failures, 1));
    assert_int_equal(pair.server.last_end, HF_LINK_END_TIMEOUT);
    while (read(fd, &byte, 1) == 1) {
        /* our greeting, then the end */
    }
    close(fd);
    pair_close(&pair);
}

static void announcing_too_much_closes_without_allocating(void **state)
{
    struct pair pair;
    uint8_t prefix[HF_FRAME_PREFIX_BYTES_MAX];
    int64_t before = hf_stat_get(&hf_link_stats.limit_message_total);
    int fd;

    (void)state;
    pair_init(&pair, &ways[0]);
    pair_listen(&pair);
    fd = pair_connect_greeted(&pair);
    assert_true(wait_for(&pair.server, &pair.server.ups, 1));
    hf_frame_put_prefix(HF_FRAME_IPC, UINT64_C(8) << 30, prefix);
    assert_int_equal(write(fd, prefix, sizeof prefix), sizeof prefix);

    assert_true(wait_for(&pair.server, &pair.server.downs, 1));
    assert_int_equal(pair.server.last_end, HF_LINK_END_LIMIT);
    assert_int_equal(hf_stat_get(&hf_link_stats.limit_message_total), before + 1);
    close(fd);
    pair_close(&pair);
}

static void unauthenticated_peer_may_not_announce_more_than_16_kib(void **state)
{
    struct pair pair;
    uint8_t prefix[HF_FRAME_PREFIX_BYTES_MAX];
    int fd;

    (void)state;
    pair_init(&pair, &ways[1]);
    pair_listen(&pair);
    fd = pair_connect_greeted(&pair);
    hf_frame_put_prefix(HF_FRAME_IPC, 16385, prefix);
    assert_int_equal(write(fd, prefix, sizeof prefix), sizeof prefix);

    assert_true(wait_for(&pair.server, &pair.server.failures, 1));
    assert_int_equal(pair.server.last_end, HF_LINK_END_LIMIT);
    close(fd);
    pair_close(&pair);
}

/* The last record that the far end wrote before it closed. */
static void assert_goodbye(int fd, hf_reason reason)
{
    uint8_t bytes[256];
    size_t count = 0;
    ssize_t got;
    hf_slice rest;
    struct hf_record record = {0};
    struct hf_goodbye goodbye;

    while ((got = read(fd, bytes + count, sizeof bytes - count)) > 0) {
        count += (size_t)got;
    }
    assert_int_equal(got, 0);
    assert_true(count > HF_FRAME_GREETING_BYTES + 9);
    rest = hf_slice_of(bytes + HF_FRAME_GREETING_BYTES + 9,
                       count - HF_FRAME_GREETING_BYTES - 9);
    assert_int_equal(hf_record_next(&rest, &record), HF_OK);
    assert_int_equal(record.type, HF_LINK_GOODBYE_TYPE);
    assert_int_equal(hf_goodbye_decode(record.meta, &goodbye), HF_OK);
    assert_int_equal(goodbye.reason, reason);
}

static void bytes_that_are_no_record_end_the_link(void **state)
{
    struct pair pair;
    uint8_t message[HF_FRAME_PREFIX_BYTES_MAX + 12] = {0};
    int fd;

    (void)state;
    pair_init(&pair, &ways[0]);
    pair_listen(&pair);
    fd = pair_connect_greeted(&pair);
    hf_frame_put_prefix(HF_FRAME_IPC, 12, message);
    hf_put_be32(message + HF_FRAME_PREFIX_BYTES_MAX, 7);
    assert_int_equal(write(fd, message, sizeof message), sizeof message);

    assert_true(wait_for(&pair.server, &pair.server.downs, 1));
    assert_int_equal(pair.server.last_end, HF_LINK_END_PROTOCOL);
    assert_goodbye(fd, HF_REASON_PROTOCOL);
    close(fd);
    pair_close(&pair);
}

static void more_than_a_mebibyte_of_control_records_ends_the_link(void **state)
{
    struct pair pair;
    struct hf_record record = {.type = 0x16};
    uint8_t *body = filled(0, 65536);
    int sent = 0;
    int fd;

    (void)state;
    record.body = (hf_slice){body, 65536};
    pair_init(&pair, &ways[0]);
    pair_listen(&pair);
    fd = pair_connect_greeted(&pair); /* never reads */
    assert_true(wait_for(&pair.server, &pair.server.ups, 1));
    while (sent < 100 && hf_link_send_control(pair.server.link, &record) == HF_OK) {
        sent++;
    }

    assert_true(wait_for(&pair.server, &pair.server.downs, 1));
    assert_int_equal(pair.server.last_end, HF_LINK_END_LIMIT);
    assert_int_equal(sent, 15);
    free(body);
    close(fd);
    pair_close(&pair);
}

static void output_beyond_its_cap_ends_the_link(void **state)
{
    struct pair pair;
    hf_err err = HF_OK;
    int fd;

    (void)state;
    pair_init(&pair, &ways[0]);
    pair.server_config.output_bytes_max = 1u << 20;
    pair_listen(&pair);
    fd = pair_connect_greeted(&pair); /* never reads */
    assert_true(wait_for(&pair.server, &pair.server.ups, 1));
    for (int i = 0; i < 1000 && err == HF_OK; i++) {
        err = send_body(pair.server.link, 5, 65536);
        if (err == HF_OK) {
            hf_link_flush(pair.server.link);
        }
    }

    assert_int_equal(err, HF_ERR_CLOSED);
    assert_true(wait_for(&pair.server, &pair.server.downs, 1));
    assert_int_equal(pair.server.last_end, HF_LINK_END_LIMIT);
    close(fd);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_ends_a_link),
        cmocka_unit_test(peer_without_greeting_is_closed_at_the_deadline),
        cmocka_unit_test(announcing_too_much_closes_without_allocating),
        cmocka_unit_test(unauthenticated_peer_may_not_announce_more_than_16_kib),
        cmocka_unit_test(bytes_that_are_no_record_end_the_link),
        cmocka_unit_test(more_than_a_mebibyte_of_control_records_ends_the_link),
        cmocka_unit_test(output_beyond_its_cap_ends_the_link),
    };

    return link_tests_run("link", tests, sizeof tests / sizeof tests[0]);
}
