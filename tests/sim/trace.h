/* The last events of a run, kept raw and made readable only when somebody looks. */
#ifndef HF_TESTS_SIM_TRACE_H
#define HF_TESTS_SIM_TRACE_H

#include "lib/base/ids.h"
#include "lib/base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_TRACE_KEPT 512u

struct sim_trace_line {
    hf_time at;
    const char *who;  /* static text */
    const char *what; /* static text */
    const char *word; /* static text, or NULL */
    uint32_t serial;  /* of a request; 0 = none */
    uint64_t epoch;
    uint64_t a;
    uint64_t b;
};

struct sim_trace {
    bool is_verbose;
    uint64_t count;
    struct sim_trace_line lines[SIM_TRACE_KEPT];
};

void sim_trace_add(struct sim_trace *trace, const struct sim_trace_line *line);
/* Prints the last lines that are kept to standard error. */
void sim_trace_dump(const struct sim_trace *trace, uint32_t lines);

#endif
