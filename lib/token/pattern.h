/* Queue names, patterns over them, and verbs (SECURITY.md 2.3).
 *
 * A name is 1..8 segments of [a-z0-9_-]{1,63} joined by '.', at most 255 bytes; names
 * of the system start with '$'. In a pattern a whole segment may be '*' (exactly one
 * segment) and the last one '>' (one or more). Only a pattern that starts with '$'
 * matches a name that does. */
#ifndef HF_TOKEN_PATTERN_H
#define HF_TOKEN_PATTERN_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#define HF_QUEUE_NAME_BYTES_MAX    255
#define HF_QUEUE_SEGMENTS_MAX      8
#define HF_QUEUE_SEGMENT_BYTES_MAX 63

#define HF_VERB_TABLE(X)                                                               \
    X(RECEIVE, "receive")     /* lease a request */                                    \
    X(RESPOND, "respond")     /* answer or nack what this session leased */            \
    X(ENQUEUE, "enqueue")     /* put a request */                                      \
    X(PEEK, "peek")           /* read metadata without a lease */                      \
    X(PEEK_BODY, "peek-body") /* read bodies without a lease */                        \
    X(PURGE, "purge")         /* drop requests */                                      \
    X(CONFIGURE, "configure") /* settings of queues and URL groups */                  \
    X(LAUNCH, "launch")       /* ask the controller to start workers */                \
    X(SERVE, "serve")         /* act as broker for the queues */                       \
    X(ROUTE, "route")         /* read the routing snapshot */                          \
    X(STAT, "stat")           /* read counters */

enum hf_verb {
#define X(name, text) HF_VERB_##name,
    HF_VERB_TABLE(X)
#undef X
        HF_VERBS
};

/* HF_OK or HF_ERR_INVALID. */
HF_MUST_USE hf_err hf_queue_name_check(hf_slice name);
HF_MUST_USE hf_err hf_pattern_check(hf_slice pattern);
/* False for a pattern or a name that breaks the syntax. */
bool hf_pattern_match(hf_slice pattern, hf_slice name);

/* The word of the table. */
const char *hf_verb_text(enum hf_verb verb);
/* HF_ERR_NOT_FOUND for any other word. */
HF_MUST_USE hf_err hf_verb_parse(hf_slice word, enum hf_verb *out);

#endif
