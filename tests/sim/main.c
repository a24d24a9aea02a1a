/* holdfast-sim: whole clusters of real cores from seeds. */
#include "tests/sim/world.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim sim;

static const char usage[] =
    "holdfast-sim --seed N [--verbose] | --seeds N | --seeds A..B\n"
    "    [--plant ack-before-commit|drop-before-ack|adopt-without-receipt|"
    "deliver-unclaimed]\n";

struct options {
    uint64_t first;
    uint64_t last;
    enum broker_plant plant;
};

/* A check of a core has failed: show what led there. */
static void on_abort(int number)
{
    (void)number;
    sim_violated(&sim, "a check inside a core failed", 0);
}

static bool parse_plant(const char *word, enum broker_plant *out)
{
    static const char *const words[] = {"none", "ack-before-commit", "drop-before-ack",
                                        "adopt-without-receipt", "deliver-unclaimed"};

    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (enum broker_plant)i;
            return true;
        }
    }
    return false;
}

static bool parse_seeds(const char *text, struct options *options)
{
    char *end = NULL;

    options->first = 1;
    options->last = strtoull(text, &end, 10);
    if (end != text && strncmp(end, "..", 2) == 0) {
        options->first = options->last;
        options->last = strtoull(end + 2, &end, 10);
    }
    return end != text && *end == '\0' && options->first <= options->last;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 'S'},
                                          {"plant", required_argument, NULL, 'p'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    int letter = 0;
    bool is_good = true;

    *options = (struct options){.first = 1, .last = 200};
    while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (letter == 's') {
            is_good = is_good && parse_seeds(optarg, options);
            options->first = options->last;
        } else if (letter == 'S') {
            is_good = is_good && parse_seeds(optarg, options);
        } else if (letter == 'p') {
            is_good = is_good && parse_plant(optarg, &options->plant);
        } else if (letter == 'v') {
            sim.trace.is_verbose = true;
        } else {
            is_good = false;
        }
    }
    return is_good && optind == argc;
}

static void report(void)
{
    const struct sim_totals *t = &sim.totals;

    printf("seed %" PRIu64 ": ok, %" PRIu64 " events, %.1f s, %" PRIu64
           " requests (%" PRIu64 " answered, %" PRIu64 " refused, %" PRIu64
           " accepted), %" PRIu64 " kills, %" PRIu64 " cuts, %" PRIu64
           " redelivered, %" PRIu64 " adopted, %" PRIu64 " forged, %" PRIu64 " put\n",
           sim.seed, sim.events_count, (double)(sim.now.us - SIM_START_US) / 1e6,
           t->requests, t->answered, t->refused, t->accepted, t->kills, t->cuts,
           t->redelivered, t->adopted, t->forged, t->committed);
}

int main(int argc, char **argv)
{
    struct options options;
    uint64_t seeds = 0;

    if (!parse(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGABRT, on_abort);
    for (uint64_t seed = options.first; seed <= options.last; seed++) {
        sim_run(&sim, seed, options.plant);
        report();
        seeds++;
    }
    printf("%" PRIu64 " seeds ok\n", seeds);
    return 0;
}
