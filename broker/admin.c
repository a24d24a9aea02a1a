/* /livez, /readyz and /metrics of a broker. */
#include "broker/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

static void livez(void *context, const struct hf_admin_request *request,
                  struct hf_admin_response *response)
{
    (void)context;
    (void)request;
    response->content_type = "text/plain";
    response->status = hf_buf_append_cstr(&response->body, "ok\n") == HF_OK ? 200 : 503;
}

/* Ready: the store is open and recovered, which it is before the admin address is. */
static void readyz(void *context, const struct hf_admin_request *request,
                   struct hf_admin_response *response)
{
    struct br *br = context;

    livez(context, request, response);
    if (br->is_draining) {
        response->status = 503;
    }
}

/* metric name, member of broker_queue_view, type, help */
#define QUEUE_METRICS(X)                                                               \
    X("depth", depth, GAUGE, "Requests queued and not leased.")                        \
    X("depth_bytes", depth_bytes, GAUGE, "Their bytes.")                               \
    X("in_flight", in_flight, GAUGE, "Requests leased to workers.")                    \
    X("idle_credit", idle_credit, GAUGE, "Requests that workers would take now.")      \
    X("accepted_total", accepted, COUNTER, "Requests taken in.")                       \
    X("answered_total", answered, COUNTER, "Requests answered.")                       \
    X("refused_total", refused, COUNTER, "Requests refused or failed.")                \
    X("redelivered_total", redelivered, COUNTER, "Requests given to a worker again.")  \
    X("committed_total", committed, COUNTER, "Requests written to disk.")              \
    X("elided_total", elided, COUNTER, "Requests answered before they were written.")

typedef int64_t (*metric_fn)(const struct broker_queue_view *view);

#define X(metric, member, type, text)                                                  \
    static int64_t metric_##member(const struct broker_queue_view *view)               \
    {                                                                                  \
        return (int64_t)view->member;                                                  \
    }
QUEUE_METRICS(X)
#undef X

static const struct {
    const char *name;
    const char *help;
    enum hf_stat_type type;
    metric_fn value;
} queue_metrics[] = {
#define X(metric, member, kind, text)                                                  \
    {"holdfast_queue_" metric, text, HF_STAT_##kind, metric_##member},
    QUEUE_METRICS(X)
#undef X
};

/* What the core counts, as samples without labels. */
static hf_err render_counts(struct br *br, struct hf_buf *out)
{
    const struct broker_counts *counts = broker_counts(br->core);
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } rows[] = {
#define X(member, metric, text) {"holdfast_broker_" metric, text, counts->member},
        BROKER_COUNTS_TABLE(X)
#undef X
    };
    hf_err err = HF_OK;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && err == HF_OK; i++) {
        err = hf_stat_render_head(out, rows[i].name, rows[i].help, HF_STAT_COUNTER);
        if (err == HF_OK) {
            err = hf_stat_render_sample(out, rows[i].name, "", (int64_t)rows[i].value);
        }
    }
    return err;
}

static hf_err render_label(hf_slice name, struct hf_buf *out)
{
    hf_buf_clear(out);
    if (hf_buf_append_cstr(out, "queue=\"") != HF_OK ||
        hf_buf_append(out, name) != HF_OK || hf_buf_append_cstr(out, "\"") != HF_OK) {
        return HF_ERR_TOO_BIG;
    }
    return hf_buf_append_byte(out, 0);
}

static hf_err render_age(struct br *br, struct hf_buf *label, struct hf_buf *out)
{
    hf_time now = hf_clock_now();
    hf_err err =
        hf_stat_render_head(out, "holdfast_queue_oldest_age_seconds",
                            "Age of the oldest queued request.", HF_STAT_GAUGE);

    for (uint32_t i = 1; i <= broker_queues_count(br->core) && err == HF_OK; i++) {
        struct broker_queue_view view;

        if (!broker_queue_at(br->core, i, &view) ||
            (err = render_label(view.name, label)) != HF_OK) {
            continue;
        }
        err = hf_stat_render_sample(out, "holdfast_queue_oldest_age_seconds",
                                    (const char *)label->data,
                                    view.oldest.us == HF_TIME_NEVER.us
                                        ? 0
                                        : hf_time_diff_ms(view.oldest, now) / 1000);
    }
    return err;
}

static hf_err render_queues(struct br *br, struct hf_buf *out)
{
    struct hf_buf label;
    hf_err err = HF_OK;

    hf_buf_init(&label, BROKER_QUEUE_NAME_MAX + 16);
    for (size_t m = 0; m < sizeof queue_metrics / sizeof queue_metrics[0]; m++) {
        if (err == HF_OK) {
            err = hf_stat_render_head(out, queue_metrics[m].name, queue_metrics[m].help,
                                      queue_metrics[m].type);
        }
        for (uint32_t i = 1; i <= broker_queues_count(br->core) && err == HF_OK; i++) {
            struct broker_queue_view view;

            if (broker_queue_at(br->core, i, &view) &&
                (err = render_label(view.name, &label)) == HF_OK) {
                err = hf_stat_render_sample(out, queue_metrics[m].name,
                                            (const char *)label.data,
                                            queue_metrics[m].value(&view));
            }
        }
    }
    if (err == HF_OK) {
        err = render_age(br, &label, out);
    }
    hf_buf_fini(&label);
    return err;
}

static void metrics(void *context, const struct hf_admin_request *request,
                    struct hf_admin_response *response)
{
    struct br *br = context;
    hf_err err = br_stats_render(&response->body);

    (void)request;
    response->content_type = "text/plain; version=0.0.4";
    if (err == HF_OK) {
        err = hf_link_stats_render(&response->body);
    }
    if (err == HF_OK) {
        err = hf_admin_stats_render(&response->body);
    }
    br_lock(br);
    if (err == HF_OK) {
        err = render_counts(br, &response->body);
    }
    if (err == HF_OK) {
        err = render_queues(br, &response->body);
    }
    br_unlock(br);
    if (err != HF_OK) {
        response->status = 500;
    }
}

hf_err br_admin_start(struct br *br)
{
    static const struct hf_admin_route routes[] = {
        {"GET", "/livez", livez},
        {"GET", "/readyz", readyz},
        {"GET", "/metrics", metrics},
    };
    const struct hf_admin_config config = {
        .address = br->options.admin,
        .routes = routes,
        .routes_count = sizeof routes / sizeof routes[0],
        .ctx = br,
    };
    hf_err err = HF_OK;

    if (br->options.admin == NULL) {
        return HF_OK;
    }
    err = hf_admin_open(br->loop, &config, &br->admin);
    if (err != HF_OK) {
        HF_ERROR("cannot listen for administration",
                 hf_log_cstr("address", br->options.admin),
                 hf_log_cstr("error", hf_err_text(err)));
    }
    return err;
}
