#include "lib/http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

static hf_reason canonical(const char *path, struct hf_http_target_options options,
                           char out[1024])
{
    HF_AUTO(hf_buf_fini) struct hf_buf scratch;
    hf_slice result = HF_SLICE_EMPTY;
    hf_reason reason;

    hf_buf_init(&scratch, 65536);
    reason = hf_http_path_canonical(hf_slice_of_cstr(path), options, &scratch, &result);
    out[0] = 0;
    if (reason == HF_REASON_NONE) {
        assert_true(result.bytes < 1024);
        memcpy(out, result.data, result.bytes);
        out[result.bytes] = 0;
    }
    return reason;
}

static void becomes(const char *path, const char *expected)
{
    char once[1024];
    char twice[1024];

    assert_int_equal(canonical(path, (struct hf_http_target_options){0}, once),
                     HF_REASON_NONE);
    assert_string_equal(once, expected);
    assert_int_equal(canonical(once, (struct hf_http_target_options){0}, twice),
                     HF_REASON_NONE);
    assert_string_equal(twice, once);
}

static void refused(const char *path)
{
    char out[1024];
    hf_reason reason = canonical(path, (struct hf_http_target_options){0}, out);

    if (reason != HF_REASON_URL) {
        print_message("%s: %s\n", path, hf_reason_word(reason));
    }
    assert_int_equal(reason, HF_REASON_URL);
}

static void equivalent_paths_become_one(void **state)
{
    (void)state;
    becomes("/", "/");
    becomes("/a/%7Eb/%41", "/a/~b/A");
    becomes("/%e2%82%ac", "/%E2%82%AC");
    becomes("/a|b^c", "/a%7Cb%5Ec");
    becomes("/a//b///c", "/a/b/c");
    becomes("//", "/");
    becomes("/a/./b/.", "/a/b/");
    becomes("/a/../b", "/b");
    becomes("/a/b/..", "/a/");
    becomes("/a/%2e%2e/admin", "/admin");
    becomes("/a/%2E/b", "/a/b");
    becomes("/a/...", "/a/...");
    becomes("/a;x=1/b", "/a;x=1/b");
    becomes("/%25", "/%25");
    becomes("/%2541", "/%2541");
    becomes("/%E9", "/%E9");
}

static void paths_that_two_readers_may_read_differently_are_refused(void **state)
{
    static const char *const paths[] = {
        "",
        "a",
        "/%",
        "/%4",
        "/%zz",
        "/%00",
        "/%2f",
        "/%2F",
        "/%5c",
        "/\\",
        "/a\\..\\b",
        "/%252e",
        "/%252E%252e",
        "/%252f",
        "/%255c",
        "/%2525",
        "/%2500",
        "/%25%32%66",
        "/..",
        "/../a",
        "/a/../..",
        "/a/%2e%2e/..",
        "/..;/a",
        "/a/..;x/b",
        "/.;/a",
        "/%2e%2e;/a",
        "/%c0%af",
        "/%C1%9C",
        "/%e0%80%af",
        "/%f0%80%80%af",
        "/%0d%0a",
        "/%7f",
        "/a#b",
        "/a?b",
        "/a b",
        "/\xc3\xa9",
    };

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        refused(paths[i]);
    }
}

static void options_keep_escaped_and_repeated_slashes(void **state)
{
    char out[1024];

    (void)state;
    assert_int_equal(
        canonical("/a%2fb%5C",
                  (struct hf_http_target_options){.keeps_escaped_slash = true}, out),
        HF_REASON_NONE);
    assert_string_equal(out, "/a%2Fb%5C");
    assert_int_equal(canonical("//a//b",
                               (struct hf_http_target_options){.keeps_slashes = true},
                               out),
                     HF_REASON_NONE);
    assert_string_equal(out, "//a//b");
    assert_int_equal(canonical("//a/..//../b",
                               (struct hf_http_target_options){.keeps_slashes = true},
                               out),
                     HF_REASON_NONE);
    assert_string_equal(out, "//b");
}

static void segments_are_limited(void **state)
{
    char path[2048] = "/";
    char out[1024];

    (void)state;
    memset(path + 1, 'a', 260);
    assert_int_equal(canonical(path, (struct hf_http_target_options){0}, out),
                     HF_REASON_NONE);
    path[261] = 'a';
    assert_int_equal(canonical(path, (struct hf_http_target_options){0}, out),
                     HF_REASON_URL_LENGTH);
    for (size_t i = 0; i < 512; i++) {
        path[i] = i % 2 == 0 ? '/' : 'a';
    }
    path[510] = 0;
    assert_int_equal(canonical(path, (struct hf_http_target_options){0}, out),
                     HF_REASON_NONE);
    path[510] = '/';
    path[511] = 'a';
    path[512] = 0;
    assert_int_equal(canonical(path, (struct hf_http_target_options){0}, out),
                     HF_REASON_URL_LENGTH);
}

static hf_reason parse(const char *target, const char *host, struct hf_buf *scratch,
                       struct hf_http_target *out)
{
    struct hf_http_head head = {.method = HF_HTTP_GET,
                                .target = hf_slice_of_cstr(target),
                                .host = hf_slice_of_cstr(host)};

    return hf_http_target_parse(&head, (struct hf_http_target_options){0}, scratch,
                                out);
}

static void is_target(const char *target, const char *host, const char *path)
{
    HF_AUTO(hf_buf_fini) struct hf_buf scratch;
    struct hf_http_target out;

    hf_buf_init(&scratch, 65536);
    assert_int_equal(parse(target, "From.Field", &scratch, &out), HF_REASON_NONE);
    assert_true(hf_slice_equal(hf_http_host_slice(&out.host), hf_slice_of_cstr(host)));
    assert_true(hf_slice_equal(out.path, hf_slice_of_cstr(path)));
}

static void absolute_form_replaces_host(void **state)
{
    (void)state;
    is_target("/a?b/../c", "from.field", "/a");
    is_target("http://A.test:80/x", "a.test", "/x");
    is_target("HTTP://a.test.?q", "a.test", "/");
    is_target("*", "from.field", "*");
}

static void other_target_forms_are_refused(void **state)
{
    HF_AUTO(hf_buf_fini) struct hf_buf scratch;
    struct hf_http_target out;

    (void)state;
    hf_buf_init(&scratch, 65536);
    assert_int_equal(parse("ftp://a/", "h", &scratch, &out), HF_REASON_URL);
    assert_int_equal(parse("a:80", "h", &scratch, &out), HF_REASON_URL);
    assert_int_equal(parse("?a", "h", &scratch, &out), HF_REASON_URL);
    assert_int_equal(parse("/a?b#c", "h", &scratch, &out), HF_REASON_URL);
    assert_int_equal(parse("http:///a", "h", &scratch, &out), HF_REASON_HOSTNAME);
    assert_int_equal(parse("http://u@a/", "h", &scratch, &out), HF_REASON_HOSTNAME);
}

static void query_is_kept_raw_and_apart(void **state)
{
    HF_AUTO(hf_buf_fini) struct hf_buf scratch;
    struct hf_http_target out;

    (void)state;
    hf_buf_init(&scratch, 65536);
    assert_int_equal(parse("/a?b=%zz?c", "h", &scratch, &out), HF_REASON_NONE);
    assert_true(hf_slice_equal(out.query, HF_SLICE("b=%zz?c")));
    assert_int_equal(parse("/a?", "h", &scratch, &out), HF_REASON_NONE);
    assert_non_null(out.query.data);
    assert_int_equal(parse("/a", "h", &scratch, &out), HF_REASON_NONE);
    assert_null(out.query.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equivalent_paths_become_one),
        cmocka_unit_test(paths_that_two_readers_may_read_differently_are_refused),
        cmocka_unit_test(options_keep_escaped_and_repeated_slashes),
        cmocka_unit_test(segments_are_limited),
        cmocka_unit_test(absolute_form_replaces_host),
        cmocka_unit_test(other_target_forms_are_refused),
        cmocka_unit_test(query_is_kept_raw_and_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
