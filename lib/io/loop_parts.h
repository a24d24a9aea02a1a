/* Private to lib/io/loop.c, conn.c, listener.c and child.c: what a loop holds. */
#ifndef HF_IO_LOOP_PARTS_H
#define HF_IO_LOOP_PARTS_H

#include "lib/base/list.h"
#include "lib/io/loop.h"

#include <pthread.h>
#include <uv.h>

#define LOOP_READ_BYTES 65536

struct hf_loop {
    uv_loop_t uv;
    uv_async_t async; /* posts and stop */
    uv_prepare_t turn_end;
    hf_loop_fn turn_end_fn;
    void *turn_end_ctx;
    pthread_mutex_t lock; /* posts, is_stopping */
    struct hf_list posts;
    size_t posts_count;
    bool is_stopping;
    uint8_t read_buffer[LOOP_READ_BYTES]; /* every connection reads into it */
};

/* An errno of libuv as the caller's error. */
hf_err loop_error(int uv_result);

#endif
