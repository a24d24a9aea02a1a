/* The serving end of a local channel on a loop: who is connected, what they say. */
#ifndef HF_CONTROLLER_PEERS_H
#define HF_CONTROLLER_PEERS_H

#include "controller/local.h"
#include "lib/io/loop.h"

#define CT_PEERS_MAX 8

struct ct_peers;

struct ct_peers_config {
    const char *path;
    /* Peer numbers are 0..CT_PEERS_MAX - 1. May answer with ct_peers_send. */
    void (*on_record)(void *ctx, size_t peer, const struct hf_record *record);
    void *ctx;
};

/* As ct_local_listen. A ninth peer is refused. */
HF_MUST_USE hf_err ct_peers_open(struct hf_loop *loop,
                                 const struct ct_peers_config *config,
                                 struct ct_peers **out);
/* Drops the peer when it cannot be told. */
void ct_peers_send(struct ct_peers *peers, size_t peer, const struct hf_record *record);
void ct_peers_send_all(struct ct_peers *peers, const struct hf_record *record);
/* Removes the socket file too. NULL is legal. */
void ct_peers_close(struct ct_peers *peers);

#endif
