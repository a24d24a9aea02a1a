/* Instants as the claims write them: RFC 3339 with whole seconds, in UTC, from 1970 to
 * 9999 (SECURITY.md 2.3). No leap seconds. */
#ifndef HF_TOKEN_INSTANT_H
#define HF_TOKEN_INSTANT_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#define HF_INSTANT_TEXT_BYTES 20 /* 2026-01-01T00:00:00Z */
#define HF_INSTANT_MAX        INT64_C(253402300799)

/* "YYYY-MM-DDTHH:MM:SS" and "Z" or "+00:00"; anything else is HF_ERR_INVALID. */
HF_MUST_USE hf_err hf_instant_parse(hf_slice text, int64_t *unix_s);
/* `unix_s` is in 0..HF_INSTANT_MAX; `out` ends in NUL. */
void hf_instant_text(int64_t unix_s, char out[HF_INSTANT_TEXT_BYTES + 1]);

#endif
