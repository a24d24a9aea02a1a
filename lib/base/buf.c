#include "lib/base/buf.h"

#include "lib/base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_BYTES_MIN 64 /* the first storage taken, unless the maximum is smaller */

void hf_buf_init(struct hf_buf *buf, size_t bytes_max)
{
    hf_check(bytes_max >= 1);

    *buf = (struct hf_buf){.bytes_max = bytes_max};
}

void hf_buf_fini(struct hf_buf *buf)
{
    free(buf->data);
    *buf = (struct hf_buf){.bytes_max = buf->bytes_max};
}

static void move_to_front(struct hf_buf *buf)
{
    size_t live = hf_buf_bytes(buf);

    memmove(buf->data, buf->data + buf->start, live);
    buf->start = 0;
    buf->end = live;
}

/* At least doubles, so that appending is linear in the total. A buffer that slides
 * (consumed at the front, full at the end) may take twice its maximum: otherwise each
 * small append near the limit would move everything. */
static size_t capacity_for(const struct hf_buf *buf, size_t needed)
{
    size_t limit = buf->start == 0 ? buf->bytes_max : buf->bytes_max * 2;
    size_t capacity =
        buf->capacity < BUF_BYTES_MIN / 2 ? BUF_BYTES_MIN / 2 : buf->capacity;

    if (buf->capacity < buf->bytes_max || limit < buf->bytes_max) {
        limit = buf->bytes_max;
    }
    do {
        capacity = capacity > limit / 2 ? limit : capacity * 2;
    } while (capacity < needed);
    return capacity;
}

static hf_err grow(struct hf_buf *buf, size_t needed)
{
    size_t live = hf_buf_bytes(buf);
    size_t capacity = capacity_for(buf, needed);
    uint8_t *data = malloc(capacity);

    if (data == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    if (live > 0) {
        memcpy(data, buf->data + buf->start, live);
    }
    free(buf->data);
    buf->data = data;
    buf->start = 0;
    buf->end = live;
    buf->capacity = capacity;
    return HF_OK;
}

hf_err hf_buf_printf(struct hf_buf *buf, const char *format, ...)
{
    char stack[256];
    va_list args;
    uint8_t *to;
    hf_err err;
    int length;

    va_start(args, format);
    length = vsnprintf(stack, sizeof stack, format, args);
    va_end(args);
    hf_check(length >= 0);
    if ((size_t)length < sizeof stack) {
        return hf_buf_append(buf, hf_slice_of(stack, (size_t)length));
    }

    /* vsnprintf ends its output with a NUL, which must not count against the maximum.
     */
    if ((size_t)length > buf->bytes_max - hf_buf_bytes(buf)) {
        return HF_ERR_TOO_BIG;
    }
    to = malloc((size_t)length + 1);
    if (to == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    va_start(args, format);
    (void)vsnprintf((char *)to, (size_t)length + 1, format, args);
    va_end(args);
    err = hf_buf_append(buf, (hf_slice){to, (size_t)length});
    free(to);
    return err;
}

hf_err hf_buf_make_room(struct hf_buf *buf, size_t bytes, uint8_t **out)
{
    size_t live = hf_buf_bytes(buf);

    hf_check(buf->bytes_max >= 1);
    if (bytes > buf->bytes_max - live) {
        return HF_ERR_TOO_BIG;
    }
    if (buf->data == NULL || bytes > buf->capacity - buf->end) {
        if (buf->data != NULL && live + bytes <= buf->capacity / 2) {
            move_to_front(buf);
        } else {
            hf_err err = grow(buf, live + bytes);

            if (err != HF_OK) {
                return err;
            }
        }
    }
    *out = buf->data + buf->end;
    return HF_OK;
}

hf_err hf_buf_append_be16(struct hf_buf *buf, uint16_t value)
{
    uint8_t bytes[2];

    hf_put_be16(bytes, value);
    return hf_buf_append(buf, hf_slice_of(bytes, sizeof bytes));
}

hf_err hf_buf_append_be32(struct hf_buf *buf, uint32_t value)
{
    uint8_t bytes[4];

    hf_put_be32(bytes, value);
    return hf_buf_append(buf, hf_slice_of(bytes, sizeof bytes));
}

hf_err hf_buf_append_be64(struct hf_buf *buf, uint64_t value)
{
    uint8_t bytes[8];

    hf_put_be64(bytes, value);
    return hf_buf_append(buf, hf_slice_of(bytes, sizeof bytes));
}
