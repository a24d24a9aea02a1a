/* issue DIR: an issuer key, and a package for one broker and each kind of client, so
 * that a broker can be tested without a controller. policy ADDRESS PACKAGE QUEUE
 * DURABILITY [LENGTH]: configures one queue as a controller would. */
#include "tests/wire/wire.h"

#include "lib/io/clock.h"
#include "lib/io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    const char *name;
    const char *subject;
    uint16_t verbs;
};

#define V(verb) ((uint16_t)(1u << HF_VERB_##verb))

static const struct part parts[] = {
    {"broker", "broker:b1", V(SERVE)},
    {"client", "test:client", V(ENQUEUE) | V(PEEK) | V(ROUTE)},
    {"worker", "test:worker", V(RECEIVE) | V(RESPOND)},
    {"controller", "test:controller", V(CONFIGURE) | V(ROUTE) | V(STAT) | V(PEEK)},
};

static hf_err fill(struct hf_claims *claims, const struct part *part, hf_key holder)
{
    int64_t now = hf_clock_wall_seconds();
    hf_err err = HF_OK;

    hf_claims_init(claims, true);
    hf_random(claims->jti.bytes, sizeof claims->jti.bytes);
    claims->holder = holder;
    claims->issued_s = now;
    claims->expires_s = now + 86000;
    if ((err = hf_claims_set_issuer(claims, HF_SLICE("hf:test"))) != HF_OK ||
        (err = hf_claims_set_subject(claims, hf_slice_of_cstr(part->subject))) !=
            HF_OK ||
        (err = hf_claims_set_audience(claims, HF_SLICE("test"))) != HF_OK ||
        (err = hf_claims_add_grant(claims, part->verbs)) != HF_OK) {
        return err;
    }
    return hf_claims_add_pattern(claims, HF_SLICE(">"));
}

static hf_err write_package(const char *directory, const struct part *part,
                            const struct hf_secret *issuer)
{
    struct hf_credentials credentials;
    struct hf_claims claims;
    struct hf_buf text;
    char path[512];
    hf_err err = HF_OK;

    hf_credentials_init(&credentials);
    hf_buf_init(&text, HF_CREDENTIALS_BYTES_MAX);
    credentials.anchors[0] = hf_secret_public(issuer);
    credentials.anchors_count = 1;
    memcpy(credentials.cluster, "test", 5);
    if ((err = hf_secret_generate(NULL, &credentials.secret)) == HF_OK &&
        (err = fill(&claims, part, hf_secret_public(credentials.secret))) == HF_OK &&
        (err = hf_chain_mint(issuer, &claims, &credentials.token)) == HF_OK &&
        (err = hf_credentials_append(&credentials, &text)) == HF_OK) {
        (void)snprintf(path, sizeof path, "%s/%s.package", directory, part->name);
        err = hf_file_replace(path, hf_buf_slice(&text), 0600);
    }
    hf_buf_fini(&text);
    hf_credentials_fini(&credentials);
    return err;
}

/* For documents that only an issuer signs (wire_routes.c). */
static hf_err write_issuer(const char *directory, const struct hf_secret *issuer)
{
    char path[512];
    char text[HF_SECRET_TEXT_BYTES + 1];

    (void)snprintf(path, sizeof path, "%s/issuer.key", directory);
    hf_secret_text(issuer, text);
    return hf_file_replace(path, hf_slice_of_cstr(text), 0600);
}

int wire_issue(int argc, char **argv)
{
    struct hf_secret *issuer = NULL;
    hf_err err = argc == 1 ? hf_secret_generate(NULL, &issuer) : HF_ERR_INVALID;

    for (size_t i = 0; err == HF_OK && i < sizeof parts / sizeof parts[0]; i++) {
        err = write_package(argv[0], &parts[i], issuer);
    }
    if (err == HF_OK) {
        err = write_issuer(argv[0], issuer);
    }
    hf_secret_free(issuer);
    if (err != HF_OK) {
        (void)fprintf(stderr, "wire issue DIR: %s\n", hf_err_text(err));
    }
    return err == HF_OK ? 0 : 1;
}

static enum hf_durability durability_of(const char *word)
{
    return strcmp(word, "strict") == 0   ? HF_DURABILITY_STRICT
           : strcmp(word, "memory") == 0 ? HF_DURABILITY_MEMORY
                                         : HF_DURABILITY_LAZY;
}

static hf_err send_policy(struct wire *wire, const struct hf_queue_policy *queue)
{
    const struct hf_policy policy = {.version = (uint64_t)hf_clock_wall_seconds(),
                                     .parts = 1,
                                     .queues = queue,
                                     .queues_count = 1};
    struct hf_buf meta;
    hf_err err = HF_OK;

    hf_buf_init(&meta, HF_META_LIST_MAX);
    err = hf_policy_append(&policy, &meta);
    if (err == HF_OK) {
        err = wire_send(wire, HF_RECORD_POLICY, hf_buf_slice(&meta), HF_SLICE_EMPTY,
                        HF_SLICE_EMPTY);
    }
    wire_flush(wire);
    hf_buf_fini(&meta);
    while (err == HF_OK) {
        struct wire_record *record = wire_next(wire, 5000);
        bool is_ack = record != NULL && record->type == HF_RECORD_POLICY_ACK;

        err = record == NULL ? HF_ERR_CLOSED : HF_OK;
        free(record);
        if (is_ack) {
            return HF_OK;
        }
    }
    return err;
}

int wire_policy(int argc, char **argv)
{
    struct hf_queue_policy queue = {.length_max = 1000000,
                                    .bytes_max = UINT64_C(64) << 30,
                                    .wait_limit_ms = 86400000,
                                    .attempts_max = 5,
                                    .lazy_commit_ms = 10};
    struct wire *wire = NULL;
    hf_err err = HF_OK;

    if (argc < 4) {
        (void)fprintf(stderr,
                      "wire policy ADDRESS PACKAGE QUEUE DURABILITY [LENGTH]\n");
        return 2;
    }
    queue.name = hf_slice_of_cstr(argv[2]);
    queue.durability = durability_of(argv[3]);
    if (argc > 4) {
        queue.length_max = (uint32_t)strtoul(argv[4], NULL, 10);
    }
    err = wire_open(argv[0], argv[1], HF_ROLE_CONTROLLER, &wire);
    if (err == HF_OK) {
        err = send_policy(wire, &queue);
        wire_close(wire);
    }
    if (err != HF_OK) {
        (void)fprintf(stderr, "wire policy: %s\n", hf_err_text(err));
    }
    return err == HF_OK ? 0 : 1;
}
