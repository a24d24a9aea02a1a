/* Keys as text (PASERK): k4.public, k4.secret, k4.pid and k4.secret-pw.
 *
 * The key id of a public key is k4.pid = BLAKE2b-264("k4.pid." || k4.public text), 51
 * characters; footers and documents name keys by it. */
#ifndef HF_TOKEN_PASERK_H
#define HF_TOKEN_PASERK_H

#include "lib/token/key.h"

#define HF_KEY_TEXT_BYTES       53  /* k4.public. and 43 characters */
#define HF_SECRET_TEXT_BYTES    96  /* k4.secret. and 86 characters */
#define HF_KID_TEXT_BYTES       51  /* k4.pid. and 44 characters */
#define HF_SECRET_PW_TEXT_BYTES 216 /* the longest */

/* A key id, as text with NUL, so that it compares and prints as it is. */
typedef struct hf_kid {
    char text[HF_KID_TEXT_BYTES + 1];
} hf_kid;

/* `out` ends in NUL. */
void hf_key_text(hf_key key, char out[HF_KEY_TEXT_BYTES + 1]);
/* HF_ERR_INVALID for any other text. The point is not checked: see hf_key_is_valid. */
HF_MUST_USE hf_err hf_key_parse(hf_slice text, hf_key *out);
hf_kid hf_kid_of(hf_key key);
/* Syntax only: HF_ERR_INVALID unless "k4.pid." and canonical base64url of 33 bytes. */
HF_MUST_USE hf_err hf_kid_parse(hf_slice text, hf_kid *out);
bool hf_kid_equal(const hf_kid *a, const hf_kid *b);

/* The footer of every hf1 link and document, exactly {"kid":"<kid>"}, compared as
 * bytes: no JSON is parsed before a signature check (SECURITY.md 2.1). No NUL is
 * written. */
#define HF_KID_FOOTER_BYTES 61
void hf_kid_footer(const hf_kid *kid, char out[HF_KID_FOOTER_BYTES]);
HF_MUST_USE hf_err hf_kid_of_footer(hf_slice footer, hf_kid *out);

/* The secret as text, NUL included; the caller wipes it. */
void hf_secret_text(const struct hf_secret *secret, char out[HF_SECRET_TEXT_BYTES + 1]);
HF_MUST_USE hf_err hf_secret_parse(hf_slice text, struct hf_secret **out);

/* Cost of k4.secret-pw (Argon2id, one lane). */
struct hf_password_cost {
    uint64_t memory_bytes; /* a multiple of 1 KiB, 8 KiB..1 GiB */
    uint32_t passes;       /* 1..16 */
};
#define HF_PASSWORD_COST_DEFAULT ((struct hf_password_cost){UINT64_C(64) << 20, 2})

/* Wraps a secret under a passphrase. `out` gets a NUL-terminated text.
 * HF_ERR_NO_MEMORY when Argon2id cannot have its memory. */
HF_MUST_USE hf_err hf_secret_wrap(const struct hf_secret *secret, hf_slice password,
                                  struct hf_password_cost cost,
                                  const struct hf_random_source *random,
                                  char out[HF_SECRET_PW_TEXT_BYTES + 1]);
/* HF_ERR_INVALID for a bad text or cost, HF_ERR_DENIED for a wrong passphrase or a
 * tampered text (they cannot be told apart). */
HF_MUST_USE hf_err hf_secret_unwrap(hf_slice text, hf_slice password,
                                    struct hf_secret **out);

#endif
