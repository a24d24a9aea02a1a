/* One way between plain structs and protobuf, for every message: a shape lists where
 * each field is on both sides and what it may hold, and the functions here walk it.
 * Internal to lib/wire; the only header that shows protobuf-c. */
#ifndef HF_WIRE_CONVERT_H
#define HF_WIRE_CONVERT_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/wire/fields.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* What kinds become here; fields.h says which kind is which. */
enum hf_field_class {
    HF_FIELD_NUMBER4, /* min <= value <= max and no bit outside of mask */
    HF_FIELD_NUMBER8,
    HF_FIELD_BOOL,
    HF_FIELD_EXACT,    /* `unit` bytes in place */
    HF_FIELD_OPTIONAL, /* the same, or none: zero */
    HF_FIELD_SLICE,    /* a multiple of `unit` bytes */
    HF_FIELD_SLICES,
    HF_FIELD_ONE, /* a pointer to one element, or NULL */
    HF_FIELD_LIST
};

struct hf_shape;

struct hf_field {
    enum hf_field_class type;
    uint32_t unit;
    uint32_t min;
    uint32_t max;
    uint32_t mask;
    uint16_t at; /* offset in the plain struct */
    uint16_t count_at;
    uint16_t packed_at; /* offset in protobuf's struct */
    uint16_t packed_count_at;
    const struct hf_shape *(*element)(void);
};

/* fields[i] is the field with the number i + 1: our messages leave no number out. */
struct hf_shape {
    const ProtobufCMessageDescriptor *packed;
    const struct hf_field *fields;
    uint16_t fields_count;
    uint16_t bytes; /* of the plain struct */
    bool has_slices;
};

/* Rows of a field table, where `plain` and `packed` name the two struct types. */
#define HF_PLACE(class, member)                                                        \
    .type = HF_FIELD_##class, .at = offsetof(plain, member),                           \
    .packed_at = offsetof(packed, member)
#define HF_NUMBER4(member, low, high, bits)                                            \
    {HF_PLACE(NUMBER4, member), .min = (low), .max = (high), .mask = (bits)},
#define HF_SIMPLE(class, member, bytes) {HF_PLACE(class, member), .unit = (bytes)},
#define HF_COUNTED(class, member, shape)                                               \
    {HF_PLACE(class, member), .count_at = offsetof(plain, member##_count),             \
     .packed_count_at = offsetof(packed, n_##member), .element = (shape)},
#define HF_NESTED(member, shape)     {HF_PLACE(ONE, member), .element = (shape)},
#define HF_ROW_U32(member)           HF_NUMBER4(member, 0, UINT32_MAX, UINT32_MAX)
#define HF_ROW_I32(member)           HF_ROW_U32(member)
#define HF_ROW_HANDLE(member)        HF_NUMBER4(member, 1, UINT32_MAX, UINT32_MAX)
#define HF_ROW_FLAGS(member)         HF_NUMBER4(member, 0, 31, HF_ENQUEUE_FLAGS_ALL)
#define HF_ROW_STREAM_FLAG(member)   HF_NUMBER4(member, 0, 4, HF_ENQUEUE_STREAMED)
#define HF_ROW_RIGHTS(member)        HF_NUMBER4(member, 0, 15, HF_RIGHTS_ALL)
#define HF_ENUM(member, last)        HF_NUMBER4(member, 0, last, UINT32_MAX)
#define HF_ROW_REASON(member)        HF_ENUM(member, HF_REASON_COUNT - 1)
#define HF_ROW_RESULT(member)        HF_ENUM(member, HF_RESPOND_DENIED)
#define HF_ROW_HEALTH(member)        HF_ENUM(member, HF_HEALTH_GONE)
#define HF_ROW_DURABILITY(member)    HF_ENUM(member, HF_DURABILITY_STRICT)
#define HF_ROW_REDELIVER(member)     HF_ENUM(member, HF_REDELIVER_ALWAYS)
#define HF_ROW_STATE(member)         HF_ENUM(member, HF_QUEUE_DISABLED)
#define HF_ROW_VERBOSITY(member)     HF_ENUM(member, HF_VERBOSITY_RESET)
#define HF_ROW_MINT_KIND(member)     HF_ENUM(member, HF_MINT_ROUTES)
#define HF_ROW_U64(member)           HF_SIMPLE(NUMBER8, member, 0)
#define HF_ROW_I64(member)           HF_SIMPLE(NUMBER8, member, 0)
#define HF_ROW_BOOL(member)          HF_SIMPLE(BOOL, member, 0)
#define HF_ROW_ID(member)            HF_SIMPLE(EXACT, member, HF_ID_BYTES)
#define HF_ROW_KEY(member)           HF_SIMPLE(EXACT, member, HF_KEY_BYTES)
#define HF_ROW_RECEIPT(member)       HF_SIMPLE(EXACT, member, HF_LEASE_RECEIPT_BYTES)
#define HF_ROW_AFTER(member)         HF_SIMPLE(OPTIONAL, member, HF_ID_BYTES)
#define HF_ROW_SLICE(member)         HF_SIMPLE(SLICE, member, 1)
#define HF_ROW_IDS(member)           HF_SIMPLE(SLICE, member, HF_ID_BYTES)
#define HF_ROW_SLICES(member)        HF_COUNTED(SLICES, member, NULL)
#define HF_ROW_BROKER(member)        HF_NESTED(member, shape_broker_stat)
#define HF_ROW(kind, member)         HF_ROW_##kind(member)
#define HF_ROW_LIST(element, member) HF_COUNTED(LIST, member, shape_##element)

/* Defines `shape_<name>`, the constant shape of one message. */
#define HF_SHAPE(name, NAME, Name, lower, is_sliced)                                   \
    static const struct hf_shape *shape_##name(void)                                   \
    {                                                                                  \
        typedef struct hf_##name plain;                                                \
        typedef Hfpb__##Name packed;                                                   \
        static const struct hf_field fields[] = {                                      \
            HF_##NAME##_FIELDS(HF_ROW, HF_ROW_LIST)};                                  \
        static const struct hf_shape shape = {&hfpb__##lower##__descriptor, fields,    \
                                              sizeof fields / sizeof fields[0],        \
                                              sizeof(plain), is_sliced};               \
                                                                                       \
        _Static_assert(sizeof(plain) <= HF_PLAIN_BYTES_MAX, "plain struct too large"); \
        _Static_assert(sizeof(packed) <= HF_PACKED_BYTES_MAX,                          \
                       "packed struct too large");                                     \
        return &shape;                                                                 \
    }

#define HF_PLAIN_BYTES_MAX  256
#define HF_PACKED_BYTES_MAX 256

/* Between messages without repeated parts and bytes; contracts in messages.h. */
HF_MUST_USE hf_err hf_convert_decode(const struct hf_shape *shape, hf_slice bytes,
                                     void *out);
size_t hf_convert_encode(const struct hf_shape *shape, const void *in, uint8_t *out,
                         size_t bytes);
HF_MUST_USE hf_err hf_convert_append(const struct hf_shape *shape, const void *in,
                                     struct hf_buf *out);

/* The same with repeated parts; contracts in lists.h. */
HF_MUST_USE hf_err hf_convert_decode_list(const struct hf_shape *shape, hf_slice bytes,
                                          struct hf_arena *arena, void *out);
HF_MUST_USE hf_err hf_convert_append_list(const struct hf_shape *shape, const void *in,
                                          struct hf_buf *out);

/* One field that is neither repeated nor a message. False: it breaks its kind's rule. A
 * slice of the result is protobuf's own copy. */
bool hf_field_unpack(const struct hf_field *field, const uint8_t *packed,
                     uint8_t *plain);
/* The way back; returns the most bytes the field takes on the wire. */
size_t hf_field_pack(const struct hf_field *field, const uint8_t *plain,
                     uint8_t *packed);
/* An empty protobuf message of this shape in `packed`. */
void hf_shape_begin(const struct hf_shape *shape, uint8_t *packed);
HF_MUST_USE hf_err hf_packed_append(const ProtobufCMessage *message,
                                    struct hf_buf *out);

#endif
