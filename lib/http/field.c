#include "lib/http/field.h"

#include <string.h>

/* Never passed on from a worker: framing and connection are ours to state. */
static bool is_recomputed(hf_slice name)
{
#define IS(text) hf_slice_equal_nocase(name, HF_SLICE(text))
    switch (name.bytes) {
    case 2:
        return IS("te");
    case 4:
        return IS("date");
    case 6:
        return IS("server");
    case 7:
        return IS("trailer") || IS("upgrade");
    case 10:
        return IS("connection") || IS("keep-alive");
    case 14:
        return IS("content-length");
    case 16:
        return IS("proxy-connection");
    case 17:
        return IS("transfer-encoding");
    default:
        return false;
    }
#undef IS
}

bool hf_http_field_next(hf_slice *rest, struct hf_http_field *out)
{
    size_t end;
    size_t colon;
    hf_slice line;

    hf_check(rest != NULL);
    hf_check(out != NULL);

    end = hf_slice_find(*rest, '\n');
    if (end == rest->bytes || end == 0 || rest->data[end - 1] != '\r') {
        return false;
    }
    line = hf_slice_first(*rest, end - 1);
    colon = hf_slice_find(line, ':');
    out->name = hf_slice_first(line, colon);
    out->value = hf_slice_trim(hf_slice_skip(line, colon + 1));
    if (colon == line.bytes || !hf_http_is_token(out->name) ||
        !hf_http_is_value(out->value)) {
        return false;
    }
    *rest = hf_slice_skip(*rest, end + 1);
    return true;
}

hf_slice hf_http_field_find(hf_slice block, hf_slice name)
{
    struct hf_http_field field;

    while (hf_http_field_next(&block, &field)) {
        if (hf_slice_equal_nocase(field.name, name)) {
            return field.value;
        }
    }
    return HF_SLICE_EMPTY;
}

hf_err hf_http_field_append(struct hf_buf *block, hf_slice name, hf_slice value)
{
    size_t bytes = name.bytes + value.bytes + 4;
    uint8_t *to;
    hf_err err = hf_buf_reserve(block, bytes, &to);

    hf_check(name.bytes > 0);

    if (err != HF_OK) {
        return err;
    }
    memcpy(to, name.data, name.bytes);
    to += name.bytes;
    *to++ = ':';
    *to++ = ' ';
    if (value.bytes > 0) {
        memcpy(to, value.data, value.bytes);
    }
    memcpy(to + value.bytes, "\r\n", 2);
    hf_buf_grown(block, bytes);
    return HF_OK;
}

bool hf_http_list_next(hf_slice *rest, hf_slice *out)
{
    hf_check(rest != NULL);
    hf_check(out != NULL);

    while (rest->bytes > 0) {
        size_t comma = hf_slice_find(*rest, ',');

        *out = hf_slice_trim(hf_slice_first(*rest, comma));
        *rest = hf_slice_skip(*rest, comma + 1);
        if (out->bytes > 0) {
            return true;
        }
    }
    return false;
}

bool hf_http_list_has(hf_slice value, hf_slice token)
{
    hf_slice member;

    while (hf_http_list_next(&value, &member)) {
        if (hf_slice_equal_nocase(member, token)) {
            return true;
        }
    }
    return false;
}

/* Bound on all Connection values together, so that the search for nominated names stays
 * cheap. */
#define CONNECTION_BYTES_MAX 1024u

/* The members of every Connection field in one list. */
struct nominations {
    uint8_t text[CONNECTION_BYTES_MAX];
    size_t bytes;
};

struct passed {
    size_t dropped_count;
    bool has_connection;
};

static hf_err nominations_collect(hf_slice block, struct nominations *out)
{
    struct hf_http_field field;

    out->bytes = 0;
    while (hf_http_field_next(&block, &field)) {
        if (!hf_slice_equal_nocase(field.name, HF_SLICE("connection")) ||
            field.value.bytes == 0) {
            continue;
        }
        if (field.value.bytes >= sizeof out->text - out->bytes) {
            return HF_ERR_TOO_BIG;
        }
        memcpy(out->text + out->bytes, field.value.data, field.value.bytes);
        out->bytes += field.value.bytes;
        out->text[out->bytes++] = ',';
    }
    return HF_OK;
}

/* Connection nominates names of one hop; end-to-end fields it must not name stay. */
static bool is_nominated(const struct nominations *nominations, hf_slice name)
{
    return nominations->bytes > 0 &&
           hf_http_list_has(hf_slice_of(nominations->text, nominations->bytes), name) &&
           !hf_slice_equal_nocase(hf_slice_first(name, 8), HF_SLICE("content-")) &&
           !hf_slice_equal_nocase(name, HF_SLICE("set-cookie"));
}

/* Appends what is not dropped. */
static hf_err pass(hf_slice block, const struct nominations *nominations,
                   struct hf_buf *out, struct passed *passed)
{
    struct hf_http_field field;
    hf_err err = HF_OK;

    *passed = (struct passed){0};
    while (err == HF_OK && hf_http_field_next(&block, &field)) {
        if (is_recomputed(field.name)) {
            passed->has_connection |=
                hf_slice_equal_nocase(field.name, HF_SLICE("connection"));
            passed->dropped_count++;
        } else if (nominations != NULL && is_nominated(nominations, field.name)) {
            passed->dropped_count++;
        } else {
            err = hf_http_field_append(out, field.name, field.value);
        }
    }
    return err == HF_OK && block.bytes > 0 ? HF_ERR_INVALID : err;
}

hf_err hf_http_response_filter(int status, hf_slice block, struct hf_buf *out,
                               size_t *dropped_count)
{
    struct nominations nominations;
    struct passed passed;
    size_t before = hf_buf_bytes(out);
    hf_err err;

    hf_check(out != NULL);
    hf_check(dropped_count != NULL);

    *dropped_count = 0;
    if (status < 200 || status > 599) {
        return HF_ERR_INVALID;
    }
    if (block.bytes > HF_HTTP_RESPONSE_FIELDS_BYTES_MAX) {
        return HF_ERR_TOO_BIG;
    }
    err = pass(block, NULL, out, &passed);
    /* Few responses nominate anything: only those are gone through again. */
    if (err == HF_OK && passed.has_connection) {
        err = nominations_collect(block, &nominations);
        hf_buf_truncate(out, before);
        err = err == HF_OK ? pass(block, &nominations, out, &passed) : err;
    }
    *dropped_count = passed.dropped_count;
    return err;
}
