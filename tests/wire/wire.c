#include "tests/wire/wire.h"

#include "lib/io/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wire {
    struct hf_credentials credentials;
    struct hf_link_dialer *dialer;
    struct hf_link_identity *identity;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct hf_link *link; /* a reference while up */
    bool was_up;
    bool is_down;
    bool is_refused;
    struct wire_record *first;
    struct wire_record **last;
};

static void on_up(void *context, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct wire *wire = context;

    (void)peer;
    pthread_mutex_lock(&wire->lock);
    if (!wire->was_up) {
        wire->link = hf_link_ref(link);
        wire->was_up = true;
    } else {
        hf_link_close(link, HF_LINK_END_LOCAL); /* one session per wire */
    }
    pthread_cond_broadcast(&wire->changed);
    pthread_mutex_unlock(&wire->lock);
}

static struct wire_record *copy_record(const struct hf_record *record)
{
    size_t bytes = record->meta.bytes + record->head.bytes + record->body.bytes;
    struct wire_record *copy = malloc(sizeof *copy + bytes);
    uint8_t *at = NULL;

    hf_check(copy != NULL);
    at = copy->data;
    copy->type = record->type;
    copy->next = NULL;
    memcpy(at, record->meta.data, record->meta.bytes);
    copy->meta = hf_slice_of(at, record->meta.bytes);
    at += record->meta.bytes;
    if (record->head.bytes > 0) {
        memcpy(at, record->head.data, record->head.bytes);
    }
    copy->head = hf_slice_of(at, record->head.bytes);
    at += record->head.bytes;
    if (record->body.bytes > 0) {
        memcpy(at, record->body.data, record->body.bytes);
    }
    copy->body = hf_slice_of(at, record->body.bytes);
    return copy;
}

static void on_records(void *context, struct hf_link *link,
                       const struct hf_record *records, size_t count)
{
    struct wire *wire = context;

    (void)link;
    pthread_mutex_lock(&wire->lock);
    for (size_t i = 0; i < count; i++) {
        *wire->last = copy_record(&records[i]);
        wire->last = &(*wire->last)->next;
    }
    pthread_cond_broadcast(&wire->changed);
    pthread_mutex_unlock(&wire->lock);
}

static void on_down(void *context, struct hf_link *link, enum hf_link_end end)
{
    struct wire *wire = context;

    pthread_mutex_lock(&wire->lock);
    if (link == wire->link) {
        if (end != HF_LINK_END_LOCAL) {
            (void)fprintf(stderr, "wire: session ended: %s\n", hf_link_end_text(end));
        }
        wire->is_down = true;
        pthread_cond_broadcast(&wire->changed);
    }
    pthread_mutex_unlock(&wire->lock);
}

static void on_failed(void *context, enum hf_link_end end, const char *address,
                      const char *detail)
{
    struct wire *wire = context;

    (void)fprintf(stderr, "wire: %s: attempt failed: %s %s\n", address,
                  hf_link_end_text(end), detail == NULL ? "" : detail);
    if (detail != NULL && strncmp(detail, "E_", 2) == 0) {
        pthread_mutex_lock(&wire->lock);
        wire->is_refused = true; /* by the peer or by us: it will not get better */
        pthread_cond_broadcast(&wire->changed);
        pthread_mutex_unlock(&wire->lock);
    }
}

static const struct hf_link_events events = {.on_up = on_up,
                                             .on_records = on_records,
                                             .on_down = on_down,
                                             .on_failed = on_failed};

static void wait_until_ms(struct wire *wire, int64_t due_us)
{
    struct timespec at = {.tv_sec = (time_t)(due_us / 1000000),
                          .tv_nsec = (long)(due_us % 1000000) * 1000};

    pthread_cond_timedwait(&wire->changed, &wire->lock, &at);
}

static hf_err dial(struct wire *wire, const char *address, enum hf_role role)
{
    struct hf_link_identity_config identity;
    struct hf_link_config config = {.address = address, .events = &events, .ctx = wire};
    hf_err err = HF_OK;

    hf_credentials_identify(&wire->credentials, &identity);
    identity.role = role;
    identity.grace_s = 86400;
    err = hf_link_identity_new(&identity, &wire->identity);
    if (err != HF_OK) {
        return err;
    }
    config.identity = wire->identity;
    return hf_link_dialer_open(&config, &wire->dialer);
}

hf_err wire_open(const char *address, const char *path, enum hf_role role,
                 struct wire **out)
{
    struct wire *wire = calloc(1, sizeof *wire);
    pthread_condattr_t clock;
    const char *error = "";
    int64_t due_us = hf_clock_monotonic_us() + 5000000;
    hf_err err = HF_OK;

    hf_check(wire != NULL);
    hf_credentials_init(&wire->credentials);
    pthread_mutex_init(&wire->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&wire->changed, &clock);
    wire->last = &wire->first;
    err = hf_credentials_read(&wire->credentials, path, &error);
    if (err == HF_OK) {
        err = dial(wire, address, role);
    }
    pthread_mutex_lock(&wire->lock);
    while (err == HF_OK && !wire->was_up && !wire->is_refused &&
           hf_clock_monotonic_us() < due_us) {
        wait_until_ms(wire, due_us);
    }
    if (err == HF_OK && !wire->was_up) {
        err = wire->is_refused ? HF_ERR_DENIED : HF_ERR_CLOSED;
    }
    pthread_mutex_unlock(&wire->lock);
    if (err != HF_OK) {
        (void)fprintf(stderr, "wire: %s: %s %s\n", address, hf_err_text(err), error);
        wire_close(wire);
        return err;
    }
    *out = wire;
    return HF_OK;
}

void wire_close(struct wire *wire)
{
    struct wire_record *record = NULL;

    if (wire == NULL) {
        return;
    }
    hf_link_dialer_close(wire->dialer);
    hf_link_unref(wire->link);
    hf_link_identity_unref(wire->identity);
    hf_credentials_fini(&wire->credentials);
    while ((record = wire->first) != NULL) {
        wire->first = record->next;
        free(record);
    }
    free(wire);
}

hf_err wire_send(struct wire *wire, uint16_t type, hf_slice meta, hf_slice head,
                 hf_slice body)
{
    const struct hf_record record = {type, meta, head, body};

    return hf_link_send(wire->link, &record);
}

void wire_flush(struct wire *wire)
{
    hf_link_flush(wire->link);
}

bool wire_is_up(struct wire *wire)
{
    bool is_up = false;

    pthread_mutex_lock(&wire->lock);
    is_up = wire->was_up && !wire->is_down;
    pthread_mutex_unlock(&wire->lock);
    return is_up;
}

struct wire_record *wire_next(struct wire *wire, int64_t timeout_ms)
{
    int64_t due_us = hf_clock_monotonic_us() + timeout_ms * 1000;
    struct wire_record *record = NULL;

    pthread_mutex_lock(&wire->lock);
    while (wire->first == NULL && !wire->is_down && hf_clock_monotonic_us() < due_us) {
        wait_until_ms(wire, due_us);
    }
    record = wire->first;
    if (record != NULL) {
        wire->first = record->next;
        if (wire->first == NULL) {
            wire->last = &wire->first;
        }
    }
    pthread_mutex_unlock(&wire->lock);
    return record;
}

void wire_write_id(FILE *log, hf_id id)
{
    char text[HF_ID_TEXT_BYTES + 1];

    if (log != NULL) {
        hf_id_text(id, text);
        (void)fprintf(log, "%s\n", text);
        (void)fflush(log);
    }
}

hf_err wire_open_queue(struct wire *wire, uint32_t handle, const char *queue,
                       uint32_t rights)
{
    uint8_t meta[512];
    const struct hf_queue_open open = {
        .handle = handle, .queue = hf_slice_of_cstr(queue), .rights = rights};
    hf_err err =
        wire_send(wire, HF_RECORD_OPEN,
                  hf_slice_of(meta, hf_queue_open_encode(&open, meta, sizeof meta)),
                  HF_SLICE_EMPTY, HF_SLICE_EMPTY);

    wire_flush(wire);
    while (err == HF_OK) {
        struct wire_record *record = wire_next(wire, 5000);
        struct hf_queue_opened opened;

        if (record == NULL) {
            return HF_ERR_CLOSED;
        }
        if (record->type == HF_RECORD_OPENED &&
            hf_queue_opened_decode(record->meta, &opened) == HF_OK) {
            free(record);
            return opened.reason == HF_REASON_NONE ? HF_OK : HF_ERR_DENIED;
        }
        free(record);
    }
    return err;
}
