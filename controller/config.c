/* Owns the way from the document to plain structs. */
#include "controller/config_parts.h"

#include "lib/io/file.h"

#include <stdlib.h>
#include <string.h>

#define FINGERPRINT_SEED UINT64_C(0x686f6c6466617374)

const char *ct_config_copy(struct ct_reading *r, const struct hf_conf_node *node)
{
    char *copy = hf_arena_get(&r->config->arena, node->text.bytes + 1);

    if (copy == NULL) {
        hf_conf_report(r->conf, node, "out of memory");
        return "";
    }
    if (node->text.bytes > 0) {
        memcpy(copy, node->text.data, node->text.bytes);
    }
    copy[node->text.bytes] = '\0';
    return copy;
}

const char *ct_config_text(struct ct_reading *r, const struct hf_conf_node *map,
                           const char *key)
{
    const struct hf_conf_node *node = hf_conf_get(map, key);

    return node == NULL ? NULL : ct_config_copy(r, node);
}

void *ct_config_array(struct ct_reading *r, size_t count, size_t bytes)
{
    void *array = hf_arena_get(&r->config->arena, count == 0 ? 1 : count * bytes);

    if (array == NULL) {
        hf_conf_report(r->conf, r->conf->root, "out of memory");
        return NULL;
    }
    memset(array, 0, count == 0 ? 1 : count * bytes);
    return array;
}

struct ct_texts ct_config_texts(struct ct_reading *r, const struct hf_conf_node *map,
                                const char *key)
{
    const struct hf_conf_node *list = hf_conf_get(map, key);
    struct ct_texts texts = {NULL, 0};
    const char **items = NULL;

    if (list == NULL || list->children_count == 0) {
        return texts;
    }
    items = ct_config_array(r, list->children_count + 1, sizeof *items);
    if (items == NULL) {
        return texts;
    }
    for (const struct hf_conf_node *at = list->children; at != NULL; at = at->next) {
        items[texts.count++] = ct_config_copy(r, at);
    }
    texts.items = items;
    return texts;
}

static size_t count_of(const struct hf_conf_node *list)
{
    return list == NULL ? 0 : list->children_count;
}

static void read_broker(struct ct_reading *r, const struct hf_conf_node *node,
                        struct ct_broker_config *out)
{
    out->name = ct_config_text(r, node, "name");
    out->listen = ct_config_texts(r, node, "listen");
    out->admin = ct_config_text(r, node, "admin");
    out->store = ct_config_text(r, node, "store");
#define X(key, flag) out->key = ct_config_text(r, node, #key);
    CT_BROKER_FLAGS(X)
#undef X
}

static void read_frontend(struct ct_reading *r, const struct hf_conf_node *node,
                          struct ct_frontend_config *out)
{
    out->name = ct_config_text(r, node, "name");
    out->listen = ct_config_texts(r, node, "listen");
    out->admin = ct_config_text(r, node, "admin");
    out->spool = ct_config_text(r, node, "spool");
#define X(key, flag) out->key = ct_config_text(r, node, #key);
    CT_FRONTEND_FLAGS(X)
#undef X
}

static void read_queue(struct ct_reading *r, const struct hf_conf_node *node,
                       struct ct_queue_config *out)
{
    out->name = ct_config_text(r, node, "name");
    out->broker = ct_config_text(r, node, "broker");
    out->policy = (struct hf_queue_policy){
        .name = hf_slice_of_cstr(out->name),
        .durability = (enum hf_durability)hf_conf_number(node, "durability"),
        .length_max = (uint32_t)hf_conf_number(node, "length"),
        .bytes_max = (uint64_t)hf_conf_number(node, "bytes"),
        .wait_limit_ms = (uint32_t)hf_conf_number(node, "wait_limit"),
        .redeliver = (enum hf_redeliver)hf_conf_number(node, "redeliver"),
        .attempts_max = (uint32_t)hf_conf_number(node, "attempts"),
        .state = (enum hf_queue_state)hf_conf_number(node, "state"),
        .lazy_commit_ms = (uint32_t)hf_conf_number(node, "lazy_commit"),
    };
    out->rules = (struct hf_queue_rules){
        .order = (enum hf_queue_order)hf_conf_number(node, "order"),
        .fair_share = (uint32_t)hf_conf_number(node, "fair_share"),
        .max_in_flight = (uint32_t)hf_conf_number(node, "max_in_flight"),
        .rate_milli = 1000 * (uint64_t)hf_conf_number(node, "rate"),
        .burst = (uint32_t)hf_conf_number(node, "burst"),
        .key_max_in_flight = (uint32_t)hf_conf_number(node, "key_max_in_flight"),
        .key_rate_milli = 1000 * (uint64_t)hf_conf_number(node, "key_rate"),
        .key_burst = (uint32_t)hf_conf_number(node, "key_burst"),
        .limit_action = (enum hf_limit_action)hf_conf_number(node, "limit_action"),
        .retry_5xx = hf_conf_number(node, "retry_on") == 1,
        .max_crashes = (uint32_t)hf_conf_number(node, "max_crashes"),
        .retention_ms = (uint64_t)hf_conf_number(node, "retention"),
        .response_max = (uint64_t)hf_conf_number(node, "response_max"),
    };
}

static uint32_t wishes_of(const struct hf_conf_node *node)
{
    static const struct {
        const char *key;
        enum hf_wish wish;
    } rows[] = {
        {"respond_async", HF_WISH_ASYNC},      {"priority", HF_WISH_PRIORITY},
        {"client_deadline", HF_WISH_DEADLINE}, {"delay", HF_WISH_DELAY},
        {"idempotency_wait", HF_WISH_ATTACH},  {"coalesce", HF_WISH_COALESCE},
    };
    uint32_t wishes = 0;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wishes |= hf_conf_number(node, rows[i].key) == 1 ? (uint32_t)rows[i].wish : 0u;
    }
    return wishes;
}

static void read_group(struct ct_reading *r, const struct hf_conf_node *node,
                       struct ct_group_config *out)
{
    out->name = ct_config_text(r, node, "name");
    out->queue = ct_config_text(r, node, "queue");
    out->prefixes = ct_config_texts(r, node, "prefixes");
    out->body_max = (uint64_t)hf_conf_number(node, "body_max");
    out->deadline_ms = (uint32_t)hf_conf_number(node, "deadline");
    out->state = (enum hf_queue_state)hf_conf_number(node, "state");
    out->verbosity = (enum hf_verbosity)hf_conf_number(node, "verbosity");
    out->is_case_sensitive = hf_conf_number(node, "path_case") == 1;
    out->wishes = wishes_of(node);
    out->idempotency = (enum hf_idempotency)hf_conf_number(node, "idempotency");
    out->idempotency_fields = ct_config_texts(r, node, "idempotency_fields");
    out->fair_key = ct_config_text(r, node, "fair_key");
    out->serial_key = ct_config_text(r, node, "serial_key");
    out->affinity_key = ct_config_text(r, node, "affinity_key");
    out->callback_hosts = ct_config_texts(r, node, "callback_hosts");
}

/* One list of the root into an array of structs. */
#define READ_LIST(r, key, member, type, read)                                          \
    do {                                                                               \
        const struct hf_conf_node *list_ = hf_conf_get((r)->conf->root, key);          \
        struct type *array_ = ct_config_array((r), count_of(list_), sizeof *array_);   \
        size_t at_ = 0;                                                                \
                                                                                       \
        for (const struct hf_conf_node *node_ = list_ == NULL ? NULL                   \
                                                              : list_->children;       \
             array_ != NULL && node_ != NULL; node_ = node_->next) {                   \
            read((r), node_, &array_[at_++]);                                          \
        }                                                                              \
        (r)->config->member = array_;                                                  \
        (r)->config->member##_count = at_;                                             \
    } while (0)

static void read_sections(struct ct_reading *r)
{
    const struct hf_conf_node *root = r->conf->root;
    const struct hf_conf_node *logs = hf_conf_get(root, "log");
    const struct hf_conf_node *http = hf_conf_get(root, "http");
    const struct hf_conf_node *tokens = hf_conf_get(root, "tokens");
    const struct hf_conf_node *controller = hf_conf_get(root, "controller");
    struct ct_config *c = r->config;

    c->cluster = ct_config_text(r, root, "cluster");
    c->controller_admin = ct_config_text(r, controller, "admin");
    c->log_format = ct_config_text(r, logs, "format");
    c->log_level = ct_config_text(r, logs, "level");
    c->unrouted_status = (uint32_t)hf_conf_number(http, "unrouted_status");
    c->trusted_proxies = ct_config_texts(r, http, "trusted_proxies");
    c->token_life_ms = hf_conf_number(tokens, "life");
    c->token_grace_ms = hf_conf_number(tokens, "grace");
    c->token_ttl_max_ms = hf_conf_number(tokens, "max_ttl");
    READ_LIST(r, "brokers", brokers, ct_broker_config, read_broker);
    READ_LIST(r, "frontends", frontends, ct_frontend_config, read_frontend);
    READ_LIST(r, "queues", queues, ct_queue_config, read_queue);
    READ_LIST(r, "url_groups", groups, ct_group_config, read_group);
    READ_LIST(r, "pools", pools, ct_pool_config, ct_config_pool_read);
}

/* Texts of the fixed sections, in document order: any difference is a change. */
static uint64_t fingerprint_of(const struct hf_conf_node *node, uint64_t seed)
{
    const struct hf_conf_node *work[HF_CONF_DEPTH_MAX + 1] = {node};
    size_t depth = node == NULL ? 0 : 1;
    uint64_t print = seed;

    while (depth > 0) {
        const struct hf_conf_node *at = work[depth - 1];

        if (at == NULL) {
            depth--;
            continue;
        }
        print = hf_hash(at->name, print);
        print = hf_hash(at->text, print);
        work[depth - 1] = depth == 1 ? NULL : at->next;
        if (at->children != NULL) {
            hf_check(depth <= HF_CONF_DEPTH_MAX);
            work[depth++] = at->children;
        }
    }
    return print;
}

static void read_fingerprints(struct ct_reading *r)
{
    static const char *const fixed[] = {"cluster",   "controller", "brokers",
                                        "frontends", "tokens",     "log"};
    uint64_t print = FINGERPRINT_SEED;

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        print = fingerprint_of(hf_conf_get(r->conf->root, fixed[i]), print);
    }
    r->config->fixed = print;
}

static hf_err fill(struct hf_conf *conf, struct ct_config *config)
{
    struct ct_reading r = {.conf = conf, .config = config};

    r.names = calloc(CT_PREFIXES_MAX, sizeof *r.names);
    if (r.names == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    read_sections(&r);
    if (conf->errors_count == 0) {
        read_fingerprints(&r);
        ct_config_check(&r);
    }
    free(r.names);
    return conf->errors_count == 0 ? HF_OK : HF_ERR_INVALID;
}

hf_err ct_config_read(const char *file, hf_slice yaml, struct hf_buf *errors,
                      struct ct_config **out)
{
    struct hf_conf *conf = calloc(1, sizeof *conf);
    struct ct_config *config = calloc(1, sizeof *config);
    hf_err err = HF_ERR_NO_MEMORY;

    if (conf != NULL && config != NULL) {
        hf_arena_init(&config->arena, CT_CONFIG_MEMORY);
        conf->file = file;
        conf->rows = ct_config_rows;
        conf->rows_count = ct_config_rows_count;
        err = hf_conf_parse(conf, yaml);
        if (err == HF_OK) {
            err = fill(conf, config);
        }
        if (conf->errors_count > 0) {
            err = hf_conf_render_errors(conf, errors) == HF_OK ? HF_ERR_INVALID
                                                               : HF_ERR_NO_MEMORY;
        }
        hf_conf_fini(conf);
    }
    free(conf);
    if (err != HF_OK) {
        ct_config_free(config);
        return err;
    }
    *out = config;
    return HF_OK;
}

hf_err ct_config_load(const char *file, struct hf_buf *errors, struct ct_config **out)
{
    struct hf_buf yaml;
    hf_err err = HF_OK;

    hf_buf_init(&yaml, HF_CONF_BYTES_MAX);
    err = hf_file_read(file, &yaml);
    if (err == HF_OK) {
        err = ct_config_read(file, hf_buf_slice(&yaml), errors, out);
    } else {
        (void)!hf_buf_printf(errors, "%s: cannot be read: %s\n", file,
                             hf_err_text(err));
        err = HF_ERR_INVALID;
    }
    hf_buf_fini(&yaml);
    return err;
}

void ct_config_free(struct ct_config *config)
{
    if (config != NULL) {
        hf_arena_fini(&config->arena);
        free(config);
    }
}

const struct ct_pool_config *ct_config_pool(const struct ct_config *config,
                                            hf_slice name)
{
    for (size_t i = 0; i < config->pools_count; i++) {
        if (hf_slice_equal(hf_slice_of_cstr(config->pools[i].name), name)) {
            return &config->pools[i];
        }
    }
    return NULL;
}
