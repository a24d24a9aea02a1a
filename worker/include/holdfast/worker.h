/* Workers that answer HTTP requests held by Holdfast: the C library libholdfast-worker.
 *
 * A worker dials brokers, opens queues, and is given requests up to its concurrency.
 * Each request is answered exactly once, by a response or by hf_cancel. A request whose
 * worker dies goes to another one, under the rules of its queue; hf_request_attempt
 * tells.
 *
 * There are two forms. In the callback form a handler is called for each request, on
 * `threads` threads of the library, or with threads = 0 on its receiving threads, where
 * it must never block. In the blocking form (no handler) your threads call hf_receive.
 *
 * Threads. Every function may be called from any thread. Calls about one request must
 * not overlap, except hf_wait_disconnect and hf_is_cancelled. Callbacks about one
 * request never overlap either.
 *
 * Lifetime. A request is valid until the call that ends it: hf_send_response without
 * HF_SEND_MORE, hf_send_body without it, hf_cancel or hf_release. Everything read from
 * it goes with it. A cancelled request must still be ended by one of these calls.
 *
 * Limits. Head 64 KiB each way; a body handed out whole 32 MiB; otherwise bodies are
 * streamed under windows of 1 MiB. Times are milliseconds. */
#ifndef HOLDFAST_WORKER_H
#define HOLDFAST_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_WORKER_ABI 1

struct hf_worker;
struct hf_request;

/* What a call has done. Everything above END left the request as it was, unless said.
 */
enum hf_status {
    HF_STATUS_OK = 0,
    HF_STATUS_WAIT,      /* nothing can be done now; a callback follows (threads = 0) */
    HF_STATUS_END,       /* the body has been read to its end */
    HF_STATUS_TIMEOUT,   /* the time given is over */
    HF_STATUS_CANCELLED, /* nobody waits any more: stop, and end the request */
    HF_STATUS_STOPPED,   /* the worker is shutting down and has nothing left */
    HF_STATUS_INVALID,   /* an argument breaks a rule, or the call comes out of order */
    HF_STATUS_TOO_BIG,   /* a limit above is exceeded */
    HF_STATUS_NO_MEMORY,
    HF_STATUS_IO /* a file or address cannot be used */
};

/* The sentence for a status; static. */
const char *hf_status_text(enum hf_status status);

/* Borrowed bytes without a final NUL; data is NULL where there is nothing. */
struct hf_view {
    const char *data;
    size_t bytes;
};

/* Called with the `ctx` of the options or the module. Only `handle` is required. */
struct hf_handler {
    /* A request to answer, now or later. */
    void (*handle)(void *ctx, struct hf_request *request);
    /* With threads = 0 only: hf_read_body has more, or has come to the end. NULL: the
     * handler is called when the whole body is there (see hf_request_body); bodies over
     * 32 MiB are then answered 413 without it. */
    void (*on_body)(void *ctx, struct hf_request *request);
    /* With threads = 0 only: hf_send_body accepts bytes again. May be NULL. */
    void (*on_writable)(void *ctx, struct hf_request *request);
    /* Nobody waits for the answer any more. With threads = 0 it must lead to the end of
     * the request; NULL ends it without the handler's help, at once, if it has returned
     * from its callbacks. With threads > 0 it is not called: see hf_is_cancelled. */
    void (*on_cancel)(void *ctx, struct hf_request *request);
};

struct hf_worker_options {
    const char *const *brokers; /* "tcp://HOST:PORT" or "ipc:///path"; 1..16 */
    size_t brokers_count;
    /* Files of `key=`, `token=`, `anchor=` and `cluster=` lines, as `holdfast key gen`
     * and `holdfast token mint` write them; token_file may be a bare token. Read once;
     * the token file again when it changes. NULL: the lines come from elsewhere. */
    const char *key_file;
    const char *token_file;
    const char *anchor_file;
    const char *package;  /* the same lines as text, may be NULL */
    const char *cluster;  /* instead of a cluster= line; may be NULL */
    const char *name;     /* shown to people; NULL = program name */
    uint32_t concurrency; /* requests at once for each queue; 0 = 1; <= 65,535 */
    uint32_t threads;     /* callback form only: see above; <= 1,024 */
    const struct hf_handler *handler; /* copied; NULL = the blocking form */
    void *ctx;
};

/* Starts the library's threads and begins to dial; an absent broker is no error.
 * INVALID, IO (a file cannot be read or holds something else), NO_MEMORY. */
enum hf_status hf_worker_open(const struct hf_worker_options *options,
                              struct hf_worker **out);
/* Ends the links at once; requests held go to other workers. Not from a callback, and
 * after every call on the worker has returned. NULL is legal. */
void hf_worker_close(struct hf_worker *worker);
/* Takes no more requests, waits until those held are answered and acknowledged, at most
 * timeout_ms (90,000 is the cluster's own limit), then says goodbye to the brokers.
 * Wakes hf_receive with STOPPED. TIMEOUT when some were left. Not from a callback. */
enum hf_status hf_shutdown(struct hf_worker *worker, int64_t timeout_ms);
/* Asks every broker for requests of this queue (at most 16 queues, each name once).
 * What the token does not allow is refused by the broker, logged and asked for again.
 */
enum hf_status hf_open_queue(struct hf_worker *worker, const char *queue);

/* Blocking form: waits for a request; timeout_ms -1 = for ever. With HF_RECEIVE_BODY it
 * is handed out when its whole body has arrived (TOO_BIG ones are answered 413), with
 * HF_RECEIVE_HEADERS at once. OK, TIMEOUT, STOPPED. */
#define HF_RECEIVE_HEADERS 0u
#define HF_RECEIVE_BODY    1u
enum hf_status hf_receive(struct hf_worker *worker, unsigned flags, int64_t timeout_ms,
                          struct hf_request **out);

/* What was asked. `path` is canonical; `query` is without '?' and data NULL when there
 * is none; `fields` are lines "Name: value\r\n" as the client sent them, in order. */
struct hf_view hf_request_method(const struct hf_request *request);
struct hf_view hf_request_path(const struct hf_request *request);
struct hf_view hf_request_query(const struct hf_request *request);
struct hf_view hf_request_scheme(const struct hf_request *request);
struct hf_view hf_request_host(const struct hf_request *request);
struct hf_view hf_request_client_ip(const struct hf_request *request);
struct hf_view hf_request_fields(const struct hf_request *request);
/* Value number `index` (from 0) of the fields of that name, in any case. */
struct hf_view hf_request_field(const struct hf_request *request, const char *name,
                                size_t index);
/* 36 characters and NUL, valid as long as the request. */
const char *hf_request_id(const struct hf_request *request);
/* 1 for the first delivery; more when an earlier worker failed or died. */
uint32_t hf_request_attempt(const struct hf_request *request);
/* Rises with each delivery of anything: a fencing token for what you write elsewhere.
 */
uint64_t hf_request_epoch(const struct hf_request *request);
/* Until the client gets a 504; 0 when it is over. */
int64_t hf_time_left_ms(const struct hf_request *request);

/* One pointer of yours per request, NULL at first. The library does not look at it. */
void hf_request_set_user(struct hf_request *request, void *user);
void *hf_request_user(const struct hf_request *request);

/* The whole body, when it was waited for; else, and without a body, empty. */
struct hf_view hf_request_body(const struct hf_request *request);
uint64_t hf_request_body_bytes(const struct hf_request *request);
/* Reads what is there, at most `bytes` (>= 1) of it: OK with *read_bytes >= 1; END;
 * CANCELLED. Without any byte it waits, or with threads = 0 returns WAIT. */
enum hf_status hf_read_body(struct hf_request *request, void *to, size_t bytes,
                            size_t *read_bytes);

struct hf_answer {
    int status;         /* 200..599 */
    const char *fields; /* lines "Name: value\r\n"; NULL = none. Length, framing,
                           Connection, Date and Server are the frontend's own */
    size_t fields_bytes;
    const void *body;
    size_t body_bytes;
    /* With HF_SEND_MORE, or for HEAD: the declared length; else leave them zero. */
    bool has_length;
    uint64_t content_length;
};

#define HF_SEND_MORE       1u /* the body goes on with hf_send_body */
#define HF_SEND_DISCONNECT 2u /* hf_send_body only: break the response off */

/* Begins the answer, and without HF_SEND_MORE ends the request. Everything is copied.
 * The body of an answer to HEAD, or with status 204 or 304, is left out (its length is
 * still declared for HEAD).
 * OK; INVALID (a bad status or field: nothing was sent); TOO_BIG; NO_MEMORY; CANCELLED
 * (without HF_SEND_MORE the request is ended all the same). */
enum hf_status hf_send_response(struct hf_request *request,
                                const struct hf_answer *answer, unsigned flags);
/* More of the body; bytes may be 0. Without HF_SEND_MORE it ends the request. Waits
 * while the client is slow; with threads = 0 it takes what it can into *accepted_bytes,
 * and ends the request only when that is everything: else WAIT, on_writable follows,
 * and the rest is to be offered again. accepted_bytes may be NULL where it waits. OK,
 * WAIT, INVALID, CANCELLED (with the request ended if HF_SEND_MORE was not set). */
enum hf_status hf_send_body(struct hf_request *request, const void *data, size_t bytes,
                            unsigned flags, size_t *accepted_bytes);
/* Gives up and ends the request: before any response as one failed attempt (the queue
 * decides whether there is another), afterwards by breaking the response off. */
void hf_cancel(struct hf_request *request);
/* Ends the request as never started: another worker gets it, no attempt is counted.
 * INVALID (and nothing is done) after a response has begun. */
enum hf_status hf_release(struct hf_request *request);

/* Waits until nobody waits for the answer any more: CANCELLED, or TIMEOUT. */
enum hf_status hf_wait_disconnect(struct hf_request *request, int64_t timeout_ms);
bool hf_is_cancelled(const struct hf_request *request);

/* Calls fn(ctx, request) once after delay_ms, on a thread of the library, unless the
 * request has ended before. One call per request may wait; INVALID when one does. */
enum hf_status hf_call_later(struct hf_request *request, int64_t delay_ms,
                             void (*fn)(void *ctx, struct hf_request *request));

/* A handler module: a shared object that exports `hf_module`. `holdfast-worker --module
 * FILE` loads it, calls init with the text of --module-config ("" without), and serves
 * with ctx = what init stored in *ctx. init returns 0 or ends the program. */
struct hf_module {
    uint32_t abi; /* HF_WORKER_ABI */
    const char *name;
    uint32_t threads;
    struct hf_handler handler;
    int (*init)(const char *config, void **ctx); /* may be NULL */
    void (*fini)(void *ctx);                     /* may be NULL */
};

#define HF_MODULE_SYMBOL "hf_module"

#ifdef __cplusplus
}
#endif

#endif
