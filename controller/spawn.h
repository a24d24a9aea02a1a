/* Starting one child process in a known state (SECURITY.md 4.3, the basics): its own
 * session, a clean environment, no descriptors but the ones named here, no core dumps,
 * no new privileges, and a signal when its parent dies. Used by the spawner for workers
 * and by `holdfast up` for everything else. */
#ifndef HF_CONTROLLER_SPAWN_H
#define HF_CONTROLLER_SPAWN_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#include <sys/types.h>

#define CT_SPAWN_PACKAGE_BYTES_MAX 32768
#define CT_SPAWN_ERROR_BYTES       160

struct ct_spawn {
    const char *const *argv;        /* NULL-terminated; argv[0] is a path */
    const char *const *environment; /* NULL-terminated, complete */
    const char *directory;          /* NULL: ours */
    const char *log;  /* file for standard output and error, appended; NULL: ours */
    hf_slice package; /* what the child reads from descriptor 3; empty: none */
    const char *user; /* NULL: ours; else the caller must be root */
    int death_signal; /* the child gets it when the calling thread's process ends */
    bool is_confined; /* NO_NEW_PRIVS and no rights that a worker does not need */
};

/* Waits until the child runs its program. On failure nothing is left and `error` (of
 * CT_SPAWN_ERROR_BYTES) says which step failed and why. */
HF_MUST_USE hf_err ct_spawn(const struct ct_spawn *request, pid_t *out, char *error);
/* When a process started, in Unix milliseconds; 0 when it does not exist. With the pid
 * it names one process for ever. */
int64_t ct_spawn_since_ms(pid_t pid);
/* Whether it is gone, or has only not been waited for: in a container whose first
 * process waits for nobody, such a process stays. */
bool ct_spawn_has_ended(pid_t pid);

/* The variables a child may inherit: PATH, LANG, TZ, TMPDIR and the sanitizers'
 * options. Fills `out` (room for `count_max`, NULL included) with borrowed strings and
 * returns their number. */
size_t ct_spawn_environment(const char **out, size_t count_max);

#endif
