/* PASETO v4.public: one signed payload with a footer and an implicit assertion.
 *
 *     v4.public. b64u(payload || signature) [ . b64u(footer) ]
 *
 * The signature covers PAE(["v4.public.", payload, footer, assertion]). */
#ifndef HF_TOKEN_PASETO_H
#define HF_TOKEN_PASETO_H

#include "lib/base/buf.h"
#include "lib/token/key.h"

#define HF_PASETO_HEADER "v4.public."

/* A decoded token; the slices point into the scratch memory handed to the parser. */
struct hf_paseto {
    hf_slice payload;
    hf_slice signature; /* 64 bytes, directly behind the payload */
    hf_slice footer;
};

/* Decodes without judging the signature. `scratch` has room for `scratch_bytes`, of
 * which the decoded body and footer take at most the text's length. HF_ERR_TOO_BIG when
 * it does not fit, HF_ERR_INVALID for anything that is not v4.public in canonical
 * base64url. */
HF_MUST_USE hf_err hf_paseto_parse(hf_slice text, uint8_t *scratch,
                                   size_t scratch_bytes, struct hf_paseto *out);
/* HF_ERR_DENIED when the signature is wrong; HF_ERR_NO_MEMORY for a payload over 4 KiB
 * that finds no memory. Smaller ones are checked without allocation. */
HF_MUST_USE hf_err hf_paseto_verify(const struct hf_paseto *token, hf_key key,
                                    hf_slice assertion);
struct hf_paseto_input {
    hf_slice payload;
    hf_slice footer; /* empty: no footer is written */
    hf_slice assertion;
};
/* Appends the token's text to `out`. */
HF_MUST_USE hf_err hf_paseto_sign(const struct hf_secret *secret,
                                  const struct hf_paseto_input *input,
                                  struct hf_buf *out);

#endif
