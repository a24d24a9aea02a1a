#include "lib/base/prefix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

static void good(const char *text, enum prefix_bucket bucket, const char *host,
                 uint16_t port, const char *path)
{
    struct prefix p;
    struct prefix_error error;
    hf_err err = prefix_parse(hf_slice_of_cstr(text), &p, &error);

    if (err != HF_OK) {
        print_message("%s: %s\n", text, error.rule);
    }
    assert_int_equal(err, HF_OK);
    assert_int_equal(p.bucket, bucket);
    assert_int_equal(p.port, port);
    assert_true(hf_slice_equal(p.path, hf_slice_of_cstr(path)));
    if (bucket != PREFIX_IP) {
        assert_true(
            hf_slice_equal(hf_slice_of(p.host, p.host_bytes), hf_slice_of_cstr(host)));
    }
}

static void bad(const char *text, enum prefix_part part, const char *offending)
{
    struct prefix p;
    struct prefix_error error;

    assert_int_equal(prefix_parse(hf_slice_of_cstr(text), &p, &error), HF_ERR_INVALID);
    assert_string_equal(prefix_part_name(error.part), prefix_part_name(part));
    assert_true(hf_slice_equal(error.text, hf_slice_of_cstr(offending)));
    assert_memory_equal(text + error.position, offending, strlen(offending));
    assert_non_null(error.rule);
}

static void every_kind_of_host_is_read(void **state)
{
    (void)state;
    good("http://+:80/", PREFIX_STRONG, "", 80, "/");
    good("http://*:8080/a/", PREFIX_WEAK, "", 8080, "/a/");
    good("https://WWW.Example.com.:443/A/b/", PREFIX_EXPLICIT, "www.example.com", 443,
         "/A/b/");
    good("http://*.example.com:1/", PREFIX_SUFFIX, "example.com", 1, "/");
    good("http://localhost:65535", PREFIX_EXPLICIT, "localhost", 65535, "/");
    good("http://192.0.2.1:80/", PREFIX_IP, "", 80, "/");
    good("http://[2001:db8::1]:80/x%2Fy/", PREFIX_IP, "", 80, "/x%2Fy/");
}

static void address_hosts_become_sixteen_bytes(void **state)
{
    static const uint8_t four[16] = {0, 0, 0,   0,   0,   0, 0, 0,
                                     0, 0, 255, 255, 127, 0, 0, 1};
    struct prefix p;
    struct prefix_error error;

    (void)state;
    assert_int_equal(prefix_parse(HF_SLICE("http://127.0.0.1:80/"), &p, &error), HF_OK);
    assert_memory_equal(p.host, four, 16);
    assert_int_equal(prefix_parse(HF_SLICE("http://[::1]:80/"), &p, &error), HF_OK);
    assert_int_equal(p.host[15], 1);
    assert_int_equal(p.host[11], 0);
}

static void bad_scheme_is_named(void **state)
{
    (void)state;
    bad("HTTP://+:80/", PREFIX_PART_SCHEME, "HTTP");
    bad("ftp://+:80/", PREFIX_PART_SCHEME, "ftp");
    bad("", PREFIX_PART_SCHEME, "");
    bad("http:/+:80/", PREFIX_PART_SCHEME, "http");
}

static void bad_host_is_named(void **state)
{
    (void)state;
    bad("http://:80/", PREFIX_PART_HOST, "");
    bad("http://a..b:80/", PREFIX_PART_HOST, "a..b");
    bad("http://*.:80/", PREFIX_PART_HOST, "*.");
    bad("http://*a:80/", PREFIX_PART_HOST, "*a");
    bad("http://a.*:80/", PREFIX_PART_HOST, "a.*");
    bad("http://u@h:80/", PREFIX_PART_HOST, "u@h");
    bad("http://1.2.3:80/", PREFIX_PART_HOST, "1.2.3");
    bad("http://256.1.1.1:80/", PREFIX_PART_HOST, "256.1.1.1");
    bad("http://*.1.2.3.4:80/", PREFIX_PART_HOST, "*.1.2.3.4");
    bad("http://[::g]:80/", PREFIX_PART_HOST, "[::g]");
    bad("http://[::1", PREFIX_PART_HOST, "[::1");
}

static void bad_port_is_named(void **state)
{
    (void)state;
    bad("http://+/", PREFIX_PART_PORT, "");
    bad("http://+", PREFIX_PART_PORT, "");
    bad("http://+:/", PREFIX_PART_PORT, "");
    bad("http://+:080/", PREFIX_PART_PORT, "080");
    bad("http://+:0/", PREFIX_PART_PORT, "0");
    bad("http://+:65536/", PREFIX_PART_PORT, "65536");
    bad("http://+:*/", PREFIX_PART_PORT, "*");
    bad("http://+:8a/", PREFIX_PART_PORT, "8a");
    bad("http://[::1]x:80/", PREFIX_PART_PORT, "");
}

static void path_that_can_never_match_is_named(void **state)
{
    (void)state;
    bad("http://+:80/a", PREFIX_PART_PATH, "/a");
    bad("http://+:80//", PREFIX_PART_PATH, "");
    bad("http://+:80/a/../b/", PREFIX_PART_PATH, "..");
    bad("http://+:80/./", PREFIX_PART_PATH, ".");
    bad("http://+:80/%61/", PREFIX_PART_PATH, "%61");
    bad("http://+:80/%2f/", PREFIX_PART_PATH, "%2f");
    bad("http://+:80/%2/", PREFIX_PART_PATH, "%2");
    bad("http://+:80/%00/", PREFIX_PART_PATH, "%00");
    bad("http://+:80/a b/", PREFIX_PART_PATH, "a b");
    bad("http://+:80/a?b/", PREFIX_PART_PATH, "a?b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_host_is_read),
        cmocka_unit_test(address_hosts_become_sixteen_bytes),
        cmocka_unit_test(bad_scheme_is_named),
        cmocka_unit_test(bad_host_is_named),
        cmocka_unit_test(bad_port_is_named),
        cmocka_unit_test(path_that_can_never_match_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
