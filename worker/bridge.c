/* libcurl on the worker's loop: its sockets, its timer, its finished transfers. */
#include "worker/bridge_parts.h"

#include "lib/io/clock.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BRIDGE_SPILL_MAX    (4u << 20)
#define BRIDGE_CONNECT_MS   5000L
#define BRIDGE_IDLE_S       30L
#define BRIDGE_BUFFER_BYTES 65536L

static bool split_upstream(const char *upstream, const char **host, const char **path)
{
    *host = NULL;
    *path = NULL;
    if (strncmp(upstream, "unix:/", 6) == 0) {
        *path = upstream + 5;
        return true;
    }
    if (strncmp(upstream, "http://", 7) != 0 || upstream[7] == '\0') {
        return false;
    }
    *host = upstream + 7;
    return true;
}

bool wk_bridge_address(const char *upstream, char out[WK_UPSTREAM_BYTES])
{
    const char *host;
    const char *path;
    int written;

    if (!split_upstream(upstream, &host, &path)) {
        return false;
    }
    if (path != NULL) {
        written = snprintf(out, WK_UPSTREAM_BYTES, "unix:%s", path);
    } else {
        size_t bytes = strcspn(host, "/");
        bool has_port = memchr(host, ':', bytes) != NULL;
        bool is_local = bytes >= 9 && memcmp(host, "localhost", 9) == 0;

        /* hf_conn_dial resolves no names. */
        written =
            snprintf(out, WK_UPSTREAM_BYTES, "%s%.*s%s", is_local ? "127.0.0.1" : "",
                     (int)(bytes - (is_local ? 9 : 0)), host + (is_local ? 9 : 0),
                     has_port ? "" : ":80");
        if (host[bytes] != '\0' && host[bytes + 1] != '\0') {
            return false; /* a path: the request's own is used */
        }
    }
    return written > 0 && written < WK_UPSTREAM_BYTES;
}

bool wk_bridge_is_name(const char *address)
{
    return address[0] != '[' && strncmp(address, "unix:", 5) != 0 &&
           strspn(address, "0123456789.:") != strlen(address);
}

static void exchange_free(struct exchange *exchange)
{
    if (exchange->easy != NULL) {
        curl_easy_cleanup(exchange->easy);
    }
    curl_slist_free_all(exchange->fields);
    hf_buf_fini(&exchange->target);
    hf_buf_fini(&exchange->head);
    hf_buf_fini(&exchange->spill);
    free(exchange);
}

/* Options that are the same for every request. */
static bool set_fixed(struct exchange *exchange)
{
    struct wk_bridge *bridge = exchange->bridge;
    CURL *e = exchange->easy;
    const char *path = bridge->unix_path[0] == '\0' ? NULL : bridge->unix_path;

    return curl_easy_setopt(e, CURLOPT_PRIVATE, exchange) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_URL, bridge->url) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
               CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, BRIDGE_CONNECT_MS) ==
               CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, BRIDGE_IDLE_S) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BRIDGE_BUFFER_BYTES) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, BRIDGE_BUFFER_BYTES) ==
               CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, bridge_on_header) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERDATA, exchange) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, bridge_on_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_READFUNCTION, bridge_on_read) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_READDATA, exchange) == CURLE_OK;
}

static struct exchange *exchange_get(struct wk_bridge *bridge)
{
    struct hf_list *node = hf_list_pop_front(&bridge->idle);

    if (node != NULL) {
        return HF_CONTAINER(node, struct exchange, node);
    }

    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL) {
        return NULL;
    }
    exchange->bridge = bridge;
    hf_buf_init(&exchange->target, HF_HEAD_MAX + 2);
    hf_buf_init(&exchange->head, HF_HEAD_MAX);
    hf_buf_init(&exchange->spill, BRIDGE_SPILL_MAX);
    exchange->easy = curl_easy_init();
    if (exchange->easy == NULL || !set_fixed(exchange)) {
        exchange_free(exchange);
        return NULL;
    }
    return exchange;
}

/* Off libcurl and ready for another request. */
static void exchange_put(struct exchange *exchange)
{
    struct wk_bridge *bridge = exchange->bridge;

    (void)curl_multi_remove_handle(bridge->multi, exchange->easy);
    curl_slist_free_all(exchange->fields);
    exchange->fields = NULL;
    hf_buf_clear(&exchange->target);
    hf_buf_clear(&exchange->head);
    hf_buf_fini(&exchange->spill);
    exchange->request = NULL;
    exchange->status = 0;
    exchange->has_answered = exchange->is_recv_paused = exchange->is_bad = false;
    exchange->is_cut = exchange->is_finished = false;
    exchange->result = CURLE_OK;
    hf_list_remove(&exchange->node);
    hf_list_push_front(&bridge->idle, &exchange->node);
}

static void on_request(void *ctx, struct hf_request *request)
{
    struct wk_bridge *bridge = ctx;
    struct exchange *exchange = exchange_get(bridge);

    if (exchange == NULL) {
        (void)hf_release(request);
        return;
    }
    exchange->request = request;
    hf_list_push_back(&bridge->busy, &exchange->node);
    if (bridge_request_prepare(exchange) != HF_OK ||
        curl_multi_add_handle(bridge->multi, exchange->easy) != CURLM_OK) {
        /* Given back, it would come again at once, to us or to another, for ever. */
        exchange_put(exchange);
        HF_WARN("request cannot be passed on", hf_log_id("request", request->id));
        wk_cancel(request, HF_REASON_UPSTREAM);
        return;
    }
    hf_request_set_user(request, exchange);
    bridge->has_new = true;
}

static void on_body(void *ctx, struct hf_request *request)
{
    struct exchange *exchange = hf_request_user(request);

    (void)ctx;
    if (exchange != NULL && !exchange->is_finished) {
        (void)curl_easy_pause(
            exchange->easy, exchange->is_recv_paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
    }
}

static void on_writable(void *ctx, struct hf_request *request)
{
    struct exchange *exchange = hf_request_user(request);

    (void)ctx;
    if (exchange != NULL) {
        bridge_response_resume(exchange);
    }
}

/* Taking an unfinished transfer off libcurl closes its connection (row 79). */
static void on_cancel(void *ctx, struct hf_request *request)
{
    struct exchange *exchange = hf_request_user(request);

    (void)ctx;
    if (exchange != NULL) {
        exchange_put(exchange);
    }
    hf_cancel(request);
}

const struct hf_handler wk_bridge_handler = {
    .handle = on_request,
    .on_body = on_body,
    .on_writable = on_writable,
    .on_cancel = on_cancel,
};

static void act(struct wk_bridge *bridge, curl_socket_t fd, int events)
{
    int running = 0;

    (void)curl_multi_socket_action(bridge->multi, fd, events, &running);
}

static void on_timer(void *ctx)
{
    act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
    struct wk_bridge *bridge = ctx;

    (void)multi;
    hf_timer_set(bridge->timer, timeout_ms < 0
                                    ? HF_TIME_NEVER
                                    : hf_time_add_ms(hf_clock_now(), timeout_ms));
    return 0;
}

/* One of libcurl's sockets and our watch on it. */
struct socket_watch {
    struct wk_bridge *bridge;
    struct hf_watch *watch;
    curl_socket_t fd;
};

static void on_ready(void *ctx, int events, hf_err err)
{
    struct socket_watch *socket = ctx;
    int action = 0;

    action |= (events & HF_WATCH_READ) != 0 ? CURL_CSELECT_IN : 0;
    action |= (events & HF_WATCH_WRITE) != 0 ? CURL_CSELECT_OUT : 0;
    action |= err != HF_OK ? CURL_CSELECT_ERR : 0;
    act(socket->bridge, socket->fd, action);
}

static struct socket_watch *socket_open(struct wk_bridge *bridge, curl_socket_t fd)
{
    struct socket_watch *socket = calloc(1, sizeof *socket);

    if (socket == NULL) {
        return NULL;
    }
    socket->bridge = bridge;
    socket->fd = fd;
    if (hf_watch_open(bridge->worker->loop, fd, on_ready, socket, &socket->watch) !=
            HF_OK ||
        curl_multi_assign(bridge->multi, fd, socket) != CURLM_OK) {
        if (socket->watch != NULL) {
            hf_watch_close(socket->watch);
        }
        free(socket);
        return NULL;
    }
    return socket;
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx,
                            void *socket_ctx)
{
    struct wk_bridge *bridge = ctx;
    struct socket_watch *socket = socket_ctx;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket != NULL) {
            hf_watch_close(socket->watch);
            free(socket);
        }
        return 0;
    }
    if (socket == NULL && (socket = socket_open(bridge, fd)) == NULL) {
        return -1;
    }
    events |= (what & CURL_POLL_IN) != 0 ? HF_WATCH_READ : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? HF_WATCH_WRITE : 0;
    return hf_watch_set(socket->watch, events) == HF_OK ? 0 : -1;
}

static void gather_finished(struct wk_bridge *bridge)
{
    CURLMsg *message;
    int left = 0;

    while ((message = curl_multi_info_read(bridge->multi, &left)) != NULL) {
        struct exchange *exchange = NULL;

        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange) ==
                CURLE_OK) {
            exchange->is_finished = true;
            exchange->result = (int)message->data.result;
        }
    }
}

/* Ends what is over, once the window has taken all of it. */
static void on_turn_end(void *ctx)
{
    struct wk_bridge *bridge = ctx;

    if (bridge->has_new) {
        bridge->has_new = false;
        act(bridge, CURL_SOCKET_TIMEOUT, 0); /* starts them in this turn */
    }
    gather_finished(bridge);
    HF_LIST_FOR(node, &bridge->busy)
    {
        struct exchange *exchange = HF_CONTAINER(node, struct exchange, node);

        if (exchange->is_cut || (exchange->is_finished && !exchange->is_recv_paused)) {
            bridge_response_end(exchange);
            exchange_put(exchange);
        }
    }
}

hf_err wk_bridge_open(const struct wk_bridge_config *config, struct wk_bridge **out)
{
    struct wk_bridge *bridge;
    const char *host;
    const char *path;

    if (!split_upstream(config->upstream, &host, &path)) {
        return HF_ERR_INVALID;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (bridge = calloc(1, sizeof *bridge)) == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    bridge->config = *config;
    hf_list_init(&bridge->busy);
    hf_list_init(&bridge->idle);
    (void)snprintf(bridge->url, sizeof bridge->url, "http://%s/",
                   host == NULL ? "localhost" : host);
    (void)snprintf(bridge->unix_path, sizeof bridge->unix_path, "%s",
                   path == NULL ? "" : path);
    bridge->multi = curl_multi_init();
    if (bridge->multi == NULL) {
        free(bridge);
        return HF_ERR_NO_MEMORY;
    }
    *out = bridge;
    return HF_OK;
}

hf_err wk_bridge_attach(struct wk_bridge *bridge, struct hf_worker *worker)
{
    CURLM *m = bridge->multi;
    long kept = (long)bridge->config.concurrency;

    bridge->worker = worker;
    worker->on_turn_end = on_turn_end;
    worker->on_turn_end_ctx = bridge;
    if (hf_timer_open(worker->loop, on_timer, bridge, &bridge->timer) != HF_OK ||
        curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket_wanted) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_SOCKETDATA, bridge) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer_wanted) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_TIMERDATA, bridge) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, kept) != CURLM_OK) {
        return HF_ERR_NO_MEMORY;
    }
    return HF_OK;
}

void wk_bridge_close(struct wk_bridge *bridge)
{
    struct hf_list *node;

    if (bridge == NULL) {
        return;
    }
    while ((node = hf_list_first(&bridge->busy)) != NULL) {
        exchange_put(HF_CONTAINER(node, struct exchange, node));
    }
    if (bridge->worker != NULL) {
        bridge->worker->on_turn_end = NULL;
    }
    while ((node = hf_list_pop_front(&bridge->idle)) != NULL) {
        exchange_free(HF_CONTAINER(node, struct exchange, node));
    }
    (void)curl_multi_cleanup(bridge->multi);
    hf_timer_close(bridge->timer);
    curl_global_cleanup();
    free(bridge);
}
