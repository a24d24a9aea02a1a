/* work ADDRESS PACKAGE QUEUE COUNT CREDIT [LOG [ACK_LOG]]: takes and answers COUNT
 * requests and ends when all answers are acknowledged. LOG gets the id of each before
 * it is answered, ACK_LOG when the broker has acknowledged the answer. With ACK_LOG
 * credit is given again on acknowledgement only, so that never more than CREDIT answers
 * are neither acknowledged nor refused. */
#include "tests/wire/wire.h"

#include "lib/io/clock.h"

#include <stdlib.h>

#define HANDLE 1

struct work {
    struct wire *wire;
    FILE *log;
    FILE *ack_log;
    uint64_t count;
    uint32_t credit;
    uint64_t answered;
    uint64_t acknowledged;
    int64_t started_us;
    int64_t first_us;
    int64_t last_us;
    uint8_t head[64];
    size_t head_bytes;
};

static void give_credit(struct work *w, uint32_t requests)
{
    WIRE_SEND(w->wire, CREDIT, credit, .handle = HANDLE, .requests = requests);
}

static void answer(struct work *w, const struct wire_record *record)
{
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_assign assign;
    struct hf_respond respond = {0};

    if (hf_assign_decode(record->meta, &assign) != HF_OK || w->answered == w->count) {
        return; /* what is more goes back when the session ends */
    }
    wire_write_id(w->log, assign.id);
    respond.id = assign.id;
    respond.epoch = assign.epoch;
    if (wire_send(w->wire, HF_RECORD_RESPOND,
                  hf_slice_of(meta, hf_respond_encode(&respond, meta, sizeof meta)),
                  hf_slice_of(w->head, w->head_bytes), HF_SLICE_EMPTY) != HF_OK) {
        return;
    }
    w->last_us = hf_clock_monotonic_us();
    if (w->answered++ == 0) {
        w->first_us = w->last_us;
    }
    if (w->ack_log == NULL) {
        give_credit(w, 1);
    }
}

static void acknowledged(struct work *w, const struct wire_record *record)
{
    struct hf_respond_ack ack;

    if (hf_respond_ack_decode(record->meta, &ack) != HF_OK) {
        return;
    }
    w->acknowledged++;
    if (w->ack_log != NULL) {
        if (ack.result == 0) {
            wire_write_id(w->ack_log, ack.id);
        }
        give_credit(w, 1);
    }
}

static void run(struct work *w)
{
    const struct hf_response_head response = {.status = 200};

    w->head_bytes = hf_response_head_encode(&response, w->head, sizeof w->head);
    give_credit(w, w->credit);
    wire_flush(w->wire);
    while (w->acknowledged < w->count) {
        struct wire_record *record = wire_next(w->wire, 10000);

        if (record == NULL) {
            return;
        }
        if (record->type == HF_RECORD_ASSIGN) {
            answer(w, record);
        } else if (record->type == HF_RECORD_RESPOND_ACK) {
            acknowledged(w, record);
        }
        free(record);
        wire_flush(w->wire);
    }
}

static void report(const struct work *w)
{
    double seconds = (double)(w->last_us - w->first_us) / 1e6;

    (void)printf("answered %llu seconds %.3f rate %.0f first_ms %lld\n",
                 (unsigned long long)w->answered, seconds,
                 (double)w->answered / seconds,
                 (long long)((w->first_us - w->started_us) / 1000));
}

int wire_work(int argc, char **argv)
{
    struct work w = {.started_us = hf_clock_monotonic_us()};

    if (argc < 5) {
        (void)fprintf(stderr, "wire work ADDRESS PACKAGE QUEUE COUNT CREDIT [LOG "
                              "[ACK_LOG]]\n");
        return 2;
    }
    w.count = strtoull(argv[3], NULL, 10);
    w.credit = (uint32_t)strtoul(argv[4], NULL, 10);
    w.log = argc > 5 ? fopen(argv[5], "ae") : NULL;
    w.ack_log = argc > 6 ? fopen(argv[6], "ae") : NULL;
    if (wire_open(argv[0], argv[1], HF_ROLE_WORKER, &w.wire) != HF_OK ||
        wire_open_queue(w.wire, HANDLE, argv[2], HF_RIGHT_RECEIVE | HF_RIGHT_RESPOND) !=
            HF_OK) {
        (void)fprintf(stderr, "wire work: queue not opened\n");
        return 2;
    }
    run(&w);
    report(&w);
    if (w.log != NULL) {
        (void)fclose(w.log);
    }
    if (w.ack_log != NULL) {
        (void)fclose(w.ack_log);
    }
    wire_close(w.wire);
    return w.acknowledged >= w.count ? 0 : 3;
}
