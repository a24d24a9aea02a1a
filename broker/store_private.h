/* What the three files of the store share; nobody else includes it. */
#ifndef HF_BROKER_STORE_PRIVATE_H
#define HF_BROKER_STORE_PRIVATE_H

#include "broker/store.h"

#include <lmdb.h>

struct br_store {
    struct br_store_config config;
    MDB_env *env;
    MDB_dbi meta;
    MDB_dbi request;
    MDB_dbi piece;
    MDB_dbi dispatch;
    MDB_dbi answer;
    MDB_dbi expiry;
    MDB_txn *reader;   /* the loader's, reset between uses */
    uint64_t seq_last; /* highest request key ever put since open */
    uint64_t free_pages;
    uint32_t space_checks;
    uint64_t allocated_bytes; /* of the file, as far as we have asked for it */
    uint32_t page_bytes;
    bool is_reading;
};

/* A batch that is being applied. */
struct store_apply {
    struct br_store *store;
    MDB_txn *txn;
    MDB_cursor *pieces;
    hf_time now; /* the batch's */
};

int store_put_pieces(struct store_apply *a, uint64_t seq, uint64_t offset,
                     hf_slice bytes);
int store_drop_pieces(struct store_apply *a, uint64_t seq);

/* store_answer.c. At its PUT; with its DROP, where the first one counts; and those
 * whose retention ended BR_STORE_GONE_MS ago, a few with each batch. */
int store_answer_begin(struct store_apply *a, uint64_t seq,
                       const struct br_store_put *put);
int store_answer_end(struct store_apply *a, hf_id id,
                     const struct broker_command *command,
                     const struct br_store_put *put);
int store_answer_sweep(struct store_apply *a);

/* Logs what failed and maps it: CORRUPT or IO, OK for 0. */
hf_err br_store_error(int rc, const char *what);
/* Sets seq_last. */
hf_err br_store_find_last(struct br_store *store);

/* A request record: fixed fields, queue name, then payload bytes up to one page.
 *   0 version  1 name bytes  2 flags u32  6 id 16  22 owner 32  54 enqueued u64
 *   62 deadline u64  70 head u32  74 body u64  82 name */
#define RECORD_VERSION 1
#define RECORD_FIXED   82u

/* Payload bytes that lie in the record itself. */
static inline uint64_t record_inline_bytes(uint64_t name_bytes, uint64_t payload_bytes)
{
    uint64_t room = BR_STORE_PIECE_BYTES - RECORD_FIXED - name_bytes;

    return payload_bytes < room ? payload_bytes : room;
}

#endif
