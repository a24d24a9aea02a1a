#include "lib/wire/messages.h"

#include "lib/wire/convert.h"

#include <holdfast.pb-c.h>

#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, Name, packed, false)
HF_FIXED_MESSAGES(X)
#undef X
#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, Name, packed, true)
HF_VARIABLE_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed)                                                    \
    hf_err hf_##name##_decode(hf_slice bytes, struct hf_##name *out)                   \
    {                                                                                  \
        return hf_convert_decode(shape_##name(), bytes, out);                          \
    }                                                                                  \
    size_t hf_##name##_encode(const struct hf_##name *in, uint8_t *out, size_t bytes)  \
    {                                                                                  \
        return hf_convert_encode(shape_##name(), in, out, bytes);                      \
    }
HF_FIXED_MESSAGES(X)
HF_VARIABLE_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed)                                                    \
    hf_err hf_##name##_append(const struct hf_##name *in, struct hf_buf *out)          \
    {                                                                                  \
        return hf_convert_append(shape_##name(), in, out);                             \
    }
HF_VARIABLE_MESSAGES(X)
#undef X
