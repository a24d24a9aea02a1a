/* A bounded binary min-heap of timers. Elements embed a heap node that knows its place,
 * so removing and moving cost O(log n). Ties leave in order of insertion: the order is
 * deterministic. */
#ifndef HF_BASE_HEAP_H
#define HF_BASE_HEAP_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/time.h"

#include <stddef.h>

struct hf_heap_node {
    hf_time due;
    uint32_t order; /* ties: lower first */
    uint32_t index; /* 1-based place in the heap; 0 = not in it */
};

struct hf_heap {
    struct hf_heap_node **nodes;
    size_t count;
    size_t count_max;
    uint32_t order_next;
};

/* The storage for count_max pointers is taken at once (untouched pages cost nothing).
 */
HF_MUST_USE hf_err hf_heap_init(struct hf_heap *heap, size_t count_max);
void hf_heap_fini(struct hf_heap *heap);
/* Inserts, or moves a node that is already in. The heap must have room (hf_check). */
void hf_heap_set(struct hf_heap *heap, struct hf_heap_node *node, hf_time due);
/* Legal for a node that is in no heap. */
void hf_heap_remove(struct hf_heap *heap, struct hf_heap_node *node);
/* The earliest node, or NULL. */
struct hf_heap_node *hf_heap_first(const struct hf_heap *heap);
/* Due time of the first, or HF_TIME_NEVER. */
hf_time hf_heap_next_due(const struct hf_heap *heap);

#endif
