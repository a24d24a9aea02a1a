/* Owns the channel to the spawner and the command lines of workers. */
#include "controller/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/token/key.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX   240
#define ENVIRONMENT_MAX 136 /* what the configuration takes, and ours */
#define RECONNECT_MS    100
#define CONNECT_MS      1000
#define DECODE_MEMORY   ((size_t)HF_META_LIST_MAX * HF_LIST_COST + 65536)
#define TEXT_BYTES      (64u << 10)
#define NAME_BYTES      96
#define APP_VARIABLE    "HOLDFAST_APP_ENV_" /* as in holdfast-worker --help */

/* argv and environment being put together; texts live in the arena. */
struct command {
    struct hf_arena arena;
    hf_slice argv[ARGUMENTS_MAX];
    size_t argv_count;
    hf_slice environment[ENVIRONMENT_MAX];
    size_t environment_count;
    bool is_full;
};

static void add(struct command *c, const char *word)
{
    hf_slice copy = hf_arena_copy(&c->arena, hf_slice_of_cstr(word));

    if (c->argv_count == ARGUMENTS_MAX || copy.data == NULL) {
        c->is_full = true;
        return;
    }
    c->argv[c->argv_count++] = copy;
}

static void add_pair(struct command *c, const char *flag, const char *value)
{
    if (value != NULL) {
        add(c, flag);
        add(c, value);
    }
}

/* Never on a command line, which every user of the machine can read: an app's secrets
 * are often in its environment (SECURITY.md 3.5). The worker passes these on. */
static void add_variable(struct command *c, const char *prefix, const char *text)
{
    struct hf_buf joined;
    hf_slice copy = HF_SLICE_EMPTY;

    hf_buf_init(&joined, TEXT_BYTES);
    if (hf_buf_append_cstr(&joined, prefix) == HF_OK &&
        hf_buf_append_cstr(&joined, text) == HF_OK) {
        copy = hf_arena_copy(&c->arena, hf_buf_slice(&joined));
    }
    hf_buf_fini(&joined);
    if (c->environment_count == ENVIRONMENT_MAX || copy.data == NULL) {
        c->is_full = true;
        return;
    }
    c->environment[c->environment_count++] = copy;
}

static void add_links(struct ct *ct, struct command *c)
{
    char address[CT_ADDRESS_BYTES];

    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        ct_broker_address(ct, &ct->config->brokers[i], 0, address);
        add_pair(c, "--broker", address);
    }
}

static void add_common(struct ct *ct, struct command *c,
                       const struct ct_pool_config *pool, const char *name)
{
    char number[16];

    (void)snprintf(number, sizeof number, "%u", pool->concurrency);
    add_links(ct, c);
    add_pair(c, "--queue", pool->queue);
    add_pair(c, "--concurrency", number);
    add_pair(c, "--name", name);
    add_pair(c, "--package-fd", "3");
}

static void fill(struct ct *ct, struct command *c, const struct ct_pool_config *pool,
                 const char *name)
{
    char text[4096];

    if (pool->user != NULL) {
        add_variable(c, "HOLDFAST_USER=", pool->user);
    }
    if (pool->kind == CT_POOL_COMMAND) {
        for (size_t i = 0; i < pool->command.count; i++) {
            add(c, pool->command.items[i]);
        }
        add_common(ct, c, pool, name);
        for (size_t i = 0; i < pool->environment.count; i++) {
            add_variable(c, "", pool->environment.items[i]);
        }
        return;
    }
    (void)snprintf(text, sizeof text, "%s/holdfast-worker", ct->options.bin);
    add(c, text);
    add_common(ct, c, pool, name);
    add_pair(c, "--log-format", ct->config->log_format);
    add_pair(c, "--log-level", ct->config->log_level);
    add_pair(c, "--module", pool->module);
    add_pair(c, "--module-config", pool->module_config);
    add_pair(c, "--upstream", pool->upstream);
    if (pool->kind == CT_POOL_APP) {
        add_pair(c, "--app-dir", pool->directory);
        for (size_t i = 0; i < pool->environment.count; i++) {
            add_variable(c, APP_VARIABLE, pool->environment.items[i]);
        }
        add(c, "--");
        for (size_t i = 0; i < pool->command.count; i++) {
            add(c, pool->command.items[i]);
        }
    }
}

static hf_err make_package(struct ct *ct, const struct fleet_effect *effect,
                           const struct ct_pool_config *pool, struct hf_buf *out)
{
    struct hf_secret *secret = NULL;
    struct hf_buf token;
    char subject[128];
    const hf_slice queue = hf_slice_of_cstr(pool->queue);
    struct ct_issue request = {
        .template_ = "worker",
        .role = IDENTITY_WORKER,
        .subject = subject,
        .queues = &queue,
        .queues_count = 1,
        .life_s = ct->config->token_life_ms / 1000,
        .fingerprint = pool->fingerprint,
    };
    hf_err err = hf_secret_generate(NULL, &secret);

    if (err != HF_OK) {
        return err;
    }
    (void)snprintf(subject, sizeof subject, "local:%s/%u", pool->name, effect->index);
    request.key = hf_secret_public(secret);
    hf_buf_init(&token, HF_CHAIN_BYTES_MAX);
    err = ct_issue(ct, &request, &token);
    if (err == HF_OK) {
        err = ct_package(ct, secret, hf_buf_slice(&token), out);
    }
    if (err == HF_OK) {
        ct->pending[effect->worker] = request.key;
    }
    hf_buf_fini(&token);
    hf_secret_free(secret);
    return err;
}

static void wipe(struct hf_buf *buf)
{
    hf_slice bytes = hf_buf_slice(buf);

    if (bytes.bytes > 0) {
        hf_wipe((void *)(uintptr_t)bytes.data, bytes.bytes);
    }
    hf_buf_fini(buf);
}

static hf_err send_launch(struct ct *ct, const struct fleet_effect *effect,
                          const struct command *c, const struct hf_buf *package)
{
    const hf_key *key = &ct->pending[effect->worker];
    char name[NAME_BYTES];
    struct hf_launch launch = {
        .nonce = effect->worker,
        .argv = c->argv,
        .argv_count = c->argv_count,
        .environment = c->environment,
        .environment_count = c->environment_count,
        .package = hf_buf_slice(package),
        .label = hf_slice_of(key->bytes, HF_KEY_BYTES),
    };
    struct hf_record record = {.type = HF_RECORD_LAUNCH};
    struct hf_buf meta;
    hf_err err = HF_OK;

    (void)snprintf(name, sizeof name, "%s/%u", effect->pool, effect->index);
    launch.name = hf_slice_of_cstr(name);
    hf_buf_init(&meta, HF_META_LIST_MAX);
    err = hf_launch_append(&launch, &meta);
    record.meta = hf_buf_slice(&meta);
    if (err == HF_OK) {
        err =
            ct->spawner_fd < 0 ? HF_ERR_CLOSED : ct_local_send(ct->spawner_fd, &record);
    }
    wipe(&meta);
    return err;
}

bool ct_launch(struct ct *ct, const struct fleet_effect *effect)
{
    const struct ct_pool_config *pool =
        ct_config_pool(ct->config, hf_slice_of_cstr(effect->pool));
    struct command *c = calloc(1, sizeof *c);
    struct hf_buf package;
    char name[NAME_BYTES];
    hf_err err = HF_ERR_NO_MEMORY;

    hf_buf_init(&package, HF_CREDENTIALS_BYTES_MAX);
    (void)snprintf(name, sizeof name, "%s/%u", effect->pool, effect->index);
    if (pool != NULL && c != NULL) {
        hf_arena_init(&c->arena, TEXT_BYTES);
        fill(ct, c, pool, name);
        err = c->is_full ? HF_ERR_TOO_BIG : make_package(ct, effect, pool, &package);
        if (err == HF_OK) {
            err = send_launch(ct, effect, c, &package);
        }
        hf_arena_fini(&c->arena);
    }
    wipe(&package);
    free(c);
    ct->is_ready_told[effect->worker] = false;
    if (err != HF_OK) {
        HF_WARN("worker not launched", hf_log_cstr("name", name),
                hf_log_cstr("error", hf_err_text(err)));
    }
    return err == HF_OK;
}

void ct_spawner_send(struct ct *ct, uint16_t type, hf_slice meta)
{
    const struct hf_record record = {.type = type, .meta = meta};

    if (ct->spawner_fd >= 0 && ct_local_send(ct->spawner_fd, &record) != HF_OK) {
        HF_WARN("spawner does not take a record", hf_log_int("type", type));
    }
}

/* "pool/index" */
static bool split_name(hf_slice name, hf_slice *pool, uint32_t *index)
{
    size_t slash = hf_slice_find(name, '/');
    char digits[16];

    if (slash + 1 >= name.bytes || name.bytes - slash > sizeof digits) {
        return false;
    }
    memcpy(digits, name.data + slash + 1, name.bytes - slash - 1);
    digits[name.bytes - slash - 1] = '\0';
    *pool = hf_slice_first(name, slash);
    *index = (uint32_t)strtoul(digits, NULL, 10);
    return true;
}

static bool read_label(hf_slice label, hf_key *out)
{
    if (label.bytes != HF_KEY_BYTES) {
        return false;
    }
    memcpy(out->bytes, label.data, HF_KEY_BYTES);
    return true;
}

static void adopt(struct ct *ct, const struct hf_child *child)
{
    struct fleet_input input = {.type = FLEET_IN_ADOPT};
    const struct identity *known = NULL;

    if (!split_name(child->name, &input.u.adopt.pool, &input.u.adopt.index) ||
        !read_label(child->label, &input.u.adopt.key)) {
        return;
    }
    known = identity_find(&ct->identities, input.u.adopt.key);
    input.u.adopt.pid = child->pid;
    input.u.adopt.since = hf_time_of_ms(child->since_ms);
    input.u.adopt.fingerprint = known == NULL ? 0 : known->fingerprint;
    ct_step(ct, &input);
    HF_INFO("worker found", hf_log_slice("name", child->name),
            hf_log_int("pid", child->pid));
}

/* Identities of workers that nobody runs any more. */
static void forget_lost(struct ct *ct, const struct hf_listed *listed)
{
    for (size_t i = ct->identities.count; i > 0; i--) {
        const struct identity *row = &ct->identities.rows[i - 1];
        bool is_listed = false;

        for (size_t k = 0; k < listed->children_count && !is_listed; k++) {
            is_listed = hf_slice_equal(listed->children[k].label,
                                       hf_slice_of(row->key.bytes, HF_KEY_BYTES));
        }
        if (row->role == IDENTITY_WORKER && !is_listed) {
            ct_forget(ct, row->key);
        }
    }
}

static void take_list(struct ct *ct, hf_slice meta)
{
    struct fleet_input input = {.type = FLEET_IN_SPAWNER_UP};
    struct hf_listed listed;
    struct hf_arena arena;

    hf_arena_init(&arena, DECODE_MEMORY);
    if (hf_listed_decode(meta, &arena, &listed) == HF_OK) {
        ct_step(ct, &input);
        for (size_t i = 0; i < listed.children_count; i++) {
            adopt(ct, &listed.children[i]);
        }
        forget_lost(ct, &listed);
        input.type = FLEET_IN_ADOPTED;
        ct_step(ct, &input);
    }
    hf_arena_fini(&arena);
}

/* A worker that the fleet did not wait for: nobody would look after it. */
static void end_stray(struct ct *ct, int64_t pid)
{
    struct fleet_view view;
    const struct hf_signal_child message = {.pid = pid, .signal = 9};
    uint8_t meta[HF_META_SMALL_MAX];

    for (uint32_t w = 1; w <= FLEET_WORKERS_MAX; w++) {
        if (fleet_view(ct->fleet, w, &view) && view.pid == pid) {
            return;
        }
    }
    ct_spawner_send(
        ct, HF_RECORD_SIGNAL,
        hf_slice_of(meta, hf_signal_child_encode(&message, meta, sizeof meta)));
}

static void take_launched(struct ct *ct, hf_slice meta)
{
    struct fleet_input input = {.type = FLEET_IN_LAUNCHED};
    struct hf_launched launched;

    if (hf_launched_decode(meta, &launched) != HF_OK || launched.nonce == 0 ||
        launched.nonce > FLEET_WORKERS_MAX) {
        return;
    }
    input.u.launched.worker = (uint32_t)launched.nonce;
    input.u.launched.key = ct->pending[launched.nonce];
    input.u.launched.pid = launched.pid;
    if (launched.pid <= 0) {
        input.type = FLEET_IN_LAUNCH_FAILED;
        HF_WARN("worker not launched", hf_log_slice("error", launched.error));
        ct_news(ct, "worker not started: %.*s",
                (int)(launched.error.bytes < 120 ? launched.error.bytes : 120),
                launched.error.bytes > 0 ? (const char *)launched.error.data : "");
        ct_forget(ct, input.u.launched.key);
    }
    ct_step(ct, &input);
    if (launched.pid > 0) {
        end_stray(ct, launched.pid);
    }
}

static void take_exit(struct ct *ct, hf_slice meta)
{
    struct fleet_input input = {.type = FLEET_IN_EXITED};
    struct hf_exited exited;

    if (hf_exited_decode(meta, &exited) != HF_OK ||
        !read_label(exited.label, &input.u.exited.key)) {
        return;
    }
    input.u.exited.pid = exited.pid;
    input.u.exited.ran_ms = exited.ran_ms;
    input.u.exited.signal = exited.signal;
    input.u.exited.status = exited.status;
    ct_step(ct, &input);
}

void ct_spawner_close(struct ct *ct)
{
    if (ct->spawner_watch != NULL) {
        hf_watch_close(ct->spawner_watch);
        ct->spawner_watch = NULL;
    }
    if (ct->spawner_fd >= 0) {
        (void)close(ct->spawner_fd);
        ct->spawner_fd = -1;
    }
}

static void lose_spawner(struct ct *ct)
{
    struct fleet_input input = {.type = FLEET_IN_SPAWNER_DOWN};

    ct_spawner_close(ct);
    HF_WARN("spawner lost", hf_log_cstr("socket", ct->options.spawner));
    ct_step(ct, &input);
}

static void on_spawner(void *context, int events, hf_err err)
{
    struct ct *ct = context;
    struct hf_record record;
    struct hf_buf packet;

    (void)events;
    hf_buf_init(&packet, CT_LOCAL_PACKET_BYTES_MAX);
    if (err == HF_OK) {
        err = ct_local_receive(ct->spawner_fd, &packet, &record);
    }
    if (err == HF_OK &&
        hf_record_check(&record, HF_END_SPAWNER, HF_END_CONTROLLER) == HF_OK) {
        if (record.type == HF_RECORD_LISTED) {
            take_list(ct, record.meta);
        } else if (record.type == HF_RECORD_LAUNCHED) {
            take_launched(ct, record.meta);
        } else {
            take_exit(ct, record.meta);
        }
    } else if (err != HF_ERR_AGAIN) {
        lose_spawner(ct);
    }
    hf_buf_fini(&packet);
}

void ct_spawner_tick(struct ct *ct)
{
    const struct hf_list_children query = {.nonce = 1};
    uint8_t meta[HF_META_SMALL_MAX];
    hf_time now = hf_clock_now();
    int flags = 0;

    if (ct->spawner_fd >= 0 || hf_time_before(now, ct->spawner_due)) {
        return;
    }
    ct->spawner_due = hf_time_add_ms(now, RECONNECT_MS);
    if (ct_local_connect(ct->options.spawner, CONNECT_MS, &ct->spawner_fd) != HF_OK) {
        ct->spawner_fd = -1;
        return;
    }
    flags = fcntl(ct->spawner_fd, F_GETFL);
    if (flags < 0 || fcntl(ct->spawner_fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        hf_watch_open(ct->loop, ct->spawner_fd, on_spawner, ct, &ct->spawner_watch) !=
            HF_OK ||
        hf_watch_set(ct->spawner_watch, HF_WATCH_READ) != HF_OK) {
        ct_spawner_close(ct);
        return;
    }
    ct_spawner_send(
        ct, HF_RECORD_LIST,
        hf_slice_of(meta, hf_list_children_encode(&query, meta, sizeof meta)));
}
