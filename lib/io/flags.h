/* Command-line flags: one table gives the parser, --help and the manual page. */
#ifndef HF_IO_FLAGS_H
#define HF_IO_FLAGS_H

#include "lib/base/buf.h"

struct hf_flag {
    const char *name;     /* "listen" for --listen */
    const char *argument; /* "ADDRESS"; NULL = a switch */
    const char *fallback; /* default; NULL = none */
    const char *help;     /* full sentence */
    bool is_repeatable;   /* otherwise twice is an error */
};

struct hf_program {
    const char *name;        /* "holdfast-broker" */
    const char *summary;     /* one line, no full stop */
    const char *usage;       /* after the name: "[flags] VERB" */
    const char *description; /* paragraphs separated by a blank line */
    const struct hf_flag *flags;
    size_t flags_count;
    int section;          /* of the manual: 1 or 8 */
    bool takes_arguments; /* what is no flag; heard by hf_program_start */
};

#define HF_FLAGS_VALUES_MAX    256
#define HF_FLAGS_ARGUMENTS_MAX 64

/* What was given, in order. Pointers into argv and the table. */
struct hf_flags {
    const struct hf_program *program;
    struct {
        const struct hf_flag *flag;
        const char *value; /* "" for a switch */
    } values[HF_FLAGS_VALUES_MAX];
    size_t values_count;
    const char *arguments[HF_FLAGS_ARGUMENTS_MAX]; /* what is no flag; all after "--" */
    size_t arguments_count;
    bool is_help_wanted; /* --help */
    bool is_man_wanted;  /* --man: print the manual page source */
    char error[200];     /* sentence when INVALID */
};

/* Accepts --name value, --name=value, --switch. INVALID with `error` set. */
HF_MUST_USE hf_err hf_flags_parse(const struct hf_program *program, int argc,
                                  char *const *argv, struct hf_flags *out);
/* The last value given, else the default, else NULL. The name must be in the table. */
const char *hf_flags_get(const struct hf_flags *flags, const char *name);
bool hf_flags_has(const struct hf_flags *flags, const char *name);
/* Value number `index` of a repeatable flag, NULL past the end. */
const char *hf_flags_at(const struct hf_flags *flags, const char *name, size_t index);
HF_MUST_USE hf_err hf_flags_render_help(const struct hf_program *program,
                                        struct hf_buf *out);
HF_MUST_USE hf_err hf_flags_render_man(const struct hf_program *program,
                                       struct hf_buf *out);

#endif
