#include "tests/sim/world.h"

struct sim_fact *sim_fact_at(struct sim *sim, uint32_t serial)
{
    hf_check(serial >= 1 && serial <= sim->facts.count);
    return &sim->facts.facts[serial];
}

uint32_t sim_serial_of(hf_id id)
{
    return (uint32_t)id.bytes[14] << 8 | id.bytes[15];
}

struct sim_fact *sim_fact_of(struct sim *sim, hf_id id)
{
    return sim_fact_at(sim, sim_serial_of(id));
}

struct sim_fact *sim_fact_new(struct sim *sim, hf_id *id)
{
    uint64_t ms = (uint64_t)(sim->now.us / 1000);
    uint64_t noise = sim_random_next(&sim->random);
    uint32_t serial = 0;

    if (sim->facts.count + 1 >= SIM_FACTS_MAX) {
        return NULL;
    }
    serial = ++sim->facts.count;
    for (size_t i = 0; i < 6; i++) {
        id->bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    for (size_t i = 6; i < 14; i++) {
        id->bytes[i] = (uint8_t)(noise >> (8 * (i - 6)));
    }
    id->bytes[6] = (uint8_t)(0x70 | (id->bytes[6] & 0x0f));
    id->bytes[14] = (uint8_t)(serial >> 8);
    id->bytes[15] = (uint8_t)serial;
    sim->facts.ids[serial] = *id;
    sim->facts.facts[serial] = (struct sim_fact){
        .deadline = HF_TIME_NEVER, .came = sim->now, .losses = sim->facts.losses};
    sim->totals.requests++;
    return &sim->facts.facts[serial];
}

void sim_fact_offered(struct sim *sim, const struct sim_record *record, uint32_t broker,
                      uint32_t session)
{
    struct sim_fact *fact = sim_fact_of(sim, record->id);
    bool is_streamed = (record->flags & SIM_STREAMED) != 0;
    bool is_strict =
        sim->brokers[broker].policy.queues[fact->queue].durability == BROKER_STRICT;

    /* A policy may have changed between two offers. */
    fact->is_strict = is_strict && (fact->offers == 0 || fact->is_strict);
    fact->offers++;
    fact->broker = broker;
    fact->has_streamed_body |= is_streamed;
    fact->claim_session = session;
    fact->claim_conn =
        sim->net.conns[sim->brokers[broker].sessions[session].conn].instance;
}

bool sim_fact_is_claimed(struct sim *sim, hf_id id, uint32_t broker)
{
    const struct sim_fact *fact = sim_fact_of(sim, id);
    const struct sim_session *session =
        &sim->brokers[broker].sessions[fact->claim_session];

    return fact->claim_session != 0 && session->is_up &&
           sim->net.conns[session->conn].instance == fact->claim_conn;
}

void sim_fact_assigned(struct sim *sim, hf_id id, uint64_t epoch, hf_key holder)
{
    struct sim_fact *fact = sim_fact_of(sim, id);
    uint32_t count = fact->assignments_count;

    for (uint32_t i = 0; i < count && i < SIM_ASSIGNMENTS_MAX; i++) {
        if (fact->assignments[i].epoch >= epoch) {
            sim_violated(sim, "epochs do not rise", sim_serial_of(id));
        }
    }
    fact->assignments[count % SIM_ASSIGNMENTS_MAX] =
        (struct sim_assignment){.epoch = epoch, .holder = holder};
    fact->assignments_count++;
}

bool sim_fact_was_assigned(struct sim *sim, hf_id id, uint64_t epoch, hf_key holder)
{
    const struct sim_fact *fact = sim_fact_of(sim, id);

    for (uint32_t i = 0; i < fact->assignments_count && i < SIM_ASSIGNMENTS_MAX; i++) {
        if (fact->assignments[i].epoch == epoch &&
            hf_key_equal(fact->assignments[i].holder, holder)) {
            return true;
        }
    }
    return false;
}

uint32_t sim_fact_started(struct sim *sim, hf_id id, uint64_t epoch)
{
    struct sim_facts *facts = &sim->facts;
    struct sim_fact *fact = sim_fact_of(sim, id);
    uint32_t serial = sim_serial_of(id);

    if (fact->is_unrepeatable && fact->starts > 0) {
        sim_violated(sim, "an unrepeatable request is started twice", serial);
    }
    if (fact->starts > 0 && fact->failed == 0 && fact->losses == facts->losses) {
        sim_violated(sim, "a request is started twice although nothing was lost",
                     serial);
    }
    fact->starts++;
    hf_check(facts->executions_count + 1 < SIM_EXECUTIONS_MAX);
    facts->executions[++facts->executions_count] =
        (struct sim_execution){.serial = serial, .epoch = epoch};
    return facts->executions_count;
}

void sim_fact_outcome(struct sim *sim, hf_id id, hf_reason reason, uint32_t broker)
{
    struct sim_fact *fact = sim_fact_of(sim, id);
    uint32_t serial = sim_serial_of(id);

    fact->outcomes++;
    fact->outcome = reason;
    if (reason != HF_REASON_NONE) {
        return;
    }
    if (fact->is_async && fact->finished == 0) {
        sim_violated(sim, "an asynchronous request ends as answered without an answer",
                     serial);
    }
    if (!fact->is_async &&
        (fact->acknowledged == 0 ||
         fact->acknowledged_instance != sim->nodes[broker].instance)) {
        sim_violated(sim, "a response is dropped before the frontend acknowledged it",
                     serial);
    }
}

void sim_fact_accepted(struct sim *sim, hf_id id)
{
    struct sim_fact *fact = sim_fact_of(sim, id);

    if (!fact->is_async) {
        sim_violated(sim, "a synchronous request is ACCEPTED", sim_serial_of(id));
    }
    fact->is_accepted = true;
    sim->totals.accepted++;
}

static void close_fact(struct sim *sim, uint32_t serial)
{
    struct sim_fact *fact = sim_fact_at(sim, serial);

    if (fact->is_over) {
        sim_violated(sim, "a client gets two outcomes", serial);
    }
    fact->is_over = true;
}

void sim_fact_answered(struct sim *sim, uint32_t serial)
{
    close_fact(sim, serial);
    sim_fact_at(sim, serial)->is_answered = true;
    sim->totals.answered++;
}

void sim_fact_abandoned(struct sim *sim, uint32_t serial)
{
    close_fact(sim, serial);
}

/* Where only brokers die and come back at once, a worker that has started keeps its
 * lease, and its answer arrives (ARCHITECTURE.md 6). */
static bool is_held_by_its_worker(const struct sim *sim, const struct sim_fact *fact)
{
    bool is_patient = sim->plan.lease_grace_ms >= 5000 && sim->plan.hold_ms >= 20000 &&
                      sim->plan.outage_us <= 300000 && sim->plan.fault_us >= 400000;

    return sim->plan.only == SIM_FAULT_BROKER && is_patient && fact->starts > 0 &&
           fact->failed == 0 && !fact->has_streamed_answer && !fact->has_streamed_body;
}

/* "Not done, come again": for a request that may not run twice and has run, a lie. */
static bool is_dishonest(const struct sim_fact *fact, hf_reason reason)
{
    return fact->is_unrepeatable && fact->starts > 0 &&
           (hf_reason_status(reason) == 503 || reason == HF_REASON_ATTEMPTS);
}

/* Whether this refusal may be what became of the request, by what really happened. */
static bool refusal_has_cause(const struct sim *sim, const struct sim_fact *fact,
                              hf_reason reason)
{
    const uint32_t *weights = sim->plan.weights;
    bool has_faults = sim->plan.has_faults;
    hf_time patience = hf_time_add_ms(fact->came, sim->plan.frontend_grace_ms);
    bool is_held = is_held_by_its_worker(sim, fact);

    switch (reason) {
    case HF_REASON_QUEUE_FULL:
    case HF_REASON_APP_POOL_TIMER:
    case HF_REASON_CONN_LIMIT:
        return true;
    case HF_REASON_DEADLINE:
        return sim->now.us + 1000 >= fact->deadline.us;
    case HF_REASON_ATTEMPTS:
        return fact->failed > 0 || sim->facts.losses > 0;
    case HF_REASON_POISON: /* what was given away, may be again, and lost its worker */
        return !fact->is_unrepeatable && fact->assignments_count > 0 &&
               sim->facts.losses > 0;
    case HF_REASON_UPSTREAM:
        return fact->failed > 0 && !fact->is_repeatable;
    case HF_REASON_DISK_FULL:
        return weights[SIM_FAULT_DISK_FULL] > 0;
    case HF_REASON_APP_SHUTDOWN:
        return weights[SIM_FAULT_POLICY] > 0 || weights[SIM_FAULT_DRAIN_FRONTEND] > 0;
    case HF_REASON_DISABLED:
    case HF_REASON_UNBOUND:
        return weights[SIM_FAULT_POLICY] > 0;
    case HF_REASON_BROKER_LOST:
        return has_faults && !hf_time_before(sim->now, patience);
    case HF_REASON_WORKER_LOST:
        return is_held ? false
               : fact->is_repeatable
                   ? fact->has_streamed_answer && sim->facts.losses > 0
                   : fact->starts > 0 || sim->facts.losses > 0;
    case HF_REASON_OUTCOME_UNKNOWN:
        return !is_held && !fact->is_repeatable && sim->facts.losses > 0;
    case HF_REASON_RESPONSE_BROKEN:
        return fact->has_streamed_answer && (sim->facts.losses > 0 || fact->failed > 0);
    default:
        return false;
    }
}

void sim_fact_refused(struct sim *sim, uint32_t serial, hf_reason reason)
{
    struct sim_fact *fact = sim_fact_at(sim, serial);

    close_fact(sim, serial);
    fact->refusal = reason;
    sim->totals.refused++;
    sim->totals.broken += reason == HF_REASON_RESPONSE_BROKEN;
    if (is_dishonest(fact, reason) || !refusal_has_cause(sim, fact, reason)) {
        sim_note(sim, (struct sim_trace_line){.who = "c",
                                              .what = "refused with",
                                              .word = hf_reason_word(reason),
                                              .serial = serial});
        sim_violated(sim, "a client is refused for no good reason", serial);
    }
}

void sim_fact_refused_async(struct sim *sim, uint32_t serial, hf_reason reason)
{
    const struct sim_fact *fact = sim_fact_at(sim, serial);
    bool is_memory = sim->plan.weights[SIM_FAULT_POLICY] > 0 ||
                     sim->brokers[fact->broker].policy.queues[fact->queue].durability ==
                         BROKER_MEMORY;

    close_fact(sim, serial);
    sim->totals.refused++;
    if (reason == HF_REASON_DENIED && is_memory) {
        return;
    }
    if (!refusal_has_cause(sim, fact, reason)) {
        sim_note(sim, (struct sim_trace_line){.who = "c",
                                              .what = "refused with",
                                              .word = hf_reason_word(reason),
                                              .serial = serial});
        sim_violated(sim, "an asynchronous request is refused for no good reason",
                     serial);
    }
}
