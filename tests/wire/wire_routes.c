/* routes ADDRESS DIRECTORY QUEUE PREFIX...: sends a signed routing snapshot with one
 * URL group, as a controller would. DIRECTORY holds what `issue` wrote. */
#include "tests/wire/wire.h"

#include "lib/io/clock.h"
#include "lib/token/document.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFIXES_MAX 16

struct routes_request {
    const char *address;
    const char *queue;
    const hf_slice *prefixes;
    size_t prefixes_count;
    const struct hf_secret *issuer;
};

static hf_err encode_routes(const struct routes_request *r, uint64_t sequence,
                            struct hf_buf *out)
{
    const hf_slice address = hf_slice_of_cstr(r->address);
    const struct hf_route_group group = {.name = HF_SLICE("test"),
                                         .queue = hf_slice_of_cstr(r->queue),
                                         .prefixes = r->prefixes,
                                         .prefixes_count = r->prefixes_count,
                                         .body_max = 30000000,
                                         .deadline_ms = 600000};
    const struct hf_route_broker broker = {
        .name = HF_SLICE("b1"), .addresses = &address, .addresses_count = 1};
    const struct hf_route_queue queue = {.name = hf_slice_of_cstr(r->queue),
                                         .broker = HF_SLICE("b1")};
    const struct hf_routes routes = {.sequence = sequence,
                                     .groups = &group,
                                     .groups_count = 1,
                                     .brokers = &broker,
                                     .brokers_count = 1,
                                     .queues = &queue,
                                     .queues_count = 1,
                                     .unrouted_status = 404};

    return hf_routes_append(&routes, out);
}

static hf_err sign_manifest(const struct routes_request *r, uint64_t sequence,
                            hf_slice body, struct hf_buf *out)
{
    const struct hf_manifest manifest = {
        .head = {.issuer = HF_SLICE("hf:test"),
                 .audience = HF_SLICE("test"),
                 .seq = sequence,
                 .issued_s = hf_clock_wall_seconds()},
        .bytes = body.bytes,
        .digest = hf_digest_of(body),
    };
    struct hf_buf payload;
    hf_err err = HF_OK;

    hf_buf_init(&payload, 4096);
    err = hf_manifest_write(&manifest, &payload);
    if (err == HF_OK) {
        err =
            hf_document_sign(HF_DOCUMENT_ROUTE, r->issuer, hf_buf_slice(&payload), out);
    }
    hf_buf_fini(&payload);
    return err;
}

static hf_err send_snapshot(struct wire *wire, const struct routes_request *r)
{
    uint64_t sequence = (uint64_t)hf_time_ms(hf_clock_now());
    struct hf_snapshot message = {.sequence = sequence, .count = 1};
    struct hf_buf body;
    struct hf_buf manifest;
    struct hf_buf meta;
    hf_err err = HF_OK;

    hf_buf_init(&body, HF_BODY_PIECE_MAX);
    hf_buf_init(&manifest, 4096);
    hf_buf_init(&meta, HF_META_MAX);
    if ((err = encode_routes(r, sequence, &body)) == HF_OK &&
        (err = sign_manifest(r, sequence, hf_buf_slice(&body), &manifest)) == HF_OK) {
        message.manifest = hf_buf_slice(&manifest);
        err = hf_snapshot_append(&message, &meta);
    }
    if (err == HF_OK) {
        err = wire_send(wire, HF_RECORD_SNAPSHOT, hf_buf_slice(&meta), HF_SLICE_EMPTY,
                        hf_buf_slice(&body));
        wire_flush(wire);
    }
    hf_buf_fini(&body);
    hf_buf_fini(&manifest);
    hf_buf_fini(&meta);
    return err;
}

static hf_err await_ack(struct wire *wire)
{
    for (;;) {
        struct wire_record *record = wire_next(wire, 5000);
        bool is_ack = record != NULL && record->type == HF_RECORD_SNAPSHOT_ACK;

        if (record == NULL) {
            return HF_ERR_CLOSED;
        }
        free(record);
        if (is_ack) {
            return HF_OK;
        }
    }
}

int wire_routes(int argc, char **argv)
{
    hf_slice prefixes[PREFIXES_MAX];
    struct routes_request request = {.prefixes = prefixes};
    struct hf_credentials issuer;
    struct wire *wire = NULL;
    const char *error = "";
    char path[512];
    hf_err err = HF_OK;

    if (argc < 4 || argc - 3 > PREFIXES_MAX) {
        (void)fprintf(stderr, "wire routes ADDRESS DIRECTORY QUEUE PREFIX...\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        prefixes[request.prefixes_count++] = hf_slice_of_cstr(argv[i]);
    }
    request.address = argv[0];
    request.queue = argv[2];
    hf_credentials_init(&issuer);
    (void)snprintf(path, sizeof path, "%s/issuer.key", argv[1]);
    err = hf_credentials_read(&issuer, path, &error);
    (void)snprintf(path, sizeof path, "%s/controller.package", argv[1]);
    if (err == HF_OK) {
        request.issuer = issuer.secret;
        err = wire_open(argv[0], path, HF_ROLE_CONTROLLER, &wire);
    }
    if (err == HF_OK && (err = send_snapshot(wire, &request)) == HF_OK) {
        err = await_ack(wire);
    }
    wire_close(wire);
    hf_credentials_fini(&issuer);
    if (err != HF_OK) {
        (void)fprintf(stderr, "wire routes: %s %s\n", hf_err_text(err), error);
    }
    return err == HF_OK ? 0 : 1;
}
