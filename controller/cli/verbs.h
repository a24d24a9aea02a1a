/* The verbs of the command line: each has its table of flags and one function. */
#ifndef HF_CONTROLLER_CLI_VERBS_H
#define HF_CONTROLLER_CLI_VERBS_H

#include "lib/io/flags.h"

struct cli_verb {
    const char *words; /* "token mint" */
    const struct hf_program *program;
    int (*run)(const struct hf_flags *flags); /* the exit status */
};

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verbs_count;

#define CLI_PROGRAM(symbol) extern const struct hf_program symbol##_program
CLI_PROGRAM(cli_up);
CLI_PROGRAM(cli_status);
CLI_PROGRAM(cli_show);
CLI_PROGRAM(cli_audit);
CLI_PROGRAM(cli_key_gen);
CLI_PROGRAM(cli_token_mint);
CLI_PROGRAM(cli_token_inspect);
CLI_PROGRAM(cli_token_verify);
CLI_PROGRAM(cli_token_attenuate);
CLI_PROGRAM(cli_revoke);
CLI_PROGRAM(cli_queue_ls);
CLI_PROGRAM(cli_queue_show);
CLI_PROGRAM(cli_queue_pause);
CLI_PROGRAM(cli_queue_resume);
CLI_PROGRAM(cli_config_check);
CLI_PROGRAM(cli_config_reference);
CLI_PROGRAM(cli_man);

int cli_up(const struct hf_flags *flags);
int cli_status(const struct hf_flags *flags);
int cli_show(const struct hf_flags *flags);
int cli_audit(const struct hf_flags *flags);
int cli_key_gen(const struct hf_flags *flags);
int cli_token_mint(const struct hf_flags *flags);
int cli_token_inspect(const struct hf_flags *flags);
int cli_token_verify(const struct hf_flags *flags);
int cli_token_attenuate(const struct hf_flags *flags);
int cli_revoke(const struct hf_flags *flags);
int cli_queue_ls(const struct hf_flags *flags);
int cli_queue_show(const struct hf_flags *flags);
int cli_queue_pause(const struct hf_flags *flags);
int cli_queue_resume(const struct hf_flags *flags);
int cli_config_check(const struct hf_flags *flags);
int cli_config_reference(const struct hf_flags *flags);
int cli_man(const struct hf_flags *flags);

/* snprintf for paths, addresses and names whose bounds are checked where they come
 * from; what does not fit is cut, and such a file does not exist. */
void cli_path(char *out, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Prints "holdfast: ..." to standard error and returns `status`. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
