/* Framing of what travels inside one link: SP messages on the stream and records inside
 * a message (PROTOCOL.md, ARCHITECTURE.md 7). Pure: bytes to slices and back, no I/O,
 * no protobuf. Every length is bounded before anything is taken for it.
 *
 *   stream    greeting (8 bytes), then SP messages
 *   message   tcp: be64 content bytes | content;   ipc: 0x01 be64 content bytes |
 * content content   a run of records (sealed as one on tcp) record    be32 rest | be16
 * type | be16 meta bytes | be32 head bytes | meta | head | body where rest counts what
 * follows the be32 (>= 8); the body is what is left */
#ifndef HF_WIRE_FRAME_H
#define HF_WIRE_FRAME_H

#include "lib/base/buf.h"

#define HF_FRAME_GREETING_BYTES   8
#define HF_FRAME_PREFIX_BYTES_MAX 9
#define HF_FRAME_RECORD_BYTES     12 /* fixed part of a record */
/* SP protocol 16 = PAIR0, so that an ordinary NNG PAIR0 socket can be the peer. */
#define HF_FRAME_PROTOCOL 16

/* One record. Slices are borrowed from the message it was read from. `type` is a number
 * of PROTOCOL.md; meta is protobuf, head and body are raw. meta <= 65535 bytes. */
struct hf_record {
    uint16_t type;
    hf_slice meta;
    hf_slice head;
    hf_slice body;
};

enum hf_frame_kind { HF_FRAME_TCP, HF_FRAME_IPC };

void hf_frame_greeting(uint8_t out[HF_FRAME_GREETING_BYTES]);
/* HF_ERR_INVALID when these are not 8 bytes 00 'S' 'P' 00 00 10 00 00. */
HF_MUST_USE hf_err hf_frame_check_greeting(hf_slice bytes);

/* 8 on tcp, 9 on ipc. */
size_t hf_frame_prefix_bytes(enum hf_frame_kind kind);
void hf_frame_put_prefix(enum hf_frame_kind kind, uint64_t content_bytes, uint8_t *out);
/* Reads a prefix at the start of `bytes`. HF_ERR_AGAIN: not all of it is here; INVALID:
 * not a message; TOO_BIG: it announces more than content_bytes_max. */
HF_MUST_USE hf_err hf_frame_get_prefix(enum hf_frame_kind kind, hf_slice bytes,
                                       size_t content_bytes_max, size_t *out);

/* Bytes the record takes on the wire, or 0 when a part exceeds its field. */
size_t hf_record_bytes(const struct hf_record *record);
/* Writes hf_record_bytes(record) bytes at `out`; the record must be encodable. */
void hf_record_put(const struct hf_record *record, uint8_t *out);
HF_MUST_USE hf_err hf_record_append(struct hf_buf *buf, const struct hf_record *record);
/* Takes the next record off the front of *content. HF_ERR_NOT_FOUND at the clean end,
 * HF_ERR_INVALID when the rest is not a record (a record never spans messages). */
HF_MUST_USE hf_err hf_record_next(hf_slice *content, struct hf_record *out);

#endif
