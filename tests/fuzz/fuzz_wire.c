/* Any bytes as every message, head and record: what decodes is encoded again, and its
 * encoding is a fixed point: it decodes, to a message with the same encoding. */
#include "lib/wire/lists.h"
#include "tests/unit/wire_reflect.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX   ((size_t)16 << 20)
#define ENCODED_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_flat(const struct reflect_message *message, hf_slice input)
{
    uint8_t plain[REFLECT_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    uint8_t again[REFLECT_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    const size_t room = message->is_fixed ? HF_META_SMALL_MAX : input.bytes + 256;
    uint8_t *first, *second;
    size_t bytes;

    if (message->decode(input, plain) != HF_OK) {
        return;
    }
    first = malloc(room);
    second = malloc(room);
    hf_check(first != NULL && second != NULL);
    bytes = message->encode(plain, first, room);
    hf_check(message->decode(hf_slice_of(first, bytes), again) == HF_OK);
    hf_check(message->encode(again, second, room) == bytes);
    hf_check(memcmp(first, second, bytes) == 0);
    /* Without an allowance for one byte less there must be no write at all. */
    hf_check(bytes == 0 || message->encode(plain, second, bytes - 1) == 0);
    free(first);
    free(second);
}

#define X(name, NAME, Name, packed)                                                    \
    static void try_##name(hf_slice input)                                             \
    {                                                                                  \
        struct hf_##name plain, again;                                                 \
        struct hf_arena arena;                                                         \
        struct hf_buf first, second;                                                   \
                                                                                       \
        hf_arena_init(&arena, ARENA_MAX);                                              \
        hf_buf_init(&first, ENCODED_MAX);                                              \
        hf_buf_init(&second, ENCODED_MAX);                                             \
        if (hf_##name##_decode(input, &arena, &plain) == HF_OK) {                      \
            hf_check(hf_##name##_append(&plain, &first) == HF_OK);                     \
            hf_check(hf_##name##_decode(hf_buf_slice(&first), &arena, &again) ==       \
                     HF_OK);                                                           \
            hf_check(hf_##name##_append(&again, &second) == HF_OK);                    \
            hf_check(hf_slice_equal(hf_buf_slice(&first), hf_buf_slice(&second)));     \
        }                                                                              \
        hf_buf_fini(&first);                                                           \
        hf_buf_fini(&second);                                                          \
        hf_arena_fini(&arena);                                                         \
    }
HF_LIST_MESSAGES(X)
#undef X

static void try_message(const struct reflect_message *messages, hf_slice input)
{
    for (size_t i = 0; i < REFLECT_MESSAGES; i++) {
        try_flat(&messages[i], input);
    }
#define X(name, NAME, Name, packed) try_##name(input);
    HF_LIST_MESSAGES(X)
#undef X
}

/* Every record that is whole and allowed from `sender`; its meta goes on as a message.
 */
static void try_records(const struct reflect_message *messages, hf_slice content,
                        enum hf_end sender, enum hf_end receiver)
{
    struct hf_record record;

    while (hf_record_next(&content, &record) == HF_OK) {
        if (hf_record_check(&record, sender, receiver) == HF_OK) {
            try_message(messages, record.meta);
            try_message(messages, record.head);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reflect_message messages[REFLECT_MESSAGES];
    const hf_slice input = hf_slice_of(data, size);

    if (messages[0].name == NULL) {
        reflect_messages(messages);
    }
    try_message(messages, input);
    try_records(messages, input, HF_END_FRONTEND, HF_END_BROKER);
    try_records(messages, input, HF_END_WORKER, HF_END_BROKER);
    try_records(messages, input, HF_END_CONTROLLER, HF_END_BROKER);
    try_records(messages, input, HF_END_BROKER, HF_END_WORKER);
    try_records(messages, input, HF_END_SPAWNER, HF_END_CONTROLLER);
    return 0;
}
