#include "frontend/spool.h"

void fe_spool_init(struct fe_spool *spool)
{
    *spool = (struct fe_spool){0};
    hf_buf_init(&spool->ram, FE_SPOOL_RAM_MAX);
}

void fe_spool_fini(struct fe_spool *spool)
{
    if (spool->file != NULL) {
        hf_spool_close(spool->file);
    }
    hf_buf_fini(&spool->ram);
    *spool = (struct fe_spool){0};
}

void fe_spool_clear(struct fe_spool *spool)
{
    if (spool->file == NULL && spool->ram.capacity <= FE_SPOOL_KEPT) {
        hf_buf_clear(&spool->ram);
        spool->bytes = 0;
        return;
    }
    fe_spool_fini(spool);
    fe_spool_init(spool);
}

static hf_err move_to_file(struct fe_spool *spool, const char *directory)
{
    hf_err err = hf_spool_open(directory, FE_SPOOL_BYTES_MAX, &spool->file);

    if (err != HF_OK) {
        spool->file = NULL;
        return err;
    }
    err = hf_spool_append(spool->file, hf_buf_slice(&spool->ram));
    if (err != HF_OK) {
        hf_spool_close(spool->file);
        spool->file = NULL;
        return err;
    }
    hf_buf_fini(&spool->ram);
    hf_buf_init(&spool->ram, FE_SPOOL_RAM_MAX);
    return HF_OK;
}

hf_err fe_spool_append(struct fe_spool *spool, hf_slice bytes, const char *directory)
{
    hf_err err = HF_OK;

    hf_check(spool->ram.bytes_max == FE_SPOOL_RAM_MAX);
    if (spool->file == NULL && spool->bytes + bytes.bytes > FE_SPOOL_RAM_MAX) {
        err = move_to_file(spool, directory);
    }
    if (err == HF_OK) {
        err = spool->file != NULL ? hf_spool_append(spool->file, bytes)
                                  : hf_buf_append(&spool->ram, bytes);
    }
    if (err == HF_OK) {
        spool->bytes += bytes.bytes;
    }
    return err;
}

hf_err fe_spool_read(const struct fe_spool *spool, uint64_t offset, size_t bytes,
                     uint8_t *scratch, hf_slice *out)
{
    hf_err err;

    hf_check(offset <= spool->bytes);
    hf_check(bytes <= spool->bytes - offset);
    if (spool->file == NULL) {
        *out = hf_slice_first(hf_slice_skip(hf_buf_slice(&spool->ram), (size_t)offset),
                              bytes);
        return HF_OK;
    }
    err = hf_spool_read(spool->file, offset, scratch, bytes);
    if (err == HF_OK) {
        *out = hf_slice_of(scratch, bytes);
    }
    return err;
}
