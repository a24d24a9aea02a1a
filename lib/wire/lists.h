/* The messages that repeat parts: queue policies, routes, statistics, and what the
 * local protocols carry. They are for configuration and inspection, never on a
 * request's path. The kinds of fields are in fields.h; L(element, member) is an array
 * of hf_<element> with `member_count`.
 *
 *   hf_err hf_policy_decode(hf_slice bytes, struct hf_arena *arena, struct hf_policy
 * *out); hf_err hf_policy_append(const struct hf_policy *in, struct hf_buf *out);
 *
 * decode: everything *out points to is in the arena, nothing is borrowed from `bytes`.
 * The arena pays for a copy of the message and for its items, at most HF_LIST_COST
 * times the message in all, so limit it accordingly. HF_ERR_INVALID: not such a
 * message, a field that breaks its kind's rule, or more than HF_JUNK_FIELDS_MAX junk
 * fields; HF_ERR_NO_MEMORY: the arena is at its maximum. *out is written only on
 * success. append: TOO_BIG or NO_MEMORY as hf_buf_append, the buffer then as it was. */
#ifndef HF_WIRE_LISTS_H
#define HF_WIRE_LISTS_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/wire/fields.h"

/* Most arena bytes for one byte of message. An element that is all zeros has two bytes
 * on the wire and costs up to 200; ordinary routes and policies cost about three for
 * one. So the arena's own maximum is what bounds a hostile message here, and the
 * senders of these messages are controllers and brokers. */
#define HF_LIST_COST 256

/* clang-format off */
/* Elements, in the order their lists need them. */
#define HF_QUEUE_POLICY_FIELDS(F, L) \
    F(SLICE, name) F(DURABILITY, durability) F(U32, length_max) F(U64, bytes_max) \
    F(U32, wait_limit_ms) F(REDELIVER, redeliver) F(U32, attempts_max) F(STATE, state) \
    F(U32, lazy_commit_ms) F(U32, min_epoch)
#define HF_QUEUE_RULES_FIELDS(F, L) \
    F(ORDER, order) F(U32, fair_share) F(U32, max_in_flight) F(U64, rate_milli) \
    F(U32, burst) F(U32, key_max_in_flight) F(U64, key_rate_milli) F(U32, key_burst) \
    F(LIMIT_ACTION, limit_action) F(BOOL, retry_5xx) F(U32, max_crashes) \
    F(U64, retention_ms) F(U64, response_max) F(U64, dead_retention_ms)
#define HF_QUEUE_STAT_FIELDS(F, L) \
    F(SLICE, name) F(U64, depth) F(U64, depth_bytes) F(I64, oldest_age_ms) \
    F(U64, in_flight) F(U64, committed) F(U64, elided) F(U64, accepted) \
    F(U64, answered) F(U64, refused) F(U64, redelivered) F(U64, idle_credit) \
    F(STATE, state)
#define HF_SESSION_STAT_FIELDS(F, L) \
    F(KEY, key) F(U32, role) F(SLICE, subject) F(I64, pid) F(I64, app_pid) \
    F(SLICE, name) F(I64, since_ms) F(U64, leases) F(U64, snapshot) F(SLICE, queue)
#define HF_BROKER_STAT_FIELDS(F, L) \
    F(SLICE, name) F(I64, pid) F(I64, since_ms) F(U64, snapshot) F(U64, revocation) \
    F(U64, policy) F(U64, store_used_bytes) F(U64, store_quota_bytes)
#define HF_ROUTE_GROUP_FIELDS(F, L) \
    F(SLICE, name) F(SLICE, queue) F(SLICES, prefixes) F(U64, body_max) \
    F(U32, deadline_ms) F(STATE, state) F(VERBOSITY, verbosity) \
    F(BOOL, path_case_sensitive) F(WISHES, wishes) F(IDEMPOTENCY, idempotency) \
    F(SLICE, fair_key) F(SLICE, serial_key) F(SLICE, affinity_key) \
    F(SLICES, idempotency_fields) F(SLICES, callback_hosts)
#define HF_ROUTE_BROKER_FIELDS(F, L) F(SLICE, name) F(SLICES, addresses)
#define HF_ROUTE_QUEUE_FIELDS(F, L) F(SLICE, name) F(U32, shard) F(SLICE, broker)
#define HF_CHILD_FIELDS(F, L) \
    F(I64, pid) F(SLICE, name) F(SLICE, label) F(I64, since_ms)

/* Messages. */
#define HF_POLICY_FIELDS(F, L) \
    F(U64, version) F(U32, part) F(U32, parts) L(queue_policy, queues) \
    L(queue_rules, rules)
/* `broker` is NULL in all records but the last. */
#define HF_STAT_RESULT_FIELDS(F, L) \
    F(U64, nonce) F(BOOL, is_last) F(BROKER, broker) L(queue_stat, queues) \
    L(session_stat, sessions)
/* The body of a routing snapshot, all chunks put together. */
#define HF_ROUTES_FIELDS(F, L) \
    F(U64, sequence) L(route_group, groups) L(route_broker, brokers) \
    L(route_queue, queues) F(U32, unrouted_status) F(SLICES, trusted_proxies) \
    F(SLICES, reserved)
/* `template_` as protobuf-c spells it. `key` may be empty: kinds other than a token. */
#define HF_MINT_FIELDS(F, L) \
    F(U64, nonce) F(MINT_KIND, kind) F(SLICE, template_) F(SLICE, subject) \
    F(SLICE, key) F(SLICES, queues) F(SLICES, rights) F(U64, life_s) \
    F(SLICE, document) F(U32, depth)
#define HF_LAUNCH_FIELDS(F, L) \
    F(U64, nonce) F(SLICE, name) F(SLICES, argv) F(SLICES, environment) \
    F(SLICE, directory) F(SLICE, package) F(SLICE, label)
#define HF_LISTED_FIELDS(F, L) F(U64, nonce) L(child, children)
/* clang-format on */

/* Rows: our name, the name of its field table, protobuf's two names. */
#define HF_ELEMENTS(X)                                                                 \
    X(queue_policy, QUEUE_POLICY, QueuePolicy, queue_policy)                           \
    X(queue_rules, QUEUE_RULES, QueueRules, queue_rules)                               \
    X(queue_stat, QUEUE_STAT, QueueStat, queue_stat)                                   \
    X(session_stat, SESSION_STAT, SessionStat, session_stat)                           \
    X(broker_stat, BROKER_STAT, BrokerStat, broker_stat)                               \
    X(route_group, ROUTE_GROUP, RouteGroup, route_group)                               \
    X(route_broker, ROUTE_BROKER, RouteBroker, route_broker)                           \
    X(route_queue, ROUTE_QUEUE, RouteQueue, route_queue)                               \
    X(child, CHILD, Child, child)
#define HF_LIST_MESSAGES(X)                                                            \
    X(policy, POLICY, Policy, policy)                                                  \
    X(stat_result, STAT_RESULT, StatResult, stat_result)                               \
    X(routes, ROUTES, Routes, routes)                                                  \
    X(mint, MINT, Mint, mint)                                                          \
    X(launch, LAUNCH, Launch, launch)                                                  \
    X(listed, LISTED, Listed, listed)

#define X(name, NAME, Name, packed)                                                    \
    struct hf_##name {                                                                 \
        HF_##NAME##_FIELDS(HF_MEMBER, HF_MEMBER_LIST)                                  \
    };
HF_ELEMENTS(X)
HF_LIST_MESSAGES(X)
#undef X

#define X(name, NAME, Name, packed)                                                    \
    HF_MUST_USE hf_err hf_##name##_decode(hf_slice bytes, struct hf_arena *arena,      \
                                          struct hf_##name *out);                      \
    HF_MUST_USE hf_err hf_##name##_append(const struct hf_##name *in,                  \
                                          struct hf_buf *out);
HF_LIST_MESSAGES(X)
#undef X

#endif
