/* Owns a configuration document: its memory, its errors, its accessors. */
#include "lib/io/conf_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_error(struct hf_conf *conf, struct conf_place place, const char *format,
                      va_list args)
{
    struct hf_conf_error *error;

    if (conf->errors_count == HF_CONF_ERRORS_MAX) {
        return;
    }
    error = &conf->errors[conf->errors_count++];
    error->line = place.line;
    error->column = place.column;
    vsnprintf(error->text, sizeof error->text, format, args);
}

void conf_error(struct hf_conf *conf, struct conf_place place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_error(conf, place, format, args);
    va_end(args);
}

void hf_conf_report(struct hf_conf *conf, const struct hf_conf_node *node,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_error(conf, (struct conf_place){node->line, node->column}, format, args);
    va_end(args);
}

static int compare_errors(const void *a, const void *b)
{
    const struct hf_conf_error *x = a;
    const struct hf_conf_error *y = b;

    if (x->line != y->line) {
        return x->line < y->line ? -1 : 1;
    }
    return x->column < y->column ? -1 : x->column > y->column;
}

hf_err hf_conf_parse(struct hf_conf *conf, hf_slice yaml)
{
    hf_check(conf->rows != NULL && conf->file != NULL);
    conf->root = NULL;
    conf->errors_count = 0;
    conf->memory = calloc(1, sizeof *conf->memory);
    if (conf->memory == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_arena_init(&conf->memory->arena, CONF_MEMORY_BYTES_MAX);
    if (yaml.bytes > HF_CONF_BYTES_MAX) {
        conf_error(conf, (struct conf_place){1, 1}, "larger than %u bytes",
                   HF_CONF_BYTES_MAX);
        return HF_ERR_INVALID;
    }
    conf_read(conf, yaml);
    if (conf->errors_count > 0) {
        qsort(conf->errors, conf->errors_count, sizeof conf->errors[0], compare_errors);
        return HF_ERR_INVALID;
    }
    return conf->root != NULL ? HF_OK : HF_ERR_NO_MEMORY;
}

void hf_conf_fini(struct hf_conf *conf)
{
    if (conf->memory != NULL) {
        hf_arena_fini(&conf->memory->arena);
        free(conf->memory);
    }
    conf->memory = NULL;
    conf->root = NULL;
}

const struct hf_conf_node *hf_conf_get(const struct hf_conf_node *map, const char *key)
{
    hf_slice wanted = hf_slice_of_cstr(key);
    const struct hf_conf_node *child;

    hf_check(map != NULL);
    child = map->children;
    while (child != NULL && !hf_slice_equal(child->name, wanted)) {
        child = child->next;
    }
    return child;
}

int64_t hf_conf_number(const struct hf_conf_node *map, const char *key)
{
    const struct hf_conf_node *node = hf_conf_get(map, key);

    hf_check(node != NULL);
    return node->number;
}

hf_slice hf_conf_text(const struct hf_conf_node *map, const char *key)
{
    const struct hf_conf_node *node = hf_conf_get(map, key);

    hf_check(node != NULL);
    return node->text;
}

hf_err hf_conf_render_errors(const struct hf_conf *conf, struct hf_buf *out)
{
    hf_err err = HF_OK;

    for (size_t i = 0; i < conf->errors_count && err == HF_OK; i++) {
        const struct hf_conf_error *error = &conf->errors[i];

        err = hf_buf_printf(out, "%s:%u:%u: %s\n", conf->file, error->line,
                            error->column, error->text);
    }
    return err;
}
