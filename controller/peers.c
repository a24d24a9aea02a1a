/* Owns the connections of a local server; a peer that breaks the protocol is dropped.
 */
#include "controller/peers.h"

#include "lib/base/log.h"
#include "lib/token/key.h"

#include <stdlib.h>
#include <unistd.h>

struct peer {
    struct ct_peers *peers;
    struct hf_watch *watch; /* NULL: free */
    int fd;
};

struct ct_peers {
    struct ct_peers_config config;
    struct hf_loop *loop;
    struct hf_watch *watch;
    int fd;
    struct hf_buf packet;
    struct peer peers[CT_PEERS_MAX];
};

static void drop(struct peer *peer)
{
    if (peer->watch != NULL) {
        hf_watch_close(peer->watch);
        peer->watch = NULL;
        (void)close(peer->fd);
    }
}

static void wipe(struct hf_buf *packet)
{
    hf_slice bytes = hf_buf_slice(packet);

    if (bytes.bytes > 0) {
        hf_wipe((void *)(uintptr_t)bytes.data, bytes.bytes);
    }
    hf_buf_clear(packet);
}

static void on_readable(void *ctx, int events, hf_err err)
{
    struct peer *peer = ctx;
    struct ct_peers *peers = peer->peers;
    struct hf_record record;

    (void)events;
    if (err == HF_OK) {
        err = ct_local_receive(peer->fd, &peers->packet, &record);
    }
    if (err == HF_OK) {
        peers->config.on_record(peers->config.ctx, (size_t)(peer - peers->peers),
                                &record);
        wipe(&peers->packet);
    } else if (err != HF_ERR_AGAIN) {
        drop(peer);
    }
}

static struct peer *free_peer(struct ct_peers *peers)
{
    for (size_t i = 0; i < CT_PEERS_MAX; i++) {
        if (peers->peers[i].watch == NULL) {
            return &peers->peers[i];
        }
    }
    return NULL;
}

static void on_acceptable(void *ctx, int events, hf_err err)
{
    struct ct_peers *peers = ctx;
    struct peer *peer = free_peer(peers);
    int fd = -1;

    (void)events;
    if (err != HF_OK) {
        return;
    }
    err = ct_local_accept(peers->fd, &fd);
    if (err == HF_ERR_DENIED) {
        HF_WARN("local peer refused", hf_log_cstr("reason", "another user id"));
    }
    if (err != HF_OK) {
        return;
    }
    if (peer == NULL) {
        HF_WARN("local peer refused", hf_log_cstr("reason", "limit"));
        (void)close(fd);
        return;
    }
    peer->peers = peers;
    peer->fd = fd;
    if (hf_watch_open(peers->loop, fd, on_readable, peer, &peer->watch) != HF_OK) {
        peer->watch = NULL;
        (void)close(fd);
    } else if (hf_watch_set(peer->watch, HF_WATCH_READ) != HF_OK) {
        drop(peer);
    }
}

hf_err ct_peers_open(struct hf_loop *loop, const struct ct_peers_config *config,
                     struct ct_peers **out)
{
    struct ct_peers *peers = calloc(1, sizeof *peers);
    hf_err err = HF_OK;

    hf_check(config->on_record != NULL);
    if (peers == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    peers->config = *config;
    peers->loop = loop;
    peers->fd = -1;
    hf_buf_init(&peers->packet, CT_LOCAL_PACKET_BYTES_MAX);
    err = ct_local_listen(config->path, &peers->fd);
    if (err == HF_OK) {
        err = hf_watch_open(loop, peers->fd, on_acceptable, peers, &peers->watch);
    }
    if (err == HF_OK) {
        err = hf_watch_set(peers->watch, HF_WATCH_READ);
    }
    if (err != HF_OK) {
        ct_peers_close(peers);
        return err;
    }
    *out = peers;
    return HF_OK;
}

void ct_peers_send(struct ct_peers *peers, size_t peer, const struct hf_record *record)
{
    struct peer *to = &peers->peers[peer];

    hf_check(peer < CT_PEERS_MAX);
    if (to->watch != NULL && ct_local_send(to->fd, record) != HF_OK) {
        drop(to);
    }
}

void ct_peers_send_all(struct ct_peers *peers, const struct hf_record *record)
{
    for (size_t i = 0; i < CT_PEERS_MAX; i++) {
        ct_peers_send(peers, i, record);
    }
}

void ct_peers_close(struct ct_peers *peers)
{
    if (peers == NULL) {
        return;
    }
    for (size_t i = 0; i < CT_PEERS_MAX; i++) {
        drop(&peers->peers[i]);
    }
    if (peers->watch != NULL) {
        hf_watch_close(peers->watch);
    }
    if (peers->fd >= 0) {
        (void)close(peers->fd);
        (void)unlink(peers->config.path);
    }
    hf_buf_fini(&peers->packet);
    free(peers);
}
