/* The clocks of a process: the only place that reads them. */
#ifndef HF_IO_CLOCK_H
#define HF_IO_CLOCK_H

#include "lib/base/time.h"

/* Wall time at the first call plus what CLOCK_MONOTONIC has counted since: never runs
 * backwards, not even when somebody sets the wall clock. Any thread. */
hf_time hf_clock_now(void);
/* Milliseconds of CLOCK_BOOTTIME: counts while the machine sleeps. For leases. */
int64_t hf_clock_boottime_ms(void);
/* Microseconds of CLOCK_MONOTONIC, for measuring. */
int64_t hf_clock_monotonic_us(void);
/* Seconds of the wall clock as it is now (may jump): for token expiry only. */
int64_t hf_clock_wall_seconds(void);

#endif
