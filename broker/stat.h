/* The broker's own counters; what the core counts per queue is read from it. */
#ifndef HF_BROKER_STAT_H
#define HF_BROKER_STAT_H

#include "lib/base/stat.h"

/* member, metric name, help */
#define BR_STAT_TABLE(X)                                                               \
    X(sessions_opened, "sessions_opened_total", "Sessions that came up.")              \
    X(sessions_refused, "sessions_refused_total", "Proven peers not let in.")          \
    X(handshakes_failed, "handshakes_failed_total", "Peers that proved nothing.")      \
    X(sessions_revoked, "sessions_revoked_total", "Sessions cut by a revocation.")     \
    X(sessions_expired, "sessions_expired_total", "Sessions cut by expiry.")           \
    X(grace_accepted, "token_grace_accepted_total", "Expired tokens accepted.")        \
    X(protocol_violations, "protocol_violations_total",                                \
      "Records against PROTOCOL.md.")                                                  \
    X(denied, "denied_total", "Operations without the right for them.")                \
    X(inspections_refused, "inspections_refused_total",                                \
      "Sessions ended because of inspect_rate.")                                       \
    X(no_memory, "no_memory_total",                                                    \
      "Records that there was no memory for; their sessions were ended.")              \
    X(commits, "commits_total", "Group commits.")                                      \
    X(commands, "commands_total", "Durable commands in them.")                         \
    X(commit_us, "commit_microseconds_total", "Time spent in them.")                   \
    X(loads, "loads_total", "Payloads read back from disk.")                           \
    X(receipts_refused, "receipts_refused_total", "DECLAREs without a valid receipt.") \
    X(leases, "leases_total", "Requests given to workers.")                            \
    X(redelivered, "redelivered_total", "Requests given to a worker again.")           \
    X(responses_broken, "responses_broken_total", "Streamed responses cut short.")     \
    X(late_results, "late_results_total", "Results for leases that had ended.")        \
    X(outcomes_answered, "outcomes_answered_total", "Requests answered.")              \
    X(outcomes_refused, "outcomes_refused_total", "Requests refused or failed.")

struct br_stats {
#define X(member, metric, text) struct hf_stat member;
    BR_STAT_TABLE(X)
#undef X
};

extern struct br_stats br_stats;
/* Appends all of them as Prometheus text. */
HF_MUST_USE hf_err br_stats_render(struct hf_buf *out);

#endif
