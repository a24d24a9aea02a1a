/* Handler modules: shared objects that export `hf_module` (holdfast/worker.h). */
#ifndef HF_WORKER_MODULE_H
#define HF_WORKER_MODULE_H

#include "holdfast/worker.h"

struct wk_module {
    void *object;
    const struct hf_module *table;
    void *ctx;
};

/* `name` is a path (it has a '/'), or a name such as "echo": then NAME.so beside this
 * program's libraries, ../lib/holdfast. Calls init with `config`. False with a sentence
 * on standard error. */
bool wk_module_open(const char *name, const char *config, struct wk_module *out);
/* Calls fini. The object stays mapped: a thread of it may still be returning. */
void wk_module_close(struct wk_module *module);

#endif
