/* The store thread: takes batches from the core, makes them durable, says COMMITTED.
 * And the tick thread, which wakes the core when one of its deadlines has come. */
#include "broker/shell.h"

#include "lib/base/bytes.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EPOCHS_LOW (UINT32_MAX / 2)
#define LOOK_MS    500 /* at most, between looks at the space and the epochs left */

/* What keeps the batch's bytes alive while they are written outside of the lock. */
struct commit {
    struct broker_batch batch;
    struct br_store_put puts[BROKER_BATCH_MAX];
    struct br_held *held[BROKER_BATCH_MAX];
    struct br_blob *policy;
    hf_slice *parts;          /* of all PUT_BODY commands, in order */
    struct br_piece **pieces; /* what keeps them alive */
    uint32_t parts_count;
    uint32_t parts_max;
};

/* pthread_cond_timedwait until `due` on hf_clock_now's clock. */
static void wait_until(struct br *br, pthread_cond_t *wake, hf_time due)
{
    hf_time now = hf_clock_now();
    struct timespec at;
    int64_t us = due.us - now.us;

    if (due.us == HF_TIME_NEVER.us || us > INT64_C(3600000000)) {
        us = INT64_C(3600000000);
    }
    if (us <= 0) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(us / 1000000);
    at.tv_nsec += (long)(us % 1000000) * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(wake, &br->lock, &at);
}

static hf_slice queue_name(struct br *br, uint32_t queue)
{
    struct broker_queue_view view;
    bool is_known = broker_queue_at(br->core, queue, &view);

    hf_check(is_known);
    return view.name;
}

static int64_t retention_of(struct br *br, uint32_t queue)
{
    struct broker_queue_view view;
    bool is_known = broker_queue_at(br->core, queue, &view);

    return is_known && view.retention_ms > 0 ? view.retention_ms : BR_RETENTION_MS;
}

static void add_part(struct commit *c, struct br_piece *piece, hf_slice bytes)
{
    if (c->parts_count == c->parts_max) {
        c->parts_max = c->parts_max == 0 ? 64 : c->parts_max * 2;
        c->parts = realloc(c->parts, c->parts_max * sizeof *c->parts);
        c->pieces = realloc(c->pieces, c->parts_max * sizeof(struct br_piece *));
        if (c->parts == NULL || c->pieces == NULL) {
            br_fail_stop("no memory for a commit");
        }
    }
    c->pieces[c->parts_count] = piece;
    c->parts[c->parts_count++] = bytes;
}

static void pin_body(struct br *br, struct commit *c, uint32_t i)
{
    const struct broker_command *command = &c->batch.items[i];
    uint64_t at = command->offset;
    uint64_t end = command->offset + command->bytes;

    while (at < end) {
        hf_slice bytes = HF_SLICE_EMPTY;
        struct br_piece *piece = br_piece_at(br, command->slot, at, &bytes);

        hf_check(piece != NULL && bytes.bytes > 0);
        bytes = hf_slice_first(bytes, (size_t)(end - at));
        add_part(c, piece, bytes);
        c->puts[i].parts_count++;
        at += bytes.bytes;
    }
}

static void pin(struct br *br, struct commit *c, uint32_t i)
{
    const struct broker_command *command = &c->batch.items[i];
    struct br_store_put *put = &c->puts[i];

    if (command->type == BROKER_CMD_PUT) {
        put->view = broker_request_at(br->core, command->slot);
        put->queue = queue_name(br, put->view.queue);
        hf_check(br->slots[command->slot].held != NULL);
        c->held[i] = br_held_ref(br->slots[command->slot].held);
        put->head = br_held_head(c->held[i]);
        put->body = br_held_body(c->held[i]);
        put->access = br_held_access(c->held[i]);
        put->retention_ms = retention_of(br, put->view.queue);
    } else if (command->type == BROKER_CMD_DROP && command->is_answered) {
        /* An answered request keeps its slot until this batch is settled. */
        put->view = broker_request_at(br->core, command->slot);
        hf_check(br_reply_parts(br, command->slot, &put->head, &put->body));
    } else if (command->type == BROKER_CMD_PUT_BODY) {
        put->view = broker_request_at(br->core, command->slot);
        pin_body(br, c, i);
    } else if (command->type == BROKER_CMD_POLICY && c->policy == NULL &&
               br->policy != NULL) {
        c->policy = br_blob_ref(br->policy);
    }
}

/* Queue names are read by the store thread outside of the lock: names of queues never
 * move while a request of theirs exists. */
static void pin_all(struct br *br, struct commit *c)
{
    const hf_slice *parts = NULL;

    c->parts_count = 0;
    for (uint32_t i = 0; i < c->batch.count; i++) {
        c->puts[i] = (struct br_store_put){0};
        c->held[i] = NULL;
        pin(br, c, i);
    }
    parts = c->parts; /* they moved while there came more */
    for (uint32_t i = 0; i < c->batch.count; i++) {
        c->puts[i].parts = parts;
        parts += c->puts[i].parts_count;
    }
}

static void unpin_all(struct commit *c)
{
    for (uint32_t i = 0; i < c->batch.count; i++) {
        br_held_unref(c->held[i]);
    }
    for (uint32_t i = 0; i < c->parts_count; i++) {
        br_piece_unref(c->pieces[i]);
    }
    br_blob_unref(c->policy);
    c->policy = NULL;
}

/* Bytes that are on disk now may leave memory: pieces at once, records when the cache
 * is over its budget and nobody needs them in the next moment. The core settles a large
 * batch over several steps, so what it says of the disk is late here: the commit has
 * been. */
static void let_go(struct br *br, const struct commit *c)
{
    for (uint32_t i = 0; i < c->batch.count; i++) {
        const struct broker_command *command = &c->batch.items[i];
        struct broker_request_view view;

        if (command->slot == 0 ||
            (command->type != BROKER_CMD_PUT && command->type != BROKER_CMD_PUT_BODY)) {
            continue;
        }
        view = broker_request_at(br->core, command->slot);
        if (view.seq != command->seq) {
            continue; /* the slot has ended, perhaps it serves another request already
                       */
        }
        if (command->type == BROKER_CMD_PUT_BODY) {
            br_drop_pieces(br, command->slot, command->offset + command->bytes);
        } else if (!view.is_leased && br->held_bytes > BR_CACHE_BYTES &&
                   c->puts[i].view.body_bytes != BROKER_BODY_INCOMPLETE) {
            br_drop_held(br, command->slot);
        }
    }
}

static void tell_space(struct br *br)
{
    struct br_store_space space;
    struct broker_input input = {.type = BROKER_IN_SPACE, .now = hf_clock_now()};

    if (br_store_space(br->store, &space) != HF_OK) {
        br_fail_stop("the store's size cannot be read");
    }
    br_lock(br);
    br->space = space;
    if (space.is_full != br->is_full) {
        br->is_full = space.is_full;
        input.u.space.is_full = space.is_full;
        HF_WARN(space.is_full ? "store is full" : "store has room again",
                hf_log_cstr("reason", hf_reason_word(HF_REASON_DISK_FULL)),
                hf_log_int("used_bytes", (int64_t)space.used_bytes),
                hf_log_int("quota_bytes", (int64_t)space.quota_bytes));
        br_step(br, &input, NULL);
    }
    br_unlock(br);
}

/* At 100,000 leases a second the epochs of one incarnation last for twelve hours. The
 * next one is on disk before the core gives anything out in its name. */
static void raise_incarnation(struct br *br)
{
    struct broker_input input = {.type = BROKER_IN_INCARNATION};
    uint8_t value[4];
    const struct br_store_meta item = {"incarnation", hf_slice_of(value, sizeof value)};
    uint32_t left = 0;

    br_lock(br);
    left = broker_epochs_left(br->core);
    br_unlock(br);
    if (left > EPOCHS_LOW) {
        return;
    }
    hf_put_be32(value, br->incarnation + 1);
    if (br_store_meta_put_all(br->store, &item, 1) != HF_OK) {
        br_fail_stop("the incarnation cannot be stored");
    }
    br_lock(br);
    input.now = hf_clock_now();
    input.u.incarnation.number = ++br->incarnation;
    br_step(br, &input, NULL);
    br_unlock(br);
    HF_INFO("new incarnation", hf_log_int("incarnation", br->incarnation));
}

static void commit_one(struct br *br, struct commit *c)
{
    int64_t start = hf_clock_monotonic_us();
    hf_slice policy = c->policy == NULL
                          ? HF_SLICE_EMPTY
                          : hf_slice_of(c->policy->data, c->policy->bytes);
    struct broker_input done = {.type = BROKER_IN_COMMITTED};

    if (br_store_apply(br->store, br->incarnation, &c->batch, c->puts, policy) !=
        HF_OK) {
        br_fail_stop("a commit failed");
    }
    hf_stat_add(&br_stats.commits, 1);
    hf_stat_add(&br_stats.commands, c->batch.count);
    hf_stat_add(&br_stats.commit_us, hf_clock_monotonic_us() - start);
    br_lock(br);
    done.now = hf_clock_now();
    done.u.commit.index = c->batch.index;
    br_step(br, &done, NULL);
    let_go(br, c);
    br_unlock(br);
    unpin_all(c);
}

void *br_commit_main(void *context)
{
    struct br *br = context;
    struct commit *c = calloc(1, sizeof *c);
    uint64_t rounds = 0;
    hf_time look_at = HF_TIME_ZERO; /* when to look at the store's space again */

    if (c == NULL) {
        br_fail_stop("no memory for the store thread");
    }
    pthread_mutex_lock(&br->lock);
    while (!br->is_stopping || broker_batch_due(br->core).us != HF_TIME_NEVER.us) {
        hf_time now = hf_clock_now();
        bool has_batch = broker_take_batch(br->core, now, &c->batch);

        if (has_batch) {
            pin_all(br, c);
        } else {
            if (br->is_stopping) {
                break;
            }
            br->commit_at =
                hf_time_min(broker_batch_due(br->core), hf_time_add_ms(now, LOOK_MS));
            wait_until(br, &br->commit_wake, br->commit_at);
            br->commit_at = HF_TIME_ZERO; /* awake: nobody needs to signal */
            now = hf_clock_now();
        }
        pthread_mutex_unlock(&br->lock);
        if (has_batch) {
            commit_one(br, c);
        }
        /* Every batch ends with a wait: not each of them is worth a look. */
        if (hf_time_reached(look_at, now) || (has_batch && rounds++ % 16 == 0)) {
            look_at = hf_time_add_ms(now, LOOK_MS);
            tell_space(br);
            raise_incarnation(br);
        }
        pthread_mutex_lock(&br->lock);
    }
    pthread_mutex_unlock(&br->lock);
    free(c->parts);
    free(c->pieces);
    free(c);
    return NULL;
}

void *br_tick_main(void *context)
{
    struct br *br = context;

    br_lock(br);
    while (!br->is_stopping) {
        hf_time now = hf_clock_now();

        if (hf_time_reached(broker_next_deadline(br->core), now)) {
            struct broker_input tick = {.type = BROKER_IN_TICK, .now = now};

            br_step(br, &tick, NULL);
            br->tick_at = HF_TIME_ZERO;
            br_unlock(br);
            br_lock(br);
            continue;
        }
        br->tick_at = broker_next_deadline(br->core);
        wait_until(br, &br->tick_wake, br->tick_at);
        br->tick_at = HF_TIME_ZERO;
    }
    br_unlock(br);
    return NULL;
}
