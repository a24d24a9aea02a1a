/* Owns Ed25519 secrets and the random source; knows nothing of tokens. */
#include "lib/token/key.h"

#include <sodium.h>
#include <string.h>

struct hf_secret {
    uint8_t bytes[HF_SECRET_BYTES];
};

_Static_assert(HF_SEED_BYTES == crypto_sign_SEEDBYTES, "seed size");
_Static_assert(HF_SECRET_BYTES == crypto_sign_SECRETKEYBYTES, "secret size");
_Static_assert(HF_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "key size");
_Static_assert(HF_SIGNATURE_BYTES == crypto_sign_BYTES, "signature size");

hf_err hf_token_init(void)
{
    return sodium_init() < 0 ? HF_ERR_UNSUPPORTED : HF_OK;
}

void hf_random(void *out, size_t bytes)
{
    hf_check(out != NULL || bytes == 0);

    randombytes_buf(out, bytes);
}

void hf_random_from(const struct hf_random_source *source, void *out, size_t bytes)
{
    if (source == NULL) {
        hf_random(out, bytes);
        return;
    }
    hf_check(source->fill != NULL);

    source->fill(source->context, out, bytes);
}

hf_err hf_secret_new(const hf_seed *seed, struct hf_secret **out)
{
    hf_check(seed != NULL);
    hf_check(out != NULL);

    struct hf_secret *secret = sodium_malloc(sizeof *secret);
    uint8_t public[HF_KEY_BYTES];

    if (secret == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    crypto_sign_seed_keypair(public, secret->bytes, seed->bytes);
    *out = secret;
    return HF_OK;
}

hf_err hf_secret_generate(const struct hf_random_source *source, struct hf_secret **out)
{
    hf_seed seed;

    hf_random_from(source, seed.bytes, sizeof seed.bytes);

    hf_err err = hf_secret_new(&seed, out);

    hf_wipe(&seed, sizeof seed);
    return err;
}

hf_err hf_secret_of_bytes(hf_slice bytes, struct hf_secret **out)
{
    hf_seed seed;

    if (bytes.bytes != HF_SECRET_BYTES) {
        return HF_ERR_INVALID;
    }
    memcpy(seed.bytes, bytes.data, sizeof seed.bytes);

    struct hf_secret *secret = NULL;
    hf_err err = hf_secret_new(&seed, &secret);

    hf_wipe(&seed, sizeof seed);
    if (err != HF_OK) {
        return err;
    }
    if (!hf_secret_equal(hf_secret_bytes(secret), bytes)) {
        hf_secret_free(secret);
        return HF_ERR_INVALID;
    }
    *out = secret;
    return HF_OK;
}

void hf_secret_free(struct hf_secret *secret)
{
    sodium_free(secret);
}

void hf_secret_free_at(struct hf_secret **secret)
{
    hf_check(secret != NULL);

    hf_secret_free(*secret);
    *secret = NULL;
}

hf_key hf_secret_public(const struct hf_secret *secret)
{
    hf_key key;

    hf_check(secret != NULL);

    memcpy(key.bytes, secret->bytes + HF_SEED_BYTES, sizeof key.bytes);
    return key;
}

hf_slice hf_secret_bytes(const struct hf_secret *secret)
{
    hf_check(secret != NULL);

    return hf_slice_of(secret->bytes, sizeof secret->bytes);
}

bool hf_key_is_valid(hf_key key)
{
    return crypto_core_ed25519_is_valid_point(key.bytes) == 1;
}

void hf_sign(const struct hf_secret *secret, hf_slice message, hf_signature *out)
{
    hf_check(secret != NULL);
    hf_check(out != NULL);

    crypto_sign_detached(out->bytes, NULL, message.data, message.bytes, secret->bytes);
}

bool hf_verify(hf_key key, hf_slice message, hf_slice signature)
{
    if (signature.bytes != HF_SIGNATURE_BYTES) {
        return false;
    }
    return crypto_sign_verify_detached(signature.data, message.data, message.bytes,
                                       key.bytes) == 0;
}

void hf_wipe(void *data, size_t bytes)
{
    sodium_memzero(data, bytes);
}

bool hf_secret_equal(hf_slice a, hf_slice b)
{
    if (a.bytes != b.bytes) {
        return false;
    }
    return a.bytes == 0 || sodium_memcmp(a.data, b.data, a.bytes) == 0;
}
