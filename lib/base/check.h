/* Assertions that stay on in release builds.
 *
 * hf_check states what our own code guarantees. It never judges outside input: that
 * gets an hf_err. A failed check prints the condition and its place and aborts the
 * process. */
#ifndef HF_BASE_CHECK_H
#define HF_BASE_CHECK_H

#define HF_MUST_USE __attribute__((warn_unused_result))

/* Aborts after printing `condition`, `file` and `line` to standard error. */
_Noreturn void hf_check_failed(const char *condition, const char *file, int line);

#define hf_check(condition)                                                            \
    ((condition) ? (void)0 : hf_check_failed(#condition, __FILE__, __LINE__))

/* Runs `fn(&variable)` when the variable leaves its scope. */
#define HF_AUTO(fn) __attribute__((cleanup(fn)))

#endif
