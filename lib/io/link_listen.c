/* Owns the way from a listening socket to accepted links. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ACCEPT_RETRY_US  100000 /* after EMFILE and the like */
#define ACCEPTS_PER_TURN 4      /* then links have their turn: many may have gone */
#define BACKLOG          4096
#define IPC_MODE         0660

/* True: one more may be waiting. */
static bool accept_one(struct link_owner *owner)
{
    int fd = accept4(owner->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int on = 1;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            hub_rewatch(owner->hub, &owner->source, 0);
            owner->due_us = hf_clock_monotonic_us() + ACCEPT_RETRY_US;
            hub_wake_by(owner->hub, owner->due_us);
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    if (owner->transport == HF_LINK_TCP) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    hf_stat_add(&hf_link_stats.accepted_total, 1);
    (void)link_start(owner, fd);
    return true;
}

static void on_ready(struct hub_source *source, uint32_t events)
{
    struct link_owner *owner = HF_CONTAINER(source, struct link_owner, source);
    int left = ACCEPTS_PER_TURN;

    (void)events;
    while (left > 0 && accept_one(owner)) {
        left--;
    }
}

void link_listen_resume(struct link_owner *owner)
{
    hub_rewatch(owner->hub, &owner->source, EPOLLIN);
}

/* "HOST:PORT", "*:PORT", ":PORT" or a path. */
static hf_err local_address(struct link_owner *owner, const char *text)
{
    char unix_text[HF_LINK_ADDRESS_BYTES + 8];
    struct hf_lookup *lookup = NULL;
    const char *why;
    hf_err err;

    if (owner->transport == HF_LINK_IPC) {
        snprintf(unix_text, sizeof unix_text, "unix:%s", text);
        return hf_socket_address_parse(unix_text, &owner->local);
    }
    err = hf_socket_address_parse(text[0] == '*' ? text + 1 : text, &owner->local);
    if (err != HF_ERR_INVALID) {
        return err;
    }
    err = hf_lookup_start(text, NULL, NULL, &lookup);
    if (err == HF_OK && hf_lookup_result(lookup, &why) == HF_OK) {
        err = hf_lookup_address(lookup, 0, &owner->local);
    } else if (err == HF_OK) {
        err = HF_ERR_INVALID;
    }
    hf_lookup_free(lookup);
    return err;
}

/* With port 0 the kernel has chosen one. */
static void bound_address(struct link_owner *owner)
{
    struct sockaddr_storage storage;
    socklen_t bytes = sizeof storage;
    char text[HF_ADDR_TEXT_BYTES];
    struct hf_addr ip;

    if (owner->transport == HF_LINK_TCP &&
        getsockname(owner->source.fd, (struct sockaddr *)&storage, &bytes) == 0) {
        hf_socket_address_ip(&storage, &ip);
        hf_addr_text(&ip, text);
        snprintf(owner->address, sizeof owner->address, "tcp://%s", text);
    }
}

hf_err link_listen(struct link_owner *owner)
{
    const char *text = link_address_of(owner->address, &owner->transport);
    int fd = -1;
    hf_err err = local_address(owner, text);

    if (err == HF_OK) {
        err = hf_socket_bind(&owner->local, IPC_MODE, false, &fd);
    }
    if (err != HF_OK) {
        return err;
    }
    owner->source = (struct hub_source){fd, on_ready};
    bound_address(owner);
    if (listen(fd, BACKLOG) != 0) {
        return HF_ERR_EXISTS; /* another socket of the same address got there first */
    }
    return HF_OK;
}
