/* The 107 draft cases of hf1 chains, with their queue patterns (SECURITY.md T-TOK-3).
 */
#include "lib/token/claims_vectors.h"
#include "lib/token/b64u.h"
#include "lib/token/revocation.h"

#define CASES "holdfast-draft/hf1-cap-draft.json"

struct fixture {
    struct hf_trust trust;
    struct hf_revocation *revocation;
    struct hf_chain_context context;
};

/* A member of the case's context, else of the default one. */
static json_t *setting(json_t *root, json_t *test, const char *name)
{
    json_t *own = json_object_get(json_object_get(test, "context"), name);

    return own != NULL
               ? own
               : json_object_get(json_object_get(root, "default_context"), name);
}

static void fill_revocation(struct fixture *f, json_t *lists)
{
    size_t i;
    json_t *item;
    hf_jti jti;
    hf_key key;
    hf_kid kid;

    assert_int_equal(hf_revocation_new(&f->revocation), HF_OK);
    hf_revocation_raise_epoch(
        f->revocation, (uint64_t)json_integer_value(json_object_get(lists, "min_ep")));
    json_array_foreach(json_object_get(lists, "jti"), i, item)
    {
        hf_slice text = hf_slice_of_cstr(json_string_value(item));
        assert_int_equal(hf_jti_parse(text, &jti), HF_OK);
        assert_int_equal(hf_revocation_add_jti(f->revocation, jti, 2000000000), HF_OK);
    }
    json_array_foreach(json_object_get(lists, "cnf"), i, item)
    {
        hf_slice text = hf_slice_of_cstr(json_string_value(item));
        assert_int_equal(hf_key_parse(text, &key), HF_OK);
        assert_int_equal(hf_revocation_add_holder(f->revocation, key, 2000000000),
                         HF_OK);
    }
    json_array_foreach(json_object_get(lists, "kid"), i, item)
    {
        hf_slice text = hf_slice_of_cstr(json_string_value(item));
        assert_int_equal(hf_kid_parse(text, &kid), HF_OK);
        assert_int_equal(hf_revocation_add_kid(f->revocation, &kid), HF_OK);
    }
    hf_revocation_finish(f->revocation);
}

static void arrange(struct fixture *f, json_t *root, json_t *test)
{
    const char *kid;
    json_t *public;

    memset(f, 0, sizeof *f);
    hf_trust_init(&f->trust);
    json_object_foreach(
        json_object_get(json_object_get(root, "default_context"), "roots"), kid, public)
    {
        struct hf_trust_key key = {.uses = HF_KEY_USE_CAP, .expires_s = INT64_MAX};

        assert_int_equal(hf_text_parse_hex(hf_slice_of_cstr(json_string_value(public)),
                                           key.key.bytes, 32),
                         HF_OK);
        assert_int_equal(hf_trust_add(&f->trust, &key), HF_OK);
        assert_string_equal(f->trust.keys[f->trust.keys_count - 1].kid.text, kid);
    }
    fill_revocation(f, setting(root, test, "revocation"));
    f->context = (struct hf_chain_context){
        .trust = &f->trust,
        .revocation = f->revocation,
        .cluster = hf_slice_of_cstr(json_string_value(setting(root, test, "cluster"))),
        .broker = hf_slice_of_cstr(json_string_value(setting(root, test, "broker"))),
        .now_s = json_integer_value(setting(root, test, "now")),
        .skew_s = json_integer_value(setting(root, test, "skew")),
        .ttl_s_max = json_integer_value(setting(root, test, "max_ttl")),
    };
    assert_int_equal(hf_address_parse(hf_slice_of_cstr(json_string_value(
                                          setting(root, test, "peer"))),
                                      &f->context.peer),
                     HF_OK);
}

static void expect_operations(const struct hf_chain *chain, json_t *test)
{
    size_t i;
    json_t *op;

    json_array_foreach(json_object_get(test, "ops"), i, op)
    {
        enum hf_verb verb;
        assert_int_equal(hf_verb_parse(slice_of(op, "op"), &verb), HF_OK);
        assert_int_equal(hf_chain_allows(chain, verb, slice_of(op, "queue")),
                         json_is_true(json_object_get(op, "allow")));
    }
}

static void expect_accepted(const struct hf_chain *chain, json_t *test)
{
    char holder[HF_KEY_TEXT_BYTES + 1];
    json_t *expires = json_object_get(test, "expires");

    hf_key_text(hf_chain_holder(chain), holder);
    if (text_of(test, "holder") != NULL) {
        assert_string_equal(holder, text_of(test, "holder"));
    }
    if (expires != NULL) {
        assert_int_equal(chain->expires_s, json_integer_value(expires));
    }
    expect_operations(chain, test);
}

static void every_draft_case_ends_with_its_code(void **state)
{
    json_t *root = vectors_load(CASES);
    json_t *cases = json_object_get(root, "cases");
    struct hf_chain *chain = calloc(1, sizeof *chain);
    size_t i;
    json_t *test;

    (void)state;
    assert_non_null(chain);
    assert_true(json_array_size(cases) >= 107);
    json_array_foreach(cases, i, test)
    {
        struct fixture f;
        arrange(&f, root, test);
        enum hf_token_error error =
            hf_chain_verify(slice_of(test, "token"), &f.context, chain);
        if (strcmp(hf_token_error_code(error), text_of(test, "expect")) != 0) {
            fail_msg("%s: %s instead of %s", text_of(test, "name"),
                     hf_token_error_code(error), text_of(test, "expect"));
        }
        if (error == HF_TOKEN_OK) {
            expect_accepted(chain, test);
        }
        hf_revocation_free(f.revocation);
    }
    free(chain);
    json_decref(root);
}

static void patterns_match_as_the_draft_says(void **state)
{
    json_t *root = vectors_load(CASES);
    size_t i;
    json_t *item;

    (void)state;
    json_array_foreach(json_object_get(root, "patterns"), i, item)
    {
        assert_int_equal(
            hf_pattern_match(slice_of(item, "pattern"), slice_of(item, "queue")),
            json_is_true(json_object_get(item, "match")));
    }
    assert_int_equal(i, 22);
    json_decref(root);
}

static void bad_patterns_and_names_are_refused(void **state)
{
    json_t *root = vectors_load(CASES);
    size_t i;
    json_t *item;

    (void)state;
    json_array_foreach(json_object_get(root, "bad_patterns"), i, item)
    {
        assert_int_equal(hf_pattern_check(hf_slice_of_cstr(json_string_value(item))),
                         HF_ERR_INVALID);
    }
    assert_int_equal(i, 17);
    json_array_foreach(json_object_get(root, "bad_queue_names"), i, item)
    {
        assert_int_equal(hf_queue_name_check(hf_slice_of_cstr(json_string_value(item))),
                         HF_ERR_INVALID);
    }
    assert_int_equal(i, 11);
    json_decref(root);
}

/* Signs the claims of an accepted token again and expects the same bytes. */
static void expect_same_bytes(json_t *root, const char *name)
{
    size_t i;
    json_t *test;
    struct hf_claims claims;
    struct hf_buf out;
    struct hf_secret *issuer = secret_of(1);
    uint8_t scratch[4096];

    hf_buf_init(&out, HF_CHAIN_BYTES_MAX);
    json_array_foreach(json_object_get(root, "cases"), i, test)
    {
        if (strcmp(text_of(test, "name"), name) != 0) {
            continue;
        }
        hf_slice token = slice_of(test, "token");
        size_t dot = 10 + hf_slice_find(hf_slice_skip(token, 10), '.');
        hf_slice body = hf_slice_skip(hf_slice_first(token, dot), 10);
        size_t bytes =
            body.bytes / 4 * 3 + (body.bytes % 4 == 0 ? 0 : body.bytes % 4 - 1);
        assert_int_equal(hf_b64u_decode(body, scratch, bytes), HF_OK);
        assert_int_equal(
            hf_claims_read(hf_slice_of(scratch, bytes - 64), true, &claims), HF_OK);
        assert_int_equal(hf_chain_mint(issuer, &claims, &out), HF_OK);
        assert_true(hf_slice_equal(hf_buf_slice(&out), token));
    }
    assert_true(hf_buf_bytes(&out) > 0);
    hf_buf_fini(&out);
    hf_secret_free(issuer);
}

static void mint_makes_the_drafts_bytes(void **state)
{
    json_t *root = vectors_load(CASES);

    (void)state;
    expect_same_bytes(root, "one-link");
    expect_same_bytes(root, "local-only-ok");
    json_decref(root);
}

static int start(void **state)
{
    (void)state;
    return hf_token_init() == HF_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_draft_case_ends_with_its_code),
        cmocka_unit_test(patterns_match_as_the_draft_says),
        cmocka_unit_test(bad_patterns_and_names_are_refused),
        cmocka_unit_test(mint_makes_the_drafts_bytes),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
