#include "lib/base/pool.h"

#include <stdlib.h>
#include <string.h>

/* A freed object holds the index of the next freed one in its first four bytes. */
static uint8_t *object_at(const struct hf_pool *pool, uint32_t index)
{
    return pool->storage + (size_t)(index - 1) * pool->object_bytes;
}

hf_err hf_pool_init(struct hf_pool *pool, size_t object_bytes, uint32_t count_max)
{
    hf_check(object_bytes > 0);
    hf_check(object_bytes < SIZE_MAX - 8);

    *pool = (struct hf_pool){
        .object_bytes = (object_bytes + 7) / 8 * 8,
        .count_max = count_max,
    };
    pool->storage = calloc(count_max > 0 ? count_max : 1, pool->object_bytes);
    return pool->storage == NULL ? HF_ERR_NO_MEMORY : HF_OK;
}

void hf_pool_fini(struct hf_pool *pool)
{
    free(pool->storage);
    *pool = (struct hf_pool){0};
}

void *hf_pool_get(struct hf_pool *pool)
{
    uint32_t index = pool->free_first;
    uint8_t *object;

    hf_check(pool->storage != NULL);
    if (pool->count == pool->count_max) {
        return NULL;
    }
    pool->count++;
    if (index == 0) {
        hf_check(pool->fresh < pool->count_max);
        return object_at(pool, ++pool->fresh);
    }
    object = object_at(pool, index);
    memcpy(&pool->free_first, object, sizeof pool->free_first);
    memset(object, 0, pool->object_bytes);
    return object;
}

void hf_pool_put(struct hf_pool *pool, void *object)
{
    uint32_t index = hf_pool_index(pool, object);

    hf_check(index != 0);
    hf_check(pool->count > 0);

    memcpy(object, &pool->free_first, sizeof pool->free_first);
    pool->free_first = index;
    pool->count--;
}

uint32_t hf_pool_index(const struct hf_pool *pool, const void *object)
{
    size_t offset;

    if (object == NULL) {
        return 0;
    }
    hf_check((const uint8_t *)object >= pool->storage);
    offset = (size_t)((const uint8_t *)object - pool->storage);
    hf_check(offset % pool->object_bytes == 0);
    hf_check(offset / pool->object_bytes < pool->fresh);
    return (uint32_t)(offset / pool->object_bytes) + 1;
}
