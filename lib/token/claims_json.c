/* Owns the JSON profile; knows nothing of what the members mean. */
#include "lib/token/claims_json.h"

#include <string.h>

#include "lib/token/claims.h"
#include "lib/token/instant.h"

/* Skips the string whose opening quote is at `at`; returns the place behind its closing
 * quote, or 0 for a bad one. */
static size_t skip_string(hf_slice text, size_t at)
{
    size_t count = 0;

    for (at++; at < text.bytes && text.data[at] != '"'; at++) {
        uint8_t c = text.data[at];

        if (c == '\\') {
            at++;
            c = at < text.bytes && text.data[at] == '/' ? '/' : 0;
        }
        if (c < 0x20 || c > 0x7e || ++count > HF_STRING_BYTES_MAX) {
            return 0;
        }
    }
    return at < text.bytes ? at + 1 : 0;
}

/* Skips the integer at `at`; 0 for a leading zero or a value past 2^53-1. */
static size_t skip_integer(hf_slice text, size_t at)
{
    size_t start = at;
    int64_t value = 0;

    while (at < text.bytes && text.data[at] >= '0' && text.data[at] <= '9') {
        value = value * 10 + (text.data[at] - '0');
        if (value > HF_INTEGER_MAX) {
            return 0;
        }
        at++;
    }
    return text.data[start] == '0' && at > start + 1 ? 0 : at;
}

hf_err hf_json_scan(hf_slice text)
{
    size_t depth = 0;
    size_t at = 0;

    hf_check(text.data != NULL || text.bytes == 0);

    while (at < text.bytes) {
        uint8_t c = text.data[at];

        if (c == '"') {
            at = skip_string(text, at);
        } else if (c >= '0' && c <= '9') {
            at = skip_integer(text, at);
        } else if (hf_slice_find(HF_SLICE(" {}[]:,"), c) < 7) {
            depth += c == '{' || c == '[' ? 1u : 0u;
            depth -= (c == '}' || c == ']') && depth > 0 ? 1u : 0u;
            at++;
        } else {
            return HF_ERR_INVALID;
        }
        if (at == 0 || depth > HF_JSON_DEPTH_MAX) {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

hf_err hf_json_parse(hf_slice text, json_t **out)
{
    json_error_t error;

    hf_check(out != NULL);

    if (text.bytes == 0 || hf_json_scan(text) != HF_OK) {
        return HF_ERR_INVALID;
    }

    json_t *root =
        json_loadb((const char *)text.data, text.bytes, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL) {
        return json_error_code(&error) == json_error_out_of_memory ? HF_ERR_NO_MEMORY
                                                                   : HF_ERR_INVALID;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return HF_ERR_INVALID;
    }
    *out = root;
    return HF_OK;
}

static size_t count_ignored(json_t *object)
{
    size_t count = 0;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        bool is_plain = json_is_string(value) || json_is_integer(value);

        count += strncmp(name, "x_", 2) == 0 && is_plain ? 1 : 0;
    }
    return count;
}

hf_err hf_json_read(json_t *object, const struct hf_json_rules *rules, void *out)
{
    hf_check(rules != NULL);

    if (!json_is_object(object)) {
        return HF_ERR_INVALID;
    }

    size_t known = rules->allows_x ? count_ignored(object) : 0;

    for (size_t i = 0; i < rules->count; i++) {
        const struct hf_json_rule *rule = &rules->rules[i];
        json_t *value = json_object_get(object, rule->name);

        if (value == NULL) {
            if (rule->need == HF_JSON_REQUIRED) {
                return HF_ERR_INVALID;
            }
            continue;
        }
        if (rule->need == HF_JSON_FORBIDDEN || rule->read(value, out) != HF_OK) {
            return HF_ERR_INVALID;
        }
        known++;
    }
    return known == json_object_size(object) ? HF_OK : HF_ERR_INVALID;
}

hf_err hf_json_integer(json_t *value, uint64_t min, uint64_t *out)
{
    hf_check(out != NULL);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) < min) {
        return HF_ERR_INVALID;
    }
    *out = (uint64_t)json_integer_value(value);
    return HF_OK;
}

hf_err hf_json_string(json_t *value, hf_slice *out)
{
    hf_check(out != NULL);

    if (!json_is_string(value)) {
        return HF_ERR_INVALID;
    }
    *out = hf_slice_of(json_string_value(value), json_string_length(value));
    return HF_OK;
}

hf_err hf_json_read_version(json_t *value, void *out)
{
    uint64_t version = 0;

    (void)out;
    return hf_json_integer(value, 1, &version) == HF_OK && version == 1
               ? HF_OK
               : HF_ERR_INVALID;
}

hf_err hf_json_instant(json_t *value, int64_t *out)
{
    hf_slice text;

    return hf_json_string(value, &text) == HF_OK ? hf_instant_parse(text, out)
                                                 : HF_ERR_INVALID;
}

hf_err hf_json_array(json_t *value, size_t min, size_t max)
{
    if (!json_is_array(value) || json_array_size(value) < min ||
        json_array_size(value) > max) {
        return HF_ERR_INVALID;
    }
    return HF_OK;
}
