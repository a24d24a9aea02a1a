#include "lib/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct element {
    int number;
    struct hf_list link;
};

static void elements_leave_in_order_of_arrival(void **state)
{
    (void)state;
    struct element a = {.number = 1};
    struct element b = {.number = 2};
    struct hf_list head;

    hf_list_init(&head);
    hf_list_push_back(&head, &a.link);
    hf_list_push_back(&head, &b.link);

    assert_int_equal(
        HF_CONTAINER(hf_list_pop_front(&head), struct element, link)->number, 1);
    assert_int_equal(
        HF_CONTAINER(hf_list_pop_front(&head), struct element, link)->number, 2);
    assert_null(hf_list_pop_front(&head));
}

static void pushed_front_leaves_first(void **state)
{
    (void)state;
    struct element a = {.number = 1};
    struct element b = {.number = 2};
    struct hf_list head;

    hf_list_init(&head);
    hf_list_push_back(&head, &a.link);
    hf_list_push_front(&head, &b.link);

    assert_ptr_equal(hf_list_first(&head), &b.link);
}

static void removing_an_unlinked_node_is_legal(void **state)
{
    (void)state;
    struct element a = {.number = 1};
    struct hf_list head;

    hf_list_init(&head);
    hf_list_remove(&a.link);
    assert_false(hf_list_is_linked(&a.link));
    hf_list_push_back(&head, &a.link);
    assert_true(hf_list_is_linked(&a.link));
    hf_list_remove(&a.link);
    hf_list_remove(&a.link);

    assert_false(hf_list_is_linked(&a.link));
    assert_true(hf_list_is_empty(&head));
}

static void each_node_may_be_removed_while_walking(void **state)
{
    (void)state;
    struct element elements[5] = {{0}};
    struct hf_list head;
    int seen = 0;

    hf_list_init(&head);
    for (int i = 0; i < 5; i++) {
        hf_list_push_back(&head, &elements[i].link);
    }
    HF_LIST_FOR(node, &head)
    {
        hf_list_remove(node);
        seen++;
    }

    assert_int_equal(seen, 5);
    assert_true(hf_list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_leave_in_order_of_arrival),
        cmocka_unit_test(pushed_front_leaves_first),
        cmocka_unit_test(removing_an_unlinked_node_is_legal),
        cmocka_unit_test(each_node_may_be_removed_while_walking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
