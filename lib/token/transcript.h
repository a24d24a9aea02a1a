/* What both ends of a handshake compute alike: the transcript hash, the keys of both
 * directions, and what each signs (SECURITY.md 3.1, 3.2). Private to lib/token. */
#ifndef HF_TOKEN_TRANSCRIPT_H
#define HF_TOKEN_TRANSCRIPT_H

#include "lib/token/handshake.h"

struct hf_ephemeral {
    uint8_t public[32];
    uint8_t secret[32];
};

/* Directional keys of a session. */
struct hf_session_keys {
    hf_seal_key client_to_server;
    hf_seal_key server_to_client;
};

void hf_ephemeral_new(const struct hf_random_source *random, struct hf_ephemeral *out);
hf_digest hf_transcript(hf_slice m1, hf_slice m2, enum hf_transport transport);
/* HF_ERR_INVALID when the peer's ephemeral key is a weak point. */
HF_MUST_USE hf_err hf_session_keys_derive(const struct hf_ephemeral *own, hf_slice peer,
                                          bool is_client, const hf_digest *transcript,
                                          struct hf_session_keys *out);
/* Signatures of the server or the client over transcript and chain. */
void hf_transcript_sign(const struct hf_secret *secret, bool by_client,
                        const hf_digest *transcript, hf_slice chain, hf_signature *out);
struct hf_transcript_proof {
    bool by_client;
    hf_digest transcript;
    hf_slice chain;
    hf_slice signature;
};
bool hf_transcript_verify(hf_key key, const struct hf_transcript_proof *proof);

#endif
