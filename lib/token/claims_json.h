/* The strict JSON profile of SECURITY.md 2.3, for every signed payload: the bytes are
 * scanned before jansson sees them, then members are read through rules that make the
 * set of names closed. Private to lib/token/claims*.c. */
#ifndef HF_TOKEN_CLAIMS_JSON_H
#define HF_TOKEN_CLAIMS_JSON_H

#include <jansson.h>

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#define HF_JSON_DEPTH_MAX 4

/* Whether a member must, may or must not be there. */
enum hf_json_need { HF_JSON_REQUIRED, HF_JSON_OPTIONAL, HF_JSON_FORBIDDEN };

struct hf_json_rule {
    const char *name;
    enum hf_json_need need;
    hf_err (*read)(json_t *value, void *out);
};

struct hf_json_rules {
    const struct hf_json_rule *rules;
    size_t count;
    bool allows_x; /* members x_* of string or integer are ignored */
};

/* Printable ASCII only, a top-level object, no escape but "\/", integers 0..2^53-1, no
 * other bare word, depth and string bounds. HF_ERR_INVALID for any breach. */
HF_MUST_USE hf_err hf_json_scan(hf_slice text);
/* Scans, parses, refuses duplicate names and trailing bytes. The caller json_decrefs.
 */
HF_MUST_USE hf_err hf_json_parse(hf_slice text, json_t **out);
/* Applies every rule in its order; a member without a rule is HF_ERR_INVALID. */
HF_MUST_USE hf_err hf_json_read(json_t *object, const struct hf_json_rules *rules,
                                void *out);

/* Typed values; HF_ERR_INVALID for another type or a value below `min`. */
HF_MUST_USE hf_err hf_json_integer(json_t *value, uint64_t min, uint64_t *out);
HF_MUST_USE hf_err hf_json_string(json_t *value, hf_slice *out);
/* A reader for rules: INVALID for all but the number 1; `out` is not used. */
HF_MUST_USE hf_err hf_json_read_version(json_t *value, void *out);
HF_MUST_USE hf_err hf_json_instant(json_t *value, int64_t *out);
/* An array of min..max elements. */
HF_MUST_USE hf_err hf_json_array(json_t *value, size_t min, size_t max);

#endif
