/* Owns the API's verbs on tokens: identities for daemons, tokens for operators,
 * revoking. */
#include "controller/admin.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/token/paserk.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX        16
#define REVOKED_SLACK_S 60

static json_t *read_body(const struct hf_admin_request *request,
                         struct hf_admin_response *response)
{
    json_t *root = json_loadb((const char *)request->body.data, request->body.bytes,
                              JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(root)) {
        json_decref(root);
        ct_admin_answer(response, 400, "expected a JSON object");
        return NULL;
    }
    return root;
}

static hf_slice text_at(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);

    return json_is_string(value)
               ? hf_slice_of(json_string_value(value), json_string_length(value))
               : HF_SLICE_EMPTY;
}

/* Strings of a list, borrowed from the JSON; false when it is none or too long. */
static bool texts_at(const json_t *root, const char *name, hf_slice out[LIST_MAX],
                     size_t *count)
{
    const json_t *list = json_object_get(root, name);
    size_t index = 0;
    const json_t *value = NULL;

    *count = 0;
    if (!json_is_array(list) || json_array_size(list) > LIST_MAX) {
        return false;
    }
    json_array_foreach(list, index, value)
    {
        if (!json_is_string(value)) {
            return false;
        }
        out[(*count)++] =
            hf_slice_of(json_string_value(value), json_string_length(value));
    }
    return *count > 0;
}

static void answer_issue(struct ct *ct, const struct ct_issue *request,
                         struct hf_admin_response *response)
{
    struct hf_buf token;
    hf_err err = HF_OK;

    hf_buf_init(&token, HF_CHAIN_BYTES_MAX);
    err = ct_issue(ct, request, &token);
    if (err == HF_OK) {
        response->content_type = "text/plain";
        err = ct_package(ct, NULL, hf_buf_slice(&token), &response->body);
    }
    if (err == HF_OK && request->role != IDENTITY_OPERATOR) {
        /* `up` asks for what it will start the daemon with next time; the one that runs
         * is not renewed soon, because its token now counts as fresh. */
        ct_push(ct, request->key, hf_buf_slice(&token));
    }
    hf_buf_fini(&token);
    if (err == HF_ERR_DENIED) {
        ct_admin_answer(response, 403, "the mint refuses this");
    } else if (err != HF_OK) {
        ct_admin_answer(response, 503, hf_err_text(err));
    }
}

static bool is_configured(const struct ct_config *c, enum identity_role role,
                          hf_slice name)
{
    for (size_t i = 0; role == IDENTITY_BROKER && i < c->brokers_count; i++) {
        if (hf_slice_equal(hf_slice_of_cstr(c->brokers[i].name), name)) {
            return true;
        }
    }
    for (size_t i = 0; role == IDENTITY_FRONTEND && i < c->frontends_count; i++) {
        if (hf_slice_equal(hf_slice_of_cstr(c->frontends[i].name), name)) {
            return true;
        }
    }
    return false;
}

static bool is_revoked(const struct ct *ct, hf_key key)
{
    for (size_t i = 0; i < ct->revoked_count; i++) {
        if (ct->revoked[i].kind == CT_REVOKED_KEY &&
            memcmp(ct->revoked[i].id, key.bytes, HF_KEY_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* One name has one key: an earlier one is not renewed any more. */
static void replace(struct ct *ct, const char *subject, hf_key key)
{
    for (size_t i = ct->identities.count; i > 0; i--) {
        const struct identity *row = &ct->identities.rows[i - 1];

        if (strcmp(row->name, subject) == 0 && !hf_key_equal(row->key, key)) {
            ct_forget(ct, row->key);
        }
    }
}

static void identify(struct ct *ct, const json_t *root,
                     struct hf_admin_response *response)
{
    hf_slice role = text_at(root, "role");
    hf_slice name = text_at(root, "name");
    char subject[128];
    struct ct_issue request = {
        .template_ = "broker",
        .role = IDENTITY_BROKER,
        .subject = subject,
        .life_s = ct->config->token_life_ms / 1000,
    };

    if (hf_slice_equal(role, HF_SLICE("frontend"))) {
        request.template_ = "frontend";
        request.role = IDENTITY_FRONTEND;
    } else if (!hf_slice_equal(role, HF_SLICE("broker"))) {
        ct_admin_answer(response, 400, "role: expected broker or frontend");
        return;
    }
    if (!is_configured(ct->config, request.role, name)) {
        ct_admin_answer(response, 404, "name: not in the configuration");
        return;
    }
    if (hf_key_parse(text_at(root, "key"), &request.key) != HF_OK) {
        ct_admin_answer(response, 400, "key: expected k4.public....");
        return;
    }
    if (is_revoked(ct, request.key)) {
        ct_admin_answer(response, 403, "key: revoked");
        return;
    }
    (void)snprintf(subject, sizeof subject, "%s:%.*s", request.template_,
                   (int)name.bytes, (const char *)name.data);
    replace(ct, subject, request.key);
    answer_issue(ct, &request, response);
}

void ct_admin_identities(void *ctx, const struct hf_admin_request *request,
                         struct hf_admin_response *response)
{
    json_t *root = read_body(request, response);

    if (root != NULL) {
        identify(ctx, root, response);
        json_decref(root);
    }
}

static void audit_token(struct ct *ct, const struct ct_issue *request)
{
    char key[HF_KEY_TEXT_BYTES + 1];

    hf_key_text(request->key, key);
    ct_audit(ct, CT_ADMIN_WHO, "mint %s for %s, queue %.*s, op %.*s..., %lld s, dep %u",
             request->subject, key, (int)request->queues[0].bytes,
             (const char *)request->queues[0].data, (int)request->rights[0].bytes,
             (const char *)request->rights[0].data, (long long)request->life_s,
             request->depth);
}

static void mint(struct ct *ct, const json_t *root, struct hf_admin_response *response)
{
    hf_slice queues[LIST_MAX];
    hf_slice rights[LIST_MAX];
    hf_slice subject = text_at(root, "subject");
    const json_t *life = json_object_get(root, "life_s");
    const json_t *depth = json_object_get(root, "depth"); /* may be absent: 0 */
    char text[HF_SUBJECT_BYTES_MAX + 1];
    struct ct_issue request = {.template_ = "operator",
                               .role = IDENTITY_OPERATOR,
                               .subject = text,
                               .queues = queues,
                               .rights = rights};

    if (hf_key_parse(text_at(root, "key"), &request.key) != HF_OK ||
        !hf_key_is_valid(request.key)) {
        ct_admin_answer(response, 400, "key: expected k4.public....");
    } else if (is_revoked(ct, request.key)) {
        ct_admin_answer(response, 403, "key: revoked");
    } else if (!texts_at(root, "queues", queues, &request.queues_count)) {
        ct_admin_answer(response, 400, "queues: expected 1 to 16 patterns");
    } else if (!texts_at(root, "op", rights, &request.rights_count)) {
        ct_admin_answer(response, 400, "op: expected 1 to 16 verbs");
    } else if (!json_is_integer(life) || json_integer_value(life) < 1 ||
               json_integer_value(life) > 86400) {
        ct_admin_answer(response, 400, "life_s: expected 1 to 86400");
    } else if (depth != NULL &&
               (!json_is_integer(depth) || json_integer_value(depth) < 0 ||
                json_integer_value(depth) > HF_DEPTH_MAX)) {
        ct_admin_answer(response, 400, "depth: expected 0 to 3");
    } else if (!hf_subject_is_valid(subject)) {
        ct_admin_answer(response, 400, "subject: expected [A-Za-z0-9:._/@-]{1,128}");
    } else {
        (void)snprintf(text, sizeof text, "%.*s", (int)subject.bytes,
                       (const char *)subject.data);
        request.life_s = json_integer_value(life);
        request.depth = (uint32_t)json_integer_value(depth); /* of none: 0 */
        answer_issue(ct, &request, response);
        if (response->status == 200 || response->status == 0) {
            audit_token(ct, &request);
        }
    }
}

void ct_admin_tokens(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response)
{
    json_t *root = read_body(request, response);

    if (root != NULL) {
        mint(ctx, root, response);
        json_decref(root);
    }
}

static bool matches(const struct identity *row, const struct ct_revoked *revoked)
{
    switch (revoked->kind) {
    case CT_REVOKED_JTI:
        return memcmp(row->jti, revoked->id, IDENTITY_JTI_BYTES) == 0;
    case CT_REVOKED_KEY:
        return memcmp(row->key.bytes, revoked->id, HF_KEY_BYTES) == 0;
    case CT_REVOKED_SUBJECT:
        return strcmp(row->name, revoked->subject) == 0;
    }
    return false;
}

/* Whoever is revoked gets no new token; a worker of ours is replaced. */
static void withdraw(struct ct *ct, const struct ct_revoked *revoked)
{
    for (size_t i = ct->identities.count; i > 0; i--) {
        const struct identity row = ct->identities.rows[i - 1];
        struct fleet_input input = {.type = FLEET_IN_RETIRE};

        if (!matches(&row, revoked)) {
            continue;
        }
        ct_forget(ct, row.key);
        if (row.role == IDENTITY_WORKER) {
            input.u.retire = row.key;
            ct_step(ct, &input);
        }
    }
}

static bool read_revoked(hf_slice what, struct ct_revoked *out)
{
    int64_t now_s = hf_clock_wall_seconds();
    hf_jti jti;
    hf_key key;

    memset(out, 0, sizeof *out);
    out->until_s = now_s + 2 * HF_CHAIN_TTL_S_MAX + REVOKED_SLACK_S;
    if (hf_key_parse(what, &key) == HF_OK) {
        out->kind = CT_REVOKED_KEY;
        memcpy(out->id, key.bytes, HF_KEY_BYTES);
    } else if (hf_jti_parse(what, &jti) == HF_OK) {
        out->kind = CT_REVOKED_JTI;
        memcpy(out->id, jti.bytes, HF_JTI_BYTES);
    } else if (hf_subject_is_valid(what)) {
        out->kind = CT_REVOKED_SUBJECT;
        memcpy(out->subject, what.data, what.bytes);
        out->until_s = now_s + 1; /* tokens of this very second as well */
    } else {
        return false;
    }
    return true;
}

void ct_admin_revoke(void *ctx, const struct hf_admin_request *request,
                     struct hf_admin_response *response)
{
    struct ct *ct = ctx;
    json_t *root = read_body(request, response);
    struct ct_revoked revoked;
    hf_slice what = text_at(root, "what");

    if (root == NULL) {
        return;
    }
    if (!read_revoked(what, &revoked)) {
        ct_admin_answer(response, 400, "what: expected a token id, a key or a subject");
    } else if (ct_revoke(ct, &revoked, true) != HF_OK) {
        ct_admin_answer(response, 507, "the revocation list is full");
    } else {
        withdraw(ct, &revoked);
        ct_audit(ct, CT_ADMIN_WHO, "revoke %.*s", (int)what.bytes,
                 (const char *)what.data);
        ct_news(ct, "revoked: %.*s", (int)what.bytes, (const char *)what.data);
        (void)!hf_buf_printf(
            &response->body, "{\"seq\":%llu}\n",
            (unsigned long long)ct->publication.current[PUBLICATION_REVOCATION]);
    }
    json_decref(root);
}

void ct_admin_revoked(void *ctx, const struct hf_admin_request *request,
                      struct hf_admin_response *response)
{
    const struct ct *ct = ctx;
    json_t *root = json_object();
    json_t *acknowledged = json_array();
    json_t *missing = json_array();
    char *text = NULL;
    uint64_t seq = 0;

    if (hf_text_parse_u64(ct_admin_query(request->query, "seq"), INT64_MAX, &seq) !=
        HF_OK) {
        seq = ct->publication.current[PUBLICATION_REVOCATION];
    }
    for (size_t i = 0; i < ct->config->brokers_count; i++) {
        const struct publication_broker *b = &ct->publication.brokers[i];
        bool has_it = b->is_up && b->held[PUBLICATION_REVOCATION] >= seq;

        (void)json_array_append_new(has_it ? acknowledged : missing,
                                    json_string(ct->config->brokers[i].name));
    }
    (void)json_object_set_new(root, "seq", json_integer((json_int_t)seq));
    (void)json_object_set_new(root, "acknowledged", acknowledged);
    (void)json_object_set_new(root, "missing", missing);
    text = json_dumps(root, JSON_COMPACT);
    if (text == NULL || hf_buf_append_cstr(&response->body, text) != HF_OK) {
        response->status = 500;
    }
    free(text);
    json_decref(root);
}
