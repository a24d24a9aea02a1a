/* The LMDB environment: opening, meta values, space. Applying and reading requests is
 * in store_apply.c and store_read.c. */
#include "broker/store.h"
#include "broker/store_private.h"

#include "lib/base/bytes.h"
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DATABASES_MAX    8
#define READERS_MAX      16
#define META_FORMAT      "format"
#define SPACE_WALK_EVERY 4 /* space checks between two walks of the free list */
/* So much of the file is allocated beyond its last page: deletes need pages too, also
 * when somebody else has filled the disk; and a sync need not journal the file's
 * growth. */
#define AHEAD_BYTES (UINT64_C(8) << 20)

hf_err br_store_error(int rc, const char *what)
{
    if (rc == 0) {
        return HF_OK;
    }
    HF_ERROR("store failed", hf_log_cstr("operation", what),
             hf_log_cstr("error", mdb_strerror(rc)));
    return rc == MDB_CORRUPTED || rc == MDB_VERSION_MISMATCH || rc == MDB_INVALID
               ? HF_ERR_CORRUPT
               : HF_ERR_IO;
}

static hf_err open_databases(struct br_store *store)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return br_store_error(rc, "begin");
    }
    if ((rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &store->meta)) != 0 ||
        (rc = mdb_dbi_open(txn, "request", MDB_CREATE, &store->request)) != 0 ||
        (rc = mdb_dbi_open(txn, "piece", MDB_CREATE, &store->piece)) != 0 ||
        (rc = mdb_dbi_open(txn, "dispatch", MDB_CREATE, &store->dispatch)) != 0 ||
        (rc = mdb_dbi_open(txn, "answer", MDB_CREATE, &store->answer)) != 0 ||
        (rc = mdb_dbi_open(txn, "expiry", MDB_CREATE, &store->expiry)) != 0) {
        mdb_txn_abort(txn);
        return br_store_error(rc, "open database");
    }
    return br_store_error(mdb_txn_commit(txn), "commit");
}

static hf_err check_format(struct br_store *store)
{
    uint8_t format[4];
    struct hf_buf found;
    hf_err err = HF_OK;

    hf_buf_init(&found, sizeof format);
    hf_put_be32(format, BR_STORE_FORMAT);
    err = br_store_meta_get(store, META_FORMAT, &found);
    if (err == HF_ERR_NOT_FOUND) {
        err = br_store_meta_put(store, META_FORMAT, hf_slice_of(format, sizeof format));
    } else if (err == HF_OK && !hf_slice_equal(hf_buf_slice(&found),
                                               hf_slice_of(format, sizeof format))) {
        HF_ERROR("store has an unknown format",
                 hf_log_int("expected", (int64_t)BR_STORE_FORMAT));
        err = HF_ERR_CORRUPT;
    } else if (err == HF_ERR_TOO_BIG) {
        err = HF_ERR_CORRUPT;
    }
    hf_buf_fini(&found);
    return err;
}

static hf_err open_environment(struct br_store *store)
{
    /* MDB_NOMEMINIT would leak heap to disk and MDB_WRITEMAP would let a stray write
     * corrupt the store (SECURITY.md 0.1, fact 8): neither is used. */
    unsigned flags = MDB_NOTLS | (store->config.is_unsynced ? MDB_NOSYNC : 0);
    int rc = mdb_env_create(&store->env);

    if (rc != 0) {
        store->env = NULL;
        return br_store_error(rc, "create");
    }
    if ((rc = mdb_env_set_mapsize(store->env, store->config.map_bytes)) != 0 ||
        (rc = mdb_env_set_maxdbs(store->env, DATABASES_MAX)) != 0 ||
        (rc = mdb_env_set_maxreaders(store->env, READERS_MAX)) != 0 ||
        (rc = mdb_env_open(store->env, store->config.directory, flags, 0600)) != 0) {
        return br_store_error(rc, "open");
    }
    return HF_OK;
}

hf_err br_store_open(const struct br_store_config *config, struct br_store **out)
{
    struct br_store *store = NULL;
    MDB_stat stat;
    hf_err err = HF_OK;

    hf_check(config->directory != NULL);
    if (mkdir(config->directory, 0700) != 0 && errno != EEXIST) {
        HF_ERROR("store directory cannot be made",
                 hf_log_cstr("directory", config->directory),
                 hf_log_cstr("error", strerror(errno)));
        return HF_ERR_IO;
    }
    store = calloc(1, sizeof *store);
    if (store == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    store->config = *config;
    if ((err = open_environment(store)) != HF_OK ||
        (err = open_databases(store)) != HF_OK ||
        (err = check_format(store)) != HF_OK ||
        (err = br_store_find_last(store)) != HF_OK) {
        br_store_close(store);
        return err;
    }
    hf_check(mdb_env_stat(store->env, &stat) == 0);
    store->page_bytes = stat.ms_psize;
    *out = store;
    return HF_OK;
}

void br_store_close(struct br_store *store)
{
    if (store == NULL) {
        return;
    }
    if (store->reader != NULL) {
        mdb_txn_abort(store->reader);
    }
    if (store->env != NULL) {
        mdb_env_close(store->env);
    }
    free(store);
}

hf_err br_store_meta_get(struct br_store *store, const char *name, struct hf_buf *out)
{
    MDB_txn *txn = NULL;
    MDB_val key = {strlen(name), (void *)(uintptr_t)name};
    MDB_val value;
    hf_err err = HF_OK;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return br_store_error(rc, "begin read");
    }
    rc = mdb_get(txn, store->meta, &key, &value);
    if (rc == MDB_NOTFOUND) {
        err = HF_ERR_NOT_FOUND;
    } else if (rc != 0) {
        err = br_store_error(rc, "get");
    } else {
        err = hf_buf_append(out, hf_slice_of(value.mv_data, value.mv_size));
    }
    mdb_txn_abort(txn);
    return err;
}

static int put_meta(struct br_store *store, MDB_txn *txn,
                    const struct br_store_meta *item)
{
    MDB_val key = {strlen(item->name), (void *)(uintptr_t)item->name};
    MDB_val value = {item->value.bytes, (void *)(uintptr_t)item->value.data};
    int rc = 0;

    if (item->value.bytes > 0) {
        return mdb_put(txn, store->meta, &key, &value, 0);
    }
    rc = mdb_del(txn, store->meta, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

hf_err br_store_meta_put_all(struct br_store *store, const struct br_store_meta *items,
                             size_t count)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return br_store_error(rc, "begin");
    }
    for (size_t i = 0; i < count; i++) {
        rc = put_meta(store, txn, &items[i]);
        if (rc != 0) {
            mdb_txn_abort(txn);
            return br_store_error(rc, "put meta");
        }
    }
    return br_store_error(mdb_txn_commit(txn), "commit");
}

hf_err br_store_meta_put(struct br_store *store, const char *name, hf_slice value)
{
    const struct br_store_meta item = {name, value};

    return br_store_meta_put_all(store, &item, 1);
}

/* Pages on the free list: each of its values is a count, then that many page numbers.
 */
static hf_err count_free_pages(struct br_store *store, uint64_t *out)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    uint64_t pages = 0;
    size_t count = 0;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return br_store_error(rc, "begin read");
    }
    rc = mdb_cursor_open(txn, 0, &cursor); /* database 0 is the free list */
    if (rc != 0) {
        mdb_txn_abort(txn);
        return br_store_error(rc, "open free list");
    }
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        memcpy(&count, value.mv_data, sizeof count);
        pages += count;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    *out = pages;
    return rc == MDB_NOTFOUND ? HF_OK : br_store_error(rc, "walk free list");
}

/* A small file system gives a share of itself, not more than it has. */
static uint64_t at_most_share(uint64_t bytes, const struct statvfs *fs, uint64_t share)
{
    uint64_t most = (uint64_t)fs->f_blocks * fs->f_frsize / share;

    return bytes < most ? bytes : most;
}

/* Allocates ahead of `end`; false when the disk has no room for it. */
static bool allocate_ahead(struct br_store *store, uint64_t end, uint64_t ahead)
{
    uint64_t want = end + 2 * ahead;
    int fd = -1;

    if (store->allocated_bytes >= end + ahead ||
        end + ahead > store->config.map_bytes) {
        return true;
    }
    if (want > store->config.map_bytes) {
        want = store->config.map_bytes;
    }
    hf_check(mdb_env_get_fd(store->env, &fd) == 0);
    if (fallocate(fd, 0, 0, (off_t)want) != 0) {
        return errno != ENOSPC; /* a file system without fallocate grows by itself */
    }
    store->allocated_bytes = want;
    return true;
}

static bool disk_is_short(struct br_store *store, uint64_t end)
{
    struct statvfs fs;

    if (statvfs(store->config.directory, &fs) != 0) {
        return false;
    }
    return !allocate_ahead(store, end, at_most_share(AHEAD_BYTES, &fs, 16)) ||
           (uint64_t)fs.f_bavail * fs.f_frsize <
               at_most_share(store->config.disk_reserve_bytes, &fs, 8);
}

hf_err br_store_space(struct br_store *store, struct br_store_space *out)
{
    MDB_envinfo info;
    uint64_t end = 0;
    uint64_t quota = store->config.map_bytes / 100 * store->config.quota_percent;
    bool is_short = false;

    hf_check(mdb_env_info(store->env, &info) == 0);
    end = (info.me_last_pgno + 1) * (uint64_t)store->page_bytes;
    is_short = disk_is_short(store, end);
    /* Free pages inside the file only matter when its end is near a limit. */
    if ((end > quota || is_short) && store->space_checks++ % SPACE_WALK_EVERY == 0) {
        hf_err err = count_free_pages(store, &store->free_pages);

        if (err != HF_OK) {
            return err;
        }
    }
    if (end <= quota && !is_short) {
        store->free_pages = 0;
        store->space_checks = 0;
    }
    out->used_bytes = end - store->free_pages * (uint64_t)store->page_bytes;
    out->quota_bytes = quota;
    /* On a short disk the file may still reuse its own free pages: with a quarter of it
     * free there is room, otherwise growing would fail the commit. */
    out->is_full = out->used_bytes > quota ||
                   (is_short && store->free_pages < (info.me_last_pgno + 1) / 4);
    return HF_OK;
}
