/* What every broker should hold (the revocation list, the queues' policy, the routing
 * snapshot) and what each one does: decides what to send to whom, and when again. */
#ifndef HF_CONTROLLER_PUBLICATION_H
#define HF_CONTROLLER_PUBLICATION_H

#include "lib/base/check.h"
#include "lib/base/time.h"

#include <stddef.h>

#define PUBLICATION_BROKERS_MAX 16
#define PUBLICATION_RETRY_MS    5000
#define PUBLICATION_REPEAT_MS   60000 /* SECURITY.md 2.7: the list is a sign of life */
#define PUBLICATION_EFFECTS_MAX (PUBLICATION_BROKERS_MAX * PUBLICATION_KINDS)

/* In the order of sending: nobody revoked gets routes or work first. */
enum publication_kind {
    PUBLICATION_REVOCATION,
    PUBLICATION_POLICY,
    PUBLICATION_SNAPSHOT,
    PUBLICATION_KINDS
};

struct publication_effect {
    size_t broker;
    enum publication_kind kind;
};

struct publication_broker {
    bool is_up;
    bool is_known; /* it has told what it holds */
    uint64_t held[PUBLICATION_KINDS];
    uint64_t sent[PUBLICATION_KINDS];
    hf_time sent_at[PUBLICATION_KINDS];
};

struct publication {
    uint64_t current[PUBLICATION_KINDS]; /* 0: nothing to publish yet */
    size_t brokers_count;
    struct publication_broker brokers[PUBLICATION_BROKERS_MAX];
};

void publication_init(struct publication *p, size_t brokers_count);
void publication_up(struct publication *p, size_t broker);
void publication_down(struct publication *p, size_t broker);
/* There is something newer: it is sent to everybody at the next step. */
void publication_offer(struct publication *p, enum publication_kind kind,
                       uint64_t sequence);
/* An acknowledgement, or one number of a broker's state. */
void publication_held(struct publication *p, size_t broker, enum publication_kind kind,
                      uint64_t sequence);
/* All three numbers have been told since it came up. */
void publication_known(struct publication *p, size_t broker);
/* Whether a broker that is up holds the current one. */
bool publication_is_held(const struct publication *p, size_t broker,
                         enum publication_kind kind);
/* What is to be sent now; returns the number of effects. */
size_t publication_step(struct publication *p, hf_time now,
                        struct publication_effect out[PUBLICATION_EFFECTS_MAX]);
hf_time publication_next_deadline(const struct publication *p);

#endif
