/* A token as an operator has it: a file or standard input with token=, anchor= and
 * cluster= lines, or the bare text. */
#ifndef HF_CONTROLLER_CLI_TOKEN_FILE_H
#define HF_CONTROLLER_CLI_TOKEN_FILE_H

#include "lib/io/credentials.h"
#include "lib/io/flags.h"

/* From the file named by the first argument, or standard input for none or "-". Prints
 * what is wrong. Call hf_credentials_fini in every case. */
bool cli_token_read(const char *path, struct hf_credentials *out);
/* To --out FILE (mode 0600), or standard output. Prints what is wrong. */
bool cli_token_write(const struct hf_flags *flags, hf_slice text);

#endif
