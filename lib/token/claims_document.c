/* Owns the JSON rules of signed documents (SECURITY.md 2.6, 2.7); verifies no
 * signature. */
#include <string.h>

#include "lib/token/b64u.h"
#include "lib/token/claims_json.h"
#include "lib/token/document_read.h"
#include "lib/token/instant.h"

/* What the readers of one payload fill. */
struct reading {
    struct hf_document_members *members;
    void *target;
};

static hf_err read_issuer(json_t *value, void *out)
{
    hf_slice text;

    (void)out;
    return hf_json_string(value, &text) == HF_OK && text.bytes > 0 ? HF_OK
                                                                   : HF_ERR_INVALID;
}

static hf_err read_audience(json_t *value, void *out)
{
    struct hf_document_members *members = ((struct reading *)out)->members;
    hf_slice text;

    if (hf_json_string(value, &text) != HF_OK || text.bytes == 0) {
        return HF_ERR_INVALID;
    }
    hf_check(text.bytes < sizeof members->audience);
    memcpy(members->audience, text.data, text.bytes);
    members->head.audience = hf_slice_of(members->audience, text.bytes);
    return HF_OK;
}

static hf_err read_seq(json_t *value, void *out)
{
    return hf_json_integer(value, 1, &((struct reading *)out)->members->head.seq);
}

static hf_err read_issued(json_t *value, void *out)
{
    return hf_json_instant(value, &((struct reading *)out)->members->head.issued_s);
}

static hf_err read_expires(json_t *value, void *out)
{
    return hf_json_instant(value, &((struct reading *)out)->members->head.expires_s);
}

static hf_err read_part(json_t *value, void *out)
{
    return hf_json_integer(value, 1, &((struct reading *)out)->members->part);
}

static hf_err read_parts(json_t *value, void *out)
{
    return hf_json_integer(value, 1, &((struct reading *)out)->members->parts);
}

/* ---- revocation list */

static hf_err read_epoch(json_t *value, void *out)
{
    uint64_t epoch = 0;
    hf_err err = hf_json_integer(value, 0, &epoch);

    if (err == HF_OK) {
        hf_revocation_raise_epoch(((struct reading *)out)->target, epoch);
    }
    return err;
}

/* Adds one element [name, second] to the list. */
typedef hf_err add_pair(struct hf_revocation *list, hf_slice name, json_t *second);

static hf_err add_jti(struct hf_revocation *list, hf_slice name, json_t *second)
{
    hf_jti jti;
    int64_t until_s = 0;

    if (hf_jti_parse(name, &jti) != HF_OK ||
        hf_json_instant(second, &until_s) != HF_OK) {
        return HF_ERR_INVALID;
    }
    return hf_revocation_add_jti(list, jti, until_s);
}

static hf_err add_holder(struct hf_revocation *list, hf_slice name, json_t *second)
{
    hf_key holder;
    int64_t until_s = 0;

    if (hf_key_parse(name, &holder) != HF_OK ||
        hf_json_instant(second, &until_s) != HF_OK) {
        return HF_ERR_INVALID;
    }
    return hf_revocation_add_holder(list, holder, until_s);
}

static hf_err add_subject(struct hf_revocation *list, hf_slice name, json_t *second)
{
    int64_t before_s = 0;

    if (hf_json_instant(second, &before_s) != HF_OK) {
        return HF_ERR_INVALID;
    }
    return hf_revocation_add_subject(list, name, before_s);
}

static hf_err add_queue(struct hf_revocation *list, hf_slice name, json_t *second)
{
    uint64_t epoch_min = 0;

    if (hf_json_integer(second, 0, &epoch_min) != HF_OK) {
        return HF_ERR_INVALID;
    }
    return hf_revocation_add_queue(list, name, epoch_min);
}

static hf_err read_pairs(json_t *value, void *out, add_pair *add)
{
    hf_slice name;

    if (hf_json_array(value, 0, HF_REVOCATION_ENTRIES_MAX) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *pair = json_array_get(value, i);

        if (hf_json_array(pair, 2, 2) != HF_OK ||
            hf_json_string(json_array_get(pair, 0), &name) != HF_OK ||
            add(((struct reading *)out)->target, name, json_array_get(pair, 1)) !=
                HF_OK) {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

static hf_err read_jtis(json_t *value, void *out)
{
    return read_pairs(value, out, add_jti);
}

static hf_err read_holders(json_t *value, void *out)
{
    return read_pairs(value, out, add_holder);
}

static hf_err read_subjects(json_t *value, void *out)
{
    return read_pairs(value, out, add_subject);
}

static hf_err read_queues(json_t *value, void *out)
{
    return read_pairs(value, out, add_queue);
}

static hf_err read_kids(json_t *value, void *out)
{
    hf_kid kid;
    hf_slice text;

    if (hf_json_array(value, 0, HF_TRUST_KEYS_MAX * 16) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (hf_json_string(json_array_get(value, i), &text) != HF_OK ||
            hf_kid_parse(text, &kid) != HF_OK ||
            hf_revocation_add_kid(((struct reading *)out)->target, &kid) != HF_OK) {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

/* ---- keyset */

static hf_err read_key(json_t *value, void *out)
{
    struct hf_trust_key *key = out;
    hf_slice text;

    return hf_json_string(value, &text) == HF_OK ? hf_key_parse(text, &key->key)
                                                 : HF_ERR_INVALID;
}

/* "keys" is no use a keyset can give: only an anchor signs keysets. */
static hf_err read_uses(json_t *value, void *out)
{
    struct hf_trust_key *key = out;
    hf_slice word;

    if (hf_json_array(value, 1, 3) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (hf_json_string(json_array_get(value, i), &word) != HF_OK) {
            return HF_ERR_INVALID;
        }
        if (hf_slice_equal(word, HF_SLICE("cap"))) {
            key->uses |= HF_KEY_USE_CAP;
        } else if (hf_slice_equal(word, HF_SLICE("rev"))) {
            key->uses |= HF_KEY_USE_REV;
        } else if (hf_slice_equal(word, HF_SLICE("route"))) {
            key->uses |= HF_KEY_USE_ROUTE;
        } else {
            return HF_ERR_INVALID;
        }
    }
    return HF_OK;
}

static hf_err read_key_start(json_t *value, void *out)
{
    return hf_json_instant(value, &((struct hf_trust_key *)out)->not_before_s);
}

static hf_err read_key_end(json_t *value, void *out)
{
    return hf_json_instant(value, &((struct hf_trust_key *)out)->expires_s);
}

static hf_err read_keys(json_t *value, void *out)
{
    static const struct hf_json_rule members[] = {
        {"pk", HF_JSON_REQUIRED, read_key},
        {"use", HF_JSON_REQUIRED, read_uses},
        {"nbf", HF_JSON_REQUIRED, read_key_start},
        {"exp", HF_JSON_REQUIRED, read_key_end},
    };
    static const struct hf_json_rules rules = {members, 4, false};
    struct hf_keyset *keyset = ((struct reading *)out)->target;

    if (hf_json_array(value, 1, HF_TRUST_KEYS_MAX) != HF_OK) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct hf_trust_key key = {0};

        if (hf_json_read(json_array_get(value, i), &rules, &key) != HF_OK ||
            hf_trust_add(&keyset->trust, &key) != HF_OK) {
            return HF_ERR_INVALID;
        }
    }
    /* A key named twice would have replaced itself: one rule per key. */
    return keyset->trust.keys_count == json_array_size(value) ? HF_OK : HF_ERR_INVALID;
}

/* ---- routing manifest */

static hf_err read_base(json_t *value, void *out)
{
    struct hf_manifest *manifest = ((struct reading *)out)->target;

    return hf_json_integer(value, 1, &manifest->base_seq);
}

static hf_err read_bytes(json_t *value, void *out)
{
    struct hf_manifest *manifest = ((struct reading *)out)->target;

    return hf_json_integer(value, 1, &manifest->bytes);
}

static hf_err read_digest(json_t *value, void *out)
{
    struct hf_manifest *manifest = ((struct reading *)out)->target;
    hf_slice text;

    if (hf_json_string(value, &text) != HF_OK) {
        return HF_ERR_INVALID;
    }
    return hf_b64u_decode(text, manifest->digest.bytes, sizeof manifest->digest.bytes);
}

/* ---- the three kinds */

#define HEAD_RULES                                                                     \
    {"v", HF_JSON_REQUIRED, hf_json_read_version},                                     \
        {"iss", HF_JSON_REQUIRED, read_issuer},                                        \
        {"aud", HF_JSON_REQUIRED, read_audience}, {"seq", HF_JSON_REQUIRED, read_seq}, \
    {                                                                                  \
        "iat", HF_JSON_REQUIRED, read_issued                                           \
    }

static const struct hf_json_rule revocation_members[] = {
    HEAD_RULES,
    {"exp", HF_JSON_REQUIRED, read_expires},
    {"part", HF_JSON_OPTIONAL, read_part},
    {"parts", HF_JSON_OPTIONAL, read_parts},
    {"min_ep", HF_JSON_REQUIRED, read_epoch},
    {"jti", HF_JSON_REQUIRED, read_jtis},
    {"cnf", HF_JSON_REQUIRED, read_holders},
    {"kid", HF_JSON_REQUIRED, read_kids},
    {"sub", HF_JSON_REQUIRED, read_subjects},
    {"q", HF_JSON_REQUIRED, read_queues},
};

static const struct hf_json_rule keyset_members[] = {
    HEAD_RULES,
    {"exp", HF_JSON_REQUIRED, read_expires},
    {"keys", HF_JSON_REQUIRED, read_keys},
};

static const struct hf_json_rule manifest_members[] = {
    HEAD_RULES,
    {"base", HF_JSON_OPTIONAL, read_base},
    {"bytes", HF_JSON_REQUIRED, read_bytes},
    {"digest", HF_JSON_REQUIRED, read_digest},
};

#define RULES(table)                                                                   \
    {                                                                                  \
        table, sizeof table / sizeof table[0], true                                    \
    }

static hf_err read_payload(hf_slice payload, const struct hf_json_rules *rules,
                           struct reading *reading)
{
    struct hf_document_members *members = reading->members;
    json_t *object = NULL;
    hf_err err = hf_json_parse(payload, &object);

    if (err != HF_OK) {
        return err;
    }
    members->head = (struct hf_document_head){0};
    members->part = 0;
    members->parts = 0;
    err = hf_json_read(object, rules, reading);
    json_decref(object);
    if (err != HF_OK || (members->part == 0) != (members->parts == 0) ||
        members->part > members->parts || members->parts > HF_REVOCATION_PARTS_MAX) {
        return HF_ERR_INVALID;
    }
    if (members->part == 0) {
        members->part = members->parts = 1;
    }
    return HF_OK;
}

hf_err hf_revocation_read(hf_slice payload, struct hf_document_members *members,
                          struct hf_revocation *out)
{
    static const struct hf_json_rules rules = RULES(revocation_members);
    struct reading reading = {members, out};

    return read_payload(payload, &rules, &reading);
}

hf_err hf_keyset_read(hf_slice payload, struct hf_document_members *members,
                      struct hf_keyset *out)
{
    static const struct hf_json_rules rules = RULES(keyset_members);
    struct reading reading = {members, out};

    hf_trust_init(&out->trust);
    return read_payload(payload, &rules, &reading);
}

hf_err hf_manifest_read(hf_slice payload, struct hf_document_members *members,
                        struct hf_manifest *out)
{
    static const struct hf_json_rules rules = RULES(manifest_members);
    struct reading reading = {members, out};

    out->base_seq = 0;

    hf_err err = read_payload(payload, &rules, &reading);

    return err == HF_OK && out->base_seq >= members->head.seq ? HF_ERR_INVALID : err;
}
