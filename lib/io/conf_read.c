/* Owns the way from YAML events to the tree; the only file that sees libyaml. */
#include "lib/io/conf_parts.h"

#include "lib/base/text.h"

#include <string.h>
#include <yaml.h>

#define KEY_BYTES_MAX 256

/* Where the events are in the tree: one frame per open mapping or sequence. */
struct frame {
    struct hf_conf_node *node;
    hf_slice key; /* of the value to come; data NULL: a key is to come */
    struct conf_place key_place;
};

struct reader {
    struct hf_conf *conf;
    struct frame frames[HF_CONF_DEPTH_MAX];
    size_t depth;
    size_t skipping;  /* open containers of a value that was refused */
    bool skips_value; /* the value to come belongs to a refused key */
    bool is_over;
    size_t documents;
};

static struct conf_place place_of(const yaml_mark_t *mark)
{
    return (struct conf_place){(uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

static hf_slice copy(struct reader *r, const void *data, size_t bytes)
{
    return hf_arena_copy(&r->conf->memory->arena, hf_slice_of(data, bytes));
}

static struct frame *top(struct reader *r)
{
    return r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
}

static bool is_list(const struct frame *frame)
{
    return frame->node->row != NULL && frame->node->row->type == HF_CONF_LIST;
}

static void stop(struct reader *r, struct conf_place place, const char *why)
{
    conf_error(r->conf, place, "%s", why);
    r->is_over = true;
}

static void suggest(struct reader *r, const struct frame *frame,
                    struct conf_place place, hf_slice key)
{
    char shown[KEY_BYTES_MAX];

    hf_text_escape(key, shown, sizeof shown);
    for (size_t i = 0; i < r->conf->rows_count; i++) {
        hf_slice known = conf_row_key(&r->conf->rows[i], frame->node->row);

        if (known.bytes > 0 && conf_is_near(key, known)) {
            conf_error(r->conf, place, "unknown key \"%.100s\": did you mean \"%.*s\"?",
                       shown, (int)known.bytes, (const char *)known.data);
            return;
        }
    }
    conf_error(r->conf, place, "unknown key \"%.100s\"", shown);
}

static bool is_taken(const struct frame *frame, hf_slice key)
{
    const struct hf_conf_node *child = frame->node->children;

    while (child != NULL && !hf_slice_equal(child->name, key)) {
        child = child->next;
    }
    return child != NULL;
}

static void take_key(struct reader *r, const yaml_event_t *event)
{
    struct frame *frame = top(r);
    struct conf_place place = place_of(&event->start_mark);
    hf_slice key = hf_slice_of(event->data.scalar.value, event->data.scalar.length);

    r->skips_value = true;
    if (frame->node->children_count >= HF_CONF_KEYS_MAX) {
        stop(r, place, "too many keys");
    } else if (key.bytes == 0 || key.bytes > KEY_BYTES_MAX ||
               hf_slice_find(key, 0) != key.bytes) {
        conf_error(r->conf, place, "a key is 1 to %d bytes", KEY_BYTES_MAX);
    } else if (is_taken(frame, key)) {
        conf_error(r->conf, place, "key \"%.*s\" is given twice", (int)key.bytes,
                   (const char *)key.data);
    } else if (conf_row_below(r->conf, frame->node->row, key, false) == NULL) {
        suggest(r, frame, place, key);
    } else {
        r->skips_value = false;
    }
    frame->key = copy(r, key.data, key.bytes);
    frame->key_place = place;
    if (frame->key.data == NULL) {
        stop(r, place, "out of memory");
    }
}

/* The node for the value that is beginning, or NULL when it is refused. */
static struct hf_conf_node *new_value(struct reader *r, struct conf_place place)
{
    struct frame *frame = top(r);
    struct hf_conf_node *node;
    const struct hf_conf_row *row;

    if (frame == NULL) { /* the root */
        node = conf_node_new(r->conf, NULL, NULL, HF_SLICE_EMPTY);
        r->conf->root = node;
    } else {
        row = conf_row_below(r->conf, frame->node->row, frame->key, is_list(frame));
        hf_check(row != NULL);
        node = conf_node_new(r->conf, frame->node, row, frame->key);
        frame->key = HF_SLICE_EMPTY;
    }
    if (node == NULL) {
        stop(r, place, "out of memory");
        return NULL;
    }
    node->line = place.line;
    node->column = place.column;
    return node;
}

static bool is_null(const yaml_event_t *event)
{
    hf_slice text = hf_slice_of(event->data.scalar.value, event->data.scalar.length);

    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text.bytes == 0 || hf_slice_equal(text, HF_SLICE("~")) ||
            hf_slice_equal(text, HF_SLICE("null")));
}

static void describe(const struct hf_conf_node *node, char *out, size_t out_bytes)
{
    hf_text_escape(node->name.bytes > 0 ? node->name : HF_SLICE("element"), out,
                   out_bytes);
}

static void take_scalar(struct reader *r, const yaml_event_t *event)
{
    struct conf_place place = place_of(&event->start_mark);
    struct hf_conf_node *node;
    char shown[KEY_BYTES_MAX];

    if (top(r) == NULL) {
        if (!is_null(event)) {
            stop(r, place, "expected keys and values");
            return;
        }
        node = new_value(r, place);
        if (node != NULL) {
            conf_fill(r->conf, node);
        }
        return;
    }
    node = new_value(r, place);
    if (node == NULL) {
        return;
    }
    describe(node, shown, sizeof shown);
    if (node->row->type == HF_CONF_LIST || node->row->type == HF_CONF_MAP) {
        if (!is_null(event)) {
            conf_error(r->conf, place, "%s: expected %s", shown,
                       node->row->type == HF_CONF_LIST ? "a list" : "keys and values");
        } else {
            if (node->row->type == HF_CONF_MAP) {
                conf_fill(r->conf, node);
            }
            conf_judge_count(r->conf, node); /* nothing is none */
        }
        return;
    }
    if (is_null(event)) {
        conf_error(r->conf, place, "%s: the value is missing", shown);
        return;
    }
    node->text = copy(r, event->data.scalar.value, event->data.scalar.length);
    if (node->text.data == NULL) {
        stop(r, place, "out of memory");
        return;
    }
    conf_judge_scalar(r->conf, node);
}

static void open_container(struct reader *r, const yaml_event_t *event, bool opens_list)
{
    struct conf_place place = place_of(&event->start_mark);
    struct hf_conf_node *node;
    char shown[KEY_BYTES_MAX];
    bool wants_list;

    if (r->depth == HF_CONF_DEPTH_MAX) {
        stop(r, place, "nested too deeply");
        return;
    }
    if (top(r) == NULL && opens_list) {
        stop(r, place, "expected keys and values");
        return;
    }
    node = new_value(r, place);
    if (node == NULL) {
        return;
    }
    wants_list = node->row != NULL && node->row->type == HF_CONF_LIST;
    if (node->row != NULL &&
        (opens_list ? !wants_list : node->row->type != HF_CONF_MAP)) {
        describe(node, shown, sizeof shown);
        conf_error(r->conf, place, "%s: expected %s, not %s", shown,
                   wants_list ? "a list"
                              : (node->row->type == HF_CONF_MAP ? "keys and values"
                                                                : "a single value"),
                   opens_list ? "a list" : "keys and values");
        r->skipping = 1;
        return;
    }
    r->frames[r->depth++] = (struct frame){.node = node};
}

static void close_container(struct reader *r)
{
    struct frame *frame = top(r);

    hf_check(frame != NULL);
    if (!is_list(frame)) {
        conf_fill(r->conf, frame->node);
    }
    conf_judge_count(r->conf, frame->node);
    r->depth--;
}

/* Anchors and tags would give a value a meaning that the reader of the file cannot see
 * at its place. */
static void refuse_decoration(struct reader *r, const yaml_event_t *event,
                              const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL) {
        stop(r, place_of(&event->start_mark), "anchors are not allowed");
    } else if (tag != NULL) {
        stop(r, place_of(&event->start_mark), "tags are not allowed");
    }
}

static void check_decoration(struct reader *r, const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT) {
        refuse_decoration(r, event, event->data.scalar.anchor, event->data.scalar.tag);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        refuse_decoration(r, event, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        refuse_decoration(r, event, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
    } else if (event->type == YAML_ALIAS_EVENT) {
        stop(r, place_of(&event->start_mark), "aliases are not allowed");
    }
}

static bool is_start(const yaml_event_t *event)
{
    return event->type == YAML_SEQUENCE_START_EVENT ||
           event->type == YAML_MAPPING_START_EVENT;
}

static bool is_end(const yaml_event_t *event)
{
    return event->type == YAML_SEQUENCE_END_EVENT ||
           event->type == YAML_MAPPING_END_EVENT;
}

/* Containers in each other of a value that is passed over: libyaml looks at all that
 * are open with each token, so that a file of nothing but brackets would take hours. */
#define SKIPPING_MAX 64u

/* True when the event belonged to a value that is passed over. */
static bool skip(struct reader *r, const yaml_event_t *event)
{
    if (r->skipping == SKIPPING_MAX && is_start(event)) {
        stop(r, place_of(&event->start_mark), "nested too deeply");
        return true;
    }
    if (r->skipping > 0) {
        r->skipping += is_start(event) ? 1 : 0;
        r->skipping -= is_end(event) ? 1 : 0;
        return true;
    }
    if (r->skips_value) {
        r->skips_value = false;
        r->skipping = is_start(event) ? 1 : 0;
        top(r)->key = HF_SLICE_EMPTY;
        return true;
    }
    return false;
}

static void take_node(struct reader *r, const yaml_event_t *event)
{
    struct frame *frame = top(r);
    bool wants_key = frame != NULL && !is_list(frame) && frame->key.data == NULL;

    if (skip(r, event)) {
        return;
    }
    if (is_end(event)) {
        close_container(r);
    } else if (wants_key && event->type == YAML_SCALAR_EVENT) {
        take_key(r, event);
    } else if (wants_key) {
        stop(r, place_of(&event->start_mark), "a key must be a single word");
    } else if (event->type == YAML_SCALAR_EVENT) {
        take_scalar(r, event);
    } else {
        open_container(r, event, event->type == YAML_SEQUENCE_START_EVENT);
    }
}

static void take_event(struct reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_STREAM_END_EVENT:
        r->is_over = true;
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (++r->documents > 1) {
            stop(r, place_of(&event->start_mark), "only one document is allowed");
        }
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    case YAML_ALIAS_EVENT:
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_MAPPING_END_EVENT:
        check_decoration(r, event);
        if (!r->is_over) {
            take_node(r, event);
        }
        break;
    }
}

/* A document without any node is an empty one. */
static void add_root(struct hf_conf *conf)
{
    if (conf->root != NULL || conf->errors_count > 0) {
        return;
    }
    conf->root = conf_node_new(conf, NULL, NULL, HF_SLICE_EMPTY);
    if (conf->root != NULL) {
        conf->root->line = 1;
        conf->root->column = 1;
        conf_fill(conf, conf->root);
    }
}

void conf_read(struct hf_conf *conf, hf_slice yaml)
{
    struct reader r = {.conf = conf};
    yaml_parser_t parser;
    yaml_event_t event;

    if (yaml_parser_initialize(&parser) == 0) {
        conf_error(conf, (struct conf_place){1, 1}, "out of memory");
        return;
    }
    yaml_parser_set_input_string(
        &parser, yaml.data != NULL ? yaml.data : (const yaml_char_t *)"", yaml.bytes);
    while (!r.is_over) {
        if (yaml_parser_parse(&parser, &event) == 0) {
            conf_error(conf, place_of(&parser.problem_mark), "not YAML: %.100s",
                       parser.problem != NULL ? parser.problem : "unreadable");
            break;
        }
        take_event(&r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    add_root(conf);
}
