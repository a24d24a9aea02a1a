/* Error codes: each names what the caller should do, not where it happened. */
#ifndef HF_BASE_ERR_H
#define HF_BASE_ERR_H

#define HF_ERR_TABLE(X)                                                                \
    X(OK, "ok")                                                                        \
    X(AGAIN, "not complete yet: call again when more has arrived")                     \
    X(INVALID, "the input breaks a rule: refuse it")                                   \
    X(TOO_BIG, "the input exceeds a limit: refuse it")                                 \
    X(FULL, "a bounded resource is in use: retry later")                               \
    X(NO_MEMORY, "no memory for one more: refuse this one")                            \
    X(DENIED, "no right to do this")                                                   \
    X(NOT_FOUND, "no such object")                                                     \
    X(EXISTS, "already there, or in use by another")                                   \
    X(CLOSED, "the other side is gone: reconnect or give up")                          \
    X(TIMEOUT, "the time allowed is over")                                             \
    X(UNSUPPORTED, "this version or machine cannot do it")                             \
    X(IO, "the operating system reported a failure")                                   \
    X(CORRUPT, "stored data fails its own checks: stop")

typedef enum hf_err {
#define X(name, text) HF_ERR_##name,
    HF_ERR_TABLE(X)
#undef X
        HF_ERR_COUNT
} hf_err;

#define HF_OK HF_ERR_OK

/* The sentence of the table; never NULL. */
const char *hf_err_text(hf_err err);

#endif
