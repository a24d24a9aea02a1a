/* Any bytes as a token and as the claims behind a good signature.
 *
 * An attacker cannot sign, so fuzzing whole tokens stops at the signature. The input is
 * therefore also read as a payload (a holder may sign anything) and, when it is claims,
 * minted: what was read must be written, accepted, and read back as the same claims. */
#include "lib/token/chain.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1767225900

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hf_secret *issuer;
static struct hf_trust trust;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    hf_seed seed;

    (void)argc;
    (void)argv;
    memset(seed.bytes, 1, sizeof seed.bytes);
    hf_check(hf_token_init() == HF_OK);
    hf_check(hf_secret_new(&seed, &issuer) == HF_OK);

    struct hf_trust_key key = {.key = hf_secret_public(issuer),
                               .uses = HF_KEY_USE_CAP,
                               .expires_s = INT64_MAX};

    hf_trust_init(&trust);
    hf_check(hf_trust_add(&trust, &key) == HF_OK);
    return 0;
}

static void try_token(hf_slice input, struct hf_chain *chain)
{
    struct hf_chain_context context = {.trust = &trust,
                                       .cluster = HF_SLICE("prod-eu1"),
                                       .skip_broker = true,
                                       .skip_network = true,
                                       .now_s = NOW,
                                       .skew_s = 30,
                                       .ttl_s_max = HF_CHAIN_TTL_S_MAX};
    struct hf_buf shown;

    if (hf_chain_verify(input, &context, chain) == HF_TOKEN_OK) {
        (void)hf_chain_allows(chain, HF_VERB_RECEIVE, HF_SLICE("orders.eu"));
    }
    hf_buf_init(&shown, 65536);
    (void)hf_chain_inspect_text(input, &shown);
    hf_buf_clear(&shown);
    (void)hf_chain_inspect_json(input, &shown);
    hf_buf_fini(&shown);
}

static void try_claims(hf_slice input, bool is_root)
{
    struct hf_claims first, second;
    struct hf_buf json, again;

    if (hf_claims_read(input, is_root, &first) != HF_OK) {
        return;
    }
    hf_buf_init(&json, HF_CLAIMS_BYTES_MAX);
    hf_buf_init(&again, HF_CLAIMS_BYTES_MAX);
    if (hf_claims_write(&first, &json) == HF_OK) {
        hf_check(hf_claims_read(hf_buf_slice(&json), is_root, &second) == HF_OK);
        hf_check(hf_claims_write(&second, &again) == HF_OK);
        hf_check(hf_slice_equal(hf_buf_slice(&json), hf_buf_slice(&again)));
    }
    hf_buf_fini(&json);
    hf_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hf_slice input = hf_slice_of(data, size);
    struct hf_chain *chain = malloc(sizeof *chain);

    hf_check(chain != NULL);
    if (issuer == NULL) { /* a driver that does not initialise */
        (void)LLVMFuzzerInitialize(NULL, NULL);
    }
    try_token(input, chain);
    try_claims(input, true);
    try_claims(input, false);
    free(chain);
    return 0;
}
