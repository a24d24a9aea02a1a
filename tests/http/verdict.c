#include "tests/http/verdict.h"

#include "lib/http/edge.h"
#include "lib/http/parser.h"
#include "lib/http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

#define CUTS_MAX 300u

static void digest(struct verdict *v, hf_slice bytes)
{
    for (size_t i = 0; i < bytes.bytes; i++) {
        v->digest = (v->digest ^ bytes.data[i]) * 0x100000001b3u;
    }
}

/* Everything that is done before a request is enqueued. */
static void judge_head(const struct hf_http_head *head, struct verdict *v)
{
    HF_AUTO(hf_buf_fini) struct hf_buf scratch;
    HF_AUTO(hf_buf_fini) struct hf_buf block;
    struct hf_http_target target = {.path = HF_SLICE_EMPTY};
    struct hf_http_edge edge = {.underscores = HF_HTTP_UNDERSCORES_DROP};
    struct hf_http_client client = {.host = HF_SLICE("h")};
    size_t dropped;

    hf_buf_init(&scratch, 65536);
    hf_buf_init(&block, 65536);
    v->reason = hf_http_target_parse(head, (struct hf_http_target_options){0}, &scratch,
                                     &target);
    if (v->reason == HF_REASON_NONE) {
        v->reason = hf_http_edge_fields(&edge, head, &client, &block, &dropped);
    }
    v->is_close = !head->is_keep_alive;
    digest(v, target.path);
    digest(v, hf_buf_slice(&block));
}

/* One event; false when nothing more is to be read. */
static bool take(struct hf_http_parser *p, const struct hf_http_step *step,
                 struct verdict *v)
{
    switch (step->event) {
    case HF_HTTP_AT_END:
        return true;
    case HF_HTTP_AT_HEAD:
        judge_head(hf_http_parser_head(p), v);
        return v->reason == HF_REASON_NONE;
    case HF_HTTP_AT_BODY:
        digest(v, step->body);
        return true;
    case HF_HTTP_AT_DONE:
        v->messages++;
        hf_http_parser_next(p);
        return !v->is_close;
    case HF_HTTP_AT_ERROR:
        v->reason = step->reason;
        return false;
    }
    return false;
}

struct verdict verdict_of(hf_slice stream, size_t first, size_t rest)
{
    struct verdict v = {.digest = 0xcbf29ce484222325u};
    struct hf_http_parser *p;
    size_t room = first;
    struct hf_http_step step = {.event = HF_HTTP_AT_END};
    bool goes_on = true;

    assert_int_equal(hf_http_parser_new((struct hf_http_limits){0}, &p), HF_OK);
    while (goes_on && (stream.bytes > 0 || step.event != HF_HTTP_AT_END)) {
        hf_http_parser_feed(p, hf_slice_first(stream, room), &step);
        stream = hf_slice_skip(stream, step.consumed);
        room -= step.consumed;
        goes_on = take(p, &step, &v);
        if (step.event == HF_HTTP_AT_DONE && stream.bytes == 0) {
            break;
        }
        room = room == 0 && step.event == HF_HTTP_AT_END ? rest : room;
    }
    v.is_partial =
        goes_on && step.event == HF_HTTP_AT_END && !hf_http_parser_is_idle(p);
    hf_http_parser_free(p);
    return v;
}

static void same(struct verdict a, struct verdict b)
{
    assert_string_equal(hf_reason_word(a.reason), hf_reason_word(b.reason));
    assert_int_equal(a.messages, b.messages);
    assert_int_equal(a.is_partial, b.is_partial);
    assert_int_equal(a.digest, b.digest);
}

struct verdict verdict_of_all_cuts(hf_slice stream)
{
    struct verdict whole = verdict_of(stream, stream.bytes, 1);
    size_t stride = stream.bytes / CUTS_MAX + 1;

    same(whole, verdict_of(stream, 1, 1));
    for (size_t cut = 1; cut < stream.bytes; cut += stride) {
        same(whole, verdict_of(stream, cut, stream.bytes));
    }
    return whole;
}
