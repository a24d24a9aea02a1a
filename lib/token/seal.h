/* The sealed direction of a session: crypto_secretstream_xchacha20poly1305, one state
 * per direction (SECURITY.md 3.1).
 *
 * A frame is the plaintext plus HF_SEAL_OVERHEAD bytes: one tag byte in front, 16 bytes
 * of authentication behind. Both calls work in place when the plaintext lies exactly
 * one byte after the frame's start; any other overlap is forbidden. Frames must be
 * opened in the order they were sealed; a failure is final, there is no way to
 * resynchronise.
 *
 * The 24-byte header opens a direction. The handshake sends it in front of its first
 * sealed message (M3 or M4), so a link that took its states from hf_handshake_take_seal
 * only ever sees plain frames. */
#ifndef HF_TOKEN_SEAL_H
#define HF_TOKEN_SEAL_H

#include "lib/token/key.h"

#define HF_SEAL_KEY_BYTES    32
#define HF_SEAL_HEADER_BYTES 24
#define HF_SEAL_OVERHEAD     17
#define HF_SEAL_LEAD         1 /* where the plaintext starts for work in place */
#define HF_SEAL_STATE_BYTES  52
#define HF_SEAL_REKEY_FRAMES (UINT64_C(1) << 20)

typedef struct hf_seal_key {
    uint8_t bytes[HF_SEAL_KEY_BYTES];
} hf_seal_key;

/* Both are the caller's storage, copied by assignment once (move, never use both
 * copies). */
struct hf_sealer {
    _Alignas(8) uint8_t state[HF_SEAL_STATE_BYTES];
    uint64_t frames_count;
    bool is_closed; /* the final frame has been sealed */
};

struct hf_opener {
    _Alignas(8) uint8_t state[HF_SEAL_STATE_BYTES];
    bool is_closed; /* a failure or the final frame has been seen */
};

/* Draws the header from `random` (NULL: the system) and writes it to `header`. */
void hf_sealer_init(struct hf_sealer *sealer, const hf_seal_key *key,
                    const struct hf_random_source *random,
                    uint8_t header[HF_SEAL_HEADER_BYTES]);
/* `header` is what the peer sent. */
void hf_opener_init(struct hf_opener *opener, const hf_seal_key *key,
                    const uint8_t header[HF_SEAL_HEADER_BYTES]);

/* Frame size for a plaintext. */
static inline size_t hf_seal_bytes(size_t plain_bytes)
{
    return plain_bytes + HF_SEAL_OVERHEAD;
}

/* Seals `plain` into `out` (room for hf_seal_bytes). `is_last` marks the orderly end,
 * so the peer can tell a close from a truncation; nothing may be sealed after it. Every
 * 2^20th frame changes the key. */
void hf_seal(struct hf_sealer *sealer, hf_slice plain, bool is_last, uint8_t *out);

struct hf_opened {
    size_t bytes; /* of plaintext */
    bool is_last; /* the peer closed in order; no frame may follow */
};

/* Opens one whole frame into `out` (room for frame.bytes - HF_SEAL_OVERHEAD).
 * HF_ERR_INVALID when it is forged, damaged, reordered, repeated or too short: close
 * the link. HF_ERR_CLOSED for every call after a failure or after the last frame. */
HF_MUST_USE hf_err hf_open(struct hf_opener *opener, hf_slice frame, uint8_t *out,
                           struct hf_opened *opened);

/* Wipe the key material. */
void hf_sealer_fini(struct hf_sealer *sealer);
void hf_opener_fini(struct hf_opener *opener);

#endif
