/* Owns the counting of unauthenticated peers; knows no sockets. */
#include "lib/io/gate.h"

#include <string.h>

#define SECOND_US      1000000
#define RETRY_MS_FIRST 100
#define RETRY_MS_MAX   30000

void hf_gate_init(struct hf_gate *gate)
{
    memset(gate, 0, sizeof *gate);
    gate->pending_max = 256;
    gate->pending_per_source_max = 16;
    gate->failures_per_second = 20;
}

static void make_key(hf_slice source, uint8_t key[HF_GATE_KEY_BYTES])
{
    hf_check(source.bytes <= HF_GATE_KEY_BYTES);
    memset(key, 0, HF_GATE_KEY_BYTES);
    if (source.bytes > 0) {
        memcpy(key, source.data, source.bytes);
    }
}

static size_t find(const struct hf_gate *gate, hf_slice source)
{
    uint8_t key[HF_GATE_KEY_BYTES];
    size_t index = 0;

    make_key(source, key);
    while (index < gate->sources_count &&
           memcmp(gate->sources[index].key, key, sizeof key) != 0) {
        index++;
    }
    return index;
}

static void refill(struct hf_gate_source *source, int64_t now_us)
{
    source->tokens_us += now_us - source->touched_us;
    if (source->tokens_us > SECOND_US) {
        source->tokens_us = SECOND_US;
    }
    source->touched_us = now_us;
}

/* Sources without pending peers and with a full bucket say nothing that a new entry
 * would not say, except the doubling of retry_after, which may be lost under pressure.
 */
static void forget_idle(struct hf_gate *gate, int64_t now_us)
{
    size_t kept = 0;

    for (size_t i = 0; i < gate->sources_count; i++) {
        struct hf_gate_source *source = &gate->sources[i];

        refill(source, now_us);
        if (source->pending > 0 || source->tokens_us < SECOND_US) {
            gate->sources[kept++] = *source;
        }
    }
    gate->sources_count = kept;
}

static struct hf_gate_source *obtain(struct hf_gate *gate, hf_slice source,
                                     int64_t now_us)
{
    size_t index = find(gate, source);
    struct hf_gate_source *entry;

    if (index < gate->sources_count) {
        refill(&gate->sources[index], now_us);
        return &gate->sources[index];
    }
    if (gate->sources_count == HF_GATE_SOURCES_MAX) {
        forget_idle(gate, now_us);
    }
    if (gate->sources_count == HF_GATE_SOURCES_MAX) {
        return NULL;
    }
    entry = &gate->sources[gate->sources_count++];
    memset(entry, 0, sizeof *entry);
    make_key(source, entry->key);
    entry->tokens_us = SECOND_US;
    entry->touched_us = now_us;
    return entry;
}

enum hf_gate_verdict hf_gate_enter(struct hf_gate *gate, hf_slice source,
                                   int64_t now_us)
{
    struct hf_gate_source *entry;

    hf_check(gate->failures_per_second > 0);
    if (gate->pending >= gate->pending_max) {
        return HF_GATE_TOTAL;
    }
    entry = obtain(gate, source, now_us);
    if (entry == NULL) {
        return HF_GATE_TOTAL;
    }
    if (entry->pending >= gate->pending_per_source_max) {
        return HF_GATE_SOURCE;
    }
    if (entry->tokens_us < SECOND_US / gate->failures_per_second) {
        return HF_GATE_BUCKET;
    }
    entry->pending++;
    gate->pending++;
    return HF_GATE_ENTER;
}

void hf_gate_leave(struct hf_gate *gate, hf_slice source, bool has_failed,
                   int64_t now_us)
{
    size_t index = find(gate, source);
    struct hf_gate_source *entry = &gate->sources[index];

    hf_check(index < gate->sources_count);
    hf_check(entry->pending > 0 && gate->pending > 0);
    entry->pending--;
    gate->pending--;
    refill(entry, now_us);
    if (!has_failed) {
        entry->retry_ms = 0;
        return;
    }
    entry->tokens_us -= SECOND_US / gate->failures_per_second;
    entry->retry_ms = entry->retry_ms == 0 ? 2 * RETRY_MS_FIRST : 2 * entry->retry_ms;
    if (entry->retry_ms > RETRY_MS_MAX) {
        entry->retry_ms = RETRY_MS_MAX;
    }
}

uint32_t hf_gate_retry_after_ms(const struct hf_gate *gate, hf_slice source)
{
    size_t index = find(gate, source);

    if (index == gate->sources_count || gate->sources[index].retry_ms == 0) {
        return RETRY_MS_FIRST;
    }
    return gate->sources[index].retry_ms;
}

void hf_gate_check(const struct hf_gate *gate)
{
    size_t pending = 0;

    for (size_t i = 0; i < gate->sources_count; i++) {
        pending += gate->sources[i].pending;
    }
    hf_check(pending == gate->pending);
    hf_check(gate->sources_count <= HF_GATE_SOURCES_MAX);
}
