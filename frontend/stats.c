#include "frontend/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hf_slice key_of(const void *element)
{
    const struct fe_meter *meter = element;

    return hf_slice_of(meter->name, meter->name_bytes);
}

static const char *const class_names[FE_METER_CLASSES] = {"0xx", "1xx", "2xx",
                                                          "3xx", "4xx", "5xx"};

hf_err fe_stats_init(struct fe_stats *stats)
{
    static const struct hf_stat rows[FE_STATS] = {
#define X(name, type, help) {"holdfast_frontend_" #name, help, HF_STAT_##type, 0},
        FE_STAT_TABLE(X)
#undef X
    };
    hf_err err;

    hf_check(stats != NULL);
    for (size_t i = 0; i < FE_STATS; i++) {
        stats->rows[i].name = rows[i].name;
        stats->rows[i].help = rows[i].help;
        stats->rows[i].type = rows[i].type;
    }
    stats->rest.name_bytes = 5;
    memcpy(stats->rest.name, "other", 5);
    stats->all = calloc(FE_METERS_MAX, sizeof *stats->all);
    err = hf_map_init(&stats->meters, FE_METERS_MAX, 1, key_of);
    if (err == HF_OK && stats->all == NULL) {
        err = HF_ERR_NO_MEMORY;
    }
    return err;
}

void fe_stats_fini(struct fe_stats *stats)
{
    hf_map_fini(&stats->meters);
    free(stats->all);
    stats->all = NULL;
}

struct fe_meter *fe_stats_meter(struct fe_stats *stats, hf_slice name)
{
    struct fe_meter *meter = hf_map_get(&stats->meters, name);

    hf_check(stats->all != NULL);
    if (meter != NULL) {
        return meter;
    }
    if (stats->meters_count == FE_METERS_MAX || name.bytes > FE_METER_NAME_MAX) {
        return &stats->rest;
    }
    meter = &stats->all[stats->meters_count++];
    meter->name_bytes = (uint32_t)name.bytes;
    if (name.bytes > 0) {
        memcpy(meter->name, name.data, name.bytes);
    }
    hf_check(hf_map_put(&stats->meters, meter) == HF_OK);
    return meter;
}

void fe_stats_move(struct fe_meter *from, struct fe_meter *to)
{
    int64_t above;

    if (from == to) {
        return;
    }
    if (from != NULL) {
        hf_stat_add_alone(&from->connections, -1);
    }
    if (to != NULL) {
        hf_stat_add_alone(&to->connections, 1);
        above = hf_stat_get(&to->connections) - hf_stat_get(&to->connections_max);
        hf_stat_add_alone(&to->connections_max, above > 0 ? above : 0);
    }
}

/* A label value: backslash, quote and line feed are escaped, other controls dropped. */
static hf_err append_label(struct hf_buf *label, hf_slice name)
{
    hf_err err = hf_buf_append_cstr(label, "group=\"");

    for (size_t i = 0; i < name.bytes && err == HF_OK; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\') {
            err = hf_buf_append_byte(label, '\\');
        }
        if (err == HF_OK && name.data[i] >= ' ') {
            err = hf_buf_append_byte(label, name.data[i]);
        }
    }
    return err == HF_OK ? hf_buf_append_byte(label, '"') : err;
}

static hf_err render_refused(const struct fe_stats *stats, struct hf_buf *out)
{
    static const char name[] = "holdfast_frontend_refused_total";
    hf_err err = hf_stat_render_head(out, name, "Answers of the frontend's own.",
                                     HF_STAT_COUNTER);

    for (int i = 1; i < HF_REASON_COUNT && err == HF_OK; i++) {
        char label[64];
        int64_t value = hf_stat_get(&stats->refused[i]);

        (void)snprintf(label, sizeof label, "reason=\"%s\"",
                       hf_reason_word((hf_reason)i));
        if (value > 0) {
            err = hf_stat_render_sample(out, name, label, value);
        }
    }
    return err;
}

struct column {
    const char *name;
    const char *help;
    size_t offset; /* of its hf_stat in struct fe_meter */
    enum hf_stat_type type;
};

static const struct column columns[] = {
    {"holdfast_group_requests_total", "Requests of the URL group.",
     offsetof(struct fe_meter, requests), HF_STAT_COUNTER},
    {"holdfast_group_get_head_total", "Its GET and HEAD requests.",
     offsetof(struct fe_meter, get_head), HF_STAT_COUNTER},
    {"holdfast_group_bytes_in_total", "Bytes of its request bodies.",
     offsetof(struct fe_meter, bytes_in), HF_STAT_COUNTER},
    {"holdfast_group_bytes_out_total", "Bytes of its response bodies.",
     offsetof(struct fe_meter, bytes_out), HF_STAT_COUNTER},
    {"holdfast_group_connections", "Connections whose latest request was of it.",
     offsetof(struct fe_meter, connections), HF_STAT_GAUGE},
    {"holdfast_group_connections_max", "The most of them at once so far.",
     offsetof(struct fe_meter, connections_max), HF_STAT_GAUGE},
};

static hf_err render_column(const struct fe_stats *stats, struct hf_buf *out,
                            const struct column *column)
{
    struct hf_buf label;
    hf_err err = hf_stat_render_head(out, column->name, column->help, column->type);

    hf_buf_init(&label, 2 * FE_METER_NAME_MAX + 64);
    for (uint32_t i = 0; i <= stats->meters_count && err == HF_OK; i++) {
        const struct fe_meter *meter =
            i < stats->meters_count ? &stats->all[i] : &stats->rest;
        const struct hf_stat *stat =
            (const void *)((const uint8_t *)meter + column->offset);

        hf_buf_clear(&label);
        err = append_label(&label, key_of(meter));
        err = err == HF_OK ? hf_buf_append_byte(&label, 0) : err;
        if (err == HF_OK) {
            err = hf_stat_render_sample(out, column->name,
                                        (const char *)hf_buf_slice(&label).data,
                                        hf_stat_get(stat));
        }
    }
    hf_buf_fini(&label);
    return err;
}

static hf_err render_classes(const struct fe_stats *stats, struct hf_buf *out)
{
    static const char name[] = "holdfast_group_answers_total";
    struct hf_buf label;
    hf_err err = hf_stat_render_head(out, name, "Answers of the URL group by class.",
                                     HF_STAT_COUNTER);

    hf_buf_init(&label, 2 * FE_METER_NAME_MAX + 64);
    for (uint32_t i = 0; i < stats->meters_count * FE_METER_CLASSES && err == HF_OK;
         i++) {
        const struct fe_meter *meter = &stats->all[i / FE_METER_CLASSES];
        uint32_t class = i % FE_METER_CLASSES;

        hf_buf_clear(&label);
        err = append_label(&label, key_of(meter));
        err = err == HF_OK ? hf_buf_printf(&label, ",class=\"%s\"", class_names[class])
                           : err;
        err = err == HF_OK ? hf_buf_append_byte(&label, 0) : err;
        if (err == HF_OK && hf_stat_get(&meter->classes[class]) > 0) {
            err = hf_stat_render_sample(out, name,
                                        (const char *)hf_buf_slice(&label).data,
                                        hf_stat_get(&meter->classes[class]));
        }
    }
    hf_buf_fini(&label);
    return err;
}

hf_err fe_stats_render(const struct fe_stats *stats, struct hf_buf *out)
{
    hf_err err = HF_OK;

    hf_check(stats->all != NULL);
    for (size_t i = 0; i < FE_STATS && err == HF_OK; i++) {
        err = hf_stat_render(out, &stats->rows[i], "");
    }
    err = err == HF_OK ? render_refused(stats, out) : err;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0] && err == HF_OK; i++) {
        err = render_column(stats, out, &columns[i]);
    }
    return err == HF_OK ? render_classes(stats, out) : err;
}
