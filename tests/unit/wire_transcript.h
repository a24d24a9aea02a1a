/* Reads the files of tests/transcripts: records as bytes beside the values they carry.
 * Anything unreadable fails the test that reads it. */
#ifndef HF_TESTS_WIRE_TRANSCRIPT_H
#define HF_TESTS_WIRE_TRANSCRIPT_H

#include "tests/unit/wire_reflect.h"

#define TRANSCRIPT_BYTES_MAX  4096
#define TRANSCRIPT_VALUES_MAX 8192

/* One record of a transcript. */
struct transcript {
    char type[32];
    char error[32]; /* of a violation; empty for a record */
    char sender[16];
    char receiver[16];
    uint8_t meta[REFLECT_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    uint8_t head[REFLECT_PLAIN_BYTES_MAX] __attribute__((aligned(16)));
    bool has_head;
    hf_slice body;
    uint8_t values[TRANSCRIPT_VALUES_MAX]; /* what the slices point to */
    size_t values_bytes;
    uint8_t bytes[TRANSCRIPT_BYTES_MAX];
    size_t bytes_count;
};

/* The message of a record type or head; NULL for HEARTBEAT and what is in lists.h. */
const struct reflect_message *transcript_message(const char *name);
/* The head that goes with a record type. */
const struct reflect_message *transcript_head(const char *type);
/* The record type of that name; 0 when there is none. */
uint16_t transcript_type(const char *name);
enum hf_end transcript_end(const char *word);
/* Calls `expect` with each record of tests/transcripts/<name>.txt, at least one. */
void transcript_each(const char *name, void (*expect)(const struct transcript *));

#endif
