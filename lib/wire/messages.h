/* The metadata of every record that has no repeated part, and the two heads: plain
 * structs and their way to and from protobuf bytes. What each field means is in
 * PROTOCOL.md 3; the kinds of fields are in fields.h (F(ID, id) becomes `hf_id id`).
 *
 *   hf_err hf_enqueue_decode(hf_slice meta, struct hf_enqueue *out);
 *   size_t hf_enqueue_encode(const struct hf_enqueue *in, uint8_t *out, size_t bytes);
 *
 * decode: slices of the result are borrowed from `meta`; nothing is taken from the
 * heap; *out is written only on success. Unknown fields are ignored and of a repeated
 * field the last counts, but a message may have only HF_JUNK_FIELDS_MAX of both.
 * HF_ERR_INVALID: not such a message, or a field that breaks its kind's rule;
 * HF_ERR_TOO_BIG: more bytes than any record may carry there.
 * encode: returns the bytes written, at most `bytes`. 0 = it does not fit, or every
 * field is zero and an empty meta is right; with HF_META_SMALL_MAX bytes the fixed
 * messages always fit. The variable ones also have `_append`, into an hf_buf. */
#ifndef HF_WIRE_MESSAGES_H
#define HF_WIRE_MESSAGES_H

#include "lib/base/buf.h"
#include "lib/wire/fields.h"

/* Where a plain name is taken elsewhere: REAUTH is hf_reauth_offer, TOKEN
 * hf_token_push, OPEN hf_queue_open (and so on), BODY hf_body_piece, STATUS
 * hf_looked_up, STAT
 * hf_stat_query, SIGNAL hf_signal_child, LIST hf_list_children. */

/* clang-format off */
/* Session records. */
#define HF_GOODBYE_FIELDS(F, L) F(REASON, reason)
#define HF_REAUTH_RESULT_FIELDS(F, L) F(BOOL, is_accepted) F(I64, expires_ms)
#define HF_PING_FIELDS(F, L) F(KEY, key) F(U64, nonce)
#define HF_PONG_FIELDS(F, L) F(KEY, key) F(U64, nonce) F(HEALTH, health)
#define HF_REAUTH_OFFER_FIELDS(F, L) F(SLICE, chain) F(U64, counter) F(SLICE, signature)
#define HF_TOKEN_PUSH_FIELDS(F, L) F(KEY, key) F(SLICE, chain)
#define HF_INTRODUCE_FIELDS(F, L) \
    F(I64, pid) F(I64, app_pid) F(SLICE, name) F(I64, since_ms)

/* Queues. */
#define HF_QUEUE_OPEN_FIELDS(F, L) F(HANDLE, handle) F(SLICE, queue) F(RIGHTS, rights)
#define HF_QUEUE_OPENED_FIELDS(F, L) \
    F(HANDLE, handle) F(REASON, reason) F(U32, shard) F(U32, incarnation)
#define HF_QUEUE_CLOSE_FIELDS(F, L) F(HANDLE, handle)
#define HF_QUEUE_CLOSED_FIELDS(F, L) F(HANDLE, handle) F(REASON, reason)

/* A request, frontend side. */
#define HF_ENQUEUE_FIELDS(F, L) \
    F(ID, id) F(HANDLE, handle) F(FLAGS, flags) F(I64, deadline_ms) F(U64, body_bytes) \
    F(U64, responded_epoch) F(URGENCY, urgency) F(EPOCH, fair_key) \
    F(EPOCH, serial_key) F(EPOCH, affinity_key) F(I64, not_before_ms) \
    F(AFTER, access) F(DIGEST, idempotency) F(DIGEST, fingerprint)
#define HF_BODY_PIECE_FIELDS(F, L) \
    F(ID, id) F(EPOCH, epoch) F(U64, offset) F(BOOL, is_last)
#define HF_WINDOW_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(U64, bytes)
#define HF_ADMITTED_FIELDS(F, L) F(ID, id)
#define HF_ACCEPTED_FIELDS(F, L) F(ID, id)
#define HF_ASSIGNED_FIELDS(F, L) F(ID, id) F(EPOCH, epoch)
#define HF_ASSIGNED_ACK_FIELDS(F, L) F(ID, id) F(EPOCH, epoch)
#define HF_RESPONSE_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(STREAM_FLAG, flags)
#define HF_RESPONSE_ACK_FIELDS(F, L) F(ID, id) F(EPOCH, epoch)
#define HF_REFUSED_FIELDS(F, L) F(ID, id) F(REASON, reason) F(U32, retry_after_ms)
#define HF_CANCEL_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(REASON, reason)
#define HF_ABORT_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(REASON, reason)

#define HF_LOOKUP_FIELDS(F, L) F(ID, query) F(ID, id) F(ID, access) F(WHAT, what)
#define HF_LOOKED_UP_FIELDS(F, L) \
    F(ID, query) F(ASYNC, state) F(REASON, reason) F(U32, attempt) \
    F(I64, enqueued_ms) F(I64, ended_ms)

/* A request, worker side. */
#define HF_CREDIT_FIELDS(F, L) F(HANDLE, handle) F(U32, requests)
#define HF_ASSIGN_FIELDS(F, L) \
    F(ID, id) F(EPOCH, epoch) F(HANDLE, handle) F(U32, attempt) F(I64, deadline_ms) \
    F(I64, enqueued_ms) F(U64, body_bytes) F(FLAGS, flags) F(RECEIPT, receipt)
#define HF_RESPOND_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(STREAM_FLAG, flags)
#define HF_RESPOND_ACK_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(RESULT, result)
#define HF_RELEASE_FIELDS(F, L) F(ID, id) F(EPOCH, epoch)
#define HF_FAIL_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(REASON, reason)
#define HF_DECLARE_FIELDS(F, L) \
    F(HANDLE, handle) F(ID, id) F(EPOCH, epoch) F(RECEIPT, receipt) F(BOOL, is_answered)
#define HF_DECLARED_FIELDS(F, L) F(ID, id) F(EPOCH, epoch) F(BOOL, is_kept)
#define HF_DRAIN_FIELDS(F, L) F(REASON, reason)

/* Configuration, state and inspection. */
#define HF_POLICY_ACK_FIELDS(F, L) F(U64, version)
#define HF_SNAPSHOT_FIELDS(F, L) \
    F(U64, sequence) F(U32, index) F(U32, count) F(SLICE, manifest)
#define HF_SNAPSHOT_GET_FIELDS(F, L) F(U64, have_sequence)
#define HF_SNAPSHOT_ACK_FIELDS(F, L) F(U64, sequence)
#define HF_REVOKE_FIELDS(F, L) F(SLICE, document)
#define HF_REVOKE_ACK_FIELDS(F, L) F(U64, sequence) F(U32, sessions_cut)
#define HF_HOLDER_DEAD_FIELDS(F, L) F(KEY, key)
#define HF_STAT_QUERY_FIELDS(F, L) F(U64, nonce)
#define HF_PEEK_FIELDS(F, L) F(HANDLE, handle) F(AFTER, after_id) F(U32, limit)
#define HF_PEEKED_FIELDS(F, L) F(HANDLE, handle) F(IDS, ids) F(BOOL, is_last)

/* Local protocols (PROTOCOL.md 5). */
#define HF_MINTED_FIELDS(F, L) F(U64, nonce) F(SLICE, token) F(SLICE, error)
#define HF_LAUNCHED_FIELDS(F, L) F(U64, nonce) F(I64, pid) F(SLICE, error)
#define HF_SIGNAL_CHILD_FIELDS(F, L) F(I64, pid) F(U32, signal)
#define HF_LIST_CHILDREN_FIELDS(F, L) F(U64, nonce)
#define HF_EXITED_FIELDS(F, L) \
    F(I64, pid) F(SLICE, name) F(SLICE, label) F(I32, status) F(I32, signal) \
    F(I64, ran_ms)

/* The heads, written by one edge and read by the other. A head's `fields` are lines
 * "Name: value\r\n" in their order. */
#define HF_REQUEST_HEAD_FIELDS(F, L) \
    F(SLICE, method) F(SLICE, path) F(SLICE, query) F(BOOL, has_query) \
    F(SLICE, raw_target) F(SLICE, scheme) F(SLICE, host) F(SLICE, client_ip) \
    F(SLICE, fields) F(I64, received_ms)
#define HF_RESPONSE_HEAD_FIELDS(F, L) \
    F(U32, status) F(SLICE, fields) F(BOOL, has_length) F(U64, content_length)
/* clang-format on */

/* Messages without a variable part; each fits in HF_META_SMALL_MAX bytes. Rows: our
 * name, the name of its field table, protobuf's two names. */
#define HF_FIXED_MESSAGES(X)                                                           \
    X(goodbye, GOODBYE, Goodbye, goodbye)                                              \
    X(reauth_result, REAUTH_RESULT, ReauthResult, reauth_result)                       \
    X(ping, PING, Ping, ping)                                                          \
    X(pong, PONG, Pong, pong)                                                          \
    X(queue_opened, QUEUE_OPENED, Opened, opened)                                      \
    X(queue_close, QUEUE_CLOSE, Close, close)                                          \
    X(queue_closed, QUEUE_CLOSED, Closed, closed)                                      \
    X(enqueue, ENQUEUE, Enqueue, enqueue)                                              \
    X(body_piece, BODY_PIECE, Body, body)                                              \
    X(window, WINDOW, Window, window)                                                  \
    X(admitted, ADMITTED, Admitted, admitted)                                          \
    X(accepted, ACCEPTED, Accepted, accepted)                                          \
    X(assigned, ASSIGNED, Assigned, assigned)                                          \
    X(assigned_ack, ASSIGNED_ACK, AssignedAck, assigned_ack)                           \
    X(response, RESPONSE, Response, response)                                          \
    X(response_ack, RESPONSE_ACK, ResponseAck, response_ack)                           \
    X(refused, REFUSED, Refused, refused)                                              \
    X(cancel, CANCEL, Cancel, cancel)                                                  \
    X(abort, ABORT, Abort, abort)                                                      \
    X(lookup, LOOKUP, Lookup, lookup)                                                  \
    X(looked_up, LOOKED_UP, Status, status)                                            \
    X(credit, CREDIT, Credit, credit)                                                  \
    X(assign, ASSIGN, Assign, assign)                                                  \
    X(respond, RESPOND, Respond, respond)                                              \
    X(respond_ack, RESPOND_ACK, RespondAck, respond_ack)                               \
    X(release, RELEASE, Release, release)                                              \
    X(fail, FAIL, Fail, fail)                                                          \
    X(declare, DECLARE, Declare, declare)                                              \
    X(declared, DECLARED, Declared, declared)                                          \
    X(drain, DRAIN, Drain, drain)                                                      \
    X(policy_ack, POLICY_ACK, PolicyAck, policy_ack)                                   \
    X(snapshot_get, SNAPSHOT_GET, SnapshotGet, snapshot_get)                           \
    X(snapshot_ack, SNAPSHOT_ACK, SnapshotAck, snapshot_ack)                           \
    X(revoke_ack, REVOKE_ACK, RevokeAck, revoke_ack)                                   \
    X(holder_dead, HOLDER_DEAD, HolderDead, holder_dead)                               \
    X(stat_query, STAT_QUERY, Stat, stat)                                              \
    X(peek, PEEK, Peek, peek)                                                          \
    X(signal_child, SIGNAL_CHILD, Signal, signal)                                      \
    X(list_children, LIST_CHILDREN, List, list)

/* Messages with a variable part. */
#define HF_VARIABLE_MESSAGES(X)                                                        \
    X(reauth_offer, REAUTH_OFFER, Reauth, reauth)                                      \
    X(token_push, TOKEN_PUSH, Token, token)                                            \
    X(introduce, INTRODUCE, Introduce, introduce)                                      \
    X(queue_open, QUEUE_OPEN, Open, open)                                              \
    X(snapshot, SNAPSHOT, Snapshot, snapshot)                                          \
    X(revoke, REVOKE, Revoke, revoke)                                                  \
    X(peeked, PEEKED, Peeked, peeked)                                                  \
    X(minted, MINTED, Minted, minted)                                                  \
    X(launched, LAUNCHED, Launched, launched)                                          \
    X(exited, EXITED, Exited, exited)                                                  \
    X(request_head, REQUEST_HEAD, RequestHead, request_head)                           \
    X(response_head, RESPONSE_HEAD, ResponseHead, response_head)

#define X(name, NAME, Name, packed)                                                    \
    struct hf_##name {                                                                 \
        HF_##NAME##_FIELDS(HF_MEMBER, HF_MEMBER_LIST)                                  \
    };                                                                                 \
    HF_MUST_USE hf_err hf_##name##_decode(hf_slice bytes, struct hf_##name *out);      \
    size_t hf_##name##_encode(const struct hf_##name *in, uint8_t *out, size_t bytes);
HF_FIXED_MESSAGES(X)
HF_VARIABLE_MESSAGES(X)
#undef X

/* hf_err hf_queue_open_append(const struct hf_queue_open *in, struct hf_buf *out):
 * TOO_BIG or NO_MEMORY as hf_buf_append, the buffer then as it was. */
#define X(name, NAME, Name, packed)                                                    \
    HF_MUST_USE hf_err hf_##name##_append(const struct hf_##name *in,                  \
                                          struct hf_buf *out);
HF_VARIABLE_MESSAGES(X)
#undef X

#endif
