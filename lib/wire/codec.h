/* Protobuf bytes to plain structs and back, for every message: a shape lists a
 * message's fields, and the functions here walk it. Written by hand because these bytes
 * are most of what a broker reads (docs/decisions/0008); codec_test.c holds it against
 * protobuf-c. Internal to lib/wire; what decoding ignores and refuses is in messages.h.
 */
#ifndef HF_WIRE_CODEC_H
#define HF_WIRE_CODEC_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/wire/fields.h"

#include <stddef.h>

/* What kinds become here; fields.h says which kind is which. */
enum hf_field_class {
    HF_FIELD_NUMBER4, /* at most max, and no bit outside of mask */
    HF_FIELD_SIGNED4, /* a negative one has ten bytes */
    HF_FIELD_NUMBER8,
    HF_FIELD_FIXED8, /* always eight bytes, little-endian */
    HF_FIELD_BOOL,
    HF_FIELD_EXACT16, /* as many bytes in place */
    HF_FIELD_EXACT32,
    HF_FIELD_OPTIONAL16, /* the same, or none: zero */
    HF_FIELD_OPTIONAL32,
    HF_FIELD_SLICE,  /* a multiple of `unit` bytes */
    HF_FIELD_SLICES, /* from here on a pointer to an array, and its count */
    HF_FIELD_LIST,
    HF_FIELD_ONE /* a pointer to one element, or NULL */
};

enum hf_wire_type {
    HF_WIRE_VARINT = 0,
    HF_WIRE_FIXED8 = 1,
    HF_WIRE_BYTES = 2,
    HF_WIRE_FIXED4 = 5 /* in no message of ours, but maybe in a later one */
};

struct hf_shape;

struct hf_field {
    uint8_t type; /* enum hf_field_class */
    uint8_t wire; /* enum hf_wire_type */
    uint8_t unit;
    bool is_needed; /* may not be missing, nor a number be 0 */
    uint16_t at;    /* offset in the plain struct */
    uint16_t count_at;
    uint32_t max;
    uint32_t mask;
    const struct hf_shape *(*element)(void);
};

/* fields[i] is the field with the number i + 1: our messages leave no number out, and
 * have at most 15, so that a field's key is one byte. */
struct hf_shape {
    const struct hf_field *fields;
    uint16_t fields_count;
    uint16_t bytes; /* of the plain struct */
    bool
        is_fixed; /* no variable part: encoded it has at most HF_META_SMALL_MAX bytes */
};

/* Rows of a field table, where `plain` names the struct type. */
#define HF_FIELD(class, wiretype, member)                                              \
    .type = HF_FIELD_##class, .wire = HF_WIRE_##wiretype, .at = offsetof(plain, member)
#define HF_NUMBER4(member, needed, high, bits)                                         \
    {HF_FIELD(NUMBER4, VARINT, member), .is_needed = (needed), .max = (high),          \
     .mask = (bits)},
#define HF_EXACT(class, member) {HF_FIELD(class, BYTES, member), .is_needed = true},
#define HF_UNITS(member, bytes) {HF_FIELD(SLICE, BYTES, member), .unit = (bytes)},
#define HF_COUNTED(class, member, shape)                                               \
    {HF_FIELD(class, BYTES, member), .count_at = offsetof(plain, member##_count),      \
     .element = (shape)},
#define HF_ROW_U32(member)          HF_NUMBER4(member, false, UINT32_MAX, UINT32_MAX)
#define HF_ROW_HANDLE(member)       HF_NUMBER4(member, true, UINT32_MAX, UINT32_MAX)
#define HF_ROW_FLAGS(member)        HF_NUMBER4(member, false, 31, HF_ENQUEUE_FLAGS_ALL)
#define HF_ROW_STREAM_FLAG(member)  HF_NUMBER4(member, false, 4, HF_ENQUEUE_STREAMED)
#define HF_ROW_RIGHTS(member)       HF_NUMBER4(member, false, 15, HF_RIGHTS_ALL)
#define HF_ENUM(member, last)       HF_NUMBER4(member, false, last, UINT32_MAX)
#define HF_ROW_REASON(member)       HF_ENUM(member, HF_REASON_COUNT - 1)
#define HF_ROW_RESULT(member)       HF_ENUM(member, HF_RESPOND_DENIED)
#define HF_ROW_WHAT(member)         HF_ENUM(member, HF_LOOKUP_CANCEL)
#define HF_ROW_ASYNC(member)        HF_ENUM(member, HF_ASYNC_GONE)
#define HF_ROW_HEALTH(member)       HF_ENUM(member, HF_HEALTH_GONE)
#define HF_ROW_DURABILITY(member)   HF_ENUM(member, HF_DURABILITY_STRICT)
#define HF_ROW_REDELIVER(member)    HF_ENUM(member, HF_REDELIVER_ALWAYS)
#define HF_ROW_STATE(member)        HF_ENUM(member, HF_QUEUE_DISABLED)
#define HF_ROW_VERBOSITY(member)    HF_ENUM(member, HF_VERBOSITY_RESET)
#define HF_ROW_URGENCY(member)      HF_ENUM(member, 8)
#define HF_ROW_WISHES(member)       HF_NUMBER4(member, false, 63, HF_WISHES_ALL)
#define HF_ROW_ORDER(member)        HF_ENUM(member, HF_ORDER_ADAPTIVE)
#define HF_ROW_LIMIT_ACTION(member) HF_ENUM(member, HF_LIMIT_REFUSE)
#define HF_ROW_IDEMPOTENCY(member)  HF_ENUM(member, HF_IDEMPOTENCY_REQUIRE)
#define HF_ROW_DIGEST(member)       {HF_FIELD(OPTIONAL32, BYTES, member)},
#define HF_ROW_MINT_KIND(member)    HF_ENUM(member, HF_MINT_ROUTES)
#define HF_ROW_I32(member)          {HF_FIELD(SIGNED4, VARINT, member)},
#define HF_ROW_U64(member)          {HF_FIELD(NUMBER8, VARINT, member)},
#define HF_ROW_I64(member)          HF_ROW_U64(member)
#define HF_ROW_EPOCH(member)        {HF_FIELD(FIXED8, FIXED8, member)},
#define HF_ROW_BOOL(member)         {HF_FIELD(BOOL, VARINT, member)},
#define HF_ROW_ID(member)           HF_EXACT(EXACT16, member)
#define HF_ROW_RECEIPT(member)      HF_EXACT(EXACT16, member)
#define HF_ROW_KEY(member)          HF_EXACT(EXACT32, member)
#define HF_ROW_AFTER(member)        {HF_FIELD(OPTIONAL16, BYTES, member)},
#define HF_ROW_SLICE(member)        HF_UNITS(member, 1)
#define HF_ROW_IDS(member)          HF_UNITS(member, HF_ID_BYTES)
#define HF_ROW_SLICES(member)       HF_COUNTED(SLICES, member, NULL)
#define HF_ROW_BROKER(member)                                                          \
    {HF_FIELD(ONE, BYTES, member), .element = shape_broker_stat},
#define HF_ROW(kind, member)         HF_ROW_##kind(member)
#define HF_ROW_LIST(element, member) HF_COUNTED(LIST, member, shape_##element)

/* Defines `shape_<name>`, the constant shape of one message. */
#define HF_SHAPE(name, NAME, without_variable)                                         \
    static const struct hf_shape *shape_##name(void)                                   \
    {                                                                                  \
        typedef struct hf_##name plain;                                                \
        static const struct hf_field fields[] = {                                      \
            HF_##NAME##_FIELDS(HF_ROW, HF_ROW_LIST)};                                  \
        static const struct hf_shape shape = {fields,                                  \
                                              sizeof fields / sizeof fields[0],        \
                                              sizeof(plain), without_variable};        \
                                                                                       \
        _Static_assert(sizeof fields / sizeof fields[0] <= 15, "key of two bytes");    \
        return &shape;                                                                 \
    }

/* Fills *out, which holds zeros. A failure may leave anything there. Slices are
 * borrowed from `bytes`. */
HF_MUST_USE hf_err hf_codec_decode(const struct hf_shape *shape, hf_slice bytes,
                                   void *out);
/* The same for messages with repeated parts, all of whose memory is in the arena. */
HF_MUST_USE hf_err hf_codec_decode_list(const struct hf_shape *shape, hf_slice bytes,
                                        struct hf_arena *arena, void *out);
/* Contracts in messages.h; for every message. */
size_t hf_codec_encode(const struct hf_shape *shape, const void *in, uint8_t *out,
                       size_t bytes);
HF_MUST_USE hf_err hf_codec_append(const struct hf_shape *shape, const void *in,
                                   struct hf_buf *out);

#endif
