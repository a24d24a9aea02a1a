/* The frontend's counters (FEATURES row 108), one table. Per URL group there is a
 * meter; at most FE_METERS_MAX names get one of their own, so labels stay bounded. */
#ifndef HF_FRONTEND_STATS_H
#define HF_FRONTEND_STATS_H

#include "lib/base/map.h"
#include "lib/base/reason.h"
#include "lib/base/stat.h"

#define FE_STAT_TABLE(X)                                                               \
    X(connections, GAUGE, "Client connections that are open.")                         \
    X(connections_total, COUNTER, "Client connections accepted.")                      \
    X(accept_pauses_total, COUNTER, "Times accepting paused at connections_max.")      \
    X(requests_total, COUNTER, "Requests with a complete header.")                     \
    X(held, GAUGE, "Requests held: accepted and not yet answered.")                    \
    X(responses_total, COUNTER, "Responses of workers passed on to clients.")          \
    X(client_bytes_in_total, COUNTER, "Bytes received from clients.")                  \
    X(client_bytes_out_total, COUNTER, "Bytes given to client connections.")           \
    X(reoffered_total, COUNTER, "Requests offered again after a lost link.")           \
    X(cancelled_total, COUNTER, "Requests cancelled at the broker.")                   \
    X(response_broken_total, COUNTER, "Responses that broke off after their head.")    \
    X(worker_faults_total, COUNTER, "Responses of workers that break HTTP.")           \
    X(foreign_records_total, COUNTER, "Records about requests that are not held.")     \
    X(protocol_violations_total, COUNTER, "Links ended because the broker erred.")     \
    X(dropped_fields_total, COUNTER, "Header fields that were not passed on.")         \
    X(spool_files_total, COUNTER, "Bodies that went to an unlinked file.")             \
    X(spool_full_total, COUNTER, "Bodies lost because the spool could not grow.")      \
    X(brokers_up, GAUGE, "Brokers with a session.")                                    \
    X(snapshot, GAUGE, "Sequence of the routing snapshot in force.")                   \
    X(snapshots_refused_total, COUNTER, "Routing snapshots that were refused.")        \
    X(log_suppressed_total, COUNTER, "Log lines about requests left out.")

enum fe_stat {
#define X(name, type, help) FE_STAT_##name,
    FE_STAT_TABLE(X)
#undef X
        FE_STATS
};

#define FE_METERS_MAX     1000u
#define FE_METER_NAME_MAX 255u
#define FE_METER_CLASSES  6u

/* What one URL group has done. */
struct fe_meter {
    uint32_t name_bytes;
    uint8_t name[FE_METER_NAME_MAX];
    struct hf_stat requests;
    struct hf_stat get_head;
    struct hf_stat bytes_in;
    struct hf_stat bytes_out;
    struct hf_stat connections; /* whose latest request was of the group */
    struct hf_stat connections_max;
    struct hf_stat classes[FE_METER_CLASSES]; /* by status / 100 */
};

struct fe_stats {
    struct hf_stat rows[FE_STATS];
    struct hf_stat refused[HF_REASON_COUNT]; /* answers of ours, by reason */
    struct hf_map meters;
    struct fe_meter *all;
    uint32_t meters_count;
    struct fe_meter rest; /* for the names past FE_METERS_MAX */
};

HF_MUST_USE hf_err fe_stats_init(struct fe_stats *stats);
void fe_stats_fini(struct fe_stats *stats);
static inline void fe_count(struct fe_stats *stats, enum fe_stat row, int64_t n)
{
    hf_stat_add_alone(&stats->rows[row], n);
}
/* The meter of that name, made when it is new. Never NULL; lives as long as the stats.
 */
struct fe_meter *fe_stats_meter(struct fe_stats *stats, hf_slice name);
/* A connection goes over from one meter to another; either may be NULL. */
void fe_stats_move(struct fe_meter *from, struct fe_meter *to);
/* Prometheus text. */
HF_MUST_USE hf_err fe_stats_render(const struct fe_stats *stats, struct hf_buf *out);

#endif
