#include "frontend/core/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

static const uint8_t local[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1};

static struct route_table *build(const char *const *texts, size_t count,
                                 bool is_case_sensitive)
{
    struct route_entry entries[16];
    struct route_table *table = NULL;
    struct route_error error;

    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct route_entry){hf_slice_of_cstr(texts[i]), (uint32_t)i,
                                          is_case_sensitive};
    }
    assert_int_equal(
        route_build(entries, count, (struct route_options){7}, &table, &error), HF_OK);
    return table;
}

static struct route_query query_of(const char *host, const char *path)
{
    struct route_query q = {
        .host = hf_slice_of_cstr(host),
        .port = 80,
        .path = hf_slice_of_cstr(path),
    };

    memcpy(q.local_address, local, sizeof local);
    return q;
}

static uint32_t look(const struct route_table *table, const char *host,
                     const char *path)
{
    struct route_query q = query_of(host, path);

    return route_lookup(table, &q);
}

#define BUILD(texts, is_sensitive)                                                     \
    build((texts), sizeof(texts) / sizeof(texts)[0], (is_sensitive))

static void buckets_are_tried_in_order_without_falling_through(void **state)
{
    static const char *const texts[] = {
        "http://+:80/s/",        "http://a.test:80/s/x/",
        "http://a.test:80/e/",   "http://10.0.0.1:80/e/y/",
        "http://10.0.0.1:80/i/", "http://*:80/i/z/",
        "http://*:80/",
    };
    struct route_table *t = BUILD(texts, false);

    (void)state;
    assert_int_equal(look(t, "a.test", "/s/x/1"), 0); /* strong beats the longer one */
    assert_int_equal(look(t, "a.test", "/e/y/1"), 2);
    assert_int_equal(look(t, "b.test", "/e/y/1"), 3);
    assert_int_equal(look(t, "b.test", "/i/z/1"), 4);
    assert_int_equal(look(t, "b.test", "/q"), 6);
    assert_int_equal(look(t, "", "/q"), 6);
    route_free(t);
}

static void longest_prefix_wins_on_whole_segments(void **state)
{
    static const char *const texts[] = {"http://+:80/app/", "http://+:80/app/x/y/",
                                        "http://+:80/apple/pie/"};
    struct route_table *t = BUILD(texts, false);

    (void)state;
    assert_int_equal(look(t, "h", "/app"), 0);
    assert_int_equal(look(t, "h", "/app/"), 0);
    assert_int_equal(look(t, "h", "/app/x"), 0);
    assert_int_equal(look(t, "h", "/app/x/y"), 1);
    assert_int_equal(look(t, "h", "/app/x/yz"), 0);
    assert_int_equal(look(t, "h", "/app/x/y/z"), 1);
    assert_int_equal(look(t, "h", "/apple"), ROUTE_NONE);
    assert_int_equal(look(t, "h", "/ap"), ROUTE_NONE);
    assert_int_equal(look(t, "h", "/"), ROUTE_NONE);
    assert_int_equal(look(t, "h", "*"), ROUTE_NONE);
    route_free(t);
}

static void exact_host_beats_longest_suffix(void **state)
{
    static const char *const texts[] = {"http://*.test:80/", "http://*.b.test:80/",
                                        "http://a.b.test:80/only/"};
    struct route_table *t = BUILD(texts, false);

    (void)state;
    assert_int_equal(look(t, "a.b.test", "/only/1"), 2);
    assert_int_equal(look(t, "a.b.test", "/other"), 1);
    assert_int_equal(look(t, "x.a.b.test", "/only"), 1);
    assert_int_equal(look(t, "b.test", "/"), 0);
    assert_int_equal(look(t, "test", "/"), ROUTE_NONE);
    assert_int_equal(look(t, "xb.test", "/"), 0);
    route_free(t);
}

static void path_case_is_an_option(void **state)
{
    static const char *const texts[] = {"http://+:80/App/"};
    struct route_table *folded = BUILD(texts, false);
    struct route_table *exact = BUILD(texts, true);

    (void)state;
    assert_int_equal(look(folded, "h", "/aPP/x"), 0);
    assert_int_equal(look(exact, "h", "/aPP/x"), ROUTE_NONE);
    assert_int_equal(look(exact, "h", "/App/x"), 0);
    route_free(folded);
    route_free(exact);
}

static void port_and_scheme_must_match(void **state)
{
    static const char *const texts[] = {"http://+:80/", "https://+:443/"};
    struct route_table *t = BUILD(texts, false);
    struct route_query q = query_of("h", "/");

    (void)state;
    assert_int_equal(route_lookup(t, &q), 0);
    q.port = 443;
    assert_int_equal(route_lookup(t, &q), ROUTE_NONE);
    q.is_https = true;
    assert_int_equal(route_lookup(t, &q), 1);
    route_free(t);
}

static void refused(const char *first, const char *second, bool is_case_sensitive,
                    enum route_fault fault)
{
    struct route_entry entries[] = {
        {hf_slice_of_cstr("http://z.test:81/"), 0, is_case_sensitive},
        {hf_slice_of_cstr(first), 1, is_case_sensitive},
        {hf_slice_of_cstr(second), 2, is_case_sensitive}};
    struct route_table *table = NULL;
    struct route_error error;

    assert_int_equal(route_build(entries, 3, (struct route_options){0}, &table, &error),
                     HF_ERR_INVALID);
    assert_null(table);
    assert_int_equal(error.fault, fault);
    assert_int_equal(error.index, 2);
    if (fault != ROUTE_BAD_PREFIX) {
        assert_int_equal(error.other_index, 1);
    }
}

static void collisions_are_refused_and_named(void **state)
{
    (void)state;
    refused("http://a.test:80/x/", "http://A.test.:80/X/", false, ROUTE_DUPLICATE);
    refused("http://+:80/", "http://+:80", true, ROUTE_DUPLICATE);
    refused("http://+:80/", "https://a.test:80/", false, ROUTE_MIXED_SCHEME);
    refused("http://+:80/", "http://a.test:80/x", false, ROUTE_BAD_PREFIX);
}

static void case_makes_two_prefixes_where_paths_are_case_sensitive(void **state)
{
    static const char *const texts[] = {"http://+:80/a/", "http://+:80/A/"};
    struct route_table *t = BUILD(texts, true);

    (void)state;
    assert_int_equal(look(t, "h", "/a"), 0);
    assert_int_equal(look(t, "h", "/A"), 1);
    route_free(t);
}

static void case_matters_for_the_prefixes_that_say_so(void **state)
{
    struct route_entry entries[] = {
        {HF_SLICE("http://+:80/a/"), 0, false},
        {HF_SLICE("http://+:80/A/B/"), 1, true},
        {HF_SLICE("http://+:80/a/b/c/"), 2, false},
        {HF_SLICE("http://+:80/A/"), 3, true},
    };
    struct route_table *t = NULL;
    struct route_error error;

    (void)state;
    assert_int_equal(route_build(entries, 4, (struct route_options){9}, &t, &error),
                     HF_OK);
    assert_int_equal(look(t, "h", "/a/b"), 0);
    assert_int_equal(look(t, "h", "/A/b"), 3);
    assert_int_equal(look(t, "h", "/A/B/x"), 1);
    assert_int_equal(look(t, "h", "/A/B/C"), 2);
    route_free(t);
}

static void empty_table_routes_nothing(void **state)
{
    struct route_table *t = NULL;
    struct route_error error;

    (void)state;
    assert_int_equal(route_build(NULL, 0, (struct route_options){0}, &t, &error),
                     HF_OK);
    assert_int_equal(look(t, "h", "/"), ROUTE_NONE);
    route_free(t);
}

/* ---- against a naive reference */

#define RANDOM_ENTRIES 200
#define RANDOM_QUERIES 2000

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Few names, so that prefixes nest and collide. */
static void random_path(uint64_t *seed, bool is_prefix, char out[64])
{
    static const char *const names[] = {"a", "b", "ab", "A"};
    uint32_t depth = next_random(seed) % 5;
    size_t n = (size_t)snprintf(out, 64, "/");

    for (uint32_t i = 0; i < depth; i++) {
        n += (size_t)snprintf(out + n, 64 - n, "%s/", names[next_random(seed) % 4]);
    }
    if (!is_prefix && n > 1 && next_random(seed) % 2 == 0) {
        out[n - 1] = 0;
    }
}

static int order_of(const struct prefix *p, const struct route_query *q)
{
    hf_slice host = hf_slice_of(p->host, p->host_bytes);
    hf_slice tail = hf_slice_skip(
        q->host, q->host.bytes > host.bytes ? q->host.bytes - host.bytes : 0);

    switch (p->bucket) {
    case PREFIX_STRONG:
        return 0;
    case PREFIX_EXPLICIT:
        return hf_slice_equal(host, q->host) ? 1 : -1;
    case PREFIX_SUFFIX:
        return q->host.bytes > host.bytes + 1 && hf_slice_equal(tail, host) &&
                       q->host.data[q->host.bytes - host.bytes - 1] == '.'
                   ? 300 - (int)host.bytes
                   : -1;
    case PREFIX_IP:
        return memcmp(p->host, q->local_address, 16) == 0 ? 400 : -1;
    case PREFIX_WEAK:
        return 500;
    }
    return -1;
}

static bool path_matches(hf_slice prefix, hf_slice path)
{
    hf_slice bare = hf_slice_first(prefix, prefix.bytes - 1);

    return hf_slice_equal_nocase(hf_slice_first(path, prefix.bytes), prefix) ||
           hf_slice_equal_nocase(path, bare);
}

static uint32_t naive(char texts[][128], size_t count, const struct route_query *q)
{
    int best_order = 1000;
    size_t best_bytes = 0;
    uint32_t best = ROUTE_NONE;

    for (size_t i = 0; i < count; i++) {
        struct prefix p;
        struct prefix_error error;
        int order;

        assert_int_equal(prefix_parse(hf_slice_of_cstr(texts[i]), &p, &error), HF_OK);
        order = order_of(&p, q);
        if (order < 0 || p.port != q->port || !path_matches(p.path, q->path)) {
            continue;
        }
        if (order < best_order || (order == best_order && p.path.bytes > best_bytes)) {
            best_order = order;
            best_bytes = p.path.bytes;
            best = (uint32_t)i;
        }
    }
    return best;
}

static void lookup_agrees_with_a_naive_search(void **state)
{
    static const char *const hosts[] = {"+",      "*",        "x.test",   "y.x.test",
                                        "*.test", "*.x.test", "10.0.0.1", "10.0.0.2"};
    static const char *const asked[] = {"x.test", "y.x.test", "z.y.x.test", "test",
                                        "q"};
    static char texts[RANDOM_ENTRIES][128];
    struct route_entry entries[RANDOM_ENTRIES];
    struct route_table *t = NULL;
    struct route_error error;
    uint64_t seed = 42;
    size_t count = 0;

    (void)state;
    while (count < 60) {
        char path[64];
        hf_err err;

        random_path(&seed, true, path);
        (void)snprintf(texts[count], sizeof texts[count], "http://%s:%u%s",
                       hosts[next_random(&seed) % 8], 80 + next_random(&seed) % 2,
                       path);
        entries[count] = (struct route_entry){hf_slice_of_cstr(texts[count]),
                                              (uint32_t)count, false};
        route_free(t);
        t = NULL;
        err = route_build(entries, count + 1, (struct route_options){seed}, &t, &error);
        count += err == HF_OK;
        if (err != HF_OK) {
            assert_int_equal(error.fault, ROUTE_DUPLICATE);
        }
    }
    route_free(t);
    assert_int_equal(
        route_build(entries, count, (struct route_options){seed}, &t, &error), HF_OK);
    for (int i = 0; i < RANDOM_QUERIES; i++) {
        char path[64];
        struct route_query q;

        random_path(&seed, false, path);
        q = query_of(asked[next_random(&seed) % 5], path);
        q.port = (uint16_t)(80 + next_random(&seed) % 2);
        assert_int_equal(route_lookup(t, &q), naive(texts, count, &q));
    }
    route_free(t);
}

static void hundred_thousand_prefixes_are_the_limit(void **state)
{
    size_t count = ROUTE_PREFIXES_MAX + 1;
    struct route_entry *entries = calloc(count, sizeof *entries);
    char(*texts)[48] = calloc(count, sizeof *texts);
    struct route_table *t = NULL;
    struct route_error error;

    (void)state;
    assert_non_null(entries);
    assert_non_null(texts);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "http://h%zu.test:80/a/b%zu/",
                       i / 100, i % 100);
        entries[i] =
            (struct route_entry){hf_slice_of_cstr(texts[i]), (uint32_t)i, false};
    }

    assert_int_equal(route_build(entries, count, (struct route_options){0}, &t, &error),
                     HF_ERR_TOO_BIG);
    assert_int_equal(error.fault, ROUTE_TOO_MANY);
    assert_int_equal(
        route_build(entries, count - 1, (struct route_options){0}, &t, &error), HF_OK);
    assert_int_equal(look(t, "h999.test", "/a/b99/c"), 99999);
    assert_int_equal(look(t, "h999.test", "/a"), ROUTE_NONE);
    route_free(t);
    free(texts);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_tried_in_order_without_falling_through),
        cmocka_unit_test(longest_prefix_wins_on_whole_segments),
        cmocka_unit_test(exact_host_beats_longest_suffix),
        cmocka_unit_test(path_case_is_an_option),
        cmocka_unit_test(port_and_scheme_must_match),
        cmocka_unit_test(collisions_are_refused_and_named),
        cmocka_unit_test(case_makes_two_prefixes_where_paths_are_case_sensitive),
        cmocka_unit_test(case_matters_for_the_prefixes_that_say_so),
        cmocka_unit_test(empty_table_routes_nothing),
        cmocka_unit_test(lookup_agrees_with_a_naive_search),
        cmocka_unit_test(hundred_thousand_prefixes_are_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
