/* Owns BLAKE2b and the receipts of leases. */
#include "lib/token/hash.h"

#include <sodium.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/token/key.h"

_Static_assert(sizeof(crypto_generichash_state) <= HF_DIGEST_STREAM_BYTES,
               "state size");
_Static_assert(_Alignof(crypto_generichash_state) <= HF_DIGEST_STREAM_ALIGN,
               "state alignment");
_Static_assert(HF_LEASE_KEY_BYTES == crypto_shorthash_siphashx24_KEYBYTES, "lease key");
_Static_assert(HF_RECEIPT_BYTES == crypto_shorthash_siphashx24_BYTES, "receipt");
_Static_assert(HF_STORE_KEY_BYTES <= crypto_generichash_KEYBYTES_MAX, "store key size");

static crypto_generichash_state *state_of(struct hf_digest_stream *stream)
{
    hf_check(stream != NULL);

    uintptr_t over = (uintptr_t)stream->room % HF_DIGEST_STREAM_ALIGN;
    size_t skipped = over == 0 ? 0 : HF_DIGEST_STREAM_ALIGN - over;

    return (crypto_generichash_state *)(void *)(stream->room + skipped);
}

hf_digest hf_digest_of(hf_slice bytes)
{
    return hf_digest_of_parts(&bytes, 1);
}

hf_digest hf_digest_of_parts(const hf_slice *parts, size_t count)
{
    struct hf_digest_stream stream;

    hf_check(parts != NULL || count == 0);

    hf_digest_stream_init(&stream);
    for (size_t i = 0; i < count; i++) {
        hf_digest_stream_add(&stream, parts[i]);
    }
    return hf_digest_stream_end(&stream);
}

bool hf_digest_equal(const hf_digest *a, const hf_digest *b)
{
    hf_check(a != NULL);
    hf_check(b != NULL);

    return sodium_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void hf_digest_stream_init(struct hf_digest_stream *stream)
{
    crypto_generichash_init(state_of(stream), NULL, 0, HF_DIGEST_BYTES);
}

void hf_digest_stream_add(struct hf_digest_stream *stream, hf_slice bytes)
{
    crypto_generichash_update(state_of(stream), bytes.data, bytes.bytes);
}

hf_digest hf_digest_stream_end(struct hf_digest_stream *stream)
{
    hf_digest digest;

    crypto_generichash_final(state_of(stream), digest.bytes, sizeof digest.bytes);
    return digest;
}

void hf_hash_keyed(hf_slice key, struct hf_hash_parts input, uint8_t *out,
                   size_t out_bytes)
{
    struct hf_digest_stream stream;

    hf_check(key.bytes >= crypto_generichash_KEYBYTES_MIN);
    hf_check(key.bytes <= crypto_generichash_KEYBYTES_MAX);
    hf_check(out_bytes >= crypto_generichash_BYTES_MIN);
    hf_check(out_bytes <= crypto_generichash_BYTES_MAX);

    crypto_generichash_init(state_of(&stream), key.data, key.bytes, out_bytes);
    for (size_t i = 0; i < input.count; i++) {
        hf_digest_stream_add(&stream, input.parts[i]);
    }
    crypto_generichash_final(state_of(&stream), out, out_bytes);
    hf_wipe(&stream, sizeof stream);
}

hf_lease_key hf_lease_key_of(const hf_store_key *key, hf_key holder)
{
    const hf_slice part = hf_slice_of(holder.bytes, sizeof holder.bytes);
    hf_lease_key lease;

    hf_check(key != NULL);
    hf_hash_keyed(hf_slice_of(key->bytes, sizeof key->bytes),
                  (struct hf_hash_parts){&part, 1}, lease.bytes, sizeof lease.bytes);
    return lease;
}

hf_receipt hf_receipt_make(const hf_lease_key *key, hf_id id, uint64_t epoch)
{
    uint8_t message[sizeof id.bytes + 8];
    hf_receipt receipt;

    hf_check(key != NULL);
    memcpy(message, id.bytes, sizeof id.bytes);
    hf_put_be64(message + sizeof id.bytes, epoch);
    crypto_shorthash_siphashx24(receipt.bytes, message, sizeof message, key->bytes);
    return receipt;
}

bool hf_receipt_check(const hf_lease_key *key, const struct hf_receipt_claim *claim,
                      hf_slice receipt)
{
    hf_check(claim != NULL);

    hf_receipt expected = hf_receipt_make(key, claim->id, claim->epoch);

    return hf_secret_equal(hf_slice_of(expected.bytes, sizeof expected.bytes), receipt);
}
