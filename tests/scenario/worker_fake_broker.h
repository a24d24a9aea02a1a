/* A broker for tests of the worker's shell: one link, one queue, answers by hand.
 *
 * It opens every queue asked for, keeps what it received in order, grants response
 * windows as bytes arrive, and acknowledges whole responses. Waiting calls fail the
 * test after ten seconds. */
#ifndef HF_TESTS_SCENARIO_WORKER_FAKE_BROKER_H
#define HF_TESTS_SCENARIO_WORKER_FAKE_BROKER_H

#include "lib/base/list.h"
#include "lib/io/link.h"
#include "lib/wire/messages.h"

#include <pthread.h>

struct fake_request {
    const char *method;
    const char *path;
    const char *query;  /* NULL = none */
    const char *fields; /* NULL = none */
    hf_slice body;
    bool is_streamed;    /* the body goes in BODY records */
    uint32_t attempt;    /* 0 = 1 */
    int64_t deadline_ms; /* from now; 0 = 60,000 */
};

/* What came back for one lease. */
struct fake_lease {
    struct hf_list node;
    hf_id id;
    uint64_t epoch;
    int status; /* 0 until RESPOND */
    struct hf_buf fields;
    struct hf_buf body;
    bool has_length;
    uint64_t content_length;
    bool was_streamed;
    bool is_whole;
    bool is_released;
    bool is_declared;
    bool is_declared_answered;
    bool has_failed; /* FAIL or ABORT */
    hf_reason reason;
    uint64_t window; /* granted and not used, for the request body */
};

struct fake_broker {
    struct hf_link_identity *identity;
    struct hf_link_listener *listener;
    char address[HF_LINK_ADDRESS_BYTES];
    char credentials[256]; /* path of the worker's file */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct hf_link *link;
    struct hf_list leases;
    uint64_t epoch;
    uint64_t credit;
    uint64_t ups;
    uint64_t reauths;
    uint64_t violations; /* records that a worker may not send */
    bool is_ack_held;    /* whole responses are not acknowledged */
    bool is_window_held;
    bool was_drained;
    bool said_goodbye;
    enum hf_health health; /* of the last PONG */
    uint64_t pongs;
    int64_t app_pid;
    uint64_t introductions;
    uint8_t key[32];
};

/* `directory` is private; it gets the socket and the worker's credentials. */
struct fake_broker *fake_broker_new(const char *directory);
void fake_broker_free(struct fake_broker *broker);
/* Waits for a credit, uses it. The lease lives as long as the broker. */
struct fake_lease *fake_assign(struct fake_broker *broker,
                               const struct fake_request *request);
/* Until the response is whole, failed or released. */
void fake_await(struct fake_broker *broker, struct fake_lease *lease);
/* Until `condition(broker, lease)` holds. */
typedef bool (*fake_condition)(const struct fake_broker *broker,
                               const struct fake_lease *lease);
void fake_await_that(struct fake_broker *broker, const struct fake_lease *lease,
                     fake_condition condition);
void fake_send_body(struct fake_broker *broker, struct fake_lease *lease,
                    hf_slice body);
/* More window for the response. */
void fake_grant(struct fake_broker *broker, struct fake_lease *lease, uint64_t bytes);
void fake_cancel(struct fake_broker *broker, struct fake_lease *lease);
void fake_ack(struct fake_broker *broker, struct fake_lease *lease);
void fake_declared(struct fake_broker *broker, struct fake_lease *lease, bool is_kept);
void fake_send(struct fake_broker *broker, uint16_t type, hf_slice meta);
/* Replaces the worker's file by one with a new token. */
void fake_renew_file(struct fake_broker *broker);
/* Sends a new token over the link. */
void fake_push_token(struct fake_broker *broker);
/* Cuts the link; the worker comes back by itself. */
void fake_cut(struct fake_broker *broker);

#endif
