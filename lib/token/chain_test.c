/* Chains, revocation lists and manifests of our own making. */
#include "lib/token/claims_vectors.h"
#include "lib/token/revocation.h"

#define NOW 1767225900
#define RECORD_LIST_BYTES_MAX                                                          \
    65535 /* HF_META_LIST_MAX, with the record's own bytes                             \
           */
#define DOCUMENT_HEAD_BYTES_MORE                                                       \
    400 /* where issuer and audience are at their longest */

struct fixture {
    struct hf_secret *issuer, *holder, *other;
    struct hf_trust trust;
    struct hf_chain_context context;
    struct hf_document_context documents;
    struct hf_claims root;
    struct hf_buf token, longer;
    struct hf_chain chain;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL || hf_token_init() != HF_OK) {
        free(f);
        return -1;
    }
    f->issuer = secret_of(1);
    f->holder = secret_of(2);
    f->other = secret_of(3);
    hf_trust_init(&f->trust);
    trust_secret(&f->trust, f->issuer,
                 HF_KEY_USE_CAP | HF_KEY_USE_REV | HF_KEY_USE_ROUTE);
    f->context = (struct hf_chain_context){.trust = &f->trust,
                                           .cluster = HF_SLICE("prod"),
                                           .broker = HF_SLICE("b1"),
                                           .peer = {HF_ADDRESS_IPV4, {10, 0, 0, 1}},
                                           .now_s = NOW,
                                           .skew_s = 30,
                                           .ttl_s_max = HF_CHAIN_TTL_S_MAX};
    f->documents = (struct hf_document_context){&f->trust, HF_SLICE("prod"), NOW, 30};
    hf_claims_init(&f->root, true);
    assert_int_equal(hf_claims_set_issuer(&f->root, HF_SLICE("controller")), HF_OK);
    assert_int_equal(hf_claims_set_subject(&f->root, HF_SLICE("k8s:shop/orders")),
                     HF_OK);
    assert_int_equal(hf_claims_set_audience(&f->root, HF_SLICE("prod")), HF_OK);
    assert_int_equal(hf_claims_add_grant(&f->root, 1u << HF_VERB_RECEIVE), HF_OK);
    assert_int_equal(hf_claims_add_pattern(&f->root, HF_SLICE("orders.>")), HF_OK);
    f->root.holder = hf_secret_public(f->holder);
    f->root.issued_s = NOW - 60;
    f->root.expires_s = NOW + 900;
    f->root.depth = 1;
    f->root.epoch = 7;
    f->root.jti.bytes[0] = 1;
    hf_buf_init(&f->token, HF_CHAIN_BYTES_MAX);
    hf_buf_init(&f->longer, HF_CHAIN_BYTES_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    hf_buf_fini(&f->token);
    hf_buf_fini(&f->longer);
    hf_secret_free(f->issuer);
    hf_secret_free(f->holder);
    hf_secret_free(f->other);
    free(f);
    return 0;
}

static enum hf_token_error judge(struct fixture *f)
{
    hf_buf_clear(&f->token);
    assert_int_equal(hf_chain_mint(f->issuer, &f->root, &f->token), HF_OK);
    return hf_chain_verify(hf_buf_slice(&f->token), &f->context, &f->chain);
}

/* A child for the third key, with the grant the caller names. */
static struct hf_claims child_of(struct fixture *f, const char *pattern, uint16_t verbs)
{
    struct hf_claims child;

    hf_claims_init(&child, false);
    assert_int_equal(hf_claims_set_subject(&child, HF_SLICE("plugin")), HF_OK);
    assert_int_equal(hf_claims_set_audience(&child, HF_SLICE("prod")), HF_OK);
    assert_int_equal(hf_claims_add_grant(&child, verbs), HF_OK);
    assert_int_equal(hf_claims_add_pattern(&child, hf_slice_of_cstr(pattern)), HF_OK);
    child.holder = hf_secret_public(f->other);
    child.issued_s = NOW - 30;
    child.expires_s = NOW + 600;
    child.jti.bytes[0] = 2;
    return child;
}

static hf_err attenuate(struct fixture *f, const struct hf_claims *child,
                        struct hf_attenuation_notice *notice)
{
    struct hf_attenuation request = {hf_buf_slice(&f->token), f->holder, child};

    hf_buf_clear(&f->longer);
    return hf_chain_attenuate(&request, &f->longer, notice);
}

/* T-TOK-4: one changed character anywhere is never accepted. */
static void no_mutation_of_a_valid_token_verifies(void **state)
{
    struct fixture *f = *state;
    struct hf_attenuation_notice notice;
    uint8_t copy[HF_CHAIN_BYTES_MAX];

    assert_int_equal(judge(f), HF_TOKEN_OK);
    struct hf_claims child = child_of(f, "orders.eu", 1u << HF_VERB_RECEIVE);
    assert_int_equal(attenuate(f, &child, &notice), HF_OK);
    hf_slice token = hf_buf_slice(&f->longer);
    memcpy(copy, token.data, token.bytes);
    for (size_t at = 0; at < token.bytes; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            copy[at] = (uint8_t)(token.data[at] ^ 1u << bit);
            assert_int_not_equal(
                hf_chain_verify(hf_slice_of(copy, token.bytes), &f->context, &f->chain),
                HF_TOKEN_OK);
        }
        copy[at] = token.data[at];
    }
    for (size_t bytes = 0; bytes < token.bytes; bytes += 7) {
        hf_slice shorter = hf_slice_first(token, bytes);
        enum hf_token_error error = hf_chain_verify(shorter, &f->context, &f->chain);
        assert_true(error != HF_TOKEN_OK || bytes == hf_buf_bytes(&f->token));
    }
}

static void narrowed_child_gets_only_what_both_links_allow(void **state)
{
    struct fixture *f = *state;
    struct hf_attenuation_notice notice;
    char subjects[HF_CHAIN_SUBJECTS_BYTES];

    assert_int_equal(judge(f), HF_TOKEN_OK);
    struct hf_claims child = child_of(f, "orders.eu", 1u << HF_VERB_RECEIVE);
    child.limits.inflight = 3;
    assert_int_equal(attenuate(f, &child, &notice), HF_OK);
    assert_false(notice.widens_grants || notice.outlives || notice.too_deep);
    assert_int_equal(hf_chain_verify(hf_buf_slice(&f->longer), &f->context, &f->chain),
                     HF_TOKEN_OK);
    assert_true(hf_chain_allows(&f->chain, HF_VERB_RECEIVE, HF_SLICE("orders.eu")));
    assert_false(hf_chain_allows(&f->chain, HF_VERB_RECEIVE, HF_SLICE("orders.us")));
    assert_int_equal(f->chain.limits.inflight, 3);
    assert_int_equal(f->chain.expires_s, NOW + 600);
    hf_chain_subjects(&f->chain, subjects);
    assert_string_equal(subjects, "k8s:shop/orders>plugin");
}

static void child_that_asks_for_more_is_warned_about_and_gains_nothing(void **state)
{
    struct fixture *f = *state;
    struct hf_attenuation_notice notice;

    assert_int_equal(judge(f), HF_TOKEN_OK);
    struct hf_claims child = child_of(f, ">", 1u << HF_VERB_PURGE);
    child.expires_s = NOW + 4000;
    assert_int_equal(attenuate(f, &child, &notice), HF_OK);
    assert_true(notice.widens_grants && notice.outlives);
    assert_int_equal(hf_chain_verify(hf_buf_slice(&f->longer), &f->context, &f->chain),
                     HF_TOKEN_OK);
    assert_false(hf_chain_allows(&f->chain, HF_VERB_PURGE, HF_SLICE("orders.eu")));
    assert_int_equal(f->chain.expires_s, NOW + 900);
}

static void only_the_holder_attenuates(void **state)
{
    struct fixture *f = *state;
    struct hf_attenuation_notice notice;

    assert_int_equal(judge(f), HF_TOKEN_OK);
    struct hf_claims child = child_of(f, "orders.eu", 1u << HF_VERB_RECEIVE);
    struct hf_attenuation request = {hf_buf_slice(&f->token), f->other, &child};
    assert_int_equal(hf_chain_attenuate(&request, &f->longer, &notice), HF_ERR_DENIED);
}

static void grace_accepts_the_expired_and_says_so(void **state)
{
    struct fixture *f = *state;

    f->context.now_s = NOW + 930;
    assert_int_equal(judge(f), HF_TOKEN_TIME);
    f->context.grace_s = 86400;
    assert_int_equal(judge(f), HF_TOKEN_OK);
    assert_true(f->chain.is_in_grace);
    f->context.now_s = NOW + 930 + 86400;
    assert_int_equal(judge(f), HF_TOKEN_TIME);
}

static void issuer_key_must_be_in_use_and_in_time(void **state)
{
    struct fixture *f = *state;
    struct hf_trust_key key = {
        hf_secret_public(f->issuer), {{0}}, HF_KEY_USE_REV, 0, INT64_MAX};

    assert_int_equal(hf_trust_add(&f->trust, &key), HF_OK);
    assert_int_equal(judge(f), HF_TOKEN_KID);
    key.uses = HF_KEY_USE_CAP;
    key.expires_s = NOW;
    assert_int_equal(hf_trust_add(&f->trust, &key), HF_OK);
    assert_int_equal(judge(f), HF_TOKEN_KID);
    key.expires_s = NOW + 1;
    assert_int_equal(hf_trust_add(&f->trust, &key), HF_OK);
    assert_int_equal(judge(f), HF_TOKEN_OK);
}

static void mapped_address_is_its_ipv4_address(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hf_claims_add_network(&f->root, HF_SLICE("10.0.0.0/8")), HF_OK);
    assert_int_equal(hf_address_parse(HF_SLICE("::ffff:10.1.2.3"), &f->context.peer),
                     HF_OK);
    assert_int_equal(judge(f), HF_TOKEN_OK);
    assert_int_equal(hf_address_parse(HF_SLICE("::ffff:11.1.2.3"), &f->context.peer),
                     HF_OK);
    assert_int_equal(judge(f), HF_TOKEN_NET);
}

static void claims_that_nobody_could_read_are_not_minted(void **state)
{
    struct fixture *f = *state;

    f->root.expires_s = f->root.issued_s;
    assert_int_equal(hf_chain_mint(f->issuer, &f->root, &f->token), HF_ERR_INVALID);
    f->root.expires_s = NOW + 900;
    memset(&f->root.holder, 0, sizeof f->root.holder);
    assert_int_equal(hf_chain_mint(f->issuer, &f->root, &f->token), HF_ERR_INVALID);
    assert_int_equal(hf_claims_set_subject(&f->root, HF_SLICE("a\"b")), HF_ERR_INVALID);
}

static void inspection_shows_every_claim_unverified(void **state)
{
    struct fixture *f = *state;
    struct hf_buf out;
    hf_slice shown;

    assert_int_equal(hf_claims_add_network(&f->root, HF_SLICE("2001:db8::/32")), HF_OK);
    assert_int_equal(hf_claims_add_broker(&f->root, HF_SLICE("b1")), HF_OK);
    f->root.limits.rate = 5;
    (void)judge(f);
    hf_buf_init(&out, 16384);
    assert_int_equal(hf_chain_inspect_text(hf_buf_slice(&f->token), &out), HF_OK);
    shown = hf_buf_slice(&out);
    assert_non_null(memmem(shown.data, shown.bytes, "receive on orders.>", 19));
    assert_non_null(memmem(shown.data, shown.bytes, "2001:db8::/32", 13));
    hf_buf_clear(&out);
    assert_int_equal(hf_chain_inspect_json(hf_buf_slice(&f->token), &out), HF_OK);
    shown = hf_buf_slice(&out);
    json_error_t error;
    json_t *object = json_loadb((const char *)shown.data, shown.bytes, 0, &error);
    assert_true(json_is_false(json_object_get(object, "verified")));
    json_decref(object);
    hf_buf_fini(&out);
}

static struct hf_revocation *new_list(void)
{
    struct hf_revocation *list = NULL;

    assert_int_equal(hf_revocation_new(&list), HF_OK);
    return list;
}

static void subject_watermark_hits_older_tokens_only(void **state)
{
    struct fixture *f = *state;
    struct hf_revocation *list = new_list();

    assert_int_equal(
        hf_revocation_add_subject(list, HF_SLICE("k8s:shop/orders"), NOW - 60), HF_OK);
    hf_revocation_finish(list);
    f->context.revocation = list;
    assert_int_equal(judge(f), HF_TOKEN_OK);
    assert_int_equal(
        hf_revocation_add_subject(list, HF_SLICE("k8s:shop/orders"), NOW - 59), HF_OK);
    hf_revocation_finish(list);
    assert_int_equal(judge(f), HF_TOKEN_REVOKED);
    assert_int_equal(hf_chain_recheck(&f->chain, list), HF_TOKEN_REVOKED);
    hf_revocation_free(list);
}

static void publish(struct fixture *f, struct hf_revocation *list, uint64_t seq,
                    size_t part, struct hf_buf *token)
{
    struct hf_document_head head = {HF_SLICE("controller"), HF_SLICE("prod"), seq, NOW,
                                    NOW + 300};
    struct hf_buf payload;

    hf_buf_init(&payload, HF_DOCUMENT_PAYLOAD_BYTES_MAX);
    hf_buf_clear(token);
    assert_int_equal(hf_revocation_write(list, &head, part, &payload), HF_OK);
    assert_int_equal(hf_document_sign(HF_DOCUMENT_REVOCATION, f->issuer,
                                      hf_buf_slice(&payload), token),
                     HF_OK);
    hf_buf_fini(&payload);
}

static void list_in_parts_counts_only_when_complete(void **state)
{
    struct fixture *f = *state;
    struct hf_revocation *source = new_list();
    struct hf_revocation *target = new_list();
    struct hf_buf token;
    hf_jti jti = {{0}};

    hf_buf_init(&token, HF_DOCUMENT_TEXT_BYTES_MAX);
    for (unsigned i = 0; i < 2000; i++) {
        jti.bytes[0] = (uint8_t)i;
        jti.bytes[1] = (uint8_t)(i >> 8);
        assert_int_equal(hf_revocation_add_jti(source, jti, NOW + 900), HF_OK);
    }
    hf_revocation_finish(source);
    assert_int_equal(hf_revocation_parts(source), 3);
    for (size_t part = 3; part-- > 0;) {
        assert_false(hf_revocation_is_complete(target));
        publish(f, source, 5, part, &token);
        assert_int_equal(
            hf_revocation_add_part(target, hf_buf_slice(&token), &f->documents),
            HF_TOKEN_OK);
    }
    assert_true(hf_revocation_is_complete(target));
    assert_true(hf_revocation_has_jti(target, &jti));
    publish(f, source, 4, 0, &token);
    assert_int_equal(
        hf_revocation_add_part(target, hf_buf_slice(&token), &f->documents),
        HF_TOKEN_STALE);
    publish(f, source, 6, 0, &token);
    assert_int_equal(
        hf_revocation_add_part(target, hf_buf_slice(&token), &f->documents),
        HF_TOKEN_OK);
    assert_false(hf_revocation_is_complete(target));
    hf_buf_fini(&token);
    hf_revocation_free(source);
    hf_revocation_free(target);
}

/* As many holder keys, the longest entries by far, as the parts have room for. */
static void every_part_fits_into_a_record(void **state)
{
    struct fixture *f = *state;
    struct hf_revocation *source = new_list();
    struct hf_revocation *target = new_list();
    size_t each = HF_REVOCATION_ENTRY_BYTES((size_t)HF_KEY_TEXT_BYTES);
    struct hf_buf token;
    hf_key holder = {{0}};
    size_t parts;
    size_t longest = 0;

    hf_buf_init(&token, HF_DOCUMENT_TEXT_BYTES_MAX);
    for (size_t i = 0; i < HF_REVOCATION_BYTES_MAX / each; i++) {
        holder.bytes[0] = (uint8_t)i;
        holder.bytes[1] = (uint8_t)(i >> 8);
        assert_int_equal(hf_revocation_add_holder(source, holder, NOW + 900), HF_OK);
    }
    hf_revocation_finish(source);
    parts = hf_revocation_parts(source);
    assert_in_range(parts, HF_REVOCATION_PARTS_MAX - 1, HF_REVOCATION_PARTS_MAX);
    for (size_t part = 0; part < parts; part++) {
        publish(f, source, 5, part, &token);
        longest = hf_buf_bytes(&token) > longest ? hf_buf_bytes(&token) : longest;
        assert_int_equal(
            hf_revocation_add_part(target, hf_buf_slice(&token), &f->documents),
            HF_TOKEN_OK);
    }
    assert_in_range(longest, 60000, RECORD_LIST_BYTES_MAX - DOCUMENT_HEAD_BYTES_MORE);
    assert_true(hf_revocation_is_complete(target));
    assert_true(hf_revocation_has_holder(target, holder));
    for (size_t i = 0; i < 3000; i++) { /* past the last part */
        holder.bytes[2] = 1;
        holder.bytes[0] = (uint8_t)i;
        holder.bytes[1] = (uint8_t)(i >> 8);
        assert_int_equal(hf_revocation_add_holder(source, holder, NOW + 900), HF_OK);
    }
    hf_revocation_finish(source);
    assert_int_equal(
        hf_revocation_write(source, &(struct hf_document_head){0}, 0, &token),
        HF_ERR_FULL);
    hf_buf_fini(&token);
    hf_revocation_free(source);
    hf_revocation_free(target);
}

static void entries_leave_the_list_after_their_end(void **state)
{
    struct hf_revocation *list = new_list();
    hf_jti jti = {{1}};
    hf_key holder = {{2}};

    (void)state;
    assert_int_equal(hf_revocation_add_jti(list, jti, NOW - 1), HF_OK);
    assert_int_equal(hf_revocation_add_holder(list, holder, NOW), HF_OK);
    hf_revocation_expire(list, NOW);
    hf_revocation_finish(list);
    assert_false(hf_revocation_has_jti(list, &jti));
    assert_true(hf_revocation_has_holder(list, holder));
    hf_revocation_free(list);
}

static void manifest_binds_cluster_and_content(void **state)
{
    struct fixture *f = *state;
    struct hf_manifest manifest = {
        .head = {HF_SLICE("controller"), HF_SLICE("prod"), 9, NOW, 0},
        .base_seq = 8,
        .bytes = 5,
        .digest = hf_digest_of(HF_SLICE("hello"))};
    struct hf_manifest read;
    struct hf_buf payload;

    hf_buf_init(&payload, 2048);
    assert_int_equal(hf_manifest_write(&manifest, &payload), HF_OK);
    assert_int_equal(hf_document_sign(HF_DOCUMENT_ROUTE, f->issuer,
                                      hf_buf_slice(&payload), &f->token),
                     HF_OK);
    assert_int_equal(hf_manifest_open(hf_buf_slice(&f->token), &f->documents, &read),
                     HF_TOKEN_OK);
    assert_int_equal(read.head.seq, 9);
    assert_int_equal(read.base_seq, 8);
    assert_true(hf_digest_equal(&read.digest, &manifest.digest));
    f->documents.cluster = HF_SLICE("test");
    assert_int_equal(hf_manifest_open(hf_buf_slice(&f->token), &f->documents, &read),
                     HF_TOKEN_AUD);
    hf_buf_fini(&payload);
}

static void wrapped_secret_opens_with_its_passphrase_alone(void **state)
{
    struct fixture *f = *state;
    struct hf_password_cost cost = {8 << 10, 1};
    struct hf_secret *opened = NULL;
    char text[HF_SECRET_PW_TEXT_BYTES + 1];

    assert_int_equal(hf_secret_wrap(f->issuer, HF_SLICE("open"), cost, NULL, text),
                     HF_OK);
    assert_int_equal(
        hf_secret_unwrap(hf_slice_of_cstr(text), HF_SLICE("Open"), &opened),
        HF_ERR_DENIED);
    assert_int_equal(
        hf_secret_unwrap(hf_slice_of_cstr(text), HF_SLICE("open"), &opened), HF_OK);
    assert_true(hf_slice_equal(hf_secret_bytes(opened), hf_secret_bytes(f->issuer)));
    hf_secret_free(opened);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_mutation_of_a_valid_token_verifies),
        CASE(narrowed_child_gets_only_what_both_links_allow),
        CASE(child_that_asks_for_more_is_warned_about_and_gains_nothing),
        CASE(only_the_holder_attenuates),
        CASE(grace_accepts_the_expired_and_says_so),
        CASE(issuer_key_must_be_in_use_and_in_time),
        CASE(mapped_address_is_its_ipv4_address),
        CASE(claims_that_nobody_could_read_are_not_minted),
        CASE(inspection_shows_every_claim_unverified),
        CASE(subject_watermark_hits_older_tokens_only),
        CASE(list_in_parts_counts_only_when_complete),
        CASE(every_part_fits_into_a_record),
        CASE(entries_leave_the_list_after_their_end),
        CASE(manifest_binds_cluster_and_content),
        CASE(wrapped_secret_opens_with_its_passphrase_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
