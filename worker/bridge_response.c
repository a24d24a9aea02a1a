/* The app's answer on its way to the broker: head, body under its window, end. */
#include "worker/bridge_parts.h"

#include "lib/base/text.h"
#include "lib/http/field.h"

#include <curl/curl.h>
#include <string.h>

/* "HTTP/1.1 200 OK": the three digits; 0 for anything else. */
static int status_of(hf_slice line)
{
    uint64_t status = 0;
    hf_slice rest = hf_slice_skip(line, hf_slice_find(line, ' ') + 1);

    if (!hf_slice_starts_with(line, HF_SLICE("HTTP/")) ||
        hf_text_parse_u64(hf_slice_first(rest, 3), 999, &status) != HF_OK) {
        return 0;
    }
    return (int)status;
}

static void declare_length(const struct exchange *exchange, struct hf_answer *answer)
{
    hf_slice value =
        hf_http_field_find(hf_buf_slice(&exchange->head), HF_SLICE("Content-Length"));
    uint64_t length = 0;

    if (value.data != NULL && hf_text_parse_u64(value, INT64_MAX, &length) == HF_OK) {
        answer->has_length = true;
        answer->content_length = length;
    }
}

/* All of the head is here. Interim answers are not passed on. */
static bool answer_head(struct exchange *exchange)
{
    struct hf_buf fields;
    size_t dropped = 0;
    struct hf_answer answer = {.status = exchange->status};

    if (exchange->status >= 100 && exchange->status < 200) {
        hf_buf_clear(&exchange->head);
        return true;
    }
    declare_length(exchange, &answer);
    hf_buf_init(&fields, HF_HTTP_RESPONSE_FIELDS_BYTES_MAX);

    bool is_good =
        hf_http_response_filter(exchange->status, hf_buf_slice(&exchange->head),
                                &fields, &dropped) == HF_OK;

    if (is_good) {
        hf_slice block = hf_buf_slice(&fields);

        answer.fields = (const char *)block.data;
        answer.fields_bytes = block.bytes;
        is_good =
            hf_send_response(exchange->request, &answer, HF_SEND_MORE) == HF_STATUS_OK;
        exchange->has_answered = is_good;
    }
    hf_buf_fini(&fields);
    exchange->is_bad = !is_good;
    if (is_good && exchange->is_head && exchange->is_uploading) {
        /* libcurl cannot know that no body follows when it sends one itself. */
        exchange->is_cut = true;
    }
    return is_good;
}

size_t bridge_on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    hf_slice line = hf_slice_of(bytes, size * count);
    size_t all = line.bytes;

    if (exchange->has_answered) {
        return all; /* trailers are dropped (SECURITY.md 5, chunked) */
    }
    while (line.bytes > 0 &&
           (line.data[line.bytes - 1] == '\n' || line.data[line.bytes - 1] == '\r')) {
        line.bytes--;
    }
    if (line.bytes == 0) {
        return answer_head(exchange) ? all : 0;
    }
    if (hf_slice_starts_with(line, HF_SLICE("HTTP/"))) {
        exchange->status = status_of(line);
        hf_buf_clear(&exchange->head);
        return all;
    }
    /* A folded line (RFC 9112 5.2) is no field line and is refused with the head. */
    exchange->is_bad = hf_buf_append(&exchange->head, line) != HF_OK ||
                       hf_buf_append_cstr(&exchange->head, "\r\n") != HF_OK;
    return exchange->is_bad ? 0 : all;
}

size_t bridge_on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    size_t all = size * count;
    size_t accepted = 0;
    enum hf_status status;

    if (!exchange->has_answered) {
        exchange->is_bad = true;
        return 0;
    }
    /* libcurl finishes the buffer it is at even when paused, and the window may open
     * meanwhile: what waits goes first. */
    status = exchange->is_recv_paused
                 ? HF_STATUS_WAIT
                 : hf_send_body(exchange->request, bytes, all, HF_SEND_MORE, &accepted);
    if (status == HF_STATUS_OK) {
        return all;
    }
    if (status != HF_STATUS_WAIT ||
        hf_buf_append(&exchange->spill,
                      hf_slice_of(bytes + accepted, all - accepted)) != HF_OK) {
        return 0;
    }
    exchange->is_recv_paused = true;
    (void)curl_easy_pause(exchange->easy, CURLPAUSE_RECV);
    return all;
}

size_t bridge_on_read(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    size_t got = 0;

    switch (hf_read_body(exchange->request, bytes, size * count, &got)) {
    case HF_STATUS_OK:
        return got;
    case HF_STATUS_END:
        return 0;
    case HF_STATUS_WAIT:
        return CURL_READFUNC_PAUSE;
    default:
        return CURL_READFUNC_ABORT;
    }
}

void bridge_response_resume(struct exchange *exchange)
{
    hf_slice spill = hf_buf_slice(&exchange->spill);
    size_t accepted = 0;

    if (!exchange->is_recv_paused) {
        return;
    }
    if (hf_send_body(exchange->request, spill.data, spill.bytes, HF_SEND_MORE,
                     &accepted) != HF_STATUS_OK) {
        hf_buf_consume(&exchange->spill, accepted);
        return;
    }
    hf_buf_clear(&exchange->spill);
    exchange->is_recv_paused = false;
    if (!exchange->is_finished) {
        (void)curl_easy_pause(exchange->easy, CURLPAUSE_CONT);
    }
}

static hf_reason failure_of(const struct exchange *exchange)
{
    /* What libcurl itself finds: a NUL in the head, no status line (HTTP/0.9). */
    if (exchange->is_bad || exchange->result == CURLE_WEIRD_SERVER_REPLY ||
        exchange->result == CURLE_UNSUPPORTED_PROTOCOL) {
        return HF_REASON_BAD_RESPONSE;
    }
    return exchange->result == CURLE_OPERATION_TIMEDOUT ? HF_REASON_UPSTREAM_TIMEOUT
                                                        : HF_REASON_UPSTREAM;
}

void bridge_response_end(struct exchange *exchange)
{
    struct hf_request *request = exchange->request;
    bool is_whole = exchange->is_cut || exchange->result == CURLE_OK;
    bool was_refused = exchange->result == CURLE_COULDNT_CONNECT && !exchange->is_cut;

    if (is_whole && exchange->has_answered) {
        (void)hf_send_body(request, NULL, 0, 0, NULL);
        return;
    }
    HF_WARN("app did not answer", hf_log_id("request", request->id),
            hf_log_cstr("reason", hf_reason_word(failure_of(exchange))),
            hf_log_cstr("detail", curl_easy_strerror((CURLcode)exchange->result)));
    if (was_refused) {
        exchange->bridge->config.on_refused(exchange->bridge->config.ctx);
    }
    /* What never reached the app was never started, and costs no attempt; what may be
     * repeated does count, so that an app that stays away ends in a 502. */
    if (was_refused && !bridge_request_is_repeatable(exchange)) {
        (void)hf_release(request);
        return;
    }
    wk_cancel(request, failure_of(exchange));
}
