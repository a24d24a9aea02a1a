/* Owns children of a loop: start, end, kill. */
#include "lib/io/loop_parts.h"

#include <stdlib.h>

#define FDS_MAX 16

struct hf_child {
    uv_process_t uv;
    hf_child_fn fn;
    void *ctx;
    bool has_ended;
};

static void free_child(uv_handle_t *handle)
{
    free(handle);
}

static void on_child_exit(uv_process_t *uv, int64_t exit_status, int signal_number)
{
    struct hf_child *child = (struct hf_child *)uv;

    child->has_ended = true;
    if (child->fn != NULL) {
        child->fn(child->ctx, exit_status, signal_number);
    }
}

static void set_descriptors(const struct hf_child_config *config,
                            uv_stdio_container_t stdio[FDS_MAX])
{
    for (size_t i = 0; i < config->fds_count; i++) {
        stdio[i].flags = config->fds[i] < 0 ? UV_IGNORE : UV_INHERIT_FD;
        stdio[i].data.fd = config->fds[i];
    }
}

hf_err hf_child_open(struct hf_loop *loop, const struct hf_child_config *config,
                     hf_child_fn fn, void *ctx, struct hf_child **out)
{
    uv_stdio_container_t stdio[FDS_MAX];
    uv_process_options_t options = {.exit_cb = on_child_exit, .stdio = stdio};
    struct hf_child *child;
    int result;

    hf_check(config->argv[0] != NULL && config->fds_count <= FDS_MAX);
    child = calloc(1, sizeof *child);
    if (child == NULL) {
        return HF_ERR_NO_MEMORY;
    }
    child->fn = fn;
    child->ctx = ctx;
    set_descriptors(config, stdio);
    options.file = config->argv[0];
    options.args = (char **)(uintptr_t)config->argv;
    options.env = (char **)(uintptr_t)config->environment;
    options.cwd = config->directory;
    options.stdio_count = (int)config->fds_count;
    options.flags = config->is_group_leader ? UV_PROCESS_DETACHED : 0;
    result = uv_spawn(&loop->uv, &child->uv, &options);
    if (result != 0) {
        uv_close((uv_handle_t *)&child->uv, free_child);
        return loop_error(result);
    }
    *out = child;
    return HF_OK;
}

int hf_child_pid(const struct hf_child *child)
{
    return child->uv.pid;
}

hf_err hf_child_kill(struct hf_child *child, int signal_number)
{
    if (child->has_ended) {
        return HF_ERR_NOT_FOUND;
    }
    return loop_error(uv_process_kill(&child->uv, signal_number));
}

void hf_child_close(struct hf_child *child)
{
    if (child != NULL) {
        child->fn = NULL;
        uv_close((uv_handle_t *)&child->uv, free_child);
    }
}
