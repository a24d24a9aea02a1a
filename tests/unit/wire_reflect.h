/* Every message of messages.h as a table a test can walk: its fields by name and kind,
 * and its functions behind void pointers. */
#ifndef HF_TESTS_WIRE_REFLECT_H
#define HF_TESTS_WIRE_REFLECT_H

#include "lib/wire/messages.h"

#define REFLECT_PLAIN_BYTES_MAX 256
#define REFLECT_FIELDS_MAX      16

/* Kinds that are written and read alike in a transcript. */
enum reflect_kind {
    REFLECT_NUMBER4,
    REFLECT_SIGNED4,
    REFLECT_NUMBER8,
    REFLECT_BOOL,
    REFLECT_BYTES16,
    REFLECT_BYTES32,
    REFLECT_SLICE
};

#define REFLECT_ID          REFLECT_BYTES16
#define REFLECT_AFTER       REFLECT_BYTES16
#define REFLECT_RECEIPT     REFLECT_BYTES16
#define REFLECT_KEY         REFLECT_BYTES32
#define REFLECT_DIGEST      REFLECT_BYTES32
#define REFLECT_URGENCY     REFLECT_NUMBER4
#define REFLECT_IDS         REFLECT_SLICE
#define REFLECT_HANDLE      REFLECT_NUMBER4
#define REFLECT_U32         REFLECT_NUMBER4
#define REFLECT_I32         REFLECT_SIGNED4
#define REFLECT_U64         REFLECT_NUMBER8
#define REFLECT_EPOCH       REFLECT_NUMBER8
#define REFLECT_I64         REFLECT_NUMBER8
#define REFLECT_FLAGS       REFLECT_NUMBER4
#define REFLECT_STREAM_FLAG REFLECT_NUMBER4
#define REFLECT_RIGHTS      REFLECT_NUMBER4
#define REFLECT_REASON      REFLECT_NUMBER4
#define REFLECT_RESULT      REFLECT_NUMBER4
#define REFLECT_HEALTH      REFLECT_NUMBER4
#define REFLECT_WHAT        REFLECT_NUMBER4
#define REFLECT_ASYNC       REFLECT_NUMBER4

struct reflect_field {
    const char *name; /* NULL ends the list */
    enum reflect_kind kind;
    size_t at;
};

struct reflect_message {
    const char *name; /* of the record, in lower case; "request_head" for a head */
    size_t bytes;     /* of the plain struct */
    bool is_fixed;
    struct reflect_field fields[REFLECT_FIELDS_MAX];
    hf_err (*decode)(hf_slice bytes, void *out);
    size_t (*encode)(const void *in, uint8_t *out, size_t bytes);
};

#define X(own, NAME, Name, packed)                                                     \
    static hf_err reflect_decode_##own(hf_slice bytes, void *out)                      \
    {                                                                                  \
        return hf_##own##_decode(bytes, out);                                          \
    }                                                                                  \
    static size_t reflect_encode_##own(const void *in, uint8_t *out, size_t bytes)     \
    {                                                                                  \
        return hf_##own##_encode(in, out, bytes);                                      \
    }                                                                                  \
    static inline void reflect_fill_##own(struct reflect_message *message)             \
    {                                                                                  \
        typedef struct hf_##own plain;                                                 \
        static const struct reflect_field fields[] = {                                 \
            HF_##NAME##_FIELDS(REFLECT_FIELD, REFLECT_LIST){NULL, 0, 0}};              \
                                                                                       \
        _Static_assert(sizeof(plain) <= REFLECT_PLAIN_BYTES_MAX, "too large");         \
        for (size_t i = 0; fields[i].name != NULL; i++) {                              \
            message->fields[i] = fields[i];                                            \
        }                                                                              \
        message->name = #packed;                                                       \
        message->bytes = sizeof(plain);                                                \
        message->decode = reflect_decode_##own;                                        \
        message->encode = reflect_encode_##own;                                        \
    }
#define REFLECT_FIELD(kind, member) {#member, REFLECT_##kind, offsetof(plain, member)},
#define REFLECT_LIST(element, member)
HF_FIXED_MESSAGES(X)
HF_VARIABLE_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed) +1
enum {
    REFLECT_FIXED = 0 HF_FIXED_MESSAGES(X),
    REFLECT_MESSAGES = REFLECT_FIXED HF_VARIABLE_MESSAGES(X)
};
#undef X

/* Fills the table: the fixed messages first. */
static inline void reflect_messages(struct reflect_message out[REFLECT_MESSAGES])
{
    size_t i = 0;

#define X(name, NAME, Name, packed) reflect_fill_##name(&out[i++]);
    HF_FIXED_MESSAGES(X)
    HF_VARIABLE_MESSAGES(X)
#undef X
    for (i = 0; i < REFLECT_MESSAGES; i++) {
        out[i].is_fixed = i < REFLECT_FIXED;
    }
}

#endif
