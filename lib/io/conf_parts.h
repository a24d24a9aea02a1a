/* Private to lib/io/conf*.c. */
#ifndef HF_IO_CONF_PARTS_H
#define HF_IO_CONF_PARTS_H

#include "lib/base/arena.h"
#include "lib/io/conf.h"

#define CONF_MEMORY_BYTES_MAX (64u << 20)
#define CONF_PATH_BYTES       256

struct hf_conf_memory {
    struct hf_arena arena;
};

struct conf_place {
    uint32_t line;
    uint32_t column;
};

/* conf.c */
void conf_error(struct hf_conf *conf, struct conf_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The dotted path of a key or element under `parent`, for messages. */
void conf_path(const struct hf_conf_node *parent, hf_slice key,
               char out[CONF_PATH_BYTES]);

/* conf_value.c: judges node->text against node->row and sets the number. */
void conf_judge_scalar(struct hf_conf *conf, struct hf_conf_node *node);
/* min and max of a list or map, judged at its end. */
void conf_judge_count(struct hf_conf *conf, const struct hf_conf_node *node);
/* Whether `got` is a likely slip for `known` (edit distance <= 2, and closer than half
 * its length). */
bool conf_is_near(hf_slice got, hf_slice known);

/* conf_rows.c */
/* The row for a key of a mapping, or for an element of a list (key empty). */
const struct hf_conf_row *conf_row_below(const struct hf_conf *conf,
                                         const struct hf_conf_row *parent, hf_slice key,
                                         bool is_list);
/* The fixed key of a direct child row of `parent`, or empty when it is none. */
hf_slice conf_row_key(const struct hf_conf_row *row, const struct hf_conf_row *parent);
/* Makes a node and appends it to its parent; NULL without memory. */
struct hf_conf_node *conf_node_new(struct hf_conf *conf, struct hf_conf_node *parent,
                                   const struct hf_conf_row *row, hf_slice name);
/* Adds what a mapping lacks: defaults, empty lists and maps; reports what is required.
 */
void conf_fill(struct hf_conf *conf, struct hf_conf_node *map);

/* conf_read.c */
void conf_read(struct hf_conf *conf, hf_slice yaml);

#endif
