/* Owns sockets that will listen: made, bound, and with the mode they should have. */
#include "lib/io/socket.h"

#include "lib/io/loop_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket file nobody answers on is left over from a crash; any other file is not ours
 * to remove. */
static hf_err clear_stale(const struct hf_socket_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    struct stat there;
    int result;
    int error;
    int fd;

    if (lstat(un->sun_path, &there) != 0) {
        return HF_OK;
    }
    if (!S_ISSOCK(there.st_mode)) {
        return HF_ERR_EXISTS;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return loop_error(-errno);
    }
    result = connect(fd, (const struct sockaddr *)un, address->bytes);
    error = errno;
    close(fd);
    if (result == 0 || error == EAGAIN) {
        return HF_ERR_EXISTS;
    }
    if (error == ECONNREFUSED) {
        unlink(un->sun_path);
    }
    return HF_OK;
}

static hf_err set_options(int fd, bool is_reuse_port,
                          const struct hf_socket_address *address)
{
    int on = 1;
    int off = 0;

    if (address->is_unix) {
        return HF_OK;
    }
    if (address->storage.ss_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (is_reuse_port &&
         setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)) {
        return loop_error(-errno);
    }
    return HF_OK;
}

static hf_err bind_to(int fd, int unix_mode, bool is_reuse_port,
                      const struct hf_socket_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    mode_t mode = unix_mode != 0 ? (mode_t)unix_mode : 0600;
    hf_err err = set_options(fd, is_reuse_port, address);

    if (err == HF_OK && address->is_unix) {
        err = clear_stale(address);
    }
    if (err != HF_OK) {
        return err;
    }
    if (bind(fd, (const struct sockaddr *)&address->storage, address->bytes) != 0) {
        return loop_error(-errno);
    }
    /* Nobody can connect between bind and listen, so the mode comes in time. */
    if (address->is_unix && chmod(un->sun_path, mode) != 0) {
        return loop_error(-errno);
    }
    return HF_OK;
}

hf_err hf_socket_bind(const struct hf_socket_address *address, int unix_mode,
                      bool is_reuse_port, int *out)
{
    int fd = socket(address->storage.ss_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    hf_err err;

    if (fd < 0) {
        return loop_error(-errno);
    }
    err = bind_to(fd, unix_mode, is_reuse_port, address);
    if (err != HF_OK) {
        close(fd);
        return err;
    }
    *out = fd;
    return HF_OK;
}

void hf_socket_unbind(const struct hf_socket_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;

    if (address->is_unix) {
        unlink(un->sun_path);
    }
}
