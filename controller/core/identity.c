#include "controller/core/identity.h"

hf_err identity_put(struct identities *all, const struct identity *identity)
{
    struct identity *row = identity_find(all, identity->key);

    if (row == NULL && all->count == IDENTITIES_MAX) {
        return HF_ERR_FULL;
    }
    if (row == NULL) {
        row = &all->rows[all->count++];
    }
    *row = *identity;
    row->retry_s = 0;
    return HF_OK;
}

struct identity *identity_find(struct identities *all, hf_key key)
{
    for (size_t i = 0; i < all->count; i++) {
        if (hf_key_equal(all->rows[i].key, key)) {
            return &all->rows[i];
        }
    }
    return NULL;
}

void identity_drop(struct identities *all, hf_key key)
{
    struct identity *row = identity_find(all, key);

    if (row != NULL) {
        *row = all->rows[all->count - 1];
        all->count--;
    }
}

static int64_t due_of(const struct identity *row)
{
    int64_t due = row->issued_s + (row->expires_s - row->issued_s) * 2 / 3;

    if (row->role == IDENTITY_OPERATOR) {
        return INT64_MAX;
    }
    return due > row->retry_s ? due : row->retry_s;
}

struct identity *identity_take_due(struct identities *all, int64_t now_s)
{
    struct identity *best = NULL;

    for (size_t i = 0; i < all->count; i++) {
        struct identity *row = &all->rows[i];

        if (due_of(row) <= now_s && (best == NULL || due_of(row) < due_of(best))) {
            best = row;
        }
    }
    if (best != NULL) {
        best->retry_s = now_s + IDENTITY_RETRY_S;
    }
    return best;
}

int64_t identity_next_due_s(const struct identities *all)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < all->count; i++) {
        if (due_of(&all->rows[i]) < due) {
            due = due_of(&all->rows[i]);
        }
    }
    return due;
}
