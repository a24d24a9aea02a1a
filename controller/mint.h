/* What the mint signs and what it refuses (SECURITY.md 4.4): tokens that fit one of the
 * templates, revocation lists and routing manifests. It owns the issuer key and knows
 * no network. Pure but for the randomness of token ids. */
#ifndef HF_CONTROLLER_MINT_H
#define HF_CONTROLLER_MINT_H

#include "lib/token/chain.h"
#include "lib/token/document.h"
#include "lib/wire/lists.h"

#define CT_MINT_OPERATOR_LIFE_S_MAX 86400
#define CT_MINT_ISSUER              "mint"

struct ct_mint {
    const struct hf_secret *issuer; /* borrowed */
    hf_slice cluster;               /* borrowed; the audience of every token */
    int64_t life_s_max;             /* of any token */
};

/* Appends the signed text to `out`. INVALID or DENIED with *error a sentence for the
 * controller's log; nothing was appended then. */
HF_MUST_USE hf_err ct_mint_sign(const struct ct_mint *mint,
                                const struct hf_mint *request, int64_t now_s,
                                struct hf_buf *out, const char **error);

#endif
