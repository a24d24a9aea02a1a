/* Owns libuv's loop and its plain handles; the only files that see libuv are these. */
#include "lib/io/loop_parts.h"

#include "lib/io/clock.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define POSTS_MAX 65536

struct post {
    struct hf_list node;
    hf_loop_fn fn;
    void *ctx;
};

struct hf_timer {
    uv_timer_t uv;
    hf_loop_fn fn;
    void *ctx;
};

/* An event descriptor of our own, because in libuv 1.44 the loop spins until the thread
 * that called uv_async_send has run on; with as many processes as processors that
 * thread often waits for the loop's processor. */
struct hf_wake {
    uv_poll_t uv;
    hf_loop_fn fn;
    void *ctx;
    int fd;
    _Atomic bool is_signalled; /* the descriptor is, or will be, readable */
};

struct hf_signal {
    uv_signal_t uv;
    hf_loop_fn fn;
    void *ctx;
};

struct hf_watch {
    uv_poll_t uv;
    hf_watch_fn fn;
    void *ctx;
};

hf_err loop_error(int uv_result)
{
    switch (uv_result) {
    case 0:
        return HF_OK;
    case UV_ENOMEM:
        return HF_ERR_NO_MEMORY;
    case UV_EADDRINUSE:
    case UV_EEXIST:
        return HF_ERR_EXISTS;
    case UV_EACCES:
    case UV_EPERM:
        return HF_ERR_DENIED;
    case UV_ENOENT:
    case UV_ESRCH:
        return HF_ERR_NOT_FOUND;
    case UV_EMFILE:
    case UV_ENFILE:
        return HF_ERR_FULL;
    case UV_EINVAL:
    case UV_EADDRNOTAVAIL:
        return HF_ERR_INVALID;
    case UV_EOF:
    case UV_ECONNRESET:
    case UV_ECONNREFUSED:
    case UV_EPIPE:
    case UV_ECANCELED:
        return HF_ERR_CLOSED;
    case UV_ETIMEDOUT:
        return HF_ERR_TIMEOUT;
    default:
        return HF_ERR_IO;
    }
}

static const char wake_mark; /* `data` of the handles that own a descriptor */

/* Every handle here is the first member of what was allocated for it. */
static void free_handle(uv_handle_t *handle)
{
    if (handle->data == &wake_mark) {
        (void)close(((struct hf_wake *)handle)->fd);
    }
    free(handle);
}

static void close_handle(void *handle)
{
    if (handle != NULL) {
        uv_close(handle, free_handle);
    }
}

/* A handle that libuv did not take was never in the loop. */
static hf_err started(int result, void *object, void *out)
{
    if (result != 0) {
        free(object);
        return loop_error(result);
    }
    *(void **)out = object;
    return HF_OK;
}

static struct post *pop_post(struct hf_loop *loop)
{
    struct hf_list *node;

    pthread_mutex_lock(&loop->lock);
    node = hf_list_pop_front(&loop->posts);
    if (node != NULL) {
        loop->posts_count--;
    }
    pthread_mutex_unlock(&loop->lock);
    return node != NULL ? HF_CONTAINER(node, struct post, node) : NULL;
}

static void on_async(uv_async_t *async)
{
    struct hf_loop *loop = async->data;
    struct post *post;
    bool is_stopping;

    while ((post = pop_post(loop)) != NULL) {
        post->fn(post->ctx);
        free(post);
    }
    pthread_mutex_lock(&loop->lock);
    is_stopping = loop->is_stopping;
    loop->is_stopping = false;
    pthread_mutex_unlock(&loop->lock);
    if (is_stopping) {
        uv_stop(&loop->uv);
    }
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct hf_loop *loop = prepare->data;

    loop->turn_end_fn(loop->turn_end_ctx);
}

hf_err hf_loop_new(struct hf_loop **out)
{
    struct hf_loop *loop = calloc(1, sizeof *loop);
    int result;

    if (loop == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    signal(SIGPIPE, SIG_IGN); /* libuv writes without MSG_NOSIGNAL */
    result = uv_loop_init(&loop->uv);
    if (result != 0) {
        free(loop);
        return loop_error(result);
    }
    hf_list_init(&loop->posts);
    pthread_mutex_init(&loop->lock, NULL);
    result = uv_async_init(&loop->uv, &loop->async, on_async);
    hf_check(result == 0);
    result = uv_prepare_init(&loop->uv, &loop->turn_end);
    hf_check(result == 0);
    loop->async.data = loop;
    loop->turn_end.data = loop;
    uv_unref((uv_handle_t *)&loop->async);
    uv_unref((uv_handle_t *)&loop->turn_end);
    *out = loop;
    return HF_OK;
}

static void close_any(uv_handle_t *handle, void *arg)
{
    struct hf_loop *loop = arg;
    bool is_own = handle == (uv_handle_t *)&loop->async ||
                  handle == (uv_handle_t *)&loop->turn_end;

    if (!uv_is_closing(handle)) {
        uv_close(handle, is_own ? NULL : free_handle);
    }
}

void hf_loop_free(struct hf_loop *loop)
{
    struct post *post;

    if (loop == NULL) {
        return;
    }
    uv_walk(&loop->uv, close_any, loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    hf_check(uv_loop_close(&loop->uv) == 0);
    while ((post = pop_post(loop)) != NULL) {
        free(post);
    }
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void hf_loop_run(struct hf_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void hf_loop_run_ready(struct hf_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

void hf_loop_stop(struct hf_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->is_stopping = true;
    pthread_mutex_unlock(&loop->lock);
    uv_async_send(&loop->async);
}

hf_err hf_loop_post(struct hf_loop *loop, hf_loop_fn fn, void *ctx)
{
    struct post *post = malloc(sizeof *post);
    bool is_full;

    hf_check(fn != NULL);
    if (post == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    post->fn = fn;
    post->ctx = ctx;
    pthread_mutex_lock(&loop->lock);
    is_full = loop->posts_count == POSTS_MAX;
    if (!is_full) {
        hf_list_push_back(&loop->posts, &post->node);
        loop->posts_count++;
    }
    pthread_mutex_unlock(&loop->lock);
    if (is_full) {
        free(post);
        return HF_ERR_FULL;
    }
    uv_async_send(&loop->async);
    return HF_OK;
}

void hf_loop_on_turn_end(struct hf_loop *loop, hf_loop_fn fn, void *ctx)
{
    loop->turn_end_fn = fn;
    loop->turn_end_ctx = ctx;
    if (fn == NULL) {
        uv_prepare_stop(&loop->turn_end);
        return;
    }
    uv_prepare_start(&loop->turn_end, on_turn_end);
}

static void on_timer(uv_timer_t *uv)
{
    struct hf_timer *timer = (struct hf_timer *)uv;

    timer->fn(timer->ctx);
}

hf_err hf_timer_open(struct hf_loop *loop, hf_loop_fn fn, void *ctx,
                     struct hf_timer **out)
{
    struct hf_timer *timer = calloc(1, sizeof *timer);

    hf_check(fn != NULL);
    if (timer == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    timer->fn = fn;
    timer->ctx = ctx;
    return started(uv_timer_init(&loop->uv, &timer->uv), timer, out);
}

void hf_timer_set(struct hf_timer *timer, hf_time due)
{
    hf_time now = hf_clock_now();
    uint64_t wait_ms = 0;

    if (due.us == INT64_MAX) {
        uv_timer_stop(&timer->uv);
        return;
    }
    if (hf_time_before(now, due)) {
        /* libuv counts from its cached time in whole milliseconds: round up past both.
         */
        uv_update_time(timer->uv.loop);
        wait_ms = (uint64_t)(due.us - now.us + 999) / 1000 + 1;
    }
    uv_timer_start(&timer->uv, on_timer, wait_ms, 0);
}

void hf_timer_set_every_ms(struct hf_timer *timer, int64_t every_ms)
{
    hf_check(every_ms > 0);
    uv_timer_start(&timer->uv, on_timer, (uint64_t)every_ms, (uint64_t)every_ms);
}

void hf_timer_close(struct hf_timer *timer)
{
    close_handle(timer);
}

/* The mark is taken back after the read: whoever signals in between finds it set, and
 * what it signals for is seen by the call that follows. */
static void on_wake(uv_poll_t *uv, int status, int events)
{
    struct hf_wake *wake = (struct hf_wake *)uv;
    uint64_t count;

    (void)status;
    (void)events;
    (void)!read(wake->fd, &count, sizeof count);
    atomic_store(&wake->is_signalled, false);
    wake->fn(wake->ctx);
}

hf_err hf_wake_open(struct hf_loop *loop, hf_loop_fn fn, void *ctx,
                    struct hf_wake **out)
{
    struct hf_wake *wake = calloc(1, sizeof *wake);

    hf_check(fn != NULL);
    if (wake == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    wake->fn = fn;
    wake->ctx = ctx;
    wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake->fd < 0) {
        free(wake);
        return HF_ERR_FULL;
    }
    hf_check(uv_poll_init(&loop->uv, &wake->uv, wake->fd) == 0);
    wake->uv.data = (void *)(uintptr_t)&wake_mark;
    hf_check(uv_poll_start(&wake->uv, UV_READABLE, on_wake) == 0);
    *out = wake;
    return HF_OK;
}

void hf_wake_signal(struct hf_wake *wake)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&wake->is_signalled, true)) {
        (void)!write(wake->fd, &one, sizeof one);
    }
}

void hf_wake_close(struct hf_wake *wake)
{
    close_handle(wake);
}

static void on_signal(uv_signal_t *uv, int number)
{
    struct hf_signal *signal = (struct hf_signal *)uv;

    (void)number;
    signal->fn(signal->ctx);
}

hf_err hf_signal_open(struct hf_loop *loop, int signal_number, hf_loop_fn fn, void *ctx,
                      struct hf_signal **out)
{
    struct hf_signal *signal = calloc(1, sizeof *signal);
    int result;

    hf_check(fn != NULL);
    if (signal == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    signal->fn = fn;
    signal->ctx = ctx;
    result = uv_signal_init(&loop->uv, &signal->uv);
    hf_check(result == 0);
    result = uv_signal_start(&signal->uv, on_signal, signal_number);
    if (result != 0) {
        close_handle(signal);
        return loop_error(result);
    }
    *out = signal;
    return HF_OK;
}

void hf_signal_close(struct hf_signal *signal)
{
    close_handle(signal);
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct hf_watch *watch = (struct hf_watch *)uv;
    int mask = 0;

    mask |= (events & UV_READABLE) != 0 ? HF_WATCH_READ : 0;
    mask |= (events & UV_WRITABLE) != 0 ? HF_WATCH_WRITE : 0;
    watch->fn(watch->ctx, mask, loop_error(status));
}

hf_err hf_watch_open(struct hf_loop *loop, int fd, hf_watch_fn fn, void *ctx,
                     struct hf_watch **out)
{
    struct hf_watch *watch = calloc(1, sizeof *watch);

    hf_check(fn != NULL);
    if (watch == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    watch->fn = fn;
    watch->ctx = ctx;
    return started(uv_poll_init(&loop->uv, &watch->uv, fd), watch, out);
}

hf_err hf_watch_set(struct hf_watch *watch, int events)
{
    int mask = 0;

    mask |= (events & HF_WATCH_READ) != 0 ? UV_READABLE : 0;
    mask |= (events & HF_WATCH_WRITE) != 0 ? UV_WRITABLE : 0;
    return loop_error(mask != 0 ? uv_poll_start(&watch->uv, mask, on_poll)
                                : uv_poll_stop(&watch->uv));
}

void hf_watch_close(struct hf_watch *watch)
{
    close_handle(watch);
}
