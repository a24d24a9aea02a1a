/* What happens between the coming and going of links: queues are opened, leases that
 * survived are declared, credit is given (PROTOCOL.md 3.2 and 3.4). */
#include "worker/core/state.h"

static void open_seat(struct step *step, uint32_t broker, uint32_t queue)
{
    struct seat *seat = &step->worker->brokers[broker].seats[queue];
    struct worker_effect *effect = effect_add(step, WORKER_OUT_OPEN, NULL);

    effect->broker = broker + 1;
    effect->handle = queue + 1;
    effect->queue = queue;
    seat->state = SEAT_OPENING;
    seat->is_credited = false;
    seat->reopen = HF_TIME_NEVER;
}

void session_open(struct step *step, uint32_t broker)
{
    struct worker *worker = step->worker;

    if (!worker->brokers[broker].is_up) {
        return;
    }
    for (uint32_t i = 0; i < worker->queues_count; i++) {
        const struct seat *seat = &worker->brokers[broker].seats[i];
        uint32_t only = worker->queues[i].broker;

        if (seat->state == SEAT_CLOSED && seat->reopen.us == INT64_MAX &&
            (only == 0 || only == broker + 1)) {
            open_seat(step, broker, i);
        }
    }
}

void session_down(struct step *step, uint32_t index)
{
    struct worker *worker = step->worker;
    struct broker *broker = &worker->brokers[index];

    broker->is_up = false;
    for (uint32_t i = 0; i < WORKER_QUEUES_MAX; i++) {
        struct seat *seat = &broker->seats[i];

        worker->outstanding -= seat->outstanding;
        seat->outstanding = 0;
        seat->state = SEAT_CLOSED;
        seat->is_credited = false;
        seat->reopen = HF_TIME_NEVER;
        seat->reopen_ms = 0;
    }
    /* Which of them are lost is decided lease by lease in session_sweep; here only the
     * mark changes, so that a step stays short however many there are. */
    HF_LIST_FOR(node, &broker->held)
    {
        HF_CONTAINER(node, struct lease, node)->is_linked = false;
        hf_list_remove(node);
        hf_list_push_back(&broker->stale, node);
    }
    HF_LIST_FOR(node, &broker->declared)
    {
        hf_list_remove(node);
        hf_list_push_back(&broker->stale, node);
    }
}

static void judge_stale(struct step *step, struct broker *broker, struct lease *lease)
{
    hf_list_remove(&lease->node);
    hf_list_push_back(&broker->waiting, &lease->node);
    lease->is_declared = false;
    if (!lease_is_kept(lease)) {
        lease_drop(step, lease, HF_REASON_BROKER_LOST);
        return;
    }
    if (lease->hold.index == 0) {
        hf_heap_set(&step->worker->holds, &lease->hold,
                    hf_time_add_ms(step->input->now, step->worker->config.hold_ms));
    }
}

static bool is_opening(const struct broker *broker)
{
    for (uint32_t i = 0; i < WORKER_QUEUES_MAX; i++) {
        if (broker->seats[i].state == SEAT_OPENING) {
            return true;
        }
    }
    return false;
}

/* True when something of the queue at this broker still has to be declared. */
static bool is_declarable(const struct broker *broker, const struct lease *lease)
{
    const struct seat *seat = &broker->seats[lease->queue];

    return seat->state == SEAT_OPEN && !seat->is_credited &&
           lease->state != LEASE_CANCELLED;
}

/* Declares up to WORKER_SWEEP_LEASES leases; true when none is left to declare. */
static bool declare_some(struct step *step, struct broker *broker)
{
    int budget = WORKER_SWEEP_LEASES;

    HF_LIST_FOR(node, &broker->waiting)
    {
        struct lease *lease = HF_CONTAINER(node, struct lease, node);

        if (!is_declarable(broker, lease)) {
            continue;
        }
        if (budget-- == 0) {
            return false;
        }
        effect_add(step, WORKER_OUT_DECLARE, lease)->result =
            lease->state == LEASE_ANSWERED;
        lease->is_declared = true;
        hf_heap_remove(&step->worker->holds, &lease->hold);
        hf_list_remove(node);
        hf_list_push_back(&broker->declared, node);
    }
    return true;
}

void session_advance(struct step *step, uint32_t index)
{
    struct broker *broker = &step->worker->brokers[index];
    int budget = WORKER_SWEEP_LEASES;

    while (!hf_list_is_empty(&broker->stale)) {
        if (budget-- == 0) {
            return;
        }
        judge_stale(step, broker, HF_CONTAINER(broker->stale.next, struct lease, node));
    }
    /* Every declaration precedes any credit (PROTOCOL.md 3.4), so all queues asked for
     * must have their answer first. */
    if (!broker->is_up || is_opening(broker) || !declare_some(step, broker)) {
        return;
    }
    for (uint32_t i = 0; i < step->worker->queues_count; i++) {
        struct seat *seat = &broker->seats[i];

        if (seat->state == SEAT_OPEN && !seat->is_credited) {
            seat->is_credited = true;
            seat_credit(step, index, i);
        }
    }
}

static bool has_uncredited(const struct broker *broker)
{
    for (uint32_t i = 0; i < WORKER_QUEUES_MAX; i++) {
        if (broker->seats[i].state == SEAT_OPEN && !broker->seats[i].is_credited) {
            return true;
        }
    }
    return false;
}

static bool broker_has_work(const struct broker *broker)
{
    return !hf_list_is_empty(&broker->stale) ||
           (broker->is_up && has_uncredited(broker) && !is_opening(broker));
}

bool session_has_work(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        if (broker_has_work(&worker->brokers[i])) {
            return true;
        }
    }
    return false;
}

static void reopen_due(struct step *step, uint32_t broker)
{
    for (uint32_t i = 0; i < step->worker->queues_count; i++) {
        struct seat *seat = &step->worker->brokers[broker].seats[i];

        if (hf_time_reached(seat->reopen, step->input->now)) {
            open_seat(step, broker, i);
        }
    }
}

void session_sweep(struct step *step)
{
    struct worker *worker = step->worker;

    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        if (worker->brokers[i].is_up) {
            reopen_due(step, i);
        }
    }
    /* One broker a step keeps the effects bounded; the rest is due now. */
    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        if (broker_has_work(&worker->brokers[i])) {
            session_advance(step, i);
            return;
        }
    }
}

static bool is_taking(const struct worker *worker, const struct broker *broker)
{
    return worker->is_ready && !worker->is_draining && !broker->is_draining;
}

void seat_credit(struct step *step, uint32_t index, uint32_t queue)
{
    struct worker *worker = step->worker;
    struct broker *broker = &worker->brokers[index];
    struct seat *seat = &broker->seats[queue];
    uint32_t used = seat->outstanding + seat->running;

    if (!seat->is_credited || !is_taking(worker, broker) ||
        used >= worker->config.concurrency) {
        return;
    }

    uint32_t amount = worker->config.concurrency - used;
    uint32_t taken = worker->pool.count + worker->outstanding;
    uint32_t room =
        taken < worker->config.leases_max ? worker->config.leases_max - taken : 0;

    if (amount > room) {
        worker->is_short = true;
        amount = room;
    }
    if (amount == 0) {
        return;
    }

    struct worker_effect *effect = effect_add(step, WORKER_OUT_CREDIT, NULL);

    effect->broker = index + 1;
    effect->handle = queue + 1;
    effect->queue = queue;
    effect->amount = amount;
    seat->outstanding += amount;
    worker->outstanding += amount;
}

void seat_credit_all(struct step *step)
{
    struct worker *worker = step->worker;

    worker->is_short = false;
    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        for (uint32_t j = 0; j < worker->queues_count; j++) {
            seat_credit(step, i, j);
        }
    }
}
