/* ns per route_lookup with 10 and with 100,000 prefixes. A cold cache is part of the
 * cost of a large table, so queries walk it in a scattered order. */
#include "frontend/core/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKUPS    1000000u
#define TEXT_BYTES 96

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct route_table *build(size_t count)
{
    struct route_entry *entries = calloc(count, sizeof *entries);
    char(*texts)[TEXT_BYTES] = calloc(count, sizeof *texts);
    struct route_table *table = NULL;
    struct route_error error;

    hf_check(entries != NULL);
    hf_check(texts != NULL);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(texts[i], sizeof texts[i],
                       "http://host%zu.example.com:80/api/v%zu/", i / 10, i % 10);
        entries[i] =
            (struct route_entry){hf_slice_of_cstr(texts[i]), (uint32_t)i, false};
    }
    hf_check(route_build(entries, count, (struct route_options){.seed = 1}, &table,
                         &error) == HF_OK);
    free(entries);
    free(texts);
    return table;
}

/* `working_set` hosts are asked for in turn. */
static double measure(const struct route_table *table, size_t count, size_t working_set)
{
    char(*hosts)[TEXT_BYTES] = calloc(working_set, sizeof *hosts);
    uint64_t random = 1;
    uint64_t sum = 0;
    int64_t start;

    hf_check(hosts != NULL);
    for (size_t i = 0; i < working_set; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        (void)snprintf(hosts[i], sizeof hosts[i], "host%zu.example.com",
                       (size_t)(random >> 33) % (count / 10));
    }
    start = now_ns();
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct route_query q = {
            .host = hf_slice_of_cstr(hosts[i % working_set]),
            .port = 80,
            .path = HF_SLICE("/api/v3/orders/1234"),
        };

        sum += route_lookup(table, &q);
    }
    start = now_ns() - start;
    hf_check(sum != 0);
    free(hosts);
    return (double)start / LOOKUPS;
}

int main(void)
{
    struct route_table *small = build(10);
    struct route_table *large = build(100000);

    for (int round = 0; round < 3; round++) {
        for (size_t set = 100; set <= 10000; set *= 100) {
            double few = measure(small, 10, set);
            double many = measure(large, 100000, set);

            printf("route_lookup, %zu hosts in turn: 10 prefixes %.0f ns, "
                   "100000 prefixes %.0f ns, ratio %.2f\n",
                   set, few, many, many / few);
        }
    }
    printf("100000 prefixes take %.1f MiB\n", (double)route_bytes(large) / 1048576.0);
    route_free(small);
    route_free(large);
    return 0;
}
