/* The handshake of SECURITY.md 3.1 as a state machine over bytes: messages in, messages
 * out, no I/O and no clock.
 *
 *     client                                  server
 *     start      -- M1 ClientHello  -->       receive: CONTINUE
 *     receive    <- M2 ServerHello  --
 *     receive    <- M3 ServerAuth   --        (directly after M2, without waiting)
 *                -- M4 ClientAuth   -->       receive: ADMIT
 *                                             the caller decides: admit or refuse
 *     DONE       <- M5 Welcome      --        DONE
 *     FAILED     <- M5 Reject       --        FAILED
 *
 * Every message is one SP message of the link. With seal = 1 everything from M3 on is
 * one sealed frame, the first of each direction behind its 24-byte header; the machine
 * seals and opens them itself and hands both states over at the end.
 *
 * FAILED is final: send what hf_handshake_next still yields (a Reject of the server),
 * close the link, log hf_handshake_error. The peer only ever learns a generic code. The
 * deadline (5 s) and the limits of 3.3 are the caller's. */
#ifndef HF_TOKEN_HANDSHAKE_H
#define HF_TOKEN_HANDSHAKE_H

#include "lib/token/chain.h"
#include "lib/token/hash.h"
#include "lib/token/seal.h"

#define HF_HANDSHAKE_HELLO_BYTES_MAX 512   /* M1 and M2 */
#define HF_HANDSHAKE_AUTH_BYTES_MAX  10240 /* M3..M5, unsealed */
/* No message of a handshake is longer than this on the link. */
#define HF_HANDSHAKE_MESSAGE_BYTES_MAX                                                 \
    (HF_HANDSHAKE_AUTH_BYTES_MAX + HF_SEAL_HEADER_BYTES + HF_SEAL_OVERHEAD)
#define HF_SESSION_ID_BYTES    16
#define HF_BROKER_ID_BYTES_MAX 64
#define HF_CLUSTER_BYTES_MAX   128

enum hf_role {
    HF_ROLE_WORKER = 1,
    HF_ROLE_FRONTEND = 2,
    HF_ROLE_CONTROLLER = 3,
    HF_ROLE_ADMIN = 4,
    HF_ROLE_BROKER = 5
};

enum hf_transport { HF_TRANSPORT_TCP, HF_TRANSPORT_TLS, HF_TRANSPORT_IPC };

/* Which modes a side allows; a bit set. The session is clear when both allow clear,
 * else sealed when both allow sealed, else refused (E_MODE). */
#define HF_MODE_CLEAR  1u
#define HF_MODE_SEALED 2u

/* tcp: sealed only. tls and ipc: both, so clear by default. */
uint32_t hf_handshake_modes(enum hf_transport transport);

typedef struct hf_session_id {
    uint8_t bytes[HF_SESSION_ID_BYTES];
} hf_session_id;

/* Reject codes on the wire. */
enum hf_reject {
    HF_REJECT_REFUSED = 1, /* any token or proof that does not hold */
    HF_REJECT_BUSY = 2,    /* a limit is reached: come again */
    HF_REJECT_VERSION = 3  /* no common version or mode */
};

/* What the broker tells an admitted client (M5). */
struct hf_welcome {
    int64_t expires_ms; /* Unix milliseconds: when the session ends without REAUTH */
    struct hf_limits limits;
    uint64_t revocation_seq;
    uint32_t heartbeat_ms;
};

struct hf_handshake_config {
    enum hf_role role; /* the client's own; the server ignores it */
    enum hf_transport transport;
    uint32_t modes;                 /* allowed here, see hf_handshake_modes */
    const struct hf_secret *secret; /* own key; borrowed until the handshake is freed */
    hf_slice chain;                 /* own chain; copied. Empty: a worker that enrols */
    hf_slice cluster;               /* copied, 1..HF_CLUSTER_BYTES_MAX */
    hf_slice broker; /* server: its id, 1..64 bytes; client: the wanted one, or empty */
    bool is_enrolment; /* the controller's enrol listener: the server's subject is
                          "controller:" and its id, and M4 may carry a key instead of a
                          chain (3.5); set on both sides */
    uint32_t frame_bytes_max;              /* the largest message this side takes */
    int64_t now_ms;                        /* server: told to the client in M2 */
    uint32_t retry_after_ms;               /* server: told to a client it rejects */
    const struct hf_random_source *random; /* NULL: the system */
};

enum hf_handshake_state {
    HF_HANDSHAKE_CONTINUE, /* send what there is, then wait for a message */
    HF_HANDSHAKE_ADMIT,    /* server: the client is proven; admit or refuse it */
    HF_HANDSHAKE_DONE,
    HF_HANDSHAKE_FAILED
};

/* What both sides know after DONE (the server from ADMIT on). */
struct hf_handshake_result {
    hf_session_id session;
    hf_digest transcript; /* th: REAUTH is bound to it */
    bool is_sealed;
    bool is_enrolment;      /* the client has no chain, only `peer_key` */
    enum hf_role peer_role; /* as the client says; HF_ROLE_BROKER for the server */
    hf_key peer_key;        /* proven holder key */
    uint32_t peer_frame_bytes_max; /* server: the client's max_frame */
    int64_t server_time_ms;        /* M2: for the client to judge its clock by */
    struct hf_welcome welcome;     /* after DONE */
};

struct hf_handshake;

/* HF_ERR_INVALID for a configuration out of the bounds above, HF_ERR_NO_MEMORY. */
HF_MUST_USE hf_err hf_handshake_client_new(const struct hf_handshake_config *config,
                                           struct hf_handshake **out);
HF_MUST_USE hf_err hf_handshake_server_new(const struct hf_handshake_config *config,
                                           struct hf_handshake **out);
/* Wipes all keys; NULL is legal. */
void hf_handshake_free(struct hf_handshake *handshake);

/* Client: makes M1. Once, before anything else. */
enum hf_handshake_state hf_handshake_start(struct hf_handshake *handshake);
/* Takes one whole SP message, judging the peer's chain against `context` (whose broker
 * and cluster fields the handshake fills in itself). The message is not kept. */
enum hf_handshake_state hf_handshake_receive(struct hf_handshake *handshake,
                                             hf_slice message,
                                             const struct hf_chain_context *context);
/* Server in ADMIT: lets the client in (then DONE) or not (then FAILED, E_DENIED). */
enum hf_handshake_state hf_handshake_admit(struct hf_handshake *handshake,
                                           const struct hf_welcome *welcome);
enum hf_handshake_state hf_handshake_refuse(struct hf_handshake *handshake,
                                            enum hf_reject code,
                                            uint32_t retry_after_ms);
/* The next message to send, in order; false when there is none. Borrowed until the next
 * call that changes the handshake. */
bool hf_handshake_next(struct hf_handshake *handshake, hf_slice *message);

enum hf_handshake_state hf_handshake_state(const struct hf_handshake *handshake);
/* Why it failed; HF_TOKEN_OK while it has not. */
enum hf_token_error hf_handshake_error(const struct hf_handshake *handshake);
/* Client after E_REJECTED: the peer's code (0 unless rejected) and how long to wait. */
uint32_t hf_handshake_rejected(const struct hf_handshake *handshake,
                               uint32_t *retry_after_ms);
/* Only in ADMIT and DONE; borrowed until the handshake is freed. The chain has no links
 * when result.is_enrolment. */
const struct hf_handshake_result *
hf_handshake_result(const struct hf_handshake *handshake);
const struct hf_chain *hf_handshake_peer(const struct hf_handshake *handshake);
/* Once, after DONE of a sealed session: moves both directions to the caller, who
 * finishes them. */
void hf_handshake_take_seal(struct hf_handshake *handshake, struct hf_sealer *sealer,
                            struct hf_opener *opener);

/* A Reject without a handshake, for a link refused by the limits of 3.3. `out` has room
 * for HF_HANDSHAKE_REJECT_BYTES; returns the bytes written. */
#define HF_HANDSHAKE_REJECT_BYTES 16
size_t hf_handshake_reject(enum hf_reject code, uint32_t retry_after_ms, uint8_t *out);

/* REAUTH (3.2): a new chain for the same holder key inside a live session. */
struct hf_reauth {
    hf_slice chain;
    uint64_t counter; /* strictly rising within the session, first 1 */
    hf_signature signature;
};
/* Signs chain and counter of `reauth` under the session's transcript. */
void hf_reauth_sign(const struct hf_secret *secret, const hf_digest *transcript,
                    struct hf_reauth *reauth);
/* What the session knows already. */
struct hf_reauth_session {
    hf_digest transcript;
    hf_key holder;
    uint64_t counter_last;
};
/* HF_TOKEN_OK and the new chain, or the code; then the old authority stays as it was.
 * `session->counter_last` rises only on success. */
HF_MUST_USE enum hf_token_error hf_reauth_verify(const struct hf_reauth *reauth,
                                                 const struct hf_chain_context *context,
                                                 struct hf_reauth_session *session,
                                                 struct hf_chain *out);

#endif
