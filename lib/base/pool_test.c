#include "lib/base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

static void objects_are_zeroed_also_when_reused(void **state)
{
    (void)state;
    struct hf_pool pool;
    uint64_t *object;

    assert_int_equal(hf_pool_init(&pool, sizeof *object, 2), HF_OK);
    object = hf_pool_get(&pool);
    assert_int_equal(*object, 0);
    *object = UINT64_MAX;
    hf_pool_put(&pool, object);

    assert_ptr_equal(hf_pool_get(&pool), object);
    assert_int_equal(*object, 0);
    hf_pool_fini(&pool);
}

static void limit_refuses_until_one_is_returned(void **state)
{
    (void)state;
    struct hf_pool pool;
    void *a;

    assert_int_equal(hf_pool_init(&pool, 24, 2), HF_OK);
    a = hf_pool_get(&pool);
    assert_non_null(a);
    assert_non_null(hf_pool_get(&pool));
    assert_null(hf_pool_get(&pool));
    assert_int_equal(pool.count, 2);
    hf_pool_put(&pool, a);

    assert_ptr_equal(hf_pool_get(&pool), a);
    hf_pool_fini(&pool);
}

static void last_freed_is_reused_first(void **state)
{
    (void)state;
    struct hf_pool pool;
    void *objects[3];

    assert_int_equal(hf_pool_init(&pool, 8, 3), HF_OK);
    for (int i = 0; i < 3; i++) {
        objects[i] = hf_pool_get(&pool);
    }
    hf_pool_put(&pool, objects[0]);
    hf_pool_put(&pool, objects[2]);

    assert_ptr_equal(hf_pool_get(&pool), objects[2]);
    assert_ptr_equal(hf_pool_get(&pool), objects[0]);
    hf_pool_fini(&pool);
}

static void index_names_the_object_and_zero_names_none(void **state)
{
    (void)state;
    struct hf_pool pool;
    void *first;
    void *second;

    assert_int_equal(hf_pool_init(&pool, 5, 3), HF_OK);
    first = hf_pool_get(&pool);
    second = hf_pool_get(&pool);

    assert_int_equal(hf_pool_index(&pool, first), 1);
    assert_ptr_equal(hf_pool_at(&pool, hf_pool_index(&pool, second)), second);
    assert_int_equal(hf_pool_index(&pool, NULL), 0);
    assert_null(hf_pool_at(&pool, 0));
    hf_pool_fini(&pool);
}

/* TSan touches each page that calloc returns. */
#ifdef __SANITIZE_THREAD__
#define TOUCHES_PAGES 1
#else
#define TOUCHES_PAGES 0
#endif

static long resident_kib_max(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void untouched_objects_are_not_resident(void **state)
{
    struct hf_pool pool;
    long before = resident_kib_max();

    (void)state;
    if (TOUCHES_PAGES) {
        skip();
    }
    assert_int_equal(hf_pool_init(&pool, 1024, 512 * 1024), HF_OK);
    assert_non_null(hf_pool_get(&pool));

    assert_in_range(resident_kib_max() - before, 0, 128 * 1024);
    hf_pool_fini(&pool);
}

static void pool_without_objects_refuses(void **state)
{
    (void)state;
    struct hf_pool pool;

    assert_int_equal(hf_pool_init(&pool, 8, 0), HF_OK);
    assert_null(hf_pool_get(&pool));
    hf_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_zeroed_also_when_reused),
        cmocka_unit_test(limit_refuses_until_one_is_returned),
        cmocka_unit_test(last_freed_is_reused_first),
        cmocka_unit_test(index_names_the_object_and_zero_names_none),
        cmocka_unit_test(untouched_objects_are_not_resident),
        cmocka_unit_test(pool_without_objects_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
