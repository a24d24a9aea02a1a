/* The credentials that the flags of holdfast-worker name. */
#ifndef HF_WORKER_APP_CREDENTIALS_H
#define HF_WORKER_APP_CREDENTIALS_H

#include "lib/io/credentials.h"
#include "lib/io/flags.h"

#pragma GCC visibility push(hidden)

/* From --package-fd, --key, --token, --anchor and --cluster, in this order. False, with
 * a sentence on standard error that says what to do, when something needed is missing.
 */
bool wk_credentials_read(const struct hf_flags *flags,
                         struct hf_credentials *credentials);

#pragma GCC visibility pop

#endif
