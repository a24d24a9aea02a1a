/* Pre-authentication encoding of PASETO: LE64(count), then LE64(length) and the bytes
 * of each piece. Every signature of Holdfast is over one of these, with a first piece
 * that names its purpose. */
#ifndef HF_TOKEN_PAE_H
#define HF_TOKEN_PAE_H

#include "lib/base/check.h"
#include "lib/base/slice.h"

size_t hf_pae_bytes(const hf_slice *pieces, size_t count);
/* `out` has room for hf_pae_bytes. */
void hf_pae_write(const hf_slice *pieces, size_t count, uint8_t *out);

#endif
