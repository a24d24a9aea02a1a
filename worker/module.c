#include "worker/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Modules find these in the program that loads them; naming them here keeps the linker
 * from leaving out the ones the program itself never calls. */
typedef void (*any_fn)(void);
__attribute__((used)) static const any_fn public_functions[] = {
    (any_fn)hf_status_text,      (any_fn)hf_worker_open,
    (any_fn)hf_worker_close,     (any_fn)hf_shutdown,
    (any_fn)hf_open_queue,       (any_fn)hf_receive,
    (any_fn)hf_request_method,   (any_fn)hf_request_path,
    (any_fn)hf_request_query,    (any_fn)hf_request_scheme,
    (any_fn)hf_request_host,     (any_fn)hf_request_client_ip,
    (any_fn)hf_request_fields,   (any_fn)hf_request_field,
    (any_fn)hf_request_id,       (any_fn)hf_request_attempt,
    (any_fn)hf_request_epoch,    (any_fn)hf_time_left_ms,
    (any_fn)hf_request_set_user, (any_fn)hf_request_user,
    (any_fn)hf_request_body,     (any_fn)hf_request_body_bytes,
    (any_fn)hf_read_body,        (any_fn)hf_send_response,
    (any_fn)hf_send_body,        (any_fn)hf_cancel,
    (any_fn)hf_release,          (any_fn)hf_wait_disconnect,
    (any_fn)hf_is_cancelled,     (any_fn)hf_call_later,
};

/* DIR/bin/holdfast-worker looks in DIR/lib/holdfast. */
static bool path_of(const char *name, char *out, size_t bytes)
{
    char self[PATH_MAX];
    int written;

    if (strchr(name, '/') != NULL) {
        written = snprintf(out, bytes, "%s", name);
        return written > 0 && (size_t)written < bytes;
    }

    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length <= 0) {
        return false;
    }
    self[length] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(self, '/');

        if (slash == NULL) {
            return false;
        }
        *slash = '\0';
    }
    written = snprintf(out, bytes, "%s/lib/holdfast/%s.so", self, name);
    return written > 0 && (size_t)written < bytes;
}

bool wk_module_open(const char *name, const char *config, struct wk_module *out)
{
    char path[PATH_MAX];

    if (!path_of(name, path, sizeof path)) {
        fprintf(stderr, "holdfast-worker: module %s: no such path\n", name);
        return false;
    }

    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct hf_module *table =
        object == NULL ? NULL : dlsym(object, HF_MODULE_SYMBOL);

    if (table == NULL) {
        fprintf(stderr, "holdfast-worker: module %s: %s\n", name, dlerror());
        return false;
    }
    if (table->abi != HF_WORKER_ABI || table->handler.handle == NULL) {
        fprintf(stderr, "holdfast-worker: module %s: made for ABI %u, this is %u\n",
                name, table->abi, (unsigned)HF_WORKER_ABI);
        return false;
    }
    *out = (struct wk_module){.object = object, .table = table};
    if (table->init != NULL && table->init(config, &out->ctx) != 0) {
        fprintf(stderr, "holdfast-worker: module %s refused its configuration\n", name);
        return false;
    }
    return true;
}

void wk_module_close(struct wk_module *module)
{
    if (module->table != NULL && module->table->fini != NULL) {
        module->table->fini(module->ctx);
    }
    module->table = NULL;
}
