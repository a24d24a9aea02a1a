/* The worker's machine: its memory, one step, and when the next step is due. */
#include "worker/core/worker.h"

#include "worker/core/state.h"

#include <stdlib.h>
#include <string.h>

struct worker_effect *effect_add(struct step *step, enum worker_effect_type type,
                                 const struct lease *lease)
{
    struct worker_effects *effects = step->effects;

    hf_check(effects->count < WORKER_EFFECTS_MAX);

    struct worker_effect *effect = &effects->items[effects->count++];

    if (lease == NULL) {
        *effect = (struct worker_effect){.type = type};
        return effect;
    }
    *effect = (struct worker_effect){
        .type = type,
        .slot = lease->slot,
        .broker = lease->broker + 1,
        .handle = lease->queue + 1,
        .queue = lease->queue,
        .id = lease->id,
        .epoch = lease->epoch,
    };
    return effect;
}

void effect_violation(struct step *step)
{
    struct worker_effect *effect = effect_add(step, WORKER_OUT_VIOLATION, NULL);

    effect->broker = step->input->broker;
    effect->reason = HF_REASON_PROTOCOL;
}

static struct worker_config config_of(const struct worker_config *wanted)
{
    struct worker_config config = *wanted;

    config.leases_max = config.leases_max == 0 ? 4096 : config.leases_max;
    config.queues_max = config.queues_max == 0 ? WORKER_QUEUES_MAX : config.queues_max;
    config.brokers_max =
        config.brokers_max == 0 ? WORKER_BROKERS_MAX : config.brokers_max;
    config.concurrency = config.concurrency == 0 ? 1 : config.concurrency;
    config.hold_ms = config.hold_ms == 0 ? 60000 : config.hold_ms;
    config.drain_ms = config.drain_ms == 0 ? 90000 : config.drain_ms;
    if (config.concurrency > WORKER_CREDIT_MAX) {
        config.concurrency = WORKER_CREDIT_MAX;
    }
    return config;
}

struct worker *worker_new(const struct worker_config *config)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL) {
        return NULL;
    }
    worker->config = config_of(config);
    hf_check(worker->config.queues_max <= WORKER_QUEUES_MAX);
    hf_check(worker->config.brokers_max <= WORKER_BROKERS_MAX);
    worker->drain_limit = HF_TIME_NEVER;
    for (uint32_t i = 0; i < WORKER_BROKERS_MAX; i++) {
        struct broker *broker = &worker->brokers[i];

        hf_list_init(&broker->held);
        hf_list_init(&broker->stale);
        hf_list_init(&broker->waiting);
        hf_list_init(&broker->declared);
        for (uint32_t j = 0; j < WORKER_QUEUES_MAX; j++) {
            broker->seats[j].reopen = HF_TIME_NEVER;
        }
    }

    uint32_t leases_max = worker->config.leases_max;

    if (hf_pool_init(&worker->pool, sizeof(struct lease), leases_max) != HF_OK ||
        table_init(worker, leases_max) != HF_OK ||
        hf_heap_init(&worker->holds, leases_max) != HF_OK) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    hf_heap_fini(&worker->holds);
    free(worker->buckets);
    hf_pool_fini(&worker->pool);
    free(worker);
}

static void on_queue(struct step *step)
{
    struct worker *worker = step->worker;
    hf_slice name = step->input->u.queue.name;

    hf_check(name.bytes >= 1 && name.bytes <= WORKER_QUEUE_NAME_BYTES);
    hf_check(worker->queues_count < worker->config.queues_max);
    hf_check(step->input->u.queue.broker <= worker->config.brokers_max);

    struct queue *queue = &worker->queues[worker->queues_count++];

    memcpy(queue->name, name.data, name.bytes);
    queue->name_bytes = (uint32_t)name.bytes;
    queue->broker = step->input->u.queue.broker;
    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        session_open(step, i);
    }
}

static void on_link_up(struct step *step)
{
    uint32_t index = step->input->broker - 1;
    struct broker *broker = &step->worker->brokers[index];

    hf_check(!broker->is_up);
    broker->is_up = true;
    broker->is_draining = false;
    broker->is_drained = false;
    session_open(step, index);
}

static void on_ready(struct step *step)
{
    step->worker->is_ready = step->input->u.amount.bytes != 0;
    if (step->worker->is_ready) {
        seat_credit_all(step);
    }
}

/* Leases whose broker stayed away for too long; a few per step. */
static void give_up_held(struct step *step)
{
    struct worker *worker = step->worker;

    for (int i = 0; i < WORKER_SWEEP_LEASES; i++) {
        struct hf_heap_node *node = hf_heap_first(&worker->holds);

        if (node == NULL || !hf_time_reached(node->due, step->input->now)) {
            return;
        }
        lease_drop(step, HF_CONTAINER(node, struct lease, hold), HF_REASON_BROKER_LOST);
    }
}

static void on_link_down(struct step *step)
{
    session_down(step, step->input->broker - 1);
}

static void on_tick(struct step *step)
{
    session_sweep(step);
    give_up_held(step);
}

static const struct {
    void (*fn)(struct step *step);
    bool is_from_broker;
} input_rows[] = {
    [WORKER_IN_QUEUE] = {on_queue, false},
    [WORKER_IN_LINK_UP] = {on_link_up, true},
    [WORKER_IN_LINK_DOWN] = {on_link_down, true},
    [WORKER_IN_OPENED] = {on_opened, true},
    [WORKER_IN_CLOSED] = {on_closed, true},
    [WORKER_IN_READY] = {on_ready, false},
    [WORKER_IN_ASSIGN] = {on_assign, true},
    [WORKER_IN_BODY] = {on_body, true},
    [WORKER_IN_TOOK] = {on_took, false},
    [WORKER_IN_RESPOND] = {on_respond, false},
    [WORKER_IN_RESPOND_BODY] = {on_respond_body, false},
    [WORKER_IN_ABORT] = {on_abort, false},
    [WORKER_IN_FAIL] = {on_fail, false},
    [WORKER_IN_RELEASE] = {on_release, false},
    [WORKER_IN_WINDOW] = {on_window, true},
    [WORKER_IN_RESPOND_ACK] = {on_respond_ack, true},
    [WORKER_IN_DECLARED] = {on_declared, true},
    [WORKER_IN_CANCEL] = {on_cancel, true},
    [WORKER_IN_DRAIN] = {drain_begin, false},
    [WORKER_IN_TICK] = {on_tick, false},
};

void worker_step(struct worker *worker, const struct worker_input *input,
                 struct worker_effects *effects)
{
    struct step *step = &worker->step;

    *step = (struct step){.worker = worker, .input = input, .effects = effects};
    hf_check(input->type <= WORKER_IN_TICK);
    effects->count = 0;
    if (input_rows[input->type].is_from_broker) {
        hf_check(input->broker >= 1 && input->broker <= worker->config.brokers_max);
        if (input->type != WORKER_IN_LINK_UP &&
            !worker->brokers[input->broker - 1].is_up) {
            return; /* a record that was on its way when the link was given up */
        }
    }
    input_rows[input->type].fn(step);
    if (worker->is_draining || worker->is_broker_draining) {
        drain_advance(step);
    }
}

hf_time worker_next_deadline(const struct worker *worker)
{
    if (session_has_work(worker)) {
        return HF_TIME_ZERO;
    }

    hf_time due = hf_heap_next_due(&worker->holds);

    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        for (uint32_t j = 0; worker->brokers[i].is_up && j < worker->queues_count;
             j++) {
            due = hf_time_min(due, worker->brokers[i].seats[j].reopen);
        }
    }
    if (worker->is_draining && !worker->is_drained) {
        due = hf_time_min(due, worker->drain_limit);
    }
    return due;
}

hf_slice worker_queue_name(const struct worker *worker, uint32_t queue)
{
    hf_check(queue < worker->queues_count);
    return hf_slice_of(worker->queues[queue].name, worker->queues[queue].name_bytes);
}

const uint8_t *worker_receipt(const struct worker *worker, uint32_t slot)
{
    const struct lease *lease = hf_pool_at(&worker->pool, slot);

    hf_check(lease != NULL);
    return lease->receipt;
}

uint32_t worker_leases_count(const struct worker *worker)
{
    return worker->pool.count;
}

struct tally {
    uint32_t leases;
    uint32_t running[WORKER_QUEUES_MAX];
};

static void check_list(const struct hf_list *list, bool is_linked, struct tally *tally)
{
    for (const struct hf_list *n = list->next; n != list; n = n->next) {
        const struct lease *lease =
            (const struct lease *)(const void *)((const char *)n -
                                                 offsetof(struct lease, node));

        hf_check(lease->state > LEASE_NONE && lease->state < LEASE_STATES);
        hf_check(lease->is_linked == is_linked);
        hf_check(lease->sent <= lease->produced && lease->sent <= lease->granted);
        hf_check(lease->body_received <= lease->body_granted);
        hf_check(lease->queue < WORKER_QUEUES_MAX);
        tally->leases++;
        tally->running[lease->queue] += lease->state == LEASE_RUNNING ||
                                        lease->state == LEASE_RESPONDING ||
                                        lease->state == LEASE_CANCELLED;
    }
}

static uint32_t table_count(const struct worker *worker)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i <= worker->buckets_mask; i++) {
        for (const struct lease *l = worker->buckets[i]; l != NULL; l = l->chain) {
            hf_check(l->slot == hf_pool_index(&worker->pool, l));
            count++;
        }
    }
    return count;
}

void worker_check(const struct worker *worker)
{
    uint32_t leases = 0;
    uint32_t outstanding = 0;

    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        const struct broker *broker = &worker->brokers[i];
        struct tally tally = {0};

        check_list(&broker->held, true, &tally);
        check_list(&broker->stale, false, &tally);
        check_list(&broker->waiting, false, &tally);
        check_list(&broker->declared, false, &tally);
        for (uint32_t j = 0; j < WORKER_QUEUES_MAX; j++) {
            const struct seat *seat = &broker->seats[j];

            hf_check(seat->running == tally.running[j]);
            hf_check(seat->outstanding == 0 || seat->state == SEAT_OPEN);
            outstanding += seat->outstanding;
        }
        leases += tally.leases;
    }
    hf_check(leases == worker->pool.count && leases == table_count(worker));
    hf_check(outstanding == worker->outstanding);
}
