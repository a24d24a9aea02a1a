/* Owns what brokers are given: the queues' policy and the routing snapshot made from
 * the configuration, and the sending of all three kinds. A number is used for one
 * content only, over all restarts. */
#include "controller/shell.h"

#include "controller/core/placement.h"
#include "controller/mint.h"
#include "lib/base/bytes.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/token/document.h"

#include <stdio.h>
#include <string.h>

#define POLICY_BYTES_MAX (16u << 20)
#define ROUTES_BYTES_MAX (60u << 20)
#define POLICY_NAME      "policy"
#define ROUTES_NAME      "routes"

const char *ct_publication_name(enum publication_kind kind)
{
    static const char *const names[] = {"revocation list", "policy",
                                        "routing snapshot"};

    return names[kind];
}

void ct_broker_address(const struct ct *ct, const struct ct_broker_config *broker,
                       size_t index, char *out)
{
    if (broker->listen.count == 0) {
        (void)snprintf(out, CT_ADDRESS_BYTES, "ipc://%s/broker-%s.sock",
                       ct->options.run, broker->name);
    } else {
        (void)snprintf(out, CT_ADDRESS_BYTES, "%s", broker->listen.items[index]);
    }
}

/* The number for this content: the one it had, or the next. */
static uint64_t number_of(struct ct *ct, const char *name, hf_slice content)
{
    char digest_name[64];
    struct hf_buf known;
    hf_digest digest = hf_digest_of(content);
    hf_slice digest_bytes = hf_slice_of(digest.bytes, HF_DIGEST_BYTES);
    uint64_t number = 0;
    hf_err err = HF_OK;

    (void)snprintf(digest_name, sizeof digest_name, "digest.%s", name);
    hf_buf_init(&known, 64);
    ct_must(ct_store_number(ct->store, name, &number), "sequence");
    err = ct_store_value(ct->store, digest_name, &known);
    if (err != HF_ERR_NOT_FOUND) {
        ct_must(err, "sequence");
    }
    if (number == 0 || !hf_slice_equal(hf_buf_slice(&known), digest_bytes)) {
        number++;
        ct_must(ct_store_put_version(ct->store, name, number, digest_bytes),
                "sequence");
    }
    hf_buf_fini(&known);
    return number;
}

static hf_err write_policy(struct ct *ct, uint64_t version)
{
    const struct ct_config *c = ct->config;
    uint32_t parts =
        (uint32_t)((c->queues_count + CT_POLICY_QUEUES - 1) / CT_POLICY_QUEUES);
    struct hf_queue_policy queues[CT_POLICY_QUEUES];
    struct hf_queue_rules rules[CT_POLICY_QUEUES];
    struct hf_buf meta;
    hf_err err = HF_OK;

    hf_buf_clear(&ct->policy);
    hf_buf_init(&meta, HF_META_LIST_MAX);
    for (uint32_t part = 0; part < parts && err == HF_OK; part++) {
        struct hf_policy policy = {.version = version,
                                   .part = part,
                                   .parts = parts,
                                   .queues = queues,
                                   .rules = rules};

        for (size_t i = (size_t)part * CT_POLICY_QUEUES;
             i < c->queues_count && policy.queues_count < CT_POLICY_QUEUES; i++) {
            queues[policy.queues_count] = c->queues[i].policy;
            queues[policy.queues_count++].state = ct_queue_state(ct, &c->queues[i]);
            rules[policy.rules_count++] = c->queues[i].rules;
        }
        hf_buf_clear(&meta);
        err = hf_policy_append(&policy, &meta);
        if (err == HF_OK) {
            err = hf_buf_append_be32(&ct->policy, (uint32_t)hf_buf_bytes(&meta));
        }
        if (err == HF_OK) {
            err = hf_buf_append(&ct->policy, hf_buf_slice(&meta));
        }
    }
    hf_buf_fini(&meta);
    return err;
}

static hf_slice *slices_of(struct hf_arena *arena, struct ct_texts texts)
{
    hf_slice *out = hf_arena_get(arena, (texts.count + 1) * sizeof *out);

    for (size_t i = 0; out != NULL && i < texts.count; i++) {
        out[i] = hf_slice_of_cstr(texts.items[i]);
    }
    return out;
}

static hf_slice slice_or_none(const char *text)
{
    return text == NULL ? HF_SLICE_EMPTY : hf_slice_of_cstr(text);
}

static bool fill_groups(const struct ct_config *c, struct hf_arena *arena,
                        struct hf_routes *routes)
{
    struct hf_route_group *groups =
        hf_arena_get(arena, (c->groups_count + 1) * sizeof *groups);

    for (size_t i = 0; groups != NULL && i < c->groups_count; i++) {
        const struct ct_group_config *g = &c->groups[i];

        groups[i] = (struct hf_route_group){
            .name = hf_slice_of_cstr(g->name),
            .queue = slice_or_none(g->queue),
            .prefixes = slices_of(arena, g->prefixes),
            .prefixes_count = g->prefixes.count,
            .body_max = g->body_max,
            .deadline_ms = g->deadline_ms,
            .state = g->state,
            .verbosity = g->verbosity,
            .path_case_sensitive = g->is_case_sensitive,
            .wishes = g->wishes,
            .idempotency = g->idempotency,
            .fair_key = slice_or_none(g->fair_key),
            .serial_key = slice_or_none(g->serial_key),
            .affinity_key = slice_or_none(g->affinity_key),
            .idempotency_fields = slices_of(arena, g->idempotency_fields),
            .idempotency_fields_count = g->idempotency_fields.count,
            .callback_hosts = slices_of(arena, g->callback_hosts),
            .callback_hosts_count = g->callback_hosts.count,
        };
        if (groups[i].prefixes == NULL || groups[i].idempotency_fields == NULL ||
            groups[i].callback_hosts == NULL) {
            return false;
        }
    }
    routes->groups = groups;
    routes->groups_count = c->groups_count;
    return groups != NULL;
}

static bool fill_brokers(struct ct *ct, struct hf_arena *arena,
                         struct hf_routes *routes)
{
    const struct ct_config *c = ct->config;
    struct hf_route_broker *brokers =
        hf_arena_get(arena, c->brokers_count * sizeof *brokers);

    for (size_t i = 0; brokers != NULL && i < c->brokers_count; i++) {
        const struct ct_broker_config *b = &c->brokers[i];
        size_t count = b->listen.count == 0 ? 1 : b->listen.count;
        hf_slice *addresses = hf_arena_get(arena, count * sizeof *addresses);
        char text[CT_ADDRESS_BYTES];

        for (size_t k = 0; addresses != NULL && k < count; k++) {
            ct_broker_address(ct, b, k, text);
            addresses[k] = hf_arena_copy(arena, hf_slice_of_cstr(text));
        }
        if (addresses == NULL) {
            return false;
        }
        brokers[i] =
            (struct hf_route_broker){hf_slice_of_cstr(b->name), addresses, count};
    }
    routes->brokers = brokers;
    routes->brokers_count = c->brokers_count;
    return brokers != NULL;
}

static bool fill_queues(const struct ct_config *c, struct hf_arena *arena,
                        struct hf_routes *routes)
{
    struct hf_route_queue *queues =
        hf_arena_get(arena, (c->queues_count + 1) * sizeof *queues);
    hf_slice names[CT_BROKERS_MAX];

    for (size_t i = 0; i < c->brokers_count; i++) {
        names[i] = hf_slice_of_cstr(c->brokers[i].name);
    }
    for (size_t i = 0; queues != NULL && i < c->queues_count; i++) {
        const struct ct_queue_config *q = &c->queues[i];

        queues[i] = (struct hf_route_queue){
            .name = q->policy.name,
            .shard = 0,
            .broker =
                q->broker != NULL
                    ? hf_slice_of_cstr(q->broker)
                    : names[placement_of(q->policy.name, names, c->brokers_count)],
        };
    }
    routes->queues = queues;
    routes->queues_count = c->queues_count;
    return queues != NULL;
}

static hf_err write_routes(struct ct *ct, uint64_t sequence)
{
    const struct ct_config *c = ct->config;
    struct hf_routes routes = {.sequence = sequence,
                               .unrouted_status = c->unrouted_status};
    struct hf_arena arena;
    hf_err err = HF_ERR_NO_MEMORY;

    hf_arena_init(&arena, CT_CONFIG_MEMORY);
    hf_buf_clear(&ct->routes);
    routes.trusted_proxies = slices_of(&arena, c->trusted_proxies);
    routes.trusted_proxies_count = c->trusted_proxies.count;
    if (fill_groups(c, &arena, &routes) && fill_brokers(ct, &arena, &routes) &&
        fill_queues(c, &arena, &routes)) {
        err = hf_routes_append(&routes, &ct->routes);
    }
    hf_arena_fini(&arena);
    return err;
}

static hf_err sign_routes(struct ct *ct, uint64_t sequence)
{
    const struct hf_manifest manifest = {
        .head = {.issuer = HF_SLICE(CT_MINT_ISSUER),
                 .audience = hf_slice_of_cstr(ct->credentials.cluster),
                 .seq = sequence,
                 .issued_s = hf_clock_wall_seconds()},
        .bytes = hf_buf_bytes(&ct->routes),
        .digest = hf_digest_of(hf_buf_slice(&ct->routes)),
    };
    struct hf_buf payload;
    hf_err err = HF_OK;

    hf_buf_init(&payload, 4096);
    hf_buf_clear(&ct->manifest);
    err = hf_manifest_write(&manifest, &payload);
    if (err == HF_OK) {
        err = ct_sign(ct, HF_MINT_ROUTES, hf_buf_slice(&payload), &ct->manifest);
    }
    hf_buf_fini(&payload);
    return err;
}

void ct_publish_config(struct ct *ct)
{
    uint64_t version = 0;
    uint64_t sequence = 0;

    if (ct->policy.bytes_max == 0) {
        hf_buf_init(&ct->policy, POLICY_BYTES_MAX);
        hf_buf_init(&ct->routes, ROUTES_BYTES_MAX);
        hf_buf_init(&ct->manifest, HF_META_MAX - 64);
    }
    ct_must(write_policy(ct, 0), "policy");
    version = number_of(ct, POLICY_NAME, hf_buf_slice(&ct->policy));
    ct_must(write_policy(ct, version), "policy");
    ct_must(write_routes(ct, 0), "routes");
    sequence = number_of(ct, ROUTES_NAME, hf_buf_slice(&ct->routes));
    ct_must(write_routes(ct, sequence), "routes");
    publication_offer(&ct->publication, PUBLICATION_POLICY, version);
    publication_offer(&ct->publication, PUBLICATION_SNAPSHOT, sequence);
    ct_publish(ct);
}

void ct_publish_raise(struct ct *ct, enum publication_kind kind, uint64_t held)
{
    static const char *const names[] = {"revocation", POLICY_NAME, ROUTES_NAME};

    HF_WARN("a broker holds a later number than ours",
            hf_log_cstr("kind", ct_publication_name(kind)),
            hf_log_int("held", (int64_t)held));
    ct_must(ct_store_put_number(ct->store, names[kind], held + 1), "sequence");
    if (kind == PUBLICATION_REVOCATION) {
        ct->revocation.at = HF_TIME_ZERO;
        publication_offer(&ct->publication, kind, held + 1);
        return;
    }
    ct_publish_config(ct);
}

static void send_policy(struct ct *ct, struct ct_uplink *uplink)
{
    hf_slice rest = hf_buf_slice(&ct->policy);

    while (rest.bytes >= 4) {
        const struct hf_record record = {
            .type = HF_RECORD_POLICY,
            .meta = hf_slice_first(hf_slice_skip(rest, 4), hf_get_be32(rest.data))};

        ct_uplink_send(uplink, &record);
        rest = hf_slice_skip(rest, 4 + record.meta.bytes);
    }
}

static void send_snapshot(struct ct *ct, struct ct_uplink *uplink)
{
    hf_slice rest = hf_buf_slice(&ct->routes);
    uint32_t count = (uint32_t)((rest.bytes + CT_CHUNK_BYTES - 1) / CT_CHUNK_BYTES);
    struct hf_buf meta;

    if (sign_routes(ct, ct->publication.current[PUBLICATION_SNAPSHOT]) != HF_OK) {
        return; /* tried again in a while */
    }
    hf_buf_init(&meta, HF_META_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct hf_snapshot message = {
            .sequence = ct->publication.current[PUBLICATION_SNAPSHOT],
            .index = i,
            .count = count,
            .manifest = hf_buf_slice(&ct->manifest),
        };
        struct hf_record record = {.type = HF_RECORD_SNAPSHOT,
                                   .body = hf_slice_first(rest, CT_CHUNK_BYTES)};

        hf_buf_clear(&meta);
        if (hf_snapshot_append(&message, &meta) == HF_OK) {
            record.meta = hf_buf_slice(&meta);
            ct_uplink_send(uplink, &record);
        }
        rest = hf_slice_skip(rest, CT_CHUNK_BYTES);
    }
    hf_buf_fini(&meta);
}

static void send_revocation(struct ct *ct, struct ct_uplink *uplink)
{
    struct hf_buf meta;

    if (ct_revocation_sign(ct) != HF_OK) {
        return;
    }
    hf_buf_init(&meta, HF_META_LIST_MAX);
    for (size_t i = 0; i < ct->revocation.count; i++) {
        const struct hf_revoke message = {.document = ct->revocation.parts[i]};

        hf_buf_clear(&meta);
        if (hf_revoke_append(&message, &meta) == HF_OK) {
            const struct hf_record record = {.type = HF_RECORD_REVOKE,
                                             .meta = hf_buf_slice(&meta)};

            ct_uplink_send(uplink, &record);
        }
    }
    hf_buf_fini(&meta);
}

void ct_publish(struct ct *ct)
{
    struct publication_effect effects[PUBLICATION_EFFECTS_MAX];
    size_t count = publication_step(&ct->publication, hf_clock_now(), effects);

    for (size_t i = 0; i < count; i++) {
        struct ct_uplink *uplink = &ct->uplinks[effects[i].broker];

        switch (effects[i].kind) {
        case PUBLICATION_REVOCATION:
            send_revocation(ct, uplink);
            break;
        case PUBLICATION_POLICY:
            send_policy(ct, uplink);
            break;
        case PUBLICATION_SNAPSHOT:
            send_snapshot(ct, uplink);
            break;
        case PUBLICATION_KINDS:
            break;
        }
        ct_uplink_flush(uplink);
    }
}
