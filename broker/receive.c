/* Records of one session -> inputs of the core. Decoding happens outside of the core
 * lock, a run of records at a time; then the lock is taken once for the run. What is no
 * request (policy, snapshot, tokens, ...) goes to control.c in its place. Runs on
 * the links' thread. */
#include "broker/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MAX 64

struct run {
    struct br *br;
    uint32_t session;
    hf_time now;
    uint32_t count;
    struct broker_input inputs[RUN_MAX];
    const struct hf_record *records[RUN_MAX];
    struct broker_wishes wishes[RUN_MAX]; /* set where the input points to it */
};

typedef hf_err (*decode_fn)(struct run *run, const struct hf_record *record,
                            struct broker_input *in);

/* One handle of a session may peek; a second one is a violation. The same one may be
 * opened again once the broker has closed it. */
static hf_err remember_peek(struct br_session *s, const struct hf_queue_open *open)
{
    if (s->peek != NULL && s->peek->handle != open->handle) {
        return HF_ERR_INVALID;
    }
    if (s->peek == NULL && (s->peek = calloc(1, sizeof *s->peek)) == NULL) {
        return HF_ERR_INVALID;
    }
    *s->peek = (struct br_peek){.handle = open->handle};
    memcpy(s->peek->queue, open->queue.data, open->queue.bytes);
    return HF_OK;
}

static hf_err decode_open(struct run *run, const struct hf_record *record,
                          struct broker_input *in)
{
    struct br_session *s = &run->br->sessions[run->session];
    struct hf_queue_open open;
    hf_err err = hf_queue_open_decode(record->meta, &open);

    if (err != HF_OK || open.queue.bytes > BROKER_QUEUE_NAME_MAX) {
        return HF_ERR_INVALID;
    }
    in->type = BROKER_IN_OPEN;
    in->handle = open.handle;
    in->u.open.queue = open.queue;
    in->u.open.rights = open.rights;
    /* All or nothing: a right that is missing denies the open, and so does a name that
     * no pattern could hold, without saying which (SECURITY.md 2.8). */
    if (!br_chain_allows(s->chain, open.rights, open.queue)) {
        in->u.open.rights = 0;
    }
    if ((in->u.open.rights & HF_RIGHT_PEEK) != 0) {
        err = remember_peek(s, &open);
    }
    if (s->queue[0] == '\0') {
        br_lock(run->br); /* STAT of another session reads it */
        memcpy(s->queue, open.queue.data, open.queue.bytes);
        br_unlock(run->br);
    }
    return err;
}

static hf_err decode_close(struct run *run, const struct hf_record *record,
                           struct broker_input *in)
{
    struct hf_queue_close message;
    hf_err err = hf_queue_close_decode(record->meta, &message);

    (void)run;
    in->type = BROKER_IN_CLOSE;
    in->handle = err == HF_OK ? message.handle : 0;
    return err;
}

/* Few requests wish anything. */
static const struct broker_wishes *wishes_of(struct run *run,
                                             const struct hf_enqueue *message)
{
    struct broker_wishes *wishes = &run->wishes[run->count];

    *wishes = (struct broker_wishes){
        .urgency = message->urgency,
        .fair_key = message->fair_key,
        .serial_key = message->serial_key,
        .affinity_key = message->affinity_key,
        .not_before = hf_time_of_ms(message->not_before_ms),
        .access = message->access,
        .idempotency = message->idempotency,
        .fingerprint = message->fingerprint,
    };
    return wishes;
}

static bool has_wishes(const struct hf_enqueue *message)
{
    static const struct hf_enqueue none;

    return (message->urgency | message->fair_key | message->serial_key |
            message->affinity_key | (uint64_t)message->not_before_ms) != 0 ||
           memcmp(&message->access, &none.access, sizeof none.access) != 0 ||
           memcmp(&message->idempotency, &none.idempotency, sizeof none.idempotency) !=
               0;
}

static hf_err decode_enqueue(struct run *run, const struct hf_record *record,
                             struct broker_input *in)
{
    struct hf_enqueue message;
    hf_err err = hf_enqueue_decode(record->meta, &message);

    if (err != HF_OK) {
        return err;
    }
    in->type = BROKER_IN_SUBMIT;
    in->u.submit.wishes = has_wishes(&message) ? wishes_of(run, &message) : NULL;
    in->id = message.id;
    in->handle = message.handle;
    in->u.submit.flags = message.flags;
    in->u.submit.deadline = hf_time_of_ms(message.deadline_ms);
    in->u.submit.responded_epoch = message.responded_epoch;
    in->u.submit.head_bytes = (uint32_t)record->head.bytes;
    in->u.submit.body_bytes = (message.flags & HF_ENQUEUE_STREAMED) != 0
                                  ? message.body_bytes
                                  : record->body.bytes;
    return (message.flags & HF_ENQUEUE_STREAMED) != 0 && record->body.bytes > 0
               ? HF_ERR_INVALID
               : HF_OK;
}

static hf_err decode_body(struct run *run, const struct hf_record *record,
                          struct broker_input *in)
{
    struct hf_body_piece message;
    hf_err err = hf_body_piece_decode(record->meta, &message);

    if (err != HF_OK) {
        return err;
    }
    in->type = run->br->sessions[run->session].role == HF_ROLE_WORKER
                   ? BROKER_IN_RESULT_BODY
                   : BROKER_IN_BODY;
    in->id = message.id;
    in->epoch = message.epoch;
    in->u.body.offset = message.offset;
    in->u.body.bytes = (uint32_t)record->body.bytes;
    in->u.body.is_last = message.is_last;
    return HF_OK;
}

static hf_err decode_credit(struct run *run, const struct hf_record *record,
                            struct broker_input *in)
{
    struct hf_credit message;
    hf_err err = hf_credit_decode(record->meta, &message);

    (void)run;
    if (err != HF_OK || message.requests > 65535) {
        return HF_ERR_INVALID;
    }
    in->type = BROKER_IN_CREDIT;
    in->handle = message.handle;
    in->u.credit.requests = message.requests;
    return HF_OK;
}

static hf_err decode_respond(struct run *run, const struct hf_record *record,
                             struct broker_input *in)
{
    struct hf_respond message;
    hf_err err = hf_respond_decode(record->meta, &message);

    (void)run;
    if (err != HF_OK) {
        return err;
    }
    in->type = BROKER_IN_RESULT;
    in->id = message.id;
    in->epoch = message.epoch;
    in->u.result.bytes = (uint32_t)(record->head.bytes + record->body.bytes);
    in->u.result.is_streamed = (message.flags & HF_ENQUEUE_STREAMED) != 0;
    return HF_OK;
}

static hf_err decode_declare(struct run *run, const struct hf_record *record,
                             struct broker_input *in)
{
    struct br *br = run->br;
    struct hf_declare message;
    struct hf_receipt_claim claim;
    hf_err err = hf_declare_decode(record->meta, &message);

    if (err != HF_OK) {
        return err;
    }
    claim = (struct hf_receipt_claim){message.id, message.epoch};
    in->type = BROKER_IN_DECLARE;
    in->handle = message.handle;
    in->id = message.id;
    in->epoch = message.epoch;
    in->u.declare.is_answered = message.is_answered;
    in->u.declare.is_receipt_valid = hf_receipt_check(
        &br->sessions[run->session].lease_key, &claim,
        hf_slice_of(message.receipt.bytes, sizeof message.receipt.bytes));
    if (!in->u.declare.is_receipt_valid) {
        hf_stat_add(&br_stats.receipts_refused, 1);
        HF_WARN("lease declared without its receipt", hf_log_cstr("code", "E_DENIED"),
                hf_log_id("id", message.id),
                hf_log_key("holder", br->sessions[run->session].key));
    }
    return HF_OK;
}

/* Records whose metadata is an id, an epoch and at most a reason. */
#define DECODE_PLAIN(name, message_type, input_type)                                   \
    static hf_err name(struct run *run, const struct hf_record *record,                \
                       struct broker_input *in)                                        \
    {                                                                                  \
        struct hf_##message_type message;                                              \
        hf_err err = hf_##message_type##_decode(record->meta, &message);               \
                                                                                       \
        (void)run;                                                                     \
        if (err == HF_OK) {                                                            \
            in->type = (input_type);                                                   \
            in->id = message.id;                                                       \
            in->epoch = message.epoch;                                                 \
        }                                                                              \
        return err;                                                                    \
    }
#define DECODE_REASON(name, message_type, input_type)                                  \
    static hf_err name(struct run *run, const struct hf_record *record,                \
                       struct broker_input *in)                                        \
    {                                                                                  \
        struct hf_##message_type message;                                              \
        hf_err err = hf_##message_type##_decode(record->meta, &message);               \
                                                                                       \
        (void)run;                                                                     \
        if (err == HF_OK) {                                                            \
            in->type = (input_type);                                                   \
            in->id = message.id;                                                       \
            in->epoch = message.epoch;                                                 \
            in->u.cause.reason = message.reason;                                       \
        }                                                                              \
        return err;                                                                    \
    }

DECODE_PLAIN(decode_assigned_ack, assigned_ack, BROKER_IN_ASSIGNED_ACK)
DECODE_PLAIN(decode_response_ack, response_ack, BROKER_IN_RESPONSE_ACK)
DECODE_PLAIN(decode_release, release, BROKER_IN_RELEASE)
DECODE_REASON(decode_cancel, cancel, BROKER_IN_CANCEL)
DECODE_REASON(decode_abort, abort, BROKER_IN_ABORT)
DECODE_REASON(decode_fail, fail, BROKER_IN_FAIL)

static hf_err decode_draining(struct run *run, const struct hf_record *record,
                              struct broker_input *in)
{
    (void)run;
    (void)record;
    in->type = BROKER_IN_DRAINING;
    return HF_OK;
}

/* From a frontend: more of a response may come; from a worker: more of a request body,
 * which is the loader's business and no input. */
static hf_err decode_window(struct run *run, const struct hf_record *record,
                            struct broker_input *in)
{
    struct hf_window message;
    hf_err err = hf_window_decode(record->meta, &message);

    if (err != HF_OK) {
        return err;
    }
    if (run->br->sessions[run->session].role == HF_ROLE_WORKER) {
        return HF_ERR_UNSUPPORTED;
    }
    in->type = BROKER_IN_WINDOW;
    in->id = message.id;
    in->epoch = message.epoch;
    in->u.window.bytes = message.bytes;
    return HF_OK;
}

static const struct {
    uint16_t type;
    decode_fn decode;
} decoders[] = {
    {HF_RECORD_ENQUEUE, decode_enqueue},
    {HF_RECORD_RESPOND, decode_respond},
    {HF_RECORD_RESPONSE_ACK, decode_response_ack},
    {HF_RECORD_CREDIT, decode_credit},
    {HF_RECORD_BODY, decode_body},
    {HF_RECORD_WINDOW, decode_window},
    {HF_RECORD_ASSIGNED_ACK, decode_assigned_ack},
    {HF_RECORD_CANCEL, decode_cancel},
    {HF_RECORD_ABORT, decode_abort},
    {HF_RECORD_RELEASE, decode_release},
    {HF_RECORD_FAIL, decode_fail},
    {HF_RECORD_DECLARE, decode_declare},
    {HF_RECORD_DRAIN, decode_draining},
    {HF_RECORD_OPEN, decode_open},
    {HF_RECORD_CLOSE, decode_close},
};

static decode_fn decoder_of(uint16_t type)
{
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++) {
        if (decoders[i].type == type) {
            return decoders[i].decode;
        }
    }
    return NULL;
}

static void flush_run(struct run *run)
{
    if (run->count == 0) {
        return;
    }
    br_lock(run->br);
    for (uint32_t i = 0; i < run->count && br_is_heard(run->br, run->session); i++) {
        if (br_is_accepted(run->br, &run->inputs[i])) {
            continue;
        }
        if (br_reserve(run->br, &run->inputs[i], run->records[i])) {
            br_step(run->br, &run->inputs[i], run->records[i]);
        } else {
            br_starve_session(run->br, run->session, run->records[i]->type);
        }
    }
    br_unlock(run->br);
    run->count = 0;
}

static enum hf_end end_of(enum hf_role role)
{
    switch (role) {
    case HF_ROLE_WORKER:
        return HF_END_WORKER;
    case HF_ROLE_FRONTEND:
        return HF_END_FRONTEND;
    case HF_ROLE_CONTROLLER:
    case HF_ROLE_ADMIN:
        return HF_END_CONTROLLER;
    case HF_ROLE_BROKER:
        break;
    }
    return HF_END_BROKER;
}

static void violation(struct br *br, uint32_t session, const struct hf_record *record)
{
    const struct hf_record_rule *rule = hf_record_rule(record->type);

    hf_stat_add(&br_stats.protocol_violations, 1);
    HF_WARN("record against the protocol",
            hf_log_cstr("record", rule == NULL ? "unknown" : rule->name),
            hf_log_int("type", record->type),
            hf_log_key("holder", br->sessions[session].key));
    br_lock(br);
    br_end_session(br, session, HF_REASON_PROTOCOL);
    br_unlock(br);
}

/* False: the session is over. */
static bool take(struct run *run, const struct hf_record *record)
{
    struct br_session *s = &run->br->sessions[run->session];
    decode_fn decode = decoder_of(record->type);
    struct broker_input *in = &run->inputs[run->count];
    hf_err err = hf_record_check(record, end_of(s->role), HF_END_BROKER);

    if (err == HF_OK && decode == NULL) {
        flush_run(run);
        br_control(run->br, run->session, record);
        return true;
    }
    if (err == HF_OK) {
        memset(in, 0, sizeof *in);
        in->now = run->now;
        in->session = run->session;
        err = decode(run, record, in);
    }
    if (err == HF_ERR_UNSUPPORTED) {
        flush_run(run);
        br_control(run->br, run->session, record);
        return true;
    }
    if (err != HF_OK) {
        flush_run(run);
        violation(run->br, run->session, record);
        return false;
    }
    run->records[run->count++] = record;
    if (run->count == RUN_MAX) {
        flush_run(run);
    }
    return true;
}

void br_receive(struct br *br, uint32_t session, const struct hf_record *records,
                size_t count)
{
    struct run run;

    run.br = br;
    run.session = session;
    run.count = 0;
    run.now = hf_clock_now();
    /* Whether the session is still up is looked at under the lock, for each run. */
    for (size_t i = 0; i < count; i++) {
        if (!take(&run, &records[i])) {
            return;
        }
    }
    flush_run(&run);
}
