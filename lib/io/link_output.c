/* Owns the way out of a link: two buffers, sealing, and one send in flight.
 *
 *     hf_link_send -> fill --take--> taken --seal--> cipher -> stream      (sealed)
 *                     fill --take--> taken ------------------> stream      (clear)
 *
 * Whoever sets is_sending runs this pipe until fill is empty; others only append. */
#include "lib/io/link_parts.h"

#include "lib/io/clock.h"
#include "lib/wire/messages.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MESSAGE_TARGET_BYTES 65536  /* an SP message grows no further than this */
#define CIPHER_TARGET_BYTES  262144 /* sealed ahead of the stream */
#define KEPT_BYTES_MAX       65536  /* an idle link keeps no larger buffer */
#define BROKEN_MS            100    /* for the peer's last words */

static size_t plain_bytes_max(const struct hf_link *link)
{
    size_t overhead = link->is_sealed ? HF_SEAL_OVERHEAD : 0;

    return link->peer_message_bytes_max - overhead;
}

static void trim(struct hf_buf *buf)
{
    if (hf_buf_bytes(buf) == 0 && buf->capacity > KEPT_BYTES_MAX) {
        hf_buf_fini(buf);
    }
}

/* Moves fill to taken. False: nothing waits, and the sending is over. */
static bool take(struct hf_link *link)
{
    struct link_output *out = &link->out;
    struct hf_buf empty = out->taken;
    bool has_more;

    link_lock(link);
    has_more = hf_buf_bytes(&out->fill) > 0;
    if (has_more) {
        out->taken = out->fill;
        out->fill = empty;
        out->clear_taken = out->clear_fill;
        out->control_taken = out->control_fill;
        out->is_last_taken = out->is_finishing;
    } else {
        out->is_sending = false;
        out->control_taken = 0;
        trim(&out->fill);
        trim(&out->taken);
        trim(&out->cipher);
    }
    out->clear_fill = 0;
    out->control_fill = 0;
    out->has_open = false;
    link_unlock(link);
    return has_more;
}

static hf_err copy_clear(struct link_output *out)
{
    hf_slice clear = hf_slice_first(hf_buf_slice(&out->taken), out->clear_taken);
    hf_err err = hf_buf_append(&out->cipher, clear);

    if (err == HF_OK) {
        hf_buf_consume(&out->taken, out->clear_taken);
        out->clear_taken = 0;
    }
    return err;
}

/* Seals the first message of taken onto cipher. */
static hf_err seal_one(struct hf_link *link)
{
    struct link_output *out = &link->out;
    hf_slice rest = hf_buf_slice(&out->taken);
    size_t prefix = hf_frame_prefix_bytes(link->kind);
    size_t plain;
    uint8_t *place;
    hf_err err = hf_frame_get_prefix(link->kind, rest, rest.bytes, &plain);

    hf_check(err == HF_OK);
    err = hf_buf_reserve(&out->cipher, prefix + hf_seal_bytes(plain), &place);
    if (err != HF_OK) {
        return err;
    }
    hf_frame_put_prefix(link->kind, hf_seal_bytes(plain), place);
    hf_seal(&out->sealer, (hf_slice){rest.data + prefix, plain},
            out->is_last_taken && rest.bytes == prefix + plain, place + prefix);
    hf_buf_grown(&out->cipher, prefix + hf_seal_bytes(plain));
    hf_buf_consume(&out->taken, prefix + plain);
    atomic_fetch_add_explicit(&out->bytes, HF_SEAL_OVERHEAD, memory_order_relaxed);
    return HF_OK;
}

static hf_err seal_some(struct hf_link *link)
{
    struct link_output *out = &link->out;
    hf_err err = HF_OK;

    if (out->clear_taken > 0) {
        err = copy_clear(out);
    }
    while (err == HF_OK && hf_buf_bytes(&out->taken) > 0 &&
           hf_buf_bytes(&out->cipher) < CIPHER_TARGET_BYTES) {
        err = seal_one(link);
    }
    return err;
}

/* The buffer to send from next, or NULL when there is nothing. */
static struct hf_buf *next_source(struct hf_link *link)
{
    struct link_output *out = &link->out;

    if (hf_buf_bytes(&out->cipher) > 0) {
        return &out->cipher;
    }
    if (hf_buf_bytes(&out->taken) == 0 && !take(link)) {
        return NULL;
    }
    if (!link->is_sealed) {
        return &out->taken;
    }
    if (seal_some(link) != HF_OK) {
        link_end(link, HF_LINK_END_MEMORY);
        return NULL;
    }
    return &out->cipher;
}

static void sent(struct hf_link *link, struct hf_buf *source, size_t bytes)
{
    struct link_output *out = &link->out;

    hf_buf_consume(source, bytes);
    if (source == &out->taken) { /* the rest may have to be told apart when sealing */
        out->clear_taken -= bytes < out->clear_taken ? bytes : out->clear_taken;
    }
    atomic_fetch_sub_explicit(&out->bytes, bytes, memory_order_relaxed);
    hf_stat_add(&hf_link_stats.bytes_out_total, (int64_t)bytes);
}

/* False: the socket takes no more now, or ever. A broken socket is not the end yet: the
 * peer's last words may wait to be read. */
static bool send_some(struct hf_link *link, struct hf_buf *source)
{
    ssize_t count = send(link->source.fd, source->data + source->start,
                         hf_buf_bytes(source), MSG_NOSIGNAL);

    if (count >= 0) {
        sent(link, source, (size_t)count);
        return true;
    }
    if (errno == EINTR) {
        return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        hf_stat_add(&hf_link_stats.sends_blocked_total, 1);
        hub_rewatch(link->hub, &link->source, EPOLLIN | EPOLLOUT);
    } else if (atomic_load(&link->finish_us) == INT64_MAX) {
        link_linger(link, HF_LINK_END_PEER, BROKEN_MS);
    }
    return false;
}

/* The caller has set is_sending. It stays set while the socket is full, and for good
 * when it is broken or the link has ended. */
static void run(struct hf_link *link)
{
    struct link_output *out = &link->out;
    bool goes_on = true;

    atomic_store_explicit(&out->soon_us, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&out->sent_us, hf_clock_monotonic_us(), memory_order_relaxed);
    if (link->is_shared) {
        pthread_mutex_lock(&out->io);
    }
    while (goes_on && !link_has_ended(link)) {
        struct hf_buf *source = next_source(link);

        goes_on = source != NULL && send_some(link, source);
    }
    if (link->is_shared) {
        pthread_mutex_unlock(&out->io);
    }
}

void link_output_ready(struct hf_link *link)
{
    hub_rewatch(link->hub, &link->source, EPOLLIN);
    run(link);
}

/* Place for a record in the open message, or in a new one; lock held. */
static hf_err place_record(struct hf_link *link, size_t bytes, uint8_t **place)
{
    struct link_output *out = &link->out;
    size_t prefix = hf_frame_prefix_bytes(link->kind);
    size_t filled = hf_buf_bytes(&out->fill);
    size_t target = plain_bytes_max(link);
    hf_err err;

    if (target > MESSAGE_TARGET_BYTES) {
        target = MESSAGE_TARGET_BYTES;
    }
    if (out->has_open && filled - out->open_at - prefix + bytes > target) {
        out->has_open = false;
    }
    if (out->has_open) {
        prefix = 0;
    }
    err = hf_buf_reserve(&out->fill, prefix + bytes, place);
    if (err != HF_OK) {
        return err;
    }
    if (!out->has_open) {
        out->has_open = true;
        out->open_at = filled;
    }
    *place += prefix;
    hf_buf_grown(&out->fill, prefix + bytes);
    atomic_fetch_add_explicit(&out->bytes, prefix + bytes, memory_order_relaxed);
    return HF_OK;
}

/* Writes the length of the open message into its prefix; lock held. */
static void patch_prefix(struct hf_link *link)
{
    struct link_output *out = &link->out;
    size_t content =
        hf_buf_bytes(&out->fill) - out->open_at - hf_frame_prefix_bytes(link->kind);

    hf_frame_put_prefix(link->kind, content,
                        out->fill.data + out->fill.start + out->open_at);
}

/* Lock held. */
static hf_err append(struct hf_link *link, const struct hf_record *record, size_t bytes)
{
    struct link_output *out = &link->out;
    uint8_t *place;
    hf_err err;

    if (atomic_load_explicit(&out->bytes, memory_order_relaxed) + bytes >
        link->output_bytes_max) {
        return HF_ERR_FULL;
    }
    err = place_record(link, bytes, &place);
    if (err != HF_OK) {
        return err;
    }
    hf_record_put(record, place);
    patch_prefix(link);
    return HF_OK;
}

void link_output_goodbye(struct hf_link *link, hf_reason reason)
{
    const struct hf_goodbye goodbye = {.reason = reason};
    struct hf_record record = {.type = HF_LINK_GOODBYE_TYPE};
    uint8_t meta[HF_META_SMALL_MAX];

    record.meta = hf_slice_of(meta, hf_goodbye_encode(&goodbye, meta, sizeof meta));
    link_lock(link);
    if (!link->out.is_finishing) {
        (void)!append(link, &record, hf_record_bytes(&record));
    }
    link_unlock(link);
}

static hf_err send_record(struct hf_link *link, const struct hf_record *record,
                          bool is_control)
{
    struct link_output *out = &link->out;
    size_t bytes = hf_record_bytes(record);
    hf_err err = HF_ERR_CLOSED;

    if (atomic_load(&link->state) != LINK_UP || link_has_ended(link)) {
        return HF_ERR_CLOSED;
    }
    if (bytes == 0 || bytes > plain_bytes_max(link)) {
        return HF_ERR_TOO_BIG;
    }
    link_lock(link);
    if (!out->is_finishing) {
        err = append(link, record, bytes);
    }
    if (err == HF_OK && is_control) {
        out->control_fill += bytes;
        if (out->control_fill + out->control_taken > HF_LINK_CONTROL_BYTES_MAX) {
            err = HF_ERR_TOO_BIG;
        }
    }
    link_unlock(link);
    if (err == HF_OK) {
        hf_stat_add(&hf_link_stats.records_out_total, 1);
        return HF_OK;
    }
    if (err == HF_ERR_TOO_BIG) {
        hf_stat_add(&hf_link_stats.limit_control_total, 1);
        link_say_goodbye(link, HF_REASON_LIMIT, HF_LINK_END_LIMIT);
    } else if (err != HF_ERR_CLOSED) {
        hf_stat_add(&hf_link_stats.limit_output_total, err == HF_ERR_FULL ? 1 : 0);
        link_end(link,
                 err == HF_ERR_NO_MEMORY ? HF_LINK_END_MEMORY : HF_LINK_END_LIMIT);
    }
    return HF_ERR_CLOSED;
}

hf_err hf_link_send(struct hf_link *link, const struct hf_record *record)
{
    hf_check(link != NULL);
    return send_record(link, record, false);
}

hf_err hf_link_send_control(struct hf_link *link, const struct hf_record *record)
{
    hf_check(link != NULL);
    return send_record(link, record, true);
}

void hf_link_flush(struct hf_link *link)
{
    struct link_output *out = &link->out;
    bool is_mine;

    hf_check(link != NULL);
    link_lock(link);
    is_mine = !out->is_sending && hf_buf_bytes(&out->fill) > 0;
    if (is_mine) {
        out->is_sending = true;
    }
    link_unlock(link);
    if (is_mine) {
        run(link);
    }
}

/* A send in flight takes along what waits, so the time is only kept without one. Losing
 * the race against run() keeps a time that is not needed: the hub finds nothing. */
void hf_link_flush_soon(struct hf_link *link)
{
    struct link_output *out = &link->out;
    int64_t due = hf_clock_monotonic_us() + HF_LINK_SOON_MS * 1000;
    bool is_first;

    hf_check(link != NULL);
    link_lock(link);
    is_first = !out->is_sending && hf_buf_bytes(&out->fill) > 0 &&
               atomic_load(&out->soon_us) == INT64_MAX;
    if (is_first) {
        atomic_store(&out->soon_us, due);
    }
    link_unlock(link);
    if (is_first) {
        hub_wake_by(link->hub, due);
    }
}

size_t hf_link_output_bytes(struct hf_link *link)
{
    return atomic_load_explicit(&link->out.bytes, memory_order_relaxed);
}

hf_err link_output_bytes(struct hf_link *link, hf_slice bytes)
{
    struct link_output *out = &link->out;
    hf_err err;

    link_lock(link);
    err = hf_buf_append(&out->fill, bytes);
    if (err == HF_OK) {
        out->has_open = false;
        out->clear_fill = hf_buf_bytes(&out->fill);
        atomic_fetch_add_explicit(&out->bytes, bytes.bytes, memory_order_relaxed);
    }
    link_unlock(link);
    return err;
}

hf_err link_output_message(struct hf_link *link, hf_slice content)
{
    uint8_t prefix[HF_FRAME_PREFIX_BYTES_MAX];
    size_t prefix_bytes = hf_frame_prefix_bytes(link->kind);
    hf_err err;

    hf_frame_put_prefix(link->kind, content.bytes, prefix);
    err = link_output_bytes(link, (hf_slice){prefix, prefix_bytes});
    return err == HF_OK ? link_output_bytes(link, content) : err;
}

void link_output_seal(struct hf_link *link)
{
    pthread_mutex_lock(&link->out.io);
    hf_handshake_take_seal(link->handshake, &link->out.sealer, &link->in.opener);
    link->is_sealed = true;
    pthread_mutex_unlock(&link->out.io);
}

/* An empty last message carries the mark of an orderly end when nothing else waits. */
void link_output_finish(struct hf_link *link)
{
    struct link_output *out = &link->out;
    uint8_t *place;

    link_lock(link);
    if (!out->is_finishing && hf_buf_bytes(&out->fill) == 0 &&
        place_record(link, 0, &place) == HF_OK) {
        patch_prefix(link);
    }
    out->is_finishing = true;
    link_unlock(link);
}

void link_output_init(struct hf_link *link)
{
    struct link_output *out = &link->out;

    pthread_mutex_init(&out->io, NULL);
    atomic_store(&out->soon_us, INT64_MAX);
    /* The bound on fill is link->output_bytes_max; the slack is for prefixes. */
    hf_buf_init(&out->fill, link->output_bytes_max + (1u << 20));
    hf_buf_init(&out->taken, link->output_bytes_max + (1u << 20));
    hf_buf_init(&out->cipher, CIPHER_TARGET_BYTES + 2 * link->output_bytes_max);
}

void link_output_fini(struct hf_link *link)
{
    struct link_output *out = &link->out;

    hf_buf_fini(&out->fill);
    hf_buf_fini(&out->taken);
    hf_buf_fini(&out->cipher);
    hf_sealer_fini(&out->sealer);
    pthread_mutex_destroy(&out->io);
}
