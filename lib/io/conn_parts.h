/* Private to lib/io/conn.c and listener.c. */
#ifndef HF_IO_CONN_PARTS_H
#define HF_IO_CONN_PARTS_H

#include "lib/io/conn.h"
#include "lib/io/loop_parts.h"
#include "lib/io/socket.h"

struct hf_conn {
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv; /* first: the loop frees what it closes */
    struct hf_loop *loop;
    const struct hf_conn_events *events; /* NULL until attached */
    void *ctx;
    void (*on_up)(void *ctx, struct hf_conn *conn); /* dialled, not yet up */
    hf_err why;                                     /* for on_closed */
    bool is_unix;
};

/* A conn whose handle is ready for accept or connect. */
hf_err conn_new(struct hf_loop *loop, bool is_unix, struct hf_conn **out);

#endif
