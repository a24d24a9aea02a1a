/* base64url without padding (RFC 4648 5), one encoding per byte string: non-zero
 * trailing bits, '=' and every other character are refused (PASETO Common.md). */
#ifndef HF_TOKEN_B64U_H
#define HF_TOKEN_B64U_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

static inline size_t hf_b64u_text_bytes(size_t bytes)
{
    return bytes / 3 * 4 + (bytes % 3 == 0 ? 0 : bytes % 3 + 1);
}

static inline size_t hf_b64u_data_bytes(size_t text_bytes)
{
    return text_bytes / 4 * 3 + (text_bytes % 4 == 0 ? 0 : text_bytes % 4 - 1);
}

/* `out` has room for hf_b64u_text_bytes(bytes.bytes); no NUL is written. */
void hf_b64u_encode(hf_slice bytes, char *out);
/* `out` has room for `out_bytes`, which must be exactly what the text holds
 * (hf_b64u_data_bytes); else, and for a bad text, HF_ERR_INVALID. The time taken
 * depends on the length alone, so that secrets can be decoded. */
HF_MUST_USE hf_err hf_b64u_decode(hf_slice text, uint8_t *out, size_t out_bytes);

#endif
