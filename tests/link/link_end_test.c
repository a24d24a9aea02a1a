/* How links end: owners closed at bad moments, resets in every state, peers that are
 * killed or stopped, identities that change, descriptors that run out. */
#include "tests/link/link_pair.h"
#include "tests/link/sp_peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
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

static void pass(int64_t ms)
{
    const struct timespec moment = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&moment, NULL);
}

/* ---- this program again, as another process with links */
static pid_t spawn(const char *mode, const char *address, int ready[2])
{
    char byte;
    pid_t child;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        dup2(ready[1], STDOUT_FILENO);
        execl("/proc/self/exe", "link_end_test", mode, address, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    return child;
}

static void bury(pid_t child, int ready[2])
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
}

static struct end child_end;

static int child_dials(const char *address)
{
    struct hf_link_config config = {
        .address = address, .events = &events, .ctx = &child_end, .heartbeat_ms = 100};
    struct hf_link_dialer *dialer;

    if (fixture_dial(&config, false, &dialer) != HF_OK || write(1, "r", 1) != 1) {
        return 1;
    }
    pause();
    return 0;
}

static int child_listens_with_few_descriptors(const char *address)
{
    struct hf_link_config config = {.address = address,
                                    .events = &events,
                                    .ctx = &child_end,
                                    .heartbeat_ms = 60000};
    struct hf_link_listener *listener;
    struct rlimit limit;
    DIR *dir;

    if (hf_link_testing_listen_raw(&config, &listener) != HF_OK) {
        return 1;
    }
    pass(100);
    dir = opendir("/proc/self/fd");
    limit.rlim_cur = limit.rlim_max = 6;
    while (readdir(dir) != NULL) {
        limit.rlim_cur = ++limit.rlim_max;
    }
    closedir(dir);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || write(1, "r", 1) != 1) {
        return 1;
    }
    pause();
    return 0;
}

static void accepting_pauses_without_descriptors_and_resumes(void **state)
{
    enum { PEERS = 24 };
    struct sp_socket sockets[PEERS];
    struct pollfd polled;
    uint8_t greeting[HF_FRAME_GREETING_BYTES];
    char address[HF_LINK_ADDRESS_BYTES];
    struct rusage before;
    struct rusage after;
    int served = 0;
    int ready[2];
    pid_t child;

    (void)state;
    fresh_ipc(address);
    child = spawn("few", address, ready);
    for (int i = 0; i < PEERS; i++) {
        sockets[i].fd = sp_connect(address, 0);
        assert_true(sockets[i].fd >= 0);
    }
    pass(500);
    for (int i = 0; i < PEERS; i++) {
        polled = (struct pollfd){.fd = sockets[i].fd, .events = POLLIN};
        served += poll(&polled, 1, 0) == 1;
    }
    assert_in_range(served, 1, PEERS - 1);

    for (int i = 0; i < PEERS; i++) { /* in order: each that goes makes room */
        assert_int_equal(recv(sockets[i].fd, greeting, sizeof greeting, MSG_WAITALL),
                         sizeof greeting);
        close(sockets[i].fd);
    }

    getrusage(RUSAGE_CHILDREN, &before);
    bury(child, ready);
    getrusage(RUSAGE_CHILDREN, &after);
    /* It waited half a second: without spinning. */
    assert_true((after.ru_utime.tv_sec + after.ru_stime.tv_sec -
                 before.ru_utime.tv_sec - before.ru_stime.tv_sec) *
                        1000000 +
                    after.ru_utime.tv_usec + after.ru_stime.tv_usec -
                    before.ru_utime.tv_usec - before.ru_stime.tv_usec <
                300000);
    unlink(address + 6);
}

static void stopped_process_is_given_up_and_comes_back(void **state)
{
    (void)state;
    for (size_t w = 1; w < 4; w += 2) {
        struct pair *pair = pair_new(w);
        int ready[2];
        pid_t child;

        pair->server_config.heartbeat_ms = 100;
        pair_listen(pair);
        child = spawn("dial", pair->address, ready);
        assert_true(wait_for(&pair->server, &pair->server.ups, 1));

        kill(child, SIGSTOP);

        assert_true(wait_for(&pair->server, &pair->server.downs, 1));
        assert_int_equal(pair->server.last_end, HF_LINK_END_TIMEOUT);
        kill(child, SIGCONT);
        assert_true(wait_for(&pair->server, &pair->server.ups, 2));
        bury(child, ready);
        assert_true(wait_for(&pair->server, &pair->server.downs, 2));
        assert_int_equal(pair->server.last_end, HF_LINK_END_PEER);
        pair_free(pair);
    }
}

/* ---- many senders, links that are cut under them */
#define SENDERS 4
#define CUTS    20

struct sender {
    pthread_t thread;
    struct pair *pair;
    uint8_t number;
    atomic_bool *is_over;
};

/* What the receiver expects; under no lock: on_records is one at a time per link, and a
 * new link starts anew. */
struct order {
    struct end *end;
    uint32_t next[SENDERS]; /* 0 = any: the first of this link */
    struct hf_link *link;
    atomic_int breaks;
    atomic_int received;
};
static struct order order;

static void order_records(void *ctx, struct hf_link *link,
                          const struct hf_record *records, size_t count)
{
    (void)ctx;
    if (order.link != link) {
        order.link = link;
        memset(order.next, 0, sizeof order.next);
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t number = records[i].body.data[0];
        uint32_t sequence;

        memcpy(&sequence, records[i].body.data + 1, sizeof sequence);
        order.breaks += order.next[number] != 0 && order.next[number] != sequence;
        order.next[number] = sequence + 1;
    }
    order.received += (int)count;
}

static const struct hf_link_events order_events = {on_up, order_records, on_heartbeat,
                                                   on_down, on_failed};

static struct hf_link *link_of(struct end *end)
{
    struct hf_link *link;

    pthread_mutex_lock(&end->lock);
    link = hf_link_ref(end->link);
    pthread_mutex_unlock(&end->lock);
    return link;
}

static void *run_sender(void *argument)
{
    struct sender *sender = argument;
    uint32_t sequence = 1;

    while (!*sender->is_over) {
        struct hf_link *link = link_of(&sender->pair->client);
        hf_err err = HF_OK;

        while (err == HF_OK && !*sender->is_over) {
            uint8_t body[200] = {sender->number};
            struct hf_record record = {.type = 0x21, .body = {body, sizeof body}};

            memcpy(body + 1, &sequence, sizeof sequence);
            err = hf_link_send(link, &record);
            sequence += err == HF_OK;
            if (sequence % 3 == 0) {
                hf_link_flush(link);
            } else if (sequence % 3 == 1) {
                hf_link_flush_soon(link);
            }
            if (hf_link_output_bytes(link) > 1u << 20) {
                hf_link_flush(link);
                pass(1);
            }
        }
        hf_link_unref(link);
        pass(1);
    }
    return NULL;
}

static void cut_often(struct pair *pair)
{
    for (int i = 0; i < CUTS; i++) {
        int before = order.received;
        struct hf_link *link;

        for (int k = 0; k < 2000 && order.received < before + 200; k++) {
            pass(5);
        }
        assert_true(order.received >= before + 200);
        link = link_of(i % 2 == 0 ? &pair->server : &pair->client);
        hf_link_close(link, HF_LINK_END_LOCAL);
        hf_link_unref(link);
        assert_true(wait_for(&pair->client, &pair->client.downs, i + 1));
        assert_true(wait_for(&pair->server, &pair->server.downs, i + 1));
        assert_true(wait_for(&pair->client, &pair->client.ups, i + 2));
        assert_true(wait_for(&pair->server, &pair->server.ups, i + 2));
    }
}

static void order_of_each_thread_is_kept_while_links_are_cut(void **state)
{
    (void)state;
    for (size_t w = 1; w < 4; w += 2) {
        struct pair *pair = pair_new(w);
        struct sender senders[SENDERS];
        atomic_bool is_over = false;

        memset(&order, 0, sizeof order);
        pair->server_config.events = &order_events;
        pair_open(pair);
        for (uint8_t i = 0; i < SENDERS; i++) {
            senders[i] =
                (struct sender){.pair = pair, .number = i, .is_over = &is_over};
            pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]);
        }

        cut_often(pair);

        is_over = true;
        for (int i = 0; i < SENDERS; i++) {
            pthread_join(senders[i].thread, NULL);
        }
        assert_int_equal(order.breaks, 0);
        pair_free(pair);
    }
}

/* ---- owners that are closed at bad moments */
static atomic_int inside;

static void slow_records(void *ctx, struct hf_link *link,
                         const struct hf_record *records, size_t count)
{
    inside = 1;
    pass(100);
    on_records(ctx, link, records, count);
    inside = 0;
}

static const struct hf_link_events slow_events = {on_up, slow_records, on_heartbeat,
                                                  on_down, on_failed};

static void closing_an_owner_waits_for_its_callbacks(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        bool closes_listener = i % 2 == 0;
        struct pair *pair = pair_new(i / 2);
        struct end *end = closes_listener ? &pair->server : &pair->client;

        inside = 0;
        pair->server_config.events = closes_listener ? &slow_events : &events;
        pair->client_config.events = closes_listener ? &events : &slow_events;
        pair_open(pair);
        assert_int_equal(
            send_body(closes_listener ? pair->client.link : pair->server.link, 7, 10),
            HF_OK);
        hf_link_flush(closes_listener ? pair->client.link : pair->server.link);
        for (int k = 0; k < 2000 && inside == 0; k++) {
            pass(1);
        }
        assert_int_equal(inside, 1);

        if (closes_listener) {
            hf_link_listener_close(pair->listener);
            pair->listener = NULL;
        } else {
            hf_link_dialer_close(pair->dialer);
            pair->dialer = NULL;
        }

        assert_int_equal(inside, 0);
        assert_int_equal(end_read(end, &end->downs), 1);
        pair_free(pair);
    }
}

/* A listening socket whose queue is full: connecting to it takes for ever. */
static int listen_full(char address[HF_LINK_ADDRESS_BYTES], int fillers[8])
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&in, &bytes);
    snprintf(address, HF_LINK_ADDRESS_BYTES, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&in, sizeof in);
    }
    return fd;
}

static void dialer_of_a_silent_address_fails_in_time_and_closes_at_once(void **state)
{
    char address[HF_LINK_ADDRESS_BYTES];
    int fillers[8];
    int fd = listen_full(address, fillers);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair *pair = pair_new(2 + (size_t)i);
        int64_t start_us = hf_clock_monotonic_us();

        pair->client_config.address = address;
        pair->client_config.connect_ms = i == 0 ? 200 : 60000;
        assert_int_equal(
            fixture_dial(&pair->client_config, pair->is_raw, &pair->dialer), HF_OK);
        if (i == 0) {
            assert_true(wait_for(&pair->client, &pair->client.failures, 2));
        } else {
            pass(200);
        }
        assert_true(hf_clock_monotonic_us() - start_us >= 200000);
        start_us = hf_clock_monotonic_us();

        hf_link_dialer_close(pair->dialer);

        pair->dialer = NULL;
        assert_true(hf_clock_monotonic_us() - start_us < 2000000);
        assert_int_equal(pair->client.ups, 0);
        pair_free(pair);
    }
    for (int i = 0; i < 8; i++) {
        close(fillers[i]);
    }
    close(fd);
}

/* ---- resets */
enum {
    AT_ONCE,
    HALF_GREETING,
    GREETED,
    SHAKING,
    UP,
    IN_A_MESSAGE,
    UNREAD,
    RESET_STATES
};

static void reset_in(struct pair *pair, int moment)
{
    struct sp_socket socket = {.fd = sp_connect(pair->address, 0)};
    struct sp_peer peer;

    assert_true(socket.fd >= 0);
    sp_init(&peer, sp_socket_stream(&socket), HF_FRAME_TCP);
    if (moment == HALF_GREETING) {
        assert_int_equal(write(socket.fd, "\0SP", 3), 3);
    } else if (moment >= GREETED) {
        assert_true(sp_greet(&peer));
    }
    if (moment == SHAKING) {
        assert_int_equal(write(socket.fd, "\0\0\0\0\0\0\0\100abc", 11), 11);
    } else if (moment >= UP) {
        int ups = end_read(&pair->server, &pair->server.ups);

        assert_true(sp_shake_as_client(&peer));
        assert_true(wait_for(&pair->server, &pair->server.ups, ups + 1));
    }
    if (moment == IN_A_MESSAGE) {
        assert_int_equal(write(socket.fd, "\0\0\0\0\0\0\1\0abc", 11), 11);
    } else if (moment == UNREAD) {
        for (int i = 0; i < 100; i++) {
            assert_int_equal(send_body(pair->server.link, 7, 60000), HF_OK);
        }
        hf_link_flush(pair->server.link);
    }
    sp_reset(socket.fd);
    sp_fini(&peer);
}

static void reset_ends_a_link_in_every_state_and_nothing_else(void **state)
{
    struct pair *pair = pair_new(3);

    (void)state;
    pair_listen(pair);
    for (int moment = AT_ONCE; moment < RESET_STATES; moment++) {
        int downs = end_read(&pair->server, &pair->server.downs);

        reset_in(pair, moment);

        if (moment >= UP) {
            assert_true(wait_for(&pair->server, &pair->server.downs, downs + 1));
            assert_int_equal(pair->server.last_end, HF_LINK_END_PEER);
        }
    }
    assert_int_equal(fixture_dial(&pair->client_config, false, &pair->dialer), HF_OK);
    assert_true(wait_for(&pair->client, &pair->client.ups, 1));
    pair_free(pair);
}

/* ---- identities */
static void running_sessions_keep_their_identity(void **state)
{
    struct hf_link_identity *strange = fixture_identity(HF_ROLE_BROKER, 9);
    struct pair *pair = pair_new(3);
    struct pair *late = pair_new(3);

    (void)state;
    pair->server.echoes = true;
    pair_open(pair);

    hf_link_listener_set_identity(pair->listener, strange);

    memcpy(late->address, pair->address, sizeof late->address);
    assert_int_equal(fixture_dial(&late->client_config, false, &late->dialer), HF_OK);
    assert_true(wait_for(&late->client, &late->client.failures, 1));
    assert_int_equal(late->client.last_end, HF_LINK_END_DENIED);
    assert_int_equal(send_body(pair->client.link, 7, 1000), HF_OK);
    hf_link_flush(pair->client.link);
    assert_true(wait_for_count(&pair->client, 1));
    assert_int_equal(end_read(&pair->client, &pair->client.downs), 0);

    hf_link_close(pair->client.link, HF_LINK_END_LOCAL); /* the next one is new */
    assert_true(wait_for(&pair->client, &pair->client.failures, 1));
    assert_int_equal(end_read(&pair->client, &pair->client.ups), 1);
    pair_free(late);
    pair_free(pair);
    hf_link_identity_unref(strange);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepting_pauses_without_descriptors_and_resumes),
        cmocka_unit_test(stopped_process_is_given_up_and_comes_back),
        cmocka_unit_test(order_of_each_thread_is_kept_while_links_are_cut),
        cmocka_unit_test(closing_an_owner_waits_for_its_callbacks),
        cmocka_unit_test(dialer_of_a_silent_address_fails_in_time_and_closes_at_once),
        cmocka_unit_test(reset_ends_a_link_in_every_state_and_nothing_else),
        cmocka_unit_test(running_sessions_keep_their_identity),
    };

    if (argc == 3) {
        end_init(&child_end);
        return strcmp(argv[1], "few") == 0 ? child_listens_with_few_descriptors(argv[2])
                                           : child_dials(argv[2]);
    }
    return link_tests_run("ends of links", tests, sizeof tests / sizeof tests[0]);
}
