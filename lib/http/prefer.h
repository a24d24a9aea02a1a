/* The Prefer field (RFC 7240): `respond-async` and `wait=N`. */
#ifndef HF_HTTP_PREFER_H
#define HF_HTTP_PREFER_H

#include "lib/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define HF_HTTP_PREFER_WAIT_MAX 86400u /* seconds; longer waits count as this */

struct hf_http_prefer {
    bool is_async; /* respond-async */
    bool has_wait;
    uint32_t wait_s;
};

/* Reads all Prefer fields of a block. Of a preference said twice the first counts; what
 * is unknown or malformed is no preference (RFC 7240, 2): this never fails. */
struct hf_http_prefer hf_http_prefer_of(hf_slice block);

#endif
