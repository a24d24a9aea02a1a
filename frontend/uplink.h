/* The links to brokers. An uplink is one broker under the number by which the core
 * knows it: an address that was given or came with the routes, a dialer that never
 * gives up, and while it is up a session.
 *
 * Everything here happens on the loop's thread, the links' callbacks too. */
#ifndef HF_FRONTEND_UPLINK_H
#define HF_FRONTEND_UPLINK_H

#include "frontend/table.h"

#define FE_UPLINK_ADDRESSES_MAX 4
#define FE_GOODBYE_MS           200

struct fe_uplink {
    struct fe_shell *shell;
    uint32_t index; /* the core's number */
    char addresses[FE_UPLINK_ADDRESSES_MAX][HF_LINK_ADDRESS_BYTES];
    uint32_t addresses_count;
    uint32_t address_next; /* tried when the present one fails */
    struct hf_link_dialer *dialer;
    struct hf_link *link;                  /* a reference; NULL while down */
    char name[HF_BROKER_ID_BYTES_MAX + 1]; /* "" until a session has told it */
    uint64_t reauth_counter;
    bool is_ending;  /* GOODBYE is said; on_down is awaited */
    bool has_output; /* to be flushed at the end of the turn */
    bool is_urgent;  /* somebody waits for that output */
    bool has_failed; /* its address; the next one is tried at the end of the turn */
    struct fe_snapshot snapshot;
};

/* Dials the brokers of the options. */
HF_MUST_USE hf_err fe_uplinks_open(struct fe_shell *shell);
/* Dials the brokers of the routes that are not dialled yet. */
void fe_uplinks_dial(struct fe_shell *shell);
/* Says GOODBYE and closes all. */
void fe_uplinks_close(struct fe_shell *shell);
/* The number of the broker of that name; 0 = not known yet. */
uint32_t fe_uplink_named(const struct fe_shell *shell, hf_slice name);
uint32_t fe_uplinks_up_count(const struct fe_shell *shell);
/* Appends a record; silently nothing while the link is down (the core will be told). */
void fe_uplink_send(struct fe_shell *shell, uint32_t index,
                    const struct hf_record *record);
/* The end of a turn: flushes every link that has output. */
void fe_uplinks_turn(struct fe_shell *shell);
/* A new token for our key: every session gets a REAUTH. */
void fe_uplinks_reauth(struct fe_shell *shell, hf_slice chain);
/* The broker broke the protocol: GOODBYE and end of the session. */
void fe_uplink_end(struct fe_uplink *uplink, hf_reason reason);
/* records.c: one batch. */
void fe_records_handle(struct fe_uplink *uplink, const struct hf_record *records,
                       size_t count);

#endif
