/* What the edge makes of a stream of bytes: parser, target and edge rules together, as
 * a frontend runs them. The same whatever pieces the stream comes in. */
#ifndef HF_TESTS_HTTP_VERDICT_H
#define HF_TESTS_HTTP_VERDICT_H

#include "lib/base/reason.h"
#include "lib/base/slice.h"

struct verdict {
    unsigned messages; /* complete ones before the stream ended or was refused */
    hf_reason reason;  /* NONE: nothing was refused */
    bool is_partial;   /* the stream ends inside a message */
    bool is_close;     /* the last message asked to close; what follows was not read */
    uint64_t digest;   /* of all heads and bodies */
};

/* In pieces of `first`, then `rest` bytes. */
struct verdict verdict_of(hf_slice stream, size_t first, size_t rest);
/* The verdict on the whole stream, after checking that byte by byte and cut in two at
 * every offset (at most 300 of them) it is the same. */
struct verdict verdict_of_all_cuts(hf_slice stream);

#endif
