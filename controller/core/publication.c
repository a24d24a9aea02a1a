#include "controller/core/publication.h"

#include <string.h>

void publication_init(struct publication *p, size_t brokers_count)
{
    hf_check(brokers_count <= PUBLICATION_BROKERS_MAX);
    memset(p, 0, sizeof *p);
    p->brokers_count = brokers_count;
}

void publication_up(struct publication *p, size_t broker)
{
    hf_check(broker < p->brokers_count);
    memset(&p->brokers[broker], 0, sizeof p->brokers[broker]);
    p->brokers[broker].is_up = true;
}

void publication_down(struct publication *p, size_t broker)
{
    hf_check(broker < p->brokers_count);
    p->brokers[broker].is_up = false;
}

void publication_offer(struct publication *p, enum publication_kind kind,
                       uint64_t sequence)
{
    hf_check(kind < PUBLICATION_KINDS && sequence >= p->current[kind]);
    p->current[kind] = sequence;
}

void publication_held(struct publication *p, size_t broker, enum publication_kind kind,
                      uint64_t sequence)
{
    hf_check(broker < p->brokers_count && kind < PUBLICATION_KINDS);
    p->brokers[broker].held[kind] = sequence;
}

void publication_known(struct publication *p, size_t broker)
{
    hf_check(broker < p->brokers_count);
    p->brokers[broker].is_known = true;
}

bool publication_is_held(const struct publication *p, size_t broker,
                         enum publication_kind kind)
{
    const struct publication_broker *b = &p->brokers[broker];

    return b->is_up && b->held[kind] == p->current[kind];
}

static hf_time due_of(const struct publication *p, const struct publication_broker *b,
                      enum publication_kind kind)
{
    bool is_held = b->held[kind] == p->current[kind];

    if (!b->is_up || p->current[kind] == 0) {
        return HF_TIME_NEVER;
    }
    if (kind != PUBLICATION_REVOCATION && !b->is_known) {
        return HF_TIME_NEVER;
    }
    if (b->sent[kind] != p->current[kind]) {
        return is_held && kind != PUBLICATION_REVOCATION ? HF_TIME_NEVER : HF_TIME_ZERO;
    }
    if (!is_held) {
        return hf_time_add_ms(b->sent_at[kind], PUBLICATION_RETRY_MS);
    }
    return kind == PUBLICATION_REVOCATION
               ? hf_time_add_ms(b->sent_at[kind], PUBLICATION_REPEAT_MS)
               : HF_TIME_NEVER;
}

size_t publication_step(struct publication *p, hf_time now,
                        struct publication_effect out[PUBLICATION_EFFECTS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < p->brokers_count; i++) {
        struct publication_broker *b = &p->brokers[i];

        for (size_t kind = 0; kind < PUBLICATION_KINDS; kind++) {
            if (hf_time_reached(due_of(p, b, (enum publication_kind)kind), now)) {
                b->sent[kind] = p->current[kind];
                b->sent_at[kind] = now;
                out[count++] =
                    (struct publication_effect){i, (enum publication_kind)kind};
            }
        }
    }
    return count;
}

hf_time publication_next_deadline(const struct publication *p)
{
    hf_time due = HF_TIME_NEVER;

    for (size_t i = 0; i < p->brokers_count; i++) {
        for (size_t kind = 0; kind < PUBLICATION_KINDS; kind++) {
            due = hf_time_min(due,
                              due_of(p, &p->brokers[i], (enum publication_kind)kind));
        }
    }
    return due;
}
