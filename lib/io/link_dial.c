/* Owns one attempt to reach a peer: its name looked up, its addresses tried in turn. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

void link_dial_abandon(struct link_owner *owner)
{
    if (owner->source.fd >= 0) {
        hub_unwatch(owner->hub, &owner->source);
        close(owner->source.fd);
        owner->source.fd = -1;
    }
    hf_lookup_free(owner->lookup);
    owner->lookup = NULL;
    owner->connect_due_us = INT64_MAX;
}

static void fail(struct link_owner *owner, enum hf_link_end end, const char *detail)
{
    const struct hf_link_events *events = owner->config.events;

    link_dial_abandon(owner);
    if (events->on_failed != NULL) {
        events->on_failed(owner->config.ctx, end, owner->address, detail);
    }
    link_owner_retry(owner);
}

static void succeed(struct link_owner *owner)
{
    int fd = owner->source.fd;
    int on = 1;

    hub_unwatch(owner->hub, &owner->source);
    owner->source.fd = -1;
    link_dial_abandon(owner);
    if (owner->transport == HF_LINK_TCP) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (link_start(owner, fd) != HF_OK) {
        link_owner_retry(owner);
    }
}

static void try_next(struct link_owner *owner, int error);

static void on_ready(struct hub_source *source, uint32_t events)
{
    struct link_owner *owner = HF_CONTAINER(source, struct link_owner, source);
    int error = 0;
    socklen_t bytes = sizeof error;

    (void)events;
    if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) {
        error = errno;
    }
    if (error == 0) {
        succeed(owner);
    } else {
        try_next(owner, error);
    }
}

/* 0, or why the address cannot be reached; an answer may come later. */
static int connect_to(struct link_owner *owner, const struct hf_socket_address *to)
{
    int fd =
        socket(to->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *)&to->storage, to->bytes) != 0 &&
        errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        return error;
    }
    owner->source = (struct hub_source){fd, on_ready};
    if (hub_watch(owner->hub, &owner->source, EPOLLOUT) != HF_OK) {
        close(fd);
        owner->source.fd = -1;
        return ENOMEM;
    }
    return 0;
}

/* Goes on with the next address of the name; `error` is what the last one said. */
static void try_next(struct link_owner *owner, int error)
{
    struct hf_socket_address to;

    if (owner->source.fd >= 0) {
        hub_unwatch(owner->hub, &owner->source);
        close(owner->source.fd);
        owner->source.fd = -1;
    }
    while (hf_lookup_address(owner->lookup, owner->lookup_next++, &to) == HF_OK) {
        error = connect_to(owner, &to);
        if (error == 0) {
            return;
        }
    }
    fail(owner, HF_LINK_END_CONNECT, strerror(error));
}

static void wake(void *ctx)
{
    hub_wake(ctx);
}

static void dial_ipc(struct link_owner *owner, const char *path)
{
    char text[HF_LINK_ADDRESS_BYTES + 8];
    struct hf_socket_address to;
    int error = ENAMETOOLONG;

    snprintf(text, sizeof text, "unix:%s", path);
    if (hf_socket_address_parse(text, &to) == HF_OK) {
        error = connect_to(owner, &to);
    }
    if (error != 0) {
        fail(owner, HF_LINK_END_CONNECT, strerror(error));
    }
}

void link_dial(struct link_owner *owner)
{
    const char *text = link_address_of(owner->address, &owner->transport);

    owner->connect_due_us = hf_clock_monotonic_us() + owner->config.connect_ms * 1000;
    owner->lookup_next = 0;
    if (owner->transport == HF_LINK_IPC) {
        dial_ipc(owner, text);
    } else if (hf_lookup_start(text, wake, owner->hub, &owner->lookup) != HF_OK) {
        fail(owner, HF_LINK_END_CONNECT, "not an address that can be looked up");
    }
}

/* Whether a name was found meanwhile, and whether all of it takes too long. */
void link_dial_examine(struct link_owner *owner, int64_t now, int64_t *next)
{
    const char *why = "";
    hf_err err;

    if (owner->connect_due_us <= now) {
        fail(owner, HF_LINK_END_TIMEOUT, "no answer in time");
        return;
    }
    if (owner->connect_due_us < *next) {
        *next = owner->connect_due_us;
    }
    if (owner->lookup == NULL || owner->source.fd >= 0) {
        return;
    }
    err = hf_lookup_result(owner->lookup, &why);
    if (err == HF_OK) {
        try_next(owner, 0);
    } else if (err != HF_ERR_AGAIN) {
        fail(owner, HF_LINK_END_CONNECT, why);
    }
}
