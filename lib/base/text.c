#include "lib/base/text.h"

static const char hex_digits[] = "0123456789abcdef";

hf_err hf_text_parse_u64(hf_slice text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (text.bytes == 0) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return HF_ERR_INVALID;
        }
    }
    for (size_t i = 0; i < text.bytes; i++) {
        uint64_t digit = (uint64_t)(text.data[i] - '0');

        if (value > max / 10 || digit > max - value * 10) {
            return HF_ERR_TOO_BIG;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return HF_OK;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static size_t digits_count(hf_slice text)
{
    size_t count = 0;

    while (count < text.bytes && text.data[count] >= '0' && text.data[count] <= '9') {
        count++;
    }
    return count;
}

/* A number and the name of one of the units; HF_ERR_TOO_BIG above max. */
static hf_err parse_with_unit(hf_slice text, const struct unit *units, size_t count,
                              uint64_t max, uint64_t *out)
{
    size_t digits = digits_count(text);
    hf_slice name = hf_slice_skip(text, digits);

    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        hf_err err;

        if (!hf_slice_equal(name, hf_slice_of_cstr(units[i].name))) {
            continue;
        }
        err = hf_text_parse_u64(hf_slice_first(text, digits), max / units[i].factor,
                                &value);
        if (err == HF_OK) {
            *out = value * units[i].factor;
        }
        return err;
    }
    return HF_ERR_INVALID;
}

hf_err hf_text_parse_duration_ms(hf_slice text, int64_t *out)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    uint64_t value = 0;
    hf_err err;

    if (hf_slice_equal(text, HF_SLICE("0"))) {
        *out = 0;
        return HF_OK;
    }
    /* Microseconds of the longest duration still fit hf_time. */
    err = parse_with_unit(text, units, sizeof units / sizeof *units, INT64_MAX / 1000,
                          &value);
    if (err == HF_OK) {
        *out = (int64_t)value;
    }
    return err;
}

hf_err hf_text_parse_bytes(hf_slice text, uint64_t *out)
{
    static const struct unit units[] = {
        {"", 1},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };

    return parse_with_unit(text, units, sizeof units / sizeof *units, INT64_MAX, out);
}

size_t hf_text_decimal(uint64_t number, char out[HF_TEXT_DECIMAL_MAX])
{
    uint64_t left = number / 10;
    size_t count = 1;

    for (; left > 0; left /= 10) {
        count++;
    }
    for (size_t at = count; at > 0; number /= 10) {
        out[--at] = (char)('0' + number % 10);
    }
    return count;
}

void hf_text_hex(hf_slice bytes, char *out)
{
    for (size_t i = 0; i < bytes.bytes; i++) {
        *out++ = hex_digits[bytes.data[i] >> 4];
        *out++ = hex_digits[bytes.data[i] & 15];
    }
    *out = '\0';
}

static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return -1;
}

hf_err hf_text_parse_hex(hf_slice text, uint8_t *out, size_t bytes)
{
    if (text.bytes % 2 != 0 || text.bytes / 2 != bytes) {
        return HF_ERR_INVALID;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        if (hex_value(text.data[i]) < 0) {
            return HF_ERR_INVALID;
        }
    }
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(hex_value(text.data[2 * i]) << 4 |
                           hex_value(text.data[2 * i + 1]));
    }
    return HF_OK;
}

/* Bytes from 0x80 are escaped too: C1 control codes hide in UTF-8, and a line must stay
 * valid text whatever it quotes. */
static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

void hf_text_escape(hf_slice text, char *out, size_t out_bytes)
{
    hf_check(out_bytes >= 1);

    for (size_t i = 0; i < text.bytes; i++) {
        size_t needed = is_plain(text.data[i]) ? 1 : 4;

        if (needed + 1 > out_bytes) {
            break;
        }
        out_bytes -= needed;
        if (needed == 1) {
            *out++ = (char)text.data[i];
            continue;
        }
        *out++ = '\\';
        *out++ = 'x';
        *out++ = hex_digits[text.data[i] >> 4];
        *out++ = hex_digits[text.data[i] & 15];
    }
    *out = '\0';
}
