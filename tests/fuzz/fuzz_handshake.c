/* Any bytes as the messages of a handshake, to either role.
 *
 * Byte 0 chooses the role and the modes; then messages follow, each behind a 16-bit
 * length. Keys and randomness are fixed, so a corpus keeps its meaning. No input may
 * bring a client to DONE or a server to ADMIT, for no input holds a key. */
#include "lib/token/handshake.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hf_secret *secret;
static struct hf_trust trust;

static void fill_plain(void *context, uint8_t *out, size_t bytes)
{
    (void)context;
    memset(out, 0x42, bytes);
}

static void start_once(void)
{
    hf_seed seed;

    if (secret != NULL) {
        return;
    }
    memset(seed.bytes, 1, sizeof seed.bytes);
    hf_check(hf_token_init() == HF_OK);
    hf_check(hf_secret_new(&seed, &secret) == HF_OK);
    hf_trust_init(&trust);
}

static struct hf_handshake *open_side(uint8_t choice)
{
    static const struct hf_random_source random = {fill_plain, NULL};
    static const uint32_t modes[4] = {1, 2, 3, 3};
    struct hf_handshake *handshake = NULL;
    struct hf_handshake_config config = {.role = HF_ROLE_WORKER,
                                         .transport = HF_TRANSPORT_TCP,
                                         .modes = modes[choice >> 1 & 3],
                                         .secret = secret,
                                         .chain = HF_SLICE("v4.public.AAAA"),
                                         .cluster = HF_SLICE("prod-eu1"),
                                         .broker = HF_SLICE("b1"),
                                         .frame_bytes_max = 262144,
                                         .random = &random};

    if ((choice & 1) == 0) {
        hf_check(hf_handshake_server_new(&config, &handshake) == HF_OK);
        return handshake;
    }
    hf_check(hf_handshake_client_new(&config, &handshake) == HF_OK);
    (void)hf_handshake_start(handshake);
    return handshake;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_chain_context context = {
        .trust = &trust, .now_s = 1767225900, .ttl_s_max = HF_CHAIN_TTL_S_MAX};
    hf_slice rest = hf_slice_of(data, size);
    hf_slice message;

    start_once();
    if (size < 1) {
        return 0;
    }

    struct hf_handshake *handshake = open_side(data[0]);

    rest = hf_slice_skip(rest, 1);
    while (rest.bytes >= 2) {
        hf_slice part = hf_slice_first(hf_slice_skip(rest, 2), hf_get_be16(rest.data));
        enum hf_handshake_state state = hf_handshake_receive(handshake, part, &context);

        hf_check(state == HF_HANDSHAKE_CONTINUE || state == HF_HANDSHAKE_FAILED);
        while (hf_handshake_next(handshake, &message)) {
            hf_check(message.bytes <= HF_HANDSHAKE_MESSAGE_BYTES_MAX);
        }
        rest = hf_slice_skip(rest, 2 + part.bytes);
    }
    hf_handshake_free(handshake);
    return 0;
}
