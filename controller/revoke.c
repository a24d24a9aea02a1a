/* Owns the revocation list: what is on it, its sequence, its signed parts. */
#include "controller/shell.h"

#include "controller/mint.h"
#include "lib/base/log.h"
#include "lib/io/clock.h"
#include "lib/token/paserk.h"
#include "lib/token/revocation.h"

#include <stdlib.h>
#include <string.h>

#define DOCUMENT_LIFE_S 300 /* SECURITY.md 2.7: the staleness bound */
#define SEQUENCE        "revocation"
#define ARENA_BYTES     (8u << 20)

static void add_restored(void *ctx, const struct ct_revoked *revoked)
{
    struct ct *ct = ctx;

    if (ct->revoked_count < CT_REVOKED_MAX) {
        ct->revoked[ct->revoked_count++] = *revoked;
    }
}

void ct_revocation_restore(struct ct *ct)
{
    uint64_t sequence = 0;

    ct->revoked = calloc(CT_REVOKED_MAX, sizeof *ct->revoked);
    hf_arena_init(&ct->revocation.arena, ARENA_BYTES);
    if (ct->revoked == NULL) {
        ct_stop_now("no memory for the revocation list");
    }
    ct_must(ct_store_each_revoked(ct->store, add_restored, ct), "revocations");
    ct_must(ct_store_number(ct->store, SEQUENCE, &sequence), "revocations");
    if (sequence == 0) {
        sequence = 1;
        ct_must(ct_store_put_number(ct->store, SEQUENCE, sequence), "revocations");
    }
    ct->publication.current[PUBLICATION_REVOCATION] = sequence;
}

static bool has_ended(const struct ct_revoked *revoked, int64_t now_s)
{
    return revoked->kind != CT_REVOKED_SUBJECT
               ? revoked->until_s < now_s
               : revoked->until_s + HF_CHAIN_TTL_S_MAX + 2 * HF_CHAIN_SKEW_S < now_s;
}

/* Entries whose tokens have ended by themselves. */
static void expire(struct ct *ct)
{
    int64_t now_s = hf_clock_wall_seconds();
    size_t kept = 0;

    for (size_t i = 0; i < ct->revoked_count; i++) {
        if (has_ended(&ct->revoked[i], now_s)) {
            ct_must(ct_store_drop_revoked(ct->store, &ct->revoked[i]), "revocations");
        } else {
            ct->revoked[kept++] = ct->revoked[i];
        }
    }
    ct->revoked_count = kept;
}

static void publish_next(struct ct *ct)
{
    uint64_t next = ct->publication.current[PUBLICATION_REVOCATION] + 1;

    ct_must(ct_store_put_number(ct->store, SEQUENCE, next), "revocations");
    publication_offer(&ct->publication, PUBLICATION_REVOCATION, next);
    ct->revocation.at = HF_TIME_ZERO; /* signed anew */
    ct->is_revocation_late = false;
}

static size_t cost_of(const struct ct_revoked *revoked)
{
    switch (revoked->kind) {
    case CT_REVOKED_JTI:
        return HF_REVOCATION_ENTRY_BYTES(HF_JTI_TEXT_BYTES);
    case CT_REVOKED_KEY:
        return HF_REVOCATION_ENTRY_BYTES(HF_KEY_TEXT_BYTES);
    case CT_REVOKED_SUBJECT:
        return HF_REVOCATION_ENTRY_BYTES(strlen(revoked->subject));
    }
    return HF_REVOCATION_ENTRY_BYTES((size_t)HF_SUBJECT_BYTES_MAX);
}

/* Whether the signed parts have room for one more. */
static bool has_room(const struct ct *ct, const struct ct_revoked *more)
{
    size_t bytes = cost_of(more);

    for (size_t i = 0; i < ct->revoked_count; i++) {
        bytes += cost_of(&ct->revoked[i]);
    }
    return ct->revoked_count < CT_REVOKED_MAX && bytes <= HF_REVOCATION_BYTES_MAX;
}

hf_err ct_revoke(struct ct *ct, const struct ct_revoked *revoked, bool is_urgent)
{
    if (!has_room(ct, revoked)) {
        expire(ct);
    }
    if (!has_room(ct, revoked)) {
        return HF_ERR_FULL;
    }
    ct_must(ct_store_put_revoked(ct->store, revoked), "revocations");
    ct->revoked[ct->revoked_count++] = *revoked;
    if (is_urgent) {
        publish_next(ct);
        ct_publish(ct);
    } else {
        ct->is_revocation_late = true;
    }
    return HF_OK;
}

static hf_err add_entry(struct hf_revocation *list, const struct ct_revoked *revoked)
{
    hf_jti jti;
    hf_key key;

    switch (revoked->kind) {
    case CT_REVOKED_JTI:
        memcpy(jti.bytes, revoked->id, sizeof jti.bytes);
        return hf_revocation_add_jti(list, jti, revoked->until_s);
    case CT_REVOKED_KEY:
        memcpy(key.bytes, revoked->id, sizeof key.bytes);
        return hf_revocation_add_holder(list, key, revoked->until_s);
    case CT_REVOKED_SUBJECT:
        return hf_revocation_add_subject(list, hf_slice_of_cstr(revoked->subject),
                                         revoked->until_s);
    }
    return HF_ERR_INVALID;
}

static hf_err sign_parts(struct ct *ct, const struct hf_revocation *list)
{
    const struct hf_document_head head = {
        .issuer = HF_SLICE(CT_MINT_ISSUER),
        .audience = hf_slice_of_cstr(ct->credentials.cluster),
        .seq = ct->publication.current[PUBLICATION_REVOCATION],
        .issued_s = hf_clock_wall_seconds(),
        .expires_s = hf_clock_wall_seconds() + DOCUMENT_LIFE_S,
    };
    struct ct_signed *out = &ct->revocation;
    size_t count = hf_revocation_parts(list);
    struct hf_buf payload;
    struct hf_buf token;
    hf_err err = HF_OK;

    hf_arena_reset(&out->arena);
    out->count = 0;
    out->parts = hf_arena_get(&out->arena, count * sizeof *out->parts);
    hf_buf_init(&payload, HF_DOCUMENT_PAYLOAD_BYTES_MAX);
    hf_buf_init(&token, HF_META_LIST_MAX);
    for (size_t i = 0; i < count && err == HF_OK && out->parts != NULL; i++) {
        hf_buf_clear(&payload);
        hf_buf_clear(&token);
        err = hf_revocation_write(list, &head, i, &payload);
        if (err == HF_OK) {
            err = ct_sign(ct, HF_MINT_REVOCATION, hf_buf_slice(&payload), &token);
        }
        if (err == HF_OK) {
            out->parts[i] = hf_arena_copy(&out->arena, hf_buf_slice(&token));
            err = out->parts[i].data == NULL ? HF_ERR_NO_MEMORY : HF_OK;
        }
    }
    hf_buf_fini(&payload);
    hf_buf_fini(&token);
    if (err == HF_OK && out->parts != NULL) {
        out->count = count;
        out->at = hf_clock_now();
    }
    return out->count == 0 && err == HF_OK ? HF_ERR_NO_MEMORY : err;
}

hf_err ct_revocation_sign(struct ct *ct)
{
    struct hf_revocation *list = NULL;
    hf_time fresh = hf_time_add_ms(ct->revocation.at, CT_SIGNED_FRESH_MS);
    hf_err err = HF_OK;

    if (ct->revocation.count > 0 && hf_time_before(hf_clock_now(), fresh)) {
        return HF_OK;
    }
    expire(ct);
    if (ct->is_revocation_late) {
        publish_next(ct);
    }
    err = hf_revocation_new(&list);
    for (size_t i = 0; err == HF_OK && i < ct->revoked_count; i++) {
        err = add_entry(list, &ct->revoked[i]);
    }
    if (err == HF_OK) {
        hf_revocation_finish(list);
        err = sign_parts(ct, list);
    }
    hf_revocation_free(list);
    if (err != HF_OK) {
        HF_WARN("revocation list not signed", hf_log_cstr("error", hf_err_text(err)));
    }
    return err;
}
