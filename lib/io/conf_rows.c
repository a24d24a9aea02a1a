/* Owns the relation between the table of keys and the tree of nodes. */
#include "lib/io/conf_parts.h"

#include <string.h>

#define WORK_MAX 256

static hf_slice parent_path(const struct hf_conf_row *parent)
{
    return parent != NULL ? hf_slice_of_cstr(parent->path) : HF_SLICE_EMPTY;
}

hf_slice conf_row_key(const struct hf_conf_row *row, const struct hf_conf_row *parent)
{
    hf_slice path = hf_slice_of_cstr(row->path);
    hf_slice above = parent_path(parent);
    hf_slice key = path;

    if (parent != NULL) {
        if (!hf_slice_starts_with(path, above) || path.bytes <= above.bytes + 1 ||
            path.data[above.bytes] != '.') {
            return HF_SLICE_EMPTY;
        }
        key = hf_slice_skip(path, above.bytes + 1);
    }
    if (hf_slice_find(key, '.') != key.bytes || hf_slice_find(key, '[') != key.bytes) {
        return HF_SLICE_EMPTY;
    }
    return key;
}

static bool is_element_row(const struct hf_conf_row *row,
                           const struct hf_conf_row *list)
{
    hf_slice path = hf_slice_of_cstr(row->path);
    hf_slice above = parent_path(list);

    return path.bytes == above.bytes + 2 && hf_slice_starts_with(path, above) &&
           memcmp(path.data + above.bytes, "[]", 2) == 0;
}

const struct hf_conf_row *conf_row_below(const struct hf_conf *conf,
                                         const struct hf_conf_row *parent, hf_slice key,
                                         bool is_list)
{
    const struct hf_conf_row *any = NULL;

    for (size_t i = 0; i < conf->rows_count; i++) {
        const struct hf_conf_row *row = &conf->rows[i];
        hf_slice own;

        if (is_list && is_element_row(row, parent)) {
            return row;
        }
        own = is_list ? HF_SLICE_EMPTY : conf_row_key(row, parent);
        if (own.bytes == 0) {
            continue;
        }
        if (hf_slice_equal(own, HF_SLICE("*"))) {
            any = row;
        } else if (hf_slice_equal(own, key)) {
            return row;
        }
    }
    return any;
}

struct hf_conf_node *conf_node_new(struct hf_conf *conf, struct hf_conf_node *parent,
                                   const struct hf_conf_row *row, hf_slice name)
{
    struct hf_conf_node *node = hf_arena_get(&conf->memory->arena, sizeof *node);

    if (node == NULL) {
        return NULL;
    }
    memset(node, 0, sizeof *node);
    node->row = row;
    node->name = name;
    if (parent == NULL) {
        return node;
    }
    node->line = parent->line;
    node->column = parent->column;
    if (parent->last != NULL) {
        parent->last->next = node;
    } else {
        parent->children = node;
    }
    parent->last = node;
    parent->children_count++;
    return node;
}

static const struct hf_conf_node *find_child(const struct hf_conf_node *map,
                                             hf_slice key)
{
    const struct hf_conf_node *child = map->children;

    while (child != NULL && !hf_slice_equal(child->name, key)) {
        child = child->next;
    }
    return child;
}

static bool has_required_below(const struct hf_conf *conf,
                               const struct hf_conf_row *row)
{
    for (size_t i = 0; i < conf->rows_count; i++) {
        hf_slice key = conf_row_key(&conf->rows[i], row);

        if (key.bytes > 0 && conf->rows[i].is_required &&
            !hf_slice_equal(key, HF_SLICE("*"))) {
            return true;
        }
    }
    return false;
}

/* The default for an absent key, or NULL when there is none. */
static struct hf_conf_node *add_default(struct hf_conf *conf, struct hf_conf_node *map,
                                        const struct hf_conf_row *row, hf_slice key)
{
    bool is_container = row->type == HF_CONF_LIST || row->type == HF_CONF_MAP;
    struct hf_conf_node *node;

    if (row->is_required) {
        conf_error(conf, (struct conf_place){map->line, map->column},
                   "missing key \"%.*s\": %s", (int)key.bytes, (const char *)key.data,
                   row->help != NULL ? row->help : "");
        return NULL;
    }
    if ((!is_container && row->fallback == NULL) ||
        (row->type == HF_CONF_MAP && has_required_below(conf, row))) {
        return NULL;
    }
    node = conf_node_new(conf, map, row, key);
    if (node == NULL) {
        conf_error(conf, (struct conf_place){map->line, map->column}, "out of memory");
        return NULL;
    }
    node->is_default = true;
    if (!is_container) {
        node->text = hf_slice_of_cstr(row->fallback);
        conf_judge_scalar(conf, node);
    }
    return node;
}

void conf_fill(struct hf_conf *conf, struct hf_conf_node *map)
{
    struct hf_conf_node *work[WORK_MAX] = {map};
    size_t work_count = 1;

    while (work_count > 0) {
        struct hf_conf_node *at = work[--work_count];

        for (size_t i = 0; i < conf->rows_count; i++) {
            const struct hf_conf_row *row = &conf->rows[i];
            hf_slice key = conf_row_key(row, at->row);
            struct hf_conf_node *node;

            if (key.bytes == 0 || hf_slice_equal(key, HF_SLICE("*")) ||
                find_child(at, key) != NULL) {
                continue;
            }
            node = add_default(conf, at, row, key);
            if (node != NULL && row->type == HF_CONF_MAP) {
                hf_check(work_count < WORK_MAX);
                work[work_count++] = node;
            }
        }
    }
}
