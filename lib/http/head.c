#include "lib/http/head.h"

#include "lib/http/ctype.h"
#include "lib/http/field.h"

#include <string.h>

static size_t or_default(size_t wanted, size_t normal)
{
    return wanted == 0 ? normal : wanted;
}

struct hf_http_limits hf_http_limits_of(struct hf_http_limits wanted)
{
    size_t count = or_default(wanted.fields_count_max, HF_HTTP_FIELDS_COUNT);

    return (struct hf_http_limits){
        .line_bytes_max = or_default(wanted.line_bytes_max, HF_HTTP_LINE_BYTES),
        .field_bytes_max = or_default(wanted.field_bytes_max, HF_HTTP_FIELD_BYTES),
        .fields_bytes_max = or_default(wanted.fields_bytes_max, HF_HTTP_FIELDS_BYTES),
        .fields_count_max =
            count < HF_HTTP_FIELDS_HARD_MAX ? count : HF_HTTP_FIELDS_HARD_MAX,
    };
}

static bool is_all(hf_slice text, unsigned class)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (!hf_http_is(text.data[i], class)) {
            return false;
        }
    }
    return true;
}

bool hf_http_is_token(hf_slice text)
{
    return text.bytes > 0 && is_all(text, HF_HTTP_TCHAR);
}

bool hf_http_is_value(hf_slice text)
{
    return is_all(text, HF_HTTP_VALUE);
}

enum hf_http_method hf_http_method_of(hf_slice text)
{
#define X(name)                                                                        \
    if (hf_slice_equal(text, HF_SLICE(#name))) {                                       \
        return HF_HTTP_##name;                                                         \
    }
    HF_HTTP_METHOD_TABLE(X)
#undef X
    return HF_HTTP_OTHER;
}

/* Lower-case methods are refused as HTTP.sys refuses them: `get` is no GET, and a hop
 * that thinks otherwise would disagree with us. */
static bool is_method(hf_slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] != hf_http_lower(text.data[i]) || text.data[i] < 'a' ||
            text.data[i] > 'z') {
            continue;
        }
        return false;
    }
    return text.bytes <= HF_HTTP_METHOD_BYTES_MAX && hf_http_is_token(text);
}

static hf_reason version_parse(hf_slice text, uint8_t *minor)
{
    const uint8_t *d = text.data;

    if (text.bytes != 8 || memcmp(d, "HTTP/", 5) != 0 || d[5] < '0' || d[5] > '9' ||
        d[6] != '.' || d[7] < '0' || d[7] > '9' || d[5] == '0') {
        return HF_REASON_BAD_REQUEST;
    }
    *minor = (uint8_t)(d[7] - '0');
    return d[5] == '1' ? HF_REASON_NONE : HF_REASON_VERSION;
}

static hf_reason method_check(const struct hf_http_head *head)
{
    bool is_star = hf_slice_equal(head->target, HF_SLICE("*"));

    if (head->method == HF_HTTP_CONNECT || head->method == HF_HTTP_TRACE) {
        return HF_REASON_VERB;
    }
    return is_star && head->method != HF_HTTP_OPTIONS ? HF_REASON_URL : HF_REASON_NONE;
}

hf_reason hf_http_line_parse(hf_slice line, struct hf_http_head *out)
{
    size_t method_bytes = hf_slice_find(line, ' ');
    hf_slice rest = hf_slice_skip(line, method_bytes + 1);
    size_t target_bytes = hf_slice_find(rest, ' ');
    hf_slice version = hf_slice_skip(rest, target_bytes + 1);
    hf_reason reason;

    hf_check(out != NULL);

    out->method_text = hf_slice_first(line, method_bytes);
    out->target = hf_slice_first(rest, target_bytes);
    if (!is_method(out->method_text) ||
        hf_slice_equal(line, HF_SLICE("PRI * HTTP/2.0"))) {
        return HF_REASON_BAD_REQUEST;
    }
    out->method = hf_http_method_of(out->method_text);
    reason = version_parse(version, &out->version_minor);
    if (reason != HF_REASON_NONE) {
        return reason;
    }
    if (out->target.bytes == 0 || !is_all(out->target, HF_HTTP_VISIBLE)) {
        return HF_REASON_URL;
    }
    return method_check(out);
}

/* What one pass over the fields has met. */
struct survey {
    hf_slice length;
    hf_slice coding;
    hf_slice expect;
    unsigned hosts;
    unsigned lengths;
    unsigned codings;
    unsigned expects;
    bool has_close;
    bool has_keep_alive;
};

static void survey_field(struct survey *s, const struct hf_http_field *f,
                         struct hf_http_head *head)
{
    switch (f->name.bytes) {
    case 4:
        if (hf_slice_equal_nocase(f->name, HF_SLICE("host"))) {
            head->host = f->value;
            s->hosts++;
        }
        break;
    case 6:
        if (hf_slice_equal_nocase(f->name, HF_SLICE("expect"))) {
            s->expect = f->value;
            s->expects++;
        }
        break;
    case 10:
        if (hf_slice_equal_nocase(f->name, HF_SLICE("connection"))) {
            s->has_close |= hf_http_list_has(f->value, HF_SLICE("close"));
            s->has_keep_alive |= hf_http_list_has(f->value, HF_SLICE("keep-alive"));
        }
        break;
    case 14:
        if (hf_slice_equal_nocase(f->name, HF_SLICE("content-length"))) {
            s->length = f->value;
            s->lengths++;
        }
        break;
    case 17:
        if (hf_slice_equal_nocase(f->name, HF_SLICE("transfer-encoding"))) {
            s->coding = f->value;
            s->codings++;
        }
        break;
    default:
        break;
    }
}

/* The one field that is not `chunked`: 400 when its form is wrong or chunked is not the
 * last coding, 501 when it is a coding we do not have. */
static hf_reason coding_refusal(hf_slice value)
{
    hf_slice rest = value;

    for (;;) {
        size_t comma = hf_slice_find(rest, ',');
        hf_slice member = hf_slice_trim(hf_slice_first(rest, comma));
        bool is_last = comma == rest.bytes;

        if (!hf_http_is_token(member) ||
            (!is_last && hf_slice_equal_nocase(member, HF_SLICE("chunked")))) {
            return HF_REASON_HEADER;
        }
        if (is_last) {
            return HF_REASON_TRANSFER_CODING;
        }
        rest = hf_slice_skip(rest, comma + 1);
    }
}

static hf_reason coding_check(const struct survey *s, struct hf_http_head *head)
{
    if (s->lengths != 0 || s->codings > 1 || head->version_minor == 0) {
        return HF_REASON_HEADER;
    }
    if (!hf_slice_equal_nocase(s->coding, HF_SLICE("chunked"))) {
        return coding_refusal(s->coding);
    }
    head->length = HF_HTTP_LENGTH_CHUNKED;
    return HF_REASON_NONE;
}

/* 1 to 18 digits, without the leading zeros that some hops read as octal. */
static hf_reason length_check(const struct survey *s, struct hf_http_head *head)
{
    uint64_t value = 0;

    if (s->lengths > 1 || s->length.bytes == 0 || s->length.bytes > 18 ||
        (s->length.bytes > 1 && s->length.data[0] == '0')) {
        return HF_REASON_NUMBER;
    }
    for (size_t i = 0; i < s->length.bytes; i++) {
        if (s->length.data[i] < '0' || s->length.data[i] > '9') {
            return HF_REASON_NUMBER;
        }
        value = value * 10 + (uint64_t)(s->length.data[i] - '0');
    }
    head->length = HF_HTTP_LENGTH_KNOWN;
    head->body_bytes = value;
    return HF_REASON_NONE;
}

static hf_reason framing_check(const struct survey *s, struct hf_http_head *head)
{
    head->length = HF_HTTP_LENGTH_NONE;
    head->body_bytes = 0;
    if (s->codings > 0) {
        return coding_check(s, head);
    }
    return s->lengths > 0 ? length_check(s, head) : HF_REASON_NONE;
}

/* HTTP/1.0 has no expectations: the field is ignored there (RFC 9110 10.1.1). */
static hf_reason expect_check(const struct survey *s, struct hf_http_head *head)
{
    head->expects_continue = false;
    if (s->expects == 0 || head->version_minor == 0) {
        return HF_REASON_NONE;
    }
    if (s->expects > 1 || !hf_slice_equal_nocase(s->expect, HF_SLICE("100-continue"))) {
        return HF_REASON_EXPECTATION;
    }
    head->expects_continue =
        head->length == HF_HTTP_LENGTH_CHUNKED ||
        (head->length == HF_HTTP_LENGTH_KNOWN && head->body_bytes > 0);
    return HF_REASON_NONE;
}

hf_reason hf_http_head_check(struct hf_http_head *head)
{
    struct survey s = {.hosts = 0};
    hf_reason reason;

    hf_check(head != NULL);

    head->host = HF_SLICE_EMPTY;
    for (size_t i = 0; i < head->fields_count; i++) {
        survey_field(&s, &head->fields[i], head);
    }
    head->is_keep_alive = !s.has_close && (head->version_minor > 0 || s.has_keep_alive);
    if (s.hosts > 1 || (s.hosts == 0 && head->version_minor > 0) ||
        (s.hosts == 1 && head->host.bytes == 0)) {
        return HF_REASON_HOSTNAME;
    }
    reason = framing_check(&s, head);
    return reason != HF_REASON_NONE ? reason : expect_check(&s, head);
}

hf_slice hf_http_head_find(const struct hf_http_head *head, hf_slice name)
{
    hf_check(head != NULL);

    for (size_t i = 0; i < head->fields_count; i++) {
        if (hf_slice_equal_nocase(head->fields[i].name, name)) {
            return head->fields[i].value;
        }
    }
    return HF_SLICE_EMPTY;
}
