/* Leases by request id and epoch: chains through the leases themselves, so that nothing
 * is allocated, copied or compared byte by byte for a request. */
#include "worker/core/state.h"

#include <stdlib.h>
#include <string.h>

/* Odd digits of pi and e. Ids are a clock and random bits of our own frontends, and the
 * chains are bounded by leases_max. */
#define MIX_A UINT64_C(0x243f6a8885a308d3)
#define MIX_B UINT64_C(0xb7e151628aed2a6b)

static uint32_t bucket_of(const struct worker *worker, const hf_id *id, uint64_t epoch)
{
    uint64_t half[2];

    memcpy(half, id->bytes, sizeof half);

    unsigned __int128 product =
        (unsigned __int128)(half[0] ^ epoch ^ MIX_A) * (half[1] ^ MIX_B);

    return (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64)) &
           worker->buckets_mask;
}

static bool is_same(const hf_id *a, const hf_id *b)
{
    uint64_t x[2];
    uint64_t y[2];

    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return x[0] == y[0] && x[1] == y[1];
}

hf_err table_init(struct worker *worker, uint32_t leases_max)
{
    uint32_t count = 8;

    while (count < leases_max) {
        count *= 2;
    }
    worker->buckets = calloc(count, sizeof *worker->buckets);
    worker->buckets_mask = count - 1;
    return worker->buckets == NULL ? HF_ERR_NO_MEMORY : HF_OK;
}

struct lease *lease_find(struct worker *worker, const hf_id *id, uint64_t epoch)
{
    struct lease *lease = worker->buckets[bucket_of(worker, id, epoch)];

    while (lease != NULL && !(lease->epoch == epoch && is_same(&lease->id, id))) {
        lease = lease->chain;
    }
    return lease;
}

void table_put(struct worker *worker, struct lease *lease)
{
    struct lease **bucket =
        &worker->buckets[bucket_of(worker, &lease->id, lease->epoch)];

    lease->chain = *bucket;
    *bucket = lease;
}

void table_remove(struct worker *worker, struct lease *lease)
{
    struct lease **at = &worker->buckets[bucket_of(worker, &lease->id, lease->epoch)];

    while (*at != lease) {
        hf_check(*at != NULL);
        at = &(*at)->chain;
    }
    *at = lease->chain;
}
