/* Owns the two threads of the links of a process and the lists they work on.
 *
 * The keeper watches times: handshake deadlines, heartbeats, silence, redials. The
 * reaper ends links, because only a thread that is neither NNG's nor under a lock may
 * wait for NNG. Under the keeper's lock nothing is called that takes another lock. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"

#include <time.h>

#define ACTIONS_MAX 64
#define LATE_US     500000  /* woken this late: the machine or we were stopped */
#define GRACE_US    1000000 /* then peers get this long before silence counts */
#define WAIT_US_MAX 1000000

enum action_type { ACTION_HEARTBEAT, ACTION_FLUSH, ACTION_END, ACTION_OWNER };

struct action {
    enum action_type type;
    struct hf_link *link; /* a reference */
    struct link_owner *owner;
    enum hf_link_end end;
};

static struct keeper {
    pthread_mutex_t lock;
    pthread_cond_t due;  /* the keeper waits */
    pthread_cond_t dead; /* the reaper waits */
    pthread_cond_t gone; /* closers of owners wait */
    struct hf_list owners;
    struct hf_list reaped;
    bool is_woken;
    _Atomic int64_t next_us; /* when it will look again */
    int64_t silence_from_us; /* no timeouts before */
    hf_err started;
} keeper = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

void keeper_lock(void)
{
    pthread_mutex_lock(&keeper.lock);
}

void keeper_unlock(void)
{
    pthread_mutex_unlock(&keeper.lock);
}

/* Lock held. */
static void wake(void)
{
    keeper.is_woken = true;
    pthread_cond_signal(&keeper.due);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t silence_due(const struct hf_link *link)
{
    int64_t due =
        hf_link_last_received_us(link) + 3 * link->owner->config.heartbeat_ms * 1000;

    return due < keeper.silence_from_us ? keeper.silence_from_us : due;
}

static int64_t heartbeat_due(struct hf_link *link, int64_t now)
{
    int64_t every = link->owner->config.heartbeat_ms * 1000;

    if (hf_link_output_bytes(link) > 0) {
        return now + every; /* what waits is a sign of life once it leaves */
    }
    return atomic_load_explicit(&link->out.sent_us, memory_order_relaxed) + every;
}

/* What is due for the link now (true), or when something will be (*next moved). */
static bool examine_link(struct hf_link *link, int64_t now, int64_t *next,
                         struct action *action)
{
    int64_t finish = atomic_load(&link->finish_us);
    int64_t soon;
    int64_t beat;

    if (link_has_ended(link)) {
        return false;
    }
    if (finish <= now) {
        *action = (struct action){ACTION_END, link, NULL, link->finish_end};
        return true;
    }
    *next = earlier(*next, finish);
    if (atomic_load(&link->state) != LINK_UP) {
        *next = earlier(*next, link->deadline_us);
        *action = (struct action){ACTION_END, link, NULL, HF_LINK_END_TIMEOUT};
        return link->deadline_us <= now;
    }
    if (silence_due(link) <= now) {
        *action = (struct action){ACTION_END, link, NULL, HF_LINK_END_TIMEOUT};
        return true;
    }
    *next = earlier(*next, silence_due(link));
    *action = (struct action){ACTION_FLUSH, link, NULL, HF_LINK_END_LOCAL};
    soon = atomic_load(&link->out.soon_us);
    if (soon <= now) {
        return true;
    }
    *next = earlier(*next, soon);
    beat = heartbeat_due(link, now);
    *next = earlier(*next, beat);
    *action = (struct action){ACTION_HEARTBEAT, link, NULL, HF_LINK_END_LOCAL};
    return beat <= now;
}

static bool examine_owner(struct link_owner *owner, int64_t now, int64_t *next)
{
    int64_t due = earlier(owner->due_us, owner->connect_due_us);

    if (owner->is_closing) {
        return false;
    }
    *next = earlier(*next, due);
    return due <= now;
}

/* Collects what is due; the lock is held. Links get a reference, owners are marked. */
static size_t collect(struct action *actions, int64_t now, int64_t *next)
{
    size_t count = 0;

    HF_LIST_FOR(node, &keeper.owners)
    {
        struct link_owner *owner = HF_CONTAINER(node, struct link_owner, node);

        if (count < ACTIONS_MAX && examine_owner(owner, now, next)) {
            owner->is_in_use = true;
            actions[count++] = (struct action){ACTION_OWNER, NULL, owner, 0};
        }
        HF_LIST_FOR(link_node, &owner->links)
        {
            struct hf_link *link = link_of_node(link_node);

            if (count < ACTIONS_MAX && examine_link(link, now, next, &actions[count])) {
                hf_link_ref(link);
                count++;
            }
        }
    }
    return count;
}

static void beat(struct hf_link *link)
{
    const struct hf_record heartbeat = {.type = HF_LINK_HEARTBEAT_TYPE};

    if (hf_link_send_control(link, &heartbeat) == HF_OK) {
        hf_link_flush(link);
    }
}

static void carry_out(const struct action *action)
{
    switch (action->type) {
    case ACTION_HEARTBEAT:
        beat(action->link);
        break;
    case ACTION_FLUSH:
        atomic_store(&action->link->out.soon_us, INT64_MAX);
        hf_link_flush(action->link);
        break;
    case ACTION_END:
        if (atomic_load(&action->link->state) != LINK_UP) {
            atomic_store(&action->link->has_failed, true);
        }
        link_end(action->link, action->end);
        break;
    case ACTION_OWNER:
        link_owner_due(action->owner);
        keeper_lock();
        action->owner->is_in_use = false;
        pthread_cond_broadcast(&keeper.gone);
        keeper_unlock();
        break;
    }
    hf_link_unref(action->link);
}

/* Waits until `due` or a wake-up; the lock is held. */
static void wait_until(int64_t due)
{
    struct timespec at = {due / 1000000, due % 1000000 * 1000};
    int64_t late;

    if (!keeper.is_woken) {
        pthread_cond_timedwait(&keeper.due, &keeper.lock, &at);
    }
    keeper.is_woken = false;
    late = hf_clock_monotonic_us() - due;
    if (late > LATE_US) {
        keeper.silence_from_us = due + late + GRACE_US;
    }
}

static void *run_keeper(void *unused)
{
    struct action actions[ACTIONS_MAX];

    (void)unused;
    keeper_lock();
    for (;;) {
        int64_t now = hf_clock_monotonic_us();
        int64_t next = now + WAIT_US_MAX;
        size_t count;

        /* Who makes something due meanwhile must wake us, whatever we have looked at.
         */
        atomic_store(&keeper.next_us, INT64_MAX);
        count = collect(actions, now, &next);
        if (count == 0) {
            atomic_store(&keeper.next_us, next);
            wait_until(next);
            continue;
        }
        keeper_unlock();
        for (size_t i = 0; i < count; i++) {
            carry_out(&actions[i]);
        }
        keeper_lock();
    }
    return NULL;
}

/* A link comes here twice: when it has ended, and when its last reference is gone. */
static void *run_reaper(void *unused)
{
    (void)unused;
    keeper_lock();
    for (;;) {
        struct hf_list *node = hf_list_pop_front(&keeper.reaped);
        struct hf_link *link;

        if (node == NULL) {
            pthread_cond_wait(&keeper.dead, &keeper.lock);
            continue;
        }
        keeper_unlock();
        link = HF_CONTAINER(node, struct hf_link, reap_node);
        if (link->is_ended) {
            link_destroy(link);
        } else {
            link->is_ended = true;
            link_teardown(link);
            hf_link_unref(link); /* link_end's */
            hf_link_unref(link); /* the base reference */
        }
        keeper_lock();
    }
    return NULL;
}

static void start(void)
{
    pthread_condattr_t monotonic;
    pthread_t thread;

    hf_list_init(&keeper.owners);
    hf_list_init(&keeper.reaped);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper.due, &monotonic);
    pthread_cond_init(&keeper.dead, NULL);
    pthread_cond_init(&keeper.gone, NULL);
    pthread_condattr_destroy(&monotonic);
    keeper.started = HF_ERR_NO_MEMORY;
    if (pthread_create(&thread, NULL, run_keeper, NULL) == 0) {
        pthread_detach(thread);
        if (pthread_create(&thread, NULL, run_reaper, NULL) == 0) {
            pthread_detach(thread);
            keeper.started = HF_OK;
        }
    }
}

hf_err keeper_start(void)
{
    pthread_once(&once, start);
    return keeper.started;
}

/* Signals without the lock: the keeper often takes the caller's processor at once, and
 * would only find the lock taken. */
void keeper_wake(void)
{
    keeper_lock();
    keeper.is_woken = true;
    keeper_unlock();
    pthread_cond_signal(&keeper.due);
}

void keeper_wake_by(int64_t due_us)
{
    if (due_us < atomic_load(&keeper.next_us)) {
        keeper_wake();
    }
}

void keeper_reap(struct hf_link *link)
{
    keeper_lock();
    hf_list_push_back(&keeper.reaped, &link->reap_node);
    pthread_cond_signal(&keeper.dead);
    keeper_unlock();
}

void keeper_add_owner(struct link_owner *owner)
{
    keeper_lock();
    hf_list_push_back(&keeper.owners, &owner->node);
    wake();
    keeper_unlock();
}

/* Lock held. */
static hf_err enter_gate(struct hf_link *link)
{
    struct hf_link_stats *stats = &hf_link_stats;

    switch (hf_gate_enter(link->owner->gate, link->source, hf_clock_monotonic_us())) {
    case HF_GATE_ENTER:
        link->is_gated = true;
        return HF_OK;
    case HF_GATE_TOTAL:
        hf_stat_add(&stats->refused_pending_total, 1);
        break;
    case HF_GATE_SOURCE:
        hf_stat_add(&stats->refused_address_total, 1);
        break;
    case HF_GATE_BUCKET:
        hf_stat_add(&stats->refused_bucket_total, 1);
        break;
    }
    return HF_ERR_FULL;
}

hf_err keeper_enter(struct hf_link *link)
{
    struct link_owner *owner = link->owner;
    hf_err err = HF_OK;

    keeper_lock();
    if (owner->is_closing) {
        err = HF_ERR_CLOSED;
    } else if (owner->gate != NULL) {
        err = enter_gate(link);
    }
    if (err == HF_OK) {
        hf_list_push_back(&owner->links, &link->node);
        owner->links_count++;
        wake();
    }
    keeper_unlock();
    return err;
}

/* Lock held. */
static void leave_gate(struct hf_link *link, bool has_failed)
{
    if (link->is_gated) {
        link->is_gated = false;
        hf_gate_leave(link->owner->gate, link->source, has_failed,
                      hf_clock_monotonic_us());
    }
}

void keeper_link_up(struct hf_link *link)
{
    keeper_lock();
    leave_gate(link, false);
    link->owner->backoff_ms = 0;
    wake();
    keeper_unlock();
}

uint32_t keeper_retry_after_ms(struct hf_link *link)
{
    uint32_t retry_ms;

    keeper_lock();
    retry_ms = hf_gate_retry_after_ms(link->owner->gate, link->source);
    keeper_unlock();
    return retry_ms;
}

void keeper_forget(struct hf_link *link)
{
    struct link_owner *owner = link->owner;

    keeper_lock();
    leave_gate(link, atomic_load(&link->has_failed));
    hf_list_remove(&link->node);
    owner->links_count--;
    if (!owner->is_listener && !owner->is_closing) {
        link_owner_redial(owner, link);
        wake();
    }
    pthread_cond_broadcast(&keeper.gone);
    keeper_unlock();
}

static struct hf_link *first_living(struct link_owner *owner)
{
    HF_LIST_FOR(node, &owner->links)
    {
        struct hf_link *link = link_of_node(node);

        if (!link_has_ended(link)) {
            return hf_link_ref(link);
        }
    }
    return NULL;
}

void keeper_drop_owner(struct link_owner *owner)
{
    struct hf_link *link;

    keeper_lock();
    while ((link = first_living(owner)) != NULL) {
        keeper_unlock();
        link_end(link, HF_LINK_END_LOCAL);
        hf_link_unref(link);
        keeper_lock();
    }
    while (owner->links_count > 0 || owner->is_in_use) {
        pthread_cond_wait(&keeper.gone, &keeper.lock);
    }
    hf_list_remove(&owner->node);
    keeper_unlock();
}
