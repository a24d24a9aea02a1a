/* A frontend core on a fake clock whose effects are written down as lines of text, so
 * that a test compares a whole run with a literal. One queue `web` on broker 1 is
 * routed unless a test says otherwise. Request ids are numbered: id n is the n-th
 * request. */
#ifndef TESTS_SCENARIO_FRONTEND_TRACE_H
#define TESTS_SCENARIO_FRONTEND_TRACE_H

#include "frontend/core/frontend.h"
#include "lib/base/buf.h"

struct rig {
    struct frontend *core;
    struct hf_buf trace;
    struct frontend_effects effects;
    int64_t now_ms;
    uint32_t requests_count;
    uint32_t handle; /* of the last OPEN */
};

/* A GET without body; change what matters. */
struct rig_request {
    const char *queue;
    bool is_post;
    bool is_expecting;
    bool is_chunked;
    uint64_t length; /* 0: no Content-Length */
    uint64_t body_max;
    int64_t deadline_ms;
};

struct rig *rig_new(void);
/* The same, with the broker up and the handle open; the trace starts empty. */
struct rig *rig_new_open(void);
void rig_free(struct rig *rig);
/* What has been written since the last call; valid until the next one. */
const char *rig_trace(struct rig *rig);

void rig_wait(struct rig *rig, int64_t ms); /* time passes, with ticks */
uint32_t rig_ask(struct rig *rig,
                 struct rig_request request); /* the slot; 0 = refused */
uint32_t rig_get(struct rig *rig);
void rig_body(struct rig *rig, uint32_t slot, uint32_t bytes, bool is_last);
void rig_gone(struct rig *rig, uint32_t slot);
void rig_took(struct rig *rig, uint32_t slot, uint64_t bytes);
void rig_up(struct rig *rig, uint32_t broker);
void rig_down(struct rig *rig, uint32_t broker);
void rig_opened(struct rig *rig, uint32_t broker, hf_reason reason);
/* Records of broker 1 about request number `id`. */
void rig_admitted(struct rig *rig, uint32_t id);
void rig_window(struct rig *rig, uint32_t id, uint64_t bytes);
void rig_assigned(struct rig *rig, uint32_t id, uint64_t epoch);
void rig_refused(struct rig *rig, uint32_t id, hf_reason reason);
void rig_abort(struct rig *rig, uint32_t id, hf_reason reason);
struct rig_response {
    uint64_t epoch;
    uint32_t bytes;
    bool is_streamed;
    bool is_bad;
};
void rig_response(struct rig *rig, uint32_t id, struct rig_response response);
struct rig_piece {
    uint64_t epoch;
    uint64_t offset;
    uint32_t bytes;
    bool is_last;
};
void rig_piece(struct rig *rig, uint32_t id, struct rig_piece piece);
/* One queue, or none when the name is empty, is routed to this broker. */
void rig_routes(struct rig *rig, const char *queue, uint32_t broker);
void rig_drain(struct rig *rig);

#endif
