/* Configuration documents: YAML read against one table of keys.
 *
 * The caller's table says which keys exist, their types, limits and defaults; the
 * document becomes a tree in which every scalar with a default is present. Anchors,
 * aliases, merge keys, tags, duplicate and unknown keys are refused; errors name file,
 * line, column, key and what was expected. The same table renders the reference
 * documentation. */
#ifndef HF_IO_CONF_H
#define HF_IO_CONF_H

#include "lib/base/buf.h"

enum hf_conf_type {
    HF_CONF_TEXT,
    HF_CONF_ENUM,
    HF_CONF_DURATION, /* number: milliseconds */
    HF_CONF_BYTES,    /* number: bytes */
    HF_CONF_INT,
    HF_CONF_BOOL, /* number: 0 or 1 */
    HF_CONF_LIST, /* elements are the row at path "x[]" */
    HF_CONF_MAP   /* keys are the rows below: "x.key", or "x.*" for names of the user */
};

/* Paths: "queues", "queues[]", "queues[].name", "pools.*.env.*". Each LIST or MAP has
 * its own row. The root mapping has none. */
struct hf_conf_row {
    const char *path;
    enum hf_conf_type type;
    const char *fallback; /* default as written in YAML, NULL = none */
    int64_t min;          /* of the number, or of the text's bytes or list's elements */
    int64_t max;          /* 0 with min 0 = unlimited within the document's bound */
    bool is_required;
    const char *choices; /* ENUM: "memory|lazy|strict" */
    const char *help;
};

struct hf_conf_node {
    const struct hf_conf_row *row; /* NULL at the root */
    hf_slice name;                 /* key in its mapping; empty in a list */
    hf_slice text;                 /* scalar as written; lives with the document */
    int64_t number;                /* also the index of an ENUM's choice */
    uint32_t line;                 /* 1-based; the parent's for a default */
    uint32_t column;
    bool is_default;
    struct hf_conf_node *children; /* in order of the document, defaults last */
    struct hf_conf_node *last;     /* of the children */
    struct hf_conf_node *next;
    size_t children_count;
};

#define HF_CONF_ERRORS_MAX     16
#define HF_CONF_KEYS_MAX       16384 /* of one mapping */
#define HF_CONF_BYTES_MAX      (4u << 20)
#define HF_CONF_DEPTH_MAX      16
#define HF_CONF_ERROR_TEXT_MAX 320

struct hf_conf_error {
    uint32_t line;
    uint32_t column;
    char text[HF_CONF_ERROR_TEXT_MAX];
};

struct hf_conf {
    const char *file; /* name for messages; the caller's */
    const struct hf_conf_row *rows;
    size_t rows_count;
    struct hf_conf_node *root; /* NULL when refused */
    struct hf_conf_error errors[HF_CONF_ERRORS_MAX];
    size_t errors_count;
    struct hf_conf_memory *memory;
};

/* Fills *conf from YAML bytes. INVALID: errors[] say why (also for a semantic mistake);
 * call hf_conf_fini in every case. `conf` needs no initialisation but rows, rows_count
 * and file. */
HF_MUST_USE hf_err hf_conf_parse(struct hf_conf *conf, hf_slice yaml);
void hf_conf_fini(struct hf_conf *conf);
/* Child of a mapping by key, or NULL. */
const struct hf_conf_node *hf_conf_get(const struct hf_conf_node *map, const char *key);
/* The values of children that have a default or are required: hf_check when absent. */
int64_t hf_conf_number(const struct hf_conf_node *map, const char *key);
hf_slice hf_conf_text(const struct hf_conf_node *map, const char *key);
/* Adds the caller's finding (a dangling reference) at `node`, so that all errors of a
 * file are shown together. */
void hf_conf_report(struct hf_conf *conf, const struct hf_conf_node *node,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "file:line:column: text\n" for each error. */
HF_MUST_USE hf_err hf_conf_render_errors(const struct hf_conf *conf,
                                         struct hf_buf *out);
/* The table as a Markdown reference. */
HF_MUST_USE hf_err hf_conf_render_reference(const struct hf_conf_row *rows,
                                            size_t rows_count, struct hf_buf *out);

#endif
