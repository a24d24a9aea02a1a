/* Turns: callbacks run without the lock, then all output is committed and flushed once.
 */
#include "worker/shell.h"

#include "lib/io/clock.h"

static _Thread_local struct wk_turn *current_turn;

bool wk_in_turn(const struct hf_worker *worker)
{
    return current_turn != NULL && current_turn->worker == worker;
}

bool wk_is_calling(const struct hf_request *request)
{
    return current_turn != NULL && current_turn->calling == request;
}

hf_time wk_now(const struct hf_worker *worker)
{
    return wk_in_turn(worker) && current_turn->now.us != 0 ? current_turn->now
                                                           : hf_clock_now();
}

static struct wk_turn *turn_of(const struct hf_worker *worker)
{
    return wk_in_turn(worker) ? current_turn : NULL;
}

static bool is_on_loop(const struct hf_worker *worker)
{
    return current_turn == &worker->loop_turn;
}

/* Where the callbacks of a request are run from here. */
static struct hf_list *ready_list(struct hf_worker *worker)
{
    struct wk_turn *turn = turn_of(worker);

    if (turn == NULL || (worker->mode == WK_LOOP && !is_on_loop(worker))) {
        if (hf_list_is_empty(&worker->loop_ready)) {
            hf_wake_signal(worker->wake);
        }
        return &worker->loop_ready;
    }
    return &turn->ready;
}

static void notify_threads(struct hf_request *request, unsigned events)
{
    struct hf_worker *worker = request->worker;

    if ((events & WK_EVENT_START) != 0) {
        request->refs++;
        hf_list_push_back(&worker->crew_queue, &request->ready_node);
        (void)pthread_cond_signal(&worker->crew_changed);
        return;
    }
    (void)pthread_cond_broadcast(&request->changed);
    if ((events & WK_EVENT_CANCEL) != 0 && !request->is_taken &&
        hf_list_is_linked(&request->ready_node)) {
        hf_list_remove(&request->ready_node);
        wk_request_unref(request);
        request->events |= WK_EVENT_CANCEL;
        request->refs++;
        hf_list_push_back(ready_list(worker), &request->ready_node);
    }
}

void wk_notify(struct hf_request *request, unsigned events)
{
    struct hf_worker *worker = request->worker;
    bool is_threaded = worker->mode == WK_POOL || worker->mode == WK_RECEIVE;

    if (is_threaded && (events & WK_EVENT_LATER) == 0) {
        notify_threads(request, events);
        return;
    }
    request->events |= events;
    if (!hf_list_is_linked(&request->ready_node)) {
        request->refs++;
        hf_list_push_back(ready_list(worker), &request->ready_node);
    }
}

bool wk_commit_later(struct hf_request *request)
{
    struct wk_turn *turn = turn_of(request->worker);

    if (turn != NULL && !hf_list_is_linked(&request->dirty_node)) {
        request->refs++;
        hf_list_push_back(&turn->dirty, &request->dirty_node);
    }
    return turn != NULL;
}

static void call_cancelled(struct hf_request *request)
{
    struct hf_worker *worker = request->worker;

    if (worker->handler.on_cancel != NULL && request->is_taken &&
        worker->mode != WK_POOL) {
        worker->handler.on_cancel(worker->ctx, request);
        return;
    }
    if (!request->is_taken || worker->mode == WK_INLINE) {
        hf_cancel(request);
    }
}

static void call_one(struct hf_request *request, unsigned event)
{
    struct hf_worker *worker = request->worker;
    void (*later)(void *ctx, struct hf_request *r) = request->later_fn;

    switch ((enum wk_event)event) {
    case WK_EVENT_START:
        wk_handle(request);
        return;
    case WK_EVENT_BODY:
        if (worker->handler.on_body != NULL) {
            worker->handler.on_body(worker->ctx, request);
        }
        return;
    case WK_EVENT_WRITABLE:
        if (worker->handler.on_writable != NULL) {
            worker->handler.on_writable(worker->ctx, request);
        }
        return;
    case WK_EVENT_LATER:
        request->later_fn = NULL;
        later(worker->ctx, request);
        return;
    case WK_EVENT_CANCEL:
        call_cancelled(request);
        return;
    }
}

/* The lowest event that may be delivered now; a cancelled request gets nothing else. */
static unsigned next_event(struct hf_request *request)
{
    unsigned events = request->events;

    if ((events & WK_EVENT_CANCEL) != 0) {
        events = WK_EVENT_CANCEL;
        request->events = WK_EVENT_CANCEL;
    }

    unsigned event = events & (~events + 1u);

    request->events &= ~event;
    request->is_taken = request->is_taken || event == WK_EVENT_START;
    return event;
}

/* Lock held: runs what is due for one request, unless another thread is at it and will
 * see it. */
static void run_request(struct hf_request *request)
{
    pthread_mutex_t *lock = &request->worker->lock;

    if (!request->is_running) {
        request->is_running = true;
        while (request->events != 0 && !request->is_ended) {
            unsigned event = next_event(request);

            (void)pthread_mutex_unlock(lock);
            call_one(request, event);
            (void)pthread_mutex_lock(lock);
        }
        request->is_running = false;
    }
    wk_request_unref(request);
}

/* A request whose handler is to be called for the first time. */
static bool is_starting(const struct hf_request *request)
{
    return request->events == WK_EVENT_START && !request->is_running &&
           !request->is_ended;
}

/* Lock held: calls the handler for requests that nobody else knows yet, between one
 * unlocking and one locking for all of them. */
static void run_starting(struct wk_turn *turn, struct hf_request **batch, size_t count)
{
    pthread_mutex_t *lock = &turn->worker->lock;

    (void)pthread_mutex_unlock(lock);
    for (size_t i = 0; i < count; i++) {
        turn->calling = batch[i];
        wk_handle(batch[i]);
    }
    turn->calling = NULL;
    (void)pthread_mutex_lock(lock);
    for (size_t i = 0; i < count; i++) {
        batch[i]->is_running = false;
        if (batch[i]->is_offered) {
            wk_deliver(batch[i]);
        }
        run_request(batch[i]); /* what has come meanwhile */
    }
}

static struct hf_request *pop_ready(struct wk_turn *turn)
{
    struct hf_list *node = hf_list_pop_front(&turn->ready);

    if (node == NULL && turn == &turn->worker->loop_turn) {
        node = hf_list_pop_front(&turn->worker->loop_ready);
    }
    return node == NULL ? NULL : HF_CONTAINER(node, struct hf_request, ready_node);
}

/* Lock held. */
static void run_ready(struct wk_turn *turn)
{
    struct hf_request *batch[WK_BATCH_MAX];
    struct hf_request *request = pop_ready(turn);

    while (request != NULL) {
        size_t count = 0;

        for (; request != NULL && count < WK_BATCH_MAX && is_starting(request);
             request = pop_ready(turn)) {
            request->events = 0;
            request->is_running = true;
            request->is_taken = true;
            batch[count++] = request;
        }
        if (count > 0) {
            run_starting(turn, batch, count);
        } else {
            run_request(request);
            request = pop_ready(turn);
        }
    }
}

static void commit_dirty(struct wk_turn *turn)
{
    struct hf_list *node;

    while ((node = hf_list_pop_front(&turn->dirty)) != NULL) {
        struct hf_request *request = HF_CONTAINER(node, struct hf_request, dirty_node);

        wk_commit(request);
        wk_request_unref(request);
    }
}

/* Links with output, referenced so that they can be flushed without the lock. */
struct flush {
    struct hf_link *links[WK_BROKERS_MAX];
    bool is_last[WK_BROKERS_MAX];
    size_t count;
};

/* Lock held. */
static void flush_collect(struct hf_worker *worker, struct flush *flush)
{
    flush->count = 0;
    for (uint32_t i = 0; i < worker->brokers_count; i++) {
        struct wk_broker *broker = &worker->brokers[i];

        if (broker->is_dirty && broker->link != NULL) {
            wk_send_credit(broker);
            flush->is_last[flush->count] = broker->is_leaving;
            flush->links[flush->count++] = hf_link_ref(broker->link);
        }
        broker->is_dirty = false;
    }
    wk_arm(worker, worker_next_deadline(worker->core));
}

/* Without the lock. */
static void flush_run(struct flush *flush)
{
    for (size_t i = 0; i < flush->count; i++) {
        if (flush->is_last[i]) {
            hf_link_finish(flush->links[i], WK_FAREWELL_MS);
        } else {
            hf_link_flush(flush->links[i]);
        }
        hf_link_unref(flush->links[i]);
    }
}

void wk_flush(struct hf_worker *worker)
{
    struct flush flush;

    if (wk_in_turn(worker)) {
        return; /* its end flushes */
    }
    (void)pthread_mutex_lock(&worker->lock);
    flush_collect(worker, &flush);
    (void)pthread_mutex_unlock(&worker->lock);
    flush_run(&flush);
}

void wk_turn_begin(struct wk_turn *turn, struct hf_worker *worker, hf_time now)
{
    turn->worker = worker;
    turn->now = now;
    turn->calling = NULL;
    turn->outer = current_turn;
    hf_list_init(&turn->ready);
    hf_list_init(&turn->dirty);
    current_turn = turn;
}

/* Lock held: callbacks and commits until neither leaves anything for the other. */
static void turn_settle(struct wk_turn *turn)
{
    struct hf_worker *worker = turn->worker;

    do {
        run_ready(turn);
        if (turn == &worker->loop_turn && worker->on_turn_end != NULL) {
            (void)pthread_mutex_unlock(&worker->lock);
            worker->on_turn_end(worker->on_turn_end_ctx);
            (void)pthread_mutex_lock(&worker->lock);
        }
        commit_dirty(turn);
    } while (!hf_list_is_empty(&turn->ready));
}

static void turn_run(struct wk_turn *turn)
{
    struct hf_worker *worker = turn->worker;
    struct flush flush;

    (void)pthread_mutex_lock(&worker->lock);
    turn_settle(turn);
    flush_collect(worker, &flush);
    (void)pthread_mutex_unlock(&worker->lock);
    flush_run(&flush);
}

void wk_turn_end(struct wk_turn *turn)
{
    turn_run(turn);
    current_turn = turn->outer;
}

void wk_turn_loop(struct hf_worker *worker)
{
    turn_run(&worker->loop_turn);
}
