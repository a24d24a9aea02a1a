/* Memory that is freed all at once: a chain of blocks with a hard maximum. */
#ifndef HF_BASE_ARENA_H
#define HF_BASE_ARENA_H

#include "lib/base/check.h"
#include "lib/base/slice.h"

struct hf_arena_block;

struct hf_arena {
    struct hf_arena_block *first;
    size_t used_bytes;
    size_t bytes_max;
};

void hf_arena_init(struct hf_arena *arena, size_t bytes_max);
void hf_arena_fini(struct hf_arena *arena);
/* Keeps the first block for reuse. */
void hf_arena_reset(struct hf_arena *arena);
/* 16-byte aligned, not zeroed; NULL past the maximum or without memory. */
void *hf_arena_get(struct hf_arena *arena, size_t bytes);
/* A copy that lives as long as the arena; data NULL on failure (an empty slice copies
 * to a non-NULL empty one). */
hf_slice hf_arena_copy(struct hf_arena *arena, hf_slice bytes);

#endif
