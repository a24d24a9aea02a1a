/* Whom the controller gave tokens, and whose is due for renewal: at two thirds of its
 * life (ARCHITECTURE.md 3), again a little later when nobody could carry it. Public
 * parts only. */
#ifndef HF_CONTROLLER_IDENTITY_H
#define HF_CONTROLLER_IDENTITY_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/ids.h"

#define IDENTITIES_MAX          2048
#define IDENTITY_NAME_BYTES_MAX 127
#define IDENTITY_QUEUE_MAX      255
#define IDENTITY_JTI_BYTES      16
#define IDENTITY_RETRY_S        5

enum identity_role {
    IDENTITY_BROKER = 1,
    IDENTITY_FRONTEND,
    IDENTITY_WORKER,
    IDENTITY_CONTROLLER,
    IDENTITY_OPERATOR /* minted by hand: never renewed, kept so that it can be named */
};

struct identity {
    hf_key key;
    enum identity_role role;
    char name[IDENTITY_NAME_BYTES_MAX + 1]; /* subject, such as broker:b1 */
    char queue[IDENTITY_QUEUE_MAX + 1];     /* workers */
    uint8_t jti[IDENTITY_JTI_BYTES];
    int64_t issued_s;
    int64_t expires_s;
    uint64_t fingerprint; /* workers: of the pool it was started for */
    int64_t retry_s;      /* not before; not stored */
};

struct identities {
    struct identity rows[IDENTITIES_MAX];
    size_t count;
};

/* Adds or, for a known key, replaces. FULL. */
HF_MUST_USE hf_err identity_put(struct identities *all,
                                const struct identity *identity);
struct identity *identity_find(struct identities *all, hf_key key);
void identity_drop(struct identities *all, hf_key key);
/* The one most due at `now_s`, NULL when none is. It is not due again before
 * IDENTITY_RETRY_S, unless it is put with a later expiry. */
struct identity *identity_take_due(struct identities *all, int64_t now_s);
/* When the next one is due, in Unix seconds; INT64_MAX for never. */
int64_t identity_next_due_s(const struct identities *all);

#endif
