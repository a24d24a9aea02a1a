/* For tests of links: two ends in one process that count what they see, joined in one
 * of four ways. Waiting is always for an event, with a deadline only a failure reaches.
 */
#ifndef HF_TESTS_LINK_PAIR_H
#define HF_TESTS_LINK_PAIR_H

#include "tests/link/link_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_SECONDS 20
#define KEPT_MAX     4096

/* What one end has seen; everything under the lock. */
struct end {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct hf_link *link; /* a reference while up */
    int ups;
    int downs;
    int failures;
    int calls; /* of on_records */
    int heartbeats;
    enum hf_link_end last_end;
    size_t count;
    size_t body_bytes;
    uint16_t types[KEPT_MAX];
    bool has_body_mismatch;
    bool echoes;
    enum hf_role peer_role;
};

static char link_directory[64];

static inline void end_init(struct end *end)
{
    memset(end, 0, sizeof *end);
    pthread_mutex_init(&end->lock, NULL);
    pthread_cond_init(&end->changed, NULL);
}

static inline void end_fini(struct end *end)
{
    hf_link_unref(end->link);
    pthread_cond_destroy(&end->changed);
    pthread_mutex_destroy(&end->lock);
}

static inline void on_up(void *ctx, struct hf_link *link,
                         const struct hf_link_peer *peer)
{
    struct end *end = ctx;

    pthread_mutex_lock(&end->lock);
    hf_link_unref(end->link);
    end->link = hf_link_ref(link);
    end->ups++;
    end->peer_role = peer->result != NULL ? peer->result->peer_role : 0;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
}

static inline void keep(struct end *end, const struct hf_record *record)
{
    if (end->count < KEPT_MAX) {
        end->types[end->count] = record->type;
    }
    end->count++;
    end->body_bytes += record->body.bytes;
    for (size_t i = 0; i < record->body.bytes; i++) {
        end->has_body_mismatch |= record->body.data[i] != (uint8_t)record->type;
    }
}

static inline void on_records(void *ctx, struct hf_link *link,
                              const struct hf_record *records, size_t count)
{
    struct end *end = ctx;

    if (end->echoes) {
        for (size_t i = 0; i < count; i++) {
            if (hf_link_send(link, &records[i]) != HF_OK) {
                return;
            }
        }
        hf_link_flush(link);
    }
    pthread_mutex_lock(&end->lock);
    end->calls++;
    for (size_t i = 0; i < count; i++) {
        keep(end, &records[i]);
    }
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
}

static inline void on_heartbeat(void *ctx, struct hf_link *link)
{
    struct end *end = ctx;

    (void)link;
    pthread_mutex_lock(&end->lock);
    end->heartbeats++;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
}

static inline void on_down(void *ctx, struct hf_link *link, enum hf_link_end why)
{
    struct end *end = ctx;

    (void)link;
    pthread_mutex_lock(&end->lock);
    end->downs++;
    end->last_end = why;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
}

static inline void on_failed(void *ctx, enum hf_link_end why, const char *address,
                             const char *detail)
{
    struct end *end = ctx;

    (void)address;
    (void)detail;
    pthread_mutex_lock(&end->lock);
    end->failures++;
    end->last_end = why;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
}

static const struct hf_link_events events = {on_up, on_records, on_heartbeat, on_down,
                                             on_failed};

/* A counter of an end whose callbacks may still come. */
static inline int end_read(struct end *end, const int *counter)
{
    int value;

    pthread_mutex_lock(&end->lock);
    value = *counter;
    pthread_mutex_unlock(&end->lock);
    return value;
}

/* Waits until *counter >= at_least; false after the deadline. */
static inline bool wait_for(struct end *end, const int *counter, int at_least)
{
    struct timespec until;
    int result = 0;
    bool is_reached;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&end->lock);
    while (*counter < at_least && result == 0) {
        result = pthread_cond_timedwait(&end->changed, &end->lock, &until);
    }
    is_reached = *counter >= at_least;
    pthread_mutex_unlock(&end->lock);
    return is_reached;
}

static inline bool wait_for_count(struct end *end, size_t at_least)
{
    struct timespec until;
    int result = 0;
    bool is_reached;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&end->lock);
    while (end->count < at_least && result == 0) {
        result = pthread_cond_timedwait(&end->changed, &end->lock, &until);
    }
    is_reached = end->count >= at_least;
    pthread_mutex_unlock(&end->lock);
    return is_reached;
}

/* A listener and a dialer joined, in one of four ways. */
struct pair {
    struct end server;
    struct end client;
    struct hf_link_config server_config;
    struct hf_link_config client_config;
    struct hf_link_listener *listener;
    struct hf_link_dialer *dialer;
    char address[HF_LINK_ADDRESS_BYTES];
    bool is_raw;
};

struct way {
    bool is_ipc;
    bool is_raw;
};

static const struct way ways[] = {
    {true, true}, {true, false}, {false, true}, {false, false}};

static inline void fresh_ipc(char out[HF_LINK_ADDRESS_BYTES])
{
    static int number;

    snprintf(out, HF_LINK_ADDRESS_BYTES, "ipc://%s/%d", link_directory, ++number);
}

static inline void pair_init(struct pair *pair, const struct way *way)
{
    memset(pair, 0, sizeof *pair);
    end_init(&pair->server);
    end_init(&pair->client);
    pair->is_raw = way->is_raw;
    fresh_ipc(pair->address);
    pair->server_config =
        (struct hf_link_config){.events = &events, .ctx = &pair->server};
    pair->client_config =
        (struct hf_link_config){.events = &events, .ctx = &pair->client};
    pair->server_config.address = way->is_ipc ? pair->address : "tcp://127.0.0.1:0";
    pair->client_config.address = pair->address;
}

static inline void pair_listen(struct pair *pair)
{
    assert_int_equal(
        fixture_listen(&pair->server_config, pair->is_raw, &pair->listener), HF_OK);
    hf_link_listener_address(pair->listener, pair->address);
}

static inline void pair_open(struct pair *pair)
{
    pair_listen(pair);
    assert_int_equal(fixture_dial(&pair->client_config, pair->is_raw, &pair->dialer),
                     HF_OK);
    assert_true(wait_for(&pair->server, &pair->server.ups, 1));
    assert_true(wait_for(&pair->client, &pair->client.ups, 1));
}

static inline void pair_close(struct pair *pair)
{
    hf_link_dialer_close(pair->dialer);
    hf_link_listener_close(pair->listener);
    end_fini(&pair->server);
    end_fini(&pair->client);
}

static inline uint8_t *filled(uint16_t type, size_t bytes)
{
    uint8_t *body = malloc(bytes + 1);

    assert_non_null(body);
    memset(body, (uint8_t)type, bytes);
    return body;
}

static inline hf_err send_body(struct hf_link *link, uint16_t type, size_t bytes)
{
    uint8_t *body = filled(type, bytes);
    struct hf_record record = {.type = type,
                               .meta = HF_SLICE("meta"),
                               .head = HF_SLICE("head"),
                               .body = {body, bytes}};
    hf_err err = hf_link_send(link, &record);

    free(body);
    return err;
}

static inline int pair_connect(const struct pair *pair)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    hf_check(strlen(pair->address + 6) < sizeof un.sun_path);
    memcpy(un.sun_path, pair->address + 6, strlen(pair->address + 6));
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    return fd;
}

/* A hostile or foreign peer: a plain socket that has sent the greeting. */
static inline int pair_connect_greeted(const struct pair *pair)
{
    uint8_t greeting[HF_FRAME_GREETING_BYTES];
    int fd = pair_connect(pair);

    hf_frame_greeting(greeting);
    assert_int_equal(write(fd, greeting, sizeof greeting), sizeof greeting);
    return fd;
}

/* Runs the tests in a fresh directory. */
static inline int link_tests_run(const char *name, const struct CMUnitTest *tests,
                                 size_t count)
{
    int failed;

    signal(SIGPIPE, SIG_IGN); /* the far end may close before all is written to it */
    snprintf(link_directory, sizeof link_directory, "/tmp/link_test.XXXXXX");
    if (mkdtemp(link_directory) == NULL) {
        return 1;
    }
    failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    rmdir(link_directory);
    return failed;
}

#endif
