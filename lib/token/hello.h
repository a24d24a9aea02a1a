/* The five flat proto3 messages of the handshake, as bytes (SECURITY.md 3.1). Written
 * by hand so that what an unproven peer can reach stays this small: no allocation, no
 * recursion, every length bounded, unknown fields skipped, repeated ones refused.
 *
 * Fields that SECURITY.md leaves open: M4 has 3 = key (only with an empty chain, 3.5);
 * Welcome has 1 expires_ms, 2 inflight, 3 rate, 4 burst, 5 conns, 6 bytes, 7 rev_seq,
 * 8 heartbeat_ms; Reject has 14 code and 15 retry_after_ms, so that it can stand where
 * any other message of the server is expected. */
#ifndef HF_TOKEN_HELLO_H
#define HF_TOKEN_HELLO_H

#include "lib/token/handshake.h"

#define HF_HELLO_VERSION     1
#define HF_HELLO_EPK_BYTES   32
#define HF_HELLO_NONCE_BYTES 32

struct hf_client_hello { /* M1 */
    uint64_t version;
    uint64_t role;
    hf_slice cluster;
    hf_slice broker; /* wanted; may be empty */
    hf_slice epk;    /* 32 bytes */
    hf_slice nonce;  /* 32 bytes */
    uint64_t modes;
    uint64_t frame_bytes_max;
};

struct hf_server_hello { /* M2 */
    uint64_t version;
    hf_slice broker;
    hf_slice session; /* 16 bytes */
    hf_slice epk;     /* 32 bytes */
    hf_slice nonce;   /* 32 bytes */
    uint64_t seal;    /* 0 or 1 */
    uint64_t time_ms;
};

struct hf_auth { /* M3 and M4 */
    hf_slice chain;
    hf_slice signature; /* 64 bytes */
    hf_slice key;       /* empty or 32 bytes; never in M3 */
};

struct hf_rejection {
    uint64_t code; /* 0: the message is no Reject */
    uint64_t retry_after_ms;
};

/* Writers return the bytes written, 0 when `room` is too small. */
size_t hf_client_hello_write(const struct hf_client_hello *hello, uint8_t *out,
                             size_t room);
size_t hf_server_hello_write(const struct hf_server_hello *hello, uint8_t *out,
                             size_t room);
size_t hf_auth_write(const struct hf_auth *auth, uint8_t *out, size_t room);
size_t hf_welcome_write(const struct hf_welcome *welcome, uint8_t *out, size_t room);
size_t hf_rejection_write(const struct hf_rejection *rejection, uint8_t *out,
                          size_t room);

/* Readers borrow from `bytes`. HF_ERR_INVALID for a bad encoding or a field of the
 * wrong size. A reader with a rejection fills that alone when the message is a Reject.
 */
HF_MUST_USE hf_err hf_client_hello_read(hf_slice bytes, struct hf_client_hello *out);
HF_MUST_USE hf_err hf_server_hello_read(hf_slice bytes, struct hf_server_hello *out,
                                        struct hf_rejection *rejection);
HF_MUST_USE hf_err hf_auth_read(hf_slice bytes, struct hf_auth *out,
                                struct hf_rejection *rejection);
HF_MUST_USE hf_err hf_welcome_read(hf_slice bytes, struct hf_welcome *out,
                                   struct hf_rejection *rejection);

#endif
