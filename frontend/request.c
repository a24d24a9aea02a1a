/* From a parsed head to the core: canonical path, URL group, what crosses the edge. */
#include "frontend/client.h"
#include "frontend/keys.h"
#include "frontend/reply.h"
#include "frontend/status.h"
#include "frontend/table.h"
#include "lib/http/edge.h"
#include "lib/http/target.h"
#include "lib/base/text.h"

#include <string.h>

/* A request on its way from the parser to the core. */
struct arrival {
    const struct hf_http_head *head;
    struct hf_http_target target;
    struct hf_http_origin origin;
    const struct fe_group *group;
    bool is_status;   /* about another request */
    hf_time deadline; /* a trusted client's own */
};

static bool has_body(const struct hf_http_head *head)
{
    return head->length == HF_HTTP_LENGTH_CHUNKED ||
           (head->length == HF_HTTP_LENGTH_KNOWN && head->body_bytes > 0);
}

static bool is_repeatable(enum hf_http_method method)
{
    return method == HF_HTTP_GET || method == HF_HTTP_HEAD || method == HF_HTTP_PUT ||
           method == HF_HTTP_DELETE || method == HF_HTTP_OPTIONS;
}

/* Safe (RFC 9110 9.2.1), and nothing of it is still to come. */
static bool is_parallel(const struct hf_http_head *head)
{
    return !has_body(head) &&
           (head->method == HF_HTTP_GET || head->method == HF_HTTP_HEAD ||
            head->method == HF_HTTP_OPTIONS);
}

bool fe_request_may_start(const struct fe_client *client)
{
    const struct hf_list *last = client->pipeline.prev;

    if (client->pipeline_count == 0) {
        return true;
    }
    return client->pipeline_count < FE_PIPELINE_MAX &&
           HF_CONTAINER(last, const struct fe_hold, place)->is_parallel &&
           is_parallel(hf_http_parser_head(client->parser));
}

/* A hold at the end of the pipeline. NULL: no memory; the connection is broken. */
static struct fe_hold *new_hold(struct fe_client *client)
{
    struct fe_hold *hold = fe_hold_get(client->shell);

    if (hold == NULL) {
        client->is_broken = true;
        client->is_closing = true;
        fe_client_touch(client);
        return NULL;
    }
    hold->client = client;
    hold->id = fe_shell_new_id(client->shell);
    hf_list_push_back(&client->pipeline, &hold->place);
    client->pipeline_count++;
    return hold;
}

static bool is_trusted(const struct fe_shell *shell, struct hf_http_address peer)
{
    const struct fe_table *table = shell->table;

    for (size_t i = 0; table != NULL && i < table->proxies_count; i++) {
        if (hf_http_network_has(&table->proxies[i], peer)) {
            return true;
        }
    }
    return false;
}

/* Unix milliseconds in Holdfast-Deadline, believed only from a trusted peer (row 24).
 */
static hf_time deadline_of(const struct fe_client *client,
                           const struct hf_http_head *head)
{
    hf_slice text;
    uint64_t unix_ms;

    if (!is_trusted(client->shell, client->peer)) {
        return HF_TIME_NEVER;
    }
    text = hf_http_head_find(head, HF_SLICE("holdfast-deadline"));
    if (text.data == NULL ||
        hf_text_parse_u64(text, INT64_MAX / 1000, &unix_ms) != HF_OK) {
        return HF_TIME_NEVER;
    }
    return hf_time_of_ms((int64_t)unix_ms);
}

static hf_reason route(struct fe_client *client, struct arrival *arrival)
{
    const struct hf_http_target_options options = {0};
    struct route_query query = {.port = client->local_port};
    hf_reason reason = hf_http_target_parse(arrival->head, options,
                                            &client->shell->path, &arrival->target);

    if (reason != HF_REASON_NONE) {
        return reason;
    }
    arrival->is_status = fe_status_owns(arrival->target.path);
    if (arrival->is_status) {
        return HF_REASON_NONE;
    }
    query.host = hf_http_host_slice(&arrival->target.host);
    query.path = arrival->target.path;
    memcpy(query.local_address, client->local.bytes, sizeof query.local_address);
    if (hf_slice_equal(query.path, HF_SLICE("*"))) {
        query.path = HF_SLICE("/"); /* OPTIONS *: the site as a whole */
    }
    arrival->group = fe_table_find(client->shell->table, &query, &reason);
    return reason;
}

/* host[:port] as the client named it, in its canonical form. */
static hf_slice authority(const struct hf_http_host *host, char *out, size_t bytes)
{
    hf_slice name = hf_http_host_slice(host);

    if (host->port == 0) {
        return name;
    }
    hf_check(name.bytes + 1 + HF_TEXT_DECIMAL_MAX <= bytes);
    memcpy(out, name.data, name.bytes);
    out[name.bytes] = ':';
    return hf_slice_of(out, name.bytes + 1 +
                                hf_text_decimal(host->port, out + name.bytes + 1));
}

/* The text of the client's address; `out` has room for one that is not the peer's. */
static hf_slice client_ip(const struct fe_client *client,
                          const struct hf_http_origin *origin, char *out)
{
    if (memcmp(&origin->address, &client->peer, sizeof client->peer) == 0) {
        return hf_slice_of(client->peer_text, client->peer_text_bytes);
    }
    hf_http_address_text(origin->address, out);
    return hf_slice_of_cstr(out);
}

/* Encodes what the worker gets into the hold. */
static hf_reason encode(struct fe_client *client, struct fe_hold *hold,
                        struct arrival *arrival)
{
    struct fe_shell *shell = client->shell;
    const struct fe_table *table = shell->table;
    struct hf_http_edge edge = {
        .trusted_proxies = table->proxies,
        .trusted_proxies_count = table->proxies_count,
    };
    char host_text[HF_HTTP_HOST_BYTES_MAX + 1 + HF_TEXT_DECIMAL_MAX];
    char ip[HF_HTTP_ADDRESS_TEXT_BYTES];
    struct hf_http_client who = {
        .peer = client->peer,
        .peer_text = hf_slice_of(client->peer_text, client->peer_text_bytes),
    };
    struct hf_request_head out = {0};
    size_t dropped = 0;
    hf_reason reason;

    who.host = authority(&arrival->target.host, host_text, sizeof host_text);
    hf_http_edge_origin(&edge, arrival->head, &who, &arrival->origin);
    hf_buf_clear(&shell->fields);
    reason = hf_http_edge_fields(&edge, arrival->head, &who, &shell->fields, &dropped);
    if (dropped > 0) {
        fe_count(&shell->stats, FE_STAT_dropped_fields_total, (int64_t)dropped);
    }
    if (reason != HF_REASON_NONE) {
        return reason;
    }
    out.client_ip = client_ip(client, &arrival->origin, ip);
    if (arrival->group->fair_key.kind != HF_HTTP_KEY_NONE) {
        hold->fair_key = fe_key_of(
            &arrival->group->fair_key,
            &(struct fe_key_source){arrival->group->name, out.client_ip, who.host,
                                    arrival->target.path, arrival->head});
    }
    out.method = arrival->head->method_text;
    out.path = arrival->target.path;
    out.query = arrival->target.query;
    out.has_query = arrival->target.query.data != NULL;
    out.raw_target = arrival->head->target;
    out.scheme = arrival->origin.is_https ? HF_SLICE("https") : HF_SLICE("http");
    out.host = who.host;
    out.fields = hf_buf_slice(&shell->fields);
    out.received_ms = hf_time_ms(shell->now);
    return hf_request_head_append(&out, &hold->head) == HF_OK
               ? HF_REASON_NONE
               : HF_REASON_REQUEST_LENGTH;
}

static void count_request(struct fe_shell *shell, const struct arrival *arrival,
                          struct fe_hold *hold)
{
    struct fe_meter *meter = arrival->group->meter;

    hold->meter = meter;
    hf_stat_add_alone(&meter->requests, 1);
    if (arrival->head->method == HF_HTTP_GET || arrival->head->method == HF_HTTP_HEAD) {
        hf_stat_add_alone(&meter->get_head, 1);
    }
    hold->verbosity = arrival->group->verbosity;
    if (hold->verbosity == HF_VERBOSITY_FULL &&
        hf_buf_append(&hold->queue, arrival->group->queue) != HF_OK) {
        hf_buf_clear(&hold->queue);
    }
    (void)shell;
}

static hf_reason judge(struct fe_client *client, struct fe_hold *hold,
                       struct arrival *arrival)
{
    hf_reason reason = route(client, arrival);

    if (reason != HF_REASON_NONE || arrival->is_status) {
        return reason;
    }
    if ((arrival->group->wishes & HF_WISH_ASYNC) != 0) {
        fe_status_wish(hold, arrival->head);
    }
    count_request(client->shell, arrival, hold);
    fe_stats_move(client->meter, hold->meter);
    client->meter = hold->meter;
    if (arrival->group->state == HF_QUEUE_DISABLED) {
        return HF_REASON_DISABLED;
    }
    if (arrival->group->state == HF_QUEUE_DRAINING) {
        return HF_REASON_APP_SHUTDOWN;
    }
    arrival->deadline = deadline_of(client, arrival->head);
    return encode(client, hold, arrival);
}

static void submit(struct fe_client *client, struct fe_hold *hold,
                   const struct arrival *arrival)
{
    struct fe_shell *shell = client->shell;
    const struct hf_http_head *head = arrival->head;
    struct frontend_input input = {.type = FRONTEND_IN_REQUEST, .id = hold->id};

    input.u.request.queue = arrival->group->queue;
    input.u.request.is_repeatable = is_repeatable(head->method);
    input.u.request.is_async = hold->is_async;
    input.u.request.is_expecting = head->expects_continue;
    input.u.request.has_length = head->length == HF_HTTP_LENGTH_KNOWN;
    input.u.request.length = head->body_bytes;
    input.u.request.is_chunked = head->length == HF_HTTP_LENGTH_CHUNKED;
    input.u.request.body_max = arrival->group->body_max;
    input.u.request.deadline_ms = arrival->group->deadline_ms;
    input.u.request.deadline = arrival->deadline;
    client->reading = hold->is_whole ? NULL : hold;
    client->body_since = HF_TIME_ZERO;
    shell->admitting = hold;
    fe_step(shell, &input);
    shell->admitting = NULL;
}

void fe_request_start(struct fe_client *client)
{
    struct fe_shell *shell = client->shell;
    struct arrival arrival; /* large, and judge fills it: not cleared first */
    struct fe_hold *hold = new_hold(client);
    hf_reason reason;

    if (hold == NULL) {
        return;
    }
    arrival.head = hf_http_parser_head(client->parser);
    fe_count(&shell->stats, FE_STAT_requests_total, 1);
    client->requests_count++;
    hold->is_whole = !has_body(arrival.head);
    hold->is_parallel = is_parallel(arrival.head);
    hold->asker = (struct hf_http_asker){
        .method = arrival.head->method,
        .version_minor = arrival.head->version_minor,
        .is_keep_alive = arrival.head->is_keep_alive && !shell->is_stopping &&
                         client->requests_count < FE_REQUESTS_MAX,
    };
    reason = judge(client, hold, &arrival);
    if (reason != HF_REASON_NONE) {
        fe_reply_problem(shell, hold, reason, 0);
        return;
    }
    if (!arrival.is_status) {
        submit(client, hold, &arrival);
    } else if (!hold->is_whole) {
        fe_reply_problem(shell, hold, HF_REASON_BAD_REQUEST, 0);
    } else {
        fe_status_start(shell, hold, &arrival.target);
    }
}

void fe_request_body(struct fe_client *client, hf_slice bytes, bool is_last)
{
    struct fe_shell *shell = client->shell;
    struct fe_hold *hold = client->reading;
    struct frontend_input input = {.type = FRONTEND_IN_BODY};
    bool was_in_file;

    if (hold == NULL) {
        return;
    }
    was_in_file = hold->spool.file != NULL;
    if (fe_spool_append(&hold->spool, bytes, shell->options->spool) != HF_OK) {
        fe_count(&shell->stats, FE_STAT_spool_full_total, 1);
        fe_request_fail(client, HF_REASON_INTERNAL);
        return;
    }
    if (hold->spool.file != NULL && !was_in_file) {
        fe_count(&shell->stats, FE_STAT_spool_files_total, 1);
    }
    client->body_bytes += bytes.bytes;
    hold->credit -= bytes.bytes < hold->credit ? bytes.bytes : hold->credit;
    hf_stat_add_alone(&hold->meter->bytes_in, (int64_t)bytes.bytes);
    hold->is_whole = is_last;
    client->reading = is_last ? NULL : hold;
    input.slot = hold->slot;
    input.u.body.bytes = (uint32_t)bytes.bytes;
    input.u.body.is_last = is_last;
    fe_step(shell, &input);
}

void fe_request_fail(struct fe_client *client, hf_reason reason)
{
    struct fe_shell *shell = client->shell;
    struct fe_hold *hold = client->reading;

    if (hold == NULL) {
        hold = new_hold(client);
        if (hold == NULL) {
            return;
        }
        hold->asker = (struct hf_http_asker){.method = HF_HTTP_GET, .version_minor = 1};
    } else if (hold->slot != 0) {
        fe_step(shell, &(struct frontend_input){.type = FRONTEND_IN_CLIENT_GONE,
                                                .slot = hold->slot});
    }
    client->reading = NULL;
    hold->asker.is_keep_alive = false;
    if (hold->has_head) {
        fe_hold_finish(hold, true);
        return;
    }
    fe_reply_problem(shell, hold, reason, 0);
}
