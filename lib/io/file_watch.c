/* Owns noticing that a file has changed, by looking at it on a timer. */
#include "lib/io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

struct seen {
    bool exists;
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec changed;
};

struct hf_file_watch {
    char path[PATH_BYTES];
    struct hf_timer *timer;
    struct seen seen;
    hf_loop_fn fn;
    void *ctx;
};

static struct seen look(const char *path)
{
    struct seen seen;
    struct stat status;

    memset(&seen, 0, sizeof seen);
    if (stat(path, &status) == 0) {
        seen.exists = true;
        seen.device = status.st_dev;
        seen.inode = status.st_ino;
        seen.bytes = status.st_size;
        seen.changed = status.st_mtim;
    }
    return seen;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->exists == b->exists && a->device == b->device && a->inode == b->inode &&
           a->bytes == b->bytes && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static void on_tick(void *ctx)
{
    struct hf_file_watch *watch = ctx;
    struct seen now = look(watch->path);
    bool is_changed = !is_same(&watch->seen, &now);

    watch->seen = now;
    if (is_changed && now.exists) {
        watch->fn(watch->ctx);
    }
}

hf_err hf_file_watch_open(struct hf_loop *loop,
                          const struct hf_file_watch_config *config,
                          struct hf_file_watch **out)
{
    struct hf_file_watch *watch = calloc(1, sizeof *watch);
    hf_err err;

    hf_check(config->fn != NULL && config->every_ms > 0);
    if (watch == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    if (snprintf(watch->path, sizeof watch->path, "%s", config->path) >= PATH_BYTES) {
        free(watch);
        return HF_ERR_INVALID;
    }
    watch->fn = config->fn;
    watch->ctx = config->ctx;
    watch->seen = look(watch->path);
    err = hf_timer_open(loop, on_tick, watch, &watch->timer);
    if (err != HF_OK) {
        free(watch);
        return err;
    }
    hf_timer_set_every_ms(watch->timer, config->every_ms);
    *out = watch;
    return HF_OK;
}

void hf_file_watch_close(struct hf_file_watch *watch)
{
    if (watch != NULL) {
        hf_timer_close(watch->timer);
        free(watch);
    }
}
