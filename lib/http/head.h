/* The head of an HTTP/1.1 request: what the client asked, in slices, and the rules on
 * it.
 *
 * Owns the vocabulary (methods, fields, limits) and the checks that need the whole
 * field list: Host, message length, Expect, Connection. Knows nothing of bytes in
 * flight: the parser (parser.h) fills a head and calls hf_http_head_check. Rules:
 * SECURITY.md 5. */
#ifndef HF_HTTP_HEAD_H
#define HF_HTTP_HEAD_H

#include "lib/base/check.h"
#include "lib/base/reason.h"
#include "lib/base/slice.h"

#define HF_HTTP_METHOD_BYTES_MAX 32

#define HF_HTTP_METHOD_TABLE(X)                                                        \
    X(GET) X(HEAD) X(POST) X(PUT) X(DELETE) X(OPTIONS) X(PATCH) X(CONNECT) X(TRACE)

enum hf_http_method {
    HF_HTTP_OTHER, /* a well-formed method that has no row: its text tells */
#define X(name) HF_HTTP_##name,
    HF_HTTP_METHOD_TABLE(X)
#undef X
};

/* Both parts without surrounding white space; the value may be empty. */
struct hf_http_field {
    hf_slice name;
    hf_slice value;
};

enum hf_http_length {
    HF_HTTP_LENGTH_NONE,    /* no body */
    HF_HTTP_LENGTH_KNOWN,   /* Content-Length: body_bytes follow (may be 0) */
    HF_HTTP_LENGTH_CHUNKED, /* Transfer-Encoding: chunked */
};

struct hf_http_host;

struct hf_http_head {
    hf_slice method_text;
    enum hf_http_method method;
    hf_slice target; /* raw, untrusted; target.h makes the canonical path */
    uint8_t version_minor;
    const struct hf_http_field *fields; /* in order of arrival */
    size_t fields_count;
    /* Results of hf_http_head_check. */
    hf_slice host; /* the Host field as sent; data NULL when absent (HTTP/1.0) */
    /* `host` as hf_http_host_parse reads it without https; NULL: not read yet. */
    const struct hf_http_host *host_read;
    enum hf_http_length length;
    uint64_t body_bytes;   /* with LENGTH_KNOWN */
    bool is_keep_alive;    /* the client is willing to reuse the connection */
    bool expects_continue; /* waits for `100 Continue` before it sends the body */
};

/* Limits of one connection; FEATURES.md 3.10. Zero in any member means its default. */
struct hf_http_limits {
    size_t line_bytes_max;   /* request line without CRLF: 8192 */
    size_t field_bytes_max;  /* one field line without CRLF: 16384 */
    size_t fields_bytes_max; /* all field lines with CRLF: 32768 */
    size_t fields_count_max; /* 100, never above HF_HTTP_FIELDS_HARD_MAX */
};

#define HF_HTTP_LINE_BYTES      8192u
#define HF_HTTP_FIELD_BYTES     16384u
#define HF_HTTP_FIELDS_BYTES    32768u
#define HF_HTTP_FIELDS_COUNT    100u
#define HF_HTTP_FIELDS_HARD_MAX 256u
#define HF_HTTP_BODY_BYTES      30000000u

/* The defaults put in for zeros, hard limits applied. */
struct hf_http_limits hf_http_limits_of(struct hf_http_limits wanted);

/* A token of RFC 9110 5.6.2: at least one tchar. */
bool hf_http_is_token(hf_slice text);
/* Legal in a field value: HTAB, SP, VCHAR, obs-text (RFC 9110 5.5). */
bool hf_http_is_value(hf_slice text);
enum hf_http_method hf_http_method_of(hf_slice text);

/* `line` is a request line without CRLF. Fills method, target and version of `out`.
 * Returns HF_REASON_NONE, or why it is refused: BAD_REQUEST (form, HTTP/0.9, the h2
 * preface), VERB (the method is no upper-case token of <= 32 bytes is BAD_REQUEST;
 * CONNECT and TRACE are VERB), URL (target byte outside 0x21..0x7e, `*` without
 * OPTIONS), VERSION (major version not 1). */
HF_MUST_USE hf_reason hf_http_line_parse(hf_slice line, struct hf_http_head *out);

/* Checks what the field list says about Host, length, Expect and Connection, and fills
 * the results. HF_REASON_NONE, or HOSTNAME, NUMBER, HEADER, TRANSFER_CODING,
 * EXPECTATION. Any refusal ends the connection after the answer. */
HF_MUST_USE hf_reason hf_http_head_check(struct hf_http_head *head);

/* The value of the first field named `name` (any case), or data NULL. */
hf_slice hf_http_head_find(const struct hf_http_head *head, hf_slice name);

#endif
