#include "tests/http/escape.h"

#include "lib/http/ctype.h"

#include <string.h>

static const char names[] = "rntfv\\\"";
static const char values[] = "\r\n\t\f\v\\\"";

/* Up to three octal digits at the front; 0 when there is none. */
static size_t octal(hf_slice s, unsigned *value)
{
    size_t n = 0;

    *value = 0;
    while (n < 3 && n < s.bytes && s.data[n] >= '0' && s.data[n] <= '7') {
        *value = *value * 8 + (unsigned)(s.data[n] - '0');
        n++;
    }
    return n;
}

void escape_take(hf_slice *rest, struct hf_buf *out)
{
    hf_slice s = hf_slice_skip(*rest, 1);
    size_t taken = 1;
    unsigned value = rest->data[0];
    size_t digits;

    if (value == '\\' && s.bytes > 0) {
        const char *name = strchr(names, s.data[0]);

        digits = octal(s, &value);
        taken += digits;
        if (digits == 0 && s.bytes >= 3 && s.data[0] == 'x') {
            value = (unsigned)hf_http_hex(s.data[1]) << 4 | hf_http_hex(s.data[2]);
            taken += 3;
        } else if (digits == 0 && name != NULL && *name != 0) {
            value = (unsigned char)values[name - names];
            taken += 1;
        } else if (digits == 0) {
            value = '\\';
        }
    }
    hf_check(hf_buf_append_byte(out, (uint8_t)value) == HF_OK);
    *rest = hf_slice_skip(*rest, taken);
}
