/* Local channels between the controller and the mint or the spawner (PROTOCOL.md 5):
 * one record per packet over a SOCK_SEQPACKET unix socket of mode 0600. Whoever has our
 * user id may speak; nobody else can. */
#ifndef HF_CONTROLLER_LOCAL_H
#define HF_CONTROLLER_LOCAL_H

#include "lib/base/buf.h"
#include "lib/wire/frame.h"

#include <sys/types.h>

#define CT_LOCAL_PACKET_BYTES_MAX 131072

/* Makes the socket file, replacing a stale one. EXISTS: somebody serves it. TOO_BIG:
 * the path does not fit a socket address (107 bytes). The descriptor does not block. */
HF_MUST_USE hf_err ct_local_listen(const char *path, int *out);
/* The next waiting peer: AGAIN when there is none, DENIED when it has another user id
 * (it is closed then). The descriptor does not block. */
HF_MUST_USE hf_err ct_local_accept(int listener, int *out);
/* CLOSED: nobody serves it. The descriptor blocks, for `timeout_ms` at most per call.
 */
HF_MUST_USE hf_err ct_local_connect(const char *path, int64_t timeout_ms, int *out);
/* The process at the other end; -1 when unknown. */
pid_t ct_local_peer(int fd);
/* One packet. AGAIN: the peer does not read; CLOSED: it is gone. */
HF_MUST_USE hf_err ct_local_send(int fd, const struct hf_record *record);
/* One packet into `packet`, from which *out borrows. AGAIN: nothing is here (or the
 * time is over), CLOSED: the peer is gone, INVALID: not one record. */
HF_MUST_USE hf_err ct_local_receive(int fd, struct hf_buf *packet,
                                    struct hf_record *out);

#endif
