#include "tests/scenario/worker_fake_broker.h"

#include "lib/io/credentials.h"
#include "tests/link/link_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S 10

static struct fake_lease *lease_of(struct fake_broker *b, hf_id id, uint64_t epoch)
{
    HF_LIST_FOR(node, &b->leases)
    {
        struct fake_lease *lease = HF_CONTAINER(node, struct fake_lease, node);

        if (hf_id_equal(lease->id, id) && lease->epoch == epoch) {
            return lease;
        }
    }
    return NULL;
}

/* Lock held. */
static void send_record(struct fake_broker *b, const struct hf_record *record)
{
    if (b->link != NULL) {
        (void)!hf_link_send(b->link, record);
    }
}

static void flush(struct fake_broker *b)
{
    struct hf_link *link;

    (void)pthread_mutex_lock(&b->lock);
    link = b->link == NULL ? NULL : hf_link_ref(b->link);
    (void)pthread_mutex_unlock(&b->lock);
    if (link != NULL) {
        hf_link_flush(link);
        hf_link_unref(link);
    }
}

#define SEND(b, TYPE, name, ...)                                                       \
    do {                                                                               \
        struct hf_##name message_ = {__VA_ARGS__};                                     \
        uint8_t meta_[HF_META_SMALL_MAX];                                              \
        struct hf_record record_ = {.type = HF_RECORD_##TYPE};                         \
                                                                                       \
        record_.meta =                                                                 \
            hf_slice_of(meta_, hf_##name##_encode(&message_, meta_, sizeof meta_));    \
        send_record((b), &record_);                                                    \
    } while (0)

static void on_whole(struct fake_broker *b, struct fake_lease *lease)
{
    lease->is_whole = true;
    if (!b->is_ack_held) {
        SEND(b, RESPOND_ACK, respond_ack, .id = lease->id, .epoch = lease->epoch);
    }
}

static void on_respond(struct fake_broker *b, const struct hf_record *record)
{
    struct hf_respond respond;
    struct hf_response_head head;

    hf_check(hf_respond_decode(record->meta, &respond) == HF_OK);
    hf_check(hf_response_head_decode(record->head, &head) == HF_OK);

    struct fake_lease *lease = lease_of(b, respond.id, respond.epoch);

    hf_check(lease != NULL);
    hf_buf_clear(&lease->fields);
    hf_buf_clear(&lease->body);
    lease->status = (int)head.status;
    lease->has_length = head.has_length;
    lease->content_length = head.content_length;
    lease->was_streamed = respond.flags != 0;
    hf_check(hf_buf_append(&lease->fields, head.fields) == HF_OK);
    hf_check(hf_buf_append(&lease->body, record->body) == HF_OK);
    if (!lease->was_streamed) {
        on_whole(b, lease);
    }
}

static void on_body(struct fake_broker *b, const struct hf_record *record)
{
    struct hf_body_piece piece;

    hf_check(hf_body_piece_decode(record->meta, &piece) == HF_OK);

    struct fake_lease *lease = lease_of(b, piece.id, piece.epoch);

    hf_check(lease != NULL && piece.offset == hf_buf_bytes(&lease->body));
    hf_check(hf_buf_append(&lease->body, record->body) == HF_OK);
    if (piece.is_last) {
        on_whole(b, lease);
    } else if (!b->is_window_held) {
        SEND(b, WINDOW, window, .id = piece.id, .epoch = piece.epoch,
             .bytes = record->body.bytes);
    }
}

static void on_end(struct fake_broker *b, const struct hf_record *record)
{
    struct hf_fail fail = {0};
    struct hf_abort abort = {0};
    struct hf_release release = {0};
    struct fake_lease *lease;

    if (record->type == HF_RECORD_FAIL) {
        hf_check(hf_fail_decode(record->meta, &fail) == HF_OK);
        lease = lease_of(b, fail.id, fail.epoch);
        lease->reason = fail.reason;
        lease->has_failed = true;
    } else if (record->type == HF_RECORD_ABORT) {
        hf_check(hf_abort_decode(record->meta, &abort) == HF_OK);
        lease = lease_of(b, abort.id, abort.epoch);
        lease->reason = abort.reason;
        lease->has_failed = true;
    } else {
        hf_check(hf_release_decode(record->meta, &release) == HF_OK);
        lease = lease_of(b, release.id, release.epoch);
        lease->is_released = true;
    }
}

static void on_window(struct fake_broker *b, const struct hf_record *record)
{
    struct hf_window window;

    hf_check(hf_window_decode(record->meta, &window) == HF_OK);

    struct fake_lease *lease = lease_of(b, window.id, window.epoch);

    if (lease != NULL) {
        lease->window += window.bytes;
    }
}

static void on_declare(struct fake_broker *b, const struct hf_record *record)
{
    struct hf_declare declare;

    hf_check(hf_declare_decode(record->meta, &declare) == HF_OK);

    struct fake_lease *lease = lease_of(b, declare.id, declare.epoch);

    hf_check(lease != NULL && declare.receipt.bytes[0] == (uint8_t)lease->epoch);
    lease->is_declared = true;
    lease->is_declared_answered = declare.is_answered;
}

/* Verified as a broker would. */
static void on_reauth(struct fake_broker *b, const struct hf_record *record)
{
    const struct hf_link_peer *peer = hf_link_peer(b->link);
    struct hf_secret *issuer = fixture_secret(1);
    struct hf_trust_key key = {.key = hf_secret_public(issuer),
                               .uses = HF_KEY_USE_CAP,
                               .expires_s = INT64_MAX};
    struct hf_trust trust;
    struct hf_reauth_offer offer;
    static struct hf_chain chain;

    hf_trust_init(&trust);
    hf_check(hf_trust_add(&trust, &key) == HF_OK);
    hf_check(hf_reauth_offer_decode(record->meta, &offer) == HF_OK);

    struct hf_reauth reauth = {.chain = offer.chain, .counter = offer.counter};
    struct hf_chain_context context = {.trust = &trust,
                                       .cluster = HF_SLICE(FIXTURE_CLUSTER),
                                       .broker = HF_SLICE(FIXTURE_BROKER),
                                       .skip_network = true,
                                       .now_s = hf_clock_wall_seconds(),
                                       .skew_s = 30,
                                       .ttl_s_max = 86400};
    struct hf_reauth_session session = {.transcript = peer->result->transcript,
                                        .holder = peer->result->peer_key,
                                        .counter_last = b->reauths};

    hf_check(offer.signature.bytes == sizeof reauth.signature.bytes);
    memcpy(reauth.signature.bytes, offer.signature.data, offer.signature.bytes);
    hf_check(hf_reauth_verify(&reauth, &context, &session, &chain) == HF_TOKEN_OK);
    b->reauths = offer.counter;
    hf_secret_free(issuer);
}

static void on_session(struct fake_broker *b, const struct hf_record *record)
{
    struct hf_queue_open open;
    struct hf_credit credit;
    struct hf_pong pong;
    struct hf_introduce introduce;

    switch (record->type) {
    case HF_RECORD_OPEN:
        hf_check(hf_queue_open_decode(record->meta, &open) == HF_OK);
        SEND(b, OPENED, queue_opened, .handle = open.handle, .incarnation = 1);
        return;
    case HF_RECORD_CREDIT:
        hf_check(hf_credit_decode(record->meta, &credit) == HF_OK);
        b->credit += credit.requests;
        return;
    case HF_RECORD_PONG:
        hf_check(hf_pong_decode(record->meta, &pong) == HF_OK);
        b->health = pong.health;
        b->pongs++;
        return;
    case HF_RECORD_INTRODUCE:
        hf_check(hf_introduce_decode(record->meta, &introduce) == HF_OK);
        b->app_pid = introduce.app_pid;
        b->introductions++;
        return;
    case HF_RECORD_REAUTH:
        on_reauth(b, record);
        return;
    case HF_RECORD_DRAIN:
        b->was_drained = true;
        b->credit = 0;
        return;
    case HF_RECORD_GOODBYE:
        b->said_goodbye = true;
        return;
    default:
        b->violations++;
        return;
    }
}

static void on_record(struct fake_broker *b, const struct hf_record *record)
{
    hf_check(hf_record_check(record, HF_END_WORKER, HF_END_BROKER) == HF_OK);
    switch (record->type) {
    case HF_RECORD_RESPOND:
        on_respond(b, record);
        return;
    case HF_RECORD_BODY:
        on_body(b, record);
        return;
    case HF_RECORD_FAIL:
    case HF_RECORD_ABORT:
    case HF_RECORD_RELEASE:
        on_end(b, record);
        return;
    case HF_RECORD_WINDOW:
        on_window(b, record);
        return;
    case HF_RECORD_DECLARE:
        on_declare(b, record);
        return;
    default:
        on_session(b, record);
        return;
    }
}

static void on_records(void *ctx, struct hf_link *link, const struct hf_record *records,
                       size_t count)
{
    struct fake_broker *b = ctx;

    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < count; i++) {
        on_record(b, &records[i]);
    }
    (void)pthread_cond_broadcast(&b->changed);
    (void)pthread_mutex_unlock(&b->lock);
    hf_link_flush(link);
}

static void on_up(void *ctx, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct fake_broker *b = ctx;

    (void)pthread_mutex_lock(&b->lock);
    if (b->link != NULL) {
        hf_link_unref(b->link);
    }
    b->link = hf_link_ref(link);
    b->ups++;
    b->credit = 0;
    memcpy(b->key, peer->result->peer_key.bytes, sizeof b->key);
    (void)pthread_cond_broadcast(&b->changed);
    (void)pthread_mutex_unlock(&b->lock);
}

static void on_down(void *ctx, struct hf_link *link, enum hf_link_end end)
{
    struct fake_broker *b = ctx;

    (void)end;
    (void)pthread_mutex_lock(&b->lock);
    if (b->link == link) {
        hf_link_unref(b->link);
        b->link = NULL;
        b->credit = 0;
    }
    (void)pthread_cond_broadcast(&b->changed);
    (void)pthread_mutex_unlock(&b->lock);
}

static const struct hf_link_events link_events = {
    .on_up = on_up, .on_records = on_records, .on_down = on_down};

static void write_credentials(const char *path)
{
    struct hf_secret *holder = fixture_secret(9);
    struct hf_secret *issuer = fixture_secret(1);
    char secret_text[HF_SECRET_TEXT_BYTES + 1];
    char anchor_text[HF_KEY_TEXT_BYTES + 1];
    struct hf_buf token;
    FILE *file;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    fixture_mint(1, holder, "worker:test",
                 (uint16_t)(1u << HF_VERB_RECEIVE | 1u << HF_VERB_RESPOND), &token);
    hf_secret_text(holder, secret_text);
    hf_key_text(hf_secret_public(issuer), anchor_text);
    file = fdopen(fd, "w");
    hf_check(file != NULL);
    fprintf(file, "key=%s\ntoken=%.*s\nanchor=%s\ncluster=%s\n", secret_text,
            (int)hf_buf_bytes(&token), (const char *)hf_buf_slice(&token).data,
            anchor_text, FIXTURE_CLUSTER);
    hf_check(fclose(file) == 0);
    hf_buf_fini(&token);
    hf_secret_free(holder);
    hf_secret_free(issuer);
}

struct fake_broker *fake_broker_new(const char *directory)
{
    struct fake_broker *b = calloc(1, sizeof *b);
    struct hf_link_config config = {.address = NULL, .events = &link_events};

    hf_check(b != NULL);
    hf_list_init(&b->leases);
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_cond_init(&b->changed, NULL);
    (void)snprintf(b->address, sizeof b->address, "ipc://%s/b.sock", directory);
    (void)snprintf(b->credentials, sizeof b->credentials, "%s/worker.key", directory);
    b->identity = fixture_identity(HF_ROLE_BROKER, 1);
    config.address = b->address;
    config.ctx = b;
    config.identity = b->identity;
    hf_check(hf_link_listener_open(&config, &b->listener) == HF_OK);
    write_credentials(b->credentials);
    return b;
}

void fake_broker_free(struct fake_broker *b)
{
    struct hf_list *node;

    hf_link_listener_close(b->listener);
    hf_link_identity_unref(b->identity);
    if (b->link != NULL) {
        hf_link_unref(b->link);
    }
    while ((node = hf_list_pop_front(&b->leases)) != NULL) {
        struct fake_lease *lease = HF_CONTAINER(node, struct fake_lease, node);

        hf_buf_fini(&lease->fields);
        hf_buf_fini(&lease->body);
        free(lease);
    }
    (void)pthread_mutex_destroy(&b->lock);
    (void)pthread_cond_destroy(&b->changed);
    free(b);
}

/* Lock held. */
static void wait_for(struct fake_broker *b, const struct fake_lease *lease,
                     fake_condition condition)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    while (!condition(b, lease)) {
        int code = pthread_cond_timedwait(&b->changed, &b->lock, &until);

        hf_check(code == 0 || condition(b, lease));
    }
}

void fake_await_that(struct fake_broker *b, const struct fake_lease *lease,
                     fake_condition condition)
{
    (void)pthread_mutex_lock(&b->lock);
    wait_for(b, lease, condition);
    (void)pthread_mutex_unlock(&b->lock);
}

static bool has_credit(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)lease;
    return b->link != NULL && b->credit > 0;
}

static bool has_ended(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)b;
    return lease->is_whole || lease->has_failed || lease->is_released;
}

void fake_await(struct fake_broker *b, struct fake_lease *lease)
{
    fake_await_that(b, lease, has_ended);
}

static struct fake_lease *lease_new(struct fake_broker *b)
{
    struct fake_lease *lease = calloc(1, sizeof *lease);

    hf_check(lease != NULL);
    hf_random(lease->id.bytes, sizeof lease->id.bytes);
    lease->epoch = (UINT64_C(1) << 32) + ++b->epoch;
    lease->window = 1048576;
    hf_buf_init(&lease->fields, 1u << 20);
    hf_buf_init(&lease->body, 1u << 30);
    hf_list_push_back(&b->leases, &lease->node);
    return lease;
}

struct fake_lease *fake_assign(struct fake_broker *b,
                               const struct fake_request *request)
{
    struct hf_request_head head = {
        .method = hf_slice_of_cstr(request->method),
        .path = hf_slice_of_cstr(request->path),
        .has_query = request->query != NULL,
        .query =
            request->query == NULL ? HF_SLICE_EMPTY : hf_slice_of_cstr(request->query),
        .scheme = HF_SLICE("http"),
        .host = HF_SLICE("example.com"),
        .client_ip = HF_SLICE("192.0.2.7"),
        .fields = request->fields == NULL ? HF_SLICE_EMPTY
                                          : hf_slice_of_cstr(request->fields),
    };
    struct hf_buf head_bytes;
    int64_t now_ms = hf_time_ms(hf_clock_now());

    hf_buf_init(&head_bytes, HF_HEAD_MAX);
    hf_check(hf_request_head_append(&head, &head_bytes) == HF_OK);
    (void)pthread_mutex_lock(&b->lock);
    wait_for(b, NULL, has_credit);
    b->credit--;

    struct fake_lease *lease = lease_new(b);
    struct hf_assign assign = {
        .id = lease->id,
        .epoch = lease->epoch,
        .handle = 1,
        .attempt = request->attempt == 0 ? 1 : request->attempt,
        .deadline_ms =
            now_ms + (request->deadline_ms == 0 ? 60000 : request->deadline_ms),
        .enqueued_ms = now_ms,
        .body_bytes = request->body.bytes,
        .flags = request->is_streamed ? HF_ENQUEUE_STREAMED : 0,
        .receipt = {{(uint8_t)lease->epoch}},
    };
    uint8_t meta[HF_META_SMALL_MAX];
    struct hf_record record = {.type = HF_RECORD_ASSIGN,
                               .head = hf_buf_slice(&head_bytes)};

    record.meta = hf_slice_of(meta, hf_assign_encode(&assign, meta, sizeof meta));
    if (!request->is_streamed) {
        record.body = request->body;
    }
    send_record(b, &record);
    (void)pthread_mutex_unlock(&b->lock);
    flush(b);
    hf_buf_fini(&head_bytes);
    return lease;
}

static bool has_window(const struct fake_broker *b, const struct fake_lease *lease)
{
    (void)b;
    return lease->window >= 65536 || has_ended(b, lease);
}

void fake_send_body(struct fake_broker *b, struct fake_lease *lease, hf_slice body)
{
    uint64_t offset = 0;

    do {
        hf_slice part = hf_slice_first(body, 65536);
        struct hf_body_piece piece = {.id = lease->id,
                                      .epoch = lease->epoch,
                                      .offset = offset,
                                      .is_last = part.bytes == body.bytes};
        uint8_t meta[HF_META_SMALL_MAX];
        struct hf_record record = {.type = HF_RECORD_BODY, .body = part};

        record.meta =
            hf_slice_of(meta, hf_body_piece_encode(&piece, meta, sizeof meta));
        (void)pthread_mutex_lock(&b->lock);
        wait_for(b, lease, has_window);
        lease->window -= part.bytes;
        send_record(b, &record);
        (void)pthread_mutex_unlock(&b->lock);
        flush(b);
        offset += part.bytes;
        body = hf_slice_skip(body, part.bytes);
    } while (body.bytes > 0);
}

void fake_grant(struct fake_broker *b, struct fake_lease *lease, uint64_t bytes)
{
    (void)pthread_mutex_lock(&b->lock);
    SEND(b, WINDOW, window, .id = lease->id, .epoch = lease->epoch, .bytes = bytes);
    (void)pthread_mutex_unlock(&b->lock);
    flush(b);
}

void fake_cancel(struct fake_broker *b, struct fake_lease *lease)
{
    (void)pthread_mutex_lock(&b->lock);
    SEND(b, CANCEL, cancel, .id = lease->id, .epoch = lease->epoch,
         .reason = HF_REASON_CLIENT_GONE);
    (void)pthread_mutex_unlock(&b->lock);
    flush(b);
}

void fake_ack(struct fake_broker *b, struct fake_lease *lease)
{
    (void)pthread_mutex_lock(&b->lock);
    SEND(b, RESPOND_ACK, respond_ack, .id = lease->id, .epoch = lease->epoch);
    (void)pthread_mutex_unlock(&b->lock);
    flush(b);
}

void fake_declared(struct fake_broker *b, struct fake_lease *lease, bool is_kept)
{
    (void)pthread_mutex_lock(&b->lock);
    lease->is_whole = false;
    SEND(b, DECLARED, declared, .id = lease->id, .epoch = lease->epoch,
         .is_kept = is_kept);
    (void)pthread_mutex_unlock(&b->lock);
    flush(b);
}

void fake_send(struct fake_broker *b, uint16_t type, hf_slice meta)
{
    struct hf_record record = {.type = type, .meta = meta};

    (void)pthread_mutex_lock(&b->lock);
    send_record(b, &record);
    (void)pthread_mutex_unlock(&b->lock);
    flush(b);
}

void fake_renew_file(struct fake_broker *b)
{
    char fresh[300];

    (void)snprintf(fresh, sizeof fresh, "%s.new", b->credentials);
    write_credentials(fresh);
    hf_check(rename(fresh, b->credentials) == 0);
}

void fake_push_token(struct fake_broker *b)
{
    struct hf_secret *holder = fixture_secret(9);
    struct hf_token_push push = {.key = hf_secret_public(holder)};
    uint8_t meta[HF_META_CHAIN_MAX];
    struct hf_buf token;

    fixture_mint(1, holder, "worker:test", 1u << HF_VERB_RECEIVE, &token);
    push.chain = hf_buf_slice(&token);
    fake_send(b, HF_RECORD_TOKEN,
              hf_slice_of(meta, hf_token_push_encode(&push, meta, sizeof meta)));
    hf_buf_fini(&token);
    hf_secret_free(holder);
}

void fake_cut(struct fake_broker *b)
{
    (void)pthread_mutex_lock(&b->lock);

    struct hf_link *link = b->link == NULL ? NULL : hf_link_ref(b->link);

    (void)pthread_mutex_unlock(&b->lock);
    if (link != NULL) {
        hf_link_close(link, HF_LINK_END_LOCAL);
        hf_link_unref(link);
    }
}
