/* A holdfast-worker as a child process with a broker of ours. */
#ifndef HF_TESTS_SCENARIO_WORKER_PROCESS_H
#define HF_TESTS_SCENARIO_WORKER_PROCESS_H

#include "tests/scenario/worker_fake_broker.h"

#include <sys/types.h>

struct worker_process {
    struct fake_broker *broker;
    char directory[64];
    pid_t pid;
    bool is_reaped;
    int status;
};

/* `flags` is NULL-terminated; --broker, --queue and the credentials are added. The
 * program is the one built beside this test; without it the process exits with 77, as a
 * skipped test does. */
struct worker_process *worker_process_new(const char *const *flags);
/* Kills what is left, and frees. */
void worker_process_free(struct worker_process *process);
void worker_process_signal(struct worker_process *process, int signal_number);
/* Waits for its end (at most ten seconds): its signal, or its exit status. */
int worker_process_wait(struct worker_process *process);

/* Runs a shell script to its end: its exit status. */
int worker_process_shell(const char *script);

#endif
