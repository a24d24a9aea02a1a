/* Owns listening sockets of a loop. Sockets are made by hand, because libuv 1.44 has no
 * SO_REUSEPORT and changes the mode of a unix socket too late. */
#include "lib/io/conn_parts.h"

#include <stdlib.h>
#include <string.h>
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
    struct hf_socket_address address;
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
    struct hf_socket_address parsed;
    int result;
    int fd = -1;
    hf_err err = hf_socket_address_parse(config->address, &parsed);

    hf_check(fn != NULL);
    if (err == HF_OK) {
        err = hf_socket_bind(&parsed, config->unix_mode, config->is_reuse_port, &fd);
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
    hf_socket_address_ip(&storage, out);
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
    if (listener == NULL) {
        return;
    }
    hf_socket_unbind(&listener->address);
    uv_close((uv_handle_t *)&listener->uv, free_listener);
}
