/* What configure.c, configure_snapshot.c and configure_revocation.c share: the
 * documents of a controller while their parts arrive. Nobody else includes it. */
#ifndef HF_BROKER_CONFIGURE_PARTS_H
#define HF_BROKER_CONFIGURE_PARTS_H

#include "broker/shell.h"

#define BR_SNAPSHOT_CHUNKS_MAX 256

/* A routing snapshot, whole. */
struct br_snapshot {
    uint64_t sequence;
    uint32_t count;
    struct br_blob *manifest;
    struct br_blob *chunks[BR_SNAPSHOT_CHUNKS_MAX];
};

struct br_arriving {
    struct br_snapshot snapshot;
    struct hf_revocation *revocation;
    struct br_blob *revocation_parts[HF_REVOCATION_PARTS_MAX];
    uint32_t revocation_parts_count;
    uint64_t policy_version;
    uint32_t policy_parts;
    struct hf_buf policy; /* be32 bytes, POLICY metadata, for each part */
    hf_time revocation_seen;
    bool is_stale_told;
};

/* What signed documents are judged by; `trust` is the caller's storage. */
struct hf_document_context br_document_context(struct br *br, struct hf_trust *trust);
void br_snapshot_clear(struct br_snapshot *snapshot);
void br_snapshot_take(struct br *br, uint32_t session, hf_slice meta, hf_slice body);
HF_MUST_USE hf_err br_snapshot_restore(struct br *br);
/* `is_stored`: it comes from the store. */
void br_revocation_take(struct br *br, hf_slice meta, bool is_stored);
HF_MUST_USE hf_err br_revocation_restore(struct br *br);
void br_revocation_forget(struct br_arriving *arriving);

#endif
