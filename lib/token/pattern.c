/* Owns the syntax of queue names and patterns and the words for verbs; knows nothing of
 * which queues exist. */
#include "lib/token/pattern.h"

static const char *const verb_words[HF_VERBS] = {
#define X(name, text) [HF_VERB_##name] = text,
    HF_VERB_TABLE(X)
#undef X
};

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool is_literal(hf_slice segment)
{
    if (segment.bytes == 0 || segment.bytes > HF_QUEUE_SEGMENT_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < segment.bytes; i++) {
        if (!is_name_byte(segment.data[i])) {
            return false;
        }
    }
    return true;
}

static bool is_byte(hf_slice segment, char byte)
{
    return segment.bytes == 1 && segment.data[0] == (uint8_t)byte;
}

static bool is_system(hf_slice name)
{
    return name.bytes > 0 && name.data[0] == '$';
}

/* Takes the next segment off `rest`; false when the last one has been taken. */
static bool next_segment(hf_slice *rest, bool *is_done, hf_slice *segment)
{
    if (*is_done) {
        return false;
    }

    size_t dot = hf_slice_find(*rest, '.');

    *segment = hf_slice_first(*rest, dot);
    *is_done = dot == rest->bytes;
    *rest = hf_slice_skip(*rest, dot + 1);
    return true;
}

static hf_err check_segments(hf_slice text, bool is_pattern)
{
    size_t count = 0;
    bool is_done = false;
    bool is_open = false; /* '>' has been seen */
    hf_slice segment;

    if (text.bytes == 0 || text.bytes > HF_QUEUE_NAME_BYTES_MAX) {
        return HF_ERR_INVALID;
    }
    hf_slice rest = is_system(text) ? hf_slice_skip(text, 1) : text;

    while (next_segment(&rest, &is_done, &segment)) {
        bool is_wild = is_pattern && (is_byte(segment, '*') || is_byte(segment, '>'));

        if (is_open || (!is_wild && !is_literal(segment)) ||
            ++count > HF_QUEUE_SEGMENTS_MAX) {
            return HF_ERR_INVALID;
        }
        is_open = is_pattern && is_byte(segment, '>');
    }
    return HF_OK;
}

hf_err hf_queue_name_check(hf_slice name)
{
    hf_check(name.data != NULL || name.bytes == 0);

    return check_segments(name, false);
}

hf_err hf_pattern_check(hf_slice pattern)
{
    hf_check(pattern.data != NULL || pattern.bytes == 0);

    return check_segments(pattern, true);
}

bool hf_pattern_match(hf_slice pattern, hf_slice name)
{
    bool is_pattern_done = false;
    bool is_name_done = false;
    hf_slice wanted;
    hf_slice found;

    if (hf_pattern_check(pattern) != HF_OK || hf_queue_name_check(name) != HF_OK ||
        is_system(pattern) != is_system(name)) {
        return false;
    }
    if (is_system(pattern)) {
        pattern = hf_slice_skip(pattern, 1);
        name = hf_slice_skip(name, 1);
    }
    while (next_segment(&pattern, &is_pattern_done, &wanted)) {
        if (!next_segment(&name, &is_name_done, &found)) {
            return false;
        }
        if (is_byte(wanted, '>')) {
            return true;
        }
        if (!is_byte(wanted, '*') && !hf_slice_equal(wanted, found)) {
            return false;
        }
    }
    return is_name_done;
}

const char *hf_verb_text(enum hf_verb verb)
{
    hf_check(verb < HF_VERBS);

    return verb_words[verb];
}

hf_err hf_verb_parse(hf_slice word, enum hf_verb *out)
{
    hf_check(out != NULL);

    for (unsigned i = 0; i < HF_VERBS; i++) {
        if (hf_slice_equal(word, hf_slice_of_cstr(verb_words[i]))) {
            *out = (enum hf_verb)i;
            return HF_OK;
        }
    }
    return HF_ERR_NOT_FOUND;
}
