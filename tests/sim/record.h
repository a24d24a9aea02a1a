/* What travels on a fake link: PROTOCOL.md's records with descriptors instead of bytes.
 *
 * A run of bytes is (tag, offset, bytes). The tag names its origin: the serial of a
 * request for what a client sent, the number of an execution for what a handler
 * answered. Whoever joins or forwards runs keeps tag and offset, so a receiver sees at
 * once when bytes of two origins were mixed, repeated or left out. */
#ifndef HF_TESTS_SIM_RECORD_H
#define HF_TESTS_SIM_RECORD_H

#include "lib/base/ids.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"

struct sim_bytes {
    uint64_t tag;
    uint64_t offset;
    uint64_t bytes;
};

struct sim_receipt {
    uint64_t words[2];
};

enum sim_record_type {
    SIM_HEARTBEAT,
    SIM_OPEN,
    SIM_OPENED,
    SIM_CLOSED,
    SIM_ENQUEUE,
    SIM_BODY,
    SIM_WINDOW,
    SIM_ADMITTED,
    SIM_ACCEPTED,
    SIM_ASSIGNED,
    SIM_ASSIGNED_ACK,
    SIM_RESPONSE,
    SIM_RESPONSE_ACK,
    SIM_REFUSED,
    SIM_CANCEL,
    SIM_ABORT,
    SIM_CREDIT,
    SIM_ASSIGN,
    SIM_RESPOND,
    SIM_RESPOND_ACK,
    SIM_RELEASE,
    SIM_FAIL,
    SIM_DECLARE,
    SIM_DECLARED,
    SIM_DRAIN,
    SIM_RECORD_TYPES
};

#define SIM_STREAMED 4u /* flags of ENQUEUE, ASSIGN, RESPOND and RESPONSE */

struct sim_record {
    enum sim_record_type type;
    hf_reason reason;
    hf_id id;
    uint64_t epoch;
    uint64_t responded_epoch; /* ENQUEUE */
    uint32_t handle;
    uint32_t flags;
    uint32_t queue;  /* OPEN: index of the name */
    uint32_t rights; /* OPEN */
    uint32_t attempt;
    uint32_t result; /* RESPOND_ACK, DECLARED, DECLARE: is_answered */
    uint64_t amount; /* body_bytes of ENQUEUE and ASSIGN, WINDOW, CREDIT */
    hf_time deadline;
    bool is_last;
    struct sim_receipt receipt;
    struct sim_bytes head;
    struct sim_bytes body;
};

const char *sim_record_name(enum sim_record_type type);

#endif
