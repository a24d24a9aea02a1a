#include "lib/base/arena.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN       16
#define ARENA_BLOCK_BYTES 4096 /* of storage in an ordinary block */

struct hf_arena_block {
    struct hf_arena_block *next; /* older, except that reset keeps the oldest */
    size_t used;
    size_t bytes;
    _Alignas(ARENA_ALIGN) uint8_t storage[];
};

/* The newest block is first; it is the only one that is filled. */
static struct hf_arena_block *add_block(struct hf_arena *arena, size_t bytes)
{
    struct hf_arena_block *block;

    if (bytes < ARENA_BLOCK_BYTES) {
        bytes = ARENA_BLOCK_BYTES;
    }
    block = malloc(sizeof *block + bytes);
    if (block == NULL) {
        return NULL;
    }
    block->used = 0;
    block->bytes = bytes;
    block->next = arena->first;
    arena->first = block;
    return block;
}

void hf_arena_init(struct hf_arena *arena, size_t bytes_max)
{
    hf_check(bytes_max > 0);

    *arena = (struct hf_arena){.bytes_max = bytes_max};
}

void hf_arena_fini(struct hf_arena *arena)
{
    while (arena->first != NULL) {
        struct hf_arena_block *block = arena->first;

        arena->first = block->next;
        free(block);
    }
    arena->used_bytes = 0;
}

void hf_arena_reset(struct hf_arena *arena)
{
    while (arena->first != NULL && arena->first->next != NULL) {
        struct hf_arena_block *block = arena->first;

        arena->first = block->next;
        free(block);
    }
    if (arena->first != NULL) {
        arena->first->used = 0;
    }
    arena->used_bytes = 0;
}

void *hf_arena_get(struct hf_arena *arena, size_t bytes)
{
    struct hf_arena_block *block = arena->first;
    void *place;

    hf_check(arena->used_bytes <= arena->bytes_max);
    if (bytes > arena->bytes_max - arena->used_bytes || bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (block == NULL || bytes > block->bytes - block->used) {
        block = add_block(arena, bytes);
    }
    if (block == NULL) {
        return NULL;
    }
    place = block->storage + block->used;
    block->used += bytes;
    /* Rounding may pass a maximum that is no multiple of the alignment. */
    arena->used_bytes += bytes;
    if (arena->used_bytes > arena->bytes_max) {
        arena->used_bytes = arena->bytes_max;
    }
    return place;
}

hf_slice hf_arena_copy(struct hf_arena *arena, hf_slice bytes)
{
    uint8_t *copy = hf_arena_get(arena, bytes.bytes > 0 ? bytes.bytes : 1);

    if (copy == NULL) {
        return HF_SLICE_EMPTY;
    }
    if (bytes.bytes > 0) {
        memcpy(copy, bytes.data, bytes.bytes);
    }
    return (hf_slice){copy, bytes.bytes};
}
