/* The public verbs on one request. */
#include "worker/shell.h"

#include "lib/http/field.h"
#include "lib/io/clock.h"

#include <string.h>
#include <time.h>

#define KNOWN_FIELDS_MAX 256

static const char *const status_texts[] = {
    [HF_STATUS_OK] = "done",
    [HF_STATUS_WAIT] = "nothing can be done now",
    [HF_STATUS_END] = "the body has been read to its end",
    [HF_STATUS_TIMEOUT] = "the time given is over",
    [HF_STATUS_CANCELLED] = "nobody waits for the answer any more",
    [HF_STATUS_STOPPED] = "the worker is shutting down",
    [HF_STATUS_INVALID] = "an argument breaks a rule, or the call is out of order",
    [HF_STATUS_TOO_BIG] = "a limit is exceeded",
    [HF_STATUS_NO_MEMORY] = "no memory",
    [HF_STATUS_IO] = "a file or address cannot be used",
};

const char *hf_status_text(enum hf_status status)
{
    return (unsigned)status < sizeof status_texts / sizeof status_texts[0]
               ? status_texts[status]
               : "unknown status";
}

static bool is_blocking(const struct hf_worker *worker)
{
    return worker->mode == WK_POOL || worker->mode == WK_RECEIVE;
}

/* Holds the request over a call that may end it. */
static struct hf_worker *enter(struct hf_request *request)
{
    struct hf_worker *worker = request->worker;

    (void)pthread_mutex_lock(&worker->lock);
    request->refs++;
    if (request->is_offered) {
        wk_deliver(request);
    }
    return worker;
}

static void leave(struct hf_request *request)
{
    struct hf_worker *worker = request->worker;

    wk_request_unref(request);
    (void)pthread_mutex_unlock(&worker->lock);
    wk_flush(worker);
}

static void wait_changed(struct hf_request *request, int64_t timeout_ms,
                         const struct timespec *until)
{
    if (timeout_ms < 0) {
        (void)pthread_cond_wait(&request->changed, &request->worker->lock);
        return;
    }
    (void)pthread_cond_timedwait(&request->changed, &request->worker->lock, until);
}

static enum hf_status read_some(struct hf_request *request, void *to, size_t bytes,
                                size_t *read_bytes)
{
    hf_slice have = hf_slice_first(hf_buf_slice(&request->body), bytes);

    if (request->is_cancelled) {
        return HF_STATUS_CANCELLED;
    }
    if (have.bytes == 0) {
        return request->is_body_whole ? HF_STATUS_END : HF_STATUS_WAIT;
    }
    memcpy(to, have.data, have.bytes);
    hf_buf_consume(&request->body, have.bytes);
    *read_bytes = have.bytes;
    wk_took(request, have.bytes);
    return HF_STATUS_OK;
}

enum hf_status hf_read_body(struct hf_request *request, void *to, size_t bytes,
                            size_t *read_bytes)
{
    struct hf_worker *worker = enter(request);
    enum hf_status status = HF_STATUS_INVALID;

    if (bytes > 0 && !request->is_ended) {
        status = read_some(request, to, bytes, read_bytes);
        while (status == HF_STATUS_WAIT && is_blocking(worker)) {
            wait_changed(request, -1, NULL);
            status = read_some(request, to, bytes, read_bytes);
        }
    }
    leave(request);
    return status;
}

static bool is_head(hf_slice method)
{
    return method.bytes == 4 && memcmp(method.data, "HEAD", 4) == 0;
}

/* Lines of token ":" value CRLF, nothing else (SECURITY.md 5, worker response). */
static bool are_fields_good(hf_slice rest)
{
    struct hf_http_field field;

    while (hf_http_field_next(&rest, &field)) {
        if (!hf_http_is_token(field.name) || !hf_http_is_value(field.value)) {
            return false;
        }
    }
    return rest.bytes == 0;
}

/* Handlers tend to give the same fields again: those that were good last time are. */
static bool are_fields_known_good(hf_slice fields)
{
    static _Thread_local uint8_t good[KNOWN_FIELDS_MAX];
    static _Thread_local size_t good_bytes;

    if (fields.bytes == 0 ||
        (fields.bytes == good_bytes && memcmp(fields.data, good, good_bytes) == 0)) {
        return true;
    }
    if (!are_fields_good(fields)) {
        return false;
    }
    if (fields.bytes <= sizeof good) {
        memcpy(good, fields.data, fields.bytes);
        good_bytes = fields.bytes;
    }
    return true;
}

static enum hf_status put_head(struct hf_request *request,
                               const struct hf_answer *answer, unsigned flags)
{
    struct hf_response_head head = {
        .status = (uint32_t)answer->status,
        .fields = hf_slice_of(answer->fields, answer->fields_bytes),
        .has_length = answer->has_length,
        .content_length = answer->content_length,
    };

    if (answer->status < 200 || answer->status > 599 ||
        !are_fields_known_good(head.fields)) {
        return HF_STATUS_INVALID;
    }
    if ((flags & HF_SEND_MORE) == 0 && !answer->has_length) {
        head.has_length = true;
        head.content_length = answer->body_bytes;
    }
    request->is_bodyless =
        answer->status == 204 || answer->status == 304 || is_head(request->head.method);
    head.has_length = head.has_length && answer->status != 204;
    hf_buf_clear(&request->head_out);
    switch (hf_response_head_append(&head, &request->head_out)) {
    case HF_OK:
        break;
    case HF_ERR_TOO_BIG:
        return HF_STATUS_TOO_BIG;
    default:
        return HF_STATUS_NO_MEMORY;
    }
    if (request->is_bodyless) {
        return HF_STATUS_OK;
    }

    hf_slice body = hf_slice_of(answer->body, answer->body_bytes);

    if (hf_buf_append(&request->out, body) != HF_OK) {
        return HF_STATUS_NO_MEMORY;
    }
    request->given = body.bytes;
    return HF_STATUS_OK;
}

/* Small answers given in one turn leave as one record. */
static void commit_soon(struct hf_request *request)
{
    if (!wk_commit_later(request)) {
        wk_commit(request);
    }
}

/* The handler has given everything. */
static void finish(struct hf_request *request)
{
    request->is_whole = true;
    wk_commit(request);
    request->is_ended = true;
    hf_heap_remove(&request->worker->laters, &request->later);
}

void wk_deliver(struct hf_request *request)
{
    request->is_offered = false;
    if (request->is_ended) {
        return;
    }
    if (request->is_cancelled) {
        wk_end(request, WORKER_IN_FAIL, HF_REASON_CANCELLED);
        return;
    }
    request->has_head = true;
    finish(request);
}

/* The commonest call of all, a whole answer from the first callback: it is kept until
 * that returns and needs no lock, as calls about one request do not overlap. */
static bool is_offer(const struct hf_request *request, unsigned flags)
{
    return flags == 0 && wk_is_calling(request) && !request->is_offered &&
           !request->has_head && !request->is_ended;
}

enum hf_status hf_send_response(struct hf_request *request,
                                const struct hf_answer *answer, unsigned flags)
{
    enum hf_status status = HF_STATUS_INVALID;
    bool is_more = (flags & HF_SEND_MORE) != 0;

    if (is_offer(request, flags)) {
        status = put_head(request, answer, flags);
        request->is_offered = status == HF_STATUS_OK;
        return status;
    }
    (void)enter(request);

    if (request->is_cancelled && !request->is_ended) {
        status = HF_STATUS_CANCELLED;
        if (!is_more) {
            wk_end(request, WORKER_IN_FAIL, HF_REASON_CANCELLED);
        }
    } else if (!request->has_head && !request->is_ended &&
               (flags & ~HF_SEND_MORE) == 0) {
        status = put_head(request, answer, flags);
    }
    if (status == HF_STATUS_OK) {
        request->has_head = true;
        if (is_more) {
            commit_soon(request);
        } else {
            finish(request);
        }
    }
    leave(request);
    return status;
}

/* Takes what the window has room for; WAIT when that is not everything. */
static enum hf_status give_some(struct hf_request *request, hf_slice *rest)
{
    uint64_t room =
        request->allowed > request->given ? request->allowed - request->given : 0;
    hf_slice part =
        hf_slice_first(*rest, room < rest->bytes ? (size_t)room : rest->bytes);

    if (request->is_cancelled) {
        return HF_STATUS_CANCELLED;
    }
    if (hf_buf_append(&request->out, part) != HF_OK) {
        return HF_STATUS_NO_MEMORY;
    }
    request->given += part.bytes;
    *rest = hf_slice_skip(*rest, part.bytes);
    return rest->bytes == 0 ? HF_STATUS_OK : HF_STATUS_WAIT;
}

static enum hf_status give_all(struct hf_request *request, hf_slice *rest)
{
    enum hf_status status = give_some(request, rest);

    while (status == HF_STATUS_WAIT && is_blocking(request->worker)) {
        wk_commit(request);
        (void)pthread_mutex_unlock(&request->worker->lock);
        wk_flush(request->worker);
        (void)pthread_mutex_lock(&request->worker->lock);
        if (request->allowed <= request->given && !request->is_cancelled) {
            wait_changed(request, -1, NULL);
        }
        status = give_some(request, rest);
    }
    return status;
}

enum hf_status hf_send_body(struct hf_request *request, const void *data, size_t bytes,
                            unsigned flags, size_t *accepted_bytes)
{
    hf_slice rest = hf_slice_of(data, request->is_bodyless ? 0 : bytes);
    bool is_more = (flags & HF_SEND_MORE) != 0;
    enum hf_status status = HF_STATUS_INVALID;

    (void)enter(request);
    if (request->has_head && !request->is_ended && !request->is_whole) {
        status = give_all(request, &rest);
        if (status == HF_STATUS_CANCELLED && !is_more) {
            wk_end(request, WORKER_IN_FAIL, HF_REASON_CANCELLED);
        } else if (status == HF_STATUS_OK && (flags & HF_SEND_DISCONNECT) != 0) {
            wk_commit(request);
            wk_end(request, WORKER_IN_ABORT, HF_REASON_RESPONSE_BROKEN);
        } else if (status == HF_STATUS_OK && !is_more) {
            finish(request);
        } else {
            commit_soon(request);
        }
    }
    if (accepted_bytes != NULL) {
        *accepted_bytes = status == HF_STATUS_INVALID ? 0 : bytes - rest.bytes;
    }
    leave(request);
    return status;
}

void wk_cancel(struct hf_request *request, hf_reason reason)
{
    (void)enter(request);
    if (request->is_committed) {
        wk_end(request, WORKER_IN_ABORT, HF_REASON_RESPONSE_BROKEN);
    } else {
        wk_end(request, WORKER_IN_FAIL, reason);
    }
    leave(request);
}

void hf_cancel(struct hf_request *request)
{
    wk_cancel(request, HF_REASON_UPSTREAM);
}

enum hf_status hf_release(struct hf_request *request)
{
    (void)enter(request);

    bool is_possible = !request->has_head && !request->is_ended;

    if (is_possible) {
        wk_end(request, WORKER_IN_RELEASE, HF_REASON_NONE);
    }
    leave(request);
    return is_possible ? HF_STATUS_OK : HF_STATUS_INVALID;
}

static struct timespec moment_after(int64_t ms)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    ms = ms < 0 ? 0 : ms;
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

enum hf_status hf_wait_disconnect(struct hf_request *request, int64_t timeout_ms)
{
    struct hf_worker *worker = request->worker;
    struct timespec until = moment_after(timeout_ms);
    int64_t end_us = hf_clock_monotonic_us() + timeout_ms * 1000;

    (void)pthread_mutex_lock(&worker->lock);
    while (!request->is_cancelled &&
           (timeout_ms < 0 || hf_clock_monotonic_us() < end_us)) {
        wait_changed(request, timeout_ms, &until);
    }

    bool is_cancelled = request->is_cancelled;

    (void)pthread_mutex_unlock(&worker->lock);
    return is_cancelled ? HF_STATUS_CANCELLED : HF_STATUS_TIMEOUT;
}

bool hf_is_cancelled(const struct hf_request *request)
{
    struct hf_worker *worker = request->worker;

    (void)pthread_mutex_lock(&worker->lock);

    bool is_cancelled = request->is_cancelled;

    (void)pthread_mutex_unlock(&worker->lock);
    return is_cancelled;
}

enum hf_status hf_call_later(struct hf_request *request, int64_t delay_ms,
                             void (*fn)(void *ctx, struct hf_request *request))
{
    struct hf_worker *worker = enter(request);
    bool is_possible = !request->is_ended && request->later.index == 0 &&
                       request->later_fn == NULL && fn != NULL && delay_ms >= 0;

    if (is_possible) {
        request->later_fn = fn;
        hf_heap_set(&worker->laters, &request->later,
                    hf_time_add_ms(hf_clock_now(), delay_ms));
        wk_arm(worker, request->later.due);
    }
    leave(request);
    return is_possible ? HF_STATUS_OK : HF_STATUS_INVALID;
}
