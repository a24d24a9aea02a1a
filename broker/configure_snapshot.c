/* The routing snapshot: its chunks are put together, judged by the signed manifest,
 * stored, put in force and sent to every frontend that asked. */
#include "broker/configure_parts.h"

#include "lib/base/bytes.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define META_SNAPSHOT "snapshot"

void br_snapshot_clear(struct br_snapshot *snapshot)
{
    br_blob_unref(snapshot->manifest);
    for (uint32_t i = 0; i < BR_SNAPSHOT_CHUNKS_MAX; i++) {
        br_blob_unref(snapshot->chunks[i]);
    }
    memset(snapshot, 0, sizeof *snapshot);
}

uint64_t br_snapshot_sequence(const struct br *br)
{
    return br->snapshot == NULL ? 0 : br->snapshot->sequence;
}

/* Whether the manifest is signed and the chunks are what it signs. */
static enum hf_token_error judge_snapshot(struct br *br,
                                          const struct br_snapshot *snapshot)
{
    struct hf_trust trust;
    struct hf_document_context context = br_document_context(br, &trust);
    struct hf_digest_stream stream;
    struct hf_manifest manifest;
    hf_digest digest;
    uint64_t bytes = 0;
    enum hf_token_error error = hf_manifest_open(
        hf_slice_of(snapshot->manifest->data, snapshot->manifest->bytes), &context,
        &manifest);

    if (error != HF_TOKEN_OK) {
        return error;
    }
    hf_digest_stream_init(&stream);
    for (uint32_t i = 0; i < snapshot->count; i++) {
        hf_slice chunk =
            hf_slice_of(snapshot->chunks[i]->data, snapshot->chunks[i]->bytes);

        hf_digest_stream_add(&stream, chunk);
        bytes += chunk.bytes;
    }
    digest = hf_digest_stream_end(&stream);
    return manifest.bytes == bytes && manifest.head.seq == snapshot->sequence &&
                   hf_digest_equal(&digest, &manifest.digest)
               ? HF_TOKEN_OK
               : HF_TOKEN_SIG;
}

void br_send_snapshot(struct br *br, uint32_t session)
{
    uint8_t meta[HF_META_MAX];

    for (uint32_t i = 0; br->snapshot != NULL && i < br->snapshot->count; i++) {
        const struct br_snapshot *snapshot = br->snapshot;
        const struct hf_snapshot message = {
            .sequence = snapshot->sequence,
            .index = i,
            .count = snapshot->count,
            .manifest =
                hf_slice_of(snapshot->manifest->data, snapshot->manifest->bytes),
        };
        const struct hf_record record = {
            .type = HF_RECORD_SNAPSHOT,
            .meta = hf_slice_of(meta, hf_snapshot_encode(&message, meta, sizeof meta)),
            .body = hf_slice_of(snapshot->chunks[i]->data, snapshot->chunks[i]->bytes),
        };

        (void)br_send(br, session, &record);
    }
}

static hf_err store_snapshot(struct br *br, const struct br_snapshot *snapshot)
{
    struct br_store_meta items[BR_SNAPSHOT_CHUNKS_MAX + 1];
    char names[BR_SNAPSHOT_CHUNKS_MAX][32];
    struct hf_buf head;
    hf_err err = HF_OK;

    hf_buf_init(&head, HF_META_MAX + 16);
    if (hf_buf_append_be64(&head, snapshot->sequence) != HF_OK ||
        hf_buf_append_be32(&head, snapshot->count) != HF_OK ||
        hf_buf_append(&head, hf_slice_of(snapshot->manifest->data,
                                         snapshot->manifest->bytes)) != HF_OK) {
        hf_buf_fini(&head);
        return HF_ERR_NO_MEMORY;
    }
    items[0] = (struct br_store_meta){META_SNAPSHOT, hf_buf_slice(&head)};
    for (uint32_t i = 0; i < snapshot->count; i++) {
        (void)snprintf(names[i], sizeof names[i], META_SNAPSHOT "/%05u", i);
        items[i + 1] =
            (struct br_store_meta){names[i], hf_slice_of(snapshot->chunks[i]->data,
                                                         snapshot->chunks[i]->bytes)};
    }
    err = br_store_meta_put_all(br->store, items, snapshot->count + 1);
    hf_buf_fini(&head);
    return err;
}

/* Puts a whole, verified snapshot in force and tells everybody who asked. Takes it, and
 * the storage `fresh` for it. */
static void install_snapshot(struct br *br, struct br_snapshot *take,
                             struct br_snapshot *fresh)
{
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_snapshot_ack ack = {.sequence = take->sequence};
    size_t bytes = hf_snapshot_ack_encode(&ack, meta, sizeof meta);
    struct br_snapshot *old = NULL;

    *fresh = *take;
    memset(take, 0, sizeof *take);
    br_lock(br);
    old = br->snapshot;
    br->snapshot = fresh;
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        if (br->sessions[i].is_up && br->sessions[i].is_subscribed) {
            br_send_snapshot(br, i);
        }
        if (br->sessions[i].is_up && br->sessions[i].role == HF_ROLE_CONTROLLER) {
            br_send_control(br, i, HF_RECORD_SNAPSHOT_ACK, hf_slice_of(meta, bytes));
        }
    }
    br_unlock(br);
    if (old != NULL) {
        br_snapshot_clear(old);
        free(old);
    }
    HF_INFO("routing snapshot in force", hf_log_int("sequence", (int64_t)ack.sequence));
}

/* The controller sends it again in a new session. */
static void starve_snapshot(struct br *br, uint32_t session)
{
    br_snapshot_clear(&br->arriving->snapshot);
    br_lock(br);
    br_starve_session(br, session, HF_RECORD_SNAPSHOT);
    br_unlock(br);
}

static void take_whole(struct br *br, uint32_t session)
{
    struct br_snapshot *arriving = &br->arriving->snapshot;
    struct br_snapshot *fresh = malloc(sizeof *fresh);
    enum hf_token_error error = judge_snapshot(br, arriving);

    if (error != HF_TOKEN_OK) {
        free(fresh);
        HF_WARN("routing snapshot refused",
                hf_log_cstr("code", hf_token_error_code(error)));
        br_snapshot_clear(arriving);
        return;
    }
    if (fresh == NULL) {
        starve_snapshot(br, session);
        return;
    }
    if (store_snapshot(br, arriving) != HF_OK) {
        br_fail_stop("a routing snapshot cannot be stored");
    }
    install_snapshot(br, arriving, fresh);
}

void br_snapshot_take(struct br *br, uint32_t session, hf_slice meta, hf_slice body)
{
    struct br_snapshot *arriving = &br->arriving->snapshot;
    struct hf_snapshot message;

    if (hf_snapshot_decode(meta, &message) != HF_OK || message.count == 0 ||
        message.count > BR_SNAPSHOT_CHUNKS_MAX || message.index >= message.count) {
        HF_WARN("routing snapshot refused", hf_log_cstr("reason", "malformed chunk"));
        return;
    }
    if (message.sequence <= br_snapshot_sequence(br)) {
        return; /* repeated after a reconnect: known */
    }
    if (arriving->sequence != message.sequence || arriving->count != message.count) {
        br_snapshot_clear(arriving);
        arriving->sequence = message.sequence;
        arriving->count = message.count;
        arriving->manifest = br_blob_new(message.manifest);
    }
    br_blob_unref(arriving->chunks[message.index]);
    arriving->chunks[message.index] = br_blob_new(body);
    if (arriving->chunks[message.index] == NULL || arriving->manifest == NULL) {
        starve_snapshot(br, session);
        return;
    }
    for (uint32_t i = 0; i < arriving->count; i++) {
        if (arriving->chunks[i] == NULL) {
            return;
        }
    }
    take_whole(br, session);
}

hf_err br_snapshot_restore(struct br *br)
{
    struct br_snapshot *snapshot = &br->arriving->snapshot;
    struct hf_buf value;
    hf_err err = HF_OK;

    hf_buf_init(&value, BR_STORE_META_MAX);
    err = br_store_meta_get(br->store, META_SNAPSHOT, &value);
    if (err == HF_OK && hf_buf_bytes(&value) > 12) {
        hf_slice head = hf_buf_slice(&value);

        snapshot->sequence = hf_get_be64(head.data);
        snapshot->count = hf_get_be32(head.data + 8);
        snapshot->manifest = br_blob_new(hf_slice_skip(head, 12));
        if (snapshot->count > BR_SNAPSHOT_CHUNKS_MAX) {
            err = HF_ERR_CORRUPT;
        }
    }
    for (uint32_t i = 0; err == HF_OK && i < snapshot->count; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, META_SNAPSHOT "/%05u", i);
        hf_buf_clear(&value);
        err = br_store_meta_get(br->store, name, &value);
        snapshot->chunks[i] = err == HF_OK ? br_blob_new(hf_buf_slice(&value)) : NULL;
    }
    hf_buf_fini(&value);
    if (err == HF_OK) {
        struct br_snapshot *fresh = malloc(sizeof *fresh);

        if (fresh == NULL) {
            return HF_ERR_NO_MEMORY;
        }
        install_snapshot(br, snapshot, fresh);
    }
    return err == HF_ERR_NOT_FOUND ? HF_OK : err;
}
