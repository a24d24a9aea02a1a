/* The kinds a message's field can have. A message is one table of F(kind, member) rows
 * in messages.h or lists.h; from it come the plain struct, and in codec.c the way to
 * and from protobuf. Internal to lib/wire and its two message headers.
 *
 *   ID        hf_id, exactly 16 bytes            KEY      hf_key, exactly 32 bytes
 *   AFTER     hf_id, 16 bytes or none (zero)     RECEIPT  hf_lease_receipt, exactly 16
 *   IDS       hf_slice, a multiple of 16 bytes   SLICE    hf_slice, any bytes
 *   HANDLE    uint32_t, not 0                    U32 U64 I32 I64 BOOL   as they are
 *   EPOCH     uint64_t, eight bytes on the wire
 *   DIGEST    hf_key, 32 bytes or none (zero)
 *   SLICES    const hf_slice *member and size_t member_count
 *   BROKER    const struct hf_broker_stat *, or NULL
 *   URGENCY   uint32_t, at most 8
 *   FLAGS STREAM_FLAG RIGHTS WISHES   uint32_t; a bit that is not known is refused
 *   REASON RESULT HEALTH DURABILITY REDELIVER STATE VERBOSITY MINT_KIND ORDER
 *   LIMIT_ACTION IDEMPOTENCY WHAT ASYNC
 *             the enum of types.h or reason.h; a number outside of it is refused */
#ifndef HF_WIRE_FIELDS_H
#define HF_WIRE_FIELDS_H

#include "lib/base/ids.h"
#include "lib/base/reason.h"
#include "lib/base/slice.h"
#include "lib/wire/types.h"

#define HF_LEASE_RECEIPT_BYTES 16

/* Most fields of one message (or element) that it does not know, or that it had before.
 * They cost nothing but a look; a sender of more is not one of a later version. */
#define HF_JUNK_FIELDS_MAX 16

/* Proof of a lease (ARCHITECTURE.md 6); only the broker's store key can make one. */
typedef struct hf_lease_receipt {
    uint8_t bytes[HF_LEASE_RECEIPT_BYTES];
} hf_lease_receipt;

#define HF_MEMBER_ID(member)      hf_id member;
#define HF_MEMBER_AFTER(member)   hf_id member;
#define HF_MEMBER_KEY(member)     hf_key member;
#define HF_MEMBER_RECEIPT(member) hf_lease_receipt member;
#define HF_MEMBER_IDS(member)     hf_slice member;
#define HF_MEMBER_SLICE(member)   hf_slice member;
#define HF_MEMBER_SLICES(member)                                                       \
    const hf_slice *member;                                                            \
    size_t member##_count;
#define HF_MEMBER_BROKER(member)       const struct hf_broker_stat *member;
#define HF_MEMBER_HANDLE(member)       uint32_t member;
#define HF_MEMBER_U32(member)          uint32_t member;
#define HF_MEMBER_U64(member)          uint64_t member;
#define HF_MEMBER_EPOCH(member)        uint64_t member;
#define HF_MEMBER_I32(member)          int32_t member;
#define HF_MEMBER_I64(member)          int64_t member;
#define HF_MEMBER_BOOL(member)         bool member;
#define HF_MEMBER_FLAGS(member)        uint32_t member;
#define HF_MEMBER_STREAM_FLAG(member)  uint32_t member;
#define HF_MEMBER_RIGHTS(member)       uint32_t member;
#define HF_MEMBER_REASON(member)       hf_reason member;
#define HF_MEMBER_RESULT(member)       enum hf_respond_result member;
#define HF_MEMBER_WHAT(member)         enum hf_lookup_what member;
#define HF_MEMBER_ASYNC(member)        enum hf_async_state member;
#define HF_MEMBER_HEALTH(member)       enum hf_health member;
#define HF_MEMBER_DURABILITY(member)   enum hf_durability member;
#define HF_MEMBER_REDELIVER(member)    enum hf_redeliver member;
#define HF_MEMBER_STATE(member)        enum hf_queue_state member;
#define HF_MEMBER_VERBOSITY(member)    enum hf_verbosity member;
#define HF_MEMBER_DIGEST(member)       hf_key member;
#define HF_MEMBER_URGENCY(member)      uint32_t member;
#define HF_MEMBER_WISHES(member)       uint32_t member;
#define HF_MEMBER_ORDER(member)        enum hf_queue_order member;
#define HF_MEMBER_LIMIT_ACTION(member) enum hf_limit_action member;
#define HF_MEMBER_IDEMPOTENCY(member)  enum hf_idempotency member;
#define HF_MEMBER_MINT_KIND(member)    enum hf_mint_kind member;

/* A row as a struct member. */
#define HF_MEMBER(kind, member) HF_MEMBER_##kind(member)
/* A row of L(element, member): an array of other messages' structs. */
#define HF_MEMBER_LIST(element, member)                                                \
    const struct hf_##element *member;                                                 \
    size_t member##_count;

#endif
