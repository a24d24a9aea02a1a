/* Owns signed documents: envelope, kinds, the keyset and the routing manifest; the
 * revocation list is revocation.c. */
#include "lib/token/document.h"

#include <stdlib.h>

#include "lib/token/b64u.h"
#include "lib/token/document_read.h"
#include "lib/token/instant.h"
#include "lib/token/paseto.h"

static const struct {
    hf_slice assertion;
    enum hf_key_use use;
    size_t payload_bytes_max;
} kinds[] = {
    [HF_DOCUMENT_REVOCATION] = {HF_SLICE("holdfast-rev-v1"), HF_KEY_USE_REV,
                                HF_DOCUMENT_PAYLOAD_BYTES_MAX},
    [HF_DOCUMENT_KEYSET] = {HF_SLICE("holdfast-keys-v1"), HF_KEY_USE_KEYS, 16 * 1024},
    [HF_DOCUMENT_ROUTE] = {HF_SLICE("holdfast-route-v1"), HF_KEY_USE_ROUTE, 2048},
};

static enum hf_token_error judge_envelope(enum hf_document_kind kind,
                                          const struct hf_paseto *paseto,
                                          const struct hf_document_context *context,
                                          struct hf_document *out)
{
    if (paseto->payload.bytes > kinds[kind].payload_bytes_max ||
        hf_kid_of_footer(paseto->footer, &out->kid) != HF_OK) {
        return HF_TOKEN_FORMAT;
    }

    const struct hf_trust_key *key =
        hf_trust_find(context->trust, &out->kid, kinds[kind].use, context->now_s);

    if (key == NULL) {
        return HF_TOKEN_KID;
    }
    switch (hf_paseto_verify(paseto, key->key, kinds[kind].assertion)) {
    case HF_OK:
        return HF_TOKEN_OK;
    case HF_ERR_NO_MEMORY:
        return HF_TOKEN_RESOURCE;
    default:
        return HF_TOKEN_SIG;
    }
}

enum hf_token_error hf_document_open(enum hf_document_kind kind, hf_slice token,
                                     const struct hf_document_context *context,
                                     struct hf_document *out)
{
    struct hf_paseto paseto;

    hf_check(context != NULL);
    hf_check(out != NULL);

    *out = (struct hf_document){0};
    if (token.bytes == 0 || token.bytes > HF_DOCUMENT_TEXT_BYTES_MAX) {
        return HF_TOKEN_FORMAT;
    }
    out->memory = malloc(token.bytes);
    if (out->memory == NULL) {
        return HF_TOKEN_RESOURCE;
    }

    enum hf_token_error error =
        hf_paseto_parse(token, out->memory, token.bytes, &paseto) != HF_OK
            ? HF_TOKEN_FORMAT
            : judge_envelope(kind, &paseto, context, out);

    if (error != HF_TOKEN_OK) {
        hf_document_close(out);
        return error;
    }
    out->payload = paseto.payload;
    return HF_TOKEN_OK;
}

void hf_document_close(struct hf_document *document)
{
    hf_check(document != NULL);

    free(document->memory);
    document->memory = NULL;
    document->payload = HF_SLICE_EMPTY;
}

/* Reads the payload as its kind, to refuse what nobody could read. */
static hf_err try_payload(enum hf_document_kind kind, hf_slice payload)
{
    struct hf_document_members members;
    struct hf_keyset keyset;
    struct hf_manifest manifest;
    struct hf_revocation *list = NULL;
    hf_err err = HF_ERR_INVALID;

    switch (kind) {
    case HF_DOCUMENT_KEYSET:
        return hf_keyset_read(payload, &members, &keyset);
    case HF_DOCUMENT_ROUTE:
        return hf_manifest_read(payload, &members, &manifest);
    case HF_DOCUMENT_REVOCATION:
        err = hf_revocation_new(&list);
        err = err != HF_OK ? err : hf_revocation_read(payload, &members, list);
        hf_revocation_free(list);
        break;
    }
    return err;
}

hf_err hf_document_sign(enum hf_document_kind kind, const struct hf_secret *secret,
                        hf_slice payload, struct hf_buf *out)
{
    char footer[HF_KID_FOOTER_BYTES];

    hf_check(secret != NULL);
    hf_check(out != NULL);

    if (payload.bytes > kinds[kind].payload_bytes_max) {
        return HF_ERR_TOO_BIG;
    }

    hf_err err = try_payload(kind, payload);

    if (err != HF_OK) {
        return err;
    }

    hf_kid kid = hf_kid_of(hf_secret_public(secret));
    struct hf_paseto_input input = {payload, hf_slice_of(footer, sizeof footer),
                                    kinds[kind].assertion};

    hf_kid_footer(&kid, footer);
    return hf_paseto_sign(secret, &input, out);
}

enum hf_token_error hf_document_judge(const struct hf_document_head *head,
                                      const struct hf_document_context *context)
{
    hf_check(head != NULL);
    hf_check(context != NULL);

    if (!hf_slice_equal(head->audience, context->cluster)) {
        return HF_TOKEN_AUD;
    }
    return context->now_s + context->skew_s < head->issued_s ? HF_TOKEN_TIME
                                                             : HF_TOKEN_OK;
}

static enum hf_token_error error_of_read(hf_err err)
{
    if (err == HF_OK) {
        return HF_TOKEN_OK;
    }
    return err == HF_ERR_NO_MEMORY ? HF_TOKEN_RESOURCE : HF_TOKEN_CLAIMS;
}

/* Keeps seq and times; the texts die with the members. */
static struct hf_document_head bare_head(const struct hf_document_head *head)
{
    struct hf_document_head bare = *head;

    bare.issuer = HF_SLICE_EMPTY;
    bare.audience = HF_SLICE_EMPTY;
    return bare;
}

enum hf_token_error hf_keyset_open(hf_slice token,
                                   const struct hf_document_context *context,
                                   struct hf_keyset *out)
{
    struct hf_document document;
    struct hf_document_members members;
    enum hf_token_error error =
        hf_document_open(HF_DOCUMENT_KEYSET, token, context, &document);

    hf_check(out != NULL);

    if (error != HF_TOKEN_OK) {
        return error;
    }
    error = error_of_read(hf_keyset_read(document.payload, &members, out));
    hf_document_close(&document);
    if (error != HF_TOKEN_OK ||
        (error = hf_document_judge(&members.head, context)) != HF_TOKEN_OK) {
        return error;
    }
    out->head = bare_head(&members.head);
    return context->now_s >= out->head.expires_s + context->skew_s ? HF_TOKEN_TIME
                                                                   : HF_TOKEN_OK;
}

enum hf_token_error hf_manifest_open(hf_slice token,
                                     const struct hf_document_context *context,
                                     struct hf_manifest *out)
{
    struct hf_document document;
    struct hf_document_members members;
    enum hf_token_error error =
        hf_document_open(HF_DOCUMENT_ROUTE, token, context, &document);

    hf_check(out != NULL);

    if (error != HF_TOKEN_OK) {
        return error;
    }
    error = error_of_read(hf_manifest_read(document.payload, &members, out));
    hf_document_close(&document);
    if (error != HF_TOKEN_OK ||
        (error = hf_document_judge(&members.head, context)) != HF_TOKEN_OK) {
        return error;
    }
    out->head = bare_head(&members.head);
    return HF_TOKEN_OK;
}

hf_err hf_document_head_write(const struct hf_document_head *head, struct hf_buf *out)
{
    char issued[HF_INSTANT_TEXT_BYTES + 1];
    char expires[HF_INSTANT_TEXT_BYTES + 1];

    hf_instant_text(head->issued_s, issued);
    hf_instant_text(head->expires_s, expires);

    hf_err err = hf_buf_printf(
        out, "{\"v\":1,\"iss\":\"%.*s\",\"aud\":\"%.*s\",\"seq\":%llu,\"iat\":\"%s\"",
        (int)head->issuer.bytes, (const char *)head->issuer.data,
        (int)head->audience.bytes, (const char *)head->audience.data,
        (unsigned long long)head->seq, issued);

    if (err != HF_OK || head->expires_s == 0) {
        return err;
    }
    return hf_buf_printf(out, ",\"exp\":\"%s\"", expires);
}

static hf_err write_key(const struct hf_trust_key *key, bool is_first,
                        struct hf_buf *out)
{
    char text[HF_KEY_TEXT_BYTES + 1];
    char start[HF_INSTANT_TEXT_BYTES + 1];
    char end[HF_INSTANT_TEXT_BYTES + 1];
    bool cap = (key->uses & HF_KEY_USE_CAP) != 0;
    bool rev = (key->uses & HF_KEY_USE_REV) != 0;
    bool route = (key->uses & HF_KEY_USE_ROUTE) != 0;

    hf_key_text(key->key, text);
    hf_instant_text(key->not_before_s, start);
    hf_instant_text(key->expires_s > HF_INSTANT_MAX ? HF_INSTANT_MAX : key->expires_s,
                    end);
    return hf_buf_printf(
        out, "%s{\"pk\":\"%s\",\"use\":[%s%s%s%s%s],\"nbf\":\"%s\",\"exp\":\"%s\"}",
        is_first ? "" : ",", text, cap ? "\"cap\"" : "", cap && rev ? "," : "",
        rev ? "\"rev\"" : "", (cap || rev) && route ? "," : "",
        route ? "\"route\"" : "", start, end);
}

hf_err hf_keyset_write(const struct hf_keyset *keyset, struct hf_buf *out)
{
    hf_check(keyset != NULL);

    hf_err err = hf_document_head_write(&keyset->head, out);

    if (err == HF_OK) {
        err = hf_buf_append_cstr(out, ",\"keys\":[");
    }
    for (size_t i = 0; err == HF_OK && i < keyset->trust.keys_count; i++) {
        err = write_key(&keyset->trust.keys[i], i == 0, out);
    }
    return err != HF_OK ? err : hf_buf_append_cstr(out, "]}");
}

hf_err hf_manifest_write(const struct hf_manifest *manifest, struct hf_buf *out)
{
    char digest[44] = {0};
    struct hf_document_head head;

    hf_check(manifest != NULL);

    head = manifest->head;
    head.expires_s = 0;

    hf_err err = hf_document_head_write(&head, out);

    if (err == HF_OK && manifest->base_seq != 0) {
        err = hf_buf_printf(out, ",\"base\":%llu",
                            (unsigned long long)manifest->base_seq);
    }
    hf_b64u_encode(hf_slice_of(manifest->digest.bytes, sizeof manifest->digest.bytes),
                   digest);
    return err != HF_OK ? err
                        : hf_buf_printf(out, ",\"bytes\":%llu,\"digest\":\"%s\"}",
                                        (unsigned long long)manifest->bytes, digest);
}
