/* Owns connections of a loop once they exist: reading, writing, closing. */
#include "lib/io/conn_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SLICES_MAX 16

/* A write that the socket did not take at once. */
struct pending {
    uv_write_t uv;
    hf_loop_fn done; /* NULL: `bytes` is our copy */
    void *ctx;
    uint8_t bytes[];
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct hf_conn *conn = (struct hf_conn *)handle;

    if (conn->events != NULL && conn->events->on_closed != NULL) {
        conn->events->on_closed(conn->ctx, conn, conn->why);
    }
    free(conn);
}

static void close_because(struct hf_conn *conn, hf_err why)
{
    if (!uv_is_closing((uv_handle_t *)&conn->uv)) {
        conn->why = why;
        uv_close((uv_handle_t *)&conn->uv, on_handle_closed);
    }
}

hf_err conn_new(struct hf_loop *loop, bool is_unix, struct hf_conn **out)
{
    struct hf_conn *conn = calloc(1, sizeof *conn);
    int result;

    if (conn == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    conn->loop = loop;
    conn->is_unix = is_unix;
    conn->why = HF_ERR_CLOSED;
    result = is_unix ? uv_pipe_init(&loop->uv, &conn->uv.pipe, 0)
                     : uv_tcp_init(&loop->uv, &conn->uv.tcp);
    if (result != 0) {
        free(conn);
        return loop_error(result);
    }
    conn->uv.stream.data = conn;
    *out = conn;
    return HF_OK;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct hf_conn *conn = handle->data;

    (void)suggested;
    buf->base = (char *)conn->loop->read_buffer;
    buf->len = sizeof conn->loop->read_buffer;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct hf_conn *conn = stream->data;

    if (count > 0) {
        conn->events->on_data(conn->ctx, conn, hf_slice_of(buf->base, (size_t)count));
        return;
    }
    if (count == 0) {
        return; /* libuv's EAGAIN */
    }
    if (count == UV_EOF && conn->events->on_eof != NULL) {
        uv_read_stop(stream);
        conn->events->on_eof(conn->ctx, conn);
        return;
    }
    close_because(conn, loop_error((int)count));
}

void hf_conn_attach(struct hf_conn *conn, const struct hf_conn_events *events,
                    void *ctx)
{
    hf_check(events->on_data != NULL);
    conn->events = events;
    conn->ctx = ctx;
}

void hf_conn_start(struct hf_conn *conn, const struct hf_conn_events *events, void *ctx)
{
    hf_conn_attach(conn, events, ctx);
    hf_conn_resume(conn);
}

void *hf_conn_ctx(const struct hf_conn *conn)
{
    return conn->ctx;
}

void hf_conn_pause(struct hf_conn *conn)
{
    uv_read_stop(&conn->uv.stream);
}

void hf_conn_resume(struct hf_conn *conn)
{
    int result;

    hf_check(conn->events != NULL);
    if (uv_is_closing((uv_handle_t *)&conn->uv)) {
        return;
    }
    result = uv_read_start(&conn->uv.stream, on_allocate, on_read);
    if (result != 0 && result != UV_EALREADY) {
        close_because(conn, loop_error(result));
    }
}

static void on_written(uv_write_t *uv, int status)
{
    struct pending *pending = (struct pending *)uv;
    struct hf_conn *conn = uv->handle->data;
    bool is_drained = uv_stream_get_write_queue_size(&conn->uv.stream) == 0;

    if (pending->done != NULL) {
        pending->done(pending->ctx);
    }
    free(pending);
    if (status != 0) {
        close_because(conn, loop_error(status));
    } else if (is_drained && !uv_is_closing((uv_handle_t *)&conn->uv) &&
               conn->events != NULL && conn->events->on_drained != NULL) {
        conn->events->on_drained(conn->ctx, conn);
    }
}

/* How much the socket takes now; errors but EAGAIN close the conn. */
static hf_err try_write(struct hf_conn *conn, const uv_buf_t *bufs, size_t count,
                        size_t *written)
{
    int result;

    *written = 0;
    if (uv_is_closing((uv_handle_t *)&conn->uv)) {
        return HF_ERR_CLOSED;
    }
    result = uv_try_write(&conn->uv.stream, bufs, (unsigned)count);
    if (result >= 0) {
        *written = (size_t)result;
        return HF_OK;
    }
    if (result == UV_EAGAIN) {
        return HF_OK;
    }
    close_because(conn, loop_error(result));
    return HF_ERR_CLOSED;
}

static hf_err queue(struct hf_conn *conn, struct pending *pending, hf_slice bytes)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.bytes);
    int result = uv_write(&pending->uv, &conn->uv.stream, &buf, 1, on_written);

    if (result != 0) {
        free(pending);
        close_because(conn, loop_error(result));
        return HF_ERR_CLOSED;
    }
    return HF_OK;
}

static void copy_rest(const hf_slice *slices, size_t count, size_t skip, uint8_t *to)
{
    for (size_t i = 0; i < count; i++) {
        hf_slice rest = hf_slice_skip(slices[i], skip);

        skip -= slices[i].bytes - rest.bytes;
        if (rest.bytes > 0) {
            memcpy(to, rest.data, rest.bytes);
            to += rest.bytes;
        }
    }
}

hf_err hf_conn_write(struct hf_conn *conn, const hf_slice *slices, size_t count)
{
    uv_buf_t bufs[SLICES_MAX];
    struct pending *pending;
    size_t total = 0;
    size_t written;
    hf_err err;

    hf_check(count <= SLICES_MAX);
    for (size_t i = 0; i < count; i++) {
        bufs[i] =
            uv_buf_init((char *)(uintptr_t)slices[i].data, (unsigned)slices[i].bytes);
        total += slices[i].bytes;
    }
    err = try_write(conn, bufs, count, &written);
    if (err != HF_OK || written == total) {
        return err;
    }
    pending = malloc(sizeof *pending + total - written);
    if (pending == NULL) {
        close_because(conn, HF_ERR_NO_MEMORY);
        return HF_ERR_NO_MEMORY;
    }
    pending->done = NULL;
    copy_rest(slices, count, written, pending->bytes);
    return queue(conn, pending, (hf_slice){pending->bytes, total - written});
}

hf_err hf_conn_write_kept(struct hf_conn *conn, hf_slice bytes, hf_loop_fn done,
                          void *ctx)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.bytes);
    struct pending *pending = NULL;
    size_t written;
    hf_err err = try_write(conn, &buf, 1, &written);

    hf_check(done != NULL);
    if (err == HF_OK && written < bytes.bytes) {
        pending = malloc(sizeof *pending);
        err = pending == NULL ? HF_ERR_NO_MEMORY : HF_OK;
    }
    if (err == HF_OK && pending != NULL) {
        pending->done = done;
        pending->ctx = ctx;
        err = queue(conn, pending, hf_slice_skip(bytes, written));
        if (err == HF_OK) {
            return HF_OK;
        }
    }
    if (err != HF_OK) {
        close_because(conn, err);
    }
    done(ctx);
    return err;
}

size_t hf_conn_queued_bytes(const struct hf_conn *conn)
{
    return uv_stream_get_write_queue_size(&conn->uv.stream);
}

static void on_shut_down(uv_shutdown_t *uv, int status)
{
    (void)status;
    free(uv);
}

void hf_conn_shutdown(struct hf_conn *conn)
{
    uv_shutdown_t *uv = malloc(sizeof *uv);

    if (uv == NULL || uv_shutdown(uv, &conn->uv.stream, on_shut_down) != 0) {
        free(uv);
        close_because(conn, HF_ERR_CLOSED);
    }
}

void hf_conn_close(struct hf_conn *conn)
{
    hf_check(conn != NULL);
    close_because(conn, HF_ERR_CLOSED);
}

void hf_conn_reset(struct hf_conn *conn)
{
    if (conn->is_unix || uv_is_closing((uv_handle_t *)&conn->uv)) {
        close_because(conn, HF_ERR_CLOSED);
        return;
    }
    conn->why = HF_ERR_CLOSED;
    if (uv_tcp_close_reset(&conn->uv.tcp, on_handle_closed) != 0) {
        close_because(conn, HF_ERR_CLOSED);
    }
}

static void address(const struct hf_conn *conn, bool is_peer, struct hf_addr *out)
{
    struct sockaddr_storage storage;
    int bytes = sizeof storage;

    memset(&storage, 0, sizeof storage);
    if (!conn->is_unix) {
        struct sockaddr *place = (struct sockaddr *)&storage;

        (void)(is_peer ? uv_tcp_getpeername(&conn->uv.tcp, place, &bytes)
                       : uv_tcp_getsockname(&conn->uv.tcp, place, &bytes));
    }
    hf_socket_address_ip(&storage, out);
}

void hf_conn_peer(const struct hf_conn *conn, struct hf_addr *out)
{
    address(conn, true, out);
}

void hf_conn_local(const struct hf_conn *conn, struct hf_addr *out)
{
    address(conn, false, out);
}

static void on_connected(uv_connect_t *uv, int status)
{
    struct hf_conn *conn = uv->handle->data;

    free(uv);
    if (status != 0) {
        close_because(conn, loop_error(status));
        return;
    }
    if (!conn->is_unix) {
        uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
    conn->on_up(conn->ctx, conn);
}

static int begin_connect(struct hf_conn *conn, const struct hf_socket_address *to)
{
    uv_connect_t *uv = malloc(sizeof *uv);
    int result = UV_ENOMEM;

    if (uv == NULL) {
        return result;
    }
    if (conn->is_unix) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&to->storage;

        uv_pipe_connect(uv, &conn->uv.pipe, un->sun_path, on_connected);
        return 0;
    }
    result = uv_tcp_connect(uv, &conn->uv.tcp, (const struct sockaddr *)&to->storage,
                            on_connected);
    if (result != 0) {
        free(uv);
    }
    return result;
}

hf_err hf_conn_dial(struct hf_loop *loop, const char *to,
                    void (*on_up)(void *ctx, struct hf_conn *conn),
                    struct hf_conn **out)
{
    struct hf_socket_address parsed;
    struct hf_conn *conn = NULL;
    hf_err err = hf_socket_address_parse(to, &parsed);

    hf_check(on_up != NULL);
    if (err == HF_OK) {
        err = conn_new(loop, parsed.is_unix, &conn);
    }
    if (err != HF_OK) {
        return err;
    }
    conn->on_up = on_up;
    err = loop_error(begin_connect(conn, &parsed));
    if (err != HF_OK) {
        hf_conn_close(conn);
        return err;
    }
    *out = conn;
    return HF_OK;
}
