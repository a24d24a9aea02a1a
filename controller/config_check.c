/* Owns what the table of keys cannot say: syntax of names, addresses and prefixes,
 * doubles, references from one section to another. */
#include "controller/config_parts.h"

#include "lib/base/map.h"
#include "lib/base/text.h"
#include "lib/http/key.h"
#include "lib/token/address.h"
#include "lib/token/pattern.h"

#include <stdlib.h>
#include <string.h>

#define POOL_SEED UINT64_C(0x706f6f6c)

static bool is_name(hf_slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = text.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || ((c == '-' || c == '_') && i > 0))) {
            return false;
        }
    }
    return text.bytes > 0;
}

static void check_name(struct ct_reading *r, const struct hf_conf_node *node)
{
    if (node != NULL && !is_name(node->text)) {
        hf_conf_report(r->conf, node,
                       "%.*s: expected letters, digits, '-' and '_', not starting with "
                       "'-' or '_'",
                       (int)node->name.bytes, (const char *)node->name.data);
    }
}

int ct_config_compare_names(const void *a, const void *b)
{
    const struct ct_name *left = a;
    const struct ct_name *right = b;
    int order = hf_slice_compare(left->text, right->text);

    return order != 0 ? order
                      : (left->node->line > right->node->line) -
                            (left->node->line < right->node->line);
}

static void report_doubles(struct ct_reading *r, size_t count, const char *what)
{
    qsort(r->names, count, sizeof *r->names, ct_config_compare_names);
    for (size_t i = 1; i < count; i++) {
        if (hf_slice_equal(r->names[i - 1].text, r->names[i].text)) {
            hf_conf_report(
                r->conf, r->names[i].node, "%s: \"%.*s\" is taken by line %u", what,
                (int)r->names[i].text.bytes, (const char *)r->names[i].text.data,
                r->names[i - 1].node->line);
        }
    }
}

/* Elements of a list of the root, each with a name of its own. */
static void check_section(struct ct_reading *r, const char *section,
                          bool names_are_plain)
{
    const struct hf_conf_node *list = hf_conf_get(r->conf->root, section);
    size_t count = 0;

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL; at = at->next) {
        const struct hf_conf_node *name = hf_conf_get(at, "name");

        if (name == NULL || count == CT_PREFIXES_MAX) {
            continue;
        }
        if (names_are_plain) {
            check_name(r, name);
        } else if (hf_queue_name_check(name->text) != HF_OK ||
                   name->text.data[0] == '$') {
            hf_conf_report(
                r->conf, name,
                "name: expected 1 to 8 segments of [a-z0-9_-]{1,63} joined by "
                "dots");
        }
        r->names[count++] = (struct ct_name){name->text, name};
    }
    report_doubles(r, count, "name");
}

static bool is_port(hf_slice text)
{
    uint64_t port = 0;

    return hf_text_parse_u64(text, 65535, &port) == HF_OK;
}

/* Whether `text` ends in ":PORT"; *host is what is before it. */
static bool split_port(hf_slice text, hf_slice *host)
{
    size_t colon = text.bytes;

    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return false;
    }
    *host = hf_slice_first(text, colon - 1);
    return is_port(hf_slice_skip(text, colon));
}

static bool is_host_address(hf_slice host)
{
    struct hf_address address;

    if (host.bytes > 2 && host.data[0] == '[' && host.data[host.bytes - 1] == ']') {
        host = hf_slice_first(hf_slice_skip(host, 1), host.bytes - 2);
    }
    return hf_address_parse(host, &address) == HF_OK;
}

static void check_links(struct ct_reading *r, const struct hf_conf_node *broker)
{
    const struct hf_conf_node *list = hf_conf_get(broker, "listen");

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL; at = at->next) {
        hf_slice host = HF_SLICE_EMPTY;
        bool is_tcp = hf_slice_starts_with(at->text, HF_SLICE("tcp://"));
        bool is_ipc = hf_slice_starts_with(at->text, HF_SLICE("ipc:///"));

        if (!is_ipc && !(is_tcp && split_port(hf_slice_skip(at->text, 6), &host) &&
                         host.bytes > 0)) {
            hf_conf_report(r->conf, at,
                           "listen: expected tcp://HOST:PORT or ipc:///PATH");
        }
    }
}

static void check_http(struct ct_reading *r, const struct hf_conf_node *frontend)
{
    const struct hf_conf_node *list = hf_conf_get(frontend, "listen");

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL; at = at->next) {
        hf_slice host = HF_SLICE_EMPTY;

        if (!split_port(at->text, &host) ||
            (host.bytes > 0 && !is_host_address(host))) {
            hf_conf_report(r->conf, at,
                           "listen: expected IP:PORT, [IPv6]:PORT or :PORT (no names)");
        }
    }
}

static void check_admin(struct ct_reading *r, const struct hf_conf_node *map)
{
    const struct hf_conf_node *node = hf_conf_get(map, "admin");
    hf_slice host = HF_SLICE_EMPTY;

    if (node != NULL && !hf_slice_starts_with(node->text, HF_SLICE("unix:/")) &&
        (!split_port(node->text, &host) ||
         (host.bytes > 0 && !is_host_address(host)))) {
        hf_conf_report(r->conf, node, "admin: expected IP:PORT or unix:/PATH");
    }
}

static void check_daemons(struct ct_reading *r)
{
    const struct hf_conf_node *root = r->conf->root;
    const struct hf_conf_node *brokers = hf_conf_get(root, "brokers");
    const struct hf_conf_node *frontends = hf_conf_get(root, "frontends");

    check_admin(r, hf_conf_get(root, "controller"));
    for (const struct hf_conf_node *at = brokers->children; at != NULL; at = at->next) {
        check_links(r, at);
        check_admin(r, at);
    }
    for (const struct hf_conf_node *at = frontends->children; at != NULL;
         at = at->next) {
        check_http(r, at);
        check_admin(r, at);
    }
}

static void check_proxies(struct ct_reading *r)
{
    const struct hf_conf_node *list =
        hf_conf_get(hf_conf_get(r->conf->root, "http"), "trusted_proxies");
    struct hf_network network;

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL; at = at->next) {
        if (hf_network_parse(at->text, &network) != HF_OK) {
            hf_conf_report(r->conf, at,
                           "trusted_proxies: expected a network such as 10.0.0.0/8, "
                           "without host bits");
        }
    }
}

static void check_tokens(struct ct_reading *r)
{
    const struct hf_conf_node *tokens = hf_conf_get(r->conf->root, "tokens");
    const struct hf_conf_node *life = hf_conf_get(tokens, "life");

    if (life->number > hf_conf_number(tokens, "max_ttl")) {
        hf_conf_report(r->conf, life, "life: longer than max_ttl");
    }
}

/* The names of a section's elements, sorted. */
static size_t sort_names(struct ct_reading *r, const char *section)
{
    const struct hf_conf_node *list = hf_conf_get(r->conf->root, section);
    size_t count = 0;

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL && count < CT_PREFIXES_MAX; at = at->next) {
        const struct hf_conf_node *name = hf_conf_get(at, "name");

        if (name != NULL) {
            r->names[count++] = (struct ct_name){name->text, name};
        }
    }
    qsort(r->names, count, sizeof *r->names, ct_config_compare_names);
    return count;
}

static int compare_to_name(const void *text, const void *name)
{
    return hf_slice_compare(*(const hf_slice *)text,
                            ((const struct ct_name *)name)->text);
}

/* Every `key` of `section` must name an element of `target`. */
static void check_references(struct ct_reading *r, const char *section, const char *key,
                             const char *target)
{
    const struct hf_conf_node *list = hf_conf_get(r->conf->root, section);
    size_t count = sort_names(r, target);

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL; at = at->next) {
        const struct hf_conf_node *node = hf_conf_get(at, key);

        if (node != NULL && bsearch(&node->text, r->names, count, sizeof *r->names,
                                    compare_to_name) == NULL) {
            hf_conf_report(r->conf, node, "%s: \"%.*s\" is not in %s", key,
                           (int)(node->text.bytes < 64 ? node->text.bytes : 64),
                           (const char *)node->text.data, target);
        }
    }
}

static const struct hf_conf_node *given(const struct hf_conf_node *map, const char *key)
{
    const struct hf_conf_node *node = hf_conf_get(map, key);

    return node == NULL || node->is_default ? NULL : node;
}

static void check_fair_key(struct ct_reading *r, const struct hf_conf_node *group)
{
    const struct hf_conf_node *fair = given(group, "fair_key");
    struct hf_http_key key;

    if (fair != NULL && hf_http_key_parse(fair->text, &key) != HF_OK) {
        hf_conf_report(r->conf, fair,
                       "fair_key: expected client-ip, host, header:NAME or "
                       "segment:N, N from 1 to 255");
    }
}

/* Keys whose help begins with this are known and do nothing yet: whoever sets one is
 * told so. `prefix` is that of their paths, "queues[].". */
#define RESERVED "Reserved."

static void refuse_reserved(struct ct_reading *r, const struct hf_conf_node *map,
                            const char *prefix)
{
    const size_t bytes = strlen(prefix);

    for (size_t i = 0; i < ct_config_rows_count; i++) {
        const struct hf_conf_row *row = &ct_config_rows[i];

        if (strncmp(row->path, prefix, bytes) == 0 &&
            strncmp(row->help, RESERVED, sizeof RESERVED - 1) == 0 &&
            given(map, row->path + bytes) != NULL) {
            hf_conf_report(r->conf, given(map, row->path + bytes),
                           "%s: not supported in this version", row->path + bytes);
        }
    }
}

static void check_keys(struct ct_reading *r)
{
    const struct hf_conf_node *groups = hf_conf_get(r->conf->root, "url_groups");
    const struct hf_conf_node *queues = hf_conf_get(r->conf->root, "queues");

    for (const struct hf_conf_node *at = groups == NULL ? NULL : groups->children;
         at != NULL; at = at->next) {
        check_fair_key(r, at);
        refuse_reserved(r, at, "url_groups[].");
    }
    for (const struct hf_conf_node *at = queues == NULL ? NULL : queues->children;
         at != NULL; at = at->next) {
        refuse_reserved(r, at, "queues[].");
    }
}

/* Names of ours would mean something to the spawner or a worker. */
static void check_environment(struct ct_reading *r, const struct hf_conf_node *map)
{
    const struct hf_conf_node *list = hf_conf_get(map, "environment");

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL; at = at->next) {
        size_t equals = hf_slice_find(at->text, '=');

        if (equals == 0 || equals == at->text.bytes) {
            hf_conf_report(r->conf, at, "environment: expected NAME=value");
        } else if (hf_slice_starts_with(at->text, HF_SLICE("HOLDFAST_"))) {
            hf_conf_report(r->conf, at, "environment: HOLDFAST_ names are taken");
        }
    }
}

static void check_pool(struct ct_reading *r, const struct hf_conf_node *pool)
{
    static const char *const kinds[] = {"module", "app", "upstream", "command"};
    const struct hf_conf_node *first = NULL;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct hf_conf_node *node = given(pool, kinds[i]);

        if (node != NULL && first != NULL) {
            hf_conf_report(r->conf, node, "%s: the pool has \"%.*s\" already", kinds[i],
                           (int)first->name.bytes, (const char *)first->name.data);
        }
        first = first == NULL ? node : first;
    }
    if (given(pool, "environment") != NULL && given(pool, "command") == NULL) {
        hf_conf_report(r->conf, given(pool, "environment"),
                       "environment: only for a pool with command");
    }
    check_environment(r, pool);
    if (given(pool, "app") != NULL) {
        check_environment(r, given(pool, "app"));
    }
    if (first == NULL) {
        hf_conf_report(r->conf, pool,
                       "expected one of module, app, upstream and command in the pool");
    }
}

static bool has_tcp(const struct ct_config *config)
{
    for (size_t i = 0; i < config->brokers_count; i++) {
        for (size_t k = 0; k < config->brokers[i].listen.count; k++) {
            if (strncmp(config->brokers[i].listen.items[k], "tcp://", 6) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void check_pools(struct ct_reading *r)
{
    const struct hf_conf_node *list = hf_conf_get(r->conf->root, "pools");
    int64_t processes = 0;

    for (const struct hf_conf_node *at = list == NULL ? NULL : list->children;
         at != NULL; at = at->next) {
        const struct hf_conf_node *user = given(at, "user");

        check_pool(r, at);
        processes += hf_conf_number(at, "processes");
        if (user != NULL && !has_tcp(r->config)) {
            hf_conf_report(r->conf, user, "user: needs a broker with a tcp:// address");
        }
    }
    if (processes > CT_WORKERS_MAX) {
        hf_conf_report(r->conf, list, "pools: %lld processes in all, at most %d",
                       (long long)processes, CT_WORKERS_MAX);
    }
}

void ct_config_check(struct ct_reading *r)
{
    check_name(r, hf_conf_get(r->conf->root, "cluster"));
    check_section(r, "brokers", true);
    check_section(r, "frontends", true);
    check_section(r, "queues", false);
    check_section(r, "url_groups", true);
    check_section(r, "pools", true);
    check_daemons(r);
    check_proxies(r);
    check_tokens(r);
    check_references(r, "queues", "broker", "brokers");
    check_references(r, "url_groups", "queue", "queues");
    check_references(r, "pools", "queue", "queues");
    ct_config_check_prefixes(r);
    check_keys(r);
    check_pools(r);
}

static uint64_t mix(uint64_t print, const char *text)
{
    return hf_hash(text == NULL ? HF_SLICE("\xff") : hf_slice_of_cstr(text), print);
}

static uint64_t mix_all(uint64_t print, struct ct_texts texts)
{
    for (size_t i = 0; i < texts.count; i++) {
        print = mix(print, texts.items[i]);
    }
    return mix(print, NULL);
}

/* What a worker is started with: any difference means that it must start anew. */
static uint64_t pool_fingerprint(const struct ct_pool_config *pool)
{
    uint64_t print =
        hf_hash(hf_slice_of(&pool->concurrency, sizeof pool->concurrency), POOL_SEED);

    print = mix(mix(mix(print, pool->queue), pool->module), pool->module_config);
    print = mix(mix(mix(print, pool->upstream), pool->directory), pool->user);
    return mix_all(mix_all(print, pool->command), pool->environment);
}

void ct_config_pool_read(struct ct_reading *r, const struct hf_conf_node *node,
                         struct ct_pool_config *out)
{
    const struct hf_conf_node *app = given(node, "app");

    out->name = ct_config_text(r, node, "name");
    out->queue = ct_config_text(r, node, "queue");
    out->processes = (uint32_t)hf_conf_number(node, "processes");
    out->concurrency = (uint32_t)hf_conf_number(node, "concurrency");
    out->module = ct_config_text(r, node, "module");
    out->module_config = ct_config_text(r, node, "module_config");
    out->upstream = ct_config_text(r, app != NULL ? app : node, "upstream");
    out->command = ct_config_texts(r, app != NULL ? app : node, "command");
    out->environment = ct_config_texts(r, app != NULL ? app : node, "environment");
    if (app != NULL) {
        out->directory = ct_config_text(r, app, "directory");
    }
    out->kind = app != NULL             ? CT_POOL_APP
                : out->module != NULL   ? CT_POOL_MODULE
                : out->upstream != NULL ? CT_POOL_UPSTREAM
                                        : CT_POOL_COMMAND;
    out->user = ct_config_text(r, node, "user");
    out->shutdown_limit_ms = hf_conf_number(node, "shutdown_limit");
    out->ping_interval_ms = hf_conf_number(node, "ping_interval");
    out->ping_limit_ms = hf_conf_number(node, "ping_limit");
    out->fingerprint = pool_fingerprint(out);
}
