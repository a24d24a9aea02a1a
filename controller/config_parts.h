/* What the files of the configuration share: the document being read. */
#ifndef HF_CONTROLLER_CONFIG_PARTS_H
#define HF_CONTROLLER_CONFIG_PARTS_H

#include "controller/config.h"

/* A name and the node it came from, sorted to find doubles and references. */
struct ct_name {
    hf_slice text;
    const struct hf_conf_node *node;
};

struct ct_reading {
    struct hf_conf *conf;
    struct ct_config *config;
    struct ct_name *names; /* scratch for CT_PREFIXES_MAX */
};

/* Copies with a final NUL; stops the reading (conf error) without memory. */
const char *ct_config_copy(struct ct_reading *r, const struct hf_conf_node *node);
/* The text of a key, NULL when it is absent. */
const char *ct_config_text(struct ct_reading *r, const struct hf_conf_node *map,
                           const char *key);
struct ct_texts ct_config_texts(struct ct_reading *r, const struct hf_conf_node *map,
                                const char *key);
void *ct_config_array(struct ct_reading *r, size_t count, size_t bytes);
/* For qsort of names: by text, then by line. */
int ct_config_compare_names(const void *left, const void *right);

/* config_check.c: what the table cannot say. All findings are reported, none stops. */
void ct_config_check(struct ct_reading *r);
/* config_prefix.c: syntax and collisions of UrlPrefixes. */
void ct_config_check_prefixes(struct ct_reading *r);
void ct_config_pool_read(struct ct_reading *r, const struct hf_conf_node *node,
                         struct ct_pool_config *out);

#endif
