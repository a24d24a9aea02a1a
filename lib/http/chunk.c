#include "lib/http/chunk.h"

#include "lib/http/ctype.h"

#include <string.h>

enum {
    SIZE,
    SIZE_LF,
    EXTENSION_START, /* after `;` */
    EXTENSION_NAME,
    EXTENSION_EQUALS, /* after `=` */
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPE, /* after a backslash inside quotes */
    EXTENSION_QUOTED_END,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    ENDED,
    BROKEN,
};

/* Trailers that would matter if anybody merged them (RFC 9110 6.5.1): a client that
 * sends them is refused rather than ignored. */
static const char *const forbidden_trailers[] = {
    "authorization",     "connection",   "content-encoding", "content-length",
    "content-range",     "content-type", "cookie",           "host",
    "max-forwards",      "te",           "trailer",          "expect",
    "transfer-encoding",
};

void hf_http_chunk_init(struct hf_http_chunk *chunk)
{
    hf_check(chunk != NULL);

    memset(chunk, 0, sizeof *chunk);
    chunk->state = SIZE;
    hf_http_guard_init(&chunk->guard);
}

static int size_byte(struct hf_http_chunk *chunk, uint8_t byte)
{
    if (hf_http_is(byte, HF_HTTP_HEX)) {
        chunk->left_bytes = chunk->left_bytes << 4 | hf_http_hex(byte);
        chunk->digits++;
        /* A set top bit cannot be a real length; refusing it keeps sums from wrapping.
         */
        return chunk->digits > 16 || chunk->left_bytes >> 63 != 0 ? BROKEN : SIZE;
    }
    if (chunk->digits == 0) {
        return BROKEN;
    }
    return byte == '\r' ? SIZE_LF : byte == ';' ? EXTENSION_START : BROKEN;
}

/* After a complete extension: the next one or the end of the line. */
static int extension_end(uint8_t byte)
{
    return byte == ';' ? EXTENSION_START : byte == '\r' ? SIZE_LF : BROKEN;
}

/* chunk-ext without the optional white space of RFC 9112 7.1.1, which is a known source
 * of disagreement. */
static int extension_byte(int state, uint8_t byte)
{
    bool is_token = hf_http_is(byte, HF_HTTP_TCHAR);

    switch (state) {
    case EXTENSION_START:
        return is_token ? EXTENSION_NAME : BROKEN;
    case EXTENSION_NAME:
        return is_token      ? EXTENSION_NAME
               : byte == '=' ? EXTENSION_EQUALS
                             : extension_end(byte);
    case EXTENSION_EQUALS:
        return is_token ? EXTENSION_VALUE : byte == '"' ? EXTENSION_QUOTED : BROKEN;
    case EXTENSION_VALUE:
        return is_token ? EXTENSION_VALUE : extension_end(byte);
    case EXTENSION_QUOTED:
        return byte == '"'                    ? EXTENSION_QUOTED_END
               : byte == '\\'                 ? EXTENSION_ESCAPE
               : byte >= 0x20 && byte != 0x7f ? EXTENSION_QUOTED
                                              : BROKEN;
    case EXTENSION_ESCAPE:
        return byte >= 0x20 && byte != 0x7f ? EXTENSION_QUOTED : BROKEN;
    default:
        return extension_end(byte);
    }
}

/* One byte of the lines around the data. */
static int line_byte(struct hf_http_chunk *chunk, uint8_t byte)
{
    switch (chunk->state) {
    case SIZE:
        return size_byte(chunk, byte);
    case SIZE_LF:
        chunk->digits = 0;
        return byte != '\n' ? BROKEN : chunk->left_bytes == 0 ? TRAILER : DATA;
    case DATA_CR:
        return byte == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return byte == '\n' ? SIZE : BROKEN;
    default:
        chunk->extension_bytes++;
        return chunk->extension_bytes > HF_HTTP_CHUNK_EXTENSION_BYTES_MAX + 1
                   ? BROKEN
                   : extension_byte(chunk->state, byte);
    }
}

static bool is_forbidden(const struct hf_http_chunk *chunk)
{
    hf_slice name = hf_slice_of(chunk->name, chunk->name_bytes);

    for (size_t i = 0; i < sizeof forbidden_trailers / sizeof forbidden_trailers[0];
         i++) {
        if (hf_slice_equal_nocase(name, hf_slice_of_cstr(forbidden_trailers[i]))) {
            return true;
        }
    }
    return false;
}

/* Judges one trailer byte; names are collected to look them up at their colon. */
static int trailer_byte(struct hf_http_chunk *chunk,
                        const struct hf_http_limits *limits, const uint8_t *byte)
{
    size_t consumed;
    hf_reason reason;
    bool is_start = chunk->guard.line_bytes == 0;
    enum hf_http_verdict verdict = hf_http_guard_read(
        &chunk->guard, limits, hf_slice_of(byte, 1), &consumed, &reason);

    if (verdict != HF_HTTP_GUARD_MORE) {
        return verdict == HF_HTTP_GUARD_END ? ENDED : BROKEN;
    }
    chunk->name_bytes = is_start ? 0 : chunk->name_bytes;
    if (*byte == ':' && chunk->name_bytes <= sizeof chunk->name &&
        is_forbidden(chunk)) {
        return BROKEN;
    }
    if (chunk->name_bytes < sizeof chunk->name && *byte != ':') {
        chunk->name[chunk->name_bytes] = *byte;
    }
    if (*byte == ':' || chunk->name_bytes >= sizeof chunk->name) {
        chunk->name_bytes = sizeof chunk->name + 1;
    } else {
        chunk->name_bytes++;
    }
    return TRAILER;
}

static void take_data(struct hf_http_chunk *chunk, hf_slice bytes, size_t *consumed,
                      hf_slice *data)
{
    *data = hf_slice_first(bytes, chunk->left_bytes < bytes.bytes
                                      ? (size_t)chunk->left_bytes
                                      : bytes.bytes);
    *consumed += data->bytes;
    chunk->left_bytes -= data->bytes;
    chunk->state = chunk->left_bytes == 0 ? DATA_CR : DATA;
}

enum hf_http_chunk_event hf_http_chunk_read(struct hf_http_chunk *chunk,
                                            const struct hf_http_limits *limits,
                                            hf_slice bytes, size_t *consumed,
                                            hf_slice *data)
{
    hf_check(chunk != NULL);
    hf_check(consumed != NULL);

    *consumed = 0;
    *data = HF_SLICE_EMPTY;
    while (chunk->state != ENDED && chunk->state != BROKEN) {
        if (*consumed == bytes.bytes) {
            return HF_HTTP_CHUNK_MORE;
        }
        if (chunk->state == DATA) {
            take_data(chunk, hf_slice_skip(bytes, *consumed), consumed, data);
            return HF_HTTP_CHUNK_DATA;
        }
        if (chunk->state == TRAILER) {
            chunk->state = (uint8_t)trailer_byte(chunk, limits, bytes.data + *consumed);
        } else {
            chunk->state = (uint8_t)line_byte(chunk, bytes.data[*consumed]);
        }
        *consumed += chunk->state != BROKEN;
    }
    return chunk->state == ENDED ? HF_HTTP_CHUNK_END : HF_HTTP_CHUNK_BAD;
}

size_t hf_http_chunk_head(uint64_t bytes, char out[HF_HTTP_CHUNK_HEAD_BYTES_MAX])
{
    size_t digits = 1;

    hf_check(bytes > 0);

    while (digits < 16 && bytes >> (4 * digits) != 0) {
        digits++;
    }
    for (size_t i = 0; i < digits; i++) {
        out[i] = "0123456789abcdef"[bytes >> (4 * (digits - 1 - i)) & 15];
    }
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}
