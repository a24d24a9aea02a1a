/* Owns the types of configuration values. */
#include "lib/io/conf_parts.h"

#include "lib/base/text.h"

#include <string.h>

#define NEAR_BYTES_MAX 48
#define SHOWN_BYTES    64

static struct conf_place place_of(const struct hf_conf_node *node)
{
    return (struct conf_place){node->line, node->column};
}

static void expected(struct hf_conf *conf, const struct hf_conf_node *node,
                     const char *what)
{
    char shown[SHOWN_BYTES];

    hf_text_escape(node->text, shown, sizeof shown);
    conf_error(conf, place_of(node), "%.*s: \"%s\" is not %s",
               (int)(node->name.bytes < 64 ? node->name.bytes : 64),
               node->name.bytes > 0 ? (const char *)node->name.data : "", shown, what);
}

bool conf_is_near(hf_slice got, hf_slice known)
{
    size_t above[NEAR_BYTES_MAX + 1];
    size_t distance_max = known.bytes <= 4 ? 1 : 2;

    if (got.bytes > NEAR_BYTES_MAX || known.bytes > NEAR_BYTES_MAX) {
        return false;
    }
    for (size_t j = 0; j <= known.bytes; j++) {
        above[j] = j;
    }
    for (size_t i = 0; i < got.bytes; i++) {
        size_t diagonal = above[0];

        above[0] = i + 1;
        for (size_t j = 0; j < known.bytes; j++) {
            size_t replaced = diagonal + (got.data[i] != known.data[j] ? 1 : 0);
            size_t best = above[j] + 1 < replaced ? above[j] + 1 : replaced;

            diagonal = above[j + 1];
            above[j + 1] = above[j + 1] + 1 < best ? above[j + 1] + 1 : best;
        }
    }
    return above[known.bytes] <= distance_max;
}

static bool next_choice(const char **at, hf_slice *choice)
{
    const char *end;

    if (*at == NULL || **at == '\0') {
        return false;
    }
    end = strchr(*at, '|');
    *choice =
        end != NULL ? hf_slice_of(*at, (size_t)(end - *at)) : hf_slice_of_cstr(*at);
    *at = end != NULL ? end + 1 : NULL;
    return true;
}

static void judge_enum(struct hf_conf *conf, struct hf_conf_node *node)
{
    const char *at = node->row->choices;
    hf_slice choice;
    int64_t index = 0;

    hf_check(at != NULL);
    while (next_choice(&at, &choice)) {
        if (hf_slice_equal(choice, node->text)) {
            node->number = index;
            return;
        }
        index++;
    }
    conf_error(conf, place_of(node), "%.*s: expected one of %s", (int)node->name.bytes,
               node->name.bytes > 0 ? (const char *)node->name.data : "",
               node->row->choices);
}

static void judge_range(struct hf_conf *conf, const struct hf_conf_node *node,
                        int64_t value, const char *unit)
{
    const struct hf_conf_row *row = node->row;

    if (row->min == 0 && row->max == 0) {
        return;
    }
    if (value < row->min || (row->max != 0 && value > row->max)) {
        conf_error(conf, place_of(node), "%s: %lld %s is outside %lld..%lld", row->path,
                   (long long)value, unit, (long long)row->min,
                   row->max != 0 ? (long long)row->max : (long long)INT64_MAX);
    }
}

static void judge_int(struct hf_conf *conf, struct hf_conf_node *node)
{
    bool is_negative = node->text.bytes > 0 && node->text.data[0] == '-';
    uint64_t value;

    if (hf_text_parse_u64(hf_slice_skip(node->text, is_negative ? 1 : 0), INT64_MAX,
                          &value) != HF_OK) {
        expected(conf, node, "a whole number");
        return;
    }
    node->number = is_negative ? -(int64_t)value : (int64_t)value;
    judge_range(conf, node, node->number, "");
}

static void judge_bytes(struct hf_conf *conf, struct hf_conf_node *node)
{
    uint64_t value;

    if (hf_text_parse_bytes(node->text, &value) != HF_OK || value > INT64_MAX) {
        expected(conf, node, "a size such as 4096, 64KiB, 256MiB or 1GiB");
        return;
    }
    node->number = (int64_t)value;
    judge_range(conf, node, node->number, "bytes");
}

static void judge_duration(struct hf_conf *conf, struct hf_conf_node *node)
{
    if (hf_text_parse_duration_ms(node->text, &node->number) != HF_OK) {
        expected(conf, node, "a duration such as 250ms, 30s, 20m, 24h or 14d");
        return;
    }
    judge_range(conf, node, node->number, "ms");
}

static void judge_bool(struct hf_conf *conf, struct hf_conf_node *node)
{
    if (hf_slice_equal(node->text, HF_SLICE("true"))) {
        node->number = 1;
    } else if (!hf_slice_equal(node->text, HF_SLICE("false"))) {
        expected(conf, node, "true or false");
    }
}

static void judge_text(struct hf_conf *conf, struct hf_conf_node *node)
{
    if (hf_slice_find(node->text, 0) != node->text.bytes) {
        expected(conf, node, "text without NUL");
        return;
    }
    judge_range(conf, node, (int64_t)node->text.bytes, "bytes");
}

void conf_judge_scalar(struct hf_conf *conf, struct hf_conf_node *node)
{
    switch (node->row->type) {
    case HF_CONF_TEXT:
        judge_text(conf, node);
        break;
    case HF_CONF_ENUM:
        judge_enum(conf, node);
        break;
    case HF_CONF_DURATION:
        judge_duration(conf, node);
        break;
    case HF_CONF_BYTES:
        judge_bytes(conf, node);
        break;
    case HF_CONF_INT:
        judge_int(conf, node);
        break;
    case HF_CONF_BOOL:
        judge_bool(conf, node);
        break;
    case HF_CONF_LIST:
    case HF_CONF_MAP:
        break;
    }
}

void conf_judge_count(struct hf_conf *conf, const struct hf_conf_node *node)
{
    if (node->row != NULL && !node->is_default) {
        judge_range(conf, node, (int64_t)node->children_count, "entries");
    }
}
