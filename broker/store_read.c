/* Reading the store: recovery at start, payload bytes for the loader. */
#include "broker/store_private.h"

#include "lib/base/bytes.h"
#include "lib/base/log.h"

#include <string.h>

hf_err br_store_find_last(struct br_store *store)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return br_store_error(rc, "begin read");
    }
    rc = mdb_cursor_open(txn, store->request, &cursor);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
        if (rc == 0) {
            store->seq_last = hf_get_be64(key.mv_data);
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? HF_OK : br_store_error(rc, "find last");
}

static hf_err decode_record(const MDB_val *key, const MDB_val *value,
                            struct broker_input *out)
{
    const uint8_t *from = value->mv_data;

    if (key->mv_size != 8 || value->mv_size < RECORD_FIXED ||
        from[0] != RECORD_VERSION || value->mv_size < RECORD_FIXED + from[1]) {
        return HF_ERR_CORRUPT;
    }
    *out = (struct broker_input){.type = BROKER_IN_RECOVERED};
    out->u.recovered.seq = hf_get_be64(key->mv_data);
    out->u.recovered.queue = hf_slice_of(from + RECORD_FIXED, from[1]);
    out->u.recovered.flags = hf_get_be32(from + 2);
    memcpy(out->id.bytes, from + 6, HF_ID_BYTES);
    memcpy(out->u.recovered.owner.bytes, from + 22, HF_KEY_BYTES);
    out->u.recovered.enqueued.us = (int64_t)hf_get_be64(from + 54);
    out->u.recovered.deadline.us = (int64_t)hf_get_be64(from + 62);
    out->u.recovered.head_bytes = hf_get_be32(from + 70);
    out->u.recovered.body_bytes = hf_get_be64(from + 74);
    return HF_OK;
}

/* The dispatch table is small and sorted like the requests: one merge. */
static int next_dispatch(MDB_cursor *cursor, uint64_t seq, struct broker_input *input)
{
    uint8_t key_bytes[8];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value;
    int rc = 0;

    hf_put_be64(key_bytes, seq);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    if (rc == 0 && value.mv_size == 8 + HF_KEY_BYTES) {
        input->u.recovered.dispatched_epoch = hf_get_be64(value.mv_data);
        memcpy(input->u.recovered.dispatched_to.bytes, (uint8_t *)value.mv_data + 8,
               HF_KEY_BYTES);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static hf_err recover_all(MDB_cursor *requests, MDB_cursor *dispatches,
                          br_store_recover_fn fn, void *ctx)
{
    struct broker_input input;
    MDB_val key;
    MDB_val value;
    MDB_stat stat;
    bool has_dispatches =
        mdb_stat(mdb_cursor_txn(dispatches), mdb_cursor_dbi(dispatches), &stat) == 0 &&
        stat.ms_entries > 0;
    int rc = 0;

    while ((rc = mdb_cursor_get(requests, &key, &value, MDB_NEXT)) == 0) {
        if (decode_record(&key, &value, &input) != HF_OK) {
            HF_ERROR("store holds a request that cannot be read");
            return HF_ERR_CORRUPT;
        }
        if (has_dispatches) {
            rc = next_dispatch(dispatches, input.u.recovered.seq, &input);
            if (rc != 0) {
                return br_store_error(rc, "read dispatch");
            }
        }
        fn(ctx, &input);
    }
    return rc == MDB_NOTFOUND ? HF_OK : br_store_error(rc, "recover");
}

hf_err br_store_recover(struct br_store *store, br_store_recover_fn fn, void *ctx)
{
    MDB_txn *txn = NULL;
    MDB_cursor *requests = NULL;
    MDB_cursor *dispatches = NULL;
    hf_err err = HF_OK;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return br_store_error(rc, "begin read");
    }
    if ((rc = mdb_cursor_open(txn, store->request, &requests)) != 0 ||
        (rc = mdb_cursor_open(txn, store->dispatch, &dispatches)) != 0) {
        err = br_store_error(rc, "open cursor");
    } else {
        err = recover_all(requests, dispatches, fn, ctx);
    }
    if (dispatches != NULL) {
        mdb_cursor_close(dispatches);
    }
    if (requests != NULL) {
        mdb_cursor_close(requests);
    }
    mdb_txn_abort(txn);
    return err;
}

hf_err br_store_read_begin(struct br_store *store)
{
    hf_check(!store->is_reading);
    if (store->reader == NULL) {
        int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);

        if (rc != 0) {
            store->reader = NULL;
            return br_store_error(rc, "begin read");
        }
    } else {
        int rc = mdb_txn_renew(store->reader);

        if (rc != 0) {
            return br_store_error(rc, "renew read");
        }
    }
    store->is_reading = true;
    return HF_OK;
}

void br_store_read_end(struct br_store *store)
{
    if (store->is_reading) {
        mdb_txn_reset(store->reader);
        store->is_reading = false;
    }
}

/* The payload bytes inside the record, as far as they reach into the range. */
static int read_record(struct br_store *store, uint64_t seq, uint64_t offset,
                       hf_slice *out)
{
    uint8_t key_bytes[8];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value;
    int rc = 0;

    hf_put_be64(key_bytes, seq);
    rc = mdb_get(store->reader, store->request, &key, &value);
    if (rc == 0) {
        size_t start = RECORD_FIXED + ((uint8_t *)value.mv_data)[1];

        *out = hf_slice_skip(
            hf_slice_of((uint8_t *)value.mv_data + start, value.mv_size - start),
            (size_t)offset);
    }
    return rc;
}

/* Positions on the piece that holds `offset`. */
static int seek_piece(MDB_cursor *cursor, uint64_t seq, uint64_t offset, hf_slice *out)
{
    uint8_t wanted[16];
    MDB_val key = {sizeof wanted, wanted};
    MDB_val value;
    int rc = 0;

    hf_put_be64(wanted, seq);
    hf_put_be64(wanted + 8, offset);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    } else if (rc == 0 && memcmp(key.mv_data, wanted, sizeof wanted) != 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
    }
    if (rc != 0 || hf_get_be64(key.mv_data) != seq) {
        return rc != 0 ? rc : MDB_NOTFOUND;
    }
    uint64_t start = hf_get_be64((uint8_t *)key.mv_data + 8);

    if (start > offset || start + value.mv_size <= offset) {
        return MDB_NOTFOUND;
    }
    *out = hf_slice_skip(hf_slice_of(value.mv_data, value.mv_size),
                         (size_t)(offset - start));
    return 0;
}

static hf_err read_pieces(struct br_store *store, uint64_t seq, uint64_t offset,
                          uint64_t bytes, struct hf_buf *out)
{
    MDB_cursor *cursor = NULL;
    hf_slice part = HF_SLICE_EMPTY;
    hf_err err = HF_OK;
    int rc = mdb_cursor_open(store->reader, store->piece, &cursor);

    while (rc == 0 && err == HF_OK && bytes > 0) {
        rc = seek_piece(cursor, seq, offset, &part);
        if (rc == 0) {
            part = hf_slice_first(part, (size_t)bytes);
            err = hf_buf_append(out, part);
            offset += part.bytes;
            bytes -= part.bytes;
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    if (rc == MDB_NOTFOUND) {
        return HF_ERR_NOT_FOUND;
    }
    return rc != 0 ? br_store_error(rc, "read piece") : err;
}

hf_err br_store_read(struct br_store *store, uint64_t seq, uint64_t offset,
                     uint64_t bytes, struct hf_buf *out)
{
    hf_slice part = HF_SLICE_EMPTY;
    hf_err err = HF_OK;
    int rc = 0;

    hf_check(store->is_reading);
    rc = read_record(store, seq, offset, &part);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? HF_ERR_NOT_FOUND
                                  : br_store_error(rc, "read record");
    }
    part = hf_slice_first(part, (size_t)bytes);
    err = hf_buf_append(out, part);
    if (err != HF_OK || part.bytes == bytes) {
        return err;
    }
    return read_pieces(store, seq, offset + part.bytes, bytes - part.bytes, out);
}
