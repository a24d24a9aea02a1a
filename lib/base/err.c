#include "lib/base/err.h"

#include "lib/base/check.h"

static const char *const err_texts[HF_ERR_COUNT] = {
#define X(name, text) [HF_ERR_##name] = text,
    HF_ERR_TABLE(X)
#undef X
};

const char *hf_err_text(hf_err err)
{
    hf_check((unsigned)err < HF_ERR_COUNT);

    return err_texts[err];
}
