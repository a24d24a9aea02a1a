/* The loader: requests whose bytes are (partly) on disk only, on their way to a worker. It
 * reads outside of the core lock, then looks again whether the lease still stands. Streamed
 * bodies go out piece by piece under the worker's window. */
#include "broker/shell.h"

#include "lib/base/list.h"

#include <stdlib.h>

/* A streamed body on its way to the holder of one lease. */
struct br_stream {
    struct broker_effect assign;
    uint64_t offset; /* next byte to send */
    uint64_t window; /* bytes the worker will take */
    bool is_assigned; /* ASSIGN has left */
    bool is_queued;   /* a job for it waits */
    bool is_done;
};

struct job {
    struct hf_list link;
    struct broker_effect assign;
};

struct br_loads {
    struct hf_list jobs; /* under the core lock */
    pthread_cond_t wake;
    struct hf_buf bytes; /* the loader's own */
};

hf_err br_loads_new(struct br *br)
{
    pthread_condattr_t attributes;

    br->loads = calloc(1, sizeof *br->loads);
    if (br->loads == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    hf_list_init(&br->loads->jobs);
    pthread_condattr_init(&attributes);
    pthread_cond_init(&br->loads->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    hf_buf_init(&br->loads->bytes, HF_HEAD_MAX + HF_BODY_PIECE_MAX);
    return HF_OK;
}

static void push_job(struct br *br, const struct broker_effect *assign)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        br_fail_stop("no memory to load a request");
    }
    job->assign = *assign;
    hf_list_push_back(&br->loads->jobs, &job->link);
    pthread_cond_signal(&br->loads->wake);
}

void br_load(struct br *br, const struct broker_effect *assign)
{
    struct br_slot *slot = &br->slots[assign->slot];
    const struct broker_request_view view = broker_request_at(br->core, assign->slot);

    if ((view.flags & BROKER_SUBMIT_STREAMED) != 0) {
        if (slot->stream == NULL) {
            slot->stream = calloc(1, sizeof *slot->stream);
            if (slot->stream == NULL) {
                br_fail_stop("no memory to send a body");
            }
        }
        *slot->stream = (struct br_stream){
            .assign = *assign, .window = BROKER_BODY_WINDOW, .is_queued = true};
    }
    push_job(br, assign);
}

void br_load_window(struct br *br, uint32_t session, const struct hf_window *window)
{
    uint32_t slot = broker_slot_of(br->core, window->id);
    struct br_stream *stream = slot == 0 ? NULL : br->slots[slot].stream;

    if (stream == NULL || stream->assign.session != session ||
        stream->assign.epoch != window->epoch || stream->is_done) {
        return; /* the lease has ended meanwhile */
    }
    if (window->bytes > UINT64_MAX - stream->window) {
        stream->window = UINT64_MAX;
    } else {
        stream->window += window->bytes;
    }
    if (!stream->is_queued) {
        stream->is_queued = true;
        push_job(br, &stream->assign);
    }
}

/* Under the lock: whether the lease the job is for still stands. */
static bool still_stands(struct br *br, const struct broker_effect *assign,
                         struct broker_request_view *view)
{
    if (broker_slot_of(br->core, assign->id) != assign->slot) {
        return false;
    }
    *view = broker_request_at(br->core, assign->slot);
    return view->is_leased && view->lease_epoch == assign->epoch &&
           view->lease_session == assign->session;
}

/* Reads payload bytes without the lock and takes it again. False: they are not there,
 * because the request has ended meanwhile. */
static bool read_back(struct br *br, uint64_t seq, uint64_t offset, uint64_t bytes)
{
    hf_err err = HF_OK;

    br_unlock(br);
    hf_buf_clear(&br->loads->bytes);
    err = br_store_read_begin(br->store);
    if (err == HF_OK) {
        err = br_store_read(br->store, seq, offset, bytes, &br->loads->bytes);
        br_store_read_end(br->store);
    }
    if (err != HF_OK && err != HF_ERR_NOT_FOUND) {
        br_fail_stop("a stored request cannot be read");
    }
    hf_stat_add(&br_stats.loads, 1);
    br_lock(br);
    return err == HF_OK;
}

static bool load_whole(struct br *br, const struct broker_effect *assign)
{
    struct broker_request_view view;
    hf_slice bytes = HF_SLICE_EMPTY;
    bool is_streamed = false;

    if (!still_stands(br, assign, &view)) {
        return false;
    }
    is_streamed = (view.flags & BROKER_SUBMIT_STREAMED) != 0;
    if (br->slots[assign->slot].held == NULL) {
        uint64_t body = is_streamed ? 0 : view.body_bytes;

        if (!read_back(br, view.seq, 0, view.head_bytes + body) ||
            !still_stands(br, assign, &view)) {
            return false;
        }
        bytes = hf_buf_slice(&br->loads->bytes);
        (void)br_install_held(br, assign->slot, hf_slice_first(bytes, view.head_bytes),
                              hf_slice_skip(bytes, view.head_bytes));
    }
    br_send_assign(br, assign, br->slots[assign->slot].held, is_streamed);
    return is_streamed;
}

static void send_piece(struct br *br, struct br_stream *stream, hf_slice bytes,
                       uint64_t total)
{
    uint8_t meta[HF_META_SMALL_MAX];
    const struct hf_body_piece piece = {
        .id = stream->assign.id,
        .epoch = stream->assign.epoch,
        .offset = stream->offset,
        .is_last = stream->offset + bytes.bytes == total,
    };
    const struct hf_record record = {
        .type = HF_RECORD_BODY,
        .meta = hf_slice_of(meta, hf_body_piece_encode(&piece, meta, sizeof meta)),
        .body = bytes,
    };

    (void)br_send(br, stream->assign.session, &record);
    stream->offset += bytes.bytes;
    stream->window -= bytes.bytes;
    stream->is_done = piece.is_last;
}

/* One piece, from memory or from disk. False: nothing more can go now. */
static bool send_next(struct br *br, const struct broker_effect *assign)
{
    struct br_stream *stream = br->slots[assign->slot].stream;
    struct broker_request_view view;
    struct br_piece *piece = NULL;
    hf_slice bytes = HF_SLICE_EMPTY;
    uint64_t want = 0;

    if (!still_stands(br, assign, &view) || stream == NULL || stream->is_done ||
        stream->assign.epoch != assign->epoch) {
        return false;
    }
    want = view.body_bytes - stream->offset;
    want = want < stream->window ? want : stream->window;
    want = want < HF_BODY_PIECE_MAX ? want : HF_BODY_PIECE_MAX;
    if (want == 0 && stream->offset != view.body_bytes) {
        return false;
    }
    piece = br_piece_at(br, assign->slot, stream->offset, &bytes);
    if (piece != NULL) {
        send_piece(br, stream, hf_slice_first(bytes, (size_t)want), view.body_bytes);
        br_piece_unref(piece);
        return true;
    }
    if (!read_back(br, view.seq, view.head_bytes + stream->offset, want) ||
        !still_stands(br, assign, &view)) {
        return false;
    }
    send_piece(br, br->slots[assign->slot].stream, hf_buf_slice(&br->loads->bytes),
               view.body_bytes);
    return true;
}

static void run_job(struct br *br, const struct broker_effect *assign)
{
    struct br_stream *stream = br->slots[assign->slot].stream;
    bool is_streamed = stream != NULL && stream->assign.epoch == assign->epoch &&
                       hf_id_equal(stream->assign.id, assign->id);

    if (!is_streamed || !stream->is_assigned) {
        is_streamed = load_whole(br, assign);
        stream = br->slots[assign->slot].stream;
        if (!is_streamed || stream == NULL) {
            return;
        }
        stream->is_assigned = true;
    }
    while (send_next(br, assign)) {
    }
    /* The slot may have ended while the disk was read. */
    stream = br->slots[assign->slot].stream;
    if (stream != NULL && stream->assign.epoch == assign->epoch) {
        stream->is_queued = false;
    }
}

void *br_load_main(void *context)
{
    struct br *br = context;

    br_lock(br);
    while (!br->is_stopping) {
        struct hf_list *first = hf_list_pop_front(&br->loads->jobs);

        if (first == NULL) {
            br_unlock(br);
            br_lock(br);
            if (hf_list_is_empty(&br->loads->jobs) && !br->is_stopping) {
                pthread_cond_wait(&br->loads->wake, &br->lock);
            }
            continue;
        }
        struct job *job = HF_CONTAINER(first, struct job, link);

        run_job(br, &job->assign);
        free(job);
    }
    br_unlock(br);
    return NULL;
}

void br_loads_wake(struct br *br)
{
    pthread_cond_broadcast(&br->loads->wake);
}

void br_loads_stop(struct br *br)
{
    if (br->loads == NULL) {
        return;
    }
    while (!hf_list_is_empty(&br->loads->jobs)) {
        free(HF_CONTAINER(hf_list_pop_front(&br->loads->jobs), struct job, link));
    }
    pthread_cond_destroy(&br->loads->wake);
    hf_buf_fini(&br->loads->bytes);
    free(br->loads);
    br->loads = NULL;
}
