/* The life of a worker: what it is made of, its loop and clock, its end. */
#include "worker/shell.h"

#include "lib/io/clock.h"
#include "lib/token/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_threaded(enum wk_mode mode)
{
    return mode == WK_POOL || mode == WK_RECEIVE;
}

void wk_arm(struct hf_worker *worker, hf_time due)
{
    due = hf_time_min(due, hf_heap_next_due(&worker->laters));
    if (hf_time_before(due, worker->armed)) {
        worker->armed = due;
        hf_wake_signal(worker->wake);
    }
}

/* Lock held. */
static void call_laters(struct hf_worker *worker, hf_time now)
{
    struct hf_heap_node *node;

    while ((node = hf_heap_first(&worker->laters)) != NULL &&
           hf_time_reached(node->due, now)) {
        hf_heap_remove(&worker->laters, node);
        wk_notify(HF_CONTAINER(node, struct hf_request, later), WK_EVENT_LATER);
    }
}

static void on_timer(void *ctx)
{
    struct hf_worker *worker = ctx;
    hf_time now = hf_clock_now();

    (void)pthread_mutex_lock(&worker->lock);
    worker->armed = HF_TIME_NEVER;
    if (hf_time_reached(worker_next_deadline(worker->core), now)) {
        struct worker_input tick = {.type = WORKER_IN_TICK};

        wk_step(worker, &tick);
    }
    call_laters(worker, now);
    (void)pthread_mutex_unlock(&worker->lock);
}

/* A wake-up only starts a turn; its end does the work. */
static void on_wake(void *ctx)
{
    (void)ctx;
}

static void on_turn_end(void *ctx)
{
    struct hf_worker *worker = ctx;

    wk_turn_loop(worker);
    (void)pthread_mutex_lock(&worker->lock);
    worker->armed = hf_time_min(worker_next_deadline(worker->core),
                                hf_heap_next_due(&worker->laters));

    hf_time due = worker->armed;

    (void)pthread_mutex_unlock(&worker->lock);
    hf_timer_set(worker->timer, due);
}

void wk_run(struct hf_worker *worker)
{
    wk_turn_begin(&worker->loop_turn, worker, HF_TIME_ZERO);
    hf_loop_run(worker->loop);
    wk_turn_end(&worker->loop_turn);
}

static void *loop_main(void *ctx)
{
    wk_run(ctx);
    return NULL;
}

static enum hf_status read_file(struct hf_credentials *credentials, const char *path)
{
    const char *error = NULL;

    if (path == NULL || hf_credentials_read(credentials, path, &error) == HF_OK) {
        return HF_STATUS_OK;
    }
    HF_ERROR("file cannot be used", hf_log_cstr("file", path),
             hf_log_cstr("error", error == NULL ? "it cannot be read" : error));
    return HF_STATUS_IO;
}

static enum hf_status read_credentials(struct hf_credentials *credentials,
                                       const struct hf_worker_options *options)
{
    const char *error = NULL;
    const char *paths[] = {options->key_file, options->token_file,
                           options->anchor_file};

    if (options->package != NULL &&
        hf_credentials_parse(credentials, hf_slice_of_cstr(options->package), &error) !=
            HF_OK) {
        return HF_STATUS_INVALID;
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        enum hf_status status = read_file(credentials, paths[i]);

        if (status != HF_STATUS_OK) {
            return status;
        }
    }
    if (options->cluster != NULL) {
        size_t bytes = strlen(options->cluster);

        if (bytes >= sizeof credentials->cluster) {
            return HF_STATUS_INVALID;
        }
        memcpy(credentials->cluster, options->cluster, bytes + 1);
    }
    return HF_STATUS_OK;
}

static bool is_setup_good(const struct wk_setup *setup)
{
    const struct hf_worker_options *options = setup->options;

    if (options->brokers_count < 1 || options->brokers_count > WK_BROKERS_MAX ||
        options->concurrency > 65535 || options->threads > 1024) {
        return false;
    }
    return setup->mode == WK_RECEIVE ||
           (options->handler != NULL && options->handler->handle != NULL);
}

static void stats_init(struct wk_stats *stats)
{
#define X(member, metric, kind, text)                                                  \
    stats->member =                                                                    \
        (struct hf_stat){.name = metric, .help = text, .type = HF_STAT_##kind};
    WK_STAT_TABLE(X)
#undef X
}

static void name_set(struct hf_worker *worker, const char *name)
{
    hf_slice text =
        hf_slice_of_cstr(name == NULL ? program_invocation_short_name : name);

    text = hf_slice_first(text, WK_NAME_BYTES - 1);
    memcpy(worker->name, text.data, text.bytes);
}

/* What cannot fail, so that wk_free finds a whole object. */
static void worker_init(struct hf_worker *worker, const struct wk_setup *setup)
{
    const struct hf_worker_options *options = setup->options;

    (void)pthread_mutex_init(&worker->lock, NULL);
    (void)pthread_cond_init(&worker->crew_changed, NULL);
    (void)pthread_cond_init(&worker->drained_changed, NULL);
    hf_list_init(&worker->spare);
    hf_list_init(&worker->crew_queue);
    hf_list_init(&worker->loop_ready);
    hf_credentials_init(&worker->credentials);
    stats_init(&worker->stats);
    name_set(worker, options->name);
    worker->mode = setup->mode;
    worker->ctx = options->ctx;
    worker->armed = HF_TIME_NEVER;
    worker->started_ms = hf_time_ms(hf_clock_now());
    worker->health = HF_HEALTH_WELL;
    if (options->handler != NULL) {
        worker->handler = *options->handler;
    }
}

static enum hf_status copy_texts(struct hf_worker *worker,
                                 const struct hf_worker_options *options)
{
    for (size_t i = 0; i < options->brokers_count; i++) {
        struct wk_broker *broker = &worker->brokers[i];

        broker->worker = worker;
        broker->number = (uint32_t)i + 1;
        broker->address = strdup(options->brokers[i]);
        if (broker->address == NULL) {
            return HF_STATUS_NO_MEMORY;
        }
        worker->brokers_count++;
    }
    if (options->token_file != NULL &&
        (worker->token_file = strdup(options->token_file)) == NULL) {
        return HF_STATUS_NO_MEMORY;
    }
    return HF_STATUS_OK;
}

/* Slots for what runs and for as many answers that wait for their acknowledgement. */
static uint32_t leases_for(uint32_t concurrency)
{
    uint64_t leases = (uint64_t)(concurrency == 0 ? 1 : concurrency) * 4;

    return leases < 4096 ? 4096 : (uint32_t)leases;
}

static enum hf_status make_core(struct hf_worker *worker, uint32_t concurrency)
{
    struct worker_config config = {.leases_max = leases_for(concurrency),
                                   .queues_max = WK_QUEUES_MAX,
                                   .brokers_max = worker->brokers_count,
                                   .concurrency = concurrency};

    worker->leases_max = config.leases_max;
    worker->slots = calloc(config.leases_max + 1, sizeof *worker->slots);
    worker->core = worker_new(&config);
    worker->effects = calloc(1, sizeof *worker->effects);
    worker->inputs = calloc(WORKER_EFFECTS_MAX, sizeof *worker->inputs);
    if (worker->slots == NULL || worker->core == NULL || worker->effects == NULL ||
        worker->inputs == NULL ||
        hf_heap_init(&worker->laters, config.leases_max) != HF_OK) {
        return HF_STATUS_NO_MEMORY;
    }
    return HF_STATUS_OK;
}

static enum hf_status make_loop(struct hf_worker *worker)
{
    if (hf_loop_new(&worker->loop) != HF_OK ||
        hf_timer_open(worker->loop, on_timer, worker, &worker->timer) != HF_OK ||
        hf_wake_open(worker->loop, on_wake, worker, &worker->wake) != HF_OK) {
        return HF_STATUS_NO_MEMORY;
    }
    hf_loop_on_turn_end(worker->loop, on_turn_end, worker);
    return HF_STATUS_OK;
}

static enum hf_status take_credentials(struct hf_worker *worker,
                                       const struct wk_setup *setup)
{
    if (setup->credentials == NULL) {
        return read_credentials(&worker->credentials, setup->options);
    }
    hf_credentials_fini(&worker->credentials);
    worker->credentials = *setup->credentials;
    hf_credentials_init(setup->credentials);
    return HF_STATUS_OK;
}

enum hf_status wk_new(const struct wk_setup *setup, struct hf_worker **out)
{
    if (!is_setup_good(setup)) {
        return HF_STATUS_INVALID;
    }
    if (hf_token_init() != HF_OK) {
        return HF_STATUS_IO;
    }

    struct hf_worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL) {
        return HF_STATUS_NO_MEMORY;
    }
    worker_init(worker, setup);

    enum hf_status status = copy_texts(worker, setup->options);

    status = status != HF_STATUS_OK ? status : take_credentials(worker, setup);
    status = status != HF_STATUS_OK ? status
                                    : make_core(worker, setup->options->concurrency);
    status = status != HF_STATUS_OK ? status : make_loop(worker);
    if (status == HF_STATUS_OK && worker->credentials.secret == NULL) {
        status = HF_STATUS_INVALID;
    }
    if (status != HF_STATUS_OK) {
        wk_free(worker);
        return status;
    }
    *out = worker;
    return HF_STATUS_OK;
}

enum hf_status wk_dial(struct hf_worker *worker, bool is_ready)
{
    wk_set_ready(worker, is_ready);
    return wk_uplink_open(worker);
}

static void free_requests(struct hf_worker *worker)
{
    struct hf_list *node;

    for (uint32_t i = 1; worker->slots != NULL && i <= worker->leases_max; i++) {
        if (worker->slots[i] != NULL) {
            wk_request_destroy(worker->slots[i]);
        }
    }
    while ((node = hf_list_pop_front(&worker->spare)) != NULL) {
        wk_request_destroy(HF_CONTAINER(node, struct hf_request, ready_node));
    }
    free(worker->slots);
}

static void close_loop(struct hf_worker *worker)
{
    if (worker->is_loop_threaded) {
        hf_loop_stop(worker->loop);
        (void)pthread_join(worker->loop_thread, NULL);
    }
    if (worker->loop == NULL) {
        return;
    }
    hf_loop_on_turn_end(worker->loop, NULL, NULL);
    if (worker->token_watch != NULL) {
        hf_file_watch_close(worker->token_watch);
    }
    if (worker->wake != NULL) {
        hf_wake_close(worker->wake);
    }
    hf_timer_close(worker->timer);
    hf_loop_free(worker->loop);
}

void wk_free(struct hf_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    wk_uplink_close(worker);
    wk_crew_stop(worker);
    close_loop(worker);
    hf_heap_fini(&worker->laters);
    worker_free(worker->core);
    free_requests(worker);
    for (uint32_t i = 0; i < worker->brokers_count; i++) {
        free((char *)(uintptr_t)worker->brokers[i].address);
    }
    hf_credentials_fini(&worker->credentials);
    free(worker->effects);
    free(worker->inputs);
    free(worker->token_file);
    (void)pthread_cond_destroy(&worker->crew_changed);
    (void)pthread_cond_destroy(&worker->drained_changed);
    (void)pthread_mutex_destroy(&worker->lock);
    free(worker);
}

void wk_set_ready(struct hf_worker *worker, bool is_ready)
{
    struct worker_input input = {.type = WORKER_IN_READY, .u.amount.bytes = is_ready};

    (void)pthread_mutex_lock(&worker->lock);
    wk_step(worker, &input);
    (void)pthread_mutex_unlock(&worker->lock);
    wk_flush(worker);
}

void wk_drain(struct hf_worker *worker)
{
    struct worker_input input = {.type = WORKER_IN_DRAIN};

    (void)pthread_mutex_lock(&worker->lock);
    if (!worker->is_draining) {
        worker->is_draining = true;
        wk_release_unstarted(worker);
        wk_step(worker, &input);
        (void)pthread_cond_broadcast(&worker->crew_changed);
    }
    (void)pthread_mutex_unlock(&worker->lock);
    wk_flush(worker);
}

enum hf_status hf_open_queue(struct hf_worker *worker, const char *queue)
{
    struct worker_input input = {.type = WORKER_IN_QUEUE,
                                 .u.queue.name = hf_slice_of_cstr(queue)};
    enum hf_status status = HF_STATUS_INVALID;

    if (hf_queue_name_check(input.u.queue.name) != HF_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&worker->lock);
    if (worker->queues_count < WK_QUEUES_MAX) {
        worker->queues_count++;
        wk_step(worker, &input);
        status = HF_STATUS_OK;
    }
    (void)pthread_mutex_unlock(&worker->lock);
    wk_flush(worker);
    return status;
}

static enum wk_mode mode_of(const struct hf_worker_options *options)
{
    if (options->handler == NULL) {
        return WK_RECEIVE;
    }
    return options->threads > 0 ? WK_POOL : WK_INLINE;
}

static enum hf_status start(struct hf_worker *worker,
                            const struct hf_worker_options *options)
{
    if (pthread_create(&worker->loop_thread, NULL, loop_main, worker) != 0) {
        return HF_STATUS_NO_MEMORY;
    }
    worker->is_loop_threaded = true;
    if (is_threaded(worker->mode)) {
        enum hf_status status = wk_crew_start(worker, options->threads);

        if (status != HF_STATUS_OK) {
            return status;
        }
    }
    return wk_dial(worker, true);
}

enum hf_status hf_worker_open(const struct hf_worker_options *options,
                              struct hf_worker **out)
{
    struct wk_setup setup = {.options = options, .mode = mode_of(options)};
    struct hf_worker *worker = NULL;
    enum hf_status status = wk_new(&setup, &worker);

    if (status != HF_STATUS_OK) {
        return status;
    }
    status = start(worker, options);
    if (status != HF_STATUS_OK) {
        wk_free(worker);
        return status;
    }
    *out = worker;
    return HF_STATUS_OK;
}

void hf_worker_close(struct hf_worker *worker)
{
    wk_free(worker);
}
