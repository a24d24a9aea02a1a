/* A client of the link protocol for tests and benchmarks: see the comments of wire_*.c.
 */
#include "tests/wire/wire.h"

#include "lib/io/clock.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"issue", wire_issue}, {"policy", wire_policy}, {"enqueue", wire_enqueue},
    {"list", wire_list},   {"work", wire_work},     {"routes", wire_routes},
};

int main(int argc, char **argv)
{
    hf_log_setup("wire", HF_LOG_LOGFMT, HF_LOG_WARN);
    hf_log_sink(NULL, NULL, hf_clock_now);
    if (hf_token_init() != HF_OK) {
        return 2;
    }
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(argc - 2, argv + 2);
        }
    }
    (void)fprintf(stderr, "wire issue | policy | enqueue | list | work ...\n");
    return 2;
}
