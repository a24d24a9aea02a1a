/* The routing snapshot in force: URL groups, their queues, who may be believed about
 * client addresses. A snapshot is collected chunk by chunk, verified against its signed
 * manifest, built whole beside the old one, and then put in its place; a bad one
 * changes nothing (row 19). */
#ifndef HF_FRONTEND_TABLE_H
#define HF_FRONTEND_TABLE_H

#include "frontend/core/route.h"
#include "frontend/shell.h"
#include "lib/base/arena.h"
#include "lib/http/key.h"
#include "lib/wire/lists.h"

#define FE_SNAPSHOT_BYTES_MAX ((size_t)64 << 20)
#define FE_PROXIES_MAX        256u
#define FE_MANIFEST_BYTES_MAX 4096u

struct fe_group {
    hf_slice name;
    hf_slice queue; /* empty: unbound */
    uint64_t body_max;
    int64_t deadline_ms;
    enum hf_queue_state state;
    enum hf_verbosity verbosity;
    uint32_t wishes; /* enum hf_wish: what its clients may ask for */
    enum hf_idempotency idempotency;
    struct hf_http_key fair_key;
    const struct hf_route_group *route; /* for what is rarely looked at */
    struct fe_meter *meter;
};

struct fe_table {
    struct hf_arena arena; /* holds what the slices here and in routes point to */
    struct hf_routes routes;
    struct route_table *prefixes;
    struct fe_group *groups;
    hf_reason unrouted;
    struct hf_http_network proxies[FE_PROXIES_MAX];
    size_t proxies_count;
};

/* Chunks of one snapshot on their way in, one collector per link. */
struct fe_snapshot {
    uint64_t sequence; /* 0: none is being collected */
    uint32_t count;
    uint32_t index_next;
    struct hf_buf manifest;
    struct hf_buf bytes;
};

void fe_snapshot_init(struct fe_snapshot *snapshot);
void fe_snapshot_fini(struct fe_snapshot *snapshot);
/* Adds a chunk. OK: the last one, all is here; AGAIN: more must come; INVALID: out of
 * order or beyond a limit, what was collected is forgotten. */
HF_MUST_USE hf_err fe_snapshot_add(struct fe_snapshot *snapshot,
                                   const struct hf_snapshot *chunk, hf_slice body);
/* Verifies, builds and puts in force what was collected, and tells the core. False: it
 * was refused (logged and counted) or is not newer than what is in force. */
bool fe_table_adopt(struct fe_shell *shell, const struct fe_snapshot *snapshot);
/* Tells the core which broker serves which queue; again when a broker got its name. */
void fe_table_map(struct fe_shell *shell);
void fe_table_free(struct fe_table *table);

/* The group of a URL, or NULL with the reason to give. */
const struct fe_group *fe_table_find(const struct fe_table *table,
                                     const struct route_query *query,
                                     hf_reason *reason);

#endif
