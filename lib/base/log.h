/* Structured log lines: one event, typed fields, logfmt or JSON.
 *
 * time=2026-11-21T06:30:00.123Z level=warn program=broker event="worker lost" queue=web
 *
 * Rendering is here and pure; the sink (standard error by default) is set by the shell.
 * Never pass a token signature, key, secret or body as a field. */
#ifndef HF_BASE_LOG_H
#define HF_BASE_LOG_H

#include "lib/base/ids.h"
#include "lib/base/slice.h"
#include "lib/base/time.h"

enum hf_log_level { HF_LOG_DEBUG, HF_LOG_INFO, HF_LOG_WARN, HF_LOG_ERROR };
enum hf_log_format { HF_LOG_LOGFMT, HF_LOG_JSON };

struct hf_log_field {
    const char *name;
    enum { HF_LOG_TEXT, HF_LOG_NUMBER, HF_LOG_ID, HF_LOG_KEY } type;
    union {
        hf_slice text; /* escaped when rendered; cut at 1024 bytes */
        int64_t number;
        hf_id id;
        hf_key key; /* rendered as the first 8 bytes in hex */
    } value;
};

/* These must be called by name with a literal `event`:
 *   HF_INFO("worker ready", hf_log_slice("queue", name), hf_log_int("pid", pid)); */
struct hf_log_field hf_log_slice(const char *name, hf_slice text);
struct hf_log_field hf_log_cstr(const char *name, const char *text);
struct hf_log_field hf_log_int(const char *name, int64_t number);
struct hf_log_field hf_log_id(const char *name, hf_id id);
struct hf_log_field hf_log_key(const char *name, hf_key key);

/* Set once at start, before threads. `program` is the role, shown in each line. */
void hf_log_setup(const char *program, enum hf_log_format format,
                  enum hf_log_level level_min);
/* Where finished lines go (with their newline); called under no lock of ours, must be
 * thread-safe. NULL = standard error. `clock` gives the time of a line; NULL = 0. */
void hf_log_sink(void (*sink)(void *ctx, hf_slice line), void *ctx,
                 hf_time (*clock)(void));
bool hf_log_enabled(enum hf_log_level level);
/* At most 1,000 lines a second after a burst of 5,000: what a peer can cause with every
 * record must neither fill a disk nor hold up who logs. How many were left out is said
 * with the next line that is written. Errors are always written. */
void hf_log_write(enum hf_log_level level, const char *event,
                  const struct hf_log_field *fields, size_t count);

#define HF_LOG_AT(level, event, ...)                                                   \
    do {                                                                               \
        if (hf_log_enabled(level)) {                                                   \
            const struct hf_log_field hf_fields_[] = {__VA_ARGS__};                    \
            hf_log_write((level), (event), hf_fields_,                                 \
                         sizeof hf_fields_ / sizeof hf_fields_[0]);                    \
        }                                                                              \
    } while (0)
#define HF_DEBUG(event, ...) HF_LOG_AT(HF_LOG_DEBUG, event, __VA_ARGS__)
#define HF_INFO(event, ...)  HF_LOG_AT(HF_LOG_INFO, event, __VA_ARGS__)
#define HF_WARN(event, ...)  HF_LOG_AT(HF_LOG_WARN, event, __VA_ARGS__)
#define HF_ERROR(event, ...) HF_LOG_AT(HF_LOG_ERROR, event, __VA_ARGS__)

#endif
