/* The body of one request, kept until it is answered: in memory up to 1 MiB, beyond
 * that in an unlinked file (ARCHITECTURE.md 3). */
#ifndef HF_FRONTEND_SPOOL_H
#define HF_FRONTEND_SPOOL_H

#include "lib/base/buf.h"
#include "lib/io/file.h"

#define FE_SPOOL_RAM_MAX   1048576u
#define FE_SPOOL_BYTES_MAX (UINT64_C(5) << 30) /* the hard cap of a body, row 10 */
#define FE_SPOOL_KEPT      16384u              /* storage an unused spool may keep */

struct fe_spool {
    struct hf_buf ram;
    struct hf_spool *file; /* NULL while all of it is in ram */
    uint64_t bytes;
};

void fe_spool_init(struct fe_spool *spool);
void fe_spool_fini(struct fe_spool *spool);
/* Empty again, for the next request; large storage is given back. */
void fe_spool_clear(struct fe_spool *spool);
/* `directory` is where a file goes. Fails like hf_spool_append, or NO_MEMORY. */
HF_MUST_USE hf_err fe_spool_append(struct fe_spool *spool, hf_slice bytes,
                                   const char *directory);
/* `bytes` at `offset`, which must be in the spool. Borrowed from ram, or read into
 * `scratch` (room for `bytes`) from the file; valid until the spool changes. */
HF_MUST_USE hf_err fe_spool_read(const struct fe_spool *spool, uint64_t offset,
                                 size_t bytes, uint8_t *scratch, hf_slice *out);

#endif
