/* Start, stop, the lock, and the one place where the core is stepped. */
#include "broker/shell.h"

#include "lib/base/bytes.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOUSEKEEPING_MS 200

void br_fail_stop(const char *why)
{
    HF_ERROR("broker stops: what is on disk is the truth", hf_log_cstr("why", why));
    _exit(70);
}

struct br_blob *br_blob_new(hf_slice bytes)
{
    struct br_blob *blob = malloc(sizeof *blob + bytes.bytes);

    if (blob != NULL) {
        atomic_init(&blob->references, 1);
        blob->bytes = (uint32_t)bytes.bytes;
        if (bytes.bytes > 0) {
            memcpy(blob->data, bytes.data, bytes.bytes);
        }
    }
    return blob;
}

struct br_blob *br_blob_ref(struct br_blob *blob)
{
    atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

void br_blob_unref(struct br_blob *blob)
{
    if (blob != NULL &&
        atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) == 1) {
        free(blob);
    }
}

void br_lock(struct br *br)
{
    pthread_mutex_lock(&br->lock);
}

#define GOODBYE_MS 500 /* for GOODBYE to leave */

struct flush {
    struct hf_link *link; /* a reference */
    bool is_urgent;
    bool is_ending;
};

/* Takes up to BR_FLUSH_MAX links off the dirty list. */
static uint32_t take_dirty(struct br *br, struct flush *flushes)
{
    uint32_t count = 0;

    while (br->dirty_count > 0 && count < BR_FLUSH_MAX) {
        struct br_session *s = &br->sessions[br->dirty[--br->dirty_count]];

        if (s->link != NULL && s->is_dirty) {
            flushes[count++] =
                (struct flush){hf_link_ref(s->link), s->is_urgent, s->is_ending};
        }
        s->is_dirty = false;
        s->is_urgent = false;
    }
    return count;
}

void br_unlock(struct br *br)
{
    struct flush flushes[BR_FLUSH_MAX];
    bool is_more = false;

    if (broker_batch_due(br->core).us < br->commit_at.us) {
        pthread_cond_signal(&br->commit_wake);
        br->commit_at = HF_TIME_ZERO;
    }
    if (broker_next_deadline(br->core).us < br->tick_at.us) {
        pthread_cond_signal(&br->tick_wake);
        br->tick_at = HF_TIME_ZERO;
    }
    do {
        uint32_t count = take_dirty(br, flushes);

        is_more = br->dirty_count > 0;
        pthread_mutex_unlock(&br->lock);
        for (uint32_t i = 0; i < count; i++) {
            if (flushes[i].is_ending) {
                hf_link_finish(flushes[i].link, GOODBYE_MS);
            } else if (flushes[i].is_urgent) {
                hf_link_flush(flushes[i].link);
            } else {
                hf_link_flush_soon(flushes[i].link);
            }
            hf_link_unref(flushes[i].link);
        }
        if (is_more) {
            pthread_mutex_lock(&br->lock);
        }
    } while (is_more);
}

void br_step(struct br *br, struct broker_input *input, const struct hf_record *record)
{
    if (hf_time_before(input->now, br->now)) {
        input->now = br->now;
    }
    br->now = input->now;
    broker_step(br->core, input, &br->effects);
    for (uint32_t i = 0; i < br->effects.count; i++) {
        if (br->effects.items[i].slot > br->slots_used) {
            br->slots_used = br->effects.items[i].slot;
        }
        br_perform(br, &br->effects.items[i], input, record);
    }
}

/* The incarnation rises at every start, and is on disk before anything is promised in
 * its name: epochs never repeat (ARCHITECTURE.md 6). The store key is made once. */
static hf_err load_identity(struct br *br)
{
    struct hf_buf value;
    uint8_t incarnation[4];
    struct br_store_meta items[2];
    hf_err err = HF_OK;

    hf_buf_init(&value, 64);
    err = br_store_meta_get(br->store, "incarnation", &value);
    if (err == HF_OK && hf_buf_bytes(&value) == 4) {
        br->incarnation = hf_get_be32(hf_buf_slice(&value).data);
    } else if (err != HF_ERR_NOT_FOUND) {
        hf_buf_fini(&value);
        return err == HF_OK ? HF_ERR_CORRUPT : err;
    }
    hf_buf_clear(&value);
    err = br_store_meta_get(br->store, "store-key", &value);
    if (err == HF_OK && hf_buf_bytes(&value) == BR_STORE_KEY_BYTES) {
        memcpy(br->store_key.bytes, hf_buf_slice(&value).data, BR_STORE_KEY_BYTES);
    } else if (err == HF_ERR_NOT_FOUND) {
        hf_random(br->store_key.bytes, BR_STORE_KEY_BYTES);
    } else {
        hf_buf_fini(&value);
        return err == HF_OK ? HF_ERR_CORRUPT : err;
    }
    hf_buf_fini(&value);
    br->incarnation++;
    hf_put_be32(incarnation, br->incarnation);
    items[0] = (struct br_store_meta){"incarnation", hf_slice_of(incarnation, 4)};
    items[1] = (struct br_store_meta){
        "store-key", hf_slice_of(br->store_key.bytes, BR_STORE_KEY_BYTES)};
    return br_store_meta_put_all(br->store, items, 2);
}

static void take_recovered(void *context, const struct broker_input *stored)
{
    struct br *br = context;
    struct broker_input input = *stored;

    input.now = hf_clock_now();
    br_step(br, &input, NULL);
}

static hf_err recover(struct br *br)
{
    struct broker_input end = {.type = BROKER_IN_RECOVERED_END};
    int64_t start = hf_clock_monotonic_us();
    hf_err err = br_store_recover(br->store, take_recovered, br);
    uint64_t count = 0;

    if (err != HF_OK) {
        return err;
    }
    end.now = hf_clock_now();
    br_step(br, &end, NULL);
    for (uint32_t i = 1; i <= broker_queues_count(br->core); i++) {
        struct broker_queue_view view;

        count += broker_queue_at(br->core, i, &view) ? view.depth : 0;
    }
    HF_INFO("store recovered", hf_log_int("requests", (int64_t)count),
            hf_log_int("incarnation", br->incarnation),
            hf_log_int("ms", (hf_clock_monotonic_us() - start) / 1000));
    return HF_OK;
}

static hf_err make_core(struct br *br)
{
    struct broker_config config = br->options.core;

    config.incarnation = br->incarnation;
    hf_random(&config.seed, sizeof config.seed);
    br->core = broker_new(&config);
    br->slots = calloc((size_t)config.requests_max + 1, sizeof *br->slots);
    br->sessions = calloc((size_t)config.sessions_max + 1, sizeof *br->sessions);
    br->dirty = calloc((size_t)config.sessions_max + 1, sizeof *br->dirty);
    br->sessions_fresh = 1;
    return br->core == NULL || br->slots == NULL || br->sessions == NULL ||
                   br->dirty == NULL
               ? HF_ERR_NO_MEMORY
               : HF_OK;
}

static hf_err make_locks(struct br *br)
{
    pthread_condattr_t clock;
    pthread_mutexattr_t kind;

    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&br->lock, &kind);
    pthread_mutexattr_destroy(&kind);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&br->commit_wake, &clock);
    pthread_cond_init(&br->tick_wake, &clock);
    pthread_condattr_destroy(&clock);
    return br_loads_new(br);
}

hf_err br_make_identity(struct br *br, struct hf_link_identity **out)
{
    struct hf_link_identity_config config;

    hf_credentials_identify(&br->credentials, &config);
    config.role = HF_ROLE_BROKER;
    config.broker = hf_slice_of_cstr(br->options.name);
    config.grace_s = br->options.token_grace_s;
    config.admit = br_admit;
    config.ctx = br;
    return hf_link_identity_new(&config, out);
}

static hf_err listen_all(struct br *br)
{
    struct hf_link_identity *identity = NULL;
    hf_err err = br_make_identity(br, &identity);

    for (size_t i = 0; i < br->options.listen_count && err == HF_OK; i++) {
        const struct hf_link_config config = {
            .address = br->options.listen[i],
            .events = &br_session_events,
            .ctx = br,
            .identity = identity,
        };

        err = hf_link_listener_open(&config, &br->listeners[i]);
        if (err == HF_OK) {
            char address[HF_LINK_ADDRESS_BYTES];

            br->listeners_count++;
            hf_link_listener_address(br->listeners[i], address);
            HF_INFO("listening", hf_log_cstr("address", address));
        } else {
            HF_ERROR("cannot listen", hf_log_cstr("address", br->options.listen[i]),
                     hf_log_cstr("error", hf_err_text(err)));
        }
    }
    hf_link_identity_unref(identity);
    return err;
}

static void housekeeping(void *context)
{
    struct br *br = context;

    br_judge_expiry(br);
    br_configure_stale(br);
}

static hf_err start_threads(struct br *br)
{
    if (pthread_create(&br->commit_thread, NULL, br_commit_main, br) != 0) {
        return HF_ERR_NO_MEMORY;
    }
    if (pthread_create(&br->tick_thread, NULL, br_tick_main, br) != 0 ||
        pthread_create(&br->load_thread, NULL, br_load_main, br) != 0) {
        br_fail_stop("threads cannot be started");
    }
    return HF_OK;
}

hf_err br_start(struct br *br)
{
    const struct br_store_config store = {
        .directory = br->options.directory,
        .map_bytes = br->options.map_bytes,
        .quota_percent = 85,
        .disk_reserve_bytes = br->options.disk_reserve_bytes,
        .is_unsynced = br->options.is_unsynced,
    };
    hf_err err = HF_OK;

    br->started_ms = hf_time_ms(hf_clock_now());
    if ((err = br_store_open(&store, &br->store)) != HF_OK ||
        (err = load_identity(br)) != HF_OK || (err = make_core(br)) != HF_OK ||
        (err = make_locks(br)) != HF_OK || (err = br_configure_restore(br)) != HF_OK ||
        (err = recover(br)) != HF_OK || (err = start_threads(br)) != HF_OK ||
        (err = listen_all(br)) != HF_OK || (err = br_admin_start(br)) != HF_OK) {
        return err;
    }
    err = hf_timer_open(br->loop, housekeeping, br, &br->housekeeping);
    if (err == HF_OK) {
        hf_timer_set_every_ms(br->housekeeping, HOUSEKEEPING_MS);
    }
    return err;
}

void br_stop(struct br *br)
{
    for (size_t i = 0; i < br->listeners_count; i++) {
        hf_link_listener_close(br->listeners[i]);
    }
    pthread_mutex_lock(&br->lock);
    br->is_stopping = true;
    pthread_cond_broadcast(&br->commit_wake);
    pthread_cond_broadcast(&br->tick_wake);
    br_loads_wake(br);
    pthread_mutex_unlock(&br->lock);
    pthread_join(br->tick_thread, NULL);
    pthread_join(br->load_thread, NULL);
    pthread_join(br->commit_thread, NULL);
    hf_timer_close(br->housekeeping);
    hf_admin_close(br->admin);
    br_loads_stop(br);
    br_configure_free(br);
    for (uint32_t i = 1; i <= br->slots_used; i++) {
        br_free_slot(br, i);
    }
    br_blob_unref(br->policy);
    br_reserve_free(br);
    broker_free(br->core);
    free(br->slots);
    free(br->sessions);
    free(br->dirty);
    br_store_close(br->store);
}
