/* Owns hubs: the epoll set of a thread's links, and the times they wait for.
 *
 * A turn handles what is readable and writable, then what has become due, then buries
 * the dead. One timer descriptor wakes the hub for all reasons that are no input. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"
#include "lib/io/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_MAX  64
#define LATE_US     500000  /* looked this late: the machine or we were stopped */
#define GRACE_US    1000000 /* then peers get this long before silence counts */
#define LOOK_US_MAX 1000000 /* looks at least this often */
#define EARLY_US    20000   /* heartbeats due so soon go out together */

struct link_hub {
    struct hub_source timer;
    int epoll_fd;
    pthread_mutex_t lock;
    pthread_cond_t gone; /* closers of owners wait */
    struct hf_list owners;
    struct hf_list ended;
    _Atomic bool is_woken;   /* there is something to look at */
    _Atomic int64_t look_us; /* when the timer rings; INT64_MAX = not set */
    int64_t expected_us;     /* when the last look wanted the next */
    int64_t silence_from_us; /* no timeouts before */
    struct hf_loop *loop;    /* NULL: a thread of ours */
    struct hf_watch *watch;
    struct hf_list node; /* hubs of loops */
    size_t uses;
};

static struct link_hub own_hub;
static hf_err own_started;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static pthread_mutex_t loops_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hf_list loops = {&loops, &loops};

/* The hub whose turn this thread is in: it will look by itself before it waits. */
static _Thread_local const struct link_hub *in_turn;

void hub_lock(struct link_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
}

void hub_unlock(struct link_hub *hub)
{
    pthread_mutex_unlock(&hub->lock);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sets the timer unless it rings by then already. Lock held: two setters must not end
 * with the later time. */
static void ring_by(struct link_hub *hub, int64_t due_us)
{
    int64_t at = due_us > 1 ? due_us : 1; /* 0 would stop it */
    const struct itimerspec when = {.it_value = {at / 1000000, at % 1000000 * 1000}};

    if (due_us < atomic_load_explicit(&hub->look_us, memory_order_relaxed)) {
        atomic_store_explicit(&hub->look_us, due_us, memory_order_relaxed);
        hf_check(timerfd_settime(hub->timer.fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
    }
}

void hub_wake_by(struct link_hub *hub, int64_t due_us)
{
    if (due_us < atomic_load_explicit(&hub->look_us, memory_order_relaxed)) {
        hub_lock(hub);
        ring_by(hub, due_us);
        hub_unlock(hub);
    }
}

/* Lock held. */
static void wake(struct link_hub *hub)
{
    atomic_store(&hub->is_woken, true);
    if (in_turn != hub) {
        ring_by(hub, 0);
    }
}

void hub_wake(struct link_hub *hub)
{
    hub_lock(hub);
    wake(hub);
    hub_unlock(hub);
}

void hub_bury(struct link_hub *hub, struct hf_link *link)
{
    hub_lock(hub);
    hf_list_push_back(&hub->ended, &link->ended_node);
    wake(hub);
    hub_unlock(hub);
}

static void control(struct link_hub *hub, int operation, struct hub_source *source,
                    uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    (void)epoll_ctl(hub->epoll_fd, operation, source->fd, &event);
}

hf_err hub_watch(struct link_hub *hub, struct hub_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    return epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) == 0
               ? HF_OK
               : HF_ERR_NO_MEMORY;
}

/* Of a source that is not watched any more, this does nothing. */
void hub_rewatch(struct link_hub *hub, struct hub_source *source, uint32_t events)
{
    control(hub, EPOLL_CTL_MOD, source, events);
}

void hub_unwatch(struct link_hub *hub, struct hub_source *source)
{
    if (source->fd >= 0) {
        control(hub, EPOLL_CTL_DEL, source, 0);
    }
}

static int64_t silence_due(const struct hf_link *link)
{
    int64_t due =
        hf_link_last_received_us(link) + 3 * link->owner->config.heartbeat_ms * 1000;

    return due < link->hub->silence_from_us ? link->hub->silence_from_us : due;
}

static int64_t heartbeat_due(struct hf_link *link, int64_t now)
{
    int64_t every = link->owner->config.heartbeat_ms * 1000;

    if (hf_link_output_bytes(link) > 0) {
        return now + every; /* what waits is a sign of life once it leaves */
    }
    return atomic_load_explicit(&link->out.sent_us, memory_order_relaxed) + every;
}

static void beat(struct hf_link *link)
{
    const struct hf_record heartbeat = {.type = HF_LINK_HEARTBEAT_TYPE};

    if (hf_link_send_control(link, &heartbeat) == HF_OK) {
        hf_link_flush(link);
    }
}

/* Output and signs of life of a link that is up. */
static void examine_output(struct hf_link *link, int64_t now, int64_t *next)
{
    int64_t soon = atomic_load(&link->out.soon_us);
    int64_t due;

    if (soon <= now) {
        atomic_store(&link->out.soon_us, INT64_MAX);
        hf_link_flush(link);
    } else {
        *next = earlier(*next, soon);
    }
    due = heartbeat_due(link, now);
    if (due <= now + EARLY_US) {
        beat(link);
        due = heartbeat_due(link, now);
    }
    *next = earlier(*next, due);
}

static void examine_link(struct hf_link *link, int64_t now, int64_t *next)
{
    bool is_up = atomic_load(&link->state) == LINK_UP;
    int64_t finish = atomic_load(&link->finish_us);
    int64_t deadline = is_up ? silence_due(link) : link->deadline_us;

    if (link_has_ended(link)) {
        return;
    }
    if (finish <= now || deadline <= now) {
        link->has_failed = link->has_failed || !is_up;
        link_end(link, finish <= now ? (enum hf_link_end)link->finish_end
                                     : HF_LINK_END_TIMEOUT);
        return;
    }
    *next = earlier(*next, earlier(finish, deadline));
    if (is_up) {
        examine_output(link, now, next);
    }
}

/* Tears down what has ended. Callbacks may end more. */
static void bury(struct link_hub *hub)
{
    struct hf_list *node;

    hub_lock(hub);
    while ((node = hf_list_pop_front(&hub->ended)) != NULL) {
        struct hf_link *link = HF_CONTAINER(node, struct hf_link, ended_node);

        hub_unlock(hub);
        link_teardown(link);
        hf_link_unref(link); /* link_end's */
        hub_lock(hub);
    }
    hub_unlock(hub);
}

/* Lock held on entry and return. A link that somebody is just ending may come to the
 * grave a moment later. */
static void close_owner(struct link_hub *hub, struct link_owner *owner)
{
    hub_unlock(hub);
    link_owner_stop(owner);
    while (owner->links_count > 0) {
        HF_LIST_FOR(node, &owner->links)
        {
            link_end(link_of_node(node), HF_LINK_END_LOCAL);
        }
        bury(hub);
    }
    hub_lock(hub);
    hf_list_remove(&owner->node);
    owner->is_gone = true;
    pthread_cond_broadcast(&hub->gone);
}

static struct link_owner *first_closing(const struct link_hub *hub)
{
    HF_LIST_FOR(node, &hub->owners)
    {
        struct link_owner *owner = HF_CONTAINER(node, struct link_owner, node);

        if (owner->is_closing) {
            return owner;
        }
    }
    return NULL;
}

static void close_owners(struct link_hub *hub)
{
    struct link_owner *owner;

    hub_lock(hub);
    while ((owner = first_closing(hub)) != NULL) {
        close_owner(hub, owner);
    }
    hub_unlock(hub);
}

/* Owners are only removed by this thread and only added at the end, so the walk needs
 * the lock for its steps alone. */
static int64_t examine(struct link_hub *hub, int64_t now)
{
    int64_t next = now + LOOK_US_MAX;
    struct hf_list *at = &hub->owners;

    for (;;) {
        struct link_owner *owner;

        hub_lock(hub);
        at = at->next;
        hub_unlock(hub);
        if (at == &hub->owners) {
            return next;
        }
        owner = HF_CONTAINER(at, struct link_owner, node);
        link_owner_examine(owner, now, &next);
        HF_LIST_FOR(node, &owner->links)
        {
            examine_link(link_of_node(node), now, &next);
        }
    }
}

/* What is no input: times, new and closing owners, ended links. */
static void look(struct link_hub *hub)
{
    int64_t now = hf_clock_monotonic_us();
    int64_t next;

    if (now - hub->expected_us > LATE_US) {
        hub->silence_from_us = now + GRACE_US;
    }
    close_owners(hub);
    /* Who makes something due meanwhile must ring, whatever we have looked at. */
    atomic_store(&hub->look_us, INT64_MAX);
    next = examine(hub, now);
    bury(hub);
    hub->expected_us = next;
    hub_wake_by(hub, next);
}

static void on_timer(struct hub_source *source, uint32_t events)
{
    struct link_hub *hub = HF_CONTAINER(source, struct link_hub, timer);
    uint64_t rings;

    (void)events;
    (void)!read(source->fd, &rings, sizeof rings);
    atomic_store(&hub->is_woken, true);
}

static void turn(struct link_hub *hub, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(hub->epoll_fd, events, EVENTS_MAX, wait_ms);

    in_turn = hub;
    for (int i = 0; i < count; i++) {
        struct hub_source *source = events[i].data.ptr;

        source->on_ready(source, events[i].events);
    }
    while (atomic_exchange(&hub->is_woken, false)) {
        look(hub);
    }
    in_turn = NULL;
}

static void *run_own(void *unused)
{
    (void)unused;
    for (;;) {
        turn(&own_hub, -1);
    }
    return NULL;
}

static void on_watched(void *ctx, int events, hf_err err)
{
    (void)events;
    (void)err;
    turn(ctx, 0);
}

static void hub_fini(struct link_hub *hub)
{
    if (hub->watch != NULL) {
        hf_watch_close(hub->watch);
    }
    if (hub->timer.fd >= 0) {
        close(hub->timer.fd);
    }
    if (hub->epoll_fd >= 0) {
        close(hub->epoll_fd);
    }
    pthread_cond_destroy(&hub->gone);
    pthread_mutex_destroy(&hub->lock);
}

static hf_err hub_init(struct link_hub *hub)
{
    hub->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    hub->timer = (struct hub_source){
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_timer};
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->gone, NULL);
    hf_list_init(&hub->owners);
    hf_list_init(&hub->ended);
    hub->look_us = INT64_MAX;
    hub->expected_us = INT64_MAX;
    if (hub->epoll_fd < 0 || hub->timer.fd < 0) {
        return HF_ERR_FULL;
    }
    return hub_watch(hub, &hub->timer, EPOLLIN);
}

/* Signals are for the program's own threads. */
static void start_own(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    own_started = hub_init(&own_hub);
    if (own_started != HF_OK) {
        return;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, run_own, NULL) == 0) {
        (void)pthread_setname_np(thread, "links");
        pthread_detach(thread);
    } else {
        own_started = HF_ERR_NO_MEMORY;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* loops_lock held. */
static struct link_hub *find_loop(const struct hf_loop *loop)
{
    HF_LIST_FOR(node, &loops)
    {
        struct link_hub *hub = HF_CONTAINER(node, struct link_hub, node);

        if (hub->loop == loop) {
            return hub;
        }
    }
    return NULL;
}

/* loops_lock held. */
static hf_err open_loop(struct hf_loop *loop, struct link_hub **out)
{
    struct link_hub *hub = calloc(1, sizeof *hub);
    hf_err err = hub != NULL ? hub_init(hub) : HF_ERR_NO_MEMORY;

    if (err == HF_OK) {
        err = hf_watch_open(loop, hub->epoll_fd, on_watched, hub, &hub->watch);
    }
    if (err == HF_OK) {
        err = hf_watch_set(hub->watch, HF_WATCH_READ);
    }
    if (err != HF_OK) {
        if (hub != NULL) {
            hub_fini(hub);
            free(hub);
        }
        return err;
    }
    hub->loop = loop;
    hf_list_push_back(&loops, &hub->node);
    *out = hub;
    return HF_OK;
}

hf_err hub_get(struct hf_loop *loop, struct link_hub **out)
{
    hf_err err = HF_OK;

    if (loop == NULL) {
        pthread_once(&own_once, start_own);
        *out = &own_hub;
        return own_started;
    }
    pthread_mutex_lock(&loops_lock);
    *out = find_loop(loop);
    if (*out == NULL) {
        err = open_loop(loop, out);
    }
    if (err == HF_OK) {
        (*out)->uses++;
    }
    pthread_mutex_unlock(&loops_lock);
    return err;
}

void hub_put(struct link_hub *hub)
{
    bool is_last;

    if (hub == NULL || hub == &own_hub) {
        return;
    }
    pthread_mutex_lock(&loops_lock);
    is_last = --hub->uses == 0;
    if (is_last) {
        hf_list_remove(&hub->node);
    }
    pthread_mutex_unlock(&loops_lock);
    if (is_last) {
        hub_fini(hub);
        free(hub);
    }
}

void hub_add_owner(struct link_owner *owner)
{
    struct link_hub *hub = owner->hub;

    hub_lock(hub);
    hf_list_push_back(&hub->owners, &owner->node);
    wake(hub);
    hub_unlock(hub);
}

void hub_drop_owner(struct link_owner *owner)
{
    struct link_hub *hub = owner->hub;

    hub_lock(hub);
    owner->is_closing = true;
    wake(hub);
    hub_unlock(hub);
    if (hub->loop != NULL) {
        close_owners(hub); /* we are on its thread */
    }
    hub_lock(hub);
    while (!owner->is_gone) {
        pthread_cond_wait(&hub->gone, &hub->lock);
    }
    hub_unlock(hub);
}
