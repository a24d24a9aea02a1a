#include "frontend/status.h"

#include "frontend/reply.h"
#include "frontend/uplink.h"
#include "lib/base/bytes.h"
#include "lib/base/text.h"
#include "lib/http/field.h"
#include "lib/http/prefer.h"
#include "lib/token/b64u.h"
#include "lib/token/hash.h"

#include <stdlib.h>
#include <string.h>

#define SECRET_TEXT_BYTES 22u /* base64url of 16 bytes */
#define RESPONSE_BODY_MAX (2u << 20)
#define RETENTION_MS      INT64_C(86400000)
#define PATH_PREFIX       "/.holdfast/r/"
#define JSON_BYTES_MAX    2048u

enum lookup_kind { LOOKUP_STATE, LOOKUP_RESPONSE, LOOKUP_CANCEL, LOOKUP_CALL };

struct fe_lookup {
    struct fe_hold *hold;
    enum lookup_kind kind; /* CALL: the call itself, with `wait` (row 44) */
    uint32_t index;        /* in shell.lookups; with the number it is the query's id */
    uint32_t number;
    hf_id id;
    hf_id access;
    hf_time until;   /* when a request that goes on is told as it is */
    hf_time limit;   /* when the brokers should have answered */
    uint64_t asked;  /* brokers that have not answered; bit index - 1 */
    uint32_t broker; /* the one that knows; 0: not found yet */
    bool is_receiving;
    struct hf_looked_up last;
    struct hf_buf head; /* of the response */
    struct hf_buf body;
};

static hf_id query_of(const struct fe_lookup *lookup)
{
    hf_id id = {{0}};

    hf_put_be32(id.bytes + 8, lookup->index);
    hf_put_be32(id.bytes + 12, lookup->number);
    return id;
}

/* Ids of requests carry their time in front. */
bool fe_status_is_query(hf_id id)
{
    return hf_get_be64(id.bytes) == 0;
}

static struct fe_lookup *find(const struct fe_shell *shell, hf_id query)
{
    uint32_t index = hf_get_be32(query.bytes + 8);
    struct fe_lookup *lookup = index < FE_LOOKUPS_MAX ? shell->lookups[index] : NULL;

    return lookup != NULL && lookup->number == hf_get_be32(query.bytes + 12) ? lookup
                                                                             : NULL;
}

static void lookup_free(struct fe_shell *shell, struct fe_lookup *lookup)
{
    shell->lookups[lookup->index] = NULL;
    lookup->hold->lookup = NULL;
    hf_buf_fini(&lookup->head);
    hf_buf_fini(&lookup->body);
    free(lookup);
}

void fe_lookup_drop(struct fe_shell *shell, struct fe_hold *hold)
{
    if (hold->lookup != NULL) {
        lookup_free(shell, hold->lookup);
    }
}

static struct fe_lookup *lookup_new(struct fe_shell *shell, struct fe_hold *hold)
{
    struct fe_lookup *lookup = NULL;
    uint32_t index = 0;

    while (index < FE_LOOKUPS_MAX && shell->lookups[index] != NULL) {
        index++;
    }
    if (index == FE_LOOKUPS_MAX || (lookup = calloc(1, sizeof *lookup)) == NULL) {
        return NULL;
    }
    lookup->hold = hold;
    lookup->index = index;
    lookup->number = ++shell->lookups_count;
    hf_buf_init(&lookup->head, HF_HEAD_MAX);
    hf_buf_init(&lookup->body, RESPONSE_BODY_MAX);
    shell->lookups[index] = lookup;
    hold->lookup = lookup;
    return lookup;
}

/* ---- answers */
static void write_json(struct fe_shell *shell, struct fe_hold *hold, int status,
                       hf_slice fields, hf_slice body)
{
    struct hf_http_response_head head = {.status = status,
                                         .fields = fields,
                                         .date = fe_shell_date(shell),
                                         .length = HF_HTTP_LENGTH_KNOWN,
                                         .body_bytes = body.bytes};
    struct hf_buf *out = fe_hold_out(hold);

    hold->asker.is_keep_alive =
        hold->asker.is_keep_alive && hold->is_whole && !shell->is_stopping;
    hold->has_head = true;
    hf_err err = hf_http_write_response(out, &hold->asker, &head, &hold->framed);

    if (err == HF_OK && hold->framed.framing != HF_HTTP_FRAMING_NONE) {
        err = hf_buf_append(out, body);
    }
    fe_hold_finish(hold, err != HF_OK);
}

static const char *word_of(enum hf_async_state state)
{
    static const char *const words[] = {
        [HF_ASYNC_UNKNOWN] = "unknown", [HF_ASYNC_QUEUED] = "queued",
        [HF_ASYNC_RUNNING] = "running", [HF_ASYNC_ANSWERED] = "answered",
        [HF_ASYNC_FAILED] = "failed",   [HF_ASYNC_CANCELLED] = "cancelled",
        [HF_ASYNC_GONE] = "gone",
    };

    return words[state];
}

static hf_err append_ended(struct hf_buf *body, const struct hf_looked_up *status)
{
    hf_err err = HF_OK;

    if (status->ended_ms != 0) {
        err = hf_buf_printf(body, ",\"ended_ms\":%lld,\"attempt\":%u",
                            (long long)status->ended_ms, status->attempt);
    }
    if (err == HF_OK && status->reason != HF_REASON_NONE) {
        err = hf_buf_printf(body, ",\"reason\":\"%s\"", hf_reason_word(status->reason));
    }
    return err;
}

static void reply_status(struct fe_shell *shell, struct fe_hold *hold, int code,
                         hf_id id, const struct hf_looked_up *status)
{
    HF_AUTO(hf_buf_fini) struct hf_buf fields;
    HF_AUTO(hf_buf_fini) struct hf_buf body;
    char text[HF_ID_TEXT_BYTES + 1];
    hf_err err;

    hf_id_text(id, text);
    hf_buf_init(&fields, JSON_BYTES_MAX);
    hf_buf_init(&body, JSON_BYTES_MAX);
    err = hf_buf_append_cstr(
        &fields, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
    if (err == HF_OK && code == 202 && hold->is_async) {
        char secret[SECRET_TEXT_BYTES];

        hf_b64u_encode(hf_slice_of(hold->secret, sizeof hold->secret), secret);
        err = hf_buf_printf(&fields,
                            "Location: " PATH_PREFIX "%s?k=%.*s\r\n"
                            "Preference-Applied: respond-async\r\n",
                            text, (int)sizeof secret, secret);
    }
    err = err == HF_OK ? hf_buf_printf(&body, "{\"id\":\"%s\",\"state\":\"%s\"", text,
                                       word_of(status->state))
                       : err;
    if (err == HF_OK && status->enqueued_ms != 0) {
        err = hf_buf_printf(&body, ",\"enqueued_ms\":%lld",
                            (long long)status->enqueued_ms);
    }
    err = err == HF_OK ? append_ended(&body, status) : err;
    err = err == HF_OK ? hf_buf_append_cstr(&body, "}\n") : err;
    if (err != HF_OK) {
        fe_hold_finish(hold, true);
        return;
    }
    write_json(shell, hold, code, hf_buf_slice(&fields), hf_buf_slice(&body));
}

static void end_problem(struct fe_shell *shell, struct fe_lookup *lookup,
                        hf_reason reason)
{
    struct fe_hold *hold = lookup->hold;

    lookup_free(shell, lookup);
    reason = hf_reason_status(reason) == 0 ? HF_REASON_INTERNAL : reason;
    fe_reply_problem(shell, hold, reason, reason == HF_REASON_BROKER_LOST ? 1000 : 0);
}

static void end_status(struct fe_shell *shell, struct fe_lookup *lookup, int code)
{
    struct fe_hold *hold = lookup->hold;
    struct hf_looked_up last = lookup->last;
    hf_id id = lookup->id;

    lookup_free(shell, lookup);
    reply_status(shell, hold, code, id, &last);
}

static void end_response(struct fe_shell *shell, struct fe_lookup *lookup)
{
    struct fe_hold *hold = lookup->hold;
    const struct hf_record record = {.type = HF_RECORD_RESPONSE,
                                     .head = hf_buf_slice(&lookup->head),
                                     .body = hf_buf_slice(&lookup->body)};
    const struct frontend_effect effect = {.is_last = true};
    const hf_id query = query_of(lookup);

    if (!fe_reply_judge(shell, hold, &record, false)) {
        end_problem(shell, lookup, HF_REASON_BAD_RESPONSE);
        return;
    }
    shell->record = &record;
    fe_reply_head(shell, hold, &effect);
    shell->record = NULL;
    lookup = find(shell, query); /* it may have ended with its hold */
    if (lookup != NULL) {
        lookup_free(shell, lookup);
    }
}

/* No broker knows it, or none says so to this secret. */
static void end_unknown(struct fe_shell *shell, struct fe_lookup *lookup)
{
    hf_time made = hf_time_of_ms(hf_id_ms(lookup->id));

    if (lookup->kind == LOOKUP_CALL) {
        end_status(shell, lookup, 202);
    } else if (fe_uplinks_up_count(shell) < shell->uplinks_count) {
        end_problem(shell, lookup, HF_REASON_BROKER_LOST);
    } else if (hf_time_reached(hf_time_add_ms(made, RETENTION_MS), shell->now)) {
        end_problem(shell, lookup, HF_REASON_GONE);
    } else {
        end_problem(shell, lookup, HF_REASON_NOT_FOUND);
    }
}

/* ---- asking */
static bool is_up(const struct fe_shell *shell, uint32_t index)
{
    const struct fe_uplink *uplink = shell->uplinks[index];

    return uplink != NULL && uplink->link != NULL && !uplink->is_ending;
}

static void ask(struct fe_shell *shell, struct fe_lookup *lookup)
{
    const struct hf_lookup message = {
        .query = query_of(lookup),
        .id = lookup->id,
        .access = lookup->access,
        .what = lookup->kind == LOOKUP_STATE    ? HF_LOOKUP_STATE
                : lookup->kind == LOOKUP_CANCEL ? HF_LOOKUP_CANCEL
                                                : HF_LOOKUP_RESPONSE,
    };
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_record record = {
        .type = HF_RECORD_LOOKUP,
        .meta = hf_slice_of(meta, hf_lookup_encode(&message, meta, sizeof meta))};

    if (lookup->broker != 0 && !is_up(shell, lookup->broker)) {
        lookup->broker = 0;
    }
    lookup->asked = 0;
    lookup->is_receiving = false;
    hf_buf_clear(&lookup->head);
    hf_buf_clear(&lookup->body);
    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        if (is_up(shell, i) && (lookup->broker == 0 || lookup->broker == i)) {
            lookup->asked |= UINT64_C(1) << (i - 1);
            fe_uplink_send(shell, i, &record);
        }
    }
}

static bool is_over(enum hf_async_state state)
{
    return state != HF_ASYNC_QUEUED && state != HF_ASYNC_RUNNING;
}

static void end_known(struct fe_shell *shell, struct fe_lookup *lookup)
{
    const struct hf_looked_up *last = &lookup->last;

    if (last->state == HF_ASYNC_GONE) {
        end_problem(shell, lookup, HF_REASON_GONE);
    } else if (lookup->kind == LOOKUP_STATE || lookup->kind == LOOKUP_CANCEL) {
        end_status(shell, lookup, 200);
    } else if (!is_over(last->state)) {
        end_status(shell, lookup, 202);
    } else {
        end_problem(shell, lookup, last->reason);
    }
}

void fe_status_told(struct fe_uplink *uplink, const struct hf_looked_up *status)
{
    struct fe_shell *shell = uplink->shell;
    struct fe_lookup *lookup = find(shell, status->query);
    uint64_t bit = UINT64_C(1) << (uplink->index - 1);

    if (lookup == NULL || (lookup->asked & bit) == 0) {
        return;
    }
    lookup->asked &= ~bit;
    if (status->state == HF_ASYNC_UNKNOWN) {
        if (lookup->asked == 0) {
            end_unknown(shell, lookup);
        }
        return;
    }
    lookup->asked = 0;
    lookup->broker = uplink->index;
    lookup->last = *status;
    lookup->limit = hf_time_add_ms(shell->now, FE_LOOKUP_MS);
    if (lookup->kind == LOOKUP_CANCEL && !is_over(status->state)) {
        lookup->kind = LOOKUP_STATE; /* until its end is on disk */
        lookup->until = lookup->limit;
    } else if (status->state == HF_ASYNC_ANSWERED &&
               (lookup->kind == LOOKUP_RESPONSE || lookup->kind == LOOKUP_CALL)) {
        lookup->is_receiving = true;
    } else if (is_over(status->state) || hf_time_reached(lookup->until, shell->now)) {
        end_known(shell, lookup);
    }
}

void fe_status_response(struct fe_shell *shell, hf_id query,
                        const struct hf_record *record, bool is_last)
{
    struct fe_lookup *lookup = find(shell, query);

    if (lookup == NULL || !lookup->is_receiving) {
        return;
    }
    if (hf_buf_append(&lookup->head, record->head) != HF_OK ||
        hf_buf_append(&lookup->body, record->body) != HF_OK) {
        end_problem(shell, lookup, HF_REASON_INTERNAL);
    } else if (is_last) {
        end_response(shell, lookup);
    }
}

/* One that waits is asked about again, as is one whose broker went away. */
static void lookup_tick(struct fe_shell *shell, struct fe_lookup *lookup)
{
    bool is_lost = lookup->broker != 0 && !is_up(shell, lookup->broker);

    for (uint32_t i = 1; i <= shell->uplinks_count; i++) {
        is_lost =
            is_lost || (((lookup->asked >> (i - 1)) & 1) != 0 && !is_up(shell, i));
    }
    if (hf_time_reached(lookup->limit, shell->now) &&
        (lookup->asked != 0 || lookup->is_receiving || lookup->broker == 0)) {
        end_problem(shell, lookup, HF_REASON_BROKER_LOST);
    } else if (is_lost || (lookup->asked == 0 && !lookup->is_receiving)) {
        ask(shell, lookup);
    }
}

void fe_status_tick(struct fe_shell *shell)
{
    for (uint32_t i = 0; i < FE_LOOKUPS_MAX; i++) {
        if (shell->lookups[i] != NULL) {
            lookup_tick(shell, shell->lookups[i]);
        }
    }
}

/* ---- clients */
bool fe_status_owns(hf_slice path)
{
    return hf_slice_starts_with(path, HF_SLICE(PATH_PREFIX));
}

/* The value of `name` in a query of name=value pairs; data NULL: none. */
static hf_slice query_value(hf_slice query, hf_slice name)
{
    while (query.bytes > 0) {
        hf_slice pair = hf_slice_first(query, hf_slice_find(query, '&'));
        size_t equals = hf_slice_find(pair, '=');

        if (equals < pair.bytes && hf_slice_equal(hf_slice_first(pair, equals), name)) {
            return hf_slice_skip(pair, equals + 1);
        }
        query = hf_slice_skip(query,
                              pair.bytes < query.bytes ? pair.bytes + 1 : pair.bytes);
    }
    return HF_SLICE_EMPTY;
}

static hf_id access_of(const uint8_t *secret)
{
    hf_digest digest = hf_digest_of(hf_slice_of(secret, HF_ID_BYTES));
    hf_id access;

    memcpy(access.bytes, digest.bytes, HF_ID_BYTES);
    return access;
}

static void begin(struct fe_shell *shell, struct fe_lookup *lookup, uint64_t wait_s)
{
    lookup->until = hf_time_add_ms(shell->now, (int64_t)wait_s * 1000);
    lookup->limit = hf_time_add_ms(shell->now, FE_LOOKUP_MS);
    ask(shell, lookup);
}

/* What the URL asks for; false: nothing that could be there. */
static bool read_target(const struct fe_hold *hold, const struct hf_http_target *target,
                        struct fe_lookup *to)
{
    hf_slice path = hf_slice_skip(target->path, sizeof PATH_PREFIX - 1);
    hf_slice rest = hf_slice_skip(
        path, path.bytes < HF_ID_TEXT_BYTES ? path.bytes : HF_ID_TEXT_BYTES);
    hf_slice text = query_value(target->query, HF_SLICE("k"));
    uint8_t secret[HF_ID_BYTES];

    if (text.bytes != SECRET_TEXT_BYTES ||
        hf_b64u_decode(text, secret, sizeof secret) != HF_OK ||
        hf_id_parse(hf_slice_first(path, HF_ID_TEXT_BYTES), &to->id) != HF_OK ||
        fe_status_is_query(to->id)) {
        return false;
    }
    to->access = access_of(secret);
    to->kind = hold->asker.method == HF_HTTP_DELETE ? LOOKUP_CANCEL
               : rest.bytes == 0                    ? LOOKUP_STATE
                                                    : LOOKUP_RESPONSE;
    return rest.bytes == 0 ||
           (to->kind == LOOKUP_RESPONSE && hf_slice_equal(rest, HF_SLICE("/response")));
}

void fe_status_start(struct fe_shell *shell, struct fe_hold *hold,
                     const struct hf_http_target *target)
{
    struct fe_lookup *lookup = NULL;
    uint64_t wait_s = 0;
    hf_slice text = query_value(target->query, HF_SLICE("wait"));

    if (hold->asker.method != HF_HTTP_GET && hold->asker.method != HF_HTTP_HEAD &&
        hold->asker.method != HF_HTTP_DELETE) {
        fe_reply_problem(shell, hold, HF_REASON_VERB, 0);
        return;
    }
    lookup = lookup_new(shell, hold);
    if (lookup == NULL) {
        fe_reply_problem(shell, hold, HF_REASON_CONN_LIMIT, 1000);
        return;
    }
    if (!read_target(hold, target, lookup)) {
        end_problem(shell, lookup, HF_REASON_NOT_FOUND);
        return;
    }
    if (text.data != NULL &&
        hf_text_parse_u64(text, FE_LOOKUP_WAIT_S, &wait_s) == HF_ERR_TOO_BIG) {
        wait_s = FE_LOOKUP_WAIT_S;
    }
    begin(shell, lookup, wait_s);
}

void fe_status_wish(struct fe_hold *hold, const struct hf_http_head *head)
{
    HF_AUTO(hf_buf_fini) struct hf_buf block;
    struct hf_http_prefer prefer;
    hf_err err = HF_OK;

    hf_buf_init(&block, HF_HEAD_MAX);
    for (size_t i = 0; i < head->fields_count && err == HF_OK; i++) {
        if (hf_slice_equal_nocase(head->fields[i].name, HF_SLICE("prefer"))) {
            err = hf_buf_append_cstr(&block, "Prefer: ");
            err = err == HF_OK ? hf_buf_append(&block, head->fields[i].value) : err;
            err = err == HF_OK ? hf_buf_append_cstr(&block, "\r\n") : err;
        }
    }
    if (err != HF_OK || hf_buf_bytes(&block) == 0) {
        return;
    }
    prefer = hf_http_prefer_of(hf_buf_slice(&block));
    if (prefer.is_async) {
        hold->is_async = true;
        hold->wait_s = prefer.has_wait ? prefer.wait_s : 0;
        hf_random(hold->secret, sizeof hold->secret);
    }
}

hf_id fe_status_access(const struct fe_hold *hold)
{
    return access_of(hold->secret);
}

/* With `wait` the client goes on waiting for a request that is asynchronous already:
 * turning it into 202 touches nothing. */
void fe_status_accepted(struct fe_shell *shell, struct fe_hold *hold)
{
    const struct hf_looked_up accepted = {.state = HF_ASYNC_QUEUED,
                                          .enqueued_ms = hf_time_ms(shell->now)};
    struct fe_lookup *lookup = NULL;

    if (hold->client == NULL || hold->is_done) {
        return;
    }
    lookup = hold->wait_s > 0 ? lookup_new(shell, hold) : NULL;
    if (lookup == NULL) {
        reply_status(shell, hold, 202, hold->id, &accepted);
        return;
    }
    lookup->kind = LOOKUP_CALL;
    lookup->id = hold->id;
    lookup->access = fe_status_access(hold);
    lookup->last = accepted;
    begin(shell, lookup, hold->wait_s);
}
