/* Request ids: UUIDv7 (RFC 9562 5.7), 48 bits of Unix milliseconds, a 12-bit monotone
 * counter in rand_a, 62 random bits in rand_b. Ids of one generator rise strictly. */
#ifndef HF_BASE_IDS_H
#define HF_BASE_IDS_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"
#include "lib/base/time.h"

#define HF_ID_BYTES      16
#define HF_ID_TEXT_BYTES 36 /* 8-4-4-4-12 lower-case hex, without NUL */

typedef struct hf_id {
    uint8_t bytes[HF_ID_BYTES];
} hf_id;

/* A holder's Ed25519 public key, as a name for a principal: sessions, leases and
 * requests are tied to it. Only lib/token computes with it. */
#define HF_KEY_BYTES 32

typedef struct hf_key {
    uint8_t bytes[HF_KEY_BYTES];
} hf_key;

struct hf_id_source {
    int64_t last_ms;
    uint32_t counter; /* of the current millisecond; overflow borrows the next one */
};

/* `random` is 8 bytes of entropy from the shell. */
hf_id hf_id_next(struct hf_id_source *source, hf_time now, uint64_t random);
bool hf_id_equal(hf_id a, hf_id b);
bool hf_key_equal(hf_key a, hf_key b);
bool hf_id_is_zero(hf_id id);
uint64_t hf_id_hash(hf_id id); /* well mixed; not secret */
int64_t hf_id_ms(hf_id id);    /* the creation time it carries */
/* `out` gets HF_ID_TEXT_BYTES and a NUL. */
void hf_id_text(hf_id id, char out[HF_ID_TEXT_BYTES + 1]);
HF_MUST_USE hf_err hf_id_parse(hf_slice text, hf_id *out);

#endif
