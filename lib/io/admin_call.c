/* Owns one blocking request to an admin server: the command line's way in. */
#include "lib/io/admin.h"

#include "lib/http/response.h"
#include "lib/http/write.h"
#include "lib/io/clock.h"
#include "lib/io/conn_parts.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES_MAX 65536
#define READ_BYTES     16384

struct exchange {
    int fd;
    int64_t due_us;
};

static hf_err wait_ready(const struct exchange *x, short events)
{
    struct pollfd watched = {.fd = x->fd, .events = events};
    int64_t left_us = x->due_us - hf_clock_monotonic_us();
    int result;

    if (left_us <= 0) {
        return HF_ERR_TIMEOUT;
    }
    result = poll(&watched, 1, (int)(left_us / 1000) + 1);
    if (result < 0 && errno != EINTR) {
        return HF_ERR_IO;
    }
    return result > 0 ? HF_OK : HF_ERR_AGAIN;
}

static hf_err wait_until_ready(const struct exchange *x, short events)
{
    hf_err err;

    do {
        err = wait_ready(x, events);
    } while (err == HF_ERR_AGAIN);
    return err;
}

static hf_err connect_to(struct exchange *x, const struct hf_socket_address *to)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    hf_err err = HF_OK;

    if (connect(x->fd, (const struct sockaddr *)&to->storage, to->bytes) == 0) {
        return HF_OK;
    }
    if (errno == EACCES || errno == EPERM) {
        return HF_ERR_DENIED;
    }
    if (errno != EINPROGRESS) {
        return HF_ERR_CLOSED;
    }
    err = wait_until_ready(x, POLLOUT);
    if (err == HF_OK &&
        (getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0 || error != 0)) {
        err = HF_ERR_CLOSED;
    }
    return err;
}

static hf_err send_all(struct exchange *x, hf_slice bytes)
{
    while (bytes.bytes > 0) {
        hf_err err = wait_until_ready(x, POLLOUT);
        ssize_t sent;

        if (err != HF_OK) {
            return err;
        }
        sent = send(x->fd, bytes.data, bytes.bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return HF_ERR_CLOSED;
        }
        bytes = hf_slice_skip(bytes, sent > 0 ? (size_t)sent : 0);
    }
    return HF_OK;
}

static hf_err send_request(struct exchange *x, const struct hf_admin_call *call)
{
    const struct hf_http_response_head rest = {
        .fields = HF_SLICE("Content-Type: application/json\r\nConnection: close\r\n"),
        .length = HF_HTTP_LENGTH_KNOWN,
        .body_bytes = call->body.bytes};
    struct hf_buf head;
    hf_err err;

    hf_buf_init(&head, HEAD_BYTES_MAX);
    err = hf_http_write_request(&head, hf_slice_of_cstr(call->method),
                                hf_slice_of_cstr(call->target), HF_SLICE("holdfast"),
                                &rest);
    if (err == HF_OK) {
        err = send_all(x, hf_buf_slice(&head));
    }
    if (err == HF_OK) {
        err = send_all(x, call->body);
    }
    hf_buf_fini(&head);
    return err;
}

static hf_err receive_response(struct exchange *x, struct hf_http_response *response)
{
    uint8_t bytes[READ_BYTES];
    hf_err err = HF_ERR_AGAIN;

    while (err == HF_ERR_AGAIN) {
        ssize_t got;

        err = wait_until_ready(x, POLLIN);
        if (err != HF_OK) {
            return err;
        }
        got = recv(x->fd, bytes, sizeof bytes, 0);
        if (got > 0) {
            err = hf_http_response_feed(response, (hf_slice){bytes, (size_t)got});
        } else if (got == 0) {
            return hf_http_response_eof(response);
        } else if (errno == EAGAIN || errno == EINTR) {
            err = HF_ERR_AGAIN;
        } else {
            err = HF_ERR_CLOSED;
        }
    }
    return err;
}

static hf_err run(struct exchange *x, const struct hf_admin_call *call,
                  struct hf_http_response *response)
{
    struct hf_socket_address to;
    hf_err err = hf_socket_address_parse(call->address, &to);

    if (err != HF_OK) {
        return err;
    }
    x->fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (x->fd < 0) {
        return HF_ERR_FULL;
    }
    err = connect_to(x, &to);
    if (err == HF_OK) {
        err = send_request(x, call);
    }
    /* A server that refuses early closes before it has read all: its answer counts. */
    if (err == HF_OK || err == HF_ERR_CLOSED) {
        hf_err answer = receive_response(x, response);

        err = answer == HF_OK ? HF_OK : (err == HF_OK ? answer : err);
    }
    return err;
}

hf_err hf_admin_call(const struct hf_admin_call *call, int *status, struct hf_buf *body)
{
    struct exchange x = {.fd = -1,
                         .due_us = hf_clock_monotonic_us() + call->timeout_ms * 1000};
    struct hf_http_response *response;
    hf_err err = hf_http_response_new(body->bytes_max, false, &response);

    hf_check(status != NULL);
    if (err != HF_OK) {
        return err;
    }
    err = run(&x, call, response);
    if (x.fd >= 0) {
        close(x.fd);
    }
    if (err == HF_OK) {
        err = hf_buf_append(body, hf_http_response_body(response));
        *status = hf_http_response_status(response);
    }
    hf_http_response_free(response);
    return err;
}
