#include "lib/http/prefer.h"

#include "lib/base/text.h"
#include "lib/http/field.h"

static hf_slice trim(hf_slice text)
{
    while (text.bytes > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = hf_slice_skip(text, 1);
    }
    while (text.bytes > 0 &&
           (text.data[text.bytes - 1] == ' ' || text.data[text.bytes - 1] == '\t')) {
        text.bytes--;
    }
    return text;
}

/* Everything before the first `mark`; *rest is what follows it. */
static hf_slice cut(hf_slice text, uint8_t mark, hf_slice *rest)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] == mark) {
            *rest = trim(hf_slice_skip(text, i + 1));
            return trim(hf_slice_first(text, i));
        }
    }
    *rest = HF_SLICE_EMPTY;
    return trim(text);
}

/* `wait` takes delta-seconds, also in quotes, as a quoted-string may stand for a token.
 */
static void take_wait(struct hf_http_prefer *prefer, hf_slice value)
{
    uint64_t seconds = HF_HTTP_PREFER_WAIT_MAX;
    hf_err err;

    if (value.bytes >= 2 && value.data[0] == '"' &&
        value.data[value.bytes - 1] == '"') {
        value = hf_slice_first(hf_slice_skip(value, 1), value.bytes - 2);
    }
    err = hf_text_parse_u64(value, HF_HTTP_PREFER_WAIT_MAX, &seconds);
    if (err == HF_OK || err == HF_ERR_TOO_BIG) {
        prefer->has_wait = true;
        prefer->wait_s =
            err == HF_OK ? (uint32_t)seconds : (uint32_t)HF_HTTP_PREFER_WAIT_MAX;
    }
}

/* One member: `name[=value][;parameter...]`; parameters mean nothing here. */
static void take(struct hf_http_prefer *prefer, hf_slice member, bool *wait_was_said)
{
    hf_slice parameters;
    hf_slice value;
    hf_slice name = cut(cut(member, ';', &parameters), '=', &value);

    if (hf_slice_equal_nocase(name, HF_SLICE("respond-async"))) {
        prefer->is_async = true;
    } else if (hf_slice_equal_nocase(name, HF_SLICE("wait")) && !*wait_was_said) {
        *wait_was_said = true;
        take_wait(prefer, value);
    }
}

struct hf_http_prefer hf_http_prefer_of(hf_slice block)
{
    struct hf_http_prefer prefer = {0};
    bool wait_was_said = false;
    struct hf_http_field field;

    while (hf_http_field_next(&block, &field)) {
        hf_slice rest = field.value;
        hf_slice member;

        if (!hf_slice_equal_nocase(field.name, HF_SLICE("prefer"))) {
            continue;
        }
        while (hf_http_list_next(&rest, &member)) {
            take(&prefer, member, &wait_was_said);
        }
    }
    return prefer;
}
