/* A preloaded library that makes the disk fail: the N-th call of a kind on a regular
 * file, and all later ones, return EIO. Kinds: fdatasync, and pwrite (which stands for
 * pwrite and writev, LMDB's other way of writing pages). Standard streams and sockets
 * go on working.
 *
 *     HOLDFAST_FAULT=fdatasync:40     the 40th fdatasync fails
 *     HOLDFAST_FAULT=pwrite:7
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long left = -1; /* calls that still succeed; -1: not read yet */
static atomic_long asked;

/* Whether this call is one of the kind that fails, and its turn has come. */
static bool must_fail(const char *kind)
{
    const char *fault = getenv("HOLDFAST_FAULT");
    size_t bytes = strlen(kind);

    if (fault == NULL || strncmp(fault, kind, bytes) != 0 || fault[bytes] != ':') {
        return false;
    }
    if (atomic_load(&left) < 0) {
        atomic_store(&left, strtol(fault + bytes + 1, NULL, 10));
    }
    if (atomic_fetch_add(&asked, 1) + 1 < atomic_load(&left)) {
        return false;
    }
    errno = EIO;
    return true;
}

static bool is_regular(int fd)
{
    struct stat about;

    return fd > STDERR_FILENO && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
           about.st_size > 0;
}

#define NEXT(type, name) ((type)(void *)dlsym(RTLD_NEXT, #name))

int fdatasync(int fd)
{
    return must_fail("fdatasync") ? -1 : NEXT(int (*)(int), fdatasync)(fd);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    if (is_regular(fd) && must_fail("pwrite")) {
        return -1;
    }
    return NEXT(ssize_t(*)(int, const void *, size_t, off_t), pwrite)(fd, data, bytes,
                                                                      at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (is_regular(fd) && must_fail("pwrite")) {
        return -1;
    }
    return NEXT(ssize_t(*)(int, const struct iovec *, int), writev)(fd, parts, count);
}
