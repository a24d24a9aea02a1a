/* Owns whole-file reads and replacements; knows nothing of what the files mean. */
#include "lib/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 16384
#define PATH_BYTES 4096

static hf_err error_of_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return HF_ERR_NOT_FOUND;
    case EEXIST:
        return HF_ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return HF_ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
        return HF_ERR_FULL;
    case ENOMEM:
        return HF_ERR_NO_MEMORY;
    default:
        return HF_ERR_IO;
    }
}

/* With one byte more than is allowed, so that too big is told from exactly full. */
static hf_err read_some(int fd, struct hf_buf *out, bool *is_end)
{
    size_t room = out->bytes_max - hf_buf_bytes(out);
    size_t want = room < READ_BYTES ? room : READ_BYTES;
    uint8_t extra;
    uint8_t *place = &extra;
    ssize_t got;

    if (want > 0 && hf_buf_reserve(out, want, &place) != HF_OK) {
        return HF_ERR_NO_MEMORY;
    }
    do {
        got = read(fd, place, want > 0 ? want : 1);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return error_of_errno();
    }
    if (got > 0 && want == 0) {
        return HF_ERR_TOO_BIG;
    }
    *is_end = got == 0;
    hf_buf_grown(out, (size_t)got);
    return HF_OK;
}

hf_err hf_file_read_fd(int fd, struct hf_buf *out)
{
    bool is_end = false;
    hf_err err = HF_OK;

    hf_check(fd >= 0);
    while (err == HF_OK && !is_end) {
        err = read_some(fd, out, &is_end);
    }
    return err;
}

hf_err hf_file_read(const char *path, struct hf_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    hf_err err;

    if (fd < 0) {
        return error_of_errno();
    }
    err = hf_file_read_fd(fd, out);
    close(fd);
    return err;
}

static hf_err write_all(int fd, hf_slice bytes)
{
    while (bytes.bytes > 0) {
        ssize_t wrote = write(fd, bytes.data, bytes.bytes);

        if (wrote < 0 && errno != EINTR) {
            return error_of_errno();
        }
        bytes = hf_slice_skip(bytes, wrote > 0 ? (size_t)wrote : 0);
    }
    return HF_OK;
}

static hf_err sync_directory_of(const char *path)
{
    char directory[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int fd;
    int result;

    if (slash == NULL) {
        snprintf(directory, sizeof directory, ".");
    } else {
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + 1, path);
    }
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_of_errno();
    }
    result = fsync(fd);
    close(fd);
    return result == 0 ? HF_OK : HF_ERR_IO;
}

static hf_err write_temporary(const char *temporary, hf_slice bytes, unsigned mode)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    hf_err err;

    if (fd < 0) {
        return error_of_errno();
    }
    err = write_all(fd, bytes);
    if (err == HF_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
        err = error_of_errno();
    }
    close(fd);
    return err;
}

hf_err hf_file_replace(const char *path, hf_slice bytes, unsigned mode)
{
    char temporary[PATH_BYTES];
    hf_err err;

    /* The name is ours alone as long as one process replaces this file at a time; what
     * a crash left behind is overwritten by removing it first. */
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= PATH_BYTES) {
        return HF_ERR_INVALID;
    }
    unlink(temporary);
    err = write_temporary(temporary, bytes, mode);
    if (err == HF_OK && rename(temporary, path) != 0) {
        err = error_of_errno();
    }
    if (err != HF_OK) {
        unlink(temporary);
        return err;
    }
    return sync_directory_of(path);
}

static hf_err judge_directory(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        return error_of_errno();
    }
    if (!S_ISDIR(status.st_mode)) {
        return HF_ERR_EXISTS;
    }
    if (status.st_uid != geteuid() || (status.st_mode & 022) != 0) {
        return HF_ERR_DENIED;
    }
    return HF_OK;
}

hf_err hf_file_make_directory(const char *path, unsigned mode)
{
    char part[PATH_BYTES];
    size_t bytes = strlen(path);

    if (bytes == 0 || bytes >= sizeof part) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 1; i <= bytes; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (mkdir(part, mode) != 0 && errno != EEXIST) {
            return error_of_errno();
        }
    }
    return judge_directory(path);
}

struct hf_spool {
    int fd;
    uint64_t bytes;
    uint64_t bytes_max;
};

hf_err hf_spool_open(const char *directory, uint64_t bytes_max, struct hf_spool **out)
{
    struct hf_spool *spool = calloc(1, sizeof *spool);

    if (spool == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    spool->bytes_max = bytes_max;
    spool->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        char path[PATH_BYTES];

        snprintf(path, sizeof path, "%s/spool.XXXXXX", directory);
        spool->fd = mkostemp(path, O_CLOEXEC);
        if (spool->fd >= 0) {
            unlink(path);
        }
    }
    if (spool->fd < 0) {
        hf_err err = error_of_errno();

        free(spool);
        return err;
    }
    *out = spool;
    return HF_OK;
}

void hf_spool_close(struct hf_spool *spool)
{
    if (spool != NULL) {
        close(spool->fd);
        free(spool);
    }
}

hf_err hf_spool_append(struct hf_spool *spool, hf_slice bytes)
{
    uint64_t at = spool->bytes;

    if (bytes.bytes > spool->bytes_max - spool->bytes) {
        return HF_ERR_TOO_BIG;
    }
    while (bytes.bytes > 0) {
        ssize_t wrote = pwrite(spool->fd, bytes.data, bytes.bytes, (off_t)at);

        if (wrote < 0 && errno != EINTR) {
            return error_of_errno();
        }
        if (wrote > 0) {
            at += (uint64_t)wrote;
            bytes = hf_slice_skip(bytes, (size_t)wrote);
        }
    }
    spool->bytes = at;
    return HF_OK;
}

uint64_t hf_spool_bytes(const struct hf_spool *spool)
{
    return spool->bytes;
}

hf_err hf_spool_read(const struct hf_spool *spool, uint64_t offset, uint8_t *to,
                     size_t bytes)
{
    if (offset > spool->bytes || bytes > spool->bytes - offset) {
        return HF_ERR_INVALID;
    }
    while (bytes > 0) {
        ssize_t got = pread(spool->fd, to, bytes, (off_t)offset);

        if (got == 0 || (got < 0 && errno != EINTR)) {
            return HF_ERR_IO;
        }
        if (got > 0) {
            to += got;
            offset += (uint64_t)got;
            bytes -= (size_t)got;
        }
    }
    return HF_OK;
}
