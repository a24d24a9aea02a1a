/* Cost of the broker core alone: ns per request from SUBMIT to RESPONSE_ACK at several
 * backlogs, and the restart with a million stored requests. Prints one line per number.
 */
#include "broker/core/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CYCLES    400000u
#define RECOVERED 1000000u

static struct broker_effects effects;
static struct broker_batch batch;
static struct broker *broker;
static hf_time now;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long resident_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");

    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return kib;
}

static hf_id id_of(uint64_t n)
{
    hf_id id = {{0}};

    id.bytes[6] = 0x70;
    memcpy(id.bytes + 8, &n, sizeof n);
    return id;
}

static void step(struct broker_input in)
{
    in.now = now;
    broker_step(broker, &in, &effects);
}

static void policy(void)
{
    step((struct broker_input){.type = BROKER_IN_POLICY_BEGIN});
    step((struct broker_input){.type = BROKER_IN_POLICY_QUEUE,
                               .u.policy = {.name = HF_SLICE("q"),
                                            .durability = BROKER_LAZY,
                                            .length_max = 2000000,
                                            .bytes_max = 1ull << 40,
                                            .wait_limit_ms = 120000,
                                            .lazy_commit_ms = 10,
                                            .attempts_max = 5}});
    step((struct broker_input){.type = BROKER_IN_POLICY_END});
}

static void begin(void)
{
    const struct broker_config config = {
        .requests_max = 2000000,
        .in_flight_max = 100000,
        .queues_max = 10000,
        .sessions_max = 4096,
        .handles_max = 65536,
        .principals_max = 16384,
        .kept_bytes_max = 1u << 30,
        .kept_each_bytes_max = 1u << 28,
        .lease_ms = 30000,
        .lease_grace_ms = 5000,
        .broker_grace_ms = 30000,
        .drop_delay_ms = 50,
        .incarnation = 1,
        .seed = 1,
    };

    now = hf_time_of_ms(1800000000000);
    broker = broker_new(&config);
    hf_check(broker != NULL);
    policy();
}

static void sessions(void)
{
    for (uint32_t s = 1; s <= 2; s++) {
        hf_key key;

        memset(key.bytes, (int)s, sizeof key.bytes);
        step((struct broker_input){
            .type = BROKER_IN_SESSION_UP, .session = s, .u.holder.key = key});
        step((struct broker_input){
            .type = BROKER_IN_OPEN,
            .session = s,
            .handle = 1,
            .u.open = {HF_SLICE("q"),
                       s == 1 ? BROKER_RIGHT_ENQUEUE
                              : BROKER_RIGHT_RECEIVE | BROKER_RIGHT_RESPOND}});
    }
}

static void submit(uint64_t n)
{
    step((struct broker_input){.type = BROKER_IN_SUBMIT,
                               .session = 1,
                               .handle = 1,
                               .id = id_of(n),
                               .u.submit = {.flags = BROKER_SUBMIT_REPEATABLE,
                                            .deadline = hf_time_add_ms(now, 600000),
                                            .head_bytes = 200}});
}

static void write_batches(void)
{
    while (broker_take_batch(broker, now, &batch)) {
        step((struct broker_input){.type = BROKER_IN_COMMITTED,
                                   .u.commit.index = batch.index});
        while (hf_time_reached(broker_next_deadline(broker), now)) {
            step((struct broker_input){.type = BROKER_IN_TICK});
        }
    }
}

/* One request in, the oldest one assigned, answered and acknowledged. */
static void cycle(uint64_t n)
{
    now.us += 2;
    submit(n);
    step((struct broker_input){
        .type = BROKER_IN_CREDIT, .session = 2, .handle = 1, .u.credit.requests = 1});
    hf_check(effects.count == 1 && effects.items[0].type == BROKER_OUT_ASSIGN);
    hf_id id = effects.items[0].id;
    uint64_t epoch = effects.items[0].epoch;

    step((struct broker_input){
        .type = BROKER_IN_RESULT, .session = 2, .id = id, .epoch = epoch});
    step((struct broker_input){
        .type = BROKER_IN_RESPONSE_ACK, .session = 1, .id = id, .epoch = epoch});
}

static void bench_cycle(uint64_t backlog)
{
    uint64_t n = 0;

    begin();
    sessions();
    for (; n < backlog; n++) {
        submit(n);
    }
    double start = seconds();

    for (uint64_t end = n + CYCLES; n < end; n++) {
        cycle(n);
    }
    printf("core cycle, backlog %8llu: %5.0f ns\n", (unsigned long long)backlog,
           (seconds() - start) * 1e9 / CYCLES);
    broker_free(broker);
}

static void recover(uint64_t n)
{
    static const hf_key owner = {{1}};

    step((struct broker_input){
        .type = BROKER_IN_RECOVERED,
        .id = id_of(n),
        .u.recovered = {.seq = n + 1,
                        .queue = HF_SLICE("q"),
                        .owner = owner,
                        .flags = BROKER_SUBMIT_REPEATABLE,
                        .head_bytes = 200,
                        .enqueued = now,
                        .deadline = hf_time_add_ms(now, 600000)}});
}

static void bench_recover(void)
{
    long before = 0;
    double start = 0;

    begin();
    before = resident_kib();
    start = seconds();
    for (uint64_t n = 0; n < RECOVERED; n++) {
        recover(n);
    }
    step((struct broker_input){.type = BROKER_IN_RECOVERED_END});
    printf("core recovered %u: %.0f ms, %.0f bytes each\n", RECOVERED,
           (seconds() - start) * 1e3,
           (double)(resident_kib() - before) * 1024 / RECOVERED);
    sessions();
    now = hf_time_add_ms(now, 30001);
    start = seconds();
    do {
        step((struct broker_input){.type = BROKER_IN_TICK});
        now.us += 1;
        if (!hf_time_reached(broker_next_deadline(broker), now)) {
            now = broker_next_deadline(broker);
        }
        write_batches();
    } while (broker_slot_of(broker, id_of(RECOVERED - 1)) != 0);
    printf("core drops %u unclaimed after broker_grace: %.0f ms\n", RECOVERED,
           (seconds() - start) * 1e3);
    broker_free(broker);
}

int main(void)
{
    begin();
    printf("core with requests_max 2,000,000, empty: %ld KiB resident\n",
           resident_kib());
    broker_free(broker);
    bench_cycle(0);
    bench_cycle(1000);
    bench_cycle(100000);
    bench_cycle(1000000);
    bench_recover();
    return 0;
}
