#include "lib/wire/messages.h"

#include "lib/wire/codec.h"

#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, true)
HF_FIXED_MESSAGES(X)
#undef X
#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, false)
HF_VARIABLE_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed)                                                    \
    hf_err hf_##name##_decode(hf_slice bytes, struct hf_##name *out)                   \
    {                                                                                  \
        struct hf_##name plain = {0};                                                  \
        hf_err err;                                                                    \
                                                                                       \
        hf_check(out != NULL);                                                         \
        err = hf_codec_decode(shape_##name(), bytes, &plain);                          \
        if (err == HF_OK) {                                                            \
            *out = plain;                                                              \
        }                                                                              \
        return err;                                                                    \
    }                                                                                  \
    size_t hf_##name##_encode(const struct hf_##name *in, uint8_t *out, size_t bytes)  \
    {                                                                                  \
        return hf_codec_encode(shape_##name(), in, out, bytes);                        \
    }
HF_FIXED_MESSAGES(X)
HF_VARIABLE_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed)                                                    \
    hf_err hf_##name##_append(const struct hf_##name *in, struct hf_buf *out)          \
    {                                                                                  \
        return hf_codec_append(shape_##name(), in, out);                               \
    }
HF_VARIABLE_MESSAGES(X)
#undef X
