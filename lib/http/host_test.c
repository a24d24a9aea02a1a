#include "lib/http/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

static void is_host(const char *text, const char *host, uint16_t port)
{
    struct hf_http_host h;

    assert_int_equal(hf_http_host_parse(hf_slice_of_cstr(text), false, &h), HF_OK);
    assert_true(hf_slice_equal(hf_http_host_slice(&h), hf_slice_of_cstr(host)));
    assert_int_equal(h.port, port);
}

static void hosts_become_canonical(void **state)
{
    (void)state;
    is_host("Example.COM", "example.com", 0);
    is_host("example.com.:80", "example.com", 0);
    is_host("a_b-c:8080", "a_b-c", 8080);
    is_host("a:", "a", 0);
    is_host("127.0.0.1:443", "127.0.0.1", 443);
    is_host("[2001:DB8:0::1]:81", "[2001:db8::1]", 81);
}

static void malformed_hosts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",          ".",         "..",
        "a..b",      "a..",       "u@a",
        "a/b",       "a,b",       "a b",
        "a%41",      "a:b",       "a:0",
        "a:080",     "a:65536",   "a:1:2",
        "[::1",      "[::1]x",    "[::g]",
        "[1.2.3.4]", "[v1.a]",    "[fe80::1%25eth0]",
        "1.2.3",     "1.2.3.256", "01.2.3.4",
        "a?b",       "a#b",       "a\\b",
        ":80",
    };
    struct hf_http_host h;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(hf_http_host_parse(hf_slice_of_cstr(texts[i]), false, &h),
                         HF_ERR_INVALID);
    }
}

static void default_port_follows_the_scheme(void **state)
{
    struct hf_http_host h;

    (void)state;
    assert_int_equal(hf_http_host_parse(HF_SLICE("a:443"), true, &h), HF_OK);
    assert_int_equal(h.port, 0);
    assert_int_equal(hf_http_host_parse(HF_SLICE("a:80"), true, &h), HF_OK);
    assert_int_equal(h.port, 80);
}

static void networks_hold_their_addresses(void **state)
{
    static const struct {
        const char *network;
        const char *address;
        bool has;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true},       {"10.0.0.0/8", "11.0.0.1", false},
        {"192.0.2.128/25", "192.0.2.127", false}, {"192.0.2.7", "192.0.2.7", true},
        {"0.0.0.0/0", "8.8.8.8", true},           {"0.0.0.0/0", "::1", false},
        {"2001:db8::/32", "2001:db8:1::1", true}, {"::/0", "8.8.8.8", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hf_http_network n;
        struct hf_http_address a;

        assert_int_equal(hf_http_network_parse(hf_slice_of_cstr(rows[i].network), &n),
                         HF_OK);
        assert_int_equal(hf_http_address_parse(hf_slice_of_cstr(rows[i].address), &a),
                         HF_OK);
        assert_int_equal(hf_http_network_has(&n, a), rows[i].has);
    }
}

static void addresses_are_written_as_they_are_read(void **state)
{
    static const char *const texts[] = {"0.0.0.0", "192.0.2.10", "255.255.255.255",
                                        "10.99.100.9", "2001:db8::1"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct hf_http_address address;
        char text[HF_HTTP_ADDRESS_TEXT_BYTES];

        assert_int_equal(hf_http_address_parse(hf_slice_of_cstr(texts[i]), &address),
                         HF_OK);
        hf_http_address_text(address, text);
        assert_string_equal(text, texts[i]);
    }
}

static void malformed_networks_are_refused(void **state)
{
    static const char *const texts[] = {"",    "10.0.0.0/33", "::/129",  "10.0.0.0/",
                                        "x/8", "10.0.0.0/08", "10.0.0/8"};
    struct hf_http_network n;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(hf_http_network_parse(hf_slice_of_cstr(texts[i]), &n),
                         HF_ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_become_canonical),
        cmocka_unit_test(malformed_hosts_are_refused),
        cmocka_unit_test(default_port_follows_the_scheme),
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(addresses_are_written_as_they_are_read),
        cmocka_unit_test(malformed_networks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
