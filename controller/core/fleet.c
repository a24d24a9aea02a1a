/* Owns the rows of the fleet and what each input does to them. */
#include "controller/core/fleet_state.h"

#include <stdlib.h>
#include <string.h>

#define TO(state) (1u << FLEET_##state)

static const struct {
    const char *name;
    unsigned next;
} states[FLEET_STATES] = {
    [FLEET_FREE] = {"free", TO(WAITING) | TO(RUNNING)},
    [FLEET_WAITING] = {"waiting", TO(LAUNCHING) | TO(RUNNING) | TO(FREE)},
    [FLEET_LAUNCHING] = {"launching", TO(RUNNING) | TO(WAITING) | TO(FREE)},
    [FLEET_RUNNING] = {"running", TO(STOPPING) | TO(WAITING) | TO(FREE)},
    [FLEET_STOPPING] = {"stopping", TO(WAITING) | TO(FREE)},
};

const char *fleet_state_name(enum fleet_state state)
{
    return states[state].name;
}

void fleet_move(struct fleet_worker *worker, enum fleet_state to)
{
    hf_check((states[worker->state].next & (1u << to)) != 0);
    worker->state = to;
}

struct fleet *fleet_new(void)
{
    return calloc(1, sizeof(struct fleet));
}

void fleet_free(struct fleet *fleet)
{
    free(fleet);
}

struct fleet_effect *fleet_emit(struct fleet_step *step, enum fleet_effect_type type,
                                const struct fleet_worker *worker)
{
    struct fleet_effect *effect = NULL;

    hf_check(step->effects->count < FLEET_EFFECTS_MAX);
    effect = &step->effects->items[step->effects->count++];
    memset(effect, 0, sizeof *effect);
    effect->type = type;
    effect->worker = (uint32_t)(worker - step->fleet->workers) + 1;
    effect->index = worker->index;
    memcpy(effect->pool, step->fleet->pools[worker->pool].name, sizeof effect->pool);
    effect->key = worker->key;
    effect->pid = worker->pid;
    return effect;
}

bool fleet_has_room(const struct fleet_step *step)
{
    return step->effects->count + 4 <= FLEET_EFFECTS_MAX;
}

struct fleet_worker *fleet_find_pid(struct fleet *fleet, int64_t pid)
{
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        struct fleet_worker *w = &fleet->workers[i];

        if ((w->state == FLEET_RUNNING || w->state == FLEET_STOPPING) &&
            w->pid == pid) {
            return w;
        }
    }
    return NULL;
}

struct fleet_worker *fleet_find_key(struct fleet *fleet, hf_key key)
{
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        struct fleet_worker *w = &fleet->workers[i];

        if ((w->state == FLEET_RUNNING || w->state == FLEET_STOPPING) &&
            hf_key_equal(w->key, key)) {
            return w;
        }
    }
    return NULL;
}

struct fleet_worker *fleet_find_index(struct fleet *fleet, uint32_t pool,
                                      uint32_t index)
{
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        struct fleet_worker *w = &fleet->workers[i];

        if (w->state != FLEET_FREE && w->pool == pool && w->index == index) {
            return w;
        }
    }
    return NULL;
}

uint32_t fleet_find_pool(const struct fleet *fleet, hf_slice name)
{
    uint32_t i = 0;

    while (i < FLEET_POOLS_MAX &&
           !(fleet->pools[i].is_used &&
             hf_slice_equal(hf_slice_of_cstr(fleet->pools[i].name), name))) {
        i++;
    }
    return i;
}

static struct fleet_worker *free_worker(struct fleet *fleet)
{
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        if (fleet->workers[i].state == FLEET_FREE) {
            memset(&fleet->workers[i], 0, sizeof fleet->workers[i]);
            fleet->workers[i].unwell_since = HF_TIME_NEVER;
            fleet->workers[i].ping_due = HF_TIME_NEVER;
            return &fleet->workers[i];
        }
    }
    return NULL;
}

/* A pool's row; a new one when the name is not known. NULL: too many. */
static struct fleet_pool *take_pool(struct fleet *fleet, hf_slice name)
{
    uint32_t i = fleet_find_pool(fleet, name);

    if (i < FLEET_POOLS_MAX) {
        return &fleet->pools[i];
    }
    for (i = 0; i < FLEET_POOLS_MAX; i++) {
        struct fleet_pool *pool = &fleet->pools[i];

        if (!pool->is_used && name.bytes <= FLEET_NAME_BYTES_MAX) {
            memset(pool, 0, sizeof *pool);
            pool->is_used = true;
            pool->shutdown_limit_ms = FLEET_SHUTDOWN_MS;
            memcpy(pool->name, name.data, name.bytes);
            return pool;
        }
    }
    return NULL;
}

static void begin_config(struct fleet *fleet)
{
    for (size_t i = 0; i < FLEET_POOLS_MAX; i++) {
        fleet->pools[i].is_wanted = false;
    }
}

static void take_config(struct fleet *fleet, const struct fleet_input *input)
{
    struct fleet_pool *pool = take_pool(fleet, input->u.pool.name);

    if (pool == NULL) {
        return;
    }
    pool->is_wanted = true;
    pool->processes = input->u.pool.processes;
    pool->fingerprint = input->u.pool.fingerprint;
    pool->ping_interval_ms = input->u.pool.ping_interval_ms;
    pool->ping_limit_ms = input->u.pool.ping_limit_ms;
    pool->shutdown_limit_ms = input->u.pool.shutdown_limit_ms;
}

/* Rows for all that should run; what should not is stopped when its turn comes. */
static void end_config(struct fleet_step *step)
{
    struct fleet *fleet = step->fleet;

    for (uint32_t i = 0; i < FLEET_POOLS_MAX; i++) {
        const struct fleet_pool *pool = &fleet->pools[i];

        for (uint32_t k = 0; pool->is_wanted && k < pool->processes; k++) {
            struct fleet_worker *w = fleet_find_index(fleet, i, k);

            if (w == NULL && (w = free_worker(fleet)) != NULL) {
                w->pool = i;
                w->index = k;
                w->due = step->now;
                fleet_move(w, FLEET_WAITING);
            }
        }
    }
}

static void begin_adoption(struct fleet *fleet)
{
    fleet->is_adopting = true;
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        fleet->workers[i].is_listed = false;
    }
}

static void adopt(struct fleet_step *step, const struct fleet_input *input)
{
    struct fleet *fleet = step->fleet;
    uint32_t pool = fleet_find_pool(fleet, input->u.adopt.pool);
    struct fleet_worker *w = fleet_find_pid(fleet, input->u.adopt.pid);

    if (w == NULL && pool == FLEET_POOLS_MAX) {
        const struct fleet_pool *fresh = take_pool(fleet, input->u.adopt.pool);

        pool = fresh == NULL ? FLEET_POOLS_MAX : (uint32_t)(fresh - fleet->pools);
    }
    if (w == NULL && pool < FLEET_POOLS_MAX) {
        w = fleet_find_index(fleet, pool, input->u.adopt.index);
        if (w == NULL) {
            w = free_worker(fleet);
        }
        if (w == NULL || w->state == FLEET_RUNNING || w->state == FLEET_STOPPING) {
            return;
        }
        w->pool = pool;
        w->index = input->u.adopt.index;
        w->key = input->u.adopt.key;
        w->pid = input->u.adopt.pid;
        w->since = input->u.adopt.since;
        w->fingerprint = input->u.adopt.fingerprint;
        w->ping_due = step->now;
        w->unwell_since = HF_TIME_NEVER;
        fleet_move(w, FLEET_RUNNING);
    }
    if (w != NULL) {
        w->is_listed = true;
    }
}

static void launched(struct fleet_step *step, const struct fleet_input *input)
{
    uint32_t number = input->u.launched.worker;
    struct fleet_worker *w = NULL;

    if (number == 0 || number > FLEET_WORKERS_MAX) {
        return;
    }
    w = &step->fleet->workers[number - 1];
    if (w->state != FLEET_LAUNCHING) {
        return;
    }
    if (input->type == FLEET_IN_LAUNCH_FAILED) {
        fleet_end(step, w, 0);
        return;
    }
    w->key = input->u.launched.key;
    w->pid = input->u.launched.pid;
    w->since = step->now;
    w->unwell_since = HF_TIME_NEVER;
    w->is_killed = false;
    w->ping_due =
        hf_time_add_ms(step->now, step->fleet->pools[w->pool].ping_interval_ms);
    fleet_move(w, FLEET_RUNNING);
    fleet_emit(step, FLEET_TELL, w)->news = FLEET_NEWS_STARTED;
}

static void exited(struct fleet_step *step, const struct fleet_input *input)
{
    struct fleet_worker *w = fleet_find_pid(step->fleet, input->u.exited.pid);
    struct fleet_effect *effect = NULL;

    if (w == NULL) {
        effect = fleet_emit(step, FLEET_HOLDER_DEAD, &step->fleet->workers[0]);
        effect->key = input->u.exited.key;
        effect->pid = input->u.exited.pid;
        effect->worker = 0;
        return;
    }
    (void)fleet_emit(step, FLEET_HOLDER_DEAD, w);
    effect = fleet_emit(step, FLEET_TELL, w);
    effect->news = w->state == FLEET_STOPPING && !w->is_killed ? FLEET_NEWS_ENDED
                                                               : FLEET_NEWS_DIED;
    effect->ran_ms = input->u.exited.ran_ms;
    effect->signal = input->u.exited.signal;
    effect->status = input->u.exited.status;
    fleet_end(step, w, input->u.exited.ran_ms);
}

static void pong(struct fleet *fleet, const struct fleet_input *input)
{
    struct fleet_worker *w = fleet_find_key(fleet, input->u.pong.key);

    if (w != NULL && input->u.pong.is_well) {
        w->unwell_since = HF_TIME_NEVER;
    }
}

/* Nobody can be asked without a broker: what is not heard then says nothing. */
static void count_brokers(struct fleet *fleet, uint32_t brokers)
{
    fleet->brokers = brokers;
    for (size_t i = 0; brokers == 0 && i < FLEET_WORKERS_MAX; i++) {
        fleet->workers[i].unwell_since = HF_TIME_NEVER;
    }
}

static void retire(struct fleet_step *step, hf_key key)
{
    struct fleet_worker *w = fleet_find_key(step->fleet, key);

    if (w != NULL) {
        w->is_retired = true;
        if (w->state == FLEET_RUNNING && step->fleet->has_spawner) {
            fleet_stop(step, w);
        }
    }
}

static void take(struct fleet_step *step, const struct fleet_input *input)
{
    struct fleet *fleet = step->fleet;

    switch (input->type) {
    case FLEET_IN_CONFIG_BEGIN:
        begin_config(fleet);
        break;
    case FLEET_IN_POOL:
        take_config(fleet, input);
        break;
    case FLEET_IN_CONFIG_END:
        end_config(step);
        break;
    case FLEET_IN_SPAWNER_UP:
        begin_adoption(fleet);
        break;
    case FLEET_IN_ADOPT:
        adopt(step, input);
        break;
    case FLEET_IN_ADOPTED:
        fleet->has_spawner = true; /* the lost ones are found by fleet_run */
        break;
    case FLEET_IN_SPAWNER_DOWN:
        fleet->has_spawner = false;
        fleet->is_adopting = false;
        break;
    case FLEET_IN_LAUNCHED:
    case FLEET_IN_LAUNCH_FAILED:
        launched(step, input);
        break;
    case FLEET_IN_EXITED:
        exited(step, input);
        break;
    case FLEET_IN_PONG:
        pong(fleet, input);
        break;
    case FLEET_IN_BROKERS:
        count_brokers(fleet, input->u.brokers);
        break;
    case FLEET_IN_RETIRE:
        retire(step, input->u.retire);
        break;
    case FLEET_IN_TICK:
        break;
    }
}

static bool is_within(const struct fleet_input *input)
{
    return input->type == FLEET_IN_CONFIG_BEGIN || input->type == FLEET_IN_POOL ||
           input->type == FLEET_IN_SPAWNER_UP || input->type == FLEET_IN_ADOPT;
}

void fleet_step(struct fleet *fleet, const struct fleet_input *input,
                struct fleet_effects *effects)
{
    struct fleet_step step = {fleet, input->now, effects};

    effects->count = 0;
    take(&step, input);
    if (!is_within(input)) {
        fleet_run(&step);
    }
}

bool fleet_view(const struct fleet *fleet, uint32_t worker, struct fleet_view *out)
{
    const struct fleet_worker *w = NULL;

    hf_check(worker >= 1 && worker <= FLEET_WORKERS_MAX);
    w = &fleet->workers[worker - 1];
    if (w->state == FLEET_FREE) {
        return false;
    }
    *out = (struct fleet_view){
        .state = w->state,
        .pool = fleet->pools[w->pool].name,
        .index = w->index,
        .key = w->key,
        .pid = w->state == FLEET_RUNNING || w->state == FLEET_STOPPING ? w->pid : 0,
        .since = w->since,
        .restarts = w->restarts,
    };
    return true;
}

void fleet_check(const struct fleet *fleet)
{
    for (size_t i = 0; i < FLEET_WORKERS_MAX; i++) {
        const struct fleet_worker *w = &fleet->workers[i];

        if (w->state == FLEET_FREE) {
            continue;
        }
        hf_check(w->pool < FLEET_POOLS_MAX);
        hf_check(fleet->pools[w->pool].is_used);
        hf_check(w->state == FLEET_WAITING || w->state == FLEET_LAUNCHING ||
                 w->pid > 0);
        for (size_t k = i + 1; k < FLEET_WORKERS_MAX; k++) {
            hf_check(fleet->workers[k].state == FLEET_FREE ||
                     fleet->workers[k].pool != w->pool ||
                     fleet->workers[k].index != w->index);
        }
    }
}
