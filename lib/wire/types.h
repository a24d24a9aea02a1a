/* The record types of the link protocol (PROTOCOL.md 3 and 5) and the numbers its
 * fields use. Pure tables: who may send what to whom, and how large it may be. What is
 * inside a record's metadata is in messages.h and lists.h. */
#ifndef HF_WIRE_TYPES_H
#define HF_WIRE_TYPES_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/wire/frame.h"

/* Limits in bytes (PROTOCOL.md 3). A chain may have 8,192 bytes (SECURITY.md 2.1), so
 * the two records that carry one have the handshake's limit and not the ordinary one.
 */
#define HF_META_SMALL_MAX                                                              \
    256 /* every message of messages.h that has no variable part */
#define HF_META_MAX        4096
#define HF_META_CHAIN_MAX  10240
#define HF_META_LIST_MAX   65535
#define HF_HEAD_MAX        65536
#define HF_BODY_INLINE_MAX 65536
#define HF_BODY_PIECE_MAX  262144

/* The two ends of a link. One end is always a broker, or on a local socket the mint or
 * the spawner; the controller end stands for administrators too. */
enum hf_end {
    HF_END_FRONTEND = 1,
    HF_END_WORKER = 2,
    HF_END_CONTROLLER = 4,
    HF_END_BROKER = 8,
    HF_END_MINT = 16,
    HF_END_SPAWNER = 32
};

/* Rows: name, number, senders, receivers, most bytes of meta, head and body. The
 * letters are those of PROTOCOL.md (F W C B), M and S the mint and the spawner; types.c
 * defines them. META, CHAIN and LIST are the limits above without their affixes. */
#define HF_RECORD_TABLE(X)                                                             \
    X(HEARTBEAT, 0x0001, F | W | C | B, F | W | C | B, 0, 0, 0)                        \
    X(GOODBYE, 0x0002, F | W | C | B, F | W | C | B, META, 0, 0)                       \
    X(REAUTH, 0x0003, F | W | C, B, CHAIN, 0, 0)                                       \
    X(REAUTH_RESULT, 0x0004, B, F | W | C, META, 0, 0)                                 \
    X(TOKEN, 0x0005, C | B, F | W | B, CHAIN, 0, 0)                                    \
    X(INTRODUCE, 0x0006, F | W | C, B, META, 0, 0)                                     \
    X(PING, 0x0007, C | B, B | W, META, 0, 0)                                          \
    X(PONG, 0x0008, W | B, B | C, META, 0, 0)                                          \
    X(OPEN, 0x0010, F | W | C, B, META, 0, 0)                                          \
    X(OPENED, 0x0011, B, F | W | C, META, 0, 0)                                        \
    X(CLOSE, 0x0012, F | W | C, B, META, 0, 0)                                         \
    X(CLOSED, 0x0013, B, F | W | C, META, 0, 0)                                        \
    X(ENQUEUE, 0x0020, F, B, META, HEAD, INLINE)                                       \
    X(BODY, 0x0021, F | W | B, F | W | B, META, 0, PIECE)                              \
    X(WINDOW, 0x0022, F | W | B, F | W | B, META, 0, 0)                                \
    X(ADMITTED, 0x0023, B, F, META, 0, 0)                                              \
    X(ACCEPTED, 0x0024, B, F, META, 0, 0)                                              \
    X(ASSIGNED, 0x0025, B, F, META, 0, 0)                                              \
    X(ASSIGNED_ACK, 0x0026, F, B, META, 0, 0)                                          \
    X(RESPONSE, 0x0027, B, F, META, HEAD, INLINE)                                      \
    X(RESPONSE_ACK, 0x0028, F, B, META, 0, 0)                                          \
    X(REFUSED, 0x0029, B, F, META, 0, 0)                                               \
    X(CANCEL, 0x002A, F | B, B | W, META, 0, 0)                                        \
    X(ABORT, 0x002B, W | B, B | F, META, 0, 0)                                         \
    X(LOOKUP, 0x002C, F, B, META, 0, 0)                                                \
    X(STATUS, 0x002D, B, F, META, 0, 0)                                                \
    X(CREDIT, 0x0030, W, B, META, 0, 0)                                                \
    X(ASSIGN, 0x0031, B, W, META, HEAD, INLINE)                                        \
    X(RESPOND, 0x0032, W, B, META, HEAD, INLINE)                                       \
    X(RESPOND_ACK, 0x0033, B, W, META, 0, 0)                                           \
    X(RELEASE, 0x0034, W, B, META, 0, 0)                                               \
    X(FAIL, 0x0035, W, B, META, 0, 0)                                                  \
    X(DECLARE, 0x0036, W, B, META, 0, 0)                                               \
    X(DECLARED, 0x0037, B, W, META, 0, 0)                                              \
    X(DRAIN, 0x0038, W | B, W | B, META, 0, 0)                                         \
    X(POLICY, 0x0040, C, B, LIST, 0, 0)                                                \
    X(POLICY_ACK, 0x0041, B, C, META, 0, 0)                                            \
    X(SNAPSHOT, 0x0042, C | B, B | F | C, META, 0, PIECE)                              \
    X(SNAPSHOT_GET, 0x0043, F | C, B, META, 0, 0)                                      \
    X(SNAPSHOT_ACK, 0x0044, F | B, B | C, META, 0, 0)                                  \
    X(REVOKE, 0x0045, C | B, B | F, LIST, 0, 0)                                        \
    X(REVOKE_ACK, 0x0046, B, C, META, 0, 0)                                            \
    X(HOLDER_DEAD, 0x0047, C, B, META, 0, 0)                                           \
    X(STAT, 0x0048, C, B, META, 0, 0)                                                  \
    X(STAT_RESULT, 0x0049, B, C, LIST, 0, 0)                                           \
    X(PEEK, 0x004A, C | F, B, META, 0, 0)                                              \
    X(PEEKED, 0x004B, B, C | F, LIST, 0, 0)                                            \
    X(MINT, 0x0080, C, M, LIST, 0, 0)                                                  \
    X(MINTED, 0x0081, M, C, LIST, 0, 0)                                                \
    X(LAUNCH, 0x0082, C, S, LIST, 0, 0)                                                \
    X(LAUNCHED, 0x0083, S, C, META, 0, 0)                                              \
    X(SIGNAL, 0x0084, C, S, META, 0, 0)                                                \
    X(LIST, 0x0085, C, S, META, 0, 0)                                                  \
    X(LISTED, 0x0086, S, C, LIST, 0, 0)                                                \
    X(EXITED, 0x0087, S, C, META, 0, 0)

enum hf_record_type {
#define X(name, number, from, to, meta, head, body) HF_RECORD_##name = number,
    HF_RECORD_TABLE(X)
#undef X
};

struct hf_record_rule {
    const char *name; /* as in PROTOCOL.md; NULL in no row */
    uint16_t number;
    uint8_t from; /* hf_end bits */
    uint8_t to;
    uint32_t meta_bytes_max;
    uint32_t head_bytes_max;
    uint32_t body_bytes_max;
};

/* The row of a type, or NULL for an unknown one. Static. */
const struct hf_record_rule *hf_record_rule(uint16_t type);
/* Whether `sender` may send this record to `receiver`, by type, direction and size; not
 * by session state, which the receiver knows. HF_ERR_INVALID: unknown type or not in
 * this direction; HF_ERR_TOO_BIG: a part exceeds its limit. Both are violations.
 * Exactly one of the two ends is a broker, mint or spawner. */
HF_MUST_USE hf_err hf_record_check(const struct hf_record *record, enum hf_end sender,
                                   enum hf_end receiver);

/* ENQUEUE.flags; ASSIGN.flags repeats what the request has. RESPONSE and RESPOND know
 * only STREAMED. */
enum hf_enqueue_flag {
    HF_ENQUEUE_REPEATABLE = 1,
    HF_ENQUEUE_ASYNC = 2,
    HF_ENQUEUE_STREAMED = 4,
    HF_ENQUEUE_REOFFER = 8,
    HF_ENQUEUE_ASSIGNED = 16
};
#define HF_ENQUEUE_FLAGS_ALL 31u

/* OPEN.rights */
enum hf_right {
    HF_RIGHT_RECEIVE = 1,
    HF_RIGHT_RESPOND = 2,
    HF_RIGHT_ENQUEUE = 4,
    HF_RIGHT_PEEK = 8
};
#define HF_RIGHTS_ALL 15u

/* RESPOND_ACK.result */
enum hf_respond_result { HF_RESPOND_DONE, HF_RESPOND_STALE, HF_RESPOND_DENIED };

/* PONG.health; the broker answers GONE for a holder without a session. */
enum hf_health { HF_HEALTH_WELL, HF_HEALTH_UNWELL, HF_HEALTH_STARTING, HF_HEALTH_GONE };

/* LOOKUP.what, STATUS.state. A wrong access is as unknown as a wrong id. */
enum hf_lookup_what { HF_LOOKUP_STATE, HF_LOOKUP_RESPONSE, HF_LOOKUP_CANCEL };
enum hf_async_state {
    HF_ASYNC_UNKNOWN,
    HF_ASYNC_QUEUED,
    HF_ASYNC_RUNNING,
    HF_ASYNC_ANSWERED,
    HF_ASYNC_FAILED,
    HF_ASYNC_CANCELLED,
    HF_ASYNC_GONE /* its retention is over */
};

/* QueuePolicy */
enum hf_durability { HF_DURABILITY_LAZY, HF_DURABILITY_MEMORY, HF_DURABILITY_STRICT };
enum hf_redeliver { HF_REDELIVER_SAFE, HF_REDELIVER_ALWAYS };
enum hf_queue_state {
    HF_QUEUE_ENABLED,
    HF_QUEUE_PAUSED,
    HF_QUEUE_DRAINING,
    HF_QUEUE_DISABLED
};

/* RouteGroup.verbosity */
enum hf_verbosity { HF_VERBOSITY_LIMITED, HF_VERBOSITY_FULL, HF_VERBOSITY_RESET };

/* QueueRules.order, .limit_action */
enum hf_queue_order { HF_ORDER_FIFO, HF_ORDER_ADAPTIVE };
enum hf_limit_action { HF_LIMIT_WAIT, HF_LIMIT_REFUSE };

/* RouteGroup.idempotency; what clients of the group may wish (RouteGroup.wishes). */
enum hf_idempotency {
    HF_IDEMPOTENCY_ACCEPT,
    HF_IDEMPOTENCY_OFF,
    HF_IDEMPOTENCY_REQUIRE
};
enum hf_wish {
    HF_WISH_ASYNC = 1,    /* Prefer: respond-async */
    HF_WISH_PRIORITY = 2, /* Priority: u= */
    HF_WISH_DEADLINE = 4, /* Holdfast-Deadline */
    HF_WISH_DELAY = 8,    /* Holdfast-Not-Before, Holdfast-Delay */
    HF_WISH_ATTACH = 16,  /* a running key is joined, not refused */
    HF_WISH_COALESCE = 32 /* identical GETs share one run */
};
#define HF_WISHES_ALL 63u

/* Mint.kind */
enum hf_mint_kind { HF_MINT_TOKEN, HF_MINT_REVOCATION, HF_MINT_ROUTES };

#endif
