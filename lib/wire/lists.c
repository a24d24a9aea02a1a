#include "lib/wire/lists.h"

#include "lib/wire/convert.h"

#include <holdfast.pb-c.h>

#define X(name, NAME, Name, packed) HF_SHAPE(name, NAME, Name, packed, true)
HF_ELEMENTS(X)
HF_LIST_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed)                                                    \
    hf_err hf_##name##_decode(hf_slice bytes, struct hf_arena *arena,                  \
                              struct hf_##name *out)                                   \
    {                                                                                  \
        return hf_convert_decode_list(shape_##name(), bytes, arena, out);              \
    }                                                                                  \
    hf_err hf_##name##_append(const struct hf_##name *in, struct hf_buf *out)          \
    {                                                                                  \
        return hf_convert_append_list(shape_##name(), in, out);                        \
    }
HF_LIST_MESSAGES(X)
#undef X
