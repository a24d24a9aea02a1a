#include "lib/base/log.h"

#include "lib/base/check.h"
#include "lib/base/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES      8192 /* a field that does not fit is left out whole */
#define TEXT_BYTES      1024 /* of a text field before escaping */
#define KEY_SHOWN_BYTES 8
/* A hostile or broken peer may cause a line with every record: more lines than this are
 * left out and counted. Errors are always written. */
#define BURST_LINES    5000
#define LINES_A_SECOND 1000

struct line {
    size_t bytes;
    bool is_full;
    char text[LINE_BYTES];
};

static struct {
    const char *program;
    enum hf_log_format format;
    enum hf_log_level level_min;
    void (*sink)(void *ctx, hf_slice line);
    void *sink_ctx;
    hf_time (*clock)(void);
} settings = {.program = "holdfast", .level_min = HF_LOG_INFO};

/* Seconds and lines of the present budget. Two threads that meet at the turn of a
 * second may grant a few lines more: no harm. */
static struct {
    _Atomic int64_t second;
    _Atomic int64_t lines; /* left */
    _Atomic int64_t omitted;
} budget = {.lines = BURST_LINES};

static const char *const level_names[] = {
    [HF_LOG_DEBUG] = "debug",
    [HF_LOG_INFO] = "info",
    [HF_LOG_WARN] = "warn",
    [HF_LOG_ERROR] = "error",
};

struct hf_log_field hf_log_slice(const char *name, hf_slice text)
{
    return (struct hf_log_field){name, HF_LOG_TEXT, {.text = text}};
}

struct hf_log_field hf_log_cstr(const char *name, const char *text)
{
    return hf_log_slice(name, hf_slice_of_cstr(text));
}

struct hf_log_field hf_log_int(const char *name, int64_t number)
{
    return (struct hf_log_field){name, HF_LOG_NUMBER, {.number = number}};
}

struct hf_log_field hf_log_id(const char *name, hf_id id)
{
    return (struct hf_log_field){name, HF_LOG_ID, {.id = id}};
}

struct hf_log_field hf_log_key(const char *name, hf_key key)
{
    return (struct hf_log_field){name, HF_LOG_KEY, {.key = key}};
}

void hf_log_setup(const char *program, enum hf_log_format format,
                  enum hf_log_level level_min)
{
    hf_check(program != NULL);
    hf_check(level_min <= HF_LOG_ERROR);

    settings.program = program;
    settings.format = format;
    settings.level_min = level_min;
}

void hf_log_sink(void (*sink)(void *ctx, hf_slice line), void *ctx,
                 hf_time (*clock)(void))
{
    settings.sink = sink;
    settings.sink_ctx = ctx;
    settings.clock = clock;
}

bool hf_log_enabled(enum hf_log_level level)
{
    return level >= settings.level_min;
}

/* Keeps two bytes free for the closing brace and the line feed. */
static void add_bytes(struct line *line, const char *bytes, size_t count)
{
    if (count > sizeof line->text - 2 - line->bytes) {
        line->is_full = true;
        return;
    }
    memcpy(line->text + line->bytes, bytes, count);
    line->bytes += count;
}

static void add(struct line *line, const char *text)
{
    add_bytes(line, text, strlen(text));
}

/* In JSON the backslash of \xNN is itself escaped: the reader sees the same text in
 * both formats. */
static void add_escaped(struct line *line, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' && settings.format == HF_LOG_JSON) {
            add(line, "\\");
        }
        add_bytes(line, text, 1);
    }
}

static bool is_bare_word(const char *text)
{
    if (*text == '\0' || settings.format == HF_LOG_JSON) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text == '=' || *text == '\\') {
            return false;
        }
    }
    return true;
}

static void add_value(struct line *line, const char *escaped)
{
    if (is_bare_word(escaped)) {
        add(line, escaped);
        return;
    }
    add(line, "\"");
    add_escaped(line, escaped);
    add(line, "\"");
}

static void add_name(struct line *line, const char *name)
{
    bool is_json = settings.format == HF_LOG_JSON;

    if (line->bytes > 0) {
        add(line, is_json ? "," : " ");
    } else if (is_json) {
        add(line, "{");
    }
    add(line, is_json ? "\"" : "");
    add(line, name);
    add(line, is_json ? "\":" : "=");
}

static void add_text(struct line *line, const char *name, hf_slice text)
{
    char escaped[TEXT_BYTES * 4 + 1];

    hf_text_escape(hf_slice_first(text, TEXT_BYTES), escaped, sizeof escaped);
    add_name(line, name);
    add_value(line, escaped);
}

static void add_number(struct line *line, const char *name, int64_t number)
{
    char digits[24];

    (void)snprintf(digits, sizeof digits, "%lld", (long long)number);
    add_name(line, name);
    add(line, digits);
}

static void add_field(struct line *line, const struct hf_log_field *field)
{
    char text[HF_ID_TEXT_BYTES + 1];

    switch (field->type) {
    case HF_LOG_TEXT:
        add_text(line, field->name, field->value.text);
        break;
    case HF_LOG_NUMBER:
        add_number(line, field->name, field->value.number);
        break;
    case HF_LOG_ID:
        hf_id_text(field->value.id, text);
        add_text(line, field->name, hf_slice_of_cstr(text));
        break;
    case HF_LOG_KEY:
        hf_text_hex(hf_slice_of(field->value.key.bytes, KEY_SHOWN_BYTES), text);
        add_text(line, field->name, hf_slice_of_cstr(text));
        break;
    }
}

/* RFC 3339 in UTC with milliseconds. */
static void add_time(struct line *line)
{
    hf_time now = settings.clock == NULL ? HF_TIME_ZERO : settings.clock();
    time_t seconds = (time_t)(now.us / 1000000);
    char text[48];
    char milliseconds[16];
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        return;
    }
    (void)snprintf(milliseconds, sizeof milliseconds, ".%03dZ",
                   (int)(now.us % 1000000 / 1000));
    add_name(line, "time");
    add(line, settings.format == HF_LOG_JSON ? "\"" : "");
    add(line, text);
    add(line, milliseconds);
    add(line, settings.format == HF_LOG_JSON ? "\"" : "");
}

/* A line lost because standard error is gone cannot be reported anywhere. */
static void write_out(hf_slice line)
{
    ssize_t written;

    if (settings.sink != NULL) {
        settings.sink(settings.sink_ctx, line);
        return;
    }
    written = write(STDERR_FILENO, line.data, line.bytes);
    (void)written;
}

/* A new second brings new lines, up to the burst. */
static void refill(int64_t second)
{
    int64_t before = atomic_exchange(&budget.second, second);
    int64_t lines = atomic_load(&budget.lines);
    int64_t more = 0;

    if (before == second) {
        return;
    }
    more = before > second || second - before > BURST_LINES / LINES_A_SECOND
               ? BURST_LINES
               : (second - before) * LINES_A_SECOND;
    lines = (lines < 0 ? 0 : lines) + more;
    atomic_store(&budget.lines, lines > BURST_LINES ? BURST_LINES : lines);
}

/* Whether one more line may be written; *omitted says how many were not since the last
 * one that was. */
static bool take_budget(int64_t *omitted)
{
    *omitted = 0;
    if (settings.clock == NULL) {
        return true;
    }
    refill(settings.clock().us / 1000000);
    if (atomic_fetch_sub(&budget.lines, 1) <= 0) {
        atomic_fetch_add(&budget.omitted, 1);
        return false;
    }
    if (atomic_load_explicit(&budget.omitted, memory_order_relaxed) > 0) {
        *omitted = atomic_exchange(&budget.omitted, 0);
    }
    return true;
}

static void write_line(enum hf_log_level level, const char *event,
                       const struct hf_log_field *fields, size_t count)
{
    struct line line;

    line.bytes = 0;
    line.is_full = false;
    add_time(&line);
    add_text(&line, "level", hf_slice_of_cstr(level_names[level]));
    add_text(&line, "program", hf_slice_of_cstr(settings.program));
    add_text(&line, "event", hf_slice_of_cstr(event));
    for (size_t i = 0; i < count; i++) {
        size_t before = line.bytes;

        add_field(&line, &fields[i]);
        if (line.is_full) {
            line.bytes = before;
            line.is_full = false;
        }
    }
    if (settings.format == HF_LOG_JSON) {
        line.text[line.bytes++] = '}';
    }
    line.text[line.bytes++] = '\n';
    write_out(hf_slice_of(line.text, line.bytes));
}

void hf_log_write(enum hf_log_level level, const char *event,
                  const struct hf_log_field *fields, size_t count)
{
    struct hf_log_field lost;
    int64_t omitted = 0;

    hf_check(level <= HF_LOG_ERROR);
    hf_check(event != NULL);
    hf_check(fields != NULL || count == 0);

    if (!hf_log_enabled(level) || (level != HF_LOG_ERROR && !take_budget(&omitted))) {
        return;
    }
    if (omitted > 0) {
        lost = hf_log_int("lines", omitted);
        write_line(HF_LOG_WARN, "log lines left out", &lost, 1);
    }
    write_line(level, event, fields, count);
}
