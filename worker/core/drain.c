/* Leaving in order: no more credit, finish, be acknowledged, say GOODBYE (row 81). */
#include "worker/core/state.h"

static void void_credit(struct worker *worker, struct broker *broker)
{
    for (uint32_t i = 0; i < WORKER_QUEUES_MAX; i++) {
        worker->outstanding -= broker->seats[i].outstanding;
        broker->seats[i].outstanding = 0;
    }
}

void drain_begin(struct step *step)
{
    struct worker *worker = step->worker;

    hf_check(step->input->broker <= worker->config.brokers_max);
    if (step->input->broker != 0) {
        struct broker *broker = &worker->brokers[step->input->broker - 1];

        broker->is_draining = true;
        worker->is_broker_draining = true;
        void_credit(worker, broker);
        return;
    }
    if (worker->is_draining) {
        return;
    }
    worker->is_draining = true;
    worker->drain_limit = hf_time_add_ms(step->input->now, worker->config.drain_ms);
    for (uint32_t i = 0; i < worker->config.brokers_max; i++) {
        void_credit(worker, &worker->brokers[i]);
        if (worker->brokers[i].is_up) {
            effect_add(step, WORKER_OUT_SEND_DRAIN, NULL)->broker = i + 1;
        }
    }
}

static bool holds_nothing(const struct broker *broker)
{
    return hf_list_is_empty(&broker->held) && hf_list_is_empty(&broker->stale) &&
           hf_list_is_empty(&broker->waiting) && hf_list_is_empty(&broker->declared);
}

/* Brokers that go away for themselves: their own GOODBYE. */
static void drain_brokers(struct step *step)
{
    step->worker->is_broker_draining = false;
    for (uint32_t i = 0; i < step->worker->config.brokers_max; i++) {
        struct broker *broker = &step->worker->brokers[i];

        if (!broker->is_draining || broker->is_drained || !broker->is_up) {
            continue;
        }
        if (!holds_nothing(broker)) {
            step->worker->is_broker_draining = true;
            continue;
        }
        broker->is_drained = true;
        effect_add(step, WORKER_OUT_DRAINED, NULL)->broker = i + 1;
    }
}

void drain_advance(struct step *step)
{
    struct worker *worker = step->worker;

    if (!worker->is_draining) {
        if (worker->is_broker_draining) {
            drain_brokers(step);
        }
        return;
    }
    if (worker->is_drained ||
        (worker->pool.count > 0 &&
         !hf_time_reached(worker->drain_limit, step->input->now))) {
        return;
    }
    worker->is_drained = true;
    (void)effect_add(step, WORKER_OUT_DRAINED, NULL);
}
