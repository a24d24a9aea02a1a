/* Poison isolation (FEATURES row 48): what to do about requests whose worker process
 * died under them.
 *
 * Only started, repeatable requests are suspects. Each is run again alone: one worker
 * of the queue is set apart, its credit is withheld from everything else, and it gets
 * one suspect at a time once its other leases are over. When a process dies of a single
 * request, that one is proven: only then is it charged, and at max_crashes it ends with
 * `poison`. How often is not stored: a restarted broker counts from 0.
 *
 * A lost link is no death. Where max_crashes is not 0, leases of a lost link wait
 * POISON_WAIT_MS for HOLDER_DEAD (or their holder) in GRACE, and then run again as
 * after any loss. */
#ifndef HF_BROKER_CORE_POISON_H
#define HF_BROKER_CORE_POISON_H

#include "broker/core/state.h"

#define POISON_WAIT_MS     1000
#define POISON_CHOICES_MAX 16u /* workers looked at to set one apart */

/* Whether it may run again though it was started. */
bool poison_may_repeat(const struct broker *b, const struct request *r);
/* Its holder is dead. It waits to be run alone, or it is proven and ends. */
void poison_accuse(struct broker *b, struct request *r, bool is_lone);
/* `q` has a suspect. */
void poison_wake(struct broker *b, struct queue *q);
/* Gives suspects to the workers set apart; false when there is no room to go on. */
bool poison_run(struct broker *b);
/* `s` takes anything again. */
void poison_release(struct broker *b, struct session *s);
/* `s` declares another lease: its suspect is not alone after all. */
void poison_disturb(struct broker *b, struct session *s);
void poison_forget_queue(struct broker *b, struct queue *q);
void poison_check(const struct broker *b, const struct queue *q);

/* Whether `h` gets nothing but suspects. */
static inline bool poison_withholds(const struct broker *b, const struct handle *h)
{
    return !hf_list_is_empty(&b->quarantines) &&
           session_at(b, h->key.session)->quarantine != 0;
}

/* Out of its queue's takers, until it is released. */
void poison_park(struct broker *b, struct handle *h);

#endif
