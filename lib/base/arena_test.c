#include "lib/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void places_are_aligned_and_distinct(void **state)
{
    (void)state;
    struct hf_arena arena;
    uint8_t *a;
    uint8_t *b;

    hf_arena_init(&arena, 1000);
    a = hf_arena_get(&arena, 3);
    b = hf_arena_get(&arena, 5);

    assert_int_equal((uintptr_t)a % 16, 0);
    assert_int_equal((uintptr_t)b % 16, 0);
    assert_true(b >= a + 3);
    hf_arena_fini(&arena);
}

static void maximum_refuses_and_leaves_the_arena_usable(void **state)
{
    (void)state;
    struct hf_arena arena;

    hf_arena_init(&arena, 64);

    assert_null(hf_arena_get(&arena, 65));
    assert_non_null(hf_arena_get(&arena, 48));
    assert_null(hf_arena_get(&arena, 17));
    assert_non_null(hf_arena_get(&arena, 16));
    assert_null(hf_arena_get(&arena, SIZE_MAX));
    hf_arena_fini(&arena);
}

static void maximum_that_is_no_multiple_of_the_alignment_is_usable_whole(void **state)
{
    (void)state;
    struct hf_arena arena;

    hf_arena_init(&arena, 20);

    assert_non_null(hf_arena_get(&arena, 20));
    assert_null(hf_arena_get(&arena, 1));
    hf_arena_fini(&arena);
}

static void reset_gives_the_same_memory_again(void **state)
{
    (void)state;
    struct hf_arena arena;
    void *first;

    hf_arena_init(&arena, 100000);
    first = hf_arena_get(&arena, 100);
    assert_non_null(hf_arena_get(&arena, 50000));
    hf_arena_reset(&arena);

    assert_ptr_equal(hf_arena_get(&arena, 100), first);
    assert_int_equal(arena.used_bytes, 112);
    hf_arena_fini(&arena);
}

static void large_and_small_pieces_keep_their_content(void **state)
{
    (void)state;
    struct hf_arena arena;
    uint8_t *places[100];

    hf_arena_init(&arena, 1U << 20);
    for (size_t i = 0; i < 100; i++) {
        places[i] = hf_arena_get(&arena, 1 + i * 97);
        assert_non_null(places[i]);
        memset(places[i], (int)i, 1 + i * 97);
    }

    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(places[i][0], i);
        assert_int_equal(places[i][i * 97], i);
    }
    hf_arena_fini(&arena);
}

static void copy_is_independent_of_the_original(void **state)
{
    (void)state;
    struct hf_arena arena;
    char text[] = "word";
    hf_slice copy;

    hf_arena_init(&arena, 1000);
    copy = hf_arena_copy(&arena, hf_slice_of_cstr(text));
    text[0] = 'X';

    assert_true(hf_slice_equal(copy, HF_SLICE("word")));
    hf_arena_fini(&arena);
}

static void empty_copy_differs_from_a_failed_one(void **state)
{
    (void)state;
    struct hf_arena arena;

    hf_arena_init(&arena, 16);

    assert_non_null(hf_arena_copy(&arena, HF_SLICE_EMPTY).data);
    assert_null(hf_arena_copy(&arena, HF_SLICE("x")).data);
    hf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_aligned_and_distinct),
        cmocka_unit_test(maximum_refuses_and_leaves_the_arena_usable),
        cmocka_unit_test(maximum_that_is_no_multiple_of_the_alignment_is_usable_whole),
        cmocka_unit_test(reset_gives_the_same_memory_again),
        cmocka_unit_test(large_and_small_pieces_keep_their_content),
        cmocka_unit_test(copy_is_independent_of_the_original),
        cmocka_unit_test(empty_copy_differs_from_a_failed_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
