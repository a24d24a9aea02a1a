/* Counters, gauges and histograms, and their Prometheus text.
 *
 * Each program has one X-macro table of metrics; hf_stat is one row at run time. Values
 * are relaxed atomics: exact in sum, unordered between each other. */
#ifndef HF_BASE_STAT_H
#define HF_BASE_STAT_H

#include "lib/base/buf.h"

#include <stdatomic.h>

enum hf_stat_type { HF_STAT_COUNTER, HF_STAT_GAUGE };

struct hf_stat {
    const char *name; /* Prometheus name, e.g. holdfast_broker_elided_total */
    const char *help;
    enum hf_stat_type type;
    _Atomic int64_t value;
};

static inline void hf_stat_add(struct hf_stat *stat, int64_t n)
{
    atomic_fetch_add_explicit(&stat->value, n, memory_order_relaxed);
}

/* The same for a number that one thread alone changes: readers see it whole, and no
 * locked instruction is needed. */
static inline void hf_stat_add_alone(struct hf_stat *stat, int64_t n)
{
    int64_t value = atomic_load_explicit(&stat->value, memory_order_relaxed);

    atomic_store_explicit(&stat->value, value + n, memory_order_relaxed);
}

static inline void hf_stat_set(struct hf_stat *stat, int64_t value)
{
    atomic_store_explicit(&stat->value, value, memory_order_relaxed);
}

static inline int64_t hf_stat_get(const struct hf_stat *stat)
{
    return atomic_load_explicit(&stat->value, memory_order_relaxed);
}

/* Log-linear buckets of microseconds, 1 us to 1 h, 4 per power of two. */
#define HF_HISTOGRAM_BUCKETS 128

struct hf_histogram {
    const char *name;
    const char *help;
    _Atomic uint64_t buckets[HF_HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_us;
};

void hf_histogram_add(struct hf_histogram *histogram, uint64_t us);
/* Upper bound of the bucket that holds quantile q (0..1); 0 when empty. */
uint64_t hf_histogram_quantile(const struct hf_histogram *histogram, double q);

/* Copies a label value into `out` (NUL included, truncated to fit) with backslash,
 * quote and line feed escaped as the Prometheus text format wants; other control bytes
 * become question marks. */
void hf_stat_label(hf_slice value, char *out, size_t out_bytes);
/* Renders # HELP, # TYPE and the sample. `labels` is "" or `queue="web"`, its values
 * escaped by the caller with hf_stat_label. */
HF_MUST_USE hf_err hf_stat_render(struct hf_buf *out, const struct hf_stat *stat,
                                  const char *labels);
HF_MUST_USE hf_err hf_stat_render_head(struct hf_buf *out, const char *name,
                                       const char *help, enum hf_stat_type type);
HF_MUST_USE hf_err hf_stat_render_sample(struct hf_buf *out, const char *name,
                                         const char *labels, int64_t value);
/* Cumulative buckets, one per power of two, in microseconds (so names end in _us). */
HF_MUST_USE hf_err hf_histogram_render(struct hf_buf *out,
                                       const struct hf_histogram *histogram,
                                       const char *labels);

#endif
