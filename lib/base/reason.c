#include "lib/base/reason.h"

#include "lib/base/check.h"

static const struct {
    const char *word;
    const char *text;
    int status;
} reasons[HF_REASON_COUNT] = {
#define X(name, word, status, text) [HF_REASON_##name] = {word, text, status},
    HF_REASON_TABLE(X)
#undef X
};

const char *hf_reason_word(hf_reason reason)
{
    hf_check((unsigned)reason < HF_REASON_COUNT);

    return reasons[reason].word;
}

int hf_reason_status(hf_reason reason)
{
    hf_check((unsigned)reason < HF_REASON_COUNT);

    return reasons[reason].status;
}

const char *hf_reason_text(hf_reason reason)
{
    hf_check((unsigned)reason < HF_REASON_COUNT);

    return reasons[reason].text;
}
