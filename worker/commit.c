/* What handlers give becomes inputs of the core: small responses as one, others as a
 * stream under its window, and the ends that are no response. */
#include "worker/shell.h"

static void commit_whole(struct hf_request *request, size_t bytes)
{
    struct worker_input input = {
        .type = WORKER_IN_RESPOND,
        .slot = request->slot,
        .u.respond.bytes = (uint32_t)(hf_buf_bytes(&request->head_out) + bytes)};

    request->is_committed = true;
    request->is_last_told = true;
    wk_count(&request->worker->stats.answered, 1);
    wk_step(request->worker, &input);
}

static void commit_head(struct hf_request *request)
{
    struct worker_input input = {
        .type = WORKER_IN_RESPOND,
        .slot = request->slot,
        .u.respond = {.bytes = (uint32_t)hf_buf_bytes(&request->head_out),
                      .is_streamed = true}};

    request->is_committed = true;
    wk_step(request->worker, &input);
}

static void commit_body(struct hf_request *request)
{
    uint64_t limit =
        request->given < request->allowed ? request->given : request->allowed;
    uint64_t bytes = limit > request->produced ? limit - request->produced : 0;
    bool is_last = request->is_whole && request->produced + bytes == request->given;

    if ((bytes == 0 && !is_last) || request->is_last_told) {
        return;
    }
    hf_check(bytes <= UINT32_MAX);

    struct worker_input input = {.type = WORKER_IN_RESPOND_BODY,
                                 .slot = request->slot,
                                 .u.body = {.offset = request->produced,
                                            .bytes = (uint32_t)bytes,
                                            .is_last = is_last}};

    request->produced += bytes;
    request->is_last_told = is_last;
    if (is_last) {
        wk_count(&request->worker->stats.answered, 1);
    }
    wk_step(request->worker, &input);
}

void wk_commit(struct hf_request *request)
{
    size_t waiting = hf_buf_bytes(&request->out);

    if (request->slot == 0 || request->is_cancelled || !request->has_head ||
        request->worker->is_stopping) {
        return;
    }
    if (!request->is_committed && request->is_whole && waiting <= HF_BODY_INLINE_MAX) {
        commit_whole(request, waiting);
        return;
    }
    if (!request->is_committed) {
        commit_head(request);
    }
    if (request->slot != 0 && !request->is_cancelled) {
        commit_body(request);
    }
}

void wk_end(struct hf_request *request, enum worker_input_type how, hf_reason reason)
{
    struct worker_input input = {.type = how, .slot = request->slot, .reason = reason};

    if (request->is_ended || request->slot == 0) {
        return;
    }
    request->is_ended = true;
    hf_heap_remove(&request->worker->laters, &request->later);
    if (request->is_cancelled) {
        input.type = WORKER_IN_FAIL;
    } else if (how != WORKER_IN_RELEASE) {
        wk_count(&request->worker->stats.failed, 1);
    }
    if (!request->worker->is_stopping) {
        wk_step(request->worker, &input);
    }
}

void wk_took(struct hf_request *request, uint64_t bytes)
{
    struct worker_input input = {
        .type = WORKER_IN_TOOK, .slot = request->slot, .u.amount.bytes = bytes};

    if (request->is_body_streamed && request->slot != 0 && bytes > 0) {
        wk_step(request->worker, &input);
    }
}
