/* Intrusive doubly linked list: links live in the elements, nothing is allocated. */
#ifndef HF_BASE_LIST_H
#define HF_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct hf_list {
    struct hf_list *prev;
    struct hf_list *next;
};

/* The struct that holds `node` as its member `member`. */
#define HF_CONTAINER(node, type, member)                                               \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void hf_list_init(struct hf_list *head)
{
    head->prev = head->next = head;
}

static inline bool hf_list_is_empty(const struct hf_list *head)
{
    return head->next == head;
}

/* A node outside of any list has NULL or self links. */
static inline bool hf_list_is_linked(const struct hf_list *node)
{
    return node->next != NULL && node->next != node;
}

static inline void hf_list_insert_after(struct hf_list *place, struct hf_list *node)
{
    node->prev = place;
    node->next = place->next;
    place->next->prev = node;
    place->next = node;
}

static inline void hf_list_push_back(struct hf_list *head, struct hf_list *node)
{
    hf_list_insert_after(head->prev, node);
}

static inline void hf_list_push_front(struct hf_list *head, struct hf_list *node)
{
    hf_list_insert_after(head, node);
}

/* Legal for a node that is in no list. */
static inline void hf_list_remove(struct hf_list *node)
{
    if (node->next != NULL) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
    }
    node->prev = node->next = node;
}

/* NULL when empty. */
static inline struct hf_list *hf_list_first(const struct hf_list *head)
{
    return head->next == head ? NULL : head->next;
}

static inline struct hf_list *hf_list_pop_front(struct hf_list *head)
{
    struct hf_list *node = hf_list_first(head);

    if (node != NULL) {
        hf_list_remove(node);
    }
    return node;
}

/* `node` may be removed in the body. */
#define HF_LIST_FOR(node, head)                                                        \
    for (struct hf_list *node = (head)->next, *node##_next = (node)->next;             \
         (node) != (head); (node) = node##_next, node##_next = (node)->next)

#endif
