/* Where a cluster keeps its state, and how its controller is called. */
#ifndef HF_CONTROLLER_CLI_STATE_H
#define HF_CONTROLLER_CLI_STATE_H

#include "lib/base/buf.h"
#include "lib/io/flags.h"

#define CLI_PATH_BYTES   3072
#define CLI_STATE_PARENT "var"
#define CLI_RUN_FILE     "run"  /* in the state directory: where the run directory is */
#define CLI_LOCK_FILE    "lock" /* there too: held by the `up` that runs the cluster */

/* The directory of --state, or the only one below ./var. Prints why there is none. */
bool cli_state_find(const struct hf_flags *flags, char out[CLI_PATH_BYTES]);

struct cli_call {
    const char *method;
    const char *target;
    hf_slice body;
    int64_t timeout_ms;
};

/* Calls the controller of --state; waits for one that `up` is restarting. Prints what
 * went wrong and returns false; an answer other than 2xx is printed as well. */
bool cli_call(const struct hf_flags *flags, const struct cli_call *call,
              struct hf_buf *answer);

#endif
