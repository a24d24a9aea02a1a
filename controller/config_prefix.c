/* Owns what UrlPrefixes may not do together: claim the same URLs, or speak http and
 * https on one port (FEATURES.md 1.1). What a frontend would refuse is refused here,
 * where the file and line are known. */
#include "controller/config_parts.h"

#include "lib/base/prefix.h"

#include <stdlib.h>
#include <string.h>

/* bucket, scheme, port, whether case matters, length of the host */
#define KEY_BYTES 6u

static uint8_t folded(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b;
}

/* Equal for prefixes that claim the same URLs. */
static hf_slice key_of(struct ct_reading *r, const struct prefix *p, bool is_sensitive)
{
    size_t bytes = KEY_BYTES + p->host_bytes + p->path.bytes;
    uint8_t *key = ct_config_array(r, 1, bytes);
    uint8_t *path;

    if (key == NULL) {
        return HF_SLICE_EMPTY;
    }
    key[0] = (uint8_t)(p->port >> 8);
    key[1] = (uint8_t)p->port;
    key[2] = p->is_https;
    key[3] = (uint8_t)p->bucket;
    key[4] = is_sensitive;
    key[5] = p->host_bytes;
    memcpy(key + KEY_BYTES, p->host, p->host_bytes);
    path = key + KEY_BYTES + p->host_bytes;
    for (size_t i = 0; i < p->path.bytes; i++) {
        path[i] = is_sensitive ? p->path.data[i] : folded(p->path.data[i]);
    }
    return hf_slice_of(key, bytes);
}

static void report_syntax(struct ct_reading *r, const struct hf_conf_node *at,
                          const struct prefix_error *error)
{
    hf_conf_report(
        r->conf, at, "prefixes: %s \"%.*s\": %s", prefix_part_name(error->part),
        (int)(error->text.bytes < 64 ? error->text.bytes : 64),
        error->text.bytes > 0 ? (const char *)error->text.data : "", error->rule);
}

/* Adds the prefixes of one group to r->names; how many there are now. */
static size_t group_read(struct ct_reading *r, const struct hf_conf_node *group,
                         size_t count)
{
    const struct hf_conf_node *mode = hf_conf_get(group, "path_case");
    bool is_sensitive =
        mode != NULL && hf_slice_equal(mode->text, HF_SLICE("sensitive"));

    for (const struct hf_conf_node *at = hf_conf_get(group, "prefixes")->children;
         at != NULL; at = at->next) {
        struct prefix prefix;
        struct prefix_error error;

        if (prefix_parse(at->text, &prefix, &error) != HF_OK) {
            report_syntax(r, at, &error);
        } else if (count == CT_PREFIXES_MAX) {
            hf_conf_report(r->conf, at, "prefixes: more than %d in all",
                           CT_PREFIXES_MAX);
            return count;
        } else {
            r->names[count++] = (struct ct_name){key_of(r, &prefix, is_sensitive), at};
        }
    }
    return count;
}

static bool is_mixed(hf_slice left, hf_slice right)
{
    return left.bytes > 2 && right.bytes > 2 && memcmp(left.data, right.data, 2) == 0 &&
           left.data[2] != right.data[2];
}

void ct_config_check_prefixes(struct ct_reading *r)
{
    const struct hf_conf_node *groups = hf_conf_get(r->conf->root, "url_groups");
    size_t count = 0;

    for (const struct hf_conf_node *group = groups == NULL ? NULL : groups->children;
         group != NULL; group = group->next) {
        count = group_read(r, group, count);
    }
    qsort(r->names, count, sizeof *r->names, ct_config_compare_names);
    for (size_t i = 1; i < count; i++) {
        const struct ct_name *before = &r->names[i - 1];
        const struct ct_name *name = &r->names[i];

        if (hf_slice_equal(before->text, name->text)) {
            hf_conf_report(r->conf, name->node,
                           "prefixes: \"%.*s\" is taken by line %u",
                           (int)name->node->text.bytes,
                           (const char *)name->node->text.data, before->node->line);
        } else if (is_mixed(before->text, name->text)) {
            hf_conf_report(r->conf, name->node,
                           "prefixes: \"%.*s\": line %u has the other scheme on this "
                           "port",
                           (int)name->node->text.bytes,
                           (const char *)name->node->text.data, before->node->line);
        }
    }
}
