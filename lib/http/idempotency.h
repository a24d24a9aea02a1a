/* The Idempotency-Key field (draft-ietf-httpapi-idempotency-key-header). */
#ifndef HF_HTTP_IDEMPOTENCY_H
#define HF_HTTP_IDEMPOTENCY_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#define HF_HTTP_IDEMPOTENCY_BYTES_MAX 255

/* The key of a block, borrowed from it: the content of a structured-field string
 * ("8e03978e-..."), or the bare characters many clients send. NOT_FOUND: no such field.
 * INVALID: more than one, empty, longer than the maximum, or with characters that are
 * not visible ASCII; a backslash is refused as well, so that one key has one spelling.
 */
HF_MUST_USE hf_err hf_http_idempotency_of(hf_slice block, hf_slice *key);

#endif
