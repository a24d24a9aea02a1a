/* The codec against protobuf-c, which reads the same holdfast.proto: random messages,
 * their truncations and mutations must get the same verdict and the same values from
 * both. Where the codec is stricter, the bytes must have one of the stated oddities. */
#include "lib/wire/codec.h"

#include "lib/wire/lists.h"
#include "lib/wire/messages.h"

#include <holdfast.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS      300
#define MUTATIONS   40
#define PLAIN_MAX   256
#define ENCODED_MAX 4096
#define ARENA_MAX   ((size_t)4 << 20)
#define ITEMS_MAX   3

#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, true)
HF_FIXED_MESSAGES(X)
#undef X
#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, false)
HF_VARIABLE_MESSAGES(X)
HF_ELEMENTS(X)
HF_LIST_MESSAGES(X)
#undef X

struct subject {
    const struct hf_shape *(*shape)(void);
    const ProtobufCMessageDescriptor *packed;
};

static const struct subject subjects[] = {
#define X(name, NAME, Name, packed) {shape_##name, &hfpb__##packed##__descriptor},
    HF_FIXED_MESSAGES(X) HF_VARIABLE_MESSAGES(X) HF_LIST_MESSAGES(X)
#undef X
};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])

static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A number of any length in bytes; often zero. */
static uint64_t draw_number(void)
{
    return draw() % 4 == 0 ? 0 : draw() >> draw() % 64;
}

static hf_slice draw_slice(struct hf_arena *arena, size_t unit)
{
    const size_t bytes = draw() % 12 * unit;
    uint8_t *to = hf_arena_get(arena, bytes + 1);

    assert_non_null(to);
    memset(to, (int)(draw() & 0xff), bytes);
    return hf_slice_of(to, bytes);
}

static void fill_number(const struct hf_field *field, uint8_t *to)
{
    const uint64_t number = draw_number();
    uint32_t low = (uint32_t)number;

    if (field->type == HF_FIELD_NUMBER8 || field->type == HF_FIELD_FIXED8) {
        memcpy(to, &number, sizeof number);
        return;
    }
    if (field->type == HF_FIELD_BOOL) {
        *(bool *)to = number & 1;
        return;
    }
    if (field->type == HF_FIELD_NUMBER4) {
        low &= field->mask;
        low = low > field->max ? 0 : low;
        low = low == 0 && field->is_needed ? 1 : low;
    }
    memcpy(to, &low, sizeof low);
}

static void fill_leaf(const struct hf_field *field, struct hf_arena *arena,
                      uint8_t *plain)
{
    uint8_t *to = plain + field->at;
    hf_slice *slices;
    size_t count;

    if (field->wire != HF_WIRE_BYTES) {
        fill_number(field, to);
    } else if (field->type == HF_FIELD_SLICE) {
        *(hf_slice *)(void *)to = draw_slice(arena, field->unit);
    } else if (field->type == HF_FIELD_SLICES) {
        count = draw() % (ITEMS_MAX + 1);
        slices = hf_arena_get(arena, ITEMS_MAX * sizeof *slices);
        assert_non_null(slices);
        for (size_t i = 0; i < count; i++) {
            slices[i] = draw_slice(arena, 1);
        }
        memcpy(to, &slices, sizeof slices);
        memcpy(plain + field->count_at, &count, sizeof count);
    } else {
        memset(to, (int)(draw() % 3), field->type == HF_FIELD_EXACT32 ? 32 : 16);
    }
}

static void fill_list(const struct hf_field *field, struct hf_arena *arena,
                      uint8_t *plain)
{
    const struct hf_shape *shape = field->element();
    const size_t count = draw() % (field->type == HF_FIELD_ONE ? 2 : ITEMS_MAX + 1);
    uint8_t *items = hf_arena_get(arena, ITEMS_MAX * shape->bytes);

    assert_non_null(items);
    memset(items, 0, ITEMS_MAX * shape->bytes);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < shape->fields_count; j++) {
            fill_leaf(&shape->fields[j], arena, items + i * shape->bytes);
        }
    }
    if (field->type == HF_FIELD_LIST) {
        memcpy(plain + field->count_at, &count, sizeof count);
    } else if (count == 0) {
        items = NULL;
    }
    memcpy(plain + field->at, &items, sizeof items);
}

static void fill(const struct hf_shape *shape, struct hf_arena *arena, uint8_t *plain)
{
    memset(plain, 0, PLAIN_MAX);
    for (size_t i = 0; i < shape->fields_count; i++) {
        if (shape->fields[i].type > HF_FIELD_SLICES) {
            fill_list(&shape->fields[i], arena, plain);
        } else {
            fill_leaf(&shape->fields[i], arena, plain);
        }
    }
}

/* ---- what protobuf-c says */

/* A field of a protobuf-c message; `plain` NULL asks only whether it obeys its kind. */
struct pair {
    const struct hf_field *field;
    const ProtobufCFieldDescriptor *packed_field;
    const uint8_t *packed;
    const uint8_t *plain;
};

static bool blob_agrees(const struct hf_field *field, const ProtobufCBinaryData *data,
                        const uint8_t *plain)
{
    static const uint8_t zeros[32];
    const bool is_wide =
        field->type == HF_FIELD_EXACT32 || field->type == HF_FIELD_OPTIONAL32;
    const size_t exact = is_wide ? 32 : 16;
    const bool is_none =
        (field->type == HF_FIELD_OPTIONAL16 || field->type == HF_FIELD_OPTIONAL32) &&
        data->len == 0;

    if (field->type == HF_FIELD_SLICE) {
        return data->len % field->unit == 0 &&
               (plain == NULL || hf_slice_equal(*(const hf_slice *)(const void *)plain,
                                                hf_slice_of(data->data, data->len)));
    }
    return is_none || data->len == exact
               ? plain == NULL ||
                     memcmp(plain, is_none ? zeros : data->data, exact) == 0
               : false;
}

static bool number_agrees(const struct hf_field *field, const uint8_t *packed,
                          const uint8_t *plain)
{
    protobuf_c_boolean truth;
    uint32_t low;

    if (field->type == HF_FIELD_NUMBER8 || field->type == HF_FIELD_FIXED8) {
        return plain == NULL || memcmp(packed, plain, 8) == 0;
    }
    memcpy(&low, packed, sizeof low);
    memcpy(&truth, packed, sizeof truth);
    if (field->type == HF_FIELD_BOOL) {
        return plain == NULL || *(const bool *)plain == (truth != 0);
    }
    if (field->type == HF_FIELD_NUMBER4 &&
        (low > field->max || (low & ~field->mask) != 0 ||
         (low == 0 && field->is_needed))) {
        return false;
    }
    return plain == NULL || memcmp(packed, plain, 4) == 0;
}

/* The items of a repeated field on both sides; their number, or SIZE_MAX when the sides
 * differ in it. */
static size_t items_of(const struct pair *pair, const uint8_t **packed,
                       const uint8_t **plain)
{
    const uint8_t *at = pair->packed + pair->packed_field->offset;
    size_t count = 1, plain_count = 1;

    memcpy(packed, at, sizeof *packed);
    *plain = NULL;
    if (pair->plain != NULL) {
        memcpy(plain, pair->plain + pair->field->at, sizeof *plain);
    }
    if (pair->field->type == HF_FIELD_ONE) {
        count = *packed != NULL;
        plain_count = *plain != NULL;
        *packed = at;
    } else {
        memcpy(&count, pair->packed + pair->packed_field->quantifier_offset,
               sizeof count);
        if (pair->plain != NULL) {
            memcpy(&plain_count, pair->plain + pair->field->count_at, sizeof count);
        }
    }
    return pair->plain != NULL && plain_count != count ? SIZE_MAX : count;
}

static bool slices_agree(const struct pair *pair)
{
    const uint8_t *packed, *plain;
    const size_t count = items_of(pair, &packed, &plain);

    for (size_t i = 0; i < count && count != SIZE_MAX && plain != NULL; i++) {
        const ProtobufCBinaryData *data =
            (const ProtobufCBinaryData *)(const void *)packed + i;

        if (!hf_slice_equal(((const hf_slice *)(const void *)plain)[i],
                            hf_slice_of(data->data, data->len))) {
            return false;
        }
    }
    return count != SIZE_MAX;
}

static bool leaf_agrees(const struct pair *pair)
{
    const uint8_t *packed = pair->packed + pair->packed_field->offset;
    const uint8_t *plain = pair->plain == NULL ? NULL : pair->plain + pair->field->at;

    if (pair->field->type == HF_FIELD_SLICES) {
        return slices_agree(pair);
    }
    return pair->field->wire == HF_WIRE_BYTES
               ? blob_agrees(pair->field,
                             (const ProtobufCBinaryData *)(const void *)packed, plain)
               : number_agrees(pair->field, packed, plain);
}

static bool element_agrees(const struct hf_shape *shape,
                           const ProtobufCMessageDescriptor *descriptor,
                           const uint8_t *packed, const uint8_t *plain)
{
    for (size_t i = 0; i < shape->fields_count; i++) {
        if (!leaf_agrees(&(struct pair){&shape->fields[i], &descriptor->fields[i],
                                        packed, plain})) {
            return false;
        }
    }
    return true;
}

static bool list_agrees(const struct pair *pair)
{
    const struct hf_shape *shape = pair->field->element();
    const uint8_t *packed, *plain, *item;
    const size_t count = items_of(pair, &packed, &plain);

    for (size_t i = 0; i < count && count != SIZE_MAX; i++) {
        memcpy(&item, packed + i * sizeof item, sizeof item);
        if (!element_agrees(shape, pair->packed_field->descriptor, item,
                            plain == NULL ? NULL : plain + i * shape->bytes)) {
            return false;
        }
    }
    return count != SIZE_MAX;
}

static bool message_agrees(const struct subject *subject,
                           const ProtobufCMessage *packed, const uint8_t *plain)
{
    const struct hf_shape *shape = subject->shape();

    for (size_t i = 0; packed != NULL && i < shape->fields_count; i++) {
        const struct pair pair = {&shape->fields[i], &subject->packed->fields[i],
                                  (const uint8_t *)packed, plain};

        if (!(pair.field->type > HF_FIELD_SLICES ? list_agrees(&pair)
                                                 : leaf_agrees(&pair))) {
            return false;
        }
    }
    return packed != NULL;
}

/* ---- where the codec may be stricter */

static bool walk_varint(hf_slice *bytes, uint64_t *out, bool *is_odd)
{
    *out = 0;
    for (unsigned i = 0; i < bytes->bytes && i < 10; i++) {
        *out |= (uint64_t)(bytes->data[i] & 0x7f) << (7 * i);
        if (bytes->data[i] < 0x80) {
            *is_odd |= i == 9 && bytes->data[i] > 1;
            *bytes = hf_slice_skip(*bytes, i + 1);
            return true;
        }
    }
    return false;
}

/* The next field's number and content, of well-formed bytes. */
static bool walk(hf_slice *bytes, uint64_t *out, hf_slice *content, bool *is_odd)
{
    uint64_t key, length = 0;

    *content = HF_SLICE_EMPTY;
    if (!walk_varint(bytes, &key, is_odd)) {
        return false;
    }
    *out = key;
    *is_odd |= key >> 3 == 0 || key >> 3 >= 1u << 29;
    if ((key & 7) == HF_WIRE_VARINT) {
        return walk_varint(bytes, &length, is_odd);
    }
    if ((key & 7) == HF_WIRE_BYTES && !walk_varint(bytes, &length, is_odd)) {
        return false;
    }
    length = (key & 7) == HF_WIRE_FIXED8 ? 8 : (key & 7) == HF_WIRE_FIXED4 ? 4 : length;
    *content = hf_slice_first(*bytes, length);
    *bytes = hf_slice_skip(*bytes, length);
    return true;
}

static const struct hf_field *known(const struct hf_shape *shape, uint64_t key)
{
    return key >> 3 >= 1 && key >> 3 <= shape->fields_count
               ? &shape->fields[(key >> 3) - 1]
               : NULL;
}

/* Something that protobuf-c lets pass: a field number, a number of more than 64 bits, a
 * second copy, a bool of another wire type, or too much that is not known. */
static bool is_odd_part(const struct hf_shape *shape, hf_slice bytes)
{
    uint32_t seen = 0;
    unsigned junk = 0;
    uint64_t key;
    hf_slice content;
    bool odd = false;

    while (bytes.bytes > 0 && !odd && walk(&bytes, &key, &content, &odd)) {
        const struct hf_field *field = known(shape, key);

        odd |= field == NULL && ++junk > HF_JUNK_FIELDS_MAX;
        if (field != NULL &&
            (field->type < HF_FIELD_SLICES || field->type == HF_FIELD_ONE)) {
            odd |= seen >> (key >> 3) & 1;
            odd |= field->type == HF_FIELD_BOOL && (key & 7) != HF_WIRE_VARINT;
            seen |= 1u << (key >> 3);
        }
    }
    return odd;
}

static bool is_odd(const struct hf_shape *shape, hf_slice bytes)
{
    bool odd = is_odd_part(shape, bytes);
    uint64_t key;
    hf_slice content;

    while (bytes.bytes > 0 && !odd && walk(&bytes, &key, &content, &odd)) {
        const struct hf_field *field = known(shape, key);

        if (field != NULL && field->type > HF_FIELD_SLICES) {
            odd = is_odd_part(field->element(), content);
        }
    }
    return odd;
}

/* ---- tests */

static bool is_list(const struct hf_shape *shape)
{
    for (size_t i = 0; i < shape->fields_count; i++) {
        if (shape->fields[i].type >= HF_FIELD_SLICES) {
            return true;
        }
    }
    return false;
}

static hf_err decode(const struct hf_shape *shape, hf_slice bytes,
                     struct hf_arena *arena, uint8_t *plain)
{
    memset(plain, 0, PLAIN_MAX);
    return is_list(shape) ? hf_codec_decode_list(shape, bytes, arena, plain)
                          : hf_codec_decode(shape, bytes, plain);
}

static size_t verdicts[2];

/* `source` is copied, so that a read past the end is one past the allocation. */
static void expect_same(const struct subject *subject, const uint8_t *source,
                        size_t count, struct hf_arena *arena)
{
    uint8_t plain[PLAIN_MAX] __attribute__((aligned(16)));
    uint8_t *bytes = malloc(count + (count == 0));
    ProtobufCMessage *packed;
    hf_err err;

    assert_non_null(bytes);
    memcpy(bytes, source, count);
    packed = protobuf_c_message_unpack(subject->packed, NULL, count, bytes);
    err = decode(subject->shape(), hf_slice_of(bytes, count), arena, plain);
    verdicts[err == HF_OK]++;
    if (err == HF_OK) {
        assert_true(message_agrees(subject, packed, plain));
    } else if (message_agrees(subject, packed, NULL)) {
        assert_true(is_odd(subject->shape(), hf_slice_of(bytes, count)));
    }
    if (packed != NULL) {
        protobuf_c_message_free_unpacked(packed, NULL);
    }
    free(bytes);
}

/* A random message of this subject, encoded. */
static size_t encoded(const struct subject *subject, struct hf_arena *arena,
                      uint8_t *plain, uint8_t *out)
{
    size_t count;

    hf_arena_reset(arena);
    fill(subject->shape(), arena, plain);
    count = hf_codec_encode(subject->shape(), plain, out, ENCODED_MAX);
    assert_true(count == 0 ||
                hf_codec_encode(subject->shape(), plain, out, count) == count);
    return count;
}

static void shapes_have_the_fields_of_the_proto_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUBJECTS; i++) {
        assert_int_equal(subjects[i].shape()->fields_count,
                         subjects[i].packed->n_fields);
        for (unsigned j = 0; j < subjects[i].packed->n_fields; j++) {
            assert_int_equal(subjects[i].packed->fields[j].id, j + 1);
        }
    }
}

static void random_messages_are_encoded_as_protobuf_encodes_them(void **state)
{
    uint8_t plain[PLAIN_MAX] __attribute__((aligned(16)));
    uint8_t bytes[ENCODED_MAX], again[ENCODED_MAX];
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, ARENA_MAX);
    for (size_t i = 0; i < SUBJECTS * ROUNDS; i++) {
        const struct subject *subject = &subjects[i % SUBJECTS];
        const size_t count = encoded(subject, &arena, plain, bytes);
        ProtobufCMessage *packed =
            protobuf_c_message_unpack(subject->packed, NULL, count, bytes);

        assert_true(message_agrees(subject, packed, plain));
        assert_int_equal(protobuf_c_message_get_packed_size(packed), count);
        protobuf_c_message_pack(packed, again);
        assert_memory_equal(again, bytes, count);
        protobuf_c_message_free_unpacked(packed, NULL);
        expect_same(subject, bytes, count, &arena);
    }
    hf_arena_fini(&arena);
}

static void truncated_messages_get_the_same_verdict_and_values(void **state)
{
    uint8_t plain[PLAIN_MAX] __attribute__((aligned(16)));
    uint8_t bytes[ENCODED_MAX];
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, ARENA_MAX);
    verdicts[false] = verdicts[true] = 0;
    for (size_t i = 0; i < SUBJECTS * 10; i++) {
        const size_t count = encoded(&subjects[i % SUBJECTS], &arena, plain, bytes);

        for (size_t j = 0; j < count; j++) {
            hf_arena_reset(&arena);
            expect_same(&subjects[i % SUBJECTS], bytes, j, &arena);
        }
    }
    assert_true(verdicts[false] > 1000 && verdicts[true] > 1000);
    hf_arena_fini(&arena);
}

/* Changes, inserts, repeats or drops something; the new number of bytes. */
static size_t mutate(uint8_t *bytes, size_t count)
{
    const size_t at = draw() % (count + 1), piece = draw() % (count - at + 1);

    switch (draw() % 5) {
    case 0: /* a whole field nobody knows, or one that many do */
        memmove(bytes + at + 2, bytes + at, count - at);
        bytes[at] = (uint8_t)(draw() & 0x7f);
        bytes[at + 1] = (uint8_t)draw();
        return count + 2;
    case 1:
        memcpy(bytes + count, bytes + at, piece);
        return count + piece;
    case 2:
        memmove(bytes + at, bytes + at + piece, count - at - piece);
        return count - piece;
    case 3:
        bytes[at] = (uint8_t)draw();
        return count + (at == count);
    default:
        bytes[at] ^= (uint8_t)(1u << draw() % 8);
        return count + (at == count);
    }
}

static void mutated_messages_get_the_same_verdict_and_values(void **state)
{
    uint8_t plain[PLAIN_MAX] __attribute__((aligned(16)));
    uint8_t bytes[ENCODED_MAX], changed[4 * ENCODED_MAX];
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, ARENA_MAX);
    verdicts[false] = verdicts[true] = 0;
    for (size_t i = 0; i < SUBJECTS * ROUNDS; i++) {
        const size_t count = encoded(&subjects[i % SUBJECTS], &arena, plain, bytes);

        for (size_t j = 0; j < MUTATIONS; j++) {
            size_t left = count;

            memcpy(changed, bytes, count);
            left = mutate(changed, left);
            left = j % 2 == 0 ? mutate(changed, left) : left;
            hf_arena_reset(&arena);
            expect_same(&subjects[i % SUBJECTS], changed, left, &arena);
        }
    }
    assert_true(verdicts[false] > 10000 && verdicts[true] > 10000);
    hf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_have_the_fields_of_the_proto_file),
        cmocka_unit_test(random_messages_are_encoded_as_protobuf_encodes_them),
        cmocka_unit_test(truncated_messages_get_the_same_verdict_and_values),
        cmocka_unit_test(mutated_messages_get_the_same_verdict_and_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
