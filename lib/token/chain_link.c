/* Owns the envelope of one link: footer, implicit assertion, size; not what claims
 * mean. */
#include "lib/token/chain_link.h"

#include <string.h>

#include "lib/token/b64u.h"
#include "lib/token/hash.h"

#define ASSERTION_ROOT "holdfast-cap-v1;root"
#define ASSERTION_LINK "holdfast-cap-v1;link;"

_Static_assert(sizeof ASSERTION_LINK - 1 + 43 == HF_LINK_ASSERTION_BYTES, "assertion");

static bool is_token_byte(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || c == '~' || c == '-';
}

hf_err hf_link_split(hf_slice token, struct hf_link_texts *out)
{
    hf_check(out != NULL);

    if (token.bytes == 0 || token.bytes > HF_CHAIN_BYTES_MAX) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < token.bytes; i++) {
        if (!is_token_byte(token.data[i])) {
            return HF_ERR_INVALID;
        }
    }
    out->count = 0;
    for (bool is_last = false; !is_last;) {
        size_t end = hf_slice_find(token, '~');

        if (end == 0 || out->count == HF_CHAIN_LINKS_MAX) {
            return HF_ERR_INVALID;
        }
        out->links[out->count++] = hf_slice_first(token, end);
        is_last = end == token.bytes;
        token = hf_slice_skip(token, end + 1);
    }
    return HF_OK;
}

hf_err hf_link_decode(hf_slice text, struct hf_link *out)
{
    hf_check(out != NULL);

    if (hf_paseto_parse(text, out->scratch, sizeof out->scratch, &out->paseto) !=
        HF_OK) {
        return HF_ERR_INVALID;
    }
    if (out->paseto.payload.bytes > HF_CLAIMS_BYTES_MAX) {
        return HF_ERR_INVALID;
    }
    return hf_kid_of_footer(out->paseto.footer, &out->kid);
}

hf_slice hf_link_assertion(hf_slice parent, char room[HF_LINK_ASSERTION_BYTES])
{
    if (parent.bytes == 0) {
        return HF_SLICE(ASSERTION_ROOT);
    }

    hf_digest digest = hf_digest_of(parent);

    memcpy(room, ASSERTION_LINK, sizeof ASSERTION_LINK - 1);
    hf_b64u_encode(hf_slice_of(digest.bytes, sizeof digest.bytes),
                   room + sizeof ASSERTION_LINK - 1);
    return hf_slice_of(room, HF_LINK_ASSERTION_BYTES);
}

hf_err hf_link_sign(const struct hf_secret *secret, const struct hf_claims *claims,
                    hf_slice parent, struct hf_buf *out)
{
    char room[HF_LINK_ASSERTION_BYTES];
    char footer[HF_KID_FOOTER_BYTES];
    struct hf_buf json;
    hf_kid kid = hf_kid_of(hf_secret_public(secret));

    hf_kid_footer(&kid, footer);
    hf_buf_init(&json, HF_CLAIMS_BYTES_MAX);

    hf_err err = hf_claims_write(claims, &json);

    if (err == HF_OK) {
        struct hf_paseto_input input = {hf_buf_slice(&json),
                                        hf_slice_of(footer, sizeof footer),
                                        hf_link_assertion(parent, room)};

        err = hf_paseto_sign(secret, &input, out);
    }
    hf_buf_fini(&json);
    return err;
}
