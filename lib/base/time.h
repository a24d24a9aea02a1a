/* Points in time and how long things take.
 *
 * hf_time is microseconds since the Unix epoch on a clock that never runs backwards
 * inside one process (lib/io/clock reads it; the simulator fakes it). The cores get it
 * as input. */
#ifndef HF_BASE_TIME_H
#define HF_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_time {
    int64_t us;
} hf_time;

#define HF_TIME_NEVER ((hf_time){INT64_MAX})
#define HF_TIME_ZERO  ((hf_time){0})

/* Of outside numbers, too: what lies before the epoch is the epoch, what does not fit
 * is HF_TIME_NEVER. */
static inline hf_time hf_time_of_ms(int64_t unix_ms)
{
    if (unix_ms > INT64_MAX / 1000) {
        return HF_TIME_NEVER;
    }
    if (unix_ms < 0) {
        return HF_TIME_ZERO;
    }
    return (hf_time){unix_ms * 1000};
}

static inline int64_t hf_time_ms(hf_time t)
{
    return t.us / 1000;
}

/* Saturates at HF_TIME_NEVER. */
static inline hf_time hf_time_add_ms(hf_time t, int64_t ms)
{
    if (t.us == INT64_MAX || ms > (INT64_MAX - t.us) / 1000) {
        return HF_TIME_NEVER;
    }
    return (hf_time){t.us + ms * 1000};
}

static inline bool hf_time_before(hf_time a, hf_time b)
{
    return a.us < b.us;
}

/* a <= b: a has been reached at b. */
static inline bool hf_time_reached(hf_time deadline, hf_time now)
{
    return deadline.us <= now.us;
}

static inline hf_time hf_time_min(hf_time a, hf_time b)
{
    return a.us < b.us ? a : b;
}

/* b - a in milliseconds, rounded towards zero. */
static inline int64_t hf_time_diff_ms(hf_time a, hf_time b)
{
    return (b.us - a.us) / 1000;
}

#endif
