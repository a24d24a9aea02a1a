#include "lib/base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void earliest_comes_first(void **state)
{
    (void)state;
    struct hf_heap heap;
    struct hf_heap_node nodes[3] = {{.index = 0}};

    assert_int_equal(hf_heap_init(&heap, 3), HF_OK);
    hf_heap_set(&heap, &nodes[0], hf_time_of_ms(3));
    hf_heap_set(&heap, &nodes[1], hf_time_of_ms(1));
    hf_heap_set(&heap, &nodes[2], hf_time_of_ms(2));

    assert_ptr_equal(hf_heap_first(&heap), &nodes[1]);
    assert_int_equal(hf_heap_next_due(&heap).us, 1000);
    hf_heap_fini(&heap);
}

static void empty_heap_is_never_due(void **state)
{
    (void)state;
    struct hf_heap heap;

    assert_int_equal(hf_heap_init(&heap, 0), HF_OK);
    assert_null(hf_heap_first(&heap));
    assert_int_equal(hf_heap_next_due(&heap).us, INT64_MAX);
    hf_heap_fini(&heap);
}

static void ties_leave_in_order_of_insertion(void **state)
{
    (void)state;
    struct hf_heap heap;
    struct hf_heap_node nodes[50] = {{.index = 0}};

    assert_int_equal(hf_heap_init(&heap, 50), HF_OK);
    heap.order_next = UINT32_MAX - 20;
    for (int i = 0; i < 50; i++) {
        hf_heap_set(&heap, &nodes[i], hf_time_of_ms(7));
    }

    for (int i = 0; i < 50; i++) {
        assert_ptr_equal(hf_heap_first(&heap), &nodes[i]);
        hf_heap_remove(&heap, &nodes[i]);
    }
    hf_heap_fini(&heap);
}

static void set_moves_a_node_that_is_in(void **state)
{
    (void)state;
    struct hf_heap heap;
    struct hf_heap_node a = {.index = 0};
    struct hf_heap_node b = {.index = 0};

    assert_int_equal(hf_heap_init(&heap, 2), HF_OK);
    hf_heap_set(&heap, &a, hf_time_of_ms(1));
    hf_heap_set(&heap, &b, hf_time_of_ms(2));
    hf_heap_set(&heap, &a, hf_time_of_ms(3));

    assert_ptr_equal(hf_heap_first(&heap), &b);
    assert_int_equal(heap.count, 2);
    hf_heap_fini(&heap);
}

static void removing_a_node_that_is_out_is_legal(void **state)
{
    (void)state;
    struct hf_heap heap;
    struct hf_heap_node a = {.index = 0};

    assert_int_equal(hf_heap_init(&heap, 1), HF_OK);
    hf_heap_remove(&heap, &a);
    hf_heap_set(&heap, &a, hf_time_of_ms(1));
    hf_heap_remove(&heap, &a);
    hf_heap_remove(&heap, &a);

    assert_int_equal(heap.count, 0);
    assert_int_equal(a.index, 0);
    hf_heap_fini(&heap);
}

/* A small generator of our own: the same numbers on each machine. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

#define NODES_COUNT 200

static hf_time earliest_of(const struct hf_heap_node *nodes)
{
    hf_time earliest = HF_TIME_NEVER;

    for (size_t n = 0; n < NODES_COUNT; n++) {
        if (nodes[n].index != 0) {
            earliest = hf_time_min(earliest, nodes[n].due);
        }
    }
    return earliest;
}

static void any_mix_of_calls_agrees_with_a_plain_search(void **state)
{
    (void)state;
    struct hf_heap heap;
    struct hf_heap_node nodes[NODES_COUNT] = {{.index = 0}};
    uint32_t seed = 1;

    assert_int_equal(hf_heap_init(&heap, NODES_COUNT), HF_OK);
    for (int i = 0; i < 20000; i++) {
        struct hf_heap_node *node = &nodes[next_random(&seed) % NODES_COUNT];

        if (next_random(&seed) % 3 == 0) {
            hf_heap_remove(&heap, node);
        } else {
            hf_heap_set(&heap, node, (hf_time){next_random(&seed) % 1000});
        }
        assert_int_equal(hf_heap_next_due(&heap).us, earliest_of(nodes).us);
    }
    hf_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earliest_comes_first),
        cmocka_unit_test(empty_heap_is_never_due),
        cmocka_unit_test(ties_leave_in_order_of_insertion),
        cmocka_unit_test(set_moves_a_node_that_is_in),
        cmocka_unit_test(removing_a_node_that_is_out_is_legal),
        cmocka_unit_test(any_mix_of_calls_agrees_with_a_plain_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
