/* A broker and its workers in one: it takes what a frontend enqueues over a real link
 * and answers at once, by the path of the request:
 *
 *   /stream/N    200, N bytes in pieces, as a stream under the frontend's window
 *   /refuse      REFUSED{QueueFull}             /bad    a response that breaks HTTP
 *   /hold        an answer only after a re-offer         /never  none
 *   /short       a stream that ends before its declared length
 *   other        200 with the request's body, or `hello\n` where there is none
 *
 * It makes its own issuer key, a token for itself and one for a frontend, and signs a
 * routing snapshot that sends every URL to the queue `web`. */
#ifndef TESTS_FRONTEND_ECHO_BROKER_H
#define TESTS_FRONTEND_ECHO_BROKER_H

#include "lib/io/credentials.h"
#include "lib/io/link.h"

#include <pthread.h>

#define ECHO_STREAMS_MAX 64

/* A streamed body on its way, in either direction. */
struct echo_stream {
    bool is_used;
    bool is_response;
    hf_id id;
    uint64_t received; /* request body */
    uint64_t sent;     /* response body */
    uint64_t total;
    uint64_t window;
};

struct echo_counts {
    uint64_t enqueued;
    uint64_t reoffered;
    uint64_t acknowledged;
    uint64_t cancelled;
    uint64_t snapshots;
};

struct echo_broker {
    char address[HF_LINK_ADDRESS_BYTES];
    struct hf_secret *issuer;
    struct hf_credentials own;
    struct hf_credentials frontend; /* for the frontend under test */
    struct hf_link_identity *identity;
    struct hf_link_listener *listener;
    struct hf_buf routes;
    struct hf_buf manifest;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct hf_link *link;
    struct echo_counts counts;
    struct echo_stream streams[ECHO_STREAMS_MAX];
    uint8_t piece[65536];
};

/* `directory` gets the socket; it must be private. */
struct echo_broker *echo_broker_new(const char *directory);
void echo_broker_free(struct echo_broker *broker);
/* Makes and signs the routes: everything that comes to this port. Once, before listen.
 */
void echo_broker_route(struct echo_broker *broker, unsigned port);
void echo_broker_listen(struct echo_broker *broker);
/* As if killed: every link breaks. */
void echo_broker_kill(struct echo_broker *broker);
/* Waits until the counter (a member of broker->counts) has reached `value`; false after
 * 10 s. */
bool echo_broker_await(struct echo_broker *broker, const uint64_t *counter,
                       uint64_t value);

#endif
