/* Owns reading the clocks of the machine. */
#include "lib/io/clock.h"

#include "lib/base/check.h"

#include <pthread.h>
#include <time.h>

static pthread_once_t started = PTHREAD_ONCE_INIT;
static int64_t wall_minus_monotonic_us;

static int64_t read_us(clockid_t clock)
{
    struct timespec now;
    int result = clock_gettime(clock, &now);

    hf_check(result == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void start(void)
{
    wall_minus_monotonic_us = read_us(CLOCK_REALTIME) - read_us(CLOCK_MONOTONIC);
}

hf_time hf_clock_now(void)
{
    int result = pthread_once(&started, start);

    hf_check(result == 0);
    return (hf_time){read_us(CLOCK_MONOTONIC) + wall_minus_monotonic_us};
}

int64_t hf_clock_boottime_ms(void)
{
    return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t hf_clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t hf_clock_wall_seconds(void)
{
    return read_us(CLOCK_REALTIME) / 1000000;
}
