/* Reading a large configuration takes work in proportion to it. Counted, not timed:
 * this program's own memcmp stands before the one of libc. */
#include "controller/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SMALL 1000
#define LARGE 10000
#define RATIO 15 /* n log n: 13.3; n^2: 100 */

static uint64_t compared;

int memcmp(const void *a, const void *b, size_t bytes)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;

    compared++;
    for (size_t i = 0; i < bytes; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

/* `count` queues and as many URL groups, the last one first. */
static uint64_t cost_of(unsigned count)
{
    struct ct_config *config = NULL;
    struct hf_buf yaml;
    struct hf_buf errors;
    uint64_t before;
    hf_err err;

    hf_buf_init(&yaml, HF_CONF_BYTES_MAX);
    hf_buf_init(&errors, 1 << 16);
    err = hf_buf_append_cstr(&yaml, "cluster: c\nbrokers: [{name: b1}]\nfrontends:\n"
                                    "  - {name: f1, listen: [\"127.0.0.1:8080\"]}\n"
                                    "queues:\n");
    for (unsigned i = 0; i < count && err == HF_OK; i++) {
        err = hf_buf_printf(&yaml, "  - {name: q%05u}\n", i);
    }
    err = err == HF_OK ? hf_buf_append_cstr(&yaml, "url_groups:\n") : err;
    for (unsigned i = count; i-- > 0 && err == HF_OK;) {
        err = hf_buf_printf(&yaml,
                            "  - {name: g%05u, queue: q%05u, "
                            "prefixes: [\"http://*:8080/%05u/\"]}\n",
                            i, i, i);
    }
    assert_int_equal(err, HF_OK);
    before = compared;
    err = ct_config_read("t.yaml", hf_buf_slice(&yaml), &errors, &config);
    assert_int_equal(err, HF_OK);
    assert_int_equal(config->queues_count, count);
    ct_config_free(config);
    hf_buf_fini(&yaml);
    hf_buf_fini(&errors);
    return compared - before;
}

static void work_grows_with_the_file_not_with_its_square(void **state)
{
    uint64_t small = cost_of(SMALL);
    uint64_t large = cost_of(LARGE);

    (void)state;
    print_message("%llu comparisons for %d queues and groups, %llu for %d\n",
                  (unsigned long long)small, SMALL, (unsigned long long)large, LARGE);
    assert_true(small > SMALL); /* they are counted at all */
    assert_true(large < small * RATIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_grows_with_the_file_not_with_its_square),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
