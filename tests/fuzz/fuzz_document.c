/* Any bytes as a signed document and as the payload of each kind behind a good
 * signature: what can be signed must be accepted again by its reader. */
#include "lib/token/revocation.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hf_secret *issuer;
static struct hf_trust trust;

static void start_once(void)
{
    hf_seed seed;

    if (issuer != NULL) {
        return;
    }
    memset(seed.bytes, 1, sizeof seed.bytes);
    hf_check(hf_token_init() == HF_OK);
    hf_check(hf_secret_new(&seed, &issuer) == HF_OK);

    struct hf_trust_key key = {.key = hf_secret_public(issuer),
                               .uses = HF_KEY_USE_CAP | HF_KEY_USE_REV |
                                       HF_KEY_USE_KEYS | HF_KEY_USE_ROUTE,
                               .expires_s = INT64_MAX};

    hf_trust_init(&trust);
    hf_check(hf_trust_add(&trust, &key) == HF_OK);
}

static void open_all(hf_slice token)
{
    struct hf_document_context context = {&trust, HF_SLICE("prod-eu1"), 1767225900, 30};
    struct hf_keyset keyset;
    struct hf_manifest manifest;
    struct hf_revocation *list = NULL;

    (void)hf_keyset_open(token, &context, &keyset);
    (void)hf_manifest_open(token, &context, &manifest);
    hf_check(hf_revocation_new(&list) == HF_OK);
    if (hf_revocation_add_part(list, token, &context) == HF_TOKEN_OK &&
        hf_revocation_is_complete(list)) {
        (void)hf_revocation_allows_queue(list, HF_SLICE("orders.eu"), 1);
    }
    hf_revocation_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hf_slice input = hf_slice_of(data, size);
    struct hf_buf token;

    start_once();
    open_all(input);
    for (int kind = HF_DOCUMENT_REVOCATION; kind <= HF_DOCUMENT_ROUTE; kind++) {
        hf_buf_init(&token, HF_DOCUMENT_TEXT_BYTES_MAX);
        if (hf_document_sign((enum hf_document_kind)kind, issuer, input, &token) ==
            HF_OK) {
            open_all(hf_buf_slice(&token));
        }
        hf_buf_fini(&token);
    }
    return 0;
}
