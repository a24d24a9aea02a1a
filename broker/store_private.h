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
    MDB_txn *reader;   /* the loader's, reset between uses */
    uint64_t seq_last; /* highest request key ever put since open */
    uint64_t free_pages;
    uint32_t space_checks;
    uint64_t allocated_bytes; /* of the file, as far as we have asked for it */
    uint32_t page_bytes;
    bool is_reading;
};

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
