/* What the threads of the links hand to the loop: whole batches of records and the
 * links' coming and going, in order. One copy, one wake-up per batch at most. */
#ifndef HF_FRONTEND_INBOX_H
#define HF_FRONTEND_INBOX_H

#include "lib/base/buf.h"
#include "lib/io/link.h"
#include "lib/io/loop.h"

#include <pthread.h>

/* Windows bound what brokers send unasked; this bounds a broker that ignores them. */
#define FE_INBOX_BYTES_MAX ((size_t)256 << 20)
/* The last of it is for links that come and go: records do not take it. */
#define FE_INBOX_RESERVE ((size_t)1 << 20)

enum fe_inbox_kind {
    FE_INBOX_UP,      /* `link` carries a reference for the receiver */
    FE_INBOX_DOWN,    /* `detail` is the hf_link_end */
    FE_INBOX_FAILED,  /* an attempt to connect; `detail` is the hf_link_end */
    FE_INBOX_RECORDS, /* `content` is a run of records */
};

struct fe_inbox_entry {
    enum fe_inbox_kind kind;
    uint32_t uplink;
    uint32_t detail;
    struct hf_link *link;
    hf_slice content; /* valid until the next fe_inbox_take */
};

struct fe_inbox {
    pthread_mutex_t lock;
    struct hf_buf filling; /* guarded by lock */
    struct hf_buf taken;   /* of the loop's thread */
    struct hf_wake *wake;
};

/* fn(ctx) runs on the loop's thread when something has come. */
HF_MUST_USE hf_err fe_inbox_init(struct fe_inbox *inbox, struct hf_loop *loop,
                                 hf_loop_fn fn, void *ctx);
/* No thread may put any more. */
void fe_inbox_fini(struct fe_inbox *inbox);
/* Any thread. FULL or NO_MEMORY: nothing was put. */
HF_MUST_USE hf_err fe_inbox_put(struct fe_inbox *inbox,
                                const struct fe_inbox_entry *entry,
                                const struct hf_record *records, size_t count);
/* Moves all that has come to the loop's side; fe_inbox_next then walks it. */
void fe_inbox_take(struct fe_inbox *inbox);
bool fe_inbox_next(struct fe_inbox *inbox, struct fe_inbox_entry *out);

#endif
