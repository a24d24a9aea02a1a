#include "lib/base/slice.h"

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

bool hf_slice_is_same_nocase(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (a[i] != b[i] && lower(a[i]) != lower(b[i])) {
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
