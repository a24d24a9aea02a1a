/* Owns the JSON of status and of the audit log. Times are Unix milliseconds. */
#include "controller/admin.h"

#include "controller/spawn.h"
#include "lib/base/text.h"
#include "lib/token/paserk.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUDIT_ENTRIES 1000
#define TEXT_BYTES    256

/* Outside text may be no UTF-8; it is shown escaped then. */
static json_t *text_of(hf_slice text)
{
    json_t *value = json_stringn((const char *)text.data, text.bytes);
    char escaped[TEXT_BYTES];

    if (value == NULL) {
        hf_text_escape(text, escaped, sizeof escaped);
        value = json_string(escaped);
    }
    return value;
}

static void set_number(json_t *object, const char *name, uint64_t value)
{
    (void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void set_text(json_t *object, const char *name, const char *value)
{
    (void)json_object_set_new(object, name, text_of(hf_slice_of_cstr(value)));
}

static json_t *process(const char *role, hf_slice id, int64_t pid, int64_t since_ms)
{
    json_t *row = json_object();

    set_text(row, "role", role);
    (void)json_object_set_new(row, "id", text_of(id));
    set_number(row, "pid", (uint64_t)pid);
    set_number(row, "since", (uint64_t)since_ms);
    return row;
}

static void add_local(json_t *list, const char *role, pid_t pid)
{
    if (pid > 0) {
        (void)json_array_append_new(
            list, process(role, hf_slice_of_cstr(role), pid, ct_spawn_since_ms(pid)));
    }
}

static bool has_process(const json_t *list, const char *role, hf_slice id)
{
    size_t index = 0;
    const json_t *row = NULL;

    json_array_foreach(list, index, row)
    {
        const char *other = json_string_value(json_object_get(row, "role"));
        const char *name = json_string_value(json_object_get(row, "id"));

        if (other != NULL && name != NULL && strcmp(other, role) == 0 &&
            hf_slice_equal(hf_slice_of_cstr(name), id)) {
            return true;
        }
    }
    return false;
}

/* What `up` reported and still lives, then what brokers know beyond it. */
static void add_daemons(const struct ct *ct, json_t *list)
{
    for (size_t i = 0; i < ct->processes_count; i++) {
        const struct ct_process *row = &ct->processes[i];

        if (ct_spawn_since_ms((pid_t)row->pid) > 0) {
            (void)json_array_append_new(list,
                                        process(row->role, hf_slice_of_cstr(row->name),
                                                row->pid, row->since_ms));
        }
    }
    if (!has_process(list, "mint", HF_SLICE("mint")) && ct->mint_fd >= 0) {
        add_local(list, "mint", ct_local_peer(ct->mint_fd));
    }
    if (!has_process(list, "spawner", HF_SLICE("spawner")) && ct->spawner_fd >= 0) {
        add_local(list, "spawner", ct_local_peer(ct->spawner_fd));
    }
    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        const struct ct_stat *stat = ct_report_of(&ct->uplinks[i]);

        if (stat->is_there && !has_process(list, "broker", stat->broker.name)) {
            (void)json_array_append_new(list, process("broker", stat->broker.name,
                                                      stat->broker.pid,
                                                      stat->broker.since_ms));
        }
        for (size_t k = 0; k < stat->sessions_count; k++) {
            const struct hf_session_stat *s = &stat->sessions[k];

            if (s->role == HF_ROLE_FRONTEND &&
                !has_process(list, "frontend", s->name)) {
                (void)json_array_append_new(
                    list, process("frontend", s->name, s->pid, s->since_ms));
            }
        }
    }
}

/* The session of a holder at any broker, and its leases at all of them. */
static const struct hf_session_stat *find_session(const struct ct *ct, hf_key key,
                                                  uint64_t *leases, size_t *brokers)
{
    const struct hf_session_stat *found = NULL;

    *leases = 0;
    *brokers = 0;
    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        const struct ct_stat *stat = ct_report_of(&ct->uplinks[i]);

        for (size_t k = 0; k < stat->sessions_count; k++) {
            if (hf_key_equal(stat->sessions[k].key, key)) {
                found = &stat->sessions[k];
                *leases += found->leases;
                (*brokers)++;
            }
        }
    }
    return found;
}

static json_t *worker_row(hf_slice id, hf_key key,
                          const struct hf_session_stat *session)
{
    char text[HF_KEY_TEXT_BYTES + 1];
    json_t *row = json_object();

    hf_key_text(key, text);
    (void)json_object_set_new(row, "id", text_of(id));
    set_text(row, "key", text);
    set_number(row, "app_pid", session == NULL ? 0 : (uint64_t)session->app_pid);
    return row;
}

static void add_worker(const struct ct *ct, uint32_t number, json_t *processes,
                       json_t *workers)
{
    struct fleet_view view;
    const struct hf_session_stat *session = NULL;
    const struct ct_pool_config *pool = NULL;
    char id[128];
    uint64_t leases = 0;
    size_t brokers = 0;
    json_t *row = NULL;

    if (!fleet_view(ct->fleet, number, &view)) {
        return;
    }
    (void)snprintf(id, sizeof id, "%s/%u", view.pool, view.index);
    pool = ct_config_pool(ct->config, hf_slice_of_cstr(view.pool));
    if (view.pid > 0) {
        session = find_session(ct, view.key, &leases, &brokers);
        (void)json_array_append_new(
            processes,
            process("worker", hf_slice_of_cstr(id), view.pid, hf_time_ms(view.since)));
    }
    if (session != NULL && session->app_pid > 0) {
        (void)json_array_append_new(
            processes, process("app", hf_slice_of_cstr(id), session->app_pid,
                               ct_spawn_since_ms((pid_t)session->app_pid)));
    }
    row = worker_row(hf_slice_of_cstr(id), view.key, session);
    set_text(row, "pool", view.pool);
    set_text(row, "queue", pool == NULL ? "" : pool->queue);
    set_text(row, "state",
             session == NULL && view.state == FLEET_RUNNING
                 ? "starting"
                 : fleet_state_name(view.state));
    set_number(row, "pid", (uint64_t)view.pid);
    set_number(row, "since", view.pid > 0 ? (uint64_t)hf_time_ms(view.since) : 0);
    set_number(row, "restarts", view.restarts);
    set_number(row, "leases", leases);
    set_number(row, "brokers", brokers);
    (void)json_array_append_new(workers, row);
}

static bool is_of_fleet(const struct ct *ct, hf_key key)
{
    struct fleet_view view;

    for (uint32_t w = 1; w <= FLEET_WORKERS_MAX; w++) {
        if (fleet_view(ct->fleet, w, &view) && view.pid > 0 &&
            hf_key_equal(view.key, key)) {
            return true;
        }
    }
    return false;
}

/* Workers that somebody started by hand, perhaps on another host. */
static void add_guests(const struct ct *ct, json_t *processes, json_t *workers)
{
    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        const struct ct_stat *stat = ct_report_of(&ct->uplinks[i]);

        for (size_t k = 0; k < stat->sessions_count; k++) {
            const struct hf_session_stat *s = &stat->sessions[k];
            json_t *row = NULL;

            if (s->role != HF_ROLE_WORKER || is_of_fleet(ct, s->key)) {
                continue;
            }
            (void)json_array_append_new(
                processes, process("worker", s->name, s->pid, s->since_ms));
            row = worker_row(s->name, s->key, s);
            set_text(row, "pool", "");
            (void)json_object_set_new(row, "queue", text_of(s->queue));
            (void)json_object_set_new(row, "subject", text_of(s->subject));
            set_text(row, "state", "running");
            set_number(row, "pid", (uint64_t)s->pid);
            set_number(row, "since", (uint64_t)s->since_ms);
            set_number(row, "restarts", 0);
            set_number(row, "leases", s->leases);
            set_number(row, "brokers", 1);
            (void)json_array_append_new(workers, row);
        }
    }
}

/* What the file says, what an operator said, and what comes of both. */
static void set_states(const struct ct *ct, const struct ct_queue_config *queue,
                       json_t *row)
{
    static const char *const names[] = {"enabled", "paused", "draining", "disabled"};
    uint64_t paused_ms = ct_queue_paused_ms(ct, queue->policy.name);

    set_text(row, "state", names[ct_queue_state(ct, queue)]);
    set_text(row, "configured_state", names[queue->policy.state]);
    if (paused_ms > 0) {
        set_number(row, "paused_since", paused_ms);
    }
}

static json_t *queue_row(const struct ct *ct, const struct ct_queue_config *queue)
{
    hf_slice name = queue->policy.name;
    struct hf_queue_stat sum = {.name = name};
    json_t *row = json_object();

    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        const struct ct_stat *stat = ct_report_of(&ct->uplinks[i]);

        for (size_t k = 0; k < stat->queues_count; k++) {
            const struct hf_queue_stat *q = &stat->queues[k];

            if (!hf_slice_equal(q->name, name)) {
                continue;
            }
            sum.depth += q->depth;
            sum.depth_bytes += q->depth_bytes;
            sum.oldest_age_ms = q->oldest_age_ms > sum.oldest_age_ms
                                    ? q->oldest_age_ms
                                    : sum.oldest_age_ms;
            sum.in_flight += q->in_flight;
            sum.committed += q->committed;
            sum.elided += q->elided;
            sum.accepted += q->accepted;
            sum.answered += q->answered;
            sum.refused += q->refused;
            sum.redelivered += q->redelivered;
            sum.idle_credit += q->idle_credit;
        }
    }
    (void)json_object_set_new(row, "name", text_of(name));
    set_states(ct, queue, row);
    set_number(row, "depth", sum.depth);
    set_number(row, "depth_bytes", sum.depth_bytes);
    set_number(row, "oldest_age_ms", (uint64_t)sum.oldest_age_ms);
    set_number(row, "in_flight", sum.in_flight);
    set_number(row, "committed", sum.committed);
    set_number(row, "elided", sum.elided);
    set_number(row, "accepted", sum.accepted);
    set_number(row, "answered", sum.answered);
    set_number(row, "refused", sum.refused);
    set_number(row, "redelivered", sum.redelivered);
    set_number(row, "idle_credit", sum.idle_credit);
    return row;
}

static json_t *session_rows(const struct ct *ct)
{
    static const char *const roles[] = {"",           "worker", "frontend",
                                        "controller", "admin",  "broker"};
    json_t *list = json_array();

    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        const struct ct_stat *stat = ct_report_of(&ct->uplinks[i]);

        for (size_t k = 0; k < stat->sessions_count; k++) {
            const struct hf_session_stat *s = &stat->sessions[k];
            char key[HF_KEY_TEXT_BYTES + 1];
            json_t *row = json_object();

            hf_key_text(s->key, key);
            (void)json_object_set_new(row, "broker", text_of(stat->broker.name));
            set_text(row, "role", s->role < 6 ? roles[s->role] : "");
            (void)json_object_set_new(row, "id", text_of(s->name));
            (void)json_object_set_new(row, "subject", text_of(s->subject));
            set_text(row, "key", key);
            set_number(row, "pid", (uint64_t)s->pid);
            set_number(row, "since", (uint64_t)s->since_ms);
            set_number(row, "leases", s->leases);
            set_number(row, "snapshot", s->snapshot);
            (void)json_object_set_new(row, "queue", text_of(s->queue));
            (void)json_array_append_new(list, row);
        }
    }
    return list;
}

static json_t *broker_rows(const struct ct *ct)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        const struct ct_uplink *uplink = &ct->uplinks[i];
        const struct hf_broker_stat *b = &ct_report_of(uplink)->broker;
        json_t *row = json_object();

        set_text(row, "id", ct->config->brokers[i].name);
        (void)json_object_set_new(row, "connected", json_boolean(uplink->link != NULL));
        set_number(row, "snapshot", b->snapshot);
        set_number(row, "revocation", b->revocation);
        set_number(row, "policy", b->policy);
        set_number(row, "store_used_bytes", b->store_used_bytes);
        set_number(row, "store_quota_bytes", b->store_quota_bytes);
        (void)json_array_append_new(list, row);
    }
    return list;
}

static void respond(json_t *root, struct hf_admin_response *response)
{
    char *text = json_dumps(root, JSON_COMPACT);

    if (text == NULL || hf_buf_append_cstr(&response->body, text) != HF_OK ||
        hf_buf_append_byte(&response->body, '\n') != HF_OK) {
        response->status = 500;
    }
    free(text);
    json_decref(root);
}

void ct_admin_status(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response)
{
    const struct ct *ct = ctx;
    json_t *root = json_object();
    json_t *processes = json_array();
    json_t *queues = json_array();
    json_t *workers = json_array();

    (void)request;
    (void)json_array_append_new(processes, process("controller",
                                                   hf_slice_of_cstr(ct->options.name),
                                                   getpid(), ct->since_ms));
    add_daemons(ct, processes);
    for (uint32_t w = 1; w <= FLEET_WORKERS_MAX; w++) {
        add_worker(ct, w, processes, workers);
    }
    add_guests(ct, processes, workers);
    for (size_t i = 0; i < ct->config->queues_count; i++) {
        (void)json_array_append_new(queues, queue_row(ct, &ct->config->queues[i]));
    }
    set_text(root, "cluster", ct->config->cluster);
    (void)json_object_set_new(root, "processes", processes);
    (void)json_object_set_new(root, "queues", queues);
    (void)json_object_set_new(root, "workers", workers);
    (void)json_object_set_new(root, "brokers", broker_rows(ct));
    (void)json_object_set_new(root, "sessions", session_rows(ct));
    set_number(root, "snapshot", ct->publication.current[PUBLICATION_SNAPSHOT]);
    set_number(root, "policy", ct->publication.current[PUBLICATION_POLICY]);
    set_number(root, "revocation", ct->publication.current[PUBLICATION_REVOCATION]);
    (void)json_object_set_new(root, "config_error",
                              text_of(hf_buf_slice(&ct->config_error)));
    respond(root, response);
}

void ct_admin_queues(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response)
{
    const struct ct *ct = ctx;
    hf_slice name = ct_admin_query(request->query, "name");
    uint64_t pending = 0;
    json_t *root = NULL;
    json_t *list = NULL;

    if (name.bytes > 0 && ct_queue_find(ct, name) == NULL) {
        ct_admin_no_queue(response, name);
        return;
    }
    root = json_object();
    list = json_array();
    for (size_t i = 0; i < ct->config->queues_count; i++) {
        const struct ct_queue_config *queue = &ct->config->queues[i];

        if (name.bytes == 0 || hf_slice_equal(queue->policy.name, name)) {
            (void)json_array_append_new(list, queue_row(ct, queue));
        }
    }
    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        pending += !publication_is_held(&ct->publication, i, PUBLICATION_POLICY);
    }
    (void)json_object_set_new(root, "queues", list);
    set_number(root, "brokers_pending", pending);
    respond(root, response);
}

static void add_entry(void *ctx, uint64_t number, int64_t at_ms, hf_slice who,
                      hf_slice what)
{
    json_t *row = json_object();

    set_number(row, "number", number);
    set_number(row, "at", (uint64_t)at_ms);
    (void)json_object_set_new(row, "who", text_of(who));
    (void)json_object_set_new(row, "what", text_of(what));
    (void)json_array_append_new(ctx, row);
}

void ct_admin_audit(void *ctx, const struct hf_admin_request *request,
                    struct hf_admin_response *response)
{
    struct ct *ct = ctx;
    json_t *list = json_array();

    (void)request;
    ct_must(ct_store_each_audit(ct->store, AUDIT_ENTRIES, add_entry, list),
            "audit log");
    respond(list, response);
}
