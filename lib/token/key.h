/* Ed25519 keys, the random source and the three primitives every other file of
 * lib/token is made of: random bytes, sign, verify.
 *
 * Public keys are `hf_key` (lib/base/ids.h), secrets are opaque and live in guarded
 * pages, seeds are their own type: the compiler refuses one in the place of another
 * (PASETO's "Algorithm Lucidity"; SECURITY.md 2.1). Nothing here does I/O or reads a
 * clock. */
#ifndef HF_TOKEN_KEY_H
#define HF_TOKEN_KEY_H

#include "lib/base/ids.h"

#define HF_SEED_BYTES      32
#define HF_SECRET_BYTES    64 /* seed, then public key: libsodium's and PASERK's form */
#define HF_SIGNATURE_BYTES 64

typedef struct hf_seed {
    uint8_t bytes[HF_SEED_BYTES];
} hf_seed;

typedef struct hf_signature {
    uint8_t bytes[HF_SIGNATURE_BYTES];
} hf_signature;

/* Where entropy comes from. NULL in place of a pointer to one means the system's
 * generator; tests and the simulator pass their own. `fill` must not fail. */
struct hf_random_source {
    void (*fill)(void *context, uint8_t *out, size_t bytes);
    void *context;
};

struct hf_secret;

/* Once per process, before anything else of lib/token; repeating it does no harm.
 * HF_ERR_UNSUPPORTED when libsodium cannot start: the program must end. */
HF_MUST_USE hf_err hf_token_init(void);

/* Bytes of the system's generator. */
void hf_random(void *out, size_t bytes);
/* Bytes of `source`, or of the system's generator when `source` is NULL. */
void hf_random_from(const struct hf_random_source *source, void *out, size_t bytes);

/* The key pair of a seed. HF_ERR_NO_MEMORY is the only failure. */
HF_MUST_USE hf_err hf_secret_new(const hf_seed *seed, struct hf_secret **out);
HF_MUST_USE hf_err hf_secret_generate(const struct hf_random_source *source,
                                      struct hf_secret **out);
/* From the 64-byte form; HF_ERR_INVALID when the length is wrong or the second half is
 * not the public key of the first. */
HF_MUST_USE hf_err hf_secret_of_bytes(hf_slice bytes, struct hf_secret **out);
/* Wipes and frees; NULL is legal. */
void hf_secret_free(struct hf_secret *secret);
/* For HF_AUTO(hf_secret_free_at). */
void hf_secret_free_at(struct hf_secret **secret);
hf_key hf_secret_public(const struct hf_secret *secret);
/* The 64 bytes, borrowed until the secret is freed. Only lib/token calls this. */
hf_slice hf_secret_bytes(const struct hf_secret *secret);

/* Whether the key is a point of the prime-order group (SECURITY.md 2.3, `cnf`):
 * small-order points, the identity and zero are refused. */
bool hf_key_is_valid(hf_key key);

void hf_sign(const struct hf_secret *secret, hf_slice message, hf_signature *out);
/* False for any signature that is not exactly 64 bytes, for S >= L and for small-order
 * keys (SECURITY.md 7). */
bool hf_verify(hf_key key, hf_slice message, hf_slice signature);

/* Zeroes memory in a way the compiler cannot drop. */
void hf_wipe(void *data, size_t bytes);
/* Compares in constant time; slices of different lengths are unequal. */
bool hf_secret_equal(hf_slice a, hf_slice b);

#endif
