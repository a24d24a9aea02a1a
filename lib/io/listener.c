/* Owns listening sockets of a loop. Sockets are made by hand, because libuv 1.44 has no
 * SO_REUSEPORT and changes the mode of a unix socket too late. */
#include "lib/io/conn_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG_DEFAULT 4096

struct hf_listener {
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv; /* first: the loop frees what it closes */
    struct hf_loop *loop;
    hf_accept_fn fn;
    void *ctx;
    struct conn_address address;
    bool is_paused;
    bool is_waiting; /* libuv holds a connection we have not accepted */
};

static void free_listener(uv_handle_t *handle)
{
    free(handle);
}

static void accept_one(struct hf_listener *listener)
{
    struct hf_conn *conn;

    if (conn_new(listener->loop, listener->address.is_unix, &conn) != HF_OK) {
        listener->is_waiting = true; /* taken when resumed, or with the next one */
        return;
    }
    listener->is_waiting = false;
    if (uv_accept(&listener->uv.stream, &conn->uv.stream) != 0) {
        hf_conn_close(conn);
        return;
    }
    if (!listener->address.is_unix) {
        uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
    listener->fn(listener->ctx, conn);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct hf_listener *listener = stream->data;

    if (status != 0) {
        return;
    }
    if (listener->is_paused) {
        listener->is_waiting = true; /* libuv stops accepting until we take this one */
        return;
    }
    accept_one(listener);
}

/* A socket file nobody answers on is left over from a crash. */
static hf_err clear_stale(const struct conn_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result;
    int error;

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

static hf_err set_options(int fd, const struct hf_listener_config *config,
                          const struct conn_address *address)
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
        (config->is_reuse_port &&
         setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)) {
        return loop_error(-errno);
    }
    return HF_OK;
}

static hf_err bind_socket(int fd, const struct hf_listener_config *config,
                          const struct conn_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    mode_t mode = config->unix_mode != 0 ? (mode_t)config->unix_mode : 0600;
    hf_err err = set_options(fd, config, address);

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

static hf_err open_socket(const struct hf_listener_config *config,
                          const struct conn_address *address, int *out)
{
    int fd = socket(address->storage.ss_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    hf_err err;

    if (fd < 0) {
        return loop_error(-errno);
    }
    err = bind_socket(fd, config, address);
    if (err != HF_OK) {
        close(fd);
        return err;
    }
    *out = fd;
    return HF_OK;
}

static int begin_listen(struct hf_listener *listener, int fd, int backlog)
{
    bool is_unix = listener->address.is_unix;
    int result = is_unix ? uv_pipe_open(&listener->uv.pipe, fd)
                         : uv_tcp_open(&listener->uv.tcp, fd);

    if (result != 0) {
        close(fd);
        return result;
    }
    return uv_listen(&listener->uv.stream, backlog != 0 ? backlog : BACKLOG_DEFAULT,
                     on_connection);
}

hf_err hf_listener_open(struct hf_loop *loop, const struct hf_listener_config *config,
                        hf_accept_fn fn, void *ctx, struct hf_listener **out)
{
    struct hf_listener *listener;
    struct conn_address parsed;
    int result;
    int fd = -1;
    hf_err err = conn_address_parse(config->address, &parsed);

    hf_check(fn != NULL);
    if (err == HF_OK) {
        err = open_socket(config, &parsed, &fd);
    }
    if (err != HF_OK) {
        return err;
    }
    listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        close(fd);
        return HF_ERR_NO_MEMORY;
    }
    listener->loop = loop;
    listener->fn = fn;
    listener->ctx = ctx;
    listener->address = parsed;
    result = parsed.is_unix ? uv_pipe_init(&loop->uv, &listener->uv.pipe, 0)
                            : uv_tcp_init(&loop->uv, &listener->uv.tcp);
    hf_check(result == 0);
    listener->uv.stream.data = listener;
    result = begin_listen(listener, fd, config->backlog);
    if (result != 0) {
        hf_listener_close(listener);
        return loop_error(result);
    }
    *out = listener;
    return HF_OK;
}

void hf_listener_address(const struct hf_listener *listener, struct hf_addr *out)
{
    struct sockaddr_storage storage;
    int bytes = sizeof storage;

    memset(&storage, 0, sizeof storage);
    if (!listener->address.is_unix) {
        (void)uv_tcp_getsockname(&listener->uv.tcp, (struct sockaddr *)&storage,
                                 &bytes);
    }
    conn_address_of(&storage, out);
}

void hf_listener_pause(struct hf_listener *listener)
{
    listener->is_paused = true;
}

void hf_listener_resume(struct hf_listener *listener)
{
    listener->is_paused = false;
    if (listener->is_waiting) {
        accept_one(listener);
    }
}

void hf_listener_close(struct hf_listener *listener)
{
    const struct sockaddr_un *un;

    if (listener == NULL) {
        return;
    }
    un = (const struct sockaddr_un *)&listener->address.storage;
    if (listener->address.is_unix) {
        unlink(un->sun_path);
    }
    uv_close((uv_handle_t *)&listener->uv, free_listener);
}
