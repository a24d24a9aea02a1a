/* Fixed-width integers as bytes, with the order in the name. */
#ifndef HF_BASE_BYTES_H
#define HF_BASE_BYTES_H

#include <stdint.h>

static inline void hf_put_be16(uint8_t *to, uint16_t v)
{
    to[0] = (uint8_t)(v >> 8);
    to[1] = (uint8_t)v;
}

static inline void hf_put_be32(uint8_t *to, uint32_t v)
{
    hf_put_be16(to, (uint16_t)(v >> 16));
    hf_put_be16(to + 2, (uint16_t)v);
}

static inline void hf_put_be64(uint8_t *to, uint64_t v)
{
    hf_put_be32(to, (uint32_t)(v >> 32));
    hf_put_be32(to + 4, (uint32_t)v);
}

static inline uint16_t hf_get_be16(const uint8_t *from)
{
    return (uint16_t)((uint16_t)from[0] << 8 | from[1]);
}

static inline uint32_t hf_get_be32(const uint8_t *from)
{
    return (uint32_t)hf_get_be16(from) << 16 | hf_get_be16(from + 2);
}

static inline uint64_t hf_get_be64(const uint8_t *from)
{
    return (uint64_t)hf_get_be32(from) << 32 | hf_get_be32(from + 4);
}

static inline void hf_put_le64(uint8_t *to, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(v >> (8 * i));
    }
}

#endif
