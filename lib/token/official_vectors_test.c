/* The published vectors of others: PASETO v4.public, PASERK, Wycheproof Ed25519 and
 * JSONTestSuite, plus the draft's signed documents. */
#include <dirent.h>

#include "lib/token/b64u.h"
#include "lib/token/claims_json.h"
#include "lib/token/claims_vectors.h"
#include "lib/token/paseto.h"
#include "lib/token/revocation.h"

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static hf_key public_of(json_t *test, const char *name)
{
    hf_key key;

    assert_int_equal(hex_of(test, name, key.bytes, sizeof key.bytes), sizeof key.bytes);
    return key;
}

static void expect_signed(json_t *test)
{
    uint8_t bytes[64];
    uint8_t scratch[4096];
    struct hf_secret *secret = NULL;
    struct hf_paseto token;
    struct hf_buf out;
    struct hf_paseto_input input = {slice_of(test, "payload"), slice_of(test, "footer"),
                                    slice_of(test, "implicit-assertion")};

    assert_int_equal(hex_of(test, "secret-key", bytes, sizeof bytes), 64);
    assert_int_equal(hf_secret_of_bytes(hf_slice_of(bytes, 64), &secret), HF_OK);
    hf_buf_init(&out, 4096);
    assert_int_equal(hf_paseto_sign(secret, &input, &out), HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&out), slice_of(test, "token")));
    assert_int_equal(
        hf_paseto_parse(hf_buf_slice(&out), scratch, sizeof scratch, &token), HF_OK);
    assert_true(hf_slice_equal(token.payload, input.payload));
    assert_int_equal(
        hf_paseto_verify(&token, public_of(test, "public-key"), input.assertion),
        HF_OK);
    assert_int_equal(hf_paseto_verify(&token, public_of(test, "public-key"),
                                      HF_SLICE("another assertion")),
                     HF_ERR_DENIED);
    hf_buf_fini(&out);
    hf_secret_free(secret);
}

/* Local tokens fall at the header; 4-F-2 is a public token for a local key, whose bytes
 * are taken as a public key here and must not verify. */
static void expect_refused(json_t *test)
{
    uint8_t scratch[8192];
    struct hf_paseto token;
    hf_err err =
        hf_paseto_parse(slice_of(test, "token"), scratch, sizeof scratch, &token);

    if (err == HF_OK) {
        assert_string_equal(text_of(test, "name"), "4-F-2");
        err = hf_paseto_verify(&token, public_of(test, "key"),
                               slice_of(test, "implicit-assertion"));
    }
    assert_int_not_equal(err, HF_OK);
}

static void paseto_v4_vectors_hold(void **state)
{
    json_t *root = vectors_load("paseto/v4.json");
    size_t i;
    size_t signed_count = 0;
    json_t *test;

    (void)state;
    json_array_foreach(json_object_get(root, "tests"), i, test)
    {
        if (starts_with(text_of(test, "name"), "4-S-")) {
            expect_signed(test);
            signed_count++;
        } else {
            expect_refused(test);
        }
    }
    assert_int_equal(signed_count, 3);
    json_decref(root);
}

static void paserk_public_and_pid_vectors_hold(void **state)
{
    static const char *const files[] = {"paseto/k4.public.json", "paseto/k4.pid.json"};
    char text[HF_KEY_TEXT_BYTES + 1];

    (void)state;
    for (size_t f = 0; f < 2; f++) {
        json_t *root = vectors_load(files[f]);
        size_t i;
        json_t *test;
        json_array_foreach(json_object_get(root, "tests"), i, test)
        {
            if (json_is_true(json_object_get(test, "expect-fail"))) {
                assert_int_not_equal(slice_of(test, "key").bytes, 64);
                continue; /* a key of another size cannot even be expressed */
            }
            hf_key key = public_of(test, "key");
            hf_key_text(key, text);
            assert_string_equal(f == 0 ? text : hf_kid_of(key).text,
                                text_of(test, "paserk"));
        }
        json_decref(root);
    }
}

static void paserk_secret_vectors_hold(void **state)
{
    json_t *root = vectors_load("paseto/k4.secret.json");
    size_t i;
    json_t *test;
    uint8_t bytes[64];
    char text[HF_SECRET_TEXT_BYTES + 1];

    (void)state;
    json_array_foreach(json_object_get(root, "tests"), i, test)
    {
        struct hf_secret *secret = NULL;
        struct hf_secret *parsed = NULL;
        size_t count = hex_of(test, "key", bytes, sizeof bytes);
        hf_err err = hf_secret_of_bytes(hf_slice_of(bytes, count), &secret);
        if (json_is_true(json_object_get(test, "expect-fail"))) {
            assert_int_equal(err, HF_ERR_INVALID);
            continue;
        }
        assert_int_equal(err, HF_OK);
        hf_secret_text(secret, text);
        assert_string_equal(text, text_of(test, "paserk"));
        assert_int_equal(hf_secret_parse(slice_of(test, "paserk"), &parsed), HF_OK);
        assert_true(hf_slice_equal(hf_secret_bytes(parsed), hf_secret_bytes(secret)));
        hf_secret_free(secret);
        hf_secret_free(parsed);
    }
    json_decref(root);
}

static void paserk_secret_pw_vectors_hold(void **state)
{
    json_t *root = vectors_load("paseto/k4.secret-pw.json");
    size_t i;
    json_t *test;
    uint8_t bytes[64];

    (void)state;
    json_array_foreach(json_object_get(root, "tests"), i, test)
    {
        struct hf_secret *secret = NULL;
        hf_err err = hf_secret_unwrap(slice_of(test, "paserk"),
                                      slice_of(test, "password"), &secret);
        if (json_is_true(json_object_get(test, "expect-fail"))) {
            assert_int_not_equal(err, HF_OK);
            continue;
        }
        assert_int_equal(err, HF_OK);
        hex_of(test, "unwrapped", bytes, sizeof bytes);
        assert_memory_equal(hf_secret_bytes(secret).data, bytes, sizeof bytes);
        hf_secret_free(secret);
    }
    assert_true(i >= 6);
    json_decref(root);
}

static void wycheproof_ed25519_agrees(void **state)
{
    json_t *root = vectors_load("wycheproof/ed25519_test.json");
    size_t g, i, count = 0;
    json_t *group;
    json_t *test;
    uint8_t message[4096];
    uint8_t signature[256];

    (void)state;
    json_array_foreach(json_object_get(root, "testGroups"), g, group)
    {
        hf_key key = public_of(json_object_get(group, "publicKey"), "pk");
        json_array_foreach(json_object_get(group, "tests"), i, test)
        {
            hf_slice m = {message, hex_of(test, "msg", message, sizeof message)};
            hf_slice s = {signature, hex_of(test, "sig", signature, sizeof signature)};
            assert_int_equal(hf_verify(key, m, s),
                             strcmp(text_of(test, "result"), "valid") == 0);
            count++;
        }
    }
    assert_int_equal(count, 151);
    json_decref(root);
}

static size_t read_whole(const char *path, uint8_t *out, size_t room)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size_t bytes = fread(out, 1, room, file);
    (void)fclose(file);
    return bytes;
}

static void json_suite_is_refused_where_it_must_be(void **state)
{
    char folder[512];
    char path[1024];
    uint8_t *bytes = malloc(300000);
    DIR *list =
        opendir(vectors_path("jsontestsuite/test_parsing", folder, sizeof folder));
    struct dirent *entry;
    size_t refused = 0;

    (void)state;
    if (list == NULL) {
        free(bytes);
        print_message("skipped: 1 vector folder missing: jsontestsuite\n");
        skip();
    }
    while ((entry = readdir(list)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        hf_slice text = hf_slice_of(bytes, read_whole(path, bytes, 300000));
        json_t *object = NULL;
        hf_err err = hf_json_parse(text, &object);
        if (entry->d_name[0] == 'n') {
            assert_int_equal(err, HF_ERR_INVALID);
            refused++;
        }
        json_decref(object);
    }
    (void)closedir(list);
    free(bytes);
    assert_int_equal(refused, 188);
}

static struct hf_document_context document_context(struct hf_trust *trust)
{
    struct hf_secret *issuer = secret_of(1);

    hf_trust_init(trust);
    trust_secret(trust, issuer, HF_KEY_USE_CAP | HF_KEY_USE_REV | HF_KEY_USE_KEYS);
    hf_secret_free(issuer);
    return (struct hf_document_context){trust, HF_SLICE("prod-eu1"), 1767225900, 30};
}

static void draft_revocation_list_holds_and_is_written_the_same(void **state)
{
    json_t *root = vectors_load("holdfast-draft/hf1-docs-draft.json");
    json_t *test = json_object_get(root, "revocation");
    struct hf_trust trust;
    struct hf_document_context context = document_context(&trust);
    struct hf_revocation *list = NULL;
    struct hf_secret *issuer = secret_of(1);
    struct hf_buf payload, token;
    hf_jti jti;

    (void)state;
    assert_int_equal(hf_revocation_new(&list), HF_OK);
    assert_int_equal(hf_revocation_add_part(list, slice_of(test, "token"), &context),
                     HF_TOKEN_OK);
    assert_true(hf_revocation_is_complete(list));
    memset(jti.bytes, 1, sizeof jti.bytes);
    assert_true(hf_revocation_has_jti(list, &jti));
    assert_int_equal(hf_revocation_epoch(list), 7);
    assert_false(hf_revocation_allows_queue(list, HF_SLICE("orders.eu"), 8));
    assert_true(hf_revocation_allows_queue(list, HF_SLICE("orders.eu"), 9));

    struct hf_document_head head = *hf_revocation_head(list);
    head.issuer = HF_SLICE("hf-controller");
    head.audience = HF_SLICE("prod-eu1");
    hf_buf_init(&payload, 8192);
    hf_buf_init(&token, 8192);
    assert_int_equal(hf_revocation_write(list, &head, 0, &payload), HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&payload), slice_of(test, "payload")));
    assert_int_equal(hf_document_sign(HF_DOCUMENT_REVOCATION, issuer,
                                      hf_buf_slice(&payload), &token),
                     HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&token), slice_of(test, "token")));

    hf_buf_fini(&payload);
    hf_buf_fini(&token);
    hf_secret_free(issuer);
    hf_revocation_free(list);
    json_decref(root);
}

static void draft_keyset_holds_and_is_written_the_same(void **state)
{
    json_t *root = vectors_load("holdfast-draft/hf1-docs-draft.json");
    json_t *test = json_object_get(root, "keyset");
    struct hf_trust trust;
    struct hf_document_context context = document_context(&trust);
    struct hf_keyset keyset;
    struct hf_buf payload;

    (void)state;
    assert_int_equal(hf_keyset_open(slice_of(test, "token"), &context, &keyset),
                     HF_TOKEN_OK);
    assert_int_equal(keyset.trust.keys_count, 2);
    assert_int_equal(keyset.trust.keys[0].uses, HF_KEY_USE_CAP | HF_KEY_USE_REV);
    keyset.head.issuer = HF_SLICE("hf-anchor");
    keyset.head.audience = HF_SLICE("prod-eu1");
    hf_buf_init(&payload, 8192);
    assert_int_equal(hf_keyset_write(&keyset, &payload), HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&payload), slice_of(test, "payload")));

    hf_buf_fini(&payload);
    json_decref(root);
}

static void draft_documents_do_not_pass_for_each_other(void **state)
{
    json_t *root = vectors_load("holdfast-draft/hf1-docs-draft.json");
    hf_slice list = slice_of(json_object_get(root, "revocation"), "token");
    hf_slice keys = slice_of(json_object_get(root, "keyset"), "token");
    struct hf_trust trust;
    struct hf_document_context context = document_context(&trust);
    struct hf_chain_context chain_context = {.trust = &trust,
                                             .cluster = context.cluster,
                                             .skip_broker = true,
                                             .skip_network = true,
                                             .now_s = context.now_s,
                                             .ttl_s_max = 86400};
    struct hf_chain *chain = calloc(1, sizeof *chain);
    struct hf_revocation *target = NULL;
    struct hf_keyset keyset;

    (void)state;
    assert_non_null(chain);
    assert_int_equal(hf_revocation_new(&target), HF_OK);
    assert_int_equal(hf_revocation_add_part(target, keys, &context), HF_TOKEN_SIG);
    assert_int_equal(hf_keyset_open(list, &context, &keyset), HF_TOKEN_SIG);
    assert_int_equal(hf_chain_verify(list, &chain_context, chain), HF_TOKEN_SIG);

    hf_revocation_free(target);
    free(chain);
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
        cmocka_unit_test(paseto_v4_vectors_hold),
        cmocka_unit_test(paserk_public_and_pid_vectors_hold),
        cmocka_unit_test(paserk_secret_vectors_hold),
        cmocka_unit_test(paserk_secret_pw_vectors_hold),
        cmocka_unit_test(wycheproof_ed25519_agrees),
        cmocka_unit_test(json_suite_is_refused_where_it_must_be),
        cmocka_unit_test(draft_revocation_list_holds_and_is_written_the_same),
        cmocka_unit_test(draft_keyset_holds_and_is_written_the_same),
        cmocka_unit_test(draft_documents_do_not_pass_for_each_other),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
