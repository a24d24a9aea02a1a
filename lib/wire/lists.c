#include "lib/wire/lists.h"

#include "lib/wire/codec.h"

#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, false)
HF_ELEMENTS(X)
HF_LIST_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed)                                                    \
    hf_err hf_##name##_decode(hf_slice bytes, struct hf_arena *arena,                  \
                              struct hf_##name *out)                                   \
    {                                                                                  \
        struct hf_##name plain = {0};                                                  \
        hf_err err;                                                                    \
                                                                                       \
        hf_check(out != NULL);                                                         \
        err = hf_codec_decode_list(shape_##name(), bytes, arena, &plain);              \
        if (err == HF_OK) {                                                            \
            *out = plain;                                                              \
        }                                                                              \
        return err;                                                                    \
    }                                                                                  \
    hf_err hf_##name##_append(const struct hf_##name *in, struct hf_buf *out)          \
    {                                                                                  \
        return hf_codec_append(shape_##name(), in, out);                               \
    }
HF_LIST_MESSAGES(X)
#undef X
