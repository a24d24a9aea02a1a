/* Owns the bytes of the handshake's messages; knows nothing of keys or of their order.
 */
#include "lib/token/hello.h"

#include <string.h>

#define FIELDS_MAX   16 /* field numbers 1..15: one tag byte each */
#define WIRE_VARINT  0u
#define WIRE_FIXED64 1u
#define WIRE_BYTES   2u
#define WIRE_FIXED32 5u
#define BIT(field)   ((uint32_t)1 << (field))

#define REJECT_FIELDS (BIT(14) | BIT(15))

struct writer {
    uint8_t *out;
    size_t room;
    size_t bytes;
    bool is_full;
};

static void put_byte(struct writer *w, uint8_t byte)
{
    if (w->bytes == w->room) {
        w->is_full = true;
        return;
    }
    w->out[w->bytes++] = byte;
}

static void put_varint(struct writer *w, uint64_t value)
{
    while (value >= 0x80) {
        put_byte(w, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    put_byte(w, (uint8_t)value);
}

/* proto3 leaves a zero out. */
static void put_number(struct writer *w, unsigned field, uint64_t value)
{
    if (value != 0) {
        put_varint(w, field << 3 | WIRE_VARINT);
        put_varint(w, value);
    }
}

static void put_bytes(struct writer *w, unsigned field, hf_slice bytes)
{
    if (bytes.bytes == 0) {
        return;
    }
    put_varint(w, field << 3 | WIRE_BYTES);
    put_varint(w, bytes.bytes);
    if (w->is_full || bytes.bytes > w->room - w->bytes) {
        w->is_full = true;
        return;
    }
    memcpy(w->out + w->bytes, bytes.data, bytes.bytes);
    w->bytes += bytes.bytes;
}

static size_t finish(const struct writer *w)
{
    return w->is_full ? 0 : w->bytes;
}

size_t hf_client_hello_write(const struct hf_client_hello *hello, uint8_t *out,
                             size_t room)
{
    struct writer w = {out, room, 0, false};

    hf_check(hello != NULL);

    put_number(&w, 1, hello->version);
    put_number(&w, 2, hello->role);
    put_bytes(&w, 3, hello->cluster);
    put_bytes(&w, 4, hello->broker);
    put_bytes(&w, 5, hello->epk);
    put_bytes(&w, 6, hello->nonce);
    put_number(&w, 7, hello->modes);
    put_number(&w, 8, hello->frame_bytes_max);
    return finish(&w);
}

size_t hf_server_hello_write(const struct hf_server_hello *hello, uint8_t *out,
                             size_t room)
{
    struct writer w = {out, room, 0, false};

    hf_check(hello != NULL);

    put_number(&w, 1, hello->version);
    put_bytes(&w, 2, hello->broker);
    put_bytes(&w, 3, hello->session);
    put_bytes(&w, 4, hello->epk);
    put_bytes(&w, 5, hello->nonce);
    put_number(&w, 6, hello->seal);
    put_number(&w, 7, hello->time_ms);
    return finish(&w);
}

size_t hf_auth_write(const struct hf_auth *auth, uint8_t *out, size_t room)
{
    struct writer w = {out, room, 0, false};

    hf_check(auth != NULL);

    put_bytes(&w, 1, auth->chain);
    put_bytes(&w, 2, auth->signature);
    put_bytes(&w, 3, auth->key);
    return finish(&w);
}

size_t hf_welcome_write(const struct hf_welcome *welcome, uint8_t *out, size_t room)
{
    struct writer w = {out, room, 0, false};

    hf_check(welcome != NULL);
    hf_check(welcome->expires_ms > 0);

    put_number(&w, 1, (uint64_t)welcome->expires_ms);
    put_number(&w, 2, welcome->limits.inflight);
    put_number(&w, 3, welcome->limits.rate);
    put_number(&w, 4, welcome->limits.burst);
    put_number(&w, 5, welcome->limits.conns);
    put_number(&w, 6, welcome->limits.bytes);
    put_number(&w, 7, welcome->revocation_seq);
    put_number(&w, 8, welcome->heartbeat_ms);
    return finish(&w);
}

size_t hf_rejection_write(const struct hf_rejection *rejection, uint8_t *out,
                          size_t room)
{
    struct writer w = {out, room, 0, false};

    hf_check(rejection != NULL);
    hf_check(rejection->code != 0);

    put_number(&w, 14, rejection->code);
    put_number(&w, 15, rejection->retry_after_ms);
    return finish(&w);
}

struct fields {
    uint32_t seen;
    uint64_t numbers[FIELDS_MAX];
    hf_slice bytes[FIELDS_MAX];
};

/* Takes a varint off `rest`; at most ten bytes and 64 bits. */
static bool take_varint(hf_slice *rest, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 10 && i < rest->bytes; i++) {
        uint8_t byte = rest->data[i];

        if (i == 9 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = hf_slice_skip(*rest, i + 1);
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(hf_slice *rest, uint64_t count, hf_slice *out)
{
    if (count > rest->bytes) {
        return false;
    }
    *out = hf_slice_first(*rest, (size_t)count);
    *rest = hf_slice_skip(*rest, (size_t)count);
    return true;
}

/* Takes the value behind a tag: its number or its bytes. Groups are refused. */
static bool take_value(hf_slice *rest, unsigned wire, uint64_t *number, hf_slice *bytes)
{
    switch (wire) {
    case WIRE_VARINT:
        return take_varint(rest, number);
    case WIRE_BYTES:
        return take_varint(rest, number) && take_bytes(rest, *number, bytes);
    case WIRE_FIXED64:
        return take_bytes(rest, 8, bytes);
    case WIRE_FIXED32:
        return take_bytes(rest, 4, bytes);
    default:
        return false;
    }
}

/* Reads all fields; those in neither set are skipped. */
static hf_err read_fields(hf_slice message, uint32_t number_fields,
                          uint32_t bytes_fields, struct fields *out)
{
    memset(out, 0, sizeof *out);
    while (message.bytes > 0) {
        uint64_t tag = 0;
        uint64_t number = 0;
        hf_slice bytes = HF_SLICE_EMPTY;

        if (!take_varint(&message, &tag) || tag >> 3 == 0 || tag >> 32 != 0 ||
            !take_value(&message, (unsigned)(tag & 7), &number, &bytes)) {
            return HF_ERR_INVALID;
        }

        uint64_t field = tag >> 3;
        uint32_t bit = field < FIELDS_MAX ? BIT(field) : 0;

        if (((number_fields | bytes_fields) & bit) == 0) {
            continue;
        }
        unsigned expected = (number_fields & bit) != 0 ? WIRE_VARINT : WIRE_BYTES;

        if ((tag & 7) != expected || (out->seen & bit) != 0) {
            return HF_ERR_INVALID;
        }
        out->seen |= bit;
        out->numbers[field] = number;
        out->bytes[field] = bytes;
    }
    return HF_OK;
}

hf_err hf_client_hello_read(hf_slice bytes, struct hf_client_hello *out)
{
    struct fields f;

    hf_check(out != NULL);

    if (bytes.bytes > HF_HANDSHAKE_HELLO_BYTES_MAX ||
        read_fields(bytes, BIT(1) | BIT(2) | BIT(7) | BIT(8),
                    BIT(3) | BIT(4) | BIT(5) | BIT(6), &f) != HF_OK ||
        f.bytes[5].bytes != HF_HELLO_EPK_BYTES ||
        f.bytes[6].bytes != HF_HELLO_NONCE_BYTES) {
        return HF_ERR_INVALID;
    }
    *out = (struct hf_client_hello){f.numbers[1], f.numbers[2], f.bytes[3],
                                    f.bytes[4],   f.bytes[5],   f.bytes[6],
                                    f.numbers[7], f.numbers[8]};
    return HF_OK;
}

/* Whether the fields are those of a Reject, which is then filled. */
static bool is_rejection(const struct fields *f, struct hf_rejection *out)
{
    *out = (struct hf_rejection){f->numbers[14], f->numbers[15]};
    return out->code != 0;
}

hf_err hf_server_hello_read(hf_slice bytes, struct hf_server_hello *out,
                            struct hf_rejection *rejection)
{
    struct fields f;

    hf_check(out != NULL);
    hf_check(rejection != NULL);

    if (bytes.bytes > HF_HANDSHAKE_HELLO_BYTES_MAX ||
        read_fields(bytes, BIT(1) | BIT(6) | BIT(7) | REJECT_FIELDS,
                    BIT(2) | BIT(3) | BIT(4) | BIT(5), &f) != HF_OK) {
        return HF_ERR_INVALID;
    }
    if (is_rejection(&f, rejection)) {
        return HF_OK;
    }
    if (f.bytes[3].bytes != HF_SESSION_ID_BYTES ||
        f.bytes[4].bytes != HF_HELLO_EPK_BYTES ||
        f.bytes[5].bytes != HF_HELLO_NONCE_BYTES || f.numbers[6] > 1) {
        return HF_ERR_INVALID;
    }
    *out = (struct hf_server_hello){f.numbers[1], f.bytes[2],   f.bytes[3],  f.bytes[4],
                                    f.bytes[5],   f.numbers[6], f.numbers[7]};
    return HF_OK;
}

hf_err hf_auth_read(hf_slice bytes, struct hf_auth *out, struct hf_rejection *rejection)
{
    struct fields f;

    hf_check(out != NULL);
    hf_check(rejection != NULL);

    if (bytes.bytes > HF_HANDSHAKE_AUTH_BYTES_MAX ||
        read_fields(bytes, REJECT_FIELDS, BIT(1) | BIT(2) | BIT(3), &f) != HF_OK) {
        return HF_ERR_INVALID;
    }
    if (is_rejection(&f, rejection)) {
        return HF_OK;
    }
    if (f.bytes[2].bytes != HF_SIGNATURE_BYTES ||
        (f.bytes[3].bytes != 0 && f.bytes[3].bytes != HF_KEY_BYTES)) {
        return HF_ERR_INVALID;
    }
    *out = (struct hf_auth){f.bytes[1], f.bytes[2], f.bytes[3]};
    return HF_OK;
}

hf_err hf_welcome_read(hf_slice bytes, struct hf_welcome *out,
                       struct hf_rejection *rejection)
{
    struct fields f;

    hf_check(out != NULL);
    hf_check(rejection != NULL);

    if (bytes.bytes > HF_HANDSHAKE_HELLO_BYTES_MAX ||
        read_fields(bytes, (BIT(9) - BIT(1)) | REJECT_FIELDS, 0, &f) != HF_OK) {
        return HF_ERR_INVALID;
    }
    if (is_rejection(&f, rejection)) {
        return HF_OK;
    }
    if (f.numbers[1] == 0 || f.numbers[1] > INT64_MAX || f.numbers[8] > UINT32_MAX) {
        return HF_ERR_INVALID;
    }
    out->expires_ms = (int64_t)f.numbers[1];
    out->limits = (struct hf_limits){f.numbers[2], f.numbers[3], f.numbers[4],
                                     f.numbers[5], f.numbers[6]};
    out->revocation_seq = f.numbers[7];
    out->heartbeat_ms = (uint32_t)f.numbers[8];
    return HF_OK;
}
