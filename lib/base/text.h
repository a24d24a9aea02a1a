/* Numbers, sizes and durations as people write them. All parsers take whole slices and
 * refuse anything left over. */
#ifndef HF_BASE_TEXT_H
#define HF_BASE_TEXT_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

/* Decimal digits only, no sign, no space; HF_ERR_TOO_BIG above `max`. */
HF_MUST_USE hf_err hf_text_parse_u64(hf_slice text, uint64_t max, uint64_t *out);
/* "250ms", "30s", "20m", "24h", "14d"; a bare number is refused except "0". */
HF_MUST_USE hf_err hf_text_parse_duration_ms(hf_slice text, int64_t *out);
/* "4096", "64KiB", "256MiB", "1GiB", "1TiB". */
HF_MUST_USE hf_err hf_text_parse_bytes(hf_slice text, uint64_t *out);
#define HF_TEXT_DECIMAL_MAX 20 /* digits of UINT64_MAX */
/* Writes the digits, without a NUL, and returns how many; for paths where printf costs
 * more than all the rest. */
size_t hf_text_decimal(uint64_t number, char out[HF_TEXT_DECIMAL_MAX]);
/* Lower-case hex; `out` has room for 2 * bytes + 1. */
void hf_text_hex(hf_slice bytes, char *out);
HF_MUST_USE hf_err hf_text_parse_hex(hf_slice text, uint8_t *out, size_t bytes);
/* Copies into `out` (NUL included, truncated to fit) with control bytes, quotes and
 * backslashes escaped as \xNN, as are bytes from 0x80 (C1 codes hide in UTF-8): outside
 * text in a log line or on a terminal. */
void hf_text_escape(hf_slice text, char *out, size_t out_bytes);

#endif
