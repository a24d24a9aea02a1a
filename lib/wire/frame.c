/* Owns the layout of SP messages and records; knows nothing of what a record means. */
#include "lib/wire/frame.h"

#include "lib/base/bytes.h"

#include <string.h>

#define RECORD_FIXED_BYTES 8 /* type, meta bytes, head bytes: counted by the length */

static const uint8_t greeting[HF_FRAME_GREETING_BYTES] = {
    0x00, 'S', 'P', 0x00, 0x00, HF_FRAME_PROTOCOL, 0x00, 0x00};

void hf_frame_greeting(uint8_t out[HF_FRAME_GREETING_BYTES])
{
    memcpy(out, greeting, sizeof greeting);
}

hf_err hf_frame_check_greeting(hf_slice bytes)
{
    if (bytes.bytes != sizeof greeting ||
        memcmp(bytes.data, greeting, sizeof greeting) != 0) {
        return HF_ERR_INVALID;
    }
    return HF_OK;
}

size_t hf_frame_prefix_bytes(enum hf_frame_kind kind)
{
    return kind == HF_FRAME_TCP ? 8 : 9;
}

void hf_frame_put_prefix(enum hf_frame_kind kind, uint64_t content_bytes, uint8_t *out)
{
    if (kind == HF_FRAME_IPC) {
        *out++ = 0x01;
    }
    hf_put_be64(out, content_bytes);
}

hf_err hf_frame_get_prefix(enum hf_frame_kind kind, hf_slice bytes,
                           size_t content_bytes_max, size_t *out)
{
    size_t skip = kind == HF_FRAME_IPC ? 1 : 0;
    uint64_t length;

    if (skip != 0 && bytes.bytes > 0 && bytes.data[0] != 0x01) {
        return HF_ERR_INVALID;
    }
    if (bytes.bytes < skip + 8) {
        return HF_ERR_AGAIN;
    }
    length = hf_get_be64(bytes.data + skip);
    if (length > content_bytes_max) {
        return HF_ERR_TOO_BIG;
    }
    *out = (size_t)length;
    return HF_OK;
}

size_t hf_record_bytes(const struct hf_record *record)
{
    if (record->meta.bytes > UINT16_MAX || record->head.bytes > UINT32_MAX / 4 ||
        record->body.bytes > UINT32_MAX / 4) {
        return 0;
    }
    return HF_FRAME_RECORD_BYTES + record->meta.bytes + record->head.bytes +
           record->body.bytes;
}

static uint8_t *put_slice(uint8_t *to, hf_slice bytes)
{
    if (bytes.bytes > 0) {
        memcpy(to, bytes.data, bytes.bytes);
    }
    return to + bytes.bytes;
}

void hf_record_put(const struct hf_record *record, uint8_t *out)
{
    size_t bytes = hf_record_bytes(record);

    hf_check(bytes != 0);
    hf_put_be32(out, (uint32_t)(bytes - 4));
    hf_put_be16(out + 4, record->type);
    hf_put_be16(out + 6, (uint16_t)record->meta.bytes);
    hf_put_be32(out + 8, (uint32_t)record->head.bytes);
    out = put_slice(out + HF_FRAME_RECORD_BYTES, record->meta);
    out = put_slice(out, record->head);
    put_slice(out, record->body);
}

hf_err hf_record_append(struct hf_buf *buf, const struct hf_record *record)
{
    size_t bytes = hf_record_bytes(record);
    uint8_t *place;
    hf_err err;

    if (bytes == 0) {
        return HF_ERR_TOO_BIG;
    }
    err = hf_buf_reserve(buf, bytes, &place);
    if (err != HF_OK) {
        return err;
    }
    hf_record_put(record, place);
    hf_buf_grown(buf, bytes);
    return HF_OK;
}

hf_err hf_record_next(hf_slice *content, struct hf_record *out)
{
    const uint8_t *at = content->data;
    size_t rest;
    size_t meta;
    size_t head;

    if (content->bytes == 0) {
        return HF_ERR_NOT_FOUND;
    }
    if (content->bytes < HF_FRAME_RECORD_BYTES) {
        return HF_ERR_INVALID;
    }
    rest = hf_get_be32(at);
    if (rest < RECORD_FIXED_BYTES || rest > content->bytes - 4) {
        return HF_ERR_INVALID;
    }
    rest -= RECORD_FIXED_BYTES;
    meta = hf_get_be16(at + 6);
    head = hf_get_be32(at + 8);
    if (meta > rest || head > rest - meta) {
        return HF_ERR_INVALID;
    }
    out->type = hf_get_be16(at + 4);
    at += HF_FRAME_RECORD_BYTES;
    out->meta = (hf_slice){at, meta};
    out->head = (hf_slice){at + meta, head};
    out->body = (hf_slice){at + meta + head, rest - meta - head};
    content->data = at + rest;
    content->bytes -= HF_FRAME_RECORD_BYTES + rest;
    return HF_OK;
}
