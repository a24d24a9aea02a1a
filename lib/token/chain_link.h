/* One link of a chain between text and claims. Private to lib/token/chain*.c. */
#ifndef HF_TOKEN_CHAIN_LINK_H
#define HF_TOKEN_CHAIN_LINK_H

#include "lib/token/chain.h"
#include "lib/token/paseto.h"

/* "holdfast-cap-v1;link;" and 43 characters of digest. */
#define HF_LINK_ASSERTION_BYTES 64

struct hf_link_texts {
    hf_slice links[HF_CHAIN_LINKS_MAX];
    size_t count;
};

struct hf_link {
    struct hf_paseto paseto; /* points into scratch */
    hf_kid kid;
    uint8_t scratch[HF_CLAIMS_BYTES_MAX + HF_SIGNATURE_BYTES + HF_KID_FOOTER_BYTES];
};

/* Steps 1 and 2 of SECURITY.md 2.5; HF_ERR_INVALID is E_FORMAT. No allocation. */
HF_MUST_USE hf_err hf_link_split(hf_slice token, struct hf_link_texts *out);
HF_MUST_USE hf_err hf_link_decode(hf_slice text, struct hf_link *out);
/* The implicit assertion of a link behind `parent`; of link 0 when `parent` is empty.
 * Borrowed from `room`, or static. */
hf_slice hf_link_assertion(hf_slice parent, char room[HF_LINK_ASSERTION_BYTES]);
/* Signs claims as a link behind `parent` and appends its text. */
HF_MUST_USE hf_err hf_link_sign(const struct hf_secret *secret,
                                const struct hf_claims *claims, hf_slice parent,
                                struct hf_buf *out);

#endif
