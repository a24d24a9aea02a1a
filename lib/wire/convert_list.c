/* Messages with repeated parts. A message's lists hold elements, and elements hold runs
 * of slices but no lists: two levels, walked without recursion. */
#include "lib/wire/convert.h"
#include "lib/wire/lists.h"

#include <string.h>

#define COST_FIXED 4096
/* A bound for the scratch memory of our own encoding, not for outside input. */
#define ENCODE_COST_MAX ((size_t)1 << 30)

/* Memory for one message: the caller's arena, up to what its size is worth. */
struct allowance {
    struct hf_arena *arena;
    size_t left;
    bool is_arena_full;
};

static void *allowance_get(void *ctx, size_t bytes)
{
    struct allowance *allowance = ctx;
    void *memory;

    if (bytes > allowance->left) {
        return NULL;
    }
    allowance->left -= bytes;
    memory = hf_arena_get(allowance->arena, bytes);
    allowance->is_arena_full |= memory == NULL;
    return memory;
}

/* `count` things of `bytes` each; NULL when the allowance is used up. */
static void *allowance_get_many(struct allowance *allowance, size_t count, size_t bytes)
{
    return count > allowance->left / bytes ? NULL
                                           : allowance_get(allowance, count * bytes);
}

static void allowance_put(void *ctx, void *memory)
{
    (void)ctx;
    (void)memory;
}

static hf_err allowance_refusal(const struct allowance *allowance)
{
    return allowance->is_arena_full ? HF_ERR_NO_MEMORY : HF_ERR_INVALID;
}

/* Sets the pointer, and where there is one the count, of a repeated plain field. */
static void put_array(const struct hf_field *field, const void *items, size_t count,
                      uint8_t *plain)
{
    memcpy(plain + field->at, &items, sizeof items);
    if (field->type != HF_FIELD_ONE) {
        memcpy(plain + field->count_at, &count, sizeof count);
    }
}

/* The elements of a repeated protobuf field: for HF_FIELD_ONE the one that is there. */
static size_t packed_count(const struct hf_field *field, const uint8_t *packed)
{
    const void *one;
    size_t count;

    if (field->type == HF_FIELD_ONE) {
        memcpy(&one, packed + field->packed_at, sizeof one);
        return one != NULL;
    }
    memcpy(&count, packed + field->packed_count_at, sizeof count);
    return count;
}

static hf_err unpack_slices(const struct hf_field *field, struct allowance *allowance,
                            const uint8_t *packed, uint8_t *plain)
{
    const size_t count = packed_count(field, packed);
    const ProtobufCBinaryData *data;
    hf_slice *slices;

    if (count == 0) {
        put_array(field, NULL, 0, plain);
        return HF_OK;
    }
    slices = allowance_get_many(allowance, count, sizeof *slices);
    if (slices == NULL) {
        return allowance_refusal(allowance);
    }
    memcpy(&data, packed + field->packed_at, sizeof data);
    for (size_t i = 0; i < count; i++) {
        slices[i] = (hf_slice){data[i].len == 0 ? NULL : data[i].data, data[i].len};
    }
    put_array(field, slices, count, plain);
    return HF_OK;
}

static hf_err unpack_leaf(const struct hf_field *field, struct allowance *allowance,
                          const uint8_t *packed, uint8_t *plain)
{
    if (field->type == HF_FIELD_SLICES) {
        return unpack_slices(field, allowance, packed, plain);
    }
    return hf_field_unpack(field, packed, plain) ? HF_OK : HF_ERR_INVALID;
}

static hf_err unpack_element(const struct hf_shape *shape, struct allowance *allowance,
                             const uint8_t *packed, uint8_t *plain)
{
    hf_err err = HF_OK;

    for (size_t i = 0; i < shape->fields_count && err == HF_OK; i++) {
        err = unpack_leaf(&shape->fields[i], allowance, packed, plain);
    }
    return err;
}

static hf_err unpack_list(const struct hf_field *field, struct allowance *allowance,
                          const uint8_t *packed, uint8_t *plain)
{
    const size_t count = packed_count(field, packed);
    const struct hf_shape *shape = field->element();
    const uint8_t *from = packed + field->packed_at;
    const uint8_t *const *items = (const uint8_t *const *)(const void *)from;
    uint8_t *elements;
    hf_err err = HF_OK;

    if (count == 0) {
        put_array(field, NULL, 0, plain);
        return HF_OK;
    }
    elements = allowance_get_many(allowance, count, shape->bytes);
    if (elements == NULL) {
        return allowance_refusal(allowance);
    }
    if (field->type == HF_FIELD_LIST) {
        memcpy(&items, from, sizeof items);
    }
    for (size_t i = 0; i < count && err == HF_OK; i++) {
        err = unpack_element(shape, allowance, items[i], elements + i * shape->bytes);
    }
    put_array(field, elements, count, plain);
    return err;
}

static bool is_list(const struct hf_field *field)
{
    return field->type == HF_FIELD_LIST || field->type == HF_FIELD_ONE;
}

hf_err hf_convert_decode_list(const struct hf_shape *shape, hf_slice bytes,
                              struct hf_arena *arena, void *out)
{
    struct allowance allowance = {arena, COST_FIXED + HF_LIST_COST * bytes.bytes,
                                  false};
    ProtobufCAllocator allocator = {allowance_get, allowance_put, &allowance};
    uint8_t plain[HF_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    const uint8_t *packed;
    hf_err err = HF_OK;

    hf_check(out != NULL);
    packed = (const uint8_t *)protobuf_c_message_unpack(shape->packed, &allocator,
                                                        bytes.bytes, bytes.data);
    if (packed == NULL) {
        return allowance_refusal(&allowance);
    }
    for (size_t i = 0; i < shape->fields_count && err == HF_OK; i++) {
        const struct hf_field *field = &shape->fields[i];

        err = is_list(field) ? unpack_list(field, &allowance, packed, plain)
                             : unpack_leaf(field, &allowance, packed, plain);
    }
    if (err == HF_OK) {
        memcpy(out, plain, shape->bytes);
    }
    return err;
}

/* The items of a repeated plain field and their number. */
static size_t plain_array(const struct hf_field *field, const uint8_t *plain,
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

static void put_packed(const struct hf_field *field, const void *items, size_t count,
                       uint8_t *packed)
{
    memcpy(packed + field->packed_at, &items, sizeof items);
    memcpy(packed + field->packed_count_at, &count, sizeof count);
}

static hf_err pack_slices(const struct hf_field *field, struct hf_arena *arena,
                          const uint8_t *plain, uint8_t *packed)
{
    const uint8_t *items;
    const size_t count = plain_array(field, plain, &items);
    ProtobufCBinaryData *data;
    hf_slice slice;

    if (count == 0) {
        return HF_OK;
    }
    data = hf_arena_get(arena, count * sizeof *data);
    if (data == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(&slice, items + i * sizeof slice, sizeof slice);
        data[i] = (ProtobufCBinaryData){slice.bytes, (uint8_t *)(uintptr_t)slice.data};
    }
    put_packed(field, data, count, packed);
    return HF_OK;
}

static hf_err pack_leaf(const struct hf_field *field, struct hf_arena *arena,
                        const uint8_t *plain, uint8_t *packed)
{
    if (field->type == HF_FIELD_SLICES) {
        return pack_slices(field, arena, plain, packed);
    }
    (void)hf_field_pack(field, plain, packed);
    return HF_OK;
}

static hf_err pack_element(const struct hf_shape *shape, struct hf_arena *arena,
                           const uint8_t *plain, uint8_t **out)
{
    hf_err err = HF_OK;

    *out = hf_arena_get(arena, shape->packed->sizeof_message);
    if (*out == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_shape_begin(shape, *out);
    for (size_t i = 0; i < shape->fields_count && err == HF_OK; i++) {
        err = pack_leaf(&shape->fields[i], arena, plain, *out);
    }
    return err;
}

static hf_err pack_list(const struct hf_field *field, struct hf_arena *arena,
                        const uint8_t *plain, uint8_t *packed)
{
    const struct hf_shape *shape = field->element();
    const uint8_t *items;
    const size_t count = plain_array(field, plain, &items);
    uint8_t **elements;
    hf_err err = HF_OK;

    if (count == 0) {
        return HF_OK;
    }
    elements = hf_arena_get(arena, count * sizeof *elements);
    if (elements == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < count && err == HF_OK; i++) {
        err = pack_element(shape, arena, items + i * shape->bytes, &elements[i]);
    }
    if (field->type == HF_FIELD_ONE) {
        memcpy(packed + field->packed_at, elements, sizeof *elements);
    } else {
        put_packed(field, elements, count, packed);
    }
    return err;
}

static hf_err pack_message(const struct hf_shape *shape, struct hf_arena *arena,
                           const uint8_t *plain, uint8_t *packed)
{
    hf_err err = HF_OK;

    hf_shape_begin(shape, packed);
    for (size_t i = 0; i < shape->fields_count && err == HF_OK; i++) {
        const struct hf_field *field = &shape->fields[i];

        err = is_list(field) ? pack_list(field, arena, plain, packed)
                             : pack_leaf(field, arena, plain, packed);
    }
    return err;
}

hf_err hf_convert_append_list(const struct hf_shape *shape, const void *in,
                              struct hf_buf *out)
{
    uint8_t packed[HF_PACKED_BYTES_MAX] __attribute__((aligned(16)));
    HF_AUTO(hf_arena_fini) struct hf_arena arena;
    hf_err err;

    hf_check(in != NULL);
    hf_arena_init(&arena, ENCODE_COST_MAX);
    err = pack_message(shape, &arena, in, packed);
    if (err != HF_OK) {
        return err;
    }
    return hf_packed_append((const ProtobufCMessage *)(const void *)packed, out);
}
