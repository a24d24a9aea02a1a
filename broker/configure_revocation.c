/* The revocation list (SECURITY.md 2.7): parts are verified as they come, the whole
 * list is stored, put in force, passed on, and the sessions it names are cut. */
#include "broker/configure_parts.h"

#include "lib/base/log.h"
#include "lib/io/clock.h"

#include <stdio.h>
#include <string.h>

#define META_REVOCATION     "revocation"
#define REVOCATION_STALE_MS 300000

static void pass_on_revocation(struct br *br, const struct br_arriving *a)
{
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        if (!br->sessions[i].is_up || !br->sessions[i].is_subscribed) {
            continue;
        }
        for (uint32_t part = 0; part < a->revocation_parts_count; part++) {
            br_send_control(br, i, HF_RECORD_REVOKE,
                            hf_slice_of(a->revocation_parts[part]->data,
                                        a->revocation_parts[part]->bytes));
        }
    }
}

static hf_err store_revocation(struct br *br)
{
    struct br_arriving *a = br->arriving;
    struct br_store_meta items[HF_REVOCATION_PARTS_MAX];
    char names[HF_REVOCATION_PARTS_MAX][32];

    for (uint32_t i = 0; i < HF_REVOCATION_PARTS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], META_REVOCATION "/%05u", i);
        items[i] = (struct br_store_meta){names[i], HF_SLICE_EMPTY};
        if (i < a->revocation_parts_count) {
            items[i].value = hf_slice_of(a->revocation_parts[i]->data,
                                         a->revocation_parts[i]->bytes);
        }
    }
    return br_store_meta_put_all(br->store, items, HF_REVOCATION_PARTS_MAX);
}

void br_revocation_forget(struct br_arriving *a)
{
    for (uint32_t i = 0; i < a->revocation_parts_count; i++) {
        br_blob_unref(a->revocation_parts[i]);
    }
    a->revocation_parts_count = 0;
}

/* The list is complete: stored first, then in force, then sessions are cut. */
static void install_revocation(struct br *br, bool is_stored)
{
    struct br_arriving *a = br->arriving;
    struct hf_revocation *old = NULL;
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_revoke_ack ack = {.sequence = hf_revocation_head(a->revocation)->seq};

    if (!is_stored && store_revocation(br) != HF_OK) {
        br_fail_stop("a revocation list cannot be stored");
    }
    br_lock(br);
    old = br->revocation;
    br->revocation = a->revocation;
    a->revocation = NULL;
    ack.sessions_cut = br_judge_revocation(br);
    pass_on_revocation(br, a);
    for (uint32_t i = 1; i < br->sessions_fresh; i++) {
        if (br->sessions[i].is_up && br->sessions[i].role == HF_ROLE_CONTROLLER) {
            br_send_control(
                br, i, HF_RECORD_REVOKE_ACK,
                hf_slice_of(meta, hf_revoke_ack_encode(&ack, meta, sizeof meta)));
        }
    }
    br_unlock(br);
    hf_revocation_free(old);
    br_revocation_forget(a);
    a->revocation_seen = hf_clock_now();
    a->is_stale_told = false;
    HF_INFO("revocation list in force", hf_log_int("sequence", (int64_t)ack.sequence),
            hf_log_int("sessions_cut", ack.sessions_cut));
}

static enum hf_token_error add_part(struct br *br, hf_slice meta)
{
    struct br_arriving *a = br->arriving;
    struct hf_trust trust;
    struct hf_document_context context = br_document_context(br, &trust);
    struct hf_revoke message;
    enum hf_token_error error = HF_TOKEN_FORMAT;
    uint64_t seq_before = 0;

    if (hf_revoke_decode(meta, &message) != HF_OK) {
        return HF_TOKEN_FORMAT;
    }
    if (a->revocation == NULL && hf_revocation_new(&a->revocation) != HF_OK) {
        return HF_TOKEN_RESOURCE;
    }
    seq_before = hf_revocation_head(a->revocation)->seq;
    error = hf_revocation_add_part(a->revocation, message.document, &context);
    if (error != HF_TOKEN_OK) {
        return error;
    }
    if (hf_revocation_head(a->revocation)->seq != seq_before) {
        br_revocation_forget(a);
    }
    if (a->revocation_parts_count == HF_REVOCATION_PARTS_MAX) {
        return HF_TOKEN_RESOURCE;
    }
    a->revocation_parts[a->revocation_parts_count] = br_blob_new(meta);
    if (a->revocation_parts[a->revocation_parts_count] == NULL) {
        return HF_TOKEN_RESOURCE;
    }
    a->revocation_parts_count++;
    return HF_TOKEN_OK;
}

void br_revocation_take(struct br *br, hf_slice meta, bool is_stored)
{
    struct br_arriving *a = br->arriving;
    enum hf_token_error error = add_part(br, meta);

    if (error != HF_TOKEN_OK) {
        HF_WARN("revocation list refused",
                hf_log_cstr("code", hf_token_error_code(error)));
        return;
    }
    if (!hf_revocation_is_complete(a->revocation)) {
        return;
    }
    /* Rollback: an older list than the one in force is never taken. The same one again
     * is the controller's sign of life. */
    if (br->revocation != NULL && hf_revocation_head(a->revocation)->seq <=
                                      hf_revocation_head(br->revocation)->seq) {
        if (hf_revocation_head(a->revocation)->seq ==
            hf_revocation_head(br->revocation)->seq) {
            a->revocation_seen = hf_clock_now();
        } else {
            HF_WARN("revocation list refused", hf_log_cstr("code", "E_REVOKED"),
                    hf_log_cstr("error", "older than the one in force"));
        }
        hf_revocation_free(a->revocation);
        a->revocation = NULL;
        br_revocation_forget(a);
        return;
    }
    install_revocation(br, is_stored);
}

void br_configure_stale(struct br *br)
{
    struct br_arriving *a = br->arriving;
    hf_time due = hf_time_add_ms(a->revocation_seen, REVOCATION_STALE_MS);

    if (br->revocation != NULL && !a->is_stale_told &&
        hf_time_reached(due, hf_clock_now())) {
        a->is_stale_told = true;
        HF_WARN(
            "revocation list is stale: going on (rev_stale=accept-logged)",
            hf_log_int("sequence", (int64_t)hf_revocation_head(br->revocation)->seq));
    }
}

hf_err br_revocation_restore(struct br *br)
{
    struct hf_buf value;
    hf_err err = HF_OK;

    hf_buf_init(&value, HF_META_LIST_MAX);
    for (uint32_t i = 0; i < HF_REVOCATION_PARTS_MAX && err == HF_OK; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, META_REVOCATION "/%05u", i);
        hf_buf_clear(&value);
        err = br_store_meta_get(br->store, name, &value);
        if (err == HF_OK) {
            br_revocation_take(br, hf_buf_slice(&value), true);
        }
    }
    hf_buf_fini(&value);
    return err == HF_ERR_NOT_FOUND ? HF_OK : err;
}
