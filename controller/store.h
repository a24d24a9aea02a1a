/* The controller's own LMDB: numbers that must rise for ever, identities, revocations,
 * the audit log. Every call is one transaction, on disk when it returns. An error of
 * LMDB is never gone on from: the caller stops (STYLE.md 5). */
#ifndef HF_CONTROLLER_STORE_H
#define HF_CONTROLLER_STORE_H

#include "controller/core/identity.h"
#include "lib/base/buf.h"

#define CT_STORE_MAP_BYTES   (UINT64_C(1) << 30)
#define CT_STORE_AUDIT_MAX   100000 /* older entries are dropped */
#define CT_STORE_SUBJECT_MAX 128
#define CT_STORE_TEXT_MAX    512

struct ct_store;

enum ct_revoked_kind { CT_REVOKED_JTI = 1, CT_REVOKED_KEY, CT_REVOKED_SUBJECT };

struct ct_revoked {
    enum ct_revoked_kind kind;
    uint8_t id[32];                         /* 16 bytes of a jti, 32 of a key */
    char subject[CT_STORE_SUBJECT_MAX + 1]; /* SUBJECT */
    int64_t until_s; /* SUBJECT: tokens issued before this; else: drop after */
};

HF_MUST_USE hf_err ct_store_open(const char *directory, struct ct_store **out);
void ct_store_close(struct ct_store *store);

/* 0 when it was never put. */
HF_MUST_USE hf_err ct_store_number(struct ct_store *store, const char *name,
                                   uint64_t *out);
HF_MUST_USE hf_err ct_store_put_number(struct ct_store *store, const char *name,
                                       uint64_t value);
/* Small values of fixed meaning, such as a digest. NOT_FOUND. */
HF_MUST_USE hf_err ct_store_value(struct ct_store *store, const char *name,
                                  struct hf_buf *out);
/* Puts a number and a value together. */
HF_MUST_USE hf_err ct_store_put_version(struct ct_store *store, const char *name,
                                        uint64_t number, hf_slice value);

HF_MUST_USE hf_err ct_store_put_identity(struct ct_store *store,
                                         const struct identity *identity);
HF_MUST_USE hf_err ct_store_drop_identity(struct ct_store *store, hf_key key);
/* Appends what is stored. */
HF_MUST_USE hf_err ct_store_identities(struct ct_store *store, struct identities *out);

HF_MUST_USE hf_err ct_store_put_revoked(struct ct_store *store,
                                        const struct ct_revoked *revoked);
HF_MUST_USE hf_err ct_store_drop_revoked(struct ct_store *store,
                                         const struct ct_revoked *revoked);
typedef void (*ct_store_revoked_fn)(void *ctx, const struct ct_revoked *revoked);
HF_MUST_USE hf_err ct_store_each_revoked(struct ct_store *store, ct_store_revoked_fn fn,
                                         void *ctx);

/* One line: when, who, what. */
HF_MUST_USE hf_err ct_store_audit(struct ct_store *store, int64_t now_ms,
                                  const char *who, const char *what);
typedef void (*ct_store_audit_fn)(void *ctx, uint64_t number, int64_t at_ms,
                                  hf_slice who, hf_slice what);
/* The newest `count_max` entries, oldest first. */
HF_MUST_USE hf_err ct_store_each_audit(struct ct_store *store, size_t count_max,
                                       ct_store_audit_fn fn, void *ctx);

#endif
