/* Owns the orderly end: frontends finish what they hold while everything behind them
 * still runs, then workers, then brokers, then the mint. */
#include "controller/cli/up.h"

#include "lib/io/clock.h"

#include <signal.h>

static const struct {
    const char *what;
    int64_t limit_ms; /* then SIGKILL */
    unsigned roles;   /* bits */
} stages[] = {
    [UP_RUNS] = {"", 0, 0},
    [UP_ENDS_FRONTENDS] = {"frontends finish", 45000, 1u << UP_FRONTEND},
    [UP_ENDS_WORKERS] = {"workers finish", 100000,
                         1u << UP_CONTROLLER | 1u << UP_SPAWNER},
    [UP_ENDS_BROKERS] = {"brokers stop", 20000, 1u << UP_BROKER},
    [UP_ENDS_MINT] = {"mint stops", 5000, 1u << UP_MINT},
};

static bool is_of(enum up_stage stage, enum up_role role)
{
    return (stages[stage].roles & (1u << role)) != 0;
}

bool up_is_kept(const struct up *up, enum up_role role)
{
    for (int stage = UP_ENDS_FRONTENDS; stage <= (int)up->stage; stage++) {
        if (is_of((enum up_stage)stage, role)) {
            return false;
        }
    }
    return true;
}

static void signal_stage(const struct up *up, int signal_number)
{
    for (size_t i = 0; i < up->children_count; i++) {
        if (is_of(up->stage, up->children[i].role)) {
            up_child_signal(&up->children[i], signal_number);
        }
    }
}

static bool is_over(const struct up *up)
{
    for (size_t i = 0; i < up->children_count; i++) {
        if (is_of(up->stage, up->children[i].role) && up->children[i].pid != 0) {
            return false;
        }
    }
    return true;
}

static void enter(struct up *up, enum up_stage stage)
{
    up->stage = stage;
    up->stage_end = hf_time_add_ms(hf_clock_now(), stages[stage].limit_ms);
    up_say("draining: %s", stages[stage].what);
    signal_stage(up, SIGTERM);
}

void up_drain_begin(struct up *up)
{
    if (up->stage == UP_RUNS) {
        enter(up, UP_ENDS_FRONTENDS);
    }
}

/* A second signal: nobody waits any more. The spawner takes its workers along. */
void up_drain_force(struct up *up)
{
    up_say("ending now");
    for (size_t i = 0; i < up->children_count; i++) {
        up_child_signal(&up->children[i],
                        up->children[i].role == UP_SPAWNER ? SIGINT : SIGKILL);
    }
    up->stage = UP_ENDS_MINT;
    up->stage_end = hf_time_add_ms(hf_clock_now(), 5000);
}

void up_drain_run(struct up *up)
{
    size_t left = 0;

    if (up->stage == UP_RUNS) {
        return;
    }
    if (hf_time_reached(up->stage_end, hf_clock_now())) {
        signal_stage(up, SIGKILL);
        up->stage_end = HF_TIME_NEVER;
    }
    if (!is_over(up)) {
        return;
    }
    if (up->stage < UP_ENDS_MINT) {
        enter(up, (enum up_stage)(up->stage + 1));
        return;
    }
    for (size_t i = 0; i < up->children_count; i++) {
        left += up->children[i].pid != 0 ? 1 : 0;
    }
    if (left == 0) {
        hf_loop_stop(up->loop);
    }
}
