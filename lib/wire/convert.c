#include "lib/wire/convert.h"

#include <string.h>

/* What decoding may cost on the stack: four times the message and a constant, so that a
 * message of junk fields is refused and not paid for (SECURITY.md 0.1, fact 7). */
#define COST_FACTOR 4
#define COST_FIXED  512
#define SMALL_BYTES 1024
#define LARGE_BYTES HF_HEAD_MAX
#define LARGE_COST  (2 * LARGE_BYTES)

/* Protobuf's memory during one decode. */
struct scratch {
    uint8_t *at;
    size_t left;
};

static void *scratch_get(void *ctx, size_t bytes)
{
    struct scratch *scratch = ctx;
    uint8_t *at = scratch->at;
    size_t rounded;

    if (bytes > scratch->left) {
        return NULL;
    }
    rounded = (bytes + 7) & ~(size_t)7;
    if (rounded > scratch->left) {
        return NULL;
    }
    scratch->at += rounded;
    scratch->left -= rounded;
    return at;
}

static void scratch_put(void *ctx, void *memory)
{
    (void)ctx;
    (void)memory;
}

static bool bytes_unpack(const struct hf_field *field, const ProtobufCBinaryData *data,
                         uint8_t *to)
{
    if (field->type == HF_FIELD_OPTIONAL && data->len == 0) {
        memset(to, 0, field->unit);
        return true;
    }
    if (data->len != field->unit) {
        return false;
    }
    memcpy(to, data->data, field->unit);
    return true;
}

static bool slice_unpack(const struct hf_field *field, const ProtobufCBinaryData *data,
                         uint8_t *to)
{
    hf_slice slice = {data->len == 0 ? NULL : data->data, data->len};

    memcpy(to, &slice, sizeof slice);
    return data->len % field->unit == 0;
}

static bool number_unpack(const struct hf_field *field, const uint8_t *from,
                          uint8_t *to)
{
    uint32_t value;

    memcpy(&value, from, sizeof value);
    memcpy(to, &value, sizeof value);
    return value >= field->min && value <= field->max && (value & ~field->mask) == 0;
}

bool hf_field_unpack(const struct hf_field *field, const uint8_t *packed,
                     uint8_t *plain)
{
    const uint8_t *from = packed + field->packed_at;
    uint8_t *to = plain + field->at;
    ProtobufCBinaryData data;
    protobuf_c_boolean truth;

    switch (field->type) {
    case HF_FIELD_NUMBER4:
        return number_unpack(field, from, to);
    case HF_FIELD_NUMBER8:
        memcpy(to, from, sizeof(uint64_t));
        return true;
    case HF_FIELD_BOOL:
        memcpy(&truth, from, sizeof truth);
        *(bool *)to = truth != 0;
        return true;
    case HF_FIELD_EXACT:
    case HF_FIELD_OPTIONAL:
        memcpy(&data, from, sizeof data);
        return bytes_unpack(field, &data, to);
    case HF_FIELD_SLICE:
        memcpy(&data, from, sizeof data);
        return slice_unpack(field, &data, to);
    case HF_FIELD_SLICES:
    case HF_FIELD_ONE:
    case HF_FIELD_LIST:
        break;
    }
    return false;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    uint8_t any = 0;

    for (size_t i = 0; i < count; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

size_t hf_field_pack(const struct hf_field *field, const uint8_t *plain,
                     uint8_t *packed)
{
    const uint8_t *from = plain + field->at;
    uint8_t *to = packed + field->packed_at;
    ProtobufCBinaryData data = {field->unit, (uint8_t *)(uintptr_t)from};
    protobuf_c_boolean truth;
    hf_slice slice;

    switch (field->type) {
    case HF_FIELD_NUMBER4:
        memcpy(to, from, sizeof(uint32_t));
        break;
    case HF_FIELD_NUMBER8:
        memcpy(to, from, sizeof(uint64_t));
        break;
    case HF_FIELD_BOOL:
        truth = *(const bool *)from;
        memcpy(to, &truth, sizeof truth);
        break;
    case HF_FIELD_SLICE:
        memcpy(&slice, from, sizeof slice);
        data = (ProtobufCBinaryData){slice.bytes, (uint8_t *)(uintptr_t)slice.data};
        memcpy(to, &data, sizeof data);
        break;
    case HF_FIELD_OPTIONAL:
        data.len = is_zero(from, field->unit) ? 0 : field->unit;
        memcpy(to, &data, sizeof data);
        break;
    case HF_FIELD_EXACT:
        memcpy(to, &data, sizeof data);
        break;
    case HF_FIELD_SLICES:
    case HF_FIELD_ONE:
    case HF_FIELD_LIST:
        data.len = 0;
        break;
    }
    /* One byte of key (numbers stay below 16), ten of number or of length. */
    return 11 + data.len;
}

void hf_shape_begin(const struct hf_shape *shape, uint8_t *packed)
{
    ProtobufCMessage base = {.descriptor = shape->packed};

    memset(packed, 0, shape->packed->sizeof_message);
    memcpy(packed, &base, sizeof base);
}

/* Takes a protobuf varint off the front of *bytes. */
static bool take_varint(hf_slice *bytes, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes->bytes && i < 10; i++) {
        value |= (uint64_t)(bytes->data[i] & 0x7f) << (7 * i);
        if ((bytes->data[i] & 0x80) == 0) {
            *bytes = (hf_slice){bytes->data + i + 1, bytes->bytes - i - 1};
            *out = value;
            return true;
        }
    }
    return false;
}

/* The payload of a field's wire type, taken off the front of *bytes. */
static bool take_payload(hf_slice *bytes, unsigned wire_type, hf_slice *out)
{
    uint64_t length = 0;

    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        *out = HF_SLICE_EMPTY;
        return take_varint(bytes, &length);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        length = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        length = 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!take_varint(bytes, &length)) {
            return false;
        }
        break;
    default:
        return false;
    }
    if (length > bytes->bytes) {
        return false;
    }
    *out = (hf_slice){bytes->data, (size_t)length};
    *bytes = (hf_slice){bytes->data + length, bytes->bytes - (size_t)length};
    return true;
}

/* Points a slice found in the message at its bytes there. Where a field is repeated,
 * the last one counts, as for protobuf. */
static void point_slice(const struct hf_shape *shape, uint64_t key, hf_slice payload,
                        uint8_t *plain)
{
    uint64_t index = (key >> 3) - 1; /* number 0 wraps and is out of range */

    if (index < shape->fields_count && shape->fields[index].type == HF_FIELD_SLICE) {
        memcpy(plain + shape->fields[index].at, &payload, sizeof payload);
    }
}

/* protobuf-c copies bytes fields; ours borrow from the message. So its copies only
 * vouch for the message, and a second walk over the message finds the originals. The
 * two must agree in every length. */
static bool borrow_slices(const struct hf_shape *shape, hf_slice bytes, uint8_t *plain)
{
    uint8_t copied[HF_PLAIN_BYTES_MAX];
    uint64_t key;
    hf_slice payload, a, b;

    memcpy(copied, plain, shape->bytes);
    while (bytes.bytes > 0) {
        if (!take_varint(&bytes, &key) ||
            !take_payload(&bytes, (unsigned)(key & 7), &payload)) {
            return false;
        }
        if ((key & 7) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
            point_slice(shape, key & UINT32_MAX, payload, plain);
        }
    }
    for (size_t i = 0; i < shape->fields_count; i++) {
        if (shape->fields[i].type == HF_FIELD_SLICE) {
            memcpy(&a, copied + shape->fields[i].at, sizeof a);
            memcpy(&b, plain + shape->fields[i].at, sizeof b);
            if (!hf_slice_equal(a, b)) {
                return false;
            }
        }
    }
    return true;
}

static hf_err decode_with(struct scratch scratch, const struct hf_shape *shape,
                          hf_slice bytes, void *out)
{
    ProtobufCAllocator allocator = {scratch_get, scratch_put, &scratch};
    uint8_t plain[HF_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    const ProtobufCMessage *packed =
        protobuf_c_message_unpack(shape->packed, &allocator, bytes.bytes, bytes.data);

    if (packed == NULL) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < shape->fields_count; i++) {
        if (!hf_field_unpack(&shape->fields[i], (const uint8_t *)packed, plain)) {
            return HF_ERR_INVALID;
        }
    }
    if (shape->has_slices && !borrow_slices(shape, bytes, plain)) {
        return HF_ERR_INVALID;
    }
    memcpy(out, plain, shape->bytes);
    return HF_OK;
}

static hf_err decode_small(const struct hf_shape *shape, hf_slice bytes, void *out)
{
    uint8_t memory[COST_FACTOR * SMALL_BYTES + COST_FIXED] __attribute__((aligned(16)));
    struct scratch scratch = {memory, COST_FACTOR * bytes.bytes + COST_FIXED};

    return decode_with(scratch, shape, bytes, out);
}

/* Apart, so that only large messages pay for the large frame. */
static __attribute__((noinline)) hf_err decode_large(const struct hf_shape *shape,
                                                     hf_slice bytes, void *out)
{
    uint8_t memory[LARGE_COST] __attribute__((aligned(16)));
    size_t cost = COST_FACTOR * bytes.bytes + COST_FIXED;
    struct scratch scratch = {memory, cost < LARGE_COST ? cost : LARGE_COST};

    return decode_with(scratch, shape, bytes, out);
}

hf_err hf_convert_decode(const struct hf_shape *shape, hf_slice bytes, void *out)
{
    hf_check(out != NULL);
    if (bytes.bytes > LARGE_BYTES) {
        return HF_ERR_TOO_BIG;
    }
    return bytes.bytes <= SMALL_BYTES ? decode_small(shape, bytes, out)
                                      : decode_large(shape, bytes, out);
}

/* Fills protobuf's struct; returns the most bytes it takes on the wire. */
static size_t pack_fields(const struct hf_shape *shape, const void *in, uint8_t *packed)
{
    size_t bound = 0;

    hf_shape_begin(shape, packed);
    for (size_t i = 0; i < shape->fields_count; i++) {
        bound += hf_field_pack(&shape->fields[i], in, packed);
    }
    return bound;
}

size_t hf_convert_encode(const struct hf_shape *shape, const void *in, uint8_t *out,
                         size_t bytes)
{
    uint8_t packed[HF_PACKED_BYTES_MAX] __attribute__((aligned(16)));
    const ProtobufCMessage *message = (const ProtobufCMessage *)(const void *)packed;

    hf_check(in != NULL);
    if (pack_fields(shape, in, packed) > bytes &&
        protobuf_c_message_get_packed_size(message) > bytes) {
        return 0;
    }
    return protobuf_c_message_pack(message, out);
}

hf_err hf_packed_append(const ProtobufCMessage *message, struct hf_buf *out)
{
    const size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *at;
    hf_err err;

    if (bytes == 0) {
        return HF_OK;
    }
    err = hf_buf_reserve(out, bytes, &at);
    if (err == HF_OK) {
        hf_buf_grown(out, protobuf_c_message_pack(message, at));
    }
    return err;
}

hf_err hf_convert_append(const struct hf_shape *shape, const void *in,
                         struct hf_buf *out)
{
    uint8_t packed[HF_PACKED_BYTES_MAX] __attribute__((aligned(16)));
    const ProtobufCMessage *message = (const ProtobufCMessage *)(const void *)packed;

    hf_check(in != NULL);
    (void)pack_fields(shape, in, packed);
    return hf_packed_append(message, out);
}
