/* Files: whole reads with a bound, replacements that survive a crash, spool files. */
#ifndef HF_IO_FILE_H
#define HF_IO_FILE_H

#include "lib/io/loop.h"
#include "lib/base/buf.h"

/* Appends the whole file to `out` (bounded by out->bytes_max: TOO_BIG). */
HF_MUST_USE hf_err hf_file_read(const char *path, struct hf_buf *out);
/* The same from a descriptor until its end: the secret package on fd 3. The descriptor
 * stays open. */
HF_MUST_USE hf_err hf_file_read_fd(int fd, struct hf_buf *out);
/* Writes a temporary file beside `path`, syncs it, renames it, syncs the directory:
 * after a crash either the old or the new content is there. */
HF_MUST_USE hf_err hf_file_replace(const char *path, hf_slice bytes, unsigned mode);
/* Creates the directory and its missing parents; one that exists must be ours, and gets
 * no mode change. DENIED when others could write in it. */
HF_MUST_USE hf_err hf_file_make_directory(const char *path, unsigned mode);

/* A spool: an unlinked file, gone when closed or when the process dies. */
struct hf_spool;

HF_MUST_USE hf_err hf_spool_open(const char *directory, uint64_t bytes_max,
                                 struct hf_spool **out);
void hf_spool_close(struct hf_spool *spool);
/* TOO_BIG past the maximum, FULL when the disk is full: nothing was appended then. */
HF_MUST_USE hf_err hf_spool_append(struct hf_spool *spool, hf_slice bytes);
uint64_t hf_spool_bytes(const struct hf_spool *spool);
/* Reads exactly `bytes` at `offset`. */
HF_MUST_USE hf_err hf_spool_read(const struct hf_spool *spool, uint64_t offset,
                                 uint8_t *to, size_t bytes);

/* Calls fn(ctx) when the file at `path` changed (inode, size or time of change; also
 * when it appears), looked at every `every_ms`: works for renames and k8s `..data`
 * links. */
struct hf_file_watch;

struct hf_file_watch_config {
    const char *path; /* copied */
    int64_t every_ms;
    hf_loop_fn fn;
    void *ctx;
};

HF_MUST_USE hf_err hf_file_watch_open(struct hf_loop *loop,
                                      const struct hf_file_watch_config *config,
                                      struct hf_file_watch **out);
void hf_file_watch_close(struct hf_file_watch *watch);

#endif
