#include "lib/http/guard.h"

#include "lib/http/ctype.h"

enum { LINE_START, IN_NAME, IN_VALUE, AT_LF, AT_LAST_LF };

void hf_http_guard_init(struct hf_http_guard *guard)
{
    hf_check(guard != NULL);

    *guard = (struct hf_http_guard){.state = LINE_START};
}

/* Number of leading bytes of the class. */
static size_t run_of(hf_slice bytes, unsigned class)
{
    size_t n = 0;

    while (n < bytes.bytes && hf_http_is(bytes.data[n], class)) {
        n++;
    }
    return n;
}

/* Moves on one byte that ends a run; false when it is not allowed there. */
static bool turn(struct hf_http_guard *guard, uint8_t byte)
{
    switch (guard->state) {
    case LINE_START:
        guard->state = byte == '\r' ? AT_LAST_LF : IN_NAME;
        return byte == '\r' || hf_http_is(byte, HF_HTTP_TCHAR);
    case IN_NAME:
        guard->state = IN_VALUE;
        return byte == ':';
    case IN_VALUE:
        guard->state = AT_LF;
        return byte == '\r';
    default:
        guard->line_bytes = 0;
        return byte == '\n';
    }
}

/* The limits at a place; checked before the byte there is judged, so that the verdict
 * is the same however the input was cut. */
static hf_reason over(const struct hf_http_guard *guard,
                      const struct hf_http_limits *limits, uint8_t byte)
{
    if (guard->total_bytes >= limits->fields_bytes_max + 2) {
        return HF_REASON_REQUEST_LENGTH;
    }
    if (guard->state == LINE_START && byte != '\r' &&
        guard->count >= limits->fields_count_max) {
        return HF_REASON_REQUEST_LENGTH;
    }
    if (guard->state <= IN_VALUE && byte != '\r' &&
        guard->line_bytes >= limits->field_bytes_max) {
        return HF_REASON_FIELD_LENGTH;
    }
    return HF_REASON_NONE;
}

/* Takes bytes in the middle of a name or value, as far as the limits allow. */
static size_t skip_run(struct hf_http_guard *guard, const struct hf_http_limits *limits,
                       hf_slice bytes)
{
    size_t line_room = limits->field_bytes_max - guard->line_bytes;
    size_t total_room = limits->fields_bytes_max + 2 - guard->total_bytes;
    size_t room = line_room < total_room ? line_room : total_room;
    unsigned class = guard->state == IN_NAME ? HF_HTTP_TCHAR : HF_HTTP_VALUE;
    size_t n;

    if (guard->state != IN_NAME && guard->state != IN_VALUE) {
        return 0;
    }
    n = run_of(hf_slice_first(bytes, room), class);
    guard->line_bytes += n;
    guard->total_bytes += n;
    return n;
}

enum hf_http_verdict hf_http_guard_read(struct hf_http_guard *guard,
                                        const struct hf_http_limits *limits,
                                        hf_slice bytes, size_t *consumed,
                                        hf_reason *reason)
{
    size_t at = 0;

    hf_check(guard != NULL);
    hf_check(consumed != NULL);

    for (;;) {
        uint8_t was;

        at += skip_run(guard, limits, hf_slice_skip(bytes, at));
        *consumed = at;
        if (at == bytes.bytes) {
            return HF_HTTP_GUARD_MORE;
        }
        *reason = over(guard, limits, bytes.data[at]);
        if (*reason != HF_REASON_NONE) {
            return HF_HTTP_GUARD_BAD;
        }
        was = guard->state;
        guard->line_bytes++;
        guard->total_bytes++;
        guard->count += was == LINE_START && bytes.data[at] != '\r';
        if (!turn(guard, bytes.data[at])) {
            *reason = HF_REASON_HEADER;
            return HF_HTTP_GUARD_BAD;
        }
        at++;
        *consumed = at;
        if (was == AT_LAST_LF) {
            return HF_HTTP_GUARD_END;
        }
        guard->state = was == AT_LF ? LINE_START : guard->state;
    }
}
