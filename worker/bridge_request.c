/* The request as the app gets it: the client's own lines, in order, and ours. */
#include "worker/bridge_parts.h"

#include "lib/http/field.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX   16384
#define METHOD_BYTES_MAX 32

/* Fields that belong to one connection (RFC 9110 7.6.1); the frontend has removed those
 * that Connection named. */
static bool is_hop_by_hop(hf_slice name)
{
    static const char *const names[] = {
        "Connection", "Keep-Alive",        "Proxy-Connection", "TE",
        "Trailer",    "Transfer-Encoding", "Upgrade",          "Expect",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (hf_slice_equal_nocase(name, hf_slice_of_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool add_line(struct exchange *exchange, const char *line)
{
    struct curl_slist *longer = curl_slist_append(exchange->fields, line);

    if (longer == NULL) {
        return false;
    }
    exchange->fields = longer;
    return true;
}

/* libcurl takes "Name: value", and "Name;" for an empty value. */
static bool add_field(struct exchange *exchange, struct hf_http_field field)
{
    char line[LINE_BYTES_MAX + 8];

    if (field.name.bytes + field.value.bytes > LINE_BYTES_MAX ||
        !hf_http_is_token(field.name) || !hf_http_is_value(field.value)) {
        return false;
    }
    (void)snprintf(line, sizeof line, "%.*s%s%.*s", (int)field.name.bytes,
                   (const char *)field.name.data, field.value.bytes == 0 ? ";" : ": ",
                   (int)field.value.bytes,
                   field.value.bytes == 0 ? "" : (const char *)field.value.data);
    return add_line(exchange, line);
}

static bool add_text(struct exchange *exchange, const char *name, hf_slice value)
{
    return add_field(exchange, (struct hf_http_field){hf_slice_of_cstr(name), value});
}

static bool add_missing(struct exchange *exchange, const char *name, hf_slice value)
{
    hf_slice fields = exchange->request->head.fields;

    if (hf_http_field_find(fields, hf_slice_of_cstr(name)).data != NULL) {
        return true;
    }
    return add_text(exchange, name, value);
}

static bool add_number(struct exchange *exchange, const char *name, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return add_text(exchange, name, hf_slice_of_cstr(text));
}

/* A length is ours to say: one that is not the body's would make the rest of the body,
 * or the next request, something else for the app. */
static bool add_client_fields(struct exchange *exchange)
{
    hf_slice rest = exchange->request->head.fields;
    struct hf_http_field field;
    bool has_length = false;

    while (hf_http_field_next(&rest, &field)) {
        bool is_length = hf_slice_equal_nocase(field.name, HF_SLICE("Content-Length"));
        bool is_dropped = is_hop_by_hop(field.name) || (is_length && has_length);

        if (is_dropped) {
            continue;
        }
        has_length = has_length || is_length;
        if (is_length
                ? !add_number(exchange, "Content-Length", exchange->request->body_bytes)
                : !add_field(exchange, field)) {
            return false;
        }
    }
    return rest.bytes == 0;
}

/* What goes into the request line, byte for byte. */
static bool is_visible(hf_slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* A frontend has made all of this sure; but whoever may enqueue may write a head, and
 * must not be able to write a second request into the app's connection. */
static bool is_line_sound(const struct hf_request_head *head)
{
    return hf_http_is_token(head->method) && head->method.bytes <= METHOD_BYTES_MAX &&
           head->path.bytes > 0 && is_visible(head->path) && is_visible(head->query);
}

/* What libcurl would add by itself is switched off by a name without a value. */
static bool silence(struct exchange *exchange, const char *name, const char *line)
{
    hf_slice fields = exchange->request->head.fields;

    return hf_http_field_find(fields, hf_slice_of_cstr(name)).data != NULL ||
           add_line(exchange, line);
}

static bool add_fields(struct exchange *exchange)
{
    const struct hf_request *request = exchange->request;
    int64_t deadline_ms = hf_time_ms(request->deadline);

    return add_client_fields(exchange) &&
           add_missing(exchange, "Host", request->head.host) &&
           add_missing(exchange, "X-Forwarded-For", request->head.client_ip) &&
           add_missing(exchange, "X-Forwarded-Proto", request->head.scheme) &&
           add_missing(exchange, "X-Forwarded-Host", request->head.host) &&
           add_text(exchange, "Holdfast-Request-Id",
                    hf_slice_of_cstr(hf_request_id(request))) &&
           add_number(exchange, "Holdfast-Attempt", request->attempt) &&
           add_number(exchange, "Holdfast-Epoch", request->epoch) &&
           add_number(exchange, "Holdfast-Deadline",
                      deadline_ms > 0 ? (uint64_t)deadline_ms : 0) &&
           silence(exchange, "Accept", "Accept:") &&
           silence(exchange, "User-Agent", "User-Agent:") &&
           add_line(exchange, "Expect:");
}

static bool make_target(struct exchange *exchange)
{
    const struct hf_request_head *head = &exchange->request->head;
    struct hf_buf *target = &exchange->target;

    hf_buf_clear(target);
    return hf_buf_append(target, head->path) == HF_OK &&
           (!head->has_query || (hf_buf_append_byte(target, '?') == HF_OK &&
                                 hf_buf_append(target, head->query) == HF_OK)) &&
           hf_buf_append_byte(target, 0) == HF_OK;
}

bool bridge_request_is_repeatable(const struct exchange *exchange)
{
    hf_slice method = exchange->request->head.method;

    return !exchange->is_uploading && (hf_slice_equal(method, HF_SLICE("GET")) ||
                                       hf_slice_equal(method, HF_SLICE("HEAD")) ||
                                       hf_slice_equal(method, HF_SLICE("OPTIONS")));
}

/* Which way libcurl works; the method's name is ours in any case. */
static CURLcode set_method(struct exchange *exchange)
{
    CURL *easy = exchange->easy;
    hf_slice method = exchange->request->head.method;
    char name[64];
    CURLcode code = curl_easy_setopt(easy, CURLOPT_UPLOAD, 0L);

    (void)snprintf(name, sizeof name, "%.*s", (int)method.bytes,
                   (const char *)method.data);
    exchange->is_head = hf_slice_equal(method, HF_SLICE("HEAD"));
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (code == CURLE_OK && exchange->is_uploading) {
        code = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    } else if (code == CURLE_OK && exchange->is_head) {
        code = curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                                exchange->is_uploading
                                    ? (curl_off_t)exchange->request->body_bytes
                                    : (curl_off_t)-1);
    }
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, name)
                            : code;
}

static long timeout_of(const struct exchange *exchange)
{
    int64_t left_ms = hf_time_left_ms(exchange->request);
    int64_t limit_ms = exchange->bridge->config.timeout_ms;

    if (limit_ms > 0 && limit_ms < left_ms) {
        left_ms = limit_ms;
    }
    if (left_ms > INT32_MAX) {
        left_ms = INT32_MAX; /* libcurl takes no more on every machine */
    }
    return left_ms > 1 ? (long)left_ms : 1;
}

hf_err bridge_request_prepare(struct exchange *exchange)
{
    CURL *easy = exchange->easy;

    exchange->is_uploading = exchange->request->body_bytes > 0;
    if (!is_line_sound(&exchange->request->head) || !make_target(exchange) ||
        !add_fields(exchange)) {
        return HF_ERR_INVALID;
    }

    long is_alone = bridge_request_is_repeatable(exchange) ? 0 : 1;
    const char *target = (const char *)hf_buf_slice(&exchange->target).data;

    if (set_method(exchange) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->fields) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, target) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, is_alone) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_of(exchange)) != CURLE_OK) {
        return HF_ERR_NO_MEMORY;
    }
    return HF_OK;
}
