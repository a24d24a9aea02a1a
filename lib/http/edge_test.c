#include "lib/http/edge.h"

#include "lib/http/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

/* A head whose fields come from a block. */
struct sample {
    struct hf_http_field fields[32];
    struct hf_http_head head;
};

static void sample_of(const char *block, struct sample *s)
{
    hf_slice rest = hf_slice_of_cstr(block);
    size_t n = 0;

    while (hf_http_field_next(&rest, &s->fields[n])) {
        n++;
    }
    assert_int_equal(rest.bytes, 0);
    s->head = (struct hf_http_head){
        .version_minor = 1, .fields = s->fields, .fields_count = n};
}

static struct hf_http_address address_of(const char *text)
{
    struct hf_http_address a;

    assert_int_equal(hf_http_address_parse(hf_slice_of_cstr(text), &a), HF_OK);
    return a;
}

#define MADE_ANEW(peer, host)                                                          \
    "Via: 1.1 holdfast\r\nX-Forwarded-For: " peer "\r\nX-Forwarded-Proto: http\r\n"    \
    "X-Forwarded-Host: " host "\r\n"

static void passes(const struct hf_http_edge *edge, const char *block,
                   const char *expected, size_t dropped_expected)
{
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_client client = {address_of("192.0.2.9"), false, HF_SLICE("h"),
                                    HF_SLICE_EMPTY};
    struct sample s;
    size_t dropped;

    hf_buf_init(&out, 65536);
    sample_of(block, &s);
    assert_int_equal(hf_http_edge_fields(edge, &s.head, &client, &out, &dropped),
                     HF_REASON_NONE);
    assert_int_equal(hf_buf_bytes(&out), strlen(expected));
    assert_memory_equal(out.data + out.start, expected, strlen(expected));
    assert_int_equal(dropped, dropped_expected);
}

static void is_refused(const struct hf_http_edge *edge, const char *block)
{
    HF_AUTO(hf_buf_fini) struct hf_buf out;
    struct hf_http_client client = {address_of("192.0.2.9"), false, HF_SLICE("h"),
                                    HF_SLICE_EMPTY};
    struct sample s;
    size_t dropped;

    hf_buf_init(&out, 65536);
    sample_of(block, &s);
    assert_int_equal(hf_http_edge_fields(edge, &s.head, &client, &out, &dropped),
                     HF_REASON_HEADER);
}

static void end_to_end_fields_keep_order_case_and_repetition(void **state)
{
    struct hf_http_edge edge = {0};

    (void)state;
    passes(&edge, "b: 2\r\nHost: h\r\nA: 1\r\nB: 3\r\nb:\r\n",
           "Host: h\r\nb: 2\r\nA: 1\r\nB: 3\r\nb: \r\n" MADE_ANEW("192.0.2.9", "h"), 1);
}

static void hop_by_hop_and_own_fields_are_stripped(void **state)
{
    struct hf_http_edge edge = {0};

    (void)state;
    passes(&edge,
           "Connection: X-A, keep-alive\r\nX-a: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
           "Trailer: X\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\n"
           "Content-Length: 1\r\nExpect: 100-continue\r\nProxy-Foo: 1\r\n"
           "Holdfast-Id: 1\r\nX-Holdfast-Y: 1\r\nForwarded: for=1.1.1.1\r\n"
           "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 1.1.1.1\r\n"
           "Content_Length: 3\r\nKept: 1\r\n",
           "Host: h\r\nKept: 1\r\n" MADE_ANEW("192.0.2.9", "h"), 17);
}

static void nominating_an_end_to_end_field_is_refused(void **state)
{
    struct hf_http_edge edge = {0};

    (void)state;
    is_refused(&edge, "Connection: Host\r\n");
    is_refused(&edge, "Connection: close, content-TYPE\r\n");
    is_refused(&edge, "Connection: Authorization\r\n");
    is_refused(&edge, "Connection: x-forwarded-for\r\n");
    is_refused(&edge, "Connection: a b\r\n");
}

static void underscores_follow_the_configuration(void **state)
{
    struct hf_http_edge reject = {.underscores = HF_HTTP_UNDERSCORES_REJECT};
    struct hf_http_edge allow = {.underscores = HF_HTTP_UNDERSCORES_ALLOW};

    (void)state;
    is_refused(&reject, "a_b: 1\r\n");
    passes(&allow, "a_b: 1\r\n", "Host: h\r\na_b: 1\r\n" MADE_ANEW("192.0.2.9", "h"),
           0);
}

static void forwarded_of_a_trusted_peer_is_told_as_x_forwarded_for(void **state)
{
    struct hf_http_network network;
    struct hf_http_edge edge = {.trusted_proxies = &network,
                                .trusted_proxies_count = 1};

    (void)state;
    assert_int_equal(hf_http_network_parse(HF_SLICE("192.0.2.0/24"), &network), HF_OK);
    passes(&edge,
           "Forwarded: for=6.6.6.6, for=198.51.100.7\r\nX-Forwarded-For: 1.1.1.1\r\n",
           "Host: h\r\n" MADE_ANEW("198.51.100.7, 192.0.2.9", "h"), 2);
    passes(&edge, "Forwarded: for=_hidden\r\n",
           "Host: h\r\n" MADE_ANEW("192.0.2.9", "h"), 1);
}

static void allowed_controls_pass(void **state)
{
    struct hf_http_edge edge = {.controls_allowed = HF_HTTP_CONTROL_DELAY};

    (void)state;
    passes(&edge, "Holdfast-Delay: 5s\r\nHoldfast-Deadline: 9s\r\n",
           "Host: h\r\nHoldfast-Delay: 5s\r\n" MADE_ANEW("192.0.2.9", "h"), 1);
}

static void client_is(const char *peer, const char *block, const char *expected)
{
    struct hf_http_network trusted[2];
    struct hf_http_edge edge = {.trusted_proxies = trusted, .trusted_proxies_count = 2};
    struct hf_http_client client = {address_of(peer), false, HF_SLICE("h"),
                                    HF_SLICE_EMPTY};
    struct hf_http_origin origin;
    struct sample s;
    char text[HF_HTTP_ADDRESS_TEXT_BYTES];

    assert_int_equal(hf_http_network_parse(HF_SLICE("10.0.0.0/8"), &trusted[0]), HF_OK);
    assert_int_equal(hf_http_network_parse(HF_SLICE("fd00::/8"), &trusted[1]), HF_OK);
    sample_of(block, &s);
    hf_http_edge_origin(&edge, &s.head, &client, &origin);
    hf_http_address_text(origin.address, text);
    assert_string_equal(text, expected);
}

static void client_is_found_from_the_right_past_trusted_hops(void **state)
{
    (void)state;
    client_is("192.0.2.9", "X-Forwarded-For: 1.1.1.1\r\n", "192.0.2.9");
    client_is("10.0.0.1", "", "10.0.0.1");
    client_is("10.0.0.1", "X-Forwarded-For: 6.6.6.6, 2.2.2.2\r\n", "2.2.2.2");
    client_is("10.0.0.1", "X-Forwarded-For: 6.6.6.6, 2.2.2.2, 10.9.9.9\r\n", "2.2.2.2");
    client_is("10.0.0.1", "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-For: 10.2.2.2\r\n",
              "2.2.2.2");
    client_is("10.0.0.1", "X-Forwarded-For: 10.5.5.5\r\n", "10.5.5.5");
    client_is("10.0.0.1",
              "Forwarded: for=6.6.6.6, For=\"[2001:db8::7]:80\";proto=https\r\n",
              "2001:db8::7");
    client_is("fd00::1", "X-Forwarded-For: 2.2.2.2:4711\r\n", "2.2.2.2");
    client_is("10.0.0.1", "X-Forwarded-For: 2.2.2.2, nonsense\r\n", "10.0.0.1");
    client_is("10.0.0.1", "X-Forwarded-For: nonsense, 10.1.1.1\r\n", "10.0.0.1");
    client_is("10.0.0.1", "Forwarded: for=_hidden\r\n", "10.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_to_end_fields_keep_order_case_and_repetition),
        cmocka_unit_test(hop_by_hop_and_own_fields_are_stripped),
        cmocka_unit_test(nominating_an_end_to_end_field_is_refused),
        cmocka_unit_test(underscores_follow_the_configuration),
        cmocka_unit_test(forwarded_of_a_trusted_peer_is_told_as_x_forwarded_for),
        cmocka_unit_test(allowed_controls_pass),
        cmocka_unit_test(client_is_found_from_the_right_past_trusted_hops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
