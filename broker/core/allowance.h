/* What the limits of a token (`lim`, SECURITY.md 2.3) leave to the sessions whose chain
 * holds that token, all of them together. A session without limits costs one compare.
 *
 *   inflight  a worker's handles are parked while its sessions hold that many leases
 *   rate      requests beyond it are refused, up to `burst` of them at once
 *   bytes     of one request or response, head and body
 *
 * An allowance that no session uses any more is kept as long as there is room, so that
 * a new session does not begin with a full burst. */
#ifndef HF_BROKER_CORE_ALLOWANCE_H
#define HF_BROKER_CORE_ALLOWANCE_H

#include "broker/core/state.h"

hf_slice allowance_key(const void *element); /* for allowances_by_token */
/* The limits of `s` from now on, instead of those it had. */
void allowance_join(struct broker *b, struct session *s,
                    const struct broker_limits *limits, uint32_t count);
/* `s` ends: it holds nothing any more. */
void allowance_leave(struct broker *b, struct session *s);

/* `s` holds one lease more (+1) or less (-1). */
void allowance_count_lease(struct broker *b, struct session *s, int32_t leases);
/* A limit of inflight is reached: the allowance, else NULL. */
struct allowance *allowance_spent(const struct broker *b, const struct session *s);
/* A handle of a session with a spent allowance: it takes nothing until that is eased.
 */
void allowance_park(struct broker *b, struct allowance *a, struct handle *h);
/* Handles that may take again go back to their queues; false when more are left. */
bool allowance_settle(struct broker *b);

/* After how many ms `s` may send one more request; 0: now. */
uint32_t allowance_wait_ms(struct broker *b, const struct session *s);
/* It does, where that was 0. */
void allowance_charge(struct broker *b, const struct session *s);

#endif
