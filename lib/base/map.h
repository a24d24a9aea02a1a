/* A bounded hash map from bytes to a pointer, open addressing with linear probing.
 *
 * The map stores only pointers; the caller's callback says what key an element has.
 * Capacity is fixed at start (a power of two >= 2 * count_max), so a step never
 * allocates and never rehashes. A map for millions mostly holds hundreds, and its slots
 * would be a cache miss each: the first ones go to a near table of HF_MAP_NEAR_SLOTS,
 * the others to the far one. Iteration order must not reach any effect. */
#ifndef HF_BASE_MAP_H
#define HF_BASE_MAP_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

typedef hf_slice (*hf_map_key_fn)(const void *element);

#define HF_MAP_NEAR_SLOTS 4096

struct hf_map_table {
    void **slots;
    size_t slots_count; /* power of two; 0: no such table */
    size_t count;       /* at most half of them */
};

struct hf_map {
    struct hf_map_table near;
    struct hf_map_table far;
    size_t count;
    size_t count_max;
    hf_map_key_fn key_of;
    uint64_t seed;
};

HF_MUST_USE hf_err hf_map_init(struct hf_map *map, size_t count_max, uint64_t seed,
                               hf_map_key_fn key_of);
void hf_map_fini(struct hf_map *map);
/* HF_ERR_EXISTS when the key is in, HF_ERR_FULL at the limit. */
HF_MUST_USE hf_err hf_map_put(struct hf_map *map, void *element);
void *hf_map_get(const struct hf_map *map, hf_slice key); /* or NULL */
/* Returns the removed element, or NULL. */
void *hf_map_remove(struct hf_map *map, hf_slice key);
/* Elements in slot order: start with *cursor = 0, ends with NULL. Removing the element
 * just returned may repeat or skip others: collect first, then remove. */
void *hf_map_next(const struct hf_map *map, size_t *cursor);
/* Seeded, well mixed (for other tables of bytes). */
uint64_t hf_hash(hf_slice bytes, uint64_t seed);

#endif
