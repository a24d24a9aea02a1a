/* BLAKE2b in the forms Holdfast uses: the 256-bit digest and the keyed hash; and the
 * receipts of leases (ARCHITECTURE.md 6). */
#ifndef HF_TOKEN_HASH_H
#define HF_TOKEN_HASH_H

#include "lib/base/ids.h"

#define HF_DIGEST_BYTES        32
#define HF_RECEIPT_BYTES       16
#define HF_STORE_KEY_BYTES     32
#define HF_LEASE_KEY_BYTES     16
#define HF_DIGEST_STREAM_BYTES 384
#define HF_DIGEST_STREAM_ALIGN 64

typedef struct hf_digest {
    uint8_t bytes[HF_DIGEST_BYTES];
} hf_digest;

typedef struct hf_receipt {
    uint8_t bytes[HF_RECEIPT_BYTES];
} hf_receipt;

/* The random key of one broker store; made once and kept in it. */
typedef struct hf_store_key {
    uint8_t bytes[HF_STORE_KEY_BYTES];
} hf_store_key;

typedef struct hf_lease_key {
    uint8_t bytes[HF_LEASE_KEY_BYTES];
} hf_lease_key;

/* A digest computed over chunks as they arrive; the caller's storage, never copied. The
 * state lies at the first multiple of 64 in it: GCC 12 does not align it on a stack
 * that AddressSanitizer watches (GCC bug 110027). */
struct hf_digest_stream {
    uint8_t room[HF_DIGEST_STREAM_BYTES + HF_DIGEST_STREAM_ALIGN - 1];
};

/* BLAKE2b-256 of one slice, and of the concatenation of several. */
hf_digest hf_digest_of(hf_slice bytes);
hf_digest hf_digest_of_parts(const hf_slice *parts, size_t count);
/* Constant time. */
bool hf_digest_equal(const hf_digest *a, const hf_digest *b);

void hf_digest_stream_init(struct hf_digest_stream *stream);
void hf_digest_stream_add(struct hf_digest_stream *stream, hf_slice bytes);
/* The stream must be initialised again before further use. */
hf_digest hf_digest_stream_end(struct hf_digest_stream *stream);

/* Keyed BLAKE2b of `parts` one after another. `key` is 16..64 bytes, `out` 16..64. */
struct hf_hash_parts {
    const hf_slice *parts;
    size_t count;
};
void hf_hash_keyed(hf_slice key, struct hf_hash_parts input, uint8_t *out,
                   size_t out_bytes);

/* The key of all leases of one holder at one store, made once for a session: keyed
 * BLAKE2b-128 over the holder's key. Secret. */
hf_lease_key hf_lease_key_of(const hf_store_key *key, hf_key holder);
/* What proves a lease to the broker that granted it, also after its restart:
 * SipHash-2-4-128 over id and epoch (64 bits, big-endian), docs/decisions/0009. */
hf_receipt hf_receipt_make(const hf_lease_key *key, hf_id id, uint64_t epoch);
/* Whether `receipt` (16 bytes, else false) is that of id and epoch; constant time. */
struct hf_receipt_claim {
    hf_id id;
    uint64_t epoch;
};
bool hf_receipt_check(const hf_lease_key *key, const struct hf_receipt_claim *claim,
                      hf_slice receipt);

#endif
