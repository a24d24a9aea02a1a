#include "tests/scenario/controller_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void write_line(struct ctl *c, const struct fleet_effect *e)
{
    static const char *const news[] = {"started", "died", "ended", "unwell"};
    char line[160] = "";

    switch (e->type) {
    case FLEET_LAUNCH:
        (void)snprintf(line, sizeof line, "launch %s/%u as %u\n", e->pool, e->index,
                       e->worker);
        break;
    case FLEET_SIGNAL:
        (void)snprintf(line, sizeof line, "%s %s/%u pid %d\n",
                       e->is_kill ? "kill" : "term", e->pool, e->index, (int)e->pid);
        break;
    case FLEET_PING:
        (void)snprintf(line, sizeof line, "ping %d\n", e->key.bytes[0]);
        break;
    case FLEET_HOLDER_DEAD:
        (void)snprintf(line, sizeof line, "dead %d\n", e->key.bytes[0]);
        break;
    case FLEET_TELL:
        (void)snprintf(line, sizeof line, "tell %s/%u %s\n", e->pool, e->index,
                       news[e->news]);
        break;
    }
    assert_true(c->trace_bytes + strlen(line) < TRACE_BYTES);
    memcpy(c->trace + c->trace_bytes, line, strlen(line) + 1);
    c->trace_bytes += strlen(line);
}

static void step(struct ctl *c, struct fleet_input *input)
{
    struct fleet_effects effects;

    input->now = hf_time_of_ms(c->now_ms);
    fleet_step(c->fleet, input, &effects);
    fleet_check(c->fleet);
    for (size_t i = 0; i < effects.count; i++) {
        write_line(c, &effects.items[i]);
    }
}

static void simple(struct ctl *c, enum fleet_input_type type)
{
    struct fleet_input input = {.type = type};

    step(c, &input);
}

static hf_key key_of(int64_t pid)
{
    hf_key key = {{0}};

    key.bytes[0] = (uint8_t)pid;
    return key;
}

void ctl_setup(struct ctl *c)
{
    memset(c, 0, sizeof *c);
    c->fleet = fleet_new();
    assert_non_null(c->fleet);
    c->now_ms = 1000000;
}

void ctl_finish(struct ctl *c)
{
    ctl_expect(c, "");
    fleet_free(c->fleet);
}

void ctl_expect(struct ctl *c, const char *trace)
{
    assert_string_equal(c->trace, trace);
    c->trace[0] = '\0';
    c->trace_bytes = 0;
}

void ctl_pool(struct ctl *c, const char *name, uint32_t processes, uint64_t print)
{
    struct fleet_input input = {.type = FLEET_IN_POOL};

    simple(c, FLEET_IN_CONFIG_BEGIN);
    input.u.pool.name = hf_slice_of_cstr(name);
    input.u.pool.processes = processes;
    input.u.pool.fingerprint = print;
    input.u.pool.ping_interval_ms = 30000;
    input.u.pool.ping_limit_ms = 90000;
    input.u.pool.shutdown_limit_ms = 20000;
    step(c, &input);
    simple(c, FLEET_IN_CONFIG_END);
}

void ctl_no_pools(struct ctl *c)
{
    simple(c, FLEET_IN_CONFIG_BEGIN);
    simple(c, FLEET_IN_CONFIG_END);
}

void ctl_spawner(struct ctl *c)
{
    simple(c, FLEET_IN_SPAWNER_UP);
    simple(c, FLEET_IN_ADOPTED);
}

void ctl_spawner_down(struct ctl *c)
{
    simple(c, FLEET_IN_SPAWNER_DOWN);
}

void ctl_spawner_with(struct ctl *c, uint32_t index, int64_t pid, uint64_t print)
{
    struct fleet_input input = {.type = FLEET_IN_ADOPT};

    simple(c, FLEET_IN_SPAWNER_UP);
    input.u.adopt.pool = HF_SLICE("web");
    input.u.adopt.index = index;
    input.u.adopt.key = key_of(pid);
    input.u.adopt.pid = pid;
    input.u.adopt.since = hf_time_of_ms(c->now_ms - 5000);
    input.u.adopt.fingerprint = print;
    step(c, &input);
    simple(c, FLEET_IN_ADOPTED);
}

void ctl_launched(struct ctl *c, uint32_t worker, int64_t pid)
{
    struct fleet_input input = {.type = FLEET_IN_LAUNCHED};

    input.u.launched.worker = worker;
    input.u.launched.key = key_of(pid);
    input.u.launched.pid = pid;
    step(c, &input);
}

void ctl_failed(struct ctl *c, uint32_t worker)
{
    struct fleet_input input = {.type = FLEET_IN_LAUNCH_FAILED};

    input.u.launched.worker = worker;
    step(c, &input);
}

void ctl_exited(struct ctl *c, int64_t pid, int64_t ran_ms, int signal)
{
    struct fleet_input input = {.type = FLEET_IN_EXITED};

    input.u.exited.pid = pid;
    input.u.exited.key = key_of(pid);
    input.u.exited.ran_ms = ran_ms;
    input.u.exited.signal = signal;
    step(c, &input);
}

void ctl_brokers(struct ctl *c, uint32_t count)
{
    struct fleet_input input = {.type = FLEET_IN_BROKERS};

    input.u.brokers = count;
    step(c, &input);
}

void ctl_pong(struct ctl *c, int64_t pid, bool is_well)
{
    struct fleet_input input = {.type = FLEET_IN_PONG};

    input.u.pong.key = key_of(pid);
    input.u.pong.is_well = is_well;
    step(c, &input);
}

void ctl_retire(struct ctl *c, int64_t pid)
{
    struct fleet_input input = {.type = FLEET_IN_RETIRE};

    input.u.retire = key_of(pid);
    step(c, &input);
}

void ctl_wait(struct ctl *c, int64_t ms)
{
    int64_t end_ms = c->now_ms + ms;

    for (int steps = 0; steps < 10000; steps++) {
        hf_time due = fleet_next_deadline(c->fleet);

        if (!hf_time_reached(due, hf_time_of_ms(end_ms))) {
            c->now_ms = end_ms;
            return;
        }
        if (hf_time_ms(due) > c->now_ms) {
            c->now_ms = hf_time_ms(due);
        }
        simple(c, FLEET_IN_TICK);
    }
    fail_msg("the fleet never comes to rest");
}
