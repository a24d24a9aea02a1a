#include "lib/base/heap.h"

#include <stdlib.h>

static bool is_before(const struct hf_heap_node *a, const struct hf_heap_node *b)
{
    if (a->due.us != b->due.us) {
        return a->due.us < b->due.us;
    }
    /* Orders wrap: two live ones are never 2^31 insertions apart in practice. */
    return (int32_t)(a->order - b->order) < 0;
}

/* Places are 1-based: the children of i are 2i and 2i + 1. */
static void put_at(struct hf_heap *heap, size_t place, struct hf_heap_node *node)
{
    heap->nodes[place - 1] = node;
    node->index = (uint32_t)place;
}

static void sift_up(struct hf_heap *heap, size_t place)
{
    struct hf_heap_node *node = heap->nodes[place - 1];

    while (place > 1 && is_before(node, heap->nodes[place / 2 - 1])) {
        put_at(heap, place, heap->nodes[place / 2 - 1]);
        place /= 2;
    }
    put_at(heap, place, node);
}

static void sift_down(struct hf_heap *heap, size_t place)
{
    struct hf_heap_node *node = heap->nodes[place - 1];

    while (place * 2 <= heap->count) {
        size_t child = place * 2;

        if (child < heap->count &&
            is_before(heap->nodes[child], heap->nodes[child - 1])) {
            child++;
        }
        if (!is_before(heap->nodes[child - 1], node)) {
            break;
        }
        put_at(heap, place, heap->nodes[child - 1]);
        place = child;
    }
    put_at(heap, place, node);
}

static bool is_in(const struct hf_heap *heap, const struct hf_heap_node *node)
{
    return node->index <= heap->count && heap->nodes[node->index - 1] == node;
}

hf_err hf_heap_init(struct hf_heap *heap, size_t count_max)
{
    hf_check(count_max <= UINT32_MAX);

    *heap = (struct hf_heap){.count_max = count_max};
    heap->nodes = calloc(count_max > 0 ? count_max : 1, sizeof *heap->nodes);
    return heap->nodes == NULL ? HF_ERR_NO_MEMORY : HF_OK;
}

void hf_heap_fini(struct hf_heap *heap)
{
    free(heap->nodes);
    *heap = (struct hf_heap){0};
}

void hf_heap_set(struct hf_heap *heap, struct hf_heap_node *node, hf_time due)
{
    hf_check(node->index == 0 || is_in(heap, node));
    hf_check(node->index != 0 || heap->count < heap->count_max);

    node->due = due;
    node->order = heap->order_next++;
    if (node->index == 0) {
        put_at(heap, ++heap->count, node);
    }
    sift_up(heap, node->index);
    sift_down(heap, node->index);
}

void hf_heap_remove(struct hf_heap *heap, struct hf_heap_node *node)
{
    size_t place = node->index;
    struct hf_heap_node *last;

    if (place == 0) {
        return;
    }
    hf_check(is_in(heap, node));
    last = heap->nodes[--heap->count];
    node->index = 0;
    if (last == node) {
        return;
    }
    put_at(heap, place, last);
    sift_up(heap, place);
    sift_down(heap, last->index);
}

struct hf_heap_node *hf_heap_first(const struct hf_heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

hf_time hf_heap_next_due(const struct hf_heap *heap)
{
    return heap->count == 0 ? HF_TIME_NEVER : heap->nodes[0]->due;
}
