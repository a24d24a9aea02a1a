#include "lib/base/stat.h"

#include <inttypes.h>

/* Bucket 4 * (e - 1) + s holds the values with highest bit e and next two bits s; the
 * values 0 to 3 have a bucket each. */
static size_t bucket_of(uint64_t us)
{
    unsigned highest;
    size_t index;

    if (us < 4) {
        return (size_t)us;
    }
    highest = 63U - (unsigned)__builtin_clzll(us);
    index = (size_t)(highest - 1) * 4 + ((us >> (highest - 2)) & 3);
    return index < HF_HISTOGRAM_BUCKETS ? index : HF_HISTOGRAM_BUCKETS - 1;
}

/* The largest value of the bucket. */
static uint64_t bucket_end(size_t index)
{
    if (index < 4) {
        return index;
    }
    return ((uint64_t)(index % 4 + 5) << (index / 4 - 1)) - 1;
}

static uint64_t bucket_get(const struct hf_histogram *histogram, size_t index)
{
    return atomic_load_explicit(&histogram->buckets[index], memory_order_relaxed);
}

void hf_histogram_add(struct hf_histogram *histogram, uint64_t us)
{
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of(us)], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, us, memory_order_relaxed);
}

uint64_t hf_histogram_quantile(const struct hf_histogram *histogram, double q)
{
    uint64_t counts[HF_HISTOGRAM_BUCKETS];
    uint64_t total = 0;
    uint64_t seen = 0;
    double rank;

    hf_check(q >= 0.0);
    hf_check(q <= 1.0);

    for (size_t i = 0; i < HF_HISTOGRAM_BUCKETS; i++) {
        counts[i] = bucket_get(histogram, i);
        total += counts[i];
    }
    rank = q * (double)total;
    for (size_t i = 0; i < HF_HISTOGRAM_BUCKETS; i++) {
        seen += counts[i];
        if (seen > 0 && (double)seen >= rank) {
            return bucket_end(i);
        }
    }
    return 0;
}

void hf_stat_label(hf_slice value, char *out, size_t out_bytes)
{
    hf_check(out_bytes >= 1);

    for (size_t i = 0; i < value.bytes; i++) {
        char c = (char)value.data[i];
        bool is_special = c == '"' || c == '\\' || c == '\n';

        if ((is_special ? 2U : 1U) + 1 > out_bytes) {
            break;
        }
        if (is_special) {
            *out++ = '\\';
            out_bytes--;
            c = c == '\n' ? 'n' : c;
        } else if (value.data[i] < 0x20 || value.data[i] == 0x7f) {
            c = '?';
        }
        *out++ = c;
        out_bytes--;
    }
    *out = '\0';
}

static hf_err render_head(struct hf_buf *out, const char *name, const char *help,
                          const char *type)
{
    return hf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

hf_err hf_stat_render(struct hf_buf *out, const struct hf_stat *stat,
                      const char *labels)
{
    hf_err err = hf_stat_render_head(out, stat->name, stat->help, stat->type);

    if (err != HF_OK) {
        return err;
    }
    return hf_stat_render_sample(out, stat->name, labels, hf_stat_get(stat));
}

hf_err hf_stat_render_head(struct hf_buf *out, const char *name, const char *help,
                           enum hf_stat_type type)
{
    hf_check(name != NULL);
    hf_check(help != NULL);

    return render_head(out, name, help, type == HF_STAT_COUNTER ? "counter" : "gauge");
}

hf_err hf_stat_render_sample(struct hf_buf *out, const char *name, const char *labels,
                             int64_t value)
{
    hf_check(labels != NULL);

    if (labels[0] == '\0') {
        return hf_buf_printf(out, "%s %" PRId64 "\n", name, value);
    }
    return hf_buf_printf(out, "%s{%s} %" PRId64 "\n", name, labels, value);
}

/* One line per power of two, the last of which is +Inf, so that the set of lines is the
 * same at each scrape. */
static hf_err render_buckets(struct hf_buf *out, const struct hf_histogram *histogram,
                             const char *labels, uint64_t *count)
{
    const char *comma = labels[0] == '\0' ? "" : ",";

    *count = 0;
    for (size_t i = 0; i < HF_HISTOGRAM_BUCKETS; i++) {
        bool is_last = i == HF_HISTOGRAM_BUCKETS - 1;
        hf_err err;

        *count += bucket_get(histogram, i);
        if (i % 4 != 3) {
            continue;
        }
        if (is_last) {
            err = hf_buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n",
                                histogram->name, labels, comma, *count);
        } else {
            err = hf_buf_printf(out, "%s_bucket{%s%sle=\"%" PRIu64 "\"} %" PRIu64 "\n",
                                histogram->name, labels, comma, bucket_end(i), *count);
        }
        if (err != HF_OK) {
            return err;
        }
    }
    return HF_OK;
}

hf_err hf_histogram_render(struct hf_buf *out, const struct hf_histogram *histogram,
                           const char *labels)
{
    uint64_t sum = atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
    const char *open;
    const char *close;
    uint64_t count;
    hf_err err;

    hf_check(labels != NULL);

    open = labels[0] == '\0' ? "" : "{";
    close = labels[0] == '\0' ? "" : "}";
    err = render_head(out, histogram->name, histogram->help, "histogram");
    if (err == HF_OK) {
        err = render_buckets(out, histogram, labels, &count);
    }
    if (err != HF_OK) {
        return err;
    }
    return hf_buf_printf(out,
                         "%s_sum%s%s%s %" PRIu64 "\n"
                         "%s_count%s%s%s %" PRIu64 "\n",
                         histogram->name, open, labels, close, sum, histogram->name,
                         open, labels, close, count);
}
