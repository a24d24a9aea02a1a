/* Signed documents: v4.public tokens whose implicit assertion names their kind, so that
 * none can pass for another or for a capability (SECURITY.md 2.6, 2.7; ARCHITECTURE.md
 * 3).
 *
 *     revocation list    holdfast-rev-v1     key use rev     payload <= 256 KiB
 *     keyset             holdfast-keys-v1    key use keys    payload <= 16 KiB
 *     routing manifest   holdfast-route-v1   key use route   payload <= 2 KiB
 *
 * Payloads are {"v":1,"iss","aud","seq","iat","exp"(not route), and the kind's
 * members}, read by the strict profile of SECURITY.md 2.3. That `seq` rises is the
 * caller's to keep: it has the last one on disk. */
#ifndef HF_TOKEN_DOCUMENT_H
#define HF_TOKEN_DOCUMENT_H

#include "lib/base/buf.h"
#include "lib/token/hash.h"
#include "lib/token/trust.h"

#define HF_DOCUMENT_PAYLOAD_BYTES_MAX (256 * 1024)
/* The longest text of a signed document. */
#define HF_DOCUMENT_TEXT_BYTES_MAX (HF_DOCUMENT_PAYLOAD_BYTES_MAX / 3 * 4 + 512)

enum hf_document_kind { HF_DOCUMENT_REVOCATION, HF_DOCUMENT_KEYSET, HF_DOCUMENT_ROUTE };

/* What a document is judged against; borrowed for the call. */
struct hf_document_context {
    const struct hf_trust *trust;
    hf_slice cluster; /* expected audience */
    int64_t now_s;
    int64_t skew_s;
};

/* The members every kind has. For writing, issuer and audience are the caller's; after
 * reading both are empty, the audience having been checked. */
struct hf_document_head {
    hf_slice issuer;
    hf_slice audience;
    uint64_t seq; /* 1.. */
    int64_t issued_s;
    int64_t expires_s; /* 0 when the kind has none */
};

/* A verified payload; `memory` is freed by hf_document_close. */
struct hf_document {
    hf_slice payload;
    hf_kid kid;
    uint8_t *memory;
};

/* Checks form, key, its use and the signature: E_FORMAT, E_KID, E_SIG, E_RESOURCE. The
 * payload has not been read yet. */
HF_MUST_USE enum hf_token_error
hf_document_open(enum hf_document_kind kind, hf_slice token,
                 const struct hf_document_context *context, struct hf_document *out);
void hf_document_close(struct hf_document *document);
/* Signs a payload that the kind's reader accepts (else HF_ERR_INVALID) and appends the
 * token to `out`. */
HF_MUST_USE hf_err hf_document_sign(enum hf_document_kind kind,
                                    const struct hf_secret *secret, hf_slice payload,
                                    struct hf_buf *out);
/* Whether the head fits here and now: E_AUD, E_TIME (issued in the future). */
HF_MUST_USE enum hf_token_error
hf_document_judge(const struct hf_document_head *head,
                  const struct hf_document_context *context);

/* The issuer keys of a cluster (2.6). */
struct hf_keyset {
    struct hf_document_head head;
    struct hf_trust trust;
};
/* E_TIME also when it has expired: a keyset is trust, it does not outlive itself. */
HF_MUST_USE enum hf_token_error
hf_keyset_open(hf_slice token, const struct hf_document_context *context,
               struct hf_keyset *out);
/* Appends the payload to be signed. Keys without limits get 1970 and 9999. */
HF_MUST_USE hf_err hf_keyset_write(const struct hf_keyset *keyset, struct hf_buf *out);

/* What a routing snapshot must be (ARCHITECTURE.md 3). It has no expiry: the last one
 * serves while the controller is down. */
struct hf_manifest {
    struct hf_document_head head;
    uint64_t base_seq; /* of the snapshot a delta builds on; 0: a whole snapshot */
    uint64_t bytes;    /* of all chunks together */
    hf_digest digest;  /* BLAKE2b-256 of all chunks together */
};
HF_MUST_USE enum hf_token_error
hf_manifest_open(hf_slice token, const struct hf_document_context *context,
                 struct hf_manifest *out);
HF_MUST_USE hf_err hf_manifest_write(const struct hf_manifest *manifest,
                                     struct hf_buf *out);

#endif
