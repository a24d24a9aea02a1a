/* What really happened to each request, written down by the shells of the simulation
 * and never shown to a core. The invariants of ARCHITECTURE.md 1 compare the cores'
 * doings with it. */
#ifndef HF_TESTS_SIM_FACT_H
#define HF_TESTS_SIM_FACT_H

#include "lib/base/ids.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_FACTS_MAX       4096u
#define SIM_EXECUTIONS_MAX  16384u
#define SIM_ASSIGNMENTS_MAX 24u

struct sim;
struct sim_record;

struct sim_assignment {
    uint64_t epoch;
    hf_key holder;
};

struct sim_fact {
    bool is_async;
    bool is_repeatable;
    bool is_unrepeatable; /* sync, POST, redeliver safe */
    bool is_strict;       /* whenever it was offered */
    uint32_t queue;
    uint32_t broker; /* index */
    uint64_t body_bytes;
    hf_time deadline;
    hf_time came;

    uint32_t offers;
    uint32_t claim_session; /* the session that offered it last, at its broker */
    uint32_t claim_conn;    /* the instance of its connection */
    uint64_t acknowledged;  /* epoch of a RESPONSE_ACK that this broker process got */
    uint32_t acknowledged_instance;
    bool is_cancelled; /* its owner said so */

    bool has_streamed_body;
    uint32_t starts;   /* handlers that began on it, and did not release it */
    uint32_t finished; /* that have given a whole answer */
    uint32_t failed;   /* that failed or broke off */
    uint64_t losses;   /* of the world, when it came */
    bool has_streamed_answer;
    uint32_t assignments_count;
    struct sim_assignment assignments[SIM_ASSIGNMENTS_MAX];

    bool is_accepted; /* asynchronous: its client was told */
    uint32_t outcomes;
    hf_reason outcome; /* the last one a broker recorded */

    bool is_over;      /* for its client */
    bool is_answered;  /* wholly */
    hf_reason refusal; /* NONE: none */
};

struct sim_execution {
    uint32_t serial; /* of the request */
    uint64_t epoch;
    uint64_t body_bytes; /* of its whole answer */
};

struct sim_facts {
    uint32_t count; /* serials are 1..count */
    uint32_t executions_count;
    uint64_t losses; /* kills, cuts, drains: what may cost an execution */
    hf_id ids[SIM_FACTS_MAX];
    struct sim_fact facts[SIM_FACTS_MAX];
    struct sim_execution executions[SIM_EXECUTIONS_MAX];
};

/* Sums over a run, for its last line. */
struct sim_totals {
    uint64_t requests;
    uint64_t answered;
    uint64_t refused;
    uint64_t broken;
    uint64_t accepted;
    uint64_t kills;
    uint64_t cuts;
    uint64_t redelivered;
    uint64_t adopted;
    uint64_t forged; /* declarations without a right */
    uint64_t committed;
    uint64_t elided;
};

/* The fact of a serial or id; both must exist. */
struct sim_fact *sim_fact_at(struct sim *sim, uint32_t serial);
struct sim_fact *sim_fact_of(struct sim *sim, hf_id id);
uint32_t sim_serial_of(hf_id id);
/* A fresh request; NULL when the run has had its share. `id` carries its serial. */
struct sim_fact *sim_fact_new(struct sim *sim, hf_id *id);

/* What the shells report. Each ends the run when it must not have happened. */
void sim_fact_offered(struct sim *sim, const struct sim_record *record, uint32_t broker,
                      uint32_t session);
void sim_fact_assigned(struct sim *sim, hf_id id, uint64_t epoch, hf_key holder);
bool sim_fact_was_assigned(struct sim *sim, hf_id id, uint64_t epoch, hf_key holder);
/* Whether the session that offered it last is still up at this broker. */
bool sim_fact_is_claimed(struct sim *sim, hf_id id, uint32_t broker);
/* A handler begins; returns the number of the execution. */
uint32_t sim_fact_started(struct sim *sim, hf_id id, uint64_t epoch);
void sim_fact_outcome(struct sim *sim, hf_id id, hf_reason reason, uint32_t broker);
void sim_fact_accepted(struct sim *sim, hf_id id);
/* The client has all of an answer, or a refusal, or a broken connection. */
void sim_fact_answered(struct sim *sim, uint32_t serial);
void sim_fact_refused(struct sim *sim, uint32_t serial, hf_reason reason);
/* An asynchronous one was refused: it was not promised, or its outcome is told. */
void sim_fact_refused_async(struct sim *sim, uint32_t serial, hf_reason reason);
/* It ended by the client's own will, or with its frontend. */
void sim_fact_abandoned(struct sim *sim, uint32_t serial);

#endif
