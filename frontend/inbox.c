#include "frontend/inbox.h"

#include <string.h>

#define STORAGE_KEPT                                                                   \
    ((size_t)4 << 20) /* a burst's storage beyond this is given back                   \
                       */

/* Before each entry in the buffer; never leaves the process. */
struct mark {
    enum fe_inbox_kind kind;
    uint32_t uplink;
    uint32_t detail;
    struct hf_link *link;
    size_t content_bytes;
};

hf_err fe_inbox_init(struct fe_inbox *inbox, struct hf_loop *loop, hf_loop_fn fn,
                     void *ctx)
{
    hf_buf_init(&inbox->filling, FE_INBOX_BYTES_MAX);
    hf_buf_init(&inbox->taken, FE_INBOX_BYTES_MAX);
    hf_check(pthread_mutex_init(&inbox->lock, NULL) == 0);
    return hf_wake_open(loop, fn, ctx, &inbox->wake);
}

void fe_inbox_fini(struct fe_inbox *inbox)
{
    if (inbox->wake == NULL) {
        return;
    }
    hf_wake_close(inbox->wake);
    inbox->wake = NULL;
    hf_buf_fini(&inbox->filling);
    hf_buf_fini(&inbox->taken);
    hf_check(pthread_mutex_destroy(&inbox->lock) == 0);
}

static size_t content_bytes(const struct hf_record *records, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += hf_record_bytes(&records[i]);
    }
    return bytes;
}

static hf_err put_locked(struct hf_buf *buf, const struct mark *mark,
                         const struct hf_record *records, size_t count)
{
    size_t needed = sizeof *mark + mark->content_bytes;
    uint8_t *room;
    hf_err err = HF_OK;

    /* A flood of records ends its session; that must still find room to be said. */
    if (mark->kind == FE_INBOX_RECORDS &&
        hf_buf_bytes(buf) + needed > FE_INBOX_BYTES_MAX - FE_INBOX_RESERVE) {
        return HF_ERR_FULL;
    }
    err = hf_buf_reserve(buf, needed, &room);
    if (err != HF_OK) {
        return err == HF_ERR_TOO_BIG ? HF_ERR_FULL : err;
    }
    memcpy(room, mark, sizeof *mark);
    room += sizeof *mark;
    for (size_t i = 0; i < count; i++) {
        hf_record_put(&records[i], room);
        room += hf_record_bytes(&records[i]);
    }
    hf_buf_grown(buf, needed);
    return HF_OK;
}

hf_err fe_inbox_put(struct fe_inbox *inbox, const struct fe_inbox_entry *entry,
                    const struct hf_record *records, size_t count)
{
    const struct mark mark = {entry->kind, entry->uplink, entry->detail, entry->link,
                              content_bytes(records, count)};
    bool was_empty;
    hf_err err;

    hf_check(pthread_mutex_lock(&inbox->lock) == 0);
    was_empty = hf_buf_bytes(&inbox->filling) == 0;
    err = put_locked(&inbox->filling, &mark, records, count);
    hf_check(pthread_mutex_unlock(&inbox->lock) == 0);
    if (err == HF_OK && was_empty) {
        hf_wake_signal(inbox->wake);
    }
    return err;
}

void fe_inbox_take(struct fe_inbox *inbox)
{
    struct hf_buf empty;

    hf_check(hf_buf_bytes(&inbox->taken) == 0);
    if (inbox->taken.capacity > STORAGE_KEPT) {
        hf_buf_fini(&inbox->taken);
    }
    hf_buf_clear(&inbox->taken);
    empty = inbox->taken;
    hf_check(pthread_mutex_lock(&inbox->lock) == 0);
    inbox->taken = inbox->filling;
    inbox->filling = empty;
    hf_check(pthread_mutex_unlock(&inbox->lock) == 0);
}

bool fe_inbox_next(struct fe_inbox *inbox, struct fe_inbox_entry *out)
{
    hf_slice all = hf_buf_slice(&inbox->taken);
    struct mark mark;

    if (all.bytes == 0) {
        return false;
    }
    hf_check(all.bytes >= sizeof mark);
    memcpy(&mark, all.data, sizeof mark);
    hf_check(all.bytes - sizeof mark >= mark.content_bytes);
    *out = (struct fe_inbox_entry){
        mark.kind, mark.uplink, mark.detail, mark.link,
        hf_slice_first(hf_slice_skip(all, sizeof mark), mark.content_bytes)};
    /* Consuming moves no bytes: the slice stays until the next take. */
    hf_buf_consume(&inbox->taken, sizeof mark + mark.content_bytes);
    return true;
}
