/* An owned, growing run of bytes with a hard maximum.
 *
 * Appending past the maximum fails with HF_ERR_TOO_BIG and leaves the content as it
 * was. Bytes are consumed from the front; the space is reused. */
#ifndef HF_BASE_BUF_H
#define HF_BASE_BUF_H

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

struct hf_buf {
    uint8_t *data;    /* storage; may be NULL while empty */
    size_t start;     /* first live byte */
    size_t end;       /* one past the last live byte */
    size_t capacity;  /* of data */
    size_t bytes_max; /* limit of end - start */
};

/* Takes no memory until the first append. bytes_max >= 1. */
void hf_buf_init(struct hf_buf *buf, size_t bytes_max);
/* Frees the storage; the buffer may be used again as after init. */
void hf_buf_fini(struct hf_buf *buf);

static inline size_t hf_buf_bytes(const struct hf_buf *buf)
{
    hf_check(buf->start <= buf->end);
    hf_check(buf->end <= buf->capacity);

    return buf->end - buf->start;
}

/* Borrowed until the next call that changes the buffer. */
static inline hf_slice hf_buf_slice(const struct hf_buf *buf)
{
    if (buf->data == NULL) {
        return HF_SLICE_EMPTY;
    }
    return (hf_slice){buf->data + buf->start, hf_buf_bytes(buf)};
}

/* What hf_buf_reserve does when the storage has no room behind its end. */
HF_MUST_USE hf_err hf_buf_make_room(struct hf_buf *buf, size_t bytes, uint8_t **out);

/* Makes room for `bytes` more and hands out the place; hf_buf_grown says how many were
 * written. The pointer is valid until the next call that changes the buffer. */
HF_MUST_USE static inline hf_err hf_buf_reserve(struct hf_buf *buf, size_t bytes,
                                                uint8_t **out)
{
    size_t live = hf_buf_bytes(buf);

    if (buf->data == NULL || bytes > buf->capacity - buf->end ||
        bytes > buf->bytes_max - live) {
        return hf_buf_make_room(buf, bytes, out);
    }
    *out = buf->data + buf->end;
    return HF_OK;
}

static inline void hf_buf_grown(struct hf_buf *buf, size_t bytes)
{
    hf_check(bytes <= buf->capacity - buf->end);
    hf_check(bytes <= buf->bytes_max - hf_buf_bytes(buf));

    buf->end += bytes;
}

HF_MUST_USE static inline hf_err hf_buf_append(struct hf_buf *buf, hf_slice bytes)
{
    uint8_t *to;
    hf_err err;

    if (bytes.bytes == 0) {
        return HF_OK;
    }
    err = hf_buf_reserve(buf, bytes.bytes, &to);
    if (err != HF_OK) {
        return err;
    }
    memcpy(to, bytes.data, bytes.bytes);
    buf->end += bytes.bytes;
    return HF_OK;
}

HF_MUST_USE static inline hf_err hf_buf_append_cstr(struct hf_buf *buf,
                                                    const char *text)
{
    return hf_buf_append(buf, hf_slice_of_cstr(text));
}

HF_MUST_USE static inline hf_err hf_buf_append_byte(struct hf_buf *buf, uint8_t byte)
{
    return hf_buf_append(buf, (hf_slice){&byte, 1});
}

/* printf into the buffer; the format is never outside input. */
HF_MUST_USE hf_err hf_buf_printf(struct hf_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops bytes from the front (or all of them); keeps the storage. */
static inline void hf_buf_consume(struct hf_buf *buf, size_t bytes)
{
    hf_check(bytes <= hf_buf_bytes(buf));

    buf->start += bytes;
    if (buf->start == buf->end) {
        buf->start = buf->end = 0;
    }
}

/* Drops bytes from the back, down to the first `bytes`. */
static inline void hf_buf_truncate(struct hf_buf *buf, size_t bytes)
{
    hf_check(bytes <= hf_buf_bytes(buf));

    buf->end = buf->start + bytes;
}

static inline void hf_buf_clear(struct hf_buf *buf)
{
    buf->start = buf->end = 0;
}

/* Appending big-endian integers, for wire and disk formats. */
HF_MUST_USE hf_err hf_buf_append_be16(struct hf_buf *buf, uint16_t value);
HF_MUST_USE hf_err hf_buf_append_be32(struct hf_buf *buf, uint32_t value);
HF_MUST_USE hf_err hf_buf_append_be64(struct hf_buf *buf, uint64_t value);

#endif
