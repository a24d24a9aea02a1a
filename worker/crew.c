/* Threads that handle requests: ours (the pool), or the caller's (hf_receive). */
#include "worker/shell.h"

#include "lib/io/clock.h"

#include <stdlib.h>
#include <time.h>

static void refuse_too_big(struct hf_request *request)
{
    struct hf_answer answer = {.status = 413};

    (void)hf_send_response(request, &answer, 0);
}

/* Whether handlers get the body as a whole. */
static bool is_gathering(const struct hf_worker *worker)
{
    return worker->mode != WK_RECEIVE && worker->handler.on_body == NULL;
}

void wk_handle(struct hf_request *request)
{
    struct hf_worker *worker = request->worker;

    if (request->is_bad) {
        HF_WARN("request cannot be read", hf_log_id("request", request->id));
        hf_cancel(request);
    } else if (is_gathering(worker) && request->body_bytes > WK_WHOLE_BODY_MAX) {
        refuse_too_big(request);
    } else {
        worker->handler.handle(worker->ctx, request);
    }
}

/* Lock held. */
static struct hf_request *pop_queued(struct hf_worker *worker)
{
    struct hf_list *node = hf_list_pop_front(&worker->crew_queue);

    if (node == NULL) {
        return NULL;
    }

    struct hf_request *request = HF_CONTAINER(node, struct hf_request, ready_node);

    request->is_taken = true;
    wk_request_unref(request); /* the slot's reference lives until the request ends */
    return request;
}

static void *crew_main(void *ctx)
{
    struct hf_worker *worker = ctx;

    (void)pthread_mutex_lock(&worker->lock);
    while (!worker->is_stopping) {
        struct hf_request *request = pop_queued(worker);

        if (request == NULL) {
            (void)pthread_cond_wait(&worker->crew_changed, &worker->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&worker->lock);
        wk_handle(request);
        (void)pthread_mutex_lock(&worker->lock);
    }
    (void)pthread_mutex_unlock(&worker->lock);
    return NULL;
}

enum hf_status wk_crew_start(struct hf_worker *worker, uint32_t threads)
{
    worker->crew = calloc(threads == 0 ? 1 : threads, sizeof *worker->crew);
    if (worker->crew == NULL) {
        return HF_STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < threads; i++) {
        if (pthread_create(&worker->crew[i], NULL, crew_main, worker) != 0) {
            return HF_STATUS_NO_MEMORY;
        }
        worker->crew_count++;
    }
    return HF_STATUS_OK;
}

void wk_crew_stop(struct hf_worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->is_stopping = true;
    for (uint32_t i = 1; i <= worker->leases_max; i++) {
        if (worker->slots[i] != NULL) {
            worker->slots[i]->is_cancelled = true;
            (void)pthread_cond_broadcast(&worker->slots[i]->changed);
        }
    }
    (void)pthread_cond_broadcast(&worker->crew_changed);
    (void)pthread_mutex_unlock(&worker->lock);
    for (uint32_t i = 0; i < worker->crew_count; i++) {
        (void)pthread_join(worker->crew[i], NULL);
    }
    free(worker->crew);
    worker->crew = NULL;
    worker->crew_count = 0;
}

/* Not begun, and not about to be by a turn that has it in its hands. */
static bool is_unstarted(const struct hf_worker *worker,
                         const struct hf_request *request)
{
    bool is_threaded = worker->mode == WK_POOL || worker->mode == WK_RECEIVE;

    return request != NULL && !request->is_taken && !request->is_ended &&
           (is_threaded || request->events == 0);
}

void wk_release_unstarted(struct hf_worker *worker)
{
    for (uint32_t i = 1; i <= worker->leases_max; i++) {
        struct hf_request *request = worker->slots[i];

        if (!is_unstarted(worker, request)) {
            continue;
        }
        request->refs++;
        if (hf_list_is_linked(&request->ready_node)) {
            hf_list_remove(&request->ready_node);
            wk_request_unref(request);
        }
        wk_end(request, WORKER_IN_RELEASE, HF_REASON_NONE);
        wk_request_unref(request);
    }
}

/* Lock held: waits on `condition` at most until the given moment. */
static void wait_until(struct hf_worker *worker, pthread_cond_t *condition,
                       int64_t end_us)
{
    struct timespec t;
    int64_t left_us = end_us - hf_clock_monotonic_us();

    if (end_us == INT64_MAX) {
        (void)pthread_cond_wait(condition, &worker->lock);
        return;
    }
    left_us = left_us > 0 ? left_us : 0;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    left_us += t.tv_nsec / 1000;
    t.tv_sec += (time_t)(left_us / 1000000);
    t.tv_nsec = (long)(left_us % 1000000) * 1000L;
    (void)pthread_cond_timedwait(condition, &worker->lock, &t);
}

static int64_t end_of(int64_t timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : hf_clock_monotonic_us() + timeout_ms * 1000;
}

/* Lock held: true when the request may be handed out with its body as asked. */
static bool await_body(struct hf_request *request, unsigned flags)
{
    if ((flags & HF_RECEIVE_BODY) == 0) {
        return true;
    }
    while (!request->is_body_whole && !request->is_cancelled && !request->is_bad &&
           request->body_bytes <= WK_WHOLE_BODY_MAX) {
        size_t before = hf_buf_bytes(&request->body);

        (void)pthread_cond_wait(&request->changed, &request->worker->lock);
        wk_took(request, hf_buf_bytes(&request->body) - before);
    }
    return request->is_body_whole;
}

/* Lock held on entry and exit: ends a request that cannot be handed out. */
static void discard(struct hf_request *request)
{
    struct hf_worker *worker = request->worker;
    bool is_too_big = request->body_bytes > WK_WHOLE_BODY_MAX;

    (void)pthread_mutex_unlock(&worker->lock);
    if (is_too_big) {
        refuse_too_big(request);
    } else {
        hf_cancel(request);
    }
    (void)pthread_mutex_lock(&worker->lock);
}

enum hf_status hf_receive(struct hf_worker *worker, unsigned flags, int64_t timeout_ms,
                          struct hf_request **out)
{
    int64_t end_us = end_of(timeout_ms);
    enum hf_status status = HF_STATUS_WAIT;

    if (worker->mode != WK_RECEIVE || (flags & ~HF_RECEIVE_BODY) != 0) {
        return HF_STATUS_INVALID;
    }
    (void)pthread_mutex_lock(&worker->lock);
    while (status == HF_STATUS_WAIT) {
        struct hf_request *request = pop_queued(worker);

        if (request != NULL && !request->is_bad && await_body(request, flags)) {
            *out = request;
            status = HF_STATUS_OK;
        } else if (request != NULL) {
            discard(request);
        } else if (worker->is_draining) {
            status = HF_STATUS_STOPPED;
        } else if (hf_clock_monotonic_us() >= end_us) {
            status = HF_STATUS_TIMEOUT;
        } else {
            wait_until(worker, &worker->crew_changed, end_us);
        }
    }
    (void)pthread_mutex_unlock(&worker->lock);
    return status;
}

enum hf_status hf_shutdown(struct hf_worker *worker, int64_t timeout_ms)
{
    int64_t end_us = end_of(timeout_ms);

    wk_drain(worker);
    (void)pthread_mutex_lock(&worker->lock);
    while (!worker->is_drained && hf_clock_monotonic_us() < end_us) {
        wait_until(worker, &worker->drained_changed, end_us);
    }

    bool is_complete = worker->is_drained && worker_leases_count(worker->core) == 0;

    (void)pthread_mutex_unlock(&worker->lock);
    return is_complete ? HF_STATUS_OK : HF_STATUS_TIMEOUT;
}
