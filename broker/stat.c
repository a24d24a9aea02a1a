#include "broker/stat.h"

struct br_stats br_stats = {
#define X(member, metric, text)                                                        \
    .member = {"holdfast_broker_" metric, text, HF_STAT_COUNTER, 0},
    BR_STAT_TABLE(X)
#undef X
};

hf_err br_stats_render(struct hf_buf *out)
{
    const struct hf_stat *const rows[] = {
#define X(member, metric, text) &br_stats.member,
        BR_STAT_TABLE(X)
#undef X
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hf_err err = hf_stat_render(out, rows[i], "");

        if (err != HF_OK) {
            return err;
        }
    }
    return HF_OK;
}
