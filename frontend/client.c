#include "frontend/client.h"

#include <stdlib.h>
#include <string.h>

#define OUT_BYTES_MAX ((size_t)64 << 20) /* windows keep it far below */
#define OUT_KEPT      65536u
#define IN_KEPT       16384u

bool fe_client_is_idle(const struct fe_client *client)
{
    return client->pipeline_count == 0 && client->reading == NULL &&
           !client->is_head_waiting && hf_buf_bytes(&client->in) == 0 &&
           (client->parser == NULL || hf_http_parser_is_idle(client->parser));
}

/* Idle: what the next request will need is with the stash until then. */
static void rest(struct fe_client *client)
{
    struct fe_stash *stash = &client->shell->stash;

    if (client->parser != NULL) {
        fe_stash_take_parser(stash, &client->parser);
    }
    if (hf_buf_bytes(&client->out) == 0) {
        fe_stash_take_out(stash, &client->out);
    }
    hf_buf_fini(&client->in);
}

static hf_err wake(struct fe_client *client)
{
    if (client->out.data == NULL) {
        fe_stash_get_out(&client->shell->stash, &client->out);
    }
    return client->parser != NULL
               ? HF_OK
               : fe_stash_get_parser(&client->shell->stash, &client->parser);
}

void fe_client_touch(struct fe_client *client)
{
    if (!hf_list_is_linked(&client->dirty)) {
        hf_list_push_back(&client->shell->dirty, &client->dirty);
    }
}

void fe_client_resume(struct fe_client *client)
{
    if (!hf_list_is_linked(&client->resumed)) {
        hf_list_push_back(&client->shell->resumed, &client->resumed);
    }
}

/* The first hold of the pipeline leaves it. */
static void retire(struct fe_client *client, struct fe_hold *hold)
{
    client->is_broken = client->is_broken || hold->is_broken;
    if (hold->is_broken || hold->framed.is_close || !hold->is_whole) {
        client->is_closing = true;
    }
    if (client->reading == hold) {
        client->reading = NULL;
    }
    hf_list_remove(&hold->place);
    client->pipeline_count--;
    hold->client = NULL;
    if (hold->is_broken && hold->slot != 0) {
        hf_list_push_back(&client->shell->orphans, &hold->place);
        return;
    }
    fe_hold_release(client->shell, hold);
}

void fe_client_advance(struct fe_client *client)
{
    struct hf_list *node;

    while ((node = hf_list_first(&client->pipeline)) != NULL) {
        struct fe_hold *hold = HF_CONTAINER(node, struct fe_hold, place);

        if (hf_buf_bytes(&hold->out) > 0) {
            client->is_broken =
                hf_buf_append(&client->out, hf_buf_slice(&hold->out)) != HF_OK ||
                client->is_broken;
            hf_buf_fini(&hold->out);
        }
        if (!hold->is_done) {
            break;
        }
        retire(client, hold);
        if (client->is_closing) {
            break; /* what follows in the pipeline is never answered */
        }
    }
    client->since = client->shell->now;
    fe_client_touch(client);
    fe_client_resume(client);
}

/* Every request that is not answered yet is cancelled. */
static void abandon(struct fe_client *client)
{
    struct hf_list *node;

    client->reading = NULL;
    while ((node = hf_list_pop_front(&client->pipeline)) != NULL) {
        struct fe_hold *hold = HF_CONTAINER(node, struct fe_hold, place);

        client->pipeline_count--;
        hold->client = NULL;
        if (hold->slot != 0) {
            fe_step(client->shell,
                    &(struct frontend_input){.type = FRONTEND_IN_CLIENT_GONE,
                                             .slot = hold->slot});
        } else {
            fe_hold_release(client->shell, hold);
        }
    }
}

void fe_client_drop(struct fe_client *client)
{
    abandon(client);
    if (!client->is_gone) {
        client->is_gone = true;
        hf_conn_close(client->conn);
    }
}

/* One event of the parser. False: nothing more can be done now. */
static bool take_event(struct fe_client *client, const struct hf_http_step *step)
{
    switch (step->event) {
    case HF_HTTP_AT_END:
        return step->consumed > 0;
    case HF_HTTP_AT_HEAD:
        hf_http_parser_limit_body(client->parser, UINT64_MAX); /* the core judges */
        client->is_head_waiting = true;
        return true;
    case HF_HTTP_AT_BODY:
        fe_request_body(client, step->body, step->is_body_end);
        return true;
    case HF_HTTP_AT_DONE:
        fe_request_body(client, HF_SLICE_EMPTY, true);
        hf_http_parser_next(client->parser);
        client->since = client->shell->now;
        return true;
    case HF_HTTP_AT_ERROR:
        fe_request_fail(client, step->reason);
        return false;
    }
    return false;
}

/* How much of the input the parser may see: a body comes no faster than the core
 * allows, and of a new request nothing while the pipeline is full. */
static bool may_feed(const struct fe_client *client, uint64_t *limit)
{
    *limit = UINT64_MAX;
    if (client->reading != NULL) {
        *limit = client->reading->credit;
        return true;
    }
    return client->pipeline_count < FE_PIPELINE_MAX;
}

/* Parses `bytes`; returns how many were used up. */
static size_t parse(struct fe_client *client, hf_slice bytes)
{
    size_t used = 0;
    bool goes_on = true;

    while (goes_on && !client->is_closing && !client->is_gone) {
        hf_slice rest = hf_slice_skip(bytes, used);
        struct hf_http_step step;
        uint64_t limit;

        if (client->is_head_waiting) {
            if (!fe_request_may_start(client)) {
                break;
            }
            client->is_head_waiting = false;
            fe_request_start(client);
            continue;
        }
        if (!may_feed(client, &limit)) {
            break;
        }
        if (hf_http_parser_is_idle(client->parser) && rest.bytes == 0) {
            break;
        }
        hf_http_parser_feed(
            client->parser,
            hf_slice_first(rest, limit < rest.bytes ? (size_t)limit : rest.bytes),
            &step);
        used += step.consumed;
        goes_on = take_event(client, &step);
    }
    return client->is_closing ? bytes.bytes : used;
}

static void pace(struct fe_client *client)
{
    bool is_full = hf_buf_bytes(&client->in) >= FE_INPUT_BYTES_MAX / 2;

    if (client->is_gone || is_full == client->is_paused) {
        return;
    }
    client->is_paused = is_full;
    if (is_full) {
        hf_conn_pause(client->conn);
    } else {
        hf_conn_resume(client->conn);
    }
}

void fe_client_work(struct fe_client *client)
{
    size_t used;

    if (client->is_gone || client->is_lingering || client->parser == NULL) {
        return;
    }
    used = parse(client, hf_buf_slice(&client->in));
    hf_buf_consume(&client->in, used);
    if (hf_buf_bytes(&client->in) == 0 && client->in.capacity > IN_KEPT) {
        hf_buf_fini(&client->in);
    }
    pace(client);
}

static void on_data(void *ctx, struct hf_conn *conn, hf_slice bytes)
{
    struct fe_client *client = ctx;
    size_t used = 0;

    (void)conn;
    if (client->is_gone || client->is_closing) {
        return; /* lingering: read and thrown away */
    }
    fe_shell_look(client->shell);
    fe_count(&client->shell->stats, FE_STAT_client_bytes_in_total,
             (int64_t)bytes.bytes);
    if (fe_client_is_idle(client)) {
        client->since = client->shell->now; /* the header's time begins */
    }
    if (wake(client) != HF_OK) {
        fe_client_drop(client);
        return;
    }
    if (hf_buf_bytes(&client->in) == 0) {
        used = parse(client, bytes);
    }
    if (used < bytes.bytes &&
        hf_buf_append(&client->in, hf_slice_skip(bytes, used)) != HF_OK) {
        fe_client_drop(client);
        return;
    }
    pace(client);
}

static void on_eof(void *ctx, struct hf_conn *conn)
{
    struct fe_client *client = ctx;

    (void)conn;
    fe_shell_look(client->shell);
    client->is_eof = true;
    if (client->pipeline_count > 0 && !client->is_closing) {
        fe_client_drop(client); /* it left while it was waiting: cancel (row 25) */
        return;
    }
    client->is_closing = true;
    fe_client_touch(client);
}

/* Everything written has left: the core may grant more of a streamed response. */
static void tell_taken(struct fe_client *client)
{
    struct hf_list *node = hf_list_first(&client->pipeline);
    struct fe_hold *hold;
    struct frontend_input input = {.type = FRONTEND_IN_CLIENT_TOOK};

    if (node == NULL) {
        return;
    }
    hold = HF_CONTAINER(node, struct fe_hold, place);
    if (hold->slot == 0 || hold->untaken == 0) {
        return;
    }
    input.slot = hold->slot;
    input.u.amount.bytes = hold->untaken;
    hold->untaken = 0;
    fe_step(client->shell, &input);
}

static void on_drained(void *ctx, struct hf_conn *conn)
{
    struct fe_client *client = ctx;

    (void)conn;
    fe_shell_look(client->shell);
    if (client->is_gone) {
        return;
    }
    tell_taken(client);
    if (client->is_lingering && client->is_eof) {
        fe_client_drop(client);
    }
}

static void on_closed(void *ctx, struct hf_conn *conn, hf_err why)
{
    struct fe_client *client = ctx;
    struct fe_shell *shell = client->shell;

    (void)conn;
    (void)why;
    client->is_gone = true;
    fe_shell_look(shell);
    abandon(client);
    hf_list_remove(&client->all);
    hf_list_remove(&client->dirty);
    hf_list_remove(&client->resumed);
    hf_http_parser_free(client->parser);
    hf_buf_fini(&client->in);
    hf_buf_fini(&client->out);
    fe_stats_move(client->meter, NULL);
    free(client);
    shell->clients_count--;
    fe_count(&shell->stats, FE_STAT_connections, -1);
    fe_accept_balance(shell);
}

static const struct hf_conn_events client_events = {on_data, on_eof, on_drained,
                                                    on_closed};

static void write_out(struct fe_client *client)
{
    hf_slice bytes = hf_buf_slice(&client->out);

    if (bytes.bytes == 0) {
        return;
    }
    if (hf_conn_write(client->conn, &bytes, 1) != HF_OK) {
        fe_client_drop(client);
        return;
    }
    client->out_total += bytes.bytes;
    fe_count(&client->shell->stats, FE_STAT_client_bytes_out_total,
             (int64_t)bytes.bytes);
    if (client->out.capacity > OUT_KEPT) {
        hf_buf_fini(&client->out);
    } else {
        hf_buf_clear(&client->out);
    }
}

static void begin_closing(struct fe_client *client)
{
    abandon(client);
    client->is_lingering = true;
    client->since = client->shell->now;
    hf_buf_fini(&client->in);
    if (client->is_eof && hf_conn_queued_bytes(client->conn) == 0) {
        fe_client_drop(client);
        return;
    }
    hf_conn_shutdown(client->conn);
    if (client->is_paused) {
        client->is_paused = false;
        hf_conn_resume(client->conn);
    }
}

void fe_client_flush(struct fe_client *client)
{
    if (client->is_gone) {
        return;
    }
    write_out(client);
    if (client->is_gone) {
        return;
    }
    if (client->is_broken) {
        abandon(client);
        client->is_gone = true;
        hf_conn_reset(client->conn);
        return;
    }
    if (hf_conn_queued_bytes(client->conn) == 0) {
        tell_taken(client);
    }
    if (client->is_closing && !client->is_lingering) {
        begin_closing(client);
    } else if (fe_client_is_idle(client)) {
        rest(client);
    }
}

void fe_client_drain(struct fe_client *client)
{
    bool is_written = hf_conn_queued_bytes(client->conn) == 0;
    bool is_overdue =
        hf_time_diff_ms(client->since, client->shell->now) >= FE_LINGER_DRAIN_MS;

    if (client->is_gone || !is_written) {
        return;
    }
    if (client->is_lingering ? is_overdue
                             : !client->is_closing && fe_client_is_idle(client) &&
                                   (client->requests_count > 0 || is_overdue)) {
        fe_client_drop(client);
    }
}

static struct hf_http_address address_of(const struct hf_addr *addr)
{
    struct hf_http_address address = {{0}};

    if (addr->ip_bytes == 16) {
        memcpy(address.bytes, addr->ip, 16);
    } else if (addr->ip_bytes == 4) {
        memset(address.bytes + 10, 0xff, 2);
        memcpy(address.bytes + 12, addr->ip, 4);
    }
    return address;
}

void fe_client_new(struct fe_shell *shell, struct hf_conn *conn)
{
    struct fe_client *client = calloc(1, sizeof *client);
    struct hf_addr addr;

    if (client == NULL) {
        hf_conn_close(conn);
        return;
    }
    client->shell = shell;
    client->conn = conn;
    client->since = shell->now;
    hf_list_init(&client->pipeline);
    hf_buf_init(&client->in, FE_INPUT_BYTES_MAX);
    hf_buf_init(&client->out, OUT_BYTES_MAX);
    hf_conn_peer(conn, &addr);
    client->peer = address_of(&addr);
    hf_http_address_text(client->peer, client->peer_text);
    client->peer_text_bytes = strlen(client->peer_text);
    hf_conn_local(conn, &addr);
    client->local = address_of(&addr);
    client->local_port = addr.port;
    hf_list_push_back(&shell->clients[shell->clients_count % FE_CLIENT_LISTS],
                      &client->all);
    shell->clients_count++;
    fe_count(&shell->stats, FE_STAT_connections, 1);
    fe_count(&shell->stats, FE_STAT_connections_total, 1);
    hf_conn_start(conn, &client_events, client);
}
