#include "lib/base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct entry {
    char name[16];
    uint32_t number;
    int is_in;
};

static hf_slice name_of(const void *element)
{
    const struct entry *entry = element;

    return hf_slice_of_cstr(entry->name);
}

static hf_slice number_of(const void *element)
{
    const struct entry *entry = element;

    return hf_slice_of(&entry->number, sizeof entry->number);
}

static void element_is_found_under_its_key(void **state)
{
    (void)state;
    struct hf_map map;
    struct entry web = {.name = "web"};

    assert_int_equal(hf_map_init(&map, 4, 1, name_of), HF_OK);
    assert_int_equal(hf_map_put(&map, &web), HF_OK);

    assert_ptr_equal(hf_map_get(&map, HF_SLICE("web")), &web);
    assert_null(hf_map_get(&map, HF_SLICE("we")));
    assert_null(hf_map_get(&map, HF_SLICE_EMPTY));
    hf_map_fini(&map);
}

static void taken_key_and_full_map_are_refused(void **state)
{
    (void)state;
    struct hf_map map;
    struct entry a = {.name = "a"};
    struct entry b = {.name = "b"};
    struct entry again = {.name = "a"};

    assert_int_equal(hf_map_init(&map, 1, 1, name_of), HF_OK);
    assert_int_equal(hf_map_put(&map, &a), HF_OK);

    assert_int_equal(hf_map_put(&map, &again), HF_ERR_EXISTS);
    assert_int_equal(hf_map_put(&map, &b), HF_ERR_FULL);
    assert_ptr_equal(hf_map_get(&map, HF_SLICE("a")), &a);
    assert_int_equal(map.count, 1);
    hf_map_fini(&map);
}

static void removed_element_is_returned_once(void **state)
{
    (void)state;
    struct hf_map map;
    struct entry a = {.name = "a"};

    assert_int_equal(hf_map_init(&map, 4, 1, name_of), HF_OK);
    assert_int_equal(hf_map_put(&map, &a), HF_OK);

    assert_ptr_equal(hf_map_remove(&map, HF_SLICE("a")), &a);
    assert_null(hf_map_remove(&map, HF_SLICE("a")));
    assert_null(hf_map_get(&map, HF_SLICE("a")));
    hf_map_fini(&map);
}

#define ENTRIES_COUNT 64U

static size_t walk(const struct hf_map *map)
{
    size_t cursor = 0;
    size_t seen = 0;

    while (hf_map_next(map, &cursor) != NULL) {
        seen++;
    }
    return seen;
}

static void expect_same(const struct hf_map *map, struct entry *entries)
{
    size_t count = 0;

    for (uint32_t i = 0; i < ENTRIES_COUNT; i++) {
        void *found = hf_map_get(map, number_of(&entries[i]));

        assert_ptr_equal(found, entries[i].is_in ? &entries[i] : NULL);
        count += entries[i].is_in ? 1 : 0;
    }
    assert_int_equal(map->count, count);
    assert_int_equal(walk(map), count);
}

static void any_mix_of_puts_and_removes_keeps_all_others_reachable(void **state)
{
    (void)state;
    struct hf_map map;
    struct entry entries[ENTRIES_COUNT] = {{.number = 0}};
    uint32_t random = 1;

    for (uint32_t i = 0; i < ENTRIES_COUNT; i++) {
        entries[i].number = i;
    }
    assert_int_equal(hf_map_init(&map, ENTRIES_COUNT, 9, number_of), HF_OK);
    for (int i = 0; i < 5000; i++) {
        struct entry *entry;

        random = random * 1664525U + 1013904223U;
        entry = &entries[(random >> 12) % ENTRIES_COUNT];
        if (entry->is_in) {
            assert_ptr_equal(hf_map_remove(&map, number_of(entry)), entry);
        } else {
            assert_int_equal(hf_map_put(&map, entry), HF_OK);
        }
        entry->is_in = !entry->is_in;
        expect_same(&map, entries);
    }
    hf_map_fini(&map);
}

static void
more_elements_than_the_near_table_takes_are_kept_and_leave_again(void **state)
{
    (void)state;
    static struct entry entries[3 * HF_MAP_NEAR_SLOTS];
    const uint32_t count = sizeof entries / sizeof entries[0];
    struct hf_map map;

    assert_int_equal(hf_map_init(&map, count, 5, number_of), HF_OK);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].number = i;
        assert_int_equal(hf_map_put(&map, &entries[i]), HF_OK);
        assert_int_equal(hf_map_put(&map, &entries[i]), HF_ERR_EXISTS);
    }
    assert_int_equal(hf_map_put(&map, &(struct entry){.number = count}), HF_ERR_FULL);
    assert_int_equal(walk(&map), count);

    for (uint32_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i % 2 == 0 ? i : count - i];

        assert_ptr_equal(hf_map_get(&map, number_of(entry)), entry);
        assert_ptr_equal(hf_map_remove(&map, number_of(entry)), entry);
        assert_null(hf_map_get(&map, number_of(entry)));
    }
    assert_int_equal(walk(&map), 0);
    hf_map_fini(&map);
}

static void hash_depends_on_each_byte_the_length_and_the_seed(void **state)
{
    (void)state;
    uint8_t data[40] = {0};
    uint64_t base = hf_hash(hf_slice_of(data, sizeof data), 1);

    for (size_t i = 0; i < sizeof data; i++) {
        data[i] ^= 1;
        assert_true(hf_hash(hf_slice_of(data, sizeof data), 1) != base);
        data[i] ^= 1;
    }
    for (size_t bytes = 0; bytes < sizeof data; bytes++) {
        assert_true(hf_hash(hf_slice_of(data, bytes), 1) != base);
    }
    assert_true(hf_hash(hf_slice_of(data, sizeof data), 2) != base);
    assert_true(hf_hash(hf_slice_of(data, sizeof data), 1) == base);
}

static int bits_that_change(uint32_t number, int bit)
{
    uint32_t other = number ^ 1U << bit;
    uint64_t a = hf_hash(hf_slice_of(&number, sizeof number), 7);
    uint64_t b = hf_hash(hf_slice_of(&other, sizeof other), 7);

    return __builtin_popcountll(a ^ b);
}

static void one_bit_of_input_changes_half_of_the_output_bits(void **state)
{
    (void)state;
    int changed = 0;

    for (uint32_t number = 0; number < 1000; number++) {
        for (int bit = 0; bit < 32; bit++) {
            changed += bits_that_change(number, bit);
        }
    }

    assert_in_range(changed / 320, 3150, 3250);
}

static void low_bits_of_consecutive_numbers_are_spread_evenly(void **state)
{
    (void)state;
    unsigned counts[256] = {0};

    for (uint32_t number = 0; number < 256 * 100; number++) {
        counts[hf_hash(hf_slice_of(&number, sizeof number), 3) & 255]++;
    }

    for (int i = 0; i < 256; i++) {
        assert_in_range(counts[i], 50, 150);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(element_is_found_under_its_key),
        cmocka_unit_test(taken_key_and_full_map_are_refused),
        cmocka_unit_test(removed_element_is_returned_once),
        cmocka_unit_test(any_mix_of_puts_and_removes_keeps_all_others_reachable),
        cmocka_unit_test(
            more_elements_than_the_near_table_takes_are_kept_and_leave_again),
        cmocka_unit_test(hash_depends_on_each_byte_the_length_and_the_seed),
        cmocka_unit_test(one_bit_of_input_changes_half_of_the_output_bits),
        cmocka_unit_test(low_bits_of_consecutive_numbers_are_spread_evenly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
