#include "controller/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A whole, small configuration; lines below are added to it. */
#define HEAD                                                                           \
    "cluster: c\n"                                                                     \
    "brokers:\n"                                                                       \
    "  - name: b1\n"                                                                   \
    "frontends:\n"                                                                     \
    "  - name: f1\n"                                                                   \
    "    listen: [\"127.0.0.1:8080\"]\n"
#define QUEUES                                                                         \
    "queues:\n"                                                                        \
    "  - name: q\n"

static struct ct_config *accept(const char *yaml)
{
    struct ct_config *config = NULL;
    struct hf_buf errors;

    hf_buf_init(&errors, 1 << 16);
    if (ct_config_read("t.yaml", hf_slice_of_cstr(yaml), &errors, &config) != HF_OK) {
        fail_msg("%.*s", (int)hf_buf_bytes(&errors),
                 (const char *)hf_buf_slice(&errors).data);
    }
    hf_buf_fini(&errors);
    return config;
}

/* The file is refused, and the first error starts with `start` and has `word` in it. */
static void refuse(const char *yaml, const char *start, const char *word)
{
    struct ct_config *config = NULL;
    struct hf_buf errors;
    char text[4096];

    hf_buf_init(&errors, 1 << 16);
    assert_int_equal(ct_config_read("t.yaml", hf_slice_of_cstr(yaml), &errors, &config),
                     HF_ERR_INVALID);
    assert_null(config);
    (void)snprintf(text, sizeof text, "%.*s", (int)hf_buf_bytes(&errors),
                   (const char *)hf_buf_slice(&errors).data);
    hf_buf_fini(&errors);
    if (strncmp(text, start, strlen(start)) != 0 || strstr(text, word) == NULL) {
        fail_msg("expected \"%s ... %s\", got \"%s\"", start, word, text);
    }
}

static void defaults_are_those_of_the_reference(void **state)
{
    struct ct_config *c =
        accept(HEAD QUEUES "pools:\n  - {name: p, queue: q, module: echo}\n");

    (void)state;

    assert_string_equal(c->cluster, "c");
    assert_int_equal(c->token_life_ms, 900000);
    assert_int_equal(c->unrouted_status, 404);
    assert_int_equal(c->queues[0].policy.durability, HF_DURABILITY_LAZY);
    assert_int_equal(c->queues[0].policy.length_max, 1000);
    assert_int_equal(c->queues[0].policy.bytes_max, 256u << 20);
    assert_int_equal(c->queues[0].policy.wait_limit_ms, 120000);
    assert_int_equal(c->queues[0].policy.attempts_max, 5);
    assert_int_equal(c->queues[0].policy.lazy_commit_ms, 10);
    assert_int_equal(c->pools[0].processes, 1);
    assert_int_equal(c->pools[0].kind, CT_POOL_MODULE);
    assert_int_equal(c->pools[0].ping_limit_ms, 90000);
    assert_int_equal(c->brokers[0].listen.count, 0);
    assert_string_equal(c->brokers[0].handles_max, "65536");
    assert_string_equal(c->brokers[0].kept_each_bytes, "256MiB");
    assert_string_equal(c->frontends[0].header_timeout, "20s");
    assert_null(c->frontends[0].spool);
    ct_config_free(c);
}

static void pool_with_an_app_keeps_its_words(void **state)
{
    struct ct_config *c =
        accept(HEAD QUEUES "pools:\n  - name: p\n    queue: q\n    app:\n"
                           "      command: [run, \"{port}\", \"a b\"]\n"
                           "      environment: [A=1]\n"
                           "      upstream: \"http://127.0.0.1:{port}\"\n");

    (void)state;

    assert_int_equal(c->pools[0].kind, CT_POOL_APP);
    assert_int_equal(c->pools[0].command.count, 3);
    assert_string_equal(c->pools[0].command.items[2], "a b");
    assert_string_equal(c->pools[0].environment.items[0], "A=1");
    ct_config_free(c);
}

static void fingerprint_tells_what_a_worker_must_be_restarted_for(void **state)
{
    struct ct_config *a =
        accept(HEAD QUEUES "pools:\n  - {name: p, queue: q, module: echo}\n");
    struct ct_config *b = accept(
        HEAD QUEUES "pools:\n  - {name: p, queue: q, module: echo, processes: 9}\n");
    struct ct_config *c = accept(
        HEAD QUEUES "pools:\n  - {name: p, queue: q, module: echo, concurrency: 2}\n");

    (void)state;

    assert_true(a->pools[0].fingerprint == b->pools[0].fingerprint);
    assert_true(a->pools[0].fingerprint != c->pools[0].fingerprint);
    assert_true(a->fixed == c->fixed);
    ct_config_free(a);
    ct_config_free(b);
    ct_config_free(c);
}

static void other_brokers_are_a_change_of_what_is_fixed(void **state)
{
    struct ct_config *a = accept(HEAD QUEUES);
    struct ct_config *b =
        accept("cluster: c\nbrokers:\n  - {name: b1, listen: [\"tcp://127.0.0.1:1\"]}\n"
               "frontends:\n  - name: f1\n    listen: [\"127.0.0.1:8080\"]\n" QUEUES);

    (void)state;

    assert_true(a->fixed != b->fixed);
    ct_config_free(a);
    ct_config_free(b);
}

static void logs_are_the_same_for_all_processes_and_fixed(void **state)
{
    struct ct_config *plain = accept(HEAD QUEUES);
    struct ct_config *json = accept("log: {format: json, level: warn}\n" HEAD QUEUES);

    (void)state;
    assert_string_equal(plain->log_format, "logfmt");
    assert_string_equal(plain->log_level, "info");
    assert_string_equal(json->log_format, "json");
    assert_string_equal(json->log_level, "warn");
    assert_true(plain->fixed != json->fixed);
    ct_config_free(plain);
    ct_config_free(json);
    refuse("log: {format: xml}\n" HEAD QUEUES, "t.yaml:1:", "logfmt");
    refuse("log: {level: error}\n" HEAD QUEUES, "t.yaml:1:", "debug");
}

static void unknown_key_is_named_with_the_nearest_known_one(void **state)
{
    (void)state;

    refuse(HEAD "queues:\n  - {name: q, lenght: 10}\n", "t.yaml:8:", "length");
}

static void missing_section_is_named(void **state)
{
    (void)state;

    refuse("cluster: c\n", "t.yaml:1:", "brokers");
}

static void wrong_type_range_and_choice_are_named(void **state)
{
    (void)state;

    refuse(HEAD "queues:\n  - {name: q, length: many}\n", "t.yaml:8:", "whole number");
    refuse(HEAD "queues:\n  - {name: q, length: 9}\n", "t.yaml:8:", "10..1000000");
    refuse(HEAD "queues:\n  - {name: q, durability: solid}\n",
           "t.yaml:8:", "lazy|memory|strict");
    refuse(HEAD "queues:\n  - {name: q, wait_limit: 5}\n", "t.yaml:8:", "duration");
    refuse(HEAD "queues: q\n", "t.yaml:7:", "list");
}

static void bad_names_are_refused(void **state)
{
    (void)state;

    refuse("cluster: a/b\nbrokers: [{name: b}]\nfrontends: [{name: f, listen: "
           "[\":80\"]}]\nqueues: [{name: q}]\n",
           "t.yaml:1:10", "letters");
    refuse(HEAD "queues:\n  - {name: Up}\n", "t.yaml:8:", "segments");
    refuse(HEAD "queues:\n  - {name: $cluster}\n", "t.yaml:8:", "segments");
}

static void doubles_name_the_first_one(void **state)
{
    (void)state;

    refuse(HEAD "queues:\n  - {name: q}\n  - {name: q}\n",
           "t.yaml:9:", "taken by line 8");
    refuse(HEAD QUEUES "url_groups:\n"
                       "  - {name: a, prefixes: [\"http://*:80/\"], queue: q}\n"
                       "  - {name: b, prefixes: [\"http://*:80/\"], queue: q}\n",
           "t.yaml:11:", "taken by line 10");
}

static void dangling_references_are_refused(void **state)
{
    (void)state;

    refuse(HEAD QUEUES
           "url_groups:\n  - {name: a, prefixes: [\"http://*:80/\"], queue: x}\n",
           "t.yaml:10:", "\"x\" is not in queues");
    refuse(HEAD QUEUES "pools:\n  - {name: p, queue: y, module: echo}\n",
           "t.yaml:10:", "\"y\" is not in queues");
    refuse(HEAD "queues:\n  - {name: q, broker: b9}\n",
           "t.yaml:8:", "\"b9\" is not in brokers");
}

#define GROUP_WITH                                                                     \
    HEAD QUEUES "url_groups:\n  - {name: a, queue: q, prefixes: [\"http://*:80/\"], "

static void bad_key_is_named(void **state)
{
    (void)state;

    ct_config_free(accept(GROUP_WITH "fair_key: \"header:X-Tenant\"}\n"));
    refuse(GROUP_WITH "fair_key: tenant}\n", "t.yaml:10:", "fair_key: expected");
    refuse(GROUP_WITH "fair_key: \"segment:0\"}\n", "t.yaml:10:", "segment:N");
    refuse(GROUP_WITH "serial_key: host}\n", "t.yaml:10:", "not supported");
    refuse(GROUP_WITH "affinity_key: host}\n", "t.yaml:10:", "not supported");
}

static void bad_prefix_names_the_offending_part(void **state)
{
    (void)state;

    refuse(HEAD QUEUES "url_groups:\n  - {name: a, prefixes: [\"http://*:0/\"]}\n",
           "t.yaml:10:", "port");
    refuse(HEAD QUEUES "url_groups:\n  - {name: a, prefixes: [\"ftp://*:80/\"]}\n",
           "t.yaml:10:", "scheme");
    refuse(HEAD QUEUES "url_groups:\n  - {name: a, prefixes: [\"http://*:80/x\"]}\n",
           "t.yaml:10:", "path");
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;

    refuse("cluster: c\nbrokers:\n  - {name: b, listen: [\"udp://x:1\"]}\nfrontends:\n"
           "  - {name: f, listen: [\":80\"]}\n" QUEUES,
           "t.yaml:3:", "tcp://HOST:PORT");
    refuse("cluster: c\nbrokers:\n  - {name: b}\nfrontends:\n"
           "  - {name: f, listen: [\"example.org:80\"]}\n" QUEUES,
           "t.yaml:5:", "no names");
    refuse("cluster: c\nbrokers:\n  - {name: b}\nfrontends:\n"
           "  - {name: f, listen: [\"127.0.0.1:99999\"]}\n" QUEUES,
           "t.yaml:5:", "IP:PORT");
    refuse(HEAD QUEUES "http: {trusted_proxies: [10.0.0.1/8]}\n",
           "t.yaml:9:", "host bits");
}

static void pool_has_exactly_one_kind(void **state)
{
    (void)state;

    refuse(HEAD QUEUES "pools:\n  - {name: p, queue: q}\n",
           "t.yaml:10:", "one of module, app");
    refuse(HEAD QUEUES
           "pools:\n  - {name: p, queue: q, module: echo, upstream: \"http://a:1\"}\n",
           "t.yaml:10:", "already");
}

static void values_of_later_rules_are_refused(void **state)
{
    (void)state;

    refuse(HEAD QUEUES
           "pools:\n  - {name: p, queue: q, module: echo, max_crashes: 1}\n",
           "t.yaml:10:", "max_crashes"); /* a key of queues */
    refuse(HEAD QUEUES
           "pools:\n  - {name: p, queue: q, module: echo, rapid_fail: on}\n",
           "t.yaml:10:", "rapid_fail");
}

static void more_workers_than_the_spawner_takes_are_refused(void **state)
{
    (void)state;

    refuse(HEAD QUEUES "pools:\n  - {name: a, queue: q, module: echo, processes: 256}\n"
                       "  - {name: b, queue: q, module: echo, processes: 256}\n"
                       "  - {name: c, queue: q, module: echo, processes: 1}\n",
           "t.yaml:10:", "at most 512");
}

static void token_that_outlives_the_longest_life_is_refused(void **state)
{
    (void)state;

    refuse(HEAD "queues:\n  - {name: q, key_rate: 3}\n",
           "t.yaml:8:", "not supported in this version");
    refuse(HEAD QUEUES "tokens: {life: 2h, max_ttl: 1h}\n", "t.yaml:9:", "max_ttl");
}

static void own_user_needs_a_broker_it_can_reach(void **state)
{
    (void)state;

    refuse(HEAD QUEUES "pools:\n  - {name: p, queue: q, module: echo, user: nobody}\n",
           "t.yaml:10:", "tcp://");
}

static void no_yaml_is_refused(void **state)
{
    (void)state;

    refuse("cluster: [\n", "t.yaml:", "");
    refuse("", "t.yaml:1:", "cluster");
    refuse("cluster: &a c\n", "t.yaml:1:", "anchors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_reference),
        cmocka_unit_test(pool_with_an_app_keeps_its_words),
        cmocka_unit_test(fingerprint_tells_what_a_worker_must_be_restarted_for),
        cmocka_unit_test(other_brokers_are_a_change_of_what_is_fixed),
        cmocka_unit_test(logs_are_the_same_for_all_processes_and_fixed),
        cmocka_unit_test(unknown_key_is_named_with_the_nearest_known_one),
        cmocka_unit_test(missing_section_is_named),
        cmocka_unit_test(wrong_type_range_and_choice_are_named),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(doubles_name_the_first_one),
        cmocka_unit_test(dangling_references_are_refused),
        cmocka_unit_test(bad_key_is_named),
        cmocka_unit_test(bad_prefix_names_the_offending_part),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(pool_has_exactly_one_kind),
        cmocka_unit_test(values_of_later_rules_are_refused),
        cmocka_unit_test(more_workers_than_the_spawner_takes_are_refused),
        cmocka_unit_test(token_that_outlives_the_longest_life_is_refused),
        cmocka_unit_test(own_user_needs_a_broker_it_can_reach),
        cmocka_unit_test(no_yaml_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
