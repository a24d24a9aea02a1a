/* Owns packets on local sockets; knows nothing of what the records mean. */
#include "controller/local.h"

#include "lib/token/key.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static hf_err address_of(const char *path, struct sockaddr_un *out)
{
    size_t bytes = strlen(path);

    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    if (bytes == 0 || bytes >= sizeof out->sun_path) {
        return HF_ERR_TOO_BIG;
    }
    memcpy(out->sun_path, path, bytes);
    return HF_OK;
}

static hf_err error_of(int number)
{
    switch (number) {
    case EAGAIN:
    case EINTR:
    case ENOBUFS:
        return HF_ERR_AGAIN;
    case EMSGSIZE:
        return HF_ERR_TOO_BIG;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOENT:
    case ENOTCONN:
        return HF_ERR_CLOSED;
    default:
        return HF_ERR_IO;
    }
}

static hf_err bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t old = umask(0177);
    int result = bind(fd, (const struct sockaddr *)address, sizeof *address);

    (void)umask(old);
    if (result != 0 || listen(fd, BACKLOG) != 0) {
        return errno == EADDRINUSE ? HF_ERR_EXISTS : HF_ERR_IO;
    }
    return HF_OK;
}

hf_err ct_local_listen(const char *path, int *out)
{
    struct sockaddr_un address;
    hf_err err = address_of(path, &address);
    int probe = -1;
    int fd = -1;

    if (err != HF_OK) {
        return err;
    }
    if (ct_local_connect(path, 100, &probe) == HF_OK) {
        (void)close(probe);
        return HF_ERR_EXISTS;
    }
    (void)unlink(path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return HF_ERR_IO;
    }
    err = bind_private(fd, &address);
    if (err != HF_OK) {
        (void)close(fd);
        return err;
    }
    *out = fd;
    return HF_OK;
}

static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           peer.uid == geteuid();
}

hf_err ct_local_accept(int listener, int *out)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return error_of(errno);
    }
    if (!is_ours(fd)) {
        (void)close(fd);
        return HF_ERR_DENIED;
    }
    *out = fd;
    return HF_OK;
}

hf_err ct_local_connect(const char *path, int64_t timeout_ms, int *out)
{
    struct sockaddr_un address;
    struct timeval limit = {.tv_sec = timeout_ms / 1000,
                            .tv_usec = timeout_ms % 1000 * 1000};
    hf_err err = address_of(path, &address);
    int fd = -1;

    if (err != HF_OK) {
        return err;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return HF_ERR_IO;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        err = error_of(errno);
        (void)close(fd);
        return err;
    }
    if (!is_ours(fd)) {
        (void)close(fd);
        return HF_ERR_DENIED;
    }
    *out = fd;
    return HF_OK;
}

pid_t ct_local_peer(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 ? peer.pid : -1;
}

hf_err ct_local_send(int fd, const struct hf_record *record)
{
    struct hf_buf packet;
    hf_slice bytes;
    hf_err err = HF_OK;

    hf_buf_init(&packet, CT_LOCAL_PACKET_BYTES_MAX);
    err = hf_record_append(&packet, record);
    bytes = hf_buf_slice(&packet);
    if (err == HF_OK && send(fd, bytes.data, bytes.bytes, MSG_NOSIGNAL) < 0) {
        err = error_of(errno);
    }
    if (bytes.bytes > 0) { /* it may carry a key */
        hf_wipe((void *)(uintptr_t)bytes.data, bytes.bytes);
    }
    hf_buf_fini(&packet);
    return err;
}

hf_err ct_local_receive(int fd, struct hf_buf *packet, struct hf_record *out)
{
    uint8_t *to = NULL;
    hf_slice content;
    ssize_t bytes = 0;
    hf_err err = HF_OK;

    hf_buf_clear(packet);
    err = hf_buf_reserve(packet, CT_LOCAL_PACKET_BYTES_MAX, &to);
    if (err != HF_OK) {
        return err;
    }
    bytes = recv(fd, to, CT_LOCAL_PACKET_BYTES_MAX, 0);
    if (bytes < 0) {
        return error_of(errno);
    }
    if (bytes == 0) {
        return HF_ERR_CLOSED;
    }
    hf_buf_grown(packet, (size_t)bytes);
    content = hf_buf_slice(packet);
    if (hf_record_next(&content, out) != HF_OK || content.bytes != 0) {
        return HF_ERR_INVALID;
    }
    return HF_OK;
}
