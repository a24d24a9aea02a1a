/* A request in the worker: its storage and what can be asked of it. */
#include "worker/shell.h"

#include "lib/http/field.h"
#include "lib/io/clock.h"

#include <stdlib.h>

static struct hf_request *request_alloc(struct hf_worker *worker)
{
    struct hf_request *request = calloc(1, sizeof *request);

    if (request == NULL) {
        return NULL;
    }
    if (pthread_cond_init(&request->changed, NULL) != 0) {
        free(request);
        return NULL;
    }
    request->worker = worker;
    hf_buf_init(&request->head_in, HF_HEAD_MAX);
    hf_buf_init(&request->body, WK_WHOLE_BODY_MAX);
    hf_buf_init(&request->head_out, HF_HEAD_MAX);
    hf_buf_init(&request->out, WK_RESPONSE_MAX);
    return request;
}

struct hf_request *wk_request_new(struct hf_worker *worker)
{
    struct hf_list *node = hf_list_pop_front(&worker->spare);
    struct hf_request *request;

    if (node == NULL) {
        request = request_alloc(worker);
    } else {
        worker->spare_count--;
        request = HF_CONTAINER(node, struct hf_request, ready_node);
    }
    if (request != NULL) {
        request->refs = 1;
        request->allowed = WORKER_BODY_WINDOW;
    }
    return request;
}

void wk_request_destroy(struct hf_request *request)
{
    hf_buf_fini(&request->head_in);
    hf_buf_fini(&request->body);
    hf_buf_fini(&request->head_out);
    hf_buf_fini(&request->out);
    (void)pthread_cond_destroy(&request->changed);
    free(request);
}

static void buffer_reset(struct hf_buf *buf)
{
    hf_buf_clear(buf);
    if (buf->capacity > WK_BUFFER_KEPT_MAX) {
        hf_buf_fini(buf);
    }
}

/* Everything but the storage that is kept, and what the next ASSIGN sets anyway, back
 * to its beginning. */
static void request_reset(struct hf_request *request)
{
    request->id_text[0] = '\0';
    request->events = 0;
    request->is_running = false;
    request->is_taken = false;
    request->is_cancelled = false;
    request->is_ended = false;
    request->later_fn = NULL;
    request->user = NULL;
    request->out_base = 0;
    request->given = 0;
    request->produced = 0;
    request->is_offered = false;
    request->has_head = false;
    request->is_committed = false;
    request->is_whole = false;
    request->is_last_told = false;
    request->is_bodyless = false;
    buffer_reset(&request->head_in);
    buffer_reset(&request->body);
    buffer_reset(&request->head_out);
    buffer_reset(&request->out);
}

void wk_request_unref(struct hf_request *request)
{
    struct hf_worker *worker = request->worker;

    hf_check(request->refs > 0);
    request->refs--;
    if (request->refs > 0) {
        return;
    }
    hf_check(request->later.index == 0);
    if (worker->spare_count >= WK_SPARE_REQUESTS) {
        wk_request_destroy(request);
        return;
    }
    request_reset(request);
    hf_list_push_front(&worker->spare, &request->ready_node);
    worker->spare_count++;
}

static struct hf_view view_of(hf_slice slice)
{
    return (struct hf_view){(const char *)slice.data, slice.bytes};
}

struct hf_view hf_request_method(const struct hf_request *request)
{
    return view_of(request->head.method);
}

struct hf_view hf_request_path(const struct hf_request *request)
{
    return view_of(request->head.path);
}

struct hf_view hf_request_query(const struct hf_request *request)
{
    if (!request->head.has_query) {
        return (struct hf_view){NULL, 0};
    }
    return request->head.query.data == NULL ? (struct hf_view){"", 0}
                                            : view_of(request->head.query);
}

struct hf_view hf_request_scheme(const struct hf_request *request)
{
    return view_of(request->head.scheme);
}

struct hf_view hf_request_host(const struct hf_request *request)
{
    return view_of(request->head.host);
}

struct hf_view hf_request_client_ip(const struct hf_request *request)
{
    return view_of(request->head.client_ip);
}

struct hf_view hf_request_fields(const struct hf_request *request)
{
    return view_of(request->head.fields);
}

struct hf_view hf_request_field(const struct hf_request *request, const char *name,
                                size_t index)
{
    hf_slice wanted = hf_slice_of_cstr(name);
    hf_slice rest = request->head.fields;
    struct hf_http_field field;

    while (hf_http_field_next(&rest, &field)) {
        if (hf_slice_equal_nocase(field.name, wanted) && index-- == 0) {
            return field.value.data == NULL ? (struct hf_view){"", 0}
                                            : view_of(field.value);
        }
    }
    return (struct hf_view){NULL, 0};
}

const char *hf_request_id(const struct hf_request *request)
{
    struct hf_request *mine = (struct hf_request *)(uintptr_t)request;

    if (mine->id_text[0] == '\0') {
        hf_id_text(request->id, mine->id_text);
    }
    return request->id_text;
}

uint32_t hf_request_attempt(const struct hf_request *request)
{
    return request->attempt;
}

uint64_t hf_request_epoch(const struct hf_request *request)
{
    return request->epoch;
}

int64_t hf_time_left_ms(const struct hf_request *request)
{
    int64_t left = hf_time_diff_ms(hf_clock_now(), request->deadline);

    return left > 0 ? left : 0;
}

uint64_t hf_request_body_bytes(const struct hf_request *request)
{
    return request->body_bytes;
}

struct hf_view hf_request_body(const struct hf_request *request)
{
    hf_slice body = hf_buf_slice(&request->body);

    if (!request->is_body_whole || body.bytes != request->body_bytes) {
        return (struct hf_view){NULL, 0};
    }
    return view_of(body);
}

void hf_request_set_user(struct hf_request *request, void *user)
{
    request->user = user;
}

void *hf_request_user(const struct hf_request *request)
{
    return request->user;
}
