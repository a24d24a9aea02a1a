/* enqueue ADDRESS PACKAGE QUEUE COUNT OUTSTANDING BODY_BYTES [LOG]: asynchronous
 * requests; each accepted id is written to LOG (or nowhere), refusals are counted by
 * reason. list ADDRESS PACKAGE QUEUE: the ids that are queued, one per line. */
#include "tests/wire/wire.h"

#include "lib/io/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE 1

struct enqueue {
    struct wire *wire;
    FILE *log;
    uint64_t count;
    uint64_t outstanding;
    uint64_t sent;
    uint64_t accepted;
    uint64_t refused;
    uint64_t reasons[HF_REASON_COUNT];
    struct hf_id_source ids;
    hf_slice body;
    uint8_t head[256];
    size_t head_bytes;
};

static hf_err send_one(struct enqueue *e)
{
    uint8_t meta[HF_META_SMALL_MAX];
    uint64_t random = 0;
    struct hf_enqueue message = {.handle = HANDLE, .flags = HF_ENQUEUE_ASYNC};
    hf_time now = hf_clock_now();

    hf_random(&random, sizeof random);
    message.id = hf_id_next(&e->ids, now, random);
    message.deadline_ms = hf_time_ms(now) + 86400000;
    e->sent++;
    return wire_send(e->wire, HF_RECORD_ENQUEUE,
                     hf_slice_of(meta, hf_enqueue_encode(&message, meta, sizeof meta)),
                     hf_slice_of(e->head, e->head_bytes), e->body);
}

static void take(struct enqueue *e, const struct wire_record *record)
{
    struct hf_accepted accepted;
    struct hf_refused refused;

    if (record->type == HF_RECORD_ACCEPTED &&
        hf_accepted_decode(record->meta, &accepted) == HF_OK) {
        e->accepted++;
        wire_write_id(e->log, accepted.id);
    } else if (record->type == HF_RECORD_REFUSED &&
               hf_refused_decode(record->meta, &refused) == HF_OK) {
        e->refused++;
        e->reasons[refused.reason]++;
    }
}

static void run(struct enqueue *e)
{
    while (e->accepted + e->refused < e->count) {
        struct wire_record *record = NULL;

        while (e->sent < e->count &&
               e->sent - e->accepted - e->refused < e->outstanding) {
            if (send_one(e) != HF_OK) {
                return;
            }
        }
        wire_flush(e->wire);
        record = wire_next(e->wire, 10000);
        if (record == NULL) {
            return; /* the broker died: what is in the log was acknowledged */
        }
        take(e, record);
        free(record);
    }
}

static void make_head(struct enqueue *e)
{
    const struct hf_request_head head = {.method = HF_SLICE("POST"),
                                         .path = HF_SLICE("/"),
                                         .scheme = HF_SLICE("http"),
                                         .host = HF_SLICE("test"),
                                         .client_ip = HF_SLICE("127.0.0.1")};

    e->head_bytes = hf_request_head_encode(&head, e->head, sizeof e->head);
}

static void report(const struct enqueue *e, int64_t started_us)
{
    double seconds = (double)(hf_clock_monotonic_us() - started_us) / 1e6;

    (void)printf("sent %llu accepted %llu refused %llu seconds %.3f rate %.0f\n",
                 (unsigned long long)e->sent, (unsigned long long)e->accepted,
                 (unsigned long long)e->refused, seconds,
                 (double)e->accepted / seconds);
    for (size_t i = 0; i < HF_REASON_COUNT; i++) {
        if (e->reasons[i] > 0) {
            (void)printf("refused %s %llu\n", hf_reason_word((hf_reason)i),
                         (unsigned long long)e->reasons[i]);
        }
    }
}

int wire_enqueue(int argc, char **argv)
{
    static uint8_t body[HF_BODY_INLINE_MAX];
    static struct enqueue e;
    int64_t started_us = hf_clock_monotonic_us();

    if (argc < 6) {
        (void)fprintf(stderr, "wire enqueue ADDRESS PACKAGE QUEUE COUNT OUTSTANDING "
                              "BODY_BYTES [LOG]\n");
        return 2;
    }
    e.count = strtoull(argv[3], NULL, 10);
    e.outstanding = strtoull(argv[4], NULL, 10);
    memset(body, 'x', sizeof body);
    e.body = hf_slice_first(hf_slice_of(body, sizeof body), strtoul(argv[5], NULL, 10));
    e.log = argc > 6 ? fopen(argv[6], "ae") : NULL;
    make_head(&e);
    if (wire_open(argv[0], argv[1], HF_ROLE_FRONTEND, &e.wire) != HF_OK) {
        return 1;
    }
    if (wire_open_queue(e.wire, HANDLE, argv[2], HF_RIGHT_ENQUEUE) != HF_OK) {
        (void)fprintf(stderr, "wire enqueue: queue not opened\n");
        return 1;
    }
    run(&e);
    report(&e, started_us);
    if (e.log != NULL) {
        (void)fclose(e.log);
    }
    wire_close(e.wire);
    return e.accepted == e.count ? 0 : 3;
}

/* Prints one page; false at the end. */
static bool list_page(struct wire *wire, hf_id *after, bool *is_over)
{
    struct hf_peeked peeked;
    struct wire_record *record = NULL;

    WIRE_SEND(wire, PEEK, peek, .handle = HANDLE, .after_id = *after, .limit = 1000);
    wire_flush(wire);
    record = wire_next(wire, 10000);
    if (record == NULL || record->type != HF_RECORD_PEEKED ||
        hf_peeked_decode(record->meta, &peeked) != HF_OK) {
        free(record);
        return false;
    }
    for (size_t at = 0; at < peeked.ids.bytes; at += HF_ID_BYTES) {
        memcpy(after->bytes, peeked.ids.data + at, HF_ID_BYTES);
        wire_write_id(stdout, *after);
    }
    *is_over = peeked.is_last;
    free(record);
    return true;
}

int wire_list(int argc, char **argv)
{
    struct wire *wire = NULL;
    hf_id after = {{0}};
    bool is_over = false;

    if (argc < 3 || wire_open(argv[0], argv[1], HF_ROLE_FRONTEND, &wire) != HF_OK) {
        return 2;
    }
    if (wire_open_queue(wire, HANDLE, argv[2], HF_RIGHT_PEEK) != HF_OK) {
        (void)fprintf(stderr, "wire list: queue not opened\n");
        wire_close(wire);
        return 1;
    }
    while (!is_over) {
        if (!list_page(wire, &after, &is_over)) {
            wire_close(wire);
            return 1;
        }
    }
    wire_close(wire);
    return 0;
}
