/* Owns BLAKE2b; knows nothing of what is hashed but the lease receipt's layout. */
#include "lib/token/hash.h"

#include <sodium.h>

#include "lib/base/bytes.h"
#include "lib/token/key.h"

_Static_assert(sizeof(crypto_generichash_state) <= HF_DIGEST_STREAM_BYTES,
               "state size");
_Static_assert(_Alignof(crypto_generichash_state) <= HF_DIGEST_STREAM_ALIGN,
               "state alignment");
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

hf_receipt hf_receipt_make(const hf_store_key *key, hf_id id, uint64_t epoch,
                           hf_key holder)
{
    uint8_t epoch_bytes[8];
    hf_receipt receipt;

    hf_check(key != NULL);

    hf_put_be64(epoch_bytes, epoch);

    hf_slice parts[] = {hf_slice_of(id.bytes, sizeof id.bytes),
                        hf_slice_of(epoch_bytes, sizeof epoch_bytes),
                        hf_slice_of(holder.bytes, sizeof holder.bytes)};

    hf_hash_keyed(hf_slice_of(key->bytes, sizeof key->bytes),
                  (struct hf_hash_parts){parts, 3}, receipt.bytes,
                  sizeof receipt.bytes);
    return receipt;
}

bool hf_receipt_check(const hf_store_key *key, const struct hf_receipt_claim *claim,
                      hf_slice receipt)
{
    hf_check(claim != NULL);

    hf_receipt expected = hf_receipt_make(key, claim->id, claim->epoch, claim->holder);

    return hf_secret_equal(hf_slice_of(expected.bytes, sizeof expected.bytes), receipt);
}
