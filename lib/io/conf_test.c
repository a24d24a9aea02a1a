#include "lib/io/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct hf_conf_row rows[] = {
    {"cluster", HF_CONF_TEXT, NULL, 1, 8, true, NULL, "Name of the cluster."},
    {"broker", HF_CONF_MAP, NULL, 0, 0, false, NULL, "The broker."},
    {"broker.batch", HF_CONF_BYTES, "64KiB", 0, 1 << 20, false, NULL, "Batch."},
    {"broker.lazy_commit", HF_CONF_DURATION, "10ms", 0, 60000, false, NULL, "Delay."},
    {"queues", HF_CONF_MAP, NULL, 0, 0, false, NULL, "Queues by name."},
    {"queues.*", HF_CONF_MAP, NULL, 0, 0, false, NULL, "One queue."},
    {"queues.*.durability", HF_CONF_ENUM, "lazy", 0, 0, false, "memory|lazy|strict",
     "When a request is on disk."},
    {"queues.*.limit", HF_CONF_INT, "1000", 1, 100000, false, NULL, "Requests."},
    {"queues.*.enabled", HF_CONF_BOOL, "true", 0, 0, false, NULL, "Takes requests."},
    {"prefixes", HF_CONF_LIST, NULL, 0, 3, false, NULL, "Prefixes."},
    {"prefixes[]", HF_CONF_MAP, NULL, 0, 0, false, NULL, "One prefix."},
    {"prefixes[].url", HF_CONF_TEXT, NULL, 1, 100, true, NULL, "The prefix."},
};

struct parsed {
    struct hf_conf conf;
    struct hf_buf errors;
    hf_err err;
};

static void parse(struct parsed *p, const char *yaml)
{
    memset(p, 0, sizeof *p);
    p->conf.rows = rows;
    p->conf.rows_count = sizeof rows / sizeof rows[0];
    p->conf.file = "f.yaml";
    hf_buf_init(&p->errors, 1 << 16);
    p->err = hf_conf_parse(&p->conf, hf_slice_of_cstr(yaml));
    assert_int_equal(hf_conf_render_errors(&p->conf, &p->errors), HF_OK);
    assert_int_equal(hf_buf_append_byte(&p->errors, 0), HF_OK);
}

static void drop(struct parsed *p)
{
    hf_conf_fini(&p->conf);
    hf_buf_fini(&p->errors);
}

static void refuses(const char *yaml, const char *message)
{
    struct parsed p;

    parse(&p, yaml);

    assert_int_equal(p.err, HF_ERR_INVALID);
    if (strstr((const char *)p.errors.data, message) == NULL) {
        fail_msg("wanted \"%s\", got \"%s\"", message, (const char *)p.errors.data);
    }
    drop(&p);
}

static void values_and_defaults_become_a_tree(void **state)
{
    const struct hf_conf_node *web;
    const struct hf_conf_node *first;
    struct parsed p;

    (void)state;
    parse(&p, "cluster: test\nqueues:\n  web: {durability: strict, limit: 7}\n  bulk:\n"
              "prefixes:\n  - url: http://+/a\n  - url: \"http://b/\"\n");

    assert_int_equal(p.err, HF_OK);
    assert_true(hf_slice_equal(hf_conf_text(p.conf.root, "cluster"), HF_SLICE("test")));
    web = hf_conf_get(hf_conf_get(p.conf.root, "queues"), "web");
    assert_int_equal(hf_conf_number(web, "durability"), 2);
    assert_int_equal(hf_conf_number(web, "limit"), 7);
    assert_int_equal(hf_conf_number(web, "enabled"), 1);
    assert_true(hf_conf_get(web, "enabled")->is_default);
    assert_int_equal(hf_conf_get(web, "limit")->line, 3);
    assert_int_equal(
        hf_conf_number(hf_conf_get(hf_conf_get(p.conf.root, "queues"), "bulk"),
                       "limit"),
        1000);
    assert_int_equal(hf_conf_number(hf_conf_get(p.conf.root, "broker"), "batch"),
                     65536);
    assert_int_equal(hf_conf_number(hf_conf_get(p.conf.root, "broker"), "lazy_commit"),
                     10);
    assert_int_equal(hf_conf_get(p.conf.root, "prefixes")->children_count, 2);
    first = hf_conf_get(p.conf.root, "prefixes")->children;
    assert_true(hf_slice_equal(hf_conf_text(first, "url"), HF_SLICE("http://+/a")));
    drop(&p);
}

static void typo_gets_the_nearest_key(void **state)
{
    (void)state;
    refuses("cluster: a\nqueues: {web: {durabilty: lazy}}\n",
            "f.yaml:2:16: unknown key \"durabilty\": did you mean \"durability\"?");
}

static void unknown_key_is_refused_with_its_place(void **state)
{
    (void)state;
    refuses("cluster: a\nzzzzzz: {a: [1, 2]}\n", "f.yaml:2:1: unknown key \"zzzzzz\"");
}

static void duplicate_key_is_refused(void **state)
{
    (void)state;
    refuses("cluster: a\ncluster: b\n", "f.yaml:2:1: key \"cluster\" is given twice");
}

static void missing_required_key_is_named(void **state)
{
    (void)state;
    refuses("queues: {}\n", "missing key \"cluster\": Name of the cluster.");
    refuses("", "missing key \"cluster\"");
    refuses("cluster: a\nprefixes: [{}]\n", "f.yaml:2:12: missing key \"url\"");
}

static void wrong_values_say_what_was_expected(void **state)
{
    (void)state;
    refuses("cluster: a\nbroker: {batch: 64KB}\n", "is not a size such as");
    refuses("cluster: a\nbroker: {lazy_commit: 10}\n", "is not a duration such as");
    refuses("cluster: a\nqueues: {w: {enabled: yes}}\n", "is not true or false");
    refuses("cluster: a\nqueues: {w: {limit: 1e3}}\n", "is not a whole number");
    refuses("cluster: a\nqueues: {w: {durability: hard}}\n",
            "expected one of memory|lazy|strict");
    refuses("cluster:\n", "the value is missing");
    refuses("cluster: [a]\n", "expected a single value, not a list");
    refuses("cluster: a\nqueues: [a]\n", "expected keys and values, not a list");
    refuses("cluster: a\nprefixes: {a: b}\n", "expected a list, not keys and values");
    refuses("cluster: a\nprefixes: word\n", "expected a list");
}

static void values_outside_their_range_are_refused(void **state)
{
    (void)state;
    refuses("cluster: a\nqueues: {w: {limit: 0}}\n", "outside 1..100000");
    refuses("cluster: a\nqueues: {w: {limit: -5}}\n", "outside 1..100000");
    refuses("cluster: a\nbroker: {batch: 2MiB}\n", "outside 0..1048576");
    refuses("cluster: \"123456789\"\n", "9 bytes is outside 1..8");
    refuses("cluster: a\nprefixes: [{url: a}, {url: b}, {url: c}, {url: d}]\n",
            "4 entries is outside 0..3");
}

static void anchors_aliases_tags_and_merges_are_refused(void **state)
{
    (void)state;
    refuses("cluster: &x a\n", "anchors are not allowed");
    refuses("cluster: *x\n", "f.yaml:1:10");
    refuses("cluster: !!str a\n", "tags are not allowed");
    refuses("cluster: a\nqueues: {w: {<<: {limit: 1}}}\n", "unknown key \"<<\"");
}

static void second_document_and_broken_yaml_are_refused(void **state)
{
    (void)state;
    refuses("cluster: a\n---\ncluster: b\n", "only one document is allowed");
    refuses("cluster: [a\n", "not YAML");
    refuses("word\n", "expected keys and values");
    refuses("cluster: \"a\\0b\"\n", "is not text without NUL");
}

static void deep_nesting_under_a_scalar_is_passed_over(void **state)
{
    char yaml[] =
        "cluster: a\nqueues: {w: {limit: [[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]"
        "]]]]]]]]]]]]]}}\n";

    (void)state;
    refuses(yaml, "expected a single value, not a list");
}

static void nesting_without_an_end_is_given_up(void **state)
{
    static char yaml[400000] = "cluster: a\nqueues: {w: {limit: ";

    (void)state;
    memset(yaml + strlen(yaml), '[', 300000);
    refuses(yaml, "nested too deeply");
}

static void all_errors_are_shown_together_in_order_of_lines(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "cluster: a\nqueues:\n  w:\n    limit: x\n    enabled: 3\nbrokr: {}\n");

    assert_int_equal(p.err, HF_ERR_INVALID);
    assert_int_equal(p.conf.errors_count, 3);
    assert_int_equal(p.conf.errors[0].line, 4);
    assert_int_equal(p.conf.errors[1].line, 5);
    assert_int_equal(p.conf.errors[2].line, 6);
    drop(&p);
}

static void caller_can_add_a_finding(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "cluster: a\nqueues: {w: }\n");
    hf_conf_report(&p.conf, hf_conf_get(hf_conf_get(p.conf.root, "queues"), "w"),
                   "queue \"%s\" is not used", "w");

    assert_int_equal(p.conf.errors_count, 1);
    assert_int_equal(p.conf.errors[0].line, 2);
    drop(&p);
}

static void reference_names_every_key(void **state)
{
    struct hf_buf out;

    (void)state;
    hf_buf_init(&out, 1 << 16);

    assert_int_equal(hf_conf_render_reference(rows, sizeof rows / sizeof rows[0], &out),
                     HF_OK);

    assert_int_equal(hf_buf_append_byte(&out, 0), HF_OK);
    assert_non_null(strstr((const char *)out.data,
                           "| `queues.*.durability` | one of memory, lazy, strict | "
                           "`lazy` | When a request is on disk. |"));
    assert_non_null(
        strstr((const char *)out.data, "| `cluster` | text, 1 to 8 | required |"));
    hf_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_defaults_become_a_tree),
        cmocka_unit_test(typo_gets_the_nearest_key),
        cmocka_unit_test(unknown_key_is_refused_with_its_place),
        cmocka_unit_test(duplicate_key_is_refused),
        cmocka_unit_test(missing_required_key_is_named),
        cmocka_unit_test(wrong_values_say_what_was_expected),
        cmocka_unit_test(values_outside_their_range_are_refused),
        cmocka_unit_test(anchors_aliases_tags_and_merges_are_refused),
        cmocka_unit_test(second_document_and_broken_yaml_are_refused),
        cmocka_unit_test(deep_nesting_under_a_scalar_is_passed_over),
        cmocka_unit_test(nesting_without_an_end_is_given_up),
        cmocka_unit_test(all_errors_are_shown_together_in_order_of_lines),
        cmocka_unit_test(caller_can_add_a_finding),
        cmocka_unit_test(reference_names_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
