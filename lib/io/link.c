/* Owns the life of one link: made for a socket, ended once, torn down by its hub. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GOODBYE_MS 200

struct hf_link_stats hf_link_stats = {
#define STAT(field, kind, text) .field = {"holdfast_link_" #field, text, kind, 0}
    STAT(up, HF_STAT_GAUGE, "Links that are up."),
    STAT(accepted_total, HF_STAT_COUNTER, "Connections accepted."),
    STAT(refused_pending_total, HF_STAT_COUNTER,
         "Connections refused: too many unauthenticated."),
    STAT(refused_address_total, HF_STAT_COUNTER,
         "Connections refused: too many unauthenticated of one address."),
    STAT(refused_bucket_total, HF_STAT_COUNTER,
         "Connections refused: too many failed handshakes of one address."),
    STAT(handshakes_failed_total, HF_STAT_COUNTER, "Handshakes that failed."),
    STAT(limit_control_total, HF_STAT_COUNTER,
         "Links closed: too many control records waited."),
    STAT(limit_output_total, HF_STAT_COUNTER, "Links closed: too much output waited."),
    STAT(limit_message_total, HF_STAT_COUNTER,
         "Links closed: the peer announced a message over the limit."),
    STAT(timeouts_total, HF_STAT_COUNTER, "Links closed: nothing was heard."),
    STAT(protocol_violations_total, HF_STAT_COUNTER,
         "Links closed: framing, sealing or handshake bytes were wrong."),
    STAT(messages_in_total, HF_STAT_COUNTER, "Messages received."),
    STAT(records_out_total, HF_STAT_COUNTER, "Records given to links."),
    STAT(records_in_total, HF_STAT_COUNTER, "Records received."),
    STAT(bytes_out_total, HF_STAT_COUNTER, "Bytes sent."),
    STAT(bytes_in_total, HF_STAT_COUNTER, "Bytes received."),
    STAT(sends_blocked_total, HF_STAT_COUNTER,
         "Sends the socket did not take at once."),
#undef STAT
};

hf_err hf_link_stats_render(struct hf_buf *out)
{
    const struct hf_link_stats *s = &hf_link_stats;
    const struct hf_stat *const all[] = {&s->up,
                                         &s->accepted_total,
                                         &s->refused_pending_total,
                                         &s->refused_address_total,
                                         &s->refused_bucket_total,
                                         &s->handshakes_failed_total,
                                         &s->limit_control_total,
                                         &s->limit_output_total,
                                         &s->limit_message_total,
                                         &s->timeouts_total,
                                         &s->protocol_violations_total,
                                         &s->messages_in_total,
                                         &s->records_out_total,
                                         &s->records_in_total,
                                         &s->bytes_out_total,
                                         &s->bytes_in_total,
                                         &s->sends_blocked_total};
    hf_err err = HF_OK;

    for (size_t i = 0; i < sizeof all / sizeof all[0] && err == HF_OK; i++) {
        err = hf_stat_render(out, all[i], "");
    }
    return err;
}

const char *hf_link_end_text(enum hf_link_end end)
{
    static const char *const texts[] = {
        [HF_LINK_END_LOCAL] = "closed here",
        [HF_LINK_END_PEER] = "closed by the peer",
        [HF_LINK_END_TIMEOUT] = "nothing heard from the peer",
        [HF_LINK_END_PROTOCOL] = "the peer broke the protocol",
        [HF_LINK_END_LIMIT] = "a limit was exceeded",
        [HF_LINK_END_DENIED] = "denied",
        [HF_LINK_END_CONNECT] = "nobody listens there",
        [HF_LINK_END_MEMORY] = "out of memory",
    };

    hf_check((size_t)end < sizeof texts / sizeof texts[0]);
    return texts[end];
}

struct hf_link *hf_link_ref(struct hf_link *link)
{
    hf_check(link != NULL);
    atomic_fetch_add(&link->refs, 1);
    return link;
}

static void destroy(struct hf_link *link)
{
    close(link->source.fd);
    link_input_fini(link);
    link_output_fini(link);
    hf_handshake_free(link->handshake);
    hf_link_identity_unref(link->identity);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

void hf_link_unref(struct hf_link *link)
{
    if (link != NULL && atomic_fetch_sub(&link->refs, 1) == 1) {
        destroy(link);
    }
}

bool link_has_ended(const struct hf_link *link)
{
    return atomic_load(&link->end) >= 0;
}

void link_end(struct hf_link *link, enum hf_link_end end)
{
    int none = -1;

    if (atomic_compare_exchange_strong(&link->end, &none, (int)end)) {
        hub_bury(link->hub, hf_link_ref(link));
    }
}

void link_linger(struct hf_link *link, enum hf_link_end end, int64_t wait_ms)
{
    int64_t due = hf_clock_monotonic_us() + wait_ms * 1000;

    link->finish_end = end;
    if (due < atomic_load(&link->finish_us)) {
        atomic_store(&link->finish_us, due);
        hub_wake_by(link->hub, due);
    }
}

void link_finish(struct hf_link *link, enum hf_link_end end, int64_t wait_ms)
{
    link_output_finish(link);
    link_linger(link, end, wait_ms);
    hf_link_flush(link);
}

void link_say_goodbye(struct hf_link *link, hf_reason reason, enum hf_link_end end)
{
    link_output_goodbye(link, reason);
    link_output_finish(link);
    link_linger(link, end, GOODBYE_MS);
    atomic_store(&link->out.soon_us, 0); /* the hub writes: locks may be held here */
    hub_wake_by(link->hub, 0);
}

void hf_link_close(struct hf_link *link, enum hf_link_end end)
{
    hf_check(link != NULL);
    link_end(link, end);
}

void hf_link_finish(struct hf_link *link, int64_t wait_ms)
{
    hf_check(link != NULL && wait_ms >= 0);
    link_finish(link, HF_LINK_END_LOCAL, wait_ms);
}

const struct hf_link_peer *hf_link_peer(const struct hf_link *link)
{
    return &link->peer;
}

void hf_link_set_user(struct hf_link *link, void *user)
{
    link->user = user;
}

void *hf_link_user(const struct hf_link *link)
{
    return link->user;
}

/* The first reference is dropped here: nothing of the hub points to the link then. */
void link_teardown(struct hf_link *link)
{
    enum hf_link_end end = (enum hf_link_end)atomic_load(&link->end);
    const struct hf_link_events *events = link->events;

    hub_unwatch(link->hub, &link->source);
    (void)shutdown(link->source.fd, SHUT_RDWR);
    if (end == HF_LINK_END_TIMEOUT) {
        hf_stat_add(&hf_link_stats.timeouts_total, 1);
    }
    if (link->was_up) {
        hf_stat_add(&hf_link_stats.up, -1);
        events->on_down(link->ctx, link, end);
    } else {
        hf_stat_add(&hf_link_stats.handshakes_failed_total, 1);
        if (events->on_failed != NULL) {
            events->on_failed(link->ctx, end, link->peer.address,
                              link->detail != NULL ? link->detail
                                                   : hf_link_end_text(end));
        }
    }
    link_owner_forget(link->owner, link);
    hf_link_unref(link);
}

static void on_ready(struct hub_source *source, uint32_t events)
{
    struct hf_link *link = HF_CONTAINER(source, struct hf_link, source);

    if ((events & EPOLLOUT) != 0 && !link_has_ended(link)) {
        link_output_ready(link);
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && !link_has_ended(link)) {
        link_input_ready(link);
    }
}

static struct hf_link *link_new(struct link_owner *owner, int fd)
{
    struct hf_link *link = calloc(1, sizeof *link);

    if (link == NULL) {
        return NULL;
    }
    link->refs = 1; /* dropped by link_teardown */
    link->source = (struct hub_source){fd, on_ready};
    link->hub = owner->hub;
    link->owner = owner;
    link->is_shared = owner->config.loop == NULL;
    link->events = owner->config.events;
    link->ctx = owner->config.ctx;
    link->state = LINK_GREETING;
    link->end = -1;
    link->kind = owner->transport == HF_LINK_IPC ? HF_FRAME_IPC : HF_FRAME_TCP;
    link->output_bytes_max = owner->config.output_bytes_max;
    link->message_bytes_max = owner->config.message_bytes_max;
    link->peer_message_bytes_max = HF_LINK_MESSAGE_BYTES_MAX;
    link->deadline_us = hf_clock_monotonic_us() + owner->config.handshake_ms * 1000;
    link->finish_us = INT64_MAX;
    pthread_mutex_init(&link->lock, NULL);
    link_output_init(link);
    link_input_init(link);
    link_address_of_peer(link);
    link->identity = link_owner_identity(owner);
    return link;
}

static hf_err greet(struct hf_link *link)
{
    uint8_t greeting[HF_FRAME_GREETING_BYTES];
    hf_err err;

    hf_frame_greeting(greeting);
    err = link_output_bytes(link, (hf_slice){greeting, sizeof greeting});
    return err == HF_OK ? link_auth_begin(link) : err;
}

hf_err link_start(struct link_owner *owner, int fd)
{
    struct hf_link *link = link_new(owner, fd);
    hf_err err;

    if (link == NULL) {
        close(fd);
        return HF_ERR_NO_MEMORY;
    }
    err = link_owner_enter(owner, link);
    if (err != HF_OK) {
        hf_link_unref(link);
        return err;
    }
    err = greet(link);
    if (err == HF_OK) {
        err = hub_watch(link->hub, &link->source, EPOLLIN);
    }
    if (err != HF_OK) {
        link_end(link, HF_LINK_END_MEMORY);
        return HF_OK; /* it will be heard of */
    }
    hf_link_flush(link);
    hub_wake_by(link->hub, link->deadline_us);
    return HF_OK;
}
