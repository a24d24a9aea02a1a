/* A whole frontend in this process, on a thread of its own, with a echo broker behind
 * it and raw sockets before it. Everything lives in a private temporary directory;
 * ports are the kernel's choice. */
#ifndef TESTS_FRONTEND_FRONT_H
#define TESTS_FRONTEND_FRONT_H

#include "frontend/shell.h"
#include "tests/frontend/echo_broker.h"

struct front {
    char directory[64];
    char admin[128];
    struct fe_options options;
    struct echo_broker *broker;
    struct fe_shell *shell;
    unsigned port;
    pthread_t thread;
};

/* Once, before the first: as the set-up of the group of tests. */
int front_set_up(void **state);
/* The frontend runs; the broker does not listen yet. */
struct front *front_new(void);
/* With short timers for slow clients. */
struct front *front_new_hasty(void);
/* With its broker up and the routes in force. */
struct front *front_new_ready(void);
void front_free(struct front *front);

/* A blocking connection; reads give up after 10 s. */
int front_connect(const struct front *front);
void front_send(int fd, const char *text);
void front_send_bytes(int fd, const void *data, size_t bytes);
/* Reads until `text` has come; NULL when the connection ended before. The result is all
 * that was read since the last call, NUL-terminated, valid until the next call. */
const char *front_read_until(int fd, const char *text);
/* Reads to the end of the connection. False when it was reset. */
bool front_read_all(int fd, struct hf_buf *out);
/* The status and body of an admin path. */
int front_probe(const struct front *front, const char *path, struct hf_buf *body);

#endif
