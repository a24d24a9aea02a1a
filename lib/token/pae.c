/* Owns the pre-authentication encoding; knows nothing of what is signed. */
#include "lib/token/pae.h"

#include <string.h>

#include "lib/base/bytes.h"

size_t hf_pae_bytes(const hf_slice *pieces, size_t count)
{
    size_t bytes = 8;

    hf_check(pieces != NULL || count == 0);

    for (size_t i = 0; i < count; i++) {
        bytes += 8 + pieces[i].bytes;
    }
    return bytes;
}

void hf_pae_write(const hf_slice *pieces, size_t count, uint8_t *out)
{
    hf_check(pieces != NULL || count == 0);
    hf_check(out != NULL);

    hf_put_le64(out, count);
    out += 8;
    for (size_t i = 0; i < count; i++) {
        hf_put_le64(out, pieces[i].bytes);
        out += 8;
        if (pieces[i].bytes > 0) {
            memcpy(out, pieces[i].data, pieces[i].bytes);
        }
        out += pieces[i].bytes;
    }
}
