#include "lib/http/target.h"

#include "lib/http/ctype.h"

#include <string.h>

/* A path being rewritten in place; `at` reads, `end` writes, end <= at. */
struct path {
    uint8_t *data;
    size_t bytes;
};

static hf_err append_escape(struct hf_buf *scratch, uint8_t value)
{
    const uint8_t text[3] = {'%', (uint8_t) "0123456789ABCDEF"[value >> 4],
                             (uint8_t) "0123456789ABCDEF"[value & 15]};

    return hf_buf_append(scratch, hf_slice_of(text, sizeof text));
}

/* Steps 3 and 4 for one `%XX`. */
static hf_reason decode_escape(uint8_t value, struct hf_http_target_options options,
                               struct hf_buf *scratch)
{
    bool is_slash = value == '/' || value == '\\';
    hf_err err;

    if (value < 0x20 || value == 0x7f || (is_slash && !options.keeps_escaped_slash)) {
        return HF_REASON_URL;
    }
    err = hf_http_is(value, HF_HTTP_UNRESERVED) ? hf_buf_append_byte(scratch, value)
                                                : append_escape(scratch, value);
    return err == HF_OK ? HF_REASON_NONE : HF_REASON_INTERNAL;
}

/* Steps 2 to 4. A visible byte that no URI may hold (`"<>^|` and so on) has one
 * canonical spelling too: its escape. */
static hf_reason decode(hf_slice path, struct hf_http_target_options options,
                        struct hf_buf *scratch)
{
    size_t at = 0;

    while (at < path.bytes) {
        uint8_t c = path.data[at];
        size_t run = at;
        hf_reason reason = HF_REASON_NONE;
        hf_err err = HF_OK;

        while (run < path.bytes &&
               (hf_http_is(path.data[run], HF_HTTP_PCHAR) || path.data[run] == '/')) {
            run++;
        }
        if (run > at) {
            err = hf_buf_append(scratch, hf_slice_of(path.data + at, run - at));
            at = run;
        } else if (c == '%') {
            if (path.bytes - at < 3 || !hf_http_is(path.data[at + 1], HF_HTTP_HEX) ||
                !hf_http_is(path.data[at + 2], HF_HTTP_HEX)) {
                return HF_REASON_URL;
            }
            reason = decode_escape((uint8_t)(hf_http_hex(path.data[at + 1]) << 4 |
                                             hf_http_hex(path.data[at + 2])),
                                   options, scratch);
            at += 3;
        } else {
            bool is_bad =
                c == '\\' || c == '#' || c == '?' || !hf_http_is(c, HF_HTTP_VISIBLE);

            reason = is_bad ? HF_REASON_URL : HF_REASON_NONE;
            err = is_bad ? HF_OK : append_escape(scratch, c);
            at++;
        }
        if (reason != HF_REASON_NONE || err != HF_OK) {
            return reason != HF_REASON_NONE ? reason : HF_REASON_INTERNAL;
        }
    }
    return HF_REASON_NONE;
}

/* The two digits after an escaped `%` that would make a second decoding dangerous. */
static bool is_double(const uint8_t *digits)
{
    static const char *const bad[] = {"2F", "5C", "2E", "25", "00"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if ((digits[0] & 0xdf) == (bad[i][0] & 0xdf) &&
            (digits[1] & 0xdf) == (bad[i][1] & 0xdf)) {
            return true;
        }
    }
    return false;
}

/* The escaped byte at `at`, or -1 when there is none. */
static int escape_at(const struct path *path, size_t at)
{
    if (at + 3 > path->bytes || path->data[at] != '%') {
        return -1;
    }
    return hf_http_hex(path->data[at + 1]) << 4 | hf_http_hex(path->data[at + 2]);
}

/* A lead byte whose sequence spells a code point longer than needed (RFC 3629 3). */
static bool is_overlong(int lead, int next)
{
    bool is_tail = next >= 0x80 && next <= 0xbf;

    return lead == 0xc0 || lead == 0xc1 || (lead == 0xe0 && is_tail && next < 0xa0) ||
           (lead == 0xf0 && is_tail && next < 0x90) ||
           (lead == 0xf8 && is_tail && next < 0x88) ||
           (lead == 0xfc && is_tail && next < 0x84);
}

/* Step 5, on the decoded path, so that `%25%32%66` is seen as what it becomes. */
static bool is_single_encoded(const struct path *path)
{
    for (size_t at = 0; at < path->bytes; at++) {
        int value = escape_at(path, at);

        if (value == '%' && at + 5 <= path->bytes && is_double(path->data + at + 3)) {
            return false;
        }
        if (value >= 0 && is_overlong(value, escape_at(path, at + 3))) {
            return false;
        }
        at += value >= 0 ? 2 : 0;
    }
    return true;
}

enum segment { SEGMENT_PLAIN, SEGMENT_EMPTY, SEGMENT_DOT, SEGMENT_DOTS, SEGMENT_BAD };

static enum segment segment_of(hf_slice s)
{
    size_t dots = 0;

    while (dots < s.bytes && dots < 2 && s.data[dots] == '.') {
        dots++;
    }
    if (s.bytes == 0) {
        return SEGMENT_EMPTY;
    }
    if (dots > 0 && s.bytes > dots && s.data[dots] == ';') {
        return SEGMENT_BAD;
    }
    if (s.bytes > dots) {
        return SEGMENT_PLAIN;
    }
    return dots == 1 ? SEGMENT_DOT : SEGMENT_DOTS;
}

/* Cuts the last segment off data[0..end), which ends in `/`; false above the root. */
static bool pop(const struct path *path, size_t *end)
{
    if (*end <= 1) {
        return false;
    }
    (*end)--;
    while (path->data[*end - 1] != '/') {
        (*end)--;
    }
    return true;
}

/* Steps 6 and 7: writes the result over the path, which starts with `/`. */
static hf_reason remove_dots(struct path *path, bool keeps_slashes)
{
    size_t at = 1;
    size_t end = 1;
    size_t segments = 0;

    while (at <= path->bytes) {
        hf_slice rest = hf_slice_of(path->data + at, path->bytes - at);
        hf_slice s = hf_slice_first(rest, hf_slice_find(rest, '/'));
        bool is_last = s.bytes == rest.bytes;
        enum segment kind = segment_of(s);

        at += s.bytes + 1;
        if (kind == SEGMENT_BAD || (kind == SEGMENT_DOTS && !pop(path, &end))) {
            return HF_REASON_URL;
        }
        if (s.bytes > HF_HTTP_SEGMENT_BYTES_MAX) {
            return HF_REASON_URL_LENGTH;
        }
        if (kind != SEGMENT_PLAIN && (kind != SEGMENT_EMPTY || !keeps_slashes)) {
            continue;
        }
        memmove(path->data + end, s.data, s.bytes);
        end += s.bytes;
        segments += !is_last || s.bytes > 0;
        if (!is_last) {
            path->data[end++] = '/';
        }
    }
    path->bytes = end;
    return segments > HF_HTTP_SEGMENTS_MAX ? HF_REASON_URL_LENGTH : HF_REASON_NONE;
}

hf_reason hf_http_path_canonical(hf_slice path, struct hf_http_target_options options,
                                 struct hf_buf *scratch, hf_slice *out)
{
    struct path work;
    hf_reason reason;

    hf_check(scratch != NULL);
    hf_check(out != NULL);

    hf_buf_clear(scratch);
    if (path.bytes == 0 || path.data[0] != '/') {
        return HF_REASON_URL;
    }
    reason = decode(path, options, scratch);
    if (reason != HF_REASON_NONE) {
        return reason;
    }
    work = (struct path){scratch->data + scratch->start, hf_buf_bytes(scratch)};
    if (!is_single_encoded(&work)) {
        return HF_REASON_URL;
    }
    reason = remove_dots(&work, options.keeps_slashes);
    *out = hf_slice_of(work.data, work.bytes);
    return reason;
}

/* scheme://authority at the front of an absolute-form target; 0 bytes when it is none.
 */
static size_t scheme_bytes(hf_slice target, bool *is_https)
{
    *is_https = hf_slice_equal_nocase(hf_slice_first(target, 8), HF_SLICE("https://"));
    if (*is_https) {
        return 8;
    }
    return hf_slice_equal_nocase(hf_slice_first(target, 7), HF_SLICE("http://")) ? 7
                                                                                 : 0;
}

/* Authority and path of an absolute form; *path is empty when the target has none. */
static hf_reason absolute_parse(hf_slice target, struct hf_http_target *out,
                                hf_slice *path)
{
    bool is_https;
    size_t scheme = scheme_bytes(target, &is_https);
    hf_slice rest = hf_slice_skip(target, scheme);
    size_t slash = hf_slice_find(rest, '/');

    if (scheme == 0) {
        return HF_REASON_URL;
    }
    *path = slash < rest.bytes ? hf_slice_skip(rest, slash) : HF_SLICE("/");
    return hf_http_host_parse(hf_slice_first(rest, slash), is_https, &out->host) ==
                   HF_OK
               ? HF_REASON_NONE
               : HF_REASON_HOSTNAME;
}

static hf_reason host_of(const struct hf_http_head *head, bool is_https,
                         struct hf_http_target *out)
{
    out->host.text_bytes = 0;
    out->host.port = 0;
    if (head->host.bytes == 0) {
        return HF_REASON_NONE;
    }
    if (head->host_read != NULL && !is_https) {
        memcpy(out->host.text, head->host_read->text, head->host_read->text_bytes);
        out->host.text_bytes = head->host_read->text_bytes;
        out->host.port = head->host_read->port;
        return HF_REASON_NONE;
    }
    return hf_http_host_parse(head->host, is_https, &out->host) == HF_OK
               ? HF_REASON_NONE
               : HF_REASON_HOSTNAME;
}

hf_reason hf_http_target_parse(const struct hf_http_head *head,
                               struct hf_http_target_options options,
                               struct hf_buf *scratch, struct hf_http_target *out)
{
    size_t cut;
    hf_slice path;
    hf_reason reason;

    hf_check(head != NULL);
    hf_check(out != NULL);

    if (hf_slice_find(head->target, '#') < head->target.bytes) {
        return HF_REASON_URL;
    }
    cut = hf_slice_find(head->target, '?');
    path = hf_slice_first(head->target, cut);
    out->query = cut < head->target.bytes ? hf_slice_skip(head->target, cut + 1)
                                          : HF_SLICE_EMPTY;
    reason = host_of(head, options.is_https, out);
    if (reason == HF_REASON_NONE && path.bytes > 0 && path.data[0] != '/' &&
        !hf_slice_equal(head->target, HF_SLICE("*"))) {
        reason = absolute_parse(path, out, &path);
    }
    if (reason != HF_REASON_NONE) {
        return reason;
    }
    if (hf_slice_equal(head->target, HF_SLICE("*"))) {
        out->path = path;
        return HF_REASON_NONE;
    }
    return hf_http_path_canonical(path, options, scratch, &out->path);
}
