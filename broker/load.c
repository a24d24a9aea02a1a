/* The loader: requests whose bytes are (partly) on disk only, on their way to a worker.
 * It reads outside of the core lock, then looks again whether the lease still stands.
 * Streamed bodies go out piece by piece under the worker's window. */
#include "broker/shell.h"

#include "lib/base/list.h"

#include <stdlib.h>

/* A streamed body on its way to the holder of one lease. */
struct br_stream {
    struct broker_effect assign;
    uint64_t offset;  /* next byte to send */
    uint64_t window;  /* bytes the worker will take */
    bool is_assigned; /* ASSIGN has left */
    bool is_queued;   /* a job for it waits */
    bool is_done;
};

struct job {
    struct hf_list link;
    struct broker_effect assign;
};

/* One request of a run: many small ones are read in one transaction and sent together,
 * so that the lock changes hands and the link is flushed once for all of them. */
#define RUN_MAX       64
#define RUN_BYTES_MAX (HF_HEAD_MAX + HF_BODY_PIECE_MAX)
struct load {
    struct broker_effect assign;
    uint64_t seq;
    size_t head_bytes;
    size_t bytes; /* head and body */
    size_t at;    /* in the bytes read */
    bool is_found;
};

struct br_loads {
    struct hf_list jobs; /* under the core lock */
    pthread_cond_t wake;
    struct hf_buf bytes; /* the loader's own, as is the run */
    struct load run[RUN_MAX];
    uint32_t run_count;
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
    hf_buf_init(&br->loads->bytes, RUN_BYTES_MAX);
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
    if (!broker_slot_has(br->core, assign->slot, assign->id)) {
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

/* The ASSIGN of a streamed request: its head is read, the body follows piece by piece.
 */
static bool send_streamed_head(struct br *br, const struct broker_effect *assign)
{
    const struct br_held *held = br->slots[assign->slot].held;
    struct broker_request_view view;

    if (!still_stands(br, assign, &view)) {
        return false;
    }
    if (held != NULL) {
        br_send_assign(br, assign, br_held_head(held), HF_SLICE_EMPTY);
        return true;
    }
    if (!read_back(br, view.seq, 0, view.head_bytes) ||
        !still_stands(br, assign, &view)) {
        return false;
    }
    br_send_assign(br, assign, hf_buf_slice(&br->loads->bytes), HF_SLICE_EMPTY);
    return true;
}

/* Under the lock: whether the job at the front fits into the run; then it is taken. One
 * whose lease has ended needs no reading. */
static bool take_job(struct br *br, const struct job *job, size_t *total)
{
    struct br_loads *loads = br->loads;
    struct load *load = &loads->run[loads->run_count];
    struct broker_request_view view;

    if (!still_stands(br, &job->assign, &view)) {
        return true;
    }
    if ((view.flags & BROKER_SUBMIT_STREAMED) != 0 ||
        *total + view.head_bytes + view.body_bytes > RUN_BYTES_MAX) {
        return false;
    }
    *load = (struct load){.assign = job->assign,
                          .seq = view.seq,
                          .head_bytes = view.head_bytes,
                          .bytes = view.head_bytes + (size_t)view.body_bytes};
    *total += load->bytes;
    loads->run_count++;
    return true;
}

static void take_run(struct br *br)
{
    struct br_loads *loads = br->loads;
    size_t total = 0;

    loads->run_count = 0;
    while (loads->run_count < RUN_MAX && !hf_list_is_empty(&loads->jobs)) {
        struct job *job = HF_CONTAINER(hf_list_first(&loads->jobs), struct job, link);

        if (!take_job(br, job, &total)) {
            return;
        }
        hf_list_remove(&job->link);
        free(job);
    }
}

/* Outside of the lock. A request that has ended meanwhile is not found. */
static void read_run(struct br *br)
{
    struct br_loads *loads = br->loads;

    hf_buf_clear(&loads->bytes);
    if (br_store_read_begin(br->store) != HF_OK) {
        br_fail_stop("a stored request cannot be read");
    }
    for (uint32_t i = 0; i < loads->run_count; i++) {
        struct load *load = &loads->run[i];
        hf_err err = HF_OK;

        load->at = hf_buf_bytes(&loads->bytes);
        err = br_store_read(br->store, load->seq, 0, load->bytes, &loads->bytes);
        if (err != HF_OK && err != HF_ERR_NOT_FOUND) {
            br_fail_stop("a stored request cannot be read");
        }
        load->is_found = err == HF_OK;
    }
    br_store_read_end(br->store);
    hf_stat_add(&br_stats.loads, loads->run_count);
}

static void send_run(struct br *br)
{
    struct br_loads *loads = br->loads;

    for (uint32_t i = 0; i < loads->run_count; i++) {
        const struct load *load = &loads->run[i];
        struct broker_request_view view;
        hf_slice bytes = hf_slice_first(
            hf_slice_skip(hf_buf_slice(&loads->bytes), load->at), load->bytes);

        if (!load->is_found || !still_stands(br, &load->assign, &view)) {
            continue;
        }
        br_send_assign(br, &load->assign, hf_slice_first(bytes, load->head_bytes),
                       hf_slice_skip(bytes, load->head_bytes));
    }
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
    want = br_on_disk(br, assign->slot, stream->offset, want);
    if (!read_back(br, view.seq, view.head_bytes + stream->offset, want) ||
        !still_stands(br, assign, &view)) {
        return false;
    }
    send_piece(br, br->slots[assign->slot].stream, hf_buf_slice(&br->loads->bytes),
               view.body_bytes);
    return true;
}

static void run_stream(struct br *br, const struct broker_effect *assign)
{
    struct br_stream *stream = br->slots[assign->slot].stream;
    bool is_begun = stream != NULL && stream->assign.epoch == assign->epoch &&
                    hf_id_equal(stream->assign.id, assign->id) && stream->is_assigned;

    if (!is_begun) {
        is_begun = send_streamed_head(br, assign);
        stream = br->slots[assign->slot].stream;
        if (!is_begun || stream == NULL) {
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

static void run_jobs(struct br *br)
{
    take_run(br);
    if (br->loads->run_count > 0) {
        br_unlock(br);
        read_run(br);
        br_lock(br);
        send_run(br);
        return;
    }
    if (!hf_list_is_empty(&br->loads->jobs)) {
        struct job *job =
            HF_CONTAINER(hf_list_pop_front(&br->loads->jobs), struct job, link);

        run_stream(br, &job->assign);
        free(job);
    }
}

void *br_load_main(void *context)
{
    struct br *br = context;

    br_lock(br);
    while (!br->is_stopping) {
        run_jobs(br);
        br_unlock(br); /* flushes what was sent */
        br_lock(br);
        if (hf_list_is_empty(&br->loads->jobs) && !br->is_stopping) {
            pthread_cond_wait(&br->loads->wake, &br->lock);
        }
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
