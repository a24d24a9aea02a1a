/* A holder key that something here is tied to: a session, a request's owner, a lease.
 */
#ifndef HF_BROKER_CORE_PRINCIPAL_H
#define HF_BROKER_CORE_PRINCIPAL_H

#include "broker/core/state.h"

hf_slice principal_key(const void *element); /* for principals_by_key */
/* Its index, made if it is not there, with one more reference; 0 at principals_max. */
uint16_t principal_take(struct broker *b, hf_key key);
/* One more reference. */
void principal_hold(struct broker *b, uint16_t index);
/* One less; the last one frees it. 0 is legal. */
void principal_let_go(struct broker *b, uint16_t index);
/* NULL when nothing is tied to this key. */
struct principal *principal_find(const struct broker *b, hf_key key);
hf_key principal_key_of(const struct broker *b, uint16_t index); /* zero for 0 */

#endif
