/* One broker's store without a machine under it: committed records by seq, and what a
 * batch that is being written will make of them. A crash keeps what was committed; of
 * the batch under way it keeps all or nothing. */
#ifndef HF_TESTS_SIM_DISK_H
#define HF_TESTS_SIM_DISK_H

#include "broker/core/broker.h"
#include "tests/sim/record.h"

#define SIM_QUEUES_MAX   4u
#define SIM_STORED_MAX   2048u
#define SIM_COMMANDS_MAX 2048u

struct sim_policy {
    uint64_t version; /* 0: none was ever stored */
    bool is_named[SIM_QUEUES_MAX];
    struct broker_queue_policy queues[SIM_QUEUES_MAX];
};

struct sim_stored {
    uint64_t seq;
    hf_id id;
    uint32_t queue;
    uint32_t flags;
    hf_key owner;
    struct sim_bytes head;
    struct sim_bytes body; /* inline */
    uint64_t body_bytes;   /* BROKER_BODY_INCOMPLETE while it arrives */
    uint64_t pieces_end;   /* of a streamed body */
    hf_time enqueued;
    hf_time deadline;
    uint64_t dispatched_epoch;
    hf_key dispatched_to;
};

/* What a command points at, taken with the batch. */
struct sim_put {
    struct broker_request_view view;
    uint32_t queue;
    struct sim_bytes head;
    struct sim_bytes body;
};

struct sim_writing {
    bool is_under_way;
    struct broker_batch batch;
    struct sim_put puts[SIM_COMMANDS_MAX];
    struct sim_policy policy;
};

struct sim_disk {
    uint32_t incarnation;
    uint64_t store_key;
    bool is_full;
    struct sim_policy policy;
    uint32_t count;
    struct sim_stored stored[SIM_STORED_MAX];
    uint64_t puts_new;    /* records that were not there before, this incarnation */
    uint64_t puts_memory; /* put for queues that must not be on disk; stays 0 */
    struct sim_writing writing;
};

void sim_disk_init(struct sim_disk *disk, uint64_t store_key);
/* Applies the batch under way. NULL, or what the batch would have broken. */
const char *sim_disk_apply(struct sim_disk *disk);
/* NULL when it is not there. */
struct sim_stored *sim_disk_find(struct sim_disk *disk, uint64_t seq);
struct sim_stored *sim_disk_find_id(struct sim_disk *disk, hf_id id);
/* Whether the request is there with all of its body. */
bool sim_disk_has_whole(struct sim_disk *disk, hf_id id);
/* By seq, as recovery reads. */
void sim_disk_sort(struct sim_disk *disk);

#endif
