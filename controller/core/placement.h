/* Which broker holds a queue: the one with the highest weight for its name (rendezvous
 * hashing), so that adding a broker moves only the queues that go to it. */
#ifndef HF_CONTROLLER_PLACEMENT_H
#define HF_CONTROLLER_PLACEMENT_H

#include "lib/base/slice.h"

/* Index into `brokers`, of which there is at least one. */
size_t placement_of(hf_slice queue, const hf_slice *brokers, size_t count);

#endif
