/* The one reason code: the same word in a problem+json answer, a log line, a metric
 * label and the error log. Names are HTTP.sys's reason phrases where it has one
 * (FEATURES 1.1), otherwise ours in kebab-case. A row: enumerator, name, HTTP status a
 * client gets (0 = a client never sees it), sentence for people. */
#ifndef HF_BASE_REASON_H
#define HF_BASE_REASON_H

#include "lib/base/slice.h"

#define HF_REASON_TABLE(X)                                                             \
    X(NONE, "none", 0, "answered")                                                     \
    X(BAD_REQUEST, "BadRequest", 400, "the request is malformed")                      \
    X(URL, "URL", 400, "the request target is malformed")                              \
    X(HOSTNAME, "Hostname", 400, "the Host field is missing, repeated or malformed")   \
    X(HEADER, "Header", 400, "a header field is malformed")                            \
    X(NUMBER, "Number", 400, "a length is not a plain decimal number")                 \
    X(REQUEST_LENGTH, "RequestLength", 431, "the header section exceeds the limit")    \
    X(FIELD_LENGTH, "FieldLength", 431, "a header field exceeds the limit")            \
    X(URL_LENGTH, "URL_Length", 414, "the request line exceeds the limit")             \
    X(VERB, "Verb", 405, "the method is not allowed here")                             \
    X(VERSION, "Version_N/S", 505, "the HTTP version is not supported")                \
    X(TRANSFER_CODING, "N/I", 501, "the transfer coding is not implemented")           \
    X(EXPECTATION, "Expectation", 417, "only 100-continue can be expected")            \
    X(ENTITY_TOO_LARGE, "EntityTooLarge", 413, "the body exceeds the limit")           \
    X(TIMER_HEADER_WAIT, "Timer_HeaderWait", 408,                                      \
      "the header took too long to arrive")                                            \
    X(TIMER_ENTITY_BODY, "Timer_EntityBody", 408, "the body took too long to arrive")  \
    X(TIMER_MIN_BYTES, "Timer_MinBytesPerSecond", 408, "the transfer is too slow")     \
    X(TIMER_IDLE, "Timer_ConnectionIdle", 0, "the connection was idle too long")       \
    X(NOT_FOUND, "not-found", 404, "no URL group claims this URL")                     \
    X(UNBOUND, "unbound", 503, "the URL group is bound to no queue")                   \
    X(QUEUE_FULL, "QueueFull", 503, "the queue is at its limit")                       \
    X(DISK_FULL, "DiskFull", 503, "the broker's store is at its limit")                \
    X(APP_POOL_TIMER, "AppPoolTimer", 503, "no worker took the request in time")       \
    X(DEADLINE, "deadline", 504, "the request was not answered by its deadline")       \
    X(WORKER_LOST, "worker-lost", 502, "the worker died after it had started")         \
    X(OUTCOME_UNKNOWN, "outcome-unknown", 502,                                         \
      "worker and broker died; the request may have run")                              \
    X(BAD_RESPONSE, "bad-response", 502, "the worker's response breaks HTTP")          \
    X(UPSTREAM, "upstream", 502, "the application did not answer the bridge")          \
    X(UPSTREAM_TIMEOUT, "upstream-timeout", 504, "the application took too long")      \
    X(ATTEMPTS, "attempts", 502, "every attempt allowed has failed")                   \
    X(RESPONSE_BROKEN, "response-broken", 0, "the response broke off after its head")  \
    X(BROKER_LOST, "broker-lost", 503, "no broker could be reached in time")           \
    X(NO_ROUTES, "no-routes", 503, "the frontend has no routing snapshot yet")         \
    X(APP_SHUTDOWN, "AppShutdown", 503, "the service is draining")                     \
    X(DISABLED, "Disabled", 503, "the queue is disabled")                              \
    X(CONN_LIMIT, "ConnLimit", 503, "the connection limit is reached")                 \
    X(CLIENT_GONE, "Connection_Dropped", 0, "the client closed the connection")        \
    X(CANCELLED, "cancelled", 0, "the request was cancelled")                          \
    X(DENIED, "denied", 403, "the operation is not allowed")                           \
    X(DUPLICATE, "duplicate", 0, "the request is already known")                       \
    X(REVOKED, "revoked", 0, "the session's token was revoked")                        \
    X(EXPIRED, "expired", 0, "the session's token has expired")                        \
    X(PROTOCOL, "protocol", 0, "the peer broke the protocol")                          \
    X(LIMIT, "limit", 0, "the peer exceeded a limit")                                  \
    X(INTERNAL, "Internal", 500, "an internal limit was reached")                      \
    X(RATE_LIMIT, "RateLimit", 503,                                                    \
      "the sender's limit of requests a second is reached")                            \
    X(POISON, "poison", 502, "the request crashes its workers")                        \
    X(TOO_MANY, "TooManyRequests", 429,                                                \
      "the queue takes no more requests at this rate")                                 \
    X(GONE, "gone", 410, "the response is not kept any longer")

typedef enum hf_reason {
#define X(name, word, status, text) HF_REASON_##name,
    HF_REASON_TABLE(X)
#undef X
        HF_REASON_COUNT
} hf_reason;

const char *hf_reason_word(hf_reason reason);
int hf_reason_status(hf_reason reason);
const char *hf_reason_text(hf_reason reason);

#endif
