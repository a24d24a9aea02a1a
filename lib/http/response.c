#include "lib/http/response.h"

#include "lib/http/field.h"
#include "lib/http/guard.h"

#include <llhttp.h>
#include <stdlib.h>

struct hf_http_response {
    llhttp_t llhttp;
    hf_err err; /* of a callback */
    bool is_head;
    bool is_done;
    bool is_line_read; /* the status line has ended; the guard reads on */
    bool is_head_read;
    struct hf_http_limits limits;
    struct hf_http_guard guard;
    struct hf_buf name;
    struct hf_buf value;
    struct hf_buf fields;
    struct hf_buf body;
};

static int result(struct hf_http_response *r, hf_err err)
{
    r->err = err;
    return err == HF_OK ? 0 : -1;
}

static int on_name(llhttp_t *llhttp, const char *at, size_t bytes)
{
    struct hf_http_response *r = llhttp->data;

    return result(r, hf_buf_append(&r->name, hf_slice_of(at, bytes)));
}

static int on_value(llhttp_t *llhttp, const char *at, size_t bytes)
{
    struct hf_http_response *r = llhttp->data;

    return result(r, hf_buf_append(&r->value, hf_slice_of(at, bytes)));
}

/* llhttp lets empty names pass; folded lines are the guard's business. */
static int on_value_end(llhttp_t *llhttp)
{
    struct hf_http_response *r = llhttp->data;
    hf_slice name = hf_buf_slice(&r->name);
    hf_slice value = hf_slice_trim(hf_buf_slice(&r->value));
    bool is_trailer = (llhttp->flags & F_TRAILING) != 0;
    hf_err err = HF_ERR_INVALID;

    if (hf_http_is_token(name) && hf_http_is_value(value)) {
        err = is_trailer ? HF_OK : hf_http_field_append(&r->fields, name, value);
    }
    hf_buf_clear(&r->name);
    hf_buf_clear(&r->value);
    return result(r, err);
}

static int on_head_end(llhttp_t *llhttp)
{
    struct hf_http_response *r = llhttp->data;

    if (llhttp->status_code < 200 || llhttp->status_code > 599 ||
        llhttp->http_major != 1) {
        return result(r, HF_ERR_INVALID);
    }
    return r->is_head ? 1 : 0;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t bytes)
{
    struct hf_http_response *r = llhttp->data;

    return result(r, hf_buf_append(&r->body, hf_slice_of(at, bytes)));
}

static int on_message_end(llhttp_t *llhttp)
{
    struct hf_http_response *r = llhttp->data;

    r->is_done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_end,
    .on_headers_complete = on_head_end,
    .on_body = on_body,
    .on_message_complete = on_message_end,
};

/* Judges the shape of the field lines, which llhttp alone would let fold. */
static hf_err shape_check(struct hf_http_response *r, hf_slice bytes)
{
    size_t consumed;
    hf_reason reason;
    enum hf_http_verdict verdict;

    if (!r->is_line_read) {
        size_t end = hf_slice_find(bytes, '\n');

        r->is_line_read = end < bytes.bytes;
        bytes = hf_slice_skip(bytes, end + 1);
    }
    if (!r->is_line_read || r->is_head_read) {
        return HF_OK;
    }
    verdict = hf_http_guard_read(&r->guard, &r->limits, bytes, &consumed, &reason);
    r->is_head_read = verdict == HF_HTTP_GUARD_END;
    if (verdict != HF_HTTP_GUARD_BAD) {
        return HF_OK;
    }
    return reason == HF_REASON_HEADER ? HF_ERR_INVALID : HF_ERR_TOO_BIG;
}

hf_err hf_http_response_new(size_t body_bytes_max, bool is_head,
                            struct hf_http_response **out)
{
    struct hf_http_response *r = calloc(1, sizeof *r);

    hf_check(out != NULL);
    hf_check(body_bytes_max > 0);

    if (r == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    llhttp_init(&r->llhttp, HTTP_RESPONSE, &settings);
    r->llhttp.data = r;
    r->is_head = is_head;
    r->limits = hf_http_limits_of((struct hf_http_limits){
        .fields_bytes_max = HF_HTTP_RESPONSE_FIELDS_BYTES_MAX,
        .fields_count_max = HF_HTTP_FIELDS_HARD_MAX,
    });
    hf_http_guard_init(&r->guard);
    hf_buf_init(&r->name, HF_HTTP_FIELD_BYTES);
    hf_buf_init(&r->value, HF_HTTP_FIELD_BYTES);
    hf_buf_init(&r->fields, HF_HTTP_RESPONSE_FIELDS_BYTES_MAX);
    hf_buf_init(&r->body, body_bytes_max);
    *out = r;
    return HF_OK;
}

void hf_http_response_free(struct hf_http_response *response)
{
    if (response == NULL) {
        return;
    }
    hf_buf_fini(&response->name);
    hf_buf_fini(&response->value);
    hf_buf_fini(&response->fields);
    hf_buf_fini(&response->body);
    free(response);
}

hf_err hf_http_response_feed(struct hf_http_response *response, hf_slice bytes)
{
    llhttp_errno_t error;

    hf_check(response != NULL);

    if (response->err != HF_OK || (response->is_done && bytes.bytes > 0)) {
        response->err = response->err != HF_OK ? response->err : HF_ERR_INVALID;
        return response->err;
    }
    if (response->is_done || bytes.bytes == 0) {
        return response->is_done ? HF_OK : HF_ERR_AGAIN;
    }
    response->err = shape_check(response, bytes);
    if (response->err != HF_OK) {
        return response->err;
    }
    error = llhttp_execute(&response->llhttp, (const char *)bytes.data, bytes.bytes);
    if (response->is_done) {
        const char *end = llhttp_get_error_pos(&response->llhttp);
        bool is_all = end == (const char *)bytes.data + bytes.bytes;

        response->err = is_all ? HF_OK : HF_ERR_INVALID;
        return response->err;
    }
    if (error != HPE_OK && response->err == HF_OK) {
        response->err = HF_ERR_INVALID;
    }
    return response->err != HF_OK ? response->err : HF_ERR_AGAIN;
}

hf_err hf_http_response_eof(struct hf_http_response *response)
{
    hf_check(response != NULL);

    if (response->err != HF_OK) {
        return response->err;
    }
    if (!response->is_done && llhttp_message_needs_eof(&response->llhttp) != 0) {
        (void)llhttp_finish(&response->llhttp);
    }
    return response->is_done ? HF_OK : HF_ERR_CLOSED;
}

int hf_http_response_status(const struct hf_http_response *response)
{
    hf_check(response != NULL);

    return response->llhttp.status_code;
}

hf_slice hf_http_response_fields(const struct hf_http_response *response)
{
    hf_check(response != NULL);

    return hf_buf_slice(&response->fields);
}

hf_slice hf_http_response_body(const struct hf_http_response *response)
{
    hf_check(response != NULL);

    return hf_buf_slice(&response->body);
}
