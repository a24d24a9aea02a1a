#include "broker/core/broker.h"

#include "broker/core/allowance.h"
#include "broker/core/batch.h"
#include "broker/core/fair.h"
#include "broker/core/inputs.h"
#include "broker/core/match.h"
#include "broker/core/poison.h"
#include "broker/core/principal.h"
#include "broker/core/queue.h"
#include "broker/core/rate.h"
#include "broker/core/request.h"
#include "broker/core/session.h"
#include "broker/core/state.h"

#include <stdlib.h>

_Static_assert(sizeof(struct request) <= 168, "a million of them must stay cheap");

static void broker_check_config(const struct broker_config *config)
{
    hf_check(config->requests_max >= 1);
    hf_check(config->in_flight_max >= 1);
    hf_check(config->queues_max >= 1 && config->queues_max <= UINT16_MAX);
    hf_check(config->sessions_max >= 1 && config->sessions_max <= UINT16_MAX / 2);
    hf_check(config->handles_max >= 1);
    hf_check(config->principals_max >= 1 && config->principals_max <= UINT16_MAX);
    hf_check(config->kept_bytes_max >= 1 && config->kept_each_bytes_max >= 1);
    hf_check(config->incarnation >= 1);
}

/* Lost sessions keep their objects until they are settled: twice as many as may be up.
 * Each can use BROKER_LIMITS_MAX allowances; one that is renewed has both for a moment.
 */
static bool broker_init_tables(struct broker *b, const struct broker_config *c)
{
    uint32_t sessions_max = 2 * c->sessions_max;
    uint32_t allowances_max = BROKER_LIMITS_MAX * (sessions_max + 1);

    b->sessions_by_number = calloc(c->sessions_max + 1u, sizeof(uint16_t));
    return b->sessions_by_number != NULL && wheel_init(&b->wheel) &&
           hf_pool_init(&b->requests, sizeof(struct request), c->requests_max) ==
               HF_OK &&
           hf_pool_init(&b->sessions, sizeof(struct session), sessions_max) == HF_OK &&
           hf_pool_init(&b->handles, sizeof(struct handle), c->handles_max) == HF_OK &&
           hf_pool_init(&b->principals, sizeof(struct principal), c->principals_max) ==
               HF_OK &&
           hf_pool_init(&b->queues, sizeof(struct queue), c->queues_max) == HF_OK &&
           hf_pool_init(&b->allowances, sizeof(struct allowance), allowances_max) ==
               HF_OK &&
           hf_map_init(&b->requests_by_id, c->requests_max, c->seed, request_key) ==
               HF_OK &&
           hf_map_init(&b->handles_by_key, c->handles_max, c->seed, handle_key) ==
               HF_OK &&
           hf_map_init(&b->principals_by_key, c->principals_max, c->seed,
                       principal_key) == HF_OK &&
           hf_map_init(&b->queues_by_name, c->queues_max, c->seed, queue_key) ==
               HF_OK &&
           hf_map_init(&b->allowances_by_token, allowances_max, c->seed,
                       allowance_key) == HF_OK &&
           hf_pool_init(&b->extras, sizeof(struct request_extra), c->requests_max) ==
               HF_OK &&
           hf_pool_init(&b->shares, sizeof(struct share), c->requests_max) == HF_OK &&
           hf_map_init(&b->shares_by_key, c->requests_max, c->seed, share_key) ==
               HF_OK &&
           hf_heap_init(&b->expiries, sessions_max) == HF_OK &&
           hf_heap_init(&b->lazy_queues, c->queues_max) == HF_OK &&
           hf_heap_init(&b->rated, c->queues_max) == HF_OK;
}

struct broker *broker_new(const struct broker_config *config)
{
    struct broker *b = calloc(1, sizeof *b);

    broker_check_config(config);
    if (b == NULL || !broker_init_tables(b, config)) {
        broker_free(b);
        return NULL;
    }
    b->config = *config;
    b->first_incarnation = config->incarnation;
    b->random = config->seed;
    hf_list_init(&b->matchable);
    hf_list_init(&b->dying);
    hf_list_init(&b->dead);
    hf_list_init(&b->removed);
    hf_list_init(&b->quarantines);
    hf_list_init(&b->eased);
    hf_list_init(&b->idle_allowances);
    request_list_init(&b->due, LINK_BATCH);
    request_list_init(&b->drops, LINK_BATCH);
    return b;
}

void broker_free(struct broker *b)
{
    if (b == NULL) {
        return;
    }
    hf_heap_fini(&b->rated);
    hf_heap_fini(&b->lazy_queues);
    hf_heap_fini(&b->expiries);
    hf_map_fini(&b->shares_by_key);
    hf_map_fini(&b->allowances_by_token);
    hf_map_fini(&b->queues_by_name);
    hf_map_fini(&b->principals_by_key);
    hf_map_fini(&b->handles_by_key);
    hf_map_fini(&b->requests_by_id);
    hf_pool_fini(&b->shares);
    hf_pool_fini(&b->extras);
    hf_pool_fini(&b->allowances);
    hf_pool_fini(&b->queues);
    hf_pool_fini(&b->principals);
    hf_pool_fini(&b->handles);
    hf_pool_fini(&b->sessions);
    hf_pool_fini(&b->requests);
    wheel_fini(&b->wheel);
    free(b->sessions_by_number);
    free(b);
}

static void on_tick(struct broker *b, const struct broker_input *in)
{
    (void)b;
    (void)in;
}

static void on_space(struct broker *b, const struct broker_input *in)
{
    b->is_full = in->u.space.is_full;
}

static void on_incarnation(struct broker *b, const struct broker_input *in)
{
    hf_check(in->u.incarnation.number > b->config.incarnation);
    b->config.incarnation = in->u.incarnation.number;
    b->epoch_counter = 0;
}

static void on_committed(struct broker *b, const struct broker_input *in)
{
    hf_check(b->is_batch_out && !b->is_batch_committed);
    hf_check(in->u.commit.index == b->batch_index);
    b->is_batch_committed = true;
}

/* broker_dispatch has renewed it, as it does for every input of a session. */
static void on_renew(struct broker *b, struct session *s, const struct broker_input *in)
{
    (void)in;
    hf_check(s->renewed.us == b->now.us);
}

static void on_limits(struct broker *b, struct session *s,
                      const struct broker_input *in)
{
    allowance_join(b, s, in->u.holder.limits, in->u.holder.limits_count);
}

typedef void (*broker_handler)(struct broker *, const struct broker_input *);
typedef void (*session_handler)(struct broker *, struct session *,
                                const struct broker_input *);

static const broker_handler broker_handlers[] = {
    [BROKER_IN_SESSION_UP] = broker_on_session_up,
    [BROKER_IN_HOLDER_DEAD] = broker_on_holder_dead,
    [BROKER_IN_POLICY_BEGIN] = broker_on_policy_begin,
    [BROKER_IN_POLICY_QUEUE] = broker_on_policy_queue,
    [BROKER_IN_POLICY_END] = broker_on_policy_end,
    [BROKER_IN_RECOVERED] = broker_on_recovered,
    [BROKER_IN_RECOVERED_END] = broker_on_recovered_end,
    [BROKER_IN_SPACE] = on_space,
    [BROKER_IN_CALL_OFF] = broker_on_call_off,
    [BROKER_IN_INCARNATION] = on_incarnation,
    [BROKER_IN_COMMITTED] = on_committed,
    [BROKER_IN_TICK] = on_tick,
};

/* Inputs of a session that is up. */
static const session_handler session_handlers[BROKER_IN_TICK + 1] = {
    [BROKER_IN_SESSION_DOWN] = broker_on_session_down,
    [BROKER_IN_LIMITS] = on_limits,
    [BROKER_IN_RENEW] = on_renew,
    [BROKER_IN_OPEN] = broker_on_open,
    [BROKER_IN_CLOSE] = broker_on_close,
    [BROKER_IN_WITHDRAW] = broker_on_withdraw,
    [BROKER_IN_SUBMIT] = broker_on_submit,
    [BROKER_IN_BODY] = broker_on_body,
    [BROKER_IN_CANCEL] = broker_on_cancel,
    [BROKER_IN_ASSIGNED_ACK] = broker_on_assigned_ack,
    [BROKER_IN_RESPONSE_ACK] = broker_on_response_ack,
    [BROKER_IN_CREDIT] = broker_on_credit,
    [BROKER_IN_RESULT] = broker_on_result,
    [BROKER_IN_RESULT_BODY] = broker_on_result_body,
    [BROKER_IN_WINDOW] = broker_on_window,
    [BROKER_IN_ABORT] = broker_on_abort,
    [BROKER_IN_RELEASE] = broker_on_release,
    [BROKER_IN_FAIL] = broker_on_fail,
    [BROKER_IN_DECLARE] = broker_on_declare,
    [BROKER_IN_DRAINING] = broker_on_draining,
};

/* An input of a session that is not up any more is no fault: the broker may have just
 * ended it. */
static void broker_dispatch(struct broker *b, const struct broker_input *in)
{
    hf_check(in->type <= BROKER_IN_TICK);
    if (broker_handlers[in->type] != NULL) {
        broker_handlers[in->type](b, in);
        return;
    }
    struct session *s = session_find(b, in->session);

    if (s != NULL) {
        /* A link that is busy sends no heartbeats: whatever comes is a sign of life. */
        s->renewed = b->now;
        session_handlers[in->type](b, s, in);
    }
}

static bool broker_run_timers(struct broker *b)
{
    for (uint32_t work = 0; work < BROKER_STEP_WORK_MAX && step_has_room(b); work++) {
        struct request *r = wheel_pop(b);

        if (r == NULL) {
            return true;
        }
        request_timeout(b, r);
    }
    return !hf_time_reached(wheel_next(&b->wheel), b->now);
}

/* What was left, what is due, and what the input made possible. Matching comes last, so
 * that requests a lost worker had are at the front of their queue before it. */
static bool broker_work(struct broker *b)
{
    session_expire(b);
    bool is_done = batch_settle(b) && session_settle(b) && broker_settle_dead(b) &&
                   broker_run_timers(b);

    if (!is_done) {
        return false;
    }
    if (!hf_list_is_empty(&b->quarantines) && !poison_run(b)) {
        return false;
    }
    bool is_eased = hf_list_is_empty(&b->eased) || allowance_settle(b);

    rate_settle(b);
    return match_run(b) && is_eased && queue_settle_removed(b);
}

void broker_step(struct broker *b, const struct broker_input *input,
                 struct broker_effects *effects)
{
    hf_check(!hf_time_before(input->now, b->now));
    b->now = input->now;
    b->out = effects;
    effects->count = 0;
    broker_dispatch(b, input);
    b->is_behind = !b->is_recovering && !broker_work(b);
    b->out = NULL;
}

uint32_t broker_epochs_left(const struct broker *b)
{
    return (uint32_t)(UINT32_MAX - b->epoch_counter);
}

hf_time broker_next_deadline(const struct broker *b)
{
    if (b->is_recovering) {
        return HF_TIME_NEVER;
    }
    if (b->is_behind || !hf_list_is_empty(&b->removed)) {
        return HF_TIME_ZERO;
    }
    return hf_time_min(
        hf_heap_next_due(&b->rated),
        hf_time_min(wheel_next(&b->wheel), hf_heap_next_due(&b->expiries)));
}
