/* For tests and benchmarks of links: identities of one small cluster, whose issuer key
 * is the same in every process, and openers that choose between handshake and raw
 * links. */
#ifndef HF_TESTS_LINK_FIXTURE_H
#define HF_TESTS_LINK_FIXTURE_H

#include "lib/io/clock.h"
#include "lib/io/link_testing.h"

#include <stdlib.h>
#include <string.h>

#define FIXTURE_CLUSTER "fixture"
#define FIXTURE_BROKER  "b1"

static inline struct hf_secret *fixture_secret(uint8_t number)
{
    struct hf_secret *secret = NULL;
    hf_seed seed;

    memset(seed.bytes, number, sizeof seed.bytes);
    hf_check(hf_token_init() == HF_OK);
    hf_check(hf_secret_new(&seed, &secret) == HF_OK);
    return secret;
}

/* A token of the issuer (seed `issuer`) for the holder, valid for an hour. */
static inline void fixture_mint(uint8_t issuer, const struct hf_secret *holder,
                                const char *subject, uint16_t verbs, struct hf_buf *out)
{
    struct hf_secret *key = fixture_secret(issuer);
    struct hf_claims *claims = calloc(1, sizeof *claims);

    hf_check(claims != NULL);
    hf_claims_init(claims, true);
    claims->holder = hf_secret_public(holder);
    claims->issued_s = hf_clock_wall_seconds() - 10;
    claims->expires_s = claims->issued_s + 3600;
    claims->epoch = 1;
    hf_random(claims->jti.bytes, sizeof claims->jti.bytes);
    hf_check(hf_claims_set_issuer(claims, HF_SLICE(FIXTURE_CLUSTER)) == HF_OK);
    hf_check(hf_claims_set_subject(claims, hf_slice_of_cstr(subject)) == HF_OK);
    hf_check(hf_claims_set_audience(claims, HF_SLICE(FIXTURE_CLUSTER)) == HF_OK);
    hf_check(hf_claims_add_grant(claims, verbs) == HF_OK);
    hf_check(hf_claims_add_pattern(claims, HF_SLICE("*")) == HF_OK);
    hf_buf_init(out, HF_CHAIN_BYTES_MAX);
    hf_check(hf_chain_mint(key, claims, out) == HF_OK);
    free(claims);
    hf_secret_free(key);
}

/* `issuer` is the seed that signs our own chain; 1 is the one everybody trusts. */
static inline struct hf_link_identity *fixture_identity(enum hf_role role,
                                                        uint8_t issuer)
{
    bool is_broker = role == HF_ROLE_BROKER;
    struct hf_secret *trusted = fixture_secret(1);
    struct hf_link_identity_config config = {
        .role = role,
        .secret = fixture_secret(is_broker ? 2 : 3),
        .cluster = HF_SLICE(FIXTURE_CLUSTER),
        .broker = is_broker ? HF_SLICE(FIXTURE_BROKER) : HF_SLICE_EMPTY,
    };
    struct hf_link_identity *identity = NULL;
    struct hf_trust_key key = {.key = hf_secret_public(trusted),
                               .uses = HF_KEY_USE_CAP,
                               .expires_s = INT64_MAX};
    struct hf_buf chain;

    hf_trust_init(&config.trust);
    hf_check(hf_trust_add(&config.trust, &key) == HF_OK);
    fixture_mint(
        issuer, config.secret, is_broker ? "broker:" FIXTURE_BROKER : "worker:one",
        (uint16_t)(is_broker ? 1u << HF_VERB_SERVE : 1u << HF_VERB_RECEIVE), &chain);
    config.chain = hf_buf_slice(&chain);
    hf_check(hf_link_identity_new(&config, &identity) == HF_OK);
    hf_buf_fini(&chain);
    hf_secret_free(trusted);
    return identity; /* its secret is never freed: tests end soon */
}

static inline hf_err fixture_listen(struct hf_link_config *config, bool is_raw,
                                    struct hf_link_listener **out)
{
    hf_err err;

    if (is_raw) {
        return hf_link_testing_listen_raw(config, out);
    }
    if (config->identity != NULL) {
        return hf_link_listener_open(config, out);
    }
    config->identity = fixture_identity(HF_ROLE_BROKER, 1);
    err = hf_link_listener_open(config, out);
    hf_link_identity_unref(config->identity);
    config->identity = NULL;
    return err;
}

static inline hf_err fixture_dial(struct hf_link_config *config, bool is_raw,
                                  struct hf_link_dialer **out)
{
    hf_err err;

    if (is_raw) {
        return hf_link_testing_dial_raw(config, out);
    }
    if (config->identity != NULL) {
        return hf_link_dialer_open(config, out);
    }
    config->identity = fixture_identity(HF_ROLE_WORKER, 1);
    err = hf_link_dialer_open(config, out);
    hf_link_identity_unref(config->identity);
    config->identity = NULL;
    return err;
}

#endif
