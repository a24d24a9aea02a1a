/* Owns the cryptography of the handshake; knows nothing of messages' order. */
#include "lib/token/transcript.h"

#include <sodium.h>

#include "lib/base/bytes.h"
#include "lib/token/pae.h"

#define PROTOCOL_BYTES_MAX 1280 /* the largest PAE made here, with both hellos */

_Static_assert(crypto_kx_PUBLICKEYBYTES == 32 && crypto_kx_SECRETKEYBYTES == 32, "kx");
_Static_assert(crypto_kx_SESSIONKEYBYTES == 32 && crypto_kx_SEEDBYTES == 32, "kx");

struct message {
    uint8_t bytes[PROTOCOL_BYTES_MAX];
    size_t count;
};

static hf_slice join(struct message *message, const hf_slice *pieces, size_t count)
{
    message->count = hf_pae_bytes(pieces, count);
    hf_check(message->count <= sizeof message->bytes);
    hf_pae_write(pieces, count, message->bytes);
    return hf_slice_of(message->bytes, message->count);
}

static hf_slice slice_of_digest(const hf_digest *digest)
{
    return hf_slice_of(digest->bytes, sizeof digest->bytes);
}

static hf_slice transport_name(enum hf_transport transport)
{
    switch (transport) {
    case HF_TRANSPORT_TCP:
        return HF_SLICE("tcp");
    case HF_TRANSPORT_TLS:
        return HF_SLICE("tls");
    case HF_TRANSPORT_IPC:
        return HF_SLICE("ipc");
    }
    hf_check(false);
    return HF_SLICE_EMPTY;
}

void hf_ephemeral_new(const struct hf_random_source *random, struct hf_ephemeral *out)
{
    uint8_t seed[crypto_kx_SEEDBYTES];

    hf_check(out != NULL);

    hf_random_from(random, seed, sizeof seed);
    crypto_kx_seed_keypair(out->public, out->secret, seed);
    hf_wipe(seed, sizeof seed);
}

hf_digest hf_transcript(hf_slice m1, hf_slice m2, enum hf_transport transport)
{
    struct message message;
    hf_slice pieces[] = {HF_SLICE("holdfast-hs-v1"), m1, m2, transport_name(transport)};

    return hf_digest_of(join(&message, pieces, 4));
}

static void direction_key(const uint8_t *shared, hf_slice label,
                          const hf_digest *transcript, hf_seal_key *out)
{
    struct message message;
    hf_slice pieces[] = {label, slice_of_digest(transcript)};
    hf_slice joined = join(&message, pieces, 2);

    hf_hash_keyed(hf_slice_of(shared, crypto_kx_SESSIONKEYBYTES),
                  (struct hf_hash_parts){&joined, 1}, out->bytes, sizeof out->bytes);
}

hf_err hf_session_keys_derive(const struct hf_ephemeral *own, hf_slice peer,
                              bool is_client, const hf_digest *transcript,
                              struct hf_session_keys *out)
{
    uint8_t in[crypto_kx_SESSIONKEYBYTES];
    uint8_t to[crypto_kx_SESSIONKEYBYTES];

    hf_check(own != NULL);
    hf_check(peer.bytes == crypto_kx_PUBLICKEYBYTES);

    int result = is_client ? crypto_kx_client_session_keys(in, to, own->public,
                                                           own->secret, peer.data)
                           : crypto_kx_server_session_keys(in, to, own->public,
                                                           own->secret, peer.data);

    if (result != 0) {
        return HF_ERR_INVALID;
    }
    direction_key(is_client ? to : in, HF_SLICE("holdfast-hs-v1 c2s"), transcript,
                  &out->client_to_server);
    direction_key(is_client ? in : to, HF_SLICE("holdfast-hs-v1 s2c"), transcript,
                  &out->server_to_client);
    hf_wipe(in, sizeof in);
    hf_wipe(to, sizeof to);
    return HF_OK;
}

static hf_slice signed_by(struct message *message, bool by_client,
                          const hf_digest *transcript, hf_slice chain)
{
    hf_digest digest = hf_digest_of(chain);
    hf_slice pieces[] = {by_client ? HF_SLICE("holdfast-hs-v1 client")
                                   : HF_SLICE("holdfast-hs-v1 server"),
                         slice_of_digest(transcript), slice_of_digest(&digest)};

    return join(message, pieces, 3);
}

void hf_transcript_sign(const struct hf_secret *secret, bool by_client,
                        const hf_digest *transcript, hf_slice chain, hf_signature *out)
{
    struct message message;

    hf_sign(secret, signed_by(&message, by_client, transcript, chain), out);
}

bool hf_transcript_verify(hf_key key, const struct hf_transcript_proof *proof)
{
    struct message message;

    hf_check(proof != NULL);

    return hf_verify(
        key, signed_by(&message, proof->by_client, &proof->transcript, proof->chain),
        proof->signature);
}

static hf_slice reauth_message(struct message *message, const hf_digest *transcript,
                               const struct hf_reauth *reauth)
{
    uint8_t counter[8];
    hf_digest digest = hf_digest_of(reauth->chain);
    hf_slice pieces[] = {HF_SLICE("holdfast-hs-v1 reauth"), slice_of_digest(transcript),
                         hf_slice_of(counter, sizeof counter),
                         slice_of_digest(&digest)};

    hf_put_le64(counter, reauth->counter);
    return join(message, pieces, 4);
}

void hf_reauth_sign(const struct hf_secret *secret, const hf_digest *transcript,
                    struct hf_reauth *reauth)
{
    struct message message;

    hf_check(reauth != NULL);
    hf_check(transcript != NULL);

    hf_sign(secret, reauth_message(&message, transcript, reauth), &reauth->signature);
}

enum hf_token_error hf_reauth_verify(const struct hf_reauth *reauth,
                                     const struct hf_chain_context *context,
                                     struct hf_reauth_session *session,
                                     struct hf_chain *out)
{
    struct message message;

    hf_check(reauth != NULL);
    hf_check(session != NULL);

    if (reauth->counter <= session->counter_last) {
        return HF_TOKEN_POP;
    }

    enum hf_token_error error = hf_chain_verify(reauth->chain, context, out);

    if (error != HF_TOKEN_OK) {
        return error;
    }
    if (!hf_key_equal(hf_chain_holder(out), session->holder) ||
        !hf_verify(session->holder,
                   reauth_message(&message, &session->transcript, reauth),
                   hf_slice_of(reauth->signature.bytes, HF_SIGNATURE_BYTES))) {
        return HF_TOKEN_POP;
    }
    session->counter_last = reauth->counter;
    return HF_TOKEN_OK;
}
