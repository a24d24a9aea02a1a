/* The limits before a peer is authenticated (SECURITY.md 3.3), per source address and
 * in total. Pure: time comes in as microseconds of any monotone clock. Not thread-safe.
 */
#ifndef HF_IO_GATE_H
#define HF_IO_GATE_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#define HF_GATE_SOURCES_MAX 1024
#define HF_GATE_KEY_BYTES   20

struct hf_gate_source {
    uint8_t key[HF_GATE_KEY_BYTES];
    uint32_t pending;
    int64_t tokens_us;  /* bucket: one failure costs a second / failures_per_second */
    int64_t touched_us; /* when tokens_us was right */
    uint32_t retry_ms;  /* next retry_after, 0 = no failure yet */
};

struct hf_gate {
    struct hf_gate_source sources[HF_GATE_SOURCES_MAX];
    size_t sources_count;
    size_t pending;
    size_t pending_max;
    size_t pending_per_source_max;
    uint32_t failures_per_second;
};

enum hf_gate_verdict {
    HF_GATE_ENTER,
    HF_GATE_TOTAL,  /* pending_max are pending */
    HF_GATE_SOURCE, /* this source has pending_per_source_max pending */
    HF_GATE_BUCKET  /* this source failed too often in the last second */
};

void hf_gate_init(struct hf_gate *gate);
/* `source` is the peer's address bytes without port (<= HF_GATE_KEY_BYTES). After
 * ENTER, exactly one hf_gate_leave must follow. */
enum hf_gate_verdict hf_gate_enter(struct hf_gate *gate, hf_slice source,
                                   int64_t now_us);
void hf_gate_leave(struct hf_gate *gate, hf_slice source, bool has_failed,
                   int64_t now_us);
/* What a Reject to this source should say now: 100 ms, doubled by each failure, up to
 * 30000; a success starts it over. */
uint32_t hf_gate_retry_after_ms(const struct hf_gate *gate, hf_slice source);
void hf_gate_check(const struct hf_gate *gate);

#endif
