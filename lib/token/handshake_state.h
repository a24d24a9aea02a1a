/* The inside of a handshake, shared by its two roles. Private to
 * lib/token/handshake*.c. */
#ifndef HF_TOKEN_HANDSHAKE_STATE_H
#define HF_TOKEN_HANDSHAKE_STATE_H

#include "lib/token/hello.h"
#include "lib/token/transcript.h"

#define HF_HANDSHAKE_OUTGOING_MAX 2

/* Where a handshake stands; see the drawing in handshake.h. */
enum hf_handshake_step {
    HF_STEP_START,     /* client: nothing sent yet */
    HF_STEP_HELLO,     /* waits for M1 (server) or M2 (client) */
    HF_STEP_AUTH,      /* waits for M4 (server) or M3 (client) */
    HF_STEP_VERDICT,   /* client: waits for M5 */
    HF_STEP_ADMISSION, /* server: the caller decides */
    HF_STEP_DONE,
    HF_STEP_FAILED,
    HF_STEPS
};

struct hf_outgoing {
    uint8_t *data; /* owned */
    size_t bytes;
};

struct hf_handshake {
    struct hf_handshake_config config; /* slices point to own copies below */
    uint8_t *chain;                    /* owned */
    char cluster[HF_CLUSTER_BYTES_MAX];
    char broker[HF_BROKER_ID_BYTES_MAX]; /* own, wanted, or the peer's once known */
    bool is_client;
    enum hf_handshake_step step;
    enum hf_token_error error;
    struct hf_rejection rejection;
    struct hf_ephemeral ephemeral;
    uint8_t m1[HF_HANDSHAKE_HELLO_BYTES_MAX];
    size_t m1_bytes;
    struct hf_session_keys keys;
    struct hf_sealer sealer;
    struct hf_opener opener;
    bool has_sealed; /* the header of the own direction is out */
    bool has_seal;   /* both directions stand and were not taken */
    struct hf_handshake_result result;
    struct hf_chain *peer; /* owned; NULL until the peer is proven */
    struct hf_outgoing outgoing[HF_HANDSHAKE_OUTGOING_MAX];
    size_t outgoing_count;
    size_t outgoing_next;
};

/* The one function that moves a handshake; moves that the table does not allow are
 * bugs. */
void hf_handshake_move(struct hf_handshake *handshake, enum hf_handshake_step to);
void hf_handshake_fail(struct hf_handshake *handshake, enum hf_token_error error);

/* Queues a copy of `plain`, sealed when `is_secret` and the session is. Fails the
 * handshake with E_RESOURCE and returns false when there is no memory. */
bool hf_handshake_send(struct hf_handshake *handshake, hf_slice plain, bool is_secret);
/* The plaintext of a message from M3 on: the message itself, or opened into `*memory`,
 * which the caller frees. HF_ERR_INVALID, HF_ERR_NO_MEMORY. */
HF_MUST_USE hf_err hf_handshake_open(struct hf_handshake *handshake, hf_slice message,
                                     uint8_t **memory, hf_slice *plain);
/* Transcript and keys once both hellos are known. */
HF_MUST_USE hf_err hf_handshake_agree(struct hf_handshake *handshake, hf_slice m2,
                                      hf_slice peer_epk);
/* Makes and queues M3 or M4. */
bool hf_handshake_send_auth(struct hf_handshake *handshake);
/* Verifies the peer's chain and its signature over the transcript; fills peer and key.
 */
enum hf_token_error hf_handshake_prove(struct hf_handshake *handshake,
                                       const struct hf_auth *auth,
                                       const struct hf_chain_context *context);

void hf_handshake_client_receive(struct hf_handshake *handshake, hf_slice message,
                                 const struct hf_chain_context *context);
void hf_handshake_server_receive(struct hf_handshake *handshake, hf_slice message,
                                 const struct hf_chain_context *context);

#endif
