/* tests/transcripts/ holds records as bytes beside the values they carry. Encoding the
 * values must give the bytes, decoding the bytes the values; and the violations must be
 * refused as they say. PROTOCOL.md, holdfast.proto and the code cannot drift apart. */
#include "tests/unit/wire_transcript.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect_encoding(const struct transcript *entry)
{
    const struct reflect_message *message = transcript_message(entry->type);
    uint8_t meta[TRANSCRIPT_BYTES_MAX], head[TRANSCRIPT_BYTES_MAX];
    struct hf_record record = {.type = transcript_type(entry->type),
                               .body = entry->body};
    struct hf_buf out;

    if (message != NULL) {
        const size_t room = message->is_fixed ? HF_META_SMALL_MAX : sizeof meta;

        record.meta = hf_slice_of(meta, message->encode(entry->meta, meta, room));
    }
    if (entry->has_head) {
        record.head = hf_slice_of(
            head, transcript_head(entry->type)->encode(entry->head, head, sizeof head));
    }
    hf_buf_init(&out, TRANSCRIPT_BYTES_MAX);
    assert_int_equal(hf_record_append(&out, &record), HF_OK);
    assert_int_equal(hf_buf_bytes(&out), entry->bytes_count);
    assert_memory_equal(hf_buf_slice(&out).data, entry->bytes, entry->bytes_count);
    hf_buf_fini(&out);
}

static void expect_values(const struct reflect_message *message, const uint8_t *stated,
                          hf_slice bytes)
{
    static const size_t sizes[] = {4, 4, 8, 1, 16, 32};
    uint8_t plain[REFLECT_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    hf_slice a, b;

    assert_int_equal(message->decode(bytes, plain), HF_OK);
    for (const struct reflect_field *f = message->fields; f->name != NULL; f++) {
        if (f->kind != REFLECT_SLICE) {
            assert_memory_equal(plain + f->at, stated + f->at, sizes[f->kind]);
            continue;
        }
        memcpy(&a, plain + f->at, sizeof a);
        memcpy(&b, stated + f->at, sizeof b);
        assert_true(hf_slice_equal(a, b));
        /* Borrowed, not copied. */
        assert_true(a.bytes == 0 || (a.data >= bytes.data &&
                                     a.data + a.bytes <= bytes.data + bytes.bytes));
    }
}

static void expect_decoding(const struct transcript *entry)
{
    const struct reflect_message *message = transcript_message(entry->type);
    hf_slice content = hf_slice_of(entry->bytes, entry->bytes_count);
    struct hf_record record;

    assert_int_equal(hf_record_next(&content, &record), HF_OK);
    assert_int_equal(content.bytes, 0);
    assert_string_equal(hf_record_rule(record.type)->name, entry->type);
    assert_int_equal(hf_record_check(&record, transcript_end(entry->sender),
                                     transcript_end(entry->receiver)),
                     HF_OK);
    if (message == NULL) {
        assert_int_equal(record.meta.bytes, 0);
    } else {
        expect_values(message, entry->meta, record.meta);
    }
    assert_int_equal(record.head.bytes > 0, entry->has_head);
    if (entry->has_head) {
        expect_values(transcript_head(entry->type), entry->head, record.head);
    }
    assert_true(hf_slice_equal(record.body, entry->body));
}

static hf_err receive(const struct transcript *entry)
{
    uint8_t plain[REFLECT_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    hf_slice content = hf_slice_of(entry->bytes, entry->bytes_count);
    struct hf_record record;
    hf_err err = hf_record_next(&content, &record);

    if (err == HF_OK) {
        err = hf_record_check(&record, transcript_end(entry->sender),
                              transcript_end(entry->receiver));
    }
    if (err == HF_OK) {
        err = transcript_message(hf_record_rule(record.type)->name)
                  ->decode(record.meta, plain);
    }
    return err;
}

static void expect_refusal(const struct transcript *entry)
{
    assert_true(strcmp(entry->error, "INVALID") == 0 ||
                strcmp(entry->error, "TOO_BIG") == 0);
    assert_int_equal(receive(entry), strcmp(entry->error, "INVALID") == 0
                                         ? HF_ERR_INVALID
                                         : HF_ERR_TOO_BIG);
}

static const char *const files[] = {"session",          "queues",
                                    "request_frontend", "request_worker",
                                    "configuration",    "local"};
#define FILES (sizeof files / sizeof files[0])

static void encoding_the_stated_values_gives_the_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        transcript_each(files[i], expect_encoding);
    }
}

static void decoding_the_bytes_gives_the_stated_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        transcript_each(files[i], expect_decoding);
    }
}

static void every_violation_is_refused_with_its_error(void **state)
{
    (void)state;
    transcript_each("violations", expect_refusal);
}

static bool seen[0x100];

static void note_type(const struct transcript *entry)
{
    seen[entry->bytes[5]] = true;
}

static void every_flat_record_type_has_a_transcript(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        transcript_each(files[i], note_type);
    }

    for (uint16_t type = 0; type < 0x100; type++) {
        if (hf_record_rule(type) != NULL &&
            transcript_message(hf_record_rule(type)->name) != NULL && !seen[type]) {
            fail_msg("no transcript of %s", hf_record_rule(type)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_the_stated_values_gives_the_bytes),
        cmocka_unit_test(decoding_the_bytes_gives_the_stated_values),
        cmocka_unit_test(every_violation_is_refused_with_its_error),
        cmocka_unit_test(every_flat_record_type_has_a_transcript),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
