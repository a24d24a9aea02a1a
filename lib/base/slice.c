#include "lib/base/slice.h"

#include "lib/base/check.h"

#include <string.h>

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

hf_slice hf_slice_of(const void *data, size_t bytes)
{
    hf_check(data != NULL || bytes == 0);

    return (hf_slice){data, bytes};
}

hf_slice hf_slice_of_cstr(const char *text)
{
    hf_check(text != NULL);

    return (hf_slice){(const uint8_t *)text, strlen(text)};
}

bool hf_slice_equal(hf_slice a, hf_slice b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool hf_slice_equal_nocase(hf_slice a, hf_slice b)
{
    if (a.bytes != b.bytes) {
        return false;
    }
    for (size_t i = 0; i < a.bytes; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

bool hf_slice_starts_with(hf_slice s, hf_slice prefix)
{
    return s.bytes >= prefix.bytes &&
           hf_slice_equal(hf_slice_first(s, prefix.bytes), prefix);
}

bool hf_slice_ends_with(hf_slice s, hf_slice suffix)
{
    return s.bytes >= suffix.bytes &&
           hf_slice_equal(hf_slice_skip(s, s.bytes - suffix.bytes), suffix);
}

int hf_slice_compare(hf_slice a, hf_slice b)
{
    size_t bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = bytes == 0 ? 0 : memcmp(a.data, b.data, bytes);

    if (order != 0) {
        return order;
    }
    return (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

size_t hf_slice_find(hf_slice s, uint8_t byte)
{
    const uint8_t *at = s.bytes == 0 ? NULL : memchr(s.data, byte, s.bytes);

    return at == NULL ? s.bytes : (size_t)(at - s.data);
}

hf_slice hf_slice_first(hf_slice s, size_t bytes)
{
    return (hf_slice){s.data, bytes < s.bytes ? bytes : s.bytes};
}

hf_slice hf_slice_skip(hf_slice s, size_t bytes)
{
    if (bytes == 0) {
        return s;
    }
    if (bytes > s.bytes) {
        bytes = s.bytes;
    }
    return (hf_slice){bytes == 0 ? s.data : s.data + bytes, s.bytes - bytes};
}

hf_slice hf_slice_trim(hf_slice s)
{
    while (s.bytes > 0 && is_blank(s.data[0])) {
        s = hf_slice_skip(s, 1);
    }
    while (s.bytes > 0 && is_blank(s.data[s.bytes - 1])) {
        s.bytes--;
    }
    return s;
}
