/* A worker's claim on a request: reserved, started, lost, adopted, given up. */
#ifndef HF_BROKER_CORE_LEASE_H
#define HF_BROKER_CORE_LEASE_H

#include "broker/core/state.h"

/* Takes one credit of `h` and a fresh epoch for `r`, which has left its place; the
 * caller enters it into OFFERED, DISPATCHING or LEASED. */
void lease_reserve(struct broker *b, struct request *r, struct handle *h);
/* OFFERED or DISPATCHING: the reserved worker gets it now, or, when that worker is gone
 * or draining, it goes back to the front of its queue. */
void lease_start(struct broker *b, struct request *r);
/* OFFERED or DISPATCHING: back to its queue, unstarted, the credit back to its handle.
 */
void lease_unreserve(struct broker *b, struct request *r);
/* The session that holds `r` is lost (ARCHITECTURE.md 6, link loss). May end it. */
void lease_lost(struct broker *b, struct request *r);
/* Without a holder from now on; `r` has left its place. */
void lease_let_go(struct broker *b, struct request *r);
/* Tells the holder to stop, or, when it has answered, to drop its copy. */
void lease_cancel(struct broker *b, struct request *r, hf_reason reason);
/* `s` holds the lease `epoch` it has declared. */
void lease_adopt(struct broker *b, struct request *r, struct session *s,
                 const struct broker_input *in);
/* A declared lease whose request nobody offered: CANCEL, and gone. */
void lease_forget_orphan(struct broker *b, struct request *r);
/* Lets go of what has come of a response. */
void lease_reset_response(struct broker *b, struct request *r);
/* Whether `s` holds `id` with `epoch`: DONE, or how a response to it is refused. */
enum broker_ack_result lease_verdict(const struct broker *b, const struct request *r,
                                     const struct session *s, uint64_t epoch);

#endif
