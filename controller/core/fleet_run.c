/* Owns what time does to the fleet: launches, stops, kills, pings, lost processes. */
#include "controller/core/fleet_state.h"

bool fleet_is_wanted(const struct fleet *fleet, const struct fleet_worker *worker)
{
    const struct fleet_pool *pool = &fleet->pools[worker->pool];

    return pool->is_wanted && worker->index < pool->processes;
}

void fleet_end(struct fleet_step *step, struct fleet_worker *worker, int64_t ran_ms)
{
    bool was_planned = worker->state == FLEET_STOPPING && !worker->is_killed;

    if (!fleet_is_wanted(step->fleet, worker)) {
        fleet_move(worker, FLEET_FREE);
        return;
    }
    worker->restarts++;
    worker->is_killed = false;
    worker->unwell_since = HF_TIME_NEVER;
    worker->ping_due = HF_TIME_NEVER;
    if (ran_ms >= FLEET_STEADY_MS || was_planned) {
        worker->backoff_ms = 0;
        worker->due = step->now;
    } else {
        worker->backoff_ms =
            worker->backoff_ms == 0 ? FLEET_BACKOFF_MS : worker->backoff_ms * 2;
        if (worker->backoff_ms > FLEET_BACKOFF_MS_MAX) {
            worker->backoff_ms = FLEET_BACKOFF_MS_MAX;
        }
        worker->due = hf_time_add_ms(step->now, worker->backoff_ms);
    }
    if (worker->is_retired) {
        worker->is_retired = false;
        worker->due = hf_time_add_ms(step->now, FLEET_RETIRE_WAIT_MS);
    }
    fleet_move(worker, FLEET_WAITING);
}

void fleet_stop(struct fleet_step *step, struct fleet_worker *worker)
{
    worker->due =
        hf_time_add_ms(step->now, step->fleet->pools[worker->pool].shutdown_limit_ms);
    fleet_move(worker, FLEET_STOPPING);
    (void)fleet_emit(step, FLEET_SIGNAL, worker);
}

static void kill_worker(struct fleet_step *step, struct fleet_worker *worker)
{
    worker->is_killed = true;
    worker->due = HF_TIME_NEVER;
    fleet_emit(step, FLEET_SIGNAL, worker)->is_kill = true;
}

/* At most half of a pool leaves at once for a change of its settings. */
static bool may_change(const struct fleet *fleet, const struct fleet_worker *worker)
{
    uint32_t away = 0;
    uint32_t processes = fleet->pools[worker->pool].processes;

    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        const struct fleet_worker *w = &fleet->workers[i];

        if (w->state != FLEET_FREE && w->state != FLEET_RUNNING &&
            w->pool == worker->pool && fleet_is_wanted(fleet, w)) {
            away++;
        }
    }
    return away < (processes + 1) / 2;
}

static void ping(struct fleet_step *step, struct fleet_worker *w)
{
    const struct fleet_pool *pool = &step->fleet->pools[w->pool];

    if (w->unwell_since.us != HF_TIME_NEVER.us &&
        hf_time_reached(hf_time_add_ms(w->unwell_since, pool->ping_limit_ms),
                        step->now)) {
        fleet_emit(step, FLEET_TELL, w)->news = FLEET_NEWS_UNWELL;
        w->due = HF_TIME_NEVER;
        fleet_move(w, FLEET_STOPPING);
        kill_worker(step, w);
        return;
    }
    if (step->fleet->brokers > 0 && hf_time_reached(w->ping_due, step->now)) {
        w->ping_due = hf_time_add_ms(step->now, pool->ping_interval_ms);
        if (w->unwell_since.us == HF_TIME_NEVER.us) {
            w->unwell_since = step->now; /* until the answer comes */
        }
        (void)fleet_emit(step, FLEET_PING, w);
    }
}

static void run_running(struct fleet_step *step, struct fleet_worker *w)
{
    const struct fleet *fleet = step->fleet;

    if (!fleet_is_wanted(fleet, w)) {
        fleet_stop(step, w);
    } else if (w->fingerprint != fleet->pools[w->pool].fingerprint &&
               may_change(fleet, w)) {
        fleet_stop(step, w);
    } else {
        ping(step, w);
    }
}

static void launch(struct fleet_step *step, struct fleet_worker *w)
{
    w->fingerprint = step->fleet->pools[w->pool].fingerprint;
    w->due = hf_time_add_ms(step->now, FLEET_LAUNCH_MS);
    fleet_move(w, FLEET_LAUNCHING);
    (void)fleet_emit(step, FLEET_LAUNCH, w);
}

/* The spawner's list did not have it: it died while we could not know. */
static void lose(struct fleet_step *step, struct fleet_worker *w)
{
    struct fleet_effect *effect = NULL;
    int64_t ran_ms = hf_time_diff_ms(w->since, step->now);

    (void)fleet_emit(step, FLEET_HOLDER_DEAD, w);
    effect = fleet_emit(step, FLEET_TELL, w);
    effect->news = FLEET_NEWS_DIED;
    effect->ran_ms = ran_ms;
    fleet_end(step, w, ran_ms);
}

static void run_worker(struct fleet_step *step, struct fleet_worker *w)
{
    bool is_process = w->state == FLEET_RUNNING || w->state == FLEET_STOPPING;

    if (step->fleet->is_adopting && !w->is_listed) {
        if (is_process) {
            lose(step, w);
        } else if (w->state == FLEET_LAUNCHING) {
            fleet_end(step, w, 0);
        }
    }
    switch (w->state) {
    case FLEET_WAITING:
        if (!fleet_is_wanted(step->fleet, w)) {
            fleet_move(w, FLEET_FREE);
        } else if (hf_time_reached(w->due, step->now)) {
            launch(step, w);
        }
        break;
    case FLEET_LAUNCHING:
        if (hf_time_reached(w->due, step->now)) {
            fleet_end(step, w, 0);
        }
        break;
    case FLEET_RUNNING:
        run_running(step, w);
        break;
    case FLEET_STOPPING:
        if (hf_time_reached(w->due, step->now)) {
            kill_worker(step, w);
        }
        break;
    case FLEET_FREE:
    case FLEET_STATES:
        break;
    }
}

void fleet_run(struct fleet_step *step)
{
    struct fleet *fleet = step->fleet;

    if (!fleet->has_spawner) {
        return;
    }
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        if (fleet->workers[i].state != FLEET_FREE && !fleet_has_room(step)) {
            return;
        }
        run_worker(step, &fleet->workers[i]);
        fleet->workers[i].is_listed = true; /* judged once for each adoption */
    }
    fleet->is_adopting = false;
}

static hf_time due_of(const struct fleet *fleet, const struct fleet_worker *w)
{
    hf_time due = HF_TIME_NEVER;

    switch (w->state) {
    case FLEET_FREE:
    case FLEET_STATES:
        return HF_TIME_NEVER;
    case FLEET_WAITING:
        return fleet_is_wanted(fleet, w) ? w->due : HF_TIME_ZERO;
    case FLEET_LAUNCHING:
    case FLEET_STOPPING:
        return w->due;
    case FLEET_RUNNING:
        if (!fleet_is_wanted(fleet, w) ||
            (w->fingerprint != fleet->pools[w->pool].fingerprint &&
             may_change(fleet, w))) {
            return HF_TIME_ZERO;
        }
        if (fleet->brokers > 0) {
            due = w->ping_due;
        }
        if (w->unwell_since.us != HF_TIME_NEVER.us) {
            due = hf_time_min(due, hf_time_add_ms(w->unwell_since,
                                                  fleet->pools[w->pool].ping_limit_ms));
        }
        return due;
    }
    return HF_TIME_NEVER;
}

hf_time fleet_next_deadline(const struct fleet *fleet)
{
    hf_time due = HF_TIME_NEVER;

    if (!fleet->has_spawner) {
        return HF_TIME_NEVER;
    }
    if (fleet->is_adopting) {
        return HF_TIME_ZERO;
    }
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        due = hf_time_min(due, due_of(fleet, &fleet->workers[i]));
    }
    return due;
}
