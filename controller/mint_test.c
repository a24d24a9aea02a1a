#include "controller/mint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000

struct fixture {
    struct hf_secret *issuer;
    struct hf_secret *holder;
    struct ct_mint mint;
    hf_key key;
    hf_slice queue;
    hf_slice right;
    struct hf_buf out;
};

static void setup(struct fixture *f)
{
    assert_int_equal(hf_token_init(), HF_OK);
    assert_int_equal(hf_secret_generate(NULL, &f->issuer), HF_OK);
    assert_int_equal(hf_secret_generate(NULL, &f->holder), HF_OK);
    f->mint = (struct ct_mint){f->issuer, HF_SLICE("c"), 3600};
    f->key = hf_secret_public(f->holder);
    f->queue = HF_SLICE("orders");
    f->right = HF_SLICE("receive");
    hf_buf_init(&f->out, HF_CHAIN_BYTES_MAX);
}

static void finish(struct fixture *f)
{
    hf_buf_fini(&f->out);
    hf_secret_free(f->issuer);
    hf_secret_free(f->holder);
}

/* A request that fits the template. */
static struct hf_mint request_of(const struct fixture *f, const char *template_,
                                 const char *subject)
{
    return (struct hf_mint){
        .kind = HF_MINT_TOKEN,
        .template_ = hf_slice_of_cstr(template_),
        .subject = hf_slice_of_cstr(subject),
        .key = hf_slice_of(f->key.bytes, HF_KEY_BYTES),
        .life_s = 600,
    };
}

static void refused(struct fixture *f, const struct hf_mint *request)
{
    const char *error = NULL;

    assert_int_not_equal(ct_mint_sign(&f->mint, request, NOW, &f->out, &error), HF_OK);
    assert_non_null(error);
    assert_int_equal(hf_buf_bytes(&f->out), 0);
}

static void verify(struct fixture *f, struct hf_chain *chain)
{
    struct hf_trust trust;
    const struct hf_trust_key key = {.key = hf_secret_public(f->issuer),
                                     .uses = HF_KEY_USE_CAP,
                                     .expires_s = INT64_MAX};
    const struct hf_chain_context context = {
        .trust = &trust,
        .cluster = HF_SLICE("c"),
        .skip_broker = true,
        .skip_network = true,
        .now_s = NOW + 1,
        .skew_s = 30,
        .ttl_s_max = HF_CHAIN_TTL_S_MAX,
    };

    hf_trust_init(&trust);
    assert_int_equal(hf_trust_add(&trust, &key), HF_OK);
    assert_int_equal(hf_chain_verify(hf_buf_slice(&f->out), &context, chain),
                     HF_TOKEN_OK);
}

static void worker_token_serves_its_queue_and_no_other(void **state)
{
    struct fixture f;
    static struct hf_chain chain;
    const char *error = NULL;

    (void)state;
    setup(&f);
    struct hf_mint request = request_of(&f, "worker", "local:web/0");

    request.queues = &f.queue;
    request.queues_count = 1;

    assert_int_equal(ct_mint_sign(&f.mint, &request, NOW, &f.out, &error), HF_OK);

    verify(&f, &chain);
    assert_true(hf_chain_allows(&chain, HF_VERB_RECEIVE, HF_SLICE("orders")));
    assert_true(hf_chain_allows(&chain, HF_VERB_RESPOND, HF_SLICE("orders")));
    assert_false(hf_chain_allows(&chain, HF_VERB_RECEIVE, HF_SLICE("other")));
    assert_false(hf_chain_has_verb(&chain, HF_VERB_ENQUEUE));
    assert_true(hf_key_equal(hf_chain_holder(&chain), f.key));
    assert_int_equal(chain.expires_s, NOW + 600);
    finish(&f);
}

static void broker_and_frontend_tokens_have_the_rights_of_their_templates(void **state)
{
    struct fixture f;
    static struct hf_chain chain;
    const char *error = NULL;

    (void)state;
    setup(&f);
    struct hf_mint request = request_of(&f, "broker", "broker:b1");

    assert_int_equal(ct_mint_sign(&f.mint, &request, NOW, &f.out, &error), HF_OK);
    verify(&f, &chain);
    assert_true(hf_chain_has_verb(&chain, HF_VERB_SERVE));
    assert_false(hf_chain_has_verb(&chain, HF_VERB_RECEIVE));
    hf_buf_clear(&f.out);

    request = request_of(&f, "frontend", "frontend:f1");
    assert_int_equal(ct_mint_sign(&f.mint, &request, NOW, &f.out, &error), HF_OK);
    verify(&f, &chain);
    assert_true(hf_chain_has_verb(&chain, HF_VERB_ENQUEUE));
    assert_false(hf_chain_has_verb(&chain, HF_VERB_CONFIGURE));
    finish(&f);
}

static void nobody_can_ask_for_more_than_the_template(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    struct hf_mint request = request_of(&f, "operator", "ci");

    request.queues = &f.queue;
    request.queues_count = 1;
    request.rights = &f.right;
    request.rights_count = 1;
    f.right = HF_SLICE("serve");
    refused(&f, &request);
    f.right = HF_SLICE("mint");
    refused(&f, &request);

    request = request_of(&f, "worker", "local:web/0");
    request.queues = &f.queue;
    request.queues_count = 1;
    request.rights = &f.right;
    request.rights_count = 1;
    f.right = HF_SLICE("receive");
    refused(&f, &request);
    finish(&f);
}

static void operators_token_may_be_attenuated_as_often_as_asked(void **state)
{
    struct fixture f;
    static struct hf_chain chain;
    const char *error = NULL;

    (void)state;
    setup(&f);
    struct hf_mint request = request_of(&f, "operator", "ci");

    request.queues = &f.queue;
    request.queues_count = 1;
    request.rights = &f.right;
    request.rights_count = 1;
    f.right = HF_SLICE("receive");
    for (uint32_t depth = 0; depth <= HF_DEPTH_MAX; depth++) {
        request.depth = depth;
        assert_int_equal(ct_mint_sign(&f.mint, &request, NOW, &f.out, &error), HF_OK);
        verify(&f, &chain);
        assert_int_equal(chain.links[0].depth, depth);
        hf_buf_clear(&f.out);
    }
    request.depth = 4;
    refused(&f, &request);
    request.depth = 256;
    refused(&f, &request);

    request = request_of(&f, "worker", "local:web/0");
    request.queues = &f.queue;
    request.queues_count = 1;
    request.depth = 1;
    refused(&f, &request);
    finish(&f);
}

static void subjects_of_daemons_cannot_be_borrowed(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    struct hf_mint request = request_of(&f, "operator", "broker:b1");

    request.queues = &f.queue;
    request.queues_count = 1;
    request.rights = &f.right;
    request.rights_count = 1;
    refused(&f, &request);

    request = request_of(&f, "broker", "frontend:f1");
    refused(&f, &request);
    request = request_of(&f, "broker", "broker:");
    refused(&f, &request);
    finish(&f);
}

static void life_key_queue_and_template_are_judged(void **state)
{
    struct fixture f;
    uint8_t zero[HF_KEY_BYTES] = {0};

    (void)state;
    setup(&f);
    struct hf_mint request = request_of(&f, "broker", "broker:b1");

    request.life_s = 3601;
    refused(&f, &request);
    request.life_s = 0;
    refused(&f, &request);
    request = request_of(&f, "broker", "broker:b1");
    request.key = hf_slice_of(zero, sizeof zero);
    refused(&f, &request);
    request.key = hf_slice_of(f.key.bytes, 31);
    refused(&f, &request);
    request = request_of(&f, "worker", "local:web/0");
    refused(&f, &request); /* no queue */
    request.queues = &f.queue;
    request.queues_count = 1;
    f.queue = HF_SLICE("a.>.b");
    refused(&f, &request);
    request = request_of(&f, "emperor", "x");
    refused(&f, &request);
    finish(&f);
}

static void documents_that_are_none_are_not_signed(void **state)
{
    struct fixture f;
    struct hf_mint request = {.kind = HF_MINT_REVOCATION,
                              .document = HF_SLICE("{\"v\":1}")};

    (void)state;
    setup(&f);

    refused(&f, &request);
    request.kind = HF_MINT_ROUTES;
    refused(&f, &request);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_token_serves_its_queue_and_no_other),
        cmocka_unit_test(broker_and_frontend_tokens_have_the_rights_of_their_templates),
        cmocka_unit_test(nobody_can_ask_for_more_than_the_template),
        cmocka_unit_test(operators_token_may_be_attenuated_as_often_as_asked),
        cmocka_unit_test(subjects_of_daemons_cannot_be_borrowed),
        cmocka_unit_test(life_key_queue_and_template_are_judged),
        cmocka_unit_test(documents_that_are_none_are_not_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
