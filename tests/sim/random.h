/* The one source of chance of a run: xoshiro256** seeded by splitmix64. */
#ifndef HF_TESTS_SIM_RANDOM_H
#define HF_TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t s[4];
};

void sim_random_init(struct sim_random *random, uint64_t seed);
uint64_t sim_random_next(struct sim_random *random);
/* Uniform in [0, limit); 0 for limit 0. */
uint64_t sim_random_below(struct sim_random *random, uint64_t limit);
/* Uniform in [low, high]. */
int64_t sim_random_between(struct sim_random *random, int64_t low, int64_t high);
/* True in `percent` of 100 cases. */
bool sim_random_chance(struct sim_random *random, uint32_t percent);
/* A well mixed word of two; for fake receipts and keys. */
uint64_t sim_mix(uint64_t a, uint64_t b);

#endif
