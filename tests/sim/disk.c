#include "tests/sim/disk.h"

#include <stdlib.h>

void sim_disk_init(struct sim_disk *disk, uint64_t store_key)
{
    disk->incarnation = 0;
    disk->store_key = store_key;
    disk->is_full = false;
    disk->policy = (struct sim_policy){0};
    disk->count = 0;
    disk->puts_new = 0;
    disk->puts_memory = 0;
    disk->writing.is_under_way = false;
}

struct sim_stored *sim_disk_find(struct sim_disk *disk, uint64_t seq)
{
    for (uint32_t i = 0; i < disk->count; i++) {
        if (disk->stored[i].seq == seq) {
            return &disk->stored[i];
        }
    }
    return NULL;
}

struct sim_stored *sim_disk_find_id(struct sim_disk *disk, hf_id id)
{
    for (uint32_t i = disk->count; i > 0; i--) {
        if (hf_id_equal(disk->stored[i - 1].id, id)) {
            return &disk->stored[i - 1];
        }
    }
    return NULL;
}

bool sim_disk_has_whole(struct sim_disk *disk, hf_id id)
{
    const struct sim_stored *stored = sim_disk_find_id(disk, id);

    if (stored == NULL || stored->body_bytes == BROKER_BODY_INCOMPLETE) {
        return false;
    }
    return (stored->flags & BROKER_SUBMIT_STREAMED) == 0 ||
           stored->pieces_end == stored->body_bytes;
}

static int by_seq(const void *a, const void *b)
{
    const struct sim_stored *left = a;
    const struct sim_stored *right = b;

    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

void sim_disk_sort(struct sim_disk *disk)
{
    qsort(disk->stored, disk->count, sizeof disk->stored[0], by_seq);
}

static const char *apply_put(struct sim_disk *disk, uint64_t seq,
                             const struct sim_put *put)
{
    struct sim_stored *stored = sim_disk_find(disk, seq);

    if (stored == NULL) {
        hf_check(disk->count < SIM_STORED_MAX);
        stored = &disk->stored[disk->count++];
        *stored = (struct sim_stored){.seq = seq};
        disk->puts_new++;
    } else if (!hf_id_equal(stored->id, put->view.id)) {
        return "a record was put over another one's";
    }
    stored->id = put->view.id;
    stored->queue = put->queue;
    stored->flags = put->view.flags;
    stored->owner = put->view.owner;
    stored->head = put->head;
    stored->body = put->body;
    stored->body_bytes = put->view.body_bytes;
    stored->enqueued = put->view.enqueued;
    stored->deadline = put->view.deadline;
    return NULL;
}

static const char *apply_body(struct sim_disk *disk,
                              const struct broker_command *command)
{
    struct sim_stored *stored = sim_disk_find(disk, command->seq);

    if (stored == NULL) {
        return "a body piece was put without its record";
    }
    if (command->offset != stored->pieces_end) {
        return "a body was put with a gap or twice";
    }
    stored->pieces_end += command->bytes;
    return NULL;
}

static const char *apply_dispatch(struct sim_disk *disk,
                                  const struct broker_command *command)
{
    struct sim_stored *stored = sim_disk_find(disk, command->seq);

    if (stored == NULL) {
        return "a dispatch was put without its record";
    }
    stored->dispatched_epoch = command->epoch;
    stored->dispatched_to = command->key;
    return NULL;
}

static const char *apply_drop(struct sim_disk *disk, uint64_t seq)
{
    struct sim_stored *stored = sim_disk_find(disk, seq);

    if (stored == NULL) {
        return "a record was dropped that is not there";
    }
    *stored = disk->stored[--disk->count];
    return NULL;
}

static const char *apply_one(struct sim_disk *disk, uint32_t index)
{
    const struct broker_command *command = &disk->writing.batch.items[index];

    switch (command->type) {
    case BROKER_CMD_PUT:
        return apply_put(disk, command->seq, &disk->writing.puts[index]);
    case BROKER_CMD_PUT_BODY:
        return apply_body(disk, command);
    case BROKER_CMD_DISPATCH:
        return apply_dispatch(disk, command);
    case BROKER_CMD_DROP:
        return apply_drop(disk, command->seq);
    case BROKER_CMD_POLICY:
        disk->policy = disk->writing.policy;
        return NULL;
    }
    return "an unknown command";
}

const char *sim_disk_apply(struct sim_disk *disk)
{
    const char *fault = NULL;

    hf_check(disk->writing.is_under_way);
    for (uint32_t i = 0; i < disk->writing.batch.count && fault == NULL; i++) {
        fault = apply_one(disk, i);
    }
    disk->writing.is_under_way = false;
    return fault;
}
