/* A client of the link protocol for tests: real links, real tokens, no shell of ours in
 * between. Blocking calls over one session. */
#ifndef HF_TESTS_WIRE_H
#define HF_TESTS_WIRE_H

#include "lib/io/credentials.h"
#include "lib/io/link.h"
#include "lib/wire/lists.h"
#include "lib/wire/messages.h"

#include <stdio.h>

struct wire;

/* A record as received, copied. */
struct wire_record {
    uint16_t type;
    hf_slice meta;
    hf_slice head;
    hf_slice body;
    struct wire_record *next;
    uint8_t data[];
};

/* Dials `address` with the package at `path` in this role and waits for the session.
 * DENIED when one side refused the other, CLOSED when it is not up within 5 s. */
HF_MUST_USE hf_err wire_open(const char *address, const char *path, enum hf_role role,
                             struct wire **out);
void wire_close(struct wire *wire);
/* Appends a record; wire_flush sends. */
HF_MUST_USE hf_err wire_send(struct wire *wire, uint16_t type, hf_slice meta,
                             hf_slice head, hf_slice body);
void wire_flush(struct wire *wire);
/* The next record, or NULL after timeout_ms or when the session ended. Free it. */
struct wire_record *wire_next(struct wire *wire, int64_t timeout_ms);
bool wire_is_up(struct wire *wire);
/* OPEN and its answer: OK, DENIED, or CLOSED. Other records in between are dropped. */
HF_MUST_USE hf_err wire_open_queue(struct wire *wire, uint32_t handle,
                                   const char *queue, uint32_t rights);

/* One line with the id's text, out of our hands at once; NULL is legal. */
void wire_write_id(FILE *log, hf_id id);

#define WIRE_SEND(wire, TYPE, name, ...)                                               \
    do {                                                                               \
        uint8_t meta_[HF_META_SMALL_MAX];                                              \
        const struct hf_##name message_ = {__VA_ARGS__};                               \
        size_t bytes_ = hf_##name##_encode(&message_, meta_, sizeof meta_);            \
        hf_err err_ = wire_send((wire), HF_RECORD_##TYPE, hf_slice_of(meta_, bytes_),  \
                                HF_SLICE_EMPTY, HF_SLICE_EMPTY);                       \
        (void)err_;                                                                    \
    } while (0)

/* The verbs of wire_main.c, each with its arguments after the verb; exit status. */
int wire_issue(int argc, char **argv);
int wire_policy(int argc, char **argv);
int wire_enqueue(int argc, char **argv);
int wire_list(int argc, char **argv);
int wire_work(int argc, char **argv);
int wire_routes(int argc, char **argv);

#endif
