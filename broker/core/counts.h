/* How often each bound of the core was reached: counters, read by the shell. */
#ifndef HF_BROKER_CORE_COUNTS_H
#define HF_BROKER_CORE_COUNTS_H

#include <stdint.h>

/* member, metric name below holdfast_broker_, help */
#define BROKER_COUNTS_TABLE(X)                                                         \
    X(handles_refused, "handles_refused_total",                                        \
      "Queues not opened because of handles_max or the handles of one session.")       \
    X(holders_refused, "holders_refused_total",                                        \
      "Sessions refused because of principals_max.")                                   \
    X(places_refused, "session_places_refused_total",                                  \
      "Sessions refused because lost ones were not settled yet.")                      \
    X(policies_refused, "policies_refused_total",                                      \
      "Policies of more queues than queues_max, refused whole.")                       \
    X(responses_unkept, "responses_unkept_total",                                      \
      "Responses passed on but not kept because of kept_bytes or kept_each_bytes.")    \
    X(inflight_waits, "token_inflight_waits_total",                                    \
      "Times a worker got nothing because of its token's lim.inflight.")               \
    X(rate_refused, "token_rate_refused_total",                                        \
      "Requests refused because of their sender's lim.rate.")                          \
    X(fair_refused, "fair_share_refused_total",                                        \
      "Requests refused because their fair_key had fair_share of the queue.")          \
    X(bytes_refused, "token_bytes_refused_total",                                      \
      "Requests and responses refused because of their sender's lim.bytes.")           \
    X(poisoned, "requests_poisoned_total", "Requests ended because of max_crashes.")

struct broker_counts {
#define X(member, metric, text) uint64_t member;
    BROKER_COUNTS_TABLE(X)
#undef X
};

#endif
