#include "lib/base/map.h"

#include <stdlib.h>
#include <string.h>

static uint64_t load64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return value;
}

/* Both halves of a 64 by 64 bit product, folded: each input bit reaches many others. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd constants from the digits of pi and e, so nobody chose them. */
#define HASH_A UINT64_C(0x243f6a8885a308d3)
#define HASH_B UINT64_C(0x13198a2e03707345)
#define HASH_C UINT64_C(0xb7e151628aed2a6b)

uint64_t hf_hash(hf_slice bytes, uint64_t seed)
{
    uint64_t state = mix(seed ^ HASH_A, HASH_B ^ bytes.bytes);
    uint8_t tail[16] = {0};
    size_t left = bytes.bytes;
    const uint8_t *at = bytes.data;

    for (; left > 16; left -= 16, at += 16) {
        state = mix(load64(at) ^ HASH_C, load64(at + 8) ^ state);
    }
    if (left > 0) {
        memcpy(tail, at, left);
    }
    state = mix(load64(tail) ^ HASH_B, load64(tail + 8) ^ state);
    return mix(state ^ HASH_A, seed ^ HASH_C);
}

/* The slot of the key, or the free slot where it would go. A table is never more than
 * half full, so the loop ends. */
static size_t slot_of(const struct hf_map *map, const struct hf_map_table *table,
                      uint64_t hash, hf_slice key)
{
    size_t mask = table->slots_count - 1;
    size_t slot = (size_t)hash & mask;

    while (table->slots[slot] != NULL &&
           !hf_slice_equal(map->key_of(table->slots[slot]), key)) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static hf_err table_init(struct hf_map_table *table, size_t count_max)
{
    size_t slots_count = 8;

    while (slots_count < count_max * 2) {
        slots_count *= 2;
    }
    table->slots = calloc(slots_count, sizeof *table->slots);
    table->slots_count = slots_count;
    return table->slots == NULL ? HF_ERR_NO_MEMORY : HF_OK;
}

hf_err hf_map_init(struct hf_map *map, size_t count_max, uint64_t seed,
                   hf_map_key_fn key_of)
{
    bool is_small = count_max <= HF_MAP_NEAR_SLOTS / 2;
    hf_err err;

    hf_check(key_of != NULL);
    hf_check(count_max <= SIZE_MAX / 64);

    *map = (struct hf_map){.count_max = count_max, .key_of = key_of, .seed = seed};
    err = table_init(&map->near, is_small ? count_max : HF_MAP_NEAR_SLOTS / 2);
    if (err == HF_OK && !is_small) {
        err = table_init(&map->far, count_max);
    }
    if (err != HF_OK) {
        hf_map_fini(map);
    }
    return err;
}

void hf_map_fini(struct hf_map *map)
{
    free(map->near.slots);
    free(map->far.slots);
    *map = (struct hf_map){0};
}

/* The table and slot where the key is, or *table NULL. */
static size_t find(const struct hf_map *map, uint64_t hash, hf_slice key,
                   const struct hf_map_table **table)
{
    size_t slot = slot_of(map, &map->near, hash, key);

    *table = &map->near;
    if (map->near.slots[slot] == NULL) {
        *table = NULL;
        if (map->far.count > 0) {
            slot = slot_of(map, &map->far, hash, key);
            *table = map->far.slots[slot] == NULL ? NULL : &map->far;
        }
    }
    return slot;
}

hf_err hf_map_put(struct hf_map *map, void *element)
{
    struct hf_map_table *table = &map->near;
    const struct hf_map_table *there;
    hf_slice key;
    uint64_t hash;
    size_t slot;

    hf_check(element != NULL);

    key = map->key_of(element);
    hash = hf_hash(key, map->seed);
    slot = find(map, hash, key, &there);
    if (there != NULL) {
        return HF_ERR_EXISTS;
    }
    if (map->count == map->count_max) {
        return HF_ERR_FULL;
    }
    if (map->near.count == map->near.slots_count / 2) {
        table = &map->far;
    }
    /* `slot` is the free one of the table that was searched last. */
    if (table == &map->far || map->far.count > 0) {
        slot = slot_of(map, table, hash, key);
    }
    table->slots[slot] = element;
    table->count++;
    map->count++;
    return HF_OK;
}

void *hf_map_get(const struct hf_map *map, hf_slice key)
{
    const struct hf_map_table *table;
    size_t slot = find(map, hf_hash(key, map->seed), key, &table);

    return table == NULL ? NULL : table->slots[slot];
}

/* Closes the hole without markers: each element after it that could have used the hole
 * (its home does not lie between the hole and itself) moves back into it. */
static void close_hole(const struct hf_map *map, struct hf_map_table *table,
                       size_t hole)
{
    size_t mask = table->slots_count - 1;
    size_t slot = (hole + 1) & mask;

    for (; table->slots[slot] != NULL; slot = (slot + 1) & mask) {
        hf_slice key = map->key_of(table->slots[slot]);
        size_t home = (size_t)hf_hash(key, map->seed) & mask;

        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            table->slots[hole] = table->slots[slot];
            hole = slot;
        }
    }
    table->slots[hole] = NULL;
}

void *hf_map_remove(struct hf_map *map, hf_slice key)
{
    const struct hf_map_table *there;
    size_t slot = find(map, hf_hash(key, map->seed), key, &there);
    struct hf_map_table *table = there == &map->far ? &map->far : &map->near;
    void *element;

    if (there == NULL) {
        return NULL;
    }
    element = table->slots[slot];
    close_hole(map, table, slot);
    table->count--;
    map->count--;
    return element;
}

void *hf_map_next(const struct hf_map *map, size_t *cursor)
{
    size_t near = map->near.slots_count;

    while (*cursor < near + map->far.slots_count) {
        size_t at = (*cursor)++;
        void *element = at < near ? map->near.slots[at] : map->far.slots[at - near];

        if (element != NULL) {
            return element;
        }
    }
    return NULL;
}
