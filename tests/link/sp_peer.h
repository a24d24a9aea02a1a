/* A foreign peer for tests of links: greeting, SP messages, handshake and sealing by
 * PROTOCOL.md 1 and 2 over any stream of bytes, written without lib/io/link. It blocks;
 * every read has the deadline of its stream. Functions return false when the far end
 * closed or broke a rule; `peer->wrong` then says which. */
#ifndef HF_TESTS_LINK_SP_PEER_H
#define HF_TESTS_LINK_SP_PEER_H

#include "tests/link/link_fixture.h"

/* Both move all the bytes or fail; a read that waited too long leaves errno EAGAIN. */
struct sp_stream {
    void *handle;
    bool (*read)(void *handle, uint8_t *out, size_t bytes);
    bool (*write)(void *handle, const uint8_t *data, size_t bytes);
};

struct sp_peer {
    struct sp_stream stream;
    enum hf_frame_kind kind;        /* the transport of the handshake */
    enum hf_frame_kind prefix_kind; /* sp_init: the same */
    uint8_t issuer; /* seed that signs our chain; 0 = 1, which the fixture trusts */
    const char *wrong;
    struct hf_handshake *handshake;
    struct hf_secret *secret;
    bool is_sealed;
    struct hf_sealer sealer;
    struct hf_opener opener;
    uint8_t *message;    /* the last one, opened */
    hf_slice unread;     /* records of it that sp_next has not yielded */
    bool is_last;        /* it carried TAG_FINAL */
    int64_t messages_in; /* whole ones since the handshake */
    int64_t heartbeats;  /* skipped by sp_next */
};

/* `stream->handle` must outlive the peer. */
void sp_init(struct sp_peer *peer, struct sp_stream stream, enum hf_frame_kind kind);
void sp_fini(struct sp_peer *peer); /* the stream stays open */

/* Sends our greeting, then wants theirs. */
bool sp_greet(struct sp_peer *peer);
/* The whole handshake as a worker, or as the broker of the fixture, after sp_greet. */
bool sp_shake_as_client(struct sp_peer *peer);
bool sp_shake_as_server(struct sp_peer *peer);

/* One SP message as it is, neither sealed nor opened. */
bool sp_put_message(struct sp_peer *peer, hf_slice content);
/* One message of records, sealed when the session is. */
bool sp_send(struct sp_peer *peer, hf_slice records, bool is_last);
bool sp_send_record(struct sp_peer *peer, uint16_t type, hf_slice body, bool is_last);
/* Waits for one message; its records are in `unread`. */
bool sp_receive(struct sp_peer *peer);
/* The next record that is no heartbeat, of this message or a later one. */
bool sp_next(struct sp_peer *peer, struct hf_record *record);
/* Whether the far end closes without another record. */
bool sp_is_closed(struct sp_peer *peer);

/* Plain sockets as streams: `handle` is the struct. A byte at a time goes and at most
 * seven come when `dribbles`. */
struct sp_socket {
    int fd;
    bool dribbles;
};
struct sp_stream sp_socket_stream(struct sp_socket *socket);
/* A connected socket to "tcp://a.b.c.d:n" or "ipc://path" whose reads fail after 20 s;
 * `buffer_bytes` for both of its buffers, 0 = as the system likes. -1: refused. */
int sp_connect(const char *address, int buffer_bytes);
/* Closes so that the far end gets a reset on tcp. */
void sp_reset(int fd);

#endif
