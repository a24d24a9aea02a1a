/* The draft handshake in both roles, byte by byte, for the three transports. */
#include "lib/token/claims_vectors.h"
#include "lib/token/hello.h"
#include "lib/token/transcript.h"

#define FILE_NAME "holdfast-draft/hf1-handshake-draft.json"

/* Hands out runs of equal bytes: 32 of the first, 32 of the second, then the third. */
struct script {
    uint8_t values[4];
    size_t next;
};

static void fill_from_script(void *context, uint8_t *out, size_t bytes)
{
    struct script *script = context;

    assert_true(script->next < 4);
    memset(out, script->values[script->next++], bytes);
}

struct variant {
    const char *name;
    enum hf_transport transport;
};

static const struct variant variants[] = {
    {"tcp", HF_TRANSPORT_TCP}, {"tls", HF_TRANSPORT_TLS}, {"ipc", HF_TRANSPORT_IPC}};

static hf_slice bytes_of(json_t *object, const char *name, uint8_t *room)
{
    return hf_slice_of(room, hex_of(object, name, room, 1024));
}

static void assert_hex(json_t *object, const char *name, const void *data, size_t bytes)
{
    uint8_t room[1024];

    assert_int_equal(hex_of(object, name, room, sizeof room), bytes);
    assert_memory_equal(room, data, bytes);
}

static void client_makes_the_drafts_hello(void **state)
{
    json_t *root = vectors_load(FILE_NAME);
    struct hf_secret *secret = secret_of(0x11);
    struct script script = {{0x31, 0x41}, 0};
    struct hf_random_source random = {fill_from_script, &script};
    struct hf_handshake_config config = {.role = HF_ROLE_WORKER,
                                         .transport = HF_TRANSPORT_TCP,
                                         .modes = HF_MODE_CLEAR | HF_MODE_SEALED,
                                         .secret = secret,
                                         .chain = slice_of(root, "client_chain"),
                                         .cluster = HF_SLICE("prod-eu1"),
                                         .frame_bytes_max = 262144,
                                         .random = &random};
    struct hf_handshake *client = NULL;
    hf_slice m1;

    (void)state;
    assert_int_equal(hf_handshake_client_new(&config, &client), HF_OK);
    assert_int_equal(hf_handshake_start(client), HF_HANDSHAKE_CONTINUE);
    assert_true(hf_handshake_next(client, &m1));
    assert_hex(root, "M1_client_hello", m1.data, m1.bytes);

    hf_handshake_free(client);
    hf_secret_free(secret);
    json_decref(root);
}

static void server_answers_with_the_drafts_hello(void **state)
{
    json_t *root = vectors_load(FILE_NAME);
    uint8_t m1[1024];
    struct hf_secret *secret = secret_of(0x21);
    struct script script = {{0x32, 0x42, 0x51, 0x61}, 0};
    struct hf_random_source random = {fill_from_script, &script};
    struct hf_handshake_config config = {.transport = HF_TRANSPORT_TCP,
                                         .modes = HF_MODE_SEALED,
                                         .secret = secret,
                                         .chain = slice_of(root, "broker_chain"),
                                         .cluster = HF_SLICE("prod-eu1"),
                                         .broker = HF_SLICE("b1"),
                                         .now_ms = 1767225900000,
                                         .random = &random};
    struct hf_chain_context context = {0};
    struct hf_handshake *server = NULL;
    hf_slice m2;

    (void)state;
    assert_int_equal(hf_handshake_server_new(&config, &server), HF_OK);
    assert_int_equal(
        hf_handshake_receive(server, bytes_of(root, "M1_client_hello", m1), &context),
        HF_HANDSHAKE_CONTINUE);
    assert_true(hf_handshake_next(server, &m2));
    assert_hex(root, "M2_server_hello", m2.data, m2.bytes);

    hf_handshake_free(server);
    hf_secret_free(secret);
    json_decref(root);
}

static void expect_keys(json_t *root, json_t *test, const hf_digest *th)
{
    struct hf_ephemeral client, server;
    struct hf_session_keys a, b;
    struct script scripts[2] = {{{0x31}, 0}, {{0x32}, 0}};

    hf_ephemeral_new(&(struct hf_random_source){fill_from_script, &scripts[0]},
                     &client);
    hf_ephemeral_new(&(struct hf_random_source){fill_from_script, &scripts[1]},
                     &server);
    assert_hex(root, "client_eph_pk", client.public, 32);
    assert_hex(root, "server_eph_pk", server.public, 32);
    assert_int_equal(
        hf_session_keys_derive(&client, hf_slice_of(server.public, 32), true, th, &a),
        HF_OK);
    assert_int_equal(
        hf_session_keys_derive(&server, hf_slice_of(client.public, 32), false, th, &b),
        HF_OK);
    assert_hex(test, "k_c2s", a.client_to_server.bytes, 32);
    assert_hex(test, "k_s2c", a.server_to_client.bytes, 32);
    assert_memory_equal(&a, &b, sizeof a);
}

static void expect_signatures(json_t *root, json_t *test, const hf_digest *th)
{
    struct hf_secret *client = secret_of(0x11);
    struct hf_secret *server = secret_of(0x21);
    hf_signature signature;
    struct hf_reauth reauth = {.chain = slice_of(root, "client_chain"), .counter = 1};

    hf_transcript_sign(server, false, th, slice_of(root, "broker_chain"), &signature);
    assert_hex(test, "server_sig", signature.bytes, sizeof signature.bytes);
    hf_transcript_sign(client, true, th, slice_of(root, "client_chain"), &signature);
    assert_hex(test, "client_sig", signature.bytes, sizeof signature.bytes);
    hf_reauth_sign(client, th, &reauth);
    assert_hex(test, "reauth_sig", reauth.signature.bytes, HF_SIGNATURE_BYTES);
    hf_secret_free(client);
    hf_secret_free(server);
}

static void transcript_keys_and_signatures_are_the_drafts(void **state)
{
    json_t *root = vectors_load(FILE_NAME);
    uint8_t m1[1024];
    uint8_t m2[1024];
    json_t *list = json_object_get(root, "variants");

    (void)state;
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *test = json_array_get(list, i);
        hf_digest th =
            hf_transcript(bytes_of(root, "M1_client_hello", m1),
                          bytes_of(root, "M2_server_hello", m2), variants[i].transport);

        assert_string_equal(text_of(test, "transport_binding"), variants[i].name);
        assert_hex(test, "th", th.bytes, sizeof th.bytes);
        expect_keys(root, test, &th);
        expect_signatures(root, test, &th);
    }
    json_decref(root);
}

/* The client's signature of the tcp variant, to be verified under changed conditions.
 */
static bool verifies(json_t *root, bool by_client, enum hf_transport transport,
                     uint8_t m2_flip)
{
    uint8_t m1[1024];
    uint8_t m2[1024];
    uint8_t signature[64];
    struct hf_secret *client = secret_of(0x11);
    hf_slice hello = bytes_of(root, "M2_server_hello", m2);

    m2[hello.bytes - 12] ^= m2_flip;
    hex_of(json_array_get(json_object_get(root, "variants"), 0), "client_sig",
           signature, sizeof signature);
    struct hf_transcript_proof proof = {
        by_client,
        hf_transcript(bytes_of(root, "M1_client_hello", m1), hello, transport),
        slice_of(root, "client_chain"), hf_slice_of(signature, sizeof signature)};
    bool is_right = hf_transcript_verify(hf_secret_public(client), &proof);

    hf_secret_free(client);
    return is_right;
}

static void drafts_must_fail_list_fails(void **state)
{
    json_t *root = vectors_load(FILE_NAME);
    struct hf_ephemeral own;
    struct hf_session_keys keys;
    hf_digest th = {{0}};
    uint8_t zero[32] = {0};

    (void)state;
    assert_true(verifies(root, true, HF_TRANSPORT_TCP, 0));
    assert_false(verifies(root, true, HF_TRANSPORT_TLS, 0));
    assert_false(verifies(root, false, HF_TRANSPORT_TCP, 0));
    assert_false(verifies(root, true, HF_TRANSPORT_TCP, 0x01));
    hf_ephemeral_new(NULL, &own);
    assert_int_equal(
        hf_session_keys_derive(&own, hf_slice_of(zero, sizeof zero), true, &th, &keys),
        HF_ERR_INVALID);
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
        cmocka_unit_test(client_makes_the_drafts_hello),
        cmocka_unit_test(server_answers_with_the_drafts_hello),
        cmocka_unit_test(transcript_keys_and_signatures_are_the_drafts),
        cmocka_unit_test(drafts_must_fail_list_fails),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
