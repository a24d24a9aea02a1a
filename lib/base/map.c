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

static size_t home_of(const struct hf_map *map, hf_slice key)
{
    return (size_t)hf_hash(key, map->seed) & (map->slots_count - 1);
}

/* The slot of the key, or the free slot where it would go. The table is never more than
 * half full, so the loop ends. */
static size_t slot_of(const struct hf_map *map, hf_slice key)
{
    size_t slot = home_of(map, key);

    while (map->slots[slot] != NULL &&
           !hf_slice_equal(map->key_of(map->slots[slot]), key)) {
        slot = (slot + 1) & (map->slots_count - 1);
    }
    return slot;
}

hf_err hf_map_init(struct hf_map *map, size_t count_max, uint64_t seed,
                   hf_map_key_fn key_of)
{
    size_t slots_count = 8;

    hf_check(key_of != NULL);
    hf_check(count_max <= SIZE_MAX / 64);

    while (slots_count < count_max * 2) {
        slots_count *= 2;
    }
    *map = (struct hf_map){
        .slots_count = slots_count,
        .count_max = count_max,
        .key_of = key_of,
        .seed = seed,
    };
    map->slots = calloc(slots_count, sizeof *map->slots);
    return map->slots == NULL ? HF_ERR_NO_MEMORY : HF_OK;
}

void hf_map_fini(struct hf_map *map)
{
    free(map->slots);
    *map = (struct hf_map){0};
}

hf_err hf_map_put(struct hf_map *map, void *element)
{
    size_t slot;

    hf_check(element != NULL);

    slot = slot_of(map, map->key_of(element));
    if (map->slots[slot] != NULL) {
        return HF_ERR_EXISTS;
    }
    if (map->count == map->count_max) {
        return HF_ERR_FULL;
    }
    map->slots[slot] = element;
    map->count++;
    return HF_OK;
}

void *hf_map_get(const struct hf_map *map, hf_slice key)
{
    return map->slots[slot_of(map, key)];
}

/* Closes the hole without markers: each element after it that could have used the hole
 * (its home does not lie between the hole and itself) moves back into it. */
static void close_hole(struct hf_map *map, size_t hole)
{
    size_t mask = map->slots_count - 1;
    size_t slot = (hole + 1) & mask;

    for (; map->slots[slot] != NULL; slot = (slot + 1) & mask) {
        size_t home = home_of(map, map->key_of(map->slots[slot]));

        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            map->slots[hole] = map->slots[slot];
            hole = slot;
        }
    }
    map->slots[hole] = NULL;
}

void *hf_map_remove(struct hf_map *map, hf_slice key)
{
    size_t slot = slot_of(map, key);
    void *element = map->slots[slot];

    if (element == NULL) {
        return NULL;
    }
    close_hole(map, slot);
    map->count--;
    return element;
}

void *hf_map_next(const struct hf_map *map, size_t *cursor)
{
    while (*cursor < map->slots_count) {
        void *element = map->slots[(*cursor)++];

        if (element != NULL) {
            return element;
        }
    }
    return NULL;
}
