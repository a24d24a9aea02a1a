#include "lib/http/parser.h"

#include "lib/base/buf.h"
#include "lib/http/chunk.h"
#include "lib/http/ctype.h"
#include "lib/http/guard.h"
#include "lib/http/host.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

enum state {
    START,
    START_LF, /* after the CR of the one empty line that is tolerated */
    LINE,
    LINE_LF,
    FIELDS,
    HEAD,
    BODY_KNOWN,
    BODY_CHUNKED,
    DONE,
    FAILED,
};

#define HOST_KEPT_BYTES_MAX 128u /* a longer one is read each time */

struct hf_http_parser {
    enum state state;
    hf_reason reason;
    bool skipped_line;
    struct hf_http_limits limits;
    struct hf_buf bytes; /* request line without CRLF, then the field lines */
    size_t line_bytes;
    struct hf_http_guard guard;
    struct hf_http_chunk chunk;
    uint64_t body_left; /* of a known length */
    uint64_t body_read; /* of a chunked body */
    uint64_t body_max;
    struct hf_http_head head;
    /* The last Host field and what it meant: the next request mostly has the same. */
    uint8_t host_text[HOST_KEPT_BYTES_MAX];
    size_t host_bytes; /* 0: none */
    struct hf_http_host host;
    llhttp_t primed; /* llhttp after a request line of no consequence */
    llhttp_t llhttp;
    bool is_head_seen; /* and what llhttp made of its framing: */
    bool is_chunked;
    uint64_t content_length;
    size_t fields_count;
    struct hf_http_field *fields;
};

static int on_name(llhttp_t *llhttp, const char *at, size_t bytes)
{
    struct hf_http_parser *p = llhttp->data;

    if (p->fields_count >= p->limits.fields_count_max) {
        return -1;
    }
    p->fields[p->fields_count].name = hf_slice_of(at, bytes);
    p->fields[p->fields_count].value = hf_slice_of(at, 0);
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t bytes)
{
    struct hf_http_parser *p = llhttp->data;

    p->fields[p->fields_count].value = hf_slice_trim(hf_slice_of(at, bytes));
    return 0;
}

static int on_value_end(llhttp_t *llhttp)
{
    struct hf_http_parser *p = llhttp->data;

    p->fields_count++;
    return 0;
}

/* Answers 1: no body follows for llhttp, which sees heads only. */
static int on_head_end(llhttp_t *llhttp)
{
    struct hf_http_parser *p = llhttp->data;

    p->is_head_seen = true;
    p->is_chunked = (llhttp->flags & F_CHUNKED) != 0;
    p->content_length = llhttp->content_length;
    return 1;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_end,
    .on_headers_complete = on_head_end,
};

/* llhttp knows a fixed list of methods and gives some of them a meaning (CONNECT, PRI).
 * Our own line rule is stricter and takes any method, so llhttp gets a line without
 * consequence and reads fields only. */
static bool prime(struct hf_http_parser *p)
{
    static const char line[] = "POST / HTTP/1.1\r\n";

    llhttp_init(&p->primed, HTTP_REQUEST, &settings);
    p->primed.data = p;
    return llhttp_execute(&p->primed, line, sizeof line - 1) == HPE_OK;
}

hf_err hf_http_parser_new(struct hf_http_limits limits, struct hf_http_parser **out)
{
    struct hf_http_parser *p = calloc(1, sizeof *p);

    hf_check(out != NULL);

    if (p == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    p->limits = hf_http_limits_of(limits);
    hf_buf_init(&p->bytes, p->limits.line_bytes_max + p->limits.fields_bytes_max + 2);
    p->fields = calloc(p->limits.fields_count_max, sizeof *p->fields);
    if (p->fields == NULL || !prime(p)) {
        hf_http_parser_free(p);
        return HF_ERR_NO_MEMORY;
    }
    hf_http_parser_next(p);
    *out = p;
    return HF_OK;
}

void hf_http_parser_free(struct hf_http_parser *parser)
{
    if (parser == NULL) {
        return;
    }
    hf_buf_fini(&parser->bytes);
    free(parser->fields);
    free(parser);
}

void hf_http_parser_next(struct hf_http_parser *parser)
{
    hf_check(parser != NULL);
    hf_check(parser->state == START || parser->state == DONE);

    parser->state = START;
    parser->skipped_line = false;
    parser->line_bytes = 0;
    parser->body_max = HF_HTTP_BODY_BYTES;
    hf_buf_clear(&parser->bytes);
}

static void fail(struct hf_http_parser *p, hf_reason reason)
{
    p->state = FAILED;
    p->reason = reason;
}

static bool keep(struct hf_http_parser *p, hf_slice bytes)
{
    if (hf_buf_append(&p->bytes, bytes) == HF_OK) {
        return true;
    }
    fail(p, HF_REASON_INTERNAL);
    return false;
}

static size_t start_byte(struct hf_http_parser *p, uint8_t byte)
{
    if (byte != '\r' && byte != '\n') {
        p->state = LINE;
        return 0;
    }
    if (byte == '\n' || p->skipped_line) {
        fail(p, HF_REASON_BAD_REQUEST);
        return 0;
    }
    p->skipped_line = true;
    p->state = START_LF;
    return 1;
}

/* One byte that must be LF: the second half of a line end. */
static size_t line_feed(struct hf_http_parser *p, uint8_t byte)
{
    hf_reason reason = HF_REASON_NONE;

    if (byte != '\n') {
        fail(p, HF_REASON_BAD_REQUEST);
        return 0;
    }
    if (p->state == START_LF) {
        p->state = START;
        return 1;
    }
    reason = hf_http_line_parse(hf_buf_slice(&p->bytes), &p->head);
    if (reason != HF_REASON_NONE) {
        fail(p, reason);
        return 0;
    }
    p->state = FIELDS;
    hf_http_guard_init(&p->guard);
    return 1;
}

static size_t line_bytes(struct hf_http_parser *p, hf_slice bytes)
{
    size_t room = p->limits.line_bytes_max - p->line_bytes;
    size_t n = 0;

    while (n < bytes.bytes && n < room && bytes.data[n] >= 0x20 &&
           bytes.data[n] < 0x7f) {
        n++;
    }
    if (n > 0 && !keep(p, hf_slice_first(bytes, n))) {
        return 0;
    }
    p->line_bytes += n;
    if (n == bytes.bytes) {
        return n;
    }
    if (bytes.data[n] == '\r') {
        p->state = LINE_LF;
        return n + 1;
    }
    fail(p, n == room ? HF_REASON_URL_LENGTH : HF_REASON_BAD_REQUEST);
    return n;
}

/* Content-Length stands after at most one space and directly before CRLF: more white
 * space is legal, but hops have disagreed about it. */
static bool is_length_plain(const struct hf_http_field *f)
{
    size_t gap = (size_t)(f->value.data - (f->name.data + f->name.bytes));

    return gap <= 2 && (gap < 2 || f->value.data[-1] == ' ') &&
           f->value.data[f->value.bytes] == '\r';
}

static hf_reason lengths_are_plain(const struct hf_http_parser *p)
{
    for (size_t i = 0; i < p->fields_count; i++) {
        if (p->fields[i].name.bytes == 14 &&
            hf_slice_equal_nocase(p->fields[i].name, HF_SLICE("content-length")) &&
            !is_length_plain(&p->fields[i])) {
            return HF_REASON_NUMBER;
        }
    }
    return HF_REASON_NONE;
}

static hf_reason llhttp_reason(llhttp_errno_t error)
{
    return error == HPE_INVALID_CONTENT_LENGTH || error == HPE_UNEXPECTED_CONTENT_LENGTH
               ? HF_REASON_NUMBER
               : HF_REASON_HEADER;
}

/* Two readings of one head must agree: ours and llhttp's. */
static bool is_agreed(const struct hf_http_parser *p)
{
    return p->fields_count == p->guard.count &&
           p->is_chunked == (p->head.length == HF_HTTP_LENGTH_CHUNKED) &&
           p->content_length == p->head.body_bytes;
}

static hf_err host_read(struct hf_http_parser *p)
{
    hf_slice text = p->head.host;
    hf_err err;

    p->head.host_read = &p->host;
    if (p->host_bytes > 0 &&
        hf_slice_equal(text, hf_slice_of(p->host_text, p->host_bytes))) {
        return HF_OK;
    }
    p->host_bytes = 0;
    err = hf_http_host_parse(text, false, &p->host);
    if (err == HF_OK && text.bytes <= sizeof p->host_text) {
        memcpy(p->host_text, text.data, text.bytes);
        p->host_bytes = text.bytes;
    }
    return err;
}

static hf_reason head_read(struct hf_http_parser *p)
{
    hf_slice all = hf_buf_slice(&p->bytes);
    hf_slice lines = hf_slice_skip(all, p->line_bytes);
    llhttp_errno_t error;
    hf_reason reason;

    p->llhttp = p->primed;
    p->is_head_seen = false;
    p->fields_count = 0;
    error = llhttp_execute(&p->llhttp, (const char *)lines.data, lines.bytes);
    if (!p->is_head_seen) {
        return llhttp_reason(error);
    }
    /* The buffer may have moved since the line was parsed. */
    p->head.method_text.data = all.data;
    p->head.target.data = all.data + p->head.method_text.bytes + 1;
    p->head.fields = p->fields;
    p->head.fields_count = p->fields_count;
    reason = hf_http_head_check(&p->head);
    reason = reason != HF_REASON_NONE ? reason : lengths_are_plain(p);
    if (reason != HF_REASON_NONE) {
        return reason;
    }
    p->head.host_read = NULL;
    if (p->head.host.bytes > 0 && host_read(p) != HF_OK) {
        return HF_REASON_HOSTNAME;
    }
    return is_agreed(p) ? HF_REASON_NONE : HF_REASON_BAD_REQUEST;
}

static size_t field_bytes(struct hf_http_parser *p, hf_slice bytes)
{
    size_t consumed;
    hf_reason reason = HF_REASON_NONE;
    enum hf_http_verdict verdict =
        hf_http_guard_read(&p->guard, &p->limits, bytes, &consumed, &reason);

    if (verdict == HF_HTTP_GUARD_BAD) {
        fail(p, reason);
        return consumed;
    }
    if (!keep(p, hf_slice_first(bytes, consumed))) {
        return 0;
    }
    if (verdict == HF_HTTP_GUARD_END) {
        reason = head_read(p);
        p->state = HEAD;
    }
    if (reason != HF_REASON_NONE) {
        fail(p, reason);
    }
    return consumed;
}

/* From the head to what follows it, on the first call after HF_HTTP_AT_HEAD. */
static void body_start(struct hf_http_parser *p)
{
    p->body_left = p->head.body_bytes;
    p->body_read = 0;
    switch (p->head.length) {
    case HF_HTTP_LENGTH_NONE:
        p->state = DONE;
        return;
    case HF_HTTP_LENGTH_KNOWN:
        p->state = p->body_left > 0 ? BODY_KNOWN : DONE;
        if (p->body_left > p->body_max) {
            fail(p, HF_REASON_ENTITY_TOO_LARGE);
        }
        return;
    case HF_HTTP_LENGTH_CHUNKED:
        p->state = BODY_CHUNKED;
        hf_http_chunk_init(&p->chunk);
        return;
    }
}

static void known_read(struct hf_http_parser *p, hf_slice bytes,
                       struct hf_http_step *out)
{
    out->body = hf_slice_first(bytes, p->body_left < bytes.bytes ? (size_t)p->body_left
                                                                 : bytes.bytes);
    out->event = HF_HTTP_AT_BODY;
    out->consumed += out->body.bytes;
    p->body_left -= out->body.bytes;
    p->state = p->body_left == 0 ? DONE : BODY_KNOWN;
    out->is_body_end = p->body_left == 0;
}

static void chunked_read(struct hf_http_parser *p, hf_slice bytes,
                         struct hf_http_step *out)
{
    size_t consumed;

    switch (hf_http_chunk_read(&p->chunk, &p->limits, bytes, &consumed, &out->body)) {
    case HF_HTTP_CHUNK_MORE:
        break;
    case HF_HTTP_CHUNK_DATA:
        p->body_read += out->body.bytes;
        out->event = HF_HTTP_AT_BODY;
        if (p->body_read > p->body_max) {
            fail(p, HF_REASON_ENTITY_TOO_LARGE);
        }
        break;
    case HF_HTTP_CHUNK_END:
        p->state = DONE;
        break;
    case HF_HTTP_CHUNK_BAD:
        fail(p, HF_REASON_BAD_REQUEST);
        break;
    }
    out->consumed += consumed;
}

static size_t head_step(struct hf_http_parser *p, hf_slice bytes)
{
    switch (p->state) {
    case START:
        return start_byte(p, bytes.data[0]);
    case START_LF:
    case LINE_LF:
        return line_feed(p, bytes.data[0]);
    case LINE:
        return line_bytes(p, bytes);
    default:
        return field_bytes(p, bytes);
    }
}

/* One step of the machine that may end in an event. */
static void step(struct hf_http_parser *p, hf_slice bytes, struct hf_http_step *out)
{
    if (p->state == BODY_KNOWN) {
        known_read(p, bytes, out);
        return;
    }
    if (p->state == BODY_CHUNKED) {
        chunked_read(p, bytes, out);
        return;
    }
    out->consumed += head_step(p, bytes);
    if (p->state == HEAD) {
        out->event = HF_HTTP_AT_HEAD;
    }
}

void hf_http_parser_feed(struct hf_http_parser *parser, hf_slice bytes,
                         struct hf_http_step *out)
{
    hf_check(parser != NULL);
    hf_check(out != NULL);

    *out = (struct hf_http_step){.event = HF_HTTP_AT_END};
    if (parser->state == HEAD) {
        body_start(parser);
    }
    while (out->event == HF_HTTP_AT_END && parser->state != DONE &&
           parser->state != FAILED && out->consumed < bytes.bytes) {
        step(parser, hf_slice_skip(bytes, out->consumed), out);
    }
    if (parser->state == FAILED) {
        out->event = HF_HTTP_AT_ERROR;
        out->reason = parser->reason;
        out->body = HF_SLICE_EMPTY;
    } else if (parser->state == DONE && out->event == HF_HTTP_AT_END) {
        out->event = HF_HTTP_AT_DONE;
    }
}

const struct hf_http_head *hf_http_parser_head(const struct hf_http_parser *parser)
{
    hf_check(parser != NULL);
    hf_check(parser->state >= HEAD && parser->state <= DONE);

    return &parser->head;
}

bool hf_http_parser_limit_body(struct hf_http_parser *parser, uint64_t bytes_max)
{
    hf_check(parser != NULL);
    hf_check(parser->state == HEAD);

    parser->body_max = bytes_max;
    return parser->head.length != HF_HTTP_LENGTH_KNOWN ||
           parser->head.body_bytes <= bytes_max;
}

bool hf_http_parser_is_idle(const struct hf_http_parser *parser)
{
    hf_check(parser != NULL);

    return parser->state == START;
}

void hf_http_parser_shrink(struct hf_http_parser *parser)
{
    hf_check(parser != NULL);
    hf_check(parser->state == START);

    hf_buf_fini(&parser->bytes);
}
