#include "frontend/table.h"

#include "frontend/uplink.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/token/document.h"

#include <stdlib.h>

#define SKEW_S 30

void fe_snapshot_init(struct fe_snapshot *snapshot)
{
    *snapshot = (struct fe_snapshot){0};
    hf_buf_init(&snapshot->manifest, FE_MANIFEST_BYTES_MAX);
    hf_buf_init(&snapshot->bytes, FE_SNAPSHOT_BYTES_MAX);
}

void fe_snapshot_fini(struct fe_snapshot *snapshot)
{
    hf_buf_fini(&snapshot->manifest);
    hf_buf_fini(&snapshot->bytes);
    fe_snapshot_init(snapshot);
}

hf_err fe_snapshot_add(struct fe_snapshot *snapshot, const struct hf_snapshot *chunk,
                       hf_slice body)
{
    hf_err err = HF_OK;

    if (chunk->index == 0) {
        fe_snapshot_fini(snapshot);
        snapshot->sequence = chunk->sequence;
        snapshot->count = chunk->count;
    }
    if (chunk->sequence == 0 || chunk->sequence != snapshot->sequence ||
        chunk->count != snapshot->count || chunk->index != snapshot->index_next ||
        chunk->index >= chunk->count) {
        err = HF_ERR_INVALID;
    }
    if (err == HF_OK && hf_buf_bytes(&snapshot->manifest) == 0) {
        err = hf_buf_append(&snapshot->manifest, chunk->manifest);
    }
    if (err == HF_OK) {
        err = hf_buf_append(&snapshot->bytes, body);
    }
    if (err != HF_OK) {
        fe_snapshot_fini(snapshot);
        return HF_ERR_INVALID;
    }
    snapshot->index_next++;
    return snapshot->index_next == snapshot->count ? HF_OK : HF_ERR_AGAIN;
}

static const char *verify(const struct fe_shell *shell,
                          const struct fe_snapshot *snapshot)
{
    const struct hf_document_context context = {
        .trust = &shell->trust,
        .cluster = hf_slice_of_cstr(shell->credentials->cluster),
        .now_s = hf_clock_wall_seconds(),
        .skew_s = SKEW_S,
    };
    struct hf_manifest manifest;
    hf_digest digest = hf_digest_of(hf_buf_slice(&snapshot->bytes));
    enum hf_token_error error =
        hf_manifest_open(hf_buf_slice(&snapshot->manifest), &context, &manifest);

    if (error != HF_TOKEN_OK) {
        return hf_token_error_code(error);
    }
    if (manifest.head.seq != snapshot->sequence || manifest.base_seq != 0) {
        return "sequence";
    }
    if (manifest.bytes != hf_buf_bytes(&snapshot->bytes) ||
        !hf_digest_equal(&manifest.digest, &digest)) {
        return "digest";
    }
    return NULL;
}

static hf_reason unrouted_reason(uint32_t status)
{
    if (status == 400) {
        return HF_REASON_URL;
    }
    return status == 503 ? HF_REASON_UNBOUND : HF_REASON_NOT_FOUND;
}

static hf_err read_groups(struct fe_shell *shell, struct fe_table *table)
{
    const struct hf_routes *routes = &table->routes;

    table->groups =
        hf_arena_get(&table->arena, (routes->groups_count + 1) * sizeof *table->groups);
    if (table->groups == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < routes->groups_count; i++) {
        const struct hf_route_group *group = &routes->groups[i];

        table->groups[i] = (struct fe_group){
            .name = group->name,
            .queue = group->queue,
            .body_max = group->body_max > 0 ? group->body_max : HF_HTTP_BODY_BYTES,
            .deadline_ms = group->deadline_ms,
            .state = group->state,
            .verbosity = group->verbosity,
            .wishes = group->wishes,
            .idempotency = group->idempotency,
            .route = group,
            .meter = fe_stats_meter(&shell->stats, group->name),
        };
        /* A form of key that this version does not know: none, as before keys. */
        if (hf_http_key_parse(group->fair_key, &table->groups[i].fair_key) != HF_OK) {
            table->groups[i].fair_key = (struct hf_http_key){0};
        }
    }
    return HF_OK;
}

static size_t count_prefixes(const struct hf_routes *routes)
{
    size_t count = routes->reserved_count;

    for (size_t i = 0; i < routes->groups_count; i++) {
        count += routes->groups[i].prefixes_count;
    }
    return count;
}

/* Prefixes that are reserved and served by nobody lead to groups_count: no group. */
static void list_prefixes(const struct hf_routes *routes, struct route_entry *entries)
{
    size_t at = 0;

    for (size_t i = 0; i < routes->groups_count; i++) {
        const struct hf_route_group *group = &routes->groups[i];

        for (size_t j = 0; j < group->prefixes_count; j++) {
            entries[at++] = (struct route_entry){group->prefixes[j], (uint32_t)i,
                                                 group->path_case_sensitive};
        }
    }
    for (size_t i = 0; i < routes->reserved_count; i++) {
        entries[at++] = (struct route_entry){routes->reserved[i],
                                             (uint32_t)routes->groups_count, false};
    }
}

static hf_err build_prefixes(struct fe_table *table)
{
    size_t count = count_prefixes(&table->routes);
    struct route_entry *entries = calloc(count + 1, sizeof *entries);
    struct route_options options = {1};
    struct route_error error;
    hf_err err;

    if (entries == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_random(&options.seed, sizeof options.seed);
    list_prefixes(&table->routes, entries);
    err = route_build(entries, count, options, &table->prefixes, &error);
    if (err == HF_ERR_INVALID) {
        HF_ERROR("prefix refused",
                 hf_log_slice("prefix", error.index < count ? entries[error.index].text
                                                            : HF_SLICE_EMPTY),
                 hf_log_int("fault", error.fault));
    }
    free(entries);
    return err;
}

static hf_err read_proxies(struct fe_table *table)
{
    const struct hf_routes *routes = &table->routes;
    hf_err err =
        routes->trusted_proxies_count > FE_PROXIES_MAX ? HF_ERR_TOO_BIG : HF_OK;

    for (size_t i = 0; i < routes->trusted_proxies_count && err == HF_OK; i++) {
        err = hf_http_network_parse(routes->trusted_proxies[i], &table->proxies[i]);
        table->proxies_count = i + 1;
    }
    return err;
}

static hf_err table_build(struct fe_shell *shell, hf_slice bytes, struct fe_table **out)
{
    struct fe_table *table = calloc(1, sizeof *table);
    hf_err err;

    if (table == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_arena_init(&table->arena, bytes.bytes * (HF_LIST_COST + 8) + 65536);
    err = hf_routes_decode(bytes, &table->arena, &table->routes);
    err = err == HF_OK ? read_groups(shell, table) : err;
    err = err == HF_OK ? read_proxies(table) : err;
    err = err == HF_OK ? build_prefixes(table) : err;
    if (err != HF_OK) {
        fe_table_free(table);
        return err;
    }
    table->unrouted = unrouted_reason(table->routes.unrouted_status);
    *out = table;
    return HF_OK;
}

void fe_table_free(struct fe_table *table)
{
    if (table == NULL) {
        return;
    }
    route_free(table->prefixes);
    hf_arena_fini(&table->arena);
    free(table);
}

void fe_table_map(struct fe_shell *shell)
{
    const struct hf_routes *routes = &shell->table->routes;
    struct frontend_input input = {.type = FRONTEND_IN_ROUTES_BEGIN};

    fe_step(shell, &input);
    for (size_t i = 0; i < routes->queues_count; i++) {
        input = (struct frontend_input){.type = FRONTEND_IN_ROUTES_QUEUE};
        input.u.queue.name = routes->queues[i].name;
        input.u.queue.broker = fe_uplink_named(shell, routes->queues[i].broker);
        fe_step(shell, &input);
    }
    input = (struct frontend_input){.type = FRONTEND_IN_ROUTES_END};
    fe_step(shell, &input);
}

static void refused(struct fe_shell *shell, const struct fe_snapshot *snapshot,
                    const char *why)
{
    fe_count(&shell->stats, FE_STAT_snapshots_refused_total, 1);
    HF_ERROR("routing snapshot refused",
             hf_log_int("sequence", (int64_t)snapshot->sequence),
             hf_log_cstr("why", why));
}

bool fe_table_adopt(struct fe_shell *shell, const struct fe_snapshot *snapshot)
{
    struct fe_table *table = NULL;
    struct fe_table *old = shell->table;
    const char *why;
    hf_err err;

    hf_check(snapshot->index_next == snapshot->count);
    if (snapshot->sequence <= shell->table_sequence) {
        return false;
    }
    why = verify(shell, snapshot);
    if (why != NULL) {
        refused(shell, snapshot, why);
        return false;
    }
    err = table_build(shell, hf_buf_slice(&snapshot->bytes), &table);
    if (err != HF_OK) {
        refused(shell, snapshot, hf_err_text(err));
        return false;
    }
    shell->table = table;
    shell->table_sequence = snapshot->sequence;
    hf_stat_set(&shell->stats.rows[FE_STAT_snapshot], (int64_t)snapshot->sequence);
    fe_uplinks_dial(shell);
    fe_table_map(shell);
    fe_table_free(old);
    HF_INFO("routes in force", hf_log_int("sequence", (int64_t)snapshot->sequence),
            hf_log_int("groups", (int64_t)table->routes.groups_count),
            hf_log_int("queues", (int64_t)table->routes.queues_count));
    return true;
}

const struct fe_group *fe_table_find(const struct fe_table *table,
                                     const struct route_query *query, hf_reason *reason)
{
    uint32_t found;

    if (table == NULL) {
        *reason = HF_REASON_NO_ROUTES;
        return NULL;
    }
    found = route_lookup(table->prefixes, query);
    if (found == ROUTE_NONE || found >= table->routes.groups_count) {
        *reason = table->unrouted;
        return NULL;
    }
    return &table->groups[found];
}
