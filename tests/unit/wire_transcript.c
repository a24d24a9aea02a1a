#include "tests/unit/wire_transcript.h"

#include "lib/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIRECTORY      "tests/transcripts/"
#define LINE_BYTES_MAX 1024

static struct reflect_message messages[REFLECT_MESSAGES];

const struct reflect_message *transcript_message(const char *name)
{
    if (messages[0].name == NULL) {
        reflect_messages(messages);
    }
    for (size_t i = 0; i < REFLECT_MESSAGES; i++) {
        if (hf_slice_equal_nocase(hf_slice_of_cstr(messages[i].name),
                                  hf_slice_of_cstr(name))) {
            return &messages[i];
        }
    }
    return NULL;
}

const struct reflect_message *transcript_head(const char *type)
{
    const bool is_request = strcmp(type, "ENQUEUE") == 0 || strcmp(type, "ASSIGN") == 0;

    return transcript_message(is_request ? "request_head" : "response_head");
}

uint16_t transcript_type(const char *name)
{
    for (uint16_t type = 0; type < 0x100; type++) {
        if (hf_record_rule(type) != NULL &&
            strcmp(hf_record_rule(type)->name, name) == 0) {
            return type;
        }
    }
    return 0;
}

enum hf_end transcript_end(const char *word)
{
    static const struct {
        const char *word;
        enum hf_end end;
    } ends[] = {{"frontend", HF_END_FRONTEND},
                {"worker", HF_END_WORKER},
                {"controller", HF_END_CONTROLLER},
                {"broker", HF_END_BROKER},
                {"mint", HF_END_MINT},
                {"spawner", HF_END_SPAWNER}};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (strcmp(ends[i].word, word) == 0) {
            return ends[i].end;
        }
    }
    fail_msg("no such end: %s", word);
    return HF_END_BROKER;
}

/* "text with \xNN" or hex:00ff, kept in the entry. */
static hf_slice read_bytes(struct transcript *entry, const char *text)
{
    uint8_t *start = entry->values + entry->values_bytes;
    uint8_t *to = start;

    assert_true(entry->values_bytes + strlen(text) < TRANSCRIPT_VALUES_MAX);
    if (strncmp(text, "hex:", 4) == 0) {
        const size_t bytes = strlen(text + 4) / 2;

        assert_int_equal(hf_text_parse_hex(hf_slice_of_cstr(text + 4), to, bytes),
                         HF_OK);
        to += bytes;
    } else {
        assert_int_equal(text[0], '"');
        for (text++; *text != '"'; text++) {
            if (*text == '\\') {
                assert_int_equal(hf_text_parse_hex(hf_slice_of(text + 2, 2), to, 1),
                                 HF_OK);
                text += 3;
            } else {
                *to = (uint8_t)*text;
            }
            to++;
        }
    }
    entry->values_bytes = (size_t)(to - entry->values);
    return hf_slice_of(start, (size_t)(to - start));
}

static const struct reflect_field *find_field(const struct reflect_message *message,
                                              const char *name)
{
    for (const struct reflect_field *f = message->fields; f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    fail_msg("%s has no field %s", message->name, name);
    return NULL;
}

static void set_number(const struct reflect_field *field, const char *text, uint8_t *to)
{
    const uint64_t value =
        text[0] == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);
    const uint32_t low = (uint32_t)value;

    memcpy(to, field->kind == REFLECT_NUMBER8 ? (const void *)&value : &low,
           field->kind == REFLECT_NUMBER8 ? sizeof value : sizeof low);
}

static void set_value(struct transcript *entry, const struct reflect_field *field,
                      const char *text, uint8_t *plain)
{
    uint8_t *to = plain + field->at;
    hf_slice slice;

    switch (field->kind) {
    case REFLECT_NUMBER4:
    case REFLECT_SIGNED4:
    case REFLECT_NUMBER8:
        set_number(field, text, to);
        break;
    case REFLECT_BOOL:
        *(bool *)to = strcmp(text, "true") == 0;
        break;
    case REFLECT_BYTES16:
    case REFLECT_BYTES32:
        slice = read_bytes(entry, text);
        memcpy(to, slice.data, slice.bytes);
        break;
    case REFLECT_SLICE:
        slice = read_bytes(entry, text);
        memcpy(to, &slice, sizeof slice);
        break;
    }
}

/* "  handle 7", "  head.method \"GET\"", "  body \"x\"". */
static void read_field(struct transcript *entry, const char *line)
{
    const struct reflect_message *message = transcript_message(entry->type);
    const char *value = strchr(line, ' ');
    uint8_t *plain = entry->meta;
    char name[64];

    assert_non_null(value);
    (void)snprintf(name, sizeof name, "%.*s", (int)(value - line), line);
    if (strcmp(name, "body") == 0) {
        entry->body = read_bytes(entry, value + 1);
        return;
    }
    if (strncmp(name, "head.", 5) == 0) {
        message = transcript_head(entry->type);
        plain = entry->head;
        entry->has_head = true;
        memmove(name, name + 5, strlen(name + 5) + 1);
    }
    assert_non_null(message);
    set_value(entry, find_field(message, name), value + 1, plain);
}

static void read_hex(struct transcript *entry, const char *line)
{
    for (; *line != '\0' && *line != '#'; line++) {
        if (*line == ' ') {
            continue;
        }
        assert_true(entry->bytes_count < TRANSCRIPT_BYTES_MAX);
        assert_int_equal(hf_text_parse_hex(hf_slice_of(line, 2),
                                           &entry->bytes[entry->bytes_count++], 1),
                         HF_OK);
        line++;
    }
}

/* The next entry of the file; false at its end. */
static bool read_entry(FILE *file, struct transcript *entry)
{
    char line[LINE_BYTES_MAX];
    bool is_bytes = false;

    memset(entry, 0, sizeof *entry);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "record %31s %15s %15s", entry->type, entry->sender,
                   entry->receiver) == 3 ||
            sscanf(line, "violation %31s %15s %15s", entry->error, entry->sender,
                   entry->receiver) == 3 ||
            line[0] == '#' || line[0] == '\0') {
            continue;
        }
        if (strcmp(line, "end") == 0) {
            return true;
        }
        if (strcmp(line, "bytes") == 0) {
            is_bytes = true;
        } else if (is_bytes) {
            read_hex(entry, line);
        } else {
            read_field(entry, line + strspn(line, " "));
        }
    }
    assert_int_equal(entry->sender[0], '\0');
    return false;
}

void transcript_each(const char *name, void (*expect)(const struct transcript *))
{
    static struct transcript entry;
    char path[128];
    FILE *file;
    size_t count = 0;

    (void)snprintf(path, sizeof path, DIRECTORY "%s.txt", name);
    file = fopen(path, "r");
    assert_non_null(file);
    for (; read_entry(file, &entry); count++) {
        expect(&entry);
    }
    (void)fclose(file);
    assert_true(count > 0);
}
