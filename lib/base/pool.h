/* A pool of equal-sized objects with a limit, taken at start. Memory is reserved at
 * once but untouched pages are not resident, so a large limit costs nothing until used.
 * Objects keep their address. Freed objects are reused last-in first-out. */
#ifndef HF_BASE_POOL_H
#define HF_BASE_POOL_H

#include "lib/base/check.h"
#include "lib/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct hf_pool {
    uint8_t *storage;
    size_t object_bytes; /* rounded up to a multiple of 8 */
    uint32_t count;      /* in use */
    uint32_t count_max;
    uint32_t fresh;      /* objects from here on were never used */
    uint32_t free_first; /* 1-based index of the first freed object; 0 = none */
};

HF_MUST_USE hf_err hf_pool_init(struct hf_pool *pool, size_t object_bytes,
                                uint32_t count_max);
void hf_pool_fini(struct hf_pool *pool);
/* Zeroed object, or NULL when the limit is reached. */
void *hf_pool_get(struct hf_pool *pool);
void hf_pool_put(struct hf_pool *pool, void *object);
/* 1-based stable index of an object; 0 stands for none. */
uint32_t hf_pool_index(const struct hf_pool *pool, const void *object);
/* NULL for 0. */
static inline void *hf_pool_at(const struct hf_pool *pool, uint32_t index)
{
    hf_check(index <= pool->fresh);
    return index == 0 ? NULL : pool->storage + (size_t)(index - 1) * pool->object_bytes;
}

#endif
