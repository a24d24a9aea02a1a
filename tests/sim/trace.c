#include "tests/sim/trace.h"

#include "tests/sim/record.h"

#include <inttypes.h>
#include <stdio.h>

const char *sim_record_name(enum sim_record_type type)
{
    static const char *const names[SIM_RECORD_TYPES] = {
        "HEARTBEAT",    "OPEN",     "OPENED",       "CLOSED",   "ENQUEUE",
        "BODY",         "WINDOW",   "ADMITTED",     "ACCEPTED", "ASSIGNED",
        "ASSIGNED_ACK", "RESPONSE", "RESPONSE_ACK", "REFUSED",  "CANCEL",
        "ABORT",        "CREDIT",   "ASSIGN",       "RESPOND",  "RESPOND_ACK",
        "RELEASE",      "FAIL",     "DECLARE",      "DECLARED", "DRAIN",
    };

    return names[type];
}

static void print_line(FILE *to, const struct sim_trace_line *line)
{
    fprintf(to, "%12.6f  %-4s %-22s", (double)line->at.us / 1e6, line->who, line->what);
    if (line->serial != 0) {
        fprintf(to, " r%" PRIu32, line->serial);
    }
    if (line->epoch != 0) {
        fprintf(to, " e%" PRIu64 ".%" PRIu64, line->epoch >> 32,
                line->epoch & UINT32_MAX);
    }
    if (line->word != NULL) {
        fprintf(to, " %s", line->word);
    }
    fprintf(to, " (%" PRIu64 ", %" PRIu64 ")\n", line->a, line->b);
}

void sim_trace_add(struct sim_trace *trace, const struct sim_trace_line *line)
{
    trace->lines[trace->count++ % SIM_TRACE_KEPT] = *line;
    if (trace->is_verbose) {
        print_line(stdout, line);
    }
}

void sim_trace_dump(const struct sim_trace *trace, uint32_t lines)
{
    uint64_t first = trace->count > lines ? trace->count - lines : 0;

    for (uint64_t i = first; i < trace->count; i++) {
        print_line(stderr, &trace->lines[i % SIM_TRACE_KEPT]);
    }
}
