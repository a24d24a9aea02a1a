/* What became of asynchronous requests: one entry for each from its PUT until its
 * retention is over, and the response as pieces under its own numbers.
 *
 *   answer    id -> entry
 *   expiry    when its retention ends, Unix us u64 big-endian, id -> nothing
 *
 * An entry: 0 state u8  1 reason u8  2 attempt u32  6 access 16  22 seq u64
 *   30 enqueued u64  38 ended u64  46 expires u64  54 retention u64
 *   62 head u32  66 body u64 */
#include "broker/store_private.h"

#include "lib/base/bytes.h"

#include <errno.h>
#include <string.h>

#define ENTRY_BYTES  74u
#define EXPIRY_BYTES (8u + HF_ID_BYTES)
#define SWEEP_MAX    64u /* entries that one batch forgets */
#define RESPONSE_SEQ (UINT64_C(1) << 63)

static void entry_encode(const struct br_store_answer *from, uint8_t *to)
{
    to[0] = (uint8_t)from->state;
    to[1] = (uint8_t)from->reason;
    hf_put_be32(to + 2, from->attempt);
    memcpy(to + 6, from->access.bytes, HF_ID_BYTES);
    hf_put_be64(to + 22, from->seq);
    hf_put_be64(to + 30, (uint64_t)from->enqueued.us);
    hf_put_be64(to + 38, (uint64_t)from->ended.us);
    hf_put_be64(to + 46, (uint64_t)from->expires.us);
    hf_put_be64(to + 54, (uint64_t)from->retention_ms);
    hf_put_be32(to + 62, from->head_bytes);
    hf_put_be64(to + 66, from->body_bytes);
}

static bool entry_decode(const MDB_val *value, struct br_store_answer *out)
{
    const uint8_t *from = value->mv_data;

    if (value->mv_size != ENTRY_BYTES || from[0] > BR_ANSWER_FAILED ||
        from[1] >= HF_REASON_COUNT) {
        return false;
    }
    *out = (struct br_store_answer){
        .state = (enum br_store_answer_state)from[0],
        .reason = (hf_reason)from[1],
        .attempt = hf_get_be32(from + 2),
        .seq = hf_get_be64(from + 22),
        .enqueued = {(int64_t)hf_get_be64(from + 30)},
        .ended = {(int64_t)hf_get_be64(from + 38)},
        .expires = {(int64_t)hf_get_be64(from + 46)},
        .retention_ms = (int64_t)hf_get_be64(from + 54),
        .head_bytes = hf_get_be32(from + 62),
        .body_bytes = hf_get_be64(from + 66),
    };
    memcpy(out->access.bytes, from + 6, HF_ID_BYTES);
    return true;
}

static int entry_get(struct br_store *store, MDB_txn *txn, hf_id id,
                     struct br_store_answer *out)
{
    MDB_val key = {HF_ID_BYTES, id.bytes};
    MDB_val value;
    int rc = mdb_get(txn, store->answer, &key, &value);

    return rc == 0 && !entry_decode(&value, out) ? MDB_CORRUPTED : rc;
}

static int entry_put(struct store_apply *a, hf_id id,
                     const struct br_store_answer *entry)
{
    uint8_t bytes[ENTRY_BYTES];
    MDB_val key = {HF_ID_BYTES, id.bytes};
    MDB_val value = {sizeof bytes, bytes};

    entry_encode(entry, bytes);
    return mdb_put(a->txn, a->store->answer, &key, &value, 0);
}

int store_answer_begin(struct store_apply *a, uint64_t seq,
                       const struct br_store_put *put)
{
    const struct br_store_answer entry = {
        .state = BR_ANSWER_NONE,
        .access = put->access,
        .seq = seq,
        .enqueued = put->view.enqueued,
        .expires = HF_TIME_NEVER,
        .retention_ms = put->retention_ms,
    };

    return hf_id_is_zero(put->access) ? 0 : entry_put(a, put->view.id, &entry);
}

static int expiry_put(struct store_apply *a, hf_id id, hf_time expires)
{
    uint8_t bytes[EXPIRY_BYTES];
    MDB_val key = {sizeof bytes, bytes};
    MDB_val nothing = {0, bytes};

    hf_put_be64(bytes, (uint64_t)expires.us);
    memcpy(bytes + 8, id.bytes, HF_ID_BYTES);
    return mdb_put(a->txn, a->store->expiry, &key, &nothing, 0);
}

int store_answer_end(struct store_apply *a, hf_id id,
                     const struct broker_command *command,
                     const struct br_store_put *put)
{
    struct br_store_answer entry;
    int rc = entry_get(a->store, a->txn, id, &entry);

    if (rc != 0 || entry.state != BR_ANSWER_NONE) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    entry.state = command->is_answered ? BR_ANSWER_KEPT : BR_ANSWER_FAILED;
    entry.reason = command->reason;
    entry.attempt = command->attempt;
    entry.ended = a->now;
    entry.expires = hf_time_add_ms(a->now, entry.retention_ms);
    if (command->is_answered) {
        entry.head_bytes = (uint32_t)put->head.bytes;
        entry.body_bytes = put->body.bytes;
        rc = store_put_pieces(a, RESPONSE_SEQ | entry.seq, 0, put->head);
        rc = rc == 0 ? store_put_pieces(a, RESPONSE_SEQ | entry.seq, put->head.bytes,
                                        put->body)
                     : rc;
    }
    rc = rc == 0 ? entry_put(a, id, &entry) : rc;
    return rc == 0 ? expiry_put(a, id, entry.expires) : rc;
}

static int forget(struct store_apply *a, hf_id id)
{
    struct br_store_answer entry;
    MDB_val key = {HF_ID_BYTES, id.bytes};
    int rc = entry_get(a->store, a->txn, id, &entry);

    if (rc == 0 && entry.state == BR_ANSWER_KEPT) {
        rc = store_drop_pieces(a, RESPONSE_SEQ | entry.seq);
    }
    rc = rc == 0 ? mdb_del(a->txn, a->store->answer, &key, NULL) : rc;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_answer_sweep(struct store_apply *a)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int rc = mdb_cursor_open(a->txn, a->store->expiry, &cursor);

    for (uint32_t work = 0; rc == 0 && work < SWEEP_MAX; work++) {
        hf_id id;

        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc != 0) {
            break;
        }
        if (key.mv_size != EXPIRY_BYTES) {
            rc = MDB_CORRUPTED;
            break;
        }
        if (hf_get_be64(key.mv_data) + (uint64_t)BR_STORE_GONE_MS * 1000 >
            (uint64_t)a->now.us) {
            break;
        }
        memcpy(id.bytes, (const uint8_t *)key.mv_data + 8, HF_ID_BYTES);
        rc = mdb_cursor_del(cursor, 0);
        rc = rc == 0 ? forget(a, id) : rc;
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int read_response(struct br_store *store, MDB_txn *txn, uint64_t seq,
                         struct hf_buf *out)
{
    uint8_t start[16];
    MDB_val key = {sizeof start, start};
    MDB_val value;
    MDB_cursor *cursor = NULL;
    hf_err err = HF_OK;
    int rc = mdb_cursor_open(txn, store->piece, &cursor);

    hf_put_be64(start, RESPONSE_SEQ | seq);
    hf_put_be64(start + 8, 0);
    rc = rc == 0 ? mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE) : rc;
    while (rc == 0 && err == HF_OK && key.mv_size == 16 &&
           hf_get_be64(key.mv_data) == (RESPONSE_SEQ | seq)) {
        err = hf_buf_append(out, hf_slice_of(value.mv_data, value.mv_size));
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return err != HF_OK ? ENOMEM : rc == MDB_NOTFOUND ? 0 : rc;
}

hf_err br_store_answer_get(struct br_store *store, hf_id id,
                           struct br_store_answer *out, struct hf_buf *response)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return br_store_error(rc, "begin read");
    }
    rc = entry_get(store, txn, id, out);
    if (rc == 0 && response != NULL && out->state == BR_ANSWER_KEPT) {
        rc = read_response(store, txn, out->seq, response);
    }
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? HF_ERR_NOT_FOUND : br_store_error(rc, "get answer");
}
