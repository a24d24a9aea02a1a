/* Owns the one spelling of bytes as base64url; knows nothing of what they mean. */
#include "lib/token/b64u.h"

/* Written with arithmetic instead of tables, so that no memory access depends on a
 * secret byte. Each helper returns 0xff when x lies in the range, else 0. */
static unsigned mask_ge(unsigned x, unsigned low)
{
    return (((low - 1) - x) >> 8) & 0xffu;
}

static unsigned mask_range(unsigned x, unsigned low, unsigned high)
{
    return mask_ge(x, low) & ~mask_ge(x, high + 1) & 0xffu;
}

/* 0..63, or a value >= 64 for a character outside the alphabet. */
static unsigned value_of(uint8_t c)
{
    unsigned upper = mask_range(c, 'A', 'Z');
    unsigned lower = mask_range(c, 'a', 'z');
    unsigned digit = mask_range(c, '0', '9');
    unsigned minus = mask_range(c, '-', '-');
    unsigned under = mask_range(c, '_', '_');
    unsigned known = upper | lower | digit | minus | under;
    unsigned value = (upper & (c - 'A')) | (lower & (c - 'a' + 26u)) |
                     (digit & (c - '0' + 52u)) | (minus & 62u) | (under & 63u);

    return (value & 63u) | (~known & 0x40u);
}

/* The character of 0..63. */
static char character_of(unsigned value)
{
    unsigned upper = ~mask_ge(value, 26) & 0xffu;
    unsigned lower = mask_range(value, 26, 51);
    unsigned digit = mask_range(value, 52, 61);
    unsigned minus = mask_range(value, 62, 62);
    unsigned under = mask_range(value, 63, 63);

    return (char)((upper & (value + 'A')) | (lower & (value + 'a' - 26u)) |
                  (digit & (value + '0' - 52u)) | (minus & '-') | (under & '_'));
}

void hf_b64u_encode(hf_slice bytes, char *out)
{
    unsigned bits = 0;
    unsigned count = 0;
    size_t at = 0;

    hf_check(out != NULL || bytes.bytes == 0);

    for (size_t i = 0; i < bytes.bytes; i++) {
        bits = (bits << 8 | bytes.data[i]) & 0xffffu;
        for (count += 8; count >= 6; count -= 6) {
            out[at++] = character_of((bits >> (count - 6)) & 63u);
        }
    }
    if (count > 0) {
        out[at++] = character_of((bits << (6 - count)) & 63u);
    }
    hf_check(at == hf_b64u_text_bytes(bytes.bytes));
}

hf_err hf_b64u_decode(hf_slice text, uint8_t *out, size_t out_bytes)
{
    unsigned bits = 0;
    unsigned count = 0;
    unsigned bad = 0;
    size_t at = 0;

    if (text.bytes % 4 == 1 || hf_b64u_data_bytes(text.bytes) != out_bytes) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned value = value_of(text.data[i]);

        bad |= value & 0x40u;
        bits = (bits << 6 | (value & 63u)) & 0xffffu;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[at++] = (uint8_t)(bits >> count);
        }
    }
    bad |= bits & ((1u << count) - 1u);
    hf_check(at == out_bytes);
    return bad == 0 ? HF_OK : HF_ERR_INVALID;
}
