#include "tests/frontend/echo_broker.h"

#include "lib/base/text.h"
#include "lib/io/clock.h"
#include "lib/token/document.h"
#include "lib/wire/lists.h"
#include "lib/wire/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLUSTER "echo"
#define EPOCH   UINT64_C(0x100000007)

static void mint(struct echo_broker *broker, struct hf_credentials *to,
                 const char *subject, uint16_t verbs)
{
    struct hf_claims claims;
    int64_t now_s = hf_clock_wall_seconds();

    hf_credentials_init(to);
    hf_check(hf_secret_generate(NULL, &to->secret) == HF_OK);
    to->anchors[0] = hf_secret_public(broker->issuer);
    to->anchors_count = 1;
    (void)snprintf(to->cluster, sizeof to->cluster, "%s", CLUSTER);
    hf_claims_init(&claims, true);
    hf_random(&claims.jti, sizeof claims.jti);
    claims.holder = hf_secret_public(to->secret);
    claims.issued_s = now_s;
    claims.expires_s = now_s + 3600;
    claims.epoch = 1;
    hf_check(hf_claims_set_issuer(&claims, HF_SLICE("test")) == HF_OK);
    hf_check(hf_claims_set_subject(&claims, hf_slice_of_cstr(subject)) == HF_OK);
    hf_check(hf_claims_set_audience(&claims, HF_SLICE(CLUSTER)) == HF_OK);
    hf_check(hf_claims_add_grant(&claims, verbs) == HF_OK);
    hf_check(hf_claims_add_pattern(&claims, HF_SLICE(">")) == HF_OK);
    hf_check(hf_chain_mint(broker->issuer, &claims, &to->token) == HF_OK);
}

static void make_routes(struct echo_broker *broker, unsigned port)
{
    char prefix[64];
    hf_slice prefixes[1];
    const hf_slice addresses[] = {hf_slice_of_cstr(broker->address)};
    struct hf_route_group group = {
        .name = HF_SLICE("site"),
        .queue = HF_SLICE("web"),
        .prefixes = prefixes,
        .prefixes_count = 1,
        .body_max = 30000000,
        .path_case_sensitive = true,
    };
    const struct hf_route_broker route_broker = {HF_SLICE("b1"), addresses, 1};
    const struct hf_route_queue queue = {HF_SLICE("web"), 0, HF_SLICE("b1")};
    const struct hf_routes routes = {
        .sequence = 1,
        .groups = &group,
        .groups_count = 1,
        .brokers = &route_broker,
        .brokers_count = 1,
        .queues = &queue,
        .queues_count = 1,
    };

    (void)snprintf(prefix, sizeof prefix, "http://*:%u/", port);
    prefixes[0] = hf_slice_of_cstr(prefix);
    hf_check(hf_routes_append(&routes, &broker->routes) == HF_OK);
}

static void sign_routes(struct echo_broker *broker)
{
    struct hf_manifest manifest = {
        .head = {.issuer = HF_SLICE("test"),
                 .audience = HF_SLICE(CLUSTER),
                 .seq = 1,
                 .issued_s = hf_clock_wall_seconds()},
        .bytes = hf_buf_bytes(&broker->routes),
        .digest = hf_digest_of(hf_buf_slice(&broker->routes)),
    };
    struct hf_buf payload;

    hf_buf_init(&payload, 4096);
    hf_check(hf_manifest_write(&manifest, &payload) == HF_OK);
    hf_check(hf_document_sign(HF_DOCUMENT_ROUTE, broker->issuer, hf_buf_slice(&payload),
                              &broker->manifest) == HF_OK);
    hf_buf_fini(&payload);
}

static void say(struct hf_link *link, uint16_t type, hf_slice meta)
{
    const struct hf_record record = {.type = type, .meta = meta};

    (void)!hf_link_send(link, &record);
}

/* Encodes `value` as `message` and sends it as a record of that type. */
#define SAY(link, type, message, value)                                                \
    do {                                                                               \
        uint8_t say_meta_[HF_META_SMALL_MAX];                                          \
        size_t say_bytes_ =                                                            \
            hf_##message##_encode(&(value), say_meta_, sizeof say_meta_);              \
        say((link), (type), hf_slice_of(say_meta_, say_bytes_));                       \
    } while (0)

static void send_snapshot(struct echo_broker *broker, struct hf_link *link)
{
    const struct hf_snapshot chunk = {
        .sequence = 1, .count = 1, .manifest = hf_buf_slice(&broker->manifest)};
    uint8_t meta[HF_META_MAX];
    struct hf_record record = {.type = HF_RECORD_SNAPSHOT};

    record.meta = hf_slice_of(meta, hf_snapshot_encode(&chunk, meta, sizeof meta));
    record.body = hf_buf_slice(&broker->routes);
    hf_check(hf_link_send(link, &record) == HF_OK);
}

struct answer {
    hf_slice body;
    uint64_t length; /* declared when not 0 */
    bool is_streamed;
    bool is_bad;
};

static void respond(struct hf_link *link, hf_id id, struct answer answer)
{
    const struct hf_response response = {
        .id = id,
        .epoch = EPOCH,
        .flags = answer.is_streamed ? HF_ENQUEUE_STREAMED : 0};
    const struct hf_response_head head = {
        .status = 200,
        .fields = answer.is_bad ? HF_SLICE("Bad Name: x\r\n")
                                : HF_SLICE("Content-Type: text/plain\r\n"),
        .has_length = answer.length > 0,
        .content_length = answer.length,
    };
    uint8_t meta[HF_META_SMALL_MAX];
    uint8_t bytes[512];
    struct hf_record record = {.type = HF_RECORD_RESPONSE, .body = answer.body};

    record.meta = hf_slice_of(meta, hf_response_encode(&response, meta, sizeof meta));
    record.head =
        hf_slice_of(bytes, hf_response_head_encode(&head, bytes, sizeof bytes));
    (void)!hf_link_send(link, &record);
}

static struct echo_stream *stream_of(struct echo_broker *broker, hf_id id)
{
    for (size_t i = 0; i < ECHO_STREAMS_MAX; i++) {
        if (broker->streams[i].is_used && hf_id_equal(broker->streams[i].id, id)) {
            return &broker->streams[i];
        }
    }
    return NULL;
}

static struct echo_stream *new_stream(struct echo_broker *broker, hf_id id)
{
    for (size_t i = 0; i < ECHO_STREAMS_MAX; i++) {
        if (!broker->streams[i].is_used) {
            broker->streams[i] =
                (struct echo_stream){.is_used = true, .id = id, .window = 1048576};
            return &broker->streams[i];
        }
    }
    return NULL;
}

static void pump(struct echo_broker *broker, struct hf_link *link,
                 struct echo_stream *stream)
{
    while (stream->is_used && stream->sent < stream->window) {
        uint64_t bytes = stream->total - stream->sent;
        struct hf_body_piece piece = {.id = stream->id, .epoch = EPOCH};
        uint8_t meta[HF_META_SMALL_MAX];
        struct hf_record record = {.type = HF_RECORD_BODY};

        bytes = bytes > sizeof broker->piece ? sizeof broker->piece : bytes;
        if (bytes > stream->window - stream->sent) {
            bytes = stream->window - stream->sent;
        }
        piece.offset = stream->sent;
        stream->sent += bytes;
        piece.is_last = stream->sent == stream->total;
        record.meta =
            hf_slice_of(meta, hf_body_piece_encode(&piece, meta, sizeof meta));
        record.body = hf_slice_of(broker->piece, (size_t)bytes);
        (void)!hf_link_send(link, &record);
        stream->is_used = !piece.is_last;
    }
}

static void refuse(struct hf_link *link, hf_id id)
{
    const struct hf_refused refused = {
        .id = id, .reason = HF_REASON_QUEUE_FULL, .retry_after_ms = 1500};

    SAY(link, HF_RECORD_REFUSED, refused, refused);
}

static void answer_by_path(struct echo_broker *broker, struct hf_link *link,
                           const struct hf_enqueue *enqueue, hf_slice path,
                           hf_slice body)
{
    bool is_reoffer = (enqueue->flags & HF_ENQUEUE_REOFFER) != 0;

    if (hf_slice_starts_with(path, HF_SLICE("/stream/"))) {
        struct echo_stream *stream = new_stream(broker, enqueue->id);

        if (stream == NULL) {
            refuse(link, enqueue->id);
            return;
        }
        stream->is_response = true;
        hf_check(hf_text_parse_u64(hf_slice_skip(path, 8), UINT64_MAX,
                                   &stream->total) == HF_OK);
        respond(link, enqueue->id, (struct answer){.is_streamed = true});
        pump(broker, link, stream);
    } else if (hf_slice_equal(path, HF_SLICE("/short"))) {
        struct hf_body_piece piece = {
            .id = enqueue->id, .epoch = EPOCH, .is_last = true};

        respond(link, enqueue->id, (struct answer){.is_streamed = true, .length = 10});
        SAY(link, HF_RECORD_BODY, body_piece, piece);
    } else if (hf_slice_equal(path, HF_SLICE("/refuse"))) {
        refuse(link, enqueue->id);
    } else if (hf_slice_equal(path, HF_SLICE("/never")) ||
               (hf_slice_equal(path, HF_SLICE("/hold")) && !is_reoffer)) {
        return;
    } else {
        respond(link, enqueue->id,
                (struct answer){
                    .body = body.bytes > 0 ? body : HF_SLICE("hello\n"),
                    .is_bad = hf_slice_equal(path, HF_SLICE("/bad")),
                });
    }
}

static void on_enqueue(struct echo_broker *broker, struct hf_link *link,
                       const struct hf_record *record)
{
    struct hf_enqueue enqueue;
    struct hf_request_head head;

    hf_check(hf_enqueue_decode(record->meta, &enqueue) == HF_OK);
    hf_check(hf_request_head_decode(record->head, &head) == HF_OK);
    broker->counts.enqueued++;
    broker->counts.reoffered += (enqueue.flags & HF_ENQUEUE_REOFFER) != 0 ? 1 : 0;
    if (hf_slice_equal(head.path, HF_SLICE("/refuse")) ||
        (enqueue.flags & HF_ENQUEUE_STREAMED) == 0) {
        answer_by_path(broker, link, &enqueue, head.path, record->body);
        return;
    }
    if (new_stream(broker, enqueue.id) == NULL) {
        refuse(link, enqueue.id);
    } else {
        struct hf_admitted admitted = {.id = enqueue.id};

        SAY(link, HF_RECORD_ADMITTED, admitted, admitted);
    }
}

/* A streamed request is answered with the number of bytes it had. */
static void on_body(struct echo_broker *broker, struct hf_link *link,
                    const struct hf_record *record)
{
    struct hf_body_piece piece;
    struct echo_stream *stream;
    struct hf_window window;
    char text[32];

    hf_check(hf_body_piece_decode(record->meta, &piece) == HF_OK);
    stream = stream_of(broker, piece.id);
    if (stream == NULL) {
        return;
    }
    hf_check(piece.offset == stream->received);
    stream->received += record->body.bytes;
    window = (struct hf_window){.id = piece.id, .bytes = record->body.bytes};
    SAY(link, HF_RECORD_WINDOW, window, window);
    if (piece.is_last) {
        (void)snprintf(text, sizeof text, "%llu\n",
                       (unsigned long long)stream->received);
        stream->is_used = false;
        respond(link, piece.id, (struct answer){.body = hf_slice_of_cstr(text)});
    }
}

static void on_window(struct echo_broker *broker, struct hf_link *link,
                      const struct hf_record *record)
{
    struct hf_window window;
    struct echo_stream *stream;

    hf_check(hf_window_decode(record->meta, &window) == HF_OK);
    stream = stream_of(broker, window.id);
    if (stream != NULL && stream->is_response) {
        stream->window += window.bytes;
        pump(broker, link, stream);
    }
}

static void on_cancel(struct echo_broker *broker, const struct hf_record *record)
{
    struct hf_cancel cancel;
    struct echo_stream *stream;

    hf_check(hf_cancel_decode(record->meta, &cancel) == HF_OK);
    broker->counts.cancelled++;
    stream = stream_of(broker, cancel.id);
    if (stream != NULL) {
        stream->is_used = false;
    }
}

static void on_open(struct hf_link *link, const struct hf_record *record)
{
    struct hf_queue_open open;
    struct hf_queue_opened opened = {.incarnation = 1};

    hf_check(hf_queue_open_decode(record->meta, &open) == HF_OK);
    opened.handle = open.handle;
    SAY(link, HF_RECORD_OPENED, queue_opened, opened);
}

static void on_record(struct echo_broker *broker, struct hf_link *link,
                      const struct hf_record *record)
{
    hf_check(hf_record_check(record, HF_END_FRONTEND, HF_END_BROKER) == HF_OK);
    if (record->type == HF_RECORD_ENQUEUE) {
        on_enqueue(broker, link, record);
    } else if (record->type == HF_RECORD_RESPONSE_ACK) {
        broker->counts.acknowledged++;
    } else if (record->type == HF_RECORD_BODY) {
        on_body(broker, link, record);
    } else if (record->type == HF_RECORD_WINDOW) {
        on_window(broker, link, record);
    } else if (record->type == HF_RECORD_OPEN) {
        on_open(link, record);
    } else if (record->type == HF_RECORD_SNAPSHOT_GET) {
        send_snapshot(broker, link);
    } else if (record->type == HF_RECORD_SNAPSHOT_ACK) {
        broker->counts.snapshots++;
    } else if (record->type == HF_RECORD_CANCEL) {
        on_cancel(broker, record);
    }
}

static void on_records(void *ctx, struct hf_link *link, const struct hf_record *records,
                       size_t count)
{
    struct echo_broker *broker = ctx;

    hf_check(pthread_mutex_lock(&broker->lock) == 0);
    for (size_t i = 0; i < count; i++) {
        on_record(broker, link, &records[i]);
    }
    hf_check(pthread_cond_broadcast(&broker->changed) == 0);
    hf_check(pthread_mutex_unlock(&broker->lock) == 0);
    hf_link_flush(link);
}

static void on_up(void *ctx, struct hf_link *link, const struct hf_link_peer *peer)
{
    struct echo_broker *broker = ctx;

    (void)peer;
    hf_check(pthread_mutex_lock(&broker->lock) == 0);
    memset(broker->streams, 0, sizeof broker->streams);
    hf_link_unref(broker->link);
    broker->link = hf_link_ref(link);
    hf_check(pthread_mutex_unlock(&broker->lock) == 0);
}

static void on_down(void *ctx, struct hf_link *link, enum hf_link_end end)
{
    (void)ctx;
    (void)link;
    (void)end;
}

static const struct hf_link_events events = {
    .on_up = on_up, .on_records = on_records, .on_down = on_down};

struct echo_broker *echo_broker_new(const char *directory)
{
    struct echo_broker *broker = calloc(1, sizeof *broker);
    struct hf_link_identity_config config;
    int length;

    hf_check(broker != NULL);
    length = snprintf(broker->address, sizeof broker->address, "ipc://%s/b1.sock",
                      directory);
    hf_check(length > 0 && (size_t)length < sizeof broker->address);
    memset(broker->piece, 'x', sizeof broker->piece);
    hf_check(pthread_mutex_init(&broker->lock, NULL) == 0);
    hf_check(pthread_cond_init(&broker->changed, NULL) == 0);
    hf_buf_init(&broker->routes, 65536);
    hf_buf_init(&broker->manifest, 4096);
    hf_check(hf_secret_generate(NULL, &broker->issuer) == HF_OK);
    mint(broker, &broker->own, "broker:b1", 1u << HF_VERB_SERVE);
    mint(broker, &broker->frontend, "frontend:f1",
         1u << HF_VERB_ENQUEUE | 1u << HF_VERB_ROUTE);
    hf_credentials_identify(&broker->own, &config);
    config.role = HF_ROLE_BROKER;
    config.broker = HF_SLICE("b1");
    hf_check(hf_link_identity_new(&config, &broker->identity) == HF_OK);
    return broker;
}

void echo_broker_route(struct echo_broker *broker, unsigned port)
{
    make_routes(broker, port);
    sign_routes(broker);
}

void echo_broker_listen(struct echo_broker *broker)
{
    const struct hf_link_config config = {
        .address = broker->address,
        .events = &events,
        .ctx = broker,
        .identity = broker->identity,
    };

    hf_check(broker->listener == NULL);
    hf_check(hf_link_listener_open(&config, &broker->listener) == HF_OK);
}

void echo_broker_kill(struct echo_broker *broker)
{
    hf_link_listener_close(broker->listener);
    broker->listener = NULL;
}

void echo_broker_free(struct echo_broker *broker)
{
    hf_link_listener_close(broker->listener);
    hf_link_unref(broker->link);
    hf_link_identity_unref(broker->identity);
    hf_credentials_fini(&broker->own);
    hf_credentials_fini(&broker->frontend);
    hf_secret_free(broker->issuer);
    hf_buf_fini(&broker->routes);
    hf_buf_fini(&broker->manifest);
    free(broker);
}

bool echo_broker_await(struct echo_broker *broker, const uint64_t *counter,
                       uint64_t value)
{
    struct timespec until;
    bool is_there;
    int result = 0;

    hf_check(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += 10;
    hf_check(pthread_mutex_lock(&broker->lock) == 0);
    while (*counter < value && result == 0) {
        result = pthread_cond_timedwait(&broker->changed, &broker->lock, &until);
    }
    is_there = *counter >= value;
    hf_check(pthread_mutex_unlock(&broker->lock) == 0);
    return is_there;
}
