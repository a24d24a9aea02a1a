/* What the shell holds of one request until it is answered: its head and body, whose
 * turn it is on its connection, and the answer while an earlier one is being written.
 *
 * A hold belongs to its client's pipeline from the header on, and to a slot of the core
 * from ACCEPT to FREE. It ends when it belongs to neither. Ended holds are reused,
 * their buffers with them, so a request in steady state takes no memory from the heap.
 */
#ifndef HF_FRONTEND_HOLD_H
#define HF_FRONTEND_HOLD_H

#include "frontend/shell.h"
#include "frontend/spool.h"

struct fe_client;
struct fe_lookup;

struct fe_hold {
    struct hf_list place;     /* in its client's pipeline, or among the free ones */
    struct fe_client *client; /* NULL: the client is gone, or has all of the answer */
    uint32_t slot;            /* 0: the core does not know it, or not any more */
    hf_id id;
    struct fe_meter *meter; /* NULL: no URL group was found */
    enum hf_verbosity verbosity;
    struct hf_http_asker asker;
    struct hf_http_framed framed;
    struct fe_lookup *lookup; /* it waits for what brokers say of a request */
    uint8_t secret[16];       /* opens the status of this one */
    uint32_t wait_s;          /* its client waits so long before it takes a 202 */
    bool is_async;
    bool is_parallel;  /* safe and without body: others may run beside it (row 8) */
    bool is_whole;     /* the request has been read to its end */
    bool has_head;     /* the head of an answer is written */
    bool is_done;      /* the answer is complete */
    bool is_broken;    /* the answer broke off: reset the connection in its place */
    uint64_t fair_key; /* keys.h; 0 = none */
    uint64_t credit;   /* body bytes the core still takes */
    uint64_t due;      /* body bytes the answer still owes, with FRAMING_LENGTH */
    uint64_t untaken;  /* body bytes written and not yet told to the core */
    /* Kept for the next request; fe_hold_release clears all that stands above. */
    struct hf_buf head;  /* RequestHead as it travels */
    struct hf_buf queue; /* name, for problem documents with verbosity=full */
    struct fe_spool spool;
    struct hf_buf out; /* the answer, while it is not the first of the pipeline */
};

/* A clean hold that belongs to nobody; NULL without memory. */
struct fe_hold *fe_hold_get(struct fe_shell *shell);
/* Ends the hold if it belongs to neither a client nor a slot. */
void fe_hold_release(struct fe_shell *shell, struct fe_hold *hold);
/* Frees all that are kept for reuse. */
void fe_holds_fini(struct fe_shell *shell);
/* The buffer where the next byte of its answer goes; marks the client for writing. */
struct hf_buf *fe_hold_out(struct fe_hold *hold);
/* The answer is complete, or, when broken, can never be. */
void fe_hold_finish(struct fe_hold *hold, bool is_broken);

#endif
