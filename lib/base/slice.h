/* A borrowed run of bytes. Never owns, never ends in NUL by right. */
#ifndef HF_BASE_SLICE_H
#define HF_BASE_SLICE_H

#include "lib/base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct hf_slice {
    const uint8_t *data;
    size_t bytes;
} hf_slice;

#define HF_SLICE_EMPTY ((hf_slice){NULL, 0})

/* A slice of a string literal, without its NUL. */
#define HF_SLICE(literal)                                                              \
    ((hf_slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* Most of these are a few instructions and stand on every path of a request: they are
 * inline, so that a literal's length is known where it is compared. */
static inline hf_slice hf_slice_of(const void *data, size_t bytes)
{
    hf_check(data != NULL || bytes == 0);

    return (hf_slice){(const uint8_t *)data, bytes};
}

static inline hf_slice hf_slice_of_cstr(const char *text)
{
    hf_check(text != NULL);

    return (hf_slice){(const uint8_t *)text, strlen(text)};
}

static inline bool hf_slice_equal(hf_slice a, hf_slice b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

/* `a` and `b` have `bytes` bytes; ASCII case folded. */
bool hf_slice_is_same_nocase(const uint8_t *a, const uint8_t *b, size_t bytes);

/* ASCII case folded; other bytes compare as they are. */
static inline bool hf_slice_equal_nocase(hf_slice a, hf_slice b)
{
    return a.bytes == b.bytes && hf_slice_is_same_nocase(a.data, b.data, a.bytes);
}

bool hf_slice_starts_with(hf_slice s, hf_slice prefix);
bool hf_slice_ends_with(hf_slice s, hf_slice suffix);
/* Byte order, then length: <0, 0, >0. */
int hf_slice_compare(hf_slice a, hf_slice b);

/* Index of the first `byte`, or s.bytes when there is none. */
static inline size_t hf_slice_find(hf_slice s, uint8_t byte)
{
    const uint8_t *at =
        s.bytes == 0 ? NULL : (const uint8_t *)memchr(s.data, byte, s.bytes);

    return at == NULL ? s.bytes : (size_t)(at - s.data);
}

/* Both clamp to the slice's end. */
static inline hf_slice hf_slice_first(hf_slice s, size_t bytes)
{
    return (hf_slice){s.data, bytes < s.bytes ? bytes : s.bytes};
}

static inline hf_slice hf_slice_skip(hf_slice s, size_t bytes)
{
    if (bytes > s.bytes) {
        bytes = s.bytes;
    }
    return (hf_slice){bytes == 0 ? s.data : s.data + bytes, s.bytes - bytes};
}

/* Without spaces and tabs at both ends (OWS, RFC 9110 5.6.3). */
static inline hf_slice hf_slice_trim(hf_slice s)
{
    while (s.bytes > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s = (hf_slice){s.data + 1, s.bytes - 1};
    }
    while (s.bytes > 0 && (s.data[s.bytes - 1] == ' ' || s.data[s.bytes - 1] == '\t')) {
        s.bytes--;
    }
    return s;
}

#endif
