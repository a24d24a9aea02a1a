#include "lib/wire/codec.h"

#include "lib/base/bytes.h"
#include "lib/wire/types.h"

#include <string.h>

_Static_assert(HF_ID_BYTES == 16 && HF_LEASE_RECEIPT_BYTES == 16 && HF_KEY_BYTES == 32,
               "HF_FIELD_EXACT16 and HF_FIELD_EXACT32");

#define LENGTH_BYTES_MAX 5 /* as protobuf-c: of a length and of a key */
#define VARINT_BYTES_MAX 10
#define NUMBER_MAX       ((1u << 29) - 1) /* of a field */

/* What is left of a message, and what its lists are put in. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t key; /* of the field at hand: its number and wire type */
    struct hf_arena *arena;
};

/* The readers below are inlined, so that a message's is kept in registers. */
#define INLINE static inline __attribute__((always_inline))

/* The end of the number at `at`, which goes to *out; NULL when it is none, because it
 * does not end or has more than 64 bits. */
static const uint8_t *long_varint(const uint8_t *at, const uint8_t *end,
                                  unsigned bytes_max, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes_max && at < end; i++) {
        const uint8_t byte = *at++;

        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return i < VARINT_BYTES_MAX - 1 || byte <= 1 ? at : NULL;
        }
    }
    return NULL;
}

INLINE bool take_varint(struct reader *in, unsigned bytes_max, uint64_t *out)
{
    const uint8_t *after;
    uint64_t value;

    if (in->at < in->end && *in->at < 0x80) {
        *out = *in->at++;
        return true;
    }
    after = long_varint(in->at, in->end, bytes_max, &value);
    if (after == NULL) {
        return false;
    }
    in->at = after;
    *out = value;
    return true;
}

INLINE bool take_bytes(struct reader *in, hf_slice *out)
{
    uint64_t length;

    if (!take_varint(in, LENGTH_BYTES_MAX, &length) ||
        length > (size_t)(in->end - in->at)) {
        return false;
    }
    *out = (hf_slice){in->at, (size_t)length};
    in->at += length;
    return true;
}

INLINE bool take_fixed8(struct reader *in, uint64_t *out)
{
    if (in->end - in->at < 8) {
        return false;
    }
    *out = __builtin_bswap64(hf_get_be64(in->at));
    in->at += 8;
    return true;
}

INLINE bool take_key(struct reader *in)
{
    return take_varint(in, LENGTH_BYTES_MAX, &in->key) && in->key >> 3 >= 1 &&
           in->key >> 3 <= NUMBER_MAX;
}

INLINE bool skip_value(struct reader *in)
{
    uint64_t number;
    hf_slice bytes;

    switch (in->key & 7) {
    case HF_WIRE_VARINT:
        return take_varint(in, VARINT_BYTES_MAX, &number);
    case HF_WIRE_FIXED8:
        return take_fixed8(in, &number);
    case HF_WIRE_BYTES:
        return take_bytes(in, &bytes);
    case HF_WIRE_FIXED4:
        if (in->end - in->at < 4) {
            return false;
        }
        in->at += 4;
        return true;
    default:
        return false;
    }
}

INLINE bool take_number(const struct hf_field *field, struct reader *in, uint8_t *to)
{
    uint64_t number;
    uint32_t low;

    if (field->wire == HF_WIRE_FIXED8) {
        if (!take_fixed8(in, &number)) {
            return false;
        }
    } else if (!take_varint(in, VARINT_BYTES_MAX, &number)) {
        return false;
    }
    if (field->type == HF_FIELD_BOOL) {
        *(bool *)to = number != 0;
        return true;
    }
    if (field->type == HF_FIELD_NUMBER8 || field->type == HF_FIELD_FIXED8) {
        memcpy(to, &number, sizeof number);
        return true;
    }
    low = (uint32_t)number; /* as protobuf: what is above does not count */
    memcpy(to, &low, sizeof low);
    return field->type == HF_FIELD_SIGNED4 ||
           (low <= field->max && (low & ~field->mask) == 0 &&
            (low != 0 || !field->is_needed));
}

INLINE bool take_blob(const struct hf_field *field, struct reader *in, uint8_t *to)
{
    hf_slice bytes;

    if (!take_bytes(in, &bytes)) {
        return false;
    }
    if (field->type == HF_FIELD_SLICE) {
        memcpy(to, &bytes, sizeof bytes);
        return field->unit == 1 || bytes.bytes % field->unit == 0;
    }
    if (field->type == HF_FIELD_EXACT32 || field->type == HF_FIELD_OPTIONAL32) {
        if (bytes.bytes == 0 && field->type == HF_FIELD_OPTIONAL32) {
            memset(to, 0, 32);
            return true;
        }
        if (bytes.bytes != 32) {
            return false;
        }
        memcpy(to, bytes.data, 32);
        return true;
    }
    if (bytes.bytes == 16) {
        memcpy(to, bytes.data, 16);
        return true;
    }
    if (field->type == HF_FIELD_OPTIONAL16 && bytes.bytes == 0) {
        memset(to, 0, 16);
        return true;
    }
    return false;
}

INLINE bool take_value(const struct hf_field *field, struct reader *in, uint8_t *plain)
{
    uint8_t *to = plain + field->at;

    return field->wire == HF_WIRE_BYTES ? take_blob(field, in, to)
                                        : take_number(field, in, to);
}

/* Takes one value of a repeated field. */
typedef hf_err (*take_item)(const struct hf_field *field, struct reader *in,
                            uint8_t *plain);

/* Whether no field is missing that may not be. */
static bool has_needed(const struct hf_shape *shape, uint32_t seen)
{
    uint32_t missing = ~seen & ((1u << shape->fields_count) - 1);

    for (; missing != 0; missing &= missing - 1) {
        if (shape->fields[__builtin_ctz(missing)].is_needed) {
            return false;
        }
    }
    return true;
}

/* Inlined once for each level, so that it is no recursion and that messages without
 * repeated parts, the hot ones, do not pay for them. */
INLINE hf_err take_message(const struct hf_shape *shape, struct reader in,
                           take_item item, uint8_t *plain)
{
    uint32_t seen = 0;
    unsigned junk = 0;

    while (in.at < in.end) {
        const struct hf_field *field;
        uint64_t index;
        hf_err err;

        if (!take_key(&in)) {
            return HF_ERR_INVALID;
        }
        index = (in.key >> 3) - 1;
        if (index >= shape->fields_count) {
            if (++junk > HF_JUNK_FIELDS_MAX || !skip_value(&in)) {
                return HF_ERR_INVALID;
            }
            continue;
        }
        field = &shape->fields[index];
        if ((in.key & 7) != field->wire) {
            return HF_ERR_INVALID;
        }
        if (item != NULL && field->type >= HF_FIELD_SLICES) {
            err = item(field, &in, plain);
        } else {
            junk += seen >> index & 1;
            seen |= 1u << index;
            err = junk <= HF_JUNK_FIELDS_MAX && take_value(field, &in, plain)
                      ? HF_OK
                      : HF_ERR_INVALID;
        }
        if (err != HF_OK) {
            return err;
        }
    }
    return has_needed(shape, seen) ? HF_OK : HF_ERR_INVALID;
}

hf_err hf_codec_decode(const struct hf_shape *shape, hf_slice bytes, void *out)
{
    const struct reader in = {.at = bytes.data, .end = bytes.data + bytes.bytes};

    if (bytes.bytes > HF_HEAD_MAX) {
        return HF_ERR_TOO_BIG;
    }
    return take_message(shape, in, NULL, out);
}

/* How often the field at hand is in its message from here on. */
static size_t count_ahead(struct reader in)
{
    const uint64_t key = in.key;
    size_t count = 0;

    do {
        count += in.key == key;
    } while (skip_value(&in) && in.at < in.end && take_key(&in));
    return count;
}

/* The place for the next item of a repeated field; the first one makes room for all, so
 * that a message costs the arena no more than its items. */
static hf_err next_item(const struct hf_field *field, const struct reader *in,
                        size_t item_bytes, uint8_t *plain, uint8_t **out)
{
    uint8_t *items;
    size_t count = 0;

    memcpy(&items, plain + field->at, sizeof items);
    if (field->type == HF_FIELD_ONE && items != NULL) {
        return HF_ERR_INVALID; /* protobuf would merge the two; nobody means that */
    }
    if (items == NULL) {
        items = hf_arena_get(in->arena, count_ahead(*in) * item_bytes);
        memcpy(plain + field->at, &items, sizeof items);
    }
    if (items == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    if (field->type != HF_FIELD_ONE) {
        memcpy(&count, plain + field->count_at, sizeof count);
        *out = items + count * item_bytes;
        count++;
        memcpy(plain + field->count_at, &count, sizeof count);
    } else {
        *out = items;
    }
    memset(*out, 0, item_bytes);
    return HF_OK;
}

static hf_err take_slice_item(const struct hf_field *field, struct reader *in,
                              uint8_t *plain)
{
    uint8_t *place;
    hf_slice bytes;
    hf_err err = next_item(field, in, sizeof bytes, plain, &place);

    if (err != HF_OK) {
        return err;
    }
    if (!take_bytes(in, &bytes)) {
        return HF_ERR_INVALID;
    }
    memcpy(place, &bytes, sizeof bytes);
    return HF_OK;
}

static hf_err take_any_item(const struct hf_field *field, struct reader *in,
                            uint8_t *plain)
{
    const struct hf_shape *shape;
    struct reader element = *in;
    uint8_t *place;
    hf_slice bytes;
    hf_err err;

    if (field->type == HF_FIELD_SLICES) {
        return take_slice_item(field, in, plain);
    }
    shape = field->element();
    err = next_item(field, in, shape->bytes, plain, &place);
    if (err != HF_OK) {
        return err;
    }
    if (!take_bytes(in, &bytes)) {
        return HF_ERR_INVALID;
    }
    element.at = bytes.data;
    element.end = bytes.data + bytes.bytes;
    return take_message(shape, element, take_slice_item, place);
}

hf_err hf_codec_decode_list(const struct hf_shape *shape, hf_slice bytes,
                            struct hf_arena *arena, void *out)
{
    const hf_slice copy = hf_arena_copy(arena, bytes);
    const struct reader in = {
        .at = copy.data, .end = copy.data + copy.bytes, .arena = arena};

    if (copy.data == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    return take_message(shape, in, take_any_item, out);
}
