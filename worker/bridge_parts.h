/* The parts of the bridge: one exchange with the app, its request, its response head.
 */
#ifndef HF_WORKER_BRIDGE_PARTS_H
#define HF_WORKER_BRIDGE_PARTS_H

#include "worker/bridge.h"

struct curl_slist;

#pragma GCC visibility push(hidden)

/* One request on its way through libcurl. Reused with its easy handle. */
struct exchange {
    struct hf_list node; /* busy or idle */
    struct wk_bridge *bridge;
    void *easy;                 /* CURL */
    struct hf_request *request; /* NULL when idle */
    struct curl_slist *fields;  /* of the request */
    struct hf_buf target;       /* path and query, NUL-terminated */
    struct hf_buf head;         /* response fields as they come */
    struct hf_buf spill;        /* response bytes the window had no room for */
    int status;                 /* of the response; 0 before */
    bool is_head;               /* HEAD: ends with the response's head */
    bool is_uploading;
    bool has_answered; /* hf_send_response was called */
    bool is_recv_paused;
    bool is_bad;      /* the app broke HTTP */
    bool is_cut;      /* to be ended at the end of the turn */
    bool is_finished; /* libcurl is done; `result` holds */
    int result;       /* CURLcode */
};

struct wk_bridge {
    struct wk_bridge_config config;
    struct hf_worker *worker;
    void *multi; /* CURLM */
    struct hf_timer *timer;
    struct hf_list busy;
    struct hf_list idle;
    bool has_new; /* requests that libcurl has not begun */
    char url[WK_UPSTREAM_BYTES + 16];
    char unix_path[WK_UPSTREAM_BYTES];
};

/* bridge_request.c: sets the easy handle up for the request of the exchange. */
HF_MUST_USE hf_err bridge_request_prepare(struct exchange *exchange);
/* Whether libcurl may find the request sent twice no harm (RFC 9110 9.2.2, no body). */
bool bridge_request_is_repeatable(const struct exchange *exchange);

/* bridge_response.c: libcurl's callbacks. */
size_t bridge_on_header(char *bytes, size_t size, size_t count, void *ctx);
size_t bridge_on_body(char *bytes, size_t size, size_t count, void *ctx);
size_t bridge_on_read(char *bytes, size_t size, size_t count, void *ctx);
/* Sends what the window had no room for; libcurl goes on when all is sent. */
void bridge_response_resume(struct exchange *exchange);
/* The transfer is over: completes, fails or breaks off the response. */
void bridge_response_end(struct exchange *exchange);

#pragma GCC visibility pop

#endif
