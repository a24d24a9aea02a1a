/* Byte classes of RFC 9110, one table. */
#ifndef HF_HTTP_CTYPE_H
#define HF_HTTP_CTYPE_H

#include "lib/base/slice.h"

enum {
    HF_HTTP_TCHAR = 1,   /* RFC 9110 5.6.2 */
    HF_HTTP_VALUE = 2,   /* HTAB, SP, VCHAR, obs-text */
    HF_HTTP_VISIBLE = 4, /* 0x21..0x7e */
    HF_HTTP_HEX = 8,
    HF_HTTP_UNRESERVED = 16, /* RFC 3986 2.3 */
    HF_HTTP_PCHAR = 32,      /* RFC 3986 3.3 without `%` */
};

extern const uint8_t hf_http_class[256];

static inline bool hf_http_is(uint8_t byte, unsigned classes)
{
    return (hf_http_class[byte] & classes) != 0;
}

static inline uint8_t hf_http_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* `digit` is of class HEX. */
static inline uint8_t hf_http_hex(uint8_t digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

#endif
