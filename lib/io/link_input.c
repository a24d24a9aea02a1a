/* Owns the way into a link: what the socket has is read into one growing buffer, whole
 * messages are opened in place and handed up as batches of records. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"

#include <errno.h>
#include <sys/socket.h>

#define READ_BYTES_FIRST 4096
#define READ_BYTES_MAX   262144
#define SMALL_READS_MAX  64 /* so many in a row make the buffer smaller again */

/* Records of one callback; the callbacks of one thread never nest. */
struct batch {
    struct hf_record records[LINK_BATCH_MAX];
    size_t count;
    bool has_heartbeat;
};

static _Thread_local struct batch batch;

static void deliver(struct hf_link *link)
{
    const struct hf_link_events *events = link->events;
    size_t count = batch.count;

    batch.count = 0;
    if (count > 0 && !link_has_ended(link)) {
        hf_stat_add(&hf_link_stats.records_in_total, (int64_t)count);
        events->on_records(link->ctx, link, batch.records, count);
    }
}

/* What cannot be read ends the link at once: greeting, prefix, seal. */
static bool violates(struct hf_link *link)
{
    hf_stat_add(&hf_link_stats.protocol_violations_total, 1);
    deliver(link);
    link_end(link, HF_LINK_END_PROTOCOL);
    return false;
}

/* Records that break their own framing came from a proven peer, who is told
 * (PROTOCOL.md 3). */
static bool breaks_framing(struct hf_link *link)
{
    hf_stat_add(&hf_link_stats.protocol_violations_total, 1);
    deliver(link);
    link->in.is_deaf = true;
    link_say_goodbye(link, HF_REASON_PROTOCOL, HF_LINK_END_PROTOCOL);
    return false;
}

/* GOODBYE is the peer's last record (PROTOCOL.md 3.1): closing at once lets the peer go
 * without waiting for its deadline. */
static bool take_record(struct hf_link *link, const struct hf_record *record)
{
    if (record->type == HF_LINK_HEARTBEAT_TYPE) {
        batch.has_heartbeat = true;
        return true;
    }
    batch.records[batch.count++] = *record;
    if (record->type == HF_LINK_GOODBYE_TYPE) {
        deliver(link);
        link_end(link, HF_LINK_END_PEER);
        return false;
    }
    if (batch.count == LINK_BATCH_MAX) {
        deliver(link);
    }
    return true;
}

/* One whole message whose content lies at `content`; false when the link has ended. */
static bool take_message(struct hf_link *link, uint8_t *content, size_t bytes)
{
    hf_slice rest = {content, bytes};
    struct hf_opened opened = {bytes, false};
    struct hf_record record;
    hf_err err;

    if (link->is_sealed) {
        if (hf_open(&link->in.opener, rest, content + HF_SEAL_LEAD, &opened) != HF_OK) {
            return violates(link);
        }
        rest = (hf_slice){content + HF_SEAL_LEAD, opened.bytes};
    }
    while ((err = hf_record_next(&rest, &record)) == HF_OK) {
        if (!take_record(link, &record)) {
            return false;
        }
    }
    if (err != HF_ERR_NOT_FOUND) {
        return breaks_framing(link);
    }
    if (opened.is_last) {
        deliver(link);
        link_end(link, HF_LINK_END_PEER);
    }
    return !link_has_ended(link);
}

/* The next whole message at `offset`. HF_ERR_AGAIN sets need_bytes. */
static hf_err find_message(struct hf_link *link, size_t offset, size_t bytes_max,
                           size_t *bytes)
{
    hf_slice rest = hf_slice_skip(hf_buf_slice(&link->in.buf), offset);
    size_t prefix = hf_frame_prefix_bytes(link->kind);
    hf_err err = hf_frame_get_prefix(link->kind, rest, bytes_max, bytes);

    link->in.need_bytes = 0;
    if (err == HF_OK && rest.bytes < prefix + *bytes) {
        link->in.need_bytes = prefix + *bytes;
        err = HF_ERR_AGAIN;
    }
    if (err == HF_ERR_TOO_BIG) {
        hf_stat_add(&hf_link_stats.limit_message_total, 1);
        deliver(link);
        link_end(link, HF_LINK_END_LIMIT);
    } else if (err == HF_ERR_INVALID) {
        (void)violates(link);
    }
    return err;
}

static void process_up(struct hf_link *link)
{
    struct hf_buf *buf = &link->in.buf;
    size_t prefix = hf_frame_prefix_bytes(link->kind);
    size_t offset = 0;
    int64_t messages = 0;
    size_t bytes;

    while (find_message(link, offset, link->message_bytes_max, &bytes) == HF_OK) {
        uint8_t *content = buf->data + buf->start + offset + prefix;

        messages++;
        if (!take_message(link, content, bytes)) {
            break;
        }
        offset += prefix + bytes;
    }
    deliver(link);
    hf_stat_add(&hf_link_stats.messages_in_total, messages);
    if (batch.has_heartbeat && link->events->on_heartbeat != NULL &&
        !link_has_ended(link)) {
        link->events->on_heartbeat(link->ctx, link);
    }
    batch.has_heartbeat = false;
    hf_buf_consume(buf, offset);
}

/* False when more bytes are needed. */
static bool process_greeting(struct hf_link *link)
{
    hf_slice bytes = hf_buf_slice(&link->in.buf);

    if (bytes.bytes < HF_FRAME_GREETING_BYTES) {
        return false;
    }
    bytes.bytes = HF_FRAME_GREETING_BYTES;
    if (hf_frame_check_greeting(bytes) != HF_OK) {
        return violates(link);
    }
    hf_buf_consume(&link->in.buf, HF_FRAME_GREETING_BYTES);
    atomic_store(&link->state, LINK_HANDSHAKE);
    link_auth_greeted(link);
    return true;
}

static bool process_handshake(struct hf_link *link)
{
    struct hf_buf *buf = &link->in.buf;
    size_t prefix = hf_frame_prefix_bytes(link->kind);
    size_t bytes;

    if (find_message(link, 0, LINK_PENDING_BYTES_MAX, &bytes) != HF_OK) {
        return false;
    }
    link_auth_message(link, (hf_slice){buf->data + buf->start + prefix, bytes});
    hf_buf_consume(buf, prefix + bytes);
    return true;
}

static void process(struct hf_link *link)
{
    bool goes_on = true;

    while (goes_on && !link_has_ended(link)) {
        switch ((enum link_state)atomic_load(&link->state)) {
        case LINK_GREETING:
            goes_on = process_greeting(link);
            break;
        case LINK_HANDSHAKE:
            goes_on = process_handshake(link);
            break;
        case LINK_UP:
            process_up(link);
            goes_on = false;
            break;
        }
    }
}

/* Reads grow while they fill what was offered, and shrink after many small ones. */
static void adapt(struct link_input *in, size_t got, size_t asked)
{
    if (got == asked && in->read_bytes < READ_BYTES_MAX) {
        in->read_bytes *= 2;
        in->small_reads = 0;
    } else if (got * 4 > in->read_bytes) {
        in->small_reads = 0;
    } else if (++in->small_reads == SMALL_READS_MAX) {
        in->small_reads = 0;
        if (in->read_bytes > READ_BYTES_FIRST) {
            in->read_bytes /= 2;
        }
    }
    if (hf_buf_bytes(&in->buf) == 0 && in->buf.capacity > 4 * in->read_bytes) {
        hf_buf_fini(&in->buf);
    }
}

static size_t wanted(const struct link_input *in)
{
    size_t have = hf_buf_bytes(&in->buf);
    size_t want = in->read_bytes;

    if (in->need_bytes > have && in->need_bytes - have > want) {
        want = in->need_bytes - have;
    }
    if (want > in->buf.bytes_max - have) {
        want = in->buf.bytes_max - have;
    }
    return want;
}

void link_input_ready(struct hf_link *link)
{
    struct link_input *in = &link->in;
    size_t asked = wanted(in);
    ssize_t count;
    uint8_t *place;

    hf_check(asked > 0);
    if (in->is_deaf) {
        in->buf.start = in->buf.end = 0; /* only its end is waited for */
    }
    if (hf_buf_reserve(&in->buf, asked, &place) != HF_OK) {
        link_end(link, HF_LINK_END_MEMORY);
        return;
    }
    count = recv(link->source.fd, place, asked, 0);
    if (count <= 0) {
        if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            link_end(link, in->is_deaf ? (enum hf_link_end)link->finish_end
                                       : HF_LINK_END_PEER);
        }
        return;
    }
    hf_buf_grown(&in->buf, (size_t)count);
    hf_stat_add(&hf_link_stats.bytes_in_total, count);
    atomic_store_explicit(&in->received_us, hf_clock_monotonic_us(),
                          memory_order_relaxed);
    if (!in->is_deaf) {
        process(link);
    }
    if (!link_has_ended(link)) {
        adapt(in, (size_t)count, asked);
    }
}

int64_t hf_link_last_received_us(const struct hf_link *link)
{
    return atomic_load_explicit(&link->in.received_us, memory_order_relaxed);
}

void link_input_init(struct hf_link *link)
{
    struct link_input *in = &link->in;

    hf_buf_init(&in->buf, LINK_PENDING_BYTES_MAX + HF_FRAME_PREFIX_BYTES_MAX);
    in->read_bytes = READ_BYTES_FIRST;
    atomic_store(&in->received_us, hf_clock_monotonic_us());
}

void link_input_open_up(struct hf_link *link)
{
    link->in.buf.bytes_max =
        link->message_bytes_max + HF_FRAME_PREFIX_BYTES_MAX + READ_BYTES_MAX;
}

void link_input_fini(struct hf_link *link)
{
    hf_buf_fini(&link->in.buf);
    hf_opener_fini(&link->in.opener);
}
