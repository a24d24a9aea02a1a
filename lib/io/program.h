/* How every daemon begins: its flags, --help and --man, its log, and what keeps its key
 * inside its memory. It refuses to know what the program then does. Whatever is wrong
 * with the flags is said in a sentence on standard error. */
#ifndef HF_IO_PROGRAM_H
#define HF_IO_PROGRAM_H

#include "lib/io/credentials.h"
#include "lib/io/flags.h"

#define HF_PROGRAM_GOES_ON (-1)
#define HF_PROGRAM_MISUSED 2

/* Reads the flags, then makes the process unreadable for others (SECURITY.md 4.4),
 * ignores SIGPIPE and opens the log under the program's name without "holdfast-".
 * Returns HF_PROGRAM_GOES_ON or the status to exit with: 0 after --help or --man,
 * HF_PROGRAM_MISUSED for flags that are wrong. The table has a row log-format and may
 * have a row log-level. */
HF_MUST_USE int hf_program_start(const struct hf_program *program, int argc,
                                 char *const *argv, struct hf_flags *out);
/* Says `text` about `what` (NULL = about nothing in particular); HF_PROGRAM_MISUSED. */
int hf_program_complain(const struct hf_flags *flags, const char *text,
                        const char *what);

/* The value of a flag that has one; false after a complaint. A count is 1 to `max`. */
HF_MUST_USE bool hf_program_count(const struct hf_flags *flags, const char *name,
                                  uint32_t max, uint32_t *out);
HF_MUST_USE bool hf_program_duration(const struct hf_flags *flags, const char *name,
                                     int64_t *out_ms);
HF_MUST_USE bool hf_program_bytes(const struct hf_flags *flags, const char *name,
                                  uint64_t *out);
/* All values of a repeatable flag, borrowed from the command line; false after a
 * complaint when there are more than `max`. */
HF_MUST_USE bool hf_program_list(const struct hf_flags *flags, const char *name,
                                 const char **out, size_t max, size_t *count);

/* Adds the package that --package-fd names, if it was given, and closes the descriptor.
 * False after a complaint. */
HF_MUST_USE bool hf_program_package(const struct hf_flags *flags,
                                    struct hf_credentials *credentials);

#endif
