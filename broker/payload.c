/* The bytes of requests: what the core knows only as slots and sizes. Everything here
 * runs under the core lock; references let the store thread read bytes outside of it.
 */
#include "broker/shell.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct br_held {
    _Atomic uint32_t references;
    uint32_t head_bytes;
    uint32_t body_bytes;
    hf_id access;   /* of an async request, else zero */
    uint8_t data[]; /* head, body */
};

/* Small pieces are put together in doubling steps, so that a sender of single bytes
 * costs twice the memory of its bytes at most, and no walk along a long list for each.
 */
#define PIECE_BYTES_JOINED 65536u

struct br_piece {
    struct br_piece *next;
    struct br_piece *last; /* of the list; true in its first piece only */
    uint64_t offset;
    _Atomic uint32_t references;
    uint32_t bytes;
    uint32_t capacity;
    uint8_t data[]; /* whoever holds a reference may read what it has seen filled */
};

struct br_reply {
    uint32_t head_bytes;
    uint32_t bytes; /* head and body so far */
    uint32_t capacity;
    bool is_streamed;
    uint8_t data[];
};

/* Not if it is far too large: it would be kept as long as the request. */
static bool spare_fill(struct br_spare *spare, size_t bytes)
{
    if (spare->bytes >= bytes && spare->bytes / 2 <= bytes) {
        return true;
    }
    free(spare->data);
    spare->data = malloc(bytes);
    spare->bytes = spare->data == NULL ? 0 : bytes;
    return spare->data != NULL;
}

static void *spare_take(struct br_spare *spare)
{
    void *data = spare->data;

    hf_check(data != NULL);
    *spare = (struct br_spare){0};
    return data;
}

static struct br_held *held_new(struct br *br, hf_slice head, hf_slice body)
{
    hf_check(br->spare_held.bytes >= sizeof(struct br_held) + head.bytes + body.bytes);
    struct br_held *held = spare_take(&br->spare_held);

    atomic_init(&held->references, 1);
    held->head_bytes = (uint32_t)head.bytes;
    held->body_bytes = (uint32_t)body.bytes;
    held->access = (hf_id){{0}};
    if (head.bytes > 0) {
        memcpy(held->data, head.data, head.bytes);
    }
    if (body.bytes > 0) {
        memcpy(held->data + head.bytes, body.data, body.bytes);
    }
    return held;
}

struct br_held *br_held_ref(struct br_held *held)
{
    atomic_fetch_add_explicit(&held->references, 1, memory_order_relaxed);
    return held;
}

void br_held_unref(struct br_held *held)
{
    if (held != NULL &&
        atomic_fetch_sub_explicit(&held->references, 1, memory_order_acq_rel) == 1) {
        free(held);
    }
}

hf_slice br_held_head(const struct br_held *held)
{
    return hf_slice_of(held->data, held->head_bytes);
}

hf_slice br_held_body(const struct br_held *held)
{
    return hf_slice_of(held->data + held->head_bytes, held->body_bytes);
}

hf_id br_held_access(const struct br_held *held)
{
    return held->access;
}

static uint64_t held_size(const struct br_held *held)
{
    return (uint64_t)held->head_bytes + held->body_bytes;
}

void br_hold(struct br *br, uint32_t slot, const struct hf_record *record,
             const struct broker_wishes *wishes)
{
    struct br_slot *s = &br->slots[slot];

    hf_check(record != NULL && s->held == NULL);
    s->held = held_new(br, record->head, record->body);
    if (wishes != NULL) {
        s->held->access = wishes->access;
    }
    br->held_bytes += held_size(s->held);
}

void br_drop_held(struct br *br, uint32_t slot)
{
    struct br_slot *s = &br->slots[slot];

    if (s->held != NULL) {
        br->held_bytes -= held_size(s->held);
        br_held_unref(s->held);
        s->held = NULL;
    }
}

static size_t piece_capacity(uint64_t offset, size_t bytes)
{
    size_t joined = offset < PIECE_BYTES_JOINED ? (size_t)offset : PIECE_BYTES_JOINED;

    return bytes < joined ? joined : bytes;
}

static struct br_piece *piece_new(struct br *br, uint64_t offset, size_t bytes)
{
    size_t capacity = piece_capacity(offset, bytes);

    hf_check(br->spare_piece.bytes >= sizeof(struct br_piece) + capacity);
    struct br_piece *piece = spare_take(&br->spare_piece);

    piece->next = NULL;
    piece->last = piece;
    piece->offset = offset;
    atomic_init(&piece->references, 1);
    piece->bytes = 0;
    piece->capacity = (uint32_t)capacity;
    return piece;
}

static bool piece_has_room(const struct br_slot *s, size_t bytes)
{
    const struct br_piece *last = s->pieces != NULL ? s->pieces->last : NULL;

    return last != NULL && bytes <= last->capacity - last->bytes;
}

/* Where `bytes` from `offset` on go: behind the last piece, or into a new one. */
static struct br_piece *piece_for(struct br *br, struct br_slot *s, uint64_t offset,
                                  size_t bytes)
{
    struct br_piece *first = s->pieces;
    struct br_piece *piece = NULL;

    if (first != NULL) {
        hf_check(first->last->offset + first->last->bytes == offset);
        if (piece_has_room(s, bytes)) {
            return first->last;
        }
    }
    piece = piece_new(br, offset, bytes);
    if (first == NULL) {
        s->pieces = piece;
    } else {
        first->last->next = piece;
        first->last = piece;
    }
    return piece;
}

void br_hold_body(struct br *br, uint32_t slot, uint64_t offset, hf_slice bytes)
{
    struct br_piece *piece = piece_for(br, &br->slots[slot], offset, bytes.bytes);

    if (bytes.bytes > 0) {
        memcpy(piece->data + piece->bytes, bytes.data, bytes.bytes);
        piece->bytes += (uint32_t)bytes.bytes;
    }
}

void br_piece_unref(struct br_piece *piece)
{
    if (piece != NULL &&
        atomic_fetch_sub_explicit(&piece->references, 1, memory_order_acq_rel) == 1) {
        free(piece);
    }
}

struct br_piece *br_piece_at(struct br *br, uint32_t slot, uint64_t offset,
                             hf_slice *bytes)
{
    struct br_piece *piece = br->slots[slot].pieces;

    while (piece != NULL && piece->offset + piece->bytes <= offset &&
           !(piece->bytes == 0 && piece->offset == offset)) {
        piece = piece->next;
    }
    if (piece == NULL || piece->offset > offset) {
        return NULL;
    }
    atomic_fetch_add_explicit(&piece->references, 1, memory_order_relaxed);
    *bytes = hf_slice_skip(hf_slice_of(piece->data, piece->bytes),
                           (size_t)(offset - piece->offset));
    return piece;
}

uint64_t br_on_disk(struct br *br, uint32_t slot, uint64_t offset, uint64_t bytes)
{
    const struct br_piece *piece = br->slots[slot].pieces;

    if (piece != NULL && piece->offset > offset && piece->offset - offset < bytes) {
        return piece->offset - offset;
    }
    return bytes;
}

void br_drop_pieces(struct br *br, uint32_t slot, uint64_t end)
{
    struct br_slot *s = &br->slots[slot];

    while (s->pieces != NULL && s->pieces->offset + s->pieces->bytes <= end) {
        struct br_piece *piece = s->pieces;

        s->pieces = piece->next;
        if (s->pieces != NULL) {
            s->pieces->last = piece->last;
        }
        br_piece_unref(piece);
    }
}

/* Room for `bytes` more of a response that has begun, and half as much again, because a
 * stream grows again. */
static bool reply_grow(struct br_slot *s, size_t bytes)
{
    struct br_reply *reply = s->reply;
    size_t needed = reply == NULL ? 0 : reply->bytes + bytes;

    if (reply == NULL || needed <= reply->capacity) {
        return true;
    }
    needed += needed / 2;
    reply = realloc(reply, sizeof *reply + needed);
    if (reply == NULL) {
        return false;
    }
    reply->capacity = (uint32_t)needed;
    s->reply = reply;
    return true;
}

static struct br_reply *reply_new(struct br *br, hf_slice head, hf_slice body)
{
    size_t bytes = br->spare_reply.bytes;

    hf_check(bytes >= sizeof(struct br_reply) + head.bytes + body.bytes);
    struct br_reply *reply = spare_take(&br->spare_reply);

    reply->head_bytes = (uint32_t)head.bytes;
    reply->bytes = (uint32_t)head.bytes;
    reply->capacity = (uint32_t)(bytes - sizeof *reply);
    reply->is_streamed = false;
    memcpy(reply->data, head.data, head.bytes);
    return reply;
}

void br_hold_reply(struct br *br, uint32_t slot, const struct hf_record *record,
                   bool is_start)
{
    struct br_slot *s = &br->slots[slot];
    hf_slice body = record->body;

    if (is_start) {
        br_drop_reply(br, slot);
        s->reply = reply_new(br, record->head, body);
    } else if (s->reply == NULL) {
        return; /* grew beyond what is kept */
    } else {
        s->reply->is_streamed = true;
    }
    if (body.bytes > 0) {
        hf_check(body.bytes <= s->reply->capacity - s->reply->bytes);
        memcpy(s->reply->data + s->reply->bytes, body.data, body.bytes);
        s->reply->bytes += (uint32_t)body.bytes;
    }
}

void br_drop_reply(struct br *br, uint32_t slot)
{
    free(br->slots[slot].reply);
    br->slots[slot].reply = NULL;
}

bool br_reply_parts(struct br *br, uint32_t slot, hf_slice *head, hf_slice *body)
{
    const struct br_reply *reply = br->slots[slot].reply;

    if (reply == NULL) {
        return false;
    }
    *head = hf_slice_of(reply->data, reply->head_bytes);
    *body =
        hf_slice_of(reply->data + reply->head_bytes, reply->bytes - reply->head_bytes);
    return true;
}

bool br_reply_is_streamed(struct br *br, uint32_t slot)
{
    const struct br_reply *reply = br->slots[slot].reply;

    return reply != NULL && reply->is_streamed;
}

void br_free_slot(struct br *br, uint32_t slot)
{
    br_drop_held(br, slot);
    br_drop_pieces(br, slot, UINT64_MAX);
    br_drop_reply(br, slot);
    free(br->slots[slot].stream);
    br->slots[slot].stream = NULL;
}

bool br_reserve(struct br *br, const struct broker_input *input,
                const struct hf_record *record)
{
    size_t body_bytes = record->body.bytes;
    struct br_slot *s = NULL;

    switch (input->type) {
    case BROKER_IN_SUBMIT:
        return spare_fill(&br->spare_held,
                          sizeof(struct br_held) + record->head.bytes + body_bytes);
    case BROKER_IN_RESULT:
        return spare_fill(&br->spare_reply,
                          sizeof(struct br_reply) + record->head.bytes + body_bytes);
    case BROKER_IN_RESULT_BODY:
        s = &br->slots[broker_slot_of(br->core, input->id)];
        return reply_grow(s, body_bytes);
    case BROKER_IN_BODY:
        s = &br->slots[broker_slot_of(br->core, input->id)];
        return piece_has_room(s, body_bytes) ||
               spare_fill(&br->spare_piece,
                          sizeof(struct br_piece) +
                              piece_capacity(input->u.body.offset, body_bytes));
    default:
        return true;
    }
}

void br_reserve_free(struct br *br)
{
    free(br->spare_held.data);
    free(br->spare_piece.data);
    free(br->spare_reply.data);
}
