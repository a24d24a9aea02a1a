#include "lib/io/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const seeded =
    "cluster=demo\n"
    "anchor=k4.public.0EqyMnQrtKs6E2i9RhXk5tAiSrcaAWuvhSCjMsl3hzc\n";

static hf_err parse(struct hf_credentials *credentials, const char *text)
{
    const char *error = NULL;
    hf_err err = hf_credentials_parse(credentials, hf_slice_of_cstr(text), &error);

    assert_true(err == HF_OK || error != NULL);
    return err;
}

static void a_package_round_trips(void **state)
{
    struct hf_credentials a;
    struct hf_credentials b;
    struct hf_buf text;
    hf_key first;
    hf_key second;

    (void)state;
    assert_int_equal(hf_token_init(), HF_OK);
    hf_credentials_init(&a);
    hf_credentials_init(&b);
    hf_buf_init(&text, HF_CREDENTIALS_BYTES_MAX);
    assert_int_equal(hf_secret_generate(NULL, &a.secret), HF_OK);
    assert_int_equal(parse(&a, seeded), HF_OK);
    assert_int_equal(parse(&a, "token=v4.public.AAAA.BBBB\n"), HF_OK);

    assert_int_equal(hf_credentials_append(&a, &text), HF_OK);
    assert_int_equal(hf_buf_append_byte(&text, 0), HF_OK);
    assert_int_equal(parse(&b, (const char *)hf_buf_slice(&text).data), HF_OK);

    first = hf_secret_public(a.secret);
    second = hf_secret_public(b.secret);
    assert_true(hf_key_equal(first, second));
    assert_string_equal(b.cluster, "demo");
    assert_int_equal(b.anchors_count, 1);
    assert_true(
        hf_slice_equal(hf_buf_slice(&b.token), HF_SLICE("v4.public.AAAA.BBBB")));
    hf_credentials_fini(&a);
    hf_credentials_fini(&b);
    hf_buf_fini(&text);
}

static void lines_that_are_none_of_ours_are_refused(void **state)
{
    static const char *const bad[] = {
        "password=x\n", "key=k4.secret.AAAA\n", "anchor=k4.public.AAAA\n",
        "cluster=\n",   "token=v3.public.A\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hf_credentials credentials;

        hf_credentials_init(&credentials);
        assert_int_equal(parse(&credentials, bad[i]), HF_ERR_INVALID);
        hf_credentials_fini(&credentials);
    }
}

static void a_bare_token_and_comments_are_taken(void **state)
{
    struct hf_credentials credentials;

    (void)state;
    hf_credentials_init(&credentials);
    assert_int_equal(parse(&credentials, "# of worker 7\n\nv4.public.AA.BB\n"), HF_OK);
    assert_int_equal(hf_buf_bytes(&credentials.token), 15);
    hf_credentials_fini(&credentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_package_round_trips),
        cmocka_unit_test(lines_that_are_none_of_ours_are_refused),
        cmocka_unit_test(a_bare_token_and_comments_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
