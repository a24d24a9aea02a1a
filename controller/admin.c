/* Owns the routes of the API, the probes, and what `up` asks. No JSON is built here. */
#include "controller/admin.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"

#include <stdio.h>
#include <string.h>

void ct_admin_answer(struct hf_admin_response *response, int status, const char *text)
{
    response->status = status;
    response->content_type = "text/plain";
    (void)!hf_buf_append_cstr(&response->body, text);
    (void)!hf_buf_append_byte(&response->body, '\n');
}

hf_slice ct_admin_query(hf_slice query, const char *name)
{
    size_t name_bytes = strlen(name);

    while (query.bytes > 0) {
        hf_slice pair = hf_slice_first(query, hf_slice_find(query, '&'));

        if (pair.bytes > name_bytes && pair.data[name_bytes] == '=' &&
            memcmp(pair.data, name, name_bytes) == 0) {
            return hf_slice_skip(pair, name_bytes + 1);
        }
        query = hf_slice_skip(query, pair.bytes + 1);
    }
    return HF_SLICE_EMPTY;
}

static void on_livez(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response)
{
    (void)ctx;
    (void)request;
    ct_admin_answer(response, 200, "ok");
}

static void on_readyz(void *ctx, const struct hf_admin_request *request,
                      struct hf_admin_response *response)
{
    const struct ct *ct = ctx;

    (void)request;
    if (ct_uplinks_up(ct) < ct->config->brokers_count) {
        ct_admin_answer(response, 503, "not all brokers are reached");
    } else if (ct->spawner_fd < 0) {
        ct_admin_answer(response, 503, "no spawner");
    } else {
        ct_admin_answer(response, 200, "ok");
    }
}

struct metric {
    const char *name;
    const char *help;
    enum hf_stat_type type;
    int64_t value;
};

static void on_metrics(void *ctx, const struct hf_admin_request *request,
                       struct hf_admin_response *response)
{
    const struct ct *ct = ctx;
    int64_t running = 0;
    struct fleet_view view;
    hf_err err = HF_OK;

    (void)request;
    for (uint32_t w = 1; w <= FLEET_WORKERS_MAX; w++) {
        running +=
            fleet_view(ct->fleet, w, &view) && view.state == FLEET_RUNNING ? 1 : 0;
    }
    const uint64_t *current = ct->publication.current;
    const struct metric metrics[] = {
        {"holdfast_controller_brokers", "Brokers reached.", HF_STAT_GAUGE,
         (int64_t)ct_uplinks_up(ct)},
        {"holdfast_controller_workers", "Workers running.", HF_STAT_GAUGE, running},
        {"holdfast_controller_identities", "Tokens kept renewed.", HF_STAT_GAUGE,
         (int64_t)ct->identities.count},
        {"holdfast_controller_revoked", "Entries of the revocation list.",
         HF_STAT_GAUGE, (int64_t)ct->revoked_count},
        {"holdfast_controller_revocation_sequence", "Number of the revocation list.",
         HF_STAT_GAUGE, (int64_t)current[PUBLICATION_REVOCATION]},
        {"holdfast_controller_policy_version", "Number of the queues' policy.",
         HF_STAT_GAUGE, (int64_t)current[PUBLICATION_POLICY]},
        {"holdfast_controller_snapshot_sequence", "Number of the routing snapshot.",
         HF_STAT_GAUGE, (int64_t)current[PUBLICATION_SNAPSHOT]},
        {"holdfast_controller_config_refused", "1 while the newest file is refused.",
         HF_STAT_GAUGE, hf_buf_bytes(&ct->config_error) > 0},
    };

    response->content_type = "text/plain; version=0.0.4";
    for (size_t i = 0; err == HF_OK && i < sizeof metrics / sizeof metrics[0]; i++) {
        err = hf_stat_render_head(&response->body, metrics[i].name, metrics[i].help,
                                  metrics[i].type);
        if (err == HF_OK) {
            err = hf_stat_render_sample(&response->body, metrics[i].name, "",
                                        metrics[i].value);
        }
    }
    if (err == HF_OK) {
        err = hf_link_stats_render(&response->body);
    }
    if (err == HF_OK) {
        err = hf_admin_stats_render(&response->body);
    }
    response->status = err == HF_OK ? 200 : 500;
}

static bool take_word(hf_slice *line, hf_slice *word)
{
    *word = hf_slice_first(*line, hf_slice_find(*line, ' '));
    *line = hf_slice_skip(*line, word->bytes + 1);
    return word->bytes > 0;
}

/* One line of `up`: role name pid since_ms. */
static void take_process(struct ct *ct, hf_slice line)
{
    struct ct_process *row = &ct->processes[ct->processes_count];
    hf_slice role;
    hf_slice name;
    hf_slice pid;
    hf_slice since;
    uint64_t number = 0;
    uint64_t since_ms = 0;

    if (ct->processes_count == CT_PROCESSES_ROWS || !take_word(&line, &role) ||
        !take_word(&line, &name) || !take_word(&line, &pid) ||
        !take_word(&line, &since) || role.bytes >= sizeof row->role ||
        name.bytes >= sizeof row->name ||
        hf_text_parse_u64(pid, INT32_MAX, &number) != HF_OK ||
        hf_text_parse_u64(since, INT64_MAX, &since_ms) != HF_OK) {
        return;
    }
    memset(row, 0, sizeof *row);
    memcpy(row->role, role.data, role.bytes);
    memcpy(row->name, name.data, name.bytes);
    row->pid = (int64_t)number;
    row->since_ms = (int64_t)since_ms;
    ct->processes_count++;
}

void ct_admin_watch(void *ctx, const struct hf_admin_request *request,
                    struct hf_admin_response *response)
{
    struct ct *ct = ctx;
    hf_slice body = request->body;
    hf_slice boot = ct_admin_query(request->query, "boot");
    char own[32];
    uint64_t after = 0;
    uint64_t first = ct->news_next > CT_NEWS_MAX ? ct->news_next - CT_NEWS_MAX : 0;

    ct->processes_count = 0;
    while (body.bytes > 0) {
        hf_slice line = hf_slice_first(body, hf_slice_find(body, '\n'));

        take_process(ct, line);
        body = hf_slice_skip(body, line.bytes + 1);
    }
    (void)snprintf(own, sizeof own, "%016llx", (unsigned long long)ct->boot);
    if (hf_slice_equal(boot, hf_slice_of_cstr(own)) &&
        hf_text_parse_u64(ct_admin_query(request->query, "after"), INT64_MAX, &after) ==
            HF_OK &&
        after > first) {
        first = after;
    }
    response->content_type = "text/plain";
    (void)!hf_buf_printf(&response->body, "%s %llu\n", own,
                         (unsigned long long)ct->news_next);
    for (uint64_t i = first; i < ct->news_next; i++) {
        (void)!hf_buf_printf(&response->body, "%s\n", ct->news[i % CT_NEWS_MAX]);
    }
}

static const struct hf_admin_route routes[] = {
    {"GET", "/livez", on_livez},
    {"GET", "/readyz", on_readyz},
    {"GET", "/metrics", on_metrics},
    {"GET", "/v1/status", ct_admin_status},
    {"GET", "/v1/audit", ct_admin_audit},
    {"GET", "/v1/queues", ct_admin_queues},
    {"POST", "/v1/queues/pause", ct_admin_queue_pause},
    {"POST", "/v1/queues/resume", ct_admin_queue_resume},
    {"POST", "/v1/watch", ct_admin_watch},
    {"POST", "/v1/identities", ct_admin_identities},
    {"POST", "/v1/tokens", ct_admin_tokens},
    {"POST", "/v1/revocations", ct_admin_revoke},
    {"GET", "/v1/revocations", ct_admin_revoked},
};

hf_err ct_admin_open(struct ct *ct)
{
    char address[CT_ADDRESS_BYTES];
    const struct hf_admin_config config = {
        .address = address,
        .routes = routes,
        .routes_count = sizeof routes / sizeof routes[0],
        .ctx = ct,
    };
    const struct hf_admin_config probes = {
        .address = ct->config->controller_admin,
        .routes = routes,
        .routes_count = 3,
        .ctx = ct,
    };
    hf_err err = HF_OK;

    if (snprintf(address, sizeof address, "unix:%s/" CT_ADMIN_SOCKET,
                 ct->options.run) >= (int)sizeof address) {
        return HF_ERR_TOO_BIG;
    }
    err = hf_admin_open(ct->loop, &config, &ct->admin);
    if (err == HF_OK && probes.address != NULL) {
        err = hf_admin_open(ct->loop, &probes, &ct->probes);
    }
    return err;
}

void ct_admin_close(struct ct *ct)
{
    if (ct->admin != NULL) {
        hf_admin_close(ct->admin);
    }
    if (ct->probes != NULL) {
        hf_admin_close(ct->probes);
    }
}
