/* What clients ask about asynchronous requests (FEATURES rows 43, 44, 51), and the 202
 * that tells them where.
 *
 *   GET    /.holdfast/r/{id}?k={secret}            status JSON
 *   GET    /.holdfast/r/{id}/response?k={secret}   the response, exactly as it was
 *   DELETE /.holdfast/r/{id}?k={secret}            cancels it
 *
 * `&wait=30` holds a GET back until the request has ended, 60 s at most. A lookup asks
 * every broker that is up and then the one that knows, again at each tick while it
 * waits; it keeps nothing that another frontend would need. */
#ifndef HF_FRONTEND_STATUS_H
#define HF_FRONTEND_STATUS_H

#include "frontend/hold.h"
#include "lib/http/target.h"

#define FE_LOOKUPS_MAX   1024u /* at once; more are answered ConnLimit */
#define FE_LOOKUP_WAIT_S 60u
#define FE_LOOKUP_MS     5000 /* for brokers to answer */

struct fe_uplink;
struct fe_lookup;

/* Whether the path is ours, whatever the URL groups say. */
bool fe_status_owns(hf_slice path);
/* Answers it, now or later. */
void fe_status_start(struct fe_shell *shell, struct fe_hold *hold,
                     const struct hf_http_target *target);
/* Reads the client's wish to have `hold` run asynchronously, and draws its secret. */
void fe_status_wish(struct fe_hold *hold, const struct hf_http_head *head);
/* What the broker may know of the secret. */
hf_id fe_status_access(const struct fe_hold *hold);
/* It is on disk: 202, or the response when the client waits and it comes in time. */
void fe_status_accepted(struct fe_shell *shell, struct fe_hold *hold);

/* Records of a lookup. */
bool fe_status_is_query(hf_id id);
void fe_status_told(struct fe_uplink *uplink, const struct hf_looked_up *status);
void fe_status_response(struct fe_shell *shell, hf_id query,
                        const struct hf_record *record, bool is_last);

void fe_status_tick(struct fe_shell *shell);
/* The client is gone. */
void fe_lookup_drop(struct fe_shell *shell, struct fe_hold *hold);

#endif
