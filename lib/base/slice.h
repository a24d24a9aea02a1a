/* A borrowed run of bytes. Never owns, never ends in NUL by right. */
#ifndef HF_BASE_SLICE_H
#define HF_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hf_slice {
    const uint8_t *data;
    size_t bytes;
} hf_slice;

#define HF_SLICE_EMPTY ((hf_slice){NULL, 0})

/* A slice of a string literal, without its NUL. */
#define HF_SLICE(literal)                                                              \
    ((hf_slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

hf_slice hf_slice_of(const void *data, size_t bytes);
hf_slice hf_slice_of_cstr(const char *text);
bool hf_slice_equal(hf_slice a, hf_slice b);
/* ASCII case folded; other bytes compare as they are. */
bool hf_slice_equal_nocase(hf_slice a, hf_slice b);
bool hf_slice_starts_with(hf_slice s, hf_slice prefix);
bool hf_slice_ends_with(hf_slice s, hf_slice suffix);
/* Byte order, then length: <0, 0, >0. */
int hf_slice_compare(hf_slice a, hf_slice b);
/* Index of the first `byte`, or s.bytes when there is none. */
size_t hf_slice_find(hf_slice s, uint8_t byte);
/* Both clamp to the slice's end. */
hf_slice hf_slice_first(hf_slice s, size_t bytes);
hf_slice hf_slice_skip(hf_slice s, size_t bytes);
/* Without spaces and tabs at both ends (OWS, RFC 9110 5.6.3). */
hf_slice hf_slice_trim(hf_slice s);

#endif
