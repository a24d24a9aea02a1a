/* Addresses of links: what is bound, what is refused, what a peer is called, and
 * dialers whose address names nothing yet. */
#include "tests/link/link_pair.h"
#include "tests/link/sp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* On the heap: a failed assertion jumps away from links that still call back. */
static struct pair *pair_new(size_t way)
{
    struct pair *pair = malloc(sizeof *pair);

    hf_check(pair != NULL);
    pair_init(pair, &ways[way]);
    return pair;
}

static void pair_free(struct pair *pair)
{
    pair_close(pair);
    free(pair);
}

static void expect_echo(struct pair *pair)
{
    assert_int_equal(send_body(pair->client.link, 7, 1000), HF_OK);
    hf_link_flush(pair->client.link);
    assert_true(wait_for_count(&pair->client, 1));
}

static void bound_address_has_the_real_port(void **state)
{
    struct pair *pair = pair_new(2);
    unsigned port = 0;

    (void)state;
    pair_listen(pair);

    assert_int_equal(sscanf(pair->address, "tcp://127.0.0.1:%u", &port), 1);
    assert_in_range(port, 1, 65535);
    pair_free(pair);
}

static void address_in_use_is_refused(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w += 2) {
        struct hf_link_listener *second = NULL;
        struct pair *pair = pair_new(w);

        pair->server.echoes = true;
        pair_listen(pair);
        pair->server_config.address = pair->address;

        assert_int_equal(fixture_listen(&pair->server_config, true, &second),
                         HF_ERR_EXISTS);
        assert_null(second);

        /* The first one has not noticed. */
        assert_int_equal(fixture_dial(&pair->client_config, true, &pair->dialer),
                         HF_OK);
        assert_true(wait_for(&pair->client, &pair->client.ups, 1));
        expect_echo(pair);
        pair_free(pair);
    }
}

static void closed_address_can_be_bound_again_at_once(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w += 2) {
        struct pair *pair = pair_new(w);

        pair_open(pair);
        pair->server_config.address = pair->address;

        hf_link_listener_close(pair->listener);

        assert_int_equal(fixture_listen(&pair->server_config, true, &pair->listener),
                         HF_OK);
        assert_true(wait_for(&pair->client, &pair->client.ups, 2));
        pair_free(pair);
    }
}

static void what_is_no_address_is_invalid(void **state)
{
    static const char *const texts[] = {"",
                                        "tcp",
                                        "tcp://",
                                        "ipc://",
                                        "udp://127.0.0.1:1",
                                        "127.0.0.1:80",
                                        "tcp://127.0.0.1:x"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct hf_link_config config = {.address = texts[i], .events = &events};
        struct hf_link_listener *listener = NULL;

        assert_int_equal(hf_link_testing_listen_raw(&config, &listener),
                         HF_ERR_INVALID);
    }
}

static void ipc_socket_has_mode_0660_and_goes_with_its_listener(void **state)
{
    struct pair *pair = pair_new(1);
    struct stat status;

    (void)state;
    pair_listen(pair);

    assert_int_equal(stat(pair->address + 6, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0660);
    hf_link_listener_close(pair->listener);
    pair->listener = NULL;
    assert_int_not_equal(access(pair->address + 6, F_OK), 0);
    pair_free(pair);
}

/* What a killed listener leaves: a bound name behind which nobody listens. */
static void leave_stale_socket(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    pid_t child;
    int status;

    hf_check(strlen(path) < sizeof un.sun_path);
    memcpy(un.sun_path, path, strlen(path));
    child = fork();
    if (child == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        if (bind(fd, (struct sockaddr *)&un, sizeof un) == 0 && listen(fd, 5) == 0) {
            raise(SIGKILL);
        }
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void ipc_socket_of_a_killed_process_is_taken_over(void **state)
{
    struct pair *pair = pair_new(1);

    (void)state;
    pair->server.echoes = true;
    leave_stale_socket(pair->address + 6);
    assert_int_equal(access(pair->address + 6, F_OK), 0);

    pair_open(pair);

    expect_echo(pair);
    pair_free(pair);
}

static void dialer_waits_for_a_socket_that_does_not_exist_yet(void **state)
{
    (void)state;
    for (size_t w = 0; w < 2; w++) {
        struct pair *pair = pair_new(w);

        pair->server.echoes = true;
        assert_int_equal(
            fixture_dial(&pair->client_config, pair->is_raw, &pair->dialer), HF_OK);
        assert_true(wait_for(&pair->client, &pair->client.failures, 3));
        assert_int_equal(pair->client.last_end, HF_LINK_END_CONNECT);

        pair_listen(pair);

        assert_true(wait_for(&pair->client, &pair->client.ups, 1));
        expect_echo(pair);
        pair_free(pair);
    }
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return is_there;
}

/* Listens at one address and dials the same port of another host name. */
static void expect_session(const char *listened, const char *dialled)
{
    struct pair *pair = pair_new(3);
    const char *port;

    pair->server.echoes = true;
    pair->server_config.address = listened;
    pair_listen(pair);
    port = strrchr(pair->address, ':');
    assert_non_null(port);
    assert_int_not_equal(strtol(port + 1, NULL, 10), 0);
    if (dialled != NULL) {
        char text[HF_LINK_ADDRESS_BYTES];

        snprintf(text, sizeof text, "tcp://%s%s", dialled, port);
        memcpy(pair->address, text, sizeof text);
    }

    assert_int_equal(fixture_dial(&pair->client_config, false, &pair->dialer), HF_OK);

    assert_true(wait_for(&pair->client, &pair->client.ups, 1));
    assert_true(wait_for(&pair->server, &pair->server.ups, 1));
    expect_echo(pair);
    pair_free(pair);
}

static void host_names_are_looked_up(void **state)
{
    (void)state;
    expect_session("tcp://127.0.0.1:0", "localhost");
}

static void ipv6_addresses_are_bound_dialled_and_told(void **state)
{
    struct pair *pair;

    (void)state;
    if (!has_ipv6()) {
        skip();
    }
    expect_session("tcp://[::1]:0", NULL);
    expect_session("tcp://[::1]:0", "[::1]");

    pair = pair_new(3);
    pair->server_config.address = "tcp://[::1]:0";
    pair_open(pair);
    assert_int_equal(strncmp(pair->address, "tcp://[::1]:", 12), 0);
    assert_int_equal(hf_link_peer(pair->server.link)->ip.family, HF_ADDRESS_IPV6);
    assert_int_equal(hf_link_peer(pair->server.link)->ip.bytes[15], 1);
    pair_free(pair);
}

static void tcp_peer_is_described_by_its_address(void **state)
{
    struct sockaddr_in own = {0};
    socklen_t own_bytes = sizeof own;
    struct pair *pair = pair_new(2);
    const struct hf_link_peer *peer;
    struct sp_socket client;
    struct sp_peer foreign;
    char expected[HF_LINK_ADDRESS_BYTES];

    (void)state;
    pair_listen(pair);
    client = (struct sp_socket){.fd = sp_connect(pair->address, 0)};
    sp_init(&foreign, sp_socket_stream(&client), HF_FRAME_TCP);
    assert_true(sp_greet(&foreign));
    assert_true(wait_for(&pair->server, &pair->server.ups, 1));

    peer = hf_link_peer(pair->server.link);
    getsockname(client.fd, (struct sockaddr *)&own, &own_bytes);
    snprintf(expected, sizeof expected, "tcp://127.0.0.1:%u", ntohs(own.sin_port));
    assert_string_equal(peer->address, expected);
    assert_int_equal(peer->transport, HF_LINK_TCP);
    assert_int_equal(peer->ip.family, HF_ADDRESS_IPV4);
    assert_memory_equal(peer->ip.bytes, &own.sin_addr, 4);
    assert_int_equal(peer->pid, -1);
    assert_int_equal(peer->uid, -1);
    assert_true(peer->is_accepted);
    close(client.fd);
    sp_fini(&foreign);
    pair_free(pair);
}

static void ipc_peer_is_described_by_its_process(void **state)
{
    struct pair *pair = pair_new(1);
    const struct hf_link_peer *peer;
    char expected[HF_LINK_ADDRESS_BYTES];

    (void)state;
    pair_open(pair);

    peer = hf_link_peer(pair->server.link);
    snprintf(expected, sizeof expected, "ipc://uid=%u,pid=%d", getuid(), getpid());
    assert_string_equal(peer->address, expected);
    assert_int_equal(peer->transport, HF_LINK_IPC);
    assert_int_equal(peer->ip.family, HF_ADDRESS_LOCAL);
    assert_true(peer->is_accepted);
    assert_false(hf_link_peer(pair->client.link)->is_accepted);
    assert_int_equal(hf_link_peer(pair->client.link)->transport, HF_LINK_IPC);
    pair_free(pair);
}

static void file_that_is_no_socket_is_not_taken_over(void **state)
{
    struct pair *pair = pair_new(0);
    struct hf_link_listener *listener = NULL;
    FILE *file = fopen(pair->address + 6, "we");
    struct stat status;

    (void)state;
    assert_non_null(file);
    fputs("precious", file);
    fclose(file);

    assert_int_not_equal(hf_link_testing_listen_raw(&pair->server_config, &listener),
                         HF_OK);

    assert_int_equal(stat(pair->address + 6, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(status.st_size, 8);
    unlink(pair->address + 6);
    pair_free(pair);
}

static void port_above_65535_is_invalid(void **state)
{
    struct hf_link_config config = {.address = "tcp://127.0.0.1:65536",
                                    .events = &events};
    struct hf_link_listener *listener = NULL;

    (void)state;
    assert_int_equal(hf_link_testing_listen_raw(&config, &listener), HF_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_address_has_the_real_port),
        cmocka_unit_test(address_in_use_is_refused),
        cmocka_unit_test(closed_address_can_be_bound_again_at_once),
        cmocka_unit_test(what_is_no_address_is_invalid),
        cmocka_unit_test(ipc_socket_has_mode_0660_and_goes_with_its_listener),
        cmocka_unit_test(ipc_socket_of_a_killed_process_is_taken_over),
        cmocka_unit_test(dialer_waits_for_a_socket_that_does_not_exist_yet),
        cmocka_unit_test(host_names_are_looked_up),
        cmocka_unit_test(ipv6_addresses_are_bound_dialled_and_told),
        cmocka_unit_test(tcp_peer_is_described_by_its_address),
        cmocka_unit_test(ipc_peer_is_described_by_its_process),
        cmocka_unit_test(file_that_is_no_socket_is_not_taken_over),
        cmocka_unit_test(port_above_65535_is_invalid),
    };

    return link_tests_run("link addresses", tests, sizeof tests / sizeof tests[0]);
}
