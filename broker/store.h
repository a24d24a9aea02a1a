/* The broker's disk: one LMDB environment per shard, one write transaction at a time.
 *
 * apply() is a pure function of the batch: it reads no clock and no randomness and
 * touches keys in the order of the commands, so that a replica that applies the same
 * batches has the same store (CLUSTER.md 1). Default sync: what apply() has returned
 * for is on disk. Every error but the documented ones is final: the caller ends the
 * process and a restart rebuilds from disk (ARCHITECTURE.md 5).
 *
 *   meta      name -> value (format, incarnation, applied, store key, policy, ...)
 *   request   seq, u64 big-endian -> record: durable fields, then the first bytes of
 * the payload piece     seq, offset, u64 big-endian each -> <= 4080 payload bytes
 *   dispatch  seq -> epoch, holder key: an unrepeatable strict request has started
 *   answer, expiry   what became of async requests: store_answer.c
 *
 * A payload is the request's head followed by its body; offsets count from its start.
 * Larger values would make LMDB look for runs of free pages (PERFORMANCE.md 2). */
#ifndef HF_BROKER_STORE_H
#define HF_BROKER_STORE_H

#include "broker/core/broker.h"
#include "lib/base/buf.h"

#define BR_STORE_PIECE_BYTES 4080u
#define BR_STORE_FORMAT      1u
#define BR_STORE_KEY_BYTES   32u
/* An entry whose retention is over is remembered as gone for so long. */
#define BR_STORE_GONE_MS  INT64_C(86400000)
#define BR_STORE_META_MAX (1u << 20) /* one meta value */

struct br_store;

struct br_store_config {
    const char *directory;  /* made with mode 0700 when absent */
    uint64_t map_bytes;     /* address space and hard limit; the file stays sparse */
    uint32_t quota_percent; /* of the map: 85 */
    uint64_t disk_reserve_bytes; /* free space below which nothing durable is taken */
    bool is_unsynced;            /* test control of the power-cut pair: MDB_NOSYNC */
};

/* CORRUPT: an unknown format, or meta that fails its checks; nothing is deleted.
 * EXISTS: another process has it open. */
HF_MUST_USE hf_err br_store_open(const struct br_store_config *config,
                                 struct br_store **out);
void br_store_close(struct br_store *store); /* NULL is legal */

/* Small values by name, each in a transaction of its own. NOT_FOUND; the value is
 * appended to `out`. */
HF_MUST_USE hf_err br_store_meta_get(struct br_store *store, const char *name,
                                     struct hf_buf *out);
HF_MUST_USE hf_err br_store_meta_put(struct br_store *store, const char *name,
                                     hf_slice value);
/* Several at once, all or nothing; an empty value deletes. */
struct br_store_meta {
    const char *name;
    hf_slice value;
};
HF_MUST_USE hf_err br_store_meta_put_all(struct br_store *store,
                                         const struct br_store_meta *items,
                                         size_t count);

/* What a PUT, PUT_BODY or DROP command writes; parallel to the batch's commands. */
struct br_store_put {
    struct broker_request_view view; /* PUT */
    hf_slice queue;                  /* PUT: name of view.queue */
    hf_slice head;                   /* PUT; DROP with is_answered: the response's */
    hf_slice body;                   /* PUT: inline; DROP: the response's */
    hf_id access;                    /* PUT of an async request; zero: nobody asks */
    int64_t retention_ms;            /* PUT with access */
    const hf_slice *parts;           /* PUT_BODY: the command's bytes, in order */
    uint32_t parts_count;
};

/* One transaction: the commands in order, and applied = (incarnation, index). For
 * POLICY commands `policy` is stored. Any error is final. */
HF_MUST_USE hf_err br_store_apply(struct br_store *store, uint32_t incarnation,
                                  const struct broker_batch *batch,
                                  const struct br_store_put *puts, hf_slice policy);

/* Calls fn for every stored request in order of seq, as a RECOVERED input; one whose
 * body never became whole still has BROKER_BODY_INCOMPLETE bytes, and the core drops
 * it. */
typedef void (*br_store_recover_fn)(void *ctx, const struct broker_input *input);
HF_MUST_USE hf_err br_store_recover(struct br_store *store, br_store_recover_fn fn,
                                    void *ctx);

/* Reading payloads, by one thread at a time (the loader). */
HF_MUST_USE hf_err br_store_read_begin(struct br_store *store);
void br_store_read_end(struct br_store *store);
/* Appends payload bytes [offset, offset + bytes) to `out`. NOT_FOUND when they are not
 * (all) there. */
HF_MUST_USE hf_err br_store_read(struct br_store *store, uint64_t seq, uint64_t offset,
                                 uint64_t bytes, struct hf_buf *out);

/* What became of an asynchronous request. */
enum br_store_answer_state {
    BR_ANSWER_NONE, /* not ended yet, or its end is not on disk */
    BR_ANSWER_KEPT,
    BR_ANSWER_FAILED
};

struct br_store_answer {
    enum br_store_answer_state state;
    hf_reason reason;
    uint32_t attempt;
    hf_id access;
    uint64_t seq;
    hf_time enqueued;
    hf_time ended;
    hf_time expires;
    int64_t retention_ms;
    uint32_t head_bytes; /* of the response */
    uint64_t body_bytes;
};

/* Any thread. NOT_FOUND: never was one, or it is forgotten. The response, head and
 * body, is appended to `response` unless that is NULL. */
HF_MUST_USE hf_err br_store_answer_get(struct br_store *store, hf_id id,
                                       struct br_store_answer *out,
                                       struct hf_buf *response);

struct br_store_space {
    uint64_t used_bytes;
    uint64_t quota_bytes;
    bool is_full; /* over quota, or the file system has no reserve left */
};
HF_MUST_USE hf_err br_store_space(struct br_store *store, struct br_store_space *out);

#endif
