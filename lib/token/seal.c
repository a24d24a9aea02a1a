/* Owns the sealed stream of one direction; knows nothing of frames' content or of
 * links. */
#include "lib/token/seal.h"

#include <sodium.h>

#define STREAM(name)     crypto_secretstream_xchacha20poly1305_##name
#define STATE_OF(holder) ((STREAM(state) *)(void *)(holder)->state)

_Static_assert(sizeof(STREAM(state)) == HF_SEAL_STATE_BYTES, "state size");
_Static_assert(STREAM(KEYBYTES) == HF_SEAL_KEY_BYTES, "key size");
_Static_assert(STREAM(HEADERBYTES) == HF_SEAL_HEADER_BYTES, "header size");
_Static_assert(STREAM(ABYTES) == HF_SEAL_OVERHEAD, "overhead");

void hf_sealer_init(struct hf_sealer *sealer, const hf_seal_key *key,
                    const struct hf_random_source *random,
                    uint8_t header[HF_SEAL_HEADER_BYTES])
{
    hf_check(sealer != NULL);
    hf_check(key != NULL);

    sealer->frames_count = 0;
    sealer->is_closed = false;
    /* init_push is init_pull with a header it draws itself from libsodium's generator;
     * drawing it here keeps the source of randomness the caller's. */
    hf_random_from(random, header, HF_SEAL_HEADER_BYTES);
    hf_check(STREAM(init_pull)(STATE_OF(sealer), header, key->bytes) == 0);
}

void hf_opener_init(struct hf_opener *opener, const hf_seal_key *key,
                    const uint8_t header[HF_SEAL_HEADER_BYTES])
{
    hf_check(opener != NULL);
    hf_check(key != NULL);

    opener->is_closed = false;
    hf_check(STREAM(init_pull)(STATE_OF(opener), header, key->bytes) == 0);
}

void hf_seal(struct hf_sealer *sealer, hf_slice plain, bool is_last, uint8_t *out)
{
    hf_check(sealer != NULL);
    hf_check(!sealer->is_closed);
    hf_check(plain.bytes <= UINT32_MAX);

    uint8_t tag = STREAM(TAG_MESSAGE);

    sealer->frames_count++;
    if (is_last) {
        tag = STREAM(TAG_FINAL);
        sealer->is_closed = true;
    } else if (sealer->frames_count % HF_SEAL_REKEY_FRAMES == 0) {
        tag = STREAM(TAG_REKEY);
    }
    hf_check(STREAM(push)(STATE_OF(sealer), out, NULL, plain.data, plain.bytes, NULL, 0,
                          tag) == 0);
}

hf_err hf_open(struct hf_opener *opener, hf_slice frame, uint8_t *out,
               struct hf_opened *opened)
{
    uint8_t tag = 0;
    unsigned long long bytes = 0;

    hf_check(opener != NULL);
    hf_check(opened != NULL);

    if (opener->is_closed) {
        return HF_ERR_CLOSED;
    }
    if (frame.bytes < HF_SEAL_OVERHEAD ||
        STREAM(pull)(STATE_OF(opener), out, &bytes, &tag, frame.data, frame.bytes, NULL,
                     0) != 0) {
        opener->is_closed = true;
        return HF_ERR_INVALID;
    }
    if (tag == STREAM(TAG_PUSH)) { /* no sender of Holdfast makes these */
        opener->is_closed = true;
        return HF_ERR_INVALID;
    }
    opener->is_closed = tag == STREAM(TAG_FINAL);
    opened->bytes = (size_t)bytes;
    opened->is_last = tag == STREAM(TAG_FINAL);
    return HF_OK;
}

void hf_sealer_fini(struct hf_sealer *sealer)
{
    hf_check(sealer != NULL);

    hf_wipe(sealer->state, sizeof sealer->state);
    sealer->is_closed = true;
}

void hf_opener_fini(struct hf_opener *opener)
{
    hf_check(opener != NULL);

    hf_wipe(opener->state, sizeof opener->state);
    opener->is_closed = true;
}
