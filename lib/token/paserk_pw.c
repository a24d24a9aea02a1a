/* Owns k4.secret-pw: a secret under a passphrase (PASERK PBKW, version 4).
 *
 *     salt 16 | memory 8 (big-endian) | passes 4 | lanes 4 | nonce 24 | sealed 64 | tag
 * 32
 *
 * with Argon2id for the key, XChaCha20 for the secret and keyed BLAKE2b for the tag. */
#include "lib/token/paserk.h"

#include <sodium.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/token/b64u.h"

#define PW_PREFIX  "k4.secret-pw."
#define SALT_AT    0
#define MEMORY_AT  16
#define PASSES_AT  24
#define LANES_AT   28
#define NONCE_AT   32
#define SEALED_AT  56
#define TAG_AT     120
#define BODY_BYTES 152
#define KEY_BYTES  32

#define MEMORY_MIN (UINT64_C(8) << 10)
#define MEMORY_MAX (UINT64_C(1) << 30)
#define PASSES_MAX 16u

_Static_assert(BODY_BYTES / 3 * 4 + 3 + sizeof PW_PREFIX - 1 == HF_SECRET_PW_TEXT_BYTES,
               "k4.secret-pw");
_Static_assert(crypto_pwhash_SALTBYTES == MEMORY_AT, "salt size");
_Static_assert(crypto_stream_xchacha20_NONCEBYTES == SEALED_AT - NONCE_AT,
               "nonce size");

struct keys {
    uint8_t encrypt[KEY_BYTES];
    uint8_t authenticate[KEY_BYTES];
};

static void split_key(const uint8_t *key, uint8_t domain, uint8_t *out)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, KEY_BYTES);
    crypto_generichash_update(&state, &domain, 1);
    crypto_generichash_update(&state, key, KEY_BYTES);
    crypto_generichash_final(&state, out, KEY_BYTES);
}

/* Both keys for the passphrase and the salt and cost in `body`. */
static hf_err derive(const uint8_t *body, hf_slice password, struct keys *keys)
{
    uint8_t key[KEY_BYTES];
    uint64_t memory = hf_get_be64(body + MEMORY_AT);
    uint32_t passes = hf_get_be32(body + PASSES_AT);

    if (memory < MEMORY_MIN || memory > MEMORY_MAX || memory % 1024 != 0 ||
        passes < 1 || passes > PASSES_MAX || hf_get_be32(body + LANES_AT) != 1) {
        return HF_ERR_INVALID;
    }
    if (crypto_pwhash(key, sizeof key, (const char *)password.data, password.bytes,
                      body + SALT_AT, passes, (size_t)memory,
                      crypto_pwhash_ALG_ARGON2ID13) != 0) {
        return HF_ERR_NO_MEMORY;
    }
    split_key(key, 0xff, keys->encrypt);
    split_key(key, 0xfe, keys->authenticate);
    hf_wipe(key, sizeof key);
    return HF_OK;
}

static void make_tag(const struct keys *keys, const uint8_t *body, uint8_t *tag)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, keys->authenticate, KEY_BYTES, KEY_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)PW_PREFIX, sizeof PW_PREFIX - 1);
    crypto_generichash_update(&state, body, TAG_AT);
    crypto_generichash_final(&state, tag, KEY_BYTES);
}

hf_err hf_secret_wrap(const struct hf_secret *secret, hf_slice password,
                      struct hf_password_cost cost,
                      const struct hf_random_source *random,
                      char out[HF_SECRET_PW_TEXT_BYTES + 1])
{
    uint8_t body[BODY_BYTES];
    struct keys keys;

    hf_check(out != NULL);

    hf_random_from(random, body + SALT_AT, MEMORY_AT - SALT_AT);
    hf_put_be64(body + MEMORY_AT, cost.memory_bytes);
    hf_put_be32(body + PASSES_AT, cost.passes);
    hf_put_be32(body + LANES_AT, 1);
    hf_random_from(random, body + NONCE_AT, SEALED_AT - NONCE_AT);

    hf_err err = derive(body, password, &keys);

    if (err != HF_OK) {
        return err;
    }
    crypto_stream_xchacha20_xor(body + SEALED_AT, hf_secret_bytes(secret).data,
                                HF_SECRET_BYTES, body + NONCE_AT, keys.encrypt);
    make_tag(&keys, body, body + TAG_AT);
    hf_wipe(&keys, sizeof keys);
    memcpy(out, PW_PREFIX, sizeof PW_PREFIX - 1);
    hf_b64u_encode(hf_slice_of(body, sizeof body), out + sizeof PW_PREFIX - 1);
    out[HF_SECRET_PW_TEXT_BYTES] = '\0';
    return HF_OK;
}

/* Decrypts when the tag is right. */
static hf_err open_body(const uint8_t *body, const struct keys *keys,
                        struct hf_secret **out)
{
    uint8_t tag[KEY_BYTES];
    uint8_t bytes[HF_SECRET_BYTES];

    make_tag(keys, body, tag);
    if (sodium_memcmp(tag, body + TAG_AT, sizeof tag) != 0) {
        return HF_ERR_DENIED;
    }
    crypto_stream_xchacha20_xor(bytes, body + SEALED_AT, sizeof bytes, body + NONCE_AT,
                                keys->encrypt);

    hf_err err = hf_secret_of_bytes(hf_slice_of(bytes, sizeof bytes), out);

    hf_wipe(bytes, sizeof bytes);
    return err;
}

hf_err hf_secret_unwrap(hf_slice text, hf_slice password, struct hf_secret **out)
{
    uint8_t body[BODY_BYTES];
    struct keys keys;

    hf_check(out != NULL);

    if (!hf_slice_starts_with(text, HF_SLICE(PW_PREFIX)) ||
        hf_b64u_decode(hf_slice_skip(text, sizeof PW_PREFIX - 1), body, sizeof body) !=
            HF_OK) {
        return HF_ERR_INVALID;
    }

    hf_err err = derive(body, password, &keys);

    if (err != HF_OK) {
        return err;
    }
    err = open_body(body, &keys, out);
    hf_wipe(&keys, sizeof keys);
    return err;
}
