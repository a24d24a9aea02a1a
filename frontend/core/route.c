#include "frontend/core/route.h"

#include "lib/base/arena.h"

#include <stdlib.h>
#include <string.h>

#define NODE_INLINE_BYTES 40u

/* A node of the path tree of one site: one cache line with its text in it, unless that
 * is long. The root of a site has parent 0 and holds the key of the site instead of a
 * segment. Node 0 is unused, so index 0 means "empty slot". Texts are folded below a
 * site whose paths are not case-sensitive. */
struct node {
    uint32_t text_bytes; /* above NODE_INLINE_BYTES: text is `far` */
    uint32_t parent;
    uint32_t hash;
    uint32_t group; /* ROUTE_NONE: only on the way to others */
    uint32_t entry; /* which entry set the group */
    union {
        uint8_t near[NODE_INLINE_BYTES];
        const uint8_t *far;
    } text;
};

/* The hash stands in the slot, so that a probe touches a node only to confirm a find.
 */
struct slot {
    uint32_t hash;
    uint32_t node; /* 0: free */
};

struct route_table {
    struct hf_arena texts;
    struct node *nodes;
    uint32_t nodes_count;
    uint32_t nodes_max;
    struct slot *slots; /* open addressing */
    uint32_t slots_count;
    uint64_t seed;
    bool has_sensitive;            /* else such sites are not looked for */
    unsigned buckets;              /* 1 << prefix_bucket of those that have entries */
    uint8_t scheme_of_port[65536]; /* 0 none, 1 http, 2 https */
};

/* Bytes of a site key: bucket, scheme, port, host. Prefixes whose case matters make a
 * site of their own beside that of the others. */
#define SITE_IS_SENSITIVE 0x80u
#define SITE_BYTES_MAX    (4u + PREFIX_HOST_BYTES_MAX + 1u)

struct site {
    uint8_t bytes[SITE_BYTES_MAX];
    size_t count;
};

static uint8_t folded(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b;
}

/* FNV-1a over the folded bytes, seeded by table and parent, with a final mix so that
 * neighbouring parents do not cluster. */
static uint32_t hash_of(const struct route_table *t, uint32_t parent, hf_slice text,
                        bool is_folded)
{
    uint64_t h = (t->seed ^ 0xcbf29ce484222325u) + parent * 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < text.bytes; i++) {
        h = (h ^ (is_folded ? folded(text.data[i]) : text.data[i])) * 0x100000001b3u;
    }
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

static bool is_same(const struct node *n, uint32_t parent, hf_slice text,
                    bool is_folded)
{
    const uint8_t *mine;

    if (n->parent != parent || n->text_bytes != text.bytes) {
        return false;
    }
    mine = text.bytes > NODE_INLINE_BYTES ? n->text.far : n->text.near;
    for (size_t i = 0; i < text.bytes; i++) {
        if (mine[i] != (is_folded ? folded(text.data[i]) : text.data[i])) {
            return false;
        }
    }
    return true;
}

/* The slot where (parent, text) is or would be. */
static uint32_t slot_of(const struct route_table *t, uint32_t parent, hf_slice text,
                        uint32_t hash, bool is_folded)
{
    uint32_t mask = t->slots_count - 1;
    uint32_t slot = hash & mask;

    while (t->slots[slot].node != 0) {
        if (t->slots[slot].hash == hash &&
            is_same(&t->nodes[t->slots[slot].node], parent, text, is_folded)) {
            break;
        }
        slot = (slot + 1) & mask;
    }
    return slot;
}

/* The node, or 0. */
static uint32_t find(const struct route_table *t, uint32_t parent, hf_slice text,
                     bool is_folded)
{
    uint32_t hash = hash_of(t, parent, text, is_folded);

    return t->slots[slot_of(t, parent, text, hash, is_folded)].node;
}

static bool slots_double(struct route_table *t)
{
    uint32_t count = t->slots_count == 0 ? 64 : t->slots_count * 2;
    struct slot *slots = calloc(count, sizeof *slots);

    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 1; i < t->nodes_count; i++) {
        uint32_t slot = t->nodes[i].hash & (count - 1);

        while (slots[slot].node != 0) {
            slot = (slot + 1) & (count - 1);
        }
        slots[slot] = (struct slot){t->nodes[i].hash, i};
    }
    free(t->slots);
    t->slots = slots;
    t->slots_count = count;
    return true;
}

static bool nodes_double(struct route_table *t)
{
    uint32_t max = t->nodes_max == 0 ? 32 : t->nodes_max * 2;
    struct node *nodes = realloc(t->nodes, max * sizeof *nodes);

    if (nodes == NULL) {
        return false;
    }
    t->nodes = nodes;
    t->nodes_max = max;
    return true;
}

static bool make_room(struct route_table *t)
{
    if (t->nodes_count == t->nodes_max && !nodes_double(t)) {
        return false;
    }
    /* At most half full, so that probes stay short. */
    return t->nodes_count * 2u < t->slots_count || slots_double(t);
}

/* Stores the text in the node, or beside it; false without memory. */
static bool text_keep(struct route_table *t, struct node *n, hf_slice text,
                      bool is_folded)
{
    uint8_t *copy = n->text.near;

    if (text.bytes > NODE_INLINE_BYTES) {
        copy = hf_arena_get(&t->texts, text.bytes);
        n->text.far = copy;
    }
    for (size_t i = 0; copy != NULL && i < text.bytes; i++) {
        copy[i] = is_folded ? folded(text.data[i]) : text.data[i];
    }
    return copy != NULL;
}

static hf_err find_or_add(struct route_table *t, uint32_t parent, hf_slice text,
                          bool is_folded, uint32_t *out)
{
    uint32_t hash = hash_of(t, parent, text, is_folded);
    uint32_t slot;
    struct node *n;

    if (!make_room(t)) {
        return HF_ERR_NO_MEMORY;
    }
    slot = slot_of(t, parent, text, hash, is_folded);
    if (t->slots[slot].node == 0) {
        n = &t->nodes[t->nodes_count];
        *n = (struct node){(uint32_t)text.bytes, parent, hash, ROUTE_NONE, 0, {{0}}};
        if (!text_keep(t, n, text, is_folded)) {
            return HF_ERR_NO_MEMORY;
        }
        t->slots[slot] = (struct slot){hash, t->nodes_count++};
    }
    *out = t->slots[slot].node;
    return HF_OK;
}

static hf_slice site_key(enum prefix_bucket bucket, bool is_https, uint16_t port,
                         hf_slice host, struct site *out)
{
    hf_check(host.bytes <= PREFIX_HOST_BYTES_MAX + 1);

    out->bytes[0] = (uint8_t)bucket;
    out->bytes[1] = is_https;
    out->bytes[2] = (uint8_t)(port >> 8);
    out->bytes[3] = (uint8_t)port;
    if (host.bytes > 0) {
        memcpy(out->bytes + 4, host.data, host.bytes);
    }
    return hf_slice_of(out->bytes, 4 + host.bytes);
}

/* One segment of a path from *at, which stands after a `/`; false at the end. A path
 * that does not end in `/` ends in a segment as well. */
static bool next_segment(hf_slice path, size_t *at, hf_slice *out)
{
    hf_slice rest = hf_slice_skip(path, *at);

    if (rest.bytes == 0) {
        return false;
    }
    *out = hf_slice_first(rest, hf_slice_find(rest, '/'));
    *at += out->bytes + 1;
    return true;
}

static hf_err fault(struct route_error *error, enum route_fault what, uint32_t index,
                    uint32_t other)
{
    error->fault = what;
    error->index = index;
    error->other_index = other;
    return what == ROUTE_TOO_MANY ? HF_ERR_TOO_BIG : HF_ERR_INVALID;
}

/* An entry on the same port with the other scheme: one must exist. */
static uint32_t other_scheme(const struct route_entry *entries, uint32_t index,
                             const struct prefix *mine)
{
    for (uint32_t i = 0; i < index; i++) {
        struct prefix p;
        struct prefix_error unused;

        if (prefix_parse(entries[i].text, &p, &unused) == HF_OK &&
            p.port == mine->port && p.is_https != mine->is_https) {
            return i;
        }
    }
    return index;
}

static hf_err add_path(struct route_table *t, const struct prefix *p, bool is_sensitive,
                       uint32_t *node)
{
    struct site site;
    hf_slice host = hf_slice_of(p->host, p->host_bytes);
    hf_slice key = site_key(p->bucket, p->is_https, p->port, host, &site);
    hf_slice segment;
    size_t at = 1;
    size_t segments = 0;
    hf_err err;

    site.bytes[0] |= is_sensitive ? SITE_IS_SENSITIVE : 0;
    err = find_or_add(t, 0, key, false, node);
    while (err == HF_OK && next_segment(p->path, &at, &segment)) {
        segments++;
        err = segments > ROUTE_SEGMENTS_MAX
                  ? HF_ERR_TOO_BIG
                  : find_or_add(t, *node, segment, !is_sensitive, node);
    }
    return err;
}

static hf_err add_entry(struct route_table *t, const struct route_entry *entries,
                        uint32_t index, struct route_error *error)
{
    struct prefix p;
    uint32_t node;
    hf_err err;

    hf_check(entries[index].group != ROUTE_NONE);

    if (prefix_parse(entries[index].text, &p, &error->prefix) != HF_OK) {
        return fault(error, ROUTE_BAD_PREFIX, index, index);
    }
    if (t->scheme_of_port[p.port] == (p.is_https ? 1 : 2)) {
        return fault(error, ROUTE_MIXED_SCHEME, index,
                     other_scheme(entries, index, &p));
    }
    t->scheme_of_port[p.port] = p.is_https ? 2 : 1;
    t->buckets |= 1u << p.bucket;
    t->has_sensitive |= entries[index].is_case_sensitive;
    err = add_path(t, &p, entries[index].is_case_sensitive, &node);
    if (err == HF_ERR_TOO_BIG) {
        return fault(error, ROUTE_TOO_MANY, index, index);
    }
    if (err == HF_OK && t->nodes[node].group != ROUTE_NONE) {
        return fault(error, ROUTE_DUPLICATE, index, t->nodes[node].entry);
    }
    if (err == HF_OK) {
        t->nodes[node].group = entries[index].group;
        t->nodes[node].entry = index;
    }
    return err;
}

hf_err route_build(const struct route_entry *entries, size_t count,
                   struct route_options options, struct route_table **out,
                   struct route_error *error)
{
    struct route_table *t;
    hf_err err;

    hf_check(out != NULL);
    hf_check(error != NULL);

    if (count > ROUTE_PREFIXES_MAX) {
        return fault(error, ROUTE_TOO_MANY, ROUTE_PREFIXES_MAX, ROUTE_PREFIXES_MAX);
    }
    t = calloc(1, sizeof *t);
    if (t == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_arena_init(&t->texts, SIZE_MAX / 2);
    t->seed = options.seed;
    t->nodes_count = 1;
    err = nodes_double(t) && slots_double(t) ? HF_OK : HF_ERR_NO_MEMORY;
    for (size_t i = 0; err == HF_OK && i < count; i++) {
        err = add_entry(t, entries, (uint32_t)i, error);
    }
    if (err != HF_OK) {
        route_free(t);
        return err;
    }
    *out = t;
    return HF_OK;
}

void route_free(struct route_table *table)
{
    if (table == NULL) {
        return;
    }
    hf_arena_fini(&table->texts);
    free(table->nodes);
    free(table->slots);
    free(table);
}

struct match {
    uint32_t group; /* ROUTE_NONE: none */
    size_t segments;
};

/* The longest prefix of `path` in one site. Stops at the first segment that no prefix
 * of the site has. */
static struct match site_lookup(const struct route_table *t, hf_slice key,
                                hf_slice path, bool is_folded)
{
    uint32_t node = find(t, 0, key, false);
    struct match best = {ROUTE_NONE, 0};
    hf_slice segment;
    size_t at = 1;

    for (size_t segments = 0; node != 0; segments++) {
        if (t->nodes[node].group != ROUTE_NONE) {
            best = (struct match){t->nodes[node].group, segments};
        }
        if (!next_segment(path, &at, &segment)) {
            break;
        }
        node = find(t, node, segment, is_folded);
    }
    return best;
}

/* Of two prefixes of one length, the one whose case matters says more. */
static uint32_t bucket_lookup(const struct route_table *t, const struct route_query *q,
                              enum prefix_bucket bucket, hf_slice host)
{
    struct site site;
    struct match best;
    struct match exact;
    hf_slice key;

    if ((t->buckets & 1u << bucket) == 0) {
        return ROUTE_NONE;
    }
    key = site_key(bucket, q->is_https, q->port, host, &site);
    best = site_lookup(t, key, q->path, true);
    if (!t->has_sensitive) {
        return best.group;
    }
    site.bytes[0] |= SITE_IS_SENSITIVE;
    exact = site_lookup(t, key, q->path, false);
    return exact.group != ROUTE_NONE && exact.segments >= best.segments ? exact.group
                                                                        : best.group;
}

/* Exact host, then every `*.suffix` from the longest on. */
static uint32_t explicit_lookup(const struct route_table *t,
                                const struct route_query *q)
{
    hf_slice rest = q->host;
    uint32_t group;

    if (rest.bytes == 0 || rest.bytes > PREFIX_HOST_BYTES_MAX) {
        return ROUTE_NONE;
    }
    group = bucket_lookup(t, q, PREFIX_EXPLICIT, rest);
    while (group == ROUTE_NONE && (t->buckets & 1u << PREFIX_SUFFIX) != 0 &&
           rest.bytes > 0) {
        rest = hf_slice_skip(rest, hf_slice_find(rest, '.') + 1);
        if (rest.bytes > 0) {
            group = bucket_lookup(t, q, PREFIX_SUFFIX, rest);
        }
    }
    return group;
}

uint32_t route_lookup(const struct route_table *table, const struct route_query *query)
{
    uint32_t group;

    hf_check(table != NULL);
    hf_check(query != NULL);

    if (query->path.bytes == 0 || query->path.data[0] != '/') {
        return ROUTE_NONE;
    }
    group = bucket_lookup(table, query, PREFIX_STRONG, HF_SLICE_EMPTY);
    if (group == ROUTE_NONE) {
        group = explicit_lookup(table, query);
    }
    if (group == ROUTE_NONE) {
        group = bucket_lookup(table, query, PREFIX_IP,
                              hf_slice_of(query->local_address, 16));
    }
    return group != ROUTE_NONE
               ? group
               : bucket_lookup(table, query, PREFIX_WEAK, HF_SLICE_EMPTY);
}

size_t route_bytes(const struct route_table *table)
{
    hf_check(table != NULL);

    return sizeof *table + table->texts.used_bytes +
           table->nodes_max * sizeof *table->nodes +
           table->slots_count * sizeof *table->slots;
}
