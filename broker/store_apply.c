/* Applying a batch: a pure function of the commands and of what they point at. */
#include "broker/store_private.h"

#include "lib/base/bytes.h"

#include <string.h>

int store_put_pieces(struct store_apply *a, uint64_t seq, uint64_t offset,
                     hf_slice bytes)
{
    uint8_t key_bytes[16];
    int rc = 0;

    hf_put_be64(key_bytes, seq);
    while (bytes.bytes > 0 && rc == 0) {
        hf_slice part = hf_slice_first(bytes, BR_STORE_PIECE_BYTES);
        MDB_val key = {sizeof key_bytes, key_bytes};
        MDB_val value = {part.bytes, (void *)(uintptr_t)part.data};

        hf_put_be64(key_bytes + 8, offset);
        rc = mdb_put(a->txn, a->store->piece, &key, &value, 0);
        offset += part.bytes;
        bytes = hf_slice_skip(bytes, part.bytes);
    }
    return rc;
}

static void encode_record(uint8_t *to, const struct br_store_put *put)
{
    const struct broker_request_view *view = &put->view;

    to[0] = RECORD_VERSION;
    to[1] = (uint8_t)put->queue.bytes;
    hf_put_be32(to + 2, view->flags);
    memcpy(to + 6, view->id.bytes, HF_ID_BYTES);
    memcpy(to + 22, view->owner.bytes, HF_KEY_BYTES);
    hf_put_be64(to + 54, (uint64_t)view->enqueued.us);
    hf_put_be64(to + 62, (uint64_t)view->deadline.us);
    hf_put_be32(to + 70, view->head_bytes);
    hf_put_be64(to + 74, view->body_bytes);
    memcpy(to + RECORD_FIXED, put->queue.data, put->queue.bytes);
}

static int put_request(struct store_apply *a, uint64_t seq,
                       const struct br_store_put *put)
{
    uint8_t record[BR_STORE_PIECE_BYTES];
    uint8_t key_bytes[8];
    size_t used = RECORD_FIXED + put->queue.bytes;
    size_t room = BR_STORE_PIECE_BYTES - used;
    hf_slice head = hf_slice_first(put->head, room);
    hf_slice body = hf_slice_first(put->body, room - head.bytes);
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value = {used + head.bytes + body.bytes, record};
    unsigned flags = seq > a->store->seq_last ? MDB_APPEND : 0;
    int rc = 0;

    hf_check(put->queue.bytes <= BROKER_QUEUE_NAME_MAX);
    encode_record(record, put);
    if (head.bytes > 0) {
        memcpy(record + used, head.data, head.bytes);
    }
    if (body.bytes > 0) {
        memcpy(record + used + head.bytes, body.data, body.bytes);
    }
    hf_put_be64(key_bytes, seq);
    rc = mdb_put(a->txn, a->store->request, &key, &value, flags);
    if (rc != 0) {
        return rc;
    }
    if (seq > a->store->seq_last) {
        a->store->seq_last = seq;
    }
    rc = store_put_pieces(a, seq, head.bytes, hf_slice_skip(put->head, head.bytes));
    if (rc != 0) {
        return rc;
    }
    rc = store_put_pieces(a, seq, put->head.bytes + body.bytes,
                          hf_slice_skip(put->body, body.bytes));
    return rc == 0 ? store_answer_begin(a, seq, put) : rc;
}

/* What has arrived of a streamed body, in the runs it lies in. */
static int put_body(struct store_apply *a, const struct broker_command *command,
                    const struct br_store_put *put)
{
    uint64_t offset = put->view.head_bytes + command->offset;
    uint64_t left = command->bytes;
    int rc = 0;

    for (uint32_t i = 0; i < put->parts_count && rc == 0; i++) {
        rc = store_put_pieces(a, command->seq, offset, put->parts[i]);
        offset += put->parts[i].bytes;
        left -= put->parts[i].bytes;
    }
    hf_check(rc != 0 || left == 0);
    return rc;
}

static int put_dispatch(struct store_apply *a, const struct broker_command *command)
{
    uint8_t key_bytes[8];
    uint8_t value_bytes[8 + HF_KEY_BYTES];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value = {sizeof value_bytes, value_bytes};

    hf_put_be64(key_bytes, command->seq);
    hf_put_be64(value_bytes, command->epoch);
    memcpy(value_bytes + 8, command->key.bytes, HF_KEY_BYTES);
    return mdb_put(a->txn, a->store->dispatch, &key, &value, 0);
}

int store_drop_pieces(struct store_apply *a, uint64_t seq)
{
    uint8_t start[16];
    MDB_val key = {sizeof start, start};
    MDB_val value;
    int rc = 0;

    hf_put_be64(start, seq);
    hf_put_be64(start + 8, 0);
    if (a->pieces == NULL) {
        rc = mdb_cursor_open(a->txn, a->store->piece, &a->pieces);
    }
    if (rc == 0) {
        rc = mdb_cursor_get(a->pieces, &key, &value, MDB_SET_RANGE);
    }
    while (rc == 0 && key.mv_size == 16 && hf_get_be64(key.mv_data) == seq) {
        rc = mdb_cursor_del(a->pieces, 0);
        if (rc == 0) {
            rc = mdb_cursor_get(a->pieces, &key, &value, MDB_NEXT);
        }
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Whether payload bytes lie outside of the record; a body of unknown length may. */
static bool record_has_pieces(const uint8_t *record, size_t bytes)
{
    size_t stored = bytes - RECORD_FIXED - record[1];
    uint32_t head = hf_get_be32(record + 70);

    return head > stored || hf_get_be64(record + 74) > stored - head;
}

static int drop_request(struct store_apply *a, const struct broker_command *command,
                        const struct br_store_put *put)
{
    uint64_t seq = command->seq;
    hf_id id = {{0}};
    uint8_t key_bytes[8];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value;
    bool has_pieces = false;
    int rc = 0;

    hf_put_be64(key_bytes, seq);
    rc = mdb_get(a->txn, a->store->request, &key, &value);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    has_pieces = record_has_pieces(value.mv_data, value.mv_size);
    if (hf_get_be32((const uint8_t *)value.mv_data + 2) & BROKER_SUBMIT_ASYNC) {
        memcpy(id.bytes, (const uint8_t *)value.mv_data + 6, HF_ID_BYTES);
    }
    rc = mdb_del(a->txn, a->store->request, &key, NULL);
    if (rc == 0 && has_pieces) {
        rc = store_drop_pieces(a, seq);
    }
    if (rc == 0) {
        rc = mdb_del(a->txn, a->store->dispatch, &key, NULL);
    }
    rc = rc == MDB_NOTFOUND ? 0 : rc;
    return rc == 0 && !hf_id_is_zero(id) ? store_answer_end(a, id, command, put) : rc;
}

static int put_named(struct store_apply *a, const char *name, hf_slice bytes)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name};
    MDB_val value = {bytes.bytes, (void *)(uintptr_t)bytes.data};

    return mdb_put(a->txn, a->store->meta, &key, &value, 0);
}

static int apply_command(struct store_apply *a, const struct broker_command *command,
                         const struct br_store_put *put, hf_slice policy)
{
    switch (command->type) {
    case BROKER_CMD_PUT:
        return put_request(a, command->seq, put);
    case BROKER_CMD_PUT_BODY:
        return put_body(a, command, put);
    case BROKER_CMD_DISPATCH:
        return put_dispatch(a, command);
    case BROKER_CMD_DROP:
        return drop_request(a, command, put);
    case BROKER_CMD_POLICY:
        return put_named(a, "policy", policy);
    }
    hf_check(!"a known command");
    return 0;
}

static int put_applied(struct store_apply *a, uint32_t incarnation, uint64_t index)
{
    uint8_t value[12];

    hf_put_be32(value, incarnation);
    hf_put_be64(value + 4, index);
    return put_named(a, "applied", hf_slice_of(value, sizeof value));
}

hf_err br_store_apply(struct br_store *store, uint32_t incarnation,
                      const struct broker_batch *batch, const struct br_store_put *puts,
                      hf_slice policy)
{
    struct store_apply a = {store, NULL, NULL, batch->now};
    int rc = mdb_txn_begin(store->env, NULL, 0, &a.txn);

    hf_check(batch->count <= BROKER_BATCH_MAX);
    if (rc != 0) {
        return br_store_error(rc, "begin");
    }
    for (uint32_t i = 0; i < batch->count && rc == 0; i++) {
        rc = apply_command(&a, &batch->items[i], &puts[i], policy);
    }
    rc = rc == 0 ? store_answer_sweep(&a) : rc;
    if (rc == 0) {
        rc = put_applied(&a, incarnation, batch->index);
    }
    if (a.pieces != NULL) {
        mdb_cursor_close(a.pieces);
    }
    if (rc != 0) {
        mdb_txn_abort(a.txn);
        return br_store_error(rc, "apply");
    }
    return br_store_error(mdb_txn_commit(a.txn), "commit");
}
