/* Owns setting a grown log aside. The file keeps its inode, because descriptors of it
 * are with processes (workers, their apps) that nobody can ask to open it again. */
#include "controller/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

static void copy(int from, int to)
{
    ssize_t bytes = 1;

    while (bytes > 0) {
        bytes = sendfile(to, from, NULL, CT_LOG_BYTES_MAX);
    }
}

static bool set_aside(const char *log, const char *old)
{
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct stat found;
    int from = open(log, O_RDWR | flags);
    bool is_done = false;

    if (from < 0) {
        return false;
    }
    if (fstat(from, &found) == 0 && S_ISREG(found.st_mode)) {
        (void)unlink(old);

        int to = open(old, O_WRONLY | O_CREAT | O_EXCL | flags, 0600);

        if (to >= 0) {
            copy(from, to);
            (void)close(to);
        }
        is_done = ftruncate(from, 0) == 0;
    }
    (void)close(from);
    return is_done;
}

bool ct_log_bound(const char *log)
{
    struct stat found;
    char old[PATH_BYTES];
    int bytes = snprintf(old, sizeof old, "%s.1", log);

    return lstat(log, &found) == 0 && found.st_size > (off_t)CT_LOG_BYTES_MAX &&
           bytes > 0 && (size_t)bytes < sizeof old && set_aside(log, old);
}
