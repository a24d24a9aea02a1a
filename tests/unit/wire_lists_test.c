/* The messages that repeat parts: each value stated here must encode to its transcript,
 * and the transcript decode to the value. */
#include "lib/base/text.h"
#include "lib/wire/lists.h"
#include "tests/unit/wire_transcript.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_MAX ((size_t)1 << 20)
#define NOW_MS    1795242000123
#define COUNT(a)  (sizeof(a) / sizeof(a)[0])

static const hf_key key = {{0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
                            0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
                            0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
                            0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a}};

static const struct hf_queue_policy queue_policies[] = {
    {.name = HF_SLICE("web"),
     .durability = HF_DURABILITY_STRICT,
     .length_max = 1000,
     .bytes_max = 268435456,
     .wait_limit_ms = 120000,
     .redeliver = HF_REDELIVER_ALWAYS,
     .attempts_max = 5,
     .state = HF_QUEUE_DISABLED,
     .lazy_commit_ms = 10,
     .min_epoch = 4},
    {.name = HF_SLICE("a\0b")}};
static const struct hf_policy policy = {
    .version = 17, .part = 1, .parts = 2, .queues = queue_policies, .queues_count = 2};

static const struct hf_broker_stat broker_stat = {.name = HF_SLICE("b1"),
                                                  .pid = 4000,
                                                  .since_ms = NOW_MS,
                                                  .snapshot = 5,
                                                  .revocation = 2,
                                                  .policy = 17,
                                                  .store_used_bytes = 4096,
                                                  .store_quota_bytes = 1073741824};
static const struct hf_queue_stat queue_stat = {.name = HF_SLICE("web"),
                                                .depth = 1,
                                                .depth_bytes = 2,
                                                .oldest_age_ms = 3,
                                                .in_flight = 4,
                                                .committed = 5,
                                                .elided = 6,
                                                .accepted = 7,
                                                .answered = 8,
                                                .refused = 9,
                                                .redelivered = 10,
                                                .idle_credit = 11,
                                                .state = HF_QUEUE_PAUSED};

static struct hf_stat_result stat_result(void)
{
    static struct hf_session_stat session;

    session = (struct hf_session_stat){.key = key,
                                       .role = 2,
                                       .subject = HF_SLICE("worker:web/3"),
                                       .pid = 4711,
                                       .app_pid = 4712,
                                       .name = HF_SLICE("web/3"),
                                       .since_ms = NOW_MS,
                                       .leases = 12,
                                       .queue = HF_SLICE("web")};
    return (struct hf_stat_result){.nonce = 1,
                                   .is_last = true,
                                   .broker = &broker_stat,
                                   .queues = &queue_stat,
                                   .queues_count = 1,
                                   .sessions = &session,
                                   .sessions_count = 1};
}

static const hf_slice mint_queues[] = {HF_SLICE("web"), HF_SLICE("shop.*")};
static const hf_slice mint_rights[] = {HF_SLICE("receive")};
static const struct hf_mint mint = {.nonce = 8,
                                    .kind = HF_MINT_TOKEN,
                                    .template_ = HF_SLICE("worker"),
                                    .subject = HF_SLICE("worker:web/3"),
                                    .key = {key.bytes, HF_KEY_BYTES},
                                    .queues = mint_queues,
                                    .queues_count = 2,
                                    .rights = mint_rights,
                                    .rights_count = 1,
                                    .life_s = 3600,
                                    .document = HF_SLICE("{}")};

static const hf_slice argv[] = {HF_SLICE("/bin/app"), HF_SLICE(""),
                                HF_SLICE("--port=0")};
static const hf_slice environment[] = {HF_SLICE("A=b")};
static const struct hf_launch launch = {.nonce = 9,
                                        .name = HF_SLICE("web/3"),
                                        .argv = argv,
                                        .argv_count = 3,
                                        .environment = environment,
                                        .environment_count = 1,
                                        .directory = HF_SLICE("/srv"),
                                        .package = HF_SLICE("\1\2"),
                                        .label = HF_SLICE("L")};

static const struct hf_child children[] = {{.pid = 4711,
                                            .name = HF_SLICE("web/3"),
                                            .label = HF_SLICE("L"),
                                            .since_ms = NOW_MS},
                                           {.pid = 4712}};
static const struct hf_listed listed = {
    .nonce = 10, .children = children, .children_count = 2};

static const hf_slice prefixes[] = {HF_SLICE("http://+:80/"),
                                    HF_SLICE("https://shop.example:443/a/")};
static const hf_slice addresses[] = {HF_SLICE("tcp://10.0.0.1:7000"),
                                     HF_SLICE("ipc:///run/b1")};
static const hf_slice proxies[] = {HF_SLICE("10.0.0.0/8")};
static const hf_slice reserved[] = {HF_SLICE("http://+:80/later/")};
static const struct hf_route_group groups[] = {{.name = HF_SLICE("shop"),
                                                .queue = HF_SLICE("shop.web"),
                                                .prefixes = prefixes,
                                                .prefixes_count = 2,
                                                .body_max = 30000000,
                                                .deadline_ms = 600000,
                                                .state = HF_QUEUE_DRAINING,
                                                .verbosity = HF_VERBOSITY_FULL,
                                                .path_case_sensitive = true},
                                               {.name = HF_SLICE("free")}};
static const struct hf_route_broker route_broker = {
    .name = HF_SLICE("b1"), .addresses = addresses, .addresses_count = 2};
static const struct hf_route_queue route_queue = {
    .name = HF_SLICE("shop.web"), .shard = 1, .broker = HF_SLICE("b1")};
static const struct hf_routes routes = {.sequence = 5,
                                        .groups = groups,
                                        .groups_count = 2,
                                        .brokers = &route_broker,
                                        .brokers_count = 1,
                                        .queues = &route_queue,
                                        .queues_count = 1,
                                        .unrouted_status = 404,
                                        .trusted_proxies = proxies,
                                        .trusted_proxies_count = 1,
                                        .reserved = reserved,
                                        .reserved_count = 1};

/* The bytes a transcript holds for a message: the record's body if it has one, or meta.
 */
static hf_slice payload(const struct transcript *entry)
{
    hf_slice content = hf_slice_of(entry->bytes, entry->bytes_count);
    struct hf_record record;

    assert_int_equal(hf_record_next(&content, &record), HF_OK);
    assert_int_equal(hf_record_check(&record, transcript_end(entry->sender),
                                     transcript_end(entry->receiver)),
                     HF_OK);
    return record.body.bytes > 0 ? record.body : record.meta;
}

static void expect_encoded(const struct transcript *entry, struct hf_buf *out)
{
    assert_int_equal(hf_buf_bytes(out), payload(entry).bytes);
    assert_memory_equal(hf_buf_slice(out).data, payload(entry).data, hf_buf_bytes(out));
}

static void expect_encoding(const struct transcript *entry)
{
    const struct hf_stat_result full = stat_result(), bare = {.nonce = 1};
    const bool is_full = entry->bytes_count > 20;
    struct hf_buf out;
    hf_err err = HF_ERR_NOT_FOUND;

    hf_buf_init(&out, TRANSCRIPT_BYTES_MAX);
    if (strcmp(entry->type, "POLICY") == 0) {
        err = hf_policy_append(&policy, &out);
    } else if (strcmp(entry->type, "STAT_RESULT") == 0) {
        err = hf_stat_result_append(is_full ? &full : &bare, &out);
    } else if (strcmp(entry->type, "MINT") == 0) {
        err = hf_mint_append(&mint, &out);
    } else if (strcmp(entry->type, "LAUNCH") == 0) {
        err = hf_launch_append(&launch, &out);
    } else if (strcmp(entry->type, "LISTED") == 0) {
        err = hf_listed_append(&listed, &out);
    } else if (strcmp(entry->type, "SNAPSHOT") == 0) {
        err = hf_routes_append(&routes, &out);
    }

    assert_int_equal(err, HF_OK);
    expect_encoded(entry, &out);
    hf_buf_fini(&out);
}

/* Decoding is judged by encoding again, which the test above holds to the bytes, and
 * field by field below for one message. */
#define X(name, NAME, Name, packed)                                                    \
    static void again_##name(const struct transcript *entry)                           \
    {                                                                                  \
        struct hf_##name message;                                                      \
        struct hf_arena arena;                                                         \
        struct hf_buf out;                                                             \
                                                                                       \
        hf_arena_init(&arena, ARENA_MAX);                                              \
        hf_buf_init(&out, TRANSCRIPT_BYTES_MAX);                                       \
        assert_int_equal(hf_##name##_decode(payload(entry), &arena, &message), HF_OK); \
        assert_int_equal(hf_##name##_append(&message, &out), HF_OK);                   \
        expect_encoded(entry, &out);                                                   \
        hf_buf_fini(&out);                                                             \
        hf_arena_fini(&arena);                                                         \
    }
HF_LIST_MESSAGES(X)
#undef X

static void expect_decoding(const struct transcript *entry)
{
    static const struct {
        const char *type;
        void (*again)(const struct transcript *);
    } rows[] = {{"POLICY", again_policy}, {"STAT_RESULT", again_stat_result},
                {"MINT", again_mint},     {"LAUNCH", again_launch},
                {"LISTED", again_listed}, {"SNAPSHOT", again_routes}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].type, entry->type) == 0) {
            rows[i].again(entry);
            return;
        }
    }
    fail_msg("no message for %s", entry->type);
}

static void encoding_lists_gives_the_bytes_of_their_transcripts(void **state)
{
    (void)state;
    transcript_each("lists", expect_encoding);
}

static void decoding_lists_keeps_all_that_encoding_wrote(void **state)
{
    (void)state;
    transcript_each("lists", expect_decoding);
}

static void decoded_routes_live_in_the_arena_and_not_in_the_input(void **state)
{
    struct hf_routes back;
    struct hf_arena arena;
    struct hf_buf out;

    (void)state;
    hf_arena_init(&arena, ARENA_MAX);
    hf_buf_init(&out, TRANSCRIPT_BYTES_MAX);
    assert_int_equal(hf_routes_append(&routes, &out), HF_OK);
    assert_int_equal(hf_routes_decode(hf_buf_slice(&out), &arena, &back), HF_OK);
    hf_buf_fini(&out);

    assert_int_equal(back.groups_count, 2);
    assert_int_equal(back.groups[0].prefixes_count, 2);
    assert_true(hf_slice_equal(back.groups[0].prefixes[1], prefixes[1]));
    assert_true(back.groups[0].path_case_sensitive);
    assert_int_equal(back.groups[0].state, HF_QUEUE_DRAINING);
    assert_int_equal(back.groups[1].prefixes_count, 0);
    assert_true(hf_slice_equal(back.brokers[0].addresses[1], addresses[1]));
    assert_true(hf_slice_equal(back.queues[0].broker, HF_SLICE("b1")));
    assert_int_equal(back.unrouted_status, 404);
    assert_true(hf_slice_equal(back.reserved[0], reserved[0]));
    hf_arena_fini(&arena);
}

static hf_err decode_policy_hex(const char *hex)
{
    uint8_t bytes[256];
    const size_t count = strlen(hex) / 2;
    struct hf_policy out;
    struct hf_arena arena;
    hf_err err;

    assert_int_equal(hf_text_parse_hex(hf_slice_of_cstr(hex), bytes, count), HF_OK);
    hf_arena_init(&arena, ARENA_MAX);
    err = hf_policy_decode(hf_slice_of(bytes, count), &arena, &out);
    hf_arena_fini(&arena);
    return err;
}

static void
policy_with_an_unknown_durability_redeliver_or_state_is_refused(void **state)
{
    (void)state;
    assert_int_equal(decode_policy_hex("08112203"
                                       "0a0161"),
                     HF_OK);
    assert_int_equal(decode_policy_hex("08112202"
                                       "1002"),
                     HF_OK);
    assert_int_equal(decode_policy_hex("08112202"
                                       "1003"),
                     HF_ERR_INVALID);
    assert_int_equal(decode_policy_hex("08112202"
                                       "3002"),
                     HF_ERR_INVALID);
    assert_int_equal(decode_policy_hex("08112202"
                                       "4004"),
                     HF_ERR_INVALID);
}

static void session_without_a_whole_key_is_refused(void **state)
{
    const uint8_t bytes[] = {0x08, 0x01, 0x2a, 0x04, 0x0a, 0x02, 0x00, 0x00};
    struct hf_stat_result out;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, ARENA_MAX);
    assert_int_equal(
        hf_stat_result_decode(hf_slice_of(bytes, sizeof bytes), &arena, &out),
        HF_ERR_INVALID);
    hf_arena_fini(&arena);
}

static void list_larger_than_the_arena_is_refused_for_want_of_memory(void **state)
{
    static const hf_slice many[2000];
    struct hf_launch big = {.nonce = 1, .argv = many, .argv_count = COUNT(many)}, out;
    struct hf_arena arena;
    struct hf_buf bytes;

    (void)state;
    hf_buf_init(&bytes, 8192);
    assert_int_equal(hf_launch_append(&big, &bytes), HF_OK);

    hf_arena_init(&arena, 16384);
    assert_int_equal(hf_launch_decode(hf_buf_slice(&bytes), &arena, &out),
                     HF_ERR_NO_MEMORY);
    hf_arena_fini(&arena);
    hf_arena_init(&arena, ARENA_MAX);
    assert_int_equal(hf_launch_decode(hf_buf_slice(&bytes), &arena, &out), HF_OK);
    assert_int_equal(out.argv_count, COUNT(many));
    hf_arena_fini(&arena);
    hf_buf_fini(&bytes);
}

static void list_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    struct hf_buf out;

    (void)state;
    hf_buf_init(&out, 20);
    assert_int_equal(hf_buf_append_cstr(&out, "before"), HF_OK);

    assert_int_equal(hf_routes_append(&routes, &out), HF_ERR_TOO_BIG);
    assert_true(hf_slice_equal(hf_buf_slice(&out), HF_SLICE("before")));
    hf_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_lists_gives_the_bytes_of_their_transcripts),
        cmocka_unit_test(decoding_lists_keeps_all_that_encoding_wrote),
        cmocka_unit_test(decoded_routes_live_in_the_arena_and_not_in_the_input),
        cmocka_unit_test(
            policy_with_an_unknown_durability_redeliver_or_state_is_refused),
        cmocka_unit_test(session_without_a_whole_key_is_refused),
        cmocka_unit_test(list_larger_than_the_arena_is_refused_for_want_of_memory),
        cmocka_unit_test(list_that_does_not_fit_leaves_the_buffer_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
