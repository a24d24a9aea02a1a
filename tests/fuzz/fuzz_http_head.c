/* Request parser, heads and bodies: no crash, and the same events however the stream is
 * cut. The first byte of the input chooses the cut. */
#include "lib/http/parser.h"

#define BODY_LIMIT 4096u

struct outcome {
    uint64_t digest;
    uint64_t events;
    hf_reason reason;
};

static void digest(struct outcome *o, hf_slice bytes)
{
    for (size_t i = 0; i < bytes.bytes; i++) {
        o->digest = (o->digest ^ bytes.data[i]) * 0x100000001b3u;
    }
}

static void digest_head(struct outcome *o, const struct hf_http_head *head)
{
    hf_check(hf_http_is_token(head->method_text));
    digest(o, head->target);
    for (size_t i = 0; i < head->fields_count; i++) {
        hf_check(hf_http_is_token(head->fields[i].name));
        hf_check(hf_http_is_value(head->fields[i].value));
        digest(o, head->fields[i].name);
        digest(o, head->fields[i].value);
    }
}

static bool take(struct hf_http_parser *p, const struct hf_http_step *step,
                 struct outcome *o)
{
    switch (step->event) {
    case HF_HTTP_AT_HEAD:
        o->events++;
        digest_head(o, hf_http_parser_head(p));
        (void)hf_http_parser_limit_body(p, BODY_LIMIT);
        break;
    case HF_HTTP_AT_BODY:
        digest(o, step->body);
        break;
    case HF_HTTP_AT_DONE:
        o->events++;
        hf_http_parser_next(p);
        break;
    case HF_HTTP_AT_ERROR:
        hf_check(hf_reason_status(step->reason) >= 400);
        o->reason = step->reason;
        return false;
    case HF_HTTP_AT_END:
        break;
    }
    return true;
}

static struct outcome run(hf_slice stream, size_t piece)
{
    struct outcome o = {.digest = 0xcbf29ce484222325u};
    struct hf_http_step step = {.event = HF_HTTP_AT_END};
    struct hf_http_parser *p;
    size_t room = piece;

    hf_check(hf_http_parser_new((struct hf_http_limits){0}, &p) == HF_OK);
    do {
        hf_slice part = hf_slice_first(stream, room);

        hf_http_parser_feed(p, part, &step);
        hf_check(step.consumed <= part.bytes);
        hf_check(step.event != HF_HTTP_AT_END || step.consumed == part.bytes);
        stream = hf_slice_skip(stream, step.consumed);
        room -= step.consumed;
        room = room == 0 && step.event == HF_HTTP_AT_END ? piece : room;
    } while (take(p, &step, &o) && (stream.bytes > 0 || step.event == HF_HTTP_AT_HEAD ||
                                    step.event == HF_HTTP_AT_BODY));
    hf_http_parser_free(p);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct outcome whole;
    struct outcome cut;

    if (bytes == 0) {
        return 0;
    }
    whole = run(hf_slice_of(data + 1, bytes - 1), bytes);
    cut = run(hf_slice_of(data + 1, bytes - 1), 1u + data[0] % 64u);
    hf_check(whole.events == cut.events);
    hf_check(whole.reason == cut.reason);
    /* A body over its limit is cut off at different places; all else is equal. */
    hf_check(whole.digest == cut.digest || whole.reason == HF_REASON_ENTITY_TOO_LARGE);
    return 0;
}
