#include "controller/core/placement.h"

#include "lib/base/check.h"
#include "lib/base/map.h"

#define SEED UINT64_C(0x706c616365)

size_t placement_of(hf_slice queue, const hf_slice *brokers, size_t count)
{
    size_t best = 0;
    uint64_t most = 0;

    hf_check(count > 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t weight = hf_hash(queue, hf_hash(brokers[i], SEED));

        if (i == 0 || weight > most) {
            best = i;
            most = weight;
        }
    }
    return best;
}
