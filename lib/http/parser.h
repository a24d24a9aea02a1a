/* An incremental request parser for one connection: bytes in, events out.
 *
 * It copies the head into a buffer of its own (reused by every request of the
 * connection) and hands body bytes out as slices of the caller's input. Bytes after a
 * message are not touched until hf_http_parser_next, so pipelined requests stay with
 * the caller.
 *
 *     start --line--> fields --empty line--> HEAD --> body --> DONE --next--> start
 *        \______________\_____________________\________\--> ERROR (for good)
 *
 * The verdict on a stream of bytes never depends on how it was cut into pieces. Line
 * structure is judged byte by byte by guard.h; llhttp's strict build reads the fields.
 * No allocation per request once the head buffer has grown. */
#ifndef HF_HTTP_PARSER_H
#define HF_HTTP_PARSER_H

#include "lib/base/err.h"
#include "lib/http/head.h"

enum hf_http_event {
    HF_HTTP_AT_END,   /* all bytes consumed: feed again when more has arrived */
    HF_HTTP_AT_HEAD,  /* the head is complete: hf_http_parser_head */
    HF_HTTP_AT_BODY,  /* `body` holds the next bytes of the body, chunking removed */
    HF_HTTP_AT_DONE,  /* the message is complete; repeats until hf_http_parser_next */
    HF_HTTP_AT_ERROR, /* `reason` says why: answer, close; repeats for ever */
};

struct hf_http_step {
    enum hf_http_event event;
    size_t consumed;  /* bytes of this call's input; the caller drops them */
    hf_slice body;    /* borrowed from the input of this call */
    hf_reason reason; /* with HF_HTTP_AT_ERROR; its status is hf_reason_status */
    bool is_body_end; /* with HF_HTTP_AT_BODY: nothing of the body follows. Said only of
                         a declared length; HF_HTTP_AT_DONE comes in any case. */
};

struct hf_http_parser;

/* `limits` by value, zeros mean defaults. HF_ERR_NO_MEMORY. */
HF_MUST_USE hf_err hf_http_parser_new(struct hf_http_limits limits,
                                      struct hf_http_parser **out);
void hf_http_parser_free(struct hf_http_parser *parser);

/* Works until one event is due. Call with what is left of the input until the event is
 * AT_END, AT_DONE or AT_ERROR; call with an empty slice after HEAD when nothing is
 * left. HEAD comes before the body is looked at: route, set the limit, then go on. */
void hf_http_parser_feed(struct hf_http_parser *parser, hf_slice bytes,
                         struct hf_http_step *out);

/* The head after HF_HTTP_AT_HEAD; it and its slices live until hf_http_parser_next. */
const struct hf_http_head *hf_http_parser_head(const struct hf_http_parser *parser);

/* The body limit of the URL group, set between HEAD and the first body byte; without it
 * HF_HTTP_BODY_BYTES holds. False when the declared length exceeds it already: the next
 * event is ERROR with ENTITY_TOO_LARGE, and no body byte need be read. */
bool hf_http_parser_limit_body(struct hf_http_parser *parser, uint64_t bytes_max);

/* After HF_HTTP_AT_DONE: ready for the next request of the connection. */
void hf_http_parser_next(struct hf_http_parser *parser);

/* True when no byte of a request has arrived since start or next: a close here, or an
 * idle time-out, cuts nothing. */
bool hf_http_parser_is_idle(const struct hf_http_parser *parser);

/* Frees the head buffer of an idle connection; the next request takes it again. */
void hf_http_parser_shrink(struct hf_http_parser *parser);

#endif
