/* The small HTTP/1.1 server for /livez, /readyz, /metrics and the controller's JSON
 * API, and the blocking client of the command line.
 *
 * Bounded: 64 connections, 16 KiB head, 1 MiB request body, 10 s per request. It is not
 * the edge: it listens on a unix socket of mode 0600 or on an address for probes. */
#ifndef HF_IO_ADMIN_H
#define HF_IO_ADMIN_H

#include "lib/base/buf.h"
#include "lib/io/loop.h"

struct hf_admin;

struct hf_admin_request {
    hf_slice method; /* "GET" */
    hf_slice path;   /* without the query, not decoded */
    hf_slice query;  /* after '?', empty when none */
    hf_slice body;
};

struct hf_admin_response {
    int status;               /* 200 when untouched */
    const char *content_type; /* "application/json" when untouched */
    struct hf_buf body;       /* <= 64 MiB; owned by the server */
};

/* Runs on the loop's thread and answers before it returns. */
typedef void (*hf_admin_fn)(void *ctx, const struct hf_admin_request *request,
                            struct hf_admin_response *response);

/* Longest prefix wins; a prefix ends at a '/' or at the end of the path. method "*" =
 * any. Unknown path: 404; known path, other method: 405. */
struct hf_admin_route {
    const char *method;
    const char *prefix; /* "/metrics" matches "/metrics" and "/metrics/x" */
    hf_admin_fn fn;
};

struct hf_admin_config {
    const char *address;                 /* as hf_listener_config.address */
    int unix_mode;                       /* 0 = 0600 */
    const struct hf_admin_route *routes; /* must outlive the server */
    size_t routes_count;
    void *ctx;
};

HF_MUST_USE hf_err hf_admin_open(struct hf_loop *loop,
                                 const struct hf_admin_config *config,
                                 struct hf_admin **out);
/* The real port when 0 was asked for; 0 for a unix socket. */
uint16_t hf_admin_port(const struct hf_admin *admin);
void hf_admin_close(struct hf_admin *admin);

/* Connections refused by the servers of this process, as Prometheus text. */
HF_MUST_USE hf_err hf_admin_stats_render(struct hf_buf *out);

/* One blocking request from a program without a loop. */
struct hf_admin_call {
    const char *address; /* "unix:/path" or "ip:port" */
    const char *method;
    const char *target; /* path and query */
    hf_slice body;
    int64_t timeout_ms;
};

/* CLOSED: nobody listens or it broke off. TIMEOUT, TOO_BIG (bounded by
 * body->bytes_max). */
HF_MUST_USE hf_err hf_admin_call(const struct hf_admin_call *call, int *status,
                                 struct hf_buf *body);

#endif
