#include "lib/io/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define BIG_BYTES (8u << 20)

/* One end: what it got, and how it ended. */
struct end {
    struct hf_conn *conn;
    size_t got;
    bool is_at_eof;
    bool is_closed;
    bool is_drained;
    hf_err why;
    int done;
    uint8_t last[8];
};

static struct hf_loop *loop;
static char directory[64];
static struct end client;
static struct end server;
static bool server_starts;

static void on_data(void *ctx, struct hf_conn *conn, hf_slice bytes)
{
    struct end *end = ctx;

    (void)conn;
    end->got += bytes.bytes;
    if (bytes.bytes <= sizeof end->last) {
        memcpy(end->last, bytes.data, bytes.bytes);
    }
}

static void on_eof(void *ctx, struct hf_conn *conn)
{
    (void)conn;
    ((struct end *)ctx)->is_at_eof = true;
}

static void on_drained(void *ctx, struct hf_conn *conn)
{
    (void)conn;
    ((struct end *)ctx)->is_drained = true;
}

static void on_closed(void *ctx, struct hf_conn *conn, hf_err why)
{
    struct end *end = ctx;

    (void)conn;
    end->is_closed = true;
    end->why = why;
}

static const struct hf_conn_events events = {on_data, on_eof, on_drained, on_closed};

static void on_accept(void *ctx, struct hf_conn *conn)
{
    (void)ctx;
    server.conn = conn;
    hf_conn_attach(conn, &events, &server);
    if (server_starts) {
        hf_conn_resume(conn);
    }
}

static void on_up(void *ctx, struct hf_conn *conn)
{
    (void)ctx;
    client.conn = conn;
    hf_conn_resume(conn);
}

static int set_up(void **state)
{
    (void)state;
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    server_starts = true;
    return hf_loop_new(&loop) == HF_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    hf_loop_free(loop);
    return 0;
}

/* Turns the loop until *flag; the count is only a guard against a test that hangs. */
static void turn_until(const volatile bool *flag)
{
    for (int i = 0; i < 2000000 && !*flag; i++) {
        hf_loop_run_ready(loop);
    }
    assert_true(*flag);
}

static void turn_until_bytes(const volatile size_t *got, size_t wanted)
{
    for (int i = 0; i < 2000000 && *got < wanted; i++) {
        hf_loop_run_ready(loop);
    }
    assert_int_equal(*got, wanted);
}

static void turn_until_joined(void)
{
    for (int i = 0; i < 2000000 && (client.conn == NULL || server.conn == NULL); i++) {
        hf_loop_run_ready(loop);
    }
    assert_non_null(client.conn);
    assert_non_null(server.conn);
}

static struct hf_listener *join(const char *address)
{
    const struct hf_listener_config config = {.address = address};
    struct hf_listener *listener;
    struct hf_conn *conn;
    struct hf_addr addr;
    char text[HF_ADDR_TEXT_BYTES];

    assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &listener),
                     HF_OK);
    hf_listener_address(listener, &addr);
    hf_addr_text(&addr, text);
    assert_int_equal(
        hf_conn_dial(loop, addr.ip_bytes == 0 ? address : text, on_up, &conn), HF_OK);
    hf_conn_attach(conn, &events, &client);
    turn_until_joined();
    return listener;
}

static void part(struct hf_listener *listener)
{
    hf_conn_close(client.conn);
    turn_until(&client.is_closed);
    if (!server.is_closed) {
        hf_conn_close(server.conn);
    }
    turn_until(&server.is_closed);
    hf_listener_close(listener);
}

static void slices_arrive_as_one_stream_over_tcp(void **state)
{
    const hf_slice slices[] = {HF_SLICE("ab"), HF_SLICE(""), HF_SLICE("cdef")};
    struct hf_listener *listener = join("127.0.0.1:0");
    struct hf_addr peer;
    struct hf_addr local;

    (void)state;
    assert_int_equal(hf_conn_write(client.conn, slices, 3), HF_OK);
    turn_until_bytes(&server.got, 6);

    assert_memory_equal(server.last, "abcdef", 6);
    hf_conn_peer(server.conn, &peer);
    hf_conn_local(client.conn, &local);
    assert_int_equal(peer.ip_bytes, 4);
    assert_int_equal(peer.port, local.port);
    part(listener);
}

static void unix_socket_gets_its_mode_and_goes_with_its_listener(void **state)
{
    char address[128];
    struct hf_listener *listener;
    struct stat status;

    (void)state;
    snprintf(address, sizeof address, "unix:%s/s", directory);
    listener = join(address);
    assert_int_equal(stat(address + 5, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    part(listener);
    assert_int_not_equal(stat(address + 5, &status), 0);
}

static void live_unix_socket_is_not_replaced_but_a_stale_one_is(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char address[128];
    const struct hf_listener_config config = {.address = address};
    struct hf_listener *listener;
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(un.sun_path, sizeof un.sun_path, "%s/t", directory);
    snprintf(address, sizeof address, "unix:%s/t", directory);
    assert_int_equal(bind(stale, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(stale, 1), 0);
    assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &listener),
                     HF_ERR_EXISTS);
    close(stale); /* as a crash does: the file stays */

    assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &listener),
                     HF_OK);
    hf_listener_close(listener);
}

static void large_write_is_kept_until_the_peer_reads(void **state)
{
    uint8_t *bytes = calloc(1, BIG_BYTES);
    hf_slice slice = {bytes, BIG_BYTES};
    struct hf_listener *listener;

    (void)state;
    server_starts = false;
    listener = join("127.0.0.1:0");
    assert_int_equal(hf_conn_write(client.conn, &slice, 1), HF_OK);
    assert_true(hf_conn_queued_bytes(client.conn) > 0);
    free(bytes);
    hf_conn_resume(server.conn);

    turn_until_bytes(&server.got, BIG_BYTES);
    turn_until(&client.is_drained);
    assert_int_equal(hf_conn_queued_bytes(client.conn), 0);
    part(listener);
}

static void note_done(void *ctx)
{
    (*(int *)ctx)++;
}

static void kept_bytes_are_released_once_also_when_the_conn_dies(void **state)
{
    uint8_t *bytes = calloc(1, BIG_BYTES);
    struct hf_listener *listener;

    (void)state;
    server_starts = false;
    listener = join("127.0.0.1:0");
    assert_int_equal(
        hf_conn_write_kept(client.conn, HF_SLICE("x"), note_done, &client.done), HF_OK);
    assert_int_equal(client.done, 1);
    assert_int_equal(hf_conn_write_kept(client.conn, (hf_slice){bytes, BIG_BYTES},
                                        note_done, &client.done),
                     HF_OK);
    assert_int_equal(client.done, 1);
    part(listener);
    assert_int_equal(client.done, 2);
    free(bytes);
}

static void shutdown_sends_what_waits_and_reading_goes_on(void **state)
{
    const hf_slice word = HF_SLICE("bye");
    struct hf_listener *listener = join("127.0.0.1:0");

    (void)state;
    assert_int_equal(hf_conn_write(client.conn, &word, 1), HF_OK);
    hf_conn_shutdown(client.conn);
    turn_until(&server.is_at_eof);
    assert_int_equal(server.got, 3);

    assert_int_equal(hf_conn_write(server.conn, &word, 1), HF_OK);
    turn_until_bytes(&client.got, 3);
    part(listener);
}

static void reset_is_seen_by_the_peer_as_a_break(void **state)
{
    struct hf_listener *listener = join("127.0.0.1:0");

    (void)state;
    hf_conn_reset(client.conn);
    turn_until(&client.is_closed);
    turn_until(&server.is_closed);
    assert_false(server.is_at_eof);
    hf_listener_close(listener);
}

static void paused_listener_accepts_nothing_until_resumed(void **state)
{
    const struct hf_listener_config config = {.address = "127.0.0.1:0"};
    struct hf_listener *listener;
    struct hf_conn *conn;
    struct hf_addr addr;
    char text[HF_ADDR_TEXT_BYTES];

    (void)state;
    assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &listener),
                     HF_OK);
    hf_listener_pause(listener);
    hf_listener_address(listener, &addr);
    hf_addr_text(&addr, text);
    assert_int_equal(hf_conn_dial(loop, text, on_up, &conn), HF_OK);
    hf_conn_attach(conn, &events, &client);
    for (int i = 0; i < 2000000 && client.conn == NULL; i++) {
        hf_loop_run_ready(loop);
    }
    for (int i = 0; i < 100; i++) {
        hf_loop_run_ready(loop);
    }
    assert_null(server.conn);
    hf_listener_resume(listener);

    turn_until_joined();
    part(listener);
}

static void nobody_listening_closes_the_dialled_conn(void **state)
{
    char address[128];
    struct hf_conn *conn;

    (void)state;
    snprintf(address, sizeof address, "unix:%s/none", directory);
    assert_int_equal(hf_conn_dial(loop, address, on_up, &conn), HF_OK);
    hf_conn_attach(conn, &events, &client);

    turn_until(&client.is_closed);
    assert_int_equal(client.why, HF_ERR_NOT_FOUND);
}

static void two_listeners_may_share_a_port_only_when_asked(void **state)
{
    struct hf_listener_config config = {.address = "127.0.0.1:0",
                                        .is_reuse_port = true};
    struct hf_listener *listener;
    struct hf_listener *second;
    struct hf_addr addr;
    char text[HF_ADDR_TEXT_BYTES];

    (void)state;
    assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &listener),
                     HF_OK);
    hf_listener_address(listener, &addr);
    hf_addr_text(&addr, text);
    config.address = text;
    assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &second), HF_OK);
    hf_listener_close(second);
    config.is_reuse_port = false;
    assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &second),
                     HF_ERR_EXISTS);
    hf_listener_close(listener);
}

static void bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = {
        "",      "80",    "1.2.3:80",      "host:80", "1.2.3.4:x",
        "[::1]", "unix:", "1.2.3.4:65536", ":",       "[::1:80"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct hf_listener_config config = {.address = bad[i]};
        struct hf_listener *listener;

        assert_int_equal(hf_listener_open(loop, &config, on_accept, NULL, &listener),
                         HF_ERR_INVALID);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(slices_arrive_as_one_stream_over_tcp),
        T(unix_socket_gets_its_mode_and_goes_with_its_listener),
        T(live_unix_socket_is_not_replaced_but_a_stale_one_is),
        T(large_write_is_kept_until_the_peer_reads),
        T(kept_bytes_are_released_once_also_when_the_conn_dies),
        T(shutdown_sends_what_waits_and_reading_goes_on),
        T(reset_is_seen_by_the_peer_as_a_break),
        T(paused_listener_accepts_nothing_until_resumed),
        T(nobody_listening_closes_the_dialled_conn),
        T(two_listeners_may_share_a_port_only_when_asked),
        T(bad_addresses_are_refused),
    };
    int failed;

    snprintf(directory, sizeof directory, "/tmp/conn_test.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
