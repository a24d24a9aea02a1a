/* Owns the admin server: connections, bounds, routing. What the handlers answer is not
 * its business. */
#include "lib/io/admin.h"

#include "lib/base/list.h"
#include "lib/base/stat.h"
#include "lib/http/parser.h"
#include "lib/http/write.h"
#include "lib/io/clock.h"
#include "lib/io/conn.h"

#include <stdlib.h>
#include <string.h>

#define CONNS_MAX          64
#define BODY_BYTES_MAX     (1u << 20)
#define RESPONSE_BYTES_MAX (64u << 20)
#define HEAD_BYTES_MAX     65536
#define QUEUED_BYTES_MAX   (1u << 20) /* pipelined further: closed */
#define REQUEST_US         10000000
#define IDLE_US            60000000
#define SWEEP_MS           1000

static struct hf_stat refused = {
    "holdfast_admin_connections_refused_total",
    "Connections beyond what an admin address has at once.", HF_STAT_COUNTER, 0};

struct hf_admin {
    struct hf_loop *loop;
    struct hf_listener *listener;
    struct hf_timer *sweep;
    const struct hf_admin_route *routes;
    size_t routes_count;
    void *ctx;
    struct hf_list conns;
    size_t conns_count;
};

struct admin_conn {
    struct hf_list node;
    struct hf_admin *admin; /* NULL when it has been closed */
    struct hf_conn *conn;
    struct hf_http_parser *parser;
    struct hf_buf body;
    int64_t since_us; /* of the last change between idle and busy */
    bool is_closing;
};

static bool prefix_matches(const char *prefix, hf_slice path)
{
    hf_slice rest;
    hf_slice start = hf_slice_of_cstr(prefix);

    if (!hf_slice_starts_with(path, start)) {
        return false;
    }
    rest = hf_slice_skip(path, start.bytes);
    return rest.bytes == 0 || rest.data[0] == '/' ||
           (start.bytes > 0 && start.data[start.bytes - 1] == '/');
}

/* Longest prefix; within it the method decides. NULL with *status set: none. */
static const struct hf_admin_route *find_route(const struct hf_admin *admin,
                                               const struct hf_admin_request *request,
                                               int *status)
{
    const struct hf_admin_route *best = NULL;
    size_t longest = 0;

    *status = 404;
    for (size_t i = 0; i < admin->routes_count; i++) {
        const struct hf_admin_route *route = &admin->routes[i];
        size_t bytes = strlen(route->prefix);

        if (!prefix_matches(route->prefix, request->path) || bytes < longest) {
            continue;
        }
        if (bytes > longest) {
            best = NULL;
            longest = bytes;
        }
        *status = 405;
        if (strcmp(route->method, "*") == 0 ||
            hf_slice_equal(request->method, hf_slice_of_cstr(route->method))) {
            best = route;
        }
    }
    return best;
}

static void run_handler(struct hf_admin *admin, const struct hf_admin_request *request,
                        struct hf_admin_response *response)
{
    const struct hf_admin_route *route = find_route(admin, request, &response->status);

    if (route == NULL) {
        return;
    }
    response->status = 200;
    route->fn(admin->ctx, request, response);
}

static hf_err write_head(struct hf_buf *out, const struct hf_http_asker *asker,
                         const struct hf_admin_response *response,
                         struct hf_http_framed *framed)
{
    char date[HF_HTTP_DATE_BYTES + 1];
    struct hf_buf fields;
    struct hf_http_response_head head = {.status = response->status,
                                         .length = HF_HTTP_LENGTH_KNOWN,
                                         .body_bytes = hf_buf_bytes(&response->body)};
    hf_err err;

    hf_buf_init(&fields, 1024);
    err = hf_buf_printf(&fields, "Content-Type: %s\r\nCache-Control: no-store\r\n",
                        response->content_type);
    if (err == HF_OK) {
        hf_http_date(hf_clock_now(), date);
        head.fields = hf_buf_slice(&fields);
        head.date = hf_slice_of_cstr(date);
        err = hf_http_write_response(out, asker, &head, framed);
    }
    hf_buf_fini(&fields);
    return err;
}

static void close_conn(struct admin_conn *c)
{
    c->is_closing = true;
    hf_conn_close(c->conn);
}

/* FIN after what waits; the client's own close ends it, or the sweep does. */
static void finish_conn(struct admin_conn *c)
{
    c->is_closing = true;
    hf_conn_pause(c->conn);
    hf_conn_shutdown(c->conn);
    hf_conn_resume(c->conn);
}

static void reply(struct admin_conn *c, const struct hf_http_asker *asker,
                  const struct hf_admin_response *response)
{
    struct hf_http_framed framed = {HF_HTTP_FRAMING_NONE, true};
    struct hf_buf head;
    hf_slice parts[2];
    hf_err err;

    hf_buf_init(&head, HEAD_BYTES_MAX);
    err = write_head(&head, asker, response, &framed);
    if (err == HF_OK) {
        parts[0] = hf_buf_slice(&head);
        parts[1] = framed.framing == HF_HTTP_FRAMING_LENGTH
                       ? hf_buf_slice(&response->body)
                       : HF_SLICE_EMPTY;
        err = hf_conn_write(c->conn, parts, 2);
    }
    hf_buf_fini(&head);
    if (err != HF_OK ||
        hf_conn_queued_bytes(c->conn) > QUEUED_BYTES_MAX + parts[1].bytes) {
        close_conn(c);
    } else if (framed.is_close) {
        finish_conn(c);
    }
}

static void refuse(struct admin_conn *c, int status)
{
    struct hf_admin_response response = {.status = status,
                                         .content_type = "text/plain"};
    const struct hf_http_asker asker = {HF_HTTP_GET, 1, false};

    hf_buf_init(&response.body, 1);
    reply(c, &asker, &response);
}

static void serve(struct admin_conn *c)
{
    const struct hf_http_head *head = hf_http_parser_head(c->parser);
    size_t query_at = hf_slice_find(head->target, '?');
    const struct hf_admin_request request = {
        .method = head->method_text,
        .path = hf_slice_first(head->target, query_at),
        .query = hf_slice_skip(head->target, query_at + 1),
        .body = hf_buf_slice(&c->body)};
    const struct hf_http_asker asker = {head->method, head->version_minor,
                                        head->is_keep_alive};
    struct hf_admin_response response = {.status = 200,
                                         .content_type = "application/json"};

    hf_buf_init(&response.body, RESPONSE_BYTES_MAX);
    run_handler(c->admin, &request, &response);
    reply(c, &asker, &response);
    hf_buf_fini(&response.body);
    hf_buf_fini(&c->body);
}

static void on_head(struct admin_conn *c)
{
    const struct hf_http_head *head = hf_http_parser_head(c->parser);
    hf_slice go_on = HF_HTTP_CONTINUE;

    if (!hf_http_parser_limit_body(c->parser, BODY_BYTES_MAX)) {
        return;
    }
    if (head->expects_continue && hf_conn_write(c->conn, &go_on, 1) != HF_OK) {
        close_conn(c);
    }
}

/* False when nothing more is to be read from this input. */
static bool handle(struct admin_conn *c, const struct hf_http_step *step)
{
    switch (step->event) {
    case HF_HTTP_AT_END:
        return false;
    case HF_HTTP_AT_HEAD:
        on_head(c);
        break;
    case HF_HTTP_AT_BODY:
        if (hf_buf_append(&c->body, step->body) != HF_OK) {
            refuse(c, 413);
            return false;
        }
        break;
    case HF_HTTP_AT_DONE:
        serve(c);
        hf_http_parser_next(c->parser);
        c->since_us = hf_clock_monotonic_us();
        break;
    case HF_HTTP_AT_ERROR:
        refuse(c, hf_reason_status(step->reason) != 0 ? hf_reason_status(step->reason)
                                                      : 400);
        return false;
    }
    return !c->is_closing;
}

static void on_data(void *ctx, struct hf_conn *conn, hf_slice bytes)
{
    struct admin_conn *c = ctx;
    struct hf_http_step step;
    bool goes_on = !c->is_closing;

    (void)conn;
    if (goes_on && hf_http_parser_is_idle(c->parser)) {
        c->since_us = hf_clock_monotonic_us();
    }
    while (goes_on) {
        hf_http_parser_feed(c->parser, bytes, &step);
        bytes = hf_slice_skip(bytes, step.consumed);
        goes_on = handle(c, &step);
    }
}

static void free_conn(struct admin_conn *c)
{
    hf_http_parser_free(c->parser);
    hf_buf_fini(&c->body);
    free(c);
}

static void on_closed(void *ctx, struct hf_conn *conn, hf_err why)
{
    struct admin_conn *c = ctx;

    (void)conn;
    (void)why;
    if (c->admin != NULL) {
        hf_list_remove(&c->node);
        c->admin->conns_count--;
    }
    free_conn(c);
}

static const struct hf_conn_events conn_events = {.on_data = on_data,
                                                  .on_closed = on_closed};

static void on_accept(void *ctx, struct hf_conn *conn)
{
    struct hf_admin *admin = ctx;
    struct hf_http_limits limits = {0};
    struct admin_conn *c = calloc(1, sizeof *c);

    if (c == NULL || admin->conns_count == CONNS_MAX ||
        hf_http_parser_new(limits, &c->parser) != HF_OK) {
        hf_stat_add(&refused, 1);
        free(c);
        hf_conn_close(conn);
        return;
    }
    c->admin = admin;
    c->conn = conn;
    c->since_us = hf_clock_monotonic_us();
    hf_buf_init(&c->body, BODY_BYTES_MAX);
    hf_list_push_back(&admin->conns, &c->node);
    admin->conns_count++;
    hf_conn_start(conn, &conn_events, c);
}

static void on_sweep(void *ctx)
{
    struct hf_admin *admin = ctx;
    int64_t now = hf_clock_monotonic_us();

    HF_LIST_FOR(node, &admin->conns)
    {
        struct admin_conn *c = HF_CONTAINER(node, struct admin_conn, node);
        bool is_idle = !c->is_closing && hf_http_parser_is_idle(c->parser);

        if (now - c->since_us > (is_idle ? IDLE_US : REQUEST_US)) {
            close_conn(c);
        }
    }
}

hf_err hf_admin_open(struct hf_loop *loop, const struct hf_admin_config *config,
                     struct hf_admin **out)
{
    const struct hf_listener_config listening = {.address = config->address,
                                                 .backlog = CONNS_MAX,
                                                 .unix_mode = config->unix_mode};
    struct hf_admin *admin = calloc(1, sizeof *admin);
    hf_err err;

    if (admin == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    admin->loop = loop;
    admin->routes = config->routes;
    admin->routes_count = config->routes_count;
    admin->ctx = config->ctx;
    hf_list_init(&admin->conns);
    err = hf_timer_open(loop, on_sweep, admin, &admin->sweep);
    if (err == HF_OK) {
        err = hf_listener_open(loop, &listening, on_accept, admin, &admin->listener);
    }
    if (err != HF_OK) {
        hf_admin_close(admin);
        return err;
    }
    hf_timer_set_every_ms(admin->sweep, SWEEP_MS);
    *out = admin;
    return HF_OK;
}

hf_err hf_admin_stats_render(struct hf_buf *out)
{
    return hf_stat_render(out, &refused, "");
}

uint16_t hf_admin_port(const struct hf_admin *admin)
{
    struct hf_addr addr;

    hf_listener_address(admin->listener, &addr);
    return addr.port;
}

void hf_admin_close(struct hf_admin *admin)
{
    if (admin == NULL) {
        return;
    }
    hf_listener_close(admin->listener);
    hf_timer_close(admin->sweep);
    HF_LIST_FOR(node, &admin->conns)
    {
        struct admin_conn *c = HF_CONTAINER(node, struct admin_conn, node);

        c->admin = NULL;
        close_conn(c);
    }
    free(admin);
}
