/* Owns the layout on disk. Keys and numbers are big-endian, values begin with a
 * version.
 *
 *   meta       name                    number: be64; value: bytes
 *   identity   holder key (32)         1, role, be64 issued, be64 expires, be64
 *                                      fingerprint, jti (16), be16 + name, be16 + queue
 *   revoked    kind, id or subject     1, be64 until
 *   audit      be64 number             1, be64 time in ms, be16 + who, be16 + what */
#include "controller/store.h"

#include "lib/base/bytes.h"
#include "lib/base/log.h"
#include "lib/io/file.h"

#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#define VERSION        1
#define RECORD_MAX     2048
#define IDENTITY_FIXED (2 + 24 + IDENTITY_JTI_BYTES)

struct ct_store {
    MDB_env *env;
    MDB_dbi meta;
    MDB_dbi identity;
    MDB_dbi revoked;
    MDB_dbi audit;
};

static hf_err judge(int rc, const char *what)
{
    if (rc == 0) {
        return HF_OK;
    }
    HF_ERROR("store failed", hf_log_cstr("operation", what),
             hf_log_cstr("error", mdb_strerror(rc)));
    return HF_ERR_IO;
}

static MDB_val val_of(hf_slice bytes)
{
    return (MDB_val){bytes.bytes, (void *)(uintptr_t)bytes.data};
}

static hf_slice slice_of(MDB_val val)
{
    return hf_slice_of(val.mv_data, val.mv_size);
}

static hf_err open_databases(struct ct_store *store)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return judge(rc, "begin");
    }
    if ((rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &store->meta)) != 0 ||
        (rc = mdb_dbi_open(txn, "identity", MDB_CREATE, &store->identity)) != 0 ||
        (rc = mdb_dbi_open(txn, "revoked", MDB_CREATE, &store->revoked)) != 0 ||
        (rc = mdb_dbi_open(txn, "audit", MDB_CREATE, &store->audit)) != 0) {
        mdb_txn_abort(txn);
        return judge(rc, "open database");
    }
    return judge(mdb_txn_commit(txn), "commit");
}

hf_err ct_store_open(const char *directory, struct ct_store **out)
{
    struct ct_store *store = calloc(1, sizeof *store);
    hf_err err =
        store == NULL ? HF_ERR_NO_MEMORY : hf_file_make_directory(directory, 0700);
    int rc = 0;

    if (err == HF_OK) {
        rc = mdb_env_create(&store->env);
    }
    if (err == HF_OK && rc == 0) {
        rc = mdb_env_set_mapsize(store->env, CT_STORE_MAP_BYTES);
        rc = rc == 0 ? mdb_env_set_maxdbs(store->env, 8) : rc;
        rc = rc == 0 ? mdb_env_open(store->env, directory, 0, 0600) : rc;
    }
    if (err == HF_OK) {
        err = judge(rc, "open");
    }
    if (err == HF_OK) {
        err = open_databases(store);
    }
    if (err != HF_OK) {
        ct_store_close(store);
        return err;
    }
    *out = store;
    return HF_OK;
}

void ct_store_close(struct ct_store *store)
{
    if (store != NULL) {
        if (store->env != NULL) {
            mdb_env_close(store->env);
        }
        free(store);
    }
}

static hf_err put(struct ct_store *store, MDB_dbi dbi, hf_slice key, hf_slice value)
{
    MDB_txn *txn = NULL;
    MDB_val k = val_of(key);
    MDB_val v = val_of(value);
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return judge(rc, "begin");
    }
    rc = mdb_put(txn, dbi, &k, &v, 0);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return judge(rc, "put");
    }
    return judge(mdb_txn_commit(txn), "commit");
}

static hf_err drop(struct ct_store *store, MDB_dbi dbi, hf_slice key)
{
    MDB_txn *txn = NULL;
    MDB_val k = val_of(key);
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return judge(rc, "begin");
    }
    rc = mdb_del(txn, dbi, &k, NULL);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc == MDB_NOTFOUND ? HF_OK : judge(rc, "delete");
    }
    return judge(mdb_txn_commit(txn), "commit");
}

hf_err ct_store_value(struct ct_store *store, const char *name, struct hf_buf *out)
{
    MDB_txn *txn = NULL;
    MDB_val key = val_of(hf_slice_of_cstr(name));
    MDB_val value;
    hf_err err = HF_OK;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return judge(rc, "begin read");
    }
    rc = mdb_get(txn, store->meta, &key, &value);
    if (rc == MDB_NOTFOUND) {
        err = HF_ERR_NOT_FOUND;
    } else {
        err = rc != 0 ? judge(rc, "get") : hf_buf_append(out, slice_of(value));
    }
    mdb_txn_abort(txn);
    return err;
}

hf_err ct_store_number(struct ct_store *store, const char *name, uint64_t *out)
{
    struct hf_buf value;
    hf_err err = HF_OK;

    hf_buf_init(&value, 8);
    err = ct_store_value(store, name, &value);
    if (err == HF_ERR_NOT_FOUND) {
        *out = 0;
        err = HF_OK;
    } else if (err == HF_OK) {
        err = hf_buf_bytes(&value) == 8 ? HF_OK : HF_ERR_CORRUPT;
        *out = err == HF_OK ? hf_get_be64(hf_buf_slice(&value).data) : 0;
    }
    hf_buf_fini(&value);
    return err;
}

hf_err ct_store_put_number(struct ct_store *store, const char *name, uint64_t value)
{
    uint8_t bytes[8];

    hf_put_be64(bytes, value);
    return put(store, store->meta, hf_slice_of_cstr(name), hf_slice_of(bytes, 8));
}

hf_err ct_store_put_version(struct ct_store *store, const char *name, uint64_t number,
                            hf_slice value)
{
    char value_name[64] = "digest.";
    size_t bytes = strlen(name);

    hf_check(bytes < sizeof value_name - 7);
    memcpy(value_name + 7, name, bytes + 1);
    /* The number first: a crash between the two costs one number, never repeats one. */
    hf_err err = ct_store_put_number(store, name, number);

    return err != HF_OK ? err
                        : put(store, store->meta, hf_slice_of_cstr(value_name), value);
}

static hf_err append_text(struct hf_buf *out, hf_slice text)
{
    hf_err err = hf_buf_append_be16(out, (uint16_t)text.bytes);

    return err == HF_OK ? hf_buf_append(out, text) : err;
}

hf_err ct_store_put_identity(struct ct_store *store, const struct identity *identity)
{
    struct hf_buf value;
    hf_err err = HF_OK;

    hf_buf_init(&value, RECORD_MAX);
    if ((err = hf_buf_append_byte(&value, VERSION)) == HF_OK &&
        (err = hf_buf_append_byte(&value, (uint8_t)identity->role)) == HF_OK &&
        (err = hf_buf_append_be64(&value, (uint64_t)identity->issued_s)) == HF_OK &&
        (err = hf_buf_append_be64(&value, (uint64_t)identity->expires_s)) == HF_OK &&
        (err = hf_buf_append_be64(&value, identity->fingerprint)) == HF_OK &&
        (err = hf_buf_append(&value, hf_slice_of(identity->jti, IDENTITY_JTI_BYTES))) ==
            HF_OK &&
        (err = append_text(&value, hf_slice_of_cstr(identity->name))) == HF_OK) {
        err = append_text(&value, hf_slice_of_cstr(identity->queue));
    }
    if (err == HF_OK) {
        err = put(store, store->identity,
                  hf_slice_of(identity->key.bytes, HF_KEY_BYTES), hf_buf_slice(&value));
    }
    hf_buf_fini(&value);
    return err;
}

hf_err ct_store_drop_identity(struct ct_store *store, hf_key key)
{
    return drop(store, store->identity, hf_slice_of(key.bytes, HF_KEY_BYTES));
}

/* Takes a be16-counted text off the front; false when it is not whole. */
static bool take_text(hf_slice *rest, hf_slice *out)
{
    uint16_t bytes = 0;

    if (rest->bytes < 2) {
        return false;
    }
    bytes = hf_get_be16(rest->data);
    if (rest->bytes - 2 < bytes) {
        return false;
    }
    *out = hf_slice_of(rest->data + 2, bytes);
    *rest = hf_slice_skip(*rest, 2u + bytes);
    return true;
}

static bool copy_text(hf_slice text, char *out, size_t bytes_max)
{
    if (text.bytes > bytes_max) {
        return false;
    }
    memcpy(out, text.data, text.bytes);
    out[text.bytes] = '\0';
    return true;
}

static bool read_identity(hf_slice key, hf_slice value, struct identity *out)
{
    hf_slice rest = hf_slice_skip(value, IDENTITY_FIXED);
    hf_slice name;
    hf_slice queue;

    memset(out, 0, sizeof *out);
    if (key.bytes != HF_KEY_BYTES || value.bytes < IDENTITY_FIXED ||
        value.data[0] != VERSION || !take_text(&rest, &name) ||
        !take_text(&rest, &queue) || rest.bytes != 0 ||
        !copy_text(name, out->name, IDENTITY_NAME_BYTES_MAX) ||
        !copy_text(queue, out->queue, IDENTITY_QUEUE_MAX)) {
        return false;
    }
    memcpy(out->key.bytes, key.data, HF_KEY_BYTES);
    out->role = (enum identity_role)value.data[1];
    out->issued_s = (int64_t)hf_get_be64(value.data + 2);
    out->expires_s = (int64_t)hf_get_be64(value.data + 10);
    out->fingerprint = hf_get_be64(value.data + 18);
    memcpy(out->jti, value.data + 26, IDENTITY_JTI_BYTES);
    return true;
}

/* Walks a database in key order; `fn` returns false for an entry it cannot read. */
struct walk {
    bool (*fn)(void *ctx, hf_slice key, hf_slice value);
    void *ctx;
    size_t newest_max; /* 0: all */
};

static hf_err each(struct ct_store *store, MDB_dbi dbi, const struct walk *walk)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_stat stat;
    MDB_val key;
    MDB_val value;
    size_t skipped = 0;
    hf_err err = HF_OK;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return judge(rc, "begin read");
    }
    rc = mdb_stat(txn, dbi, &stat);
    rc = rc == 0 ? mdb_cursor_open(txn, dbi, &cursor) : rc;
    if (rc == 0 && walk->newest_max > 0 && stat.ms_entries > walk->newest_max) {
        skipped = stat.ms_entries - walk->newest_max;
    }
    rc = rc == 0 ? mdb_cursor_get(cursor, &key, &value, MDB_FIRST) : rc;
    while (rc == 0 && err == HF_OK) {
        if (skipped > 0) {
            skipped--;
        } else if (!walk->fn(walk->ctx, slice_of(key), slice_of(value))) {
            err = HF_ERR_CORRUPT;
        }
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (err == HF_OK && rc != MDB_NOTFOUND) {
        err = judge(rc, "walk");
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return err;
}

static bool add_identity(void *ctx, hf_slice key, hf_slice value)
{
    struct identity identity;

    return read_identity(key, value, &identity) &&
           identity_put(ctx, &identity) == HF_OK;
}

hf_err ct_store_identities(struct ct_store *store, struct identities *out)
{
    const struct walk walk = {add_identity, out, 0};

    return each(store, store->identity, &walk);
}

static size_t revoked_key(const struct ct_revoked *revoked,
                          uint8_t out[1 + CT_STORE_SUBJECT_MAX])
{
    size_t bytes = revoked->kind == CT_REVOKED_JTI   ? 16
                   : revoked->kind == CT_REVOKED_KEY ? 32
                                                     : strlen(revoked->subject);

    out[0] = (uint8_t)revoked->kind;
    memcpy(out + 1,
           revoked->kind == CT_REVOKED_SUBJECT ? (const void *)revoked->subject
                                               : (const void *)revoked->id,
           bytes);
    return 1 + bytes;
}

hf_err ct_store_put_revoked(struct ct_store *store, const struct ct_revoked *revoked)
{
    uint8_t key[1 + CT_STORE_SUBJECT_MAX];
    uint8_t value[9] = {VERSION};

    hf_put_be64(value + 1, (uint64_t)revoked->until_s);
    return put(store, store->revoked, hf_slice_of(key, revoked_key(revoked, key)),
               hf_slice_of(value, sizeof value));
}

hf_err ct_store_drop_revoked(struct ct_store *store, const struct ct_revoked *revoked)
{
    uint8_t key[1 + CT_STORE_SUBJECT_MAX];

    return drop(store, store->revoked, hf_slice_of(key, revoked_key(revoked, key)));
}

struct revoked_walk {
    ct_store_revoked_fn fn;
    void *ctx;
};

static bool give_revoked(void *ctx, hf_slice key, hf_slice value)
{
    const struct revoked_walk *walk = ctx;
    struct ct_revoked revoked = {0};

    if (key.bytes < 2 || key.bytes > 1 + CT_STORE_SUBJECT_MAX || value.bytes != 9 ||
        value.data[0] != VERSION || key.data[0] < CT_REVOKED_JTI ||
        key.data[0] > CT_REVOKED_SUBJECT) {
        return false;
    }
    revoked.kind = (enum ct_revoked_kind)key.data[0];
    if (revoked.kind == CT_REVOKED_SUBJECT) {
        memcpy(revoked.subject, key.data + 1, key.bytes - 1);
    } else if (key.bytes == (revoked.kind == CT_REVOKED_JTI ? 17 : 33)) {
        memcpy(revoked.id, key.data + 1, key.bytes - 1);
    } else {
        return false;
    }
    revoked.until_s = (int64_t)hf_get_be64(value.data + 1);
    walk->fn(walk->ctx, &revoked);
    return true;
}

hf_err ct_store_each_revoked(struct ct_store *store, ct_store_revoked_fn fn, void *ctx)
{
    struct revoked_walk inner = {fn, ctx};
    const struct walk walk = {give_revoked, &inner, 0};

    return each(store, store->revoked, &walk);
}

hf_err ct_store_audit(struct ct_store *store, int64_t now_ms, const char *who,
                      const char *what)
{
    uint64_t number = 0;
    uint8_t key[8];
    struct hf_buf value;
    hf_err err = ct_store_number(store, "audit", &number);

    if (err != HF_OK ||
        (err = ct_store_put_number(store, "audit", ++number)) != HF_OK) {
        return err;
    }
    hf_buf_init(&value, RECORD_MAX);
    if ((err = hf_buf_append_byte(&value, VERSION)) == HF_OK &&
        (err = hf_buf_append_be64(&value, (uint64_t)now_ms)) == HF_OK &&
        (err = append_text(&value, hf_slice_first(hf_slice_of_cstr(who),
                                                  CT_STORE_TEXT_MAX))) == HF_OK) {
        err = append_text(&value,
                          hf_slice_first(hf_slice_of_cstr(what), CT_STORE_TEXT_MAX));
    }
    hf_put_be64(key, number);
    if (err == HF_OK) {
        err = put(store, store->audit, hf_slice_of(key, 8), hf_buf_slice(&value));
    }
    hf_buf_fini(&value);
    if (err == HF_OK && number > CT_STORE_AUDIT_MAX) {
        hf_put_be64(key, number - CT_STORE_AUDIT_MAX);
        err = drop(store, store->audit, hf_slice_of(key, 8));
    }
    return err;
}

struct audit_walk {
    ct_store_audit_fn fn;
    void *ctx;
};

static bool give_audit(void *ctx, hf_slice key, hf_slice value)
{
    const struct audit_walk *walk = ctx;
    hf_slice rest = hf_slice_skip(value, 9);
    hf_slice who;
    hf_slice what;

    if (key.bytes != 8 || value.bytes < 9 || value.data[0] != VERSION ||
        !take_text(&rest, &who) || !take_text(&rest, &what)) {
        return false;
    }
    walk->fn(walk->ctx, hf_get_be64(key.data), (int64_t)hf_get_be64(value.data + 1),
             who, what);
    return true;
}

hf_err ct_store_each_audit(struct ct_store *store, size_t count_max,
                           ct_store_audit_fn fn, void *ctx)
{
    struct audit_walk inner = {fn, ctx};
    const struct walk walk = {give_audit, &inner, count_max};

    return each(store, store->audit, &walk);
}
