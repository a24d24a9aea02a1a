/* Owns the links to brokers: one dialer each. What links say is copied on their threads
 * and handled on the loop's. */
#include "controller/shell.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOODBYE_WAIT_MS 200

/* One event on its way to the loop. */
struct posted {
    struct ct_uplink *uplink;
    enum { POSTED_UP, POSTED_RECORD, POSTED_DOWN } type;
    struct hf_link *link; /* a reference for UP, else only compared */
    hf_digest transcript;
    uint16_t record_type;
    size_t meta_bytes;
    uint8_t meta[];
};

static void send_introduction(struct ct_uplink *uplink)
{
    const struct hf_introduce message = {
        .pid = getpid(),
        .name = hf_slice_of_cstr(uplink->ct->options.name),
        .since_ms = uplink->ct->since_ms,
    };
    struct hf_buf meta;

    hf_buf_init(&meta, HF_META_MAX);
    if (hf_introduce_append(&message, &meta) == HF_OK) {
        const struct hf_record record = {.type = HF_RECORD_INTRODUCE,
                                         .meta = hf_buf_slice(&meta)};

        ct_uplink_send(uplink, &record);
    }
    hf_buf_fini(&meta);
}

static void ask(struct ct_uplink *uplink)
{
    const struct hf_stat_query query = {.nonce = ++uplink->stat_nonce};
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_record record = {
        .type = HF_RECORD_STAT,
        .meta = hf_slice_of(meta, hf_stat_query_encode(&query, meta, sizeof meta))};

    uplink->is_stat_pending = true;
    ct_uplink_send(uplink, &record);
}

static void count_brokers(struct ct *ct)
{
    struct fleet_input input = {.type = FLEET_IN_BROKERS};

    input.u.brokers = (uint32_t)ct_uplinks_up(ct);
    ct_step(ct, &input);
}

static void handle_down(struct ct_uplink *uplink)
{
    struct ct *ct = uplink->ct;

    hf_link_unref(uplink->link);
    uplink->link = NULL;
    ct_report_clear(uplink);
    publication_down(&ct->publication, uplink->index);
    ct_news(ct, "broker %s lost", ct->config->brokers[uplink->index].name);
    count_brokers(ct);
}

static void handle_up(struct posted *p)
{
    struct ct_uplink *uplink = p->uplink;
    struct ct *ct = uplink->ct;

    if (uplink->link != NULL) {
        handle_down(uplink);
    }
    uplink->link = p->link;
    uplink->transcript = p->transcript;
    uplink->reauth_counter = 0;
    uplink->is_stat_pending = false;
    publication_up(&ct->publication, uplink->index);
    send_introduction(uplink);
    ct_tell_dead(ct, uplink);
    ct_publish(ct);
    ask(uplink);
    ct_uplink_flush(uplink);
    ct_news(ct, "broker %s ready", ct->config->brokers[uplink->index].name);
    count_brokers(ct);
}

static void handle(void *context)
{
    struct posted *p = context;
    const struct hf_record record = {.type = p->record_type,
                                     .meta = hf_slice_of(p->meta, p->meta_bytes)};

    if (p->type == POSTED_UP) {
        handle_up(p);
    } else if (p->uplink->link == p->link && p->type == POSTED_RECORD) {
        ct_report_record(p->uplink, &record);
    } else if (p->uplink->link == p->link) {
        handle_down(p->uplink);
    }
    free(p);
}

static struct posted *posted_new(struct ct_uplink *uplink, struct hf_link *link,
                                 hf_slice meta)
{
    struct posted *p = calloc(1, sizeof *p + meta.bytes);

    if (p == NULL) {
        ct_stop_now("no memory for a record");
    }
    p->uplink = uplink;
    p->link = link;
    p->meta_bytes = meta.bytes;
    if (meta.bytes > 0) {
        memcpy(p->meta, meta.data, meta.bytes);
    }
    return p;
}

static void post(struct posted *p)
{
    if (hf_loop_post(p->uplink->ct->loop, handle, p) != HF_OK) {
        ct_stop_now("65536 records wait for the loop");
    }
}

static void on_up(void *context, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct ct_uplink *uplink = context;
    struct posted *p = posted_new(uplink, hf_link_ref(link), HF_SLICE_EMPTY);

    p->type = POSTED_UP;
    p->transcript = peer->result->transcript;
    atomic_store(&uplink->is_complained, false);
    post(p);
}

static void on_records(void *context, struct hf_link *link,
                       const struct hf_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct posted *p = NULL;

        if (hf_record_check(&records[i], HF_END_BROKER, HF_END_CONTROLLER) != HF_OK) {
            HF_WARN("broker broke the protocol", hf_log_int("type", records[i].type));
            hf_link_close(link, HF_LINK_END_PROTOCOL);
            return;
        }
        p = posted_new(context, link, records[i].meta);
        p->type = POSTED_RECORD;
        p->record_type = records[i].type;
        post(p);
    }
}

static void on_down(void *context, struct hf_link *link, enum hf_link_end end)
{
    struct posted *p = posted_new(context, link, HF_SLICE_EMPTY);

    HF_INFO("link down", hf_log_cstr("end", hf_link_end_text(end)));
    p->type = POSTED_DOWN;
    post(p);
}

static void on_failed(void *context, enum hf_link_end end, const char *address,
                      const char *detail)
{
    struct ct_uplink *uplink = context;

    if (!atomic_exchange(&uplink->is_complained, true)) {
        HF_WARN("broker not reached", hf_log_cstr("address", address),
                hf_log_cstr("end", hf_link_end_text(end)), hf_log_cstr("code", detail));
    }
}

static const struct hf_link_events events = {
    .on_up = on_up,
    .on_records = on_records,
    .on_down = on_down,
    .on_failed = on_failed,
};

hf_err ct_uplinks_open(struct ct *ct)
{
    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        struct ct_uplink *uplink = &ct->uplinks[i];
        struct hf_link_config config = {.events = &events,
                                        .ctx = uplink,
                                        .identity = ct->identity,
                                        .address = uplink->address};
        hf_err err = HF_OK;

        uplink->ct = ct;
        uplink->index = i;
        ct_broker_address(ct, &ct->config->brokers[i], 0, uplink->address);
        err = hf_link_dialer_open(&config, &uplink->dialer);
        if (err != HF_OK) {
            return err;
        }
    }
    return HF_OK;
}

void ct_uplinks_close(struct ct *ct)
{
    const struct hf_goodbye goodbye = {.reason = HF_REASON_APP_SHUTDOWN};
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_record record = {
        .type = HF_RECORD_GOODBYE,
        .meta = hf_slice_of(meta, hf_goodbye_encode(&goodbye, meta, sizeof meta))};

    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        struct ct_uplink *uplink = &ct->uplinks[i];

        if (uplink->link != NULL) {
            ct_uplink_send(uplink, &record);
            hf_link_finish(uplink->link, GOODBYE_WAIT_MS);
        }
        hf_link_dialer_close(uplink->dialer);
        uplink->dialer = NULL;
    }
    hf_loop_run_ready(ct->loop); /* what was posted until now */
    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        hf_link_unref(ct->uplinks[i].link);
        ct->uplinks[i].link = NULL;
        hf_arena_fini(&ct->uplinks[i].stats[0].arena);
        hf_arena_fini(&ct->uplinks[i].stats[1].arena);
    }
}

/* A link that takes nothing goes down by itself; the next session is told everything.
 */
void ct_uplink_send(struct ct_uplink *uplink, const struct hf_record *record)
{
    if (uplink->link != NULL) {
        (void)!hf_link_send(uplink->link, record);
    }
}

void ct_uplink_flush(struct ct_uplink *uplink)
{
    if (uplink->link != NULL) {
        hf_link_flush(uplink->link);
    }
}

void ct_uplinks_send(struct ct *ct, const struct hf_record *record)
{
    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        ct_uplink_send(&ct->uplinks[i], record);
        ct_uplink_flush(&ct->uplinks[i]);
    }
}

void ct_uplinks_ask(struct ct *ct)
{
    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        struct ct_uplink *uplink = &ct->uplinks[i];

        if (uplink->link != NULL && !uplink->is_stat_pending) {
            ask(uplink);
            ct_uplink_flush(uplink);
        }
    }
}

void ct_uplinks_identify(struct ct *ct, struct hf_link_identity *identity)
{
    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        if (ct->uplinks[i].dialer != NULL) {
            hf_link_dialer_set_identity(ct->uplinks[i].dialer, identity);
        }
    }
}

size_t ct_uplinks_up(const struct ct *ct)
{
    size_t count = 0;

    for (size_t i = 0; i < CT_BROKERS_MAX; i++) {
        count += ct->uplinks[i].link != NULL ? 1 : 0;
    }
    return count;
}
