/* From the JSON of signed documents to structs. Private to lib/token; written in
 * claims_document.c, the place that knows the JSON library. */
#ifndef HF_TOKEN_DOCUMENT_READ_H
#define HF_TOKEN_DOCUMENT_READ_H

#include "lib/token/claims.h"
#include "lib/token/document.h"
#include "lib/token/revocation.h"

/* The common members, and which part of how many a revocation list is (1 of 1 when the
 * payload does not say). */
struct hf_document_members {
    struct hf_document_head head; /* its audience points to `audience` */
    char audience[HF_STRING_BYTES_MAX + 1];
    uint64_t part;
    uint64_t parts;
};

/* HF_ERR_INVALID for any breach of the profile or the kind's rules, HF_ERR_NO_MEMORY.
 */
HF_MUST_USE hf_err hf_revocation_read(hf_slice payload,
                                      struct hf_document_members *members,
                                      struct hf_revocation *out);
HF_MUST_USE hf_err hf_keyset_read(hf_slice payload, struct hf_document_members *members,
                                  struct hf_keyset *out);
HF_MUST_USE hf_err hf_manifest_read(hf_slice payload,
                                    struct hf_document_members *members,
                                    struct hf_manifest *out);
/* Appends {"v":1,"iss":...,"exp":...} without the closing brace. */
HF_MUST_USE hf_err hf_document_head_write(const struct hf_document_head *head,
                                          struct hf_buf *out);

#endif
