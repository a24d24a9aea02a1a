/* Owns who we are in handshakes: copies of texts and trust, never a secret. */
#include "lib/io/link_identity_parts.h"

#include <stdlib.h>
#include <string.h>

static bool copy_text(hf_slice text, size_t bytes_max, hf_slice *out)
{
    uint8_t *copy;

    *out = HF_SLICE_EMPTY;
    if (text.bytes > bytes_max) {
        return false;
    }
    copy = malloc(text.bytes + 1);
    if (copy == NULL) {
        return false;
    }
    if (text.bytes > 0) {
        memcpy(copy, text.data, text.bytes);
    }
    copy[text.bytes] = '\0';
    *out = (hf_slice){copy, text.bytes};
    return true;
}

hf_err hf_link_identity_new(const struct hf_link_identity_config *config,
                            struct hf_link_identity **out)
{
    struct hf_link_identity *identity = calloc(1, sizeof *identity);

    hf_check(config->secret != NULL);
    if (identity == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    identity->refs = 1;
    identity->config = *config;
    identity->config.chain = HF_SLICE_EMPTY;
    identity->config.cluster = HF_SLICE_EMPTY;
    identity->config.broker = HF_SLICE_EMPTY;
    if (identity->config.skew_s == 0) {
        identity->config.skew_s = HF_CHAIN_SKEW_S;
    }
    if (identity->config.ttl_s_max == 0) {
        identity->config.ttl_s_max = HF_CHAIN_TTL_S_MAX;
    }
    if (!copy_text(config->chain, HF_CHAIN_BYTES_MAX, &identity->config.chain) ||
        !copy_text(config->cluster, HF_CLUSTER_BYTES_MAX, &identity->config.cluster) ||
        !copy_text(config->broker, HF_BROKER_ID_BYTES_MAX, &identity->config.broker)) {
        hf_link_identity_unref(identity);
        return HF_ERR_INVALID;
    }
    *out = identity;
    return HF_OK;
}

struct hf_link_identity *hf_link_identity_ref(struct hf_link_identity *identity)
{
    hf_check(identity != NULL);
    atomic_fetch_add(&identity->refs, 1);
    return identity;
}

void hf_link_identity_unref(struct hf_link_identity *identity)
{
    if (identity == NULL || atomic_fetch_sub(&identity->refs, 1) != 1) {
        return;
    }
    free((void *)(uintptr_t)identity->config.chain.data);
    free((void *)(uintptr_t)identity->config.cluster.data);
    free((void *)(uintptr_t)identity->config.broker.data);
    free(identity);
}
