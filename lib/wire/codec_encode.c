/* The codec's way out: every part has a function for its size and one that writes it.
 */
#include "lib/base/bytes.h"
#include "lib/wire/codec.h"
#include "lib/wire/types.h"

#include <string.h>

static size_t varint_bytes(uint64_t value)
{
    const unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);

    return (bits + 6) / 7;
}

static inline uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

/* What a field's value is on the wire as a number: 0 is left out. */
static inline uint64_t plain_number(const struct hf_field *field, const uint8_t *from)
{
    uint64_t value = 0;
    uint32_t low;
    int32_t negative;

    if (field->type == HF_FIELD_NUMBER8 || field->type == HF_FIELD_FIXED8) {
        memcpy(&value, from, sizeof value);
        return value;
    }
    if (field->type == HF_FIELD_BOOL) {
        return *(const bool *)from;
    }
    if (field->type == HF_FIELD_SIGNED4) {
        memcpy(&negative, from, sizeof negative);
        return (uint64_t)(int64_t)negative;
    }
    memcpy(&low, from, sizeof low);
    return low;
}

/* What a field's value is as bytes; none are left out. */
static inline hf_slice plain_bytes(const struct hf_field *field, const uint8_t *from)
{
    static const uint8_t zero[32];
    hf_slice bytes;

    if (field->type == HF_FIELD_SLICE) {
        memcpy(&bytes, from, sizeof bytes);
        return bytes;
    }
    if (field->type == HF_FIELD_EXACT32) {
        return (hf_slice){from, 32};
    }
    if (field->type == HF_FIELD_OPTIONAL32) {
        return (hf_slice){from, memcmp(from, zero, 32) == 0 ? 0u : 32u};
    }
    if (field->type == HF_FIELD_OPTIONAL16 && memcmp(from, zero, 16) == 0) {
        return HF_SLICE_EMPTY;
    }
    return (hf_slice){from, 16};
}

/* The items of a repeated field and their number. */
static size_t plain_items(const struct hf_field *field, const uint8_t *plain,
                          const uint8_t **out)
{
    size_t count;

    memcpy(out, plain + field->at, sizeof *out);
    if (field->type == HF_FIELD_ONE) {
        return *out != NULL;
    }
    memcpy(&count, plain + field->count_at, sizeof count);
    return count;
}

static size_t blob_bytes(size_t bytes)
{
    return 1 + varint_bytes(bytes) + bytes;
}

static inline uint8_t *put_blob(uint8_t *to, unsigned number, hf_slice bytes)
{
    *to++ = (uint8_t)(number << 3 | HF_WIRE_BYTES);
    to = put_varint(to, bytes.bytes);
    if (bytes.bytes == 16) { /* most are ids: no call for them */
        memcpy(to, bytes.data, 16);
    } else if (bytes.bytes > 0) {
        memcpy(to, bytes.data, bytes.bytes);
    }
    return to + bytes.bytes;
}

static size_t value_bytes(const struct hf_field *field, const uint8_t *plain)
{
    uint64_t number;
    size_t bytes;

    if (field->wire == HF_WIRE_BYTES) {
        bytes = plain_bytes(field, plain + field->at).bytes;
        return bytes == 0 ? 0 : blob_bytes(bytes);
    }
    number = plain_number(field, plain + field->at);
    if (number == 0) {
        return 0;
    }
    return 1 + (field->wire == HF_WIRE_FIXED8 ? 8 : varint_bytes(number));
}

static inline uint8_t *put_value(const struct hf_field *field, unsigned number,
                                 const uint8_t *plain, uint8_t *to)
{
    uint64_t value;
    hf_slice bytes;

    if (field->wire == HF_WIRE_BYTES) {
        bytes = plain_bytes(field, plain + field->at);
        return bytes.bytes == 0 ? to : put_blob(to, number, bytes);
    }
    value = plain_number(field, plain + field->at);
    if (value == 0) {
        return to;
    }
    *to++ = (uint8_t)(number << 3 | field->wire);
    if (field->wire == HF_WIRE_FIXED8) {
        hf_put_be64(to, __builtin_bswap64(value));
        return to + 8;
    }
    return put_varint(to, value);
}

static size_t slices_bytes(const struct hf_field *field, const uint8_t *plain)
{
    const uint8_t *items;
    const size_t count = plain_items(field, plain, &items);
    size_t bytes = 0;
    hf_slice slice;

    for (size_t i = 0; i < count; i++) {
        memcpy(&slice, items + i * sizeof slice, sizeof slice);
        bytes += blob_bytes(slice.bytes);
    }
    return bytes;
}

static uint8_t *put_slices(const struct hf_field *field, unsigned number,
                           const uint8_t *plain, uint8_t *to)
{
    const uint8_t *items;
    const size_t count = plain_items(field, plain, &items);
    hf_slice slice;

    for (size_t i = 0; i < count; i++) {
        memcpy(&slice, items + i * sizeof slice, sizeof slice);
        to = put_blob(to, number, slice);
    }
    return to;
}

static size_t element_bytes(const struct hf_shape *shape, const uint8_t *plain)
{
    size_t bytes = 0;

    for (size_t i = 0; i < shape->fields_count; i++) {
        const struct hf_field *field = &shape->fields[i];

        bytes += field->type == HF_FIELD_SLICES ? slices_bytes(field, plain)
                                                : value_bytes(field, plain);
    }
    return bytes;
}

static uint8_t *put_element(const struct hf_shape *shape, const uint8_t *plain,
                            uint8_t *to)
{
    for (unsigned i = 0; i < shape->fields_count; i++) {
        const struct hf_field *field = &shape->fields[i];

        to = field->type == HF_FIELD_SLICES ? put_slices(field, i + 1, plain, to)
                                            : put_value(field, i + 1, plain, to);
    }
    return to;
}

static size_t repeated_bytes(const struct hf_field *field, const uint8_t *plain)
{
    const struct hf_shape *shape;
    const uint8_t *items;
    const size_t count = plain_items(field, plain, &items);
    size_t bytes = 0;

    if (field->type == HF_FIELD_SLICES) {
        return slices_bytes(field, plain);
    }
    shape = field->element();
    for (size_t i = 0; i < count; i++) {
        bytes += blob_bytes(element_bytes(shape, items + i * shape->bytes));
    }
    return bytes;
}

static uint8_t *put_repeated(const struct hf_field *field, unsigned number,
                             const uint8_t *plain, uint8_t *to)
{
    const struct hf_shape *shape;
    const uint8_t *items;
    const size_t count = plain_items(field, plain, &items);

    if (field->type == HF_FIELD_SLICES) {
        return put_slices(field, number, plain, to);
    }
    shape = field->element();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *item = items + i * shape->bytes;

        *to++ = (uint8_t)(number << 3 | HF_WIRE_BYTES);
        to = put_varint(to, element_bytes(shape, item));
        to = put_element(shape, item, to);
    }
    return to;
}

static size_t message_bytes(const struct hf_shape *shape, const uint8_t *plain)
{
    size_t bytes = 0;

    for (size_t i = 0; i < shape->fields_count; i++) {
        const struct hf_field *field = &shape->fields[i];

        bytes += field->type >= HF_FIELD_SLICES ? repeated_bytes(field, plain)
                                                : value_bytes(field, plain);
    }
    return bytes;
}

static uint8_t *put_message(const struct hf_shape *shape, const uint8_t *plain,
                            uint8_t *to)
{
    for (unsigned i = 0; i < shape->fields_count; i++) {
        const struct hf_field *field = &shape->fields[i];

        to = field->type >= HF_FIELD_SLICES ? put_repeated(field, i + 1, plain, to)
                                            : put_value(field, i + 1, plain, to);
    }
    return to;
}

size_t hf_codec_encode(const struct hf_shape *shape, const void *in, uint8_t *out,
                       size_t bytes)
{
    hf_check(in != NULL);
    if (!(shape->is_fixed && bytes >= HF_META_SMALL_MAX) &&
        message_bytes(shape, in) > bytes) {
        return 0;
    }
    return (size_t)(put_message(shape, in, out) - out);
}

hf_err hf_codec_append(const struct hf_shape *shape, const void *in, struct hf_buf *out)
{
    uint8_t *at;
    size_t bytes;
    hf_err err;

    hf_check(in != NULL);
    bytes = message_bytes(shape, in);
    if (bytes == 0) {
        return HF_OK;
    }
    err = hf_buf_reserve(out, bytes, &at);
    if (err == HF_OK) {
        hf_buf_grown(out, (size_t)(put_message(shape, in, at) - at));
    }
    return err;
}
